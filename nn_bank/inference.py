"""Class probabilities that do not depend on how the pixels were cut into calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..errors import TaskError
from .base import Iota2NeuralNetwork
from .registry import NETWORKS
from .sources import Source
from .stored import physical

BATCH_SIZE = 1024
"""Samples of every forward pass on a CPU; a setting of the result, see `predict`.

What a pass holds of 37 x 13 features stays below the size from which the allocator gives memory
back after each pass, and has it zeroed for the next: with 4096 that took 5 % of the time.
"""
GPU_BATCH_SIZE = 65536
"""The same on a GPU."""

STEADY_OUTPUTS = 16
"""A linear layer of fewer outputs is widened to so many, see `_SteadyLinear`."""

Precision = Literal["float32", "bfloat16"]


def predict(
    network: Iota2NeuralNetwork,
    features: NDArray[np.int16],
    scale: NDArray[np.float32],
    batch_size: int | None = None,
    **how: Any,
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
    batch_size : int, optional
        Rows of a forward pass; by default `batch_of` the device.
    **how
        raw, gaps, precision and device, as of `predict_all`.

    Returns
    -------
    ndarray of float32, (sample, class)
        Probabilities (softmax of the logits), each row's sum 1.

    Raises
    ------
    ValueError
        When features or scale do not fit the network.
    """
    return predict_all([network], features, scale, batch_size, **how)[0]


def predict_all(
    networks: Sequence[Iota2NeuralNetwork],
    features: NDArray[np.int16],
    scale: NDArray[np.float32],
    batch_size: int | None = None,
    *,
    raw: bool = False,
    gaps: bool = False,
    precision: Precision = "float32",
    device: str = "cpu",
) -> list[NDArray[np.float32]]:
    """Give the class probabilities that several networks state of the same samples.

    As `predict` one by one, bit for bit; the samples are converted once for all of them.

    Parameters
    ----------
    raw : bool
        The dates are raw (`stored`): the networks get NaN and the validity of each date.
    gaps : bool
        Single values may be missing (`stored`): the networks get NaN.
    precision : {"float32", "bfloat16"}
        Type of number of the matrix products (torch.autocast); the softmax is float32.
    device : {"cpu", "cuda"}
        Where the networks run; they lie where they lay before afterwards.

    Raises
    ------
    TaskError
        A network does not replace NaN, and states nan.
    """
    meaning = _Meaning(scale, raw, gaps)
    found = [np.empty((len(features), network.nb_class), np.float32) for network in networks]
    for rows, every in _passes(networks, features, meaning, batch_size, precision, device):
        for logits_, probabilities in zip(every, found, strict=True):
            probabilities[rows] = torch.softmax(logits_, dim=1).cpu().numpy()
    return found


def logits(
    network: Iota2NeuralNetwork,
    source: Source,
    *,
    precision: Precision = "float32",
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Give the logits of all samples of a source, in its order, float32 (sample, class)."""
    found = [np.zeros((0, network.nb_class), np.float32)]
    meaning = _Meaning(source.scale, source.raw, source.gaps)
    for block in range(source.blocks):
        features, _ = source.read(block)
        passes = _passes([network], features, meaning, None, precision, device)
        found += [one.cpu().numpy() for _, (one,) in passes]
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class _Meaning:
    """What stored values mean (`stored`)."""

    scale: NDArray[np.float32]
    raw: bool
    gaps: bool


def _passes(
    networks: Sequence[Iota2NeuralNetwork],
    features: NDArray[np.int16],
    meaning: _Meaning,
    batch_size: int | None,
    precision: Precision,
    device: str,
) -> Iterator[tuple[slice, list[Tensor]]]:
    """Yield rows and the logits of each network for them, float32 (row, class), batch by batch."""
    for network in networks:
        _check(network, features, meaning.scale)
    # A network of the user's may work in place: it gets x of its own where others read it too.
    kept = [len(networks) == 1 or type(network) in NETWORKS.values() for network in networks]
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(_evaluating(network, device))
        size = batch_size or batch_of(device)
        for start, count, given in _padded(features, meaning, size, device):
            with torch.inference_mode(), _SteadyLinear(), _numbers(precision, device):
                every = [
                    network(*(given if keeps else _copied(given)))[:count].float()
                    for network, keeps in zip(networks, kept, strict=True)
                ]
            if meaning.raw or meaning.gaps:
                _refuse_nan(networks, every)
            yield slice(start, start + count), every


def _copied(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(one.clone() for one in given)


def batch_of(device: str) -> int:
    """Give the samples of a forward pass on a device, cpu or cuda."""
    return BATCH_SIZE if device == "cpu" else GPU_BATCH_SIZE


def _numbers(precision: Precision, device: str) -> torch.autocast:
    """Give the context in which matrix products take a type of number."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


def calibrated(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Give softmax(logits / temperature), from the softmax of the logits.

    The same as p ** (1 / temperature), made to sum to 1 (Guo et al. 2017): the logits need not
    be kept.

    Parameters
    ----------
    probabilities : ndarray of float32, (sample, class)
    temperature : float
        Above 0; 1 changes nothing.
    """
    if temperature == 1:
        return probabilities
    powers = probabilities.astype(np.float64) ** (1 / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _padded(
    features: NDArray[np.int16],
    meaning: _Meaning,
    batch_size: int,
    device: str,
) -> Iterator[tuple[int, int, tuple[Tensor, ...]]]:
    """Yield (first row, rows, what a network gets); the buffers are refilled each time."""
    dates, bands = features.shape[1:]
    stored = torch.empty((batch_size, dates, bands), dtype=torch.int16)
    x = torch.empty(stored.shape, device=device)
    divisor = torch.tensor(meaning.scale, device=device).repeat(dates)
    for start in range(0, len(features), batch_size):
        rows = features[start : start + batch_size]
        here = torch.from_numpy(rows) if _is_whole(rows, batch_size) else _filled(stored, rows)
        filled, validity = physical(
            here.to(device), divisor, raw=meaning.raw, gaps=meaning.gaps, out=x
        )
        yield start, len(rows), (filled,) if validity is None else (filled, validity)


def _is_whole(rows: NDArray[np.int16], batch_size: int) -> bool:
    """Tell whether rows are a batch as they lie in memory, and torch takes them without a word."""
    return len(rows) == batch_size and rows.flags.carray


def _filled(stored: Tensor, rows: NDArray[np.int16]) -> Tensor:
    """Fill a batch with rows, and up with zeros."""
    stored.numpy()[: len(rows)] = rows
    stored[len(rows) :] = 0
    return stored


def _refuse_nan(networks: Sequence[Iota2NeuralNetwork], every: Sequence[Tensor]) -> None:
    """Refuse logits that are nan: the class of such a sample would be any."""
    for network, logits_ in zip(networks, every, strict=True):
        if logits_.isnan().any():
            raise TaskError(
                f"{type(network).__name__} states nan where values are missing: its _forward must "
                "replace them, for instance by self.nans_imputation"
            )


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
def _evaluating(network: Iota2NeuralNetwork, device: str) -> Iterator[None]:
    """Have a network in evaluation mode on a device."""
    before, home = network.training, next(network.buffers()).device
    network.eval().to(device)
    try:
        yield
    finally:
        network.train(before).to(home)


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
