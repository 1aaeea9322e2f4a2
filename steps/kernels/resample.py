"""From a band's native raster to the output lattice, in one step.

A plan says, for each output pixel, which source pixels it needs; it is made once from the source
coordinates of the output pixels and serves all dates, bands and masks of that grid. Three kinds:
`Separable` (the same CRS: rows and columns are independent), `Scattered` (another CRS: every pixel
has coordinates of its own) and `Area` (output coarser than the source).

Coordinates are continuous pixel coordinates of the FULL source raster: the centre of pixel i is at
i + 0.5. They are rounded to 2**-20 of a pixel, so that the last bits of an affine product, which
depend on where a window starts, cannot reach a result. What a plan needs of the raster is its
`window`; every function takes exactly that part.

The rules are GDAL's (gdalwarpkernel.cpp, GWKCubicResample4Sample and GWKBilinearResample4Sample):
Keys' kernel (1981) with a = -0.5 over 4 × 4 pixels; where one of the 16 is nodata or outside of the
raster, bilinear over the valid ones of the nearest 2 × 2; nodata where the pixel that holds the
centre is nodata.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

LOWEST, HIGHEST = -9999, 32767  # a result is never the nodata value
EVEN = np.float32(1.5 * 2.0**23)  # a float32 that gains and loses this is rounded to nearest even
EVEN64 = 1.5 * 2.0**52
BELOW_HALF = 0.5 - 2.0**-21
STEP = 2.0**20  # coordinates are kept to 1 / STEP pixel
RUN = 256  # pixels a pass of the scattered kernel

Window = tuple[tuple[int, int], tuple[int, int]]
NOWHERE: Window = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Axis:
    """Taps of n output rows (or columns), relative to the plan's window."""

    first: np.ndarray
    """(n,) int32: the last source pixel whose centre is not beyond the coordinate."""
    fraction: np.ndarray
    """(n,) float32: distance from that centre, in pixels, in [0, 1)."""
    weights: np.ndarray
    """(4, n) float32: of the pixels first - 1 to first + 2."""
    near: np.ndarray
    """(n,) int32: the source pixel that holds the coordinate."""
    inside: tuple[int, int]
    """Range of outputs whose coordinate lies in the raster."""
    inner: tuple[int, int]
    """Range of outputs whose four taps all lie in the raster."""
    phases: int
    """1: inner taps advance by one pixel an output; 2: by one in two outputs; 0: otherwise."""


@dataclass(frozen=True)
class Separable:
    """Plan for an output in the CRS of the source."""

    window: Window
    """((row0, row1), (col0, col1)): the part of the source raster to hand in."""
    rows: Axis
    cols: Axis


@dataclass(frozen=True)
class Scattered:
    """Plan for an output in another CRS; 16 bytes a pixel."""

    window: Window
    """((row0, row1), (col0, col1)): the part of the source raster to hand in."""
    tap: np.ndarray
    """(ny, nx) int32: flat index in the window of the first of the 4 × 4 pixels."""
    dy: np.ndarray
    """(ny, nx) float32: fraction along rows, in [0, 1)."""
    dx: np.ndarray
    """(ny, nx) float32: fraction along columns, in [0, 1)."""
    near: np.ndarray
    """(ny, nx) int32: flat index of the source pixel that holds the coordinate; -1 = outside."""
    rim: np.ndarray
    """(m,) int64: flat indices of the outputs whose 4 × 4 pixels are not all in the raster."""
    rim_first: np.ndarray
    """(2, m) int32: their row and column of the upper left of the nearest 2 × 2 pixels."""


@dataclass(frozen=True)
class Area:
    """Plan for a coarser output in the CRS of the source."""

    window: Window
    """((row0, row1), (col0, col1)): the part of the source raster to hand in."""
    rows: np.ndarray
    """(ny + 1,) float64: edges of the output cells in the window, clipped to the raster."""
    cols: np.ndarray
    """(nx + 1,) float64."""


Plan = Separable | Scattered


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


def cubic(
    src: np.ndarray, plan: Plan, nodata: int = -10000, out: np.ndarray | None = None
) -> np.ndarray:
    """Resample a band by cubic convolution.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) int16
        The plan's window of the raster.
    plan : Separable or Scattered
        From `plan`.
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
    src = _checked(src, plan.window)
    shape = _shape(plan)
    out = np.empty(shape, np.int16) if out is None else out
    if out.shape != shape or out.dtype != np.int16 or not out.flags.c_contiguous:
        raise ValueError(f"out: want a C-contiguous int16 array {shape}, got {out.shape}")
    if isinstance(plan, Scattered):
        flat = (plan.tap.ravel(), plan.dy.ravel(), plan.dx.ravel(), plan.near.ravel())
        _scattered(src, nodata, *flat, plan.rim, plan.rim_first, out.reshape(-1))
    elif _is_copy(plan.rows) and _is_copy(plan.cols):
        _copy(src, nodata, plan.rows.near, plan.rows.inside, plan.cols.near, plan.cols.inside, out)
    else:
        _separable(src, nodata, _taps(plan.rows), _taps(plan.cols), plan.cols.phases, out)
    return out


def nearest(src: np.ndarray, plan: Plan, outside: int) -> np.ndarray:
    """Take for each output pixel the source pixel that holds its centre.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) any type
        The plan's window of the raster.
    plan : Separable or Scattered
        From `plan`.
    outside : int
        Value of output pixels outside of the raster.

    Returns
    -------
    (ny, nx) of the type of `src`

    Raises
    ------
    ValueError
        A `src` that is not the plan's window.
    """
    src = _checked(src, plan.window, src.dtype)
    out = np.full(_shape(plan), outside, src.dtype)
    if isinstance(plan, Scattered):
        _pick(src.reshape(-1), plan.near.reshape(-1), out.reshape(-1))
        return out
    ys, xs = slice(*plan.rows.inside), slice(*plan.cols.inside)
    if src.size:
        out[ys, xs] = src[plan.rows.near[ys, None], plan.cols.near[None, xs]]
    return out


def mean(
    src: np.ndarray, plan: Area | Scattered, nodata: int = -10000, factor: int = 1
) -> np.ndarray:
    """Average the valid source pixels of each coarser output cell.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) int16
        The plan's window of the raster.
    plan : Area or Scattered
        From `area_plan`: weighted by exact coverage. From `plan` on `factor` × `factor` sub-samples
        of each cell: their mean, each sub-sample taking the nearest source pixel.
    nodata : int
        Value of `src` that is no observation, and of the output where there is none.
    factor : int
        Sub-samples a cell along each axis; used with `Scattered` only.

    Returns
    -------
    (ny, nx) int16
        Rounded to nearest even, valid results within [-9999, 32767].

    Raises
    ------
    ValueError
        A `src` that is not the plan's window, or a plan whose shape `factor` does not divide.
    """
    src = _checked(src, plan.window)
    if isinstance(plan, Area):
        out = np.empty((plan.rows.size - 1, plan.cols.size - 1), np.int16)
        _mean_area(src, plan.rows, plan.cols, nodata, out)
    else:
        out = np.empty(_coarse(plan, factor), np.int16)
        _mean_samples(src.reshape(-1), plan.near, nodata, factor, out)
    return out


def flagged(src: np.ndarray, plan: Area | Scattered, outside: bool, factor: int = 1) -> np.ndarray:
    """Tell which coarser output cells touch a source pixel that is not 0.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) uint8
        The plan's window of a mask.
    plan : Area or Scattered
        As in `mean`: touched are the pixels that a cell covers, or that a sub-sample lies in.
    outside : bool
        Value of cells wholly outside of the raster.
    factor : int
        Sub-samples a cell along each axis; used with `Scattered` only.

    Returns
    -------
    (ny, nx) bool

    Raises
    ------
    ValueError
        A `src` that is not the plan's window, or a plan whose shape `factor` does not divide.
    """
    src = _checked(src, plan.window, src.dtype)
    if isinstance(plan, Area):
        out = np.empty((plan.rows.size - 1, plan.cols.size - 1), np.bool_)
        _flag_area(src, plan.rows, plan.cols, outside, out)
    else:
        out = np.empty(_coarse(plan, factor), np.bool_)
        _flag_samples(src.reshape(-1), plan.near, outside, factor, out)
    return out


# ---------------------------------------------------------------- plans


def _increasing(coordinates: np.ndarray) -> np.ndarray:
    """Round one-dimensional coordinates to 1 / STEP and refuse those that do not increase."""
    rounded = np.rint(np.asarray(coordinates, np.float64) * STEP) / STEP
    if rounded.ndim != 1 or rounded.size == 0 or not np.all(np.diff(rounded) > 0):
        raise ValueError("coordinates of one axis: want a one-dimensional array that increases")
    return rounded


def _plan_separable(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> Separable:
    """Plan rows and columns one after the other."""
    rows, cols = _increasing(rows), _increasing(cols)
    window = _needed(rows, shape[0]), _needed(cols, shape[1])
    if (0, 0) in window:
        window = NOWHERE
    return Separable(
        window, _axis(rows, shape[0], window[0][0]), _axis(cols, shape[1], window[1][0])
    )


def _needed(coordinates: np.ndarray, size: int) -> tuple[int, int]:
    """Range of source pixels that the coordinates inside of the raster need."""
    lies = coordinates[(coordinates >= 0) & (coordinates <= size)]
    if lies.size == 0:
        return 0, 0
    return max(math.floor(lies[0] - 0.5) - 1, 0), min(math.floor(lies[-1] - 0.5) + 3, size)


def _axis(coordinates: np.ndarray, size: int, start: int) -> Axis:
    """Taps of one axis of `size` source pixels, of which those from `start` on are handed in."""
    coordinates = np.clip(coordinates, -2, size + 2)  # far outside is as good as just outside
    first = np.floor(coordinates - 0.5)
    fraction = (coordinates - 0.5 - first).astype(np.float32)
    weights = np.empty((4, first.size), np.float32)
    _keys(fraction, weights)
    near = np.minimum(np.floor(coordinates), size - 1)
    inner = _range((first >= 1) & (first + 2 < size))
    ahead = (first - start).astype(np.int32)
    return Axis(
        first=ahead,
        fraction=fraction,
        weights=weights,
        near=(near - start).astype(np.int32),
        inside=_range((coordinates >= 0) & (coordinates <= size)),
        inner=inner,
        phases=_phases(ahead[slice(*inner)], fraction[slice(*inner)]),
    )


def _range(chosen: np.ndarray) -> tuple[int, int]:
    """First and one past last True; there is no False between, coordinates being increasing."""
    found = np.flatnonzero(chosen)
    return (int(found[0]), int(found[-1]) + 1) if found.size else (0, 0)


def _phases(first: np.ndarray, fraction: np.ndarray) -> int:
    """Find the period in which taps advance by one pixel and weights repeat; 0 if there is none."""
    for n in (1, 2):
        if np.all(first[n:] - first[:-n] == 1) and np.array_equal(fraction[n:], fraction[:-n]):
            return n
    return 0


def _plan_scattered(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> Scattered:
    """Plan every pixel for itself."""
    low_y, high_y, low_x, high_x = _bounds(rows, cols, *shape)
    window = NOWHERE
    if low_y <= high_y:
        window = (
            _needed(np.array([low_y, high_y]), shape[0]),
            _needed(np.array([low_x, high_x]), shape[1]),
        )
    tap, near = np.empty(rows.shape, np.int32), np.empty(rows.shape, np.int32)
    dy, dx = np.empty(rows.shape, np.float32), np.empty(rows.shape, np.float32)
    (row0, row1), (col0, col1) = window
    if (row1 - row0) * (col1 - col0) > np.iinfo(np.int32).max:
        raise ValueError(f"window {window}: too large for one plan, cut the output into blocks")
    _locate(rows, cols, *shape, row0, col0, col1 - col0, tap, near, dy, dx)
    rim = np.flatnonzero(tap < 0)
    tap.reshape(-1)[rim] = 0
    at = (c.reshape(-1)[rim] for c in (rows, cols))
    first = [
        np.floor(np.rint(c * STEP) / STEP - 0.5) - start
        for c, start in zip(at, (row0, col0), strict=True)
    ]
    rim_first = np.where(near.reshape(-1)[rim] < 0, 0, np.stack(first)).astype(np.int32)
    return Scattered(window, tap, dy, dx, near, rim, rim_first)


@njit(nogil=True, cache=True, error_model="numpy")
def _rounded(coordinate: float) -> float:
    """Round to 1 / STEP pixel."""
    return (coordinate * STEP + EVEN64 - EVEN64) / STEP


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
    row0: int,
    col0: int,
    stride: int,
    tap: np.ndarray,
    near: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray,
) -> None:
    """Fill a plan's arrays; `tap` is -1 where not all of the 4 × 4 pixels are in the raster."""
    for y in range(rows.shape[0]):
        for x in range(rows.shape[1]):
            r, c = _rounded(rows[y, x]), _rounded(cols[y, x])
            tap[y, x] = near[y, x] = -1
            dy[y, x] = dx[y, x] = 0.0
            if not (0 <= r <= height and 0 <= c <= width):
                continue
            i, j = math.floor(r - 0.5), math.floor(c - 0.5)
            dy[y, x], dx[y, x] = r - 0.5 - i, c - 0.5 - j
            row, col = min(math.floor(r), height - 1), min(math.floor(c), width - 1)
            near[y, x] = (row - row0) * stride + col - col0
            if i >= 1 and i + 2 < height and j >= 1 and j + 2 < width:
                tap[y, x] = (i - 1 - row0) * stride + j - 1 - col0


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


# ---------------------------------------------------------------- checks


def _shape(plan: Plan) -> tuple[int, int]:
    """Shape of the output."""
    if isinstance(plan, Scattered):
        return plan.tap.shape[0], plan.tap.shape[1]
    return plan.rows.first.size, plan.cols.first.size


def _coarse(plan: Scattered, factor: int) -> tuple[int, int]:
    """Shape of the output of `factor` × `factor` sub-samples a cell."""
    (ny, ry), (nx, rx) = (divmod(n, factor) for n in plan.near.shape)
    if ry or rx:
        raise ValueError(f"factor: {factor} does not divide the plan's shape {plan.near.shape}")
    return ny, nx


def _checked(src: np.ndarray, window: Window, dtype: np.typing.DTypeLike = np.int16) -> np.ndarray:
    """Refuse a source that is not the plan's window; make it contiguous."""
    (row0, row1), (col0, col1) = window
    if src.shape != (row1 - row0, col1 - col0) or src.dtype != dtype:
        raise ValueError(f"src: {src.dtype} {src.shape} is not the plan's window {window}")
    return np.ascontiguousarray(src)


def _is_copy(axis: Axis) -> bool:
    """Tell whether the output pixels are source pixels."""
    span = slice(*axis.inside)
    return not axis.fraction[span].any() and bool(np.all(np.diff(axis.near[span]) == 1))


def _taps(axis: Axis) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """Give a kernel what it needs of an axis."""
    return axis.first, axis.fraction, axis.weights, (*axis.inside, *axis.inner)


# ---------------------------------------------------------------- cubic


@njit(nogil=True, cache=True, error_model="numpy")
def _average(total: float, weight: float, nodata: int) -> np.int16:
    """Divide, clip and round; nodata without any weight."""
    if weight == 0.0:
        return np.int16(nodata)
    return np.int16(min(max(total / weight, LOWEST), HIGHEST) + EVEN64 - EVEN64)


@njit(nogil=True, cache=True, error_model="numpy")
def _bilinear(src: np.ndarray, row: int, col: int, dy: float, dx: float, nodata: int) -> np.int16:
    """Mean of the valid ones of the 2 × 2 pixels from (row, col) on, which may lie outside."""
    height, width = src.shape
    top, bottom = 0 <= row < height, 0 <= row + 1 < height
    left, right = 0 <= col < width, 0 <= col + 1 < width
    a = src[row, col] if top and left else nodata
    b = src[row, col + 1] if top and right else nodata
    c = src[row + 1, col] if bottom and left else nodata
    d = src[row + 1, col + 1] if bottom and right else nodata
    # only on the very edge of the raster the coordinate lies in none of the pixels
    dy = min(dy, BELOW_HALF) if not bottom else dy
    dx = min(dx, BELOW_HALF) if not right else dx
    return _blend(a, b, c, d, dy, dx, nodata)


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
    return _average((wa * a + wb * b) + (wc * c + wd * d), (wa + wb) + (wc + wd), nodata)


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
def _separable(
    src: np.ndarray, nodata: int, rows: tuple, cols: tuple, phases: int, out: np.ndarray
) -> None:
    """Take the output row by row: down the columns first, then along the row."""
    first, fraction, weights, (start, stop, inner, outer) = rows
    holes = _rows_with(src, nodata)
    line = np.empty(src.shape[1], np.float32)
    column, holed = np.empty(src.shape[1], np.uint8), np.empty(src.shape[1], np.uint8)
    out[:start] = nodata
    out[stop:] = nodata
    for y in range(start, stop):
        if y < inner or y >= outer:
            _patch_rim(src, nodata, first[y], fraction[y], cols, False, out[y])
            continue
        top = first[y] - 1
        _down(src[top], src[top + 1], src[top + 2], src[top + 3], weights[:, y], line)
        _along(line, cols, phases, out[y])
        if np.any(holes[top : top + 4]):
            _find_holes(src[top], src[top + 1], src[top + 2], src[top + 3], nodata, column, holed)
            _patch_holes(src, nodata, first[y], fraction[y], cols, holed, out[y])
        _patch_rim(src, nodata, first[y], fraction[y], cols, True, out[y])


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
def _down(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, w: np.ndarray, line: np.ndarray
) -> None:
    """Weigh four source rows."""
    wa, wb, wc, wd = w[0], w[1], w[2], w[3]
    for i in range(line.size):
        pair = np.float32(a[i]) * wa + np.float32(b[i]) * wb
        line[i] = pair + (np.float32(c[i]) * wc + np.float32(d[i]) * wd)


@njit(nogil=True, cache=True, error_model="numpy")
def _along(line: np.ndarray, cols: tuple, phases: int, out: np.ndarray) -> None:
    """Weigh four pixels along the row for the inner outputs; same bits whatever the path."""
    first, _, weights, (_, _, start, stop) = cols
    done = start
    if phases == 1 and start < stop:
        _along_one(line[first[start] - 1 :], weights[:, start], out[start:stop])
        done = stop
    elif phases == 2 and start + 1 < stop:
        done = stop - (stop - start) % 2
        even, odd = line[first[start] - 1 :], line[first[start + 1] - 1 :]
        _along_two(even, odd, weights[:, start], weights[:, start + 1], out[start:done])
    for i in range(done, stop):
        t = first[i] - 1
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
def _find_holes(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    d: np.ndarray,
    nodata: int,
    column: np.ndarray,
    holed: np.ndarray,
) -> None:
    """Mark the first of four columns if nodata is in them, in one of four rows."""
    for i in range(column.size):
        pair = np.uint8(a[i] == nodata) | np.uint8(b[i] == nodata)
        column[i] = pair | np.uint8(c[i] == nodata) | np.uint8(d[i] == nodata)
    for i in range(column.size - 3):
        holed[i] = column[i] | column[i + 1] | column[i + 2] | column[i + 3]


@njit(nogil=True, cache=True, error_model="numpy")
def _patch_holes(
    src: np.ndarray,
    nodata: int,
    row: int,
    dy: float,
    cols: tuple,
    holed: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write bilinear values where the first of an inner output's four columns is `holed`."""
    first, fraction, _, (_, _, inner, outer) = cols
    upper, lower, weight = src[row], src[row + 1], np.float64(dy)
    for x in range(inner, outer):
        t = np.uint32(first[x])
        if holed[t - np.uint32(1)]:
            u, dx = t + np.uint32(1), np.float64(fraction[x])
            out[x] = _blend(upper[t], upper[u], lower[t], lower[u], weight, dx, nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _patch_rim(
    src: np.ndarray, nodata: int, row: int, dy: float, cols: tuple, filled: bool, out: np.ndarray
) -> None:
    """Write nodata outside and bilinear values inside, but not over inner outputs if `filled`."""
    first, fraction, _, (start, stop, inner, outer) = cols
    out[:start] = nodata
    out[stop:] = nodata
    left, right = (inner, outer) if filled and inner < outer else (stop, stop)
    for x in range(start, left):
        out[x] = _bilinear(src, row, first[x], dy, fraction[x], nodata)
    for x in range(right, stop):
        out[x] = _bilinear(src, row, first[x], dy, fraction[x], nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _scattered(
    src: np.ndarray,
    nodata: int,
    tap: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray,
    near: np.ndarray,
    rim: np.ndarray,
    rim_first: np.ndarray,
    out: np.ndarray,
) -> None:
    """Cubic values by runs, then bilinear ones beside nodata and on the rim."""
    if rim.size < out.size:
        _scattered_inner(src, tap, dy, dx, out)
        if np.any(_rows_with(src, nodata)):
            _scattered_holes(src, nodata, tap, dy, dx, out)
    for k in range(rim.size):
        i = rim[k]
        out[i] = nodata
        if near[i] >= 0:
            out[i] = _bilinear(src, rim_first[0, k], rim_first[1, k], dy[i], dx[i], nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _scattered_inner(
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


@njit(nogil=True, cache=True, error_model="numpy")
def _scattered_holes(
    src: np.ndarray,
    nodata: int,
    tap: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray,
    out: np.ndarray,
) -> None:
    """Replace the values of pixels with nodata among their 4 × 4."""
    holed = np.zeros(src.shape, np.uint8)
    column = np.empty(src.shape[1], np.uint8)
    for y in range(src.shape[0] - 3):
        _find_holes(src[y], src[y + 1], src[y + 2], src[y + 3], nodata, column, holed[y])
    flat, values = holed.ravel(), src.ravel()
    for i in range(out.size):
        if flat[tap[i]] != 0:
            t = tap[i] + src.shape[1] + 1
            u = t + src.shape[1]
            fy, fx = np.float64(dy[i]), np.float64(dx[i])
            out[i] = _blend(values[t], values[t + 1], values[u], values[u + 1], fy, fx, nodata)


# ---------------------------------------------------------------- masks and coarser outputs


@njit(nogil=True, cache=True, error_model="numpy")
def _pick(src: np.ndarray, near: np.ndarray, out: np.ndarray) -> None:
    """Copy the pixels that are inside."""
    for i in range(out.size):
        if near[i] >= 0:
            out[i] = src[near[i]]


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_area(
    src: np.ndarray, rows: np.ndarray, cols: np.ndarray, nodata: int, out: np.ndarray
) -> None:
    """Mean of the valid pixels of each cell, weighted by coverage."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            total, weight = 0.0, 0.0
            for i in range(math.floor(rows[y]), math.ceil(rows[y + 1])):
                height = min(rows[y + 1], i + 1.0) - max(rows[y], np.float64(i))
                for j in range(math.floor(cols[x]), math.ceil(cols[x + 1])):
                    width = min(cols[x + 1], j + 1.0) - max(cols[x], np.float64(j))
                    w = height * width if src[i, j] != nodata else 0.0
                    total += w * src[i, j]
                    weight += w
            out[y, x] = _average(total, weight, nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_samples(
    src: np.ndarray, near: np.ndarray, nodata: int, factor: int, out: np.ndarray
) -> None:
    """Mean of the valid sub-samples of each cell."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            total, weight = 0.0, 0.0
            for i in range(y * factor, (y + 1) * factor):
                for j in range(x * factor, (x + 1) * factor):
                    if near[i, j] >= 0 and src[near[i, j]] != nodata:
                        total += src[near[i, j]]
                        weight += 1.0
            out[y, x] = _average(total, weight, nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _flag_area(
    src: np.ndarray, rows: np.ndarray, cols: np.ndarray, outside: bool, out: np.ndarray
) -> None:
    """Look at all pixels that a cell covers."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = rows[y] == rows[y + 1] or cols[x] == cols[x + 1]
            if out[y, x]:
                out[y, x] = outside
                continue
            for i in range(math.floor(rows[y]), math.ceil(rows[y + 1])):
                for j in range(math.floor(cols[x]), math.ceil(cols[x + 1])):
                    out[y, x] |= src[i, j] != 0


@njit(nogil=True, cache=True, error_model="numpy")
def _flag_samples(
    src: np.ndarray, near: np.ndarray, outside: bool, factor: int, out: np.ndarray
) -> None:
    """Look at all sub-samples of a cell."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            seen, found = False, False
            for i in range(y * factor, (y + 1) * factor):
                for j in range(x * factor, (x + 1) * factor):
                    if near[i, j] >= 0:
                        seen = True
                        found |= src[near[i, j]] != 0
            out[y, x] = found if seen else outside
