"""Functions for `external_features` that come with i2lc.

Each is written as a user writes one: it gets an object with the series of a window, and gives an
array (y, x, n) with n labels. Each value depends on its own pixel alone; the spatial median also
on its neighbours, within the padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

Given = tuple[np.ndarray, list[str]]
"""What a function gives: float (y, x, n), and n labels."""
RED_EDGE = ("B5", "B6", "B7")
LEAST_DATES = 3
"""Dates that a mean and a wave can be fitted to."""
FLAT = 1e-6
"""Amplitude below which there is no wave, and so no day of its peak."""
DISTINCT = 1e-6
"""Least determinant of the normal matrix of a fit, per date cubed."""


def get_soi_s2(self: Any) -> Given:
    """Compute the Soil Composition Index (B11 - B8) / (B11 + B8), for each date.

    The function of iota2's documentation, as it stands there.
    """
    dates = self.get_interpolated_dates()
    coef = (self.get_interpolated_Sentinel2_B11() - self.get_interpolated_Sentinel2_B8()) / (
        self.get_interpolated_Sentinel2_B11() + self.get_interpolated_Sentinel2_B8() + 1.0e-6
    )
    labels = [f"Sentinel2_soi_{date}" for date in dates["Sentinel2"]]
    return coef, labels


def get_red_edge_ndvi(self: Any, band: str = "B5") -> Given:
    """Compute (B8 - band) / (B8 + band) for each date; 0 where the sum is 0.

    Parameters
    ----------
    band : str
        A band of the red edge: B5 (705 nm), B6 (740 nm) or B7 (783 nm).

    Raises
    ------
    ValueError
        Another band.

    Notes
    -----
    Normalised difference red edge, Barnes et al. (2000), "Coincident detection of crop water
    stress, nitrogen status and canopy density using ground-based multispectral data"; its form is
    that of Gitelson and Merzlyak (1994), J. Plant Physiol. 143, 286-292.
    """
    if band not in RED_EDGE:
        raise ValueError(f"band {band!r}: the bands of the red edge are {', '.join(RED_EDGE)}")
    nir, edge = self.get_interpolated_Sentinel2_B8(), _series(self, band)
    total = nir + edge
    index = np.where(total == 0, 0, (nir - edge) / np.where(total == 0, 1, total))
    return index, _labels(self, f"NDRE{band}")


def get_spatial_median(self: Any, band: str = "NDVI", window: int = 3) -> Given:
    """Compute the median over a square of pixels, for each date; needs padding `window` // 2.

    Parameters
    ----------
    band : str
        A band, or NDVI, NDWI or Brightness.
    window : int
        Side of the square in pixels, odd.

    Raises
    ------
    ValueError
        An unknown band, or a window that is not an odd number from 1.

    Notes
    -----
    Of an even number of values the mean of the two in the middle. Pixels without a value, and
    those beyond the tile, do not count; a square without any value has none.
    """
    if not _is_whole(window) or window < 1 or window % 2 == 0:
        raise ValueError(f"window {window!r}: give an odd number of pixels, such as 3 or 5")
    values = _series(self, band)
    found = np.empty_like(values)
    for number in range(values.shape[2]):  # one date after the other: a square a pixel is a lot
        found[:, :, number] = _median(values[:, :, number], window)
    return found, _labels(self, f"{band}median{window}")


def get_cumulative_ndvi(self: Any, total: bool = False) -> Given:
    """Compute the running sum of NDVI where it is above 0, from the first date to each date.

    Parameters
    ----------
    total : bool
        Give the sum over all dates alone, as one feature without a date.

    Raises
    ------
    ValueError
        `total` that is neither True nor False.

    Notes
    -----
    Unit: NDVI times dates; times `temporal_resolution` it is NDVI times days.
    """
    if not isinstance(total, bool):
        raise ValueError(f"total {total!r}: give True or False")
    sums = np.cumsum(np.maximum(_series(self, "NDVI"), 0), axis=2, dtype=np.float64)
    if total:
        return sums[:, :, -1:], ["Sentinel2_cumNDVI_total"]
    return sums, _labels(self, "cumNDVI")


def get_harmonic(self: Any, index: str = "NDVI", period: float = 365.25) -> Given:
    """Fit a mean and one wave to the series of each pixel, by least squares.

    The fit is ``mean + amplitude * cos(2 pi (t - phase) / period)``, t in days since 1 January of
    the first date's year.

    Parameters
    ----------
    index : str
        A band, or NDVI, NDWI or Brightness.
    period : float
        Length of the wave in days.

    Returns
    -------
    Mean and amplitude in the unit of `index`; phase, the day of the peak in [0, `period`), 0
    where there is no wave.

    Raises
    ------
    ValueError
        An unknown band, a period that is not above 0, or dates that do not fix the wave.
    """
    if not isinstance(period, int | float) or isinstance(period, bool) or not period > 0:
        raise ValueError(f"period {period!r}: give a number of days above 0")
    values = _series(self, index)
    weights = _harmonic_weights(_days(self), float(period))
    mean, cosine, sine = (_weighted(values, row) for row in weights)
    amplitude = np.hypot(cosine, sine)
    phase = np.mod(np.arctan2(sine, cosine) / (2 * math.pi) * period, period)
    phase[(amplitude < FLAT) | (phase == period)] = 0  # rounding alone; a tiny one below 0
    names = [f"Sentinel2_{index}_harmonic_{what}" for what in ("mean", "amplitude", "phase")]
    return np.stack([mean, amplitude, phase], axis=2), names


def _series(data: Any, band: str) -> np.ndarray:
    """Give the interpolated series of a band or an index, float (y, x, date)."""
    try:
        get = getattr(data, f"get_interpolated_Sentinel2_{band}")
    except AttributeError as error:
        raise ValueError(f"band {band!r}: {error}") from error
    return get()


def _labels(data: Any, index: str) -> list[str]:
    """Name an index at each date."""
    return [f"Sentinel2_{index}_{day}" for day in data.get_interpolated_dates()["Sentinel2"]]


def _days(data: Any) -> list[int]:
    """Give the dates in days since 1 January of the first one's year."""
    texts = data.get_interpolated_dates()["Sentinel2"]
    days = [date(int(text[:4]), int(text[4:6]), int(text[6:8])) for text in texts]
    return [(day - date(days[0].year, 1, 1)).days for day in days]


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _median(values: np.ndarray, window: int) -> np.ndarray:
    """Give the median of what is a number in the square around each pixel, (y, x)."""
    beside = np.pad(values, window // 2, constant_values=np.nan)
    squares = np.lib.stride_tricks.sliding_window_view(beside, (window, window))
    ordered = np.sort(squares.reshape(*values.shape, window * window), axis=2)
    count = (~np.isnan(ordered)).sum(axis=2, keepdims=True)  # they stand first
    upper = np.take_along_axis(ordered, count // 2, axis=2)
    lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=2)
    return ((lower + upper) / 2)[:, :, 0]


def _weighted(values: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Sum up values (y, x, date) times a weight a date, float64, one date after the other."""
    total = np.zeros(values.shape[:2], np.float64)
    for number, weight in enumerate(weights):
        total += values[:, :, number].astype(np.float64) * weight
    return total


def _harmonic_weights(days: Sequence[int], period: float) -> list[list[float]]:
    """Give the weight of each date in mean, cosine and sine of the fit.

    The rows of (X'X)^-1 X' with X = [1, cos, sin], in closed form: no library of linear algebra,
    whose rounding differs from one machine to another.
    """
    angles = [2 * math.pi * day / period for day in days]
    rows = [(1.0, math.cos(angle), math.sin(angle)) for angle in angles]
    normal = [[math.fsum(row[i] * row[j] for row in rows) for j in range(3)] for i in range(3)]
    inverse = _inverse(normal)
    if len(days) < LEAST_DATES or inverse is None:
        raise ValueError(
            f"period {period:g}: the {len(days)} dates, of {days[-1] - days[0]} days, do not fix "
            "a mean and a wave: give another period, or more dates"
        )
    return [[math.fsum(inverse[k][m] * row[m] for m in range(3)) for row in rows] for k in range(3)]


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Invert a 3 × 3 normal matrix by cofactors; None where it is next to singular."""

    def cofactor(i: int, j: int) -> float:
        a, b = (i + 1) % 3, (i + 2) % 3
        c, d = (j + 1) % 3, (j + 2) % 3
        return matrix[a][c] * matrix[b][d] - matrix[a][d] * matrix[b][c]

    determinant = math.fsum(matrix[0][j] * cofactor(0, j) for j in range(3))
    if determinant <= DISTINCT * matrix[0][0] ** 3:
        return None
    return [[cofactor(j, i) / determinant for j in range(3)] for i in range(3)]
