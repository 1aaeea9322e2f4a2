"""The heart of i2lc: the features of a window of a tile, from files to (date, band, y, x).

Read, mask, resample, merge products of one day, gap-fill, indices: samples and maps both
come through here, so that training and inference cannot drift apart. Nothing the size of
a tile is held; every value depends on its own pixel alone, never on the window's cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from types import TracebackType

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...errors import InputError
from ..files import open_files
from ..kernels import gapfill, indices
from ..sensors.base import Product
from ..tiles import grid
from ..tiles.layout import NOT_ACQUIRED, ROLES, Layout
from ..tiles.tile import TileIndex
from . import raw_dates, warp
from .observed import Observed


@dataclass
class Counted:
    """What a reader has done so far: the cost that the number of seeds and folds must not raise."""

    read: int = 0
    """Bytes of pixels taken from files, as they are decoded."""
    filled: int = 0
    """Pixels gap-filled."""

    def __str__(self) -> str:
        return f"{self.read} bytes of pixels read, {self.filled} pixels gap-filled"


class FeatureReader:
    """Computes features of windows of one tile; a context manager that holds files open.

    Parameters
    ----------
    index : TileIndex
        The tile.
    layout : Layout
        Bands and indices.
    threads : int
        Products read at one time. Never changes a value.
    """

    def __init__(self, index: TileIndex, layout: Layout, threads: int = 1) -> None:
        self.index = index
        self.layout = layout
        self.threads = max(threads, 1)
        self._pool = ThreadPoolExecutor(self.threads)
        self._files: dict[Path, rasterio.DatasetReader] = {}
        self._room = open_files.room()
        self._lock = Lock()
        self.counted = Counted()

    def __enter__(self) -> FeatureReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        for file in self._files.values():
            file.close()
        self._files.clear()

    def views(self, window: GeoBox) -> np.ndarray:
        """Count the days with a valid observation.

        Returns
        -------
        ndarray of uint16, (y, x)
        """
        _, valid, _ = self.observe(window)
        return valid.sum(axis=0, dtype=np.uint16)

    def features(
        self, window: GeoBox, targets: Sequence[date], where: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the features of a window.

        Parameters
        ----------
        window : GeoBox
            Part of the tile's grid.
        targets : sequence of date
            Dates of the features, increasing.
        where : ndarray of bool, (y, x), optional
            Compute these n pixels alone, in row-major order.

        Returns
        -------
        ndarray of int16, (date, band, y, x), or (date, band, 1, n) with `where`
            Interpolated: -10000 in a pixel without any valid observation. Raw: the observation
            of the day, -10000 where it is not valid, -20000 on days without a product.
        """
        return self.read(window, targets, where)[0]

    def read(
        self,
        window: GeoBox,
        targets: Sequence[date],
        where: np.ndarray | None = None,
        spare: int = 0,
    ) -> tuple[np.ndarray, Observed]:
        """Compute the features of a window, and give what they were made of.

        Parameters
        ----------
        window, targets, where
            As in `features`.
        spare : int
            Bands behind those of the layout, left for the caller to fill.

        Returns
        -------
        cube : ndarray of int16, (date, band, y, x), or (date, band, 1, n) with `where`
            The features, as `features` gives them, and the spare bands, not filled.
        observed : Observed
            Of the same pixels; with raw dates, of these dates alone.
        """
        used = self.index.products
        if self.layout.raw:
            used = tuple(product for product in used if product.day in targets)
        observed = Observed(*self.observe(window, used))
        if where is not None:
            observed = observed.taken(where)
        goals = np.array([day.toordinal() for day in targets], np.int64)
        shape = (len(goals), len(self.layout.names) + spare, *observed.values.shape[2:])
        cube = np.empty(shape, np.int16)
        fill = self._mark if self.layout.raw else self._interpolate
        fill(observed.values, observed.valid, observed.days, goals, cube)
        return cube, observed

    def _interpolate(
        self,
        values: np.ndarray,
        valid: np.ndarray,
        days: np.ndarray,
        goals: np.ndarray,
        cube: np.ndarray,
    ) -> None:
        """Fill `cube` (date, band, y, x) with the gap-filled series and its indices."""
        self.counted.filled += values.shape[2] * values.shape[3]
        list(
            self._pool.map(
                lambda rows: gapfill.linear(
                    values, valid, days, goals, cube, self.layout.sensor.nodata, rows
                ),
                grid.strips(values.shape[2], self.threads),
            )
        )
        spans = grid.strips(len(goals), self.threads)
        list(self._pool.map(lambda span: self._add_indices(cube[slice(*span)]), spans))

    def _mark(
        self,
        values: np.ndarray,
        valid: np.ndarray,
        days: np.ndarray,
        goals: np.ndarray,
        cube: np.ndarray,
    ) -> None:
        """Fill `cube` (date, band, y, x) with the observations, marks and indices of each day."""
        bands = len(self.layout.bands)
        place = {day: number for number, day in enumerate(days.tolist())}

        def one(number: int) -> None:
            if (day := place.get(int(goals[number]))) is None:
                cube[number] = NOT_ACQUIRED
                return
            raw_dates.put(values[day], valid[day], cube[number, :bands])
            self._add_indices(cube[number : number + 1])  # they take over the mark of their bands

        list(self._pool.map(one, range(len(goals))))

    def _add_indices(self, cube: np.ndarray) -> None:
        place = {name: number for number, name in enumerate(self.layout.names)}
        roles = self.layout.sensor.roles
        for index in self.layout.indices:
            if index in ROLES:
                a, b = (place[roles[role]] for role in ROLES[index])
                indices.normalized_difference(cube, a, b, place[index])
            else:
                kept = [place[band] for band in self.layout.bands]
                indices.brightness(cube, kept, place[index])

    def observe(
        self, window: GeoBox, products: Sequence[Product] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read products on a window, products of one day merged.

        Parameters
        ----------
        window : GeoBox
            Part of the tile's grid.
        products : sequence of Product, optional
            Some of the tile's, in its order; all by default.

        Returns
        -------
        values : ndarray of int16, (date, band, y, x)
            Observations on the lattice.
        valid : ndarray of bool, (date, y, x)
            True where the masks are 0 and no band is nodata.
        days : ndarray of int64, (date,)
            Proleptic ordinals, strictly increasing.
        """
        products = self.index.products if products is None else products
        routes = self._routes(window)
        bands = len(self.layout.bands)
        values = np.empty((len(products), bands, window.height, window.width), np.int16)
        valid = np.empty((len(products), window.height, window.width), np.bool_)
        list(
            self._pool.map(
                lambda number: self._read(products[number], routes, values[number], valid[number]),
                range(len(products)),
            )
        )
        days = np.array([product.day.toordinal() for product in products], np.int64)
        return gapfill.merge_days(values, valid, days)

    def _routes(self, window: GeoBox) -> dict[str, warp.Route]:
        """Plan the way of each band and the masks; bands on one native grid share theirs."""
        native = {name: self.index.native[name] for name in ("mask", *self.layout.bands)}
        planned = warp.routes(window, native.values())
        return {name: planned[source] for name, source in native.items()}

    def _read(
        self,
        product: Product,
        routes: dict[str, warp.Route],
        values: np.ndarray,
        valid: np.ndarray,
    ) -> None:
        """Fill `values` (band, y, x) and `valid` (y, x) of one product."""
        nodata = self.layout.sensor.nodata
        masks = [self._pixels(path, "mask", routes) for path in product.masks.values()]
        flags = np.bitwise_or.reduce(masks)  # a pixel is flagged where any mask flags it
        np.logical_not(routes["mask"].way.flagged(flags), out=valid)
        if not valid.any():  # what is masked everywhere is never looked at
            values[...] = nodata
            return
        for number, band in enumerate(self.layout.bands):
            source = self._pixels(product.bands[band], band, routes)
            routes[band].way.band(source, nodata, values[number])
            valid &= values[number] != nodata

    def _pixels(self, path: Path, name: str, routes: dict[str, warp.Route]) -> np.ndarray:
        """Read the part of a file that a route needs."""
        rows, cols = routes[name].window
        size = (rows.stop - rows.start, cols.stop - cols.start)
        dtype = np.uint8 if name == "mask" else np.int16
        if 0 in size:
            return np.zeros(size, dtype)
        try:
            raster = self._open(path, name)
            window = Window(cols.start, rows.start, size[1], size[0])
            with self._lock:
                self.counted.read += size[0] * size[1] * np.dtype(dtype).itemsize
            return raster.read(1, window=window).astype(dtype, copy=False)
        except RasterioError as error:
            raise InputError(f"{path} cannot be read: {error.__cause__ or error}") from error
        finally:
            if len(self._files) > self._room and path in self._files:
                self._files.pop(path).close()

    def _open(self, path: Path, name: str) -> rasterio.DatasetReader:
        if path not in self._files:
            raster = rasterio.open(path)
            gbox = grid.geobox_of(raster)
            if gbox != self.index.native[name]:
                raise InputError(f"{path} has another grid than when the tile was indexed")
            self._files[path] = raster
        return self._files[path]
