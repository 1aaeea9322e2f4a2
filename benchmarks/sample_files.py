"""Files of samples, as the chain writes them, and trainings on them, for measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from i2lc.steps.learning.process import Order
from i2lc.steps.sampling import samples_file
from i2lc.steps.sampling.samples_file import MEASURED, TRAINING, VALIDATION, Axes
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.tiles.layout import Layout

Block = tuple[np.ndarray, np.ndarray]
"""Stored values, int16 (sample, date, band), and class codes, (sample,)."""

LAYOUT = Layout(SENTINEL2, tuple(SENTINEL2.bands), ("NDVI", "NDWI", "Brightness"))
SEED_AXES = Axes(
    tuple(date(2018, 1, 1) + timedelta(10 * k) for k in range(37)), LAYOUT.names, LAYOUT.scales
)
"""A year at 10 days, all bands and indices: 37 x 13, 481 values a sample."""
SEED_CLASSES = 23
POLYGON = 100
"""Samples of a polygon."""


def random_blocks(axes: Axes, classes: int, samples: int, block: int = 20_000) -> Iterable[Block]:
    """Yield noise around the mean series of a class, the same at every call."""
    rng = np.random.default_rng(0)
    shape = (len(axes.dates), len(axes.bands))
    means = rng.integers(500, 4000, (classes, *shape)).astype(np.int16)
    for start in range(0, samples, block):
        codes = rng.integers(1, classes + 1, min(block, samples - start)).astype(np.uint16)
        noise = rng.integers(-400, 400, (len(codes), *shape), dtype=np.int16)
        yield means[codes - 1] + noise, codes


def write(path: Path, axes: Axes, samples: int, blocks: Iterable[Block], held: int = 0) -> None:
    """Write a file of samples.

    Parameters
    ----------
    path : Path
    axes : Axes
    samples : int
        Number of all samples.
    blocks : iterable of Block
    held : int
        The last so many samples are the validation set, all others the training set.
    """
    with samples_file.create(path, axes, samples, samples_file.COLUMNS, model="1") as file:
        samples_file.flag(file["tile"], ("T31TCJ",), 0)
        samples_file.flag(file["set"], ("training", "validation"), TRAINING)
        samples_file.flag(file["origin"], samples_file.ORIGINS, MEASURED)
        start = 0
        for features, codes in blocks:
            here = slice(start, start + len(codes))
            numbers = np.arange(here.start, here.stop)
            file["features"][here] = features
            file["label"][here] = codes
            file["set"][here] = np.where(numbers < samples - held, TRAINING, VALIDATION)
            file["polygon"][here] = numbers // POLYGON + 1
            for name in ("x", "y"):
                file[name][here] = 10.0 * numbers
            for name in ("tile", "origin"):
                file[name][here] = 0
            start = here.stop


def order(samples: Path, folder: Path, deep: Mapping[str, Any], num_workers: int = 0) -> Order:
    """Ask for the training of the chain on a file, on the CPU.

    Parameters
    ----------
    samples : Path
    folder : Path
        Of all that it writes; model.safetensors is the model.
    deep : mapping
        The keys of deep_learning_parameters.
    num_workers : int
    """
    names = {
        "model": "model.safetensors",
        "best": "best.safetensors",
        "history": "history.json",
        "table": "history.csv",
        "losses": "loss.png",
        "metrics": "metrics.png",
    }
    return Order(
        samples=str(samples),
        outputs={role: str(folder / name) for role, name in names.items()},
        checkpoint=str(folder / "checkpoint.safetensors"),
        region="1",
        fold=0,
        seed=0,
        hyp=0,
        num_workers=num_workers,
        gpus=0,
        settings={"deep_learning_parameters": dict(deep)},
    )
