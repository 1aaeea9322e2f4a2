"""What landscape is asked for: its options, checked before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from ..errors import InputError
from .covers import COVERS, Cover, labels
from .fields import Mosaic
from .layout import MAX_COLUMNS, MAX_ROWS, MAX_ROWS_TWO_ZONES, Tile, bounds_in, overlap, tiles_of

_FIELD_PIXELS = (6.0, 16.0)  # least and largest mean width of a field
_FIELDS_A_CLASS = 16  # aimed at, before the width is bounded
_BESIDE = 6.0  # degrees beside its area of use where a CRS still serves: one UTM zone


@dataclass(frozen=True)
class Landscape:
    """What to write; checked at birth.

    Raises
    ------
    InputError
        When a value cannot be used; names the argument, the value and the way out.
    """

    tiles: tuple[int, int] = (2, 1)
    """Number of tiles from west to east and from north to south."""
    size: int = 256
    """Width and height of a tile, pixels of 10 m; even, 32 to 10980."""
    dates: int = 24
    """Products of a tile in the year, 4 to 120; tiles differ by one."""
    classes: int = 6
    """Number of land-cover classes, 2 to 12."""
    cloud: float = 0.35
    """Mean share of a product that clouds hide, 0 to 0.9; shadows come on top."""
    seed: int = 0
    """Seed of all draws, 0 to 2147483647."""
    proj: str = "EPSG:2154"
    """CRS of the ground and of the map: projected, in metres, ``EPSG:<number>``."""
    zones: int = 1
    """UTM zones that the tiles lie in, 1 or 2."""
    smooth: bool = False
    """Show `smooth_reflectance` in place of fields, without noise (for tests)."""
    string_labels: bool = False
    """Whether the ground truth holds class names in place of codes."""

    def __post_init__(self) -> None:
        columns, rows = self.tiles
        _within("tiles", "the number of columns", columns, 1, MAX_COLUMNS)
        _within("tiles", "the number of rows", rows, 1, MAX_ROWS)
        _within("size", "pixels", self.size, 32, 10980)
        _within("dates", "products a tile", self.dates, 4, 120)
        _within("classes", "classes", self.classes, 2, len(COVERS))
        _within("cloud", "a share", self.cloud, 0.0, 0.9)
        _within("seed", "a whole number", self.seed, 0, 2**31 - 1)
        _within("zones", "UTM zones", self.zones, 1, 2)
        if self.size % 2:
            raise InputError(
                f"size: {self.size} is odd, but pixels of 20 m must fit; use {self.size + 1}"
            )
        _check_zones(self)
        _check_proj(self)

    @property
    def layout(self) -> tuple[Tile, ...]:
        """The tiles, north to south, then west to east."""
        return tiles_of(*self.tiles, self.size, self.zones)

    @property
    def covers(self) -> tuple[Cover, ...]:
        """The classes, the largest first."""
        return COVERS[: self.classes]

    @property
    def labels(self) -> tuple[int, ...]:
        """Value of each class in the true map, in the order of `covers`."""
        return labels(self.covers, self.string_labels)

    @property
    def values(self) -> tuple[int, ...] | tuple[str, ...]:
        """What the ground truth holds for each class, in the order of `covers`."""
        if self.string_labels:
            return tuple(cover.name for cover in self.covers)
        return self.labels

    @property
    def mosaic(self) -> Mosaic:
        """The fields."""
        ground = np.prod(
            [(n - 1) * (self.size - overlap(self.size)) + self.size for n in self.tiles]
        )
        width = np.clip(np.sqrt(ground / (self.classes * _FIELDS_A_CLASS)), *_FIELD_PIXELS)
        bounds = bounds_in(self.layout, self.proj)
        return Mosaic(self.seed, float(width) * 10.0, self.classes, bounds)


def _within(name: str, what: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InputError(f"{name}: {value} is not possible, give {what} from {least} to {most}")


def _check_zones(landscape: Landscape) -> None:
    columns, rows = landscape.tiles
    if landscape.zones == 2 and columns < 2:
        raise InputError(
            f"zones: 2 needs two columns of tiles or more, got tiles {columns}x{rows}; "
            f"use tiles 2x{rows} or zones 1"
        )
    if landscape.zones == 2 and rows > MAX_ROWS_TWO_ZONES:
        raise InputError(
            f"zones: 2 with tiles {columns}x{rows} would leave a gap, because the grids of two "
            f"zones are turned against each other; use {MAX_ROWS_TWO_ZONES} rows or fewer"
        )


def _check_proj(landscape: Landscape) -> None:
    proj = landscape.proj
    try:
        crs = CRS(proj) if re.fullmatch(r"EPSG:\d+", proj) else None
    except CRSError:
        crs = None
    if crs is None:
        raise InputError(f"proj: {proj!r} is not a known CRS; give a code such as EPSG:2154")
    if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
        raise InputError(f"proj: {proj} ({crs.name}) is not in metres; use one such as EPSG:2154")
    if not _reaches(crs, landscape.layout):
        raise InputError(
            f"proj: {proj} ({crs.name}) is not made for the south of France, where the tiles lie; "
            "use one such as EPSG:2154 or EPSG:32631"
        )


def _reaches(crs: CRS, tiles: tuple[Tile, ...]) -> bool:
    """Say whether the tiles lie in a CRS' area of use, or some degrees beside it."""
    west, south, east, north = bounds_in(tiles, "EPSG:4326")
    area = crs.area_of_use
    if area is None:
        return bool(np.isfinite(bounds_in(tiles, crs.srs)).all())
    margin = _BESIDE
    return (
        area.west - margin < west
        and east < area.east + margin
        and area.south - margin < south
        and north < area.north + margin
    )
