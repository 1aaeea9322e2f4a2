"""Step 6: the features of the selected pixels of a strip, of all seeds and folds at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import rasterio

from .artifacts import DATE_GRID, REFERENCE, SAMPLES_PART, SELECTION, TILE_INDEX
from .contract import Job, Step
from .files import rasters, store
from .pixels import PixelReader, Pixels
from .sampling import samples_file
from .series import blocks
from .tiles import grid
from .tiles.layout import CubeSettings, Layout, load_dates
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)


class Settings(CubeSettings, grid.StripSettings):
    """Keys that the step uses."""


@dataclass(frozen=True)
class Strip:
    """A strip of a tile with the marks and polygon numbers of all splits (seeds, folds)."""

    index: TileIndex
    rows: slice
    splits: Sequence[str]
    """Names of the splits, as in the columns of the file."""
    marks: Sequence[rasterio.DatasetReader]
    numbers: Sequence[rasterio.DatasetReader]

    def marked(self, rows: slice, cols: slice) -> np.ndarray:
        """Read the marks of a window, (split, y, x)."""
        return np.stack([rasters.read(raster, rows, cols) for raster in self.marks])

    def selected(self, rows: slice, cols: slice) -> np.ndarray:
        """Tell which pixels of a window any split selects, bool (y, x); one raster at a time."""
        found = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
        for raster in self.marks:
            found |= rasters.read(raster, rows, cols) != 0
        return found

    def numbered(self, rows: slice, cols: slice) -> np.ndarray:
        """Read the learning polygons' numbers of a window, (split, y, x)."""
        return np.stack([rasters.read(raster, rows, cols, 1) for raster in self.numbers])


def extract(job: Job) -> None:
    """Write the features of the pixels of a strip that any split selects, each once."""
    settings: Settings = job.settings
    index = TileIndex.load(job.input(TILE_INDEX))
    dates = load_dates(job.input(DATE_GRID))
    start, stop = grid.strips(index.grid.height, settings.number_of_chunks)[
        int(job.unit.strip or 0)
    ]
    with ExitStack() as stack:
        strip = Strip(
            index,
            slice(start, stop),
            [samples_file.split_name(unit) for unit in job.every(SELECTION)],
            [stack.enter_context(rasterio.open(p)) for p in job.every(SELECTION).values()],
            [stack.enter_context(rasterio.open(p)) for p in job.every(REFERENCE).values()],
        )
        reader = PixelReader.open(job, index, dates, Layout.of(settings))
        with store.writing(job.output(SAMPLES_PART)) as path:
            count = _write_part(path, strip, reader, job.ram)
    log.info("%s strip %s: %d pixels", job.unit.tile, job.unit.strip, count)


def _write_part(path: Path, strip: Strip, reader: PixelReader, ram: int) -> int:
    """Write the part of one strip; give its number of samples."""
    ranks = _row_starts(strip)
    count = int(ranks[-1])
    columns = {
        "x": samples_file.COLUMNS["x"],
        "y": samples_file.COLUMNS["y"],
        **{f"set_{name}": ("u1", "set in this split, 0 for none") for name in strip.splits},
        **{f"polygon_{name}": ("u4", "polygon in this split") for name in strip.splits},
    }
    with samples_file.create(path, reader.axes, count, columns) as file:
        if count:
            _write_blocks(file, strip, reader, ram, ranks)
    return count


def _row_starts(strip: Strip) -> np.ndarray:
    """Give the number of the first sample of each row of the strip, and behind it their count."""
    width = strip.index.grid.width
    counts = [np.zeros(1, int)]
    for row in range(strip.rows.start, strip.rows.stop, rasters.TILE):
        rows = slice(row, min(row + rasters.TILE, strip.rows.stop))
        counts.append(strip.selected(rows, slice(0, width)).sum(axis=1))
    return np.cumsum(np.concatenate(counts))


def _write_blocks(
    file: netCDF4.Dataset, strip: Strip, reader: PixelReader, ram: int, ranks: np.ndarray
) -> None:
    """Write the samples block by block, each at its place in the order (row, column)."""
    gbox = strip.index.grid
    done = ranks[:-1].copy()
    shape = (strip.rows.stop - strip.rows.start, gbox.width)
    with reader:
        for local, cols in blocks.blocks(shape, reader.block(ram)):
            rows = slice(local.start + strip.rows.start, local.stop + strip.rows.start)
            marks = strip.marked(rows, cols)
            where = (marks != 0).any(axis=0)
            if not where.any():
                continue
            window = grid.crop(gbox, rows, cols)
            found = reader.read(window, where)
            # a pixel that was seen on other days only is in no set: it can teach nothing
            sets = marks[:, where] * found.seen
            values = {
                **_features(found),
                **_coordinates(window, where),
                **_per_split("set", strip.splits, sets),
                **_per_split("polygon", strip.splits, strip.numbered(rows, cols)[:, where]),
            }
            per_row = where.sum(axis=1)
            places = _places(done[local], per_row)
            for name, column in values.items():
                _scatter(file[name], places, column)
            done[local] += per_row
        log.info("%s", reader.counted)


def _features(found: Pixels) -> dict[str, np.ndarray]:
    """Give the variables of the features, samples first."""
    series = {"features": np.ascontiguousarray(found.series.transpose(2, 0, 1))}
    if not len(found.statics):
        return series
    return {**series, samples_file.STATICS: np.ascontiguousarray(found.statics.T)}


def _coordinates(window: grid.GeoBox, where: np.ndarray) -> dict[str, np.ndarray]:
    y, x = grid.centres(window)
    rows, cols = np.nonzero(where)
    return {"x": x[cols], "y": y[rows]}


def _per_split(name: str, splits: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{name}_{split}": row for split, row in zip(splits, values, strict=True)}


def _places(starts: np.ndarray, counts: np.ndarray) -> list[tuple[int, int]]:
    """Give (first sample, number) of the runs of a block's rows, adjacent runs joined."""
    runs: list[tuple[int, int]] = []
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        if runs and sum(runs[-1]) == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + count)
        elif count:
            runs.append((start, count))
    return runs


def _scatter(variable: netCDF4.Variable, places: list[tuple[int, int]], values: np.ndarray) -> None:
    taken = 0
    for start, count in places:
        variable[start : start + count] = values[taken : taken + count]
        taken += count


STEP = Step(
    name="samples",
    group="sampling",
    title="extract the features of the selected pixels",
    run=extract,
    settings=Settings,
    per=("tile", "sampled_strip"),
    inputs=(TILE_INDEX, DATE_GRID, SELECTION, REFERENCE),
    outputs=(SAMPLES_PART,),
    resource="vectorSampler",
)
