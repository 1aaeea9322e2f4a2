"""Gaps: single values of external features that are missing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from nn_toys import DATES, SCALE, Blocks, none, toy, with_statistics
from torch import nn

from i2lc.errors import TaskError
from i2lc.nn_bank import (
    NETWORKS,
    FitOptions,
    Iota2NeuralNetwork,
    Quantiles,
    Samples,
    Statistics,
    build,
    fit,
    predict,
)
from i2lc.nn_bank.inference import logits, predict_all
from i2lc.nn_bank.stored import INVALID, NOT_ACQUIRED, physical, validity_of


def gappy(count, seed, share=0.2):
    """Give toy samples whose second band has gaps."""
    plain = toy(count, seed)
    features = plain.features.copy()
    features[:, :, 1][np.random.default_rng(seed).random((count, DATES)) < share] = INVALID
    return Samples(features, plain.labels, SCALE, gaps=True)


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.int16)


def test_only_the_missing_value_is_nan():
    stored = tensor([[10, INVALID], [20, 30]], [[INVALID, INVALID], [NOT_ACQUIRED, 40]])
    scale = torch.tensor([10.0, 1.0, 10.0, 1.0])
    x, validity = physical(stored, scale, gaps=True)
    assert validity is None
    expected = [[[1, math.nan], [2, 30]], [[math.nan, math.nan], [math.nan, 40]]]
    np.testing.assert_array_equal(x.numpy(), np.array(expected, np.float32))
    plain, _ = physical(stored, scale)
    assert plain[0, 0].tolist() == [1, INVALID]  # without gaps it is a value like any other


def test_a_raw_date_is_not_valid_when_all_its_bands_bear_the_mark():
    stored = tensor(
        [
            [INVALID, 3],
            [INVALID, INVALID],
            [NOT_ACQUIRED, NOT_ACQUIRED],
            [3, INVALID],
            [NOT_ACQUIRED, INVALID],
        ]
    )
    assert validity_of(stored, gaps=True).tolist() == [[0, 1, 2, 0, 0]]
    x, validity = physical(stored, torch.ones(10), raw=True, gaps=True)
    assert validity.tolist() == [[0, 1, 2, 0, 0]]
    assert x.isnan().tolist() == [
        [[True, False], [True, True], [True, True], [False, True], [True, True]]
    ]


@pytest.mark.parametrize("raw", [False, True])
def test_gaps_change_nothing_where_there_are_none(raw):
    stored = torch.from_numpy(toy(50, 0).features.copy())
    if raw:
        stored[::3, 1], stored[::5, 2] = INVALID, NOT_ACQUIRED
    scale = torch.tensor(SCALE).repeat(DATES)
    plain, gaps = (physical(stored, scale, raw=raw, gaps=given) for given in (False, True))
    np.testing.assert_array_equal(plain[0].numpy(), gaps[0].numpy())
    assert (plain[1] is None and gaps[1] is None) or torch.equal(plain[1], gaps[1])


def test_statistics_leave_out_each_gap():
    features = np.array(
        [[[1, 10], [INVALID, 30]], [[3, INVALID], [INVALID, 50]], [[8, INVALID], [INVALID, 70]]],
        np.int16,
    )
    statistics, quantiles = Statistics(2, 2, gaps=True), Quantiles(3, 1, 0)
    statistics.update(features)
    quantiles.update(features)
    found = statistics.summary([1, 10], quantiles)
    np.testing.assert_allclose(found.mean, [4, 1, np.nan, 5])
    np.testing.assert_allclose(found.min, [1, 1, np.nan, 3])
    np.testing.assert_allclose(found.max, [8, 1, np.nan, 7])
    np.testing.assert_allclose(found.var, [26 / 3, 0, np.nan, 8 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.quantiles["quantile_0.5"], [3, 1, np.nan, 5])
    assert statistics.missing().tolist() == [3 / 6, 2 / 6]
    assert Statistics(2, 2).missing().tolist() == [0, 0]


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_learns_and_states_something_with_gaps(name):
    training, validation = gappy(300, 0), gappy(100, 1)
    network = build(name, DATES, 2, 3, {})
    statistics = Statistics(DATES, 2, gaps=True)
    statistics.update(training.features)
    network.set_statistics(statistics.summary(SCALE))
    result = fit(
        network, training, validation, FitOptions(epochs=8, batch_size=32, learning_rate=3e-3)
    )
    assert result.history[-1].oa > 0.6  # a third is chance
    assert np.isfinite(logits(network, validation)).all()
    said = predict(network, validation.features, SCALE, gaps=True)
    assert (said.argmax(axis=1) == validation.labels).mean() == pytest.approx(
        result.history[result.chosen.epoch - 1].oa
    )


def test_a_gap_counts_as_the_mean_of_its_feature():
    """And not as the number that stands for it."""
    training = gappy(200, 0)
    network = build("MLPClassifier", DATES, 2, 3, {}, seed=2)
    statistics = Statistics(DATES, 2, gaps=True)
    statistics.update(training.features)
    summary = statistics.summary(np.ones(2))
    network.set_statistics(replace(summary, mean=np.rint(summary.mean)))
    features = training.features[:50].copy()
    got = predict(network, features, np.ones(2, np.float32), gaps=True)
    means = np.rint(summary.mean).reshape(DATES, 2).astype(np.int16)
    filled = np.where(features == INVALID, means, features)
    assert (filled != features).any()
    np.testing.assert_allclose(got, predict(network, filled, np.ones(2, np.float32)), atol=1e-6)


def test_any_cut_gives_the_same_bits():
    samples = gappy(2100, 3)
    network = with_statistics(build("TempCNNClassifier", DATES, 2, 3, {}), samples)
    whole = predict(network, samples.features, SCALE, gaps=True)
    parts = [predict(network, p, SCALE, gaps=True) for p in np.split(samples.features, [5, 1030])]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


class Naive(Iota2NeuralNetwork):
    """Does not look for NaN."""

    def __init__(self, nb_dates, nb_components, nb_class):
        super().__init__(nb_dates, nb_components, nb_class)
        self.layer = nn.Linear(nb_dates * nb_components, nb_class)

    def _forward(self, x):
        return self.layer(x.flatten(1))


def test_a_network_that_states_nan_is_refused_in_words():
    samples = gappy(40, 0)
    gaps = int((samples.features == INVALID).sum())
    with pytest.raises(TaskError) as caught:
        fit(Naive(DATES, 2, 3), samples, none(), FitOptions(epochs=1, batch_size=40))
    assert str(caught.value) == (
        f"the loss is nan in epoch 1, batch 1, at a learning rate of 1e-05: {gaps} values of the "
        "batch are nan, dates without a valid observation or external features without a value; "
        "the network's _forward must replace them, for instance by self.nans_imputation"
    )
    told = (
        "Naive states nan where values are missing: its _forward must replace them, for instance "
        "by self.nans_imputation"
    )
    with pytest.raises(TaskError) as caught:
        predict(Naive(DATES, 2, 3), samples.features, SCALE, gaps=True)
    assert str(caught.value) == told
    with pytest.raises(TaskError) as caught:
        logits(Naive(DATES, 2, 3), samples)
    assert str(caught.value) == told


class InPlace(Naive):
    """Replaces NaN where they stand."""

    def _forward(self, x):
        return super()._forward(x.nan_to_num_(5.0))


def test_a_network_that_works_in_place_changes_nothing_for_others():
    samples = gappy(1500, 4)
    first, last = (
        with_statistics(build("ANN", DATES, 2, 3, {}, seed=seed), samples) for seed in (0, 1)
    )
    every = [first, InPlace(DATES, 2, 3), last]
    together = predict_all(every, samples.features, SCALE, gaps=True)
    for network, said in zip(every, together, strict=True):
        alone = predict(network, samples.features, SCALE, gaps=True)
        assert said.tobytes() == alone.tobytes()


def test_a_source_that_is_read_in_blocks_gives_the_same_model():
    training, validation = gappy(300, 0), gappy(60, 1)
    blocks = Blocks(validation, [20, 40])
    blocks.gaps = True
    histories = []
    for source in (validation, blocks):
        network = with_statistics(build("ANN", DATES, 2, 3, {}), training)
        histories.append(fit(network, training, source, FitOptions(epochs=2, batch_size=64)))
    assert histories[0].history == histories[1].history
    assert math.isfinite(histories[0].history[-1].validation_loss)
