"""The losses of a training: cross-entropy with smoothing, focal loss, weights of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Loss:
    """Sum of the losses of a batch, and of the weights of its samples.

    Their ratio is the mean loss. Cross-entropy with smoothing s is (1 - s) times that of the
    label plus s times the mean of those of all classes (Szegedy et al., 2016). The focal loss
    (Lin et al., 2017) is -(1 - p)^gamma log(p) of the label's probability p.
    """

    weights: Tensor | None = None
    """Weight of each class, float32 (class,); None: all are 1."""
    smoothing: float = 0.0
    """Of labels; 0 with the focal loss."""
    gamma: float | None = None
    """Exponent of the focal loss; None: cross-entropy."""

    def __call__(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | int]:
        """Give both sums for logits (sample, class) and class indices (sample,)."""
        mass = len(labels) if self.weights is None else self.weights[labels].sum()
        if self.gamma is not None:
            return self._focal(logits, labels, self.gamma), mass
        total = functional.cross_entropy(
            logits, labels, self.weights, reduction="sum", label_smoothing=self.smoothing
        )
        return total, mass

    def _focal(self, logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
        log_p = functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        # 1 - p without cancellation; kept above 0, where the slope of a root is infinite
        missing = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
        each = -(missing**gamma) * log_p
        return each.sum() if self.weights is None else (each * self.weights[labels]).sum()


def class_weights(labels: NDArray[np.int64], nb_class: int) -> NDArray[np.float32]:
    """Give 1 / (share of the class) for each class.

    Two classes with 80 % and 20 % of the samples get 1.25 and 5, as in iota2.

    Parameters
    ----------
    labels : ndarray of int64, (sample,)
        Class indices of the training and the validation set together.
    nb_class : int
        Number of classes.

    Returns
    -------
    ndarray of float32, (class,)
        0 for a class without samples.
    """
    counts = np.bincount(labels, minlength=nb_class)
    weights = np.zeros(nb_class)
    np.divide(len(labels), counts, out=weights, where=counts > 0)
    return weights.astype(np.float32)
