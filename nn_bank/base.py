"""`Iota2NeuralNetwork`: what every network of the chain is and can do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .statistics import Summary


class Iota2NeuralNetwork(nn.Module):
    """Base of all networks: pixel time series in, one logit a class out.

    A derived class writes `_forward`. It gets x as measured; a network that wants
    standardised values asks for them with `self.standardised(x)`. The statistics are
    buffers, so that a state dict carries them.

    Parameters
    ----------
    nb_dates : int
        Dates of a series.
    nb_components : int
        Bands and indices of a date.
    nb_class : int
        Classes, which is the number of outputs.

    Raises
    ------
    ConfigError
        When one of the three is below 1.
    """

    input_mean: Tensor
    """Mean of each feature over the training set, (date * band,), date-major; 0 until set."""
    input_std: Tensor
    """Standard deviation likewise; 1 where the feature is constant, and until set."""

    def __init__(self, nb_dates: int, nb_components: int, nb_class: int) -> None:
        super().__init__()
        sizes = {"nb_dates": nb_dates, "nb_components": nb_components, "nb_class": nb_class}
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"{name} is {value}: a network needs at least 1")
        self.nb_dates = nb_dates
        self.nb_components = nb_components
        self.nb_class = nb_class
        self.register_buffer("input_mean", torch.zeros(nb_dates * nb_components))
        self.register_buffer("input_std", torch.ones(nb_dates * nb_components))

    def set_statistics(self, statistics: Summary) -> None:
        """Take the training set's mean and variance for `standardised`.

        Parameters
        ----------
        statistics : Summary
            In physical units, flat and date-major. A zero variance becomes a
            standard deviation of 1.

        Raises
        ------
        ValueError
            When the length is not nb_dates * nb_components, or a value is not finite.
        """
        mean, var = statistics.mean.astype(np.float64), statistics.var.astype(np.float64)
        expected = (self.nb_dates * self.nb_components,)
        if mean.shape != expected or var.shape != expected:
            raise ValueError(f"statistics of shape {mean.shape}, the network needs {expected}")
        if not (np.isfinite(mean).all() and np.isfinite(var).all()):
            raise ValueError("statistics hold a value that is not finite")
        std = np.where(var > 0, np.sqrt(var), 1.0)
        self.input_mean.copy_(torch.from_numpy(mean))
        self.input_std.copy_(torch.from_numpy(std))

    def standardised(self, x: Tensor) -> Tensor:
        """Give (x - mean) / std of the training set, (sample, date, band)."""
        shape = (self.nb_dates, self.nb_components)
        return (x - self.input_mean.view(shape)).div_(self.input_std.view(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of a batch.

        Parameters
        ----------
        x : Tensor of float32, (sample, date, band)
            Physical units: reflectance / 10000, indices / 1000.

        Returns
        -------
        Tensor of float32, (sample, class)
            Logits: no softmax.

        Raises
        ------
        ValueError
            When x has other dates or bands than the network.
        """
        if x.shape[1:] != (self.nb_dates, self.nb_components):
            raise ValueError(
                f"{type(self).__name__} takes (sample, {self.nb_dates}, {self.nb_components}), "
                f"got {tuple(x.shape)}"
            )
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        """Give the logits (sample, class) of x (sample, date, band): the network itself."""
        raise NotImplementedError(f"{type(self).__name__} does not define _forward")
