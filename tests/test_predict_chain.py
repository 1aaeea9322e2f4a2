"""A model applied by `i2lc predict`: the map of its own run, and that of another year."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import rasterio
from conftest import run_debug, tiny, with_keys

from i2lc.chain import cli
from i2lc.chain.telling.ending import OK
from i2lc.errors import InputError

pytestmark = pytest.mark.chain

BOTH = "True\n generate_final_probability_map : True"
MAPS = (
    "Classif_Seed_0.tif",
    "Classif_Seed_0_ColorIndexed.tif",
    "Confidence_Seed_0.tif",
    "PixelsValidity.tif",
    "ProbabilityMap_seed_0.tif",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a tiny landscape; give its configuration."""
    made = tiny(tmp_path_factory.mktemp("predict") / "land", tiles=(2, 1), size=64)
    made = with_keys(made, "run.cfg", enable_probability_map=BOTH)
    assert run_debug(made, made.parent / "results").status == OK
    return made


@pytest.fixture(scope="module")
def model(trained: Path) -> Path:
    return trained.parent / "results" / "model" / "model_1_seed_0.safetensors"


def predict(model: Path, *options: object) -> int:
    words = [str(word) for word in ("predict", model, *options)]
    return cli.main([*words, "-scheduler_type", "debug"])


def maps(root: Path) -> dict[str, bytes]:
    return {name: (root / "final" / name).read_bytes() for name in MAPS}


def pixels(root: Path) -> dict[str, bytes]:
    found = {}
    for name in MAPS:
        with rasterio.open(root / "final" / name) as raster:
            found[name] = raster.read().tobytes()
    return found


def test_the_own_run_of_a_model_gives_its_very_map(trained: Path, model: Path) -> None:
    again = trained.parent / "again"
    assert predict(model, "-config", trained, "-out", again) == OK
    assert maps(again) == maps(trained.parent / "results")
    assert predict(model, "-config", trained, "-out", again, "-restart") == OK


def test_without_a_configuration(trained: Path, model: Path) -> None:
    """Without a nomenclature the names are codes, and the labels the same."""
    folder = trained.parent
    out = folder / "bare"
    tiles = " ".join(sorted(path.name for path in (folder / "s2").iterdir()))
    given = ("-s2_path", folder / "s2", "-list_tile", tiles, "-out", out)
    assert predict(model, *given, "-spatial_resolution", 10, "-number_of_chunks", 3) == OK
    name = "Classif_Seed_0.tif"
    assert (out / "final" / name).read_bytes() == (folder / "results/final" / name).read_bytes()
    table = (out / "final" / "Classif_table.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in table[1:]] == [
        [line.split(",")[1]] * 2
        for line in (folder / "results/final/Classif_table.csv").read_text().splitlines()[1:]
    ]


def renamed(source: Path, target: Path, year: str) -> None:
    """Copy products as if they were of another year: their folders and files are named by it."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / str(path.relative_to(source)).replace("_2018", f"_{year}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


@pytest.fixture(scope="module")
def next_year(trained: Path) -> Path:
    """The same pixels a year later."""
    renamed(trained.parent / "s2", trained.parent / "s2_2019", "2019")
    return with_keys(trained, "next.cfg", s2_path='"s2_2019"')


def test_another_year_of_the_same_pixels_gives_the_same_map(
    next_year: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = next_year.parent / "map_2019"
    assert predict(model, "-config", next_year, "-out", out) == OK
    assert pixels(out) == pixels(next_year.parent / "results")
    assert "are shifted to 2019-" in capfd.readouterr().out


def test_calibration_changes_no_label(trained: Path, model: Path) -> None:
    out = trained.parent / "calibrated"
    assert predict(model, "-config", trained, "-out", out, "-calibrate") == OK
    ours, plain = pixels(out), pixels(trained.parent / "results")
    assert ours["Classif_Seed_0.tif"] == plain["Classif_Seed_0.tif"]
    assert ours["Confidence_Seed_0.tif"] != plain["Confidence_Seed_0.tif"]
    assert ours["ProbabilityMap_seed_0.tif"] != plain["ProbabilityMap_seed_0.tif"]


def test_bfloat16_tells_its_share_of_changed_labels(trained: Path, model: Path) -> None:
    out = trained.parent / "rounded"
    given = ("-config", trained, "-out", out, "-inference_precision", "bfloat16")
    assert predict(model, *given) == OK
    log = next((out / "logs" / "classification").glob("*.log")).read_text()
    assert "bfloat16: it changed the label of " in log
    ours, plain = pixels(out), pixels(trained.parent / "results")
    assert ours["ProbabilityMap_seed_0.tif"] != plain["ProbabilityMap_seed_0.tif"]


def test_dates_that_differ_are_refused_before_anything_is_written(
    next_year: Path, model: Path
) -> None:
    other = with_keys(next_year, "late.cfg", temporal_resolution='10\n start_date : "20190601"')
    out = next_year.parent / "late"
    with pytest.raises(InputError, match=r"the model has \d+ dates"):
        cli.VERBS["predict"]([str(model), "-config", str(other), "-out", str(out)])
    assert not out.exists()
