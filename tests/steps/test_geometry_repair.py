"""Polygons made good: exact shapes on small cases, and laws on random soups."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.errors import TaskError
from i2lc.steps.shapes import geometry, overlaps, repair
from i2lc.steps.shapes.repair import Pieces

SQUARE = shapely.box(0, 0, 10, 10)
BOWTIE = shapely.from_wkt("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))")
few = settings(max_examples=150, deadline=None)


def correct(*shapes, classes=None, smallest=0.0, tolerance=1.0):
    numbers = np.array(classes if classes is not None else [1] * len(shapes))
    return repair.correct(np.array(shapes, object), numbers, smallest, tolerance)


def same(pieces: Pieces, *expected: tuple[int, shapely.Geometry]) -> None:
    assert pieces.origins.tolist() == [origin for origin, _ in expected]
    for shape, (_, wanted) in zip(pieces.shapes, expected, strict=True):
        assert shape.geom_type == "Polygon"
        assert shape.normalize().wkt == wanted.normalize().wkt


def test_good_polygons_stay_as_they_are() -> None:
    hole = SQUARE.difference(shapely.box(4, 4, 6, 6))
    inside = shapely.box(4, 4, 6, 6)
    beside = shapely.box(10, 0, 20, 10)
    same(correct(hole, inside, beside, classes=[1, 2, 3]), (0, hole), (1, inside), (2, beside))


def test_what_is_no_polygon_or_has_no_class_is_dropped() -> None:
    nowhere = shapely.transform(SQUARE, lambda points: np.where(points == 10, np.inf, points))
    line = shapely.LineString([(0, 0), (90, 90)])
    other = shapely.box(50, 0, 60, 10)
    pieces = correct(
        None, shapely.Polygon(), nowhere, line, shapely.Point(5, 5), SQUARE, other,
        classes=[1, 1, 1, 1, 1, -1, 2],
    )  # fmt: skip
    same(pieces, (6, other))


@pytest.mark.parametrize("lost", [np.inf, np.nan])
def test_polygon_with_one_point_nowhere_is_dropped(lost) -> None:
    with np.errstate(invalid="ignore"):
        shape = shapely.Polygon([(0, 0), (9, 0), (lost, 5), (9, 9), (0, 9)])
    pieces = correct(shape, BOWTIE)
    assert pieces.origins.tolist() == [1, 1]


def test_polygons_of_a_collection_are_kept() -> None:
    parts = shapely.MultiPolygon([shapely.box(20, 0, 30, 10), shapely.box(40, 0, 50, 10)])
    mixed = shapely.GeometryCollection([shapely.Point(0, 0), SQUARE, parts])
    same(correct(mixed), (0, SQUARE), *((0, part) for part in parts.geoms))


def test_self_crossing_ring_becomes_its_two_sides() -> None:
    left = shapely.Polygon([(0, 0), (5, 5), (0, 10)])
    right = shapely.Polygon([(10, 10), (5, 5), (10, 0)])
    same(correct(BOWTIE), (0, left), (0, right))


def test_rings_in_the_wrong_order_are_put_right() -> None:
    hole = [(2, 2), (2, 8), (8, 8), (8, 2)]
    swapped = shapely.Polygon(hole, [SQUARE.exterior.coords])
    assert not swapped.is_valid
    same(correct(swapped), (0, shapely.Polygon(SQUARE.exterior, [hole])))


def test_direction_of_a_ring_does_not_matter() -> None:
    ring = [(0, 0), (10, 0), (10, 10), (0, 10)]
    for shell in (ring, ring[::-1]):
        (piece,) = correct(shapely.Polygon(shell)).shapes
        assert piece.equals(SQUARE)


def test_spike_is_cut_off() -> None:
    spike = shapely.Polygon([(0, 0), (10, 0), (10, 10), (10, 30), (10, 10), (0, 10)])
    (piece,) = correct(spike).shapes
    assert piece.equals(SQUARE)


def test_part_whose_ring_is_a_point_is_dropped() -> None:
    point = shapely.Polygon([(1.5, 1.5)] * 4, [[(1, 0), (0.5, 1.5), (0, 1.5)]])
    parts = shapely.MultiPolygon([point, BOWTIE])
    with pytest.raises(shapely.errors.GEOSException):
        shapely.make_valid(point)
    pieces = correct(parts, point)
    assert (pieces.origins.tolist(), shapely.area(pieces.shapes).tolist()) == ([0, 0], [25, 25])


def test_parts_that_overlap_are_one_ground() -> None:
    parts = shapely.MultiPolygon([SQUARE, shapely.box(5, 0, 25, 10)])
    same(correct(parts), (0, shapely.box(0, 0, 5, 10)), (0, shapely.box(5, 0, 25, 10)))


def test_parts_become_polygons_and_small_ones_are_dropped() -> None:
    large, small = shapely.box(20, 0, 30, 10), shapely.box(40, 0, 45, 5)
    parts = shapely.MultiPolygon([SQUARE, small, large])
    same(correct(parts, smallest=26), (0, SQUARE), (0, large))
    same(correct(parts, smallest=25), (0, SQUARE), (0, large), (0, small))


def test_height_is_dropped() -> None:
    same(correct(shapely.force_3d(SQUARE, 7.0)), (0, SQUARE))


def test_the_first_of_equal_shapes_is_kept() -> None:
    turned = shapely.Polygon([(10, 10), (0, 10), (0, 0), (10, 0)])
    same(correct(SQUARE, turned, SQUARE), (0, SQUARE))


def test_equal_shapes_of_two_classes_are_all_dropped_and_their_ground_is_lost_to_others() -> None:
    around = shapely.box(0, 0, 20, 10)
    pieces = correct(SQUARE, SQUARE, SQUARE, around, classes=[1, 2, 1, 1])
    same(pieces, (3, shapely.box(10, 0, 20, 10)))


def test_equal_shapes_of_two_classes_are_dropped_under_the_tolerance_too() -> None:
    tiny = shapely.box(0, 0, 0.5, 0.5)
    assert len(correct(tiny, tiny, classes=[1, 2]).shapes) == 0
    same(correct(tiny, tiny, classes=[1, 1]), (0, tiny))


def test_common_area_of_one_class_goes_to_the_largest() -> None:
    large, rest = shapely.box(5, 0, 25, 10), shapely.box(0, 0, 5, 10)
    same(correct(SQUARE, large), (0, rest), (1, large))
    same(correct(large, SQUARE), (0, large), (1, rest))


def test_common_area_of_one_class_goes_to_the_first_of_equal_ones() -> None:
    same(correct(SQUARE, shapely.box(5, 0, 15, 10)), (0, SQUARE), (1, shapely.box(10, 0, 15, 10)))


def test_polygon_inside_one_of_its_class_is_dropped() -> None:
    same(correct(shapely.box(2, 2, 8, 8), SQUARE), (1, SQUARE))


def test_common_area_of_two_classes_is_cut_from_both() -> None:
    pieces = correct(SQUARE, shapely.box(5, 0, 25, 10), classes=[1, 2])
    same(pieces, (0, shapely.box(0, 0, 5, 10)), (1, shapely.box(10, 0, 25, 10)))


def test_polygon_inside_one_of_another_class_is_lost_and_leaves_a_hole() -> None:
    inside = shapely.box(2, 2, 8, 8)
    same(correct(inside, SQUARE, classes=[1, 2]), (1, SQUARE.difference(inside)))


def test_cut_that_makes_parts_and_slivers() -> None:
    bar = shapely.box(-50, 4, 50, 6)
    left, right = shapely.box(-50, 4, 0, 6), shapely.box(10, 4, 50, 6)
    top, bottom = shapely.box(0, 6, 10, 10), shapely.box(0, 0, 10, 4)
    pieces = correct(SQUARE, bar, classes=[1, 2], smallest=50)
    same(pieces, (1, left), (1, right))
    pieces = correct(SQUARE, bar, classes=[1, 2], smallest=40)
    same(pieces, (0, bottom), (0, top), (1, left), (1, right))


def test_three_classes_on_one_ground_lose_it_all() -> None:
    columns = [shapely.box(10 * k, 0, 10 * k + 30, 10) for k in range(3)]
    pieces = correct(*columns, classes=[1, 2, 3])
    same(pieces, (0, shapely.box(0, 0, 10, 10)), (2, shapely.box(40, 0, 50, 10)))


def test_common_area_under_the_tolerance_stays() -> None:
    pair = SQUARE, shapely.box(9.9, 0, 20, 10)
    same(correct(*pair, classes=[1, 2], tolerance=1.01), (0, pair[0]), (1, pair[1]))
    assert correct(*pair, classes=[1, 2], tolerance=0.99).shapes[0].bounds == (0, 0, 9.9, 10)


def test_what_a_cut_leaves_under_the_tolerance_is_dropped() -> None:
    other = shapely.box(0.05, 0, 20, 10)
    same(correct(SQUARE, other, classes=[1, 2]), (1, shapely.box(10, 0, 20, 10)))


def test_nothing_in_nothing_out() -> None:
    assert len(correct().shapes) == 0


def test_rounds_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "ROUNDS", 0)
    with pytest.raises(TaskError, match=r"^the polygons still overlap after 0 rounds of cutting$"):
        correct(SQUARE)


# Laws.

points = st.tuples(*[st.integers(0, 24).map(lambda n: n / 2)] * 2)
rings = st.lists(points, min_size=3, max_size=7).map(shapely.Polygon)
floats = st.floats(0, 12, allow_nan=False)
loose = st.lists(st.tuples(floats, floats), min_size=3, max_size=6).map(shapely.Polygon)
boxes = st.tuples(points, points).map(lambda c: shapely.box(*c[0], *c[1]))
several = st.lists(st.one_of(rings, boxes), min_size=1, max_size=3).map(shapely.MultiPolygon)
odd = st.sampled_from([None, shapely.Polygon(), shapely.Point(1, 1), SQUARE, BOWTIE])
soups = st.lists(
    st.tuples(st.one_of(rings, loose, boxes, several, odd), st.integers(-1, 3)), max_size=12
)


@few
@given(soups, st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0.01, 1.0]))
def test_what_is_left_has_no_finding(soup, smallest, tolerance) -> None:
    pieces = correct(
        *(shape for shape, _ in soup), classes=[n for _, n in soup],
        smallest=smallest, tolerance=tolerance,
    )  # fmt: skip
    frame = geometry_frame(pieces)
    assert geometry.findings(frame, smallest, tolerance) == ()
    again = repair.correct(pieces.shapes, pieces.classes, smallest, tolerance)
    same(again, *enumerate(pieces.shapes))
    assert [int(number) for number in pieces.classes] == [soup[k][1] for k in pieces.origins]


def geometry_frame(pieces: Pieces):
    return geometry.gpd.GeoDataFrame(
        {"fid": np.arange(len(pieces.shapes)), "value": pieces.classes}, geometry=pieces.shapes
    )


@few
@given(
    st.lists(
        st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 6)] * 2, st.integers(0, 2)),
        max_size=10,
    )
)
def test_each_square_metre_goes_where_the_rule_says(soup) -> None:
    shapes = [shapely.box(x, y, x + w, y + h) for x, y, w, h, _ in soup]
    classes = [number for *_, number in soup]
    pieces = correct(*shapes, classes=classes, tolerance=0.5)
    for x in np.arange(0.5, 16):
        for y in np.arange(0.5, 16):
            point = shapely.Point(x, y)
            covers = [k for k, shape in enumerate(shapes) if shape.contains(point)]
            got = {int(k) for k in pieces.origins[shapely.contains(pieces.shapes, point)]}
            if len({classes[k] for k in covers}) != 1:
                assert got == set()
            else:
                assert got == {min(covers, key=lambda k: (-shapes[k].area, k))}


def test_the_law_sees_an_overlap() -> None:
    raw = Pieces(
        np.array([SQUARE, SQUARE], object), np.arange(2), np.array([1, 2]), np.ones(2, bool)
    )
    assert [f.kind for f in geometry.findings(geometry_frame(raw))] == ["contradiction"]
    assert overlaps.find(raw.shapes).areas.tolist() == [100.0]
