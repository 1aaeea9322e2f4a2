"""Rasters of parts of an area, read as one: window by window, some bands at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from ..files import open_files, rasters
from ..tiles import grid

RAM_SHARE = 8
"""The values of a window take at most this part of the task's ram; they are held twice."""
MOST_BYTES = 128 * 1024**2
"""And at most this many bytes."""


class Parts:
    """Reads disjoint rasters of one lattice as one; a context manager that holds files open.

    Parameters
    ----------
    parts : sequence of (GeoBox, Path)
        Rasters with the same bands; where one is `nodata`, another one may have the pixel.
    nodata : float
        Value of pixels that no part has.
    """

    def __init__(self, parts: Sequence[tuple[GeoBox, Path]], nodata: float) -> None:
        self._parts = tuple(parts)
        self._nodata = nodata
        self._files: dict[Path, rasterio.DatasetReader] = {}
        self._room = open_files.room()

    def __enter__(self) -> Parts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def read(self, window: GeoBox, bands: Sequence[int], dtype: str) -> np.ndarray:
        """Read bands of a window.

        Parameters
        ----------
        window : GeoBox
            On the lattice of the parts.
        bands : sequence of int
            Numbers of the bands, from 1.
        dtype : str
            Type of the parts, which `nodata` has too.

        Returns
        -------
        ndarray, (band, y, x)
        """
        cube = np.full((len(bands), *window.shape), self._nodata, dtype)
        for box, path in self._parts:
            if met := grid.shared(window, box):
                place, there = met
                values = self._open(path).read(list(bands), window=rasters.window_of(*there))
                np.copyto(cube[:, *place], values, where=self._given(values))
        return cube

    def _given(self, values: np.ndarray) -> np.ndarray:
        """Tell which values are none of `nodata`."""
        if np.isnan(self._nodata):
            return ~np.isnan(values)
        return np.asarray(values != values.dtype.type(self._nodata))

    def _open(self, path: Path) -> rasterio.DatasetReader:
        """Open a file, or give the open one; the one that was not used for longest is closed."""
        file = self._files.pop(path, None) or rasterio.open(path)
        self._files[path] = file
        if len(self._files) > self._room:
            self._files.pop(next(iter(self._files))).close()
        return file


def budget(ram: int) -> int:
    """Give the bytes that the values of a window may take, for a task with `ram` bytes."""
    return min(ram // RAM_SHARE, MOST_BYTES)


def walk(
    shape: tuple[int, int], groups: Sequence[Sequence[int]], pixel: int, side: int, most: int
) -> Iterator[tuple[slice, slice, Sequence[Sequence[int]]]]:
    """Walk over all bands of a grid in windows of whole storage blocks.

    Rows of blocks are taken in turn, each over as many columns as there is memory for: what
    is stored in whole rows is then decoded once.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the grid.
    groups : sequence of sequence of int
        Bands, in groups that are never cut.
    pixel : int
        Bytes of a value.
    side : int
        Rows and columns of a storage block.
    most : int
        Bytes that the values of a window may take; one block of one group is taken at least.

    Yields
    ------
    rows, columns : slice
    groups : sequence of sequence of int
        Those that fit, at least one.
    """
    deepest = max(len(group) for group in groups)
    block = deepest * side * side * pixel
    cols = side * max(min(most // block, -(-shape[1] // side)), 1)
    together = max(most // (deepest * side * min(cols, shape[1]) * pixel), 1)
    for row in range(0, shape[0], side):
        for col in range(0, shape[1], cols):
            for first in range(0, len(groups), together):
                yield (
                    slice(row, min(row + side, shape[0])),
                    slice(col, min(col + cols, shape[1])),
                    groups[first : first + together],
                )
