"""Bands and masks onto an output coarser than the source: area means, and flags of what is touched.

In the CRS of the source cells are exact areas (`planning.area_plan`), elsewhere sub-samples
(`planning.plan`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .plans import Area, Scattered, checked

LOWEST, HIGHEST = -9999, 32767  # a result is never the nodata value
EVEN = 1.5 * 2.0**52  # a float64 that gains and loses this is rounded to nearest even


def mean(
    src: np.ndarray, plan: Area | Scattered, nodata: int = -10000, factor: int = 1
) -> np.ndarray:
    """Average the valid source pixels of each coarser output cell.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) int16
        The plan's window of the raster.
    plan : Area or Scattered
        From `planning.area_plan`: weighted by exact coverage. From `planning.plan` on `factor` ×
        `factor` sub-samples of each cell: their mean, each one the nearest source pixel.
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
    src = checked(src, plan.window, np.int16)
    if isinstance(plan, Area):
        out = np.empty(plan.shape, np.int16)
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
    src = checked(src, plan.window, src.dtype)
    if isinstance(plan, Area):
        out = np.empty(plan.shape, np.bool_)
        _flag_area(src, plan.rows, plan.cols, outside, out)
    else:
        out = np.empty(_coarse(plan, factor), np.bool_)
        _flag_samples(src.reshape(-1), plan.near, outside, factor, out)
    return out


def _coarse(plan: Scattered, factor: int) -> tuple[int, int]:
    """Shape of the output of `factor` × `factor` sub-samples a cell."""
    (ny, ry), (nx, rx) = (divmod(n, factor) for n in plan.near.shape)
    if ry or rx:
        raise ValueError(f"factor: {factor} does not divide the plan's shape {plan.near.shape}")
    return ny, nx


@njit(nogil=True, cache=True, error_model="numpy")
def _average(total: float, weight: float, nodata: int) -> np.int16:
    """Divide, clip and round; nodata without any weight."""
    if weight == 0.0:
        return np.int16(nodata)
    return np.int16(min(max(total / weight, LOWEST), HIGHEST) + EVEN - EVEN)


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
