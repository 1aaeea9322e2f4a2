"""Step 11a: compare the final map with the validation polygons of a tile, window by window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from . import rasters, store
from .artifacts import CONFUSION_TILE, LABELS, MAP, POLYGONS, REFERENCE
from .contract import Job, Settings, Step
from .labels import LOOKS, Labels
from .matrix import Matrix


def compare(job: Job) -> None:
    """Write the matrix of the validation pixels that the tile owns."""
    classes = Labels.load(job.input(LABELS))
    table = pd.read_csv(job.input(POLYGONS), usecols=["number", "label"])
    label_of = np.append(0, table["label"].to_numpy(np.int64))
    matrix = count(job.input(MAP), job.input(REFERENCE), label_of, tuple(classes.codes))
    store.write_text(job.output(CONFUSION_TILE), matrix.as_csv())


def count(
    map_path: Path, reference_path: Path, label_of: np.ndarray, codes: tuple[int, ...]
) -> Matrix:
    """Count the pixels of a tile by reference and map.

    Parameters
    ----------
    map_path : Path
        Final map.
    reference_path : Path
        Polygon numbers of the tile; band 2 holds the validation polygons.
    label_of : ndarray of int, (polygons + 1,)
        Class code of each polygon number.
    codes : tuple of int
        Class codes, increasing.
    """
    size = len(codes)
    total = np.zeros(size * (size + 1), np.int64)
    with rasterio.open(map_path) as final, rasterio.open(reference_path) as reference:
        row0 = round((reference.transform.f - final.transform.f) / final.transform.e)
        col0 = round((reference.transform.c - final.transform.c) / final.transform.a)
        for rows, cols in rasters.windows(reference.shape):
            numbers = rasters.read(reference, rows, cols, 2)
            member = numbers != 0
            if not member.any():
                continue
            there = (
                slice(rows.start + row0, rows.stop + row0),
                slice(cols.start + col0, cols.stop + col0),
            )
            said = rasters.read(final, *there)[member]
            truth = np.searchsorted(codes, label_of[numbers[member]])
            column = np.where(said == 0, 0, np.searchsorted(codes, said) + 1)
            total += np.bincount(truth * (size + 1) + column, minlength=len(total))
    table = total.reshape(size, size + 1)
    return Matrix(codes, table[:, 1:], table[:, 0])


STEP = Step(
    name="confusion",
    group="validation",
    title="compare the map with the validation polygons",
    run=compare,
    settings=Settings,
    per=("tile", "seed"),
    inputs=(MAP, REFERENCE, LABELS, POLYGONS),
    outputs=(CONFUSION_TILE,),
    resource="gen_confusionMatrix",
    unmoved_by={LABELS: LOOKS, MAP: ("compression_algorithm", LABELS)},
)
