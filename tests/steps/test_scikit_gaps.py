"""Estimators that learn from external features: statics beside the series, and gaps."""

import json
import logging
from dataclasses import replace

import netCDF4
import numpy as np
import pytest
from scikit_samples import AXES, CODES, SMALL, features, order
from sklearn.impute import SimpleImputer

from i2lc.errors import InputError, TaskError
from i2lc.nn_bank.inference import BATCH_SIZE
from i2lc.nn_bank.stored import INVALID
from i2lc.steps.external.record import Function, Record
from i2lc.steps.prediction.models import Use, probabilities
from i2lc.steps.sampling import samples_file
from i2lc.steps.scikit import archive, learnt, model_file, prediction, process
from i2lc.steps.scikit.prediction import Meaning
from i2lc.steps.scikit.settings import Settings

RICH = replace(
    AXES,
    bands=("B4", "NDVI", "soi"),
    scales=(10000.0, 1000.0, 100.0),
    statics=("slope", "nothing"),
    static_scales=(10.0, 1.0),
    gaps=True,
)
RECORD = Record(
    functions=(
        Function("get_soi", "mine.py", {"window": 5}, ("a", "b", "c"), series=("soi",)),
        Function("get_slope", "", {}, ("slope", "nothing"), statics=("slope", "nothing")),
    ),
    modules={"mine.py": "ab" * 32},
    concat=True,
    padding=(2, 2),
    scales={"soi": 100.0, "slope": 10.0, "nothing": 1.0},
    pixel_bytes=512,
    bands=("B4", "NDVI"),
)


def values(count, seed=0):
    """Draw a series and statics as stored; a fifth of the external values is missing."""
    rng = np.random.default_rng(seed)
    series = np.concatenate([features(count, seed), features(count, seed + 1)[:, :, :1]], axis=2)
    series[:, :, 2][rng.random((count, 3)) < 0.2] = INVALID
    statics = np.full((count, 2), INVALID, np.int16)
    statics[:, 0] = np.where(rng.random(count) < 0.2, INVALID, rng.integers(0, 300, count))
    return series, statics


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Samples whose classes differ in the slope alone."""
    path = tmp_path_factory.mktemp("gaps") / "samples.nc"
    labels = np.resize(np.repeat(CODES, 10), 120)
    series, statics = values(120)
    known = statics[:, 0] != INVALID
    statics[known, 0] += (1000 * np.searchsorted(CODES, labels[known])).astype(np.int16)
    with samples_file.create(path, RICH, 120, samples_file.COLUMNS) as file:
        file["features"][:] = series
        file["statics"][:] = statics
        file["label"][:] = labels
        file["polygon"][:] = np.arange(120) // 10
        file["set"][:] = 1
    return path


def fitted(folder, samples, **keys):
    folder.mkdir(exist_ok=True)
    RECORD.save(folder / "external.json")
    external = str(folder / "external.json")
    process.fit(replace(order(folder, samples, **keys), external=external))
    return folder / "model.skops"


@pytest.fixture(scope="module", params=SMALL)
def model(request, samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    keys = {"model_type": request.param, "estimator_keywords": SMALL[request.param]}
    return model_file.load(fitted(folder, samples, **keys))


def test_every_estimator_begins_with_what_fills_gaps(model):
    imputer = model.estimator[0]
    assert isinstance(imputer, SimpleImputer)
    assert (imputer.strategy, imputer.keep_empty_features) == ("mean", True)
    assert imputer.n_features_in_ == 3 * 3 + 2
    assert imputer.statistics_[-1] == 0  # of a feature without any value
    assert model.estimator[-1].n_features_in_ == 11


def test_the_statics_tell_the_classes_apart(model, samples):
    with netCDF4.Dataset(samples) as file:
        series, statics, labels = (
            np.asarray(file[name][:]) for name in ("features", "statics", "label")
        )
    said = np.array(CODES)[model.probabilities(series, statics).argmax(axis=1)]
    known = statics[:, 0] != INVALID
    assert (said == labels)[known].mean() > 0.7  # chance is 0.33
    assert 0.7 < known.mean() < 0.9


def test_no_cut_changes_a_bit(model):
    series, statics = values(BATCH_SIZE + 37, seed=5)
    whole = probabilities([model], series, Use(), statics)[0]
    assert np.isfinite(whole).all()
    for cuts in ([1], [3, 1000, 1001], [BATCH_SIZE], [517]):
        parts = zip(np.split(series, cuts), np.split(statics, cuts), strict=True)
        said = [model.probabilities(one, other) for one, other in parts]
        assert np.concatenate(said).tobytes() == whole.tobytes(), cuts


def test_the_card_tells_of_the_functions(model, tmp_path):
    card = model.card
    assert (card.statics, card.static_scales) == (("slope", "nothing"), (10.0, 1.0))
    assert card.gaps
    assert card.features == 11
    assert card.record == replace(RECORD, pixel_bytes=0)  # measured: no two are the same
    assert json.loads(card.as_json())["external"]["modules"] == {"mine.py": "ab" * 32}


@pytest.mark.parametrize("name", ["RandomForestClassifier", "SupportVectorClassification"])
def test_the_same_samples_give_the_same_bytes(samples, tmp_path, name):
    keys = {"model_type": name, "estimator_keywords": SMALL[name], "standardization": True}
    first, second = (fitted(tmp_path / folder, samples, **keys) for folder in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert [key for key, _ in model_file.load(first).estimator.steps] == [
        "imputer",
        "scaler",
        "model",
    ]


def test_a_hard_vote_fills_gaps_too(samples, tmp_path):
    keywords = {"estimators": ["DecisionTreeClassifier", "RandomForestClassifier"]}
    keys = {"model_type": "VotingClassifier", "estimator_keywords": keywords}
    made = model_file.load(fitted(tmp_path / "hard", samples, **keys))
    assert set(np.unique(made.probabilities(*values(50)))) <= {0, 0.5, 1}


def test_a_grid_is_scored_with_gaps(samples, tmp_path):
    keys = {"cross_validation_parameters": {"n_estimators": [2, 3]}, "cross_validation_folds": 3}
    fitted(tmp_path / "grid", samples, model_type="RandomForestClassifier", **keys)
    assert len((tmp_path / "grid" / "table.cv").read_text().splitlines()) == 3


def test_flat_values_are_physical_with_statics_at_the_end():
    series = np.array([[[10000, 500, INVALID]] * 3, [[INVALID, 0, 250]] * 3], np.int16)
    statics = np.array([[25, 3], [INVALID, -7]], np.int16)
    x = prediction.flat(series, Meaning.of(RICH), statics)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[0], np.float32([1, 0.5, np.nan] * 3 + [2.5, 3]))
    np.testing.assert_array_equal(x[1], np.float32([np.nan, 0, 2.5] * 3 + [np.nan, -7]))
    plain = prediction.flat(series[:, :, :2], Meaning.of(AXES))
    assert plain[1].tolist() == [-1, 0] * 3  # without external features it is no gap


@pytest.mark.parametrize("statics", [None, np.zeros((2, 1), np.int16), np.zeros((1, 2), np.int16)])
def test_other_statics_are_refused(statics):
    with pytest.raises(ValueError, match=r"features without a date: .* not \(2, 2\)"):
        prediction.flat(np.zeros((2, 3, 3), np.int16), Meaning.of(RICH), statics)


def test_the_share_of_gaps_is_logged(samples, tmp_path, caplog):
    series, _ = values(120)
    read = learnt.read(samples, RICH)
    soi = 100 * (series[:, :, 2] == INVALID).mean()
    slope = 100 * np.isnan(read.x[:, 9]).mean()
    with caplog.at_level(logging.INFO):
        fitted(tmp_path / "log", samples, model_type="RandomForestClassifier")
    assert (
        f"values that are missing in the samples: soi {soi:.2f} %, slope {slope:.2f} %, "
        "nothing 100.00 %"
    ) in caplog.messages
    assert 10 < soi < 30


def test_a_card_of_other_features_is_refused(samples, tmp_path):
    path = fitted(tmp_path / "a", samples, model_type="RandomForestClassifier")
    made = model_file.load(path)
    other = tmp_path / "other.skops"
    model_file.save(other, made.estimator, replace(made.card, statics=(), static_scales=()))
    with pytest.raises(InputError) as caught:
        model_file.load(other)
    assert str(caught.value) == (
        f"{other} holds an estimator of 3 classes and 11 features, its card tells of 3 and 9"
    )


def test_a_file_of_the_format_before_is_refused(samples, tmp_path):
    made = model_file.load(fitted(tmp_path / "a", samples, model_type="RandomForestClassifier"))
    text = made.card.as_json().replace('"format": 3', '"format": 2')
    old = tmp_path / "old.skops"
    old.write_bytes(archive.pack(made.estimator, {model_file.MEMBER: text}))
    with pytest.raises(InputError) as caught:
        model_file.load(old)
    assert str(caught.value) == (
        f"{old} has format 2 of model files, this version reads 3: train it again"
    )


def test_statics_and_the_filling_of_gaps_count_in_the_memory(samples):
    settings = Settings(model_type="RandomForestClassifier")
    size = 4 * 120 * 11 * 3
    learnt.refuse_too_large(samples, settings, size)
    with pytest.raises(TaskError, match=r"^120 samples take 0\.0 GB as RandomForestC"):
        learnt.refuse_too_large(samples, settings, size - 1)


def test_statics_alone_are_features_too(tmp_path):
    """A function of concat_mode False that gives no series."""
    axes = replace(RICH, bands=(), scales=())
    path = tmp_path / "alone.nc"
    labels = np.repeat((10, 20), 30)
    with samples_file.create(path, axes, 60, samples_file.COLUMNS) as file:
        file["statics"][:, 0] = labels
        file["statics"][:, 1] = 7
        file["label"][:] = labels
        file["polygon"][:] = 1
        file["set"][:] = 1
    made = model_file.load(fitted(tmp_path / "a", path, model_type="RandomForestClassifier"))
    nothing = np.zeros((2, 3, 0), np.int16)
    said = made.probabilities(nothing, np.array([[10, 7], [20, 7]], np.int16))
    assert said.argmax(axis=1).tolist() == [0, 1]
