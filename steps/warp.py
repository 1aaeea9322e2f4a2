"""How the pixels of a native grid reach a window of the lattice: one step, exact coordinates.

Bands are cubic (GDAL's kernel), masks nearest; on a lattice coarser than the native grid
bands are area means and a cell is flagged when any mask pixel in it is. A :class:`Route`
is planned once for a window and a native grid, and serves all dates and bands on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from . import grid
from .kernels import resample

COARSER = 1.0 + 1e-6
"""Ratio of pixel sizes above which the lattice counts as coarser than the source."""


@dataclass(frozen=True)
class Route:
    """The planned way from one native grid to one window of the lattice."""

    plan: resample.Plan
    factor: int
    """Sub-samples a side of an output cell; 1 for interpolation, 0 for exact area means."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the source raster that are needed."""
        (row0, row1), (col0, col1) = self.plan.window
        return slice(row0, row1), slice(col0, col1)

    def band(self, source: np.ndarray, nodata: int, out: np.ndarray) -> None:
        """Bring a band's pixels to the window.

        Parameters
        ----------
        source : ndarray of int16, shape of ``window``
        nodata : int
            Value of missing pixels; they are masked before anything is computed.
        out : ndarray of int16, (y, x)
        """
        if self.factor == 1:
            resample.cubic(source, self.plan, nodata, out)
        else:
            resample.mean(source, self.plan, nodata, out)

    def flagged(self, source: np.ndarray) -> np.ndarray:
        """Bring a mask's pixels to the window: bool (y, x), True outside of the mask too."""
        if self.factor == 1:
            return resample.nearest(source, self.plan, 1) != 0
        return resample.any_flagged(source, self.plan)


def route(window: GeoBox, source: GeoBox) -> Route:
    """Plan the way from `source` to `window`."""
    ratio = max(
        window.resolution.x / source.resolution.x, window.resolution.y / source.resolution.y
    )
    shape = (source.height, source.width)
    if ratio <= COARSER:
        y, x = grid.centres(window)
        rows, cols = grid.source_coordinates(y, x, window.crs, source)
        return Route(resample.plan(rows, cols, shape), 1)
    if window.crs == source.crs:
        rows, cols = grid.source_coordinates(*grid.edges(window), window.crs, source)
        return Route(resample.area_plan(rows, cols, shape), 0)
    factor = 2 * math.ceil(ratio)
    y, x = _sub_centres(window, factor)
    rows, cols = grid.source_coordinates(y, x, window.crs, source)
    return Route(resample.sub_plan(rows, cols, shape, factor), factor)


def _sub_centres(window: GeoBox, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Give y and x of the centres of `factor` × `factor` equal parts of each pixel."""
    row0, col0 = grid.origin(window)
    rows = row0 + (np.arange(window.height * factor) + 0.5) / factor
    cols = col0 + (np.arange(window.width * factor) + 0.5) / factor
    return rows * window.transform.e, cols * window.transform.a
