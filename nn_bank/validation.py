"""The scores of a network on its validation set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .base import Iota2NeuralNetwork
from .conversion import Converter, logits_of
from .history import Epoch
from .loaders import batch_sizes, recut
from .losses import Loss
from .metrics import confusion, scores
from .sources import Source
from .streaming import in_order
from .tally import Tally

BATCH = 4096
"""Samples of a forward pass; fixed, so that batch_size does not touch the scores."""


@dataclass(frozen=True, eq=False)
class Validation:
    """A validation set, and how a network is measured on it: in float32, in evaluation mode."""

    source: Source
    loss: Loss
    convert: Converter

    def __len__(self) -> int:
        return len(self.source)

    def epoch(
        self, network: Iota2NeuralNetwork, number: int, train_loss: float, rate: float
    ) -> Epoch:
        """Give the record of an epoch; all scores are nan when the set is empty.

        Raises
        ------
        TaskError
            When the loss is not finite.
        """
        tally = Tally(f"the validation after epoch {number}", lambda: rate)
        got = scores(self._pass(network, tally))
        return Epoch(
            number=number,
            train_loss=train_loss,
            validation_loss=tally.mean(),
            oa=got.oa,
            kappa=got.kappa,
            fscore=got.mean_fscore,
            precision=got.mean_precision,
            recall=got.mean_recall,
            learning_rate=rate,
        )

    def _pass(self, network: Iota2NeuralNetwork, tally: Tally) -> NDArray[np.int64]:
        """Give the confusion matrix; the losses go to the tally."""
        n = network.nb_class
        matrix = np.zeros((n, n), np.int64)
        network.eval()
        with torch.no_grad():
            for batch in recut(in_order(self.source), batch_sizes(len(self), BATCH)):
                x, validity, labels = self.convert(batch)
                logits = logits_of(network, x, validity)
                tally.add(*self.loss(logits, labels), self.convert.missing(x, validity))
                predicted = logits.argmax(dim=1)
                matrix += confusion(labels.cpu().numpy(), predicted.cpu().numpy(), n)
        return matrix
