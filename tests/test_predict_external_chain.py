"""A model with external features applied by `i2lc predict`: only the user's files are asked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
from conftest import run_debug, tiny
from test_predict_chain import renamed

from i2lc.chain import cli
from i2lc.chain.telling.ending import OK
from i2lc.errors import InputError
from i2lc.steps import check_external
from i2lc.steps.learning import model_file
from i2lc.steps.prediction import models

pytestmark = pytest.mark.chain

MINE = '''
import numpy as np


def my_ratio(self, factor=1.0):
    """Give a ratio of two bands, without a value where both are small."""
    nir, red = self.get_interpolated_Sentinel2_B8(), self.get_interpolated_Sentinel2_B4()
    ratio = np.where(nir + red > 0.3, factor * nir / (red + 0.1), np.nan)
    return ratio, [f"Sentinel2_ratio_{day}" for day in self.get_interpolated_dates()["Sentinel2"]]
'''
SECTION = """
external_features : {
 module : "mine.py"
 functions : [["my_ratio", {"factor" : 2.0}], ["get_spatial_median", {"window" : 3}]]
 padding : 1
}
"""
MAPS = ("Classif_Seed_0.tif", "Confidence_Seed_0.tif", "PixelsValidity.tif")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a tiny landscape with a function of the user's and one of ours; its configuration."""
    made = tiny(tmp_path_factory.mktemp("predict") / "land", tiles=(2, 1), size=64)
    (made.parent / "mine.py").write_text(MINE)
    made.write_text(made.read_text() + SECTION)
    assert run_debug(made, made.parent / "results").status == OK
    return made


@pytest.fixture(scope="module")
def model(trained: Path) -> Path:
    return trained.parent / "results" / "model" / "model_1_seed_0.safetensors"


def predict(model: Path, *options: object) -> int:
    words = [str(word) for word in ("predict", model, *options)]
    return cli.main([*words, "-scheduler_type", "debug"])


def bare(trained: Path, out: str) -> tuple[object, ...]:
    """Give the options of a map of the same tiles, without a configuration."""
    folder = trained.parent
    tiles = " ".join(sorted(path.name for path in (folder / "s2").iterdir()))
    given = ("-s2_path", folder / "s2", "-list_tile", tiles, "-out", folder / out)
    return (*given, "-spatial_resolution", 10)


def pixels(root: Path) -> dict[str, bytes]:
    found = {}
    for name in MAPS:
        with rasterio.open(root / "final" / name) as raster:
            found[name] = raster.read().tobytes()
    return found


def gaps(root: Path) -> float:
    """Give the share of missing values of `ratio` in the samples."""
    with netCDF4.Dataset(root / "learningSamples" / "Samples_region_1_seed0_learn.nc") as file:
        bands = [str(name) for name in file["band"][:]]
        return float((np.asarray(file["features"][:])[:, :, bands.index("ratio")] == -10000).mean())


def test_the_card_says_what_the_features_are(trained: Path, model: Path) -> None:
    card = model_file.read_card(model)
    assert card.record is not None
    assert card.bands[-2:] == card.record.series
    assert card.bands[-2] == "ratio"
    assert card.record.bands == card.bands[:-2]
    assert card.record.padding == (1, 1)
    assert card.record.functions[0].parameters == {"factor": 2.0}
    sha256 = hashlib.sha256((trained.parent / "mine.py").read_bytes()).hexdigest()
    assert card.record.modules == {"mine.py": sha256}
    assert (model.parent / "external_features" / "mine.py").read_text() == MINE
    assert 0 < gaps(model.parent.parent) < 0.2


def test_the_own_run_of_a_model_gives_its_very_map(trained: Path, model: Path) -> None:
    again = trained.parent / "again"
    assert predict(model, "-config", trained, "-out", again) == OK
    assert pixels(again) == pixels(trained.parent / "results")
    assert predict(model, "-config", trained, "-out", again, "-restart") == OK


def test_functions_that_fail_are_told_before_earlier_maps_go(
    trained: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = trained.parent / "kept"
    assert predict(model, "-config", trained, "-out", out) == OK
    before, given = pixels(out), []

    def refused(settings: object, dates: object) -> None:
        given.append(dates)
        raise InputError("no pixel was seen")

    monkeypatch.setattr(check_external, "attempt", refused)
    assert predict(model, "-config", trained, "-out", out) == 2
    assert given == [model_file.read_card(model).dates]
    assert pixels(out) == before


def test_without_a_configuration_the_file_is_named(trained: Path, model: Path) -> None:
    """From the copy beside the model, cut otherwise."""
    copy = model.parent / "external_features" / "mine.py"
    options = bare(trained, "bare")
    assert predict(model, *options, "-external_features", copy, "-number_of_chunks", 5) == OK
    assert pixels(trained.parent / "bare") == pixels(trained.parent / "results")


def test_another_year_has_the_same_functions(trained: Path, model: Path) -> None:
    folder = trained.parent
    renamed(folder / "s2", folder / "s2_2019", "2019")
    options = ("-config", trained, "-s2_path", folder / "s2_2019", "-out", folder / "next")
    assert predict(model, *options) == OK
    assert pixels(folder / "next") == pixels(folder / "results")
    record = json.loads((folder / "next" / "features" / "external_features.json").read_text())
    assert all(
        label.split("_")[-1].startswith("2019") for label in record["functions"][0]["labels"]
    )
    assert record["scales"] == model_file.read_card(model).external["scales"]  # type: ignore[index]


FOREST = """
external_features : {
 module : "mine.py"
 functions : [["my_ratio", {"factor" : 2.0}], "get_harmonic"]
 concat_mode : False
}
scikit_models_parameters : { model_type : "RandomForestClassifier"
 n_estimators : 20
}
"""


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a tiny landscape with a forest, on features of functions alone; its configuration."""
    made = tiny(tmp_path_factory.mktemp("forest") / "land")
    (made.parent / "mine.py").write_text(MINE)
    text = made.read_text().replace('   dl_name : "MLPClassifier"\n', "")
    made.write_text(text + FOREST)
    assert run_debug(made, made.parent / "results").status == OK
    return made


def test_an_estimator_reads_statics_and_gaps_elsewhere_too(forest: Path) -> None:
    model = forest.parent / "results" / "model" / "model_1_seed_0.skops"
    card = models.read_card(model)
    assert card.bands == ("ratio",)
    assert card.statics == tuple(
        f"Sentinel2_NDVI_harmonic_{what}" for what in ("mean", "amplitude", "phase")
    )
    assert gaps(forest.parent / "results") > 0
    again = forest.parent / "again"
    assert predict(model, "-config", forest, "-out", again) == OK
    assert pixels(again) == pixels(forest.parent / "results")
    options = bare(forest, "bare")
    file = forest.parent / "mine.py"
    assert predict(model, *options, "-external_features", file, "-number_of_chunks", 4) == OK
    assert pixels(forest.parent / "bare") == pixels(forest.parent / "results")
