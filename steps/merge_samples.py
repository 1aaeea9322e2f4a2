"""Step: the samples of a seed in one file, `learningSamples/Samples_region_1_seed<s>_learn.nc`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd

from ..errors import TaskError
from . import grid, samples_file, store
from .artifacts import POLYGONS, SAMPLES, SAMPLES_PART
from .contract import Job, Step, Unit

log = logging.getLogger(__name__)


class Settings(grid.LatticeSettings):
    """Keys that the step uses."""


def merge(job: Job) -> None:
    """Stream the samples of one seed from all strips into one file."""
    seed = int(job.unit.seed or 0)
    parts = list(job.every(SAMPLES_PART).items())
    count = sum(_count(path, seed) for _, path in parts)
    if not count:
        raise TaskError(f"seed {seed}: no pixel was selected, there is nothing to learn from")
    tiles = sorted({str(unit.tile) for unit, _ in parts})
    table = pd.read_csv(job.input(POLYGONS), usecols=["number", "label"])
    codes = np.append(0, table["label"].to_numpy(np.uint16))
    axes = samples_file.read_axes(parts[0][1])
    with store.writing(job.output(SAMPLES)) as path:
        attributes = {"crs": job.settings.proj, "seed": seed}
        columns = samples_file.COLUMNS
        with samples_file.create(path, axes, count, columns, **attributes) as file:
            samples_file.flag(file["tile"], tiles, 0)
            samples_file.flag(file["set"], ("training", "validation"), 1)
            _copy_all(file, parts, seed, tiles, codes)
    log.info("seed %d: %d samples", seed, count)


def _count(path: Path, seed: int) -> int:
    with netCDF4.Dataset(path) as file:
        return int((file[f"set_{seed}"][:] != 0).sum())


def _copy_all(
    file: netCDF4.Dataset,
    parts: Sequence[tuple[Unit, Path]],
    seed: int,
    tiles: list[str],
    codes: np.ndarray,
) -> None:
    """Append the parts in the order of tiles and strips, a few thousand samples at a time."""
    place = 0
    for unit, path in parts:
        with netCDF4.Dataset(path) as part:
            for piece in samples_file.pieces(part.dimensions["sample"].size):
                place += _copy(file, part, piece, seed, tiles.index(str(unit.tile)), codes, place)


def _copy(
    file: netCDF4.Dataset,
    part: netCDF4.Dataset,
    piece: slice,
    seed: int,
    tile: int,
    codes: np.ndarray,
    place: int,
) -> int:
    """Copy the samples of a seed from a piece of a part; give their number."""
    sets = np.asarray(part[f"set_{seed}"][piece])
    kept = sets != 0
    number = int(kept.sum())
    if not number:
        return 0
    goal = slice(place, place + number)
    polygons = np.asarray(part[f"polygon_{seed}"][piece])[kept]
    file["features"][goal] = np.asarray(part["features"][piece])[kept]
    file["polygon"][goal] = polygons
    file["label"][goal] = codes[polygons]
    file["set"][goal] = sets[kept]
    file["tile"][goal] = np.full(number, tile, np.uint16)
    for axis in ("x", "y"):
        file[axis][goal] = np.asarray(part[axis][piece])[kept]
    return number


STEP = Step(
    name="merge_samples",
    group="sampling",
    title="join the samples of all strips",
    run=merge,
    settings=Settings,
    per=("seed",),
    inputs=(SAMPLES_PART, POLYGONS),
    outputs=(SAMPLES,),
    resource="mergeSample",
)
