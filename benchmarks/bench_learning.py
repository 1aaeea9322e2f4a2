"""Training and prediction of the seed's MLP (37 x 13 x 23), against plain PyTorch.

200,000 samples, 2 threads. Trainings: whole epochs of Adam in batches of 4096, no validation set;
`full` from int16 in memory, `stream` from the uncompressed NetCDF file that the chain writes. The
reference is the loop of any tutorial: DataLoader(TensorDataset(x, labels), shuffle=True) on the
float32 samples in memory, the same network. Ours is timed with all that `fit` does around its
epochs, the reference without the making of its tensors.

Prediction: probabilities of the int16 samples, against the bare network on batches of 4096 of the
float32 samples, softmax left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from i2lc.nn_bank import inference, registry, training
from i2lc.nn_bank.base import Iota2NeuralNetwork
from i2lc.nn_bank.options import FitOptions
from i2lc.nn_bank.samples import Samples
from i2lc.nn_bank.sources import Source
from i2lc.nn_bank.statistics import Statistics
from i2lc.steps.learning import sample_source

from . import sample_files
from .measure import Result, best
from .sample_files import SEED_AXES, SEED_CLASSES

SAMPLES, BATCH, EPOCHS, THREADS = 200_000, 4096, 2, 2
LEARNING_RATE = 1e-3
REPEATS = 4
FULL, STREAM, PREDICT = 2.5, 2.0, 0.9
"""Goals."""


def network_of(samples: Samples) -> Iota2NeuralNetwork:
    """Build the MLP with the statistics of the samples."""
    network = registry.build("MLPClassifier", *samples.shape, SEED_CLASSES, {})
    statistics = Statistics(*samples.shape)
    statistics.update(samples.features)
    network.set_statistics(statistics.summary(samples.scale))
    return network


def plain(network: Iota2NeuralNetwork, x: Tensor, labels: Tensor) -> float:
    """Train as any tutorial does; give the mean loss of the last epoch."""
    batches = DataLoader(TensorDataset(x, labels), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    network.train()
    for _ in range(EPOCHS):
        total = 0.0
        for some, theirs in batches:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(some), theirs)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return total / len(batches)


def bare(network: Iota2NeuralNetwork, x: Tensor) -> None:
    """Run the network alone over all samples."""
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(x), BATCH):
            network(x[start : start + BATCH])


def trainings(samples: Samples, streamed: tuple[Source, Source], x: Tensor) -> list[Result]:
    """Measure whole trainings; `streamed` are the two sets of the file."""
    options = FitOptions(
        epochs=EPOCHS, batch_size=BATCH, learning_rate=LEARNING_RATE, threads=THREADS
    )
    labels = torch.tensor(samples.labels)
    none, few = (
        Samples(samples.features[:count], samples.labels[:count], samples.scale)
        for count in (0, BATCH)
    )

    def ours(source: Source, empty: Source) -> Callable[[], object]:
        return lambda: training.fit(network_of(few), source, empty, options)

    seconds = best(
        {
            "full": ours(samples, none),
            "stream": ours(*streamed),
            "plain": lambda: plain(network_of(few), x, labels),
        },
        REPEATS,
    )
    return [
        Result(
            f"training of the MLP, {name}, against a plain loop",
            f"{EPOCHS * SAMPLES / seconds[name] / 1e6:.2f} million samples",
            seconds[name],
            seconds["plain"],
            goal,
        )
        for name, goal in (("full", FULL), ("stream", STREAM))
    ]


def prediction(samples: Samples, x: Tensor) -> Result:
    """Measure the probabilities of all samples."""
    network = network_of(samples)
    seconds = best(
        {
            "ours": lambda: inference.predict(network, samples.features, samples.scale),
            "bare": lambda: bare(network, x),
        },
        2 * REPEATS,
    )
    rate = f"{SAMPLES / seconds['ours'] / 1e6:.2f} million pixels"
    name = "prediction by the MLP, against the bare network"
    return Result(name, rate, seconds["ours"], seconds["bare"], PREDICT)


def results() -> list[Result]:
    """Measure all three."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with tempfile.TemporaryDirectory(prefix="i2lc-learning-") as folder:
            path = Path(folder) / "samples.nc"
            blocks = sample_files.random_blocks(SEED_AXES, SEED_CLASSES, SAMPLES)
            sample_files.write(path, SEED_AXES, SAMPLES, blocks)
            samples, _, _ = sample_source.load(path)
            streamed, empty, _ = sample_source.stored(path)
            x = torch.tensor(samples.features.astype(np.float32) / samples.scale)
            return [*trainings(samples, (streamed, empty), x), prediction(samples, x)]
    finally:
        torch.set_num_threads(before)
