"""`MLPClassifier`: the multi-layer perceptron of iota2."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..errors import ConfigError
from .base import Iota2NeuralNetwork


class MLPClassifier(Iota2NeuralNetwork):
    """Multi-layer perceptron on the normalised, flattened series.

    With n = nb_dates * nb_components and c = nb_class, the layers are
    n - n // 2 - 3c - 3c - c, linear with bias, ReLU between them. The sizes are those
    published for iota2's network of this name; for 37 dates x 13 bands x 23 classes
    481-240-69-69-23, which is 138,749 parameters.

    Shapes: (sample, date, band) -> (sample, class).

    Parameters
    ----------
    nb_dates, nb_components, nb_class : int
        See `Iota2NeuralNetwork`.
    hidden_sizes : sequence of int, optional
        Sizes of the hidden layers, as many as wanted; none makes it a linear
        classifier. Default: (max(1, n // 2), 3c, 3c).

    Raises
    ------
    ConfigError
        When `hidden_sizes` is not a list of integers of at least 1.
    """

    def __init__(
        self,
        nb_dates: int,
        nb_components: int,
        nb_class: int,
        hidden_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(nb_dates, nb_components, nb_class)
        inputs = nb_dates * nb_components
        if hidden_sizes is None:
            hidden_sizes = (max(1, inputs // 2), 3 * nb_class, 3 * nb_class)
        _check_sizes(hidden_sizes)
        self.layers = _perceptron([inputs, *hidden_sizes, nb_class])

    def _forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.normalised(x).flatten(1))
        return logits


def _check_sizes(sizes: Sequence[int]) -> None:
    listed = isinstance(sizes, Sequence) and not isinstance(sizes, str)
    if not listed or any(type(size) is not int or size < 1 for size in sizes):
        raise ConfigError(
            f"hidden_sizes is {sizes!r}: a list of integers of at least 1 is needed, "
            "for instance [240, 69, 69]"
        )


def _perceptron(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
