"""Confusion matrix and the scores taken from it; for validation sets and for maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a confusion matrix; nan where the definition divides by zero."""

    oa: float
    """Overall accuracy, 0-1: share of the samples on the diagonal."""
    kappa: float
    """Cohen's kappa, at most 1; nan when chance alone agrees fully (a single class)."""
    precision: NDArray[np.float64]
    """User's accuracy, (class,); nan for a class that was never predicted."""
    recall: NDArray[np.float64]
    """Producer's accuracy, (class,); nan for a class without reference."""
    fscore: NDArray[np.float64]
    """F1, (class,); nan for a class without reference, 0 for one never predicted."""
    mean_fscore: float
    """Mean of `fscore` over the classes with reference; nan for an empty matrix."""
    mean_precision: float
    """Mean of `precision` over the classes that were predicted; nan for an empty matrix."""
    mean_recall: float
    """Mean of `recall` over the classes with reference; nan for an empty matrix."""


def confusion(reference: ArrayLike, predicted: ArrayLike, n: int) -> NDArray[np.int64]:
    """Count the pairs of reference and predicted class.

    Parameters
    ----------
    reference, predicted : array_like of int, any one shape
        Class indices 0 to n - 1.
    n : int
        Number of classes.

    Returns
    -------
    ndarray of int64, (n, n)
        Rows reference, columns predicted.

    Raises
    ------
    ValueError
        When the shapes differ or an index lies outside 0 to n - 1.
    """
    rows, columns = _indices(reference, n), _indices(predicted, n)
    if rows.shape != columns.shape:
        raise ValueError(f"{rows.shape} reference against {columns.shape} predicted classes")
    pairs = (rows * n + columns).ravel()
    return np.bincount(pairs, minlength=n * n).reshape(n, n).astype(np.int64)


def scores(matrix: ArrayLike) -> Scores:
    """Take the scores of a confusion matrix.

    With N samples, diagonal d, row sums r and column sums c: OA = sum(d) / N;
    kappa = (N sum(d) - sum(r c)) / (N^2 - sum(r c)), which is Cohen's (1960)
    (p_o - p_e) / (1 - p_e), in exact integers up to the one division;
    precision = d / c; recall = d / r; F = 2 d / (r + c), the harmonic mean of both
    (van Rijsbergen, 1979).

    Parameters
    ----------
    matrix : array_like of int, (class, class)
        Rows reference, columns predicted.

    Raises
    ------
    ValueError
        When the matrix is not square, not of integers, or has a negative count.
    """
    counts = _counts(matrix)
    diagonal, rows, columns = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    referenced = rows > 0
    fscore = _ratio(np.where(referenced, 2 * diagonal, 0), np.where(referenced, rows + columns, 0))
    precision, recall = _ratio(diagonal, columns), _ratio(diagonal, rows)
    return Scores(
        oa=_fraction(sum(diagonal.tolist()), sum(rows.tolist())),
        kappa=_kappa(diagonal.tolist(), rows.tolist(), columns.tolist()),
        precision=precision,
        recall=recall,
        fscore=fscore,
        mean_fscore=_mean(fscore[referenced]),
        mean_precision=_mean(precision[columns > 0]),
        mean_recall=_mean(recall[referenced]),
    )


def _kappa(diagonal: list[int], rows: list[int], columns: list[int]) -> float:
    total = sum(rows)
    chance = sum(r * c for r, c in zip(rows, columns, strict=True))
    return _fraction(total * sum(diagonal) - chance, total * total - chance)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _fraction(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else float("nan")


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    undefined = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)


def _indices(classes: ArrayLike, n: int) -> NDArray[np.int64]:
    array = np.asarray(classes)
    if array.size == 0:
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"class indices must be integers, got {array.dtype}")
    if array.min() < 0 or array.max() >= n:
        raise ValueError(f"class indices {array.min()} to {array.max()} leave 0 to {n - 1}")
    return array.astype(np.int64)


def _counts(matrix: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"a confusion matrix is square, got {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise ValueError("a confusion matrix holds counts: integers of at least 0")
    return counts.astype(np.int64)
