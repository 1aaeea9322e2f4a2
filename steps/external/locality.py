"""Whether the values of a function depend on where a tile is cut into windows.

A function sees a window grown by the padding, never more. Its values are those of the tile only if
no pixel farther away than the padding has a say, and no sum over the window is in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..tiles import grid
from .data import ExternalData

CLOSE = 1e-5
"""Difference, relative to the value itself, that is rounding and no dependence."""
FARTHEST = 32
"""Pixels of padding up to which one that would do is searched."""
KEPT = 0.5
"""Share of the values that a larger padding leaves at least, if it is to be told."""
EVERY = 3
"""One pixel in so many is tried alone."""

Values = Callable[[ExternalData], np.ndarray]
"""Calls a function: float32 (y, x, label)."""
Span = tuple[slice, slice]
"""Rows and columns."""


class Around(Protocol):
    """What was read of a tile: a window with neighbours on all sides, as far as the tile goes."""

    @property
    def inner(self) -> Span:
        """Rows and columns of the window in what was read."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that were read."""

    @property
    def room(self) -> int:
        """Neighbours that were read on each side, at the tile's edge fewer."""

    def data(self, rows: slice, cols: slice) -> ExternalData:
        """Give what a function gets of some rows and columns."""

    def alone(self, where: np.ndarray) -> ExternalData:
        """Give what a function gets of n pixels, bool (y, x), without neighbours.

        They stand in a row; what stands behind them is cut off after the call.
        """


@dataclass(frozen=True)
class Verdict:
    """What became of the comparison; both empty where all agree."""

    error: str = ""
    warning: str = ""


def look(values: Values, there: Around, whole: np.ndarray, padding: tuple[int, int]) -> Verdict:
    """Compare a window computed whole with the same one in four parts, each with its padding.

    Parameters
    ----------
    values : callable
        Calls the function.
    there : Around
        Read with at least the padding.
    whole : ndarray of float32, (y, x, label)
        What the function gives of the window, itself computed with the padding.
    padding : tuple of int
        Rows and columns of neighbours.

    Returns
    -------
    Verdict
        An error that names a padding that would do, or says that there is none.
    """
    if any(padding):
        found = difference(whole, in_parts(values, there, padding))
    else:
        found = _of_rows(values, there, whole)
    if found > CLOSE:
        return Verdict(error=_way_out(values, there, whole, padding))
    if found:
        return Verdict(
            warning="is rounded otherwise where a tile is cut elsewhere (by up to "
            f"{found:.1g} of a value): single pixels may differ with another number_of_chunks"
        )
    return Verdict()


def _way_out(values: Values, there: Around, whole: np.ndarray, padding: tuple[int, int]) -> str:
    """Say which padding would do, or that none would."""
    if not any(padding) and difference(whole, in_parts(values, there, padding)) <= CLOSE:
        return (
            "gives other values for single pixels, which it gets as arrays (1, n, date) where "
            "padding is 0: let the value of a pixel follow from that pixel, or set padding"
        )
    depends = "depends on where a tile is cut into windows"
    most = _most(there)
    enough = needed(values, there, whole, min(padding) + 1, most)
    if enough is None:
        return (
            f"{depends}, even with padding {max(most, *padding)}: it is not local, each value "
            "follows from the whole window, as a mean or an extreme of it does, or sums in "
            "float32: sum in float64"
        )
    given = " and ".join(map(str, dict.fromkeys(padding)))
    return f"{depends} with padding {given}; padding {enough} would do"


def needed(values: Values, there: Around, whole: np.ndarray, least: int, most: int) -> int | None:
    """Give the least padding from `least` to `most` with which nothing follows from the cut.

    None also where the values of `whole` are lost with the largest padding: a mean over the
    window, say, that a pixel without a value came into.
    """
    if least > most:
        return None
    wide = _computed(values, there, there.inner, (most, most))
    if np.isfinite(wide).sum() < KEPT * np.isfinite(whole).sum():
        return None

    def does(padding: int) -> bool:
        return difference(wide, in_parts(values, there, (padding, padding))) <= CLOSE

    if not does(most):
        return None
    while least < most:
        middle = (least + most) // 2
        if does(middle):
            most = middle
        else:
            least = middle + 1
    return most


def _most(there: Around) -> int:
    """Give the largest padding that was read and with which every cut still shows."""
    far = [FARTHEST, there.room]
    for span, cut, size in zip(there.inner, _cuts(there.inner), there.shape, strict=True):
        place = span.start + cut
        far += [max(place, size - place) - 1] if cut else []
    return min(far)


def in_parts(values: Values, there: Around, padding: tuple[int, int]) -> np.ndarray:
    """Compute the window in four parts of different sizes, (y, x, label)."""
    rows, cols = there.inner
    down, across = _cuts(there.inner)
    strips = [
        np.concatenate(
            [_computed(values, there, (part, side), padding) for side in _halves(cols, across)],
            axis=1,
        )
        for part in _halves(rows, down)
    ]
    return np.concatenate(strips)


def _cuts(inner: Span) -> tuple[int, int]:
    """Give odd numbers of rows and columns at which a window is cut, unlike halves; 0 for none."""
    rows, cols = (span.stop - span.start for span in inner)
    return _odd(3 * rows // 8, rows), _odd(5 * cols // 8, cols)


def _odd(place: int, size: int) -> int:
    return 0 if size < 2 else min(place | 1, size - 1)


def _halves(span: slice, cut: int) -> list[slice]:
    if not cut:
        return [span]
    return [slice(span.start, span.start + cut), slice(span.start + cut, span.stop)]


def _computed(values: Values, there: Around, part: Span, padding: tuple[int, int]) -> np.ndarray:
    """Compute a part of what was read with its padding, which is cut off, (y, x, label)."""
    wide, inside = grid.grown(part, padding, there.shape)
    return values(there.data(*wide))[inside]


def in_rows(values: Values, there: Around, parts: Iterable[Span]) -> np.ndarray:
    """Compute the window by its parts as a run does without padding: a row of pixels each.

    Returns
    -------
    ndarray of float32, (y, x, label)
    """
    found = np.empty((*there.shape, 0), np.float32)
    for part in parts:
        where = np.zeros(there.shape, bool)
        where[part] = True
        row = values(there.alone(where))[0, : int(where.sum())]
        if not found.size:
            found = np.empty((*there.shape, row.shape[-1]), np.float32)
        found[where] = row
    return found[there.inner]


def _of_rows(values: Values, there: Around, whole: np.ndarray) -> float:
    """Compare the pixels of the window in rows of all, of those of each part, and of a few.

    Infinity where they are not those of the window itself.
    """
    down, across = (
        _halves(span, cut) for span, cut in zip(there.inner, _cuts(there.inner), strict=True)
    )
    parts = in_rows(values, there, itertools.product(down, across))
    rows = in_rows(values, there, [there.inner])
    if not _alike(whole, rows):
        return np.inf
    chosen = np.zeros(rows.shape[:2], bool)
    chosen.flat[::EVERY] = True
    where = np.zeros(there.shape, bool)
    where[there.inner] = chosen
    few = values(there.alone(where))[:, : int(chosen.sum())]
    return max(difference(rows, parts), difference(rows[chosen][None], few))


def _alike(whole: np.ndarray, rows: np.ndarray) -> bool:
    """Tell whether the window gives what its pixels in a row give, to the rounding of sums.

    Such rounding is no error: a run without padding never calls with the window.
    """
    finite = np.isfinite(whole) & np.isfinite(rows)
    if not np.array_equal(whole[~finite], rows[~finite], equal_nan=True):
        return False
    a, b = (np.where(finite, one, np.nan).astype(np.float64) for one in (whole, rows))
    sizes = np.abs(a)
    typical = [_median(sizes[..., label]) for label in range(sizes.shape[-1])]
    return bool((np.abs(a - b) <= CLOSE * (sizes + np.array(typical)))[finite].all())


def _median(values: np.ndarray) -> float:
    """Give the median of what is a number; 0 where nothing is."""
    there = values[~np.isnan(values)]
    return float(np.median(there)) if there.size else 0.0


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Give the largest difference of a value, relative to the value of `one`.

    Parameters
    ----------
    one, other : ndarray of float32, (y, x, label)
        Not a number is equal to itself alone.

    Returns
    -------
    float
        0 where all bits agree, infinity where a number stands against none or against 0.
    """
    if np.array_equal(one, other, equal_nan=True):
        return 0.0
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    a, b = (np.where(finite, values, 0).astype(np.float64) for values in (one, other))
    apart = np.abs(a - b)
    with np.errstate(divide="ignore"):
        return float(np.divide(apart, np.abs(a), out=np.zeros_like(a), where=apart > 0).max())
