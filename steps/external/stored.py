"""External values as they are stored: int16 with a scale a band, as all features are."""

from __future__ import annotations

import numpy as np

from ..kernels import physical


def store(values: np.ndarray, scale: float) -> tuple[np.ndarray, int]:
    """Bring external values to int16.

    Parameters
    ----------
    values : ndarray of float32, any axes
        In the unit of the function that gave them.
    scale : float
        Stored value of one unit, above 0.

    Returns
    -------
    stored : ndarray of int16, axes of `values`
        ``values × scale`` rounded to nearest even, saturated to int16, by one beside the marks
        INVALID and NOT_ACQUIRED; INVALID, a gap, for what is not a number or infinite.
    saturated : int
        How many finite values do not fit into int16.
    """
    return physical.stored(values, scale)
