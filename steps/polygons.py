"""Step 4: polygons take sides, pixels get their polygon, layers of both sides are written.

ORIGINAL polygons are drawn once over the whole area (``split``); every part of a polygon, on
whatever tile, inherits its side.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from pydantic import Field

from ..errors import InputError
from . import claims, grid, ground_truth, labels, rasters, split, store
from .artifacts import (
    ENVELOPE,
    LABELS,
    LEARN_VECTOR,
    POLYGONS,
    REFERENCE,
    SPLIT_REPORT,
    TILE_INDEX,
    VAL_VECTOR,
    VIEWS,
)
from .contract import Job, Step, Unit
from .tile import TileIndex

log = logging.getLogger(__name__)

SPLIT_KEYS = ("random_seed", "split_ground_truth", "ratio", "cloud_threshold")
"""Keys that place the polygons and touch no class."""


class Settings(
    grid.LatticeSettings,
    ground_truth.GroundTruthSettings,
    labels.LabelSettings,
    split.SeedSettings,
    split.RunsSettings,
):
    """Keys that the step uses."""

    split_ground_truth: bool = Field(
        True, description="False: all polygons learn and validate (scores are resubstitution)."
    )
    ratio: float = Field(
        0.5, gt=0, lt=1, description="Share of the polygons of each class that learn."
    )
    cloud_threshold: int = Field(
        0, ge=0, description="Valid views that a pixel needs to be sample or reference."
    )


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the vector and text files that the step reads."""
    files = ground_truth.files_of(settings.ground_truth)
    return (*files, settings.nomenclature_path, settings.color_table)


@dataclass
class Seed:
    """What is drawn and counted for one seed."""

    number: int
    places: dict[str, tuple[str, str]]
    learns: np.ndarray
    validates: np.ndarray
    pixels: np.ndarray
    """Usable pixels of each polygon on its side."""
    lost_to_sides: int = 0


@dataclass
class Ground:
    """The polygons of the run and the tiles they lie on."""

    frame: gpd.GeoDataFrame
    codes: list[int]
    least_views: int
    tiles: list[TileIndex]
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    lost_to_classes: int = 0
    lost_to_clouds: int = 0

    def seen(self) -> list[tuple[str, str]]:
        """Give (class value, identifier) of the polygons that have a usable pixel."""
        rows = zip(self.frame["value"], self.frame["polygon"], self.counts, strict=True)
        return [(str(value), polygon) for value, polygon, count in rows if count]


def take_sides(job: Job) -> None:
    """Write the split, the reference rasters and the vector layers of every tile and seed."""
    settings: Settings = job.settings
    truth = ground_truth.read(settings.ground_truth, settings.data_field, settings.proj)
    frame = ground_truth.usable(truth)
    classes = labels.build(frame["value"], settings.nomenclature_path, settings.color_table)
    ground = Ground(
        frame=frame,
        codes=[classes.code_of(str(value)) for value in frame["value"]],
        least_views=max(1, settings.cloud_threshold),
        tiles=[TileIndex.load(path) for path in job.every(TILE_INDEX).values()],
    )
    _count(job, ground)
    seeds = [_draw(ground, settings, number) for number in _seeds(job)]
    for tile in ground.tiles:
        _write_tile(job, ground, seeds, tile)
    for seed in seeds:
        _write_table(job, ground, seed)
    classes.save(job.output(LABELS))
    store.write_json(job.output(SPLIT_REPORT), _report(ground, seeds, settings))


def _seeds(job: Job) -> list[int]:
    return sorted({f.unit.seed for f in job.outputs if f.unit.seed is not None})


def _count(job: Job, ground: Ground) -> None:
    """Count the usable pixels of each polygon over all tiles."""
    ground.counts = np.zeros(len(ground.frame), np.int64)
    for tile in ground.tiles:
        for band in _walk(job, ground, tile):
            ground.counts += claims.pixels_of(band, len(ground.frame))
            ground.lost_to_classes += band.lost_to_classes
            ground.lost_to_clouds += band.lost_to_clouds
    if not ground.counts.any():
        raise InputError(
            f"no polygon of {job.settings.ground_truth} has a usable pixel in the tiles "
            f"{' '.join(tile.tile for tile in ground.tiles)}: {ground.lost_to_clouds} pixels have "
            f"fewer than {ground.least_views} valid views (cloud_threshold), "
            f"{ground.lost_to_classes} are claimed by two classes; if both are 0, the polygons "
            "lie elsewhere"
        )


def _walk(job: Job, ground: Ground, tile: TileIndex) -> Iterable[claims.Band]:
    with (
        rasterio.open(job.input(ENVELOPE, tile=tile.tile)) as envelope,
        rasterio.open(job.input(VIEWS, tile=tile.tile)) as views,
    ):
        yield from claims.walk(
            ground.frame, ground.codes, tile.grid, envelope, views, ground.least_views
        )


def _draw(ground: Ground, settings: Settings, number: int) -> Seed:
    keys = ground.seen()
    seed = (settings.random_seed or 0) + number
    places = dict(split.sides(keys, settings.ratio, seed, settings.split_ground_truth))
    side = [places.get(polygon, ("", ""))[0] for polygon in ground.frame["polygon"]]
    return Seed(
        number=number,
        places=places,
        learns=np.array([s in {"learning", "both"} for s in side]),
        validates=np.array([s in {"validation", "both"} for s in side]),
        pixels=np.zeros(len(side), np.int64),
    )


def _write_tile(job: Job, ground: Ground, seeds: list[Seed], tile: TileIndex) -> None:
    with ExitStack() as stack:
        paths = [
            stack.enter_context(
                store.writing(job.output(REFERENCE, tile=tile.tile, seed=seed.number))
            )
            for seed in seeds
        ]
        _write_references(job, ground, seeds, tile, paths)
        for seed, path in zip(seeds, paths, strict=True):
            _write_layers(job, ground, seed, tile, path)


def _write_references(
    job: Job, ground: Ground, seeds: list[Seed], tile: TileIndex, paths: list[Path]
) -> None:
    """Write the polygon numbers of the usable pixels of a tile, a raster a seed."""
    split_asked = job.settings.split_ground_truth
    with ExitStack() as stack:
        files = [stack.enter_context(rasters.create(p, tile.grid, "uint32", 2)) for p in paths]
        for band in _walk(job, ground, tile):
            window = rasters.window_of(band.rows, slice(0, tile.grid.width))
            for seed, file in zip(seeds, files, strict=True):
                numbers, lost = claims.take_sides(band, seed.learns, seed.validates, split_asked)
                file.write(numbers, window=window)
                seed.lost_to_sides += lost
                for side in numbers if split_asked else numbers[:1]:
                    seed.pixels += np.bincount(side.ravel(), minlength=len(seed.pixels) + 1)[1:]
        for file in files:
            file.set_band_description(1, "learning")
            file.set_band_description(2, "validation")


def _write_layers(job: Job, ground: Ground, seed: Seed, tile: TileIndex, reference: Path) -> None:
    """Write the parts of polygons on a tile, one layer a side."""
    with rasterio.open(reference) as numbers:
        for band, (artifact, member) in enumerate(
            ((LEARN_VECTOR, seed.learns), (VAL_VECTOR, seed.validates)), 1
        ):
            parts = [
                (number, part)
                for number in np.flatnonzero(member).tolist()
                for whole in shapely.get_parts(ground.frame.geometry.iloc[number])
                for part in _parts(whole, number + 1, tile, numbers, band)
            ]
            path = job.output(artifact, tile=tile.tile, seed=seed.number)
            _write_layer(path, parts, ground, job.settings, tile.tile)


def _parts(
    geometry: shapely.Geometry,
    number: int,
    tile: TileIndex,
    numbers: rasterio.DatasetReader,
    band: int,
) -> list[shapely.Geometry]:
    """Give the polygons that hold just the pixels of a polygon's part that the tile uses.

    A polygon whose pixels are all used keeps its shape; another one is cut on pixel edges,
    where no pixel centre lies, so that the layers of all tiles count no pixel twice.
    """
    if not geometry.intersects(tile.grid.extent.geom):
        return []
    shape = ground_truth.footprint(geometry, tile.grid)
    rows = slice(max(shape.rows.start, 0), min(shape.rows.stop, tile.grid.height))
    cols = slice(max(shape.cols.start, 0), min(shape.cols.stop, tile.grid.width))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return []
    used = shape.within(rows, cols)[1] & (rasters.read(numbers, rows, cols, band) == number)
    if not used.any():
        return []
    if int(used.sum()) == int(shape.mask.sum()):
        return [geometry]
    frame = ground_truth.outline(used, grid.crop(tile.grid, rows, cols))
    cut = ground_truth.polygons_only(shapely.intersection(geometry, frame))
    return list(shapely.get_parts(cut))


def _write_layer(
    path: Path,
    parts: list[tuple[int, shapely.Geometry]],
    ground: Ground,
    settings: Settings,
    tile: str,
) -> None:
    rows = [number for number, _ in parts]
    frame = gpd.GeoDataFrame(
        {
            settings.data_field.lower(): ground.frame["value"].iloc[rows].to_numpy(),
            "i2label": np.array([ground.codes[number] for number in rows], np.int32),
            "polygon": ground.frame["polygon"].iloc[rows].to_numpy(),
            "originfid": ground.frame["fid"].iloc[rows].to_numpy(np.int64),
            "tile_o": np.array([tile] * len(rows), object),
        },
        geometry=[geometry for _, geometry in parts],
        crs=settings.proj,
    )
    text = any(isinstance(value, str) for value in ground.frame["value"])
    field_name = settings.data_field.lower()
    frame[field_name] = frame[field_name].astype(str if text else np.int64)
    for name in ("polygon", "tile_o"):
        frame[name] = frame[name].astype(str)
    with store.writing(path) as temporary:
        pyogrio.write_dataframe(
            frame,
            temporary,
            driver="SQLite",
            layer=path.stem.lower(),
            geometry_type="Polygon",
            dataset_options={"SPATIALITE": "YES", "INIT_WITH_EPSG": "NO"},
        )


def _write_table(job: Job, ground: Ground, seed: Seed) -> None:
    place = [seed.places.get(polygon, ("", "")) for polygon in ground.frame["polygon"]]
    table = pd.DataFrame(
        {
            "number": np.arange(1, len(place) + 1),
            "polygon": ground.frame["polygon"],
            "originfid": ground.frame["fid"],
            "class": ground.frame["value"],
            "label": ground.codes,
            "side": [side for side, _ in place],
            "set": [part for _, part in place],
            "pixels": seed.pixels,
        }
    )
    with store.writing(job.output(POLYGONS, seed=seed.number)) as path:
        table.to_csv(path, index=False)


def _report(ground: Ground, seeds: list[Seed], settings: Settings) -> dict[str, object]:
    alone = split.single(ground.seen())
    if alone and settings.split_ground_truth:
        log.warning(
            "class %s has one polygon: it is learnt, but not validated, and left out of the scores",
            ", ".join(alone),
        )
    present = {value for value, _ in ground.seen()}
    absent = sorted({str(value) for value in ground.frame["value"]} - present)
    if absent:
        log.warning("class %s has no usable pixel: it is not mapped", ", ".join(absent))
    return {
        "split": settings.split_ground_truth,
        "classes_without_pixels": absent,
        "single_polygon_classes": alone if settings.split_ground_truth else [],
        "polygons": len(ground.frame),
        "polygons_without_pixels": int((ground.counts == 0).sum()),
        "pixels_claimed_by_two_classes": ground.lost_to_classes,
        "pixels_with_too_few_views": ground.lost_to_clouds,
        "pixels_claimed_by_both_sides": {str(s.number): s.lost_to_sides for s in seeds},
    }


STEP = Step(
    name="polygons",
    group="sampling",
    title="split the polygons, find their pixels",
    run=take_sides,
    settings=Settings,
    per=(),
    inputs=(TILE_INDEX, VIEWS, ENVELOPE),
    outputs=(LABELS, POLYGONS, REFERENCE, LEARN_VECTOR, VAL_VECTOR, SPLIT_REPORT),
    resource="samplesFormatting",
    sources=sources,
    unmoved_by={
        LABELS: (*SPLIT_KEYS, "runs", TILE_INDEX, VIEWS, ENVELOPE),
        POLYGONS: ("runs", *labels.LOOKS),
        REFERENCE: ("runs", *labels.LOOKS),
        SPLIT_REPORT: labels.LOOKS,
    },
)
