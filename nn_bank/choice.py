"""The best epoch of each criterion, and the result of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from .history import Epoch


@dataclass(frozen=True)
class _Criterion:
    field: str
    """Of `Epoch`."""
    sign: int
    """1 when more is better, -1 when less is."""


FALLBACK = "train_loss"
"""What chooses the epoch where the validation set cannot."""

_CRITERIA: Mapping[str, _Criterion] = {
    "loss": _Criterion("validation_loss", -1),
    "fscore": _Criterion("fscore", 1),
    "oa": _Criterion("oa", 1),
    "kappa": _Criterion("kappa", 1),
    FALLBACK: _Criterion("train_loss", -1),
}

CRITERIA = tuple(name for name in _CRITERIA if name != FALLBACK)
"""What a user may choose the epoch by."""


@dataclass(frozen=True, eq=False)
class Best:
    """The first epoch with the best value of a criterion."""

    epoch: int
    """Its number, from 1."""
    value: float
    """Of the criterion."""
    state: Mapping[str, Tensor]
    """Copy of the network's state dict after that epoch, statistics included; on the CPU."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What a training gives."""

    history: tuple[Epoch, ...]
    """All epochs, in order."""
    best: Mapping[str, Best]
    """By criterion, "train_loss" included; one that was never defined is absent."""
    criterion: str
    """What chose: the option's, or "train_loss" where that was never defined."""
    note: str
    """Why another criterion than the option's chose; else empty."""
    stopped: str = ""
    """Why the training ended before the last epoch (early stop); else empty."""

    @property
    def chosen(self) -> Best:
        """The epoch that `criterion` chose."""
        return self.best[self.criterion]


class Choice:
    """Keeps the best epoch of each criterion while the epochs go by.

    Parameters
    ----------
    best : mapping, optional
        What was kept so far, by criterion.
    """

    def __init__(self, best: Mapping[str, Best] | None = None) -> None:
        self._best = dict(best or {})

    @property
    def best(self) -> Mapping[str, Best]:
        """What is kept so far, by criterion."""
        return MappingProxyType(self._best)

    def see(self, epoch: Epoch, network: nn.Module) -> None:
        """Keep the epoch's weights for every criterion in which it is better than all before."""
        values = {name: getattr(epoch, c.field) for name, c in _CRITERIA.items()}
        better = {name: value for name, value in values.items() if self._is_better(name, value)}
        if better:
            state = copied(network)
            self._best |= {name: Best(epoch.number, v, state) for name, v in better.items()}

    def settle(
        self, history: tuple[Epoch, ...], criterion: str, *, empty: bool, stopped: str = ""
    ) -> Fit:
        """Give the result; the training loss chooses where `criterion` was never defined."""
        note = ""
        if criterion not in self._best:
            why = "the validation set is empty" if empty else f"{criterion} was never defined"
            note = f"{why}: the epoch is chosen by the training loss"
            criterion = FALLBACK
        return Fit(history, self.best, criterion, note, stopped)

    def _is_better(self, name: str, value: float) -> bool:
        if math.isnan(value):
            return False
        sign, before = _CRITERIA[name].sign, self._best.get(name)
        return before is None or sign * value > sign * before.value


def copied(network: nn.Module) -> dict[str, Tensor]:
    """Copy a network's state dict to memory of its own on the CPU."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in network.state_dict().items()
    }
