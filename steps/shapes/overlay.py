"""Which of several areas holds a polygon; arrays of shapely geometries in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from . import geometry
from .overlaps import Shapes

NOWHERE = -1
"""In the place of a holder: no holder shares area with the shape."""
ROUNDING = 1e-9
"""Share of an area under which two areas are equal."""


def sound(shapes: Shapes) -> Shapes:
    """Give shapes that every operation takes: invalid ones repaired, lost ones empty.

    A shape is lost where its CRS cannot show it: its coordinates are no numbers.
    """
    with np.errstate(invalid="ignore"):
        made = np.array(shapes, object)
        lost = ~np.isfinite(shapely.bounds(made)).all(axis=1)
        made[lost] = shapely.Polygon()
        invalid = ~shapely.is_valid(made)
        made[invalid] = shapely.make_valid(made[invalid], method="structure", keep_collapsed=False)
    return made


def inside(shapes: Shapes, grids: Iterable[GeoBox]) -> NDArray[np.bool_]:
    """Tell which shapes reach into a tile, (shape,)."""
    boxes = [gbox.extent.geom for gbox in grids]
    return np.logical_or.reduce(geometry.meeting_boxes(shapes, boxes), axis=0)


def holder_of(shapes: Shapes, holders: Shapes) -> NDArray[np.intp]:
    """Find the area that holds most of each polygon.

    Parameters
    ----------
    shapes : ndarray of shapely geometries, (shape,)
        Polygons.
    holders : ndarray of shapely geometries, (holder,)
        Areas; they may overlap. Of several that hold as much the first one counts.

    Returns
    -------
    ndarray of int, (shape,)
        Position in `holders`; NOWHERE where none shares area with the shape.
    """
    shapes = sound(shapes)
    held, shape = shapely.STRtree(shapes).query(holders, predicate="intersects")
    area = _shared(shapes[shape], np.asarray(holders, object)[held])
    most = np.zeros(len(shapes))
    np.maximum.at(most, shape, area)
    best = (area > 0) & (area >= most[shape] * (1 - ROUNDING))
    found = np.full(len(shapes), len(holders), np.intp)
    np.minimum.at(found, shape[best], held[best])
    return np.where(found == len(holders), NOWHERE, found)


def _shared(shapes: Shapes, holders: Shapes) -> NDArray[np.float64]:
    """Give the area that each shape shares with its holder; inside it costs no intersection."""
    shapely.prepare(holders)
    area = shapely.area(shapes)
    cut = ~shapely.covers(holders, shapes)
    area[cut] = shapely.area(shapely.intersection(shapes[cut], holders[cut]))
    return area
