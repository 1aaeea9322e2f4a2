"""Step 4: polygons take sides, pixels get their polygon, layers of both sides are written.

ORIGINAL polygons are drawn once over the whole area (``split``), for each run and each fold of
the cross-validation (``sides``); every part of a polygon, on whatever tile, inherits its side.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from pydantic import Field

from ..errors import InputError
from .artifacts import (
    ENVELOPE,
    LABELS,
    LEARN_VECTOR,
    POLYGONS,
    REFERENCE,
    REGIONS,
    SPLIT_REPORT,
    TILE_INDEX,
    VAL_VECTOR,
    VIEWS,
)
from .contract import MAIN, Job, Step, Unit, sort_key
from .files import rasters, store
from .reference import claims, folds, ground_truth, labels, layers, sides, split
from .reference.ground import Ground, GroundSettings, survey
from .reference.sides import Sides
from .tiles import grid
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)

SPLIT_KEYS = ("random_seed", "split_ground_truth", "ratio", "cloud_threshold")
"""Keys that place the polygons and touch no class."""
REGION_KEYS = ("region_path", "region_field", "classif_mode", "mode_outside_regionsplit")
"""Keys that decide to which model a polygon belongs."""
BANDS = ("learning", "validation", "test")
"""Sides, in the order of the bands of a reference raster; the last one in folds alone."""


class Settings(
    grid.LatticeSettings,
    GroundSettings,
    labels.LabelSettings,
    split.SplitSettings,
    split.RunsSettings,
):
    """Keys that the step uses."""

    cloud_threshold: int = Field(
        0, ge=0, description="Valid views that a pixel needs to be sample or reference."
    )


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the vector and text files that the step reads."""
    yield from ground_truth.files_of(settings.ground_truth)
    yield from folds.files_of(settings.folds)
    yield from () if settings.region_path is None else ground_truth.files_of(settings.region_path)
    yield settings.nomenclature_path
    yield settings.color_table


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide the split: of the folds not whether they have maps."""
    found = settings.model_dump(mode="json")
    if settings.folds is not None:
        del found["folds"]["output"]
    return found


@dataclass
class Split:
    """What is drawn and counted for one split."""

    sides: Sides
    pixels: np.ndarray
    """Usable pixels of each polygon on its side."""
    lost: int = 0
    """Pixels that two sides claim."""

    @property
    def unit(self) -> Unit:
        """Fold and seed."""
        return self.sides.unit

    @property
    def members(self) -> list[np.ndarray]:
        """Polygons of each side, in the order of the bands."""
        drawn = self.sides
        return [drawn.learns, drawn.validates, *([drawn.tests] if self.unit.fold else [])]


@dataclass(frozen=True)
class Tiles:
    """The tiles of the run and the losses on them."""

    indices: list[TileIndex]
    least_views: int
    lost_to_classes: int = 0
    lost_to_clouds: int = 0


def take_sides(job: Job) -> None:
    """Write the split, the reference rasters and the vector layers of every tile and split."""
    settings: Settings = job.settings
    frame = folds.read(settings, settings.folds, settings.proj)
    classes = labels.build(frame["value"], settings.nomenclature_path, settings.color_table)
    indices = [TileIndex.load(path) for path in job.every(TILE_INDEX).values()]
    grids = {index.tile: index.grid for index in indices}
    ground = survey(settings, classes, frame, settings.proj, grids)
    ground, tiles = _count(job, ground, Tiles(indices, max(1, settings.cloud_threshold)))
    splits = [_draw(ground, settings, unit) for unit in _units(job)]
    for tile in tiles.indices:
        _write_tile(job, ground, splits, tile, tiles.least_views)
    for one in splits:
        _write_table(job, ground, one)
    classes.save(job.output(LABELS))
    _write_regions(job, ground)
    store.write_json(job.output(SPLIT_REPORT), _report(ground, tiles, splits, settings))


def _units(job: Job) -> list[Unit]:
    found = {f.unit for f in job.outputs if f.artifact == POLYGONS}
    return sorted(found, key=sort_key)


def _count(job: Job, ground: Ground, tiles: Tiles) -> tuple[Ground, Tiles]:
    """Count the usable pixels of each polygon over all tiles."""
    members = [ground.takes_part(fold) for fold in range(len(ground.placed.names) + 1)]
    counts = np.zeros((len(members), len(ground.frame)), np.int64)
    lost = np.zeros(2, np.int64)
    for tile in tiles.indices:
        for band in _walk(job, ground, tile, tiles.least_views):
            counts += [claims.pixels_of(band, member) for member in members]
            lost += band.losses(members[MAIN])
    classes, clouds = lost.tolist()
    if not counts.any():
        names = " ".join(tile.tile for tile in tiles.indices)
        raise InputError(
            f"no polygon of {job.settings.ground_truth} has a usable pixel in the tiles "
            f"{names}: {clouds} pixels have fewer than {tiles.least_views} valid views "
            f"(cloud_threshold), {classes} are claimed by two classes; if both are 0, the "
            "polygons lie elsewhere"
        )
    counted = replace(tiles, lost_to_classes=classes, lost_to_clouds=clouds)
    return replace(ground, counts=counts), counted


def _walk(job: Job, ground: Ground, tile: TileIndex, least_views: int) -> Iterable[claims.Band]:
    with (
        rasterio.open(job.input(ENVELOPE, tile=tile.tile)) as envelope,
        rasterio.open(job.input(VIEWS, tile=tile.tile)) as views,
    ):
        yield from claims.walk(ground.frame, ground.codes, tile.grid, envelope, views, least_views)


def _draw(ground: Ground, settings: Settings, unit: Unit) -> Split:
    drawn = sides.draw(ground, unit, settings)
    return Split(drawn, np.zeros(len(ground.frame), np.int64))


def _write_tile(
    job: Job, ground: Ground, splits: list[Split], tile: TileIndex, least_views: int
) -> None:
    with ExitStack() as stack:
        paths = [
            stack.enter_context(store.writing(job.output(REFERENCE, **_of(one, tile))))
            for one in splits
        ]
        bands = _walk(job, ground, tile, least_views)
        _write_references(job.settings, ground, bands, splits, tile, paths)
        files = [stack.enter_context(rasterio.open(path)) for path in paths]
        wanted = [
            layers.Layer(job.output(artifact, **_of(one, tile)), file, band, one.members[band - 1])
            for one, file in zip(splits, files, strict=True)
            for band, artifact in ((1, LEARN_VECTOR), (2, VAL_VECTOR))
        ]
        layers.write(wanted, ground, tile, job.settings.data_field)


def _of(one: Split, tile: TileIndex) -> dict[str, object]:
    return {"tile": tile.tile, "fold": one.unit.fold, "seed": one.unit.seed}


def _write_references(
    settings: Settings,
    ground: Ground,
    bands: Iterable[claims.Band],
    splits: list[Split],
    tile: TileIndex,
    paths: list[Path],
) -> None:
    """Write the polygon numbers of the usable pixels of a tile, a raster a split."""
    with ExitStack() as stack:
        files = [
            stack.enter_context(rasters.create(path, tile.grid, "uint32", len(one.members)))
            for path, one in zip(paths, splits, strict=True)
        ]
        for band in bands:
            window = rasters.window_of(band.rows, slice(0, tile.grid.width))
            folds_ = {int(one.unit.fold or MAIN) for one in splits}
            usable = {fold: band.free(ground.takes_part(fold)) for fold in sorted(folds_)}
            for one, file in zip(splits, files, strict=True):
                free = usable[int(one.unit.fold or MAIN)]
                numbers = _take(one, band, free, settings.split_ground_truth)
                file.write(numbers, window=window)
        for file in files:
            for number, name in enumerate(BANDS[: file.count], 1):
                file.set_band_description(number, name)


def _take(one: Split, band: claims.Band, usable: np.ndarray, split_asked: bool) -> np.ndarray:
    """Give the pixels of a band to the sides, and count them."""
    pairs = ((0, 1), (0, 2), (1, 2)) if split_asked else ((0, 2), (1, 2))
    members = one.members
    apart = [pair for pair in pairs if pair[1] < len(members)]
    numbers, lost = claims.take_sides(band, usable, members, apart)
    one.lost += lost
    for number, side in enumerate(numbers):
        if split_asked or number != 1:  # without a split, both sides are one
            one.pixels += np.bincount(side.ravel(), minlength=len(one.pixels) + 1)[1:]
    return numbers


def _write_table(job: Job, ground: Ground, one: Split) -> None:
    drawn, folds_of = one.sides, _fold_of(ground)
    table = pd.DataFrame(
        {
            "number": np.arange(1, len(ground.frame) + 1),
            "polygon": ground.frame["polygon"],
            "originfid": ground.frame["fid"],
            "class": ground.frame["value"],
            "label": ground.codes,
            "region": ground.region,
            "model": drawn.model,
            "fold": folds_of,
            "side": drawn.side,
            "set": drawn.part,
            "pixels": one.pixels,
        }
    )
    with store.writing(job.output(POLYGONS, fold=one.unit.fold, seed=one.unit.seed)) as path:
        table.to_csv(path, index=False)


def _fold_of(ground: Ground) -> np.ndarray:
    """Give the first fold that holds each polygon out, 0 for none, (polygon,)."""
    tests = ground.placed.tests
    if not len(tests):
        return np.zeros(len(ground.frame), np.int64)
    return np.where(tests.any(axis=0), tests.argmax(axis=0) + 1, 0)


def _write_regions(job: Job, ground: Ground) -> None:
    """Write which number of the region rasters is which region, and its models."""
    names = ground.shapes.names if ground.shapes else ("",)
    rows = [
        {"number": number, "region": name, "model": model}
        for number, name in enumerate(names, 1)
        for model in (ground.models_of(name) if name in ground.parts else ())
    ]
    with store.writing(job.output(REGIONS)) as path:
        pd.DataFrame(rows, columns=["number", "region", "model"]).to_csv(path, index=False)


def _report(
    ground: Ground, tiles: Tiles, splits: list[Split], settings: Settings
) -> dict[str, object]:
    alone = ground.alone() if settings.split_ground_truth else []
    for value, region in alone:
        where = f" in region {region}" if region else ""
        log.warning("class %s has one polygon%s: it is learnt, but not validated", value, where)
    values = ground.frame["value"].astype(str)
    own, counts = ground.frame["own"].to_numpy(bool), ground.counts[MAIN]
    absent = sorted(set(values[own]) - set(values[(counts > 0) & ground.own]))
    if absent:
        log.warning("class %s has no usable pixel: it is not mapped", ", ".join(absent))
    return {
        "split": settings.split_ground_truth,
        "classes_without_pixels": absent,
        "single_polygon_classes": [value for value, region in alone if not region],
        "single_polygon_classes_of_regions": [[value, region] for value, region in alone if region],
        "polygons": int(own.sum()),
        "polygons_without_pixels": int((own & (counts == 0)).sum()),
        "polygons_outside_regions": ground.outside,
        "pixels_claimed_by_two_classes": tiles.lost_to_classes,
        "pixels_with_too_few_views": tiles.lost_to_clouds,
        "pixels_claimed_by_both_sides": {
            str(one.unit.seed): one.lost for one in splits if one.unit.fold == MAIN
        },
    }


STEP = Step(
    name="polygons",
    group="sampling",
    title="split the polygons, find their pixels",
    run=take_sides,
    settings=Settings,
    per=(),
    inputs=(TILE_INDEX, VIEWS, ENVELOPE),
    outputs=(LABELS, POLYGONS, REFERENCE, LEARN_VECTOR, VAL_VECTOR, SPLIT_REPORT, REGIONS),
    resource="samplesFormatting",
    sources=sources,
    uses=used,
    unmoved_by={
        LABELS: (*SPLIT_KEYS, "runs", *REGION_KEYS, TILE_INDEX, VIEWS, ENVELOPE),
        POLYGONS: ("runs", *labels.LOOKS),
        REFERENCE: ("runs", *labels.LOOKS),
        SPLIT_REPORT: labels.LOOKS,
        REGIONS: (*SPLIT_KEYS, "runs", *labels.LOOKS, TILE_INDEX, VIEWS, ENVELOPE),
    },
)
