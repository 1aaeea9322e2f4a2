"""Settings and refusals of `i2lc predict`, and the dates of a model in another year."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny, with_keys
from safetensors.torch import save_file

from i2lc.chain import cli, plan
from i2lc.chain.arguments import WRONG
from i2lc.chain.settings import predict_config
from i2lc.chain.verbs import predict
from i2lc.errors import ConfigError, InputError
from i2lc.nn_bank import build
from i2lc.steps import given_model
from i2lc.steps.learning import model_file
from i2lc.steps.learning.model_file import Card
from i2lc.steps.prediction import other_year
from i2lc.steps.reference.labels import Label
from i2lc.steps.tiles.layout import INDEX_SCALE

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
INDICES = ("NDVI", "NDWI", "Brightness")


def series(first: date, count: int, step: int = 10) -> tuple[date, ...]:
    return tuple(first + timedelta(step * number) for number in range(count))


def card(**other: Any) -> Card:
    made = Card(
        network="MLPClassifier",
        parameters={},
        labels=(1, 7),
        dates=series(date(2018, 1, 5), 4),
        bands=BANDS + INDICES,
        scales=(10000.0,) * 10 + (INDEX_SCALE, INDEX_SCALE, 10000.0),
        sensor="Sentinel2",
        statistics={},
        training={"samples": {"training": 9, "validation": 2}},
        calibration={"temperature": 2.0},
    )
    return replace(made, **other)


def write(path: Path, made: Card) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(made.dates), len(made.bands), len(made.labels))
    model_file.save(path, build(made.network, *shape, {}).state_dict(), made)
    return path


def refusal(*arguments: object) -> str:
    with pytest.raises((ConfigError, InputError)) as caught:
        predict.main([str(word) for word in arguments])
    return str(caught.value)


# dates


def test_the_same_year_keeps_the_dates() -> None:
    own = card().dates
    assert other_year.dates_of(card(), own, 10) == own


def test_a_series_is_shifted_by_whole_years() -> None:
    assert other_year.dates_of(card(), series(date(2021, 1, 5), 4), 10) == series(
        date(2021, 1, 5), 4
    )


def test_the_dates_are_those_of_the_model_not_those_of_the_run() -> None:
    """5 days are half of 10: the last that pass."""
    for offset in (-5, 5):
        own = series(date(2020, 1, 5) + timedelta(offset), 4)
        assert other_year.dates_of(card(), own, 10) == series(date(2020, 1, 5), 4)


def test_the_first_date_that_differs_is_named() -> None:
    own = list(series(date(2020, 1, 5), 4))
    own[2] += timedelta(6)
    with pytest.raises(InputError) as caught:
        other_year.dates_of(card(), own, 10)
    assert str(caught.value) == (
        "date 3 of this series is 2020-01-31, that of the model 2018-01-25, or 2020-01-25 in this "
        "year: they differ by 6 days, more than half of its 10 days; choose start_date 20200105 "
        "and end_date 20200204"
    )


def test_another_number_of_dates_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        other_year.dates_of(card(), series(date(2020, 1, 5), 3), 10)
    assert str(caught.value) == (
        "the model has 4 dates (2018-01-05 to 2018-02-04), this series has 3 (2020-01-05 to "
        "2020-01-25): with start_date 20200105 and end_date 20200204, and the "
        "temporal_resolution of the model (10), it has as many"
    )


def test_a_series_that_begins_in_december_is_shifted_to_the_nearest_year() -> None:
    winter = card(dates=series(date(2017, 12, 30), 4))
    assert other_year.dates_of(winter, series(date(2020, 1, 2), 4), 10)[0] == date(2019, 12, 30)
    new_year = card(dates=series(date(2018, 1, 2), 4))
    assert other_year.dates_of(new_year, series(date(2019, 12, 30), 4), 10)[0] == date(2020, 1, 2)


@pytest.mark.parametrize(("model", "run"), [(2020, 2021), (2021, 2020), (2020, 2024)])
def test_leap_years(model: int, run: int) -> None:
    """29 February becomes 28 February; behind it the calendars differ by a day."""
    made = card(dates=series(date(model, 1, 30), 6))
    got = other_year.dates_of(made, series(date(run, 1, 30), 6), 10)
    assert [day.year for day in got] == [run] * 6
    assert got[3] == {2020: date(run, 2, 29 if run == 2024 else 28), 2021: date(run, 3, 1)}[model]
    assert list(got) == sorted(set(got))


def test_a_model_of_one_date_takes_the_resolution_of_the_run() -> None:
    single = card(dates=(date(2018, 6, 1),))
    assert other_year.dates_of(single, [date(2019, 6, 6)], 10) == (date(2019, 6, 1),)
    with pytest.raises(InputError, match="differ by 6 days, more than half of its 10 days"):
        other_year.dates_of(single, [date(2019, 6, 7)], 10)


def test_the_dates_of_another_year_than_the_products_are_refused(tmp_path: Path) -> None:
    """As those of the training in its configuration: all would repeat the first observation."""
    landscape = tiny(tmp_path / "land", dates=4)
    keys = '10\n start_date : "20170105"\n end_date : "20170204"'
    other = with_keys(landscape, "other.cfg", temporal_resolution=keys)
    products = [path.name[11:19] for path in (tmp_path / "land" / "s2" / "T31TCJ").iterdir()]
    first, last = (f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in (min(products), max(products)))
    model = write(tmp_path / "m.safetensors", card(dates=series(date(2017, 1, 5), 4)))
    assert refusal(model, "-config", other, "-out", tmp_path / "map") == (
        "no product lies between start_date 20170105 and end_date 20170204: the products run from "
        f"{first} to {last}; give start_date and end_date of their time, or neither"
    )
    assert not (tmp_path / "map").exists()


# classes


def settings(folder: Path, **keys: Any) -> given_model.Settings:
    return given_model.Settings(model=folder / "model.safetensors", **keys)


def test_classes_have_their_codes_for_names_without_a_nomenclature(tmp_path: Path) -> None:
    one, seven = given_model.classes_of(card(), settings(tmp_path)).classes
    assert (one.code, one.value, one.name) == (1, "1", "1")
    assert (seven.code, seven.value, seven.name) == (7, "7", "7")
    assert one.color != seven.color


def test_classes_have_the_names_and_colors_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("wheat:1\n")
    (tmp_path / "colors").write_text("1 9 8 7\n7 1 2 3\n")
    made = settings(tmp_path, nomenclature_path=tmp_path / "names", color_table=tmp_path / "colors")
    assert given_model.classes_of(card(), made).classes == (
        Label(1, "1", "wheat", (9, 8, 7)),
        Label(7, "7", "7", (1, 2, 3)),
    )


# refusals


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "models" / "model.safetensors", card())


def on(folder: Path, *more: object) -> tuple[object, ...]:
    return ("-s2_path", folder / "s2", "-list_tile", "T31TCJ", "-out", folder / "map", *more)


def test_what_is_no_model(tmp_path: Path, model: Path) -> None:
    missing = tmp_path / "none.safetensors"
    assert refusal(missing, *on(tmp_path)) == f"{missing}: there is no such model file"
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    assert refusal(other, *on(tmp_path)) == (
        f"{other} is no model file: models of i2lc end with .safetensors or .skops"
    )
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(model.read_bytes()[:-100])
    assert refusal(damaged, *on(tmp_path)).startswith(f"{damaged} does not open as a model: ")
    bare = tmp_path / "checkpoint.safetensors"
    save_file(build("MLPClassifier", 2, 2, 2, {}).state_dict(), bare)
    assert refusal(bare, *on(tmp_path)) == (
        f"{bare} is no model of i2lc: its metadata have no key 'i2lc'"
    )
    assert not (tmp_path / "map").exists()


def test_other_bands_are_named(tmp_path: Path) -> None:
    landscape = tiny(tmp_path / "land", dates=4)
    model = write(tmp_path / "few.safetensors", card(bands=BANDS, scales=(10000.0,) * 10))
    assert refusal(model, "-config", landscape, "-out", tmp_path / "map") == (
        f"{model} cannot read these features: its bands are {' '.join(BANDS)}, those of the run "
        f"(keep_bands and features) {' '.join(BANDS + INDICES)}"
    )


def test_other_scales_are_named(tmp_path: Path) -> None:
    scales = (1000.0, *card().scales[1:])
    model = write(tmp_path / "model.safetensors", card(scales=scales))
    assert refusal(model, *on(tmp_path)) == (
        f"{model} cannot read these features: B2 is stored x 1000 in its samples, x 10000 in this "
        "version"
    )


def test_raw_dates_are_refused(tmp_path: Path) -> None:
    model = write(tmp_path / "model.safetensors", card(raw=True))
    assert "reads raw dates (features_from_raw_dates)" in refusal(model, *on(tmp_path))


def test_calibrate_needs_a_temperature(tmp_path: Path, model: Path) -> None:
    bare = write(tmp_path / "bare.safetensors", card(calibration=None))
    assert refusal(bare, *on(tmp_path, "-calibrate")) == (
        f"calibrate : True, but {bare} has no temperature: its validation set was empty; set False"
    )
    made = load(model, tmp_path, calibrate=True)
    assert made.steps["classification"].calibrate is True  # type: ignore[attr-defined]


def test_a_wrong_value_of_the_command_line_is_told(tmp_path: Path, model: Path) -> None:
    told = refusal(model, *on(tmp_path, "-inference_precision", "int8"))
    assert told.startswith("command line: arg_classification.inference_precision: got 'int8'")


def test_the_tiles_are_needed(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        predict.main([str(model), "-list_tile", "T31TCJ"])
    assert caught.value.code == WRONG
    assert (
        "-config FILE is needed, or -s2_path DIR, -list_tile TILES and -out DIR"
        in capsys.readouterr().err
    )


# settings


def load(
    model: Path, folder: Path, file: Path | None = None, **more: Any
) -> predict_config.Prediction:
    given = {"s2_path": f"{folder}/s2", "list_tile": "T31TCJ", "output_path": f"{folder}/map"}
    return predict_config.load(model, file, {**given, **more}, ["i2lc", "predict"])


def test_without_a_configuration_the_model_says_what_its_features_are(tmp_path: Path) -> None:
    bands = ("B3", "B4", "B8", "NDVI")
    model = write(
        tmp_path / "model.safetensors",
        card(bands=bands, scales=(1e4, 1e4, 1e4, 1e3), dates=series(date(2018, 1, 5), 4, 16)),
    )
    made = load(model, tmp_path)
    assert made.units.keep_bands == ("B3", "B4", "B8")
    assert made.units.features == ("NDVI",)
    assert made.units.temporal_resolution == 16
    assert load(model, tmp_path, temporal_resolution=15).units.temporal_resolution == 15


def test_of_a_configuration_the_keys_of_training_are_not_looked_at(
    tmp_path: Path, model: Path
) -> None:
    """Ground truth that is not there, a first step that has no meaning here: no trap."""
    landscape = tiny(tmp_path / "land", dates=4)
    other = with_keys(
        landscape,
        "other.cfg",
        ground_truth='"gone.shp"',
        data_field='"gone"',
        first_step='"mosaic"',
    )
    made = predict_config.load(model, other, {"output_path": f"{tmp_path}/map"}, [])
    assert made.units.s2_path == tmp_path / "land" / "s2"
    assert (made.run.first_step, made.run.last_step) == ("init", "mosaic")
    assert made.resolved()["predict"] == {"model": str(model)}
    assert "ground_truth" not in made.resolved()["chain"]


def test_an_unknown_key_of_a_configuration_is_an_error(tmp_path: Path, model: Path) -> None:
    landscape = tiny(tmp_path / "land", dates=4)
    other = with_keys(landscape, "other.cfg", proj='"EPSG:2154"\n spatial_resolutoin : 10')
    told = refusal(model, "-config", other, "-out", tmp_path / "map")
    assert "spatial_resolutoin" in told
    assert "spatial_resolution" in told


def test_the_command_line_comes_first(tmp_path: Path, model: Path) -> None:
    landscape = tiny(tmp_path / "land", dates=4)
    more = {"proj": "EPSG:32631", "number_of_chunks": 3}
    made = load(model, tmp_path, landscape, **more)
    assert (made.units.proj, made.units.number_of_chunks) == ("EPSG:32631", 3)
    assert made.units.s2_path == tmp_path / "s2"


def test_the_folder_of_a_training_is_never_emptied(tmp_path: Path, model: Path) -> None:
    landscape = tiny(tmp_path / "land", dates=4)
    results = landscape.parent / "results"
    results.mkdir()
    (results / ".i2lc").write_text("mark")
    (results / "config_resolved.json").write_text('{"chain": {}}')
    assert refusal(model, "-config", landscape) == (
        f"output_path {results} holds a run that trains, not a map by a given model: {model} "
        "needs a folder of its own, -out DIR"
    )
    (results / "config_resolved.json").unlink()
    inside = write(results / "model" / "model_1_seed_0.safetensors", card())
    assert f"output_path {results} holds inputs: model {inside}" in refusal(
        inside, "-config", landscape
    )


def test_the_steps_of_a_prediction(tmp_path: Path, model: Path) -> None:
    made = load(model, tmp_path)
    steps, running = plan.steps_of(made, plan.Options())
    assert [step.name for step in steps] == [
        "check_inputs",
        "tile_index",
        "envelopes",
        "given_model",
        "classification",
        "tile_maps",
        "mosaic",
        "validity",
    ]
    assert running == steps
    classification = steps[4]
    assert "dates of the model" in [file.name for file in classification.inputs]
    assert "date grid" not in [file.name for file in classification.inputs]


def test_how_to_go_on_is_the_same_command(tmp_path: Path, model: Path) -> None:
    options = predict.parser().parse_args(
        [str(word) for word in (model, *on(tmp_path, "--calibrate", "-restart"))]
    )
    assert list(predict.words_of(options)) == [
        *("i2lc", "predict", str(model)),
        *("-out", str(tmp_path / "map"), "-s2_path", str(tmp_path / "s2")),
        *("-list_tile", "T31TCJ", "-calibrate"),
    ]


def test_missing_tiles_are_all_told(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*s2 \(s2_path\)"):
        cli.VERBS["predict"]([str(word) for word in (model, *on(tmp_path))])
    assert not (tmp_path / "map").exists()
