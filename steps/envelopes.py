"""Step 3: to which tile each pixel belongs, and the dates that all tiles share.

In an overlap the first tile, from north to south, then from west to east, that has a valid
view of the pixel owns it; a pixel that no tile ever saw goes to the first tile whose grid
holds it. Where functions of the user's look at neighbours (`padding`), a tile that saw all of
them comes before one that saw the pixel alone: else its edge would be a seam in the map.
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
from scipy.ndimage import minimum_filter

from .artifacts import DATE_GRID, ENVELOPE, TILE_INDEX, VIEWS
from .contract import Job, Step, Unit
from .external.settings import ExternalSettings
from .files import rasters, store
from .tiles import grid
from .tiles.layout import DateSettings, date_grid, save_dates
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)


OUTSIDE, NEVER, SEEN, AMID = -1, 0, 1, 2
"""What a tile knows of a pixel: its grid does not hold it, it has no valid view of it, it has one,
it has one of all neighbours too."""


class Settings(DateSettings, ExternalSettings):
    """Keys that the step uses."""


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide owners and dates; auto_date only checks the others."""
    unseen = {"auto_date", *ExternalSettings.model_fields}
    plain = settings.model_dump(mode="json", exclude=unseen)
    return {**plain, "padding": list(settings.padding)}


@dataclass(frozen=True)
class Neighbour:
    """A tile with its open raster of valid views."""

    index: TileIndex
    views: rasterio.DatasetReader
    padding: tuple[int, int]
    """Rows and columns around a pixel that are its neighbours."""


def draw(job: Job) -> None:
    """Write the envelope of each tile and the dates of the features."""
    indexes = [TileIndex.load(path) for path in job.every(TILE_INDEX).values()]
    with ExitStack() as stack:
        ranked = []
        for index in by_priority(indexes):
            views = stack.enter_context(rasterio.open(job.input(VIEWS, tile=index.tile)))
            ranked.append(Neighbour(index, views, job.settings.padding))
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
            owned = owns(
                known(window, tile),
                [known(window, other) for other in before],
                [known(window, other) for other in after],
            )
            raster.write(owned.astype(np.uint8), 1, window=rasters.window_of(rows, cols))
            total += int(owned.sum())
    return total


def owns(
    known: np.ndarray, before: Sequence[np.ndarray], after: Sequence[np.ndarray]
) -> np.ndarray:
    """Decide which pixels of a window a tile owns: those of which no other tile knows more.

    Parameters
    ----------
    known : ndarray of int8, (y, x)
        What the tile knows of its pixels: NEVER, SEEN or AMID.
    before, after : sequence of ndarray of int8, (y, x)
        The same of tiles of higher and of lower priority, also OUTSIDE.

    Returns
    -------
    ndarray of bool, (y, x)
    """
    owned = np.ones(known.shape, bool)
    for other in before:
        owned &= known > other
    for other in after:
        owned &= known >= other
    return owned


def known(window: GeoBox, tile: Neighbour) -> np.ndarray:
    """Tell what a tile knows of each pixel of a window, int8 (y, x): OUTSIDE to AMID.

    Without padding no pixel is AMID. Beyond the grid of the tile there are no neighbours.
    """
    state = np.full(window.shape, OUTSIDE, np.int8)
    if met := grid.shared(window, tile.index.grid):
        place, there = met
        wide, inner = grid.grown(there, tile.padding, tile.index.grid.shape.yx)
        seen = (rasters.read(tile.views, *wide) > 0).astype(np.int8)
        if any(tile.padding):
            size = [2 * more + 1 for more in tile.padding]
            seen += minimum_filter(seen, size=size, mode="constant", cval=0)
        state[place] = seen[inner]
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
        DATE_GRID: (VIEWS, "padding"),
    },
)
