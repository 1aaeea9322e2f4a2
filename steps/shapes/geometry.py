"""What is wrong with a set of polygons: empty, invalid, no polygon, there twice, overlapping.

Arrays of shapely geometries in, numbers and sentences out; no file is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from . import overlaps
from .overlaps import TOLERANCE, Shapes, same_shape

NAMED = 10
"""Features that a sentence names before it says "and N more"."""
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True)
class Case:
    """One feature that has a trouble, or a pair of them."""

    fid: int
    said: str
    """How a sentence names it: "7 (Point)"."""
    other: int | None = None
    """The other feature of a pair."""
    detail: str = ""
    """What else a table tells, such as where a ring crosses itself."""

    def __str__(self) -> str:
        return self.said


@dataclass(frozen=True)
class Finding:
    """One kind of trouble, with all the features that have it."""

    kind: str
    """Short word for programs, such as "invalid"."""
    fids: tuple[int, ...]
    """Identifiers of the features, increasing; none where the whole file has it."""
    text: str
    """Sentence for the user; names the first features."""
    hurts: bool
    """True: the polygons cannot be trusted; False: the chain copes, and says how."""
    cases: tuple[Case, ...] = field(default=(), compare=False, repr=False)


def findings(
    frame: gpd.GeoDataFrame, smallest: float = 0.0, tolerance: float = TOLERANCE
) -> tuple[Finding, ...]:
    """Find all that is wrong with the polygons of a ground truth.

    Parameters
    ----------
    frame : GeoDataFrame
        Columns fid, value (class; None where missing) and geometry, as in
        :class:`~i2lc.steps.reference.ground_truth.GroundTruth`, in a projected CRS.
    smallest : float
        Area below which a polygon is a sliver, in square units of the CRS.
    tolerance : float
        Area that two polygons may share, in square units of the CRS.

    Returns
    -------
    tuple of Finding
        At most one of each kind; those that hurt first. Polygons that only touch, and the
        direction in which a ring runs, are no finding.
    """
    shapes = shapely.force_2d(frame.geometry.to_numpy())
    fids = frame["fid"].to_numpy(np.int64)
    classes = pd.factorize(frame["value"])[0]  # -1 where missing
    empty = is_empty(shapes)
    alien = ~empty & ~is_polygonal(shapes)
    classed = ~empty & (classes >= 0)
    with np.errstate(invalid="ignore"):  # a coordinate that is no number: invalid, told below
        valid = shapely.is_valid(shapes)
        invalid = ~empty & ~alien & ~valid
        drawn = ~empty & ~alien & valid
        several = ~empty & ~alien & (shapely.get_num_geometries(shapes) > 1)
        sliver = drawn & (shapely.area(shapes) < smallest)
        sound = classed & drawn
        found = [
            _unclassed(fids[classes < 0]),
            _alien(fids[alien], shapes[alien]),
            _invalid(fids[invalid], shapes[invalid]),
            _empty(fids[empty]),
            _several(fids[several], shapes[several]),
            _slivers(fids[sliver], shapes[sliver], smallest),
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


def meeting_boxes(shapes: Shapes, boxes: Sequence[shapely.Geometry]) -> NDArray[np.bool_]:
    """Tell which shapes reach into which rectangles, (box, shape)."""
    if not boxes:
        return np.zeros((0, len(shapes)), bool)
    return np.stack([shapely.intersects(shapes, box) for box in boxes])


def _unclassed(fids: NDArray[np.int64]) -> Finding:
    return finding("unclassed", "no class", _plain(fids), hurts=True)


def _alien(fids: NDArray[np.int64], shapes: Shapes) -> Finding:
    kinds = [shape.geom_type for shape in shapes]
    cases = detailed(fids, kinds)
    return finding("no polygon", "no polygon but another geometry", cases, hurts=True)


def _invalid(fids: NDArray[np.int64], shapes: Shapes) -> Finding:
    cases = detailed(fids, shapely.is_valid_reason(shapes))
    return finding("invalid", "invalid geometry", cases, hurts=True)


def _empty(fids: NDArray[np.int64]) -> Finding:
    return finding("empty", "empty geometry, left out", _plain(fids))


def _several(fids: NDArray[np.int64], shapes: Shapes) -> Finding:
    parts = [f"{number} parts" for number in shapely.get_num_geometries(shapes)]
    return finding("multi-part", "several parts, used as one polygon", detailed(fids, parts))


def _slivers(fids: NDArray[np.int64], shapes: Shapes, smallest: float) -> Finding:
    what = f"area under {smallest:g} m², it may have no pixel"
    return finding(
        "sliver", what, detailed(fids, [f"{area:.2f} m²" for area in shapely.area(shapes)])
    )


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
    pairs = zip(fids, twins, strict=True)
    return finding(kind, text, [Case(fid, f"{fid} (as {twin})", twin) for fid, twin in pairs])


def _overlaps(
    fids: NDArray[np.int64], shapes: Shapes, classes: NDArray[np.intp], tolerance: float
) -> Iterator[Finding]:
    """Tell which polygons overlap; copies of one shape are told by `_duplicates`."""
    numbers = same_shape(shapes)
    once = np.flatnonzero(~pd.DataFrame({"n": numbers, "c": classes}).duplicated().to_numpy())
    found = overlaps.find(shapes[once], tolerance)
    pairs = once[found.pairs]
    differ = numbers[pairs[:, 0]] != numbers[pairs[:, 1]]
    alike = classes[pairs[:, 0]] == classes[pairs[:, 1]]
    text = "overlapping polygons of one class, a common pixel is used at most once"
    one = differ & alike
    yield _pairs("overlap", text, fids[pairs[one]], found.areas[one])
    text = "overlapping polygons of two classes, their common pixels are left out"
    two = differ & ~alike
    yield _pairs("overlap of classes", text, fids[pairs[two]], found.areas[two])


def _pairs(kind: str, text: str, pairs: NDArray[np.int64], areas: NDArray[np.float64]) -> Finding:
    cases = [
        Case(a, f"{a} with {b}", b, f"{area:.2f} m²")
        for (a, b), area in zip(pairs.tolist(), areas.tolist(), strict=True)
    ]
    return finding(kind, text, cases)


def _plain(fids: NDArray[np.int64]) -> list[Case]:
    return [Case(fid, str(fid)) for fid in fids.tolist()]


def detailed(fids: Iterable[int], details: Iterable[str]) -> list[Case]:
    """Name features with a detail in parentheses."""
    pairs = zip(fids, details, strict=True)
    return [Case(int(fid), f"{fid} ({detail})", detail=detail) for fid, detail in pairs]


def finding(kind: str, what: str, cases: Sequence[Case], *, hurts: bool = False) -> Finding:
    """Make a finding; its sentence names the first cases."""
    both = [case.fid for case in cases]
    both += [case.other for case in cases if case.other is not None]
    known = tuple(np.unique(np.array(both, np.int64)).tolist())
    word = "feature" if len(both) == 1 else "features"
    text = f"{what}: {word} {naming([case.said for case in cases])}"
    return Finding(kind, known, text, hurts, tuple(cases))


def naming(items: Sequence[str], most: int = NAMED) -> str:
    """Join the first items; say how many are left out."""
    rest = len(items) - most
    text = ", ".join(items[:most])
    return f"{text} and {rest} more" if rest > 0 else text
