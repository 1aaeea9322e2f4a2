"""Exact quantiles of a random share of the samples, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .stored import INVALID, NOT_ACQUIRED

LEVELS = (0.1, 0.5, 0.95)
"""Quantiles that are computed."""

HELD = 32_768
"""Chosen samples held as rows before they are counted; not seen in a result."""

LOWEST = np.iinfo(np.int16).min
VALUES = 1 << 16
"""Number of int16 values."""


class Quantiles:
    """Collects a seeded share of the samples, from which `stored` takes exact quantiles.

    Samples are chosen by their number in the order of the updates, so that the cut into
    blocks is not seen. The chosen are held as int16 rows, and when there are many, counted
    by value: no more than 32,768 rows and 65,536 counts of 4 bytes a feature, which for 481
    features is 158 MB.

    Parameters
    ----------
    count : int
        Number of all samples.
    share : float
        Of the samples, ]0, 1]: ceil(share * count) are chosen.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        For another share.
    """

    def __init__(self, count: int, share: float, seed: int) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}: a number above 0 and up to 1 is needed")
        self.count = count
        self.seen = 0
        self._chosen = np.zeros(count, bool)
        number = math.ceil(share * count)
        self._chosen[np.random.default_rng(seed).permutation(count)[:number]] = True
        self._rows: list[NDArray[np.int16]] = []
        self._counts: NDArray[np.uint32] | None = None

    def update(self, features: NDArray[np.int16]) -> None:
        """Take the next block of samples, int16 (sample, date, band).

        Raises
        ------
        ValueError
            When more samples come than were announced.
        """
        if self.seen + len(features) > self.count:
            raise ValueError(f"more than the {self.count} samples that were announced")
        for start in range(0, len(features), HELD):
            self._add(features[start : start + HELD])

    def stored(self, *, marked: bool) -> dict[str, NDArray[np.float64]]:
        """Give the quantiles by name, each (date * band,), in stored units.

        Linear between neighbours, numpy's default (Hyndman and Fan 1996, definition 7).

        Parameters
        ----------
        marked : bool
            Leave out the marks (`nn_bank.stored`); a feature without any other value has NaN.

        Raises
        ------
        ValueError
            When fewer samples came than were announced, or none.
        """
        if not self.count or self.seen != self.count:
            raise ValueError(f"{self.seen} of {self.count} samples seen: no quantiles yet")
        self._fold()
        assert self._counts is not None
        found = np.array([_of_counts(counts, marked) for counts in self._counts])
        return {f"quantile_{level}": found[:, i] for i, level in enumerate(LEVELS)}

    def _add(self, features: NDArray[np.int16]) -> None:
        chosen = self._chosen[self.seen : self.seen + len(features)]
        rows = np.asarray(features)[chosen]
        self._rows.append(rows.reshape(len(rows), math.prod(features.shape[1:])))
        self.seen += len(features)
        if sum(map(len, self._rows)) >= HELD:
            self._fold()

    def _fold(self) -> None:
        """Count the rows that are held, and let them go."""
        if not self._rows:
            return
        values = np.concatenate(self._rows)
        self._rows = []
        if self._counts is None:
            self._counts = np.zeros((values.shape[1], VALUES), np.uint32)
        for counts, column in zip(self._counts, values.T, strict=True):
            places = column.astype(np.int64) - LOWEST
            counts += np.bincount(places, minlength=VALUES).astype(np.uint32)


def _of_counts(counts: NDArray[np.uint32], marked: bool) -> list[float]:
    """Give the quantiles `LEVELS` of values that come counts[value - LOWEST] times each."""
    if marked:
        counts = counts.copy()
        counts[[INVALID - LOWEST, NOT_ACQUIRED - LOWEST]] = 0
    upto = counts.cumsum(dtype=np.int64)
    last = int(upto[-1]) - 1
    if last < 0:
        return [math.nan] * len(LEVELS)
    return [_interpolated(upto, last * level, last) for level in LEVELS]


def _interpolated(upto: NDArray[np.int64], place: float, last: int) -> float:
    """Give the value at a place, 0 to last, among the sorted ones."""
    below = math.floor(place)
    low, high = (
        int(np.searchsorted(upto, number, side="right")) + LOWEST
        for number in (below, min(below + 1, last))
    )
    return float(low + (high - low) * (place - below))
