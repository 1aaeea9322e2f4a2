"""The confusion matrix of a map, and its text."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Matrix:
    """Reference pixels by class and by what the map says."""

    codes: tuple[int, ...]
    """Class codes, increasing."""
    counts: np.ndarray
    """int64 (class, class): rows reference, columns map."""
    unclassified: np.ndarray
    """int64 (class,): reference pixels where the map is 0; outside of `counts`."""

    def __add__(self, other: Matrix) -> Matrix:
        return Matrix(
            self.codes, self.counts + other.counts, self.unclassified + other.unclassified
        )

    def as_csv(self) -> str:
        """Give the matrix as OTB's confusionmatrix text: two header lines, then the rows.

        Column 0 holds the pixels that the map leaves unclassified.
        """
        text = io.StringIO()
        text.write("#Reference labels (rows):" + ",".join(map(str, self.codes)) + "\n")
        text.write("#Produced labels (columns):0," + ",".join(map(str, self.codes)) + "\n")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(np.column_stack([self.unclassified, self.counts]).tolist())
        return text.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> Matrix:
        """Read the matrix back."""
        head, _, *rows = text.splitlines()
        codes = tuple(int(code) for code in head.split(":")[1].split(","))
        table = np.array([[int(v) for v in row.split(",")] for row in rows], np.int64)
        return cls(codes, table[:, 1:], table[:, 0])
