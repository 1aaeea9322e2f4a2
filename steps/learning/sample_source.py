"""A file of samples as the two sets of a network: whole in memory, or read block by block."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, TaskError
from ...nn_bank.samples import Samples
from ...nn_bank.sources import Source
from ..sampling import enough, samples_file
from ..sampling.samples_file import CHUNK, TRAINING, VALIDATION

log = logging.getLogger(__name__)

BLOCK = 2 * CHUNK
"""Samples of the file that are read at one time; whole storage chunks."""

Kind = TypeVar("Kind", bound=Source)


class _File:
    """A file of samples that is opened in each process that reads, once.

    Both sets of a file share it, and it is closed by name: HDF5 crashes when files with strings
    of any length are open twice in one process (HDFGroup/hdf5#5359).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: tuple[int, netCDF4.Dataset] | None = None

    def features(self) -> netCDF4.Variable:
        """Give the variable of the features."""
        if self._open is None or self._open[0] != os.getpid():
            file = netCDF4.Dataset(self.path)
            file.set_auto_maskandscale(False)
            self._open = os.getpid(), file
        return self._open[1]["features"]

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._open and self._open[0] == os.getpid():
            self._open[1].close()
        self._open = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_open": None}

    def __del__(self) -> None:
        self.close()


class StoredSamples:
    """One set of a file of samples, read block by block; a `Source`.

    A block is a run of `BLOCK` samples of the file, of which those of the set are kept; runs
    without any are left out. Each process that reads opens the file for itself.

    Parameters
    ----------
    file : _File
        File of samples; that of the other set.
    rows : ndarray of int64, (sample,)
        Numbers in the file of the samples of the set, increasing.
    labels : ndarray of int64, (sample,)
        Their class indices.
    axes : samples_file.Axes
        Of the file.
    """

    def __init__(
        self,
        file: _File,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        axes: samples_file.Axes,
    ) -> None:
        self._file = file
        self._rows = rows
        self.labels = labels
        """Class index of each sample, (sample,)."""
        self.shape = (len(axes.dates), len(axes.bands))
        """Dates and bands."""
        self.scale = np.array(axes.scales, np.float32)
        """Stored value of one unit, (band,)."""
        self.raw = axes.raw
        """The dates are raw."""
        self.gaps = axes.gaps
        """Single values may be missing."""
        numbers, starts = np.unique(rows // BLOCK, return_index=True)
        self._runs = numbers
        self._starts = np.append(starts, len(rows))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def blocks(self) -> int:
        """Runs of the file that hold samples of the set."""
        return len(self._runs)

    def read(self, block: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Give the samples of a block and their class indices.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        kept = slice(self._starts[block], self._starts[block + 1])
        first = int(self._runs[block]) * BLOCK
        try:
            run = np.asarray(self._file.features()[first : first + BLOCK])
        except (OSError, RuntimeError) as error:  # what netCDF4 raises
            raise InputError(f"{self._file.path} cannot be read: {error}") from error
        rows = self._rows[kept] - first
        return run if len(rows) == len(run) else run[rows], self.labels[kept]

    def close(self) -> None:
        """Close the file, for the other set too; the next read opens it again."""
        self._file.close()


@dataclass(frozen=True, eq=False)
class _Index:
    """Which samples of a file are of which set and class."""

    axes: samples_file.Axes
    codes: NDArray[np.int64]
    """Codes of the classes with training samples, increasing: the network's outputs."""
    rows: dict[int, NDArray[np.int64]]
    """Set -> numbers of its samples in the file."""
    labels: dict[int, NDArray[np.int64]]
    """Set -> their class indices."""


def size(path: Path) -> int:
    """Give the bytes that the features of a file take in memory."""
    with netCDF4.Dataset(path) as file:
        features = file["features"]
        return int(features.size) * int(features.dtype.itemsize)


def load(path: Path) -> tuple[Samples, Samples, list[int]]:
    """Read the training and the validation set into memory.

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
    return _sets(path, lambda source: _in_memory(source))


def stored(path: Path) -> tuple[StoredSamples, StoredSamples, list[int]]:
    """Give the training and the validation set to be read block by block; else as `load`."""
    return _sets(path, lambda source: source)


def _sets(path: Path, of: Callable[[StoredSamples], Kind]) -> tuple[Kind, Kind, list[int]]:
    index, file = _index(path), _File(path)
    training, validation = (
        of(StoredSamples(file, index.rows[kind], index.labels[kind], index.axes))
        for kind in (TRAINING, VALIDATION)
    )
    return training, validation, index.codes.tolist()


def _in_memory(source: StoredSamples) -> Samples:
    """Read a source whole; the samples of other sets are never held."""
    features = np.empty((len(source), *source.shape), np.int16)
    place = 0
    for block in range(source.blocks):
        values, _ = source.read(block)
        features[place : place + len(values)] = values
        place += len(values)
    source.close()
    return Samples(features, source.labels, source.scale, source.raw, source.gaps)


def _index(path: Path) -> _Index:
    axes = samples_file.read_axes(path)
    with netCDF4.Dataset(path) as file:
        sets = np.asarray(file["set"][:])
        labels = np.asarray(file["label"][:]).astype(np.int64)
    codes = np.unique(labels[sets == TRAINING])
    _refuse_few_classes(path, codes)
    known = np.isin(labels, codes)
    if not known.all():
        log.warning("%d validation samples of classes without training", (~known).sum())
    rows = {kind: np.flatnonzero((sets == kind) & known) for kind in (TRAINING, VALIDATION)}
    indices = {kind: np.searchsorted(codes, labels[r]).astype(np.int64) for kind, r in rows.items()}
    return _Index(axes, codes, rows, indices)


def _refuse_few_classes(path: Path, codes: NDArray[np.int64]) -> None:
    """Refuse samples that no network can learn to tell apart."""
    if len(codes) < enough.CLASSES:
        there = f"of class code {codes[0]} alone" if len(codes) else "of no class"
        raise TaskError(
            f"{path} has training samples {there}, a model needs two classes or more: "
            f"{enough.either(enough.WAYS)}"
        )
