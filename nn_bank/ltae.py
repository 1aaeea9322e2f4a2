"""`LTAEClassifier`: the lightweight temporal attention encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Iota2NeuralNetwork
from .layers import BatchNorm, check_above_1, check_counts, check_dropout, check_heads, positions


class LTAEClassifier(Iota2NeuralNetwork):
    """Lightweight temporal attention encoder on the normalised series; reads raw dates.

    Garnot & Landrieu 2020, "Lightweight Temporal Self-Attention for Classifying Satellite
    Image Time Series", https://arxiv.org/abs/2007.00586. The bands of a date are embedded
    into d_model channels, to which the sinusoidal position of its day is added. Each of
    n_head heads owns one group of channels; its query is a parameter (master query), so a
    head gives one mean of its channels over the dates. The means together go through an
    MLP with batch normalisation, a group normalisation and the decoder. There is no
    normalisation over the bands before the embedding, which one band would not survive:
    the series is standardised by the training set's statistics instead.
    79,895 parameters for 37 dates x 13 bands x 23 classes.

    Shapes: (sample, date, band), validity (sample, date) or None -> (sample, class).

    Parameters
    ----------
    nb_dates, nb_components, nb_class : int
        See `Iota2NeuralNetwork`.
    n_head : int
        Heads; divides d_model and `mlp`. Default: 16.
    d_k : int
        Size of keys and queries. Default: 8.
    d_model : int
        Channels of the embedding. Default: 256.
    mlp : int
        Outputs of the encoder. Default: 128.
    decoder : int
        Hidden values of the decoder. Default: 64.
    dropout : float
        Share of attention weights and of encoder outputs dropped in training, [0, 1[.
        Default: 0.2.
    period : float
        Longest period of the positions, days. Default: 1000.

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
        n_head: int = 16,
        d_k: int = 8,
        d_model: int = 256,
        mlp: int = 128,
        decoder: int = 64,
        dropout: float = 0.2,
        period: float = 1000.0,
    ) -> None:
        super().__init__(nb_dates, nb_components, nb_class)
        check_counts(n_head=n_head, d_k=d_k, d_model=d_model, mlp=mlp, decoder=decoder)
        check_dropout(dropout)
        check_above_1(period=period)
        check_heads(n_head, d_model=d_model, mlp=mlp)
        self.n_head = n_head
        self.period = float(period)
        self.embedding = nn.Linear(nb_components, d_model)
        self.keys = nn.Linear(d_model, n_head * d_k)
        self.query = nn.Parameter(torch.randn(n_head, d_k) * (2.0 / d_k) ** 0.5)
        self.attention_dropout = nn.Dropout(dropout)
        self.encoder = nn.Sequential(
            nn.Linear(d_model, mlp), BatchNorm(mlp), nn.ReLU(), nn.Dropout(dropout)
        )
        self.norm = nn.GroupNorm(n_head, mlp)
        self.decoder = nn.Sequential(
            nn.Linear(mlp, decoder), BatchNorm(decoder), nn.ReLU(), nn.Linear(decoder, nb_class)
        )

    def _forward(self, x: Tensor, validity: Tensor | None = None) -> Tensor:
        x = self.normalised(x)
        means = self._means(x, self._attention(x, validity))
        logits: Tensor = self.decoder(self.norm(self.encoder(means)))
        return logits

    # The embedding and the keys are linear and the query is the same for all samples, so
    # that neither channels nor keys of each date need to be computed: the attention weighs
    # the bands, and what comes out is embedded. The same function at a small part of the cost.

    def _positions(self) -> Tensor:
        """Give the positions (date, channel of a head), the same in each head."""
        return positions(self.days, self.embedding.out_features // self.n_head, self.period)

    def _attention(self, x: Tensor, validity: Tensor | None) -> Tensor:
        """Give the weights of the dates, (sample, head, date): softmax(q . k / sqrt(d_k))."""
        query = (self.query / self.query.shape[1] ** 0.5).unsqueeze(-1)
        to_channels = (query * self.keys.weight.unflatten(0, self.query.shape)).sum(dim=1)
        constant = (query * self.keys.bias.view_as(query)).sum(dim=1)
        channels = self._positions().repeat(1, self.n_head) + self.embedding.bias
        of_date = to_channels @ channels.T + constant  # (head, date)
        scores = functional.linear(x, to_channels @ self.embedding.weight).transpose(1, 2) + of_date
        if validity is not None:
            # Finite, so that a sample without a valid date weighs its dates equally.
            lowest = torch.finfo(scores.dtype).min
            scores = scores.masked_fill((validity != 0).unsqueeze(1), lowest)
        dropped: Tensor = self.attention_dropout(torch.softmax(scores.contiguous(), dim=-1))
        return dropped

    def _means(self, x: Tensor, weights: Tensor) -> Tensor:
        """Give each head's mean of its channels over the dates, (sample, d_model)."""
        embedding = self.embedding.weight.unflatten(0, (self.n_head, -1))
        bands = torch.bmm(weights, x).flatten(1)  # (sample, head * band)
        of_bands = functional.linear(bands, torch.block_diag(*embedding))
        of_dates = functional.linear(weights, self._positions().T)  # (sample, head, channel)
        bias = self.embedding.bias.view(self.n_head, -1) * weights.sum(dim=-1, keepdim=True)
        return of_bands + (of_dates + bias).flatten(1)
