"""Between stored int16 values and physical units: one pass each, no array between them."""

from __future__ import annotations

import numpy as np
from numba import njit

LOWEST, HIGHEST = -32768, 32767
NONE = -10000
"""What stands for a value that is no number, and for one that is not stored."""
MARKS = (NONE, -20000)
"""Stored values with a meaning of their own, which no number takes."""


def physical(stored: np.ndarray, scale: float) -> np.ndarray:
    """Bring a stored series to physical units, dates last.

    Parameters
    ----------
    stored : ndarray of int16, (date, y, x)
    scale : float
        Stored value of one unit.

    Returns
    -------
    ndarray of float32, (y, x, date)
        C-contiguous, so that sums over the dates take them in one order whatever the number of
        pixels; not a number where one of MARKS is stored.
    """
    last = np.ascontiguousarray(np.moveaxis(stored, 0, -1))
    out = np.empty(last.shape, np.float32)
    _physical(last.reshape(-1), scale, out.reshape(-1))
    return out


def stored(values: np.ndarray, scale: float) -> tuple[np.ndarray, int]:
    """Bring numbers to int16.

    Parameters
    ----------
    values : ndarray of float32, any axes
    scale : float
        Stored value of one unit.

    Returns
    -------
    stored : ndarray of int16, axes of `values`
        ``values × scale`` rounded to nearest even, at most HIGHEST and at least LOWEST; by one
        beside MARKS, on the number's own side; NONE for what is not finite.
    saturated : int
        Finite numbers that do not fit.
    """
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    out = np.empty(flat.shape, np.int16)
    saturated = _stored(flat, float(scale), out)
    return out.reshape(values.shape), int(saturated)


@njit(nogil=True, cache=True, error_model="numpy")
def _physical(stored: np.ndarray, scale: float, out: np.ndarray) -> None:
    """Divide in float32, which holds every stored value as it is."""
    divisor = np.float32(scale)
    for i in range(stored.size):
        value = stored[i]
        marked = value == MARKS[0] or value == MARKS[1]
        out[i] = np.float32(np.nan) if marked else np.float32(value) / divisor


@njit(nogil=True, cache=True, error_model="numpy")
def _stored(values: np.ndarray, scale: float, out: np.ndarray) -> int:
    """Count what does not fit."""
    saturated = 0
    for i in range(values.size):
        if not np.isfinite(values[i]):
            out[i] = NONE
            continue
        exact = np.float64(values[i]) * scale
        near = np.rint(exact)
        if near == MARKS[0] or near == MARKS[1]:
            near += -1.0 if exact < near else 1.0
        if near < LOWEST or near > HIGHEST:
            saturated += 1
            near = min(max(near, float(LOWEST)), float(HIGHEST))
        out[i] = np.int16(near)
    return saturated
