"""Features of raw dates: observations, and marks where there is none.

``nn_bank.stored`` has the meaning of the marks; they are in the way of no observation.
"""

from __future__ import annotations

import numpy as np

from ..tiles.layout import INVALID, LOWEST, NOT_ACQUIRED, Layout


def put(values: np.ndarray, valid: np.ndarray, out: np.ndarray) -> None:
    """Write the observations of a day.

    Parameters
    ----------
    values : ndarray of int16, (band, y, x)
    valid : ndarray of bool, (y, x)
    out : ndarray of int16, (band, y, x)
        Receives at least LOWEST where the day is valid, INVALID elsewhere.
    """
    np.maximum(values, np.int16(LOWEST), out=out)
    np.copyto(out, INVALID, where=~valid)


def seen(cube: np.ndarray, layout: Layout) -> np.ndarray:
    """Tell which pixels have an observation among the dates of their features.

    Parameters
    ----------
    cube : ndarray of int16, (date, band, ...)
    layout : Layout

    Returns
    -------
    ndarray of bool, (...)
    """
    dates = cube if layout.raw else cube[:1]  # interpolated, all dates are nodata or none
    return np.asarray((~marked(dates)[:, 0]).any(axis=0))


def marked(cube: np.ndarray) -> np.ndarray:
    """Tell on which dates pixels have a mark in place of an observation.

    Parameters
    ----------
    cube : ndarray of int16, (date, band, ...)
        The chain's own bands first: all of them hold the mark.

    Returns
    -------
    ndarray of bool, (date, 1, ...)
    """
    lowest = max(INVALID, NOT_ACQUIRED)  # every mark is below every observation
    return np.asarray(cube[:, :1] <= lowest)
