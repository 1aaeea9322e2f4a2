from __future__ import annotations

import hashlib
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from config import Config
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.warp import Resampling, reproject

from i2lc.demo import clouds, landscape
from i2lc.demo.ground import sight_of
from i2lc.demo.landscape import Landscape, smooth_reflectance, write
from i2lc.demo.layout import tiles_of
from i2lc.errors import InputError

BANDS_10M = ("B2", "B3", "B4", "B8")
BANDS_20M = ("B5", "B6", "B7", "B8A", "B11", "B12")
PRODUCT = re.compile(
    r"SENTINEL2[AB]_(2018\d{4})-(\d{6})-\d{3}_L2A_(T3[01]T[A-Z]{2})_(D_V1-7|C_V4-0)"
)


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("default") / "demo"
    write(out, Landscape())
    return out


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiny")
    write(out, Landscape(size=64, dates=12))
    return out


@pytest.fixture(scope="module")
def two_zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("zones")
    write(out, Landscape(size=64, dates=12, zones=2))
    return out


def products(out: Path, tile: str = "*") -> list[Path]:
    return sorted((out / "s2").glob(f"{tile}/*"))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


def mask(product: Path, kind: str, grid: str = "R1") -> np.ndarray:
    return read(product / "MASKS" / f"{product.name}_{kind}_{grid}.tif")


def band(product: Path, name: str) -> np.ndarray:
    return read(product / f"{product.name}_FRE_{name}.tif")


def day_of(product: Path) -> int:
    stamp = product.name.split("_")[1][:8]
    iso = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}"
    return int((np.datetime64(iso) - np.datetime64("2018-01-01")).astype(int)) + 1


def digest(out: Path) -> dict[str, str]:
    files = sorted(p for p in out.rglob("*") if p.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def clear(product: Path) -> np.ndarray:
    return (mask(product, "CLM") == 0) & (mask(product, "EDG") == 0) & (mask(product, "SAT") == 0)


def views(out: Path, tile: str) -> np.ndarray:
    return np.sum([clear(p) for p in products(out, tile)], axis=0)


# --- names, types, grids -------------------------------------------------------------------


def test_the_products_bear_the_names_of_theia(default: Path) -> None:
    for product in products(default):
        match = PRODUCT.fullmatch(product.name)
        assert match is not None, product.name
        assert match[3] == product.parent.name
        expected = {f"{product.name}_FRE_{b}.tif" for b in BANDS_10M + BANDS_20M} | {"MASKS"}
        assert {p.name for p in product.iterdir()} == expected
        masks = {f"{product.name}_{m}_{r}.tif" for m in ("CLM", "EDG", "SAT") for r in ("R1", "R2")}
        assert {p.name for p in (product / "MASKS").iterdir()} == masks
    names = [p.name for p in products(default)]
    assert any("_C_V4-0" in n for n in names)
    assert {n[:10] for n in names} == {"SENTINEL2A", "SENTINEL2B"}


def test_types_shapes_and_grids_are_those_of_theia(default: Path) -> None:
    product = products(default, "T31TCJ")[0]
    for bands, resolution, side in ((BANDS_10M, 10, 256), (BANDS_20M, 20, 128)):
        for name in bands:
            with rasterio.open(product / f"{product.name}_FRE_{name}.tif") as source:
                assert source.dtypes == ("int16",)
                assert (source.height, source.width, source.nodata) == (side, side, -10000)
                assert source.crs.to_epsg() == 32631
                assert source.res == (resolution, resolution)
                assert source.transform.c % 20 == 0
                assert source.transform.f % 20 == 0
                assert source.profile["compress"] == "deflate"
    for kind in ("CLM", "EDG", "SAT"):
        for grid, side in (("R1", 256), ("R2", 128)):
            array = mask(product, kind, grid)
            assert (array.dtype, array.shape) == (np.uint8, (side, side))


def test_each_tile_has_its_own_dates_and_two_products_of_one_day(default: Path) -> None:
    dates = {
        tile: Counter(day_of(p) for p in products(default, tile)) for tile in ("T31TCJ", "T31TDJ")
    }
    assert dates["T31TCJ"].keys() != dates["T31TDJ"].keys()
    assert len(products(default, "T31TCJ")) != len(products(default, "T31TDJ"))
    assert all(max(days.values()) == 2 for days in dates.values())
    assert all(1 <= day <= 365 for days in dates.values() for day in days)


def test_products_of_one_day_differ_in_clouds_and_in_time(default: Path) -> None:
    listed = products(default, "T31TCJ")
    pairs = [(a, b) for a, b in pairwise(listed) if day_of(a) == day_of(b)]
    assert pairs
    for first, second in pairs:
        assert first.name.split("-")[1] != second.name.split("-")[1]
        assert not np.array_equal(mask(first, "CLM"), mask(second, "CLM"))


@pytest.mark.parametrize(
    ("columns", "rows", "zones", "names"),
    [
        (1, 1, 1, "T31TCJ"),
        (2, 1, 1, "T31TCJ T31TDJ"),
        (2, 2, 1, "T31TCK T31TDK T31TCJ T31TDJ"),
        (2, 1, 2, "T30TYP T31TBJ"),
        (3, 2, 2, "T30TXQ T30TYQ T31TBK T30TXP T30TYP T31TBJ"),
    ],
)
def test_tiles_are_named_after_the_mgrs_grid(
    columns: int, rows: int, zones: int, names: str
) -> None:
    assert " ".join(t.name for t in tiles_of(columns, rows, 64, zones)) == names


@pytest.mark.parametrize("size", [64, 128, 256, 2048])
def test_neighbours_overlap_by_about_a_tenth(size: int) -> None:
    west, east = tiles_of(2, 1, size, 1)
    lap = (west.left + size * 10 - east.left) / (size * 10)
    assert 0.09 < lap < 0.13
    assert (east.left - west.left) % 20 == 0


@pytest.mark.parametrize(("size", "rows"), [(64, 1), (64, 2), (256, 1), (256, 2)])
def test_tiles_of_two_zones_overlap_by_about_a_tenth(size: int, rows: int) -> None:
    tiles = tiles_of(2, rows, size, 2)
    assert {t.epsg for t in tiles} == {32630, 32631}
    turn = Transformer.from_crs(32630, 32631, always_xy=True)
    shapes = {
        epsg: shapely.union_all(
            [
                shapely.box(t.left, t.top - size * 10, t.left + size * 10, t.top)
                for t in tiles
                if t.epsg == epsg
            ]
        )
        for epsg in (32630, 32631)
    }
    west = shapely.transform(
        shapes[32630], lambda xy: np.stack(turn.transform(xy[:, 0], xy[:, 1]), axis=-1)
    )
    east = shapes[32631]
    assert 0.07 < west.intersection(east).area / east.area < 0.15
    both = shapely.union(west, east)
    assert both.geom_type == "Polygon"
    assert not both.interiors


# --- masks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["default", "tiny", "two_zones"])
def test_nodata_is_where_the_edge_is(where: str, request: pytest.FixtureRequest) -> None:
    shares = []
    for product in products(request.getfixturevalue(where)):
        for bands, grid in ((BANDS_10M, "R1"), (BANDS_20M, "R2")):
            edge = mask(product, "EDG", grid)
            assert set(np.unique(edge)) <= {0, 1}
            assert not mask(product, "CLM", grid)[edge == 1].any()
            assert not mask(product, "SAT", grid)[edge == 1].any()
            for name in bands:
                np.testing.assert_array_equal(band(product, name) == -10000, edge == 1)
        shares.append(edge.mean())
    assert min(shares) < 0.06
    assert max(shares) > 0.2


def test_the_edge_and_the_clouds_agree_at_both_resolutions(tiny: Path) -> None:
    for product in products(tiny):
        edge, coarse = mask(product, "EDG"), mask(product, "EDG", "R2")
        np.testing.assert_array_equal(edge, coarse.repeat(2, 0).repeat(2, 1))
        cloud, coarse = mask(product, "CLM") > 0, mask(product, "CLM", "R2") > 0
        assert not (cloud & ~coarse.repeat(2, 0).repeat(2, 1)).any()


def test_clouds_have_the_wanted_mean_share(default: Path) -> None:
    for tile in ("T31TCJ", "T31TDJ"):
        shares = []
        for product in products(default, tile):
            seen = mask(product, "EDG") == 0
            shares.append((mask(product, "CLM")[seen] & clouds.CLOUD > 0).mean())
        assert np.mean(shares) == pytest.approx(0.35, abs=0.03)
        assert min(shares) < 0.02
        assert max(shares) > 0.8


def test_reflectance_is_wrong_under_the_mask(default: Path) -> None:
    bright, clean, lit, dark = [], [], [], []
    for product in products(default, "T31TCJ"):
        clm, blue = mask(product, "CLM"), band(product, "B2")
        edge = mask(product, "EDG") == 1
        bright.append(blue[(clm & clouds.CLOUD > 0) & ~edge])
        dark.append(band(product, "B8")[(clm & clouds.SHADOW > 0) & (clm & clouds.CLOUD == 0)])
        clean.append(blue[clear(product)])
        lit.append(band(product, "B8")[clear(product)])
    assert np.median(np.concatenate(bright)) > 3 * np.median(np.concatenate(clean))
    low_dark, low_lit = (np.percentile(np.concatenate(a), 10) for a in (dark, lit))
    assert low_dark < 0.6 * low_lit


def test_saturated_pixels_are_flagged_band_by_band(default: Path) -> None:
    flagged = 0
    for product in products(default):
        for bands, grid in ((BANDS_10M, "R1"), (BANDS_20M, "R2")):
            sat = mask(product, "SAT", grid)
            assert sat.max() < 2 ** len(bands)
            for k, name in enumerate(bands):
                counts = band(product, name)
                hit = sat & (1 << k) > 0
                flagged += int(hit.sum())
                assert (counts[hit] > 9000).all()
                assert (counts[~hit] < 10000).all()
    assert flagged > 100


def test_a_part_of_the_overlap_is_seen_by_the_neighbour_only(
    default: Path, tiny: Path, two_zones: Path
) -> None:
    for out, first in ((default, "T31TCJ"), (tiny, "T31TCJ"), (two_zones, "T30TYP")):
        blind = np.all([mask(p, "EDG") == 1 for p in products(out, first)], axis=0)
        assert 0.005 < blind.mean() < 0.1
        tile, neighbour = Landscape(size=len(blind), zones=2 if out == two_zones else 1).layout
        i, j = np.nonzero(blind)
        turn = Transformer.from_crs(tile.epsg, neighbour.epsg, always_xy=True)
        x, y = turn.transform(tile.left + 10 * j + 5, tile.top - 10 * i - 5)
        column = np.floor((x - neighbour.left) / 10).astype(int)
        row = np.floor((neighbour.top - y) / 10).astype(int)
        assert column.min() >= 0
        assert row.min() >= 0
        assert (views(out, neighbour.name)[row, column] > 0).all()


def test_every_place_is_seen_clear_by_some_tile(default: Path) -> None:
    assert (views(default, "T31TDJ") > 0).all()
    assert (views(default, "T31TCJ") == 0).mean() < 0.08


# --- what the ground shows -----------------------------------------------------------------


def test_overlapping_tiles_show_the_same_fields() -> None:
    made = Landscape(size=64)
    west, east = made.layout
    left = sight_of(west, 10, made.mosaic, made.proj)
    right = sight_of(east, 10, made.mosaic, made.proj)
    np.testing.assert_array_equal(left.field[:, -8:], right.field[:, :8])
    np.testing.assert_allclose(left.vigour[:, -8:], right.vigour[:, :8], atol=1e-5)


@pytest.mark.parametrize("where", ["default", "tiny", "two_zones"])
def test_the_ground_truth_is_sound(where: str, request: pytest.FixtureRequest) -> None:
    out = request.getfixturevalue(where)
    frame = pyogrio.read_dataframe(out / "ground_truth.shp")
    assert frame.crs.to_epsg() == 4326
    assert set(frame.geometry.geom_type) == {"Polygon"}
    assert frame.geometry.is_valid.all()
    assert not frame.geometry.is_empty.any()
    assert np.issubdtype(frame["code"].dtype, np.integer)
    pairs = shapely.STRtree(frame.geometry.values).query(frame.geometry.values, "intersects")
    assert len(pairs[0]) == len(frame)
    assert set(frame["code"]) == {1, 2, 5, 7, 11, 31}
    assert frame["code"].value_counts().min() >= (8 if where == "default" else 4)


@pytest.mark.parametrize("where", ["default", "tiny", "two_zones"])
def test_the_ground_truth_agrees_with_the_true_map(
    where: str, request: pytest.FixtureRequest
) -> None:
    out = request.getfixturevalue(where)
    with rasterio.open(out / "truth.tif") as source:
        truth, transform, crs = source.read(1), source.transform, source.crs
        assert (source.dtypes, source.nodata, source.res) == (("uint8",), 0, (10, 10))
        assert crs.to_epsg() == 2154
    assert transform.c % 10 == 0
    assert transform.f % 10 == 0
    frame = pyogrio.read_dataframe(out / "ground_truth.shp").to_crs(crs)
    drawn = rasterize(
        zip(frame.geometry, frame["code"], strict=True), truth.shape, transform=transform
    )
    hit = drawn > 0
    assert (truth[hit] == drawn[hit]).mean() > 0.99
    assert 0.25 < hit.sum() / (truth > 0).sum() < 0.8


def test_polygons_cross_tile_borders_and_lie_in_overlaps(default: Path, tiny: Path) -> None:
    for out, size in ((default, 256), (tiny, 64)):
        west, east = Landscape(size=size).layout
        frame = pyogrio.read_dataframe(out / "ground_truth.shp").to_crs(west.epsg)
        border, start = west.left + size * 10, east.left
        left, right = frame.bounds["minx"], frame.bounds["maxx"]
        assert ((left < start) & (right > start)).any()
        assert ((left < border) & (right > border)).any()
        assert size == 64 or ((left > start) & (right < border)).any()


def test_class_shares_are_unequal(default: Path) -> None:
    truth = read(default / "truth.tif")
    counts = np.unique(truth[truth > 0], return_counts=True)[1]
    assert 0.26 < counts.max() / counts.sum() < 0.36
    assert counts.min() / counts.sum() < 0.12


def test_smooth_mode_shows_its_function(tmp_path: Path) -> None:
    made = Landscape(tiles=(1, 1), size=64, dates=8, smooth=True)
    write(tmp_path, made)
    tile = made.layout[0]
    turn = Transformer.from_crs(tile.epsg, made.proj, always_xy=True)
    for product in products(tmp_path):
        clean, fine = clear(product), turn.transform(*np.meshgrid(*tile.centres(10)))
        for name in BANDS_10M:
            truth = smooth_reflectance(*fine, day_of(product), name)
            assert np.abs(band(product, name) - truth)[clean].max(initial=0) < 0.51
        for name in BANDS_20M:
            stored = band(product, name).astype(np.float64)
            up = np.full((64, 64), np.nan)
            reproject(
                stored,
                up,
                src_transform=tile.transform(20),
                dst_transform=tile.transform(10),
                src_crs=f"EPSG:{tile.epsg}",
                dst_crs=f"EPSG:{tile.epsg}",
                src_nodata=-10000,
                dst_nodata=np.nan,
                resampling=Resampling.cubic,
            )
            truth = smooth_reflectance(*fine, day_of(product), name)
            inner = clean & ~_beside(mask(product, "EDG") == 1, 4)
            assert np.abs(up - truth)[inner].max(initial=0) < 2.0


def _beside(array: np.ndarray, reach: int) -> np.ndarray:
    """Say what lies within some pixels of True or of the border."""
    padded = np.pad(array, reach, constant_values=True)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
    return np.asarray(windows.any(axis=(-2, -1)))


def test_the_smooth_function_is_linear_in_time() -> None:
    x, y = np.array([6.0e5, 6.1e5]), np.array([6.2e6, 6.3e6])
    first, middle, last = (smooth_reflectance(x, y, day, "B8A") for day in (10, 100, 190))
    np.testing.assert_allclose(middle, (first + last) / 2)


# --- names, colours, config ----------------------------------------------------------------


def test_the_config_parses_and_its_paths_exist(default: Path) -> None:
    cfg = Config(str(default / "run.cfg")).as_dict()
    chain = cfg["chain"]
    assert chain["list_tile"].split() == ["T31TCJ", "T31TDJ"]
    assert chain["proj"] == "EPSG:2154"
    assert chain["ratio"] == 0.75
    for key in ("s2_path", "ground_truth", "color_table", "nomenclature_path"):
        assert (default / chain[key]).exists(), key
    assert cfg["arg_train"]["sample_selection"]["strategy"] == "constant"
    assert cfg["arg_train"]["deep_learning_parameters"]["hyperparameters_solver"] == {
        "batch_size": [256],
        "learning_rate": [0.001],
    }
    assert cfg["Sentinel_2"]["temporal_resolution"] == 10


def test_names_and_colours_hold_every_class(default: Path) -> None:
    codes = {1, 2, 5, 7, 11, 31}
    lines = (default / "nomenclature.txt").read_text().splitlines()
    assert {int(line.rsplit(":", 1)[1]) for line in lines} == codes
    rows = [[int(v) for v in r.split()] for r in (default / "colors.txt").read_text().splitlines()]
    assert rows[0] == [0, 0, 0, 0]
    assert {row[0] for row in rows[1:]} == codes
    assert all(len(row) == 4 and max(row[1:]) <= 255 for row in rows)


def test_string_labels_become_ranks_in_the_true_map(tmp_path: Path) -> None:
    write(tmp_path, Landscape(tiles=(1, 1), size=64, dates=4, string_labels=True))
    frame = pyogrio.read_dataframe(tmp_path / "ground_truth.shp")
    names = sorted(set(frame["code"]))
    assert names == ["barley", "broadleaf", "maize", "meadow", "sunflower", "wheat"]
    assert set(np.unique(read(tmp_path / "truth.tif"))) == set(range(7))
    lines = (tmp_path / "nomenclature.txt").read_text().splitlines()
    assert sorted(line.rsplit(":", 1)[1] for line in lines) == names
    with rasterio.open(tmp_path / "truth.tif") as source:
        place = frame.to_crs(source.crs).geometry[0].representative_point()
        value = next(source.sample([(place.x, place.y)]))[0]
    assert names[value - 1] == frame["code"][0]


# --- same arguments, same bytes ------------------------------------------------------------


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    made = Landscape(size=64, dates=5, zones=2)
    for name in ("a", "b"):
        write(tmp_path / name, made)
    first, second = digest(tmp_path / "a"), digest(tmp_path / "b")
    assert len(first) == 2 * 5 * 16 - 16 + 9
    assert first == second


def test_another_seed_gives_other_pixels_and_other_fields(tmp_path: Path) -> None:
    for seed in (0, 1):
        write(tmp_path / str(seed), Landscape(tiles=(1, 1), size=64, dates=4, seed=seed))
    first, second = digest(tmp_path / "0"), digest(tmp_path / "1")
    assert first["truth.tif"] != second["truth.tif"]
    assert first["ground_truth.shp"] != second["ground_truth.shp"]
    assert first.keys() != second.keys()


def test_the_date_in_the_dbf_is_fixed(tiny: Path) -> None:
    assert (tiny / "ground_truth.dbf").read_bytes()[1:4] == bytes((118, 12, 31))


# --- what cannot be written ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 65}, r"size: 65 is odd.*use 66"),
        ({"size": 30}, r"size: 30 .*from 32"),
        ({"tiles": (0, 1)}, r"tiles: 0 .*columns"),
        ({"tiles": (1, 9)}, r"tiles: 9 .*rows"),
        ({"dates": 3}, r"dates: 3 .*from 4"),
        ({"classes": 13}, r"classes: 13 .*from 2 to 12"),
        ({"cloud": 1.0}, r"cloud: 1.0 .*0.9"),
        ({"cloud": float("nan")}, r"cloud: nan"),
        ({"seed": -1}, r"seed: -1"),
        ({"zones": 3}, r"zones: 3 "),
        ({"zones": 2, "tiles": (1, 1)}, r"zones: 2 needs two columns.*tiles 2x1"),
        ({"zones": 2, "tiles": (2, 3)}, r"zones: 2 with tiles 2x3 .*2 rows"),
        ({"proj": "EPSG:4326"}, r"proj: EPSG:4326 .*not in metres"),
        ({"proj": "lambert"}, r"proj: 'lambert' is not a known CRS"),
        ({"proj": "EPSG:999999"}, r"proj: 'EPSG:999999' is not a known CRS"),
        ({"proj": "EPSG:32740"}, r"proj: EPSG:32740 .*south of France"),
    ],
)
def test_bad_arguments_are_named_with_the_way_out(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Landscape(**arguments)  # type: ignore[arg-type]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        write(tmp_path, Landscape(tiles=(1, 1), size=64, dates=4))
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_too_many_classes_for_the_size_are_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"classes: 6 are too many for size 32"):
        write(tmp_path / "out", Landscape(tiles=(1, 1), size=32, dates=4))
    assert not (tmp_path / "out").exists()


# --- the command ---------------------------------------------------------------------------


def test_the_command_writes_and_says_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    words = "--tiles 1x1 --size 64 --dates 4 --classes 3 --cloud 0 --seed 3 --proj EPSG:32631"
    assert landscape.main([str(out), *words.split()]) == 0
    said = capsys.readouterr().out
    assert "T31TCJ: 4 products of 64 x 64 pixels" in said
    assert str(out / "run.cfg") in said
    assert not any(mask(p, "CLM").any() for p in products(out))
    assert Config(str(out / "run.cfg")).as_dict()["chain"]["proj"] == "EPSG:32631"


def test_the_command_refuses_what_is_not_a_grid_of_tiles(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiles: '2' is not columns x rows"):
        landscape.main([str(tmp_path / "demo"), "--tiles", "2"])
