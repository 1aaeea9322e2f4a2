"""What is missing inside a product that opens: of a disk that was full for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import netCDF4
import rasterio
from rasterio.enums import Interleaving
from rasterio.windows import Window

READ_AT_ONCE = 2048
"""Columns of a band that are read again at one time, four times its rows."""
VALUES_AT_ONCE = READ_AT_ONCE**2 // 4
"""Values of all bands that are read again at one time, or one storage block."""


def of_raster(path: Path) -> str | None:
    """Say what is missing inside a raster: storage blocks, or pixels that cannot be read."""
    with rasterio.open(path) as raster:
        together = raster.interleaving is Interleaving.pixel
        groups = [list(raster.indexes)] if together else [[band] for band in raster.indexes]
        for bands in groups:
            if gap := _missing_block(raster, bands[0]):
                return gap
            for window in _windows(raster, bands):
                raster.read(bands, window=window)
    return None


def _missing_block(raster: rasterio.DatasetReader, band: int) -> str | None:
    """Name a storage block of a GeoTIFF that was never written; it would read as nodata."""
    height, width = raster.block_shapes[band - 1]
    for row in range(-(-raster.height // height)):
        for col in range(-(-raster.width // width)):
            if not raster.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band):
                return f"storage block {row}, {col} of band {band} is missing"
    return None


def _windows(raster: rasterio.DatasetReader, bands: Sequence[int]) -> Iterator[Window]:
    """Walk over bands of a raster in windows of whole storage blocks."""
    height, width = raster.block_shapes[bands[0] - 1]
    cols = width * max(READ_AT_ONCE // len(bands) // width, 1)
    rows = height * max(VALUES_AT_ONCE // (len(bands) * cols) // height, 1)
    for row in range(0, raster.height, rows):
        for col in range(0, raster.width, cols):
            yield Window(col, row, min(cols, raster.width - col), min(rows, raster.height - row))


def of_netcdf(path: Path) -> str | None:
    """Compare the file's size with the sizes of its plain variables."""
    with netCDF4.Dataset(path) as file:
        least = sum(_plain_bytes(variable) for variable in file.variables.values())
    size = path.stat().st_size
    return f"it has {size} bytes, its variables need {least}" if size < least else None


def _plain_bytes(variable: netCDF4.Variable) -> int:
    if variable.dtype is str or any((variable.filters() or {}).values()):
        return 0
    return int(variable.size) * int(variable.dtype.itemsize)
