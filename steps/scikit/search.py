"""The choice of keywords by a cross-validation on the samples."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline

from ...errors import TaskError
from .learnt import Learnt

log = logging.getLogger(__name__)

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows that learn and rows that are scored."""


@dataclass(frozen=True)
class Tried:
    """One combination of values."""

    values: Mapping[str, Any]
    """Keyword -> value."""
    scores: tuple[float, ...]
    """Overall accuracy on each fold."""

    @property
    def mean(self) -> float:
        """Mean overall accuracy."""
        return float(np.mean(self.scores))


def splits(learnt: Learnt, folds: int, *, grouped: bool, seed: int) -> list[Split]:
    """Cut the samples into folds, each scored once.

    Parameters
    ----------
    learnt : Learnt
    folds : int
    grouped : bool
        True: a polygon is in one fold; folds of about equal size. False: samples at random, each
        class spread evenly.
    seed : int
        Of the random cut.

    Raises
    ------
    TaskError
        More folds than there are polygons, or samples of any class.
    """
    whole, unit = (
        (len(np.unique(learnt.polygons)), "polygons")
        if grouped
        else (int(learnt.counts.max()), "samples of the largest class")
    )
    if whole < folds:
        raise TaskError(
            f"cross_validation_folds is {folds}, the model has {whole} {unit}: lower it, or let "
            "sample_selection take more"
        )
    if grouped:
        return list(GroupKFold(folds).split(learnt.x, learnt.labels, learnt.polygons))
    drawn = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(drawn.split(learnt.x, learnt.labels))


def tried(
    pipeline: Pipeline, grid: Mapping[str, Sequence[Any]], learnt: Learnt, cuts: Sequence[Split]
) -> list[Tried]:
    """Score every combination of a grid, the best first; of equals the first of the grid.

    Parameters
    ----------
    pipeline : Pipeline
        Not changed.
    grid : mapping
        Parameter of the pipeline -> values.
    learnt : Learnt
    cuts : sequence of Split
    """
    search = GridSearchCV(
        pipeline, dict(grid), scoring="accuracy", cv=list(cuts), refit=False, error_score="raise"
    )
    search.fit(learnt.x, learnt.labels)
    found = search.cv_results_
    scores = np.stack([found[f"split{fold}_test_score"] for fold in range(len(cuts))], axis=1)
    every = [
        Tried(values, tuple(row))
        for values, row in zip(found["params"], scores.tolist(), strict=True)
    ]
    return sorted(every, key=lambda one: -one.mean)


def table(every: Sequence[Tried]) -> str:
    """Give what was tried as CSV, the best first."""
    keywords = [name.rpartition("__")[2] for name in every[0].values]
    folds = [f"oa_fold_{number}" for number in range(1, len(every[0].scores) + 1)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("rank", *keywords, "mean_oa", "deviation", *folds))
    for rank, one in enumerate(every, 1):
        numbers = (one.mean, float(np.std(one.scores)), *one.scores)
        writer.writerow((rank, *one.values.values(), *(f"{number:.6f}" for number in numbers)))
    return text.getvalue()


def log_table(every: Sequence[Tried]) -> None:
    """Log what was tried, the best first."""
    for one in every:
        values = ", ".join(f"{k.rpartition('__')[2]} {v}" for k, v in one.values.items())
        log.info("cross-validation: %s: overall accuracy %.4f", values, one.mean)


def notes(every: Sequence[Tried], classes: int) -> list[str]:
    """Say what makes the result doubtful."""
    chance = 1 / classes
    if not every or every[0].mean >= min(2 * chance, (1 + chance) / 2):
        return []
    return [
        f"the best overall accuracy of the cross-validation is {every[0].mean:.2f}, hardly better "
        f"than chance with {classes} classes: look at cross_validation_parameters and the samples"
    ]
