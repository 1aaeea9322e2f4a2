"""A model on disk: all that is needed to use it again, and nothing that runs."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from i2lc.errors import ConfigError, InputError
from i2lc.nn_bank import build, predict
from i2lc.nn_bank.base import MEAN
from i2lc.nn_bank.statistics import Statistics
from i2lc.steps.external.record import Function, Record
from i2lc.steps.learning import model_file
from i2lc.steps.learning.model_file import Card

SCALE = np.array([10000, 10000, 1000], np.float32)
FEATURES = np.random.default_rng(0).integers(-900, 9000, (50, 2, 3)).astype(np.int16)


@pytest.fixture
def saved(tmp_path):
    """A network with statistics of its own, its card and its file."""
    statistics = Statistics(2, 3)
    statistics.update(FEATURES)
    summary = statistics.summary(SCALE)
    network = build("MLPClassifier", 2, 3, 4, {"hidden_sizes": [5]}, seed=3)
    network.set_statistics(summary)
    card = Card(
        network="MLPClassifier",
        parameters={"hidden_sizes": [5]},
        labels=(1, 4, 7, 300),
        dates=(date(2018, 1, 1), date(2018, 1, 11)),
        bands=("B4", "B8", "NDVI"),
        scales=(10000.0, 10000.0, 1000.0),
        sensor="Sentinel2",
        statistics=summary.as_dict(),
        training={"seed": 0, "notes": ["é"], "best_epoch": 3, "loss": 0.1},
    )
    path = tmp_path / "model.safetensors"
    model_file.save(path, network.state_dict(), card)
    return path, network, card


def test_a_model_predicts_as_before(saved):
    path, network, card = saved
    model = model_file.load(path)
    assert model.card == card
    np.testing.assert_array_equal(model.scale, SCALE)
    assert model.scale.dtype == np.float32
    assert not model.network.training
    network.eval()
    expected = predict(network, FEATURES, SCALE)
    np.testing.assert_array_equal(predict(model.network, FEATURES, model.scale), expected)
    assert np.ptp(expected) > 0.01
    assert float(model.network.statistics[MEAN].abs().sum()) > 0  # standardisation came along


def test_the_card_alone(saved):
    path, _, card = saved
    assert model_file.read_card(path) == card


def test_the_functions_of_external_features_are_in_the_card(saved, tmp_path):
    """Without what was measured of them, which no two runs have alike."""
    record = Record(
        functions=(
            Function("f", "mine.py", {"window": 5, "names": ["a"]}, ("a", "b"), series=("soi",)),
        ),
        modules={"mine.py": "ab" * 32},
        concat=True,
        padding=(2, 1),
        scales={"soi": 1000.0},
        raw_days=(date(2018, 1, 2), date(2018, 1, 9)),
        pixel_bytes=64,
        bands=("B4", "B8"),
    )
    record.save(tmp_path / "external.json")
    _, network, plain = saved
    assert model_file.external_of(None) is None
    assert (plain.gaps, plain.record, plain.features) == (False, None, 6)
    external = model_file.external_of(str(tmp_path / "external.json"))
    path = tmp_path / "rich.safetensors"
    model_file.save(path, network.state_dict(), replace(plain, external=external))
    card = model_file.load(path).card
    assert card.gaps
    assert card.record == replace(record, pixel_bytes=0)
    assert "seconds" not in card.as_json()


def test_the_metadata_are_one_key_of_sorted_json(saved):
    path, _, _ = saved
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert list(metadata) == ["i2lc"]
    data = json.loads(metadata["i2lc"])
    assert metadata["i2lc"] == json.dumps(data, sort_keys=True)
    assert set(data) == {
        "format",
        "network",
        "parameters",
        "labels",
        "dates",
        "bands",
        "scale",
        "sensor",
        "statistics",
        "training",
        "raw",
        "module",
        "calibration",
        "precision",
        "external",
        "statics",
        "static_scale",
    }
    assert data["labels"] == [1, 4, 7, 300]
    assert data["dates"] == ["2018-01-01", "2018-01-11"]
    assert set(data["statistics"]) == {"min", "max", "mean", "var"}
    assert len(data["statistics"]["mean"]) == 6


def test_same_model_same_bytes(saved, tmp_path):
    path, network, card = saved
    model_file.save(tmp_path / "again.safetensors", network.state_dict(), card)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_weights_that_are_views_are_saved_whole(saved, tmp_path):
    _, network, card = saved
    state = {
        name: tensor.mT.contiguous().mT if tensor.ndim == 2 else tensor
        for name, tensor in network.state_dict().items()
    }
    assert any(not tensor.is_contiguous() for tensor in state.values())
    model_file.save(tmp_path / "turned.safetensors", state, card)
    found = model_file.load(tmp_path / "turned.safetensors").network.state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(found[name].nan_to_num(), tensor.nan_to_num()), name


def test_a_card_with_a_value_that_is_no_number_is_refused(saved, tmp_path):
    _, network, card = saved
    with pytest.raises(ValueError, match="not JSON compliant"):
        model_file.save(
            tmp_path / "a.safetensors",
            network.state_dict(),
            replace(card, training={"loss": float("nan")}),
        )


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.safetensors does not open as a model"):
        model_file.read_card(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("content", [b"", b"garbage" * 20])
def test_a_file_that_is_no_model(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="does not open as a model"):
        model_file.load(tmp_path / "a.safetensors")


def test_a_truncated_model(saved):
    path, _, _ = saved
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="does not open as a model"):
        model_file.load(path)


@pytest.mark.parametrize("metadata", [None, {"other": "1"}])
def test_weights_of_someone_else(tmp_path, metadata):
    save_file({"w": torch.zeros(3)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(InputError, match="is no model of i2lc: its metadata have no key 'i2lc'"):
        model_file.load(tmp_path / "a.safetensors")


def test_an_unknown_network_is_named(saved, tmp_path):
    _, network, card = saved
    model_file.save(
        tmp_path / "a.safetensors", network.state_dict(), replace(card, network="Transformer")
    )
    with pytest.raises(ConfigError, match="unknown network 'Transformer'"):
        model_file.load(tmp_path / "a.safetensors")


def test_a_file_of_the_format_before_is_refused(saved, tmp_path):
    _, network, card = saved
    old = tmp_path / "old.safetensors"
    data = json.loads(card.as_json()) | {"format": 2}
    for key in ("external", "statics", "static_scale"):
        del data[key]
    save_file(network.state_dict(), old, metadata={"i2lc": json.dumps(data)})
    with pytest.raises(InputError) as caught:
        model_file.read_card(old)
    assert str(caught.value) == (
        f"{old} has format 2 of model files, this version reads 3: train it again"
    )
