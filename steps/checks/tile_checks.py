"""What can be wrong with the tiles: folders, files, headers, grids, dates.

Folder names are read, and of each raster the header and one pixel.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import rasterio
from odc.geo.geobox import GeoBox
from pydantic import Field
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from ...errors import InputError
from ..sensors.base import Product, Scan
from ..sensors.sentinel2 import SENTINEL2
from ..shapes import geometry
from ..tiles import grid, layout
from ..tiles.tile import Header, TileSettings, refuse_finer
from .input_report import Report

BAND_TYPE = "int16"
MASK_TYPE = "uint8"
MASK = "mask"
"""Key of the one grid that all masks of a tile share."""

Probe = Header | str
"""What a raster's header says, or a sentence that says why the file cannot be used."""


class Settings(layout.FeatureSettings, TileSettings):
    """Keys that the checks of the tiles use."""

    minimum_required_dates: int = Field(
        2, ge=1, description="Days with a product that each tile needs at least."
    )


@dataclass(frozen=True)
class Tile:
    """A tile of the run, as far as its files tell."""

    name: str
    scan: Scan
    probes: Mapping[Path, Probe] = field(default_factory=dict)
    """What each band and mask file of the complete products says."""

    @property
    def native(self) -> GeoBox | None:
        """Grid of the finest band, None where no file tells it."""
        known = _first_grids(self).get(SENTINEL2.finest)
        return known[1] if known else None


def folders(settings: Settings) -> list[str]:
    """Give the tiles of the run that have a folder."""
    return [name for name in settings.list_tile if (settings.s2_path / name).is_dir()]


def scan_of(folder: Path, name: str) -> Scan:
    """Find the products of a tile; a folder that cannot be listed is a stray."""
    try:
        return SENTINEL2.scan(folder, name)
    except OSError as error:
        return Scan(strays=(f"{folder} cannot be listed: {error.strerror}",))


def files_of(product: Product) -> dict[str, Path]:
    """Give the files of a product, by band and mask."""
    return {**product.bands, **product.masks}


def files(settings: Settings) -> Iterator[Path]:
    """Yield the band and mask files of the tiles, those that exist."""
    for name in folders(settings):
        for product in scan_of(settings.s2_path / name, name).products:
            yield from files_of(product).values()


def problems(settings: Settings, cpus: int) -> tuple[dict[str, GeoBox], Report]:
    """Find all that is wrong with the tiles, by `cpus` threads.

    Returns
    -------
    grids : dict of tile to GeoBox
        Of the tiles that can be placed.
    report : Report
    """
    tiles = look_at(settings, cpus)
    report = Report(errors=tuple(list_problems(settings)))
    for tile in tiles:
        report += report_of(tile, settings)
    grids, refused = place(tiles, settings)
    return grids, report + Report(errors=(*refused, *date_problems(tiles, settings)))


def look_at(settings: Settings, cpus: int) -> list[Tile]:
    """Scan the folders, then read the headers of all files of all tiles."""
    tiles = [Tile(name, scan_of(settings.s2_path / name, name)) for name in folders(settings)]
    paths = [
        [path for product in tile.scan.products for path in files_of(product).values()]
        for tile in tiles
    ]
    with warnings.catch_warnings(), ThreadPoolExecutor(max(1, cpus)) as pool:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # told as "no CRS"
        found = [dict(zip(some, pool.map(probe, some), strict=True)) for some in paths]
    return [Tile(tile.name, tile.scan, own) for tile, own in zip(tiles, found, strict=True)]


def probe(path: Path) -> Probe:
    """Read the header of a raster and its last pixel; both are beyond a truncated file."""
    try:
        with rasterio.open(path) as raster:
            gbox = grid.geobox_of(raster)
            header = Header(gbox, raster.block_shapes[0], raster.dtypes[0])
            return _damage(path, raster) or header
    except Exception as error:  # any failure to open is the answer
        return f"{path} does not open as a raster ({error})"


def _damage(path: Path, raster: rasterio.DatasetReader) -> str | None:
    """Say what of a raster's pixels is lost, None where nothing is."""
    size, stated = path.stat().st_size, _end_of_blocks(raster)
    if size < stated:
        return f"{path} is truncated: it has {size} of {stated} bytes"
    try:
        raster.read(1, window=Window(raster.width - 1, raster.height - 1, 1, 1))
    except Exception:  # any failure to read is the answer
        return f"{path} is damaged: its last pixel cannot be read"
    return None


def _end_of_blocks(raster: rasterio.DatasetReader) -> int:
    """Give the byte behind the last block of a GeoTIFF, 0 for another format.

    The last block of the file need not be that of the last pixel: a writer may store blocks
    in any order, and GDAL does.
    """
    rows, cols = raster.block_shapes[0]
    places = itertools.product(range(ceil(raster.width / cols)), range(ceil(raster.height / rows)))
    ends = (
        int(raster.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1) or 0)
        + int(raster.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1) or 0)
        for col, row in places
    )
    return max(ends, default=0)


def list_problems(settings: Settings) -> Iterator[str]:
    """Tell which of the folders that list_tile names are missing."""
    if not settings.s2_path.is_dir():
        yield f"there is no folder {settings.s2_path} (s2_path)"
        return
    known = set(folders(settings))
    if missing := [name for name in settings.list_tile if name not in known]:
        there = sorted(entry.name for entry in settings.s2_path.iterdir() if entry.is_dir())
        text = geometry.naming(there) or "no folder"
        for name in missing:
            yield f"tile {name}: there is no folder {settings.s2_path / name}; s2_path has {text}"


def report_of(tile: Tile, settings: Settings) -> Report:
    """Tell all that is wrong with the products of a tile, and count them."""
    scan = tile.scan
    days = sorted({product.day for product in scan.products})
    errors = [*scan.strays, *scan.incomplete]
    if len(days) < settings.minimum_required_dates:
        word = "date" if len(days) == 1 else "dates"
        errors.append(
            f"its complete products have {len(days)} {word}, "
            f"minimum_required_dates is {settings.minimum_required_dates}"
        )
    first = _first_grids(tile)
    for product in scan.products:
        errors += _product_problems(product, tile.probes, first)
    span = f", {days[0]} to {days[-1]}" if days else ""
    count = f"tile {tile.name}: products {len(scan.products)}, dates {len(days)}{span}"
    return Report(tuple(f"tile {tile.name}: {error}" for error in errors), counts=(count,))


def _first_grids(tile: Tile) -> dict[str, tuple[str, GeoBox]]:
    """Give the first known grid of each band and of the masks, with the product's name."""
    first: dict[str, tuple[str, GeoBox]] = {}
    for product in tile.scan.products:
        for key, header in _headers(product, tile.probes).items():
            if header.grid.crs is not None:
                first.setdefault(_grid_key(product, key), (product.name, header.grid))
    return first


def _grid_key(product: Product, key: str) -> str:
    return key if key in product.bands else MASK


def _headers(product: Product, probes: Mapping[Path, Probe]) -> dict[str, Header]:
    found = {key: probes[path] for key, path in files_of(product).items()}
    return {key: header for key, header in found.items() if isinstance(header, Header)}


def _product_problems(
    product: Product, probes: Mapping[Path, Probe], first: Mapping[str, tuple[str, GeoBox]]
) -> Iterator[str]:
    """Tell which files cannot be read, are of another type, or lie on another grid."""
    found = (probes[path] for path in files_of(product).values())
    yield from (sentence for sentence in found if isinstance(sentence, str))
    headers = _headers(product, probes)
    yield from _type_problems(product, headers)
    if bare := [key for key, header in headers.items() if header.grid.crs is None]:
        yield f"{product.name}: no CRS in {', '.join(bare)}"
    others: dict[str, list[str]] = {}
    for key, header in headers.items():
        name, gbox = first.get(_grid_key(product, key), (product.name, header.grid))
        if header.grid.crs is not None and header.grid != gbox:
            others.setdefault(name, []).append(key)
    for name, keys in others.items():
        yield f"{product.name}: {', '.join(keys)} on another grid than those of {name}"


def _type_problems(product: Product, headers: Mapping[str, Header]) -> Iterator[str]:
    for wanted, keys in ((BAND_TYPE, product.bands), (MASK_TYPE, product.masks)):
        wrong = [
            f"{key} ({headers[key].dtype})"
            for key in keys
            if key in headers and headers[key].dtype != wanted
        ]
        if wrong:
            yield f"{product.name}: type {wanted} expected of {', '.join(wrong)}"


def place(tiles: list[Tile], settings: Settings) -> tuple[dict[str, GeoBox], list[str]]:
    """Bring the tiles to the lattice.

    Returns
    -------
    grids : dict
        Grid on the lattice of each tile whose files tell it.
    refused : list of str
        A sentence for each reason why the lattice cannot be had.
    """
    grids: dict[str, GeoBox] = {}
    refused: dict[str, None] = {}
    for tile in tiles:
        if (native := tile.native) is None:
            continue
        try:
            grids[tile.name] = _lattice_grid(tile.name, native, settings)
            refuse_finer(settings, native)
        except InputError as error:
            refused[str(error)] = None
    return grids, list(refused)


def _lattice_grid(name: str, native: GeoBox, settings: Settings) -> GeoBox:
    try:
        return grid.lattice_geobox(native, settings.proj, settings.resolution)
    except (ValueError, OverflowError) as error:  # pyproj gives infinity
        raise InputError(f"tile {name} lies outside of what {settings.proj} can show") from error


def date_problems(tiles: list[Tile], settings: Settings) -> list[str]:
    """Tell whether the settings leave no date to the features."""
    days = [product.day for tile in tiles for product in tile.scan.products]
    try:
        if days:
            layout.date_grid(days, settings)
    except InputError as error:
        return [str(error)]
    return []
