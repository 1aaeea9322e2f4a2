import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from i2lc.nn_bank import Iota2NeuralNetwork, Samples, build, predict
from i2lc.nn_bank.inference import _steady_linear, calibrated, logits, predict_all

SCALE = np.linspace(1000, 10000, 13).astype(np.float32)
SHAPES = [(37, 13, 23), (24, 13, 6), (9, 10, 2), (5, 3, 4), (1, 1, 1)]


def case(dates, bands, classes, count, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.integers(-2000, 10000, (count, dates, bands)).astype(np.int16)
    return build("MLPClassifier", dates, bands, classes, {}), features, SCALE[:bands]


def test_is_the_softmax_of_the_network():
    network, features, scale = case(5, 3, 4, 300)
    got = predict(network, features, scale, batch_size=128)
    with torch.no_grad():
        expected = torch.softmax(network(torch.from_numpy(features / scale)), dim=1).numpy()
    assert got.shape == (300, 4)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_cut_and_no_number_of_threads_changes_a_bit(shape, threads):
    network, features, scale = case(*shape, count=4500)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = predict(network, features, scale)
        torch.set_num_threads(threads)
        for cuts in ([1], [7, 1000, 1002], [4097]):
            parts = [predict(network, part, scale) for part in np.split(features, cuts)]
            assert np.array_equal(np.concatenate(parts), whole)
    finally:
        torch.set_num_threads(before)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 13),
    st.integers(1, 40),
    st.lists(st.integers(0, 150), max_size=3),
    st.lists(st.integers(1, 90), max_size=3),
)
def test_any_slicing_of_any_network(dates, bands, classes, cuts, sizes):
    _, features, scale = case(dates, bands, classes, 150)
    network = build("MLPClassifier", dates, bands, classes, {"hidden_sizes": sizes})
    whole = predict(network, features, scale, batch_size=128)
    parts = np.split(features, sorted(cuts))
    assert np.array_equal(
        np.concatenate([predict(network, part, scale, batch_size=128) for part in parts]), whole
    )


def test_a_sample_does_not_see_its_neighbours():
    network, features, scale = case(5, 3, 4, 100)
    whole = predict(network, features, scale)
    order = np.random.default_rng(1).permutation(100)
    assert np.array_equal(predict(network, features[order], scale), whole[order])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("outputs", [1, 6, 15, 16, 40])
def test_widened_layer_is_the_layer(outputs, bias):
    layer, x = nn.Linear(18, outputs, bias=bias), torch.randn(7, 3, 18)
    with torch.no_grad():
        torch.testing.assert_close(_steady_linear(x, layer.weight, layer.bias), layer(x))


def test_no_sample_gives_no_row():
    network, features, scale = case(5, 3, 4, 0)
    assert predict(network, features, scale).shape == (0, 4)


def test_strided_and_read_only_input(tmp_path):
    network, features, scale = case(5, 3, 4, 200)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    whole = predict(network, features, scale)
    assert np.array_equal(predict(network, mapped, scale), whole)
    transposed = np.ascontiguousarray(features.transpose(1, 2, 0)).transpose(2, 0, 1)
    assert np.array_equal(predict(network, transposed, scale), whole)


def test_evaluation_mode_for_the_time_of_the_call():
    class Dropping(Iota2NeuralNetwork):
        def __init__(self, nb_dates, nb_components, nb_class):
            super().__init__(nb_dates, nb_components, nb_class)
            self.output = nn.Linear(nb_dates * nb_components, nb_class)

        def _forward(self, x):
            return self.output(nn.functional.dropout(x.flatten(1), 0.5, self.training))

    network = Dropping(5, 3, 4)
    _, features, scale = case(5, 3, 4, 50)
    one, other = (predict(network, features, scale) for _ in range(2))
    assert np.array_equal(one, other)
    assert network.training
    network.eval()
    predict(network, features, scale)
    assert not network.training


def test_refusals():
    network, features, scale = case(5, 3, 4, 10)
    with pytest.raises(ValueError, match=r"takes int16 \(sample, 5, 3\), got int16 \(10, 4, 3\)"):
        predict(network, features[:, :4], scale)
    with pytest.raises(ValueError, match="got float32"):
        predict(network, features.astype(np.float32), scale)
    with pytest.raises(ValueError, match=r"scale must be float32 \(3,\), got float64 \(3,\)"):
        predict(network, features, scale.astype(np.float64))


def test_several_networks_at_once_say_what_each_says_alone():
    """Also where one of them has other classes than another."""
    _, features, scale = case(5, 3, 4, 300)
    networks = [build("MLPClassifier", 5, 3, classes, {}, seed=classes) for classes in (4, 2, 23)]
    found = predict_all(networks, features, scale, batch_size=128)
    assert [one.shape for one in found] == [(300, 4), (300, 2), (300, 23)]
    for network, one in zip(networks, found, strict=True):
        assert np.array_equal(one, predict(network, features, scale, batch_size=128))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_cut_changes_a_bit_in_bfloat16(shape, threads):
    network, features, scale = case(*shape, count=4500)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = predict(network, features, scale, precision="bfloat16")
        torch.set_num_threads(threads)
        for cuts in ([1], [7, 1000, 1002], [4097]):
            parts = [
                predict(network, part, scale, precision="bfloat16")
                for part in np.split(features, cuts)
            ]
            assert np.array_equal(np.concatenate(parts), whole)
    finally:
        torch.set_num_threads(before)


def test_bfloat16_is_near_float32_and_gives_float32():
    network, features, scale = case(5, 3, 4, 300)
    plain = predict(network, features, scale)
    got = predict(network, features, scale, precision="bfloat16")
    assert got.dtype == np.float32
    assert 0 < np.abs(got - plain).max() < 0.02
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=1e-6)


class Seeing(Iota2NeuralNetwork):
    """States the number of valid dates, and the sum of their first band."""

    def _forward(self, x, validity):
        first = x[:, :, 0].nan_to_num(0).sum(dim=1)
        return torch.stack([(validity == 0).sum(dim=1), first], dim=1).float()


def test_raw_dates_come_with_their_validity():
    features = np.array([[[10, 1], [-10000, -10000], [-20000, -20000]], [[10, 1]] * 3], np.int16)
    scale = np.array([10, 10], np.float32)
    got = predict(Seeing(3, 2, 2), features, scale, raw=True)
    expected = torch.softmax(torch.tensor([[1.0, 1.0], [3.0, 3.0]]), dim=1).numpy()
    np.testing.assert_array_equal(got, expected)
    features[1, :2] = -20000
    np.testing.assert_array_equal(predict(Seeing(3, 2, 2), features, scale, raw=True)[1], [0.5] * 2)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_calibrated_is_the_softmax_of_the_divided_logits(temperature):
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(1)) * 4
    got = calibrated(torch.softmax(logits, dim=1).numpy(), temperature)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, torch.softmax(logits / temperature, dim=1), rtol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_a_gpu_says_the_same_and_the_network_comes_back():
    network, features, scale = case(37, 13, 23, 5000)
    got = predict(network, features, scale, device="cuda")
    np.testing.assert_allclose(got, predict(network, features, scale), atol=1e-3)
    assert next(network.parameters()).device.type == "cpu"
    parts = [predict(network, part, scale, device="cuda") for part in np.split(features, [7, 4097])]
    assert np.array_equal(np.concatenate(parts), got)


def test_logits_of_a_source_are_in_its_order():
    network, features, scale = case(5, 3, 4, 4500)
    found = logits(network, Samples(features, np.zeros(4500, np.int64), scale))
    assert (found.shape, found.dtype) == ((4500, 4), np.float32)
    softmax = torch.softmax(torch.from_numpy(found), dim=1).numpy()
    assert np.array_equal(softmax, predict(network, features, scale))
    none = Samples(features[:0], np.zeros(0, np.int64), scale)
    assert logits(network, none).shape == (0, 4)
