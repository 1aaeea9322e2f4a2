"""Step: the samples of a model in one file, `learningSamples/Samples_region_<r>_seed<s>_learn.nc`.

First those of the model's own polygons, by tile, row and column; behind them the copies of other
models' samples that `sample_management` asks for, line by line of its file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd

from ..errors import TaskError
from .artifacts import POLYGONS, SAMPLES, SAMPLES_PART
from .contract import MAIN, WHOLE, Job, Step, Unit
from .files import store
from .reference import polygon_table, split
from .sampling import appending, draws, enough, exchange, samples_file
from .sampling.samples_file import COPIED, MEASURED, TRAINING
from .tiles import grid

log = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]
"""Values of some samples, by variable."""
Marks = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(sets, polygons) of some samples -> which of them are meant, bool (sample,)."""


class Settings(grid.LatticeSettings, split.SeedSettings, exchange.ExchangeSettings):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the file of `sample_management`, where there is one."""
    return () if settings.sample_management is None else (settings.sample_management,)


@dataclass(frozen=True)
class Parts:
    """The samples of all strips, in the order of tiles and strips."""

    files: Sequence[tuple[int, Path]]
    """Number of the tile, and its part of the samples."""
    split: str
    """Fold and seed, as the columns of the parts name them."""
    codes: np.ndarray
    """Class code by polygon number."""

    def count(self, meant: Marks) -> int:
        """Count the samples that are meant."""
        return sum(int(marks.sum()) for _, _, _, marks in self._walk(meant))

    def polygons(self, meant: Marks) -> np.ndarray:
        """Give the numbers of the polygons that have samples that are meant, increasing."""
        numbers = [
            np.unique(part[f"polygon_{self.split}"][piece][marks])
            for _, part, piece, marks in self._walk(meant)
        ]
        return np.unique(np.concatenate([np.zeros(0, np.uint32), *numbers]))

    def read(
        self, meant: Marks, ranks: np.ndarray | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield the columns of the samples that are meant, piece by piece.

        Parameters
        ----------
        meant : Marks
        ranks : ndarray of int, optional
            Those of them to take, by number, increasing; all by default.
        """
        seen = 0
        for tile, part, piece, marks in self._walk(meant):
            places = np.flatnonzero(marks)
            first = seen
            seen += len(places)
            if ranks is not None:
                here = slice(*np.searchsorted(ranks, (first, seen)))
                places = places[ranks[here] - first]
            if len(places):
                yield self._columns(part, piece, places, tile)

    def _walk(self, meant: Marks) -> Iterator[tuple[int, netCDF4.Dataset, slice, np.ndarray]]:
        for tile, path in self.files:
            with netCDF4.Dataset(path) as part:
                part.set_auto_mask(False)
                for piece in samples_file.pieces(part.dimensions["sample"].size):
                    sets = part[f"set_{self.split}"][piece]
                    yield tile, part, piece, meant(sets, part[f"polygon_{self.split}"][piece])

    def _columns(
        self, part: netCDF4.Dataset, piece: slice, places: np.ndarray, tile: int
    ) -> Columns:
        first, behind = int(places[0]), int(places[-1]) + 1
        span = slice(piece.start + first, piece.start + behind)

        def column(name: str) -> np.ndarray:
            return np.asarray(part[name][span])[places - first]

        polygons = column(f"polygon_{self.split}")
        return {
            **{name: column(name) for name in (*samples_file.features_of(part), "x", "y")},
            "label": self.codes[polygons],
            "polygon": polygons,
            "tile": np.full(len(places), tile, np.uint16),
            "set": column(f"set_{self.split}"),
        }


@dataclass(frozen=True)
class Copy:
    """Samples of another model that one line of `sample_management` copies."""

    meant: Marks
    ranks: np.ndarray
    """Which of those that are meant, increasing."""
    value: str
    """Their class, as the ground truth writes it."""


def merge(job: Job) -> None:
    """Stream the samples of one model from all strips into one file.

    Raises
    ------
    TaskError
        Fewer than two classes have training samples.
    """
    table = polygon_table.read(job.input(POLYGONS))
    files = list(job.every(SAMPLES_PART).items())
    tiles = sorted({str(unit.tile) for unit, _ in files})
    parts = Parts(
        [(tiles.index(str(unit.tile)), path) for unit, path in files],
        samples_file.split_name(job.unit),
        np.append(0, table["label"]).astype(np.uint16),
    )
    mine = table["model"] == job.unit.region
    own = _teaching(mine, any_set=True)
    count = parts.count(own)
    copies = list(_copies(job, table, parts))
    total = count + sum(len(copy.ranks) for copy in copies)
    _refuse_poor(job, table, parts.polygons(_teaching(mine, any_set=False)), copies)
    axes = samples_file.read_axes(files[0][1])
    with store.writing(job.root / job.outputs[0].path) as path:
        columns = samples_file.COLUMNS
        with samples_file.create(path, axes, total, columns, **_attributes(job, table)) as file:
            samples_file.flag(file["tile"], tiles, 0)
            samples_file.flag(file["set"], ("training", "validation"), TRAINING)
            samples_file.flag(file["origin"], samples_file.ORIGINS, MEASURED)
            appender = appending.Appender(file)
            _append(appender, parts.read(own), MEASURED)
            for copy in copies:
                _append(appender, parts.read(copy.meant, copy.ranks), COPIED)
            appender.close()
    told = enough.told(job.unit, *_model(job, table))
    log.info("%s: %d samples, %d of them copied", told, total, total - count)


def _refuse_poor(job: Job, table: pd.DataFrame, own: np.ndarray, copies: list[Copy]) -> None:
    """Refuse a model with training samples of fewer than two classes.

    Parameters
    ----------
    job : Job
    table : DataFrame
    own : ndarray of int
        Numbers of the model's polygons that have training samples.
    copies : list of Copy
    """
    values = set(table["class"].iloc[own.astype(np.int64) - 1])
    values |= {copy.value for copy in copies if len(copy.ranks)}
    if problem := enough.shortage(job.unit, *_model(job, table), values):
        raise TaskError(problem)


def _model(job: Job, table: pd.DataFrame) -> tuple[str, str]:
    """Give the name of the model and of its region."""
    model = job.unit.region or WHOLE
    return model, polygon_table.regions(table).get(model, model)


def _attributes(job: Job, table: pd.DataFrame) -> dict[str, object]:
    """Give the global attributes of the file."""
    model, region = _model(job, table)
    return {
        "crs": job.settings.proj,
        "model": polygon_table.told(model),
        "region": polygon_table.told(region),
        "fold": int(job.unit.fold or MAIN),
        "seed": int(job.unit.seed or 0),
    }


def _teaching(polygons: pd.Series, *, any_set: bool) -> Marks:
    """Mean the selected samples of some polygons: all, or those that train the network."""
    mine = np.append(False, polygons.to_numpy(bool))

    def meant(sets: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return ((sets != 0) if any_set else (sets == TRAINING)) & mine[numbers]

    return meant


def _append(appender: appending.Appender, pieces: Iterable[Columns], origin: int) -> None:
    for columns in pieces:
        count = len(columns["set"])
        appender.add({**columns, "origin": np.full(count, origin, np.uint8)})


def _copies(job: Job, table: pd.DataFrame, parts: Parts) -> Iterator[Copy]:
    """Draw the samples that are copied into the model, line by line of the file."""
    for line in exchange.lines_for(job.settings.sample_management, *_model(job, table)):
        yield _drawn(line, job, table, parts)


def _drawn(line: exchange.Transfer, job: Job, table: pd.DataFrame, parts: Parts) -> Copy:
    given = (table["model"] == line.source) | (table["region"] == line.source)
    others = ~table["model"].isin((WHOLE, job.unit.region))
    meant = _teaching(given & others & (table["class"] == line.value), any_set=False)
    there = parts.count(meant)
    taken = min(there, line.quantity)
    seed = (job.settings.random_seed or 0) + int(job.unit.seed or 0)
    which = (line.source, str(job.unit.region), line.value)
    rng = draws.generator("sample_management", seed, *which)
    log.log(
        logging.INFO if taken == line.quantity else logging.WARNING,
        "sample_management, line %d: class %s, %d of %d training samples of model %s copied "
        "to model %s (%d asked for)",
        *(line.line, line.value, taken, there, line.source, job.unit.region, line.quantity),
    )
    return Copy(meant, np.sort(rng.choice(there, taken, replace=False, shuffle=False)), line.value)


STEP = Step(
    name="merge_samples",
    group="sampling",
    title="join the samples of each model",
    run=merge,
    settings=Settings,
    per=("region", "fold", "seed"),
    inputs=(SAMPLES_PART, POLYGONS),
    outputs=(SAMPLES,),
    resource="mergeSample",
    sources=sources,
)
