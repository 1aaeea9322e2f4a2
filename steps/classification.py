"""Step 9: classify a strip of a tile with the models of all seeds, in one pass over its pixels."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch

from ..errors import TaskError
from ..nn_bank import inference
from . import blocks, features, grid, model_file, rasters, store
from .artifacts import (
    CONFIDENCE_STRIP,
    DATE_GRID,
    ENVELOPE,
    LABEL_STRIP,
    LABELS,
    MODEL,
    PROBABILITY_STRIP,
    TILE_INDEX,
)
from .contract import Artifact, Job, Step
from .labels import LOOKS, Labels
from .layout import CubeSettings, Layout, load_dates
from .model_file import Model
from .rasters import PROBABILITY_NODATA, RowWriter
from .tile import TileIndex

log = logging.getLogger(__name__)

PROBABILITY_SCALE = 1000


class Settings(CubeSettings, grid.StripSettings):
    """Keys that the step uses."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of n pixels."""

    labels: np.ndarray
    """Class codes, (n,)."""
    confidence: np.ndarray
    """Percent of the winning class, uint8 (n,), at least 1."""
    probabilities: np.ndarray
    """x 1000, uint16 (class of the run, n)."""


@dataclass(frozen=True)
class Output:
    """The rasters of one seed, being written."""

    model: Model
    labels: RowWriter
    confidence: RowWriter
    probabilities: rasterio.io.DatasetWriter | None

    def write(self, prediction: Prediction, where: np.ndarray, rows: slice, cols: slice) -> None:
        """Write the pixels of a block; those outside of `where` are no data."""
        for file, values in (
            (self.labels, prediction.labels),
            (self.confidence, prediction.confidence),
        ):
            block = np.zeros(where.shape, values.dtype)
            block[where] = values
            file.write(block, rows, cols)
        if self.probabilities is not None:
            count = len(prediction.probabilities)
            cube = np.full((count, *where.shape), PROBABILITY_NODATA, np.uint16)
            cube[:, where] = prediction.probabilities
            self.probabilities.write(cube, window=rasters.window_of(rows, cols))


def classify(job: Job) -> None:
    """Write label, confidence and, when asked, probabilities of a strip, for every seed."""
    settings: Settings = job.settings
    index = TileIndex.load(job.input(TILE_INDEX))
    classes = Labels.load(job.input(LABELS))
    dates = load_dates(job.input(DATE_GRID))
    chosen = Layout.of(settings)
    start, stop = grid.strips(index.grid.height, settings.number_of_chunks)[
        int(job.unit.strip or 0)
    ]
    strip = grid.crop(index.grid, slice(start, stop), slice(0, index.grid.width))
    block = blocks.block_shape(index, chosen, len(dates), job.ram)
    torch.set_num_threads(1)  # threads work on rows of their own: results never depend on them
    with ExitStack() as stack:
        outputs = [
            _open(job, stack, int(unit.seed or 0), load_checked(path, chosen, dates), strip, block)
            for unit, path in job.every(MODEL).items()
        ]
        envelope = stack.enter_context(rasterio.open(job.input(ENVELOPE)))
        reader = stack.enter_context(features.FeatureReader(index, chosen, job.cpus))
        pool = stack.enter_context(ThreadPoolExecutor(job.cpus))
        for rows, cols in blocks.blocks((strip.height, strip.width), block):
            owned = rasters.read(envelope, slice(rows.start + start, rows.stop + start), cols) == 1
            window = grid.crop(strip, rows, cols)
            where, values = _features(reader, window, dates, owned)
            for output in outputs:
                output.write(predict(output.model, values, classes, pool), where, rows, cols)


def load_checked(path: Path, chosen: Layout, dates: tuple[date, ...]) -> Model:
    """Load a model and refuse it when its features are not those of the run."""
    model = model_file.load(path)
    if model.card.bands != chosen.names or model.card.dates != dates:
        raise TaskError(f"{path} was trained on other bands or dates than this run has")
    return model


def _open(
    job: Job, stack: ExitStack, seed: int, model: Model, strip: grid.GeoBox, block: tuple[int, int]
) -> Output:
    classes = Labels.load(job.input(LABELS))

    def create(
        artifact: Artifact, dtype: str, count: int = 1, **options: Any
    ) -> rasterio.io.DatasetWriter:
        path = stack.enter_context(store.writing(job.output(artifact, seed=seed)))
        return stack.enter_context(rasters.create(path, strip, dtype, count, **options))

    asked = job.writes(PROBABILITY_STRIP)
    return Output(
        model=model,
        labels=RowWriter(create(LABEL_STRIP, classes.dtype, nodata=0, **RowWriter.STORED)),
        confidence=RowWriter(create(CONFIDENCE_STRIP, "uint8", nodata=0, **RowWriter.STORED)),
        probabilities=create(
            PROBABILITY_STRIP,
            "uint16",
            len(classes.codes),
            nodata=PROBABILITY_NODATA,
            **rasters.storage(block, strip.width),
        )
        if asked
        else None,
    )


def _features(
    reader: features.FeatureReader, window: grid.GeoBox, dates: tuple[date, ...], owned: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the owned pixels ever seen, bool (y, x), and their features (date, band, n)."""
    layout_ = reader.layout
    if not owned.any():
        return owned, np.zeros((len(dates), len(layout_.names), 0), np.int16)
    cube = reader.features(window, dates, owned)[:, :, 0]
    seen = cube[0, 0] != layout_.sensor.nodata
    where = owned.copy()
    where[owned] = seen
    return where, cube if seen.all() else cube[:, :, seen]


def predict(
    model: Model, values: np.ndarray, classes: Labels, pool: ThreadPoolExecutor
) -> Prediction:
    """Predict pixels.

    Parameters
    ----------
    model : Model
    values : ndarray of int16, (date, band, n)
    classes : Labels
        Classes of the run; one that the model does not know has probability 0.
    pool : ThreadPoolExecutor
        Its threads share the batches.
    """
    count = values.shape[2]

    def one(start: int) -> np.ndarray:
        piece = values[:, :, start : start + inference.BATCH_SIZE].transpose(2, 0, 1)
        return inference.predict(model.network, np.ascontiguousarray(piece), model.scale)

    results = list(pool.map(one, range(0, count, inference.BATCH_SIZE)))
    outputs = len(model.card.labels)
    known = np.concatenate(results) if results else np.zeros((0, outputs), np.float32)
    winner = known.argmax(axis=1)
    codes = np.array(model.card.labels, np.int64)
    scaled = np.rint(known * PROBABILITY_SCALE).astype(np.uint16)
    every = np.zeros((len(classes.codes), count), np.uint16)
    every[np.searchsorted(classes.codes, codes)] = scaled.T
    confidence = np.rint(known.max(axis=1, initial=0) * 100)
    return Prediction(codes[winner], np.maximum(confidence, 1).astype(np.uint8), every)


STEP = Step(
    name="classification",
    group="classification",
    title="classify strips",
    run=classify,
    settings=Settings,
    per=("tile", "strip"),
    inputs=(TILE_INDEX, DATE_GRID, ENVELOPE, LABELS, MODEL),
    outputs=(LABEL_STRIP, CONFIDENCE_STRIP),
    resource="classifications",
    unmoved_by={LABELS: LOOKS},
)
