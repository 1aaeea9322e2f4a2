"""Step 5: which pixels of the learning polygons become samples.

Strategies and samplers have the meaning of OTB's SampleSelection: counts are per class over
all tiles together; requests above what exists are cut to it. The flat list of a class's
pixels runs over tiles, then rows, then columns.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import rasterio
from pydantic import Field, model_validator

from ..errors import InputError
from . import rasters, split, store
from .artifacts import LABELS, POLYGONS, REFERENCE, SEED_STATISTICS, SELECTION
from .contract import Job, Step, Unit, UserPath
from .contract import Settings as BaseSettings
from .labels import Labels
from .samples_file import TRAINING, VALIDATION

log = logging.getLogger(__name__)

Strategy = Literal["all", "percent", "constant", "total", "smallest", "byclass"]
STRATEGY_KEYS: dict[str, str] = {
    "percent": "percent",
    "constant": "constant_nb",
    "total": "total",
    "byclass": "byclass",
}


class SampleSelection(BaseSettings):
    """The keys of `sample_selection`."""

    sampler: Literal["random", "periodic"] = Field(
        "random", description="random: a draw without replacement; periodic: one pixel in so many."
    )
    strategy: Strategy = Field(
        "all",
        description="all; percent, constant, total (proportional), smallest (all classes as the "
        "smallest), byclass (numbers from a CSV file).",
    )
    percent: float | None = Field(
        None, gt=0, le=1, alias="strategy.percent.p", description="Share of each class's pixels."
    )
    constant_nb: int | None = Field(
        None, gt=0, alias="strategy.constant.nb", description="Pixels of each class."
    )
    total: int | None = Field(
        None, gt=0, alias="strategy.total.v", description="Pixels over all classes."
    )
    byclass: UserPath | None = Field(
        None, alias="strategy.byclass.in", description="CSV file, `label,count` a line."
    )
    jitter: int = Field(
        0,
        ge=0,
        alias="sampler.periodic.jitter",
        description="Pixels by which a periodic pick may move forward within its period.",
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> SampleSelection:
        for strategy, name in STRATEGY_KEYS.items():
            alias = SampleSelection.model_fields[name].alias
            given = getattr(self, name) is not None
            if given and self.strategy != strategy:
                raise ValueError(f"{alias} belongs to strategy {strategy}, not {self.strategy}")
            if not given and self.strategy == strategy:
                raise ValueError(f"strategy {strategy} needs {alias}")
        if self.jitter and self.sampler != "periodic":
            raise ValueError("sampler.periodic.jitter belongs to sampler periodic")
        return self


class Settings(split.SeedSettings):
    """Keys that the step uses."""

    sample_selection: SampleSelection = Field(
        SampleSelection(), description="Which pixels of the learning polygons become samples."
    )


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the CSV file of strategy byclass, where there is one."""
    path = settings.sample_selection.byclass
    return () if path is None else (path,)


def asked(
    available: Mapping[int, int], settings: SampleSelection, by_class: Mapping[int, int]
) -> dict[int, int]:
    """Give the number of pixels that the strategy asks of each class.

    Parameters
    ----------
    available : mapping of class code to number of pixels
    settings : SampleSelection
    by_class : mapping of class code to number
        Content of the file of strategy byclass; a class without a line asks for none.
    """
    whole = sum(available.values())
    least = min((count for count in available.values() if count), default=0)

    def wish(code: int, count: int) -> int:
        match settings.strategy:
            case "percent":
                return round(count * (settings.percent or 0))
            case "constant":
                return settings.constant_nb or 0
            case "total":
                return round(count * (settings.total or 0) / whole) if whole else 0
            case "smallest":
                return least
            case "byclass":
                return by_class.get(code, 0)
            case _:
                return count

    return {code: wish(code, count) for code, count in available.items()}


@dataclass
class Picker:
    """Picks `wanted` of `available` pixels of a class from a list given piece by piece.

    The result depends on the list, not on the pieces' lengths, for the periodic sampler; the
    random one draws piece by piece, so the pieces are fixed (bands of rows of a tile).
    """

    available: int
    wanted: int
    rng: np.random.Generator
    periodic: bool
    jitter: int
    seen: int = 0
    picked: int = 0
    _late: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    """A pick that jitter moved behind the pieces given so far."""

    def pick(self, count: int) -> np.ndarray:
        """Give the positions picked among the next `count` pixels."""
        chosen = self._every(count) if self.periodic else self._draw(count)
        self.seen += count
        self.picked += len(chosen)
        return chosen

    def _draw(self, count: int) -> np.ndarray:
        rest = self.available - self.seen
        left = self.wanted - self.picked
        if left >= rest:
            return np.arange(count)
        share = int(self.rng.hypergeometric(count, rest - count, left)) if count else 0
        return np.sort(self.rng.choice(count, share, replace=False, shuffle=False))

    def _every(self, count: int) -> np.ndarray:
        """Pick n of N by a fixed period: pick k is the pixel floor(k * N / n), plus jitter."""
        total, wanted = self.available, self.wanted
        if not wanted:
            return np.zeros(0, int)
        first = -(-self.seen * wanted // total)
        behind = -(-(self.seen + count) * wanted // total)
        numbers = range(first, behind)
        place = np.array([number * total // wanted for number in numbers], dtype=np.int64)
        if self.jitter:
            room = np.array([(k + 1) * total // wanted - k * total // wanted for k in numbers])
            moves = self.rng.integers(0, np.minimum(room - 1, self.jitter), endpoint=True)
            place = np.append(self._late, place + moves)
            here = place < self.seen + count
            self._late, place = place[~here], place[here]
        return place - self.seen


def select(job: Job) -> None:
    """Write the selected pixels of each tile and the statistics of the classes."""
    settings: Settings = job.settings
    seed = int(job.unit.seed or 0)
    table = pd.read_csv(job.input(POLYGONS), dtype={"class": str, "set": str})
    codes = np.append(0, table["label"].to_numpy(np.int64))
    marks = np.append(0, [_mark(part) for part in table["set"]]).astype(np.uint8)
    available = _available(job, codes)
    wanted = asked(available, settings.sample_selection, _by_class(settings, job))
    taken = {code: min(wanted[code], count) for code, count in available.items()}
    pickers = {
        code: Picker(
            available[code],
            taken[code],
            np.random.default_rng([(settings.random_seed or 0) + seed, code]),
            settings.sample_selection.sampler == "periodic",
            settings.sample_selection.jitter,
        )
        for code in available
    }
    with ExitStack() as stack:
        for tile, path in _references(job):
            target = stack.enter_context(store.writing(job.output(SELECTION, tile=tile)))
            _write_tile(path, target, pickers, codes, marks)
    _write_statistics(job, available, wanted, pickers)


def _mark(part: object) -> int:
    return {"training": TRAINING, "validation": VALIDATION}.get(str(part), 0)


def _references(job: Job) -> Iterator[tuple[str, Path]]:
    for unit, path in job.every(REFERENCE).items():
        yield str(unit.tile), path


def _available(job: Job, codes: np.ndarray) -> dict[int, int]:
    """Count the learning pixels of each class that has a polygon, over all tiles."""
    counts = np.zeros(len(codes), np.int64)
    for _, path in _references(job):
        with rasterio.open(path) as raster:
            for rows, cols in _bands(raster):
                numbers = rasters.read(raster, rows, cols, 1)
                counts += np.bincount(numbers.ravel(), minlength=len(codes))
    return {int(code): int(counts[codes == code].sum()) for code in np.unique(codes) if code != 0}


def _bands(raster: rasterio.DatasetReader) -> Iterator[tuple[slice, slice]]:
    for row in range(0, raster.height, rasters.TILE):
        yield slice(row, min(row + rasters.TILE, raster.height)), slice(0, raster.width)


def _by_class(settings: Settings, job: Job) -> dict[int, int]:
    path = settings.sample_selection.byclass
    if path is None:
        return {}
    classes = Labels.load(job.input(LABELS))
    known = {label.value: label.code for label in classes.classes}
    counts: dict[int, int] = {}
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise InputError(f"strategy.byclass.in: {path} cannot be read: {error}") from error
    for number, row in enumerate((row for row in rows if row), 1):
        if len(row) != 2 or row[0].strip() not in known or not row[1].strip().isdigit():
            raise InputError(
                f"{path}, line {number}: want 'label,count' with a label of the ground truth, "
                f"got '{','.join(row)}'"
            )
        counts[known[row[0].strip()]] = int(row[1])
    return counts


def _write_tile(
    reference: Path,
    target: Path,
    pickers: Mapping[int, Picker],
    codes: np.ndarray,
    marks: np.ndarray,
) -> None:
    """Write the marks of the picked pixels of one tile."""
    with rasterio.open(reference) as raster:
        profile: dict[str, Any] = {**raster.profile, "dtype": "uint8", "count": 1}
        with rasterio.open(target, "w", **profile) as output:
            for rows, cols in _bands(raster):
                numbers = rasters.read(raster, rows, cols, 1)
                picked = pick_band(numbers, pickers, codes, marks)
                output.write(picked, 1, window=rasters.window_of(rows, cols))


def pick_band(
    numbers: np.ndarray, pickers: Mapping[int, Picker], codes: np.ndarray, marks: np.ndarray
) -> np.ndarray:
    """Pick pixels of a band of rows.

    Parameters
    ----------
    numbers : ndarray of uint32, (rows, columns)
        Polygon numbers, 0 for none.
    pickers : mapping of class code to Picker
    codes, marks : ndarray, (polygons + 1,)
        Class code and mark (training or validation) of each polygon number.

    Returns
    -------
    ndarray of uint8, (rows, columns)
        The mark of each picked pixel, else 0.
    """
    flat = numbers.ravel()
    places = np.flatnonzero(flat)
    classes = codes[flat[places]]
    picked = np.zeros(flat.shape, np.uint8)
    for code in np.unique(classes).tolist():
        members = places[classes == code]
        chosen = members[pickers[code].pick(len(members))]
        picked[chosen] = marks[flat[chosen]]
    return picked.reshape(numbers.shape)


def _write_statistics(
    job: Job,
    available: Mapping[int, int],
    wanted: Mapping[int, int],
    pickers: Mapping[int, Picker],
) -> None:
    names = {label.code: label.name for label in Labels.load(job.input(LABELS)).classes}
    rows = [
        {
            "model": "1",
            "seed": job.unit.seed,
            "class": names[code],
            "label": code,
            "available": available[code],
            "asked": wanted[code],
            "taken": pickers[code].picked,
        }
        for code in sorted(available)
    ]
    for row in rows:
        log.info("class %(label)s (%(class)s): %(taken)s of %(available)s pixels", row)
    with store.writing(job.output(SEED_STATISTICS)) as path:
        pd.DataFrame(rows).to_csv(path, index=False)


STEP = Step(
    name="selection",
    group="sampling",
    title="select the pixels that become samples",
    run=select,
    settings=Settings,
    per=("seed",),
    inputs=(REFERENCE, POLYGONS, LABELS),
    outputs=(SELECTION, SEED_STATISTICS),
    resource="samplesSelection",
    sources=sources,
)
