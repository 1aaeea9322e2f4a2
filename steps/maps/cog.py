"""Cloud Optimized GeoTIFF: how the final maps are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from pydantic import Field
from rasterio.enums import Resampling

from ..contract import Settings
from ..files import rasters, store
from ..tiles import grid
from .parts import Parts, budget, walk

Fill = Callable[[rasterio.io.DatasetWriter], None]
BLOCK = 512
"""Side of the storage blocks, in pixels."""
LEAST_BLOCK = 64
MOST_BLOCK_BYTES = 16 * 1024**2
"""All bands of a storage block lie together: with many bands its side is halved, down to the
least, until they take no more than this."""
RAM = 2 * 1024**3
"""Memory of a task that does not say how much it has, in bytes."""


class CogSettings(Settings):
    """The key of the final rasters."""

    compression_algorithm: Literal["ZSTD", "DEFLATE", "LZW", "NONE"] = Field(
        "ZSTD", description="Compression of the final rasters."
    )


@dataclass(frozen=True)
class Look:
    """What a final raster states beside its pixels."""

    dtype: str
    nodata: float | None
    overviews: Literal["mode", "nearest", "average"]
    """How overviews are made: labels are never averaged."""
    descriptions: tuple[str, ...] = ("",)
    """One a band."""
    palette: Mapping[int, tuple[int, int, int]] | None = None
    """Color of each value."""
    scales: tuple[float, ...] = ()
    """What one stored unit of each band is worth; empty where values are what they say."""
    predictor: bool = False
    """Neighbours are subtracted before they are compressed: for values that change slowly."""


def write(path: Path, gbox: GeoBox, look: Look, compression: str, fill: Fill) -> None:
    """Write a Cloud Optimized GeoTIFF, whole or absent.

    Parameters
    ----------
    path : Path
        Product.
    gbox : GeoBox
        Grid.
    look : Look
    compression : str
        GDAL's name of the compression.
    fill : callable
        Writes the pixels into an open raster, window by window.
    """
    with store.writing(path) as target:
        plain = target.with_name(target.name + ".plain.tif")
        bands = len(look.descriptions)
        side = block_side(bands, look.dtype)
        tile = min(side, rasters.TILE)  # a block of all bands is read from whole tiles
        try:
            with rasters.create(
                *(plain, gbox, look.dtype, bands),
                nodata=look.nodata,
                blockxsize=tile,
                blockysize=tile,
            ) as raster:
                fill(raster)
                _describe(raster, look)
            rasterio.shutil.copy(
                plain,
                target,
                driver="COG",
                OVERVIEWS="AUTO" if _add_overviews(plain, look) else "NONE",
                BIGTIFF="IF_SAFER",
                BLOCKSIZE=side,
                **_compression(compression, look),
            )
        finally:
            plain.unlink(missing_ok=True)


def _describe(raster: rasterio.io.DatasetWriter, look: Look) -> None:
    """Write what a raster states beside its pixels."""
    for band, text in enumerate(look.descriptions, 1):
        raster.set_band_description(band, text)
    if look.scales:
        raster.scales = look.scales
    if look.palette is not None:
        raster.write_colormap(1, {v: (*c, 255) for v, c in look.palette.items()})


def _compression(name: str, look: Look) -> dict[str, Any]:
    """Give GDAL's options of a compression; differences are nearly as small at the fast level."""
    if not look.predictor or name == "NONE":
        return {"COMPRESS": name}
    return {"COMPRESS": name, "PREDICTOR": "YES", **({} if name == "LZW" else {"LEVEL": 1})}


def _add_overviews(plain: Path, look: Look) -> bool:
    """Add overviews, down to one storage block of BLOCK pixels, which the final raster takes over.

    False where the raster is so small that it needs none.

    GDAL's own way to make them takes time that grows with the square of the number of bands.
    """
    with rasterio.open(plain, "r+") as raster:
        factors = [1]
        while max(raster.shape) > BLOCK * factors[-1]:
            factors.append(2 * factors[-1])
        if factors[1:]:
            raster.build_overviews(factors[1:], Resampling[look.overviews])
        return len(factors) > 1


def block_side(bands: int, dtype: str) -> int:
    """Choose the rows and columns of a storage block."""
    side = BLOCK
    while side > LEAST_BLOCK and bands * side**2 * np.dtype(dtype).itemsize > MOST_BLOCK_BYTES:
        side //= 2
    return side


def mosaic(
    gbox: GeoBox, parts: Sequence[tuple[GeoBox, Path]], nodata: float, ram: int = RAM
) -> Fill:
    """Give a function that fills a raster with disjoint parts, window by window.

    Parameters
    ----------
    gbox : GeoBox
        Grid of the mosaic.
    parts : sequence of (GeoBox, Path)
        Rasters on the same lattice; where one is `nodata`, another one may have the pixel.
    nodata : float
        Value of pixels that no part has.
    ram : int
        Memory of the task, in bytes.
    """

    def fill(raster: rasterio.io.DatasetWriter) -> None:
        dtype = raster.dtypes[0]
        shape, pixel = (gbox.height, gbox.width), np.dtype(dtype).itemsize
        bands = [[band] for band in raster.indexes]
        with Parts(parts, nodata) as whole:
            for rows, cols, some in walk(shape, bands, pixel, 2 * rasters.TILE, budget(ram)):
                numbers = [band for group in some for band in group]
                window = grid.crop(gbox, rows, cols)
                raster.write(
                    whole.read(window, numbers, dtype),  # unnamed: gone before the next is read
                    numbers,
                    window=rasters.window_of(rows, cols),
                )

    return fill


def write_categories(path: Path, names: Mapping[int, str]) -> None:
    """Write the class names as GDAL's sidecar of a raster (`<map>.tif.aux.xml`)."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for value in range(max(names) + 1):
        ElementTree.SubElement(categories, "Category").text = names.get(value, "")
    ElementTree.indent(root)
    store.write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
