"""What a tile shows of the landscape at its own pixel centres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .covers import BANDS
from .fields import Mosaic
from .layout import Tile, centres_in
from .seasons import Look, Seasons
from .smooth import smooth_reflectance
from .streams import texture_at

_TEXTURE = 30.0  # distance over which pixels of a field differ, metres
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Sight:
    """How the pixels of one grid see the mosaic; all (y, x)."""

    field: NDArray[np.int32]
    """Index of the field."""
    other: NDArray[np.int32]
    """Index of the field across the nearest border."""
    own: NDArray[np.float32]
    """Share of the pixel that lies in its field, 0.5-1."""
    delay: NDArray[np.float32]
    """Calendar of the pixel within its field, deviations."""
    vigour: NDArray[np.float32]
    """Vigour of the pixel within its field, deviations."""


def sight_of(tile: Tile, resolution: int, mosaic: Mosaic, proj: str) -> Sight:
    """Give the sight of a tile's grid, some rows at a time.

    Parameters
    ----------
    tile
        The tile.
    resolution
        10 or 20 m.
    mosaic
        The fields.
    proj
        CRS of the mosaic.
    """
    height = tile.shape(resolution)[0]
    parts = [
        _sight_of_rows(tile, resolution, mosaic, proj, slice(start, start + _ROWS_AT_ONCE))
        for start in range(0, height, _ROWS_AT_ONCE)
    ]
    names = ("field", "other", "own", "delay", "vigour")
    return Sight(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _sight_of_rows(tile: Tile, resolution: int, mosaic: Mosaic, proj: str, rows: slice) -> Sight:
    x, y = centres_in(tile, resolution, proj, rows)
    nearest = mosaic.at(x, y)
    return Sight(
        field=nearest.field,
        other=nearest.other,
        own=np.minimum(0.5 + nearest.distance / np.float32(resolution), 1).astype(np.float32),
        delay=texture_at(mosaic.seed, "delay", x, y, _TEXTURE),
        vigour=texture_at(mosaic.seed, "vigour", x, y, _TEXTURE),
    )


class FieldGround:
    """Fields with their seasons.

    Parameters
    ----------
    tile
        The tile.
    seasons
        The seasons of all fields.
    proj
        CRS of the mosaic.
    """

    noise = True

    def __init__(self, tile: Tile, seasons: Seasons, proj: str) -> None:
        self._sights = {r: sight_of(tile, r, seasons.mosaic, proj) for r in (10, 20)}
        self._look = lru_cache(maxsize=1)(seasons.on)

    def counts(self, day: int, band: str, resolution: int) -> NDArray[np.float32]:
        """Give reflectance x 10000 without noise, (y, x)."""
        return _seen(self._look(day), self._sights[resolution], BANDS.index(band))


def _seen(look: Look, sight: Sight, k: int) -> NDArray[np.float32]:
    """Mix the two fields of a border pixel, then bend the result to the pixel's own ways."""
    mean = look.mean[k]
    mixed = mean[sight.other] + (mean[sight.field] - mean[sight.other]) * sight.own
    bent = look.per_delay[k][sight.field] * sight.delay
    bent += look.per_vigour[k][sight.field] * sight.vigour
    return np.maximum(mixed + bent, np.float32(0.3) * mixed)


class SmoothGround:
    """A ground that is a known smooth function of place and time.

    Parameters
    ----------
    tile
        The tile.
    proj
        CRS of the function.
    """

    noise = False

    def __init__(self, tile: Tile, proj: str) -> None:
        self._places = {r: centres_in(tile, r, proj) for r in (10, 20)}

    def counts(self, day: int, band: str, resolution: int) -> NDArray[np.float32]:
        """Give `smooth_reflectance` at the pixel centres, (y, x)."""
        return smooth_reflectance(*self._places[resolution], day, band).astype(np.float32)
