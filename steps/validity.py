"""Step 10c: the number of valid views over all tiles, and the table of the classes."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack

import numpy as np
import rasterio

from .artifacts import ENVELOPE, LABEL_TABLE, LABELS, TILE_INDEX, VALIDITY, VIEWS
from .contract import Job, Step
from .files import rasters, store
from .maps import cog
from .reference.labels import Labels
from .tiles import grid
from .tiles.tile import TileIndex


class Settings(cog.CogSettings):
    """Keys that the step uses."""


def assemble(job: Job) -> None:
    """Write PixelsValidity.tif and the table of the classes."""
    indexes = [TileIndex.load(path) for path in job.every(TILE_INDEX).values()]
    gbox = grid.union(index.grid for index in indexes)

    def fill(raster: rasterio.io.DatasetWriter) -> None:
        with ExitStack() as stack:
            tiles = [
                (
                    index.grid,
                    stack.enter_context(rasterio.open(job.input(VIEWS, tile=index.tile))),
                    stack.enter_context(rasterio.open(job.input(ENVELOPE, tile=index.tile))),
                )
                for index in indexes
            ]
            for rows, cols in rasters.windows((gbox.height, gbox.width)):
                window = grid.crop(gbox, rows, cols)
                views = np.zeros((window.height, window.width), np.uint16)
                for box, seen, owner in tiles:
                    _add(views, window, box, seen, owner)
                raster.write(views, 1, window=rasters.window_of(rows, cols))

    look = cog.Look("uint16", None, "nearest", ("number of valid views",))
    cog.write(job.output(VALIDITY), gbox, look, job.settings.compression_algorithm, fill)
    store.write_text(job.output(LABEL_TABLE), table(Labels.load(job.input(LABELS))))


def _add(
    views: np.ndarray,
    window: grid.GeoBox,
    box: grid.GeoBox,
    seen: rasterio.DatasetReader,
    owner: rasterio.DatasetReader,
) -> None:
    """Put the views of the pixels that a tile owns into the window."""
    if met := grid.shared(window, box):
        place, there = met
        owned = rasters.read(owner, *there) == 1
        views[place][owned] = rasters.read(seen, *there)[owned]


def table(classes: Labels) -> str:
    """Give the classes as CSV: name, id, R, G, B."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "id", "R", "G", "B"))
    for label in classes.classes:
        writer.writerow((label.value, label.code, *label.color))
    return text.getvalue()


STEP = Step(
    name="validity",
    group="mosaic",
    title="assemble the number of valid views",
    run=assemble,
    settings=Settings,
    per=(),
    inputs=(TILE_INDEX, VIEWS, ENVELOPE, LABELS),
    outputs=(VALIDITY, LABEL_TABLE),
    resource="classifShaping",
    unmoved_by={LABELS: ("nomenclature_path",)},
)
