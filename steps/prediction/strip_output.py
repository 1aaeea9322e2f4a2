"""The rasters of a strip that are being written: labels, confidence and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio

from ..artifacts import CONFIDENCE_STRIP, LABEL_STRIP, LABELS, PROBABILITY_STRIP
from ..contract import Artifact, Job, Unit
from ..files import rasters, store
from ..files.rasters import PROBABILITY_NODATA, RowWriter
from ..reference.labels import Labels
from ..tiles import grid
from .models import AnyModel
from .voting import Prediction


@dataclass(frozen=True)
class Output:
    """The rasters of one fold and seed, being written."""

    models: Mapping[int, Sequence[AnyModel]]
    """Number of the region in the region raster -> its models."""
    labels: RowWriter
    confidence: RowWriter
    probabilities: rasterio.io.DatasetWriter | None

    def write(self, prediction: Prediction, where: np.ndarray, rows: slice, cols: slice) -> None:
        """Write the pixels of a block; those outside of `where` are no data."""
        for file, values in (
            (self.labels, prediction.labels),
            (self.confidence, prediction.confidence),
        ):
            block = np.zeros(where.shape, values.dtype)
            block[where] = values
            file.write(block, rows, cols)
        if self.probabilities is not None:
            count = len(prediction.probabilities)
            cube = np.full((count, *where.shape), PROBABILITY_NODATA, np.uint16)
            cube[:, where] = prediction.probabilities
            self.probabilities.write(cube, window=rasters.window_of(rows, cols))


def open_outputs(
    job: Job,
    stack: ExitStack,
    split: Unit,
    own: Mapping[int, Sequence[AnyModel]],
    strip: grid.GeoBox,
    block: tuple[int, int],
) -> Output:
    """Open the rasters of a split; they are published when the stack ends well."""
    classes = Labels.load(job.input(LABELS))

    def create(
        artifact: Artifact, dtype: str, count: int = 1, **options: Any
    ) -> rasterio.io.DatasetWriter:
        target = job.output(artifact, fold=split.fold, seed=split.seed)
        path = stack.enter_context(store.writing(target))
        return stack.enter_context(rasters.create(path, strip, dtype, count, **options))

    asked = job.writes(PROBABILITY_STRIP)
    return Output(
        models=own,
        labels=RowWriter(create(LABEL_STRIP, classes.dtype, nodata=0, **RowWriter.STORED)),
        confidence=RowWriter(create(CONFIDENCE_STRIP, "uint8", nodata=0, **RowWriter.STORED)),
        probabilities=create(
            PROBABILITY_STRIP,
            "uint16",
            len(classes.codes),
            nodata=PROBABILITY_NODATA,
            **rasters.storage(block, strip.width),
        )
        if asked
        else None,
    )
