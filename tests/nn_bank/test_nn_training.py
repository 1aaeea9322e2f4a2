import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from nn_toys import DATES, QUICK, SCALE, fitted, network_for, none, toy, weights_of
from torch import nn

from i2lc.errors import TaskError
from i2lc.nn_bank import (
    CRITERIA,
    Epoch,
    FitOptions,
    Iota2NeuralNetwork,
    Samples,
    build,
    class_weights,
    confusion,
    fit,
    predict,
    scores,
)
from i2lc.nn_bank.choice import Choice
from i2lc.nn_bank.loaders import MemoryBatches
from i2lc.nn_bank.stored import INVALID, NOT_ACQUIRED


def test_learns_a_separable_set():
    training, validation = toy(1000, 0), toy(300, 1)
    network = network_for(training)
    options = FitOptions(epochs=30, batch_size=64, learning_rate=3e-3, criterion="oa")
    seen = []
    result = fit(network, training, validation, options, log=lambda epoch, _: seen.append(epoch))
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
    kept = {name: tensor.numpy().tobytes() for name, tensor in result.chosen.state.items()}
    assert weights_of(network) == kept


def test_choice_against_a_hand_made_history():
    nan = math.nan
    rows = [  # train, validation, oa, kappa, fscore
        (5.0, 3.0, 0.0, nan, 0.5),
        (4.0, 2.0, 0.6, -0.5, 0.5),
        (3.0, 2.0, 0.6, nan, 0.4),
        (3.0, 2.5, 0.2, -0.4, 0.3),
    ]
    choice, network = Choice(), build("MLPClassifier", 1, 1, 2, {})
    history = tuple(Epoch(i, *row) for i, row in enumerate(rows, start=1))
    for epoch in history:
        with torch.no_grad():
            network.days.fill_(epoch.number)
        choice.see(epoch, network)
    result = choice.settle(history, "kappa", empty=False)
    epochs = {name: best.epoch for name, best in result.best.items()}
    assert epochs == {"loss": 2, "oa": 2, "kappa": 4, "fscore": 1, "train_loss": 3}
    assert all(best.state["days"].item() == best.epoch for best in result.best.values())


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
    with pytest.raises(TaskError, match="in the validation after epoch 1, batch 1"):
        fitted(FitOptions(epochs=3, batch_size=500, learning_rate=1e30))


def test_scores_do_not_depend_on_the_training_batch():
    training, validation = toy(40, 0), toy(40, 1)
    network = network_for(training)
    options = [FitOptions(epochs=1, batch_size=b, learning_rate=1e-30) for b in (40, 7)]
    losses = {fit(network, training, validation, o).history[0].validation_loss for o in options}
    assert len(losses) == 1


class Raw(Iota2NeuralNetwork):
    """Reads raw dates; with `imputes`, it replaces those that are not valid."""

    def __init__(self, imputes):
        super().__init__(DATES, 2, 3)
        self.imputes = imputes
        self.layer = nn.Linear(DATES * 2, 3)
        self.met = []

    def _forward(self, x, validity):
        self.met.append(sorted(set(validity.flatten().tolist())))
        return self.layer((self.normalised(x) if self.imputes else x).flatten(1))


def raw_samples(count, seed, marked):
    plain = toy(count, seed)
    features = plain.features.copy()
    features[marked, 1] = INVALID
    features[marked, 3] = NOT_ACQUIRED
    return Samples(features, plain.labels, SCALE, raw=True)


def test_network_of_raw_dates_gets_their_validity():
    network = Raw(imputes=True)
    marked = raw_samples(60, 0, slice(0, 5))
    result = fit(network, marked, marked, FitOptions(epochs=2, batch_size=60))
    assert network.met == [[0, 1, 2]] * 4
    assert math.isfinite(result.history[-1].validation_loss)


@pytest.mark.parametrize("batch_size", [20, 60])
def test_nan_in_x_is_named_with_the_way_out(batch_size):
    training = raw_samples(60, 0, [7])  # two dates of two bands
    first = next(
        number
        for number, (stored, _) in enumerate(
            MemoryBatches(training, batch_size, 0, 0).epoch(1), start=1
        )
        if (stored == INVALID).any()
    )
    with pytest.raises(TaskError) as caught:
        fit(Raw(imputes=False), training, none(), FitOptions(epochs=1, batch_size=batch_size))
    assert str(caught.value) == (
        f"the loss is nan in epoch 1, batch {first}, at a learning rate of 1e-05: 4 values "
        "of the batch are nan, dates without a valid observation or external features without a "
        "value; the network's _forward must replace them, for instance by self.nans_imputation"
    )


def test_mixed_precision_learns_and_validates_in_float32():
    options = FitOptions(epochs=15, batch_size=32, learning_rate=3e-3, mixed_precision=True)
    network, result = fitted(options)
    plain, _ = fitted(replace(options, mixed_precision=False))
    assert result.history[-1].oa > 0.95
    assert weights_of(network) != weights_of(plain)
    assert all(tensor.dtype == torch.float32 for tensor in network.state_dict().values())
    x, labels = toy(100, 1).batch(slice(None))
    with torch.no_grad():
        expected = nn.functional.cross_entropy(network(x), labels).item()
    assert result.chosen.value == pytest.approx(expected, rel=1e-5)


def test_progress_counts_down():
    seen = []
    fitted(QUICK, log=lambda _, progress: seen.append(progress))
    assert len(seen) == 3
    assert all(p.samples_per_second * p.seconds >= 301 for p in seen)
    assert seen[0].seconds_left == pytest.approx(2 * seen[0].seconds)
    assert seen[2].seconds_left == 0


def test_precision_and_recall_of_an_epoch():
    network, result = fitted(FitOptions(epochs=1, batch_size=64))
    found = predict(network, toy(100, 1).features, SCALE).argmax(axis=1)
    got = scores(confusion(toy(100, 1).labels, found, 3))
    assert result.history[0].precision == got.mean_precision
    assert result.history[0].recall == got.mean_recall
    assert result.history[0].learning_rate == 1e-5
