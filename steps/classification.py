"""Step 9: classify a strip of a tile with all models, in one pass over its pixels.

All seeds and folds are predicted from the same features; each region by its own model or models.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import torch

from ..errors import TaskError
from ..nn_bank import inference
from . import blocks, features, grid, model_file, rasters, store, voting
from .artifacts import (
    CONFIDENCE_STRIP,
    DATE_GRID,
    ENVELOPE,
    LABEL_STRIP,
    LABELS,
    MODEL,
    PROBABILITY_STRIP,
    REFERENCE,
    REGION_MAP,
    REGIONS,
    TILE_INDEX,
)
from .contract import Artifact, Job, Step, Unit
from .labels import LOOKS, Labels
from .layout import CubeSettings, Layout, load_dates
from .model_file import Model
from .rasters import PROBABILITY_NODATA, RowWriter
from .tile import TileIndex
from .voting import Prediction

log = logging.getLogger(__name__)

TOGETHER = 16
"""Models whose probabilities are held at one time."""


class Settings(CubeSettings, grid.StripSettings, voting.VotingSettings):
    """Keys that the step uses."""


@dataclass(frozen=True)
class Output:
    """The rasters of one fold and seed, being written."""

    models: Mapping[int, Sequence[Model]]
    """Number of the region in the region raster -> its models."""
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
    """Write label, confidence and, when asked, probabilities of a strip, for every split."""
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
        splits = _models(job, chosen, dates)
        outputs = [_open(job, stack, unit, splits[unit], strip, block) for unit in splits]
        wanted = stack.enter_context(Wanted.open(job, start))
        reader = stack.enter_context(features.FeatureReader(index, chosen, job.cpus))
        pool = stack.enter_context(ThreadPoolExecutor(job.cpus))
        for rows, cols in blocks.blocks((strip.height, strip.width), block):
            region = wanted.regions(rows, cols)
            window = grid.crop(strip, rows, cols)
            where, values = _features(reader, window, dates, region != 0)
            models = [output.models for output in outputs]
            every = predict(models, region[where], values, classes, settings, pool)
            for output, said in zip(outputs, every, strict=True):
                output.write(said, where, rows, cols)
        log.info("%s", reader.counted)


@dataclass(frozen=True)
class Wanted:
    """The pixels of a strip that are predicted, and the region of each."""

    top: int
    """First row of the strip in its tile."""
    envelope: rasterio.DatasetReader
    region_map: rasterio.DatasetReader | None
    references: Sequence[rasterio.DatasetReader]
    """Polygons of all splits; where there are some, no other pixel is predicted."""

    @classmethod
    @contextmanager
    def open(cls, job: Job, top: int) -> Iterator[Wanted]:
        """Open the rasters that say it."""
        with ExitStack() as stack:

            def opened(artifact: Artifact) -> list[rasterio.DatasetReader]:
                paths = job.every(artifact).values()
                return [stack.enter_context(rasterio.open(path)) for path in paths]

            region_map = opened(REGION_MAP)
            yield cls(
                top,
                opened(ENVELOPE)[0],
                region_map[0] if region_map else None,
                opened(REFERENCE),
            )

    def regions(self, rows: slice, cols: slice) -> np.ndarray:
        """Give the region number of the pixels to predict, else 0, uint16 (y, x)."""
        rows = slice(rows.start + self.top, rows.stop + self.top)
        numbers = (rasters.read(self.envelope, rows, cols) == 1).astype(np.uint16)
        if self.region_map is not None:
            numbers *= rasters.read(self.region_map, rows, cols)
        if self.references:
            window = rasters.window_of(rows, cols)
            numbers *= np.logical_or.reduce(
                [(raster.read(window=window) != 0).any(axis=0) for raster in self.references]
            )
        return numbers


def _models(
    job: Job, chosen: Layout, dates: tuple[date, ...]
) -> dict[Unit, dict[int, list[Model]]]:
    """Load the models of each split, by the number of their region."""
    table = pd.read_csv(job.input(REGIONS), dtype=str, keep_default_na=False)
    number_of = dict(zip(table["model"], table["number"].astype(int), strict=True))
    found: dict[Unit, dict[int, list[Model]]] = {}
    for unit, path in job.every(MODEL).items():
        split = found.setdefault(unit.only(("fold", "seed")), {})
        number = number_of[str(unit.region)]
        split.setdefault(number, []).append(load_checked(path, chosen, dates))
    return found


def load_checked(path: Path, chosen: Layout, dates: tuple[date, ...]) -> Model:
    """Load a model and refuse it when its features are not those of the run."""
    model = model_file.load(path)
    card = model.card
    if (card.bands, card.dates, card.scales) != (chosen.names, dates, chosen.scales):
        raise TaskError(f"{path} was trained on other bands or dates than this run has")
    return model


def _open(
    job: Job,
    stack: ExitStack,
    split: Unit,
    models: Mapping[int, Sequence[Model]],
    strip: grid.GeoBox,
    block: tuple[int, int],
) -> Output:
    classes = Labels.load(job.input(LABELS))

    def create(
        artifact: Artifact, dtype: str, count: int = 1, **options: Any
    ) -> rasterio.io.DatasetWriter:
        target = job.output(artifact, fold=split.fold, seed=split.seed)
        path = stack.enter_context(store.writing(target))
        return stack.enter_context(rasters.create(path, strip, dtype, count, **options))

    asked = job.writes(PROBABILITY_STRIP)
    return Output(
        models=models,
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
    splits: Sequence[Mapping[int, Sequence[Model]]],
    region: np.ndarray,
    values: np.ndarray,
    classes: Labels,
    settings: voting.VotingSettings,
    pool: ThreadPoolExecutor,
) -> list[Prediction]:
    """Predict pixels for all splits, each pixel by the models of its region.

    Parameters
    ----------
    splits : sequence of mappings of region number to models
        A region without a model gets no class.
    region : ndarray of int, (n,)
        Region number of each pixel.
    values : ndarray of int16, (date, band, n)
    classes : Labels
        Classes of the run; one that a model does not know has probability 0.
    settings : VotingSettings
        How several models of a region are brought together.
    pool : ThreadPoolExecutor
        Its threads share the batches.
    """
    said = [Prediction.nothing(len(region), classes) for _ in splits]
    for number in np.unique(region).tolist():
        member = region == number
        own = values if member.all() else values[:, :, member]
        models = [split.get(number, ()) for split in splits]
        shares = _shares([model for some in models for model in some], own, pool)
        for one, some in zip(said, models, strict=True):
            if some:
                one.put(member, _brought_together(some, shares, classes, settings))
    return said


def _brought_together(
    models: Sequence[Model],
    shares: Iterator[np.ndarray],
    classes: Labels,
    settings: voting.VotingSettings,
) -> Prediction:
    """Turn what the models of a region state, the next in `shares`, into one prediction."""
    every = [next(shares) for _ in models]
    if len(models) == 1:
        return voting.prediction(every[0], models[0].card.labels, classes)
    taught = [model.card.training["samples"]["training"] for model in models]
    labels = [model.card.labels for model in models]
    return voting.vote(every, labels, taught, classes, settings.no_label_management)


def _shares(
    models: Sequence[Model], values: np.ndarray, pool: ThreadPoolExecutor
) -> Iterator[np.ndarray]:
    """Yield the probabilities that each model states, float32 (n, class of the model).

    The pixels are put in order once for a group of models: that takes half as long as a small
    network does.
    """
    starts = range(0, values.shape[2], inference.BATCH_SIZE)
    for first in range(0, len(models), TOGETHER):
        group = models[first : first + TOGETHER]
        networks = [model.network for model in group]

        def one(start: int, group: Any = group, networks: Any = networks) -> list[np.ndarray]:
            piece = values[:, :, start : start + inference.BATCH_SIZE].transpose(2, 0, 1)
            return inference.predict_all(networks, np.ascontiguousarray(piece), group[0].scale)

        pieces = list(pool.map(one, starts))
        for place, model in enumerate(group):
            nothing = np.zeros((0, len(model.card.labels)), np.float32)
            yield np.concatenate([nothing, *(piece[place] for piece in pieces)])


STEP = Step(
    name="classification",
    group="classification",
    title="classify strips",
    run=classify,
    settings=Settings,
    per=("tile", "strip"),
    inputs=(TILE_INDEX, DATE_GRID, ENVELOPE, LABELS, MODEL, REGIONS),
    outputs=(LABEL_STRIP, CONFIDENCE_STRIP),
    resource="classifications",
    unmoved_by={LABELS: LOOKS},
)
