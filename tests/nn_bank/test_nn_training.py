import math

import numpy as np
import pytest
import torch
from torch import nn

from i2lc.errors import ConfigError, TaskError
from i2lc.nn_bank import (
    CRITERIA,
    Epoch,
    FitOptions,
    Samples,
    Statistics,
    build,
    class_weights,
    fit,
    predict,
)
from i2lc.nn_bank.training import _Choice

SCALE = np.array([10000, 1000], np.float32)
DATES = 4
QUICK = FitOptions(epochs=3, batch_size=32, learning_rate=1e-3)


def toy(count, seed, classes=3):
    """Classes of different level and season, with noise; separable."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    season = np.sin(np.arange(DATES) + labels[:, None] * 2.0)[:, :, None] * SCALE * 0.3
    noise = rng.normal(0, 0.05, (count, DATES, 2)) * SCALE
    return Samples(np.rint(season + noise).astype(np.int16), labels, SCALE)


def network_for(training, classes=3, seed=0):
    statistics = Statistics(DATES, 2)
    statistics.update(training.features)
    network = build("MLPClassifier", DATES, 2, classes, {}, seed=seed)
    network.set_statistics(statistics.summary(SCALE))
    return network


def fitted(options=QUICK, training=None, validation=None):
    training = training or toy(301, 0)
    network = network_for(training)
    result = fit(network, training, toy(100, 1) if validation is None else validation, options)
    return network, result


def weights_of(network):
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def none():
    return toy(0, 0)


def test_learns_a_separable_set():
    training, validation = toy(1000, 0), toy(300, 1)
    network = network_for(training)
    options = FitOptions(epochs=30, batch_size=64, learning_rate=3e-3, criterion="oa")
    seen = []
    result = fit(network, training, validation, options, seen.append)
    assert result.history == tuple(seen)
    assert [epoch.number for epoch in seen] == list(range(1, 31))
    assert result.chosen.value > 0.95
    assert result.note == ""
    assert result.history[-1].train_loss < result.history[0].train_loss / 3
    test = toy(500, 2)
    right = predict(network, test.features, SCALE).argmax(axis=1) == test.labels
    assert right.mean() > 0.95


def test_every_criterion_keeps_its_best_epoch():
    network, result = fitted(FitOptions(epochs=12, batch_size=64, learning_rate=2e-3))
    history = result.history
    assert set(result.best) == {*CRITERIA, "train_loss"}
    losses = [epoch.validation_loss for epoch in history]
    assert result.best["loss"].epoch == 1 + losses.index(min(losses))
    for name in ("oa", "kappa", "fscore"):
        values = [getattr(epoch, name) for epoch in history]
        assert result.best[name].epoch == 1 + values.index(max(values))  # the first of them
        assert result.best[name].value == max(values)
    assert result.criterion == "loss"
    assert result.chosen is result.best["loss"]
    assert all(torch.equal(network.state_dict()[k], v) for k, v in result.chosen.state.items())


def test_choice_against_a_hand_made_history():
    nan = math.nan
    rows = [  # train, validation, oa, kappa, fscore
        (5.0, 3.0, 0.0, nan, 0.5),
        (4.0, 2.0, 0.6, -0.5, 0.5),
        (3.0, 2.0, 0.6, nan, 0.4),
        (3.0, 2.5, 0.2, -0.4, 0.3),
    ]
    choice, network = _Choice(), build("MLPClassifier", 1, 1, 2, {})
    history = tuple(Epoch(i, *row) for i, row in enumerate(rows, start=1))
    for epoch in history:
        with torch.no_grad():
            network.input_mean.fill_(epoch.number)
        choice.see(epoch, network)
    result = choice.settle(history, "kappa", empty=False)
    epochs = {name: best.epoch for name, best in result.best.items()}
    assert epochs == {"loss": 2, "oa": 2, "kappa": 4, "fscore": 1, "train_loss": 3}
    assert all(best.state["input_mean"].item() == best.epoch for best in result.best.values())


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_do_not_change_a_bit(num_workers):
    options = {"epochs": 2, "batch_size": 32, "learning_rate": 1e-3}
    network, result = fitted(FitOptions(**options))
    other, other_result = fitted(FitOptions(**options, num_workers=num_workers))
    assert weights_of(network) == weights_of(other)
    assert result.history == other_result.history


@pytest.mark.parametrize("threads", [1, 2])
def test_same_seed_same_bytes(threads):
    options = FitOptions(epochs=2, batch_size=100, learning_rate=1e-3, threads=threads)
    one, result = fitted(options)
    torch.rand(3)  # torch's own random state is not used
    other, other_result = fitted(options)
    assert weights_of(one) == weights_of(other)
    assert result.history == other_result.history


def test_other_seed_other_bytes():
    one, _ = fitted(QUICK)
    other, _ = fitted(FitOptions(epochs=3, batch_size=32, learning_rate=1e-3, seed=1))
    assert weights_of(one) != weights_of(other)


def test_random_layers_are_seeded_too_for_any_worker():
    def run(num_workers):
        training = toy(100, 0)
        network = network_for(training)
        network.layers.insert(1, nn.Dropout(0.5))
        options = FitOptions(epochs=2, batch_size=32, num_workers=num_workers)
        fit(network, training, toy(20, 1), options)
        return weights_of(network)

    assert run(0) == run(0) == run(2)


def test_torch_is_left_as_it_was():
    torch.manual_seed(3)
    before = torch.get_num_threads(), torch.get_rng_state()
    fitted(FitOptions(epochs=1, threads=1 if before[0] > 1 else 2))
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("count", "batch_size"), [(33, 32), (1, 32), (3, 1)])
def test_a_batch_of_one_sample(count, batch_size):
    _, result = fitted(FitOptions(epochs=2, batch_size=batch_size), training=toy(count, 0))
    assert all(math.isfinite(epoch.train_loss) for epoch in result.history)


def test_batch_statistics_survive_a_last_batch_of_one_sample():
    training = toy(33, 0)
    network = network_for(training)
    network.layers.insert(1, nn.BatchNorm1d(network.layers[0].out_features))
    fit(network, training, toy(20, 1), FitOptions(epochs=1, batch_size=32))


def test_train_loss_of_one_batch_is_the_mean_cross_entropy():
    training = toy(50, 0)
    network = network_for(training)
    x, labels = training.batch(slice(None))
    expected = nn.functional.cross_entropy(network(x), labels).item()
    result = fit(network, training, training, FitOptions(epochs=1, batch_size=50))
    assert result.history[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_class_weights_of_the_seed():
    assert class_weights(np.repeat([0, 1], [80, 20]), 2).tolist() == [1.25, 5]
    assert class_weights(np.repeat([0, 2], [80, 20]), 3).tolist() == [1.25, 0, 5]


def test_weighted_labels_enter_the_loss():
    training, validation = toy(50, 0), toy(30, 1)
    network = network_for(training)
    weights = class_weights(np.concatenate([training.labels, validation.labels]), 3)
    x, labels = training.batch(slice(None))
    expected = nn.functional.cross_entropy(network(x), labels, torch.from_numpy(weights)).item()
    options = FitOptions(epochs=1, batch_size=50, weighted_labels=True)
    result = fit(network, training, validation, options)
    assert result.history[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_weighted_labels_raise_the_recall_of_a_rare_class():
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.05).astype(np.int64)
    features = (rng.normal(0, 300, (2000, DATES, 2)) + labels[:, None, None] * 200).astype(np.int16)
    training = Samples(features, labels, SCALE)

    def recall(weighted):
        network = network_for(training, classes=2)
        options = FitOptions(epochs=5, batch_size=64, learning_rate=3e-3, weighted_labels=weighted)
        fit(network, training, training, options)
        found = predict(network, features, SCALE).argmax(axis=1)
        return found[labels == 1].mean()

    assert recall(True) > recall(False) + 0.2


def test_empty_validation_set_falls_back_and_says_so():
    _, result = fitted(validation=none())
    losses = [epoch.train_loss for epoch in result.history]
    assert result.chosen.epoch == 1 + losses.index(min(losses))
    assert result.criterion == "train_loss"
    assert result.note == "the validation set is empty: the epoch is chosen by the training loss"
    assert math.isnan(result.history[0].validation_loss)
    assert math.isnan(result.history[0].oa)


def test_undefined_kappa_falls_back_and_says_so():
    training = Samples(toy(60, 0).features, np.zeros(60, np.int64), SCALE)
    network = build("MLPClassifier", DATES, 2, 1, {})
    result = fit(network, training, training, FitOptions(epochs=2, criterion="kappa"))
    assert result.criterion == "train_loss"
    assert result.note == "kappa was never defined: the epoch is chosen by the training loss"
    assert result.best["oa"].epoch == 1


def test_empty_training_set():
    with pytest.raises(TaskError, match="the training set is empty"):
        fit(build("MLPClassifier", DATES, 2, 3, {}), none(), toy(10, 0), QUICK)


def test_label_outside_the_classes():
    with pytest.raises(ValueError, match="labels 0 to 2 leave the network's classes 0 to 1"):
        fit(build("MLPClassifier", DATES, 2, 2, {}), toy(50, 0), toy(10, 0), QUICK)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_diverged_loss_names_epoch_batch_and_rate():
    with pytest.raises(
        TaskError, match=r"loss is (nan|inf) in epoch 1, batch [2-4], at a learning rate of 1e\+30"
    ):
        fitted(FitOptions(epochs=3, batch_size=100, learning_rate=1e30))


def test_diverged_at_the_last_batch_is_seen_in_validation():
    with pytest.raises(TaskError, match="on the validation set after epoch 1"):
        fitted(FitOptions(epochs=3, batch_size=500, learning_rate=1e30))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"epochs": 0}, "epochs is 0: at least 1"),
        ({"batch_size": 0}, "batch_size is 0: at least 1"),
        ({"num_workers": -1}, "num_workers is -1: at least 0"),
        ({"threads": 0}, "threads is 0: at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: it must be above 0"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"criterion": "f1"}, "criterion 'f1'; known: loss, fscore, oa, kappa"),
        ({"device": "cuda"}, "device 'cuda' is not in this version; known: cpu"),
    ],
)
def test_options_are_checked(option, message):
    with pytest.raises(ConfigError, match=message):
        FitOptions(**option)


def test_scores_do_not_depend_on_the_training_batch():
    training, validation = toy(40, 0), toy(40, 1)
    network = network_for(training)
    options = [FitOptions(epochs=1, batch_size=b, learning_rate=1e-30) for b in (40, 7)]
    losses = {fit(network, training, validation, o).history[0].validation_loss for o in options}
    assert len(losses) == 1
