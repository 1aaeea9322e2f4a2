"""A features map without a land-cover map: summary, run, status, restart, and a bad function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio
from conftest import Ended, tiny

from i2lc.chain import cli

RUN = """\
builders : { builders_class_name : ["I2FeaturesMap"] }
chain : { output_path : "map", list_tile : "T31TCJ", s2_path : "s2" }
python_data_managing : { number_of_chunks : 2 }
sentinel_2 : { temporal_resolution : 90 }
external_features : { module : "mine.py", functions : "mine", concat_mode : False }
"""
FUNCTION = """\
def mine(self):
    found = {gain} * self.get_interpolated_Sentinel2_B8()
    return found, [f"Sentinel2_mine_{{day}}" for day in self.get_interpolated_dates()["Sentinel2"]]
"""
STEPS = ["check_inputs", "check_external", "tile_index", "envelopes", "features_map"]


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("map") / "land", dates=4).parent


@pytest.fixture
def config(land: Path) -> Path:
    (land / "mine.py").write_text(FUNCTION.format(gain=1))
    path = land / "map.cfg"
    path.write_text(RUN)
    return path


Run = Callable[..., Ended]


def test_the_summary_names_its_steps_alone(config: Path, run_here: Run) -> None:
    ended = run_here(config, config.parent / "map", "-only_summary")
    assert ended.status == 0
    lines = [line.split() for line in ended.text.splitlines() if "Step" in line]
    assert [words[3] for words in lines] == [*STEPS, "features_mosaic"]
    assert {words[0] for words in lines} == {"[x]"}
    assert not (config.parent / "map").exists()


def test_a_function_that_cannot_be_used_is_a_wrong_input(config: Path, run_here: Run) -> None:
    text = FUNCTION.format(gain=1).replace("return found,", "return found[:, :, :1],")
    (config.parent / "mine.py").write_text(text)
    root = config.parent / "refused"
    config.write_text(RUN.replace('"map"', '"refused"'))
    ended = run_here(config, root)
    assert ended.status == 2
    assert "problem in the external features:\n- mine.py: external function mine" in ended.text
    assert "tile_index" not in ended.text.partition("check_inputs: 1 of 1 tasks done")[2]
    assert not (root / "features" / "external_features.json").exists()


@pytest.mark.chain
def test_another_function_redoes_the_map_alone(
    config: Path, run_here: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    root = config.parent / "map"
    ended = run_here(config, root)
    assert ended.status == 0, ended.text
    assert f"- {root}/final/features_map.tif" in ended.text.splitlines()
    with rasterio.open(root / "final" / "features_map.tif") as raster:
        before = raster.read(1)
        assert raster.descriptions[0].startswith("Sentinel2_mine_2018")
    seen = before != -10000
    assert seen.mean() > 0.9
    (config.parent / "mine.py").write_text(FUNCTION.format(gain=2))
    assert cli.main(["status", "-config", str(config)]) == 0
    told = capfd.readouterr().out
    assert "3 reused, 4 redo of 7 tasks" in told
    ended = run_here(config, root, "-restart")
    assert ended.status == 0, ended.text
    assert "restart: 3 tasks reused, 4 to do" in ended.text
    with rasterio.open(root / "final" / "features_map.tif") as raster:
        after = raster.read(1)
    assert (after[~seen] == -10000).all()
    assert after[seen] == pytest.approx(2 * before[seen], abs=1.01e-4)  # stored x 10000
