"""What hides the ground: blobs of cloud, their shadows, and the mask that tells of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Bits of Theia's CLM.
CLOUD_OR_SHADOW = 1
CLOUD = 2
MONO_TEMPORAL = 4
THINNEST = 16
SHADOW = 32
SHADOW_FROM_OUTSIDE = 64
HIGH = 128

MARGIN = 5
"""Pixels of 10 m that the mask reaches beyond the cloud on every side, as MAJA's does: no
cubic kernel of 10 or 20 m that is centred on a clear pixel meets a cloudy one."""


@dataclass(frozen=True)
class Veil:
    """Clouds over one product on its 10 m grid; all (y, x)."""

    clm: NDArray[np.uint8]
    """Theia's CLM mask."""
    opacity: NDArray[np.float32]
    """Share of cloud in the pixel, 0-1."""
    shade: NDArray[np.float32]
    """Share of light that a shadow takes, 0-1."""


def draw_veil(rng: np.random.Generator, share: float, seen: NDArray[np.bool_]) -> Veil:
    """Draw the clouds of one product.

    Parameters
    ----------
    rng
        Generator of the product.
    share
        Share of the seen pixels that the mask calls cloud, 0-1.
    seen
        What was seen on the 10 m grid, (y, x).

    Returns
    -------
    Veil
        Clear where nothing was seen.
    """
    side = len(seen)
    up, left = _shadow_shift(rng, side)
    pad = max(up, left) + MARGIN
    height = _blobs(rng, side + 2 * pad)
    near = _highest_around(height, MARGIN)
    limit = _limit(near[pad:-pad, pad:-pad], share, seen)
    cloud, thick = near > limit, _thickness(height, limit)
    shifted = slice(pad + up, pad + up + side), slice(pad + left, pad + left + side)
    middle = slice(pad, -pad), slice(pad, -pad)
    from_outside = _outside(side, up, left) & cloud[shifted]
    clm = _bits(cloud[middle], cloud[shifted], from_outside, thick[middle], share)
    clm[~seen] = 0
    return Veil(clm, thick[middle], np.where(thick[shifted] > 0, np.float32(0.6), np.float32(0)))


def _shadow_shift(rng: np.random.Generator, side: int) -> tuple[int, int]:
    """Draw how far a shadow falls to the north and to the west, pixels."""
    north = int(rng.integers(MARGIN + 1, max(MARGIN + 2, min(24, side // 6))))
    return north, north // 2


def _blobs(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Draw a smooth random surface of several scales, (side, side)."""
    surface = np.zeros((side, side), np.float32)
    for spacing, weight in ((side / 3.2, 1.0), (side / 7.0, 0.55), (max(side / 18.0, 5.0), 0.25)):
        to_pixels = _spread(side, spacing)
        knots = rng.standard_normal((to_pixels.shape[1],) * 2, np.float32)
        surface += np.float32(weight) * (to_pixels @ knots @ to_pixels.T)
    return surface


def _spread(side: int, spacing: float) -> NDArray[np.float32]:
    """Give the matrix that takes knots to pixels by a smooth step, (pixel, knot)."""
    at = np.arange(side) / spacing
    knot = at.astype(np.intp)
    t = at - knot
    t = t * t * (3 - 2 * t)
    matrix = np.zeros((side, int(knot[-1]) + 2), np.float32)
    matrix[np.arange(side), knot] = 1 - t
    matrix[np.arange(side), knot + 1] = t
    return matrix


def _highest_around(surface: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Give the largest value in the square of `reach` pixels around each pixel."""
    for axis in (0, 1):
        width = [(reach, reach) if k == axis else (0, 0) for k in (0, 1)]
        padded = np.pad(surface, width, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis)
        surface = views.max(axis=-1)
    return surface


def _limit(near: NDArray[np.float32], share: float, seen: NDArray[np.bool_]) -> float:
    """Give the height above which the wanted share of the seen pixels lies."""
    if share <= 0 or not seen.any():
        return float("inf")
    return float(np.quantile(near[seen], 1.0 - share))


def _thickness(height: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """Give the opacity of clouds above a height: thin at the rim, then thick."""
    above = height - np.float32(limit)
    return np.where(above > 0, np.clip(0.25 + 1.6 * above, 0, 0.95), 0).astype(np.float32)


def _outside(side: int, up: int, left: int) -> NDArray[np.bool_]:
    """Say where a shadow comes from a cloud beyond the lower or right border."""
    steps = np.arange(side)
    return (steps[:, None] + up >= side) | (steps[None, :] + left >= side)


def _bits(
    cloud: NDArray[np.bool_],
    shadow: NDArray[np.bool_],
    from_outside: NDArray[np.bool_],
    thick: NDArray[np.float32],
    share: float,
) -> NDArray[np.uint8]:
    """Put the findings into the bits of CLM."""
    high = HIGH if share > 0.8 else 0
    clm = np.where(cloud, CLOUD_OR_SHADOW | CLOUD | MONO_TEMPORAL | high, 0)
    clm |= np.where(shadow, CLOUD_OR_SHADOW | SHADOW, 0)
    clm |= np.where(from_outside, SHADOW_FROM_OUTSIDE, 0)
    clm |= np.where((thick > 0) & (thick < 0.4), THINNEST, 0)
    return clm.astype(np.uint8)
