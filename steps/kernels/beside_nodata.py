"""Repair a cubic result where nodata is among its 4 × 4 pixels: bilinear over the valid ones.

Outside of the raster there is nodata too, as a rim that the caller puts around the window, so that
both are one case.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .plans import Scattered, Separable

LOWEST, HIGHEST = -9999, 32767  # a result is never the nodata value
EVEN = 1.5 * 2.0**52  # a float64 that gains and loses this is rounded to nearest even


def repair_separable(src: np.ndarray, plan: Separable, nodata: int, out: np.ndarray) -> None:
    """Write what a cubic kernel cannot: values beside nodata, and nodata outside of the raster.

    Parameters
    ----------
    src : (y, x) int16
        The plan's window of the raster within its rim.
    plan : Separable
        What `out` was made by.
    nodata : int
        Value of `src` that is no observation.
    out : (ny, nx) int16
        Changed in place.
    """
    (start, stop), (left, right) = plan.rows.inside, plan.cols.inside
    out[:start], out[stop:] = nodata, nodata
    out[start:stop, :left], out[start:stop, right:] = nodata, nodata
    rows, cols = slice(start, stop), slice(left, right)
    _separable(
        src,
        nodata,
        plan.rows.first[rows],
        plan.rows.fraction[rows],
        plan.cols.first[cols],
        plan.cols.fraction[cols],
        out[rows, cols],
    )


def repair_scattered(src: np.ndarray, plan: Scattered, nodata: int, out: np.ndarray) -> None:
    """Do the same for an output in another CRS; the parameters are those of `repair_separable`."""
    flat = out.reshape(-1)
    _scattered(src, nodata, plan.tap.ravel(), plan.dy.ravel(), plan.dx.ravel(), flat)
    flat[plan.outside] = nodata


@njit(nogil=True, cache=True, error_model="numpy")
def _blend(a: int, b: int, c: int, d: int, dy: float, dx: float, nodata: int) -> np.int16:
    """Mean of the valid ones of 2 × 2 values.

    The value that holds the coordinate must be valid itself, hence the weights are never all 0.
    """
    near = (d if dx >= 0.5 else c) if dy >= 0.5 else (b if dx >= 0.5 else a)
    if near == nodata:
        return np.int16(nodata)
    wa = (1.0 - dy) * (1.0 - dx) if a != nodata else 0.0
    wb = (1.0 - dy) * dx if b != nodata else 0.0
    wc = dy * (1.0 - dx) if c != nodata else 0.0
    wd = dy * dx if d != nodata else 0.0
    value = ((wa * a + wb * b) + (wc * c + wd * d)) / ((wa + wb) + (wc + wd))
    return np.int16(min(max(value, LOWEST), HIGHEST) + EVEN - EVEN)


@njit(nogil=True, cache=True, error_model="numpy")
def _rows_with(src: np.ndarray, nodata: int) -> np.ndarray:
    """Rows that hold nodata."""
    found = np.empty(src.shape[0], np.bool_)
    for y in range(src.shape[0]):
        row, n = src[y], np.int32(0)
        for i in range(row.size):
            n |= np.int32(row[i] == nodata)
        found[y] = n != 0
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def _find_holes(rows: np.ndarray, nodata: int, column: np.ndarray, holed: np.ndarray) -> None:
    """Mark the first of four columns if nodata is in them, in one of four rows."""
    a, b, c, d = rows[0], rows[1], rows[2], rows[3]
    for i in range(column.size):
        pair = np.uint8(a[i] == nodata) | np.uint8(b[i] == nodata)
        column[i] = pair | np.uint8(c[i] == nodata) | np.uint8(d[i] == nodata)
    for i in range(column.size - 3):
        holed[i] = column[i] | column[i + 1] | column[i + 2] | column[i + 3]


@njit(nogil=True, cache=True, error_model="numpy")
def _separable(
    src: np.ndarray,
    nodata: int,
    first: np.ndarray,
    dy: np.ndarray,
    cols: np.ndarray,
    dx: np.ndarray,
    out: np.ndarray,
) -> None:
    """Look at the rows that have nodata among their four."""
    holes = _rows_with(src, nodata)
    column, holed = np.empty(src.shape[1], np.uint8), np.empty(src.shape[1], np.uint8)
    for y in range(out.shape[0]):
        t = first[y]
        if np.any(holes[t : t + 4]):
            _find_holes(src[t : t + 4], nodata, column, holed)
            _patch(src[t + 1], src[t + 2], nodata, dy[y], cols, dx, holed, out[y])


@njit(nogil=True, cache=True, error_model="numpy")
def _patch(
    upper: np.ndarray,
    lower: np.ndarray,
    nodata: int,
    dy: np.float32,
    first: np.ndarray,
    dx: np.ndarray,
    holed: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write bilinear values of one row where the first of an output's four columns is `holed`."""
    one, two, fy = np.uint32(1), np.uint32(2), np.float64(dy)
    for x in range(out.size):
        t = np.uint32(first[x])
        if holed[t]:
            i, j, fx = t + one, t + two, np.float64(dx[x])
            out[x] = _blend(upper[i], upper[j], lower[i], lower[j], fy, fx, nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _scattered(
    src: np.ndarray,
    nodata: int,
    tap: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray,
    out: np.ndarray,
) -> None:
    """Replace the values of pixels with nodata among their 4 × 4."""
    if not np.any(_rows_with(src, nodata)):
        return
    holed = np.zeros(src.shape, np.uint8)
    column = np.empty(src.shape[1], np.uint8)
    for y in range(src.shape[0] - 3):
        _find_holes(src[y : y + 4], nodata, column, holed[y])
    flat, values = holed.ravel(), src.ravel()
    for i in range(out.size):
        if flat[tap[i]] != 0:
            t = tap[i] + src.shape[1] + 1
            u = t + src.shape[1]
            fy, fx = np.float64(dy[i]), np.float64(dx[i])
            out[i] = _blend(values[t], values[t + 1], values[u], values[u + 1], fy, fx, nodata)
