"""Space: the lattice of all outputs, the grid of a tile on it, strips, and source coordinates.

The lattice is fixed by ``proj`` and ``spatial_resolution``: pixel edges are multiples of the
resolution. Every grid is an odc-geo ``GeoBox`` on it, and every coordinate is computed from
the absolute number of a lattice row or column, so that no value depends on a cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import rasterio
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox, geobox_union_conservative
from pydantic import AfterValidator, Field, field_validator
from pyproj import Transformer
from pyproj.exceptions import CRSError

from ..contract import Settings

SNAP = 1e-6
"""Share of a pixel under which an edge counts as lying on the lattice."""
FOOTPRINT_POINTS = 101
"""Points along each edge of a footprint when its envelope in another CRS is sought."""


def _known_crs(text: str) -> str:
    if not text.upper().startswith("EPSG:"):
        raise ValueError("a CRS is written as EPSG:<code>, such as EPSG:2154")
    try:
        crs = CRS(text)
    except (CRSError, ValueError) as error:
        raise ValueError(f"{text} is not a known CRS") from error
    if not crs.projected:
        raise ValueError(f"{text} is not a projected CRS: i2lc needs metres")
    if any(axis.unit_conversion_factor != 1 for axis in crs.proj.axis_info[:2]):
        raise ValueError(f"{text} is not in metres: choose a CRS that is")
    return text.upper()


class LatticeSettings(Settings):
    """Keys that fix the lattice."""

    proj: Annotated[str, AfterValidator(_known_crs)] = Field(
        "EPSG:2154", description="CRS of all outputs, `EPSG:<code>`, projected, in metres."
    )
    spatial_resolution: float | tuple[float, float] | tuple[()] = Field(
        (),
        description="Size of an output pixel in metres, one number or [x, y]; native (10) by "
        "default. Coarser than native is an area mean; finer is refused.",
    )

    @field_validator("spatial_resolution", mode="before")
    @classmethod
    def _one_or_two_sizes(cls, value: object) -> object:
        sizes = value if isinstance(value, list | tuple) else (value,)
        numbers = all(type(size) in (int, float) and size > 0 for size in sizes)
        if not numbers or len(sizes) > 2:
            raise ValueError("give metres above 0, one number or [x, y]")
        return sizes[0] if len(sizes) == 1 else value

    @property
    def resolution(self) -> tuple[float, float] | None:
        """Pixel size (x, y) in metres, None for native."""
        size = self.spatial_resolution
        if isinstance(size, tuple):
            return (float(size[0]), float(size[1])) if size else None
        return (float(size), float(size))


class StripSettings(Settings):
    """The key that cuts a tile into strips."""

    number_of_chunks: int = Field(
        50, ge=1, description="Strips a tile is cut into: units of tasks, not of memory."
    )


def geobox_of(raster: rasterio.DatasetReader) -> GeoBox:
    """Give the grid of an open raster."""
    return GeoBox(raster.shape, raster.transform, raster.crs)


def lattice_geobox(native: GeoBox, proj: str, resolution: tuple[float, float] | None) -> GeoBox:
    """Give the grid of a tile: its footprint in `proj`, snapped outward to the lattice.

    Parameters
    ----------
    native : GeoBox
        Grid of the tile's finest band.
    proj : str
        CRS of the lattice.
    resolution : tuple of float or None
        Pixel size (x, y) in units of `proj`; None takes the native one.
    """
    size_x, size_y = resolution or (native.resolution.x, abs(native.resolution.y))
    left, bottom, right, top = _footprint(native, CRS(proj))
    col0, col1 = _snap_down(left / size_x), -_snap_down(-right / size_x)
    row0, row1 = _snap_down(-top / size_y), -_snap_down(bottom / size_y)
    transform = Affine(size_x, 0, col0 * size_x, 0, -size_y, -row0 * size_y)
    return GeoBox((row1 - row0, col1 - col0), transform, CRS(proj))


def _snap_down(value: float) -> int:
    nearest = round(value)
    return nearest if abs(value - nearest) < SNAP else math.floor(value)


def _footprint(native: GeoBox, crs: CRS) -> tuple[float, float, float, float]:
    """Give left, bottom, right, top of the envelope of `native` in `crs`."""
    box = native.boundingbox
    if native.crs == crs:
        return box.left, box.bottom, box.right, box.top
    transformer = Transformer.from_crs(native.crs, crs, always_xy=True)
    return transformer.transform_bounds(*box.bbox, densify_pts=FOOTPRINT_POINTS)


def strips(height: int, chunks: int) -> list[tuple[int, int]]:
    """Cut `height` rows into at most `chunks` strips of nearly equal height.

    Returns
    -------
    list of (first row, row behind the last)
    """
    edges = np.linspace(0, height, min(chunks, height) + 1).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def origin(gbox: GeoBox) -> tuple[int, int]:
    """Give the absolute lattice (row, column) of the upper left pixel."""
    transform = gbox.transform
    return round(transform.f / transform.e), round(transform.c / transform.a)


def offset(inner: GeoBox, outer: GeoBox) -> tuple[int, int]:
    """Give (row, column) of the upper left pixel of `inner` within `outer`."""
    (row, col), (row0, col0) = origin(inner), origin(outer)
    return row - row0, col - col0


def overlap(a: GeoBox, b: GeoBox) -> tuple[slice, slice] | None:
    """Give the (rows, columns) of `a` that `b` covers too, or None."""
    row, col = offset(b, a)
    rows = slice(max(row, 0), min(row + b.height, a.height))
    cols = slice(max(col, 0), min(col + b.width, a.width))
    return (rows, cols) if rows.start < rows.stop and cols.start < cols.stop else None


def shared(window: GeoBox, box: GeoBox) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Give the (rows, columns) that two grids share, within each of them, or None."""
    place = overlap(window, box)
    if place is None:
        return None
    row, col = offset(window, box)
    return place, (
        slice(place[0].start + row, place[0].stop + row),
        slice(place[1].start + col, place[1].stop + col),
    )


def grown(
    part: Sequence[slice], padding: tuple[int, int], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Grow (rows, columns) of a grid by a padding, as far as the grid goes.

    Parameters
    ----------
    part : sequence of slice
        Rows and columns within the grid.
    padding, shape : tuple of int
        Rows and columns: of neighbours on each side, of the grid.

    Returns
    -------
    wide, inner : (rows, columns)
        What was asked for with its neighbours, and where within it lies what was asked for.
    """
    wide, inner = [], []
    for span, more, size in zip(part, padding, shape, strict=True):
        start = max(span.start - more, 0)
        wide.append(slice(start, min(span.stop + more, size)))
        inner.append(slice(span.start - start, span.stop - start))
    return (wide[0], wide[1]), (inner[0], inner[1])


def crop(gbox: GeoBox, rows: slice, cols: slice) -> GeoBox:
    """Give the part of `gbox` with the given rows and columns."""
    row0, col0 = origin(gbox)
    a, e = gbox.transform.a, gbox.transform.e
    corner = ((col0 + cols.start) * a, (row0 + rows.start) * e)
    shape = (rows.stop - rows.start, cols.stop - cols.start)
    return GeoBox(shape, Affine(a, 0, corner[0], 0, e, corner[1]), gbox.crs)


def union(boxes: Iterable[GeoBox]) -> GeoBox:
    """Give the smallest grid of the lattice that holds all `boxes`."""
    return geobox_union_conservative(list(boxes))


def centres(window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Give the y (rows,) and x (columns,) of the pixel centres of `window`, in its CRS."""
    return edges(window, shift=0.5)


def edges(window: GeoBox, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Give the y and x of the pixel edges of `window` (one more than pixels where shift is 0)."""
    row0, col0 = origin(window)
    extra = 1 if shift == 0 else 0
    rows = row0 + np.arange(window.height + extra) + shift
    cols = col0 + np.arange(window.width + extra) + shift
    return rows * window.transform.e, cols * window.transform.a


def source_coordinates(
    y: np.ndarray, x: np.ndarray, crs: CRS | None, source: GeoBox
) -> tuple[np.ndarray, np.ndarray]:
    """Turn lattice coordinates into continuous pixel coordinates of a source raster.

    Parameters
    ----------
    y, x : ndarray of float, (ny,) and (nx,)
        Coordinates in `crs`.
    crs : CRS
        CRS of the lattice.
    source : GeoBox
        Grid of the source raster.

    Returns
    -------
    rows, cols : ndarray of float
        One-dimensional, (ny,) and (nx,), in the source's own CRS; else both (ny, nx), each
        point transformed on its own, without approximation.
    """
    return pixel_coordinates(*projected(y, x, crs, source.crs), source)


def projected(
    y: np.ndarray, x: np.ndarray, crs: CRS | None, target: CRS | None
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the coordinates (ny,) and (nx,) of a grid into y and x in another CRS, both (ny, nx).

    In the same CRS they stay as they are.
    """
    if target == crs:
        return y, x
    transformer = Transformer.from_crs(crs, target, always_xy=True)
    target_x, target_y = transformer.transform(*np.meshgrid(x, y))
    return target_y, target_x


def pixel_coordinates(
    y: np.ndarray, x: np.ndarray, source: GeoBox
) -> tuple[np.ndarray, np.ndarray]:
    """Turn coordinates in the CRS of a raster into its continuous pixel coordinates."""
    inverse = ~source.transform
    return y * inverse.e + inverse.f, x * inverse.a + inverse.c


def to_record(gbox: GeoBox) -> dict[str, Any]:
    """Turn a grid into plain data for JSON."""
    return {
        "crs": _crs_text(gbox.crs),
        "transform": list(gbox.transform)[:6],
        "shape": [gbox.height, gbox.width],
    }


def _crs_text(crs: CRS | None) -> str:
    if crs is None:
        raise ValueError("a grid without CRS")
    return f"EPSG:{crs.epsg}" if crs.epsg else crs.to_wkt()


def from_record(record: Mapping[str, Any]) -> GeoBox:
    """Turn plain data back into a grid."""
    return GeoBox(tuple(record["shape"]), Affine(*record["transform"]), record["crs"])
