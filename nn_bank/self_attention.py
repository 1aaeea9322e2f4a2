"""`SimpleSelfAttentionClassifier`: one block of self-attention over the dates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Iota2NeuralNetwork
from .layers import check_above_1, check_counts, check_dropout, check_heads, positions


class SimpleSelfAttentionClassifier(Iota2NeuralNetwork):
    """One encoder block of multi-head self-attention on the normalised series.

    Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762: the
    bands of a date are embedded and its day's sinusoidal position added; self-attention
    over the dates and a feed-forward layer follow, each with a residual connection and
    layer normalisation; the dates' mean and maximum go to a linear output. What iota2 calls
    so is not published, the sizes are ours. 37,335 parameters for 37 dates x 13 bands x 23
    classes.

    Shapes: (sample, date, band) -> (sample, class).

    Parameters
    ----------
    nb_dates, nb_components, nb_class : int
        See `Iota2NeuralNetwork`.
    n_head : int
        Heads; divides d_model. Default: 4.
    d_model : int
        Channels of a date. Default: 64.
    feed_forward : int
        Hidden values of the feed-forward layer. Default: 128.
    dropout : float
        Share of values dropped in training before each addition, [0, 1[. Default: 0.1.
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
        n_head: int = 4,
        d_model: int = 64,
        feed_forward: int = 128,
        dropout: float = 0.1,
        period: float = 1000.0,
    ) -> None:
        super().__init__(nb_dates, nb_components, nb_class)
        check_counts(n_head=n_head, d_model=d_model, feed_forward=feed_forward)
        check_dropout(dropout)
        check_above_1(period=period)
        check_heads(n_head, d_model=d_model)
        self.n_head = n_head
        self.period = float(period)
        self.embedding = nn.Linear(nb_components, d_model)
        self.projection = nn.Linear(d_model, 3 * d_model)
        self.joined = nn.Linear(d_model, d_model)
        self.feed_forward = nn.Sequential(
            nn.Linear(d_model, feed_forward), nn.ReLU(), nn.Linear(feed_forward, d_model)
        )
        self.attention_norm = nn.LayerNorm(d_model)
        self.forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * d_model, nb_class)

    def _forward(self, x: Tensor) -> Tensor:
        size = self.embedding.out_features
        x = self.embedding(self.normalised(x)) + positions(self.days, size, self.period)
        x = self.attention_norm(x + self.dropout(self.joined(self._attended(x))))
        x = self.forward_norm(x + self.dropout(self.feed_forward(x)))
        logits: Tensor = self.output(torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1))
        return logits

    def _attended(self, x: Tensor) -> Tensor:
        """Give the heads' weighted means of the dates, (sample, date, channel)."""
        heads = self.projection(x).unflatten(2, (3, self.n_head, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (sample, head, date, size)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return attended.transpose(1, 2).flatten(2)
