"""What stored int16 values mean: physical units, validity where dates are raw, and gaps.

Series of raw dates hold one of two marks in all bands of a date without a valid observation;
features of the user's own hold one where they have no value: a gap. No other value is a mark.
"""

from __future__ import annotations

import torch
from torch import Tensor

INVALID = -10000
"""Stored in all bands of a raw date that was acquired and is masked (cloud, shadow, edge), and in
a single one where a feature of the user's has no value."""
NOT_ACQUIRED = -20000
"""Stored in all bands of a raw date on which the pixel's tile has no product."""
VALID_DATE, INVALID_DATE, NOT_ACQUIRED_DATE = 0, 1, 2
"""Values of the validity of a date."""


def validity_of(stored: Tensor, *, gaps: bool = False) -> Tensor:
    """Give the validity of raw dates: one is not valid when all its bands bear its mark.

    Parameters
    ----------
    stored : Tensor of int16, (sample, date, band)
    gaps : bool
        Single bands may bear a mark; without them the first band tells for all.

    Returns
    -------
    Tensor of uint8, (sample, date)
        0 valid, 1 invalid, 2 not acquired.
    """
    if not gaps:
        first = stored[:, :, 0]
        return (first == INVALID).to(torch.uint8) + 2 * (first == NOT_ACQUIRED).to(torch.uint8)
    invalid, absent = ((stored == mark).all(dim=2) for mark in (INVALID, NOT_ACQUIRED))
    return invalid.to(torch.uint8) + 2 * absent.to(torch.uint8)


def physical(
    stored: Tensor,
    scale: Tensor,
    *,
    raw: bool = False,
    gaps: bool = False,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Give samples in physical units, on the device on which they lie.

    Parameters
    ----------
    stored : Tensor of int16, (sample, date, band)
    scale : Tensor of float32, (date * band,)
        Stored value divided by scale is the physical value; that of the bands, repeated for
        each date: the division along one long axis is half again as fast as along 13 bands.
    raw : bool
        The dates are raw: some of them may not be valid.
    gaps : bool
        Single values may be missing.
    out : Tensor of float32, (sample, date, band), optional
        Filled and given back instead of a new one; contiguous.

    Returns
    -------
    x : Tensor of float32, (sample, date, band)
        NaN at all marks.
    validity : Tensor of uint8, (sample, date), or None
        None unless the dates are raw.
    """
    x = torch.empty(stored.shape, device=stored.device) if out is None else out
    x.flatten(1).copy_(stored.flatten(1)).div_(scale)
    validity = validity_of(stored, gaps=gaps) if raw else None
    if gaps:
        marks = stored == INVALID
        x.masked_fill_(marks.logical_or_(stored == NOT_ACQUIRED), torch.nan)
    elif validity is not None:  # all bands of a date bear a mark, or none
        x.masked_fill_((validity != VALID_DATE).unsqueeze(-1), torch.nan)
    return x, validity
