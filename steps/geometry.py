"""What is wrong with a set of polygons: empty, invalid, no polygon, there twice, overlapping.

Arrays of shapely geometries in, numbers and sentences out; no file is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import geopandas as gpd
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
NAMED = 10
"""Features that a sentence names before it says "and N more"."""
_CHUNK = 10_000  # shapes whose neighbours are held at one time
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True)
class Finding:
    """One kind of trouble, with all the features that have it."""

    kind: str
    """Short word for programs, such as "invalid"."""
    fids: tuple[int, ...]
    """Identifiers of the features, increasing."""
    text: str
    """Sentence for the user; names the first features."""
    hurts: bool
    """True: the polygons cannot be trusted; False: the chain copes, and says how."""


def findings(frame: gpd.GeoDataFrame, tolerance: float = TOLERANCE) -> tuple[Finding, ...]:
    """Find all that is wrong with the polygons of a ground truth.

    Parameters
    ----------
    frame : GeoDataFrame
        Columns fid, value (class; None where missing) and geometry, as in
        :class:`~i2lc.steps.ground_truth.GroundTruth`, in a projected CRS.
    tolerance : float
        Area that two polygons may share, in square units of the CRS.

    Returns
    -------
    tuple of Finding
        At most one of each kind; those that hurt first. Parts of a multi-part polygon and
        polygons that only touch are no finding.
    """
    shapes = shapely.force_2d(frame.geometry.to_numpy())
    fids = frame["fid"].to_numpy(np.int64)
    classes = pd.factorize(frame["value"])[0]  # -1 where missing
    empty = is_empty(shapes)
    alien = ~empty & ~is_polygonal(shapes)
    classed = ~empty & (classes >= 0)
    with np.errstate(invalid="ignore"):  # a coordinate that is no number: invalid, told below
        invalid = ~empty & ~alien & ~shapely.is_valid(shapes)
        sound = classed & ~alien & ~invalid
        found = [
            _unclassed(fids[classes < 0]),
            _alien(fids[alien], shapes[alien]),
            _invalid(fids[invalid], shapes[invalid]),
            _empty(fids[empty]),
            *_duplicates(fids[classed], shapes[classed], classes[classed]),
            *_overlaps(fids[sound], shapes[sound], classes[sound], tolerance),
        ]
    return tuple(finding for finding in found if finding.fids)


def is_empty(shapes: Shapes) -> NDArray[np.bool_]:
    """Tell which features have no geometry, or one without a point, (shape,)."""
    return shapely.is_missing(shapes) | shapely.is_empty(shapes)


def is_polygonal(shapes: Shapes) -> NDArray[np.bool_]:
    """Tell which geometries are polygons of one or several parts, (shape,)."""
    return np.isin(shapely.get_type_id(shapes), _POLYGONAL)


def same_shape(shapes: Shapes) -> NDArray[np.intp]:
    """Give equal shapes one number, wherever their rings start, (shape,)."""
    return pd.factorize(np.array(shapely.to_wkb(shapely.normalize(shapes)), object))[0]


def overlapping(shapes: Shapes, tolerance: float = TOLERANCE) -> Pairs:
    """Find the pairs of polygons that share more than a small area.

    Parameters
    ----------
    shapes : ndarray of shapely geometries, (shape,)
        Valid polygons.
    tolerance : float
        Area that two of them may share, in square units of their CRS.

    Returns
    -------
    ndarray of int, (pair, 2)
        Positions in `shapes`, the smaller first, in increasing order.
    """
    tree = shapely.STRtree(shapes)
    chunks = [
        _sharing(shapes, _meeting(tree, shapes, start), tolerance)
        for start in range(0, len(shapes), _CHUNK)
    ]
    pairs = np.concatenate(chunks) if chunks else np.empty((0, 2), np.intp)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _meeting(tree: shapely.STRtree, shapes: Shapes, start: int) -> Pairs:
    """Give the pairs that meet, if only in a point, whose first one is in a chunk."""
    chunk = shapes[start : start + _CHUNK]
    first, second = tree.query(chunk, predicate="intersects")
    pairs = np.stack([first + start, second], axis=-1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def _sharing(shapes: Shapes, pairs: Pairs, tolerance: float) -> Pairs:
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
    return pairs[shared > tolerance]


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


def meeting_boxes(shapes: Shapes, boxes: Sequence[shapely.Geometry]) -> NDArray[np.bool_]:
    """Tell which shapes reach into which rectangles, (box, shape)."""
    if not boxes:
        return np.zeros((0, len(shapes)), bool)
    return np.stack([shapely.intersects(shapes, box) for box in boxes])


def _unclassed(fids: NDArray[np.int64]) -> Finding:
    return _finding("unclassed", "no class", fids, map(str, fids), hurts=True)


def _alien(fids: NDArray[np.int64], shapes: Shapes) -> Finding:
    items = (f"{fid} ({shape.geom_type})" for fid, shape in zip(fids, shapes, strict=True))
    return _finding("no polygon", "no polygon but another geometry", fids, items, hurts=True)


def _invalid(fids: NDArray[np.int64], shapes: Shapes) -> Finding:
    reasons = shapely.is_valid_reason(shapes)
    items = (f"{fid} ({reason})" for fid, reason in zip(fids, reasons, strict=True))
    return _finding("invalid", "invalid geometry", fids, items, hurts=True)


def _empty(fids: NDArray[np.int64]) -> Finding:
    return _finding("empty", "empty geometry, left out", fids, map(str, fids))


def _duplicates(
    fids: NDArray[np.int64], shapes: Shapes, classes: NDArray[np.intp]
) -> Iterator[Finding]:
    """Tell which shapes come back: with the class of an earlier one, with another class."""
    table = pd.DataFrame({"shape": same_shape(shapes), "class": classes, "fid": fids})
    table["twin"] = table.groupby(["shape", "class"])["fid"].transform("first")
    again = table[table["twin"] != table["fid"]]
    text = "same shape and class as another, used once"
    yield _twins("duplicate", text, again["fid"], again["twin"])
    table["twin"] = table.groupby("shape")["fid"].transform("first")
    first_class = table.groupby("shape")["class"].transform("first")
    other = table[table["class"] != first_class]
    text = "same shape as another but another class, the pixels of both are left out"
    yield _twins("contradiction", text, other["fid"], other["twin"])


def _twins(kind: str, text: str, fids: pd.Series, twins: pd.Series) -> Finding:
    items = (f"{fid} (as {twin})" for fid, twin in zip(fids, twins, strict=True))
    return _finding(kind, text, np.concatenate([fids, twins]), items)


def _overlaps(
    fids: NDArray[np.int64], shapes: Shapes, classes: NDArray[np.intp], tolerance: float
) -> Iterator[Finding]:
    """Tell which polygons overlap; copies of one shape are told by `_duplicates`."""
    numbers = same_shape(shapes)
    once = np.flatnonzero(~pd.DataFrame({"n": numbers, "c": classes}).duplicated().to_numpy())
    pairs = once[overlapping(shapes[once], tolerance)]
    pairs = pairs[numbers[pairs[:, 0]] != numbers[pairs[:, 1]]]
    alike = classes[pairs[:, 0]] == classes[pairs[:, 1]]
    text = "overlapping polygons of one class, a common pixel is used at most once"
    yield _pairs("overlap", text, fids[pairs[alike]])
    text = "overlapping polygons of two classes, their common pixels are left out"
    yield _pairs("overlap of classes", text, fids[pairs[~alike]])


def _pairs(kind: str, text: str, pairs: NDArray[np.int64]) -> Finding:
    return _finding(kind, text, pairs.ravel(), (f"{a} with {b}" for a, b in pairs.tolist()))


def _finding(
    kind: str,
    what: str,
    fids: NDArray[np.int64],
    items: Iterable[str],
    *,
    hurts: bool = False,
) -> Finding:
    word = "feature" if len(fids) == 1 else "features"
    known = tuple(np.unique(fids).tolist())
    return Finding(kind, known, f"{what}: {word} {naming(list(items))}", hurts)


def naming(items: Sequence[str], most: int = NAMED) -> str:
    """Join the first items; say how many are left out."""
    rest = len(items) - most
    text = ", ".join(items[:most])
    return f"{text} and {rest} more" if rest > 0 else text
