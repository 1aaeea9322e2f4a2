"""Which polygons share ground, and which have the same shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

Shapes = NDArray[np.object_]
Pairs = NDArray[np.intp]
"""Positions of two shapes a row, the smaller first, (pair, 2)."""

TOLERANCE = 1.0
"""Area that two polygons may share without being told, in square units of their CRS: a
hundredth of a Sentinel-2 pixel, more than what a change of CRS does to a common border."""
_CHUNK = 10_000  # shapes whose neighbours are held at one time


@dataclass(frozen=True)
class Overlaps:
    """Pairs of polygons that share more than a small area."""

    pairs: Pairs
    """Positions of the two, the smaller first, in increasing order, (pair, 2)."""
    areas: NDArray[np.float64]
    """What they share, in square units of their CRS, (pair,)."""


def same_shape(shapes: Shapes) -> NDArray[np.intp]:
    """Give equal shapes one number, wherever their rings start, (shape,)."""
    return pd.factorize(np.array(shapely.to_wkb(shapely.normalize(shapes)), object))[0]


def find(
    shapes: Shapes, tolerance: float = TOLERANCE, fresh: NDArray[np.bool_] | None = None
) -> Overlaps:
    """Find the pairs of polygons that share more than a small area.

    Parameters
    ----------
    shapes : ndarray of shapely geometries, (shape,)
        Valid polygons.
    tolerance : float
        Area that two of them may share, in square units of their CRS.
    fresh : ndarray of bool, (shape,), optional
        Only pairs of which one at least is True are sought; all by default.
    """
    sought = np.ones(len(shapes), bool) if fresh is None else fresh
    places = np.flatnonzero(sought)
    tree = shapely.STRtree(shapes)
    found = [
        _sharing(shapes, _meeting(tree, shapes, places[start : start + _CHUNK], sought), tolerance)
        for start in range(0, len(places), _CHUNK)
    ]
    pairs = np.concatenate([f.pairs for f in found]) if found else np.empty((0, 2), np.intp)
    areas = np.concatenate([f.areas for f in found]) if found else np.empty(0)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return Overlaps(pairs[order], areas[order])


def _meeting(
    tree: shapely.STRtree, shapes: Shapes, places: NDArray[np.intp], sought: NDArray[np.bool_]
) -> Pairs:
    """Give the pairs that meet, if only in a point, of some shapes with any; each pair once."""
    row, other = tree.query(shapes[places], predicate="intersects")
    own = places[row]
    once = (own < other) | ~sought[other]
    return np.sort(np.stack([own, other], axis=-1)[once], axis=1)


def _sharing(shapes: Shapes, pairs: Pairs, tolerance: float) -> Overlaps:
    """Keep the pairs that share more than `tolerance`.

    Neighbours and polygons deep inside others are the most; both are told without an
    intersection, which is slow.
    """
    area = shapely.area(shapes)
    swapped = area[pairs[:, 0]] < area[pairs[:, 1]]
    large, small = np.where(swapped, pairs[:, ::-1].T, pairs.T)
    shapely.prepare(shapes[np.unique(large)])
    shared = area[small]
    rest = np.flatnonzero(~shapely.contains_properly(shapes[large], shapes[small]))
    apart = _apart(shapes, large[rest], small[rest], tolerance)
    shared[rest[apart]] = 0.0
    cut = rest[~apart]
    shared[cut] = shapely.area(shapely.intersection(shapes[large[cut]], shapes[small[cut]]))
    kept = shared > tolerance
    return Overlaps(pairs[kept], shared[kept])


def _apart(
    shapes: Shapes, large: NDArray[np.intp], small: NDArray[np.intp], tolerance: float
) -> NDArray[np.bool_]:
    """Tell which pairs surely share no more than `tolerance`, if only as neighbours do.

    The smaller one is shrunk by so little that it loses no more than that; the pair is apart
    where what is left does not meet the larger one.
    """
    own, place = np.unique(small, return_inverse=True)
    width = 0.9 * tolerance / shapely.length(shapes[own])
    core = shapely.buffer(shapes[own], -width, quad_segs=1)
    sure = shapely.area(shapes[own]) - shapely.area(core) <= tolerance
    return sure[place] & ~shapely.intersects(shapes[large], core[place])
