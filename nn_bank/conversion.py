"""Batches as stored -> what a network gets, on its device."""

from __future__ import annotations

import torch
from torch import Tensor

from . import devices
from .base import Iota2NeuralNetwork
from .loaders import Batch
from .sources import Source
from .stored import physical


class Converter:
    """Brings batches to the device and to physical units, in one buffer that is used again."""

    def __init__(self, source: Source, device: str) -> None:
        self._device = device
        self._scale = torch.tensor(source.scale, device=device).repeat(source.shape[0])
        self._raw, self._gaps = source.raw, source.gaps
        self._buffer = torch.empty((0, *source.shape), device=device)

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor]:
        """Give x, its validity and the labels; x is overwritten by the next call."""
        stored, labels = (devices.moved(tensor, self._device) for tensor in batch)
        if len(self._buffer) < len(stored):
            self._buffer = torch.empty(stored.shape, device=self._device)
        out = self._buffer[: len(stored)]
        x, validity = physical(stored, self._scale, raw=self._raw, gaps=self._gaps, out=out)
        return x, validity, labels

    def missing(self, x: Tensor, validity: Tensor | None) -> Tensor | None:
        """Count the nan in converted samples; None where none can be."""
        if self._gaps:
            return x.isnan().count_nonzero()
        return None if validity is None else validity.count_nonzero() * x.shape[-1]


def logits_of(network: Iota2NeuralNetwork, x: Tensor, validity: Tensor | None) -> Tensor:
    """Give the logits (sample, class) of converted samples."""
    logits: Tensor = network(x, validity)
    return logits
