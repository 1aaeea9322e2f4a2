"""From confusion matrices to what the results say of the map: plain records, no file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ...nn_bank import metrics
from ..reference.labels import Labels
from .matrix import Matrix

LARGEST_CONFUSIONS = 3
"""Confusions named for each class."""


@dataclass(frozen=True)
class Run:
    """Scores of one seed."""

    seed: int
    matrix: Matrix
    scores: metrics.Scores
    notes: tuple[str, ...]
    """What the training found doubtful."""

    @property
    def largest_share(self) -> float:
        """Share of the largest reference class: the accuracy of a map of that class alone."""
        rows = self.matrix.counts.sum(axis=1)
        return float(rows.max() / rows.sum()) if rows.sum() else math.nan


@dataclass(frozen=True)
class Spread:
    """Mean and spread of a score over runs."""

    mean: float
    deviation: float | None
    """Standard deviation (n - 1); None for one run."""
    half_width: float | None
    """Half of the 95 % Student interval of the mean over random splits; None for one run."""


def run_of(seed: int, matrix: Matrix, notes: Sequence[str]) -> Run:
    """Score the matrix of one seed."""
    return Run(seed, matrix, metrics.scores(matrix.counts), tuple(notes))


def spread(values: Sequence[float]) -> Spread:
    """Give mean, standard deviation and Student interval of a score over runs.

    The interval is mean +- t(0.975, n - 1) s / sqrt(n). It tells the spread over random splits of
    one ground truth, not the accuracy of the map over its area.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return Spread(math.nan, None, None)
    mean = float(np.mean(known))
    count = len(known)
    if count < 2:
        return Spread(mean, None, None)
    deviation = float(np.std(known, ddof=1))
    half = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return Spread(mean, deviation, half)


def class_rows(runs: Sequence[Run], classes: Labels) -> list[dict[str, Any]]:
    """Give a record a class: label, name, spread of precision, recall, F, largest confusions."""
    counts = np.sum([run.matrix.counts for run in runs], axis=0)
    return [
        {
            "label": label.code,
            "name": label.name,
            "reference_pixels": round(counts[row].sum() / len(runs)),
            "precision": spread([float(run.scores.precision[row]) for run in runs]),
            "recall": spread([float(run.scores.recall[row]) for run in runs]),
            "fscore": spread([float(run.scores.fscore[row]) for run in runs]),
            "confusions": confusions_of(counts, row, classes),
        }
        for row, label in enumerate(classes.classes)
    ]


def confusions_of(counts: np.ndarray, row: int, classes: Labels) -> list[dict[str, Any]]:
    """Name the classes that a class is most often taken for."""
    total = int(counts[row].sum())
    others = [k for k in np.argsort(-counts[row], kind="stable") if k != row and counts[row, k]]
    return [
        {"name": classes.classes[k].name, "share": float(counts[row, k] / total)}
        for k in others[:LARGEST_CONFUSIONS]
    ]
