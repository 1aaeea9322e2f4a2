"""Step 5: which pixels of the learning polygons become samples.

Strategies and samplers have the meaning of OTB's SampleSelection: counts are per class over
all tiles together; requests above what exists are cut to it. The flat list of a class's
pixels runs over tiles, then rows, then columns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio

from . import rasters, sampling, split, store
from .artifacts import LABELS, POLYGONS, REFERENCE, SEED_STATISTICS, SELECTION
from .contract import Job, Step, Unit
from .labels import Labels
from .samples_file import TRAINING, VALIDATION
from .sampling import Picker, asked

log = logging.getLogger(__name__)


class Settings(split.SeedSettings, sampling.SamplingSettings):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the CSV file of strategy byclass, where there is one."""
    path = settings.sample_selection.byclass
    return () if path is None else (path,)


def select(job: Job) -> None:
    """Write the selected pixels of each tile and the statistics of the classes."""
    settings: Settings = job.settings
    seed = int(job.unit.seed or 0)
    table = pd.read_csv(job.input(POLYGONS), dtype={"class": str, "set": str})
    codes = np.append(0, table["label"].to_numpy(np.int64))
    marks = np.append(0, [_mark(part) for part in table["set"]]).astype(np.uint8)
    available = _available(job, codes)
    wanted = asked(available, settings.sample_selection, _counts(settings, job))
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


def _counts(settings: Settings, job: Job) -> dict[int, int]:
    """Give the numbers of strategy byclass by class code; none for another strategy."""
    path = settings.sample_selection.byclass
    if path is None:
        return {}
    classes = Labels.load(job.input(LABELS)).classes
    return sampling.read_counts(path, {label.value: label.code for label in classes})


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
    unmoved_by={LABELS: ("color_table",), SELECTION: (LABELS,)},  # its codes stand in POLYGONS
)
