"""What was seen of some pixels: the observations as they were read, before any gap is filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Observed:
    """Observations on the lattice, products of one day merged."""

    values: np.ndarray
    """int16 (date, band, y, x); what stands where it is not valid is never used."""
    valid: np.ndarray
    """bool (date, y, x): the masks are 0 and no band is nodata."""
    days: np.ndarray
    """int64 (date,): proleptic ordinals, strictly increasing."""

    def taken(self, where: np.ndarray) -> Observed:
        """Give those of n pixels alone, in row-major order, as (..., 1, n).

        Parameters
        ----------
        where : ndarray of bool, (y, x)
        """
        chosen = np.flatnonzero(where)
        return Observed(_taken(self.values, chosen), _taken(self.valid, chosen), self.days)


def _taken(array: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Take n pixels, by their row-major numbers, of (..., y, x) as (..., 1, n)."""
    flat = array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])
    if chosen.size < flat.shape[-1]:
        flat = np.take(flat, chosen, axis=-1)
    return flat[..., None, :]
