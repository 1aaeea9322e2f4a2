"""Step 3: to which tile each pixel belongs, and the dates that all tiles share.

In an overlap the first tile, from north to south, then from west to east, that has a valid
view of the pixel owns it; a pixel that no tile ever saw goes to the first tile whose grid
holds it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from .artifacts import DATE_GRID, ENVELOPE, TILE_INDEX, VIEWS
from .contract import Job, Step, Unit
from .files import rasters, store
from .tiles import grid
from .tiles.layout import DateSettings, date_grid, save_dates
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)


class Settings(DateSettings):
    """Keys that the step uses."""


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide the dates; auto_date only checks the others."""
    return settings.model_dump(mode="json", exclude={"auto_date"})


@dataclass(frozen=True)
class Neighbour:
    """A tile with its open raster of valid views."""

    index: TileIndex
    views: rasterio.DatasetReader


def draw(job: Job) -> None:
    """Write the envelope of each tile and the dates of the features."""
    indexes = [TileIndex.load(path) for path in job.every(TILE_INDEX).values()]
    with ExitStack() as stack:
        ranked = [
            Neighbour(index, stack.enter_context(rasterio.open(job.input(VIEWS, tile=index.tile))))
            for index in by_priority(indexes)
        ]
        for rank, tile in enumerate(ranked):
            with store.writing(job.output(ENVELOPE, tile=tile.index.tile)) as path:
                owned = _write_envelope(path, tile, ranked[:rank], ranked[rank + 1 :])
            log.info("%s owns %d pixels", tile.index.tile, owned)
    days = [product.day for index in indexes for product in index.products]
    save_dates(job.output(DATE_GRID), date_grid(days, job.settings))


def by_priority(indexes: Sequence[TileIndex]) -> list[TileIndex]:
    """Order tiles from north to south, then from west to east.

    Tiles whose upper edges lie within half a tile's height of each other are one row: in another
    CRS than their own the tops of one row of tiles differ by kilometres.
    """
    rows: list[list[TileIndex]] = []
    for index in sorted(indexes, key=lambda index: (-index.grid.boundingbox.top, index.tile)):
        box = index.grid.boundingbox
        first = rows[-1][0].grid.boundingbox if rows else None
        if first is None or box.top < first.top - (first.top - first.bottom) / 2:
            rows.append([])
        rows[-1].append(index)
    return [
        index
        for row in rows
        for index in sorted(row, key=lambda index: (index.grid.boundingbox.left, index.tile))
    ]


def _write_envelope(
    path: Path, tile: Neighbour, before: Sequence[Neighbour], after: Sequence[Neighbour]
) -> int:
    """Write 1 where the tile owns the pixel; give the number of these pixels."""
    total = 0
    gbox = tile.index.grid
    with rasters.create(path, gbox, "uint8") as raster:
        for rows, cols in rasters.windows((gbox.height, gbox.width)):
            window = grid.crop(gbox, rows, cols)
            seen = rasters.read(tile.views, rows, cols) > 0
            owned = owns(
                seen,
                [_seen(window, other) for other in before],
                [_seen(window, other) for other in after],
            )
            raster.write(owned.astype(np.uint8), 1, window=rasters.window_of(rows, cols))
            total += int(owned.sum())
    return total


def owns(seen: np.ndarray, before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> np.ndarray:
    """Decide which pixels of a window a tile owns.

    Parameters
    ----------
    seen : ndarray of bool, (y, x)
        Where the tile has a valid view.
    before, after : sequence of ndarray of int8, (y, x)
        Tiles of higher and of lower priority: -1 outside of their grid, 0 never seen, 1 seen.
    """
    first = np.ones(seen.shape, bool)
    nobody = ~seen
    for other in before:
        first &= np.where(seen, other < 1, other < 0)
        nobody &= other < 1
    for other in after:
        nobody &= other < 1
    return first & (seen | nobody)


def _seen(window: GeoBox, other: Neighbour) -> np.ndarray:
    """Give -1, 0 or 1 for each pixel of `window`: outside of the other tile, never seen, seen."""
    state = np.full(window.shape, -1, np.int8)
    if met := grid.shared(window, other.index.grid):
        place, there = met
        state[place] = rasters.read(other.views, *there) > 0
    return state


STEP = Step(
    name="envelopes",
    group="sampling",
    title="give each pixel to one tile; dates of the features",
    run=draw,
    settings=Settings,
    per=(),
    inputs=(TILE_INDEX, VIEWS),
    outputs=(ENVELOPE, DATE_GRID),
    resource="envelope",
    uses=used,
    unmoved_by={
        ENVELOPE: (
            "temporal_resolution",
            "start_date",
            "end_date",
            "features_from_raw_dates",
        ),
        DATE_GRID: (VIEWS,),
    },
)
