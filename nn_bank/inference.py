"""Class probabilities that do not depend on how the pixels were cut into calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .base import Iota2NeuralNetwork

BATCH_SIZE = 4096
"""Samples of every forward pass; a setting of the result, see `predict`."""

STEADY_OUTPUTS = 16
"""A linear layer of fewer outputs is widened to so many, see `_SteadyLinear`."""


def predict(
    network: Iota2NeuralNetwork,
    features: NDArray[np.int16],
    scale: NDArray[np.float32],
    batch_size: int = BATCH_SIZE,
) -> NDArray[np.float32]:
    """Give the class probabilities of samples.

    Every forward pass has `batch_size` rows, the last one filled up with zeros, because
    a matrix product of another size may round differently. So a sample's result is the
    same bits whatever samples come with it in whatever calls, on one kind of CPU; tested
    for 1 and 2 threads of torch. Another `batch_size` may change the last bits. A call
    costs whole batches: hand over many samples at a time.

    Parameters
    ----------
    network : Iota2NeuralNetwork
        Used in evaluation mode; its mode is as before afterwards.
    features : ndarray of int16, (sample, date, band)
        As stored; may be memory-mapped, is read once.
    scale : ndarray of float32, (band,)
        Stored value divided by scale is the physical value.
    batch_size : int
        Rows of a forward pass.

    Returns
    -------
    ndarray of float32, (sample, class)
        Probabilities (softmax of the logits), each row's sum 1.

    Raises
    ------
    ValueError
        When features or scale do not fit the network.
    """
    return predict_all([network], features, scale, batch_size)[0]


def predict_all(
    networks: Sequence[Iota2NeuralNetwork],
    features: NDArray[np.int16],
    scale: NDArray[np.float32],
    batch_size: int = BATCH_SIZE,
) -> list[NDArray[np.float32]]:
    """Give the class probabilities that several networks state of the same samples.

    As `predict` one by one, bit for bit; the samples are converted once for all of them.
    """
    for network in networks:
        _check(network, features, scale)
    found = [np.empty((len(features), network.nb_class), np.float32) for network in networks]
    with torch.inference_mode(), ExitStack() as stack, _SteadyLinear():
        for network in networks:
            stack.enter_context(_evaluating(network))
        for start, count, x in _padded(features, torch.tensor(scale), batch_size):
            for network, probabilities in zip(networks, found, strict=True):
                softmax = torch.softmax(network(x), dim=1)
                probabilities[start : start + count] = softmax[:count].numpy()
    return found


def _padded(
    features: NDArray[np.int16], scale: Tensor, batch_size: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (first row, rows, x): x is one buffer of batch_size rows, refilled each time."""
    stored = torch.zeros((batch_size, *features.shape[1:]), dtype=torch.int16)
    x = torch.zeros(stored.shape)
    for start in range(0, len(features), batch_size):
        rows = features[start : start + batch_size]
        stored.numpy()[: len(rows)] = rows
        stored[len(rows) :] = 0
        yield start, len(rows), x.copy_(stored).div_(scale)


class _SteadyLinear(TorchFunctionMode):
    """Makes linear layers of few outputs give each row the same bits at any place of a batch.

    With 2 to 11 outputs, and inputs no multiple of 4, MKL (2024.2, AVX-512) takes a
    kernel whose rounding depends on the row's position modulo 4 in the batch. So a
    layer of fewer than 16 outputs is computed with zero weights up to 16, and cut back.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is functional.linear:
            return _steady_linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _steady_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    outputs = len(weight)
    missing = STEADY_OUTPUTS - outputs
    if missing <= 0:
        return functional.linear(x, weight, bias)
    wide_bias = None if bias is None else functional.pad(bias, (0, missing))
    return functional.linear(x, functional.pad(weight, (0, 0, 0, missing)), wide_bias)[
        ..., :outputs
    ]


@contextmanager
def _evaluating(network: Iota2NeuralNetwork) -> Iterator[None]:
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)


def _check(
    network: Iota2NeuralNetwork, features: NDArray[np.int16], scale: NDArray[np.float32]
) -> None:
    expected = (network.nb_dates, network.nb_components)
    if features.dtype != np.int16 or features.shape[1:] != expected:
        raise ValueError(
            f"the network takes int16 (sample, {expected[0]}, {expected[1]}), "
            f"got {features.dtype} {features.shape}"
        )
    if scale.dtype != np.float32 or scale.shape != expected[1:]:
        raise ValueError(f"scale must be float32 ({expected[1]},), got {scale.dtype} {scale.shape}")
