"""Step 5: which pixels of the learning polygons become samples.

Strategies and samplers have the meaning of OTB's SampleSelection: counts are per model and
class over all tiles together; requests above what exists are cut to it. The flat list of a
class's pixels in a model runs over tiles, then rows, then columns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio

from ..errors import TaskError
from .artifacts import LABELS, POLYGONS, REFERENCE, REGIONS, SEED_STATISTICS, SELECTION
from .contract import MAIN, WHOLE, Job, Step, Unit
from .files import rasters, store
from .reference import polygon_table, split
from .reference.labels import Labels
from .sampling import draws, enough, exchange, strategies
from .sampling.picker import Picker
from .sampling.samples_file import TRAINING, VALIDATION
from .sampling.strategies import Picks, asked

log = logging.getLogger(__name__)


class Settings(split.SeedSettings, strategies.SamplingSettings, exchange.ExchangeSettings):
    """Keys that the step uses."""


@dataclass(frozen=True)
class Group:
    """The pixels of one class that teach one model."""

    model: str
    code: int
    available: int
    """Learning pixels over all tiles."""
    wanted: int
    """Pixels that the strategy asks for."""

    @property
    def taken(self) -> int:
        """Pixels that become samples."""
        return min(self.available, self.wanted)


@dataclass(frozen=True)
class Members:
    """What a polygon number stands for: arrays of (polygon + 1,), number 0 is no polygon."""

    models: list[str]
    codes: list[int]
    group: np.ndarray
    """Number of the group, `model * len(codes) + class`; -1 for what teaches no model."""
    mark: np.ndarray
    """training or validation of the network, uint8."""

    @classmethod
    def of(cls, table: pd.DataFrame) -> Members:
        """Give each polygon of a table its group, numbered model by model, class by class."""
        models, codes = polygon_table.models(table), sorted(set(table["label"]))
        model = table["model"].map({name: place for place, name in enumerate(models)})
        code = table["label"].map({code: place for place, code in enumerate(codes)})
        group = (model * len(codes) + code).fillna(-1).to_numpy(np.int64)
        marks = {"training": TRAINING, "validation": VALIDATION}
        mark = table["set"].map(marks).fillna(0).to_numpy(np.uint8)
        return cls(models, codes, np.append(-1, group), np.append(np.uint8(0), mark))


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the CSV files of strategy byclass, where there are any."""
    return tuple(dict.fromkeys(settings.sample_selection.files))


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide the selection: copies only put off what is refused."""
    return settings.model_dump(mode="json", exclude=set(exchange.ExchangeSettings.model_fields))


def select(job: Job) -> None:
    """Write the selected pixels of each tile and the statistics of the classes.

    Raises
    ------
    TaskError
        A model of the run gets training samples of fewer than two classes.
    """
    table = polygon_table.read(job.input(POLYGONS))
    members = Members.of(table)
    groups = _groups(job, members, polygon_table.regions(table))
    pickers = [_picker(group, job, polygon_table.regions(table)) for group in groups]
    taught: set[int] = set()
    with ExitStack() as stack:
        for tile, path in _references(job):
            target = stack.enter_context(store.writing(job.output(SELECTION, tile=tile)))
            taught |= _write_tile(path, target, pickers, members)
        _refuse_poor(job, [groups[number] for number in sorted(taught)], table)
    _write_statistics(job, groups)


def _refuse_poor(job: Job, taught: list[Group], table: pd.DataFrame) -> None:
    """Refuse models with training samples of fewer than two classes, all in one error.

    One that gets copies of other models' samples is looked at when these are there.
    """
    value_of = dict(zip(table["label"], table["class"], strict=True))
    problems = []
    for model, region in polygon_table.read_models(job.input(REGIONS)).items():
        names = polygon_table.told(model), polygon_table.told(region)
        if exchange.lines_for(job.settings.sample_management, *names):
            continue
        values = [value_of[group.code] for group in taught if group.model == model]
        if problem := enough.shortage(job.unit, model, region, values):
            problems.append(problem)
    if problems:
        raise TaskError("\n".join(problems))


def _groups(job: Job, members: Members, regions: Mapping[str, str]) -> list[Group]:
    """Count the learning pixels of each group and ask for as many as its strategy says."""
    selection: strategies.SampleSelection = job.settings.sample_selection
    counts = _available(job, members).reshape(len(members.models), len(members.codes))
    groups = []
    for model, row in zip(members.models, counts.tolist(), strict=True):
        picks = _picks(selection, model, regions)
        available = dict(zip(members.codes, row, strict=True))
        wanted = asked(available, picks, _numbers(picks, job))
        groups += [Group(model, code, available[code], wanted[code]) for code in members.codes]
    return groups


def _picks(
    selection: strategies.SampleSelection, model: str, regions: Mapping[str, str]
) -> strategies.Picks:
    region = regions.get(model, model)
    return selection.of(polygon_table.told(model), polygon_table.told(region))


def _picker(group: Group, job: Job, regions: Mapping[str, str]) -> Picker:
    picks = _picks(job.settings.sample_selection, group.model, regions)
    return Picker(
        group.available,
        group.taken,
        _generator(group, job.unit, job.settings.random_seed or 0),
        picks.sampler == "periodic",
        picks.jitter,
    )


def _generator(group: Group, unit: Unit, random_seed: int) -> np.random.Generator:
    """Give the generator of a group's draw.

    All folds draw from equal ones, as runs on files of their training polygons would.
    """
    seed = random_seed + int(unit.seed or 0)
    if group.model == WHOLE:
        return np.random.default_rng([seed, group.code])
    return draws.generator("selection", seed, group.model, group.code)


def _references(job: Job) -> Iterator[tuple[str, Path]]:
    for unit, path in job.every(REFERENCE).items():
        yield str(unit.tile), path


def _numbers(picks: Picks, job: Job) -> dict[int, int]:
    """Give the numbers of strategy byclass by class code; none for another strategy."""
    if picks.byclass is None:
        return {}
    classes = Labels.load(job.input(LABELS)).classes
    return strategies.read_counts(picks.byclass, {label.value: label.code for label in classes})


def _available(job: Job, members: Members) -> np.ndarray:
    """Count the learning pixels of each group over all tiles, (group,)."""
    counts = np.zeros(len(members.group), np.int64)
    for _, path in _references(job):
        with rasterio.open(path) as raster:
            for rows, cols in _bands(raster):
                numbers = rasters.read(raster, rows, cols, 1)
                counts += np.bincount(numbers.ravel(), minlength=len(counts))
    teaches = members.group >= 0
    found = np.zeros(len(members.models) * len(members.codes), np.int64)
    np.add.at(found, members.group[teaches], counts[teaches])
    return found


def _bands(raster: rasterio.DatasetReader) -> Iterator[tuple[slice, slice]]:
    for row in range(0, raster.height, rasters.TILE):
        yield slice(row, min(row + rasters.TILE, raster.height)), slice(0, raster.width)


def _write_tile(reference: Path, target: Path, pickers: list[Picker], members: Members) -> set[int]:
    """Write the marks of the picked pixels of one tile; give the groups with training samples."""
    taught: set[int] = set()
    with rasterio.open(reference) as raster:
        profile: dict[str, Any] = {**raster.profile, "dtype": "uint8", "count": 1}
        with rasterio.open(target, "w", **profile) as output:
            for rows, cols in _bands(raster):
                numbers = rasters.read(raster, rows, cols, 1)
                picked = pick_band(numbers, pickers, members)
                output.write(picked, 1, window=rasters.window_of(rows, cols))
                taught.update(np.unique(members.group[numbers[picked == TRAINING]]).tolist())
    return taught


def pick_band(numbers: np.ndarray, pickers: list[Picker], members: Members) -> np.ndarray:
    """Pick pixels of a band of rows.

    Parameters
    ----------
    numbers : ndarray of uint32, (rows, columns)
        Polygon numbers, 0 for none.
    pickers : list of Picker, by number of the group
    members : Members

    Returns
    -------
    ndarray of uint8, (rows, columns)
        The mark of each picked pixel, else 0.
    """
    flat = numbers.ravel()
    groups = members.group[flat]
    places = np.flatnonzero(groups >= 0)
    groups = groups[places]
    picked = np.zeros(flat.shape, np.uint8)
    for group in np.unique(groups).tolist():
        mine = places[groups == group]
        chosen = mine[pickers[group].pick(len(mine))]
        picked[chosen] = members.mark[flat[chosen]]
    return picked.reshape(numbers.shape)


def _write_statistics(job: Job, groups: list[Group]) -> None:
    names = {label.code: label.name for label in Labels.load(job.input(LABELS)).classes}
    rows = [
        {
            "model": polygon_table.told(group.model),
            "fold": job.unit.fold or MAIN,
            "seed": job.unit.seed,
            "class": names[group.code],
            "label": group.code,
            "available": group.available,
            "asked": group.wanted,
            "taken": group.taken,
        }
        for group in groups
    ]
    for group, row in zip(groups, rows, strict=True):
        words = "class %(label)s (%(class)s): %(taken)s of %(available)s pixels"
        if group.model == WHOLE:
            log.info(words, row)
        else:
            level = logging.INFO if group.taken else logging.WARNING
            log.log(level, f"model %(model)s, {words}", row)
    with store.writing(job.output(SEED_STATISTICS)) as path:
        pd.DataFrame(rows).to_csv(path, index=False)


STEP = Step(
    name="selection",
    group="sampling",
    title="select the pixels that become samples",
    run=select,
    settings=Settings,
    per=("fold", "seed"),
    inputs=(REFERENCE, POLYGONS, LABELS, REGIONS),
    outputs=(SELECTION, SEED_STATISTICS),
    resource="samplesSelection",
    sources=sources,
    uses=used,
    unmoved_by={LABELS: ("color_table",), SELECTION: (LABELS,)},  # its codes stand in POLYGONS
)
