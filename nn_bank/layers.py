"""Layers and checks that several networks share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that also trains on a batch of one value a channel.

    Such a batch has no variance: the running statistics normalise it, as in evaluation.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """Normalise (sample, channel) or (sample, channel, date)."""
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def positions(days: Tensor, size: int, period: float) -> Tensor:
    """Give the sinusoidal positions of dates.

    Vaswani et al. 2017, section 3.5, with days for positions: sin(d / T^(2i / size)) in
    the even and cos in the odd components.

    Parameters
    ----------
    days : Tensor of float32, (date,)
    size : int
        Components of a position.
    period : float
        T, days.

    Returns
    -------
    Tensor of float32, (date, size)
    """
    component = torch.arange(size, device=days.device)
    exponent = (2.0 / size) * component.div(2, rounding_mode="floor")
    angle = days[:, None] * torch.exp(-math.log(period) * exponent)
    return torch.where(component % 2 == 0, angle.sin(), angle.cos())


def check_counts(**values: object) -> None:
    """Refuse parameters that are not integers of at least 1."""
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise ConfigError(f"{name} is {value!r}: an integer of at least 1 is needed")


def check_above_1(**values: object) -> None:
    """Refuse parameters that are not numbers above 1."""
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 1:
            raise ConfigError(f"{name} is {value!r}: a number above 1 is needed")


def check_dropout(dropout: object) -> None:
    """Refuse a dropout that is no share of [0, 1[."""
    number = isinstance(dropout, int | float) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout < 1:  # type: ignore[operator]
        raise ConfigError(f"dropout is {dropout!r}: a number from 0 to below 1 is needed")


def check_heads(n_head: int, **sizes: int) -> None:
    """Refuse a number of heads that does not divide the sizes."""
    for name, size in sizes.items():
        if size % n_head:
            raise ConfigError(f"{name} is {size}, which n_head {n_head} does not divide")
