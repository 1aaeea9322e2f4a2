"""What the chain knows of a tile once its headers are read: grid, native grids, products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import rasterio
from odc.geo.geobox import GeoBox
from pydantic import AfterValidator, BeforeValidator, Field
from rasterio.errors import RasterioIOError

from ...errors import InputError
from ..contract import Settings
from ..files import store
from ..sensors.base import Product, Sensor
from . import grid


def _names(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


def _distinct(tiles: tuple[str, ...]) -> tuple[str, ...]:
    if not tiles:
        raise ValueError("names no tile")
    if twice := sorted({tile for tile in tiles if tiles.count(tile) > 1}):
        raise ValueError(f"names {', '.join(twice)} twice: name each tile once")
    return tiles


class TileSettings(Settings):
    """The key that names the tiles."""

    list_tile: Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(_distinct)] = (
        Field(description="Tiles to map, such as `T31TCJ T31TDJ`: folders of s2_path.")
    )


@dataclass(frozen=True)
class TileIndex:
    """Grid and products of one tile; the record that every pixel step starts from."""

    tile: str
    """Name, such as T31TCJ."""
    grid: GeoBox
    """Grid on the lattice."""
    native: dict[str, GeoBox]
    """Native grid of each band, and of the masks under the key "mask"."""
    source_block: tuple[int, int]
    """Rows and columns of the storage blocks of the finest band's files."""
    products: tuple[Product, ...]
    """Products, sorted by day, then by name."""

    def save(self, path: Path) -> None:
        """Publish the record as JSON."""
        store.write_json(
            path,
            {
                "tile": self.tile,
                "grid": grid.to_record(self.grid),
                "native": {band: grid.to_record(box) for band, box in self.native.items()},
                "source_block": list(self.source_block),
                "products": [_product_record(product) for product in self.products],
            },
        )

    @classmethod
    def load(cls, path: Path) -> TileIndex:
        """Read the record from JSON."""
        data = store.read_json(path)
        rows, cols = data["source_block"]
        return cls(
            tile=data["tile"],
            grid=grid.from_record(data["grid"]),
            native={band: grid.from_record(box) for band, box in data["native"].items()},
            source_block=(rows, cols),
            products=tuple(_product_from(record) for record in data["products"]),
        )


def _product_record(product: Product) -> dict[str, Any]:
    return {
        "name": product.name,
        "day": product.day.isoformat(),
        "bands": {band: str(path) for band, path in product.bands.items()},
        "masks": {mask: str(path) for mask, path in product.masks.items()},
    }


def _product_from(record: dict[str, Any]) -> Product:
    return Product(
        name=record["name"],
        day=date.fromisoformat(record["day"]),
        bands={band: Path(path) for band, path in record["bands"].items()},
        masks={mask: Path(path) for mask, path in record["masks"].items()},
    )


def native_grids(product: Product, sensor: Sensor) -> dict[str, GeoBox]:
    """Read the native grid of each band and of the masks of one product.

    Raises
    ------
    InputError
        A file does not open, or the masks have different grids.
    """
    grids = {band: header(product.bands[band]).grid for band in sensor.bands}
    masks = [header(path).grid for path in product.masks.values()]
    if any(mask != masks[0] for mask in masks):
        raise InputError(f"{product.name}: its masks have different grids")
    return {**grids, "mask": masks[0]}


@dataclass(frozen=True)
class Header:
    """What the header of a raster says."""

    grid: GeoBox
    block: tuple[int, int]
    """Rows and columns of a storage block."""
    dtype: str


def header(path: Path) -> Header:
    """Read the header of a raster; InputError when it does not open."""
    try:
        with rasterio.open(path) as raster:
            gbox = grid.geobox_of(raster)
            rows, cols = raster.block_shapes[0]
            return Header(gbox, (rows, cols), raster.dtypes[0])
    except RasterioIOError as error:
        raise InputError(f"{path} does not open as a raster: {error}") from error


def index_tile(folder: Path, tile: str, sensor: Sensor, lattice: grid.LatticeSettings) -> TileIndex:
    """Read folder names and headers of a tile, no pixels.

    Raises
    ------
    InputError
        No folder, no complete product, a missing file, a product on another grid, or an
        output resolution finer than the native one.
    """
    if not folder.is_dir():
        raise InputError(f"tile {tile}: there is no folder {folder}")
    scan = sensor.scan(folder, tile)
    if scan.incomplete:
        raise InputError(f"tile {tile}: " + "; ".join(scan.incomplete))
    if not scan.products:
        raise InputError(f"tile {tile}: no product in {folder}")
    first = scan.products[0]
    native = native_grids(first, sensor)
    finest = native[sensor.finest]
    refuse_finer(lattice, finest)
    return TileIndex(
        tile=tile,
        grid=grid.lattice_geobox(finest, lattice.proj, lattice.resolution),
        native=native,
        source_block=header(first.bands[sensor.finest]).block,
        products=scan.products,
    )


def refuse_finer(lattice: grid.LatticeSettings, native: GeoBox) -> None:
    """Refuse an output resolution finer than the native one."""
    if lattice.resolution is None:
        return
    size = min(lattice.resolution)
    if size < native.resolution.x * (1 - grid.SNAP):
        raise InputError(
            f"spatial_resolution {size:g} m is finer than the native {native.resolution.x:g} m: "
            "i2lc does not invent detail; give the native resolution or a coarser one"
        )


def other_grids(index: TileIndex, sensor: Sensor) -> Iterable[str]:
    """Yield a sentence for each product whose grids are not those of the first product."""
    for product in index.products[1:]:
        for band, gbox in native_grids(product, sensor).items():
            if gbox != index.native[band]:
                yield f"{product.name}: the grid of {band} is not that of the tile's first product"
