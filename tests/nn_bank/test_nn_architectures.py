"""What holds for every network of the package."""

import re

import numpy as np
import pytest
import torch

from i2lc.errors import ConfigError
from i2lc.nn_bank import NETWORKS, Statistics, build, predict
from i2lc.nn_bank.registry import parameters_of

SCALE = np.linspace(1000, 10000, 13).astype(np.float32)
PARAMETERS = {
    "ANN": 71_831,
    "LTAEClassifier": 79_895,
    "MLPClassifier": 138_749,
    "SimpleSelfAttentionClassifier": 37_335,
    "TempCNNClassifier": 658_583,
}
every_network = pytest.mark.parametrize("name", sorted(NETWORKS))


def with_nan(*shape, seed=0):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    x[0] = torch.nan
    return x


@every_network
def test_number_of_parameters_is_what_the_docstring_says(name):
    network = build(name, 37, 13, 23, {})
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]
    said = " ".join(NETWORKS[name].__doc__.split())
    assert f"{PARAMETERS[name]:,} parameters" in said
    assert [p for p in parameters_of(NETWORKS[name]) if f" {p} : " not in said] == []


@every_network
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("count", "dates", "bands", "classes"), [(1, 1, 1, 2), (2, 1, 1, 2), (3, 2, 1, 3), (1, 4, 3, 1)]
)
def test_smallest_sizes_learn_and_bear_nan(name, training, count, dates, bands, classes):
    network = build(name, dates, bands, classes, {}).train(training)
    logits = network(with_nan(count, dates, bands))
    assert logits.shape == (count, classes)
    assert logits.isfinite().all()
    (logits * torch.arange(1, classes + 1)).sum().backward()
    gradients = {key: p.grad for key, p in network.named_parameters()}
    assert [key for key, grad in gradients.items() if grad is None] == []
    assert all(grad.isfinite().all() for grad in gradients.values())
    assert any(grad.abs().sum() > 0 for grad in gradients.values())


@every_network
def test_nan_counts_as_the_mean(name):
    features = np.random.default_rng(0).integers(0, 3000, (50, 4, 3)).astype(np.int16)
    statistics = Statistics(4, 3)
    statistics.update(features)
    network = build(name, 4, 3, 5, {}).eval()
    network.set_statistics(statistics.summary(SCALE[:3]))
    x = torch.from_numpy(features / SCALE[:3])
    imputed = x.clone()
    x[3, 1] = torch.nan
    imputed[3, 1] = network._stats["s2_theia"]["mean"].view(4, 3)[1]
    torch.testing.assert_close(network(x), network(imputed))


@every_network
@pytest.mark.parametrize(
    "shape", [(37, 13, 23), *((3, 2, classes) for classes in range(2, 12)), (1, 1, 2), (7, 5, 24)]
)
def test_no_cut_and_no_number_of_threads_changes_a_bit(name, shape):
    rng = np.random.default_rng(0)
    features = rng.integers(-2000, 10000, (4500, *shape[:2])).astype(np.int16)
    network, scale = build(name, *shape, {}), SCALE[: shape[1]]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = predict(network, features, scale)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            parts = [predict(network, part, scale) for part in np.split(features, [7, 1001])]
            assert np.array_equal(np.concatenate(parts), whole)
    finally:
        torch.set_num_threads(before)


def trained(name):
    torch.manual_seed(3)
    network = build(name, 6, 2, 3, {})
    optimizer = torch.optim.Adam(network.parameters())
    for step in range(3):
        optimizer.zero_grad()
        x = with_nan(64, 6, 2, seed=step)
        torch.nn.functional.cross_entropy(network(x), torch.arange(64) % 3).backward()
        optimizer.step()
    return network.state_dict()


@every_network
def test_training_repeats_to_the_bit(name):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        one, other = trained(name), trained(name)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)
    assert all(torch.equal(one[key].nan_to_num(), other[key].nan_to_num()) for key in one)


@every_network
def test_learns_two_classes_that_differ_in_one_date(name):
    x = torch.randn(256, 8, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    labels = torch.arange(256) % 2
    x[labels == 1, 3, 0] += 3
    parameters = {"dense": 16, "filters": 8} if name == "TempCNNClassifier" else {}
    network = build(name, 8, 2, 2, parameters)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    torch.manual_seed(0)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    found = network.eval()(x).argmax(dim=1)
    assert (found == labels).float().mean() > 0.98


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("ANN", {"hidden1_size": 0}, "hidden1_size is 0: an integer of at least 1 is needed"),
        ("ANN", {"dropout": 1}, "dropout is 1: a number from 0 to below 1 is needed"),
        ("ANN", {"dropout": True}, "dropout is True: a number from 0 to below 1 is needed"),
        ("TempCNNClassifier", {"filters": 2.0}, "filters is 2.0: an integer of at least 1"),
        ("LTAEClassifier", {"n_head": 3}, "d_model is 256, which n_head 3 does not divide"),
        ("LTAEClassifier", {"mlp": 20}, "mlp is 20, which n_head 16 does not divide"),
        ("LTAEClassifier", {"period": 1}, "period is 1: a number above 1 is needed"),
        ("SimpleSelfAttentionClassifier", {"n_head": 5}, "d_model is 64, which n_head 5 does not"),
    ],
)
def test_refused_values(name, parameters, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build(name, 2, 3, 4, parameters)


@pytest.mark.parametrize("kernel_size", [1, 2, 4, 9])
def test_convolutions_of_any_size_keep_the_dates(kernel_size):
    network = build("TempCNNClassifier", 3, 2, 4, {"kernel_size": kernel_size, "layers": 2})
    assert network.convolutions(torch.zeros(5, 2, 3)).shape == (5, 64, 3)
