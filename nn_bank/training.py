"""Training: the loop in small moments (one batch, one pass, one epoch).

Same samples, options and initial weights give the same weights bit for bit on one kind
of CPU, for any number of workers, and for a training that was interrupted after any epoch.
The number of threads is part of the options because sums over threads round differently.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..errors import TaskError
from . import checkpoint, devices
from .base import Iota2NeuralNetwork
from .checkpoint import Checkpoint, State
from .choice import CRITERIA, Best, Choice, Fit
from .conversion import Converter, logits_of
from .early_stop import stop_reason
from .history import Epoch, Progress
from .loaders import Batch, Batches, in_memory
from .losses import Loss, class_weights
from .options import FitOptions
from .samples import Samples
from .schedules import Schedule, optimizer_of
from .sources import Source
from .streaming import StreamBatches, release
from .tally import Tally
from .validation import Validation

__all__ = ["CRITERIA", "Best", "Epoch", "Fit", "FitOptions", "Progress", "class_weights", "fit"]

log = logging.getLogger(__name__)


def fit(
    network: Iota2NeuralNetwork,
    training: Source,
    validation: Source,
    options: FitOptions,
    *,
    log: Callable[[Epoch, Progress], None] | None = None,
    resume: Checkpoint | None = None,
    keep: Callable[[Checkpoint], None] | None = None,
) -> Fit:
    """Train a network.

    torch's random state, threads and determinism are as before afterwards.

    Parameters
    ----------
    network : Iota2NeuralNetwork
        With initial weights and statistics, on the CPU. Holds the chosen epoch's weights
        afterwards, on the CPU.
    training, validation : Source
        The two sets of the network, same dates, bands and classes. `Samples` are used from
        memory, any other source is streamed. With an empty validation set the training loss
        chooses the epoch, and the result's note says so.
    options : FitOptions
        Settings.
    log : callable, optional
        Called after each epoch with what it came to and how fast it went.
    resume : Checkpoint, optional
        Of the same training: it goes on after its last epoch, as if never interrupted. One that
        cannot be of this training is left alone with a warning.
    keep : callable, optional
        Called after each epoch, before `log`, with what continues the training.

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
    with devices.reproducible(options.seed, options.threads, options.device):
        try:
            _release(training, validation)  # workers are forked with no file open
            network.to(options.device)
            run = _Run.begin(network, training, validation, options, weights)
            fitted = _epochs(run, log, resume, keep)
        finally:
            network.to("cpu")
            _release(training, validation)
    network.load_state_dict(dict(fitted.chosen.state))
    return fitted


def _release(*sources: Source) -> None:
    for source in sources:
        release(source)


@dataclass(eq=False)
class _Run:
    """What a training holds from its first to its last epoch."""

    state: State
    batches: Batches
    validation: Validation
    options: FitOptions
    loss: Loss
    convert: Converter
    pace: list[float] = field(default_factory=list)
    """Seconds of the epochs so far."""

    @classmethod
    def begin(
        cls,
        network: Iota2NeuralNetwork,
        training: Source,
        validation: Source,
        options: FitOptions,
        weights: Tensor | None,
    ) -> _Run:
        """Set up the parts of a training."""
        if weights is not None:
            weights = weights.to(options.device)
        gamma = options.focal_gamma if options.loss == "focal" else None
        batches = batches_of(training, options)
        optimizer = optimizer_of(network, options)
        schedule = Schedule(optimizer, options, len(batches))
        convert = Converter(training, options.device)
        return cls(
            State(network, optimizer, schedule, options.device),
            batches,
            Validation(validation, Loss(weights), convert),
            options,
            Loss(weights, options.label_smoothing, gamma),
            convert,
        )


def batches_of(training: Source, options: FitOptions) -> Batches:
    """Give the batches of a training set: `Samples` from memory, any other source as a stream."""
    size, seed, workers = options.batch_size, options.seed, options.num_workers
    if isinstance(training, Samples):
        return in_memory(training, size, seed, workers, options.device)
    return StreamBatches(training, size, seed, workers)


def _epochs(
    run: _Run,
    tell: Callable[[Epoch, Progress], None] | None,
    resume: Checkpoint | None,
    keep: Callable[[Checkpoint], None] | None,
) -> Fit:
    """Train epoch by epoch until the last one, or until the early stop."""
    options = run.options
    choice, history = _start(run, resume)
    stopped = stop_reason(history, options.early_stop)
    while len(history) < options.epochs and not stopped:
        epoch, progress = _one_epoch(run, len(history) + 1)
        history = (*history, epoch)
        choice.see(epoch, run.state.network)
        if keep:
            keep(checkpoint.capture(run.state, choice, history))
        if tell:
            tell(epoch, progress)
        stopped = stop_reason(history, options.early_stop)
    empty = not len(run.validation)
    return choice.settle(history, options.criterion, empty=empty, stopped=stopped)


def _start(run: _Run, resume: Checkpoint | None) -> tuple[Choice, tuple[Epoch, ...]]:
    if resume is None:
        return Choice(), ()
    if why := checkpoint.misfit(resume, run.state, run.options):
        log.warning("the checkpoint is not used: %s", why)
        return Choice(), ()
    log.info("the training goes on after epoch %d", resume.epoch)
    return checkpoint.restore(resume, run.state)


def _one_epoch(run: _Run, number: int) -> tuple[Epoch, Progress]:
    """Train on each sample once, validate, and set the rate of the next epoch."""
    begin = time.perf_counter()
    train_loss, samples = train_epoch(run, number)
    trained = time.perf_counter() - begin
    epoch = run.validation.epoch(run.state.network, number, train_loss, run.state.schedule.rate)
    monitored = epoch.validation_loss if len(run.validation) else train_loss
    run.state.schedule.after_epoch(number, monitored)
    seconds = time.perf_counter() - begin
    run.pace.append(seconds)
    left = (run.options.epochs - number) * sum(run.pace) / len(run.pace)
    return epoch, Progress(seconds, samples / max(trained, 1e-9), left)


def train_epoch(run: _Run, number: int) -> tuple[float, int]:
    """Take a step on each batch; give the mean loss of the epoch and its samples."""
    run.state.network.train()
    schedule, samples = run.state.schedule, 0
    tally = Tally(f"epoch {number}", lambda: schedule.rate)
    for batch in run.batches.epoch(number):
        total, mass, unknown = train_batch(run, batch)
        schedule.after_step()
        tally.add(total, mass, unknown)
        samples += len(batch[1])
    return tally.mean(), samples


def train_batch(run: _Run, batch: Batch) -> tuple[Tensor, Tensor | int, Tensor | None]:
    """Take one step; give the sums of losses and weights, and the count of missing values."""
    state, options = run.state, run.options
    x, validity, labels = run.convert(batch)
    state.optimizer.zero_grad()
    with torch.autocast(options.device, torch.bfloat16, enabled=options.mixed_precision):
        logits = logits_of(state.network, x, validity)
    total, mass = run.loss(logits.float(), labels)
    (total / mass).backward()
    state.optimizer.step()
    return total.detach(), mass, run.convert.missing(x, validity)


def _weights(
    network: Iota2NeuralNetwork, training: Source, validation: Source, options: FitOptions
) -> Tensor | None:
    labels = np.concatenate([training.labels, validation.labels])
    if labels.min() < 0 or labels.max() >= network.nb_class:
        raise ValueError(
            f"labels {labels.min()} to {labels.max()} leave the network's classes "
            f"0 to {network.nb_class - 1}"
        )
    if not options.weighted_labels:
        return None
    return torch.from_numpy(class_weights(labels, network.nb_class))
