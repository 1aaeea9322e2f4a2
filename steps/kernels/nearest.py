"""Masks onto an output as fine as the source: the pixel that holds the centre."""

from __future__ import annotations

import numpy as np
from numba import njit

from .plans import Plan, Scattered, checked


def nearest(src: np.ndarray, plan: Plan, outside: int) -> np.ndarray:
    """Take for each output pixel the source pixel that holds its centre.

    Parameters
    ----------
    src : (row1 - row0, col1 - col0) any type
        The plan's window of the raster.
    plan : Separable or Scattered
        From `planning.plan`.
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
    src = checked(src, plan.window, src.dtype)
    out = np.full(plan.shape, outside, src.dtype)
    if isinstance(plan, Scattered):
        _pick(src.reshape(-1), plan.near.reshape(-1), out.reshape(-1))
    elif src.size:
        ys, xs = slice(*plan.rows.inside), slice(*plan.cols.inside)
        _cross(src, plan.rows.near[ys], plan.cols.near[xs], out[ys, xs])
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _cross(src: np.ndarray, rows: np.ndarray, cols: np.ndarray, out: np.ndarray) -> None:
    """Copy the pixels where rows and columns cross."""
    for y in range(rows.size):
        line = src[rows[y]]
        for x in range(cols.size):
            out[y, x] = line[np.uint32(cols[x])]


@njit(nogil=True, cache=True, error_model="numpy")
def _pick(src: np.ndarray, near: np.ndarray, out: np.ndarray) -> None:
    """Copy the pixels that are inside."""
    for i in range(out.size):
        if near[i] >= 0:
            out[i] = src[near[i]]
