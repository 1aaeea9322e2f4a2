"""The mean loss of a pass over batches, and the error of one that is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import TaskError

AT_ONCE = 64
"""Batches after which losses are looked at; each look waits for a GPU."""


class Tally:
    """Sums the losses of batches.

    Parameters
    ----------
    where : str
        What the batches are of, for the error.
    rate : callable
        Gives the learning rate, for the error.
    """

    def __init__(self, where: str, rate: Callable[[], float]) -> None:
        self._where = where
        self._rate = rate
        self._waiting: list[tuple[Tensor, Tensor | int, Tensor | None]] = []
        self._seen = 0
        self._total = self._mass = 0.0

    def add(self, total: Tensor, mass: Tensor | int, missing: Tensor | None) -> None:
        """Add a batch: sum of losses, sum of weights, and count of nan in x if there can be.

        Raises
        ------
        TaskError
            When the loss of a batch is not finite; at the latest `AT_ONCE` batches later.
        """
        self._waiting.append((total, mass, missing))
        if len(self._waiting) == AT_ONCE:
            self._look()

    def mean(self) -> float:
        """Give the mean loss of all batches; nan without any."""
        self._look()
        return self._total / self._mass if self._mass else math.nan

    def _look(self) -> None:
        if not self._waiting:
            return
        totals = torch.stack([total for total, _, _ in self._waiting]).tolist()
        for total, (_, mass, missing) in zip(totals, self._waiting, strict=True):
            self._seen += 1
            if not math.isfinite(total):
                raise TaskError(self._what(total, 0 if missing is None else int(missing)))
            self._total += total
            self._mass += float(mass)
        self._waiting.clear()

    def _what(self, loss: float, missing: int) -> str:
        text = (
            f"the loss is {loss} in {self._where}, batch {self._seen}, at a learning rate "
            f"of {self._rate():g}: "
        )
        if missing:
            return (
                f"{text}{missing} values of the batch are nan, dates without a valid observation "
                "or external features without a value; the network's _forward must replace them, "
                "for instance by self.nans_imputation"
            )
        return f"{text}try a lower learning_rate"
