"""Step 8: train one network for one region, fold, seed and hyperparameter pair.

The training runs in a process of its own (``python -m i2lc.steps.training``): a worker of
dask is daemonic, and a DataLoader with workers fails in one; a training that holds the
interpreter for hours would also make the scheduler believe its worker dead.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
from pydantic import Field, field_validator

from ..errors import I2lcError, TaskError
from ..nn_bank import registry, statistics
from ..nn_bank import training as loop
from ..nn_bank.samples import Samples
from . import enough, model_file, samples_file, split, store
from .artifacts import HISTORY, MODEL_HYP, SAMPLES
from .contract import Job, Step, Unit
from .contract import Settings as BaseSettings
from .samples_file import TRAINING, VALIDATION
from .sensors.sentinel2 import SENTINEL2

log = logging.getLogger(__name__)

GB = 1e9
PR_SET_PDEATHSIG = 1
"""Number of Linux's request to be sent a signal when the parent ends (prctl(2))."""
ERROR = "i2lc-error: "
"""Marks the line in which the training process says why it ended."""
SHARED_MEMORY = re.compile(r"/torch_|shared memory|bus error", re.IGNORECASE)
"""What torch says when the memory that it shares with loading processes is full."""


class Hyperparameters(BaseSettings):
    """The keys of `hyperparameters_solver`: the product of both lists is trained."""

    batch_size: tuple[int, ...] = Field((1000,), min_length=1, description="Samples a step.")
    learning_rate: tuple[float, ...] = Field((1e-5,), min_length=1, description="Rates of Adam.")

    @field_validator("batch_size", "learning_rate")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not value > 0 for value in values):
            raise ValueError("values are above 0")
        return values

    @property
    def pairs(self) -> tuple[tuple[int, float], ...]:
        """All pairs (batch size, learning rate), in the order of their numbers."""
        return tuple(itertools.product(self.batch_size, self.learning_rate))


class DeepLearning(BaseSettings):
    """The keys of `deep_learning_parameters`."""

    dl_name: str = Field("MLPClassifier", description="Network: MLPClassifier.")
    dl_parameters: dict[str, Any] = Field(
        default_factory=dict, description="Constructor arguments of the network."
    )
    model_selection_criterion: Literal["loss", "fscore", "oa", "kappa"] = Field(
        "loss", description="What chooses the epoch and the pair, on the validation set."
    )
    epochs: int = Field(100, ge=1, description="Passes over the training set.")
    weighted_labels: bool = Field(
        False, description="Weigh samples by 1 / (share of their class in the samples)."
    )
    num_workers: int = Field(
        1, ge=0, description="Most processes that fetch batches; cut to the task's cpus."
    )
    hyperparameters_solver: Hyperparameters = Field(
        Hyperparameters(), description="Lists of batch_size and learning_rate to try."
    )
    torch_threads: int = Field(
        1, ge=1, description="Threads of torch in a training. Another number, other last bits."
    )

    @field_validator("dl_name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in registry.NETWORKS:
            raise ValueError(f"unknown network {name}; known: {', '.join(registry.NETWORKS)}")
        return name

    @field_validator("dl_parameters")
    @classmethod
    def _accepted(cls, parameters: dict[str, Any], info: Any) -> dict[str, Any]:
        if name := info.data.get("dl_name"):
            try:
                registry.build(name, 2, 2, 2, parameters)
            except I2lcError as error:
                raise ValueError(str(error)) from error
        return parameters


class Settings(split.SeedSettings):
    """Keys that the step uses."""

    deep_learning_parameters: DeepLearning = Field(
        DeepLearning(), description="The network and its training."
    )


def used(settings: Settings, unit: Unit) -> dict[str, Any]:
    """Give the settings that decide a model: of the pairs its own, and no number of processes."""
    found = settings.model_dump(mode="json")
    deep = found["deep_learning_parameters"]
    del deep["num_workers"], deep["hyperparameters_solver"]
    pairs = settings.deep_learning_parameters.hyperparameters_solver.pairs
    deep["batch_size"], deep["learning_rate"] = pairs[int(unit.hyp or 0)]
    return found


def train(job: Job) -> None:
    """Train the pair of the job in a process of its own."""
    settings: Settings = job.settings
    refuse_too_large(job.input(SAMPLES), job.ram)
    workers = min(settings.deep_learning_parameters.num_workers, job.cpus)
    if workers < settings.deep_learning_parameters.num_workers:
        log.info("num_workers cut to the %d cpus of the task", workers)
    with (
        store.writing(job.output(MODEL_HYP)) as model,
        store.writing(job.output(HISTORY)) as history,
    ):
        order = {
            "samples": str(job.input(SAMPLES)),
            "model": str(model),
            "history": str(history),
            "region": job.unit.region,
            "fold": job.unit.fold,
            "seed": job.unit.seed,
            "hyp": job.unit.hyp,
            "num_workers": workers,
            "parent": os.getpid(),
            "settings": settings.model_dump(mode="json"),
        }
        _run_apart(order, settings.deep_learning_parameters.torch_threads)


def refuse_too_large(samples: Path, ram: int) -> None:
    """Refuse samples that the task's memory cannot hold, before any is read."""
    with netCDF4.Dataset(samples) as file:
        shape = file["features"].shape
    size = 2 * math.prod(shape)
    if size > ram:
        raise TaskError(
            f"{shape[0]} samples take {size / GB:.1f} GB, the task has {ram / GB:.1f} GB: raise "
            "maximum_ram, lower -nb_parallel_tasks, or take fewer samples (sample_selection)"
        )


def _run_apart(order: dict[str, Any], threads: int) -> None:
    """Run :func:`main` in another process; its lines go to the log."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(
        [sys.executable, "-m", "i2lc.steps.training"],
        stdin=subprocess.PIPE,  # no file: the disk of temporary files may be full
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(order))
        lines = list(_relayed(process))
    code = process.returncode
    if code:
        raise TaskError(_cause(code, lines))


def _relayed(process: subprocess.Popen[str]) -> Iterator[str]:
    """Pass the lines of the process on to the log, at the level that each begins with."""
    for line in process.stdout or ():
        level, _, text = line.rstrip().partition(" ")
        number = logging.getLevelNamesMapping().get(level)
        log.log(number or logging.INFO, "%s", text if number else line.rstrip())
        yield line.rstrip()


def _cause(code: int, lines: list[str]) -> str:
    for line in lines:
        if line.startswith(ERROR):
            return line.removeprefix(ERROR)
    last = lines[-1] if lines else "no output"
    if SHARED_MEMORY.search(last):
        return "the shared memory of the machine (/dev/shm) is full: lower num_workers"
    if code == -9:
        return "the training process was killed (signal 9): most likely out of memory"
    return f"the training process ended with status {code}: {last}"


def fit_samples(order: dict[str, Any]) -> None:
    """Train on a file of samples and write model and history."""
    settings = Settings(**order["settings"])
    deep = settings.deep_learning_parameters
    batch_size, learning_rate = deep.hyperparameters_solver.pairs[order["hyp"]]
    path = Path(order["samples"])
    axes = samples_file.read_axes(path)
    training, validation, codes = read_sets(path, axes)
    seed = (settings.random_seed or 0) + int(order["seed"])
    shape = (len(axes.dates), len(axes.bands))
    summary = statistics.Statistics(*shape)
    summary.update(training.features)
    measured = summary.summary(training.scale)
    network = registry.build(deep.dl_name, *shape, len(codes), deep.dl_parameters, seed=seed)
    network.set_statistics(measured)
    options = loop.FitOptions(
        epochs=deep.epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        criterion=deep.model_selection_criterion,
        weighted_labels=deep.weighted_labels,
        num_workers=order["num_workers"],
        seed=seed,
        threads=deep.torch_threads,
    )
    fitted = loop.fit(network, training, validation, options, _log_epoch)
    notes = notes_of(fitted, deep.epochs, len(codes))
    for note in notes:
        log.warning("%s", note)
    record = {
        **{axis: order[axis] for axis in ("region", "fold", "seed", "hyp")},
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "samples": {"training": len(training), "validation": len(validation)},
        "threads": deep.torch_threads,
        "criterion": fitted.criterion,
        "epoch": fitted.chosen.epoch,
        "value": fitted.chosen.value,
        "notes": notes,
    }
    card = model_file.Card(
        network=deep.dl_name,
        parameters=deep.dl_parameters,
        labels=tuple(codes),
        dates=axes.dates,
        bands=axes.bands,
        scales=axes.scales,
        sensor=SENTINEL2.name,
        statistics=measured.as_dict(),
        training=record,
    )
    model_file.save(Path(order["model"]), dict(fitted.chosen.state), card)
    history = {**record, "epochs": [_plain(epoch) for epoch in fitted.history]}
    Path(order["history"]).write_text(json.dumps(history, indent=1, sort_keys=True) + "\n")


def read_sets(path: Path, axes: samples_file.Axes) -> tuple[Samples, Samples, list[int]]:
    """Read the training and the validation set.

    Returns
    -------
    training, validation : Samples
        Labels are indices into the codes.
    codes : list of int
        Codes of the classes with training samples, increasing: the network's outputs.

    Raises
    ------
    TaskError
        Fewer than two classes have training samples.
    """
    with netCDF4.Dataset(path) as file:
        sets = np.asarray(file["set"][:])
        labels = np.asarray(file["label"][:]).astype(np.int64)
        codes = np.unique(labels[sets == TRAINING])
        _refuse_few_classes(path, codes)
        known = np.isin(labels, codes)
        if not known.all():
            log.warning("%d validation samples of classes without training", (~known).sum())
        scale = np.array(axes.scales, np.float32)

        def one(kind: int) -> Samples:
            kept = (sets == kind) & known
            indices = np.searchsorted(codes, labels[kept])
            return Samples(_gather(file["features"], kept), indices.astype(np.int64), scale)

        return one(TRAINING), one(VALIDATION), codes.tolist()


def _refuse_few_classes(path: Path, codes: np.ndarray) -> None:
    """Refuse samples that no network can learn to tell apart."""
    if len(codes) < enough.CLASSES:
        there = f"of class code {codes[0]} alone" if len(codes) else "of no class"
        raise TaskError(
            f"{path} has training samples {there}, a model needs two classes or more: "
            f"{enough.either(enough.WAYS)}"
        )


def _gather(variable: netCDF4.Variable, kept: np.ndarray) -> np.ndarray:
    """Read the kept samples, piece by piece, so that the rest is never held."""
    values = np.empty((int(kept.sum()), *variable.shape[1:]), np.int16)
    place = 0
    for piece in samples_file.pieces(len(kept)):
        number = int(kept[piece].sum())
        if number:
            values[place : place + number] = np.asarray(variable[piece])[kept[piece]]
            place += number
    return values


def notes_of(fitted: loop.Fit, epochs: int, classes: int) -> list[str]:
    """Say what makes the result doubtful, and which keys to turn."""
    notes = [fitted.note] if fitted.note else []
    if fitted.chosen.epoch == epochs:
        notes.append(
            f"the best epoch is the last one ({epochs}): the network was still learning; "
            "more epochs or a higher learning_rate may give a better map"
        )
    chance = 1 / classes
    oa = fitted.history[fitted.chosen.epoch - 1].oa
    if oa < min(2 * chance, (1 + chance) / 2):
        notes.append(
            f"the overall accuracy on the validation set is {oa:.2f}, hardly better than chance "
            f"with {classes} classes: look at learning_rate, epochs and batch_size"
        )
    return notes


def _log_epoch(epoch: loop.Epoch) -> None:
    log.info(
        "epoch %d: train loss %.4f, validation loss %.4f, OA %.3f, kappa %.3f, F %.3f",
        epoch.number,
        epoch.train_loss,
        epoch.validation_loss,
        epoch.oa,
        epoch.kappa,
        epoch.fscore,
    )


def _plain(epoch: loop.Epoch) -> dict[str, float | None]:
    """Give an epoch as JSON can hold it: null where a score is undefined."""
    return {k: v if math.isfinite(v) else None for k, v in asdict(epoch).items()}


def main() -> int:
    """Train as the order on standard input says; the entry of the process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no training outlives its task
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    try:
        order = json.loads(sys.stdin.read())
        if os.getppid() != order["parent"]:  # it ended before it could be watched
            return 1
        fit_samples(order)
    except (I2lcError, MemoryError) as error:
        sys.stdout.write(f"{ERROR}{error or 'out of memory'}\n")
        return 1
    return 0


STEP = Step(
    name="training",
    group="learning",
    title="train a network for each hyperparameter pair",
    run=train,
    settings=Settings,
    per=("region", "fold", "seed", "hyp"),
    inputs=(SAMPLES,),
    outputs=(MODEL_HYP, HISTORY),
    resource="training",
    uses=used,
)

if __name__ == "__main__":
    sys.exit(main())
