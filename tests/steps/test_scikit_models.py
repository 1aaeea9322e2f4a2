"""Every estimator: it learns, its file holds all of it, and no cut changes what it states."""

import netCDF4
import numpy as np
import pytest
from scikit_samples import AXES, CODES, SMALL, features, fitted, write

from i2lc.nn_bank.inference import BATCH_SIZE
from i2lc.steps.scikit import archive, model_file, prediction
from i2lc.steps.scikit.prediction import Meaning
from i2lc.steps.scikit.settings import ModelType

EVERY = [
    *((name, keywords) for name, keywords in SMALL.items()),
    ("VotingClassifier", {**SMALL["VotingClassifier"], "voting": "hard"}),
    ("GradientBoostingClassifier", {"n_estimators": 3, "init": "zero", "n_iter_no_change": 2}),
    ("RandomForestClassifier", {"n_estimators": 25, "oob_score": True}),
    ("BaggingClassifier", {"n_estimators": 2, "estimator": "SupportVectorClassification"}),
    ("SupportVectorClassification", {"kernel": "linear"}),
]
SPECIAL = ("hard", "zero", "oob", "of_svm", "linear")
NAMES = [name for name, _ in EVERY[: len(SMALL)]] + list(SPECIAL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    write(made / "samples.nc")
    return made


@pytest.fixture(scope="module", params=EVERY, ids=NAMES)
def model(request, folder):
    name, keywords = request.param
    place = folder / f"{name}_{len(str(keywords))}"
    path = fitted(
        place,
        folder / "samples.nc",
        model_type=name,
        estimator_keywords=keywords,
        standardization=name == "SupportVectorClassification",
    )
    return model_file.load(path)


def test_every_estimator_of_the_configuration_is_tested():
    assert list(SMALL) == list(ModelType.__args__)


def test_it_tells_the_classes_apart(model, folder):
    with netCDF4.Dataset(folder / "samples.nc") as file:
        values, labels = (np.asarray(file[name][:]) for name in ("features", "label"))
    said = model.probabilities(values)
    assert said.dtype == np.float32
    assert said.shape == (120, 3)
    assert said.min() >= 0
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert model.card.labels == CODES
    assert (np.array(CODES)[said.argmax(axis=1)] == labels).mean() > 0.7  # chance is 0.33


def test_no_cut_changes_a_bit(model):
    values = features(BATCH_SIZE + 37, seed=5)
    whole = model.probabilities(values)
    for cuts in ([1], [3, 1000, 1001], [BATCH_SIZE], [BATCH_SIZE + 36], [517, 2222, 4000]):
        parts = [model.probabilities(part) for part in np.split(values, cuts)]
        assert np.concatenate(parts).tobytes() == whole.tobytes(), cuts
    for row in (0, 1, 2, 3, 250, BATCH_SIZE):
        assert model.probabilities(values[row : row + 1]).tobytes() == whole[row].tobytes()
    assert model.probabilities(values[:0]).shape == (0, 3)


def test_no_thread_is_left_to_predict(model):
    given = [value for key, value in model.estimator.get_params().items() if "n_jobs" in key]
    assert set(given) <= {None}
    assert given or model.card.network not in {"RandomForestClassifier", "VotingClassifier"}
    inner = getattr(model.estimator[-1], "estimators_", ())
    assert {one.n_jobs for one in inner if hasattr(one, "n_jobs")} <= {None}


@pytest.mark.parametrize("name", SMALL)
def test_the_same_samples_give_the_same_bytes(folder, name):
    keys = {"model_type": name, "estimator_keywords": SMALL[name]}
    made = [
        fitted(folder / f"{name}_{threads}", folder / "samples.nc", threads=threads, **keys)
        for threads in (1, 3)
    ]
    assert made[0].read_bytes() == made[1].read_bytes()
    first = model_file.load(made[0])
    rewritten = archive.pack(first.estimator, {"i2lc.json": first.card.as_json()})
    assert rewritten == made[0].read_bytes()


def test_two_classes(folder, tmp_path):
    samples = write(tmp_path / "two.nc", codes=(10, 20))
    for name, keywords in SMALL.items():
        path = fitted(tmp_path / name, samples, model_type=name, estimator_keywords=keywords)
        said = model_file.load(path).probabilities(features(5))
        assert said.shape == (5, 2), name
    keywords = {"loss": "exponential", "n_estimators": 2}
    path = fitted(
        tmp_path / "exponential",
        samples,
        model_type="GradientBoostingClassifier",
        estimator_keywords=keywords,
    )
    assert model_file.load(path).probabilities(features(5)).shape == (5, 2)


def test_samples_are_flat_date_major_and_physical():
    stored = np.arange(12, dtype=np.int16).reshape(2, 3, 2)
    x = prediction.flat(stored, Meaning.of(AXES))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[0], np.float32([0, 0.001, 0.0002, 0.003, 0.0004, 0.005]))
    np.testing.assert_array_equal(x[1, :2], np.float32([0.0006, 0.007]))


def test_votes_are_shares_of_the_weights(folder, tmp_path):
    members = ["DecisionTreeClassifier", {"name": "DecisionTreeClassifier", "max_depth": 1}]
    keywords = {"estimators": members, "weights": [3, 1]}
    path = fitted(
        tmp_path / "hard",
        folder / "samples.nc",
        model_type="VotingClassifier",
        estimator_keywords=keywords,
        standardization=True,
    )
    made = model_file.load(path)
    values = features(500, seed=3)
    said = made.probabilities(values)
    scaler, voting = made.estimator
    x = scaler.transform(prediction.flat(values, Meaning.of(made.card)))
    votes = np.stack([tree.predict(x) for tree in voting.estimators_], axis=1)
    wanted = np.zeros((500, 3))
    for row, (deep, flat) in enumerate(votes):
        wanted[row, deep] += 0.75
        wanted[row, flat] += 0.25
    np.testing.assert_array_equal(said, wanted.astype(np.float32))
    assert set(np.unique(said)) == {0, 0.25, 0.75, 1}
    np.testing.assert_array_equal(said.argmax(axis=1), voting.predict(x))
