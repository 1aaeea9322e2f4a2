"""Step: which region has which pixel of a tile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .artifacts import REGION_MAP, TILE_INDEX
from .contract import Job, Step, Unit
from .files import rasters, store
from .reference import ground_truth, regions
from .tiles import grid
from .tiles.tile import TileIndex


class Settings(grid.LatticeSettings, regions.RegionSettings):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the files of the regions."""
    return () if settings.region_path is None else ground_truth.files_of(settings.region_path)


def draw(job: Job) -> None:
    """Write the number of the region of each pixel, 0 outside of all, band by band of rows."""
    gbox = TileIndex.load(job.input(TILE_INDEX)).grid
    shapes = regions.read(job.settings, job.settings.proj)
    assert shapes is not None
    with (
        store.writing(job.output(REGION_MAP)) as path,
        rasters.create(path, gbox, "uint16", nodata=0) as raster,
    ):
        for start in range(0, gbox.height, regions.BLOCK):
            rows = slice(start, min(start + regions.BLOCK, gbox.height))
            cols = slice(0, gbox.width)
            numbers = regions.burn(shapes, grid.crop(gbox, rows, cols))
            raster.write(numbers, 1, window=rasters.window_of(rows, cols))


STEP = Step(
    name="region_maps",
    group="sampling",
    title="find the region of each pixel",
    run=draw,
    settings=Settings,
    per=("tile",),
    inputs=(TILE_INDEX,),
    outputs=(REGION_MAP,),
    resource="regionShape",
    sources=sources,
)
