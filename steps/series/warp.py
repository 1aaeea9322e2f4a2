"""How the pixels of a native grid reach a window of the lattice: one step, exact coordinates.

Bands are cubic (GDAL's kernel), masks nearest; on a lattice coarser than the native grid
bands are area means and a cell is flagged when any mask pixel in it is. A :class:`Route`
is planned once for a window and a native grid, and serves all dates and bands on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from odc.geo import CRS
from odc.geo.geobox import GeoBox

from ..kernels import coarsen, cubic, nearest, planning, plans
from ..tiles import grid

COARSER = 1.0 + 1e-6
"""Ratio of pixel sizes above which the lattice counts as coarser than the source."""


@dataclass(frozen=True)
class Interpolation:
    """The planned way to a window as fine as the source."""

    plan: plans.Plan

    def band(self, source: np.ndarray, nodata: int, out: np.ndarray) -> None:
        """Bring a band's pixels to the window by cubic interpolation."""
        cubic.cubic(source, self.plan, nodata, out)

    def flagged(self, source: np.ndarray) -> np.ndarray:
        """Bring a mask's pixels to the window by nearest neighbour."""
        return nearest.nearest(source, self.plan, 1) != 0


@dataclass(frozen=True)
class Averaging:
    """The planned way to a coarser window."""

    plan: plans.Area | plans.Scattered
    factor: int
    """Sub-samples a side of an output pixel; 1 for exact areas."""

    def band(self, source: np.ndarray, nodata: int, out: np.ndarray) -> None:
        """Bring a band's pixels to the window by area means of what is not nodata."""
        out[...] = coarsen.mean(source, self.plan, nodata, self.factor)

    def flagged(self, source: np.ndarray) -> np.ndarray:
        """Flag each pixel of the window in which any mask pixel is flagged."""
        return coarsen.flagged(source, self.plan, outside=True, factor=self.factor)


@dataclass(frozen=True)
class Route:
    """The planned way from one native grid to one window of the lattice.

    ``way.band(source, nodata, out)`` brings the pixels of a band, int16 (y, x), to `out`;
    nodata is masked before anything is computed. ``way.flagged(source)`` gives bool (y, x),
    True outside of the mask's raster too.
    """

    way: Interpolation | Averaging

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the source raster that are needed."""
        (row0, row1), (col0, col1) = self.way.plan.window
        return slice(row0, row1), slice(col0, col1)


def routes(window: GeoBox, sources: Iterable[GeoBox]) -> dict[GeoBox, Route]:
    """Plan the ways from all native grids of a tile to `window`."""
    centres = _Centres(window)
    return {source: _route(window, source, centres) for source in set(sources)}


class _Centres:
    """Pixel centres of a window in any CRS; the costly, exact transformation is made once."""

    def __init__(self, window: GeoBox) -> None:
        self.window = window
        self.known: dict[CRS | None, tuple[np.ndarray, np.ndarray]] = {}

    def within(self, source: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Give the continuous pixel coordinates in a source raster."""
        if source.crs not in self.known:
            y, x = grid.centres(self.window)
            self.known[source.crs] = grid.projected(y, x, self.window.crs, source.crs)
        return grid.pixel_coordinates(*self.known[source.crs], source)


def _route(window: GeoBox, source: GeoBox, centres: _Centres) -> Route:
    """Plan the way from one native grid."""
    ratio = max(
        window.resolution.x / source.resolution.x, window.resolution.y / source.resolution.y
    )
    shape = (source.height, source.width)
    if ratio <= COARSER:
        return Route(Interpolation(planning.plan(*centres.within(source), shape)))
    if window.crs == source.crs:
        rows, cols = grid.source_coordinates(*grid.edges(window), window.crs, source)
        return Route(Averaging(planning.area_plan(rows, cols, shape), 1))
    factor = sub_samples(ratio)
    y, x = _sub_centres(window, factor)
    rows, cols = grid.source_coordinates(y, x, window.crs, source)
    plan = planning.plan(rows, cols, shape)
    assert isinstance(plan, plans.Scattered)
    return Route(Averaging(plan, factor))


def sub_samples(ratio: float) -> int:
    """Give the sub-samples a side of an output pixel `ratio` times as large as the source's."""
    return 2 * math.ceil(ratio)


def _sub_centres(window: GeoBox, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Give y and x of the centres of `factor` × `factor` equal parts of each pixel."""
    row0, col0 = grid.origin(window)
    rows = row0 + (np.arange(window.height * factor) + 0.5) / factor
    cols = col0 + (np.arange(window.width * factor) + 0.5) / factor
    return rows * window.transform.e, cols * window.transform.a
