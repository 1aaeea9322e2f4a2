"""Which polygon has which pixel: a walk down a tile, band of rows by band of rows.

A pixel belongs to a polygon by its centre. A pixel that polygons of two classes claim is
used by none of them; the same holds, later, for a pixel claimed by both sides of a split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from . import rasters
from .ground_truth import Footprint, footprint

ROWS = rasters.TILE
"""Rows of a band."""


@dataclass(frozen=True)
class Band:
    """Claims on some rows of a tile."""

    rows: slice
    claims: tuple[tuple[int, tuple[slice, slice], np.ndarray], ...]
    """Polygon number, place within the band, pixels of the polygon there."""
    usable: np.ndarray
    """bool (rows, columns): owned by the tile, seen often enough, claimed by one class."""
    lost_to_classes: int
    """Owned pixels that polygons of two classes claim."""
    lost_to_clouds: int
    """Owned and claimed pixels with too few valid views."""


def walk(
    frame: gpd.GeoDataFrame,
    codes: Sequence[int],
    gbox: GeoBox,
    envelope: rasterio.DatasetReader,
    views: rasterio.DatasetReader,
    least_views: int,
) -> Iterator[Band]:
    """Walk down a tile.

    Parts of a multi-polygon are taken one by one: together they may span the whole area.

    Parameters
    ----------
    frame : GeoDataFrame
        Polygons in the CRS of the lattice; polygon number k is row k - 1.
    codes : sequence of int
        Class code of each polygon.
    gbox : GeoBox
        Grid of the tile.
    envelope, views : rasterio dataset
        Ownership and number of valid views of the tile.
    least_views : int
        Valid views that a usable pixel needs.
    """
    parts = frame.geometry.reset_index(drop=True).explode()
    owners = parts.index.to_numpy()
    first, behind = _row_ranges(parts, gbox)
    active: dict[int, Footprint] = {}
    for start in range(0, gbox.height, ROWS):
        rows, cols = slice(start, min(start + ROWS, gbox.height)), slice(0, gbox.width)
        for part in np.flatnonzero((first < rows.stop) & (behind > rows.start)).tolist():
            if part not in active:
                active[part] = footprint(parts.iloc[part], gbox)
        claims = [
            (int(owners[part]) + 1, *active[part].within(rows, cols)) for part in sorted(active)
        ]
        claims = [claim for claim in claims if claim[2].any()]
        owned = rasters.read(envelope, rows, cols) == 1
        seen = rasters.read(views, rows, cols) >= least_views
        yield _band(rows, claims, codes, owned, seen)
        active = {k: shape for k, shape in active.items() if shape.rows.stop > rows.stop}


def _row_ranges(parts: gpd.GeoSeries, gbox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Give first row and row behind the last of each part; none for those beside the tile."""
    bounds = parts.bounds
    transform = gbox.transform
    first = np.floor((bounds["maxy"].to_numpy() - transform.f) / transform.e).astype(int)
    behind = np.floor((bounds["miny"].to_numpy() - transform.f) / transform.e).astype(int) + 1
    box = gbox.boundingbox
    beside = (bounds["maxx"] < box.left) | (bounds["minx"] > box.right)
    behind[beside.to_numpy()] = -1
    return first, behind


def _band(
    rows: slice,
    claims: list[tuple[int, tuple[slice, slice], np.ndarray]],
    codes: Sequence[int],
    owned: np.ndarray,
    seen: np.ndarray,
) -> Band:
    label = np.zeros(owned.shape, np.int64)
    contested = np.zeros(owned.shape, bool)
    for number, place, mask in claims:
        code = codes[number - 1]
        contested[place] |= mask & (label[place] != 0) & (label[place] != code)
        label[place][mask] = code
    claimed = owned & (label != 0)
    return Band(
        rows=rows,
        claims=tuple(claims),
        usable=claimed & seen & ~contested,
        lost_to_classes=int((claimed & contested).sum()),
        lost_to_clouds=int((claimed & ~contested & ~seen).sum()),
    )


def pixels_of(band: Band, polygons: int) -> np.ndarray:
    """Count the usable pixels that each polygon claims in a band, (polygons,)."""
    counts = np.zeros(polygons, np.int64)
    for number, place, mask in band.claims:
        counts[number - 1] += int((mask & band.usable[place]).sum())
    return counts


def take_sides(
    band: Band, sides: Sequence[np.ndarray], apart: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, int]:
    """Give each usable pixel to its polygon, side by side.

    Parameters
    ----------
    band : Band
    sides : sequence of ndarray of bool, (polygons,)
        Polygons of each side.
    apart : sequence of pairs
        Sides (by position) that may not share a pixel.

    Returns
    -------
    numbers : ndarray of uint32, (side, rows, columns)
        Polygon numbers, 0 for none. Where polygons of one class and side overlap, the first one
        has the pixel.
    lost : int
        Pixels that two sides claim which may not share one; they are taken from all sides.
    """
    numbers = np.zeros((len(sides), *band.usable.shape), np.uint32)
    for number, place, mask in band.claims:
        free = mask & band.usable[place]
        for side, member in enumerate(sides):
            if member[number - 1]:
                target = numbers[side][place]
                target[free & (target == 0)] = number
    contested = np.zeros(band.usable.shape, bool)
    for one, other in apart:
        contested |= (numbers[one] != 0) & (numbers[other] != 0)
    numbers[:, contested] = 0
    return numbers, int(contested.sum())
