"""Training: the loop in small moments (one batch, one epoch, validate), and its choice.

Same samples, options and initial weights give the same weights bit for bit on one kind
of CPU, for any number of workers. The number of threads is part of the options because
sums over threads round differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader

from ..errors import ConfigError, TaskError
from .base import Iota2NeuralNetwork
from .metrics import confusion, scores
from .samples import Samples, shuffled_loader

VALIDATION_BATCH = 4096
"""Samples of a validation pass; fixed, so that batch_size does not touch the scores."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training set came to; nan where undefined."""

    number: int
    """From 1."""
    train_loss: float
    """Mean cross-entropy over the epoch's batches, each before its own step."""
    validation_loss: float
    """Mean cross-entropy over the validation set after the epoch."""
    oa: float
    """Overall accuracy on the validation set, 0-1."""
    kappa: float
    """Cohen's kappa on the validation set."""
    fscore: float
    """F-score on the validation set, mean over the classes that it holds."""


@dataclass(frozen=True)
class _Criterion:
    field: str
    """Of `Epoch`."""
    sign: int
    """1 when more is better, -1 when less is."""


FALLBACK = "train_loss"
"""What chooses the epoch where the validation set cannot."""

_CRITERIA: Mapping[str, _Criterion] = {
    "loss": _Criterion("validation_loss", -1),
    "fscore": _Criterion("fscore", 1),
    "oa": _Criterion("oa", 1),
    "kappa": _Criterion("kappa", 1),
    FALLBACK: _Criterion("train_loss", -1),
}

CRITERIA = tuple(name for name in _CRITERIA if name != FALLBACK)
"""What a user may choose the epoch by."""


@dataclass(frozen=True)
class FitOptions:
    """Settings of a training; a value that cannot be is a ConfigError that names it."""

    epochs: int = 100
    """Passes over the training set."""
    batch_size: int = 1000
    """Samples a step."""
    learning_rate: float = 1e-5
    """Of Adam."""
    criterion: str = "loss"
    """What the best epoch is chosen by, on the validation set: loss, fscore, oa or kappa."""
    weighted_labels: bool = False
    """Weigh each sample by the inverse of its class's share, see `class_weights`."""
    num_workers: int = 0
    """Processes that fetch batches; 0 fetches in this one."""
    seed: int = 0
    """Of the order of samples, and of what a network draws while training."""
    threads: int = 1
    """Of torch; another number gives other last bits."""
    device: str = "cpu"
    """Where the network is trained; "cpu" in this version."""

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("num_workers", 0), ("threads", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ConfigError(f"learning_rate is {self.learning_rate}: it must be above 0")
        if self.criterion not in CRITERIA:
            raise ConfigError(
                f"unknown model_selection_criterion {self.criterion!r}; "
                f"known: {', '.join(CRITERIA)}"
            )
        if self.device != "cpu":
            raise ConfigError(f"device {self.device!r} is not in this version; known: cpu")


@dataclass(frozen=True, eq=False)
class Best:
    """The first epoch with the best value of a criterion."""

    epoch: int
    """Its number, from 1."""
    value: float
    """Of the criterion."""
    state: Mapping[str, Tensor]
    """Copy of the network's state dict after that epoch, statistics included."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What a training gives."""

    history: tuple[Epoch, ...]
    """All epochs, in order."""
    best: Mapping[str, Best]
    """By criterion; one that was never defined is absent."""
    criterion: str
    """What chose: the option's, or "train_loss" where that was never defined."""
    note: str
    """Why another criterion than the option's chose; else empty."""

    @property
    def chosen(self) -> Best:
        """The epoch that `criterion` chose."""
        return self.best[self.criterion]


def fit(
    network: Iota2NeuralNetwork,
    training: Samples,
    validation: Samples,
    options: FitOptions,
    log: Callable[[Epoch], None] | None = None,
) -> Fit:
    """Train a network by Adam (Kingma and Ba, 2015) on the cross-entropy.

    torch's random state, threads and determinism are as before afterwards.

    Parameters
    ----------
    network : Iota2NeuralNetwork
        With initial weights and statistics. Holds the chosen epoch's weights afterwards.
    training, validation : Samples
        The two sets of the network, same dates, bands and classes. With an empty
        validation set the training loss chooses the epoch, and the result's note says so.
    options : FitOptions
        Settings.
    log : callable, optional
        Called after each epoch.

    Raises
    ------
    TaskError
        When the training set is empty, or the loss becomes nan or infinite (with epoch,
        batch and learning rate).
    ValueError
        When a label is not a class of the network.
    """
    if not len(training):
        raise TaskError("the training set is empty: no polygon gave it a sample")
    weights = _weights(network, training, validation, options)
    choice = _Choice()
    history = []
    with _reproducible(options):
        optimizer = Adam(network.parameters(), lr=options.learning_rate)
        batches = shuffled_loader(training, options.batch_size, options.seed, options.num_workers)
        for number in range(1, options.epochs + 1):
            train_loss = train_epoch(network, optimizer, batches, weights, number)
            epoch = validate(network, validation, weights, number, train_loss)
            choice.see(epoch, network)
            history.append(epoch)
            if log:
                log(epoch)
    fitted = choice.settle(tuple(history), options.criterion, empty=not len(validation))
    network.load_state_dict(dict(fitted.chosen.state))
    return fitted


def train_epoch(
    network: Iota2NeuralNetwork,
    optimizer: Optimizer,
    batches: DataLoader[tuple[Tensor, Tensor]],
    weights: Tensor,
    number: int,
) -> float:
    """Train on each batch once; give the mean loss of the epoch."""
    network.train()
    total = mass = 0.0
    for index, (x, labels) in enumerate(batches, start=1):
        batch_loss, batch_mass = train_batch(network, optimizer, x, labels, weights)
        if not math.isfinite(batch_loss):
            raise TaskError(
                f"the loss is {batch_loss} in epoch {number}, batch {index}, at a learning rate "
                f"of {optimizer.param_groups[0]['lr']:g}: try a lower learning_rate"
            )
        total += batch_loss
        mass += batch_mass
    return total / mass


def train_batch(
    network: Iota2NeuralNetwork, optimizer: Optimizer, x: Tensor, labels: Tensor, weights: Tensor
) -> tuple[float, float]:
    """Take one step; give the batch's weighted sum of losses and its sum of weights."""
    optimizer.zero_grad()
    total, mass = _loss(network(x), labels, weights)
    (total / mass).backward()
    optimizer.step()
    return total.item(), mass.item()


def validate(
    network: Iota2NeuralNetwork,
    validation: Samples,
    weights: Tensor,
    number: int,
    train_loss: float,
) -> Epoch:
    """Score the network on the validation set; all scores are nan when that is empty."""
    network.eval()
    n = network.nb_class
    total = mass = 0.0
    matrix = np.zeros((n, n), np.int64)
    for start in range(0, len(validation), VALIDATION_BATCH):
        x, labels = validation.batch(slice(start, start + VALIDATION_BATCH))
        with torch.no_grad():
            logits = network(x)
            batch_loss, batch_mass = _loss(logits, labels, weights)
        total += batch_loss.item()
        mass += batch_mass.item()
        matrix += confusion(labels.numpy(), logits.numpy().argmax(axis=1), n)
    if not math.isfinite(total):
        raise TaskError(f"the loss is {total} on the validation set after epoch {number}")
    got = scores(matrix)
    loss = total / mass if mass else math.nan
    return Epoch(number, train_loss, loss, got.oa, got.kappa, got.mean_fscore)


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


class _Choice:
    """Keeps the best epoch of each criterion while the epochs go by."""

    def __init__(self) -> None:
        self._best: dict[str, Best] = {}

    def see(self, epoch: Epoch, network: Iota2NeuralNetwork) -> None:
        """Keep the epoch's weights for every criterion in which it is better than all before."""
        values = {name: getattr(epoch, c.field) for name, c in _CRITERIA.items()}
        better = {name: value for name, value in values.items() if self._is_better(name, value)}
        if better:
            state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            self._best |= {name: Best(epoch.number, v, state) for name, v in better.items()}

    def settle(self, history: tuple[Epoch, ...], criterion: str, *, empty: bool) -> Fit:
        """Give the result; the training loss chooses where `criterion` was never defined."""
        note = ""
        if criterion not in self._best:
            why = "the validation set is empty" if empty else f"{criterion} was never defined"
            note = f"{why}: the epoch is chosen by the training loss"
            criterion = FALLBACK
        return Fit(history, MappingProxyType(self._best), criterion, note)

    def _is_better(self, name: str, value: float) -> bool:
        if math.isnan(value):
            return False
        sign, before = _CRITERIA[name].sign, self._best.get(name)
        return before is None or sign * value > sign * before.value


def _loss(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted sum of cross-entropies and sum of weights; their ratio is the loss."""
    total = functional.cross_entropy(logits, labels, weights, reduction="sum")
    return total, weights[labels].sum()


def _weights(
    network: Iota2NeuralNetwork, training: Samples, validation: Samples, options: FitOptions
) -> Tensor:
    labels = np.concatenate([training.labels, validation.labels])
    if labels.min() < 0 or labels.max() >= network.nb_class:
        raise ValueError(
            f"labels {labels.min()} to {labels.max()} leave the network's classes "
            f"0 to {network.nb_class - 1}"
        )
    if not options.weighted_labels:
        return torch.ones(network.nb_class)
    return torch.from_numpy(class_weights(labels, network.nb_class))


@contextmanager
def _reproducible(options: FitOptions) -> Iterator[None]:
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        torch.set_num_threads(options.threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
