"""Regions: the file, the region of a polygon and of a pixel, the models of a region."""

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from i2lc.errors import InputError
from i2lc.steps.contract import WHOLE
from i2lc.steps.reference import regions
from i2lc.steps.reference.regions import Regions, RegionSettings
from i2lc.steps.tiles import grid

LAMBERT = "EPSG:2154"
X, Y = 500_000, 6_300_000
few = settings(max_examples=40, deadline=None)


def square(x, y, width=1000, height=1000):
    return shapely.box(X + x, Y + y, X + x + width, Y + y + height)


def write(path, names, shapes, crs=LAMBERT, field="region"):
    table = gpd.GeoDataFrame({field: names}, geometry=list(shapes), crs=crs)
    pyogrio.write_dataframe(table, path)
    return path


def asked(path, **keys):
    return RegionSettings(region_path=path, **keys)


def problems(path, **keys):
    return regions.problems_of(asked(path, **keys), LAMBERT)


def refused(**keys):
    with pytest.raises(ValidationError) as caught:
        RegionSettings(**keys)
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


def test_settings_that_agree(tmp_path):
    assert RegionSettings().region_path is None
    assert RegionSettings(mode_outside_regionsplit=0.1).mode_outside_regionsplit == 0.1
    fused = asked(tmp_path, classif_mode="fusion", mode_outside_regionsplit=2, region_field="name")
    assert (fused.classif_mode, fused.mode_outside_regionsplit) == ("fusion", 2.0)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (
            {"classif_mode": "fusion"},
            "classif_mode fusion needs region_path: give it, or choose separate",
        ),
        ({"region_field": "name"}, "region_field needs region_path: give both or none"),
        (
            {"region_path": "r.shp", "mode_outside_regionsplit": 3},
            "mode_outside_regionsplit belongs to classif_mode fusion, not separate: drop it, or "
            "choose fusion",
        ),
        (
            {
                "region_path": "r.shp",
                "classif_mode": "fusion",
                "mode_outside_regionsplit": 0,
            },
            "Input should be greater than 0",
        ),
    ],
)
def test_settings_that_disagree(keys, text):
    assert refused(**keys) == text


def test_without_a_file_there_are_no_regions():
    assert regions.read(RegionSettings(), LAMBERT) is None
    assert regions.problems_of(RegionSettings(), LAMBERT) == []
    assert regions.region_of(None, [square(0, 0)] * 2).tolist() == [WHOLE, WHOLE]
    assert regions.parts_of([WHOLE, WHOLE], [1.0, 1e9], RegionSettings()) == {WHOLE: 1}
    assert regions.models_of({WHOLE: 1}) == (WHOLE,)


@pytest.mark.parametrize("name", ["r.shp", "r.gpkg", "r.geojson"])
def test_a_region_of_several_polygons_is_one(tmp_path, name):
    shapes = [square(2000, 0), square(0, 0), square(1000, 0)]
    crs = "EPSG:4326" if name == "r.geojson" else LAMBERT
    table = gpd.GeoDataFrame({"region": ["b", "a ", "a"]}, geometry=shapes, crs=LAMBERT)
    pyogrio.write_dataframe(table.to_crs(crs), tmp_path / name)
    found = regions.read(asked(tmp_path / name), LAMBERT)
    assert found.names == ("a", "b")
    wanted = np.array([square(0, 0, width=2000), square(2000, 0)])
    assert shapely.area(shapely.symmetric_difference(found.shapes, wanted)).max() < 50


def test_integers_name_regions_too(tmp_path):
    path = write(tmp_path / "r.gpkg", [7, 12], [square(0, 0), square(1000, 0)], field="zone")
    assert regions.read(asked(path, region_field="zone"), LAMBERT).names == ("12", "7")


def test_a_missing_integer_is_told_and_the_others_stay_integers(tmp_path):
    names = np.array([7, None], object)
    table = gpd.GeoDataFrame({"region": names}, geometry=[square(0, 0), square(1000, 0)], crs=2154)
    table["region"] = table["region"].astype("Int32")
    pyogrio.write_dataframe(table, tmp_path / "r.gpkg")
    assert problems(tmp_path / "r.gpkg") == [
        f"{tmp_path / 'r.gpkg'}: no name in the field of the regions: feature 2; repair the file "
        "(i2lc check-database tells)"
    ]


def test_a_file_that_is_missing_or_no_vector(tmp_path):
    assert problems(tmp_path / "r.shp") == [f"there is no file of regions {tmp_path / 'r.shp'}"]
    (tmp_path / "r.gpkg").write_text("no vector")
    (text,) = problems(tmp_path / "r.gpkg")
    assert text.startswith(f"{tmp_path / 'r.gpkg'} does not open as a vector file: ")
    with pytest.raises(InputError, match="there is no file of regions"):
        regions.read(asked(tmp_path / "r.shp"), LAMBERT)


def test_a_file_without_the_field_or_a_crs(tmp_path):
    path = write(tmp_path / "r.gpkg", ["a"], [square(0, 0)], field="name")
    assert problems(path) == [f"{path} has no field 'region'; its fields: name"]
    path = write(tmp_path / "float.gpkg", [1.5], [square(0, 0)])
    assert problems(path) == [
        f"{path}: field 'region' is of type Real; the name of a region is an integer or a string"
    ]
    write(tmp_path / "s.shp", ["a"], [square(0, 0)])
    (tmp_path / "s.prj").unlink()
    assert problems(tmp_path / "s.shp") == [
        f"{tmp_path / 's.shp'} states no CRS: give it one (a .prj file beside a shapefile)"
    ]


def test_features_that_are_no_region(tmp_path):
    bowtie = shapely.from_wkt("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))")
    shapes = [square(0, 0), square(1000, 0), shapely.Polygon(), None, bowtie, shapely.Point(X, Y)]
    path = write(tmp_path / "r.gpkg", ["a", None, "b", "c", "d", "e"], shapes)
    way_out = "; repair the file (i2lc check-database tells)"
    assert problems(path) == [
        f"{path}: no name in the field of the regions: feature 2{way_out}",
        f"{path}: empty geometry: features 3, 4{way_out}",
        f"{path}: no polygon but another geometry: feature 6 (Point){way_out}",
        f"{path}: invalid geometry: feature 5 (Self-intersection[5 5]){way_out}",
    ]


def test_a_file_without_a_feature(tmp_path):
    path = write(tmp_path / "r.gpkg", np.array([], str), [])
    assert problems(path) == [f"{path}: no region"]


def test_regions_that_overlap(tmp_path):
    shapes = [square(0, 0), square(900, 0), square(0, 1000)]
    path = write(tmp_path / "r.gpkg", ["a", "b", "c"], shapes)
    assert problems(path) == [
        f"{path}: regions 'a' and 'b' overlap by 100000 m2, such as at x 500950, y 6300500: "
        "cut one of them"
    ]
    with pytest.raises(InputError, match="'a' and 'b' overlap"):
        regions.read(asked(path), LAMBERT)


def test_a_region_inside_another_overlaps_it(tmp_path):
    path = write(tmp_path / "r.gpkg", ["a", "b"], [square(0, 0), square(100, 100, 100, 100)])
    (text,) = problems(path)
    assert "regions 'a' and 'b' overlap by 10000 m2" in text


def test_polygons_of_one_region_may_overlap(tmp_path):
    path = write(tmp_path / "r.gpkg", ["a", "a"], [square(0, 0), square(900, 0)])
    assert problems(path) == []


def test_a_thin_strip_along_a_border_is_no_overlap(tmp_path):
    """A change of CRS bends borders; 10 km by 0.5 m are 5000 m2."""
    low, high = square(0, 0, 10_000, 1000), square(0, 999.5, 10_000, 1000)
    path = write(tmp_path / "r.gpkg", ["a", "b"], [low, high])
    assert problems(path) == []
    path = write(tmp_path / "s.gpkg", ["a", "b"], [low, square(0, 998, 10_000, 1000)])
    assert "overlap by 20000 m2" in problems(path)[0]


def test_names_that_cannot_stand_side_by_side(tmp_path):
    shapes = [square(1000 * k, 0) for k in range(3)]
    path = write(tmp_path / "r.gpkg", ["North", "north", "é" * 30], shapes)
    assert problems(path) == [
        f"{path}: regions 'North' and 'north' have one name where capitals do not count, as on "
        "some disks: rename one",
        f"{path}: the name of region '{'é' * 30}' takes 180 letters in a file name, 120 at most: "
        "shorten it",
    ]


@pytest.mark.parametrize("what", ["_fold_1", "_seed_0", "_hyp_2", "_Fold_9"])
def test_a_name_that_would_be_confused_with_names_of_files(tmp_path, what):
    shapes = [square(1000 * k, 0) for k in range(3)]
    path = write(tmp_path / "r.gpkg", [f"A{what}", f"B{what}0x", f"C{what[:-1]}"], shapes)
    assert problems(path) == [
        f"{path}: the name of region '{name}' holds '{what}', as names of files do behind that of "
        "a region: rename it"
        for name in (f"A{what}", f"B{what}0x")
    ]


def test_a_region_that_has_the_name_of_a_part_of_another(tmp_path):
    shapes = [square(1000 * k, 0) for k in range(4)]
    path = write(tmp_path / "r.gpkg", ["a", "af2", "bf1", "af0"], shapes)
    assert problems(path) == []
    assert problems(path, classif_mode="fusion") == [
        f"{path}: region 'af2' has the name that a part of region 'a' has in classif_mode fusion: "
        "rename one"
    ]


PAIR = Regions(("east", "west"), np.array([square(1000, 0), square(0, 0)], object))


def test_a_polygon_belongs_where_most_of_it_lies():
    shapes = np.array(
        [
            square(900, 0, 150, 10),
            square(950, 0, 150, 10),
            square(2100, 0, 10, 10),
            square(2000, 0, 10, 10),  # touches
            square(500, 990, 10, 100),  # mostly outside of all
        ],
        object,
    )
    found = regions.region_of(PAIR, shapes)
    assert found.tolist() == ["west", "east", "", "", "west"]


def test_of_two_halves_the_first_name_counts():
    halves = [square(950, 0, 100, 10), square(950 - 1e-8, 0, 100 + 1e-8, 10)]  # but for rounding
    assert regions.region_of(PAIR, np.array(halves)).tolist() == ["east", "east"]


def test_a_polygon_over_two_parts_of_a_region_counts_both():
    comb = shapely.union_all([square(0, 0, 40, 100), square(60, 0, 40, 100)])
    shapes = Regions(("comb", "gap"), np.array([comb, square(40, 0, 20, 100)], object))
    assert regions.region_of(shapes, np.array([square(30, 0, 40, 10)])).tolist() == ["comb"]


def test_an_invalid_polygon_has_a_region():
    bowtie = shapely.transform(
        shapely.from_wkt("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))"), lambda xy: xy + [X + 500, Y]
    )
    assert regions.region_of(PAIR, np.array([bowtie, None], object)).tolist() == ["west", ""]


def test_models_of_regions_with_polygons():
    asked_ = RegionSettings(region_path="r.shp")
    parts = regions.parts_of(["b", "", "a", "b"], [1e9, 1e9, 1.0, 1.0], asked_)
    assert list(parts.items()) == [("a", 1), ("b", 1)]
    assert regions.models_of(parts) == ("a", "b")


@pytest.mark.parametrize(
    ("area", "number"), [(1.0, 1), (100_000, 1), (100_001, 2), (300_000, 3), (300_001, 4), (0.0, 1)]
)
def test_a_region_is_divided_so_that_no_part_exceeds_the_limit(area, number):
    asked_ = RegionSettings(region_path="r.shp", classif_mode="fusion")
    assert regions.parts_of(["a", "a"], [area / 2, area / 2], asked_) == {"a": number}


def test_a_sum_that_rounds_above_the_limit_makes_no_further_part():
    limit = 0.3 / 1e6
    assert 0.1 + 0.2 > limit * 1e6 == 0.3
    asked_ = RegionSettings(
        region_path="r.shp", classif_mode="fusion", mode_outside_regionsplit=limit
    )
    assert regions.parts_of(["a"] * 2, [0.1, 0.2], asked_) == {"a": 1}


def test_names_of_the_models_of_a_region():
    assert regions.models_of({"a": 1, "b": 3}) == ("a", "bf1", "bf2", "bf3")
    assert regions.names_of("b", 2) == ("bf1", "bf2")


names = st.lists(st.text("abc", min_size=1, max_size=4), unique=True, min_size=1, max_size=30)


@few
@given(names, st.integers(1, 5), st.integers(0, 9))
def test_polygons_are_dealt_evenly_in_any_order(polygons, parts, seed):
    dealt = dict(zip(polygons, regions.deal(polygons, parts, seed, "12"), strict=True))
    sizes = [list(dealt.values()).count(part) for part in range(parts)]
    assert sum(sizes) == len(polygons)
    assert max(sizes) - min(sizes) <= 1
    turned = polygons[::-1]
    assert dict(zip(turned, regions.deal(turned, parts, seed, "12"), strict=True)) == dealt


def test_small_classes_do_not_all_go_to_the_first_model():
    drawn = [regions.deal(["p"], 3, 0, f"class {k}")[0] for k in range(300)]
    assert min(drawn.count(part) for part in range(3)) > 70


def test_seeds_and_classes_deal_differently():
    polygons = [f"p{k}" for k in range(20)]
    deals = [regions.deal(polygons, 2, seed, what) for seed in range(5) for what in ("12", "13")]
    assert len({tuple(deal) for deal in deals}) == 10


def lattice(rows, cols, row0=-630_100, col0=50_000):
    return GeoBox((rows, cols), Affine(10, 0, col0 * 10, 0, -10, -row0 * 10), LAMBERT)


def test_a_pixel_belongs_to_the_region_that_holds_its_centre():
    gbox = lattice(110, 210)
    burnt = regions.burn(PAIR, gbox)
    assert burnt.dtype == np.uint16
    assert burnt.shape == (110, 210)
    y, x = grid.centres(gbox)
    west = (x < X + 1000)[None, :] & (y > Y)[:, None]
    east = ((x > X + 1000) & (x < X + 2000))[None, :] & (y > Y)[:, None]
    assert (burnt == np.where(west, 2, np.where(east, 1, 0))).all()
    assert west.sum() == east.sum() == 100 * 100


def test_no_pixel_is_lost_between_neighbours_with_a_crooked_border():
    rng = np.random.default_rng(3)
    border = [(X + 1000 + dx, Y - 10 + 51 * k) for k, dx in enumerate(rng.uniform(-90, 90, 21))]
    left, right = X - 5, X + 2005
    shapes = [
        shapely.Polygon([(left, border[0][1]), *border, (left, border[-1][1])]),
        shapely.Polygon([(right, border[0][1]), *border, (right, border[-1][1])]),
    ]
    burnt = regions.burn(Regions(("a", "b"), np.array(shapes, object)), lattice(100, 200))
    assert set(np.unique(burnt)) == {1, 2}
    rows, cols = np.indices(burnt.shape)
    points = shapely.points(X + 10 * cols + 5, Y + 1000 - 10 * rows - 5)
    assert (burnt == np.where(shapely.contains(shapes[0], points), 1, 2)).all()


def test_where_regions_share_a_strip_the_first_one_has_it():
    shapes = np.array([square(0, 0), square(900, 0)], object)
    burnt = regions.burn(Regions(("a", "b"), shapes), lattice(100, 190))
    assert (burnt[:, :100] == 1).all()
    assert (burnt[:, 100:] == 2).all()


SIZE = 9.7
"""No number of pixels of this size is exact, so that a window's own coordinates round anew."""


def centre(row, col):
    return (col + 0.5) * SIZE, -(row + 0.5) * SIZE


CROOKED = Regions(
    ("a", "b"),
    np.array(
        [
            shapely.Polygon(
                [centre(-650_000, 52_000), centre(-650_900, 52_300), centre(-650_450, 53_150)]
            ),
            shapely.Polygon(
                [centre(-650_000, 52_000), centre(-650_450, 53_150), centre(-649_950, 52_900)]
            ),
        ],
        object,
    ),
)
"""Their borders run through the centres of many pixels."""
WIDE = GeoBox((1000, 1300), Affine(SIZE, 0, 51_900 * SIZE, 0, -SIZE, 650_950 * SIZE), LAMBERT)
BURNT = regions.burn(CROOKED, WIDE)


@few
@given(st.integers(0, 999), st.integers(1, 400), st.integers(0, 1299), st.integers(1, 400))
def test_the_cut_does_not_matter(row, height, col, width):
    rows, cols = slice(row, min(row + height, 1000)), slice(col, min(col + width, 1300))
    assert (regions.burn(CROOKED, grid.crop(WIDE, rows, cols)) == BURNT[rows, cols]).all()


def test_the_wide_window_lies_on_several_blocks_and_has_all_numbers():
    row, col = grid.origin(WIDE)
    assert row // regions.BLOCK != (row + 999) // regions.BLOCK
    assert col // regions.BLOCK != (col + 1299) // regions.BLOCK
    assert set(np.unique(BURNT)) == {0, 1, 2}
