"""Bands onto an output as fine as the source: cubic convolution.

The rules are GDAL's (gdalwarpkernel.cpp, GWKCubicResample4Sample and GWKBilinearResample4Sample):
Keys' kernel (1981) with a = -0.5 over 4 × 4 pixels; where one of the 16 is nodata or outside of the
raster, bilinear over the valid ones of the nearest 2 × 2 (`beside_nodata`); nodata where the pixel
that holds the centre is nodata.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import beside_nodata
from .plans import Axis, Plan, Scattered, Window, checked

LOWEST, HIGHEST = -9999, 32767  # a result is never the nodata value
EVEN = np.float32(1.5 * 2.0**23)  # a float32 that gains and loses this is rounded to nearest even
RUN = 256  # pixels a pass of the scattered kernel


def cubic(
    src: np.ndarray, plan: Plan, nodata: int = -10000, out: np.ndarray | None = None
) -> np.ndarray:
    """Resample a band by cubic convolution.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) int16
        The plan's window of the raster.
    plan : Separable or Scattered
        From `planning.plan`.
    nodata : int
        Value of `src` that is no observation, and of the output where there is none.
    out : (ny, nx) int16, C-contiguous, optional
        Receives the result.

    Returns
    -------
    (ny, nx) int16
        `out`; rounded to nearest even, valid results within [-9999, 32767].

    Raises
    ------
    ValueError
        A `src` that is not the plan's window, or an `out` of another shape.

    Notes
    -----
    Equal to GDAL's cubic within one count. An output at a source pixel's centre is an exact copy.
    """
    src = checked(src, plan.window, np.int16)
    out = np.empty(plan.shape, np.int16) if out is None else out
    if out.shape != plan.shape or out.dtype != np.int16 or not out.flags.c_contiguous:
        raise ValueError(f"out: want a C-contiguous int16 array {plan.shape}, got {out.shape}")
    if not src.size:
        out.fill(nodata)
    elif isinstance(plan, Scattered):
        padded = _padded(src, plan.pad, nodata)
        _scattered(padded, plan.tap.ravel(), plan.dy.ravel(), plan.dx.ravel(), out.reshape(-1))
        beside_nodata.repair_scattered(padded, plan, nodata, out)
    elif plan.rows.is_copy and plan.cols.is_copy:
        _copy(src, nodata, plan.rows.near, plan.rows.inside, plan.cols.near, plan.cols.inside, out)
    else:
        padded = _padded(src, plan.pad, nodata)
        _separable(padded, _taps(plan.rows), _taps(plan.cols), plan.cols.phases, out)
        beside_nodata.repair_separable(padded, plan, nodata, out)
    return out


def _padded(src: np.ndarray, pad: Window, nodata: int) -> np.ndarray:
    """Put nodata around a window where taps reach beyond the raster."""
    (above, below), (left, right) = pad
    if not any((above, below, left, right)):
        return src
    height, width = src.shape
    padded = np.full((above + height + below, left + width + right), nodata, np.int16)
    padded[above : above + height, left : left + width] = src
    return padded


def _taps(axis: Axis) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Give a kernel what it needs of an axis."""
    return axis.first, axis.fraction, axis.inside


@njit(nogil=True, cache=True, error_model="numpy")
def _keys(fraction: np.ndarray, weights: np.ndarray) -> None:
    """Weights of the four pixels around: Keys (1981), a = -0.5; weights is (4, at least n)."""
    half, one, two = np.float32(0.5), np.float32(1), np.float32(2)
    three, four, five = np.float32(3), np.float32(4), np.float32(5)
    for i in range(fraction.size):
        f = fraction[i]
        h = half * f
        weights[0, i] = h * (f * (two - f) - one)
        weights[1, i] = one + h * f * (three * f - five)
        weights[2, i] = h * (one + f * (four - three * f))
        weights[3, i] = h * f * (f - one)


@njit(nogil=True, cache=True, error_model="numpy")
def _whole(value: np.float32) -> np.int16:
    """Clip and round a float32."""
    clipped = min(max(value, np.float32(LOWEST)), np.float32(HIGHEST))
    return np.int16(clipped + EVEN - EVEN)


@njit(nogil=True, cache=True, error_model="numpy")
def _copy(
    src: np.ndarray,
    nodata: int,
    rows: np.ndarray,
    ys: tuple[int, int],
    cols: np.ndarray,
    xs: tuple[int, int],
    out: np.ndarray,
) -> None:
    """Copy the pixels inside of the raster."""
    out[:] = nodata
    for y in range(ys[0], ys[1]):
        if xs[0] < xs[1]:
            left = cols[xs[0]]
            source, row = src[rows[y], left : left + xs[1] - xs[0]], out[y, xs[0] : xs[1]]
            for i in range(row.size):
                row[i] = nodata if source[i] == nodata else max(source[i], LOWEST)


@njit(nogil=True, cache=True, error_model="numpy")
def _separable(src: np.ndarray, rows: tuple, cols: tuple, phases: int, out: np.ndarray) -> None:
    """Take the output row by row: down the columns first, then along the row."""
    first, fraction, (start, stop) = rows
    columns, fractions, (left, right) = cols
    down, along = np.empty((4, fraction.size), np.float32), np.empty((4, right), np.float32)
    _keys(fraction, down)
    _keys(fractions[:right], along)
    line = np.empty(src.shape[1], np.float32)
    for y in range(start, stop):
        t = first[y]
        _down(src[t], src[t + 1], src[t + 2], src[t + 3], down[:, y], line)
        _along(line, columns[left:right], along[:, left:], phases, out[y, left:right])


@njit(nogil=True, cache=True, error_model="numpy")
def _down(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, w: np.ndarray, line: np.ndarray
) -> None:
    """Weigh four source rows."""
    wa, wb, wc, wd = w[0], w[1], w[2], w[3]
    for i in range(line.size):
        pair = np.float32(a[i]) * wa + np.float32(b[i]) * wb
        line[i] = pair + (np.float32(c[i]) * wc + np.float32(d[i]) * wd)


@njit(nogil=True, cache=True, error_model="numpy")
def _along(
    line: np.ndarray, first: np.ndarray, weights: np.ndarray, phases: int, out: np.ndarray
) -> None:
    """Weigh four pixels along the row; same bits whatever the path."""
    done = 0
    if phases == 1:
        _along_one(line[first[0] :], weights[:, 0], out)
        done = out.size
    elif phases == 2 and out.size > 1:
        done = out.size - out.size % 2
        even, odd = line[first[0] :], line[first[1] :]
        _along_two(even, odd, weights[:, 0], weights[:, 1], out[:done])
    for i in range(done, out.size):
        t = first[i]
        pair = line[t] * weights[0, i] + line[t + 1] * weights[1, i]
        out[i] = _whole(pair + (line[t + 2] * weights[2, i] + line[t + 3] * weights[3, i]))


@njit(nogil=True, cache=True, error_model="numpy")
def _along_one(line: np.ndarray, w: np.ndarray, out: np.ndarray) -> None:
    """Weigh for outputs one source pixel apart."""
    wa, wb, wc, wd = w[0], w[1], w[2], w[3]
    for i in range(out.size):
        out[i] = _whole((line[i] * wa + line[i + 1] * wb) + (line[i + 2] * wc + line[i + 3] * wd))


@njit(nogil=True, cache=True, error_model="numpy")
def _along_two(
    even: np.ndarray, odd: np.ndarray, v: np.ndarray, w: np.ndarray, out: np.ndarray
) -> None:
    """Weigh for outputs half a source pixel apart, two at a time."""
    va, vb, vc, vd = v[0], v[1], v[2], v[3]
    wa, wb, wc, wd = w[0], w[1], w[2], w[3]
    for i in range(out.size // 2):
        one = (even[i] * va + even[i + 1] * vb) + (even[i + 2] * vc + even[i + 3] * vd)
        two = (odd[i] * wa + odd[i + 1] * wb) + (odd[i + 2] * wc + odd[i + 3] * wd)
        out[2 * i] = _whole(one)
        out[2 * i + 1] = _whole(two)


@njit(nogil=True, cache=True, error_model="numpy")
def _scattered(
    src: np.ndarray, tap: np.ndarray, dy: np.ndarray, dx: np.ndarray, out: np.ndarray
) -> None:
    """Weigh 4 × 4 pixels for all outputs; a float32 copy of the source lets the taps vectorise."""
    values = src.astype(np.float32).ravel()
    down, along = np.empty((4, RUN), np.float32), np.empty((4, RUN), np.float32)
    total = np.empty(RUN, np.float32)
    for start in range(0, out.size, RUN):
        stop = min(start + RUN, out.size)
        _keys(dy[start:stop], down)
        _keys(dx[start:stop], along)
        total[:] = 0
        for k in range(4):
            _add_line(values, tap[start:stop], k * src.shape[1], down[k], along, total)
        for i in range(stop - start):
            out[start + i] = _whole(total[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _add_line(
    values: np.ndarray,
    tap: np.ndarray,
    ahead: int,
    down: np.ndarray,
    along: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add one of the four lines of every pixel's 4 × 4; unsigned indices cannot wrap around."""
    one, two, three = np.uint32(1), np.uint32(2), np.uint32(3)
    for i in range(tap.size):
        t = np.uint32(tap[i] + ahead)
        pair = values[t] * along[0, i] + values[t + one] * along[1, i]
        pair += values[t + two] * along[2, i] + values[t + three] * along[3, i]
        total[i] += down[i] * pair
