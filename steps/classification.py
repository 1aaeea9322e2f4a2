"""Step 9: classify a strip of a tile with all models, in one pass over its pixels.

All seeds and folds are predicted from the same features; each region by its own model or models.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from odc.geo.geobox import GeoBox

from ..errors import TaskError
from ..nn_bank import devices, inference
from .artifacts import (
    CONFIDENCE_STRIP,
    DATE_GRID,
    ENVELOPE,
    LABEL_STRIP,
    LABELS,
    MODEL,
    MODEL_DATES,
    MODEL_SKOPS,
    REGIONS,
    TILE_INDEX,
)
from .contract import Job, Step, Unit
from .learning.settings import ModuleSettings
from .pixels import PixelReader, Pixels
from .prediction import models, strip_output, voting
from .prediction.models import AnyModel, Use
from .prediction.voting import Prediction
from .prediction.wanted import Wanted
from .reference.labels import LOOKS, Labels
from .sampling.samples_file import Axes
from .series import blocks
from .tiles import grid
from .tiles.layout import CubeSettings, Layout, load_dates
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)

TOGETHER = 16
"""Models whose probabilities are held at one time."""
BATCHES = 4
"""Batches that a thread takes at one time."""


class Settings(
    CubeSettings, grid.StripSettings, voting.VotingSettings, models.UseSettings, ModuleSettings
):
    """Keys that the step uses."""


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide the result: of a training, the model file says it all."""
    return settings.model_dump(mode="json", exclude={"deep_learning_parameters"})


def classify(job: Job) -> None:
    """Write label, confidence and, when asked, probabilities of a strip, for every split."""
    settings: Settings = job.settings
    index = TileIndex.load(job.input(TILE_INDEX))
    classes = Labels.load(job.input(LABELS))
    given = tuple(job.every(MODEL_DATES).values())
    dates = load_dates(given[0] if given else job.input(DATE_GRID))
    use = _use(job)
    start, stop = grid.strips(index.grid.height, settings.number_of_chunks)[
        int(job.unit.strip or 0)
    ]
    strip = grid.crop(index.grid, slice(start, stop), slice(0, index.grid.width))
    torch.set_num_threads(1)  # threads work on rows of their own: results never depend on them
    with ExitStack() as stack:
        reader = stack.enter_context(PixelReader.open(job, index, dates, Layout.of(settings)))
        block = reader.block(job.ram)
        splits = _models(job, reader.axes, None if given else dates, use)
        outputs = [
            strip_output.open_outputs(job, stack, unit, splits[unit], strip, block)
            for unit in splits
        ]
        wanted = stack.enter_context(Wanted.open(job, start))
        threads = job.cpus if use.device == "cpu" else 1
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        for rows, cols in blocks.blocks((strip.height, strip.width), block):
            region = wanted.regions(rows, cols)
            where, found = _seen(reader, grid.crop(strip, rows, cols), region != 0)
            own = [output.models for output in outputs]
            every = predict(own, region[where], found, classes, settings, pool, use)
            for output, said in zip(outputs, every, strict=True):
                output.write(said, where, rows, cols)
        log.info("%s", reader.counted)


def _use(job: Job) -> Use:
    """Say how the models are applied, and where."""
    settings: Settings = job.settings
    device = devices.choose(job.gpus)
    log.info("models run on %s", device)
    return Use(settings.inference_precision, device, settings.calibrate)


def _models(
    job: Job, axes: Axes, dates: tuple[date, ...] | None, use: Use
) -> dict[Unit, dict[int, list[AnyModel]]]:
    """Load the models of each split, by the number of their region."""
    table = pd.read_csv(job.input(REGIONS), dtype=str, keep_default_na=False)
    number_of = dict(zip(table["model"], table["number"].astype(int), strict=True))
    found: dict[Unit, dict[int, list[AnyModel]]] = {}
    for unit, path in {**job.every(MODEL), **job.every(MODEL_SKOPS)}.items():
        split = found.setdefault(unit.only(("fold", "seed")), {})
        model = load_checked(path, axes, dates, job.settings.module)
        models.check(model, use)
        split.setdefault(number_of[str(unit.region)], []).append(model)
    return found


def load_checked(
    path: Path, axes: Axes, dates: tuple[date, ...] | None, module: Path | None = None
) -> AnyModel:
    """Load a model and refuse it when its features are not those of the run.

    Without `dates` those of the model were compared already, with a series of another year.
    """
    model = models.load(path, module)
    card = model.card
    wanted = (axes.bands, dates or card.dates, axes.scales, axes.raw)
    if (card.bands, card.dates, card.scales, card.raw) != wanted:
        raise TaskError(f"{path} was trained on other bands or dates than this run has")
    beside = (axes.statics, axes.static_scales, axes.gaps)
    if (card.statics, card.static_scales, card.gaps) != beside:
        raise TaskError(f"{path} was trained on other external features than this run has")
    return model


def _seen(reader: PixelReader, window: GeoBox, owned: np.ndarray) -> tuple[np.ndarray, Pixels]:
    """Give the owned pixels that were seen, bool (y, x), and their features."""
    found = reader.read(window, owned)
    where = owned.copy()
    where[owned] = found.seen
    return where, found.of(found.seen)


def predict(
    splits: Sequence[Mapping[int, Sequence[AnyModel]]],
    region: np.ndarray,
    pixels: Pixels,
    classes: Labels,
    settings: voting.VotingSettings,
    pool: ThreadPoolExecutor,
    use: Use | None = None,
) -> list[Prediction]:
    """Predict pixels for all splits, each pixel by the models of its region.

    Parameters
    ----------
    splits : sequence of mappings of region number to models
        A region without a model gets no class.
    region : ndarray of int, (n,)
        Region number of each pixel.
    pixels : Pixels
        Their features.
    classes : Labels
        Classes of the run; one that a model does not know has probability 0.
    settings : VotingSettings
        How several models of a region are brought together.
    pool : ThreadPoolExecutor
        Its threads share the batches.
    use : Use, optional
        How the models are applied; by default in float32 on the CPU, not calibrated.
    """
    use = use or Use()
    said = [Prediction.nothing(len(region), classes) for _ in splits]
    for number in np.unique(region).tolist():
        member = region == number
        own = pixels.of(member)
        of_splits = [split.get(number, ()) for split in splits]
        shares = _shares([model for some in of_splits for model in some], own, pool, use)
        for one, some in zip(said, of_splits, strict=True):
            if some:
                one.put(member, _brought_together(some, shares, classes, settings, use))
    return said


def _brought_together(
    own: Sequence[AnyModel],
    shares: Iterator[np.ndarray],
    classes: Labels,
    settings: voting.VotingSettings,
    use: Use,
) -> Prediction:
    """Turn what the models of a region state, the next in `shares`, into one prediction."""
    said = [voting.Said(next(shares), model.card.labels, use.temperature(model)) for model in own]
    if len(own) == 1:
        return voting.prediction(said[0], classes)
    taught = [model.card.training["samples"]["training"] for model in own]
    return voting.vote(said, taught, classes, settings.no_label_management)


def _shares(
    own: Sequence[AnyModel], pixels: Pixels, pool: ThreadPoolExecutor, use: Use
) -> Iterator[np.ndarray]:
    """Yield the probabilities that each model states, float32 (n, class of the model).

    The pixels are put in order once for a group of models: that takes half as long as a small
    network does.
    """
    size = inference.batch_of(use.device) * BATCHES
    starts = range(0, len(pixels.seen), size)
    for first in range(0, len(own), TOGETHER):
        group = own[first : first + TOGETHER]

        def one(start: int, group: Sequence[AnyModel] = group) -> list[np.ndarray]:
            piece = pixels.series[:, :, start : start + size].transpose(2, 0, 1)
            statics = pixels.statics[:, start : start + size].T if len(pixels.statics) else None
            return models.probabilities(group, np.ascontiguousarray(piece), use, statics)

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
    uses=used,
    unmoved_by={LABELS: LOOKS},
)
