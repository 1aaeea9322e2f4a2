"""The samples of an estimator: all of a model's file, the sets of a network taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ...errors import TaskError
from ..sampling import enough, samples_file
from . import estimators
from .prediction import Meaning, flat
from .settings import Settings

GB = 1e9
FLOAT32 = 4
FILLING = 2
"""Copies that filling gaps takes: the mean is taken of one, the other is what is learnt from."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """What an estimator learns from."""

    x: NDArray[np.float32]
    """Physical values, (sample, date x band + static); NaN in gaps."""
    labels: NDArray[np.int64]
    """Indices into the codes, (sample,)."""
    polygons: NDArray[np.int64]
    """Number of the polygon of each sample, (sample,)."""
    codes: Sequence[int]
    """Class codes, increasing."""
    gaps: bool = False
    """Some values may be NaN."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Samples of each class, (class,)."""
        return np.bincount(self.labels, minlength=len(self.codes))


def read(path: Path, axes: samples_file.Axes) -> Learnt:
    """Read all samples of a file.

    Raises
    ------
    TaskError
        They are of fewer than two classes.
    """
    with netCDF4.Dataset(path) as file:
        labels = np.asarray(file["label"][:]).astype(np.int64)
        codes, indices = np.unique(labels, return_inverse=True)
        _refuse_few_classes(path, codes)
        meaning = Meaning.of(axes)
        x = np.empty((len(labels), axes.features), np.float32)
        for piece in samples_file.pieces(len(labels)):
            statics = np.asarray(file["statics"][piece]) if axes.statics else None
            x[piece] = flat(np.asarray(file["features"][piece]), meaning, statics)
        polygons = np.asarray(file["polygon"][:]).astype(np.int64)
    return Learnt(x, indices.astype(np.int64), polygons, codes.tolist(), axes.gaps)


def missing(x: NDArray[np.float32], axes: samples_file.Axes) -> dict[str, float]:
    """Give the share of NaN of each band over samples and dates, and of each static feature."""
    shares = np.array([np.isnan(column).mean() for column in x.T])
    series = len(axes.dates) * len(axes.bands)
    of_bands = shares[:series].reshape(len(axes.dates), len(axes.bands)).mean(axis=0)
    names = (*axes.bands, *axes.statics)
    return dict(zip(names, [*of_bands.tolist(), *shares[series:].tolist()], strict=True))


def _refuse_few_classes(path: Path, codes: NDArray[np.int64]) -> None:
    """Refuse samples from which nothing can be told apart."""
    if len(codes) < enough.CLASSES:
        there = f"of class code {codes[0]} alone" if len(codes) else "of no class"
        raise TaskError(
            f"{path} has samples {there}, a model needs two classes or more: "
            f"{enough.either(enough.WAYS)}"
        )


def refuse_too_large(path: Path, settings: Settings, ram: int) -> None:
    """Refuse samples that the task's memory cannot hold, before any is read.

    Where there are gaps, more copies are held while they are filled.
    """
    axes = samples_file.read_axes(path)
    with netCDF4.Dataset(path) as file:
        count = file.dimensions["sample"].size
    size = FLOAT32 * count * axes.features * (copies(settings) + FILLING * axes.gaps)
    if size > ram:
        raise TaskError(
            f"{count} samples take {size / GB:.1f} GB as {settings.model_type} learns from "
            f"them, the task has {ram / GB:.1f} GB: raise maximum_ram, lower -nb_parallel_tasks, "
            "or take fewer samples (sample_selection)"
        )


def copies(settings: Settings) -> int:
    """Give how many times the samples are held at one time as float32, the model not counted."""
    doubled = 2 * calibrates(settings)  # a support vector machine learns from float64
    return 1 + settings.standardization + bool(settings.cross_validation_parameters) + doubled


def calibrates(settings: Settings) -> bool:
    """Tell whether there is a support vector machine, alone or in another estimator."""
    return estimators.SVM in f"{settings.model_type} {settings.estimator_keywords}"


def fewest(labels: NDArray[np.int64]) -> int:
    """Give the number of samples of the smallest class among those that are there."""
    return int(np.unique(labels, return_counts=True)[1].min())
