"""Step 11c: prove that no test polygon of a fold, nor its buffer, gave a sample to its models.

The proof looks at what the models learnt from, the positions in the stored samples, and at the
outlines of the polygons that the configuration holds out: it places them anew, and takes from the
steps that chose the samples nothing but these.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import netCDF4
import numpy as np
import pandas as pd
import shapely

from ..errors import TaskError
from .artifacts import POLYGONS, PROOF, SAMPLES, TILE_INDEX
from .contract import MAIN, Job, Step, Unit
from .files import store
from .reference import folds, ground_truth, polygon_table, split
from .sampling import samples_file
from .shapes import outlines
from .tiles import grid
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)

EDGE = 1e-3
"""Metres. The centre of a pixel may lie on the edge of two polygons and belongs to one of them; it
counts as inside from here on, and a distance may fall short of the buffer by this much."""
PIECE = 65536
"""Samples that are looked at together."""
AHEAD = 64
"""Every so many samples of a piece are looked at first, to narrow the search for all of it."""


class Settings(
    grid.LatticeSettings,
    ground_truth.GroundTruthSettings,
    folds.FoldSettings,
    split.SeedSettings,
):
    """Keys that the step uses."""


@dataclass(frozen=True)
class Closest:
    """The sample that lies closest to a test polygon."""

    distance: float = math.inf
    """Metres; inf before any sample."""
    depth: float = 0.0
    """Metres from the polygon's edge, for a sample inside."""
    x: float = math.nan
    y: float = math.nan
    number: int = 0
    """Number of the polygon."""


@dataclass(frozen=True)
class Finding:
    """What was measured between samples and test polygons."""

    samples: int = 0
    inside: int = 0
    """Samples inside a test polygon or nearer to one than the buffer."""
    closest: Closest = Closest()


def prove(job: Job) -> None:
    """Measure, and write the record; a sample that should not be there is an error."""
    fold, seed = int(job.unit.fold or MAIN), int(job.unit.seed or 0)
    if fold == MAIN:
        store.write_json(job.output(PROOF), record_of(fold, seed, Finding(), 0, 0.0))
        return
    buffer = _buffer(job.settings)
    table = polygon_table.read(job.input(POLYGONS))
    frame = folds.read(job.settings, job.settings.folds, job.settings.proj)
    tests = table[_held_out(job, frame, fold)]
    shapes = outlines.of(frame, tests, job.settings.ground_truth)
    found = measure(_positions(job.every(SAMPLES)), shapes, tests["number"].to_numpy(), buffer)
    if found.inside:
        raise TaskError(complaint(found, fold, seed, buffer, tests))
    store.write_json(job.output(PROOF), record_of(fold, seed, found, len(tests), buffer))
    log.info("fold %d, seed %d: %s", fold, seed, asdict(found))


def _held_out(job: Job, frame: gpd.GeoDataFrame, fold: int) -> np.ndarray:
    """Give the polygons that the settings hold out, bool (polygon,)."""
    grids = {str(u.tile): TileIndex.load(p).grid for u, p in job.every(TILE_INDEX).items()}
    seed = job.settings.random_seed or 0
    return folds.place(frame, job.settings.folds, grids, seed).tests[fold - 1]


def _buffer(settings: Settings) -> float:
    return float(settings.folds.buffer if settings.folds else 0)


def _positions(paths: dict[Unit, Path]) -> Iterator[np.ndarray]:
    """Yield the x and y of all samples, (n, 2) at a time, in metres."""
    for path in paths.values():
        with netCDF4.Dataset(path) as file:
            for place in samples_file.pieces(len(file.dimensions["sample"]), PIECE):
                yield np.column_stack([file[axis][place] for axis in ("x", "y")]).astype(float)


def measure(
    pieces: Iterable[np.ndarray], shapes: np.ndarray, numbers: np.ndarray, buffer: float
) -> Finding:
    """Find the sample closest to a test polygon, and count those that are too close.

    Parameters
    ----------
    pieces : iterable of ndarray of float, (n, 2)
        x and y of samples, metres.
    shapes : ndarray of geometry, (polygon,)
        Outlines of the test polygons, in the same CRS.
    numbers : ndarray of int, (polygon,)
        Their numbers.
    buffer : float
        Metres that a sample has to keep; with 0 it may lie on the edge, not inside.

    Raises
    ------
    TaskError
        A sample without a position.
    """
    tree = shapely.STRtree(shapes)
    found = Finding()
    for piece in pieces:
        if not np.isfinite(piece).all():
            raise TaskError(
                f"sample {found.samples + int(np.argwhere(~np.isfinite(piece))[0, 0])} has no "
                "position: it cannot be proven to lie outside the test polygons"
            )
        points = shapely.points(piece)
        found = replace(found, samples=found.samples + len(points))
        if not len(shapes):
            continue
        ahead = _look(tree, points[::AHEAD], numbers, buffer, found)
        found = _look(tree, points, numbers, buffer, replace(found, closest=ahead.closest))
    return found


def _look(
    tree: shapely.STRtree, points: np.ndarray, numbers: np.ndarray, buffer: float, so_far: Finding
) -> Finding:
    """Look as far around each sample as the buffer or the closest sample so far."""
    reach = max(so_far.closest.distance, buffer, EDGE)
    (samples, polygons), distance = tree.query_nearest(
        points, max_distance=reach, return_distance=True, all_matches=True
    )
    if not len(samples):
        return so_far
    depth = _depth(points[samples], tree.geometries[polygons], distance)
    near = (distance < buffer - EDGE) | (depth > EDGE)
    first = int(np.lexsort((-depth, distance))[0])
    place = points[samples[first]]
    closest = Closest(
        float(distance[first]), float(depth[first]), place.x, place.y, int(numbers[polygons[first]])
    )
    before = so_far.closest
    if (before.distance, -before.depth) <= (closest.distance, -closest.depth):
        closest = before
    return Finding(so_far.samples, so_far.inside + len(np.unique(samples[near])), closest)


def _depth(points: np.ndarray, shapes: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Give how far inside of their polygons points lie, in metres; 0 for those outside."""
    depth = np.zeros(len(points))
    touching = np.flatnonzero(distance == 0)
    depth[touching] = shapely.distance(points[touching], shapely.boundary(shapes[touching]))
    return depth


def record_of(fold: int, seed: int, found: Finding, tests: int, buffer: float) -> dict[str, Any]:
    """Give the proof as plain data; `nearest` is null where there was nothing to measure."""
    nearest = found.closest.distance
    return {
        "fold": fold,
        "seed": seed,
        "samples": found.samples,
        "test_polygons": tests,
        "buffer": buffer,
        "nearest": nearest if math.isfinite(nearest) else None,
        "inside": found.inside,
    }


def complaint(found: Finding, fold: int, seed: int, buffer: float, tests: pd.DataFrame) -> str:
    """Say which sample lies where none may lie."""
    closest = found.closest
    polygon = tests.set_index("number").loc[closest.number]
    where = (
        f"inside the test polygon {closest.number}"
        if closest.depth > EDGE
        else f"{closest.distance:.3f} m from the test polygon {closest.number}"
    )
    return (
        f"fold {fold}, seed {seed}: {found.inside} of {found.samples} samples lie in a test "
        f"polygon or nearer than the buffer of {buffer:g} m; the closest, at x {closest.x:.2f} "
        f"y {closest.y:.2f}, lies {where} (feature {polygon['originfid']}, class "
        f"{polygon['class']}); the scores of this fold would be worth nothing: remove "
        "samplesSelection and learningSamples from the output folder and run again; when it comes "
        "back, it is a defect of i2lc"
    )


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the vector files that the step reads."""
    return (*ground_truth.files_of(settings.ground_truth), *folds.files_of(settings.folds))


STEP = Step(
    name="proof",
    group="validation",
    title="prove that no fold learnt from its test polygons",
    run=prove,
    settings=Settings,
    per=("fold", "seed"),
    inputs=(SAMPLES, POLYGONS, TILE_INDEX),
    outputs=(PROOF,),
    resource="gen_confusionMatrix",
    sources=sources,
)
