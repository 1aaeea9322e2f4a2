"""Folds in the configuration, on a tiny landscape: what they promise, against runs without them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import xarray as xr
from conftest import Ended, run_debug, tiny, with_keys

from i2lc.steps.reference import folds
from i2lc.steps.reference.ground_truth import GroundTruthSettings
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.tile import TileIndex

pytestmark = pytest.mark.chain
FOLDS = (1, 2)
COUNTED = re.compile(r"(\d+) bytes of pixels read, (\d+) pixels gap-filled")


def variant(config: Path, name: str, **keys: str) -> Path:
    """Write a copy of a configuration with an output folder of its own and more keys of chain."""
    more = "".join(f"\n {key} : {value}" for key, value in keys.items())
    return with_keys(config, f"{name}.cfg", output_path=f'"{name}"{more}')


def run(config: Path, name: str, **keys: str) -> Ended:
    made = variant(config, name, **keys)
    ended = run_debug(made, made.parent / name)
    assert ended.status == 0
    return ended


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny(tmp_path_factory.mktemp("folds") / "land", tiles=(2, 1), size=80, classes=3)
    some = '"percent"\n "strategy.percent.p" : 0.7'
    return with_keys(made, "run.cfg", number_of_chunks="2", strategy=some)


@pytest.fixture(scope="module")
def plain(config: Path) -> Ended:
    return run(config, "plain")


@pytest.fixture(scope="module")
def maps(config: Path) -> Ended:
    return run(config, "maps", folds='{ by : "tile", buffer : 30 }')


@pytest.fixture(scope="module")
def scores(config: Path) -> Ended:
    return run(config, "scores", folds='{ by : "tile", buffer : 30, output : "scores" }')


def table(root: Path, fold: int) -> pd.DataFrame:
    name = f"polygons_seed_0{f'_fold_{fold}' if fold else ''}.csv"
    texts = dict.fromkeys(("class", "side", "set", "region", "model"), str)
    return pd.read_csv(root / "samplesSelection" / name, dtype=texts, keep_default_na=False)


def samples(root: Path, fold: int) -> xr.Dataset:
    name = f"Samples_region_1_seed0{f'_fold_{fold}' if fold else ''}_learn.nc"
    return xr.load_dataset(root / "learningSamples" / name)


def polygons(config: Path) -> gpd.GeoDataFrame:
    path = config.parent / "ground_truth.shp"
    truth = GroundTruthSettings(ground_truth=path, data_field="code")
    return folds.read(truth, None, "EPSG:2154")


def counted(root: Path, step: str) -> tuple[int, int]:
    """Sum what the tasks of a step read and gap-filled."""
    logs = (root / "logs" / step).glob("*.log")
    found = [COUNTED.search(path.read_text()) for path in logs]
    return (
        sum(int(match[1]) for match in found if match),
        sum(int(match[2]) for match in found if match),
    )


def test_the_map_of_the_run_is_that_without_folds(plain: Ended, maps: Ended) -> None:
    for name in ("Classif_Seed_0.tif", "Confidence_Seed_0.tif", "RESULTS.txt"):
        assert (maps.root / "final" / name).read_bytes() == (
            plain.root / "final" / name
        ).read_bytes()


def test_maps_of_all_folds_cost_one_pass(plain: Ended, maps: Ended) -> None:
    assert counted(maps.root, "classification") == counted(plain.root, "classification")
    pixels = counted(plain.root, "classification")[1]
    with rasterio.open(plain.root / "final" / "Classif_Seed_0.tif") as made:
        assert pixels >= (made.read(1) > 0).sum() > 0


def test_a_pixel_of_several_folds_is_extracted_once(maps: Ended) -> None:
    chosen: set[tuple[float, float]] = set()
    total = 0
    for fold in (0, *FOLDS):
        one = samples(maps.root, fold)
        chosen |= set(zip(one["x"].values.tolist(), one["y"].values.tolist(), strict=True))
        total += one.sizes["sample"]
    assert counted(maps.root, "samples")[1] == len(chosen) < total


@pytest.mark.parametrize("fold", FOLDS)
def test_no_sample_lies_near_a_test_polygon(config: Path, maps: Ended, fold: int) -> None:
    found, frame = table(maps.root, fold), polygons(config)
    assert found["polygon"].tolist() == frame["polygon"].tolist()
    tests = frame.geometry[(found["side"] == "test").to_numpy()].to_numpy()
    one = samples(maps.root, fold)
    points = shapely.points(one["x"].values, one["y"].values)
    nearest = shapely.distance(points, shapely.union_all(tests)).min()
    assert nearest > 30
    proof = json.loads((maps.root / "final" / "TMP" / f"proof_seed_0_fold_{fold}.json").read_text())
    assert proof["samples"] == one.sizes["sample"] > 100
    assert proof["test_polygons"] == len(tests) > 2
    assert proof["inside"] == 0
    assert proof["nearest"] == pytest.approx(nearest)


def test_each_polygon_is_tested_by_one_fold(config: Path, maps: Ended) -> None:
    first, second = (table(maps.root, fold) for fold in FOLDS)
    tested = (first["side"] == "test").astype(int) + (second["side"] == "test").astype(int)
    assert tested.tolist() == [1] * len(first)
    tiles = ["T31TCJ", "T31TDJ"]
    boxes = [
        TileIndex.load(maps.root / "features" / tile / "index.json").grid.extent.geom
        for tile in tiles
    ]
    shapes = polygons(config).geometry.to_numpy()
    shared = np.stack([shapely.area(shapely.intersection(shapes, box)) for box in boxes])
    assert (shared.argmax(axis=0) + 1).tolist() == first["fold"].tolist()


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fold_is_the_run_on_its_training_polygons(config: Path, maps: Ended, fold: int) -> None:
    """The loop of a shell over files of training polygons gives the same maps, bit for bit."""
    found, frame = table(maps.root, fold), polygons(config)
    taught = frame["polygon"].isin(found["polygon"][found["side"].isin(["learning", "validation"])])
    truth = gpd.read_file(config.parent / "ground_truth.shp").iloc[
        frame["fid"][taught.to_numpy()].to_numpy()
    ]
    path = config.parent / f"gt_{fold}.gpkg"
    truth.to_file(path)
    made = with_keys(config, f"only_{fold}.cfg", ground_truth=f'"{path.name}"')
    alone = run(made, f"loop_{fold}")
    for name in ("Classif", "Confidence"):
        assert (alone.root / "final" / f"{name}_Seed_0.tif").read_bytes() == (
            maps.root / "final" / f"{name}_Seed_0_fold_{fold}.tif"
        ).read_bytes()


def test_scores_alone_are_those_with_maps(maps: Ended, scores: Ended) -> None:
    whole, bare = (
        json.loads((ended.root / "final" / "folds.json").read_text()) for ended in (maps, scores)
    )
    assert bare["folds"] == whole["folds"]
    assert bare["stacked"] == whole["stacked"]
    assert not list((scores.root / "final").glob("Classif*.tif"))
    assert not list((scores.root / "model").glob("model_1_seed_0.safetensors"))
    less, more = (counted(ended.root, "classification")[1] for ended in (scores, maps))
    assert 0 < less < more / 2


def test_the_stacked_matrix_is_that_of_the_maps(config: Path, maps: Ended) -> None:
    told = json.loads((maps.root / "final" / "folds.json").read_text())
    codes = told["labels"]
    total = np.zeros((len(codes), len(codes)), int)
    for fold in FOLDS:
        label = np.append(0, table(maps.root, fold)["label"].to_numpy())
        with rasterio.open(maps.root / "final" / f"Classif_Seed_0_fold_{fold}.tif") as made:
            for path in (maps.root / "samplesSelection").glob(f"*_fold_{fold}_reference.tif"):
                with rasterio.open(path) as reference:
                    numbers = reference.read(3)
                    window = grid.shared(grid.geobox_of(made), grid.geobox_of(reference))
                    assert window is not None
                    said = made.read(1)[window[0]]
                    truth = label[numbers[window[1]]]
                for row, a in enumerate(codes):
                    for col, b in enumerate(codes):
                        total[row, col] += int(((truth == a) & (said == b)).sum())
    assert told["stacked"]["confusion_matrix"] == total.tolist()
    assert total.sum() > 200


def test_a_polygon_on_tiles_of_two_zones_is_one_polygon(tmp_path: Path) -> None:
    """Ground truth in degrees, tiles in two UTM zones, map in Lambert."""
    land = tiny(tmp_path / "land", tiles=(2, 1), size=80, classes=3, zones=2)
    made = variant(land, "zones", folds='{ by : "tile", output : "scores" }')
    ended = run_debug(made, made.parent / "zones")
    assert ended.status == 0
    bands = {"learning": 1, "validation": 2, "test": 3}
    shared = 0
    for fold in FOLDS:
        found = table(ended.root, fold)
        assert found["polygon"].is_unique
        counts = np.zeros((2, len(found) + 1, 3), int)
        paths = sorted((ended.root / "samplesSelection").glob(f"*_fold_{fold}_reference.tif"))
        for tile, path in enumerate(paths):
            with rasterio.open(path) as reference:
                for band in bands.values():
                    numbers = reference.read(band).ravel()
                    counts[tile, :, band - 1] = np.bincount(numbers, minlength=len(found) + 1)
        on = counts[:, 1:].sum(axis=0)
        sides = found["side"].map(bands)
        for row, (side, pixels) in enumerate(zip(sides, found["pixels"], strict=True)):
            wanted = [pixels if band == side else 0 for band in bands.values()]
            assert on[row].tolist() == wanted
        both = (counts[:, 1:].sum(axis=2) > 0).all(axis=0)
        shared += int(both.sum())
        said = pd.concat(
            pd.read_csv(path)
            for path in (ended.root / "final" / "TMP").glob(f"*_fold_{fold}_polygons.csv")
        )
        scored = said.groupby("polygon")["pixels"].sum()
        expected = found[found["side"].isin(["validation", "test"]) & (found["pixels"] > 0)]
        assert scored.to_dict() == expected.set_index("number")["pixels"].to_dict()
    assert shared, "no polygon lies on both tiles"
