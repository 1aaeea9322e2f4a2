"""The whole chain on tiny landscapes: what its products hold, and that they never vary."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features
import xarray as xr
from conftest import Ended, digests, run_debug, tiny, with_keys

from i2lc.steps.learning import model_file

pytestmark = pytest.mark.chain
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Two runs, two pairs, two tiles, all products, learnt well enough to judge the map."""
    config = tiny(tmp_path_factory.mktemp("full") / "land", tiles=(2, 1), size=96, dates=12)
    config = with_keys(
        config,
        "full.cfg",
        runs="2",
        epochs="25",
        batch_size="[64, 256],",
        enable_probability_map="True\n generate_final_probability_map : True",
    )
    ended = run_debug(config, config.parent / "results")
    assert ended.status == 0
    return ended


def results(root: Path) -> dict:
    return json.loads((root / "final" / "results.json").read_text())


def test_map_agrees_with_the_truth(full: Ended) -> None:
    with (
        rasterio.open(full.root / "final" / "Classif_Seed_0.tif") as made,
        rasterio.open(full.root.parent / "truth.tif") as truth,
    ):
        assert made.transform == truth.transform
        mapped, true = made.read(1), truth.read(1)
    known = (true > 0) & (mapped > 0)
    assert known.sum() > 0.95 * (true > 0).sum()
    assert (mapped[known] == true[known]).mean() > 0.6
    assert set(np.unique(mapped[mapped > 0])) <= set(np.unique(true))


@pytest.mark.parametrize("seed", [0, 1])
def test_matrix_is_that_of_the_validation_layers(full: Ended, seed: int) -> None:
    layers = sorted((full.root / "dataAppVal").glob(f"*_seed_{seed}_val.sqlite"))
    assert len(layers) == 2
    codes = results(full.root)["labels"]
    matrix = np.zeros((len(codes), len(codes)), int)
    with rasterio.open(full.root / "final" / f"Classif_Seed_{seed}.tif") as made:
        mapped = made.read(1)
        for layer in layers:
            frame = gpd.read_file(layer)
            shapes = zip(frame.geometry, frame["code"], strict=True)
            reference = rasterio.features.rasterize(
                shapes, made.shape, transform=made.transform, dtype="int32"
            )
            for row, a in enumerate(codes):
                for col, b in enumerate(codes):
                    matrix[row, col] += int(((reference == a) & (mapped == b)).sum())
    assert matrix.tolist() == results(full.root)["runs"][seed]["confusion_matrix"]
    assert matrix.sum() > 100


def test_mean_matrix_and_spread(full: Ended) -> None:
    found = results(full.root)
    runs = found["runs"]
    mean = (np.array(runs[0]["confusion_matrix"]) + runs[1]["confusion_matrix"]) / 2
    assert found["confusion_matrix"] == mean.tolist()
    oa = [run["oa"] for run in runs]
    spread = found["spread_over_random_splits"]["oa"]
    assert spread["mean"] == pytest.approx(np.mean(oa))
    assert spread["deviation"] == pytest.approx(np.std(oa, ddof=1))
    assert spread["half_width"] == pytest.approx(12.706 * np.std(oa, ddof=1) / np.sqrt(2), rel=1e-4)
    text = (full.root / "final" / "RESULTS.txt").read_text()
    assert "spread over random splits" in text
    assert f"{np.mean(oa):.3f} +- " in text


def test_no_polygon_and_no_pixel_on_both_sides(full: Ended) -> None:
    for seed in (0, 1):
        table = pd.read_csv(full.root / "samplesSelection" / f"polygons_seed_{seed}.csv")
        sides = table[table["pixels"] > 0].groupby("polygon")["side"].agg(set)
        assert all(len(side) == 1 for side in sides)
        assert {"learning", "validation"} <= set(table["side"])
        for path in (full.root / "samplesSelection").glob(f"*_seed_{seed}_reference.tif"):
            with rasterio.open(path) as raster:
                learning, validation = raster.read()
                assert raster.descriptions == ("learning", "validation")
            assert learning.any()
            assert validation.any()
            assert not (learning.astype(bool) & validation.astype(bool)).any()


def test_two_runs_draw_two_splits(full: Ended) -> None:
    sides = [
        pd.read_csv(full.root / "samplesSelection" / f"polygons_seed_{s}.csv")["side"].tolist()
        for s in (0, 1)
    ]
    assert sides[0] != sides[1]


def test_samples_open_in_xarray(full: Ended) -> None:
    path = full.root / "learningSamples" / "Samples_region_1_seed0_learn.nc"
    with xr.open_dataset(path) as samples:
        features = samples["features"]
        assert features.dims == ("sample", "date", "band")
        assert features.dtype == np.int16
        assert samples["band"].values.tolist()[-3:] == ["NDVI", "NDWI", "Brightness"]
        assert samples["scale"].sel(band="B2") == 10000
        assert samples["scale"].sel(band="NDVI") == 1000
        assert np.issubdtype(samples["date"].dtype, np.datetime64)
        steps = np.diff(samples["date"].values).astype("timedelta64[D]").astype(int)
        assert set(steps) == {10}
        assert features.encoding["chunksizes"][0] == 512
        assert not features.encoding.get("zlib")
        order = np.lexsort((samples["x"], -samples["y"], samples["tile"]))
        assert order.tolist() == list(range(samples.sizes["sample"]))
        assert set(np.unique(samples["set"])) == {1, 2}
        assert samples["set"].attrs["flag_meanings"] == "training validation"
        table = pd.read_csv(full.root / "samplesSelection" / "polygons_seed_0.csv")
        table = table.set_index("number").loc[samples["polygon"].values]
        assert table["label"].tolist() == samples["label"].values.tolist()
        assert set(table["side"]) == {"learning"}
        sets = table["set"].map({"training": 1, "validation": 2})
        assert sets.tolist() == samples["set"].values.tolist()
        assert features.values.min() >= -9999


def test_samples_lie_in_their_polygons(full: Ended) -> None:
    layers = sorted((full.root / "dataAppVal").glob("*_seed_0_learn.sqlite"))
    frame = pd.concat([gpd.read_file(layer) for layer in layers])
    with xr.open_dataset(
        full.root / "learningSamples" / "Samples_region_1_seed0_learn.nc"
    ) as samples:
        points = gpd.GeoDataFrame(
            {"label": samples["label"].values},
            geometry=gpd.points_from_xy(samples["x"].values, samples["y"].values),
            crs=samples.attrs["crs"],
        )
    joined = points.sjoin(frame, predicate="within")
    assert len(joined) == len(points)
    assert (joined["label"] == joined["code"]).all()


def test_class_statistics_count_the_samples(full: Ended) -> None:
    table = pd.read_csv(full.root / "class_statistics.csv")
    assert set(table["seed"]) == {0, 1}
    for seed, rows in table.groupby("seed"):
        path = full.root / "learningSamples" / f"Samples_region_1_seed{seed}_learn.nc"
        with xr.open_dataset(path) as samples:
            labels, counts = np.unique(samples["label"].values, return_counts=True)
        taken = rows.set_index("label")["taken"]
        assert taken[taken > 0].to_dict() == dict(
            zip(labels.tolist(), counts.tolist(), strict=True)
        )
    assert (table["taken"] <= table["available"]).all()


def test_models_state_what_they_are(full: Ended) -> None:
    for seed in (0, 1):
        chosen = full.root / "model" / f"model_1_seed_{seed}.safetensors"
        cards = [
            model_file.read_card(full.root / "model" / f"model_1_seed_{seed}_hyp_{h}.safetensors")
            for h in (0, 1)
        ]
        card = model_file.read_card(chosen)
        assert card.training["value"] == max(c.training["value"] for c in cards)
        assert [c.training["batch_size"] for c in cards] == [64, 256]
        assert list(card.labels) == results(full.root)["labels"]
        assert card.bands[:3] == ("B2", "B3", "B4")
        assert len(card.statistics["mean"]) == len(card.dates) * len(card.bands)


def test_confidence_and_probabilities_agree_with_the_map(full: Ended) -> None:
    codes = np.array(results(full.root)["labels"])
    final = full.root / "final"
    with rasterio.open(final / "ProbabilityMap_seed_0.tif") as file:
        shares = file.read()
        assert file.nodata == 65535
        assert file.descriptions == tuple(results(full.root)["names"])
        assert file.dtypes[0] == "uint16"
    with (
        rasterio.open(final / "Classif_Seed_0.tif") as map_file,
        rasterio.open(final / "Confidence_Seed_0.tif") as confidence_file,
    ):
        mapped, confidence = map_file.read(1), confidence_file.read(1)
        assert (map_file.nodata, confidence_file.nodata) == (0, 0)
    seen = mapped > 0
    assert ((shares == 65535).all(axis=0) == ~seen).all()
    assert np.abs(shares[:, seen].astype(int).sum(axis=0) - 1000).max() <= len(codes)
    best = shares[:, seen].max(axis=0)
    said = np.take_along_axis(
        shares[:, seen], np.searchsorted(codes, mapped[seen])[None, :], axis=0
    )[0]
    assert (said == best).all()
    assert np.abs(confidence[seen] - best / 10).max() <= 1
    assert (confidence[~seen] == 0).all()


def test_validity_is_zero_where_the_map_is(full: Ended) -> None:
    with (
        rasterio.open(full.root / "final" / "PixelsValidity.tif") as views_file,
        rasterio.open(full.root / "final" / "Classif_Seed_0.tif") as map_file,
    ):
        views, mapped = views_file.read(1), map_file.read(1)
        assert views_file.dtypes[0] == "uint16"
        assert views_file.nodata is None
    assert ((views == 0) == (mapped == 0)).all()
    assert views.max() <= 13


def test_palette_and_category_names(full: Ended) -> None:
    final = full.root / "final"
    with rasterio.open(final / "Classif_Seed_0_ColorIndexed.tif") as file:
        colors = file.colormap(1)
        assert file.overviews(1) == [] or file.width > 512
    for line in (full.root.parent / "colors.txt").read_text().splitlines():
        code, *rgb = (int(part) for part in line.split())
        assert colors[code][:3] == tuple(rgb)
    names = (final / "Classif_Seed_0.tif.aux.xml").read_text()
    for name in results(full.root)["names"]:
        assert f"<Category>{name}</Category>" in names


def test_every_artifact_has_its_record_and_every_task_its_log(full: Ended) -> None:
    products = [
        path
        for folder in ("final", "classif", "model", "learningSamples", "dataAppVal", "envelope")
        for path in (full.root / folder).rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and not path.stem.endswith("_checkpoint")  # a side file of the training, no product
    ]
    assert len(products) > 40
    for path in products:
        record = json.loads(path.with_name(f".{path.name}.record.json").read_text())
        assert record["bytes"] == path.stat().st_size
        assert record["file"] == path.name
    assert not list(full.root.rglob(".tmp-*"))
    log = (full.root / "logs" / "training" / "seed_0_hyp_0.log").read_text()
    assert "epoch 25" in log


def test_versions_and_resolved_config_lie_beside(full: Ended) -> None:
    versions = json.loads((full.root / "versions.json").read_text())
    assert versions["torch"].startswith("2.")
    config = json.loads((full.root / "config_resolved.json").read_text())
    assert config["arg_train"]["runs"] == 2
    assert config["chain"]["cloud_threshold"] == 0


def test_labels_may_be_names(tmp_path: Path) -> None:
    config = with_keys(
        tiny(tmp_path / "land", string_labels=True), "names.cfg", epochs="40", random_seed="1"
    )
    root = config.parent / "results"
    assert run_debug(config, root).status == 0
    table = pd.read_csv(root / "final" / "Classif_table.csv")
    assert table["name"].tolist() == sorted(table["name"])
    assert table["id"].tolist() == list(range(1, len(table) + 1))
    with (
        rasterio.open(root / "final" / "Classif_Seed_0.tif") as made,
        rasterio.open(config.parent / "truth.tif") as truth,
    ):
        mapped, true = made.read(1), truth.read(1)
    assert set(np.unique(mapped)) <= set(range(len(table) + 1))
    assert (mapped == true)[mapped > 0].mean() > 0.4
    layer = gpd.read_file(root / "dataAppVal" / "T31TCJ_seed_0_val.sqlite")
    assert layer["code"].map(dict(zip(table["name"], table["id"], strict=True))).tolist() == (
        layer["i2label"].tolist()
    )


def test_without_a_split_the_scores_say_so(tmp_path: Path) -> None:
    config = with_keys(tiny(tmp_path / "land"), "all.cfg", split_ground_truth="False")
    root = config.parent / "results"
    assert run_debug(config, root).status == 0
    assert "resubstitution" in (root / "final" / "RESULTS.txt").read_text().splitlines()[0]
    with rasterio.open(root / "samplesSelection" / "T31TCJ_seed_0_reference.tif") as raster:
        learning, validation = raster.read()
    assert learning.any()
    assert (learning == validation).all()


# Steps, and what they find when they do not start at the first one.


def test_a_later_start_builds_on_earlier_products(tmp_path: Path, capfd: Capture) -> None:
    config = tiny(tmp_path / "land")
    root = config.parent / "results"
    assert run_debug(config, root, "-ending_step", "merge_samples").status == 0
    assert not (root / "model").exists()
    before = digests(root)
    assert run_debug(config, root, "-starting_step", "9").status == 0
    assert (root / "final" / "RESULTS.txt").is_file()
    assert before.items() <= digests(root).items()
    changed = with_keys(config, "changed.cfg", epochs="5", ratio="0.6")
    capfd.readouterr()
    assert run_debug(changed, root, "-starting_step", "classification").status == 2
    told = capfd.readouterr().err
    assert "start at step polygons or before" in told
    assert "polygons/all: ratio changed" in told
    assert "epochs changed 4 -> 5" in told
    (root / "final" / "Classif_Seed_0.tif").write_bytes(b"II*\0")
    assert run_debug(config, root, "-starting_step", "report").status == 0
    assert run_debug(config, root, "-starting_step", "confusion").status == 2
    assert "Classif_Seed_0.tif: it has 4 bytes, its record says" in capfd.readouterr().err


def test_a_wrong_input_leaves_the_products_of_an_earlier_run(tmp_path: Path) -> None:
    config = tiny(tmp_path / "land")
    root = config.parent / "results"
    assert run_debug(config, root, "-ending_step", "tile_index").status == 0
    before = digests(root)
    assert before
    names = config.parent / "nomenclature.txt"
    names.write_text("\n".join(names.read_text().splitlines()[1:]) + "\n")
    assert run_debug(config, root).status == 2
    assert digests(root) == before


def test_a_failed_task_is_told_last_and_contained(tmp_path: Path, capfd: Capture) -> None:
    config = tiny(tmp_path / "land", tiles=(2, 1))
    product = next((config.parent / "s2" / "T31TDJ").iterdir())
    band = product / f"{product.name}_FRE_B8.tif"
    band.write_bytes(band.read_bytes()[: band.stat().st_size // 2])
    blind = with_keys(config, "blind.cfg", check_inputs="False")
    root = config.parent / "results"
    assert run_debug(blind, root).status == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-4].startswith("step tile_index, unit T31TDJ: ")
    assert str(band) in lines[-4]
    assert lines[-3] == f"log: {root / 'logs' / 'tile_index' / 'T31TDJ.log'}"
    assert lines[-1] == f"  i2lc -config {blind} -scheduler_type debug -restart"
    assert (root / "features" / "T31TCJ" / "nbView.tif").is_file()
    assert not (root / "features" / "T31TDJ" / "nbView.tif").exists()
    assert "Traceback" in (root / "logs" / "tile_index" / "T31TDJ.log").read_text()
    assert run_debug(config, root).status == 2
    assert f"{band} is truncated" in capfd.readouterr().err
