"""Step 10a: the strips of a tile become maps of the tile, window by window."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio

from .artifacts import (
    CONFIDENCE_STRIP,
    CONFIDENCE_TILE,
    LABEL_STRIP,
    LABEL_TILE,
    PROBABILITY_STRIP,
    PROBABILITY_TILE,
    TILE_INDEX,
)
from .contract import Artifact, Job, Step, Unit
from .files import rasters, store
from .tiles import grid
from .tiles.tile import TileIndex

PAIRS = {
    LABEL_TILE: LABEL_STRIP,
    CONFIDENCE_TILE: CONFIDENCE_STRIP,
    PROBABILITY_TILE: PROBABILITY_STRIP,
}


class Settings(grid.StripSettings):
    """Keys that the step uses."""


def join(job: Job) -> None:
    """Write the maps of a tile, of every fold, seed and kind."""
    index = TileIndex.load(job.input(TILE_INDEX))
    strips = grid.strips(index.grid.height, job.settings.number_of_chunks)
    for file in job.outputs:
        parts = strip_paths(job, PAIRS[file.artifact], file.unit)
        with store.writing(job.root / file.path) as path:
            _write(path, index.grid, strips, parts)


def strip_paths(job: Job, artifact: Artifact, wanted: Unit) -> list[Path]:
    """Give the files of the strips of a tile, a fold and a seed, from north to south."""
    return [path for unit, path in job.every(artifact).items() if unit.agrees(wanted)]


def _write(path: Path, gbox: grid.GeoBox, strips: list[tuple[int, int]], parts: list[Path]) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context(rasterio.open(part)) for part in parts]
        first = files[0]
        output = stack.enter_context(
            rasters.create(path, gbox, first.dtypes[0], first.count, nodata=first.nodata)
        )
        for rows, cols in rasters.windows((gbox.height, gbox.width)):
            pieces = [
                file.read(window=rasters.window_of(local, cols))
                for file, local in _pieces(files, strips, rows)
            ]
            output.write(np.concatenate(pieces, axis=1), window=rasters.window_of(rows, cols))


def _pieces(
    files: list[rasterio.DatasetReader], strips: list[tuple[int, int]], rows: slice
) -> list[tuple[rasterio.DatasetReader, slice]]:
    """Give the strips that meet `rows`, each with its own rows."""
    met = []
    for file, (start, stop) in zip(files, strips, strict=True):
        top, bottom = max(start, rows.start), min(stop, rows.stop)
        if top < bottom:
            met.append((file, slice(top - start, bottom - start)))
    return met


STEP = Step(
    name="tile_maps",
    group="mosaic",
    title="join the strips of a tile",
    run=join,
    settings=Settings,
    per=("tile",),
    inputs=(TILE_INDEX, LABEL_STRIP, CONFIDENCE_STRIP),
    outputs=(LABEL_TILE, CONFIDENCE_TILE),
    resource="mergeClassifications",
    unmoved_by={LABEL_TILE: (PROBABILITY_STRIP,), CONFIDENCE_TILE: (PROBABILITY_STRIP,)},
)
