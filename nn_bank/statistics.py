"""Statistics of a sample set, by exact integer sums in one streaming pass.

Integers add up to the same total in any order, so the result depends on the
samples alone, bit for bit: not on how they were cut into blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import TaskError
from .quantiles import Quantiles
from .stored import INVALID, NOT_ACQUIRED

__all__ = ["Quantiles", "Statistics", "Summary"]

ROWS_AT_ONCE = 2048
"""Samples widened to int32 at one time; bounds the memory, not seen in a result."""

SMALLEST, LARGEST = np.iinfo(np.int16).min, np.iinfo(np.int16).max


@dataclass(frozen=True, eq=False)
class Summary:
    """Statistics of each feature over all samples, flat and date-major, in physical units.

    NaN where a feature has no valid value, which only raw dates and gaps know.
    """

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

    quantiles: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """quantile_0.1, quantile_0.5, quantile_0.95, each (date * band,); empty unless computed."""

    def as_dict(self) -> dict[str, list[float | None]]:
        """Give the statistics by name as lists, ready for JSON: None for NaN.

        Float32 survives the trip.
        """
        arrays = {name: getattr(self, name) for name in ("min", "max", "mean", "var")}
        return {
            name: [None if np.isnan(value) else value for value in values.tolist()]
            for name, values in (arrays | dict(self.quantiles)).items()
        }


class Statistics:
    """Sums of int16 samples, from which `summary` takes the statistics.

    Sums and sums of squares are int64: exact up to 8.5e9 samples of any int16.

    Parameters
    ----------
    nb_dates, nb_components : int
        Dates and bands of a sample.
    raw : bool
        Dates are raw: values at dates that are not valid (`stored`) are left out.
    gaps : bool
        Single values may be missing: they are left out.
    """

    def __init__(
        self, nb_dates: int, nb_components: int, raw: bool = False, gaps: bool = False
    ) -> None:
        self.shape = (nb_dates, nb_components)
        self.marked = raw or gaps
        """Some values are no values but marks."""
        self.count = 0
        size = nb_dates * nb_components
        self._counts = np.zeros(size, np.int64)
        self._min = np.full(size, LARGEST, np.int16)
        self._max = np.full(size, SMALLEST, np.int16)
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
        if other.marked != self.marked:
            raise ValueError("statistics that leave out marks do not add to others")
        self.count += other.count
        self._counts += other._counts
        np.minimum(self._min, other._min, out=self._min)
        np.maximum(self._max, other._max, out=self._max)
        self._sum += other._sum
        self._squares += other._squares

    def summary(self, scale: ArrayLike, quantiles: Quantiles | None = None) -> Summary:
        """Give the statistics in physical units.

        Parameters
        ----------
        scale : array_like of float, (band,)
            Stored value divided by scale is the physical value. Applied last,
            in float64, before the one rounding to float32.
        quantiles : Quantiles, optional
            That has seen the same samples.

        Raises
        ------
        TaskError
            When no sample was seen.
        """
        if not self.count:
            raise TaskError("no sample to take statistics of: the training set is empty")
        divisor = self._flat_scale(scale)
        mean, var = self._moments()
        seen = self._counts > 0
        found = {} if quantiles is None else quantiles.stored(marked=self.marked)
        return Summary(
            count=self.count,
            min=np.where(seen, self._min / divisor, np.nan).astype(np.float32),
            max=np.where(seen, self._max / divisor, np.nan).astype(np.float32),
            mean=(mean / divisor).astype(np.float32),
            var=(var / divisor**2).astype(np.float32),
            quantiles={name: (q / divisor).astype(np.float32) for name, q in found.items()},
        )

    def missing(self) -> NDArray[np.float64]:
        """Give the share of missing values of each band over samples and dates, (band,)."""
        every = max(self.count * self.shape[0], 1)
        there = self._counts.reshape(self.shape).sum(axis=0)
        return np.asarray((self.count * self.shape[0] - there) / every)

    def _add(self, rows: NDArray[np.int16]) -> None:
        flat = rows.reshape(len(rows), -1)
        self.count += len(rows)
        if not self.marked:
            self._counts += len(rows)
            self._add_values(flat, flat, flat)
            return
        valid = (flat != INVALID) & (flat != NOT_ACQUIRED)
        self._counts += valid.sum(axis=0)
        low, high, zero = (
            np.where(valid, flat, np.int16(other)) for other in (LARGEST, SMALLEST, 0)
        )
        self._add_values(low, high, zero)

    def _add_values(
        self, low: NDArray[np.int16], high: NDArray[np.int16], terms: NDArray[np.int16]
    ) -> None:
        """Add rows to the minima, the maxima and the sums, (sample, date * band) each."""
        np.minimum(self._min, low.min(axis=0), out=self._min)
        np.maximum(self._max, high.max(axis=0), out=self._max)
        wide = terms.astype(np.int32)
        self._sum += wide.sum(axis=0, dtype=np.int64)
        np.multiply(wide, wide, out=wide)  # at most 2**30
        self._squares += wide.sum(axis=0, dtype=np.int64)

    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance in stored units; Python's int / int rounds once, correctly."""
        counts, sums, squares = (one.tolist() for one in (self._counts, self._sum, self._squares))
        mean = [s / n if n else np.nan for n, s in zip(counts, sums, strict=True)]
        var = [
            (n * q - s * s) / (n * n) if n else np.nan
            for n, s, q in zip(counts, sums, squares, strict=True)
        ]
        return np.array(mean), np.array(var)

    def _flat_scale(self, scale: ArrayLike) -> NDArray[np.float64]:
        bands = np.asarray(scale, np.float64)
        if bands.shape != self.shape[1:] or not (bands > 0).all():
            raise ValueError(f"scale must be {self.shape[1]} positive numbers, got {scale!r}")
        return np.tile(bands, self.shape[0])
