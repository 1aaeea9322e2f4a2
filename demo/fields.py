"""The ground: one mosaic of irregular fields over the plane, the same for every tile.

Fields are the Voronoi cells of one point in each cell of a square lattice in `proj`.
The jitter is small enough that the nearest point always lies in the 3 x 3 lattice cells
around a place, so that a pixel's field is found without a search.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from .covers import shares
from .streams import Floats, uniform_at

_JITTER = 0.32  # of the lattice step, to each side
_BLOCK = 5  # classes are dealt out in blocks of 5 x 5 fields
_RING = 2  # lattice cells kept around the tiles


@dataclass(frozen=True)
class Nearest:
    """What of the mosaic one pixel sees; all arrays of the shape of the asked places."""

    field: NDArray[np.int32]
    """Index of the field that holds the place."""
    other: NDArray[np.int32]
    """Index of the field across the nearest border."""
    distance: NDArray[np.float32]
    """Distance to that border, metres."""


@dataclass(frozen=True)
class Mosaic:
    """Fields over a rectangle of `proj`; a field is an index into row-major lattice cells."""

    seed: int
    """Seed of the landscape."""
    step: float
    """Lattice step, metres: the mean width of a field."""
    classes: int
    """Number of classes."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top of the rectangle, metres."""

    @cached_property
    def origin(self) -> tuple[int, int]:
        """Lattice row and column of field 0; multiples of the block."""
        left, bottom = self.bounds[:2]
        row, column = (int(np.floor(v / self.step)) - _RING for v in (bottom, left))
        return row // _BLOCK * _BLOCK, column // _BLOCK * _BLOCK

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Lattice rows and columns held; multiples of the block."""
        right, top = self.bounds[2:]
        ends = (int(np.floor(v / self.step)) + _RING + 1 for v in (top, right))
        counts = [
            -(-(end - o) // _BLOCK) * _BLOCK for end, o in zip(ends, self.origin, strict=True)
        ]
        return counts[0], counts[1]

    @cached_property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lattice row and column of every field, (field,)."""
        i, j = np.indices(self.shape)
        return (i + self.origin[0]).ravel(), (j + self.origin[1]).ravel()

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """Point of every field, (field, 2), x before y, metres."""
        i, j = self.cells
        dx = (uniform_at(self.seed, "point-x", i, j) - 0.5) * 2 * _JITTER
        dy = (uniform_at(self.seed, "point-y", i, j) - 0.5) * 2 * _JITTER
        return np.stack([j + 0.5 + dx, i + 0.5 + dy], axis=-1) * self.step

    @cached_property
    def cover(self) -> NDArray[np.int32]:
        """Class of every field, (field,), 0 to classes - 1.

        Every block of fields holds the classes in their wanted shares, shuffled.
        """
        draw = uniform_at(self.seed, "cover", *self.cells).reshape(self.shape)
        rows, columns = (n // _BLOCK for n in self.shape)
        blocks = draw.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2)
        rank = blocks.reshape(rows, columns, -1).argsort(axis=-1).argsort(axis=-1)
        dealt = _deal(self.classes)[rank].reshape(rows, columns, _BLOCK, _BLOCK)
        return dealt.swapaxes(1, 2).ravel()

    def at(self, x: Floats, y: Floats) -> Nearest:
        """Find the field of places in `proj`.

        Parameters
        ----------
        x, y
            Coordinates inside the rectangle, metres, of one shape.
        """
        row = np.floor(y / self.step).astype(np.int64) - self.origin[0]
        column = np.floor(x / self.step).astype(np.int64) - self.origin[1]
        best, second = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
        field, other = np.zeros(x.shape, np.int32), np.zeros(x.shape, np.int32)
        for k in range(9):
            index = (row + k // 3 - 1) * self.shape[1] + column + k % 3 - 1
            square = (self.points[index, 0] - x) ** 2 + (self.points[index, 1] - y) ** 2
            nearer, next_ = square < best, square < second
            second = np.where(nearer, best, np.where(next_, square, second))
            other = np.where(nearer, field, np.where(next_, index, other)).astype(np.int32)
            best, field = np.where(nearer, square, best), np.where(nearer, index, field)
        apart = np.hypot(*(self.points[field] - self.points[other]).T).T
        distance = (second - best) / (2.0 * apart)
        return Nearest(field.astype(np.int32), other, distance.astype(np.float32))

    def polygons(self, shrink: float) -> NDArray[np.object_]:
        """Give the polygon of every field, each border moved inside.

        Parameters
        ----------
        shrink
            Distance between a field's border and its polygon, metres.

        Returns
        -------
        numpy.ndarray
            (field,) of shapely polygons in `proj`, empty where nothing is left.
        """
        cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(self.points)))
        field, cell = shapely.STRtree(cells).query(shapely.points(self.points), predicate="within")
        ordered = np.empty(len(self.points), object)
        ordered[field] = shapely.buffer(cells[cell], -shrink, join_style="mitre")
        return ordered


def _deal(classes: int) -> NDArray[np.int32]:
    """Give the classes of one block, in their wanted shares (largest remainders)."""
    wanted = shares(classes) * _BLOCK**2
    counts = np.floor(wanted).astype(np.int64)
    short = _BLOCK**2 - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:short]] += 1
    return np.repeat(np.arange(classes, dtype=np.int32), counts)
