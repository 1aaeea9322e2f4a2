"""Spectral indices, computed in place on a cube of gap-filled reflectance.

iota2 makes an index nodata when any kept band of the date is nodata. After gap-filling either all
bands of a pixel are nodata or none is, so looking at the index's own bands alone is equivalent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

EVEN = 1.5 * 2.0**52  # a float64 that gains and loses this is rounded to nearest even (vectorises)
SCALE = 1000  # of a normalized difference; also its largest magnitude
HIGHEST = 32767
RUN = 4096  # pixels a pass


def normalized_difference(
    cube: np.ndarray, plus: int, minus: int, into: int, nodata: int = -10000
) -> None:
    """Write ``(plus - minus) / (plus + minus)`` × 1000 as one more band of the cube.

    Parameters
    ----------
    cube : (date, band, y, x) int16
        Reflectance × 10000, C-contiguous; changed in place.
    plus, minus, into : int
        Indices of the two bands read and of the band written.
    nodata : int
        A pixel with nodata in one of the two bands gets nodata.

    Raises
    ------
    ValueError
        A cube of another type, or a band that it does not have.

    Notes
    -----
    Rounded to nearest even, clipped to [-1000, 1000], 0 where the sum is 0 (iota2: below 1e-5).
    NDVI is (B8, B4), Rouse et al. (1974); NDWI is (B11, B8) as in iota2, the opposite sign of
    Gao (1996).
    """
    flat = _flat(cube, (plus, minus, into))
    _difference(flat, plus, minus, into, nodata)


def brightness(cube: np.ndarray, bands: Sequence[int], into: int, nodata: int = -10000) -> None:
    """Write the root of the sum of squares of `bands` as one more band of the cube.

    Parameters
    ----------
    cube : (date, band, y, x) int16
        Reflectance × 10000, C-contiguous; changed in place.
    bands : sequence of int
        Indices of the bands read.
    into : int
        Index of the band written.
    nodata : int
        A pixel with nodata in one of the bands gets nodata.

    Raises
    ------
    ValueError
        A cube of another type, or a band that it does not have.

    Notes
    -----
    The sum is exact (float64), the root is rounded and clipped to 32767. Formula of OTB and iota2.
    """
    flat = _flat(cube, (*bands, into))
    _brightness(flat, np.asarray(bands, np.int64), into, nodata)


def _flat(cube: np.ndarray, bands: Sequence[int]) -> np.ndarray:
    """Check the cube and join y and x to one axis of pixels."""
    if cube.ndim != 4 or cube.dtype != np.int16 or not cube.flags.c_contiguous:
        raise ValueError("cube: want a C-contiguous int16 array (date, band, y, x)")
    if not all(0 <= band < cube.shape[1] for band in bands):
        raise ValueError(f"bands {tuple(bands)}: the cube has bands 0 to {cube.shape[1] - 1}")
    return cube.reshape(*cube.shape[:2], cube.shape[2] * cube.shape[3])


@njit(nogil=True, cache=True, error_model="numpy")
def _difference(cube: np.ndarray, plus: int, minus: int, into: int, nodata: int) -> None:
    """Take all dates through."""
    for d in range(cube.shape[0]):
        _normalize(cube[d, plus], cube[d, minus], cube[d, into], nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize(plus: np.ndarray, minus: np.ndarray, out: np.ndarray, nodata: int) -> None:
    """One date; the quotient of two exact whole numbers, rounded once."""
    for i in range(out.size):
        p, m = np.float64(plus[i]), np.float64(minus[i])
        total = p + m
        quotient = SCALE * (p - m) / (1.0 if total == 0.0 else total)
        index = 0.0 if total == 0.0 else min(max(quotient, -SCALE), SCALE) + EVEN - EVEN
        out[i] = np.int16(nodata if plus[i] == nodata or minus[i] == nodata else index)


@njit(nogil=True, cache=True, error_model="numpy")
def _brightness(cube: np.ndarray, bands: np.ndarray, into: int, nodata: int) -> None:
    """Take all dates through in runs of ``RUN`` pixels."""
    total = np.empty(RUN, np.float64)
    for d in range(cube.shape[0]):
        for left in range(0, cube.shape[2], RUN):
            right = min(left + RUN, cube.shape[2])
            total[:] = 0.0
            for b in bands:
                _add_square(cube[d, b, left:right], total, nodata)
            _root(total, cube[d, into, left:right], nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_square(band: np.ndarray, total: np.ndarray, nodata: int) -> None:
    """Add the squares of one band; nodata turns the sum into infinity."""
    for i in range(band.size):
        value = np.float64(band[i])
        total[i] += np.inf if band[i] == nodata else value * value


@njit(nogil=True, cache=True, error_model="numpy")
def _root(total: np.ndarray, out: np.ndarray, nodata: int) -> None:
    """Round the root of the sums."""
    for i in range(out.size):
        root = min(np.sqrt(total[i]), np.float64(HIGHEST)) + EVEN - EVEN
        out[i] = np.int16(nodata if total[i] == np.inf else root)
