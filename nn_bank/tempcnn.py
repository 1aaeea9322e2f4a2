"""`TempCNNClassifier`: convolutions along time."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from .base import Iota2NeuralNetwork
from .layers import BatchNorm, check_counts, check_dropout


class TempCNNClassifier(Iota2NeuralNetwork):
    """Temporal convolutional network on the normalised series.

    Pelletier, Webb & Petitjean 2019, "Temporal Convolutional Neural Network for the
    Classification of Satellite Image Time Series", https://doi.org/10.3390/rs11050523:
    three convolutions along time, each with batch normalisation, ReLU and dropout, one
    dense layer with the same, and the output. Dates count by their order: the series
    should be regular. 658,583 parameters for 37 dates x 13 bands x 23 classes.

    Shapes: (sample, date, band) -> (sample, class); a convolution keeps the dates.

    Parameters
    ----------
    nb_dates, nb_components, nb_class : int
        See `Iota2NeuralNetwork`.
    filters : int
        Outputs of each convolution. Default: 64.
    kernel_size : int
        Dates under a filter. Default: 5.
    layers : int
        Number of convolutions. Default: 3.
    dense : int
        Outputs of the dense layer. Default: 256.
    dropout : float
        Share of values dropped in training after each of these, [0, 1[. Default: 0.5.

    Raises
    ------
    ConfigError
        For a value out of these.
    """

    def __init__(
        self,
        nb_dates: int,
        nb_components: int,
        nb_class: int,
        filters: int = 64,
        kernel_size: int = 5,
        layers: int = 3,
        dense: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(nb_dates, nb_components, nb_class)
        check_counts(filters=filters, kernel_size=kernel_size, layers=layers, dense=dense)
        check_dropout(dropout)
        sizes = [nb_components] + [filters] * layers
        self.convolutions = nn.Sequential(
            *(_convolution(i, o, kernel_size, dropout) for i, o in pairwise(sizes))
        )
        self.dense = nn.Sequential(
            nn.Linear(filters * nb_dates, dense), BatchNorm(dense), nn.ReLU(), nn.Dropout(dropout)
        )
        self.output = nn.Linear(dense, nb_class)

    def _forward(self, x: Tensor) -> Tensor:
        filtered = self.convolutions(self.normalised(x).transpose(1, 2))
        logits: Tensor = self.output(self.dense(filtered.flatten(1)))
        return logits


def _convolution(inputs: int, outputs: int, kernel_size: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.ConstantPad1d(((kernel_size - 1) // 2, kernel_size // 2), 0.0)
        if kernel_size % 2 == 0
        else nn.Identity(),
        nn.Conv1d(inputs, outputs, kernel_size, padding=kernel_size // 2 if kernel_size % 2 else 0),
        BatchNorm(outputs),
        nn.ReLU(),
        nn.Dropout(dropout),
    )
