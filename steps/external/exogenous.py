"""Rasters of the user's own (`exogeneous_data`), brought to a window of the lattice.

Every value depends on its own pixel alone: coordinates come from absolute lattice rows and
columns, transformed exactly, one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...errors import InputError
from ..kernels import exogenous as kernel
from ..tiles import grid
from .exogenous_files import path_of, problems, wrong_with
from .exogenous_sources import files_of, header, labels_of, open_raster, with_neighbours

__all__ = ["Exogenous", "ExogenousReader", "files_of", "header", "problems"]

PIECE = 2**22
"""Pixels of a band of the raster that are held at one time."""
PIXELS = 2**20
"""Pixels of the lattice whose coordinates are held at one time."""


@dataclass(frozen=True)
class Exogenous:
    """A raster of the user's on a window of the lattice."""

    values: np.ndarray
    """float32 (band, y, x), not a number where the raster has no value."""
    labels: tuple[str, ...]
    """Description of each band, `band_<k>` where it has none."""

    def taken(self, where: np.ndarray) -> Exogenous:
        """Give the n pixels of `where`, bool (y, x), in row-major order: values (band, 1, n)."""
        return Exogenous(self.values[:, None, where], self.labels)


class ExogenousReader:
    """Reads the raster of a tile; a context manager that holds the file open.

    Parameters
    ----------
    pattern : str
        Path of the raster; `$TILE` in it stands for the tile.
    tile : str
        Name of the tile, such as T31TCJ.

    Raises
    ------
    InputError
        On entering: any of `problems`.
    """

    def __init__(self, pattern: str, tile: str) -> None:
        self.path = path_of(pattern, tile)

    def __enter__(self) -> ExogenousReader:
        if wrong := wrong_with(self.path):
            raise InputError("; ".join(wrong))
        with with_neighbours():
            self._raster = open_raster(self.path)
            self._box = grid.geobox_of(self._raster)
            self.labels = labels_of(self._raster)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._raster.close()

    def read(self, window: GeoBox) -> Exogenous:
        """Bring the raster to a window of the lattice; one thread at a time.

        Bands as fine as the lattice or coarser are bilinear, finer ones means of what is not
        nodata. On the lattice's own grid pixels are copied.

        Raises
        ------
        InputError
            The file cannot be read.
        """
        values = np.full((len(self.labels), *window.shape), np.nan, np.float32)
        depth = max(1, PIXELS // max(window.width, 1))
        try:
            with with_neighbours():
                for top in range(0, window.height, depth):
                    rows = slice(top, min(top + depth, window.height))
                    part = grid.crop(window, rows, slice(0, window.width))
                    self._fill(*_corners(part, self._box), values[:, rows])
        except RasterioError as error:
            raise InputError(f"exogeneous_data: {self.path} cannot be read: {error}") from error
        return Exogenous(values, self.labels)

    def _fill(self, rows: np.ndarray, cols: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` (band, y, x), in halves where it needs too much of the raster at one time."""
        needed = _needed(rows, cols, self._box)
        if needed is None:
            return
        (row0, row1), (col0, col1) = needed
        ny, nx = out.shape[1:]
        if (row1 - row0) * (col1 - col0) > PIECE and max(ny, nx) > 1:
            for y, x in _halves(ny, nx):
                near, far = slice(y.start, y.stop + 1), slice(x.start, x.stop + 1)
                self._fill(rows[near, far], cols[near, far], out[:, y, x])
            return
        part = Window(col0, row0, col1 - col0, row1 - row0)
        for band in range(len(self.labels)):
            source = self._raster.read(band + 1, window=part, masked=True)
            numbers = np.ma.filled(source.astype(np.float64), np.nan)
            numbers[~np.isfinite(numbers)] = np.nan
            shape = (self._box.height, self._box.width)
            kernel.resample(numbers, rows, cols, shape, (row0, col0), out[band])


def _halves(ny: int, nx: int) -> list[tuple[slice, slice]]:
    """Cut rows or columns, whichever are more."""
    if ny >= nx:
        return [(slice(0, ny // 2), slice(0, nx)), (slice(ny // 2, ny), slice(0, nx))]
    return [(slice(0, ny), slice(0, nx // 2)), (slice(0, ny), slice(nx // 2, nx))]


def _corners(window: GeoBox, source: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Give rows and columns (ny + 1, nx + 1) of the corners of pixels in the source raster."""
    y, x = grid.edges(window)
    rows, cols = grid.source_coordinates(y, x, window.crs, source)
    if rows.ndim == 1:
        rows, cols = np.meshgrid(rows, cols, indexing="ij")
    return _rounded(rows), _rounded(cols)


def _rounded(coordinates: np.ndarray) -> np.ndarray:
    return np.rint(coordinates * kernel.STEP) / kernel.STEP


def _needed(
    rows: np.ndarray, cols: np.ndarray, source: GeoBox
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Give the rows and columns of the raster that hold what pixels with these corners need."""
    known = np.isfinite(rows) & np.isfinite(cols)
    if not known.any():
        return None
    ranges = []
    for places, size in ((rows[known], source.height), (cols[known], source.width)):
        first = max(int(np.floor(places.min())) - 1, 0)
        last = min(int(np.ceil(places.max())) + 1, size)
        ranges.append((first, last))
    if any(first >= last for first, last in ranges):
        return None
    return ranges[0], ranges[1]
