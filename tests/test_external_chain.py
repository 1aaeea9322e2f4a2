"""The whole chain with functions of the user's among its features."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from conftest import Ended, digests, run_debug, tiny, with_keys

from i2lc.steps.artifacts import EXTERNAL
from i2lc.steps.external.record import Record
from i2lc.steps.learning import model_file
from i2lc.steps.prediction import models

pytestmark = pytest.mark.chain

MODULE = '''
import numpy as np


def ratio(self):
    """Give a ratio of two bands; none where both are small."""
    nir, red = self.get_interpolated_Sentinel2_B8(), self.get_interpolated_Sentinel2_B4()
    days = self.get_interpolated_dates()["Sentinel2"]
    found = np.where(nir + red > 0.35, nir / (red + 0.05), np.nan)
    return found, [f"Sentinel2_ratio_{day}" for day in days]


def summary(self):
    """Give three values of the year: one of them is missing in places."""
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    low, high = ndvi.min(axis=2), ndvi.max(axis=2)
    range_ = np.where(low < 0.25, np.nan, high - low)
    return np.stack([low, high, range_], axis=2), ["low", "high", "range"]


def breaks(self):
    """Give the user's raster, and an error where it is above 50."""
    height = self.get_exogeneous_data()
    if (height > 50).any():
        raise ValueError(f"a height of {height.max():g}")
    return height, self.get_exogeneous_labels()
'''
LEARNING = {"epochs": "30", "batch_size": "[128],", "learning_rate": "[0.003]"}
FOREST = """
scikit_models_parameters :
{
 model_type : "RandomForestClassifier"
 n_estimators : 40
 min_samples_leaf : 2
}
"""


def with_functions(landscape: Path, name: str, section: str, **keys: str) -> Path:
    """Write a copy of a configuration with external features; its name is that of its folder."""
    made = with_keys(landscape, f"{name}.cfg", output_path=f'"{name}"', **keys)
    text = made.read_text()
    if "scikit_models_parameters" in section:
        text = text.replace('   dl_name : "MLPClassifier"\n', "")
    made.write_text(text + section)
    return made


def functions(*lines: str) -> str:
    inside = "\n".join(f" {line}" for line in ('module : "mine.py"', *lines))
    return f"\nexternal_features :\n{{\n{inside}\n}}\n"


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny(tmp_path_factory.mktemp("external") / "land", tiles=(2, 1), size=64, classes=3)
    (made.parent / "mine.py").write_text(MODULE)
    return made


def run(config: Path) -> Ended:
    ended = run_debug(config, config.with_suffix(""))
    assert ended.status == 0
    return ended


def beyond_chance(ended: Ended) -> float:
    """Give how much better than the largest class the map is, over pixels with a truth."""
    with (
        rasterio.open(ended.root / "final" / "Classif_Seed_0.tif") as made,
        rasterio.open(ended.root.parent / "truth.tif") as truth,
    ):
        found, true = made.read(1), truth.read(1)
    known = (true > 0) & (found > 0)
    assert known.sum() > 0.95 * (true > 0).sum()
    counts = np.bincount(true[known])
    return float((found[known] == true[known]).mean() - counts.max() / counts.sum())


def samples(ended: Ended) -> xr.Dataset:
    with xr.open_dataset(
        ended.root / "learningSamples" / "Samples_region_1_seed0_learn.nc"
    ) as file:
        return file.load()


# --- what a run has -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(landscape: Path) -> Ended:
    """Nothing but the user's own bands, for a network."""
    section = functions('functions : ["ratio", "get_red_edge_ndvi"]', "concat_mode : False")
    return run(with_functions(landscape, "alone", section, **LEARNING))


def test_a_network_learns_from_the_functions_alone(alone: Ended) -> None:
    found = samples(alone)
    assert found["band"].values.tolist() == ["ratio", "NDREB5"]
    gaps = found["features"].values == -10000
    assert 0.01 < gaps[:, :, 0].mean() < 0.9
    assert not gaps[:, :, 1].any()
    card = model_file.read_card(alone.root / "model" / "model_1_seed_0.safetensors")
    assert card.bands == ("ratio", "NDREB5")
    assert card.gaps
    record = Record.load(alone.root / EXTERNAL.pattern)
    assert card.scales == tuple(record.scales[name] for name in card.bands)
    assert beyond_chance(alone) > 0.1


def test_samples_hold_the_values_of_the_function(alone: Ended, landscape: Path) -> None:
    """Computed again from the bands that a run without functions takes."""
    plain = run(with_functions(landscape, "plain", ""))
    bands, own = samples(plain), samples(alone)
    np.testing.assert_array_equal(bands["x"], own["x"])
    nir, red = (bands["features"].sel(band=band).values / 10000 for band in ("B8", "B4"))
    scale = float(own["scale"].sel(band="ratio"))
    expected = np.where(nir + red > 0.35, np.rint(scale * nir / (red + 0.05)), -10000)
    ratio = own["features"].sel(band="ratio").values
    sure = np.abs(nir + red - 0.35) > 1e-6
    assert np.abs(ratio - expected)[sure].max() <= 1
    assert sure.mean() > 0.99


@pytest.fixture(scope="module")
def forest(landscape: Path) -> Ended:
    """Features without a date for a forest, beside the chain's own."""
    section = functions('functions : "summary get_soi_s2"') + FOREST
    return run(with_functions(landscape, "forest", section))


def test_a_forest_learns_from_features_without_a_date(forest: Ended) -> None:
    found = samples(forest)
    assert found["static"].values.tolist() == ["low", "high", "range"]
    assert found["band"].values.tolist()[-1] == "soi"
    gaps = found["statics"].values == -10000
    assert not gaps[:, :2].any()
    assert 0.01 < gaps[:, 2].mean() < 0.99
    ndvi = found["features"].sel(band="NDVI").values / 1000
    scales = found["static_scale"].values
    assert np.abs(found["statics"].values[:, 0] - scales[0] * ndvi.min(axis=1)).max() <= 0.5 + 1e-3
    card = models.read_card(forest.root / "model" / "model_1_seed_0.skops")
    assert card.statics == ("low", "high", "range")
    assert card.static_scales == tuple(scales)
    assert beyond_chance(forest) > 0.1


def test_statics_alone_are_enough_for_a_forest(landscape: Path) -> None:
    section = functions('functions : "summary"', "concat_mode : False") + FOREST
    ended = run(with_functions(landscape, "statics", section))
    found = samples(ended)
    assert found["features"].shape[2] == 0
    assert found["statics"].shape == (found.sizes["sample"], 3)
    assert beyond_chance(ended) > 0.05


def test_chunks_change_no_byte_of_a_forest(forest: Ended, landscape: Path) -> None:
    section = functions('functions : "summary get_soi_s2"') + FOREST
    other = run(with_functions(landscape, "forest_17", section, number_of_chunks="17"))
    found, expected = digests(other.root), digests(forest.root)
    for name in (EXTERNAL.pattern, "model/external_features/mine.py"):
        assert name in found
    assert found == expected


# --- when a function changes, when it fails -------------------------------------------------

BEFORE = ("check_inputs", "tile_index", "envelopes", "polygons", "selection")
BEHIND = ("check_external", "samples", "merge_samples", "training", "classification", "mosaic")


def test_a_changed_function_redoes_samples_and_what_follows(
    tmp_path: Path, run_here: Callable[..., Ended]
) -> None:
    landscape = tiny(tmp_path / "land")
    module = landscape.with_name("mine.py")
    module.write_text(MODULE)
    config = with_functions(landscape, "again", functions('functions : "ratio"'))
    root = config.with_suffix("")
    assert run_here(config, root).status == 0
    before = digests(root)
    ended = run_here(config, root, "-restart")
    assert re.search(r"restart: \d+ tasks reused, 0 to do", ended.text), ended.text
    module.write_text(MODULE.replace("(red + 0.05)", "(red + 0.06)"))
    ended = run_here(config, root, "-restart")
    assert ended.status == 0, ended.text
    done = set(re.findall(r"(\w+): \d+ of \d+ tasks done", ended.text))
    assert {*BEHIND} <= done
    assert not done & {*BEFORE}, ended.text
    after = digests(root)
    changed = {name for name in before if after[name] != before[name]}
    assert "model/external_features/mine.py" in changed
    assert "learningSamples/Samples_region_1_seed0_learn.nc" in changed
    assert not {name for name in changed if name.startswith(("samplesSel", "envelope"))}
    assert not {name for name in changed if "nbView" in name or "index.json" in name}


def write_height(path: Path, truth: Path, high: bool) -> None:
    """Write a raster on the grid of the map, below 50, in one pixel of its east above if asked."""
    with rasterio.open(truth) as raster:
        profile = {**raster.profile, "dtype": "float32", "nodata": None, "count": 1}
    values = np.tile(np.linspace(0, 40, profile["width"], dtype=np.float32), (profile["height"], 1))
    if high:
        values[profile["height"] // 2, -20] = 60
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values, 1)
        raster.set_band_description(1, "height")


def test_a_function_that_fails_fails_its_task(
    landscape: Path, run_here: Callable[..., Ended]
) -> None:
    """One line for the user; where it failed stands in the task's log, with the function's own."""
    raster = landscape.with_name("height.tif")
    write_height(raster, landscape.with_name("truth.tif"), high=True)
    section = functions('functions : "breaks"', f'exogeneous_data : "{raster.name}"') + FOREST
    config = with_functions(landscape, "fails", section)
    ended = run_here(config, config.with_suffix(""))
    assert ended.status != 0
    line = (
        MODULE.splitlines().index('        raise ValueError(f"a height of {height.max():g}")') + 1
    )
    told = f"external function breaks raised ValueError (mine.py:{line}): a height of 60"
    assert told in ended.text
    assert "Traceback" not in ended.text
    logs = {path: path.read_text() for path in (ended.root / "logs").rglob("*.log")}
    own = [text for path, text in logs.items() if "Traceback" in text]
    assert len(own) == 1
    assert 'in breaks\n    raise ValueError(f"a height of {height.max():g}")' in own[0]


def test_a_function_that_fails_at_the_trial_removes_no_earlier_product(
    forest: Ended, landscape: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digests(forest.root)
    module = landscape.with_name("mean.py")
    module.write_text(
        "def of_the_window(self):\n"
        "    nir = self.get_interpolated_Sentinel2_B8()[:, :, :1]\n"
        "    return nir - nir.mean(), ['less_mean']\n"
    )
    section = functions("functions : of_the_window").replace("mine.py", "mean.py") + FOREST
    section = section.replace("of_the_window", '"of_the_window"')
    config = with_functions(landscape, "forest_again", section)
    config.write_text(config.read_text().replace('"forest_again"', '"forest"'))
    ended = run_debug(config, forest.root)
    assert ended.status == 2
    told = "mean.py: external function of_the_window gives no number for any pixel that was seen"
    assert told in capsys.readouterr().err
    assert digests(forest.root) == before
