"""A window of a tile on which functions are tried: one where something was seen."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ...errors import InputError
from ..series import raw_dates
from ..series.features import FeatureReader
from ..series.observed import Observed
from ..tiles import grid
from ..tiles.layout import Layout
from ..tiles.tile import TileIndex
from .data import ExternalData
from .exogenous import Exogenous, ExogenousReader
from .functions import WIDTH
from .locality import FARTHEST, Span

log = logging.getLogger(__name__)

SIDE = 128
"""Rows and columns of the window, in a smaller tile fewer."""
ENOUGH = 0.5
"""Share of pixels that were ever seen, with which no other place is looked at."""
THIRDS = (0.2, 0.5, 0.8)
PLACES = tuple(dict.fromkeys([(0.5, 0.5), *itertools.product(THIRDS, THIRDS)]))
"""Middles of the places that are looked at, as shares of a tile's rows and columns."""


@dataclass(frozen=True)
class Wanted:
    """What is to be read of a tile."""

    layout: Layout
    dates: tuple[date, ...]
    raw_days: tuple[date, ...] | None
    exogenous: str | None
    padding: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Window:
    """A window of a tile with its neighbours, in memory."""

    tile: str
    wanted: Wanted
    cube: np.ndarray
    """int16 (date, band, y, x): the chain's own features."""
    observed: Observed
    exogenous: Exogenous | None
    inner: Span
    """Rows and columns of the window in what was read."""
    room: int
    """Neighbours that were read on each side, at the tile's edge fewer."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that were read."""
        rows, cols = self.cube.shape[2:]
        return rows, cols

    @property
    def seen(self) -> np.ndarray:
        """Tell which pixels of the window were ever seen, bool (y, x)."""
        return raw_dates.seen(self.cube[..., *self.inner], self.wanted.layout)

    def data(self, rows: slice, cols: slice) -> ExternalData:
        """Give what a function gets of some rows and columns of what was read."""
        return self._data(self.cube, self.observed, self.exogenous).cut(rows, cols)

    def alone(self, where: np.ndarray) -> ExternalData:
        """Give what a function gets of n pixels, bool (y, x), without neighbours.

        As in the run, a row of them, the last one repeated up to a multiple of WIDTH.
        """
        count = int(where.sum())
        own = self.exogenous.taken(where) if self.exogenous else None
        data = self._data(self.cube[:, :, None, where], self.observed.taken(where), own)
        return data.widened(count + -count % WIDTH)

    def beside(self, rows: slice, cols: slice) -> ExternalData:
        """Give what a function gets of other pixels than those of some rows and columns.

        As many, where as many were read that are not all the same; else half of them.
        """
        spans = [_aside(*one) for one in zip((rows, cols), self.shape, strict=True)]
        if spans == [rows, cols]:
            spans[0] = slice(rows.start, rows.start + -(-(rows.stop - rows.start) // 2))
        return self.data(spans[0], spans[1])

    def _data(
        self, cube: np.ndarray, observed: Observed, exogenous: Exogenous | None
    ) -> ExternalData:
        return ExternalData(
            layout=self.wanted.layout,
            dates=self.wanted.dates,
            cube=cube,
            observed=observed,
            raw_days=self.wanted.raw_days,
            exogenous=exogenous,
        )


def _aside(span: slice, size: int) -> slice:
    """Shift a span to the start of what was read, or to its end."""
    length = span.stop - span.start
    return slice(0, length) if span.start else slice(size - length, size)


def choose(indexes: Sequence[TileIndex], wanted: Wanted, threads: int = 1) -> Window:
    """Read the window on which functions are tried.

    Of each tile the centre and eight other places are looked at until at least half of the
    pixels of one were seen; else the one is taken of which most were.

    Parameters
    ----------
    indexes : sequence of TileIndex
        Tiles, in the order in which they are looked at.
    wanted : Wanted
    threads : int
        Products read at one time.

    Raises
    ------
    InputError
        Nothing was seen in any of the places.
    """
    best: tuple[float, TileIndex, Span] | None = None
    for index in indexes:
        with FeatureReader(index, wanted.layout, threads) as reader:
            for span in spans((index.grid.height, index.grid.width)):
                cube = reader.features(grid.crop(index.grid, *span), wanted.dates)
                share = float(raw_dates.seen(cube, wanted.layout).mean())
                if share > (best[0] if best else 0):
                    best = share, index, span
                if share >= ENOUGH:
                    return _read(reader, span, wanted)
    if best is None:
        names = " ".join(index.tile for index in indexes)
        raise InputError(
            f"external_features: none of the places looked at in {names} was ever seen, so there "
            "is nothing to try the functions on: the masks hide every pixel of every product"
        )
    share, index, span = best
    log.warning("the functions are tried where %.0f %% of the pixels were seen", 100 * share)
    with FeatureReader(index, wanted.layout, threads) as reader:
        return _read(reader, span, wanted)


def spans(shape: tuple[int, int]) -> Iterator[Span]:
    """Give the places that are looked at in a tile of `shape` (rows, columns), each once."""
    found: dict[tuple[int, int], Span] = {}
    for place in PLACES:
        starts = [
            min(max(round(share * size - SIDE / 2), 0), max(size - SIDE, 0))
            for share, size in zip(place, shape, strict=True)
        ]
        rows, cols = (
            slice(start, min(start + SIDE, size)) for start, size in zip(starts, shape, strict=True)
        )
        found.setdefault((rows.start, cols.start), (rows, cols))
    yield from found.values()


def _read(reader: FeatureReader, span: Span, wanted: Wanted) -> Window:
    """Read a window with its neighbours, as far as the tile goes."""
    index = reader.index
    room = max(FARTHEST, *wanted.padding)
    outer, inner = [], []
    for part, size in zip(span, index.grid.shape, strict=True):
        start = max(part.start - room, 0)
        outer.append(slice(start, min(part.stop + room, size)))
        inner.append(slice(part.start - start, part.stop - start))
    window = grid.crop(index.grid, outer[0], outer[1])
    cube, observed = reader.read(window, wanted.dates)
    exogenous = None
    if wanted.exogenous:
        with ExogenousReader(wanted.exogenous, index.tile) as raster:
            exogenous = raster.read(window)
    log.info("the functions are tried in %s, rows %s, columns %s", index.tile, *map(_told, span))
    return Window(index.tile, wanted, cube, observed, exogenous, (inner[0], inner[1]), room)


def _told(span: slice) -> str:
    return f"{span.start} to {span.stop - 1}"
