"""`i2lc split-tiles`: which polygon is in which file of a leave-one-tile-out."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from conftest import tiny

from i2lc.chain import cli
from i2lc.chain.settings import config as configs
from i2lc.chain.verbs import split_tiles
from i2lc.errors import InputError
from i2lc.steps.files import disk
from i2lc.steps.reference import folds, ground_truth, tile_pairs
from i2lc.steps.reference.tile_pairs import tile_of
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.tiles.tile import index_tile

CRS = "EPSG:32631"
X, Y = 400000, 4800000


def square(col, row=0.0, side=1.0):
    """Give a square, in steps of 1 km."""
    left, bottom = X + col * 1000, Y + row * 1000
    return shapely.box(left, bottom, left + side * 1000, bottom + side * 1000)


def series(*shapes, names=None, crs=CRS):
    return gpd.GeoSeries(list(shapes), index=names, crs=CRS).to_crs(crs)


def write(path, shapes, crs=CRS, **columns):
    frame = gpd.GeoDataFrame(columns, geometry=list(shapes), crs=CRS)
    pyogrio.write_dataframe(frame.to_crs(crs), path)
    return path


@pytest.fixture
def grid(tmp_path):
    """Give three tiles, 10 km wide, that overlap by 1 km, and one far off."""
    shapes = [square(0, side=10), square(9, side=10), square(18, side=10), square(500, side=10)]
    return write(tmp_path / "grid.gpkg", shapes, Name=["31TCJ", "31TDJ", "31TEJ", "31TFJ"])


@pytest.fixture
def truth(tmp_path):
    shapes = [square(1), square(9.2, side=0.5), square(12), square(20), square(100), square(2, 2)]
    return write(
        tmp_path / "truth.gpkg",
        shapes,
        "EPSG:2154",
        code=pd.array([1, 1, 1, 1, 1, 2], dtype="int32"),
        note=["a", None, "c", "d", "e", "f"],
        year=pd.array([2018, None, 2018, 2019, 2018, 2018], dtype="Int64"),
        share=[0.5, np.nan, 1.5, 2.5, 3.5, 4.5],
    )


def call(truth, *more):
    return cli.main(
        ["split-tiles", "-in.vector", str(truth), "-dataField", "code", *map(str, more)]
    )


def fids(path):
    """Tell which polygons of `truth` are in a file, by their place there."""
    notes = pyogrio.read_dataframe(path)["note"].fillna("b")
    return sorted("abcdef".index(note) for note in notes)


# -- to which tile a polygon belongs -------------------------------------------------------------


@pytest.mark.parametrize("crs", [CRS, "EPSG:2154", "EPSG:4326"])
@pytest.mark.parametrize("tiles_crs", [CRS, "EPSG:4326"])
def test_a_polygon_belongs_to_the_tile_with_most_of_it(crs, tiles_crs):
    tiles = series(square(0, side=10), square(10, side=10), names=["b", "a"], crs=tiles_crs)
    shapes = [square(1), square(9.4), square(9.6), square(20.5), square(19.9)]
    assert tile_of(series(*shapes, crs=crs), tiles).tolist() == [0, 0, 1, -1, 1]


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_of_equal_tiles_the_first_has_the_polygon(crs):
    shapes = series(square(9.2, side=0.5), square(9.123456, 3.7, side=0.3), crs="EPSG:4326")
    boxes = [square(0, side=10), square(9, side=10)]
    for ordered in (boxes, boxes[::-1]):
        assert tile_of(shapes, series(*ordered, names=["a", "b"], crs=crs)).tolist() == [0, 0]


def test_halves_that_rounding_makes_unequal_are_equal():
    width = 10 / 3
    tiles = [square(0, side=width), square(width, side=width)]
    shapes = series(*(square(width - k / 14, 1 / k, side=k / 7) for k in range(1, 12)))
    left, right = (shapes.intersection(tile).area for tile in tiles)
    assert (left < right).any()
    for ordered in (tiles, tiles[::-1]):
        assert set(tile_of(shapes, series(*ordered, names=["a", "b"])).tolist()) == {0}


def test_the_parts_of_a_polygon_stay_together():
    tiles = series(square(0, side=10), square(10, side=10), names=["a", "b"])
    parts = shapely.MultiPolygon([square(1), square(12), square(14)])
    assert tile_of(series(parts), tiles).tolist() == [1]


def test_shapes_without_area_belong_nowhere_and_invalid_ones_somewhere():
    tiles = series(square(0, side=10), square(10, side=10), names=["a", "b"])
    bow = shapely.Polygon([(X, Y), (X + 900, Y + 900), (X + 900, Y), (X, Y + 900)])
    line = shapely.LineString([(X, Y), (X + 900, Y + 900)])
    shapes = gpd.GeoSeries([bow, line, shapely.Polygon(), None], crs=CRS)
    assert tile_of(shapes, tiles).tolist() == [0, -1, -1, -1]


def test_a_tile_on_the_other_side_of_the_world_does_no_harm():
    box = shapely.box(91, -5, 95, 5)
    assert not np.isfinite(gpd.GeoSeries([box], crs=4326).to_crs(CRS).total_bounds).any()
    tiles = gpd.GeoSeries([box, *series(square(0, side=10), crs=4326)], index=["a", "b"], crs=4326)
    assert tile_of(series(square(1)), tiles).tolist() == [1]


# -- what is written -----------------------------------------------------------------------------


def test_each_pair_divides_the_polygons_of_the_tiles(truth, grid, tmp_path, capsys):
    out = tmp_path / "new" / "pairs"
    assert call(truth, "-grid", grid, "-tiles", "T31TDJ T31TCJ 31TEJ", "-out", out) == 0
    text = capsys.readouterr()
    assert text.out.splitlines() == [
        f"{out}/gt_0.gpkg: 2 polygons; tgt_0.gpkg: 3 of tile T31TCJ",
        f"{out}/gt_1.gpkg: 4 polygons; tgt_1.gpkg: 1 of tile T31TDJ",
        f"{out}/gt_2.gpkg: 4 polygons; tgt_2.gpkg: 1 of tile 31TEJ",
        "outside of all tiles or without an area, in no file: 1 polygons",
    ]
    assert text.err == (
        "i2lc: warning: class 2 has polygons in tile T31TCJ alone: gt_0 cannot teach it, and tgt_0 "
        "is the only one that tests it\n"
    )
    tested = [fids(out / f"tgt_{k}.gpkg") for k in range(3)]
    assert tested == [[0, 1, 5], [2], [3]]
    for k in range(3):
        assert fids(out / f"gt_{k}.gpkg") == sorted({0, 1, 2, 3, 5} - set(tested[k]))
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{kind}_{k}.gpkg" for kind in ("gt", "tgt") for k in range(3)
    )


@pytest.mark.parametrize("format_", ["shp", "gpkg", "geojson", "sqlite"])
def test_columns_crs_and_shapes_are_kept_in_every_format(truth, grid, tmp_path, format_):
    out = tmp_path / "pairs"
    call(truth, "-grid", grid, "-tiles", "31TCJ 31TDJ", "-out", out, "-format", format_)
    before = pyogrio.read_dataframe(truth).iloc[[0, 1, 5]]
    after = pyogrio.read_dataframe(out / f"tgt_0.{format_}")
    info = pyogrio.read_info(out / f"tgt_0.{format_}")
    assert list(info["fields"]) == ["code", "note", "year", "share"]
    kinds = [kind.replace("64", "") for kind in info["ogr_types"]]
    assert kinds == ["OFTInteger", "OFTString", "OFTInteger", "OFTReal"]
    assert after.crs == before.crs
    for name in ("code", "note", "year", "share"):
        pd.testing.assert_series_equal(
            after[name], before[name].reset_index(drop=True), check_dtype=False
        )
    same = shapely.equals_exact(
        after.geometry.to_numpy(), before.geometry.to_numpy(), 1e-6, normalize=True
    )
    assert same.tolist() == [True, True, True]


def test_tiles_come_from_the_headers_of_the_products(tmp_path, capsys):
    config = tiny(tmp_path / "land", tiles=(2, 1))
    file = config.parent / "ground_truth.shp"
    out = tmp_path / "pairs"
    start = ["split-tiles", "-in.vector", str(file), "-config", str(config)]
    assert cli.main([*start, "-out", str(out)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("of tile T31TCJ")
    assert second.endswith("of tile T31TDJ")
    whole = pyogrio.read_dataframe(file)
    ones = [pyogrio.read_dataframe(out / f"tgt_{k}.shp") for k in range(2)]
    others = [pyogrio.read_dataframe(out / f"gt_{k}.shp") for k in range(2)]
    assert len(ones[0]) + len(ones[1]) == len(whole)
    for k in range(2):
        assert others[k].geometry.geom_equals(ones[1 - k].geometry).all()
    centres = [one.to_crs(2154).geometry.centroid.x.mean() for one in ones]
    assert centres[0] < centres[1]


def test_the_pairs_are_the_folds_by_tile(tmp_path):
    config = tiny(tmp_path / "land", tiles=(2, 2), size=96)
    text = config.read_text()
    assert 'list_tile : "T31TCK T31TDK T31TCJ T31TDJ"' in text  # not in the order of names
    config.write_text(text.replace("chain :\n{", 'chain :\n{\n folds : { by : "tile" }', 1))
    truth, out = config.parent / "ground_truth.shp", tmp_path / "pairs"
    shapes = pyogrio.read_dataframe(truth)
    settings = configs.load(config).units
    grids = {
        name: index_tile(settings.s2_path / name, name, SENTINEL2, settings).grid
        for name in settings.list_tile
    }
    crossing = _across(grids, settings.proj)
    shapes = pd.concat([shapes, crossing.to_crs(shapes.crs)], ignore_index=True)
    pyogrio.write_dataframe(shapes, truth)
    command = ["split-tiles", "-in.vector", str(truth), "-config", str(config), "-out", str(out)]
    assert cli.main(command) == 0
    frame = folds.read(settings, settings.folds, settings.proj)
    placed = folds.place(frame, settings.folds, grids, 0)
    assert placed.names == ("T31TCJ", "T31TCK", "T31TDJ", "T31TDK")
    for k, (tests, teaches) in enumerate(zip(placed.tests, ~placed.tests, strict=True)):
        for kind, chosen in (("tgt", tests), ("gt", teaches)):
            read = ground_truth.read(out / f"{kind}_{k}.shp", "code", settings.proj).frame
            assert tests.any()
            assert set(read["polygon"]) == set(frame["polygon"][chosen])


def _across(grids, crs):
    """Give polygons of two classes on the edges of the tiles, some halved to a hair by two."""
    edges = [gbox.extent.geom.exterior for gbox in grids.values()]
    middles = [
        edge.interpolate(k / 40 + 0.003, normalized=True) for edge in edges for k in range(40)
    ]
    shapes = [middle.buffer(5 + 2 * (k % 9)) for k, middle in enumerate(middles)]
    return gpd.GeoDataFrame({"code": [1 + k % 2 for k in range(160)]}, geometry=shapes, crs=crs)


def test_a_second_call_writes_over_the_first(truth, grid, tmp_path):
    out = tmp_path / "pairs"
    for format_ in ("shp", "shp", "gpkg"):
        tiles = "31TCJ 31TDJ"
        assert call(truth, "-grid", grid, "-tiles", tiles, "-out", out, "-format", format_) == 0
    assert fids(out / "tgt_1.shp") == fids(out / "tgt_1.gpkg") == [2]


def test_all_or_nothing_is_written(truth, grid, tmp_path, monkeypatch):
    def broken(path, frame):
        if path.stem == "tgt_1":
            raise disk.NotWholeError("cut off")
        real(path, frame)

    real = tile_pairs._write_one
    monkeypatch.setattr(tile_pairs, "_write_one", broken)
    out = tmp_path / "pairs"
    assert call(truth, "-grid", grid, "-tiles", "31TCJ 31TDJ", "-out", out) == 1
    assert not out.exists()


# -- errors --------------------------------------------------------------------------------------


def refused(truth, *more):
    with pytest.raises(InputError) as caught:
        split_tiles.main(
            ["-in.vector", str(truth), "-dataField", "code", "-out", "nowhere", *map(str, more)]
        )
    return str(caught.value)


def test_a_tile_without_polygons_is_named(truth, grid):
    assert refused(truth, "-grid", grid) == (
        f"no polygon of {truth} belongs to tile 31TFJ (a polygon belongs to the tile that holds "
        "most of it): leave it out of -tiles or list_tile"
    )


def test_two_tiles_are_needed(truth, grid):
    assert refused(truth, "-grid", grid, "-tiles", "31TCJ 31TCJ") == (
        "only tile 31TCJ is named: to leave one out takes two tiles or more"
    )


def test_tiles_and_fields_that_are_not_there_are_told(truth, grid):
    assert refused(truth, "-grid", grid, "-tiles", "31TCJ T30UXX") == (
        f"{grid} has no tile T30UXX in its field 'Name', which holds values such as 31TCJ, 31TDJ, "
        "31TEJ"
    )
    assert refused(truth, "-grid", grid, "-grid.field", "tile") == (
        f"{grid} has no field 'tile'; its fields: Name (-grid.field names the field of the tile's "
        "name)"
    )
    assert refused(truth, "-grid", grid, "-dataField", "klass") == (
        f"{truth} has no field 'klass'; its fields: code, note, year, share"
    )


def test_a_field_name_that_a_shapefile_would_cut_is_refused(grid, tmp_path):
    shapes = [square(1), square(12)]
    truth = write(tmp_path / "t.gpkg", shapes, code=[1, 2], surface_in_ha=[1, 2])
    assert refused(truth, "-grid", grid, "-tiles", "31TCJ 31TDJ", "-format", "shp") == (
        f"{truth}: a shapefile cuts field names at 10 letters, and these are longer: "
        "surface_in_ha; choose -format gpkg"
    )


def test_an_unknown_ending_needs_a_format(grid, tmp_path):
    assert refused(tmp_path / "t.kml", "-grid", grid) == (
        f"{tmp_path}/t.kml: i2lc does not write files that end with '.kml'; choose -format shp, "
        "gpkg, geojson, sqlite"
    )


def test_files_of_a_split_into_more_tiles_are_not_left_among_the_new_ones(truth, grid, tmp_path):
    out = tmp_path / "pairs"
    call(truth, "-grid", grid, "-tiles", "31TCJ 31TDJ 31TEJ", "-out", out)
    assert refused(truth, "-grid", grid, "-tiles", "31TCJ 31TDJ", "-out", out) == (
        f"{out} holds files of a split into more tiles: gt_2.gpkg, tgt_2.gpkg; remove them, or "
        "name another folder with -out"
    )


def test_the_ground_truth_is_never_written_over(truth, grid, tmp_path):
    mine = truth.rename(tmp_path / "gt_1.gpkg")
    before = mine.read_bytes()
    assert refused(mine, "-grid", grid, "-tiles", "31TCJ 31TDJ", "-out", tmp_path) == (
        f"{mine} would be written over: name another folder with -out"
    )
    assert mine.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "the tiles are needed: -config FILE or -grid FILE, one of them"),
        (
            ["-config", "a", "-grid", "b"],
            "the tiles are needed: -config FILE or -grid FILE, one of them",
        ),
        (
            ["-config", "a", "-tiles", "b"],
            "-tiles chooses tiles of -grid; with -config list_tile does",
        ),
        (["-grid", "a"], "-dataField FIELD is needed, the field of the class"),
    ],
)
def test_a_wrong_command_line_is_told(more, told, capsys):
    with pytest.raises(SystemExit) as caught:
        split_tiles.main(["-in.vector", "t.shp", "-out", "o", *more])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"i2lc split-tiles: {told}; see i2lc split-tiles -h\n"


def test_a_configuration_without_a_ground_truth(tmp_path, capsys):
    config = tmp_path / "map.cfg"
    config.write_text(
        'builders : { builders_class_name : ["I2FeaturesMap"] }\n'
        'chain : { output_path : "out", list_tile : "T31TCJ", s2_path : "s2" }\n'
    )
    words = ["-in.vector", "gt.shp", "-config", str(config), "-out", "pairs"]
    with pytest.raises(SystemExit) as caught:
        cli.main(["split-tiles", *words])
    assert caught.value.code == 2
    assert "-dataField FIELD is needed, the field of the class" in capsys.readouterr().err
