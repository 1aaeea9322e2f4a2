"""Step: synthetic samples of the classes that have few, behind the measured ones.

Only samples that train the network are made, of samples that do; its validation samples stay as
they are. A synthetic sample has the polygon and the position of the sample it was made of.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import netCDF4
import numpy as np

from ..errors import TaskError
from .artifacts import LABELS, MERGED, SAMPLES
from .contract import Job, Step, Unit
from .files import store
from .reference import split
from .reference.labels import LOOKS, Labels
from .sampling import appending, draws, samples_file, strategies, synthesis
from .sampling.augmentation_settings import (
    BY_CLASS,
    FACTOR,
    NEIGHBORS,
    AugmentationSettings,
    SampleAugmentation,
    new_samples,
)
from .sampling.samples_file import SYNTHETIC, TRAINING

log = logging.getLogger(__name__)

GB = 1e9
FLAGS = ("tile", "set", "origin")
"""Variables whose values have names."""
KEPT = ("label", "polygon", "x", "y", "tile", "set")
"""Variables of a synthetic sample that are those of the sample it was made of."""


class Settings(split.SeedSettings, AugmentationSettings):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the file of numbers by class, where there is one."""
    return settings.sample_augmentation.files


def augment(job: Job) -> None:
    """Write the samples of one model with the synthetic ones behind them."""
    path, settings = job.input(MERGED), job.settings.sample_augmentation
    with netCDF4.Dataset(path) as file, store.writing(job.output(SAMPLES)) as target:
        file.set_auto_mask(False)
        labels = np.where(np.asarray(file["set"][:]) == TRAINING, file["label"][:], 0)
        wanted = _wanted(job, file, labels)
        refuse_too_large(file, labels, wanted, settings.strategy, job.ram)
        if not wanted:
            shutil.copyfile(path, target)
            log.info("model %s: no synthetic sample", file.model)
            return
        with _create(target, file, len(labels) + sum(wanted.values())) as output:
            appender = appending.Appender(output)
            every = (*samples_file.features_of(file), *samples_file.COLUMNS)
            for piece in samples_file.pieces(len(labels)):
                appender.add({name: np.asarray(file[name][piece]) for name in every})
            for code, count in wanted.items():
                for columns in _made(job, file, np.flatnonzero(labels == code), code, count):
                    appender.add(columns)
                log.info("model %s, class %d: %d synthetic samples", file.model, code, count)
            appender.close()


def _wanted(job: Job, file: netCDF4.Dataset, labels: np.ndarray) -> dict[int, int]:
    """Give the number of samples to make of each class; none for a model that is no target."""
    settings: SampleAugmentation = job.settings.sample_augmentation
    if not (settings.activate and settings.targets(file.model, file.region)):
        return {}
    codes, counts = np.unique(labels[labels != 0], return_counts=True)
    by_class = {}
    if settings.by_class is not None:
        classes = Labels.load(job.input(LABELS)).classes
        known = {label.value: label.code for label in classes}
        by_class = strategies.read_counts(settings.by_class, known, BY_CLASS)
    there = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    return new_samples(there, settings, by_class)


def refuse_too_large(
    file: netCDF4.Dataset, labels: np.ndarray, wanted: Iterable[int], strategy: str, ram: int
) -> None:
    """Refuse a class that the task's memory cannot hold, before any is read."""
    features = sum(_widths(file).values())
    for code in wanted:
        count = int((labels == code).sum())
        size = synthesis.memory(strategy, count, features)
        if size > ram:
            raise TaskError(
                f"{strategy} of the {count} training samples of class {code} of model {file.model} "
                f"takes {size / GB:.1f} GB, the task has {ram / GB:.1f} GB: raise maximum_ram, "
                "lower -nb_parallel_tasks, or take fewer samples (sample_selection)"
            )


def _create(target: Path, file: netCDF4.Dataset, count: int) -> netCDF4.Dataset:
    """Create the file of `count` samples with the axes, flags and attributes of another one."""
    axes = samples_file.read_axes(Path(file.filepath()))
    attributes = {name: file.getncattr(name) for name in file.ncattrs()}
    output = samples_file.create(target, axes, count, samples_file.COLUMNS, **attributes)
    for name in FLAGS:
        old = file[name]
        first = int(np.atleast_1d(old.flag_values)[0])
        samples_file.flag(output[name], old.flag_meanings.split(), first)
    return output


def _made(
    job: Job, file: netCDF4.Dataset, places: np.ndarray, code: int, count: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns of the synthetic samples of a class.

    Parameters
    ----------
    job : Job
    file : Dataset
        The measured samples.
    places : ndarray of int
        Those of them that train the network in this class.
    code, count : int
        The class, and the number of samples to make.
    """
    features = _gather(file, places)
    kept = {name: np.asarray(file[name][:])[places] for name in KEPT}
    for made in _strategy(job, features, code, count):
        columns = {name: values[made.sources] for name, values in kept.items()}
        origin = np.full(len(made.sources), SYNTHETIC, np.uint8)
        yield {**columns, **_parted(file, made.features), "origin": origin}


def _widths(file: netCDF4.Dataset) -> dict[str, int]:
    """Give the number of features of a sample in each variable that holds some."""
    return {name: math.prod(file[name].shape[1:]) for name in samples_file.features_of(file)}


def _gather(file: netCDF4.Dataset, places: np.ndarray) -> np.ndarray:
    """Read the features of some samples, piece by piece, so that the rest is never held.

    Returns
    -------
    ndarray of int16, (sample, feature)
        The series, date-major, and behind them the statics.
    """
    widths = _widths(file)
    values = np.empty((len(places), sum(widths.values())), np.int16)
    for piece in samples_file.pieces(file["features"].shape[0]):
        first, behind = np.searchsorted(places, (piece.start, piece.stop))
        rows, start = places[first:behind] - piece.start, 0
        for name, width in widths.items() if len(rows) else ():
            part = np.asarray(file[name][piece])[rows].reshape(len(rows), width)
            values[first:behind, start : start + width] = part
            start += width
    return values


def _parted(file: netCDF4.Dataset, features: np.ndarray) -> dict[str, np.ndarray]:
    """Put rows of features (sample, feature) into the shapes of their variables."""
    widths = _widths(file)
    ends = np.cumsum(list(widths.values()))[:-1]
    parts = zip(widths, np.split(features, ends, axis=1), strict=True)
    return {name: part.reshape(len(part), *file[name].shape[1:]) for name, part in parts}


def _strategy(job: Job, features: np.ndarray, code: int, count: int) -> Iterator[synthesis.Made]:
    """Make samples as the settings say; of a single one there are only copies."""
    settings: SampleAugmentation = job.settings.sample_augmentation
    seed = (job.settings.random_seed or 0) + int(job.unit.seed or 0)
    which = (str(job.unit.region), code)
    rng = draws.generator("sample_augmentation", seed, *which)
    if settings.strategy == "jitter":
        return synthesis.jitter(features, count, settings.factor or FACTOR, rng)
    if settings.strategy == "smote" and len(features) > 1:
        return synthesis.smote(features, count, settings.neighbors or NEIGHBORS, rng)
    if settings.strategy == "smote":
        log.warning("class %d has one training sample: it is copied, smote needs two", code)
    return synthesis.replicate(features, count, rng)


STEP = Step(
    name="augmentation",
    group="sampling",
    title="add synthetic samples to the training sets",
    run=augment,
    settings=Settings,
    per=("region", "fold", "seed"),
    inputs=(MERGED, LABELS),
    outputs=(SAMPLES,),
    resource="samplesAugmentation",
    sources=sources,
    unmoved_by={LABELS: LOOKS},
)
