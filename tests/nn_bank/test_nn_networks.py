import numpy as np
import pytest
import torch
from torch import nn

from i2lc.errors import ConfigError
from i2lc.nn_bank import NETWORKS, Iota2NeuralNetwork, MLPClassifier, Statistics, build


def linear_sizes(network):
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features] + [layer.out_features for layer in layers]


def summary(features, scale):
    statistics = Statistics(*features.shape[1:])
    statistics.update(features)
    return statistics.summary(scale)


def test_mlp_sizes_of_a_year():
    network = build("MLPClassifier", 37, 13, 23, {})
    assert linear_sizes(network) == [481, 240, 69, 69, 23]
    assert sum(p.numel() for p in network.parameters()) == 138_749
    activations = [layer for layer in network.modules() if isinstance(layer, nn.ReLU)]
    assert len(activations) == 3


@pytest.mark.parametrize(
    ("shape", "sizes"), [((1, 1, 2), [1, 1, 6, 6, 2]), ((2, 3, 1), [6, 3, 3, 3, 1])]
)
def test_mlp_smallest(shape, sizes):
    network = build("MLPClassifier", *shape, {})
    assert linear_sizes(network) == sizes
    assert network(torch.zeros(1, *shape[:2])).shape == (1, shape[2])


@pytest.mark.parametrize("sizes", [[7], (5, 4), []])
def test_mlp_other_sizes(sizes):
    network = build("MLPClassifier", 2, 3, 4, {"hidden_sizes": sizes})
    assert linear_sizes(network) == [6, *sizes, 4]


@pytest.mark.parametrize("sizes", [8, "8", [8.0], [0], [True]])
def test_mlp_refuses_sizes(sizes):
    with pytest.raises(ConfigError, match=r"hidden_sizes is .*a list of integers of at least 1"):
        build("MLPClassifier", 2, 3, 4, {"hidden_sizes": sizes})


def test_unknown_network_lists_the_known():
    with pytest.raises(ConfigError, match="unknown network 'LTAE'; known: MLPClassifier"):
        build("LTAE", 2, 3, 4, {})


def test_unknown_parameter_lists_the_known():
    with pytest.raises(
        ConfigError, match="MLPClassifier has no parameter 'dropout', 'nb_class'; known: hidden_s"
    ):
        build("MLPClassifier", 2, 3, 4, {"dropout": 0.1, "nb_class": 3, "hidden_sizes": [2]})


def test_network_without_parameters(monkeypatch):
    class Plain(Iota2NeuralNetwork):
        def __init__(self, nb_dates, nb_components, nb_class):
            super().__init__(nb_dates, nb_components, nb_class)

    monkeypatch.setattr("i2lc.nn_bank.registry.NETWORKS", {"Plain": Plain})
    with pytest.raises(ConfigError, match="Plain has no parameter 'width'; known: none"):
        build("Plain", 1, 1, 2, {"width": 3})
    with pytest.raises(NotImplementedError, match="Plain does not define _forward"):
        build("Plain", 1, 1, 2, {})(torch.zeros(1, 1, 1))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((0, 1, 2), "nb_dates is 0"), ((1, 0, 2), "nb_components is 0"), ((1, 1, 0), "nb_class is 0")],
)
def test_a_network_needs_something(shape, message):
    with pytest.raises(ConfigError, match=message):
        build("MLPClassifier", *shape, {})


def test_seeded_weights():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (build("MLPClassifier", 2, 3, 4, {}, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = zip(one.parameters(), same.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(a, b) and not torch.equal(a, c) for a, b, c in pairs)


def test_networks_are_listed_by_class_name():
    assert dict(NETWORKS) == {"MLPClassifier": MLPClassifier}


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"takes \(sample, 2, 3\), got \(5, 3, 2\)"):
        build("MLPClassifier", 2, 3, 4, {})(torch.zeros(5, 3, 2))


def test_standardised_has_mean_0_and_std_1_and_keeps_a_constant():
    scale = np.array([10000, 1000, 1], np.float32)
    features = np.random.default_rng(0).integers(0, 3000, (500, 2, 3)).astype(np.int16)
    features[:, 1, 2] = 42
    network = build("MLPClassifier", 2, 3, 4, {})
    network.set_statistics(summary(features, scale))
    x = torch.from_numpy(features / scale)
    got = network.standardised(x).numpy()
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-5)
    expected = np.ones((2, 3))
    expected[1, 2] = 0
    np.testing.assert_allclose(got.std(axis=0), expected, atol=1e-5)
    assert network.input_std[5] == 1
    assert torch.equal(x, torch.from_numpy(features / scale))  # x itself is left alone


def test_state_dict_carries_the_statistics():
    features = np.random.default_rng(0).integers(0, 3000, (50, 2, 3)).astype(np.int16)
    network = build("MLPClassifier", 2, 3, 4, {})
    network.set_statistics(summary(features, np.ones(3)))
    again = build("MLPClassifier", 2, 3, 4, {}, seed=9)
    again.load_state_dict(network.state_dict())
    x = torch.from_numpy(features.astype(np.float32))
    assert torch.equal(network(x), again(x))
    assert not torch.equal(again.input_mean, torch.zeros(6))


def test_statistics_are_checked():
    network = build("MLPClassifier", 2, 3, 4, {})
    good = summary(np.zeros((5, 2, 3), np.int16), np.ones(3))
    good.mean[0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        network.set_statistics(good)
    with pytest.raises(ValueError, match=r"shape \(1,\), the network needs \(6,\)"):
        network.set_statistics(summary(np.zeros((5, 1, 1), np.int16), np.ones(1)))
