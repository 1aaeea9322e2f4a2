"""Pixels counted by reference and map label, whatever the labels are; OTB's text, JSON, scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...nn_bank import metrics
from ..files import store
from .matrix import Matrix

OVERALL = ("oa", "kappa", "mean_fscore")
"""Scores of a matrix as a whole."""
PER_CLASS = ("precision", "recall", "fscore")
WANTED = ("labels", "confusion_matrix", "unclassified")
"""Keys of the JSON from which a table is read back."""
MADE_BY = "i2lc confusion -map MAP -ref.vector FILE -ref.vector.field FIELD -out DIR writes one"


@dataclass(frozen=True)
class Table:
    """Reference pixels by their label and by what the map says."""

    pixels: Mapping[tuple[int, int], int]
    """(reference, map) label -> pixels, above 0. No reference label is 0."""
    outside: frozenset[int] = frozenset({0})
    """Map labels that mean no class; they count in no score."""

    @classmethod
    def of(
        cls, reference: NDArray[np.integer], said: NDArray[np.integer], outside: Collection[int]
    ) -> Table:
        """Count labels, both (pixel,)."""
        rows, row_of = np.unique(reference, return_inverse=True)
        cols, col_of = np.unique(said, return_inverse=True)
        counts = np.bincount(row_of * len(cols) + col_of, minlength=len(rows) * len(cols))
        pairs = ((int(row), int(col)) for row in rows for col in cols)
        pixels = {pair: n for pair, n in zip(pairs, counts.tolist(), strict=True) if n}
        return cls(pixels, frozenset(outside))

    def __add__(self, other: Table) -> Table:
        both = Counter(self.pixels)
        both.update(other.pixels)
        return Table(dict(both), self.outside | other.outside)

    def total(self) -> int:
        """Give the number of pixels."""
        return sum(self.pixels.values())

    def as_csv(self) -> str:
        """Give OTB's confusionmatrix text: two header lines, then a row a reference label.

        A label has a row, or a column, when a pixel has it; 0 may be a column.
        """
        rows = sorted({row for row, _ in self.pixels})
        cols = sorted({col for _, col in self.pixels})
        lines = [
            "#Reference labels (rows):" + ",".join(map(str, rows)),
            "#Produced labels (columns):" + ",".join(map(str, cols)),
            *(",".join(str(self.pixels.get((row, col), 0)) for col in cols) for row in rows),
        ]
        return "\n".join(lines) + "\n"

    def matrix(self) -> Matrix:
        """Give the square matrix of all classes that the reference or the map has."""
        seen = {label for pair in self.pixels for label in pair}
        codes = tuple(sorted(seen - self.outside | {row for row, _ in self.pixels}))
        place = {code: rank for rank, code in enumerate(codes)}
        counts = np.zeros((len(codes), len(codes)), np.int64)
        unclassified = np.zeros(len(codes), np.int64)
        for (row, col), number in self.pixels.items():
            if col in self.outside:
                unclassified[place[row]] += number
            else:
                counts[place[row], place[col]] += number
        return Matrix(codes, counts, unclassified)


def record(matrix: Matrix) -> dict[str, Any]:
    """Give a matrix and its scores as plain data; an undefined score is None."""
    scores = metrics.scores(matrix.counts)
    return {
        "labels": list(matrix.codes),
        "confusion_matrix": matrix.counts.tolist(),
        "unclassified": matrix.unclassified.tolist(),
        "reference_pixels": (matrix.counts.sum(axis=1) + matrix.unclassified).tolist(),
        **{name: _number(getattr(scores, name)) for name in OVERALL},
        **{name: [_number(v) for v in getattr(scores, name).tolist()] for name in PER_CLASS},
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def load(path: Path) -> Table:
    """Read a table back from the JSON that `record` gives.

    Raises
    ------
    InputError
        When the file is missing or of another kind.
    """
    if not path.is_file():
        raise InputError(f"there is no {path}; {MADE_BY}")
    try:
        data = store.read_json(path)
        labels, counts, lost = (data[name] for name in WANTED)
        return Table(_pixels(labels, [[*row, no] for row, no in zip(counts, lost, strict=True)]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{path} is no matrix in JSON ({what}); {MADE_BY}") from error


def _pixels(labels: list[int], rows: Iterable[list[int]]) -> dict[tuple[int, int], int]:
    columns = [*labels, 0]
    return {
        (int(label), int(column)): int(number)
        for label, row in zip(labels, rows, strict=True)
        for column, number in zip(columns, row, strict=True)
        if number
    }
