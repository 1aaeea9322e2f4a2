"""Which pixels of a strip are predicted, and by the models of which region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import rasterio

from ..artifacts import ENVELOPE, REFERENCE, REGION_MAP
from ..contract import Artifact, Job
from ..files import rasters


@dataclass(frozen=True)
class Wanted:
    """The pixels of a strip that are predicted, and the region of each."""

    top: int
    """First row of the strip in its tile."""
    envelope: rasterio.DatasetReader
    region_map: rasterio.DatasetReader | None
    references: Sequence[rasterio.DatasetReader]
    """Polygons of all splits; where there are some, no other pixel is predicted."""

    @classmethod
    @contextmanager
    def open(cls, job: Job, top: int) -> Iterator[Wanted]:
        """Open the rasters that say it."""
        with ExitStack() as stack:

            def opened(artifact: Artifact) -> list[rasterio.DatasetReader]:
                paths = job.every(artifact).values()
                return [stack.enter_context(rasterio.open(path)) for path in paths]

            region_map = opened(REGION_MAP)
            yield cls(
                top,
                opened(ENVELOPE)[0],
                region_map[0] if region_map else None,
                opened(REFERENCE),
            )

    def regions(self, rows: slice, cols: slice) -> np.ndarray:
        """Give the region number of the pixels to predict, else 0, uint16 (y, x)."""
        rows = slice(rows.start + self.top, rows.stop + self.top)
        numbers = (rasters.read(self.envelope, rows, cols) == 1).astype(np.uint16)
        if self.region_map is not None:
            numbers *= rasters.read(self.region_map, rows, cols)
        if self.references:
            window = rasters.window_of(rows, cols)
            numbers *= np.logical_or.reduce(
                [(raster.read(window=window) != 0).any(axis=0) for raster in self.references]
            )
        return numbers
