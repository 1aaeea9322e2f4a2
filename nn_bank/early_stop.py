"""Early stop: a pure function of the epochs so far, so that no checkpoint needs to hold it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import ConfigError
from .history import Epoch

_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "val_loss": "validation_loss",
        "train_loss": "train_loss",
        "fscore": "fscore",
        "oa": "oa",
        "kappa": "kappa",
    }
)
METRICS = tuple(_FIELDS)
"""What may be monitored."""
LOSSES = ("val_loss", "train_loss")
ALIASES: Mapping[str, str] = MappingProxyType({"valid_loss": "val_loss"})


@dataclass(frozen=True)
class EarlyStop:
    """When a training that no longer improves is ended; a bad value is a ConfigError."""

    metric: str = "val_loss"
    """Of `METRICS`; "valid_loss" is taken as "val_loss"."""
    trigger: int = 5
    """Epochs up to this number are not looked at."""
    patience: int = 10
    """Epochs in a row without improvement that end the training."""
    tol: float = 0.01
    """Least change that is an improvement: log10 of the ratio for losses (iota2 says dB; it is
    a tenth of a dB in the figure of the losses), the difference for scores."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", ALIASES.get(self.metric, self.metric))
        if self.metric not in METRICS:
            known = ", ".join((*METRICS, *ALIASES))
            raise ConfigError(f"unknown early_stop_metric {self.metric!r}; known: {known}")
        if self.trigger < 0:
            raise ConfigError(f"epoch_to_trigger is {self.trigger}: at least 0 is needed")
        if self.patience < 1:
            raise ConfigError(f"early_stop_patience is {self.patience}: at least 1 is needed")
        if not (self.tol >= 0 and math.isfinite(self.tol)):
            raise ConfigError(f"early_stop_tol is {self.tol}: it must be 0 or more, and finite")


def improvement(metric: str, before: float, now: float) -> float:
    """Give by how much a value is better than that of the epoch before.

    Parameters
    ----------
    metric : str
        Of `METRICS`.
    before, now : float
        Values of two epochs in a row; a loss is at least 0.

    Returns
    -------
    float
        log10(before / now) for a loss, now - before for a score; nan where undefined.
    """
    if metric not in LOSSES:
        return now - before
    if now == 0 or before == 0:
        return math.nan if now == before else math.copysign(math.inf, before - now)
    return math.log10(before / now)


def stop_reason(history: Sequence[Epoch], rule: EarlyStop | None) -> str:
    """Say why the training ends after the last epoch of the history; empty: it goes on.

    An epoch after the trigger improves when it is better than the epoch before it by the
    tolerance or more; a value that is not defined never improves. The first epoch has none
    before it and is not judged.

    Parameters
    ----------
    history : sequence of Epoch
        All epochs so far, in order.
    rule : EarlyStop or None
        None: never stop early.
    """
    if rule is None or _idle(history, rule) < rule.patience:
        return ""
    return (
        f"stopped after epoch {history[-1].number}: early_stop_metric {rule.metric} did not "
        f"improve by {rule.tol:g} in {rule.patience} epochs in a row"
    )


def _idle(history: Sequence[Epoch], rule: EarlyStop) -> int:
    """Count the last epochs in a row, after the trigger, that did not improve."""
    values = [getattr(epoch, _FIELDS[rule.metric]) for epoch in history]
    count = 0
    for index in range(len(history) - 1, max(rule.trigger, 1) - 1, -1):
        if improvement(rule.metric, values[index - 1], values[index]) >= rule.tol:
            break
        count += 1
    return count
