"""Rasters of any kind onto the lattice: float values, not a number where there is none.

Both kernels take the corners of the output pixels as continuous pixel coordinates of the FULL
source raster, rounded to 1 / STEP of a pixel, so that a cut of the output cannot move a value.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

STEP = 2.0**20
"""Coordinates are kept to 1 / STEP pixel: the last bits of an affine product depend on the cut."""
FINER = 1.05
"""Source pixels along a side of an output pixel above which the output pixel is a mean."""
PARTS = 2
"""Sub-samples of a mean along each source pixel."""


def resample(
    src: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    shape: tuple[int, int],
    origin: tuple[int, int],
    out: np.ndarray,
) -> None:
    """Bring part of a raster to output pixels: each by itself, whatever is computed beside it.

    Where a side of the output pixel spans more than FINER source pixels it is the mean of what
    is a number, over at least PARTS × PARTS sub-samples a source pixel; elsewhere it is bilinear
    at its centre: not a number where any pixel that has a weight is not.

    Parameters
    ----------
    src : (height, width) float64
        Part of the source raster that holds all pixels needed.
    rows, cols : (ny + 1, nx + 1) float64
        Corners of the output pixels, in pixels of the full raster. Not finite = outside.
    shape : (height, width)
        Of the full raster.
    origin : (row, column)
        Of the upper left pixel of `src` in the full raster.
    out : (ny, nx) float32
        Written.
    """
    _resample(src, rows, cols, shape[0], shape[1], origin[0], origin[1], out)


@njit(nogil=True, cache=True, error_model="numpy")
def _resample(
    src: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    height: int,
    width: int,
    row0: int,
    col0: int,
    out: np.ndarray,
) -> None:
    """Take all output pixels through."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            r, c = rows[y : y + 2, x : x + 2], cols[y : y + 2, x : x + 2]
            span = _span(r, c)
            if not math.isfinite(r.sum() + c.sum()):
                out[y, x] = np.nan
            elif span > FINER:
                parts = PARTS * math.ceil(span)
                out[y, x] = _mean(src, r, c, height, width, row0, col0, parts)
            else:
                out[y, x] = _bilinear(src, r, c, height, width, row0, col0)


@njit(nogil=True, cache=True, error_model="numpy")
def _span(r: np.ndarray, c: np.ndarray) -> float:
    """Length of the longer of the two sides at the upper left corner, in source pixels."""
    down = math.hypot(r[1, 0] - r[0, 0], c[1, 0] - c[0, 0])
    along = math.hypot(r[0, 1] - r[0, 0], c[0, 1] - c[0, 0])
    return max(down, along)


@njit(nogil=True, cache=True, error_model="numpy")
def _within(corners: np.ndarray, down: float, along: float) -> float:
    """Give the coordinate at a place in the output pixel, both shares in [0, 1]."""
    upper = corners[0, 0] * (1.0 - along) + corners[0, 1] * along
    lower = corners[1, 0] * (1.0 - along) + corners[1, 1] * along
    return upper * (1.0 - down) + lower * down


@njit(nogil=True, cache=True, error_model="numpy")
def _bilinear(
    src: np.ndarray,
    r: np.ndarray,
    c: np.ndarray,
    height: int,
    width: int,
    row0: int,
    col0: int,
) -> float:
    """Interpolate at the centre between the four centres around it."""
    row, col = _within(r, 0.5, 0.5), _within(c, 0.5, 0.5)
    if not (0.0 <= row <= height and 0.0 <= col <= width):
        return np.nan
    i, j = math.floor(row - 0.5), math.floor(col - 0.5)
    dy, dx = row - 0.5 - i, col - 0.5 - j
    total = 0.0
    for k in range(2):
        for m in range(2):
            weight = (dy if k else 1.0 - dy) * (dx if m else 1.0 - dx)
            if weight > 0.0:  # the outermost half pixel takes the value of the border's pixel
                y = min(max(i + k, 0), height - 1) - row0
                x = min(max(j + m, 0), width - 1) - col0
                total += weight * src[y, x]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(
    src: np.ndarray,
    r: np.ndarray,
    c: np.ndarray,
    height: int,
    width: int,
    row0: int,
    col0: int,
    parts: int,
) -> float:
    """Average the pixels under `parts` × `parts` sub-samples."""
    total, count = 0.0, 0
    for k in range(parts):
        for m in range(parts):
            down, along = (k + 0.5) / parts, (m + 0.5) / parts
            row, col = _within(r, down, along), _within(c, down, along)
            if 0.0 <= row < height and 0.0 <= col < width:
                value = src[math.floor(row) - row0, math.floor(col) - col0]
                if value == value:
                    total += value
                    count += 1
    return total / count if count else np.nan
