"""Step 2: what a tile has: dates, files, grid, and the number of valid views of each pixel."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from .artifacts import INPUT_REPORT, TILE_INDEX, VIEWS
from .contract import Job, Step, Unit
from .files import rasters, store
from .sensors.sentinel2 import SENTINEL2
from .series import blocks, features
from .tiles import grid
from .tiles.layout import Layout, ViewSettings
from .tiles.tile import TileIndex, index_tile, other_grids

log = logging.getLogger(__name__)


class Settings(ViewSettings):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:
    """Give the band and mask files of the tile."""
    folder = settings.s2_path / str(unit.tile)
    for product in SENTINEL2.scan(folder, str(unit.tile)).products:
        yield from product.bands.values()
        yield from product.masks.values()


def index(job: Job) -> None:
    """Write the tile's record and its number of valid views."""
    settings: Settings = job.settings
    tile = str(job.unit.tile)
    record = index_tile(settings.s2_path / tile, tile, SENTINEL2, settings)
    if problems := list(other_grids(record, SENTINEL2)):
        raise InputError("; ".join(problems))
    log.info("%s: %d products, grid %s", tile, len(record.products), record.grid.shape)
    with store.writing(job.output(VIEWS)) as path:
        _write_views(path, record, Layout.of(settings), job)
    record.save(job.output(TILE_INDEX))


def _write_views(path: Path, record: TileIndex, layout: Layout, job: Job) -> None:
    shape = (record.grid.height, record.grid.width)
    block = blocks.block_shape(record, layout, 0, job.ram)
    with (
        features.FeatureReader(record, layout, job.cpus) as reader,
        rasters.create(path, record.grid, "uint16", **rasters.RowWriter.STORED) as raster,
    ):
        output = rasters.RowWriter(raster)
        for rows, cols in blocks.blocks(shape, block):
            views = reader.views(grid.crop(record.grid, rows, cols))
            output.write(views, rows, cols)


STEP = Step(
    name="tile_index",
    group="init",
    title="index the products of a tile and count its valid views",
    run=index,
    settings=Settings,
    per=("tile",),
    inputs=(),
    after=(INPUT_REPORT,),
    outputs=(TILE_INDEX, VIEWS),
    resource="get_pixValidity",
    sources=sources,
)
