"""Step 8b: the features of a strip of a tile become a raster, a band a feature."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import rasterio

from .artifacts import DATE_GRID, ENVELOPE, FEATURES_STRIP, TILE_INDEX
from .contract import Job, Step, Unit
from .files import rasters, store
from .maps import features_product
from .maps.features_product import MapSettings, Product
from .pixels import PixelReader
from .series import blocks
from .tiles import grid
from .tiles.layout import INVALID, NOT_ACQUIRED, Layout
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)

COPIES = {"int16": 3, "float32": 6}
"""Times that the features of a block are held as they are written."""
NEAR = 1e-6
"""Share of a float32 `no_data_value` within which values count as it. GDAL, which compares with a
tolerance, takes those within 5e-7 for no value, up to 7 steps of float32.
"""


class Settings(MapSettings, grid.StripSettings):
    """Keys that the step uses."""


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide the raster."""
    return settings.decisive()


def compute(job: Job) -> None:
    """Write the features of the pixels that the tile owns, block by block."""
    settings: Settings = job.settings
    product = settings.product
    index = TileIndex.load(job.input(TILE_INDEX))
    cuts = grid.strips(index.grid.height, settings.number_of_chunks)
    start, stop = cuts[int(job.unit.strip or 0)]
    strip = grid.crop(index.grid, slice(start, stop), slice(0, index.grid.width))
    reader = PixelReader.open(job, index, features_product.dates(job), Layout.of(settings))
    count = reader.axes.features
    extra = count * np.dtype(product.dtype).itemsize * COPIES[product.dtype]
    block = reader.block(job.ram, extra)
    with (
        reader,
        rasterio.open(job.input(ENVELOPE)) as envelope,
        store.writing(job.output(FEATURES_STRIP)) as path,
        rasters.create(
            *(path, strip, product.dtype, count),
            nodata=product.nodata,
            predictor=3 if product.dtype == "float32" else 2,
            **rasters.storage(block, strip.width),
        ) as raster,
    ):
        for rows, cols in blocks.blocks((strip.height, strip.width), block):
            inside = slice(rows.start + start, rows.stop + start)
            owned = rasters.read(envelope, inside, cols) == 1
            cube = np.full((count, *owned.shape), product.nodata, product.dtype)
            if owned.any():
                cube[:, owned] = values(reader, grid.crop(strip, rows, cols), owned, product)
            raster.write(cube, window=rasters.window_of(rows, cols))
        log.info("%s", reader.counted)


def values(
    reader: PixelReader, window: grid.GeoBox, where: np.ndarray, product: Product
) -> np.ndarray:
    """Compute the features of n pixels of a window as the map has them.

    Parameters
    ----------
    reader : PixelReader
    window : GeoBox
        Part of the tile's grid.
    where : ndarray of bool, (y, x)
        The n pixels, at least one.
    product : Product

    Returns
    -------
    ndarray of the product's type, (feature, n)
        Date by date all bands, then the statics. A value that happens to be that of no value, or
        too near for GDAL to tell them apart, is moved beside it.
    """
    if product.dtype == "float32":
        found = reader.physical(window, where)
        absent = np.isnan(found)
    else:
        pixels = reader.read(window, where)
        found = np.concatenate([pixels.series.reshape(-1, len(pixels.seen)), pixels.statics])
        absent = (found == INVALID) | (found == NOT_ACQUIRED) | ~pixels.seen
    nodata = found.dtype.type(product.nodata)
    np.copyto(found, beside(nodata), where=_taken_for(found, nodata) & ~absent)
    np.copyto(found, nodata, where=absent)
    return found


def beside(nodata: Any) -> Any:
    """Give the value beside `nodata`, a numpy scalar, towards 0, or above 0.

    Of whole numbers it is the next one; of floats one that GDAL, too, takes for a value (for a
    `nodata` beyond 1.7e38, half of the largest, it takes none of those around for one).
    """
    if isinstance(nodata, np.floating):
        moved = nodata.dtype.type(float(nodata) * (1 - NEAR))
        same = moved == nodata  # 0, and numbers with few bits left
        return np.nextafter(nodata, nodata.dtype.type(0 if nodata else 1)) if same else moved
    return nodata + nodata.dtype.type(1 if nodata <= 0 else -1)


def _taken_for(found: np.ndarray, nodata: Any) -> np.ndarray:
    """Tell which values are `nodata`, or floats so near that GDAL takes them for it."""
    if found.dtype.kind != "f":
        return np.equal(found, nodata)
    with np.errstate(over="ignore"):  # from one end of float32 to the other
        away = found - nodata
    np.abs(away, out=away)
    return away < abs(nodata - beside(nodata))


STEP = Step(
    name="features_map",
    group="sampling",
    title="compute the features of strips",
    run=compute,
    settings=Settings,
    per=("tile", "strip"),
    inputs=(TILE_INDEX, ENVELOPE, DATE_GRID),
    outputs=(FEATURES_STRIP,),
    resource="vectorSampler",
    uses=used,
)
"""With external features it reads EXTERNAL and the copies of their files too."""
