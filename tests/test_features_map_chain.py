"""The features map of a tiny landscape of two tiles that overlap, by the whole chain."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from conftest import Ended, run_debug, tiny

from i2lc.steps.artifacts import DATE_GRID, ENVELOPE, TILE_INDEX, VIEWS
from i2lc.steps.contract import Unit
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series.features import FeatureReader
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import INVALID, NOT_ACQUIRED, Layout, load_dates
from i2lc.steps.tiles.tile import TileIndex

pytestmark = pytest.mark.chain
TILES = ("T31TCJ", "T31TDJ")
LAYOUT = Layout(SENTINEL2, ("B4", "B8", "B11"), ("NDVI",))
NODATA = -10000
FUNCTIONS = """
import numpy as np


def soi(self):
    b11, b8 = self.get_interpolated_Sentinel2_B11(), self.get_interpolated_Sentinel2_B8()
    dates = self.get_interpolated_dates()["Sentinel2"]
    return (b11 - b8) / (b11 + b8 + 1.0e-6), [f"Sentinel2_soi_{date}" for date in dates]


def green_days(self, above=0.3):
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    days = (ndvi > above).sum(axis=2, keepdims=True).astype(np.float32)
    return np.where(days > 0, days, np.nan), ["green_days"]


def seen_beside(self):
    seen = np.isfinite(self.get_interpolated_Sentinel2_NDVI()[:, :, :1]).astype(np.float32)
    rows, cols, _ = seen.shape
    beside = np.pad(seen, ((1, 1), (1, 1), (0, 0)))
    return sum(beside[y : y + rows, x : x + cols] for y in range(3) for x in range(3)), ["seen"]
"""
CONFIG = """
builders : {{ builders_class_name : ["I2FeaturesMap"] }}
chain :
{{
 output_path : "{name}"
 list_tile : "T31TCJ T31TDJ"
 s2_path : "s2"
}}
arg_train : {{ features : ["NDVI"] }}
python_data_managing : {{ number_of_chunks : {chunks} }}
sentinel_2 : {{ temporal_resolution : 60, keep_bands : ["B4", "B8", "B11"] }}
{external}
"""
EXTERNAL = """
external_features :
{{
 module : "mine.py"
 functions : ["soi", ["green_days", {{ "above" : 0.25 }}]]
 {keys}
}}
"""


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only the images: a features map needs no ground truth."""
    folder = tiny(
        tmp_path_factory.mktemp("map") / "land", tiles=(2, 1), size=80, dates=6, classes=3
    ).parent
    (folder / "mine.py").write_text(FUNCTIONS)
    return folder


def run(land: Path, name: str, chunks: int = 3, external: str = "", **keys: str) -> Ended:
    section = external or EXTERNAL.format(keys="\n ".join(f"{k} : {v}" for k, v in keys.items()))
    text = CONFIG.format(name=name, chunks=chunks, external=section)
    (land / f"{name}.cfg").write_text(text)
    ended = run_debug(land / f"{name}.cfg", land / name)
    assert ended.status == 0
    return ended


@pytest.fixture(scope="module")
def mapped(land: Path) -> Ended:
    for path in land.glob("ground_truth.*"):
        path.rename(land / f"hidden_{path.name}")
    ended = run(land, "plain")
    for path in land.glob("hidden_*"):
        path.rename(land / path.name.removeprefix("hidden_"))
    return ended


def labels(root: Path) -> tuple[str, ...]:
    days = [f"{day:%Y%m%d}" for day in load_dates(root / DATE_GRID.path(Unit()))]
    bands = ("B4", "B8", "B11", "NDVI", "soi")
    return (*(f"Sentinel2_{band}_{day}" for day in days for band in bands), "green_days")


def expected(root: Path, tile: str) -> tuple[TileIndex, np.ndarray, np.ndarray]:
    """Compute the features of a tile with numpy, and tell which pixels it owns and saw."""
    index = TileIndex.load(root / TILE_INDEX.path(Unit(tile=tile)))
    dates = load_dates(root / DATE_GRID.path(Unit()))
    with FeatureReader(index, LAYOUT) as reader:
        cube = reader.features(index.grid, dates)
    with rasterio.open(root / ENVELOPE.path(Unit(tile=tile))) as raster:
        kept = (raster.read(1) == 1) & (cube[0, 0] != NODATA)
    own = cube / np.array(LAYOUT.scales, np.float32)[:, None, None]
    b8, b11 = own[:, 1], own[:, 2]
    soi = (b11 - b8) / (b11 + b8 + np.float32(1e-6))
    green = (own[:, 3] > 0.25).sum(axis=0).astype(np.float32)
    series = np.concatenate([own, soi[:, None]], axis=1).reshape(-1, *index.grid.shape)
    every = np.concatenate([series, np.where(green > 0, green, NODATA)[None]])
    return index, every, kept


def read(path: Path) -> tuple[grid.GeoBox, np.ndarray]:
    with rasterio.open(path) as raster:
        return grid.geobox_of(raster), raster.read()


def digests(folder: Path) -> dict[str, str]:
    """Hash all files of a store but the record of its task."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("record.json")
    }


def test_the_map_holds_what_numpy_computes(mapped: Ended) -> None:
    gbox, found = read(mapped.root / "final" / "features_map.tif")
    whole = np.full_like(found, NODATA)
    owned = 0
    for tile in TILES:
        index, values, kept = expected(mapped.root, tile)
        rows, cols = grid.overlap(gbox, index.grid) or pytest.fail("beside the map")
        whole[:, rows, cols][:, kept] = values[:, kept]
        owned += int(kept.sum())
    assert owned > 0.9 * 2 * 80 * 72
    assert ((found == NODATA).all(axis=0)).sum() == gbox.height * gbox.width - owned
    np.testing.assert_allclose(found, whole, rtol=2e-6, atol=2e-7)
    assert (found[-1] == NODATA).sum() > (found[0] == NODATA).sum()  # green_days has gaps


def test_the_map_names_its_bands(mapped: Ended) -> None:
    with rasterio.open(mapped.root / "final" / "features_map.tif") as raster:
        assert raster.descriptions == labels(mapped.root)
        assert set(raster.dtypes) == {"float32"}
        assert set(raster.nodatavals) == {NODATA}
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.crs.to_epsg() == 2154


def test_the_map_needs_no_ground_truth_and_no_step_of_a_classification(mapped: Ended) -> None:
    folders = {path.name for path in mapped.root.iterdir() if path.is_dir()}
    assert folders == {"customF", "envelope", "features", "final", "logs", "model"}
    assert [path.name for path in (mapped.root / "final").glob("[!.]*")] == ["features_map.tif"]


@pytest.mark.parametrize("chunks", [1, 17])
def test_chunks_change_no_byte(mapped: Ended, land: Path, chunks: int) -> None:
    other = run(land, f"cut{chunks}", chunks)
    made, first = (root / "final" / "features_map.tif" for root in (other.root, mapped.root))
    assert made.read_bytes() == first.read_bytes()


def test_a_zarr_store_holds_the_same(mapped: Ended, land: Path) -> None:
    cut = run(land, "zarr", 17, output_format='"zarr"')
    gbox, raster = read(mapped.root / "final" / "features_map.tif")
    raster[raster == NODATA] = np.nan
    dates = load_dates(mapped.root / DATE_GRID.path(Unit()))
    with xr.open_zarr(cut.root / "final" / "features_map.zarr") as found:
        assert found.band.values.tolist() == ["B4", "B8", "B11", "NDVI", "soi"]
        assert found.date.values.astype("datetime64[D]").tolist() == list(dates)
        series = np.asarray(found.features).reshape(-1, *gbox.shape)
        np.testing.assert_array_equal(series, raster[:-1])
        np.testing.assert_array_equal(found.statics.sel(label="green_days"), raster[-1])
        ndvi = found.features.sel(date=dates[1].isoformat(), band="NDVI")
        np.testing.assert_array_equal(ndvi, raster[1 * 5 + 3])
        assert ndvi.notnull().any()
        y, x = grid.centres(gbox)
        np.testing.assert_array_equal(found.y, y)
        np.testing.assert_array_equal(found.x, x)
    assert not list((cut.root / "final").glob(".tmp*"))


def test_a_store_that_lost_its_metadata_is_made_again_alone(land: Path) -> None:
    made = run(land, "again", 3, output_format='"zarr"').root
    store = made / "final" / "features_map.zarr"
    before = digests(store)
    (store / ".zmetadata").unlink()
    (store / "stale").write_text("of an earlier run")
    (made / "final" / ".tmp-dead-1-7-features_map.zarr" / "features").mkdir(parents=True)
    logs = {path: path.stat().st_mtime_ns for path in (made / "logs").rglob("*.log")}
    assert run_debug(land / "again.cfg", made, "-restart").status == 0
    assert digests(store) == before
    told = {path.parent.name for path, time in logs.items() if path.stat().st_mtime_ns != time}
    assert told == {"features_mosaic"}
    assert [path.name for path in (made / "final").iterdir()] == ["features_map.zarr"]


def test_stored_values_of_each_tile(mapped: Ended, land: Path) -> None:
    keys = {"output_type": '"int16"', "output_per_tile": "True", "no_data_value": "-32768"}
    other = run(land, "stored", **keys, output_name='"mine"')
    record = json.loads((other.root / "features" / "external_features.json").read_text())
    dates = len(load_dates(other.root / DATE_GRID.path(Unit())))
    own = [*LAYOUT.scales, record["scales"]["soi"]]
    scales = np.array([*(own * dates), record["scales"]["green_days"]])
    for tile in TILES:
        index, values, kept = expected(mapped.root, tile)
        with rasterio.open(other.root / "final" / f"mine_{tile}.tif") as raster:
            assert grid.geobox_of(raster) == index.grid
            assert raster.descriptions == labels(other.root)
            assert set(raster.dtypes) == {"int16"}
            assert set(raster.nodatavals) == {-32768}
            np.testing.assert_allclose(raster.scales, 1 / scales)
            found = raster.read()
            units = found * np.array(raster.scales)[:, None, None]
        gaps = values == NODATA
        assert (found[:, ~kept] == -32768).all()
        assert ((found == -32768) == (gaps | ~kept)).all()
        wrong = np.abs(units - values)[:, kept] * scales[:, None]
        assert wrong[~gaps[:, kept]].max() < 0.51


RAW_EXTERNAL = """
external_features : { output_type : "int16", no_data_value : -32768 }
"""


def test_raw_dates_without_functions(land: Path) -> None:
    """Days that a tile lacks, and those that are masked, have no value."""
    (land / "raw.cfg").write_text(
        CONFIG.format(name="raw", chunks=2, external=RAW_EXTERNAL).replace(
            "arg_train : {", "arg_train : { features_from_raw_dates : True,"
        )
    )
    root = land / "raw"
    assert run_debug(land / "raw.cfg", root).status == 0
    gbox, found = read(root / "final" / "features_map.tif")
    dates = load_dates(root / DATE_GRID.path(Unit()))
    layout = Layout(SENTINEL2, LAYOUT.bands, LAYOUT.indices, raw=True)
    missing = 0
    for tile in TILES:
        index = TileIndex.load(root / TILE_INDEX.path(Unit(tile=tile)))
        with FeatureReader(index, layout) as reader:
            cube = reader.features(index.grid, dates).reshape(-1, *index.grid.shape)
        with rasterio.open(root / ENVELOPE.path(Unit(tile=tile))) as raster:
            owned = raster.read(1) == 1
        rows, cols = grid.overlap(gbox, index.grid) or pytest.fail("beside the map")
        marked = (cube == INVALID) | (cube == NOT_ACQUIRED)
        missing += int((cube == NOT_ACQUIRED).sum())
        expected = np.where(marked, -32768, cube)
        np.testing.assert_array_equal(found[:, rows, cols][:, owned], expected[:, owned])
    assert missing > 0


BOTH = """
builders : {{ builders_class_name : ["I2Classification", "I2FeaturesMap"] }}
{text}
"""


def test_both_builders_share_their_steps(land: Path) -> None:
    text = (land / "run.cfg").read_text().replace('"results"', '"both"')
    (land / "both.cfg").write_text(BOTH.format(text=text))
    ended = run_debug(land / "both.cfg", land / "both")
    assert ended.status == 0
    root = ended.root
    with rasterio.open(root / "final" / "Classif_Seed_0.tif") as raster:
        mapped = raster.read(1) > 0
    gbox, found = read(root / "final" / "features_map.tif")
    dates = load_dates(root / DATE_GRID.path(Unit()))
    layout = Layout(SENTINEL2, tuple(SENTINEL2.bands), ("NDVI", "NDWI", "Brightness"))
    assert len(found) == len(dates) * 13
    np.testing.assert_array_equal((found != NODATA).all(axis=0), mapped)
    index = TileIndex.load(root / TILE_INDEX.path(Unit(tile=TILES[0])))
    rows, cols = grid.overlap(gbox, index.grid) or pytest.fail("beside the map")
    with FeatureReader(index, layout) as reader:
        cube = reader.features(index.grid, dates)
    with rasterio.open(root / ENVELOPE.path(Unit(tile=TILES[0]))) as raster:
        owned = raster.read(1) == 1
    stored = (cube / np.array(layout.scales, np.float32)[:, None, None]).reshape(-1, *owned.shape)
    seen = owned & (cube[0, 0] != NODATA)
    np.testing.assert_array_equal(found[:, rows, cols][:, seen], stored[:, seen])
    lines = (root / "I2LC_tasks_status.txt").read_text()
    for name in ("tile_index/T31TCJ", "envelopes/all", "features_map/T31TCJ_strip_0"):
        assert lines.count(f"{name} ") == 1, name
    shutil.rmtree(root)


def test_no_seam_runs_where_the_tiles_meet(land: Path) -> None:
    """A function sees all neighbours that lie in the map, whichever tile its pixel belongs to."""
    section = """external_features :
{ module : "mine.py"
 functions : "seen_beside"
 padding : 1
 concat_mode : False }
"""
    ended = run(land, "beside", external=section)
    with rasterio.open(ended.root / "final" / "features_map.tif") as raster:
        counted, map_to_pixel = raster.read(1), ~raster.transform
    owner, saw_all = np.zeros(counted.shape, int), np.zeros(counted.shape, bool)
    for number, tile in enumerate(TILES, start=1):
        unit = Unit(tile=tile)
        with rasterio.open(ended.root / VIEWS.path(unit)) as views:
            seen = np.pad(views.read(1) > 0, 1)
            col, row = map(round, map_to_pixel * views.transform * (0, 0))
        place = slice(row, row + seen.shape[0] - 2), slice(col, col + seen.shape[1] - 2)
        saw_all[place] |= np.lib.stride_tricks.sliding_window_view(seen, (3, 3)).all(axis=(2, 3))
        with rasterio.open(ended.root / ENVELOPE.path(unit)) as envelope:
            owner[place] += number * envelope.read(1)
    beside = np.lib.stride_tricks.sliding_window_view(owner, (3, 3))
    meet = (beside.min(axis=(2, 3)) == 1) & (beside.max(axis=(2, 3)) == 2)
    assert (meet & saw_all[1:-1, 1:-1]).sum() > 100
    np.testing.assert_array_equal(counted[saw_all], 9)
