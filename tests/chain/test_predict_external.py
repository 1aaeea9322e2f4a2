"""What `i2lc predict` asks for, and refuses, of a model with external features."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny
from test_predict_verb import BANDS, INDICES, card, load, on, refusal, write

from i2lc.chain import plan
from i2lc.chain.verbs import predict
from i2lc.steps.external.record import Function, Record

MINE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()


def my_ratio(self, factor):
    dates = self.get_interpolated_dates()["Sentinel2"]
    ratio = factor * self.get_interpolated_Sentinel2_B8()
    return ratio, [f"Sentinel2_ratio_{day}" for day in dates]
"""
SHA256 = hashlib.sha256(MINE.encode()).hexdigest()
OWN = BANDS + INDICES
RECORD = Record(
    functions=(
        Function("my_ratio", "mine.py", {"factor": 2.0}, ("x",), series=("ratio",)),
        Function("get_soi_s2", "", {}, ("y",), series=("soi",)),
    ),
    modules={"mine.py": SHA256},
    concat=True,
    padding=(1, 3),
    scales={"ratio": 100.0, "soi": 1000.0},
    bands=OWN,
)


def rich(record: Record = RECORD, **other: Any) -> Any:
    """Give a card of a model with external features."""
    own = (card().bands, card().scales) if record.concat else ((), ())
    said = {
        "bands": own[0] + record.series,
        "scales": own[1] + tuple(record.scales[name] for name in record.series),
        "external": record.as_dict(),
    }
    return card(**said | other)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "models" / "model.safetensors", rich())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_all_but_the_files_comes_from_the_card(tmp_path: Path, model: Path, mine: Path) -> None:
    made = load(model, tmp_path, external_features=[str(mine)])
    settings: Any = made.steps["check_external"]
    assert [(one.name, one.parameters) for one in settings.external_features.calls] == [
        ("my_ratio", {"factor": 2.0}),
        ("get_soi_s2", {}),
    ]
    assert settings.external_features.module == (mine,)
    assert settings.external_features.concat_mode is True
    assert settings.padding == (1, 3)
    assert settings.fill_missing_dates is False
    assert Record.from_dict(settings.expected) == RECORD
    steps, _ = plan.steps_of(made, plan.Options())
    assert [step.name for step in steps[3:6]] == ["given_model", "check_external", "classification"]
    assert "dates of the model" in [file.name for file in steps[4].inputs]
    assert [file.name for file in steps[5].inputs][-2:] == [
        "external features",
        "functions of mine.py",
    ]


def test_it_is_said_which_features_and_files_there_are(
    tmp_path: Path, model: Path, mine: Path
) -> None:
    made = load(model, tmp_path, external_features=[str(mine)])
    assert [*predict.told(made)] == [
        f"{model}: MLPClassifier, 2 classes, 4 dates",
        "external features: ratio, soi (functions of mine.py)",
    ]


def test_of_a_configuration_the_files_and_the_raster_count(
    tmp_path: Path, model: Path, mine: Path
) -> None:
    """Not its functions, its padding or its scales: they were those of another model."""
    landscape = tiny(tmp_path / "land", dates=4)
    section = (
        'external_features : { module : ["../mine.py", "gone.py"]\n functions : "get_nothing"\n'
        "padding : 7\n concat_mode : False\n scale : { x : 3 } }\n"
        'builders : { builders_class_name : ["I2FeaturesMap"] }\n'
    )
    landscape.write_text(landscape.read_text() + section)
    settings: Any = load(model, tmp_path, landscape).steps["check_external"]
    assert settings.padding == (1, 3)
    assert settings.external_features.module[0].resolve() == mine.resolve()
    assert settings.external_features.scale == {}
    assert [one.name for one in settings.external_features.calls] == ["my_ratio", "get_soi_s2"]


def test_raw_days_of_all_tiles_are_filled_as_in_training(tmp_path: Path, mine: Path) -> None:
    record = replace(RECORD, raw_days=(date(2018, 1, 2), date(2018, 1, 7)))
    model = write(tmp_path / "filled.safetensors", rich(record))
    settings: Any = load(model, tmp_path, external_features=[str(mine)]).steps["check_external"]
    assert settings.fill_missing_dates is True


def test_functions_alone_say_which_bands_they_read(tmp_path: Path, mine: Path) -> None:
    record = replace(RECORD, concat=False, bands=("B4", "B8", "NDVI"))
    model = write(tmp_path / "alone.safetensors", rich(record))
    made = load(model, tmp_path, external_features=[str(mine)])
    assert (made.units.keep_bands, made.units.features) == (("B4", "B8"), ("NDVI",))
    assert made.steps["check_external"].external_features.concat_mode is False  # type: ignore[attr-defined]
    landscape = tiny(tmp_path / "land", dates=4)
    options = ("-config", landscape, "-out", tmp_path / "map", "-external_features", mine)
    assert refusal(model, *options) == (
        f"{model} cannot read these features: its bands are B4 B8 NDVI, those of the run "
        f"(keep_bands and features) {' '.join(OWN)}"
    )


def test_without_the_file_it_is_told_which_one(tmp_path: Path, model: Path) -> None:
    assert refusal(model, *on(tmp_path)) == (
        f"{model} has features of functions in mine.py (sha256 {SHA256}): name the files with "
        "-external_features FILE [FILE...], or as external_features.module in the configuration; "
        f"copies lie in {model.parent}/external_features"
    )
    assert not (tmp_path / "map").exists()


def test_another_file_is_refused_and_never_run(tmp_path: Path, model: Path, mine: Path) -> None:
    mine.write_text(f"{MINE}# changed\n")
    got = hashlib.sha256(mine.read_bytes()).hexdigest()
    assert refusal(model, *on(tmp_path), "-external_features", mine) == (
        f"{model} was trained with mine.py of sha256 {SHA256[:12]}..., but {mine} has "
        f"{got[:12]}...: give the file of the training (a copy lies in "
        f"{model.parent}/external_features)"
    )
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_not_there(tmp_path: Path, model: Path, mine: Path) -> None:
    mine.unlink()
    told = refusal(model, *on(tmp_path), "-external_features", mine)
    assert f"{mine} cannot be read: No such file or directory" in told


def test_a_file_that_the_model_does_not_know(tmp_path: Path, model: Path, mine: Path) -> None:
    other = tmp_path / "other.py"
    assert refusal(model, *on(tmp_path), "-external_features", mine, other) == (
        f"-external_features names {other}, but {model} was trained with mine.py: drop it"
    )
    shipped = replace(RECORD, functions=RECORD.functions[1:], modules={})
    assert refusal(write(model, rich(shipped)), *on(tmp_path), "-external_features", mine) == (
        f"-external_features names {mine}, but {model} was trained with no file, its functions "
        "came with i2lc: drop it"
    )
    settings: Any = load(model, tmp_path).steps["check_external"]
    assert settings.external_features.module == ()


def test_a_model_without_functions_refuses_the_options(tmp_path: Path, mine: Path) -> None:
    plain = write(tmp_path / "plain.safetensors", card())
    for option in ("external_features", "exogeneous_data"):
        assert refusal(plain, *on(tmp_path), f"-{option}", mine) == (
            f"-{option} is given, but {plain} has no external features: drop it"
        )


def test_a_raster_that_is_not_there_is_told(tmp_path: Path, mine: Path) -> None:
    record = replace(RECORD, exogenous=f"{tmp_path}/slope_$TILE.tif")
    model = write(tmp_path / "model.safetensors", rich(record))
    given = (*on(tmp_path), "-external_features", mine)
    told = (
        "{model} has features of functions that read exogeneous_data, and there is no {path}: "
        "give -exogeneous_data PATH, or external_features.exogeneous_data in the configuration"
    )
    path = f"{tmp_path}/slope_T31TCJ.tif"
    assert refusal(model, *given) == told.format(model=model, path=path)
    other = tmp_path / "other.tif"
    assert refusal(model, *given, "-exogeneous_data", other) == told.format(model=model, path=other)
    other.touch()
    options = {"external_features": [str(mine)], "exogeneous_data": str(other)}
    settings: Any = load(model, tmp_path, **options).steps["check_external"]
    assert settings.external_features.exogeneous_data == other


def test_a_raster_that_no_function_reads_is_refused(
    tmp_path: Path, model: Path, mine: Path
) -> None:
    given = (*on(tmp_path), "-external_features", mine, "-exogeneous_data", mine)
    assert refusal(model, *given) == (
        f"exogeneous_data is given, but the functions of {model} were trained without a raster: "
        "drop it"
    )


def test_how_to_go_on_is_the_same_command(tmp_path: Path, model: Path, mine: Path) -> None:
    words = (model, *on(tmp_path, "-external_features", mine, tmp_path / "b.py", "-restart"))
    options = predict.parser().parse_args([str(word) for word in words])
    assert [*predict.words_of(options)][-3:] == [
        "-external_features",
        str(mine),
        str(tmp_path / "b.py"),
    ]
