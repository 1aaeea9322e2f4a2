"""Step 11a: compare what was predicted with the polygons of a tile, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from .artifacts import (
    CONFIDENCE,
    CONFIDENCE_STRIP,
    CONFUSION_TILE,
    LABEL_STRIP,
    LABELS,
    MAP,
    POLYGON_SCORES,
    POLYGONS,
    REFERENCE,
)
from .contract import Artifact, Job, Settings, Step
from .files import rasters, store
from .reference import polygon_table
from .reference.labels import LOOKS, Labels
from .scoring.matrix import matrix_of

SIDES = {"validation": 2, "test": 3}
"""Sides that are compared -> band of the reference raster; the second one in folds alone."""
KEYS = ["polygon", "side", "label", "said"]


def compare(job: Job) -> None:
    """Write what was said of the pixels of each polygon that the tile owns, and the matrix."""
    classes = Labels.load(job.input(LABELS))
    table = polygon_table.read(job.input(POLYGONS))
    label_of = np.append(0, table["label"].to_numpy(np.int64))
    said = [*job.every(MAP).values()] or [*job.every(LABEL_STRIP).values()]
    sure = [*job.every(CONFIDENCE).values()] or [*job.every(CONFIDENCE_STRIP).values()]
    found = count(said, sure, job.input(REFERENCE), label_of)
    with store.writing(job.output(POLYGON_SCORES)) as path:
        found.to_csv(path, index=False)
    matrix = matrix_of(found[found["side"] == "validation"], tuple(classes.codes))
    store.write_text(job.output(CONFUSION_TILE), matrix.as_csv())


@dataclass(frozen=True)
class Pieces:
    """Rasters on one lattice that together show an area."""

    rasters: Sequence[rasterio.DatasetReader]
    origin: rasterio.DatasetReader
    """Raster from whose corner rows and columns are counted."""

    def read(self, rows: slice, cols: slice) -> np.ndarray:
        """Read a window, (y, x); 0 where no raster reaches."""
        window = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint16)
        for raster in self.rasters:
            row0, col0 = self._corner(raster)
            top, bottom = max(rows.start, row0), min(rows.stop, row0 + raster.height)
            left, right = max(cols.start, col0), min(cols.stop, col0 + raster.width)
            if top < bottom and left < right:
                there = slice(top - row0, bottom - row0), slice(left - col0, right - col0)
                here = slice(top - rows.start, bottom - rows.start)
                window[here, left - cols.start : right - cols.start] = rasters.read(raster, *there)
        return window

    def _corner(self, raster: rasterio.DatasetReader) -> tuple[int, int]:
        """Give row and column of a raster's first pixel."""
        mine, other = self.origin.transform, raster.transform
        return round((other.f - mine.f) / mine.e), round((other.c - mine.c) / mine.a)


def count(
    said: Sequence[Path], sure: Sequence[Path], reference_path: Path, label_of: np.ndarray
) -> pd.DataFrame:
    """Count the pixels of each polygon by what was predicted.

    Parameters
    ----------
    said, sure : sequence of Path
        Class codes and confidences (percent): one map, or the strips of the tile.
    reference_path : Path
        Polygon numbers of the tile.
    label_of : ndarray of int, (polygons + 1,)
        Class code of each polygon number.

    Returns
    -------
    DataFrame
        polygon, side, label (code), said (code, 0 for none), pixels, confidence (sum of the
        percents); ordered by the first four.
    """
    found = []
    with ExitStack() as stack:
        reference = stack.enter_context(rasterio.open(reference_path))
        codes, percents = (
            Pieces([stack.enter_context(rasterio.open(path)) for path in paths], reference)
            for paths in (said, sure)
        )
        for rows, cols in rasters.windows(reference.shape):
            for side, band in SIDES.items():
                if band > reference.count:
                    continue
                numbers = rasters.read(reference, rows, cols, band)
                member = numbers != 0
                if member.any():
                    one = _counted(
                        numbers[member],
                        codes.read(rows, cols)[member],
                        percents.read(rows, cols)[member],
                    )
                    found.append(one.assign(side=side))
    table = pd.concat(found) if found else _counted(*(np.zeros(0, np.int64),) * 3).assign(side="")
    table["label"] = label_of[table["polygon"].to_numpy(np.int64)]
    return table.groupby(KEYS, as_index=False, sort=True)[["pixels", "confidence"]].sum()


def _counted(numbers: np.ndarray, said: np.ndarray, sure: np.ndarray) -> pd.DataFrame:
    """Count the pixels of a window by polygon and prediction."""
    pairs = numbers.astype(np.int64) << 16 | said.astype(np.int64)
    found, place, pixels = np.unique(pairs, return_inverse=True, return_counts=True)
    confidence = np.bincount(place, sure, len(found)).astype(np.int64)
    return pd.DataFrame(
        {
            "polygon": found >> 16,
            "said": found & 0xFFFF,
            "pixels": pixels,
            "confidence": confidence,
        }
    )


SAME: tuple[str | Artifact, ...] = ("compression_algorithm", LABELS)

STEP = Step(
    name="confusion",
    group="validation",
    title="compare the map with the validation polygons",
    run=compare,
    settings=Settings,
    per=("tile", "fold", "seed"),
    inputs=(MAP, CONFIDENCE, REFERENCE, LABELS, POLYGONS),
    outputs=(CONFUSION_TILE, POLYGON_SCORES),
    resource="gen_confusionMatrix",
    unmoved_by={LABELS: LOOKS, MAP: SAME, CONFIDENCE: SAME},
)
