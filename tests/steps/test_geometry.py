"""Findings on polygons: one of each kind, and none where nothing is wrong."""

import time

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from i2lc.steps.shapes import geometry, overlaps
from i2lc.steps.shapes.geometry import Case, Finding

SQUARE = shapely.box(0, 0, 10, 10)
BOWTIE = shapely.from_wkt("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))")


def frame(*shapes: shapely.Geometry | None, values: list[object] | None = None) -> gpd.GeoDataFrame:
    """Give features 100, 101... of class 1 or `values`."""
    classes = pd.Series(values or [1] * len(shapes), dtype=object)
    fids = np.arange(100, 100 + len(shapes))
    return gpd.GeoDataFrame({"fid": fids, "value": classes}, geometry=list(shapes), crs=2154)


def only(found: tuple[Finding, ...]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_good_polygons_have_no_finding() -> None:
    hole = SQUARE.difference(shapely.box(4, 4, 6, 6))
    one_part = shapely.MultiPolygon([shapely.box(20, 0, 30, 10)])
    touching = shapely.box(10, 0, 20, 10)
    inside_the_hole = shapely.box(4, 4, 6, 6)
    turned = shapely.Polygon([(40, 0), (40, 9), (49, 9), (49, 0)])
    shapes = hole, one_part, touching, inside_the_hole, turned, turned.reverse()
    assert geometry.findings(frame(*shapes[:5])) == ()
    assert geometry.findings(frame(*shapes[:4], shapes[5])) == ()


def test_no_feature_has_no_finding() -> None:
    assert geometry.findings(frame()) == ()


def test_empty() -> None:
    found = only(geometry.findings(frame(SQUARE, None, shapely.Polygon())))
    assert found == Finding(
        "empty", (101, 102), "empty geometry, left out: features 101, 102", False
    )


def test_invalid() -> None:
    found = only(geometry.findings(frame(SQUARE, BOWTIE)))
    assert (found.kind, found.fids, found.hurts) == ("invalid", (101,), True)
    assert found.text == "invalid geometry: feature 101 (Self-intersection[5 5])"


def test_coordinate_that_is_no_number() -> None:
    with np.errstate(invalid="ignore"):
        bad = shapely.from_wkb(
            shapely.to_wkb(shapely.Polygon([(0, 0), (1, float("inf")), (1, 1), (0, 0)]))
        )
    found = only(geometry.findings(frame(bad)))
    assert found.kind == "invalid"
    assert "Invalid Coordinate" in found.text


def test_rings_in_the_wrong_order() -> None:
    swapped = shapely.Polygon([(2, 2), (2, 8), (8, 8), (8, 2)], [SQUARE.exterior.coords])
    found = only(geometry.findings(frame(swapped)))
    assert found.text == "invalid geometry: feature 100 (Hole lies outside shell[10 0])"


def test_several_parts() -> None:
    parts = shapely.union_all([shapely.box(20, 0, 30, 10), shapely.box(40, 0, 50, 10)])
    found = only(geometry.findings(frame(SQUARE, parts)))
    text = "several parts, used as one polygon: feature 101 (2 parts)"
    assert found == Finding("multi-part", (101,), text, False)


def test_slivers_are_those_below_the_area_asked_for() -> None:
    shapes = frame(SQUARE, shapely.box(50, 0, 55, 5), values=[1, None])
    assert geometry.findings(shapes.iloc[:1], smallest=100) == ()
    found = geometry.findings(shapes, smallest=26)[-1]
    text = "area under 26 m², it may have no pixel: feature 101 (25.00 m²)"
    assert found == Finding("sliver", (101,), text, False)


def test_cases_tell_what_a_table_needs() -> None:
    found = geometry.findings(
        frame(SQUARE, BOWTIE, SQUARE, shapely.box(5, 0, 25, 10), values=[1, 1, 1, 2])
    )
    assert [case for finding in found for case in finding.cases] == [
        Case(101, "101 (Self-intersection[5 5])", None, "Self-intersection[5 5]"),
        Case(102, "102 (as 100)", 100, ""),
        Case(100, "100 with 103", 103, "50.00 m²"),
    ]


def test_no_polygon() -> None:
    line = shapely.LineString([(0, 0), (1, 1)])
    found = only(geometry.findings(frame(shapely.Point(5, 5), SQUARE, line)))
    assert (found.kind, found.fids, found.hurts) == ("no polygon", (100, 102), True)
    assert found.text.endswith(": features 100 (Point), 102 (LineString)")


def test_no_class() -> None:
    found = only(geometry.findings(frame(SQUARE, SQUARE, values=[1, None])))
    assert found == Finding("unclassed", (101,), "no class: feature 101", True)


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2, 1], "duplicate"), (["a", "b", "c"], "contradiction")]
)
def test_same_shape(values: list[object], kind: str) -> None:
    turned = shapely.Polygon([(10, 10), (0, 10), (0, 0), (10, 0)])
    found = only(
        geometry.findings(frame(SQUARE, shapely.box(50, 0, 60, 10), turned, values=values))
    )
    assert (found.kind, found.fids, found.hurts) == (kind, (100, 102), False)
    assert found.text.endswith("102 (as 100)")


def test_same_shape_with_both() -> None:
    found = geometry.findings(frame(SQUARE, SQUARE, SQUARE, values=[1, 1, 2]))
    assert [(f.kind, f.fids) for f in found] == [
        ("duplicate", (100, 101)),
        ("contradiction", (100, 102)),
    ]


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 1, 1], "overlap"), ([1, 2, 1], "overlap of classes")]
)
@pytest.mark.parametrize(
    "other",
    [shapely.box(8, 8, 20, 20), shapely.box(2, 2, 8, 8), shapely.box(-5, -5, 15, 15)],
    ids=["corner", "inside", "around"],
)
def test_overlap(other: shapely.Geometry, values: list[object], kind: str) -> None:
    found = only(geometry.findings(frame(SQUARE, other, shapely.box(90, 0, 99, 9), values=values)))
    assert (found.kind, found.fids, found.hurts) == (kind, (100, 101), False)
    assert found.text.endswith("features 100 with 101")


def test_tolerance_is_an_area() -> None:
    pair = frame(SQUARE, shapely.box(9.9, 0, 20, 10))
    assert geometry.findings(pair, tolerance=1.01) == ()
    assert only(geometry.findings(pair, tolerance=0.99)).kind == "overlap"


def test_all_kinds_are_told_at_once_and_those_that_hurt_first() -> None:
    shapes = (SQUARE, BOWTIE, None, shapely.Point(0, 0), SQUARE, shapely.box(9, 0, 20, 10))
    found = geometry.findings(frame(*shapes, values=[1, 1, 1, 1, 1, 2]))
    kinds = ["no polygon", "invalid", "empty", "duplicate", "overlap of classes"]
    assert [finding.kind for finding in found] == kinds
    assert [finding.hurts for finding in found] == [True, True, False, False, False]


def test_names_ten_features_at_most() -> None:
    found = only(geometry.findings(frame(*[None] * 23)))
    assert found.text.endswith("108, 109 and 13 more")
    assert len(found.fids) == 23
    assert geometry.naming(["a"] * 10) == ", ".join("a" * 10)


@given(
    st.lists(
        st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 6)] * 2), min_size=0, max_size=14
    ),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.lists(st.booleans(), min_size=14, max_size=14),
)
def test_overlapping_pairs_are_those_of_a_loop(
    boxes: list[tuple[int, int, int, int]], tolerance: float, some: list[bool]
) -> None:
    shapes = np.array([shapely.box(x, y, x + w, y + h) for x, y, w, h in boxes], object)
    expected = [
        [i, j]
        for i in range(len(shapes))
        for j in range(i + 1, len(shapes))
        if shapes[i].intersection(shapes[j]).area > tolerance
    ]
    found = overlaps.find(shapes, tolerance)
    assert found.pairs.tolist() == expected
    assert found.areas.tolist() == [shapes[i].intersection(shapes[j]).area for i, j in expected]
    fresh = np.array(some[: len(shapes)], bool)
    of_some = overlaps.find(shapes, tolerance, fresh).pairs.tolist()
    assert of_some == [[i, j] for i, j in expected if fresh[i] or fresh[j]]


def test_meeting_boxes() -> None:
    shapes = np.array([SQUARE, shapely.box(50, 0, 60, 10), None], object)
    boxes = [shapely.box(5, 5, 99, 99), shapely.box(-9, -9, -1, -1)]
    assert geometry.meeting_boxes(shapes, boxes).tolist() == [[True, True, False], [False] * 3]
    assert geometry.meeting_boxes(shapes, []).shape == (0, 3)


def test_many_neighbours_are_fast() -> None:
    points = np.random.default_rng(0).uniform(0, 3e4, (10_000, 2))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points)))
    start = time.perf_counter()
    assert geometry.findings(frame(*cells)) == ()
    assert time.perf_counter() - start < 6  # 100,000 in a minute
