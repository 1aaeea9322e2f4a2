"""Whether the values of a function depend on where a tile is cut into windows.

A function sees a window grown by the padding, never more. Its values are those of the tile only if
no pixel farther away than the padding has a say, and no sum over the window is in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .data import ExternalData

CLOSE = 1e-5
"""Difference, relative to the largest value of a label, that is rounding and no dependence."""
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
        """Give what a function gets of n pixels, bool (y, x), without neighbours, as (1, n)."""


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
    found = difference(whole, in_parts(values, there, padding))
    if found > CLOSE:
        return Verdict(error=_way_out(values, there, whole, padding))
    if not any(padding):
        found = max(found, _of_single_pixels(values, there, whole))
        if found > CLOSE:
            return Verdict(
                error="gives other values for single pixels, which it gets as arrays (1, n, date) "
                "where padding is 0: let the value of a pixel follow from that pixel, or set "
                "padding"
            )
    if found:
        return Verdict(
            warning=f"is rounded otherwise where a tile is cut elsewhere (by {found:.1g} of its "
            "largest value): single pixels may differ with another number_of_chunks"
        )
    return Verdict()


def _way_out(values: Values, there: Around, whole: np.ndarray, padding: tuple[int, int]) -> str:
    """Say which padding would do, or that none would."""
    depends = "depends on where a tile is cut into windows"
    most = _most(there)
    enough = needed(values, there, whole, min(padding) + 1, most)
    if enough is None:
        return (
            f"{depends}, even with padding {max(most, *padding)}: it is not local, each value "
            "follows from the whole window, as a mean or an extreme of it does"
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
    grown, inside = [], []
    for span, more, size in zip(part, padding, there.shape, strict=True):
        start = max(span.start - more, 0)
        grown.append(slice(start, min(span.stop + more, size)))
        inside.append(slice(span.start - start, span.stop - start))
    return values(there.data(*grown))[inside[0], inside[1]]


def _of_single_pixels(values: Values, there: Around, whole: np.ndarray) -> float:
    """Compare some pixels computed alone with the same ones of the window."""
    chosen = np.zeros(whole.shape[:2], bool)
    chosen.flat[::EVERY] = True
    where = np.zeros(there.shape, bool)
    where[there.inner] = chosen
    return difference(whole[chosen][None], values(there.alone(where)))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Give the largest difference, relative to the largest value of its label.

    Parameters
    ----------
    one, other : ndarray of float32, (y, x, label)
        Not a number is equal to itself alone.

    Returns
    -------
    float
        0 where all bits agree, infinity where a number stands against none.
    """
    if np.array_equal(one, other, equal_nan=True):
        return 0.0
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    a, b = (np.where(finite, values, 0).astype(np.float64) for values in (one, other))
    largest = np.abs(a).max(axis=(0, 1))
    apart = np.abs(a - b).max(axis=(0, 1))
    return float((apart / np.where(largest > 0, largest, 1)).max())
