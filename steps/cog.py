"""Cloud Optimized GeoTIFF: how the final maps are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from pydantic import Field

from . import grid, rasters, store
from .contract import Settings

Fill = Callable[[rasterio.io.DatasetWriter], None]


class CogSettings(Settings):
    """The key of the final rasters."""

    compression_algorithm: Literal["ZSTD", "DEFLATE", "LZW", "NONE"] = Field(
        "ZSTD", description="Compression of the final rasters."
    )


@dataclass(frozen=True)
class Look:
    """What a final raster states beside its pixels."""

    dtype: str
    nodata: int | None
    overviews: Literal["mode", "nearest"]
    """How overviews are made: labels are never averaged."""
    descriptions: tuple[str, ...] = ("",)
    """One a band."""
    palette: Mapping[int, tuple[int, int, int]] | None = None
    """Color of each value."""


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
        try:
            with rasters.create(
                plain, gbox, look.dtype, len(look.descriptions), nodata=look.nodata
            ) as raster:
                fill(raster)
                for band, text in enumerate(look.descriptions, 1):
                    raster.set_band_description(band, text)
                if look.palette is not None:
                    raster.write_colormap(1, {v: (*c, 255) for v, c in look.palette.items()})
            rasterio.shutil.copy(
                plain,
                target,
                driver="COG",
                COMPRESS=compression,
                OVERVIEW_RESAMPLING=look.overviews.upper(),
                BIGTIFF="IF_SAFER",
                BLOCKSIZE=512,
            )
        finally:
            plain.unlink(missing_ok=True)


def mosaic(gbox: GeoBox, parts: Sequence[tuple[GeoBox, Path]], nodata: int) -> Fill:
    """Give a function that fills a raster with disjoint parts, window by window.

    Parameters
    ----------
    gbox : GeoBox
        Grid of the mosaic.
    parts : sequence of (GeoBox, Path)
        Rasters on the same lattice; where one is `nodata`, another one may have the pixel.
    nodata : int
        Value of pixels that no part has.
    """

    def fill(raster: rasterio.io.DatasetWriter) -> None:
        with ExitStack() as stack:
            files = [(box, stack.enter_context(rasterio.open(path))) for box, path in parts]
            for rows, cols in rasters.windows((gbox.height, gbox.width)):
                window = grid.crop(gbox, rows, cols)
                shape = (raster.count, window.height, window.width)
                cube = np.full(shape, nodata, raster.dtypes[0])
                for place, values in _met(window, files):
                    target = cube[:, *place]
                    np.copyto(target, values, where=values != nodata)
                raster.write(cube, window=rasters.window_of(rows, cols))

    return fill


def _met(
    window: GeoBox, files: Sequence[tuple[GeoBox, rasterio.DatasetReader]]
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Yield the place in `window` and the values of each file that meets it."""
    for box, file in files:
        if met := grid.shared(window, box):
            place, there = met
            yield place, file.read(window=rasters.window_of(*there))


def write_categories(path: Path, names: Mapping[int, str]) -> None:
    """Write the class names as GDAL's sidecar of a raster (`<map>.tif.aux.xml`)."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for value in range(max(names) + 1):
        ElementTree.SubElement(categories, "Category").text = names.get(value, "")
    ElementTree.indent(root)
    store.write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
