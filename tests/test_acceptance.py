"""The promises about accuracy, on the landscape that `make demo` maps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
import xarray as xr
from sklearn.ensemble import RandomForestClassifier

from i2lc.chain import cli
from i2lc.chain.settings import config
from i2lc.demo import landscape
from i2lc.nn_bank import predict
from i2lc.steps.learning import model_file, process
from i2lc.steps.series import features
from i2lc.steps.tiles import layout
from i2lc.steps.tiles.tile import TileIndex
from i2lc.steps.training import OUTPUTS

pytestmark = pytest.mark.chain


@dataclass(frozen=True)
class Demo:
    root: Path
    """Output folder of the chain."""
    features: np.ndarray
    """Features of the validation pixels, int16 (sample, date, band)."""
    labels: np.ndarray
    """Their classes."""

    @property
    def largest_share(self) -> float:
        return float(np.unique(self.labels, return_counts=True)[1].max() / len(self.labels))

    @property
    def samples(self) -> xr.Dataset:
        return xr.load_dataset(self.root / "learningSamples" / "Samples_region_1_seed0_learn.nc")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    path = landscape.write(tmp_path_factory.mktemp("demo") / "land", landscape.Landscape())
    assert cli.main(["-config", str(path), "-scheduler_type", "debug"]) == 0
    root = path.parent / "results"
    settings = config.load(path).steps["samples"]
    assert isinstance(settings, layout.CubeSettings)
    dates = layout.load_dates(root / "features" / "interpolation_dates.json")
    table = pd.read_csv(root / "samplesSelection" / "polygons_seed_0.csv")
    label_of = np.append(0, table["label"].to_numpy())
    cubes, labels = [], []
    for index_path in sorted((root / "features").glob("*/index.json")):
        index = TileIndex.load(index_path)
        reference = root / "samplesSelection" / f"{index.tile}_seed_0_reference.tif"
        with rasterio.open(reference) as raster:
            numbers = raster.read(2)
        with features.FeatureReader(index, layout.Layout.of(settings), 2) as reader:
            cube = reader.features(index.grid, dates, numbers > 0)[:, :, 0]
        cubes.append(cube.transpose(2, 0, 1))
        labels.append(label_of[numbers[numbers > 0]])
    return Demo(root, np.ascontiguousarray(np.concatenate(cubes)), np.concatenate(labels))


def test_accuracy_of_the_demo(demo: Demo) -> None:
    results = json.loads((demo.root / "final" / "results.json").read_text())
    assert 0.85 <= results["oa"] <= 0.97
    assert results["runs"][0]["largest_class_share"] == pytest.approx(demo.largest_share)
    text = (demo.root / "final" / "RESULTS.txt").read_text()
    assert f"Overall accuracy:   {results['oa']:.3f}" in text
    assert f"Largest class:      {demo.largest_share:.3f}" in text


def test_map_holds_what_the_model_says_of_the_features(demo: Demo) -> None:
    """Training, samples and maps share one path: the matrix can be had from features alone."""
    model = model_file.load(demo.root / "model" / "model_1_seed_0.safetensors")
    said = np.array(model.card.labels)[
        predict(model.network, demo.features, model.scale).argmax(axis=1)
    ]
    results = json.loads((demo.root / "final" / "results.json").read_text())
    assert (said == demo.labels).mean() == pytest.approx(results["oa"], abs=1e-12)


def test_not_worse_than_a_random_forest_on_the_same_samples(demo: Demo) -> None:
    samples = demo.samples
    forest = RandomForestClassifier(100, random_state=0, n_jobs=2)
    count = samples.sizes["sample"]
    forest.fit(samples["features"].values.reshape(count, -1), samples["label"].values)
    oa = (forest.predict(demo.features.reshape(len(demo.labels), -1)) == demo.labels).mean()
    results = json.loads((demo.root / "final" / "results.json").read_text())
    assert results["oa"] >= oa - 0.03


def test_shuffled_labels_of_whole_polygons_teach_nothing(demo: Demo, tmp_path: Path) -> None:
    """A leak from learning to validation polygons would show as accuracy beyond chance."""
    rng = np.random.default_rng(0)
    accuracies = []
    for seed in range(3):
        samples = demo.samples
        polygons = np.unique(samples["polygon"].values)
        first = [np.flatnonzero(samples["polygon"].values == p)[0] for p in polygons]
        shuffled = rng.permutation(samples["label"].values[first])
        lookup = dict(zip(polygons.tolist(), shuffled.tolist(), strict=True))
        samples["label"].values[:] = [lookup[p] for p in samples["polygon"].values.tolist()]
        path = tmp_path / f"shuffled_{seed}.nc"
        samples.to_netcdf(path)
        accuracies.append(accuracy_of_training(path, demo, tmp_path / str(seed)))
    assert np.mean(accuracies) <= demo.largest_share + 0.05


def accuracy_of_training(samples: Path, demo: Demo, stem: Path) -> float:
    settings = config.load(demo.root.parent / "run.cfg").steps["training"]
    said = settings.model_dump(mode="json")
    said["deep_learning_parameters"]["epochs"] = 10
    outputs = {name: f"{stem}_{name}{Path(a.pattern).suffix}" for name, a in OUTPUTS.items()}
    order = process.Order(
        samples=str(samples),
        outputs=outputs,
        checkpoint=f"{stem}_checkpoint.safetensors",
        region="",
        fold=0,
        seed=0,
        hyp=0,
        num_workers=0,
        gpus=0,
        settings=said,
    )
    threads = torch.get_num_threads()
    process.train(order)
    torch.set_num_threads(threads)
    model = model_file.load(Path(outputs["model"]))
    said = predict(model.network, demo.features, model.scale).argmax(axis=1)
    return float((np.array(model.card.labels)[said] == demo.labels).mean())
