"""`ANN`: a small perceptron with batch normalisation."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .base import Iota2NeuralNetwork
from .layers import BatchNorm, check_counts, check_dropout


class ANN(Iota2NeuralNetwork):
    """Perceptron of two hidden layers with batch normalisation, on the normalised series.

    What iota2 calls ANN is not published. The order of layers here is that of the
    `_forward` which its documentation prints: relu(bnhidden(hidden1)), relu(bnout(hidden2)),
    output; the sizes are ours, and the ReLU on the input is left out, since it would hide
    all that lies below the mean. 71,831 parameters for 37 dates x 13 bands x 23 classes.

    Shapes: (sample, date, band) -> (sample, class).

    Parameters
    ----------
    nb_dates, nb_components, nb_class : int
        See `Iota2NeuralNetwork`.
    hidden1_size : int
        Outputs of the first hidden layer. Default: 128.
    hidden2_size : int
        Outputs of the second. Default: 64.
    dropout : float
        Share of the hidden values dropped in training, [0, 1[. Default: 0.

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
        hidden1_size: int = 128,
        hidden2_size: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(nb_dates, nb_components, nb_class)
        check_counts(hidden1_size=hidden1_size, hidden2_size=hidden2_size)
        check_dropout(dropout)
        self.hidden1 = nn.Linear(nb_dates * nb_components, hidden1_size)
        self.bnhidden = BatchNorm(hidden1_size)
        self.hidden2 = nn.Linear(hidden1_size, hidden2_size)
        self.bnout = BatchNorm(hidden2_size)
        self.output = nn.Linear(hidden2_size, nb_class)
        self.dropout = nn.Dropout(dropout)

    def _forward(self, x: Tensor) -> Tensor:
        x = self.normalised(x).flatten(1)
        x = self.dropout(functional.relu(self.bnhidden(self.hidden1(x))))
        x = self.dropout(functional.relu(self.bnout(self.hidden2(x))))
        logits: Tensor = self.output(x)
        return logits
