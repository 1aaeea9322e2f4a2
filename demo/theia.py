"""Products as Theia delivers them: one folder of bands and masks for each acquisition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray

from .acquisitions import Acquisition
from .clouds import Veil, draw_veil
from .layout import Tile
from .streams import generator

T = TypeVar("T", bound=np.generic)

NODATA = -10000
BANDS_10M = ("B2", "B3", "B4", "B8")
BANDS_20M = ("B5", "B6", "B7", "B8A", "B11", "B12")
_GRIDS = {10: ("R1", BANDS_10M), 20: ("R2", BANDS_20M)}

# Reflectance of a cloud in counts.
_CLOUD_COUNTS = {"B11": 4200.0, "B12": 3400.0}
_CLOUD_COUNTS_ELSE = 6200.0
_NOISE_RELATIVE, _NOISE_COUNTS = 0.03, 40.0
_SATURATED_SHARE = 0.0004  # of the 20 m pixels of a product
_LOWEST, _HIGHEST = 1.0, 20000.0


class Ground(Protocol):
    """What a tile shows where no cloud hides it."""

    noise: bool
    """Whether the sensor adds noise and saturates."""

    def counts(self, day: int, band: str, resolution: int) -> NDArray[np.float32]:
        """Give reflectance x 10000 on a day of the year at 10 or 20 m, (y, x)."""


@dataclass(frozen=True)
class Masks:
    """Masks of one product at one resolution, (y, x) each."""

    clm: NDArray[np.uint8]
    """Clouds and shadows, Theia's bits; 0 is clear."""
    edg: NDArray[np.uint8]
    """1 where nothing was seen."""
    sat: NDArray[np.uint8]
    """Bit k: band k of this resolution is saturated."""


@dataclass(frozen=True)
class Weather:
    """Clouds and masks of one product at one resolution, (y, x) each."""

    masks: Masks
    """The masks as delivered."""
    opacity: NDArray[np.float32]
    """Share of cloud in the pixel, 0-1."""
    shade: NDArray[np.float32]
    """Share of light that a shadow takes, 0-1."""


def write_product(
    folder: Path,
    tile: Tile,
    acquisition: Acquisition,
    ground: Ground,
    blind: NDArray[np.bool_],
    seed: int,
) -> Path:
    """Write one product.

    Parameters
    ----------
    folder
        Folder of the tile.
    tile
        The tile.
    acquisition
        What is seen, and when.
    ground
        What the tile shows.
    blind
        Part of the tile that no date sees, on the 20 m grid, (y, x).
    seed
        Seed of the landscape.

    Returns
    -------
    pathlib.Path
        The folder of the product.
    """
    home = folder / acquisition.product
    (home / "MASKS").mkdir(parents=True)
    weather = _weather(tile, acquisition, blind, seed)
    for resolution, (code, bands) in _GRIDS.items():
        _write_masks(home, tile, weather[resolution].masks, resolution, code)
        for k, band in enumerate(bands):
            rng = generator(seed, "noise", acquisition.product, band)
            clear = ground.counts(acquisition.day, band, resolution)
            counts = _veiled(clear, weather[resolution], band)
            if ground.noise:
                counts = _sensed(rng, counts, weather[resolution].masks.sat & (1 << k) != 0)
            path = home / f"{acquisition.product}_FRE_{band}.tif"
            _write(path, tile, resolution, _stored(counts, weather[resolution].masks.edg), NODATA)
    return home


def _weather(
    tile: Tile, acquisition: Acquisition, blind: NDArray[np.bool_], seed: int
) -> dict[int, Weather]:
    """Give clouds and masks by resolution; the edge is drawn at 20 m, clouds at 10 m."""
    side = tile.size // 2
    seen = acquisition.seen(side) & ~blind
    rng = generator(seed, "clouds", acquisition.product)
    veil = draw_veil(rng, acquisition.cloud, _doubled(seen))
    sat_10m, sat_20m = _saturation(generator(seed, "saturation", acquisition.product), seen)
    edg = np.uint8(1) - seen
    fine = Masks(veil.clm, _doubled(edg), _doubled(sat_10m))
    coarse = Masks(np.bitwise_or.reduce(_quarters(veil.clm)), edg, sat_20m)
    return {10: Weather(fine, veil.opacity, veil.shade), 20: _at_20m(coarse, veil)}


def _at_20m(masks: Masks, veil: Veil) -> Weather:
    opacity, shade = _quarters(veil.opacity), _quarters(veil.shade)
    return Weather(masks, opacity.mean(axis=0), shade.mean(axis=0))


def _doubled(array: NDArray[T]) -> NDArray[T]:
    """Repeat every 20 m pixel over its four 10 m pixels."""
    return array.repeat(2, axis=0).repeat(2, axis=1)


def _quarters(array: NDArray[T]) -> NDArray[T]:
    """Give the four 10 m pixels of every 20 m pixel, (4, y, x)."""
    return np.stack([array[i::2, j::2] for i in (0, 1) for j in (0, 1)])


def _saturation(
    rng: np.random.Generator, seen: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw saturated spots; give the SAT bits of the 10 m and of the 20 m bands, 20 m grid."""
    count = max(2, round(_SATURATED_SHARE * seen.size))
    i, j = rng.integers(len(seen), size=(2, count))
    fine, coarse = np.zeros(seen.shape, np.uint8), np.zeros(seen.shape, np.uint8)
    fine[i, j] = rng.integers(1, 2 ** len(BANDS_10M), count)
    coarse[i, j] = rng.integers(0, 2 ** len(BANDS_20M), count)
    return fine * seen, coarse * seen


def _veiled(clear: NDArray[np.float32], weather: Weather, band: str) -> NDArray[np.float32]:
    """Lay shadows, then clouds over the ground."""
    white = np.float32(_CLOUD_COUNTS.get(band, _CLOUD_COUNTS_ELSE))
    dark = clear * (1 - weather.shade)
    return dark + (white - dark) * weather.opacity


def _sensed(
    rng: np.random.Generator, counts: NDArray[np.float32], saturated: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Add the sensor's noise and its saturated pixels."""
    spread = np.float32(_NOISE_RELATIVE) * counts + np.float32(_NOISE_COUNTS)
    noisy = counts + spread * rng.standard_normal(counts.shape, np.float32)
    return np.where(saturated, np.float32(14000) + noisy, noisy)


def _stored(counts: NDArray[np.float32], edg: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Round to counts as stored, nodata beyond the edge."""
    whole = np.rint(np.clip(counts, _LOWEST, _HIGHEST)).astype(np.int16)
    return np.where(edg == 1, np.int16(NODATA), whole)


def _write_masks(home: Path, tile: Tile, masks: Masks, resolution: int, code: str) -> None:
    for name, array in (("CLM", masks.clm), ("EDG", masks.edg), ("SAT", masks.sat)):
        path = home / "MASKS" / f"{home.name}_{name}_{code}.tif"
        _write(path, tile, resolution, array, None)


def _write(
    path: Path,
    tile: Tile,
    resolution: int,
    array: NDArray[np.int16] | NDArray[np.uint8],
    nodata: int | None,
) -> None:
    height, width = array.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype=array.dtype,
        crs=f"EPSG:{tile.epsg}",
        transform=tile.transform(resolution),
        nodata=nodata,
        compress="deflate",
        predictor=2,
        zlevel=6,
    ) as target:
        target.write(array, 1)
