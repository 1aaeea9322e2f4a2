"""What a sensor is: data about bands and masks, and the products found in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class Product:
    """One acquisition of one tile, complete: every band and mask file exists."""

    name: str
    """Name of the product's folder."""
    day: date
    """Day of acquisition."""
    bands: dict[str, Path]
    """Reflectance file of each band, in the sensor's band order."""
    masks: dict[str, Path]
    """Mask files; a pixel is flagged where any of them is not 0."""


@dataclass(frozen=True)
class Scan:
    """What lies in a tile's folder."""

    products: tuple[Product, ...] = ()
    """Complete products, sorted by day, then by name."""
    incomplete: tuple[str, ...] = ()
    """A sentence for each missing file of a product."""
    strays: tuple[str, ...] = ()
    """A sentence for each entry that is no product folder."""


@dataclass(frozen=True)
class Sensor:
    """A sensor: its bands and how its products are found."""

    name: str
    """Name in the labels of features, as in iota2."""
    bands: dict[str, float]
    """Native pixel size in metres of each band, in the order of features."""
    nodata: int
    """Value of a pixel that was not acquired."""
    scale: float
    """Stored value of reflectance 1."""
    roles: dict[str, str]
    """Band of each spectral role: red, nir, swir."""
    scan: Callable[[Path, str], Scan]
    """Find the products of a tile (its folder, its name)."""

    @property
    def finest(self) -> str:
        """First band of the finest resolution; its grid is the tile's native grid."""
        return min(self.bands, key=lambda band: self.bands[band])
