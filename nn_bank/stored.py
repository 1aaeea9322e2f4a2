"""What stored int16 values mean: physical units, and validity where dates are raw.

Series of raw dates hold one of two marks in all bands of a date without a valid observation;
an observation never takes these values.
"""

from __future__ import annotations

import torch
from torch import Tensor

INVALID = -10000
"""Stored in all bands of a raw date that was acquired and is masked (cloud, shadow, edge)."""
NOT_ACQUIRED = -20000
"""Stored in all bands of a raw date on which the pixel's tile has no product."""
VALID_DATE, INVALID_DATE, NOT_ACQUIRED_DATE = 0, 1, 2
"""Values of the validity of a date."""


def validity_of(stored: Tensor) -> Tensor:
    """Give the validity of raw dates.

    Parameters
    ----------
    stored : Tensor of int16, (sample, date, band)

    Returns
    -------
    Tensor of uint8, (sample, date)
        0 valid, 1 invalid, 2 not acquired.
    """
    first = stored[:, :, 0]
    return (first == INVALID).to(torch.uint8) + 2 * (first == NOT_ACQUIRED).to(torch.uint8)


def physical(
    stored: Tensor, scale: Tensor, *, raw: bool = False, out: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Give samples in physical units, on the device on which they lie.

    Parameters
    ----------
    stored : Tensor of int16, (sample, date, band)
    scale : Tensor of float32, (band,)
        Stored value divided by scale is the physical value.
    raw : bool
        The dates are raw: some of them may not be valid.
    out : Tensor of float32, (sample, date, band), optional
        Filled and given back instead of a new one.

    Returns
    -------
    x : Tensor of float32, (sample, date, band)
        NaN in all bands of a raw date that is not valid.
    validity : Tensor of uint8, (sample, date), or None
        None unless the dates are raw.
    """
    x = torch.empty(stored.shape, device=stored.device) if out is None else out
    x.copy_(stored).div_(scale)
    if not raw:
        return x, None
    validity = validity_of(stored)
    x.masked_fill_((validity != VALID_DATE).unsqueeze(-1), torch.nan)
    return x, validity
