"""A training from a file of samples: what it reads, refuses, writes, and goes on with."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from safetensors import safe_open

from i2lc.errors import ConfigError, InputError, TaskError
from i2lc.nn_bank import predict
from i2lc.steps.external.record import Function, Record
from i2lc.steps.learning import model_file, process, sample_source, sets
from i2lc.steps.learning.settings import TrainingSettings
from i2lc.steps.prediction import models
from i2lc.steps.sampling import samples_file
from i2lc.steps.training import OUTPUTS, checkpoint_of

DATES, BANDS = 4, 2
DAYS = tuple(date(2018, 1, 5) + timedelta(30 * k) for k in range(DATES))
AXES = samples_file.Axes(DAYS, ("B4", "B8"), (10000.0, 10000.0))
WAYS = "lower cloud_threshold, raise ratio, or let sample_selection take more"

MINE = """
import torch
import torch.nn.functional as F
from torch import nn
from i2lc.nn_bank import Iota2NeuralNetwork


class Mine(Iota2NeuralNetwork):
    def __init__(self, nb_dates, nb_components, nb_class, width=8):
        super().__init__(nb_dates, nb_components, nb_class)
        self.layer = nn.Sequential(nn.Flatten(), nn.Linear(nb_dates * nb_components, width))
        self.output = nn.Linear(width, nb_class)

    def _forward(self, x):
        assert "quantile_0.5" in self._stats["s2_theia"]
        return self.output(F.relu(self.layer(self.normalised(x))))


class Wide(Mine):
    def _forward(self, x):
        return torch.cat([super()._forward(x), x[:, :1, 0]], dim=1)


class Blind(Mine):
    def _forward(self, x):
        return super()._forward(x) * torch.nan
"""


def write(path, labels, sets, features=None):
    with samples_file.create(path, AXES, len(labels), samples_file.COLUMNS) as file:
        count = len(labels) * DATES * BANDS
        given = np.arange(count) if features is None else features
        file["features"][:] = np.reshape(given, (len(labels), DATES, BANDS))
        file["label"][:] = labels
        file["set"][:] = sets
    return path


@pytest.fixture(scope="module")
def separable(tmp_path_factory):
    """400 samples of classes 10, 20, 30 that lie apart; a quarter validates."""
    rng = np.random.default_rng(3)
    kinds = rng.integers(0, 3, 400)
    features = 1000 * (kinds + 1)[:, None, None] + rng.normal(0, 150, (400, DATES, BANDS))
    sets = np.where(np.arange(400) % 4, 1, 2)
    path = tmp_path_factory.mktemp("samples") / "samples.nc"
    return write(path, 10 * (kinds + 1), sets, features.astype(np.int16))


def deep(**keys):
    solver = {"batch_size": [32], "learning_rate": [0.01], **keys.pop("solver", {})}
    said = {"epochs": 4, "num_workers": 0, "hyperparameters_solver": solver, **keys}
    return TrainingSettings.model_validate({"deep_learning_parameters": said})


def order(samples, folder, settings, **changes):
    folder.mkdir(exist_ok=True)
    outputs = {name: str(folder / Path(a.pattern).name) for name, a in OUTPUTS.items()}
    said = {
        "samples": str(samples),
        "outputs": outputs,
        "checkpoint": str(checkpoint_of(Path(outputs["model"]))),
        "region": "",
        "fold": 0,
        "seed": 0,
        "hyp": 0,
        "num_workers": 0,
        "gpus": 0,
        "settings": settings.model_dump(mode="json"),
    }
    return process.Order(**said | changes)


def trained(samples, folder, settings, **changes):
    """Train; give the paths of the products by name."""
    made = order(samples, folder, settings, **changes)
    process.train(made)
    return {name: Path(path) for name, path in made.outputs.items()}


def weights(path):
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def same(first, second):
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(
        torch.equal(a[k].nan_to_num(), b[k].nan_to_num()) for k in a
    )


@pytest.mark.parametrize("opened", [sample_source.load, sample_source.stored])
def test_labels_are_numbers_of_the_classes_that_are_learnt(tmp_path, opened):
    path = write(tmp_path / "a.nc", [30, 10, 10, 30, 40], [1, 1, 2, 2, 2])
    learnt, checked, codes = opened(path)
    assert codes == [10, 30]
    assert learnt.labels.tolist() == [1, 0]
    assert checked.labels.tolist() == [0, 1]  # 40 is not learnt
    features, labels = checked.read(0)
    assert features.ravel().tolist() == list(range(16, 32))
    assert labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "sets", "there"),
    [([10, 10, 20], [1, 1, 2], "of class code 10 alone"), ([10, 20], [2, 2], "of no class")],
)
def test_fewer_than_two_classes_are_refused_in_words(tmp_path, labels, sets, there):
    path = write(tmp_path / "a.nc", labels, sets)
    with pytest.raises(TaskError) as caught:
        trained(path, tmp_path / "out", deep())
    assert str(caught.value) == (
        f"{path} has training samples {there}, a model needs two classes or more: {WAYS}"
    )


@pytest.mark.parametrize("mode", ["stream", "full"])
def test_products_say_what_was_learnt(separable, tmp_path, mode):
    made = trained(separable, tmp_path / "out", deep(dataloader_mode=mode))
    model = model_file.load(made["model"])
    assert model.card.labels == (10, 20, 30)
    assert model.card.dates == DAYS
    history = json.loads(made["history"].read_text())
    assert [epoch["number"] for epoch in history["epochs"]] == [1, 2, 3, 4]
    assert history["hyperparameters"] == {
        "batch_size": 32,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
    }
    rows = made["table"].read_text().splitlines()
    assert rows[0].startswith("number,train_loss,validation_loss,oa,kappa,fscore,precision,recall")
    assert float(rows[4].split(",")[3]) == history["epochs"][3]["oa"]
    _, validation, _ = sample_source.load(separable)
    said = predict(model.network, validation.features, model.scale).argmax(axis=1)
    chosen = history["epochs"][history["epoch"] - 1]
    assert (said == validation.labels).mean() == pytest.approx(chosen["oa"], abs=1e-12)
    assert chosen["validation_loss"] == min(e["validation_loss"] for e in history["epochs"])
    assert model.card.calibration["samples"] == 100
    assert 0.05 <= model.card.calibration["temperature"] <= 20
    assert 0 <= model.card.precision["bfloat16"] <= 1
    for name in ("losses", "metrics"):
        assert made[name].read_bytes().startswith(b"\x89PNG")


def test_best_epochs_of_all_criteria_are_kept(separable, tmp_path):
    made = trained(separable, tmp_path / "out", deep())
    with pytest.raises(InputError, match="holds the best epochs of all criteria, not one model"):
        model_file.read_card(made["best"])
    with safe_open(made["best"], framework="pt") as file:
        best = json.loads(file.metadata()[model_file.KEY_BEST])["training"]["best"]
    assert {"loss", "fscore", "oa", "kappa"} <= set(best)
    kept, chosen = weights(made["best"]), weights(made["model"])
    for name, tensor in chosen.items():
        there = kept[f"epoch_{best['loss']['epoch']}/{name}"]
        assert torch.equal(there.nan_to_num(), tensor.nan_to_num())


def test_criterion_chooses_among_the_same_epochs(separable, tmp_path):
    first = trained(separable, tmp_path / "a", deep())
    second = trained(separable, tmp_path / "b", deep(model_selection_criterion="oa"))
    assert same(first["best"], second["best"])
    history = json.loads(second["history"].read_text())
    scores = [epoch["oa"] for epoch in history["epochs"]]
    assert history["epoch"] == 1 + scores.index(max(scores))


@pytest.mark.parametrize("keys", [{}, {"one_cycle": True, "dl_name": "TempCNNClassifier"}])
def test_training_killed_in_an_epoch_ends_with_the_same_weights(separable, tmp_path, keys):
    settings = deep(epochs=12, **keys)
    whole = trained(separable, tmp_path / "whole", settings)
    cut = order(separable, tmp_path / "cut", settings)
    told = json.dumps({"parent": os.getpid(), "order": asdict(cut)})
    with subprocess.Popen(
        [sys.executable, "-m", process.MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        child.stdin.write(told)
        child.stdin.close()
        for line in child.stdout:
            if "epoch 3:" in line:
                child.send_signal(signal.SIGKILL)
                break
        child.wait()
    assert child.returncode == -signal.SIGKILL
    assert not Path(cut.outputs["model"]).exists()
    assert Path(cut.checkpoint).exists()
    process.train(cut)
    assert same(whole["model"], cut.outputs["model"])
    assert same(whole["best"], cut.outputs["best"])
    assert whole["history"].read_text() == Path(cut.outputs["history"]).read_text()


def test_checkpoint_of_other_settings_is_left_alone(separable, tmp_path, caplog):
    caplog.set_level("INFO")
    trained(separable, tmp_path / "out", deep())
    other = deep(solver={"learning_rate": [0.02]})
    again = trained(separable, tmp_path / "out", other)
    assert "is of other samples, settings or torch: the training begins with epoch 1" in caplog.text
    fresh = trained(separable, tmp_path / "fresh", other)
    assert same(again["model"], fresh["model"])


def test_checkpoint_of_another_torch_is_left_alone(separable, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    trained(separable, tmp_path / "out", deep())
    monkeypatch.setattr(torch, "__version__", "0.0.1")
    trained(separable, tmp_path / "out", deep(epochs=5))
    assert "is of other samples, settings or torch: the training begins with epoch 1" in caplog.text
    assert "goes on after" not in caplog.text


def test_more_epochs_go_on_and_none_is_lost(separable, tmp_path, caplog):
    caplog.set_level("INFO")
    trained(separable, tmp_path / "out", deep())
    longer = trained(separable, tmp_path / "out", deep(epochs=6))
    assert "the training goes on after epoch 4" in caplog.text
    fresh = trained(separable, tmp_path / "fresh", deep(epochs=6))
    assert same(longer["model"], fresh["model"])
    assert longer["history"].read_text() == fresh["history"].read_text()


def test_restart_from_checkpoint_false_begins_anew(separable, tmp_path, caplog):
    caplog.set_level("INFO")
    trained(separable, tmp_path / "out", deep(restart_from_checkpoint=False))
    trained(separable, tmp_path / "out", deep(restart_from_checkpoint=False, epochs=5))
    assert "goes on after" not in caplog.text


def test_auto_holds_small_sets(separable, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    full = trained(separable, tmp_path / "full", deep(dataloader_mode="full"))
    auto = trained(separable, tmp_path / "auto", deep(dataloader_mode="auto"))
    assert same(full["model"], auto["model"])
    assert "dataloader_mode full: the samples take 0.00 GB, auto holds up to 2 GB" in caplog.text
    monkeypatch.setattr(sets, "FULL_MOST", 10)
    stream = trained(separable, tmp_path / "stream", deep())
    large = trained(separable, tmp_path / "large", deep(dataloader_mode="auto"))
    assert same(stream["model"], large["model"])


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def mine(module, name="Mine", **keys):
    return deep(dl_module=str(module), dl_name=name, additional_statistics_percentage=1.0, **keys)


def test_network_of_the_user_is_loaded_with_its_own_file_alone(separable, tmp_path, module):
    made = trained(separable, tmp_path / "out", mine(module, solver={"width": [4, 6]}), hyp=1)
    card = model_file.read_card(made["model"])
    assert card.parameters == {"width": 6}
    copy = shutil.copy(module, tmp_path / "copy.py")
    assert model_file.load(made["model"], copy).network.layer[1].out_features == 6
    with pytest.raises(InputError, match=r"holds Mine of a file mine\.py: name that file as dl_mo"):
        model_file.load(made["model"])
    copy.write_text(MINE + "\n")
    with pytest.raises(InputError, match=r"but .*copy\.py has .*give the file of the training"):
        model_file.load(made["model"], copy)


def test_network_of_the_user_that_gives_another_shape(separable, tmp_path, module):
    with pytest.raises(ConfigError, match=r"Wide\._forward gives \(32, 4\) for x of \(32, 4, 2\)"):
        trained(separable, tmp_path / "out", mine(module, "Wide"))


def test_network_of_the_user_that_gives_nan(separable, tmp_path, module):
    with pytest.raises(TaskError, match=r"loss is nan in epoch 1, batch 1"):
        trained(separable, tmp_path / "out", mine(module, "Blind"))


def test_pairs_are_the_product_of_all_lists():
    settings = deep(
        dl_name="ANN",
        solver={"batch_size": [8, 16], "learning_rate": [0.1], "dropout": [0.0, 0.2]},
    )
    pairs = settings.deep_learning_parameters.hyperparameters_solver.pairs
    assert [pair.as_dict() for pair in pairs] == [
        {"batch_size": b, "learning_rate": 0.1, "weight_decay": 0.0, "dropout": d}
        for b in (8, 16)
        for d in (0.0, 0.2)
    ]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"dl_name": "U"}, "unknown network 'U'; known: ANN, LTAEClassifier, MLPClassifier"),
        ({"solver": {"depth": [1]}}, "MLPClassifier has no parameter 'depth'; known: hidden_sizes"),
        ({"solver": {"hidden_sizes": 3}}, "hyperparameters_solver.hidden_sizes: a list of values"),
        (
            {"solver": {"hidden_sizes": [[3]]}, "dl_parameters": {"hidden_sizes": [4]}},
            "hidden_sizes: in dl_parameters and in hyperparameters_solver; keep one",
        ),
        ({"adaptive_lr": {"mode": "max"}}, "adaptive_lr cannot set mode"),
        ({"adaptive_lr": {"patienc": 3}}, "adaptive_lr has no key 'patienc'; known: patience"),
        ({"one_cycle": True, "adaptive_lr": {"patience": 3}}, "both set the learning rate"),
        ({"dl_module": "/nowhere.py", "dl_name": "A"}, "dl_module /nowhere.py cannot be read"),
    ],
)
def test_settings_that_cannot_be(keys, told):
    with pytest.raises(ValueError, match=told):
        deep(**keys)


def test_networks_that_read_raw_dates():
    said = {"features_from_raw_dates": True}
    with pytest.raises(
        ValueError, match=r"MLPClassifier cannot read raw dates.*LTAEClassifier can"
    ):
        TrainingSettings.model_validate(said)
    TrainingSettings.model_validate(
        {**said, "deep_learning_parameters": {"dl_name": "LTAEClassifier"}}
    )


RECORD = Record(
    functions=(Function("get_soi", "mine.py", {}, ("a", "b"), series=("b1",)),),
    modules={"mine.py": "ab" * 32},
    concat=True,
    padding=(0, 0),
    scales={"b1": 1000.0},
    pixel_bytes=64,
    bands=("b0",),
)


@pytest.fixture
def gappy(separable, tmp_path):
    """The separable samples, with gaps in a fifth of the second band."""
    path = tmp_path / "gappy.nc"
    shutil.copyfile(separable, path)
    with netCDF4.Dataset(path, "a") as file:
        file.gaps = "some"
        values = np.asarray(file["features"][:])
        values[:, :, 1][np.random.default_rng(0).random(values.shape[:2]) < 0.2] = -10000
        file["features"][:] = values
    return path


@pytest.mark.parametrize("mode", ["stream", "full"])
def test_external_features_are_learnt_with_their_gaps(gappy, tmp_path, caplog, mode):
    caplog.set_level("INFO")
    RECORD.save(tmp_path / "external.json")
    settings = deep(dataloader_mode=mode, additional_statistics_percentage=1.0)
    external = str(tmp_path / "external.json")
    made = trained(gappy, tmp_path / "out", settings, external=external)
    card = model_file.read_card(made["model"])
    assert card.gaps
    assert card.record == dataclasses.replace(RECORD, pixel_bytes=0)
    assert model_file.load(made["model"]).card == card
    training, validation, _ = sample_source.load(gappy)
    assert training.gaps
    values = np.where(training.features == -10000, np.nan, training.features) / training.scale
    expected = np.nanmean(values, axis=0).ravel()
    np.testing.assert_allclose(card.statistics["mean"], expected, rtol=1e-5)
    median = np.nanmedian(values, axis=0).ravel()
    np.testing.assert_allclose(card.statistics["quantile_0.5"], median, rtol=1e-5)
    share = 100 * np.isnan(values[:, :, 1]).mean()
    assert f"values that are missing in the samples: B8 {share:.2f} %" in caplog.messages
    said = models.probabilities(
        [model_file.load(made["model"])], validation.features, models.Use()
    )[0]
    history = json.loads(made["history"].read_text())
    best = history["epochs"][history["epoch"] - 1]
    assert (said.argmax(axis=1) == validation.labels).mean() == pytest.approx(best["oa"])
    assert best["oa"] > 0.7  # a third is chance


def test_features_without_a_date_are_refused_for_networks(tmp_path):
    path = tmp_path / "samples.nc"
    axes = dataclasses.replace(AXES, statics=("slope", "sum"), static_scales=(1.0, 1.0), gaps=True)
    with samples_file.create(path, axes, 2, samples_file.COLUMNS) as file:
        file["label"][:] = [10, 20]
        file["set"][:] = 1
    with pytest.raises(TaskError) as caught:
        trained(path, tmp_path / "out", deep())
    assert str(caught.value) == (
        "MLPClassifier reads (date, band), and these external features are not one value for "
        "every date: slope, sum; take them from external_features.functions, or choose an "
        "estimator of scikit-learn (scikit_models_parameters.model_type)"
    )
