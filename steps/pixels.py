"""The features of pixels as models see them: the chain's own, and those of the user's functions.

Samples, maps and the features map all read here. Without external features it gives what
``features`` does, byte for byte.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from types import TracebackType

import numpy as np
from odc.geo.geobox import GeoBox

from .contract import Job
from .external.calls import Computed, External
from .external.exogenous import ExogenousReader
from .external.record import Record
from .external.stored import store
from .sampling.samples_file import Axes
from .sensors.sentinel2 import SENTINEL2
from .series import blocks, raw_dates
from .series.features import Counted, FeatureReader
from .tiles.layout import Layout
from .tiles.tile import TileIndex

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pixels:
    """The features of n pixels, as they are stored."""

    seen: np.ndarray
    """bool (n,): the pixel has an observation among the dates of its features."""
    series: np.ndarray
    """int16 (date, band, n)."""
    statics: np.ndarray
    """int16 (label, n)."""

    def of(self, some: np.ndarray) -> Pixels:
        """Give some of the pixels alone, bool (n,)."""
        if some.all():
            return self
        return Pixels(self.seen[some], self.series[:, :, some], self.statics[:, some])


def axes_of(dates: Sequence[date], layout: Layout, record: Record | None) -> Axes:
    """Give the axes of the features of a run.

    Parameters
    ----------
    dates : sequence of date
    layout : Layout
        Bands and indices of the chain's own.
    record : Record or None
        The external features, where the run has some.
    """
    if record is None:
        return Axes(tuple(dates), layout.names, layout.scales, layout.raw)
    own = (layout.names, layout.scales) if record.concat else ((), ())
    return Axes(
        dates=tuple(dates),
        bands=own[0] + record.series,
        scales=own[1] + tuple(record.scales[name] for name in record.series),
        raw=layout.raw,
        statics=record.statics,
        static_scales=tuple(record.scales[name] for name in record.statics),
        gaps=True,
    )


def labels_of(axes: Axes) -> tuple[str, ...]:
    """Name features: date by date all bands, `Sentinel2_<band>_<YYYYMMDD>`, then the statics."""
    sensor = SENTINEL2.name
    series = (f"{sensor}_{band}_{day:%Y%m%d}" for day in axes.dates for band in axes.bands)
    return (*series, *axes.statics)


class PixelReader:
    """Computes the features of pixels of one tile; a context manager that holds files open.

    Functions of the user run in the thread that reads, one block at a time.

    Parameters
    ----------
    index : TileIndex
        The tile.
    dates : sequence of date
        Dates of the features, increasing.
    layout : Layout
        Bands and indices of the chain's own.
    threads : int
        Products read at one time. Never changes a value.
    external : External, optional
        The user's functions.
    """

    def __init__(
        self,
        index: TileIndex,
        dates: Sequence[date],
        layout: Layout,
        threads: int = 1,
        external: External | None = None,
    ) -> None:
        self.index = index
        self.dates = tuple(dates)
        self.layout = layout
        self.external = external
        self.axes = axes_of(dates, layout, external.record if external else None)
        """Of what `read` gives."""
        self._reader = FeatureReader(index, layout, threads)
        self._raster: ExogenousReader | None = None
        self._cut_off: Counter[str] = Counter()
        self._files = ExitStack()

    @classmethod
    def open(cls, job: Job, index: TileIndex, dates: Sequence[date], layout: Layout) -> PixelReader:
        """Give the reader of a task: with external features where EXTERNAL is one of its inputs."""
        return cls(index, dates, layout, job.cpus, External.of(job))

    def __enter__(self) -> PixelReader:
        self._files.enter_context(self._reader)
        if self.external and self.external.record.exogenous:
            reader = ExogenousReader(self.external.record.exogenous, self.index.tile)
            self._raster = self._files.enter_context(reader)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()
        for name, count in sorted(self._cut_off.items()):
            log.warning(
                "external feature %s: %d values do not fit into int16 and were cut off: give it a "
                'smaller scale, external_features : { scale : { "%s" : ... } }',
                *(name, count, name),
            )

    @property
    def counted(self) -> Counted:
        """What was read and filled so far."""
        return self._reader.counted

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what `physical` gives: `Sentinel2_<band>_<YYYYMMDD>` date by date, statics."""
        return labels_of(self.axes)

    def block(self, ram: int, extra: int = 0) -> tuple[int, int]:
        """Choose the rows and columns of a block of pixels.

        Parameters
        ----------
        ram : int
            Memory of the task, in bytes.
        extra : int
            Bytes of a pixel that the caller holds beside what `read` gives.
        """
        dates = len(self.dates)
        if self.external is None:
            return blocks.block_shape(self.index, self.layout, dates, ram, extra)
        record = self.external.record
        stored = 2 * (dates * (len(self.axes.bands) + len(record.series)) + len(record.statics))
        extra += record.pixel_bytes + stored
        return blocks.block_shape(self.index, self.layout, dates, ram, extra, record.padding)

    def read(self, window: GeoBox, where: np.ndarray) -> Pixels:
        """Compute the features of n pixels of a window, in row-major order.

        Parameters
        ----------
        window : GeoBox
            Part of the tile's grid.
        where : ndarray of bool, (y, x)
            The n pixels.
        """
        count = int(where.sum())
        if not count:
            series = np.zeros((len(self.dates), len(self.axes.bands), 0), np.int16)
            return Pixels(np.zeros(0, bool), series, self._no_statics(0))
        found = self._computed(window, where)
        if self.external is None:
            return Pixels(self._seen(found), found.cube, self._no_statics(count))
        return self._stored(self.external.record, found)

    def physical(self, window: GeoBox, where: np.ndarray) -> np.ndarray:
        """Compute the features of n pixels of a window in physical units, in row-major order.

        The values of functions are given as they are, not rounded as they are stored.

        Parameters
        ----------
        window : GeoBox
            Part of the tile's grid.
        where : ndarray of bool, (y, x)
            The n pixels, at least one.

        Returns
        -------
        ndarray of float32, (feature, n)
            In the order of `labels`; NaN where there is no value, and all NaN where a pixel was
            never seen.
        """
        found = self._computed(window, where)
        own = found.cube[:, : len(self.layout.names)]
        series = _finite(found.series)
        np.copyto(series, np.nan, where=raw_dates.marked(own) & self.layout.raw)
        if self.external is None or self.external.record.concat:
            series = np.concatenate([_units(own, self.layout), series], axis=1)
        every = np.concatenate([series.reshape(-1, series.shape[2]), _finite(found.statics)])
        every[:, ~self._seen(found)] = np.nan
        return every

    def _computed(self, window: GeoBox, where: np.ndarray) -> Computed:
        """Read n pixels of a window, at least one, and call the functions on them."""
        if self.external is None:
            cube = self._reader.features(window, self.dates, where)[:, :, 0]
            none = np.zeros((len(self.dates), 0, cube.shape[2]), np.float32)
            return Computed(cube, none, none[0])
        return self.external.compute(self._reader, self._raster, window, self.dates, where)

    def _stored(self, record: Record, found: Computed) -> Pixels:
        """Put the external features behind the chain's own, with the marks of raw dates."""
        own = len(self.layout.names)
        for place, name in enumerate(record.series, own):
            found.cube[:, place] = self._as_stored(record, name, found.series[:, place - own])
        if self.layout.raw:
            marked = raw_dates.marked(found.cube)
            np.copyto(found.cube[:, own:], found.cube[:, :1], where=marked)
        statics = self._no_statics(found.cube.shape[2])
        for place, name in enumerate(record.statics):
            statics[place] = self._as_stored(record, name, found.statics[place])
        return Pixels(self._seen(found), found.cube[:, 0 if record.concat else own :], statics)

    def _as_stored(self, record: Record, name: str, values: np.ndarray) -> np.ndarray:
        """Store the values of an index or a label; what is cut off is counted."""
        stored, cut_off = store(values, record.scales[name])
        if cut_off:
            self._cut_off[name] += cut_off
        return stored

    def _seen(self, found: Computed) -> np.ndarray:
        return raw_dates.seen(found.cube[:, : len(self.layout.names)], self.layout)

    def _no_statics(self, count: int) -> np.ndarray:
        return np.zeros((len(self.axes.statics), count), np.int16)


def _finite(values: np.ndarray) -> np.ndarray:
    """Give float32 values with NaN for every value that is none."""
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _units(cube: np.ndarray, layout: Layout) -> np.ndarray:
    """Give stored features (date, band, n) in physical units, float32, NaN where marked."""
    values = cube / np.array(layout.scales, np.float32)[:, None]
    np.copyto(values, np.nan, where=raw_dates.marked(cube))
    return values
