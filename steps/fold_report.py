"""Step 11d: what the folds say: scores, accuracy by distance, suspicious polygons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from .artifacts import (
    DISTANCE_CSV,
    DISTANCE_FIGURE,
    FOLDS_CSV,
    FOLDS_JSON,
    FOLDS_TEXT,
    LABELS,
    POLYGON_SCORES,
    POLYGONS,
    PROOF,
    SUSPICIOUS,
    SUSPICIOUS_STYLE,
    TILE_INDEX,
)
from .contract import MAIN, Job, Step, Unit
from .files import store
from .reference import folds, ground_truth, polygon_table, split
from .reference.labels import Labels
from .scoring import distances, fold_records, fold_scores, fold_text, suspicious
from .scoring.fold_scores import TEST, VALIDATION
from .scoring.fold_text import Told
from .shapes import outlines
from .tiles import grid
from .tiles.tile import TileIndex

PREDICTIONS = {
    "polygon": np.int64,
    "side": str,
    "label": np.int64,
    "said": np.int64,
    "pixels": np.int64,
    "confidence": np.float64,
}
"""Columns of POLYGON_SCORES and their types."""


class Settings(
    grid.LatticeSettings,
    ground_truth.GroundTruthSettings,
    folds.FoldSettings,
    split.SeedSettings,
    split.RunsSettings,
):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the vector files that the step reads."""
    return (*ground_truth.files_of(settings.ground_truth), *folds.files_of(settings.folds))


def report(job: Job) -> None:
    """Write the results of all folds."""
    settings: Settings = job.settings
    classes = Labels.load(job.input(LABELS))
    frame = folds.read(settings, settings.folds, settings.proj)
    names = _names(job, frame)
    predictions = read_predictions(job.every(POLYGON_SCORES))
    tables = {unit: polygon_table.read(path) for unit, path in job.every(POLYGONS).items()}
    validation = fold_scores.validate(predictions, names, range(settings.runs), classes)
    tests = predictions[(predictions["fold"] != MAIN) & (predictions["side"] == TEST)]
    ranked = suspicious.rank(tests, next(iter(tables.values())), names, classes)
    bins = distances.bins(distances_of(tables, tests, frame, settings.ground_truth))
    told = Told(
        manner=manner_of(settings.folds),
        validation=validation,
        classes=classes,
        proofs=[store.read_json(p) for unit, p in job.every(PROOF).items() if unit.fold != MAIN],
        distances=bins,
        contradicted=suspicious.contradicted(ranked),
        ranked=len(ranked),
        resubstitution=any((table["side"] == "both").any() for table in tables.values()),
    )
    _write_scores(job, told)
    _write_polygons(job, ranked, frame)


def _names(job: Job, frame: gpd.GeoDataFrame) -> dict[int, str]:
    settings: Settings = job.settings
    grids = {str(u.tile): TileIndex.load(p).grid for u, p in job.every(TILE_INDEX).items()}
    placed = folds.place(frame, settings.folds, grids, settings.random_seed or 0)
    return dict(enumerate(placed.names, 1))


def read_predictions(paths: Mapping[Unit, Path]) -> pd.DataFrame:
    """Read what the map says of the pixels of each polygon, with fold and seed as columns."""
    parts = [
        pd.read_csv(path, dtype=PREDICTIONS, keep_default_na=False).assign(
            fold=unit.fold, seed=unit.seed
        )
        for unit, path in paths.items()
    ]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def distances_of(
    tables: Mapping[Unit, pd.DataFrame], tests: pd.DataFrame, frame: gpd.GeoDataFrame, source: Path
) -> pd.DataFrame:
    """Give distance, polygon, pixels and correct pixels of each test polygon and seed."""
    rows = tests[tests["said"] != 0]
    rows = rows.assign(correct=rows["pixels"].where(rows["said"] == rows["label"], 0))
    sums = rows.groupby(["fold", "seed", "polygon"])[["pixels", "correct"]].sum().reset_index()
    found = [sums.iloc[:0].assign(distance=0.0)]
    for unit, table in tables.items():
        part = sums[(sums["fold"] == unit.fold) & (sums["seed"] == unit.seed)]
        if part.empty:
            continue
        tested = table.set_index("number", drop=False).loc[part["polygon"]]
        learners = table[table["side"].isin(("learning", "both"))]
        shapes = (outlines.of(frame, some, source) for some in (tested, learners))
        found.append(part.assign(distance=distances.nearest(*shapes)))
    return pd.concat(found[1:] or found, ignore_index=True)


def manner_of(asked: folds.Folds | None) -> str:
    """Say how the folds were made."""
    if asked is None:
        return "without folds"
    words = {
        "tile": "by tile",
        "block": f"by block of {asked.block_size or 0:g} m",
        "field": f"by field {asked.field}",
        "polygon": "by polygon",
        "vectors": "by files of test polygons",
    }
    return words[asked.by] + (f", buffer {asked.buffer:g} m" if asked.buffer else ", no buffer")


def _write_scores(job: Job, told: Told) -> None:
    store.write_text(job.output(FOLDS_TEXT), fold_text.as_text(told))
    store.write_json(job.output(FOLDS_JSON), fold_records.as_json(told))
    store.write_text(job.output(FOLDS_CSV), fold_records.as_csv(told.validation))
    store.write_text(job.output(DISTANCE_CSV), distances.as_csv(told.distances))
    same_area = told.validation.spread(VALIDATION, "oa").mean
    with store.writing(job.output(DISTANCE_FIGURE)) as path:
        distances.draw(path, told.distances, same_area)


def _write_polygons(job: Job, ranked: pd.DataFrame, frame: gpd.GeoDataFrame) -> None:
    with store.writing(job.output(SUSPICIOUS)) as path:
        suspicious.write(path, ranked, frame.geometry.to_numpy(), job.settings.proj)
    store.write_text(job.output(SUSPICIOUS_STYLE), suspicious.style())


STEP = Step(
    name="fold_report",
    group="validation",
    title="write the results of the folds",
    run=report,
    settings=Settings,
    per=(),
    inputs=(POLYGON_SCORES, POLYGONS, LABELS, PROOF, TILE_INDEX),
    outputs=(
        FOLDS_TEXT,
        FOLDS_JSON,
        FOLDS_CSV,
        DISTANCE_CSV,
        DISTANCE_FIGURE,
        SUSPICIOUS,
        SUSPICIOUS_STYLE,
    ),
    resource="reportGen",
    sources=sources,
    unmoved_by={LABELS: ("color_table",)},
)
