"""Step 10b: the maps of all tiles become the final maps of a fold and seed."""

from __future__ import annotations

from pathlib import Path

from .artifacts import (
    COLOR_MAP,
    COLOR_NAMES,
    CONFIDENCE,
    CONFIDENCE_TILE,
    LABEL_TILE,
    LABELS,
    MAP,
    MAP_NAMES,
    PROBABILITY,
    PROBABILITY_TILE,
    TILE_INDEX,
)
from .contract import Artifact, Job, Step
from .files.rasters import PROBABILITY_NODATA
from .maps import cog
from .maps.cog import Look
from .reference.labels import Labels
from .tiles import grid
from .tiles.tile import TileIndex


class Settings(cog.CogSettings):
    """Keys that the step uses."""


def assemble(job: Job) -> None:
    """Write map, colored map, confidence and, when asked, probabilities of a seed."""
    classes = Labels.load(job.input(LABELS))
    boxes = {
        str(unit.tile): TileIndex.load(path).grid for unit, path in job.every(TILE_INDEX).items()
    }
    gbox = grid.union(boxes.values())

    def write(target: Artifact, source: Artifact, look: Look) -> None:
        parts = [(boxes[str(unit.tile)], path) for unit, path in job.every(source).items()]
        fill = cog.mosaic(gbox, parts, look.nodata or 0, job.ram)
        cog.write(job.output(target), gbox, look, job.settings.compression_algorithm, fill)

    write(MAP, LABEL_TILE, Look(classes.dtype, 0, "mode", ("class",)))
    write(COLOR_MAP, LABEL_TILE, Look(classes.dtype, 0, "mode", ("class",), palette_of(classes)))
    write(CONFIDENCE, CONFIDENCE_TILE, Look("uint8", 0, "nearest", ("confidence",)))
    if job.writes(PROBABILITY):
        names = tuple(label.name for label in classes.classes)
        write(PROBABILITY, PROBABILITY_TILE, Look("uint16", PROBABILITY_NODATA, "nearest", names))
    for artifact in (MAP_NAMES, COLOR_NAMES):
        _write_names(job.output(artifact), classes)


def palette_of(classes: Labels) -> dict[int, tuple[int, int, int]]:
    """Give the color of each code; 0 is black."""
    return {0: (0, 0, 0), **{label.code: label.color for label in classes.classes}}


def _write_names(path: Path, classes: Labels) -> None:
    cog.write_categories(path, {0: "no data", **{c.code: c.name for c in classes.classes}})


STEP = Step(
    name="mosaic",
    group="mosaic",
    title="assemble the final maps",
    run=assemble,
    settings=Settings,
    per=("fold", "seed"),
    inputs=(TILE_INDEX, LABELS, LABEL_TILE, CONFIDENCE_TILE),
    outputs=(MAP, MAP_NAMES, COLOR_MAP, COLOR_NAMES, CONFIDENCE),
    resource="classifShaping",
    unmoved_by={MAP: (PROBABILITY_TILE,), CONFIDENCE: (PROBABILITY_TILE,)},
)
