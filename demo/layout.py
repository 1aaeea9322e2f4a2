"""Where the tiles lie: names of the MGRS grid, UTM zones, origins and overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from .streams import Floats

_COLUMN_LETTERS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")  # by zone modulo 3
_ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
_LAST_COLUMN_OF_30 = "Y"
_SOUTHERNMOST_ROW_OF_31 = "J"
_ANCHOR_31 = (399_960, 4_900_020)  # upper left corner of the true T31TDJ
_SEAM = (0.0, 43.5)  # longitude and latitude where the two zones meet

MAX_COLUMNS = 6
MAX_ROWS = 8
MAX_ROWS_TWO_ZONES = 2


@dataclass(frozen=True)
class Tile:
    """One image grid cell."""

    name: str
    """MGRS name with the leading T, such as ``T31TCJ``."""
    epsg: int
    """EPSG code of its UTM zone."""
    left: int
    """Easting of the left border, metres."""
    top: int
    """Northing of the upper border, metres."""
    size: int
    """Width and height in pixels of 10 m."""

    def shape(self, resolution: int) -> tuple[int, int]:
        """Give (height, width) at a resolution in metres."""
        side = self.size * 10 // resolution
        return side, side

    def transform(self, resolution: int) -> Affine:
        """Give the affine transform of the grid at a resolution in metres."""
        return Affine(resolution, 0.0, self.left, 0.0, -resolution, self.top)

    def centres(self, resolution: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give x (width,) and y (height,) of the pixel centres in the tile's CRS, metres."""
        steps = (np.arange(self.shape(resolution)[0], dtype=np.float64) + 0.5) * resolution
        return self.left + steps, self.top - steps

    def depth(self, x: Floats, y: Floats) -> Floats:
        """Give how far places of the tile's CRS lie inside its border, metres; < 0 outside."""
        side = self.size * 10
        dx = np.minimum(x - self.left, self.left + side - x)
        return np.minimum(dx, np.minimum(self.top - y, y - self.top + side))


@cache
def transformer(source: str, target: str) -> Transformer:
    """Give the transformer between two CRS, x before y."""
    return Transformer.from_crs(CRS(source), CRS(target), always_xy=True)


def overlap(size: int) -> int:
    """Give the width of the overlap of neighbours in pixels of 10 m: even, about a tenth."""
    return 2 * -(-size // 20)


def tiles_of(columns: int, rows: int, size: int, zones: int) -> tuple[Tile, ...]:
    """Lay out the tiles, north to south, then west to east.

    Parameters
    ----------
    columns, rows
        Number of tiles from west to east and from north to south.
    size
        Width and height of a tile in pixels of 10 m.
    zones
        1: all tiles in UTM zone 31; 2: the western half in zone 30.
    """
    if zones == 1:
        grid = _block(31, "C", columns, rows, size, _corner_one_zone(rows, size))
    else:
        grid = _two_zones(columns, rows, size)
    return tuple(tile for _, tile in sorted(grid, key=lambda placed: placed[0]))


_Placed = list[tuple[tuple[int, int], Tile]]


def _corner_one_zone(rows: int, size: int) -> tuple[int, int]:
    """Put the column D and the row J where the true T31TDJ begins."""
    step = (size - overlap(size)) * 10
    return _ANCHOR_31[0] - step, _ANCHOR_31[1] + (rows - 1) * step


def _two_zones(columns: int, rows: int, size: int) -> _Placed:
    west = columns - columns // 2
    step, lap = (size - overlap(size)) * 10, overlap(size) * 10
    height = (rows - 1) * step + size * 10
    corners = []
    for zone, shift in ((30, lap / 2 - size * 10 - (west - 1) * step), (31, -lap / 2)):
        x, y = transformer("EPSG:4326", f"EPSG:326{zone}").transform(*_SEAM)
        corners.append((_on_20m(x + shift), _on_20m(y + height / 2)))
    first = chr(ord(_LAST_COLUMN_OF_30) - west + 1)
    east = _block(31, "B", columns - west, rows, size, corners[1])
    return _block(30, first, west, rows, size, corners[0]) + [
        ((row, column + west), tile) for (row, column), tile in east
    ]


def _on_20m(value: float) -> int:
    return round(value / 20.0) * 20


def _block(
    zone: int, letter: str, columns: int, rows: int, size: int, corner: tuple[int, int]
) -> _Placed:
    """Place a rectangle of tiles of one zone; `letter` names the westernmost column."""
    step = (size - overlap(size)) * 10
    first = _COLUMN_LETTERS[zone % 3].index(letter)
    return [
        (
            (row, column),
            Tile(
                name=f"T{zone}T{_COLUMN_LETTERS[zone % 3][first + column]}"
                f"{_row_letter(zone, rows - 1 - row)}",
                epsg=32600 + zone,
                left=corner[0] + column * step,
                top=corner[1] - row * step,
                size=size,
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]


def _row_letter(zone: int, north: int) -> str:
    """Give the row letter `north` rows above the southernmost; even zones are 5 ahead."""
    base = _ROW_LETTERS.index(_SOUTHERNMOST_ROW_OF_31) + (5 if zone % 2 == 0 else 0)
    return _ROW_LETTERS[(base + north) % len(_ROW_LETTERS)]


def centres_in(
    tile: Tile, resolution: int, crs: str, rows: slice = slice(None)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the pixel centres of a tile in another CRS.

    Parameters
    ----------
    tile
        The tile.
    resolution
        10 or 20 m.
    crs
        Target CRS, such as ``"EPSG:2154"``.
    rows
        Rows asked for.

    Returns
    -------
    tuple of numpy.ndarray
        x and y, (height, width), float64, metres.
    """
    x, y = tile.centres(resolution)
    grid_x, grid_y = np.meshgrid(x, y[rows])
    return transformer(f"EPSG:{tile.epsg}", crs).transform(grid_x, grid_y)


def bounds_in(tiles: tuple[Tile, ...], crs: str) -> tuple[float, float, float, float]:
    """Give left, bottom, right, top of all tiles in a CRS; infinite where it does not reach."""
    boxes = [
        transformer(f"EPSG:{t.epsg}", crs).transform_bounds(
            t.left, t.top - t.size * 10, t.left + t.size * 10, t.top, densify_pts=21
        )
        for t in tiles
    ]
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left), min(bottom), max(right), max(top)


def covered(tiles: tuple[Tile, ...], x: Floats, y: Floats, crs: str) -> NDArray[np.bool_]:
    """Say for places of `crs` whether any tile covers them."""
    inside = np.zeros(np.shape(x), np.bool_)
    for tile in tiles:
        inside |= tile.depth(*transformer(crs, f"EPSG:{tile.epsg}").transform(x, y)) > 0
    return inside
