"""Statistics of a sample set, by exact integer sums in one streaming pass.

Integers add up to the same total in any order, so the result depends on the
samples alone, bit for bit: not on how they were cut into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import TaskError

ROWS_AT_ONCE = 2048
"""Samples widened to int32 at one time; bounds the memory, not seen in a result."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Statistics of each feature over all samples, flat and date-major, in physical units."""

    count: int
    """Number of samples."""
    min: NDArray[np.float32]
    """Smallest value, (date * band,)."""
    max: NDArray[np.float32]
    """Largest value, (date * band,)."""
    mean: NDArray[np.float32]
    """Arithmetic mean, (date * band,)."""
    var: NDArray[np.float32]
    """Population variance (divided by the count), (date * band,)."""

    def as_dict(self) -> dict[str, list[float]]:
        """Give the statistics by name as lists, ready for JSON; float32 survives the trip."""
        return {name: getattr(self, name).tolist() for name in ("min", "max", "mean", "var")}


class Statistics:
    """Sums of int16 samples, from which `summary` takes the statistics.

    Sums and sums of squares are int64: exact up to 8.5e9 samples of any int16.

    Parameters
    ----------
    nb_dates, nb_components : int
        Dates and bands of a sample.
    """

    def __init__(self, nb_dates: int, nb_components: int) -> None:
        self.shape = (nb_dates, nb_components)
        self.count = 0
        size = nb_dates * nb_components
        self._min = np.full(size, np.iinfo(np.int16).max, np.int16)
        self._max = np.full(size, np.iinfo(np.int16).min, np.int16)
        self._sum = np.zeros(size, np.int64)
        self._squares = np.zeros(size, np.int64)

    def update(self, features: NDArray[np.int16]) -> None:
        """Add a block of samples.

        Parameters
        ----------
        features : ndarray of int16, (sample, date, band)
            As stored; may be memory-mapped and may hold no sample.

        Raises
        ------
        ValueError
            For another type or shape.
        """
        if features.dtype != np.int16 or features.shape[1:] != self.shape:
            raise ValueError(
                f"statistics take int16 (sample, {self.shape[0]}, {self.shape[1]}), "
                f"got {features.dtype} {features.shape}"
            )
        for start in range(0, len(features), ROWS_AT_ONCE):
            self._add(np.asarray(features[start : start + ROWS_AT_ONCE]))

    def merge(self, other: Statistics) -> None:
        """Add the samples that `other` has seen."""
        if other.shape != self.shape:
            raise ValueError(f"statistics of {other.shape} do not add to those of {self.shape}")
        self.count += other.count
        np.minimum(self._min, other._min, out=self._min)
        np.maximum(self._max, other._max, out=self._max)
        self._sum += other._sum
        self._squares += other._squares

    def summary(self, scale: ArrayLike) -> Summary:
        """Give the statistics in physical units.

        Parameters
        ----------
        scale : array_like of float, (band,)
            Stored value divided by scale is the physical value. Applied last,
            in float64, before the one rounding to float32.

        Raises
        ------
        TaskError
            When no sample was seen.
        """
        if not self.count:
            raise TaskError("no sample to take statistics of: the training set is empty")
        divisor = self._flat_scale(scale)
        mean, var = self._moments()
        return Summary(
            count=self.count,
            min=(self._min / divisor).astype(np.float32),
            max=(self._max / divisor).astype(np.float32),
            mean=(mean / divisor).astype(np.float32),
            var=(var / divisor**2).astype(np.float32),
        )

    def _add(self, rows: NDArray[np.int16]) -> None:
        flat = rows.reshape(len(rows), -1)
        np.minimum(self._min, flat.min(axis=0), out=self._min)
        np.maximum(self._max, flat.max(axis=0), out=self._max)
        wide = flat.astype(np.int32)
        self._sum += wide.sum(axis=0, dtype=np.int64)
        np.multiply(wide, wide, out=wide)  # at most 2**30
        self._squares += wide.sum(axis=0, dtype=np.int64)
        self.count += len(rows)

    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance in stored units; Python's int / int rounds once, correctly."""
        n = self.count
        sums, squares = self._sum.tolist(), self._squares.tolist()
        mean = [s / n for s in sums]
        var = [(n * q - s * s) / (n * n) for s, q in zip(sums, squares, strict=True)]
        return np.array(mean), np.array(var)

    def _flat_scale(self, scale: ArrayLike) -> NDArray[np.float64]:
        bands = np.asarray(scale, np.float64)
        if bands.shape != self.shape[1:] or not (bands > 0).all():
            raise ValueError(f"scale must be {self.shape[1]} positive numbers, got {scale!r}")
        return np.tile(bands, self.shape[0])
