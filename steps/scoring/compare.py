"""Compare a map with any reference, vector or raster, window by window.

Only a window of the map is in memory at one time, and the shapes of the reference. Pixels are
counted as OTB's ComputeConfusionMatrix does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError

from ...errors import InputError
from ..files import rasters
from ..tiles import grid
from . import compare_vector
from .compare_table import Table
from .compare_vector import Asked

PIXELS = 1 << 22
"""Pixels of a window at most."""
SHIFT = 1e-3
"""Share of a pixel by which two equal grids may differ."""


class Reference(Protocol):
    """What the pixels are known to be."""

    def labels(self, window: GeoBox) -> NDArray[np.int64] | None:
        """Give the label of each pixel of a window, (y, x), 0 for none; None for no label."""


@dataclass(frozen=True)
class RasterReference:
    """A raster of labels on the map's grid."""

    raster: rasterio.DatasetReader

    def labels(self, window: GeoBox) -> NDArray[np.int64] | None:
        """Read the labels of a window; 0 and the raster's own nodata value are none."""
        col, row = ~self.raster.transform * (window.transform.c, window.transform.f)
        rows = slice(round(row), round(row) + window.height)
        cols = slice(round(col), round(col) + window.width)
        labels = rasters.read(self.raster, rows, cols).astype(np.int64)
        if self.raster.nodata is not None:
            labels[labels == self.raster.nodata] = 0
        return labels


def with_vector(map_path: Path, asked: Asked) -> Table:
    """Compare a map with the shapes of vector files, in any CRS.

    Raises
    ------
    InputError
        The map is no raster of one band of integers with a CRS, a vector cannot be used
        (`compare_vector.read`), or no pixel of the map lies in a shape with a code.
    """
    with _labels_of(map_path) as raster:
        if raster.crs is None:
            raise InputError(f"{map_path} states no CRS: give it one (gdal_edit.py -a_srs)")
        reference = compare_vector.read(asked, raster.crs)
        table = _count(raster, reference)
        if not table.pixels:
            names = ", ".join(map(str, asked.files))
            raise InputError(
                f"no pixel of {map_path} lies in a shape of {names} with a code other than 0: the "
                f"map covers {_shown(raster.bounds)}, the shapes {_shown(reference.bounds())} "
                f"(left, bottom, right, top in {raster.crs.to_string()}); "
                "name the reference of this area"
            )
        return table


def with_raster(map_path: Path, reference_path: Path) -> Table:
    """Compare a map with a raster of labels on the same grid.

    Raises
    ------
    InputError
        Map or reference is no raster of one band of integers, their grids differ, or the
        reference has no label other than 0.
    """
    with _labels_of(map_path) as raster, _labels_of(reference_path) as reference:
        _refuse_other_grid(raster, reference)
        table = _count(raster, RasterReference(reference))
    if not table.pixels:
        raise InputError(f"{reference_path} holds no label other than 0 and its nodata value")
    return table


def _labels_of(path: Path) -> rasterio.DatasetReader:
    """Open a raster of labels."""
    if not path.exists():
        raise InputError(f"there is no raster {path}")
    try:
        raster = rasterio.open(path)
    except RasterioIOError as error:
        raise InputError(f"{path} does not open as a raster: {error}") from error
    if raster.count != 1:
        raster.close()
        raise InputError(
            f"{path} has {raster.count} bands, a map of labels has one: name the map, such as "
            "final/Classif_Seed_0.tif, or take a band out (gdal_translate -b 1)"
        )
    if not np.issubdtype(np.dtype(raster.dtypes[0]), np.integer):
        raster.close()
        raise InputError(f"{path} holds {raster.dtypes[0]} values, labels are integers")
    return raster


def _refuse_other_grid(raster: rasterio.DatasetReader, other: rasterio.DatasetReader) -> None:
    one, two = raster.transform, other.transform
    reach = max(raster.shape)
    corners = [~one * (two * corner) for corner in ((0, 0), (reach, 0), (0, reach))]
    wanted = np.array([(0, 0), (reach, 0), (0, reach)])
    near = bool(np.abs(np.array(corners) - wanted).max() < SHIFT)
    if near and raster.shape == other.shape and raster.crs == other.crs:
        return
    box, (width, height) = raster.bounds, raster.res
    crs = raster.crs.to_string() if raster.crs else "-"
    raise InputError(
        f"{other.name} lies on another grid than {raster.name}; put it on the map's: "
        f"gdalwarp -r near -t_srs {crs} -te {box.left:.16g} {box.bottom:.16g} {box.right:.16g} "
        f"{box.top:.16g} -tr {width:.16g} {height:.16g} {other.name} reference.tif"
    )


def _count(raster: rasterio.DatasetReader, reference: Reference) -> Table:
    outside = {0} if raster.nodata is None else {0, int(raster.nodata)}
    total = Table({}, frozenset(outside))
    for rows, cols in _windows(raster):
        labels = reference.labels(_window_box(raster, rows, cols))
        if labels is None or not (known := labels != 0).any():
            continue
        said = rasters.read(raster, rows, cols)
        total += Table.of(labels[known], said[known], outside)
    return total


def _windows(raster: rasterio.DatasetReader) -> Iterator[tuple[slice, slice]]:
    """Walk over a raster by squares, or by whole rows where it is stored in rows."""
    if raster.block_shapes[0][1] < raster.width:
        yield from rasters.windows(raster.shape)
        return
    step = max(PIXELS // raster.width, 1)
    for row in range(0, raster.height, step):
        yield slice(row, min(row + step, raster.height)), slice(0, raster.width)


def _window_box(raster: rasterio.DatasetReader, rows: slice, cols: slice) -> GeoBox:
    """Give the grid of a window; a map need not lie on i2lc's lattice."""
    shape = (rows.stop - rows.start, cols.stop - cols.start)
    transform = raster.transform * Affine.translation(cols.start, rows.start)
    return GeoBox(shape, transform, grid.geobox_of(raster).crs)


def _shown(bounds: tuple[float, float, float, float]) -> str:
    return " ".join(f"{value:.7g}" for value in bounds)
