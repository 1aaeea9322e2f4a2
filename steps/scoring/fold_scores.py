"""From the predictions of polygons to the scores of a spatial cross-validation: no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import pandas as pd

from ...nn_bank import metrics
from ..contract import MAIN
from ..reference.labels import Labels
from . import scores
from .matrix import Matrix, matrix_of
from .scores import Run, Spread

TEST, VALIDATION = "test", "validation"
"""Sides that are scored."""
AREAS = {TEST: "another area", VALIDATION: "same area"}
"""Side -> what its score tells."""
SCORES = {"oa": "Overall accuracy", "kappa": "Kappa", "mean_fscore": "Mean F-score"}


@dataclass(frozen=True)
class Entry:
    """Scores of one side in one fold and seed."""

    fold: int
    """Number from 1, or MAIN for the run that holds nothing out."""
    seed: int
    side: str
    polygons: int
    """Polygons with a pixel on this side."""
    matrix: Matrix
    scores: metrics.Scores

    @property
    def pixels(self) -> int:
        """Pixels with a class in the map: those that are scored."""
        return int(self.matrix.counts.sum())

    @property
    def unclassified(self) -> int:
        """Pixels that the map leaves without a class: in no score."""
        return int(self.matrix.unclassified.sum())


@dataclass(frozen=True)
class Validation:
    """All scores of a cross-validation."""

    names: Mapping[int, str]
    """Number of each fold, from 1 -> its name."""
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    """By fold, seed, side; those of fold MAIN first where there is one."""

    def label(self, fold: int) -> str:
        """Name a fold for reading."""
        name = self.names[fold]
        return f"fold {fold}" + (f" ({name})" if name != str(fold) else "")

    def of(self, fold: int, side: str) -> list[Entry]:
        """Give the entries of a fold and side, one a seed."""
        return [entry for entry in self.entries if (entry.fold, entry.side) == (fold, side)]

    def mean(self, fold: int, side: str, score: str) -> float:
        """Give the mean of a score over the seeds; nan where it is undefined in all."""
        return scores.spread([getattr(e.scores, score) for e in self.of(fold, side)]).mean

    def spread(self, side: str, score: str) -> Spread:
        """Give mean and deviation of a score over the folds in which it is defined."""
        return scores.spread([self.mean(fold, side, score) for fold in self.names])

    def stacked(self) -> list[Run]:
        """Give the scores of all out-of-fold predictions together, one record a seed.

        A polygon that several folds test (files of test polygons may share some) counts in each.
        """
        return [scores.run_of(seed, self._stack(seed), ()) for seed in self.seeds]

    def _stack(self, seed: int) -> Matrix:
        found = [e.matrix for e in self.entries if (e.seed, e.side) == (seed, TEST)]
        return reduce(add, found)

    def absent(self, fold: int, side: str) -> list[int]:
        """Give the codes of the classes without a reference pixel in a fold, for any seed."""
        total = reduce(add, (entry.matrix for entry in self.of(fold, side)))
        rows = total.counts.sum(axis=1) + total.unclassified
        return [code for code, pixels in zip(total.codes, rows, strict=True) if not pixels]


def validate(
    predictions: pd.DataFrame, names: Mapping[int, str], seeds: Sequence[int], classes: Labels
) -> Validation:
    """Score every fold and seed, on the polygons of another and of the same area.

    Parameters
    ----------
    predictions : DataFrame
        Columns fold, seed, polygon, side, label, said, pixels: pixels of each polygon by the
        code that the map gives them (0 none). Rows of fold MAIN are the run's own.
    names : mapping of int to str
        Folds, from 1.
    seeds : sequence of int
    classes : Labels

    Notes
    -----
    A class without a reference pixel has no recall and no F-score there (nan), and is left out of
    the mean F-score of that fold; it never counts as 0.
    """
    codes = tuple(classes.codes)
    whole = (predictions["fold"] == MAIN).any()
    wanted = [(MAIN, seed, VALIDATION) for seed in seeds if whole]
    wanted += [(fold, seed, side) for fold in names for seed in seeds for side in AREAS]
    groups = dict(iter(predictions.groupby(["fold", "seed", "side"], sort=False)))
    nothing = predictions.iloc[:0]
    entries = (_entry(key, groups.get(key, nothing), codes) for key in wanted)
    return Validation(dict(names), tuple(seeds), tuple(entries))


def _entry(key: tuple[int, int, str], rows: pd.DataFrame, codes: tuple[int, ...]) -> Entry:
    matrix = matrix_of(rows, codes)
    polygons = int(rows.loc[rows["pixels"] > 0, "polygon"].nunique())
    return Entry(*key, polygons, matrix, metrics.scores(matrix.counts))
