"""Small separable samples, networks for them, and a source that is read in blocks."""

import numpy as np
import torch
from torch import nn

from i2lc.nn_bank import Iota2NeuralNetwork, Samples, Statistics, build, fit
from i2lc.nn_bank.options import FitOptions

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


class Blocks:
    """Samples in blocks of given sizes; counts how often each was read."""

    raw = gaps = False

    def __init__(self, samples, sizes):
        assert sum(sizes) == len(samples)
        self.samples, self.edges = samples, np.cumsum([0, *sizes])
        self.shape, self.scale, self.labels = samples.shape, samples.scale, samples.labels
        self.blocks = len(sizes)
        self.reads = []

    def __len__(self):
        return len(self.samples)

    def read(self, block):
        self.reads.append(block)
        rows = slice(self.edges[block], self.edges[block + 1])
        return self.samples.features[rows], self.samples.labels[rows]


def cut(samples, size):
    """Give samples as a source of blocks of one size; the last holds the rest."""
    full, rest = divmod(len(samples), size)
    return Blocks(samples, [size] * full + [rest] * (rest > 0))


class Drawing(Iota2NeuralNetwork):
    """A network with dropout and batch statistics: states of all kinds."""

    def __init__(self, nb_dates, nb_components, nb_class):
        super().__init__(nb_dates, nb_components, nb_class)
        self.layers = nn.Sequential(
            nn.Linear(nb_dates * nb_components, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(8, nb_class),
        )

    def _forward(self, x):
        return self.layers(self.normalised(x).flatten(1))


def drawing(training, classes=3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return with_statistics(Drawing(DATES, 2, classes), training)


def with_statistics(network, training):
    statistics = Statistics(DATES, 2)
    statistics.update(getattr(training, "samples", training).features)
    network.set_statistics(statistics.summary(SCALE))
    return network


def network_for(training, classes=3, seed=0):
    return with_statistics(build("MLPClassifier", DATES, 2, classes, {}, seed=seed), training)


def fitted(options=QUICK, training=None, validation=None, **hooks):
    training = training or toy(301, 0)
    network = network_for(training)
    validation = toy(100, 1) if validation is None else validation
    return network, fit(network, training, validation, options, **hooks)


def weights_of(network):
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def none():
    return toy(0, 0)
