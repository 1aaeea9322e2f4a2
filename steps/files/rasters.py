"""Rasters of the chain: one way to create them, one way to walk through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

TILE = 256
"""Side of the storage tiles of whole-tile rasters, in pixels."""
PROBABILITY_NODATA = 65535
"""Value of a pixel without probabilities; 0 is a probability."""


def create(
    path: Path, gbox: GeoBox, dtype: str, count: int = 1, **options: Any
) -> rasterio.DatasetWriter:
    """Open a GeoTIFF for writing.

    Parameters
    ----------
    path : Path
        File to write.
    gbox : GeoBox
        Grid.
    dtype : str
        Type of the pixels.
    count : int
        Number of bands.
    **options
        Creation options that replace the defaults (tiles of 256 pixels, ZSTD).
    """
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": gbox.height,
        "width": gbox.width,
        "count": count,
        "dtype": dtype,
        "crs": gbox.crs.to_wkt() if gbox.crs else None,
        "transform": gbox.transform,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "band",
        "compress": "ZSTD",
        "zstd_level": 1,
        "bigtiff": "IF_SAFER",
    }
    profile.update(options)
    given = {key: value for key, value in profile.items() if value is not None}
    return rasterio.open(path, "w", **given)


def storage(block: tuple[int, int], width: int) -> dict[str, Any]:
    """Give the creation options with which each block is one storage block, written once.

    For intermediate rasters of many bands, of which a row is large; others take `RowWriter`.

    Parameters
    ----------
    block : tuple of int
        Rows and columns of the blocks in which the raster is written.
    width : int
        Columns of the raster; a block of all columns is a TIFF strip.
    """
    if block[1] >= width:
        return {"tiled": False, "blockysize": block[0], "blockxsize": None}
    return {"blockysize": block[0], "blockxsize": block[1]}


class RowWriter:
    """Writes a raster of one band from blocks of any size, always in the same bytes.

    The size of blocks follows the memory of the task, the file must not: it is stored row by
    row, and the blocks of a band of rows are collected and written at once.
    """

    STORED: ClassVar[dict[str, Any]] = {"tiled": False, "blockysize": 1, "blockxsize": None}
    """Creation options of the raster."""

    def __init__(self, raster: rasterio.DatasetWriter) -> None:
        self._raster = raster
        self._rows = np.empty((0, raster.width), raster.dtypes[0])

    def write(self, block: np.ndarray, rows: slice, cols: slice) -> None:
        """Write a block, (y, x); blocks come row-major and cover the raster."""
        width = self._raster.width
        if cols.start == 0:
            self._rows = np.empty((rows.stop - rows.start, width), self._raster.dtypes[0])
        self._rows[:, cols] = block
        if cols.stop == width:
            self._raster.write(self._rows, 1, window=window_of(rows, slice(0, width)))


def windows(shape: tuple[int, int], side: int = 2 * TILE) -> Iterator[tuple[slice, slice]]:
    """Walk over a grid in storage order, so that each storage tile is written once."""
    for row in range(0, shape[0], side):
        for col in range(0, shape[1], side):
            yield (
                slice(row, min(row + side, shape[0])),
                slice(col, min(col + side, shape[1])),
            )


def window_of(rows: slice, cols: slice) -> Window:
    """Turn slices into rasterio's window."""
    return Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)


def read(raster: rasterio.DatasetReader, rows: slice, cols: slice, band: int = 1) -> np.ndarray:
    """Read a window of a band, (y, x)."""
    return raster.read(band, window=window_of(rows, cols))
