"""Optimizers, and the rates at which they learn."""

from __future__ import annotations

import logging
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from .options import FitOptions

log = logging.getLogger(__name__)

MOMENTUM = 0.9
"""Of SGD."""


def optimizer_of(network: nn.Module, options: FitOptions) -> Optimizer:
    """Give the optimizer of a network, in torch's fused form: one pass over the weights a step."""
    common: dict[str, Any] = {
        "lr": options.learning_rate,
        "weight_decay": options.weight_decay,
        "fused": True,
    }
    if options.optimizer == "SGD":
        return SGD(network.parameters(), momentum=MOMENTUM, **common)
    kind = {"Adam": Adam, "AdamW": AdamW}[options.optimizer]
    return kind(network.parameters(), **common)


class Schedule:
    """Changes the rate of an optimizer: after each step, after each epoch, or never.

    Parameters
    ----------
    optimizer : Optimizer
    options : FitOptions
        `one_cycle`, `adaptive_lr`, and what they need.
    steps : int
        Steps of an epoch.
    """

    def __init__(self, optimizer: Optimizer, options: FitOptions, steps: int) -> None:
        self._optimizer = optimizer
        adaptive = dict(options.adaptive_lr or {})
        self._verbose = bool(adaptive.pop("verbose", False))
        self._cycle = (
            OneCycleLR(optimizer, options.learning_rate, total_steps=steps * options.epochs)
            if options.one_cycle
            else None
        )
        self._plateau = (
            ReduceLROnPlateau(optimizer, mode="min", **adaptive) if options.adaptive_lr else None
        )
        self.rate = self._now
        """Of the last step."""

    @property
    def _now(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    def after_step(self) -> None:
        """Set the rate of the next step."""
        self.rate = self._now
        if self._cycle:
            self._cycle.step()

    def after_epoch(self, number: int, loss: float) -> None:
        """Set the rate of the next epoch by the loss that is monitored."""
        if not self._plateau:
            return
        before = self._now
        self._plateau.step(loss)
        if self._verbose and self._now != before:
            log.info("learning rate %g instead of %g after epoch %d", self._now, before, number)

    def state(self) -> dict[str, Any]:
        """Give what continues the schedule, as JSON can hold it."""
        kept = self._cycle or self._plateau
        return dict(kept.state_dict()) if kept else {}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state; the optimizer's own is loaded apart."""
        if kept := self._cycle or self._plateau:
            kept.load_state_dict(state)
