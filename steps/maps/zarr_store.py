"""The features map as a Zarr store that xarray opens with date, band and map coordinates.

Format 2, since format 3 has no type for the names of bands yet: with it, readers warn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numcodecs import Blosc
from odc.geo.geobox import GeoBox

from ..files import store, zarr_writes
from ..sampling.samples_file import Axes
from ..tiles import grid
from . import parts

CHUNK = 256
"""Rows and columns of a chunk."""
MOST_CHUNK_BYTES = 16 * 1024**2
"""A chunk holds all dates of a band, as far as they fit into this: series and maps of a band both
take few files then."""
EPOCH = date(1970, 1, 1)
CODECS: dict[str, Blosc | None] = {
    "ZSTD": Blosc("zstd", clevel=3, shuffle=Blosc.SHUFFLE),
    "DEFLATE": Blosc("zlib", clevel=6, shuffle=Blosc.SHUFFLE),
    "NONE": None,
}
"""Compressions that Zarr has, by GDAL's names."""

Read = Callable[[GeoBox, Sequence[int]], np.ndarray]
"""Gives bands, counted from 1, of a window: (band, y, x)."""
Put = Callable[[Sequence[int], np.ndarray, slice, slice], None]
"""Writes some bands (band, y, x) at rows and columns: whole chunks."""


@dataclass(frozen=True)
class Content:
    """What a store holds."""

    gbox: GeoBox
    axes: Axes
    """Dates, bands and statics of the features."""
    dtype: Literal["float32", "int16"]
    nodata: float

    @property
    def scaled(self) -> bool:
        """Values are stored values: `scale` tells how many of them are one unit."""
        return self.dtype == "int16"

    @property
    def series(self) -> tuple[int, int]:
        """Dates and bands."""
        return len(self.axes.dates), len(self.axes.bands)


def write(folder: Path, content: Content, compression: str, read: Read, ram: int) -> None:
    """Write a store, whole or absent.

    Parameters
    ----------
    folder : Path
        The store; an earlier one is replaced.
    content : Content
    compression : str
        One of CODECS.
    read : callable
        Gives the features, date by date all bands, then the statics.
    ram : int
        Memory of the task, in bytes.
    """
    with store.writing_folder(folder) as place, zarr_writes.settled(place) as target:
        root = zarr.create_group(target, zarr_format=2, overwrite=True)
        root.attrs.update({"Conventions": "CF-1.8", "title": "features map"})
        _write_coordinates(root, content)
        if content.axes.bands:
            _write_series(root, content, compression, read, parts.budget(ram))
        if content.axes.statics:
            _write_statics(root, content, compression, read, parts.budget(ram))
        zarr.consolidate_metadata(target, zarr_format=2)


def _write_series(
    root: zarr.Group, content: Content, compression: str, read: Read, most: int
) -> None:
    """Write `features`, all dates of a chunk of some bands at a time."""
    dates, bands = content.series
    deep = chunk_dates(dates, content.dtype)
    names = ("date", "band", "y", "x")
    array = _grid_array(root, "features", names, (dates, bands), (deep, 1), content, compression)
    groups = [
        [1 + day * bands + band for day in range(first, min(first + deep, dates))]
        for first in range(0, dates, deep)
        for band in range(bands)
    ]

    def put(group: Sequence[int], values: np.ndarray, rows: slice, cols: slice) -> None:
        day, band = divmod(group[0] - 1, bands)
        array[day : day + len(group), band, rows, cols] = values

    _fill(content, groups, read, put, most)


def _write_statics(
    root: zarr.Group, content: Content, compression: str, read: Read, most: int
) -> None:
    """Write `statics`, some labels at a time."""
    count = len(content.axes.statics)
    first = 1 + content.series[0] * content.series[1]
    names = ("label", "y", "x")
    array = _grid_array(root, "statics", names, (count,), (1,), content, compression)

    def put(group: Sequence[int], values: np.ndarray, rows: slice, cols: slice) -> None:
        array[group[0] - first, rows, cols] = values[0]

    _fill(content, [[first + place] for place in range(count)], read, put, most)


def _fill(
    content: Content, groups: Sequence[Sequence[int]], read: Read, put: Put, most: int
) -> None:
    """Read all bands of the groups, window by window, and put down each group."""
    shape, pixel = (content.gbox.height, content.gbox.width), np.dtype(content.dtype).itemsize
    for rows, cols, some in parts.walk(shape, groups, pixel, CHUNK, most):
        numbers = [band for group in some for band in group]
        values = read(grid.crop(content.gbox, rows, cols), numbers)
        for group in some:
            put(group, values[: len(group)], rows, cols)
            values = values[len(group) :]
        del values  # before the next ones are read


def chunk_dates(dates: int, dtype: str) -> int:
    """Give the dates of a chunk: all, or parts of nearly equal length that fit."""
    most = MOST_CHUNK_BYTES // (CHUNK**2 * np.dtype(dtype).itemsize)
    return -(-dates // -(-dates // most))


def _grid_array(
    root: zarr.Group,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    content: Content,
    compression: str,
) -> zarr.Array:
    """Make an array over the grid; what has no value holds `nodata`, which xarray shows as NaN."""
    beside = "spatial_ref"
    if content.scaled:
        beside += f" {'static_' if name == 'statics' else ''}scale"
    height, width = content.gbox.shape
    return root.create_array(
        name,
        shape=(*shape, height, width),
        chunks=(*chunks, min(CHUNK, height), min(CHUNK, width)),
        dtype=content.dtype,
        fill_value=np.dtype(content.dtype).type(content.nodata),
        compressors=CODECS[compression],
        attributes={
            "_ARRAY_DIMENSIONS": list(dims),
            "grid_mapping": "spatial_ref",
            "coordinates": beside,
        },
        config={"write_empty_chunks": True},  # a chunk that is missing was never written
    )


def _write_coordinates(root: zarr.Group, content: Content) -> None:
    """Write the dates, names, scales, map coordinates and the CRS."""
    axes, gbox = content.axes, content.gbox
    days = np.array([(day - EPOCH).days for day in axes.dates], np.int64)
    calendar = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"}
    _coordinate(root, "date", "date", days, calendar)
    y, x = grid.centres(gbox)
    for name, values in (("y", y), ("x", x)):
        facts = {"standard_name": f"projection_{name}_coordinate", "units": "m"}
        _coordinate(root, name, name, values, facts)
    _coordinate(root, "spatial_ref", None, np.array(0, np.int64), _crs(gbox))
    for dim, names, scale, scales in (
        ("band", axes.bands, "scale", axes.scales),
        ("label", axes.statics, "static_scale", axes.static_scales),
    ):
        if names:
            _coordinate(root, dim, dim, np.array(names, np.str_))
        if names and content.scaled:
            about = {"long_name": "stored value of one unit"}
            _coordinate(root, scale, dim, np.array(scales, np.float64), about)


def _coordinate(
    root: zarr.Group,
    name: str,
    dim: str | None,
    values: np.ndarray,
    facts: dict[str, Any] | None = None,
) -> None:
    array = root.create_array(
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype=values.dtype,
        fill_value=None,
        compressors=None,
        attributes={"_ARRAY_DIMENSIONS": [dim] if dim else [], **(facts or {})},
        config={"write_empty_chunks": True},
    )
    array[...] = values


def _crs(gbox: GeoBox) -> dict[str, Any]:
    """Give the CRS as CF's grid mapping, and GDAL's transform, as rioxarray reads them."""
    crs = gbox.crs
    assert crs is not None
    corner = gbox.transform.to_gdal()
    return {
        **crs.proj.to_cf(),
        "spatial_ref": crs.to_wkt(),
        "GeoTransform": " ".join(map(str, corner)),
    }
