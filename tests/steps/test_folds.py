"""Folds: settings, what each holds out, what teaches its models, and what is wrong with them."""

import time
import tracemalloc

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from i2lc.errors import InputError
from i2lc.steps.checks import fold_checks
from i2lc.steps.reference import fold_draws, folds
from i2lc.steps.reference.folds import Folds, FoldSettings, Placed
from i2lc.steps.reference.ground_truth import GroundTruthSettings

LAMBERT = "EPSG:2154"
few = settings(max_examples=40, deadline=None)


def tile(x, y, size=1000):
    """Give a tile of `size` metres whose lower left corner is (x, y)."""
    return GeoBox((size // 10, size // 10), Affine(10, 0, x, 0, -10, y + size), LAMBERT)


GRIDS = {"T2": tile(900, 0), "T1": tile(0, 0)}  # they share 100 m
EVERYWHERE = {"T1": tile(-100_000, -100_000, 200_000)}


def square(x, y, size=20):
    return shapely.box(x, y, x + size, y + size)


def frame(shapes, values=None, **columns):
    """Give polygons as `folds.read` does: by class, then identifier."""
    values = values or [1] * len(shapes)
    table = {"fid": range(len(shapes)), "value": pd.Series(values, dtype=object)}
    table |= {"polygon": [f"p{k:02}" for k in range(len(shapes))], "own": True, **columns}
    return gpd.GeoDataFrame(table, geometry=list(shapes), crs=LAMBERT)


def held(table, grids=EVERYWHERE, seed=0, **keys):
    return folds.place(table, Folds(**keys), grids, seed)


def numbers(flags):
    return [np.flatnonzero(row).tolist() for row in flags]


# settings


def test_no_fold_is_the_default():
    assert FoldSettings().folds is None
    chosen = FoldSettings(folds={"by": "tile", "buffer": 100}).folds
    assert (chosen.by, chosen.buffer, chosen.output, chosen.k) == ("tile", 100.0, "maps", None)


def test_relative_test_files_start_in_the_folder_of_the_configuration(tmp_path):
    made = FoldSettings.model_validate(
        {"folds": {"test_vectors": ["a.shp", "/b.shp"]}}, context={"folder": tmp_path}
    )
    assert [str(path) for path in made.folds.test_vectors] == [str(tmp_path / "a.shp"), "/b.shp"]
    assert made.folds.by == "vectors"


@pytest.mark.parametrize(
    "keys",
    [
        {"by": "tile"},
        {"by": "block", "block_size": 500, "k": 4},
        {"by": "field", "field": "zone"},
        {"by": "field", "field": "zone", "k": 3},
        {"by": "polygon", "k": 2, "output": "scores"},
        {"by": "vectors", "test_vectors": ["a.shp"], "buffer": 5},
    ],
)
def test_keys_that_agree(keys):
    assert Folds(**keys).model_dump(mode="json", exclude_defaults=True) == {
        key: value for key, value in keys.items() if key != "by" or value != "vectors"
    }


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "folds needs by: one of tile, block, field, polygon, vectors"),
        ({"buffer": 5}, "folds needs by: one of tile, block, field, polygon, vectors"),
        ({"by": "block"}, "by block needs k and block_size"),
        ({"by": "block", "k": 3}, "by block needs block_size"),
        ({"by": "block", "block_size": 3}, "by block needs k"),
        ({"by": "field"}, "by field needs field"),
        ({"by": "polygon"}, "by polygon needs k"),
        ({"by": "vectors"}, "by vectors needs test_vectors"),
        ({"by": "tile", "k": 3}, "k belongs to by block or field or polygon, not tile"),
        ({"by": "tile", "block_size": 3}, "block_size belongs to by block, not tile"),
        ({"by": "polygon", "k": 3, "field": "a"}, "field belongs to by field, not polygon"),
        (
            {"by": "tile", "test_vectors": ["a.shp"]},
            "test_vectors belongs to by vectors, not tile",
        ),
        (
            {"test_vectors": ["a.shp"], "k": 2},
            "k belongs to by block or field or polygon, not vectors",
        ),
        ({"test_vectors": ["a.shp", "a.shp"]}, "test_vectors has a file twice: give each once"),
        ({"by": "polygon", "k": 1}, "Input should be greater than or equal to 2"),
        ({"by": "polygon", "k": 101}, "Input should be less than or equal to 100"),
        (
            {"test_vectors": [f"{k}.shp" for k in range(101)]},
            "Tuple should have at most 100 items after validation, not 101",
        ),
        ({"by": "tile", "buffer": -1}, "Input should be greater than or equal to 0"),
        ({"by": "block", "k": 2, "block_size": 0}, "Input should be greater than 0"),
    ],
)
def test_keys_that_disagree(keys, text):
    with pytest.raises(ValidationError) as caught:
        Folds(**keys)
    assert caught.value.errors()[0]["msg"].removeprefix("Value error, ") == text


# reading


def write(path, shapes, values, **columns):
    table = gpd.GeoDataFrame({"code": values, **columns}, geometry=list(shapes), crs=LAMBERT)
    pyogrio.write_dataframe(table, path)
    return path


def read(path, **keys):
    chosen = Folds(**keys) if keys else None
    return folds.read(GroundTruthSettings(ground_truth=path, data_field="code"), chosen, LAMBERT)


def places(table):
    """Give what is known of each polygon, by the x of its left edge."""
    left = [int(shape.bounds[0]) - 500_000 for shape in table.geometry]
    known = [column for column in table.columns if column not in ("fid", "polygon", "geometry")]
    return dict(zip(left, table[known].itertuples(index=False, name=None), strict=True))


SHAPES = [square(500_000 + x, 6_300_000) for x in (0, 100, 200, 300)]


def test_without_folds_the_polygons_are_those_of_the_ground_truth(tmp_path):
    path = write(tmp_path / "a.gpkg", SHAPES, [2, 1, 2, 1])
    table = read(path)
    assert list(table.columns) == ["fid", "value", "polygon", "geometry", "own"]
    assert table["value"].tolist() == [1, 1, 2, 2]
    assert table["own"].tolist() == [True] * 4
    assert table["own"].dtype == bool
    assert table["polygon"].tolist() == [
        name for value in (1, 2) for name in sorted(table["polygon"][table["value"] == value])
    ]


@pytest.mark.parametrize("zones", [["x", "y", None, "x"], [10, 9, 10, 9]])
def test_groups_are_text(tmp_path, zones):
    path = write(tmp_path / "a.gpkg", SHAPES, [1, 1, 2, 2], zone=zones)
    found = places(read(path, by="field", field="zone"))
    wanted = ["" if zone is None else str(zone) for zone in zones]
    assert [found[x] for x in (0, 100, 200, 300)] == [
        (value, group, True) for value, group in zip([1, 1, 2, 2], wanted, strict=True)
    ]


def test_of_copies_in_two_groups_the_smallest_counts_in_any_order(tmp_path):
    for name, zones in {"a": ["x", "y"], "b": ["y", "x"]}.items():
        path = write(tmp_path / f"{name}.gpkg", SHAPES[:1] * 2, [1, 1], zone=zones)
        assert read(path, by="field", field="zone")["group"].tolist() == ["x"]


def test_test_polygons_join_those_of_the_ground_truth(tmp_path):
    own = write(tmp_path / "own.gpkg", SHAPES[:3], [2, 1, 2])
    one = write(tmp_path / "one.gpkg", [SHAPES[3], SHAPES[0]], [1, 2])
    two = write(tmp_path / "two.gpkg", [SHAPES[3], SHAPES[1]], [1, 2])  # the second: other class
    table = read(own, test_vectors=[one, two])
    assert table["value"].tolist() == [1, 1, 2, 2, 2]
    assert list(table.columns)[-2:] == ["test_1", "test_2"]
    rows = [
        (int(s.bounds[0]) - 500_000, *row)
        for s, row in zip(
            table.geometry,
            table[["value", "own", "test_1", "test_2"]].itertuples(index=False, name=None),
            strict=True,
        )
    ]
    assert sorted(rows) == [
        (0, 2, True, True, False),
        (100, 1, True, False, False),
        (100, 2, False, False, True),
        (200, 2, True, False, False),
        (300, 1, False, True, True),
    ]


def test_the_order_in_the_files_changes_nothing(tmp_path):
    def rows(table):
        return table[["polygon", "own", "test_1", "test_2"]].values.tolist()

    tables = []
    for name, step in {"a": 1, "b": -1}.items():
        own = write(tmp_path / f"{name}.gpkg", SHAPES[:3][::step], [2, 1, 2][::step])
        one = write(tmp_path / f"{name}1.gpkg", [SHAPES[3], SHAPES[0]][::step], [1, 2][::step])
        two = write(tmp_path / f"{name}2.gpkg", SHAPES[2:3], [2])
        tables.append(read(own, test_vectors=[one, two]))
    assert rows(tables[0]) == rows(tables[1])


def test_test_polygons_with_classes_of_another_kind(tmp_path):
    own = write(tmp_path / "own.gpkg", SHAPES[:2], [2, 1])
    test = write(tmp_path / "test.gpkg", SHAPES[2:3], ["wheat"])
    with pytest.raises(InputError) as caught:
        read(own, test_vectors=[test])
    assert str(caught.value) == (
        f"{test}: its classes are text, those of the ground truth are integers: give the field "
        "one type in all files"
    )


def test_a_test_file_that_is_missing(tmp_path):
    own = write(tmp_path / "own.gpkg", SHAPES[:2], [2, 1])
    with pytest.raises(InputError) as caught:
        read(own, test_vectors=[tmp_path / "none.shp"])
    assert str(caught.value) == f"there is no file of test polygons {tmp_path / 'none.shp'}"


def test_the_files_of_the_test_polygons(tmp_path):
    path = write(tmp_path / "a.shp", SHAPES, [1] * 4)
    found = folds.files_of(Folds(test_vectors=[path, tmp_path / "b.gpkg"]))
    assert [file.name for file in found] == ["a.shp", "a.cpg", "a.dbf", "a.prj", "a.shx", "b.gpkg"]
    assert folds.files_of(None) == folds.files_of(Folds(by="tile")) == []


# holding out


def test_no_folds():
    placed = folds.place(frame([square(0, 0)] * 3), None, GRIDS, 0)
    assert placed.names == ()
    assert placed.tests.shape == placed.teaches.shape == (0, 3)


def test_a_tile_holds_out_the_polygons_that_lie_mostly_in_it():
    shapes = [
        square(10, 10),
        square(1500, 10),
        square(885, 10, 20),  # 15 of 20 m in T1 alone
        square(930, 10),  # in both: the first name counts
        square(995, 10, 20),  # half in T1, all in T2
        square(5000, 10),  # outside
    ]
    placed = held(frame(shapes), GRIDS, by="tile")
    assert placed.names == ("T1", "T2")
    assert numbers(placed.tests) == [[0, 2, 3], [1, 4]]
    assert numbers(placed.teaches) == [[1, 4], [0, 2, 3]]
    assert placed.label(1) == "fold 2 (T2)"


def test_a_value_holds_out_its_polygons():
    shapes = [square(100 * k, 0) for k in range(5)]
    placed = held(frame(shapes, group=["10", "9", "b", "", "9"]), by="field", field="zone")
    assert placed.names == ("9", "10", "b")
    assert numbers(placed.tests) == [[1, 4], [0], [2]]
    assert numbers(placed.teaches) == [[0, 2, 3], [1, 2, 3, 4], [0, 1, 3, 4]]


def test_more_than_100_values_or_tiles_are_refused_before_memory_grows():
    count = 10_000
    shapes = [square(30 * k, 0) for k in range(count)]
    table = frame(shapes, group=[str(min(k, 99)) for k in range(count)])
    everywhere = {"T1": tile(-1000, -1000, 400_000)}
    assert len(held(table, everywhere, by="field", field="zone").names) == 100
    table["group"] = [str(k) for k in range(count)]
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        held(table, everywhere, by="field", field="zone")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value) == (
        "folds: field 'zone' has 10000 values, 100 folds at most: give k, which groups them"
    )
    assert peak < 20e6  # a table of folds and polygons has 100 MB
    many = {f"T{k}": tile(1000 * k, 0) for k in range(101)}
    with pytest.raises(InputError) as caught:
        held(table, many, by="tile")
    assert str(caught.value) == (
        "folds: list_tile has 101 tiles, 100 folds at most: choose another by, such as block"
    )


def test_files_hold_out_their_polygons():
    shapes = [square(100 * k, 0) for k in range(4)]
    table = frame(
        shapes,
        test_1=[True, False, False, True],
        test_2=[True, True, False, False],
    )
    table["own"] = [True, True, True, False]
    placed = held(table, test_vectors=["/there/t1.shp", "/there/t2.shp"])
    assert placed.names == ("t1.shp", "t2.shp")
    assert numbers(placed.tests) == [[0, 3], [0, 1]]
    assert numbers(placed.teaches) == [[1, 2], [2]]


def test_a_block_is_held_out_as_a_whole():
    shapes = [square(x, y) for x in range(0, 1000, 50) for y in range(0, 1000, 50)]
    placed = held(frame(shapes), by="block", block_size=250, k=4)
    assert placed.names == ("1", "2", "3", "4")
    fold = placed.tests.argmax(axis=0)
    blocks = {}
    for shape, number in zip(shapes, fold, strict=True):
        corner = int(shape.bounds[0] // 250), int(shape.bounds[1] // 250)
        blocks.setdefault(corner, set()).add(int(number))
    assert len(blocks) == 16
    assert all(len(found) == 1 for found in blocks.values())
    assert placed.tests.sum(axis=1).tolist() == [100] * 4
    assert placed.label(2) == "fold 3"


def test_blocks_are_counted_from_the_origin_on_both_sides():
    shapes = np.array([square(-30, -30), square(10, -30), square(240, 490), square(241, 490)])
    assert fold_draws.blocks_of(shapes, 250.0).tolist() == ["-1 -1", "0 -1", "1 2", "1 2"]


@pytest.mark.parametrize("k", [2, 3])
def test_a_group_goes_to_the_fold_with_the_fewest_polygons(k):
    groups = np.array(list("aaaaaaaaabbbccd"), object)
    for seed in range(20):
        fold = fold_draws.deal(groups, k, seed)
        for name in "abcd":
            assert len(set(fold[groups == name])) == 1
        sizes = np.bincount(fold, minlength=k)
        assert sizes.max() <= sizes.min() + 9  # the largest group


groups_drawn = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=1, max_size=40)


@few
@given(groups_drawn, st.integers(2, 4), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_groups_does_not_matter(groups, k, seed, random):
    order = random.sample(range(len(groups)), len(groups))
    texts = np.array(groups, object)
    fold = fold_draws.deal(texts, k, seed)
    assert (fold_draws.deal(texts[order], k, seed) == fold[order]).all()
    assert ((fold == -1) == (texts == "")).all()


classes_drawn = st.lists(st.sampled_from([1, 2, 12, "corn"]), min_size=1, max_size=40)


@few
@given(classes_drawn, st.integers(2, 5), st.integers(0, 5), st.randoms(use_true_random=False))
def test_polygons_are_dealt_class_by_class(values, k, seed, random):
    given_ = np.array(values, object)
    names = np.array([f"p{number}" for number in range(len(values))], object)
    fold = fold_draws.in_turn(given_, names, k, seed)
    order = random.sample(range(len(values)), len(values))
    assert (fold_draws.in_turn(given_[order], names[order], k, seed) == fold[order]).all()
    for value in set(values):
        own = np.array([other == value for other in values])
        sizes = np.bincount(fold[own], minlength=k)
        assert sizes.max() - sizes.min() <= 1
    sizes = np.bincount(fold, minlength=k)
    assert sizes.max() - sizes.min() <= 1  # so none is empty while there are polygons


def test_small_classes_do_not_all_fill_the_first_fold():
    values = np.array([f"class {k}" for k in range(300)], object)
    sizes = np.bincount(fold_draws.in_turn(values, values, 3, 0), minlength=3)
    assert sizes.tolist() == [100] * 3
    assert fold_draws.in_turn(values, values, 3, 1).tolist() != (
        fold_draws.in_turn(values, values, 3, 0).tolist()
    )


# laws

corners = st.lists(
    st.tuples(st.integers(-20, 170), st.integers(-20, 90)), min_size=1, max_size=25, unique=True
)
ways = st.sampled_from(
    [
        {"by": "tile"},
        {"by": "block", "block_size": 130, "k": 3},
        {"by": "polygon", "k": 3},
        {"by": "field", "field": "zone"},
        {"by": "field", "field": "zone", "k": 2},
    ]
)
buffers = st.sampled_from([0, 5, 40, 200])


def drawn(points):
    """Give squares of 17 m on a grid of 12 m, so that neighbours overlap, in four groups."""
    shapes = [square(12 * x, 12 * y, 17) for x, y in points]
    values = [1 + (x + y) % 2 for x, y in points]
    table = frame(shapes, values, group=[str(x % 4) for x, _ in points])
    table["polygon"] = [f"{x} {y}" for x, y in points]
    return table


@few
@given(corners, ways, buffers, st.integers(0, 3))
def test_a_polygon_is_tested_once_and_never_teaches_its_fold(points, way, buffer, seed):
    table = drawn(points)
    placed = held(table, GRIDS, seed, buffer=buffer, **way)
    inside = np.array(
        [any(s.intersects(g.extent.geom) for g in GRIDS.values()) for s in table.geometry]
    )
    touching = np.array(
        [
            max(s.intersection(g.extent.geom).area for g in GRIDS.values()) == 0
            for s in table.geometry
        ]
    )
    times = placed.tests.sum(axis=0)
    assert (times[inside & ~touching] == 1).all()
    assert (times[~inside] == 0).all()
    assert not (placed.tests & placed.teaches).any()
    assert not placed.teaches[:, ~inside].any()


@few
@given(corners, ways, buffers)
def test_what_teaches_is_farther_than_the_buffer(points, way, buffer):
    table = drawn(points)
    shapes = table.geometry.to_numpy()
    placed = held(table, GRIDS, buffer=buffer, **way)
    for tests, teaches in zip(placed.tests, placed.teaches, strict=True):
        far = np.ones(len(shapes), bool)
        for test in shapes[tests]:
            if buffer:
                far &= shapely.distance(shapes, test) > buffer
            else:
                far &= shapely.area(shapely.intersection(shapes, test)) <= 1
        meets = np.array([shapely.intersects(shapes, g.extent.geom) for g in GRIDS.values()])
        assert (teaches == (far & ~tests & meets.any(axis=0))).all()


@few
@given(corners, ways, buffers, st.randoms(use_true_random=False))
def test_the_order_of_the_polygons_does_not_matter(points, way, buffer, random):
    order = random.sample(range(len(points)), len(points))
    table = drawn(points)
    one = held(table, GRIDS, buffer=buffer, **way)
    other = held(table.iloc[order].reset_index(drop=True), GRIDS, buffer=buffer, **way)
    assert one.names == other.names
    assert (one.tests[:, order] == other.tests).all()
    assert (one.teaches[:, order] == other.teaches).all()


def test_neighbours_that_touch_teach_only_without_a_buffer():
    shapes = [square(0, 0), square(20, 0), square(39.9, 0), square(45, 0)]
    zones = {"group": ["a", "b", "b", "c"]}
    assert numbers(held(frame(shapes, **zones), by="field", field="z").teaches) == [
        [1, 2, 3],
        [0],  # 3 overlaps a test polygon
        [0, 1],
    ]
    near = held(frame(shapes, **zones), by="field", field="z", buffer=0.01)
    assert numbers(near.teaches) == [[2, 3], [], [0, 1]]
    exact = held(frame(shapes, **zones), by="field", field="z", buffer=19.9)
    assert numbers(exact.teaches)[0] == [3]  # 19.9 m away is not farther than 19.9 m


def test_an_invalid_polygon_and_one_beyond_the_crs_are_placed():
    bowtie = shapely.from_wkt("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))")
    with np.errstate(invalid="ignore"):
        lost = shapely.transform(square(0, 0), lambda xy: xy + np.inf)
        table = frame([bowtie, square(5, 5, 30), square(100, 0), lost], group=list("abcd"))
        placed = held(table, by="field", field="zone")
    assert placed.names == ("a", "b", "c")
    assert numbers(placed.teaches) == [[2], [2], [0, 1]]


def test_a_hundred_thousand_polygons_are_placed_in_seconds():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-99_000, 99_000, (2, 100_000))
    shapes = shapely.box(x, y, x + 60, y + 60)
    table = frame(shapes)
    started = time.perf_counter()
    placed = held(table, by="block", block_size=10_000, k=5, buffer=500)
    assert time.perf_counter() - started < 20
    assert placed.tests.sum() == 100_000
    assert 0 < placed.teaches.sum() < 400_000


# what is wrong


def told(table, region=None, **keys):
    chosen = Folds(**keys)
    regions = np.full(len(table), "", object) if region is None else np.array(region, object)
    placed = folds.place(table, chosen, GRIDS, 0)
    return fold_checks.problems_of(table, placed, chosen, regions)


def test_folds_that_can_be_used():
    shapes = [square(x, y) for x in (10, 100, 1500, 1600) for y in (10, 500)]
    assert told(frame(shapes, [1, 2] * 4), by="tile") == []
    assert (
        fold_checks.problems_of(
            frame(shapes), folds.place(frame(shapes), None, GRIDS, 0), None, np.full(8, "", object)
        )
        == []
    )


def test_a_fold_without_test_polygons():
    shapes = [square(10, 10), square(100, 10)]
    assert told(frame(shapes, [1, 2]), by="tile") == [
        "fold 1 (T1) has no training polygon: all polygons are test polygons, hold out less",
        "fold 2 (T2) has no test polygon: no polygon lies mostly in it: take the tile out of "
        "list_tile, or choose another by",
    ]
    found = told(frame(shapes, [1, 2]), by="block", block_size=1000, k=3)
    assert found == [
        "2 of 3 folds have no test polygon, of 2 polygons: there are fewer blocks with polygons "
        "than folds: choose a smaller block_size or k"
    ]
    found = told(frame(shapes, [1, 2], group=["a", "b"]), by="field", field="z", k=3)
    assert found[-1] == (
        "fold 3 has no test polygon: there are fewer values of the field than folds: choose a "
        "smaller k"
    )
    found = told(frame(shapes, [1, 1]), by="polygon", k=3)
    assert found[-1] == (
        "fold 3 has no test polygon: there are fewer polygons than folds: choose a smaller k"
    )
    many = [square(30 * k, 10) for k in range(12)]
    values = [1 + k % 4 for k in range(12)]
    assert told(frame(many, values), by="polygon", k=12) == []  # a class has three of them
    assert told(frame(many, values), by="polygon", k=60) == [
        "48 of 60 folds have no test polygon, of 12 polygons: there are fewer polygons than folds: "
        "choose a smaller k"
    ]
    table = frame(shapes, [1, 2], test_1=[False, False])
    assert told(table, test_vectors=["/a/far.shp"]) == [
        "fold 1 (far.shp) has no test polygon: no polygon of the file lies inside the tiles: drop "
        "the file"
    ]


def test_a_buffer_that_leaves_no_training_polygon():
    shapes = [square(10, 10), square(100, 10), square(1500, 10), square(1600, 10)]
    found = told(frame(shapes, [1, 2, 1, 2]), by="tile", buffer=2000)
    assert found == [
        f"fold {name} has no training polygon: the buffer of 2000 m leaves none, choose a smaller "
        "one or hold out larger areas"
        for name in ("1 (T1)", "2 (T2)")
    ]


def test_all_others_overlap_test_polygons():
    shapes = [square(880, 10, 50), square(890, 10, 100)]
    found = told(frame(shapes, [1, 2], group=["a", "b"]), by="field", field="z")
    assert found[0] == (
        "fold 1 (a) has no training polygon: each of the others overlaps a test polygon, clean "
        "the ground truth"
    )


def test_fewer_than_two_classes_in_a_fold():
    shapes = [square(10, 10), square(100, 10), square(1500, 10), square(1600, 10)]
    assert told(frame(shapes, [1, 2, 7, 7]), by="tile") == [
        "fold 1 (T1): the model would learn class 7 alone, a model needs two classes or more: "
        "add polygons"
    ]


def test_fewer_than_two_classes_in_a_region_of_a_fold():
    shapes = [square(x, y) for x in (10, 100, 1500, 1600) for y in (10, 500)]
    region = ["a", "b"] * 4
    values = [1, 1, 2, 2, 1, 1, 1, 2]
    assert told(frame(shapes, values), region, by="tile") == [
        "fold 1 (T1): the model of region 'a' would learn class 1 alone, a model needs two classes "
        "or more: add polygons, or join the region to another"
    ]
    region = ["a"] * 4 + ["b"] * 4
    assert told(frame(shapes, [1, 2] * 4), region, by="tile") == [
        "fold 1 (T1): the model of region 'a' would learn no class, a model needs two classes or "
        "more: add polygons, or join the region to another",
        "fold 2 (T2): the model of region 'b' would learn no class, a model needs two classes or "
        "more: add polygons, or join the region to another",
    ]


def test_parts_with_too_few_polygons():
    table = frame([square(0, 0)] * 7, [1, 1, 1, 2, 2, 3, 1])
    region = np.array(list("aaaaaab"), object)
    assert list(fold_checks.part_problems(table, region, {"a": 2, "b": 1})) == []
    assert list(fold_checks.part_problems(table, region, {"a": 3, "b": 1})) == [
        "region 'a' would have 3 models, its polygons suffice for 2: choose a larger "
        "mode_outside_regionsplit"
    ]
    assert list(fold_checks.part_problems(table, region, {"a": 2, "b": 1}, lambda n: n // 2)) == [
        "region 'a' would have 2 models, its polygons suffice for 1: choose a larger "
        "mode_outside_regionsplit"
    ]


def test_warnings():
    table = frame([square(0, 0)] * 5, [2, 10, 2, 10, 7])
    placed = Placed(
        ("1", "2"),
        np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0]], bool),
        np.array([[0, 0, 1, 1, 0], [1, 0, 0, 0, 0]], bool),
    )
    region = np.array(["a", "a", "b", "a", ""], object)
    assert fold_checks.warnings_of(table, placed, region) == [
        "region 'a' has no polygon of class 7: its map never has it",
        "region 'b' has no polygon of classes 7, 10: its map never has it",
        "fold 1: no training polygon of class 7: its models never say it",
        "fold 2: no training polygon of classes 7, 10: its models never say it",
        "no fold has a test polygon of class 7: the folds do not score it",
    ]
    none = np.full(5, "", object)
    assert fold_checks.warnings_of(table, folds.place(table, None, GRIDS, 0), none) == []
