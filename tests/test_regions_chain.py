"""A model a region, on a tiny landscape: which model speaks where, and from what it learnt."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features
import shapely
import xarray as xr
from conftest import Ended, run_debug, tiny, with_keys

from i2lc.steps.learning import model_file

pytestmark = pytest.mark.chain
ODD = "hills / é"
ESCAPED = "hills%20%2F%20%C3%A9"


def write_regions(path: Path, shapes: dict[str, shapely.Geometry]) -> None:
    frame = gpd.GeoDataFrame(
        {"region": list(shapes)}, geometry=list(shapes.values()), crs="EPSG:2154"
    )
    frame.to_crs("EPSG:4326").to_file(path)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny(tmp_path_factory.mktemp("regions") / "land", tiles=(2, 1), size=80, classes=3)
    with rasterio.open(made.parent / "truth.tif") as truth:
        left, bottom, right, top = truth.bounds
    middle = (left + right) / 2
    write_regions(
        made.parent / "two.gpkg",
        {
            "plain": shapely.box(left - 100, bottom - 100, middle, top + 100),
            ODD: shapely.box(middle, bottom + 150, right + 100, top + 100),
        },
    )
    write_regions(
        made.parent / "one.gpkg", {"all": shapely.box(left - 9, bottom - 9, right + 9, top + 9)}
    )
    return made


def run(config: Path, name: str, *, mode: str = "", **keys: str) -> Ended:
    more = "".join(f"\n {key} : {value}" for key, value in keys.items())
    made = with_keys(config, f"{name}.cfg", output_path=f'"{name}"{more}')
    if mode:
        made = with_keys(made, f"{name}.cfg", enable_probability_map=f"True\n {mode}")
    ended = run_debug(made, made.parent / name)
    assert ended.status == 0
    return ended


@pytest.fixture(scope="module")
def two(config: Path) -> Ended:
    return run(config, "two", region_path='"two.gpkg"')


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(1)


def test_one_region_everywhere_is_the_run_without_regions(config: Path) -> None:
    plain = run(config, "without")
    one = run(config, "one", region_path='"one.gpkg"')
    for name in ("Classif_Seed_0.tif", "Confidence_Seed_0.tif"):
        assert (one.root / "final" / name).read_bytes() == (
            plain.root / "final" / name
        ).read_bytes()
    assert (one.root / "model" / "model_all_seed_0.safetensors").is_file()


def test_each_region_has_a_model_of_its_polygons(two: Ended) -> None:
    table = pd.read_csv(two.root / "samplesSelection" / "polygons_seed_0.csv", index_col="number")
    assert set(table["region"]) == {"plain", ODD}
    for region, escaped in (("plain", "plain"), (ODD, ESCAPED)):
        name = f"Samples_region_{escaped}_seed0_learn.nc"
        samples = xr.load_dataset(two.root / "learningSamples" / name)
        numbers = np.unique(samples["polygon"].values)
        assert set(table.loc[numbers, "model"]) == {region}
        card = model_file.read_card(two.root / "model" / f"model_{escaped}_seed_0.safetensors")
        assert card.training["region"] == region
        assert sum(card.training["samples"].values()) == samples.sizes["sample"] > 100


def test_a_polygon_belongs_to_the_region_with_most_of_its_area(config: Path, two: Ended) -> None:
    regions = gpd.read_file(config.parent / "two.gpkg").to_crs("EPSG:2154")
    truth = gpd.read_file(config.parent / "ground_truth.shp").to_crs("EPSG:2154")
    table = pd.read_csv(two.root / "samplesSelection" / "polygons_seed_0.csv")
    shared = np.stack(
        [shapely.area(shapely.intersection(truth.geometry.to_numpy(), r)) for r in regions.geometry]
    )
    assert (shared.min(axis=0) > 0).any(), "a polygon lies in both"
    expected = regions["region"].to_numpy()[shared.argmax(axis=0)]
    assert table["region"].tolist() == expected[table["originfid"]].tolist()


def test_the_map_is_empty_outside_of_the_regions(two: Ended) -> None:
    regions = gpd.read_file(two.root.parent / "two.gpkg").to_crs("EPSG:2154")
    with rasterio.open(two.root / "final" / "Classif_Seed_0.tif") as made:
        said = made.read(1)
        inside = rasterio.features.rasterize(
            regions.geometry, made.shape, transform=made.transform, dtype="uint8"
        )
    validity = read(two.root / "final" / "PixelsValidity.tif")
    assert ((said == 0) == ((inside == 0) | (validity == 0))).mean() > 0.999
    assert (inside == 0).sum() > 500
    assert (said[inside == 0] == 0).all()


def test_statistics_are_per_model(two: Ended) -> None:
    found = pd.read_csv(two.root / "class_statistics.csv")
    assert set(found["model"]) == {"plain", ODD}
    table = pd.read_csv(two.root / "samplesSelection" / "polygons_seed_0.csv")
    learns = table[table["side"] == "learning"]
    expected = learns.groupby(["model", "label"])["pixels"].sum()
    got = found.set_index(["model", "label"])["available"]
    assert got[got > 0].to_dict() == expected[expected > 0].to_dict()


def test_models_of_a_divided_region_vote(config: Path) -> None:
    area = gpd.read_file(config.parent / "ground_truth.shp").to_crs("EPSG:2154").area.sum()
    fused = run(
        config,
        "fused",
        mode='classif_mode : "fusion"',
        region_path='"one.gpkg"',
        mode_outside_regionsplit=str(area / 1e6 / 1.5),
    )
    names = sorted(path.name for path in (fused.root / "model").glob("model_*_seed_0.safetensors"))
    assert names == ["model_allf1_seed_0.safetensors", "model_allf2_seed_0.safetensors"]
    table = pd.read_csv(
        fused.root / "samplesSelection" / "polygons_seed_0.csv", keep_default_na=False
    )
    learns = table[table["side"] == "learning"]
    assert set(learns["model"]) == {"allf1", "allf2"}
    counts = learns.groupby(["label", "set"])["model"].value_counts().unstack(fill_value=0)
    assert (counts["allf1"] - counts["allf2"]).abs().max() <= 1
    said = read(fused.root / "final" / "Classif_Seed_0.tif")
    sure = read(fused.root / "final" / "Confidence_Seed_0.tif")
    assert ((said > 0) == (sure > 0)).all()
    assert (said > 0).mean() > 0.5
