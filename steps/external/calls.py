"""The user's functions, called on pixels of a tile: with their neighbours, where they want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from odc.geo.geobox import GeoBox

from ..artifacts import EXTERNAL, user_module
from ..contract import Job
from ..series.features import FeatureReader
from ..tiles import grid
from .data import ExternalData
from .exogenous import Exogenous, ExogenousReader
from .functions import Functions
from .record import Record


@dataclass(frozen=True)
class Computed:
    """Features of n pixels before the external ones are stored."""

    cube: np.ndarray
    """int16 (date, band, n): the chain's own, and room for the series of the functions."""
    series: np.ndarray
    """float32 (date, index, n); what is not finite is no value."""
    statics: np.ndarray
    """float32 (label, n); what is not finite is no value."""


@dataclass(frozen=True)
class External:
    """The user's functions, ready to be called, and what is known of them."""

    record: Record
    functions: Functions

    @classmethod
    def of(cls, job: Job) -> External | None:
        """Open those of a run; None where it has none."""
        for path in job.every(EXTERNAL).values():
            record = Record.load(path)
            files = {name: job.input(user_module(name)) for name in record.modules}
            return cls(record, Functions.open(record, files))
        return None

    def compute(
        self,
        reader: FeatureReader,
        raster: ExogenousReader | None,
        window: GeoBox,
        dates: Sequence[date],
        where: np.ndarray,
    ) -> Computed:
        """Read n pixels of a window and call the functions on them.

        Parameters
        ----------
        reader : FeatureReader
        raster : ExogenousReader or None
            The user's raster, where there is one.
        window : GeoBox
            Part of the tile's grid.
        dates : sequence of date
            Dates of the features.
        where : ndarray of bool, (y, x)
            The n pixels, at least one. Without padding the functions get them alone, (1, n).
        """
        padding = self.record.padding
        alone: np.ndarray | None = where
        if any(padding):
            window, where = around(window, where, reader.index.grid, padding)
            alone = None
        cube, observed = reader.read(window, dates, alone, len(self.record.series))
        exogenous = _exogenous(raster, window, alone) if raster else None
        values = self.functions(
            ExternalData(
                layout=reader.layout,
                dates=dates,
                cube=cube,
                observed=observed,
                raw_days=self.record.raw_days,
                exogenous=exogenous,
            )
        )
        of_pixels = (..., where) if alone is None else (..., 0, slice(None))
        return Computed(cube[of_pixels], values.series[of_pixels], values.statics[of_pixels])


def _exogenous(raster: ExogenousReader, window: GeoBox, alone: np.ndarray | None) -> Exogenous:
    """Read the raster: of pixels `alone` (y, x) no more than the box around them."""
    if alone is None:
        return raster.read(window)
    box, chosen = around(window, alone, window, (0, 0))
    return raster.read(box).taken(chosen)


def around(
    window: GeoBox, where: np.ndarray, tile: GeoBox, padding: tuple[int, int]
) -> tuple[GeoBox, np.ndarray]:
    """Give the box of some pixels and their neighbours, and which of its pixels are meant.

    The box ends where the tile does, and nowhere else: what a function sees of a pixel's
    neighbourhood does not follow from the cut.

    Parameters
    ----------
    window : GeoBox
        Part of the tile's grid.
    where : ndarray of bool, (y, x)
        Pixels of the window, at least one.
    tile : GeoBox
        The tile's grid.
    padding : tuple of int
        Rows and columns of neighbours.
    """
    grown = []
    for axis, first in enumerate(grid.offset(window, tile)):
        meant = first + np.flatnonzero(where.any(axis=1 - axis))
        start, stop = int(meant[0]) - padding[axis], int(meant[-1]) + 1 + padding[axis]
        grown.append(slice(max(start, 0), min(stop, tile.shape[axis])))
    box = grid.crop(tile, *grown)
    chosen = np.zeros(box.shape, bool)
    shared = grid.shared(box, window)
    assert shared is not None
    chosen[shared[0]] = where[shared[1]]
    return box, chosen
