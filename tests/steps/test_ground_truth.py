"""The ground truth: reading it, naming polygons, and the pixels of a polygon."""

import sqlite3

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from i2lc.errors import InputError
from i2lc.steps.reference import ground_truth
from i2lc.steps.reference.ground_truth import GroundTruth, footprint, outline, usable
from i2lc.steps.tiles import grid

LAMBERT = "EPSG:2154"
few = settings(max_examples=60, deadline=None)

SQUARES = [shapely.box(x, 6_300_000, x + 50, 6_300_040) for x in (500_000, 500_100, 500_200)]


def frame(values, shapes=SQUARES, crs=LAMBERT):
    return gpd.GeoDataFrame({"code": values, "other": 1.5}, geometry=list(shapes), crs=crs)


FORMATS = {
    "a.shp": "ESRI Shapefile",
    "a.gpkg": "GPKG",
    "a.geojson": "GeoJSON",
    "a.sqlite": "SQLite",
}


def write(folder, name, table):
    path = folder / name
    options = {"dataset_options": {"SPATIALITE": "YES"}} if name.endswith("sqlite") else {}
    pyogrio.write_dataframe(table, path, driver=FORMATS[name], **options)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_formats_give_the_same_polygons(tmp_path, name):
    crs = "EPSG:4326" if name == "a.geojson" else LAMBERT
    path = write(tmp_path, name, frame([12, 3, 12]).to_crs(crs))
    truth = ground_truth.read(path, "code", LAMBERT)
    assert truth.frame["value"].tolist() == [12, 3, 12]
    assert all(type(value) is int for value in truth.frame["value"])
    assert truth.frame.crs == LAMBERT
    assert truth.crs == crs
    assert list(truth.frame.columns) == ["fid", "value", "polygon", "geometry"]
    gaps = shapely.hausdorff_distance(truth.frame.geometry.to_numpy(), np.array(SQUARES))
    assert gaps.max() < 1e-3
    assert len(set(truth.frame["polygon"])) == 3


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg"])
def test_strings_are_stripped_and_empty_ones_are_missing(tmp_path, name):
    path = write(tmp_path, name, frame(["corn ", "forêt", ""]))
    assert ground_truth.read(path, "code", None).frame["value"].tolist() == ["corn", "forêt", None]


def test_a_missing_integer_is_missing_and_others_stay_integers(tmp_path):
    table = frame([7, 8, 9])
    table["code"] = table["code"].astype("Int32")
    table.loc[1, "code"] = None
    path = write(tmp_path, "a.gpkg", table)
    values = ground_truth.read(path, "code", None).frame["value"].tolist()
    assert values == [7, None, 9]
    assert type(values[0]) is int


def test_identifiers_do_not_depend_on_the_target_crs(tmp_path):
    path = write(tmp_path, "a.gpkg", frame([1, 2, 3]))
    here = ground_truth.read(path, "code", None).frame
    there = ground_truth.read(path, "code", "EPSG:32631").frame
    assert here["polygon"].tolist() == there["polygon"].tolist()
    assert there.crs == "EPSG:32631"


@pytest.fixture
def surveyed():
    """Polygons with coordinates of many digits, some with a hole or two parts."""
    rng = np.random.default_rng(5)
    places = rng.uniform((100_000, 6_100_000), (1_200_000, 7_000_000), (40, 2))
    shapes = [
        shapely.affinity.rotate(shapely.box(x, y, x + 37.125, y + 80.0625), 10 * k)
        for k, (x, y) in enumerate(places)
    ]
    shapes[1] = shapes[1].difference(shapes[1].centroid.buffer(5))
    shapes[2] = shapely.MultiPolygon([shapes[2]])
    shapes[3] = shapely.MultiPolygon([shapes[3], shapes[4]])
    return frame([1 + k % 3 for k in range(40)], shapes)


@pytest.mark.parametrize("crs", [LAMBERT, "EPSG:32631", "EPSG:4326"])
@pytest.mark.parametrize("name", ["a.shp", "a.geojson", "a.gpkg"])
def test_identifiers_do_not_depend_on_format_and_crs(tmp_path, surveyed, name, crs):
    known = ground_truth._identifiers(surveyed["code"], surveyed.geometry)
    assert len(set(known)) == len(surveyed)
    table = surveyed.to_crs(crs)
    digits = {"layer_options": {"COORDINATE_PRECISION": "12"}} if name == "a.geojson" else {}
    pyogrio.write_dataframe(table, tmp_path / name, driver=FORMATS[name], **digits)
    read = ground_truth.read(tmp_path / name, "code", LAMBERT)
    assert read.frame["polygon"].tolist() == known


def test_the_last_digits_of_coordinates_are_not_in_an_identifier(surveyed):
    names = ground_truth._identifiers(surveyed["code"], surveyed.geometry)
    shaken = surveyed.geometry.apply(
        lambda shape: shapely.transform(shape, lambda c: c + 1e-9 * np.sin(1000 * c))
    )
    assert ground_truth._identifiers(surveyed["code"], shaken) == names
    moved = surveyed.geometry.translate(0.01)
    assert not set(ground_truth._identifiers(surveyed["code"], moved)) & set(names)


def test_an_identifier_is_that_of_class_and_shape(tmp_path):
    square = SQUARES[0]
    turned = shapely.Polygon([*square.exterior.coords[2:-1], *square.exterior.coords[:3]])
    reverse = square.reverse()
    high = shapely.force_3d(square, 12.5)
    shapes = [square, turned, reverse, high, square, SQUARES[1]]
    path = write(tmp_path, "a.gpkg", frame([1, 1, 1, 1, 2, 1], shapes))
    names = ground_truth.read(path, "code", None).frame["polygon"].tolist()
    assert len(set(names[:4])) == 1  # drawn otherwise, but the same polygon
    assert len({names[0], names[4], names[5]}) == 3


@few
@given(st.permutations(range(6)))
def test_usable_is_the_same_for_any_order_and_drops_duplicates(order):
    shapes = [*SQUARES, SQUARES[0], shapely.Polygon(), None]
    values = [10, 9, 2, 10, 9, 9]
    table = frame([values[k] for k in order], [shapes[k] for k in order])
    names = ground_truth._identifiers(table["code"], table.geometry)
    truth = GroundTruth(
        gpd.GeoDataFrame(
            {"fid": list(order), "value": table["code"].astype(object), "polygon": names},
            geometry=table.geometry,
        ),
        LAMBERT,
    )
    found = usable(truth)
    assert found["value"].tolist() == [10, 2, 9]  # by class as text
    assert found.geometry.tolist() == [SQUARES[0], SQUARES[2], SQUARES[1]]
    assert list(found.index) == [0, 1, 2]


def test_usable_drops_polygons_without_class():
    names = ["a", "b", "c"]
    table = gpd.GeoDataFrame(
        {"fid": range(3), "value": ["x", None, "y"], "polygon": names}, geometry=SQUARES
    )
    assert usable(GroundTruth(table, LAMBERT))["polygon"].tolist() == ["a", "c"]


# --- what cannot be read --------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"there is no ground truth .*absent\.shp"):
        ground_truth.read(tmp_path / "absent.shp", "code", None)


def test_a_missing_field_names_those_there_are(tmp_path):
    path = write(tmp_path, "a.gpkg", frame([1, 2, 3]))
    with pytest.raises(InputError, match="has no field 'class'; its fields: code, other"):
        ground_truth.read(path, "class", None)


def test_a_field_of_another_type(tmp_path):
    path = write(tmp_path, "a.gpkg", frame([1, 2, 3]).assign(day=pd.Timestamp("2018-05-01")))
    assert ground_truth.problems_of(path, "other") == [
        f"{path}: field 'other' is of type Real; a class is an integer or a string; i2lc "
        "check-database -doCorrections True turns whole numbers into integers"
    ]
    with pytest.raises(InputError, match=r"of type DateTime; a class is an integer or a string$"):
        ground_truth.read(path, "day", None)


def test_no_crs_and_no_field_are_told_at_once(tmp_path):
    path = write(tmp_path, "a.shp", frame([1, 2, 3]))
    path.with_suffix(".prj").unlink()
    found = ground_truth.problems_of(path, "class")
    assert len(found) == 2
    assert "states no CRS" in found[0]
    assert "no field 'class'" in found[1]


def test_a_truncated_shapefile(tmp_path):
    path = write(tmp_path, "a.shp", frame([1, 2, 3]))
    assert ground_truth.problems_of(path, "code") == []
    content = path.read_bytes()
    path.write_bytes(content[:-60])
    expected = f"is truncated: it has {len(content) - 60} of {len(content)} bytes"
    with pytest.raises(InputError, match=expected):
        ground_truth.read(path, "code", None)


def test_a_file_that_is_no_vector(tmp_path):
    (tmp_path / "a.gpkg").write_text("nothing")
    with pytest.raises(InputError, match="does not open as a vector file"):
        ground_truth.read(tmp_path / "a.gpkg", "code", None)


def test_two_layers(tmp_path):
    for layer in ("one", "two"):
        pyogrio.write_dataframe(
            frame([1, 2, 3]), tmp_path / "a.gpkg", driver="GPKG", layer=layer, append=True
        )
    with pytest.raises(InputError, match=r"has 2 layers with geometries \(one, two\), want one"):
        ground_truth.read(tmp_path / "a.gpkg", "code", None)


def test_the_files_of_a_data_set(tmp_path):
    path = write(tmp_path, "a.shp", frame([1, 2, 3]))
    names = {file.suffix for file in ground_truth.files_of(path)}
    assert {".shp", ".shx", ".dbf", ".prj"} <= names
    assert ground_truth.files_of(tmp_path / "a.gpkg") == [tmp_path / "a.gpkg"]
    assert ground_truth.files_of(tmp_path / "none.shp") == [tmp_path / "none.shp"]


@pytest.mark.parametrize("name", ["TRUTH.SHP", "TRUTH.shp"])
def test_the_files_of_a_shapefile_in_capitals(tmp_path, name):
    written = write(tmp_path, "a.shp", frame([1, 2, 3]))
    for part in tmp_path.glob("a.*"):
        part.rename(tmp_path / (name.partition(".")[0] + part.suffix.upper()))
    path = tmp_path / name
    written.with_name(name.partition(".")[0] + ".SHP").rename(path)
    (tmp_path / f"{path.stem}2.DBF").write_text("of another one")
    assert len(ground_truth.read(path, "code", None).frame) == 3
    found = ground_truth.files_of(path)
    assert found[0] == path
    assert {file.name for file in found} == {
        name,
        *(f"{path.stem}{ending}" for ending in (".SHX", ".DBF", ".PRJ", ".CPG")),
    }


def test_an_edit_in_the_journal_of_a_geopackage_is_a_file_of_it(tmp_path):
    path = write(tmp_path, "a.gpkg", frame([1, 2, 3]))
    with sqlite3.connect(path) as edits:
        edits.execute("PRAGMA journal_mode=WAL")
        before = path.read_bytes()
        edits.execute("CREATE TABLE more (code INTEGER)")
        edits.commit()
        found = ground_truth.files_of(path)
        assert path.read_bytes() == before
    edits.close()
    assert found == [path, tmp_path / "a.gpkg-wal"]
    (tmp_path / "a.gpkg-journal").write_text("")
    assert ground_truth.files_of(path) == [path]


def test_the_files_of_a_mapinfo_table(tmp_path):
    path = tmp_path / "a.tab"
    pyogrio.write_dataframe(frame([1, 2, 3]), path, driver="MapInfo File")
    names = {file.name for file in ground_truth.files_of(path)}
    assert names == {"a.tab", "a.dat", "a.map", "a.id"}


# --- the pixels of a polygon ----------------------------------------------------------------

BIG = GeoBox((60, 60), Affine(10, 0, 500_000, 0, -10, 6_300_600), LAMBERT)
points = st.tuples(st.floats(-200, 800), st.floats(-200, 800))


@st.composite
def polygons(draw):
    """A polygon around a point near the grid `BIG`, of 3 to 9 corners."""
    x, y = draw(points)
    radii = draw(st.lists(st.floats(1, 180), min_size=3, max_size=9))
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    ring = [
        (500_000 + x + r * np.cos(a), 6_300_000 + y + r * np.sin(a))
        for r, a in zip(radii, angles, strict=True)
    ]
    shape = shapely.Polygon(ring)
    assume(shape.is_valid)
    return shape


def pixels_of(shape, gbox):
    """Lattice (row, column) of each pixel of a polygon."""
    found = footprint(shape, gbox)
    row0, col0 = grid.origin(gbox)
    rows, cols = np.nonzero(found.mask)
    return set(
        zip(
            (rows + found.rows.start + row0).tolist(),
            (cols + found.cols.start + col0).tolist(),
            strict=True,
        )
    )


@few
@given(polygons())
def test_a_pixel_belongs_to_the_polygon_that_holds_its_centre(shape):
    found = footprint(shape, BIG)
    y, x = grid.centres(grid.crop(BIG, found.rows, found.cols))
    grid_x, grid_y = np.meshgrid(x, y)
    inside = shapely.contains_xy(shape, grid_x, grid_y)
    near = shapely.distance(shape.boundary, shapely.points(grid_x, grid_y)) < 1e-6
    assert found.mask.dtype == bool
    np.testing.assert_array_equal(found.mask[~near], inside[~near])
    # the window holds the polygon
    window = grid.crop(BIG, found.rows, found.cols).boundingbox
    assert window.left <= shape.bounds[0]
    assert window.right >= shape.bounds[2]
    assert window.bottom <= shape.bounds[1]
    assert window.top >= shape.bounds[3]


@few
@given(polygons(), st.integers(-50, 50), st.integers(-50, 50))
def test_every_tile_finds_the_same_pixels(shape, row, col):
    other = grid.crop(BIG, slice(row, row + 30), slice(col, col + 20))
    assert pixels_of(shape, other) == pixels_of(shape, BIG)


def test_neighbours_share_no_pixel_and_leave_none_out():
    """Edges on pixel centres: each centre belongs to one side."""
    left = shapely.box(500_005, 6_300_001, 500_055, 6_300_091)
    right = shapely.box(500_055, 6_300_001, 500_095, 6_300_091)
    both = pixels_of(shapely.union(left, right), BIG)
    one, two = pixels_of(left, BIG), pixels_of(right, BIG)
    assert not one & two
    assert one | two == both
    assert len(both) == 81


def test_a_polygon_without_a_centre_has_no_pixel():
    assert not footprint(shapely.box(500_001, 6_300_001, 500_004, 6_300_009), BIG).mask.any()


def test_a_hole_is_no_part():
    ring = shapely.box(500_000, 6_300_000, 500_050, 6_300_050)
    hole = shapely.box(500_020, 6_300_020, 500_030, 6_300_030)
    assert int(footprint(shapely.difference(ring, hole), BIG).mask.sum()) == 24


@few
@given(polygons(), st.integers(0, 59), st.integers(1, 60), st.integers(0, 59), st.integers(1, 60))
def test_within_places_the_part_of_a_window(shape, row, height, col, width):
    found = footprint(shape, BIG)
    place, part = found.within(slice(row, row + height), slice(col, col + width))
    canvas = np.zeros((height, width), bool)
    canvas[place] = part
    expected = np.zeros((height, width), bool)
    for r, c in pixels_of(shape, BIG):
        r, c = r - grid.origin(BIG)[0] - row, c - grid.origin(BIG)[1] - col
        if 0 <= r < height and 0 <= c < width:
            expected[r, c] = True
    np.testing.assert_array_equal(canvas, expected)


@few
@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_an_outline_holds_its_pixels_and_no_other(seed, share):
    mask = np.random.default_rng(seed).random((7, 6)) < share
    assume(mask.any())
    window = grid.crop(BIG, slice(3, 10), slice(5, 11))
    shape = outline(mask, window)
    assert shape.is_valid
    assert shape.area == pytest.approx(100 * mask.sum())
    y, x = grid.centres(window)
    np.testing.assert_array_equal(shapely.contains_xy(shape, *np.meshgrid(x, y)), mask)


def test_polygons_only_drops_lines_and_points():
    square, line, point = shapely.box(0, 0, 1, 1), shapely.LineString([(0, 0), (5, 5)]), (9, 9)
    mixed = shapely.GeometryCollection([line, square, shapely.Point(point)])
    assert ground_truth.polygons_only(mixed).equals(square)
    assert ground_truth.polygons_only(line).is_empty
    two = shapely.MultiPolygon([square, shapely.box(3, 3, 4, 4)])
    assert ground_truth.polygons_only(two).equals(two)
