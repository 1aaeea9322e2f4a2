"""A ground that is a known smooth function: what resampling and gap-filling must give back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .covers import BANDS

SHORTEST_WAVE = 1500.0
"""Shortest wavelength, metres: 75 pixels of 20 m."""


def smooth_reflectance(
    x_proj: ArrayLike, y_proj: ArrayLike, day: float, band: str
) -> NDArray[np.float64]:
    """Give the reflectance of a smooth landscape: waves over the plane, linear in time.

    Parameters
    ----------
    x_proj, y_proj
        Coordinates in the landscape's `proj`, in metres.
    day
        Day of year 2018, 1 on 1 January.
    band
        Name of the band, such as ``"B8A"``.

    Returns
    -------
    numpy.ndarray
        Counts (reflectance x 10000), between 500 and 5000 within the year, float64.
    """
    k = BANDS.index(band)
    x, y = np.asarray(x_proj, np.float64), np.asarray(y_proj, np.float64)
    turn = 2.0 * np.pi / (SHORTEST_WAVE + 120.0 * k)
    level = 1500.0 + 120.0 * k + 350.0 * np.sin(turn * x + k) + 250.0 * np.cos(turn * y - k)
    slope = 2.0 + 1.0 * np.sin(turn * (0.6 * x + 0.8 * y) + 2.0 * k)
    return level + slope * day
