"""Polygons made good: valid, of one part, no sliver, no pixel claimed twice.

Ground covered by polygons of two classes belongs to none of them afterwards, ground covered
twice by one class to the largest polygon. What is left has no finding of
:mod:`~i2lc.steps.shapes.geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.errors import GEOSException

from ...errors import TaskError
from . import overlaps
from .overlaps import TOLERANCE, Overlaps, Shapes

CORRECTIONS = {
    "CRS": "brought to the CRS asked for",
    "real codes": "made integers",
    "code": "dropped",
    "unclassed": "dropped",
    "empty": "dropped",
    "no polygon": "dropped, unless it holds polygons",
    "invalid": "repaired, its polygons kept",
    "multi-part": "split, a feature a part",
    "sliver": "dropped",
    "duplicate": "kept once",
    "contradiction": "all dropped",
    "overlap": "common area left to the largest",
    "overlap of classes": "common area cut from both",
}
"""What becomes of a finding; one that stands not here cannot be corrected."""
ROUNDS = 50
"""Times that polygons are cut at most; each round leaves less area, two are the rule."""


@dataclass(frozen=True)
class Pieces:
    """Polygons, each from one feature."""

    shapes: Shapes
    """(piece,)"""
    origins: NDArray[np.intp]
    """Position of the feature that a piece comes from, increasing, (piece,)."""
    classes: NDArray[np.intp]
    """Number of the class, (piece,)."""
    fresh: NDArray[np.bool_]
    """True for a piece that was not yet compared with the others, (piece,)."""

    def take(self, kept: NDArray) -> Pieces:
        """Give some of the pieces; `kept` is a mask or positions."""
        return Pieces(self.shapes[kept], self.origins[kept], self.classes[kept], self.fresh[kept])

    def redrawn(self, shapes: Shapes) -> Pieces:
        """Give the polygons of new shapes; nothing, lines and points are dropped."""
        parts, owners = shapely.get_parts(shapes, return_index=True)
        parts, again = shapely.get_parts(parts, return_index=True)  # a collection holds others
        polygons = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
        polygons &= ~shapely.is_empty(parts)
        places = owners[again][polygons]
        return replace(self.take(places), shapes=parts[polygons])


def correct(
    shapes: Shapes,
    classes: NDArray[np.intp],
    smallest: float,
    tolerance: float = TOLERANCE,
) -> Pieces:
    """Give the polygons that are left of a set of shapes.

    Parameters
    ----------
    shapes : ndarray of shapely geometries, (shape,)
        Of any kind, in a projected CRS.
    classes : ndarray of int, (shape,)
        Number of the class, negative for a shape that is to be dropped.
    smallest : float
        Area below which a polygon is dropped, in square units of the CRS.
    tolerance : float
        Area that two polygons may share, in square units of the CRS.

    Raises
    ------
    TaskError
        When polygons still overlap after many rounds.
    """
    flat = shapely.force_2d(shapes)
    kept = (classes >= 0) & ~_nowhere(flat)
    pieces = Pieces(flat, np.arange(len(flat)), classes, np.ones(len(flat), bool)).take(kept)
    pieces = pieces.redrawn(pieces.shapes)  # parts are burnt one by one: each is repaired alone
    pieces = pieces.redrawn(_valid(pieces.shapes))
    for _ in range(ROUNDS):
        pieces = _tidy(pieces, smallest, tolerance)
        found = overlaps.find(pieces.shapes, tolerance, pieces.fresh)
        if not len(found.pairs):
            return pieces.take(_order(pieces))
        pieces = _cut(pieces, found, tolerance)
    raise TaskError(f"the polygons still overlap after {ROUNDS} rounds of cutting")


def _order(pieces: Pieces) -> NDArray[np.intp]:
    """Order by feature, its pieces from left to right and from below, whatever GEOS does."""
    bounds = shapely.bounds(pieces.shapes)
    return np.lexsort((bounds[:, 1], bounds[:, 0], pieces.origins))


def _nowhere(shapes: Shapes) -> NDArray[np.bool_]:
    """Tell which shapes have a coordinate that is no number, (shape,)."""
    points, owners = shapely.get_coordinates(shapes, return_index=True)
    lost = np.zeros(len(shapes), bool)
    lost[owners[~np.isfinite(points).all(axis=1)]] = True
    return lost


def _valid(shapes: Shapes) -> Shapes:
    """Repair what is invalid: a point is inside where an odd number of rings is round it.

    That is what burning the shape on a raster takes for inside too.
    """
    broken = ~shapely.is_valid(shapes)
    repaired = shapes.copy()
    try:
        repaired[broken] = shapely.make_valid(shapes[broken])
    except GEOSException:
        repaired[broken] = [_valid_one(shape) for shape in shapes[broken]]
    return repaired


def _valid_one(shape: shapely.Geometry) -> shapely.Geometry:
    """Repair a shape; one whose ring is a mere point cannot be told inside from outside."""
    try:
        return shapely.make_valid(shape)
    except GEOSException:
        return shapely.make_valid(shape, method="structure", keep_collapsed=False)


def _tidy(pieces: Pieces, smallest: float, tolerance: float) -> Pieces:
    """Drop slivers and copies.

    Copies of two classes are left to the cut, so that the ground is lost to others as well; but
    those that it does not see are dropped here.
    """
    area = shapely.area(pieces.shapes)
    pieces = pieces.take(area >= smallest)
    table = pd.DataFrame({"shape": overlaps.same_shape(pieces.shapes), "class": pieces.classes})
    again = table.duplicated().to_numpy()
    classes = table.groupby("shape")["class"].transform("nunique").to_numpy()
    unseen = (classes > 1) & (shapely.area(pieces.shapes) <= tolerance)
    return pieces.take(~again & ~unseen)


def _cut(pieces: Pieces, found: Overlaps, tolerance: float) -> Pieces:
    """Take from each piece what it loses to others."""
    losers, winners = _losses(pieces, found)
    order = np.argsort(losers, kind="stable")
    own, starts = np.unique(losers[order], return_index=True)
    groups = np.split(pieces.shapes[winners[order]], starts[1:])
    taken = np.array([g[0] if len(g) == 1 else shapely.union_all(g) for g in groups], object)
    loser = pieces.take(own)
    cut = loser.redrawn(shapely.difference(loser.shapes, taken))
    return _joined(pieces, own, cut.take(shapely.area(cut.shapes) > tolerance))


def _joined(pieces: Pieces, replaced: NDArray[np.intp], by: Pieces) -> Pieces:
    """Put new pieces in the place of some, in the order of the features.

    Of a pair that overlaps one at least is replaced, so that two others need no second look.
    """
    rest = np.ones(len(pieces.shapes), bool)
    rest[replaced] = False
    kept = pieces.take(rest)
    order = np.argsort(np.concatenate([kept.origins, by.origins]), kind="stable")
    return Pieces(
        np.concatenate([kept.shapes, by.shapes])[order],
        np.concatenate([kept.origins, by.origins])[order],
        np.concatenate([kept.classes, by.classes])[order],
        np.concatenate([np.zeros(len(kept.shapes), bool), np.ones(len(by.shapes), bool)])[order],
    )


def _losses(pieces: Pieces, found: Overlaps) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give who loses its common area to whom: both of two classes, the smaller of one class."""
    first, second = found.pairs.T
    area = shapely.area(pieces.shapes)
    alike = pieces.classes[first] == pieces.classes[second]
    second_loses = area[first] >= area[second]  # the earlier one wins a tie
    takes_second = ~alike | second_loses
    takes_first = ~alike | ~second_loses
    losers = np.concatenate([second[takes_second], first[takes_first]])
    winners = np.concatenate([first[takes_second], second[takes_first]])
    return losers, winners
