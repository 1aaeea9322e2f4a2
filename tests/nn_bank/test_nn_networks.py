import datetime

import numpy as np
import pytest
import torch
from torch import nn

from i2lc.errors import ConfigError
from i2lc.nn_bank import NETWORKS, Iota2NeuralNetwork, MLPClassifier, Quantiles, Statistics, build


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
    with pytest.raises(
        ConfigError, match="unknown network 'LTAE'; known: ANN, LTAEClassifier, MLPCl"
    ):
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
    assert sorted(NETWORKS) == [
        "ANN",
        "LTAEClassifier",
        "MLPClassifier",
        "SimpleSelfAttentionClassifier",
        "TempCNNClassifier",
    ]
    assert NETWORKS["MLPClassifier"] is MLPClassifier
    assert [name for name in NETWORKS if NETWORKS[name].reads_raw_dates] == ["LTAEClassifier"]


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"takes \(sample, 2, 3\), got \(5, 3, 2\)"):
        build("MLPClassifier", 2, 3, 4, {})(torch.zeros(5, 3, 2))


def some(*shape):
    return np.random.default_rng(0).integers(0, 3000, shape).astype(np.int16)


def test_normalised_has_mean_0_and_std_1_and_keeps_a_constant():
    scale = np.array([10000, 1000, 1], np.float32)
    features = some(500, 2, 3)
    features[:, 1, 2] = 42
    network = build("MLPClassifier", 2, 3, 4, {})
    network.set_statistics(summary(features, scale))
    x = torch.from_numpy(features / scale)
    got = network.normalised(x).numpy()
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-5)
    expected = np.ones((2, 3))
    expected[1, 2] = 0
    np.testing.assert_allclose(got.std(axis=0), expected, atol=1e-5)
    assert torch.equal(x, torch.from_numpy(features / scale))  # x itself is left alone


def test_normalised_is_imputation_and_standardisation():
    network = build("MLPClassifier", 2, 3, 4, {})
    measured = summary(some(50, 2, 3), np.ones(3))
    measured.mean[1] = measured.var[1] = np.nan
    measured.var[2] = 0
    network.set_statistics(measured)
    x = torch.from_numpy(some(20, 2, 3).astype(np.float32))
    x[3], x[4, 0, 1] = torch.nan, torch.inf
    before = x.clone()
    mean, std = network._stats["s2_theia"]["mean"], network._stats["s2_theia"]["var"].sqrt()
    imputed = network.nans_imputation(x, mean, network.default_mean)
    assert torch.equal(imputed[3], mean.nan_to_num(0).view(2, 3))
    assert imputed[3, 0, 1] == 0
    expected = network.standardize(imputed, mean, std, network.default_mean, network.default_std)
    assert torch.equal(network.normalised(x), expected)
    assert torch.equal(expected[:, 0, 1], imputed[:, 0, 1])  # no statistic: as it is
    assert torch.equal(expected[:, 0, 2], imputed[:, 0, 2] - mean[2])  # zero std counts as 1
    assert torch.equal(x.nan_to_num(), before.nan_to_num())


def test_other_defaults_of_a_call():
    network = build("MLPClassifier", 1, 2, 2, {})
    nothing = torch.full((2,), torch.nan)
    x = torch.tensor([[[torch.nan, 7.0]]])
    assert network.nans_imputation(x, nothing, 3.0).tolist() == [[[3.0, 7.0]]]
    x = torch.tensor([[[5.0, 7.0]]])
    assert network.standardize(x, nothing, nothing, 3.0, 2.0).tolist() == [[[1.0, 2.0]]]


def test_stats_by_sensor_and_name():
    network = build("MLPClassifier", 2, 3, 4, {})
    features, quantiles = some(50, 2, 3), Quantiles(50, 1.0, 0)
    always = ["min", "max", "mean", "var"]
    assert list(network._stats["s2_theia"]) == always
    statistics = Statistics(2, 3)
    statistics.update(features)
    quantiles.update(features)
    measured = statistics.summary(np.ones(3), quantiles)
    network.set_statistics(measured)
    stats = network._stats
    assert list(stats) == ["s2_theia"]
    names = [*always, "quantile_0.1", "quantile_0.5", "quantile_0.95"]
    assert list(stats["s2_theia"]) == names
    got = {name: row.tolist() for name, row in stats["s2_theia"].items()}
    assert got == measured.as_dict()
    network.set_statistics(statistics.summary(np.ones(3)))
    assert list(network._stats["s2_theia"]) == always


def test_days_since_the_first_of_january():
    network = build("MLPClassifier", 3, 1, 2, {})
    assert network.days.tolist() == pytest.approx([0, 365 / 3, 730 / 3])
    days = [(2019, 12, 31), (2020, 1, 1), (2020, 3, 1)]
    network.set_dates([datetime.date(*day) for day in days])
    assert network.days.tolist() == [364, 365, 425]
    with pytest.raises(ValueError, match="2 dates given, the network has 3"):
        network.set_dates([datetime.date(2020, 1, 1)] * 2)


def test_state_dict_carries_statistics_and_days():
    features = some(50, 2, 3)
    network = build("MLPClassifier", 2, 3, 4, {})
    network.set_statistics(summary(features, np.ones(3)))
    network.set_dates([datetime.date(2020, 2, 1), datetime.date(2020, 3, 1)])
    again = build("MLPClassifier", 2, 3, 4, {}, seed=9)
    again.load_state_dict(network.state_dict())
    x = torch.from_numpy(features.astype(np.float32))
    assert torch.equal(network(x), again(x))
    assert torch.equal(again.statistics[:4], network.statistics[:4])
    assert again.days.tolist() == [31, 60]


def test_statistics_are_checked():
    network = build("MLPClassifier", 2, 3, 4, {})
    good = summary(np.zeros((5, 2, 3), np.int16), np.ones(3))
    good.mean[0] = np.inf
    with pytest.raises(ValueError, match="mean holds an infinite value"):
        network.set_statistics(good)
    with pytest.raises(ValueError, match=r"min of shape \(1,\), the network needs \(6,\)"):
        network.set_statistics(summary(np.zeros((5, 1, 1), np.int16), np.ones(1)))
    assert network.statistics.isnan().all()  # a refused one leaves nothing behind
