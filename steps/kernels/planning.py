"""Make plans from the source coordinates of the output pixels.

Coordinates are continuous pixel coordinates of the FULL source raster: the centre of pixel i is at
i + 0.5. They are rounded to 2**-20 of a pixel, so that the last bits of an affine product, which
depend on where a window starts, cannot reach a result.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .plans import NOWHERE, Area, Axis, Plan, Scattered, Separable, Window

STEP = 2.0**20  # coordinates are kept to 1 / STEP pixel
EVEN = 1.5 * 2.0**52  # a float64 that gains and loses this is rounded to nearest even
WITHIN = 0.5 / STEP  # from the far edge of the raster back into its last pixel


def plan(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> Plan:
    """Say which source pixels the output pixels need.

    Parameters
    ----------
    rows, cols : (ny,) and (nx,), or both (ny, nx), float64
        Continuous pixel coordinates of the output pixels' centres in the full source raster; if
        one-dimensional, increasing. Not finite = outside.
    shape : (height, width)
        Of the full source raster.

    Returns
    -------
    Separable or Scattered
        Its `window` is empty when all output pixels lie outside of the raster.

    Raises
    ------
    ValueError
        Coordinates of other shapes, or one-dimensional ones that do not increase.
    """
    rows, cols = np.asarray(rows, np.float64), np.asarray(cols, np.float64)
    if rows.ndim == cols.ndim == 1:
        return _plan_separable(rows, cols, shape)
    if rows.ndim != 2 or rows.shape != cols.shape:
        raise ValueError(f"rows {rows.shape} and cols {cols.shape}: want (ny,) and (nx,) or equals")
    return _plan_scattered(rows, cols, shape)


def area_plan(rows_edges: np.ndarray, cols_edges: np.ndarray, shape: tuple[int, int]) -> Area:
    """Say which source pixels the cells of a coarser output cover.

    Parameters
    ----------
    rows_edges, cols_edges : (ny + 1,) and (nx + 1,) float64
        Edges of the output cells, increasing, as continuous pixel coordinates of the full raster.
    shape : (height, width)
        Of the full source raster.

    Returns
    -------
    Area
        Its `window` is empty when all cells lie outside of the raster.

    Raises
    ------
    ValueError
        Edges that do not increase.
    """
    rows, cols = _increasing(rows_edges), _increasing(cols_edges)
    rows, cols = np.clip(rows, 0, shape[0]), np.clip(cols, 0, shape[1])
    window = (
        (math.floor(rows[0]), math.ceil(rows[-1])),
        (math.floor(cols[0]), math.ceil(cols[-1])),
    )
    if window[0][0] >= window[0][1] or window[1][0] >= window[1][1]:
        window = NOWHERE
    return Area(window, rows - window[0][0], cols - window[1][0])


def _increasing(coordinates: np.ndarray) -> np.ndarray:
    """Round one-dimensional coordinates to 1 / STEP and refuse those that do not increase."""
    rounded = np.rint(np.asarray(coordinates, np.float64) * STEP) / STEP
    if rounded.ndim != 1 or rounded.size == 0 or not np.all(np.diff(rounded) > 0):
        raise ValueError("coordinates of one axis: want a one-dimensional array that increases")
    return rounded


def _needed(low: float, high: float, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Range of source pixels that coordinates from `low` to `high` need, and how much is beyond."""
    start, stop = math.floor(low - 0.5) - 1, math.floor(min(high, size - WITHIN) - 0.5) + 3
    first, last = max(start, 0), min(stop, size)
    return (first, last), (first - start, stop - last)


def _plan_separable(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> Separable:
    """Plan rows and columns one after the other."""
    rows, cols = _increasing(rows), _increasing(cols)
    inside = _inside(rows, shape[0]), _inside(cols, shape[1])
    window, pad = NOWHERE, NOWHERE
    if (0, 0) not in inside:
        (ys, above), (xs, left) = (
            _needed(axis[start], axis[stop - 1], size)
            for axis, (start, stop), size in zip((rows, cols), inside, shape, strict=True)
        )
        window, pad = (ys, xs), (above, left)
    return Separable(
        window,
        pad,
        _axis(rows, shape[0], inside[0], window[0][0], pad[0][0]),
        _axis(cols, shape[1], inside[1], window[1][0], pad[1][0]),
    )


def _inside(coordinates: np.ndarray, size: int) -> tuple[int, int]:
    """Range of the coordinates in the raster; they increase, so there is no gap in it."""
    found = np.flatnonzero((coordinates >= 0) & (coordinates <= size))
    return (int(found[0]), int(found[-1]) + 1) if found.size else (0, 0)


def _axis(
    coordinates: np.ndarray, size: int, inside: tuple[int, int], start: int, pad: int
) -> Axis:
    """Taps of one axis whose window begins at source pixel `start`, `pad` pixels before it."""
    coordinates = np.clip(coordinates, 0, size - WITHIN)
    before = np.floor(coordinates - 0.5)
    fraction = (coordinates - 0.5 - before).astype(np.float32)
    first = (before - 1 - start + pad).astype(np.int32)
    span = slice(*inside)
    return Axis(
        first=first,
        fraction=fraction,
        near=(np.floor(coordinates) - start).astype(np.int32),
        inside=inside,
        phases=_phases(first[span], fraction[span]),
    )


def _phases(first: np.ndarray, fraction: np.ndarray) -> int:
    """Find the period in which taps advance by one pixel and weights repeat; 0 if there is none."""
    for n in (1, 2):
        if np.all(first[n:] - first[:-n] == 1) and np.array_equal(fraction[n:], fraction[:-n]):
            return n
    return 0


def _plan_scattered(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> Scattered:
    """Plan every pixel for itself."""
    low_y, high_y, low_x, high_x = _bounds(rows, cols, *shape)
    window, pad = NOWHERE, NOWHERE
    if low_y <= high_y:
        (ys, above), (xs, left) = _needed(low_y, high_y, shape[0]), _needed(low_x, high_x, shape[1])
        window, pad = (ys, xs), (above, left)
    (row0, row1), (col0, col1) = window
    if (row1 - row0 + 4) * (col1 - col0 + 4) > np.iinfo(np.int32).max:
        raise ValueError(f"window {window}: too large for one plan, cut the output into blocks")
    tap, near = np.empty(rows.shape, np.int32), np.empty(rows.shape, np.int32)
    dy, dx = np.empty(rows.shape, np.float32), np.empty(rows.shape, np.float32)
    _locate(rows, cols, *shape, window, pad, tap, near, dy, dx)
    return Scattered(window, pad, tap, dy, dx, near, np.flatnonzero(near < 0))


@njit(nogil=True, cache=True, error_model="numpy")
def _rounded(coordinate: float) -> float:
    """Round to 1 / STEP pixel."""
    return (coordinate * STEP + EVEN - EVEN) / STEP


@njit(nogil=True, cache=True, error_model="numpy")
def _bounds(
    rows: np.ndarray, cols: np.ndarray, height: int, width: int
) -> tuple[float, float, float, float]:
    """Smallest and largest row, smallest and largest column of the pixels inside."""
    low_y, high_y, low_x, high_x = np.inf, -np.inf, np.inf, -np.inf
    for y in range(rows.shape[0]):
        for x in range(rows.shape[1]):
            r, c = _rounded(rows[y, x]), _rounded(cols[y, x])
            if 0 <= r <= height and 0 <= c <= width:
                low_y, high_y = min(low_y, r), max(high_y, r)
                low_x, high_x = min(low_x, c), max(high_x, c)
    return low_y, high_y, low_x, high_x


@njit(nogil=True, cache=True, error_model="numpy")
def _locate(
    rows: np.ndarray,
    cols: np.ndarray,
    height: int,
    width: int,
    window: Window,
    pad: Window,
    tap: np.ndarray,
    near: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray,
) -> None:
    """Fill a plan's arrays."""
    (row0, _), (col0, col1) = window
    (above, _), (left, right) = pad
    stride = col1 - col0
    for y in range(rows.shape[0]):
        for x in range(rows.shape[1]):
            r, c = _rounded(rows[y, x]), _rounded(cols[y, x])
            near[y, x], tap[y, x] = -1, 0
            dy[y, x] = dx[y, x] = 0.0
            if not (0 <= r <= height and 0 <= c <= width):
                continue
            r, c = min(r, height - WITHIN), min(c, width - WITHIN)
            i, j = math.floor(r - 0.5), math.floor(c - 0.5)
            dy[y, x], dx[y, x] = r - 0.5 - i, c - 0.5 - j
            near[y, x] = (math.floor(r) - row0) * stride + math.floor(c) - col0
            i, j = i - 1 - row0 + above, j - 1 - col0 + left
            tap[y, x] = i * (left + stride + right) + j
