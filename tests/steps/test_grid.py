"""The lattice: snapping, strips, windows within windows, and coordinates that no cut changes."""

import json

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pydantic import ValidationError
from pyproj import Transformer

from i2lc.steps.files import rasters
from i2lc.steps.tiles import grid, tile

UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
few = settings(max_examples=50, deadline=None)


def box(left=399_960, top=4_900_020, width=40, height=30, size=10.0, crs=UTM):
    return GeoBox((height, width), Affine(size, 0, left, 0, -size, top), crs)


natives = st.builds(
    box,
    left=st.integers(300_000, 700_000),
    top=st.integers(4_700_000, 5_300_000),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
)
sizes = st.sampled_from([None, (10.0, 10.0), (20.0, 20.0), (15.0, 25.0), (100.0, 100.0)])


def test_own_crs_and_own_resolution_leave_the_grid_as_it_is():
    assert grid.lattice_geobox(box(), UTM, None) == box()
    assert grid.lattice_geobox(box(), UTM, (10, 10)) == box()


def test_own_crs_snaps_outward():
    native = box(left=399_963, top=4_900_027, width=4, height=3)  # 399963-400003, 4899997-4900027
    assert grid.lattice_geobox(native, UTM, None) == box(399_960, 4_900_030, 5, 4)
    assert grid.lattice_geobox(native, UTM, (20, 20)) == box(399_960, 4_900_040, 3, 3, 20.0)


def test_an_edge_within_a_millionth_of_a_pixel_is_on_the_lattice():
    native = box(left=399_960 - 1e-6, top=4_900_020 + 1e-6)
    assert grid.lattice_geobox(native, UTM, None) == box()
    native = box(left=399_960 - 1e-3)
    assert grid.lattice_geobox(native, UTM, None).width == 41


@few
@given(natives, st.sampled_from([UTM, LAMBERT, "EPSG:32630", "EPSG:3035"]), sizes)
def test_the_lattice_holds_the_footprint_snugly_on_multiples(native, proj, size):
    found = grid.lattice_geobox(native, proj, size)
    size_x, size_y = size or (10.0, 10.0)
    assert (found.resolution.x, found.resolution.y) == (size_x, -size_y)
    assert found.crs == proj
    assert found.transform.c == round(found.transform.c / size_x) * size_x
    assert found.transform.f == round(found.transform.f / size_y) * size_y
    # the footprint's outline, point by point
    steps = np.linspace(0, 1, 41)
    sides = [(steps, 0 * steps), (steps, 0 * steps + 1), (0 * steps, steps), (0 * steps + 1, steps)]
    u, v = np.concatenate([s[0] for s in sides]), np.concatenate([s[1] for s in sides])
    bounds = native.boundingbox
    x, y = Transformer.from_crs(native.crs, proj, always_xy=True).transform(
        bounds.left + u * (bounds.right - bounds.left),
        bounds.bottom + v * (bounds.top - bounds.bottom),
    )
    outer = found.boundingbox
    slack = 1e-3
    assert outer.left <= x.min() + slack
    assert outer.right >= x.max() - slack
    assert outer.bottom <= y.min() + slack
    assert outer.top >= y.max() - slack
    for gap, step in (
        (x.min() - outer.left, size_x),
        (outer.right - x.max(), size_x),
        (y.min() - outer.bottom, size_y),
        (outer.top - y.max(), size_y),
    ):
        assert gap < step + slack


@few
@given(st.integers(1, 3000), st.integers(1, 60))
def test_strips_cover_every_row_once_in_nearly_equal_parts(height, chunks):
    strips = grid.strips(height, chunks)
    assert len(strips) == min(chunks, height)
    assert [row for start, stop in strips for row in range(start, stop)] == list(range(height))
    heights = [stop - start for start, stop in strips]
    assert max(heights) - min(heights) <= 1


def test_strips_by_example():
    assert grid.strips(10, 3) == [(0, 3), (3, 6), (6, 10)]
    assert grid.strips(2, 50) == [(0, 1), (1, 2)]


def slices(length):
    return st.tuples(st.integers(-20, length + 20), st.integers(1, 30)).map(
        lambda pair: slice(pair[0], pair[0] + pair[1])
    )


windows = st.tuples(slices(30), slices(40))
lattices = st.builds(
    box,
    left=st.integers(-50, 50).map(lambda n: n * 30),
    top=st.integers(-50, 50).map(lambda n: n * 30),
    size=st.sampled_from([10.0, 30.0, 2.5]),
)


@few
@given(lattices, windows)
def test_a_crop_lies_where_it_was_cut(outer, window):
    inner = grid.crop(outer, *window)
    assert grid.offset(inner, outer) == (window[0].start, window[1].start)
    assert inner.shape == tuple(part.stop - part.start for part in window)
    assert (inner.crs, inner.resolution) == (outer.crs, outer.resolution)
    assert grid.crop(outer, slice(0, outer.height), slice(0, outer.width)) == outer


@few
@given(lattices, windows, windows)
def test_a_crop_of_a_crop_is_a_crop(outer, first, second):
    rows, cols = (
        slice(a.start + b.start, a.start + b.stop) for a, b in zip(first, second, strict=True)
    )
    assert grid.crop(grid.crop(outer, *first), *second) == grid.crop(outer, rows, cols)


@few
@given(lattices, windows, windows)
def test_overlap_names_the_same_pixels_from_both_sides(outer, first, second):
    a, b = grid.crop(outer, *first), grid.crop(outer, *second)
    shared = [
        set(range(p.start, p.stop)) & set(range(q.start, q.stop))
        for p, q in zip(first, second, strict=True)
    ]
    mine, theirs = grid.overlap(a, b), grid.overlap(b, a)
    if not all(shared):
        assert mine is None
        assert theirs is None
        return
    assert mine is not None
    assert theirs is not None
    assert grid.crop(a, *mine) == grid.crop(b, *theirs)
    assert grid.crop(a, *mine).shape == tuple(len(part) for part in shared)
    assert grid.offset(grid.crop(a, *mine), outer) == tuple(min(part) for part in shared)


@few
@given(lattices, st.lists(windows, min_size=1, max_size=4))
def test_union_is_the_smallest_grid_that_holds_all(outer, parts):
    boxes = [grid.crop(outer, *part) for part in parts]
    whole = grid.union(boxes)
    offsets = [grid.offset(part, whole) for part in boxes]
    assert tuple(min(axis) for axis in zip(*offsets, strict=True)) == (0, 0)
    ends = [
        (row + part.height, col + part.width)
        for (row, col), part in zip(offsets, boxes, strict=True)
    ]
    assert tuple(max(axis) for axis in zip(*ends, strict=True)) == whole.shape
    assert whole.crs == outer.crs


def test_centres_and_edges_by_example():
    y, x = grid.centres(box(100, 200, 3, 2))
    np.testing.assert_array_equal(x, [105, 115, 125])
    np.testing.assert_array_equal(y, [195, 185])
    y, x = grid.edges(box(100, 200, 3, 2))
    np.testing.assert_array_equal(x, [100, 110, 120, 130])
    np.testing.assert_array_equal(y, [200, 190, 180])


@few
@given(
    st.tuples(st.integers(0, 29), st.integers(1, 30), st.integers(0, 39), st.integers(1, 40)),
    st.sampled_from([UTM, LAMBERT]),
    st.sampled_from([10.0, 20.0]),
)
def test_source_coordinates_do_not_depend_on_the_cut(cut, proj, size):
    source = box(width=80, height=80, size=size)
    lattice = grid.lattice_geobox(box(), proj, None)
    row, height, col, width = cut
    rows, cols = slice(row, min(row + height, 30)), slice(col, min(col + width, 40))
    part = grid.crop(lattice, rows, cols)
    whole_rows, whole_cols = grid.source_coordinates(*grid.centres(lattice), lattice.crs, source)
    part_rows, part_cols = grid.source_coordinates(*grid.centres(part), part.crs, source)
    if proj == UTM:
        np.testing.assert_array_equal(part_rows, whole_rows[rows])
        np.testing.assert_array_equal(part_cols, whole_cols[cols])
    else:
        np.testing.assert_array_equal(part_rows, whole_rows[rows, cols])
        np.testing.assert_array_equal(part_cols, whole_cols[rows, cols])


def test_source_coordinates_count_pixels_from_the_upper_left_corner():
    source = box(399_960, 4_900_020, 10, 10, 20.0)
    rows, cols = grid.source_coordinates(*grid.centres(box(width=2, height=3)), box().crs, source)
    np.testing.assert_array_equal(rows, [0.25, 0.75, 1.25])
    np.testing.assert_array_equal(cols, [0.25, 0.75])


def test_source_coordinates_in_another_crs_are_those_of_pyproj():
    source = box()
    lattice = grid.lattice_geobox(source, LAMBERT, None)
    rows, cols = grid.source_coordinates(*grid.centres(lattice), lattice.crs, source)
    assert rows.shape == cols.shape == lattice.shape
    transformer = Transformer.from_crs(UTM, LAMBERT, always_xy=True)
    x, y = transformer.transform(399_960 + cols * 10, 4_900_020 - rows * 10)
    want_x = lattice.transform.c + (np.arange(lattice.width) + 0.5) * 10
    want_y = lattice.transform.f - (np.arange(lattice.height) + 0.5) * 10
    np.testing.assert_allclose(x, np.broadcast_to(want_x, x.shape), rtol=0, atol=1e-5)
    np.testing.assert_allclose(y, np.broadcast_to(want_y[:, None], y.shape), rtol=0, atol=1e-5)


@few
@given(natives, sizes)
def test_a_record_survives_json(native, size):
    gbox = grid.lattice_geobox(native, LAMBERT, size)
    assert grid.from_record(json.loads(json.dumps(grid.to_record(gbox)))) == gbox


def test_a_record_is_readable():
    assert grid.to_record(box(width=4, height=3)) == {
        "crs": UTM,
        "transform": [10.0, 0.0, 399_960.0, 0.0, -10.0, 4_900_020.0],
        "shape": [3, 4],
    }


def test_the_grid_of_a_raster(tmp_path):
    with rasters.create(tmp_path / "a.tif", box(), "uint8"):
        pass
    assert tile.header(tmp_path / "a.tif").grid == box()


@pytest.mark.parametrize(
    ("given_", "resolution"),
    [
        ((), None),
        (10, (10.0, 10.0)),
        ([20], (20.0, 20.0)),
        ((20.0, 30.0), (20.0, 30.0)),
        ([10, 20], (10.0, 20.0)),
    ],
)
def test_resolution_is_one_number_or_two_or_native(given_, resolution):
    assert grid.LatticeSettings(spatial_resolution=given_).resolution == resolution


def test_proj_is_epsg_2154_by_default_and_in_capitals():
    assert grid.LatticeSettings().proj == "EPSG:2154"
    assert grid.LatticeSettings(proj="epsg:32631").proj == "EPSG:32631"


@pytest.mark.parametrize(
    ("proj", "message"),
    [
        ("2154", "a CRS is written as EPSG:<code>"),
        ("EPSG:999999", "EPSG:999999 is not a known CRS"),
        ("EPSG:4326", "EPSG:4326 is not a projected CRS: i2lc needs metres"),
    ],
)
def test_a_crs_that_cannot_serve_is_refused(proj, message):
    with pytest.raises(ValidationError, match=message):
        grid.LatticeSettings(proj=proj)


@pytest.mark.parametrize("value", [(10, 20, 30), "ten", True, -10, 0, (10, -10)])
def test_a_resolution_that_is_none_is_refused(value):
    with pytest.raises(ValidationError):
        grid.LatticeSettings(spatial_resolution=value)


@pytest.mark.parametrize(
    ("part", "padding", "wide", "inner"),
    [
        ((slice(0, 4), slice(2, 5)), (0, 0), ((0, 4), (2, 5)), ((0, 4), (0, 3))),
        ((slice(3, 4), slice(2, 5)), (1, 2), ((2, 5), (0, 7)), ((1, 2), (2, 5))),
        ((slice(1, 9), slice(1, 8)), (5, 5), ((0, 10), (0, 8)), ((1, 9), (1, 8))),
    ],
)
def test_a_part_grows_as_far_as_the_grid_goes(part, padding, wide, inner):
    found = grid.grown(part, padding, (10, 8))
    assert found == tuple(tuple(slice(*span) for span in both) for both in (wide, inner))
