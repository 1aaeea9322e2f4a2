"""Which polygon has which pixel: a walk down a tile, band of rows by band of rows.

A pixel belongs to a polygon by its centre. A pixel that polygons of two classes claim is
used by none of them; the same holds, later, for a pixel claimed by two sides of a split. A
polygon that takes no part in a split claims nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from ..files import rasters
from .ground_truth import Footprint, footprint

ROWS = rasters.TILE
"""Rows of a band."""


@dataclass(frozen=True)
class Band:
    """Claims on some rows of a tile."""

    rows: slice
    claims: tuple[tuple[int, tuple[slice, slice], np.ndarray], ...]
    """Polygon number, place within the band, pixels of the polygon there."""
    codes: Sequence[int]
    """Class code of each polygon."""
    owned: np.ndarray
    """bool (rows, columns): owned by the tile."""
    seen: np.ndarray
    """bool (rows, columns): with enough valid views."""

    def free(self, member: np.ndarray) -> np.ndarray:
        """Give the pixels that a polygon may use: owned, seen, not claimed by two classes.

        Parameters
        ----------
        member : ndarray of bool, (polygons,)
            Polygons that count; the claims of others are void.

        Returns
        -------
        ndarray of bool, (rows, columns)
        """
        usable = self.owned & self.seen
        return usable & ~self._claimed(member)[1] if self._disputed else usable

    def losses(self, member: np.ndarray) -> tuple[int, int]:
        """Count the owned pixels that are lost to a claim of two classes, and to few views."""
        claimed, contested = self._claimed(member)
        by_classes = self.owned & contested
        by_clouds = self.owned & claimed & ~contested & ~self.seen
        return int(by_classes.sum()), int(by_clouds.sum())

    @cached_property
    def _disputed(self) -> bool:
        return bool(self._claimed(np.ones(len(self.codes), bool))[1].any())

    def _claimed(self, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the pixels that members claim, and those that members of two classes claim."""
        label = np.zeros(self.owned.shape, np.int64)
        contested = np.zeros(self.owned.shape, bool)
        for number, place, mask in self.claims:
            if member[number - 1]:
                code = self.codes[number - 1]
                contested[place] |= mask & (label[place] != 0) & (label[place] != code)
                label[place][mask] = code
        return label != 0, contested


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
        yield Band(rows, tuple(claims), codes, owned, seen)
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


def pixels_of(band: Band, member: np.ndarray) -> np.ndarray:
    """Count the pixels of a band that each of some polygons may use, (polygons,)."""
    counts = np.zeros(len(member), np.int64)
    free = band.free(member)
    for number, place, mask in band.claims:
        if member[number - 1]:
            counts[number - 1] += int((mask & free[place]).sum())
    return counts


def take_sides(
    band: Band,
    usable: np.ndarray,
    sides: Sequence[np.ndarray],
    apart: Sequence[tuple[int, int]],
) -> tuple[np.ndarray, int]:
    """Give each usable pixel to its polygon, side by side.

    Parameters
    ----------
    band : Band
    usable : ndarray of bool, (rows, columns)
        Pixels that may be used: `Band.free` of the polygons that take part.
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
    numbers = np.zeros((len(sides), *usable.shape), np.uint32)
    for number, place, mask in band.claims:
        free = mask & usable[place]
        for side, member in enumerate(sides):
            if member[number - 1]:
                target = numbers[side][place]
                target[free & (target == 0)] = number
    contested = np.zeros(usable.shape, bool)
    for one, other in apart:
        contested |= (numbers[one] != 0) & (numbers[other] != 0)
    numbers[:, contested] = 0
    return numbers, int(contested.sum())
