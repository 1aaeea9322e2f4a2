"""The confusion matrix of a map, and its text."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd


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


def matrix_of(found: pd.DataFrame, codes: tuple[int, ...]) -> Matrix:
    """Sum the counts of polygons to a confusion matrix.

    Parameters
    ----------
    found : DataFrame
        Columns label, said (0: no class) and pixels.
    codes : tuple of int
        Class codes, increasing.
    """
    size = len(codes)
    truth = np.searchsorted(codes, found["label"])
    said = found["said"].to_numpy(np.int64)
    column = np.where(said == 0, 0, np.searchsorted(codes, said) + 1)
    total = np.zeros(size * (size + 1), np.int64)
    np.add.at(total, truth * (size + 1) + column, found["pixels"].to_numpy(np.int64))
    table = total.reshape(size, size + 1)
    return Matrix(codes, table[:, 1:], table[:, 0])
