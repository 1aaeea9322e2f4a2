"""Step 1: look at all inputs before anything runs, and tell all problems at once.

Folder names, raster headers with one pixel each, and polygons are read. Whatever the check
lets pass, later steps take for granted.
"""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Annotated

import geopandas as gpd
import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from pydantic import BeforeValidator, Field
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from ..errors import InputError
from . import geometry, grid, ground_truth, labels, layout, store
from . import tile as tile_module
from .artifacts import INPUT_REPORT
from .contract import Job, Step, Unit
from .sensors import sentinel2
from .sensors.base import Product, Scan
from .sensors.sentinel2 import SENTINEL2
from .tile import Header, refuse_finer

log = logging.getLogger(__name__)

BAND_TYPE = "int16"
MASK_TYPE = "uint8"
MASK = "mask"
"""Key of the one grid that all masks of a tile share."""

Probe = Header | str
"""What a raster's header says, or a sentence that says why the file cannot be used."""


def _names(value: object) -> object:
    return value.split() if isinstance(value, str) else value


class Settings(layout.FeatureSettings, ground_truth.GroundTruthSettings, labels.LabelSettings):
    """Keys that the step uses."""

    check_inputs: bool = Field(
        True, description="False: the inputs are not checked before the run."
    )
    list_tile: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        description="Tiles to map, such as `T31TCJ T31TDJ`: folders of s2_path."
    )
    minimum_required_dates: int = Field(
        2, ge=1, description="Days with a product that each tile needs at least."
    )


@dataclass(frozen=True)
class Report:
    """What the check found, a sentence each."""

    errors: tuple[str, ...] = ()
    """What keeps the run from starting."""
    warnings: tuple[str, ...] = ()
    """What the chain copes with."""
    counts: tuple[str, ...] = ()
    """What there is: products of each tile, polygons of each class."""

    def __add__(self, other: Report) -> Report:
        return Report(
            self.errors + other.errors,
            self.warnings + other.warnings,
            self.counts + other.counts,
        )

    def text(self) -> str:
        """Give the text of the report file."""
        blocks = ("errors", self.errors), ("warnings", self.warnings), ("found", self.counts)
        parts = [f"{title}:\n{_list(lines)}\n" for title, lines in blocks if lines]
        return "\n".join(["The inputs were checked.\n", *parts])


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


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the files that the check reads, those that exist."""
    if not settings.check_inputs:
        return
    vectors = ground_truth.files_of(settings.ground_truth)
    named = (*vectors, settings.nomenclature_path, settings.color_table)
    yield from (path for path in named if path.is_file())
    for name in _folders(settings):
        for product in _scan(settings.s2_path / name, name).products:
            yield from _files(product).values()


def check(job: Job) -> None:
    """Write the report of the inputs.

    Raises
    ------
    InputError
        Any input cannot be used; the text has a line for each problem.
    """
    settings: Settings = job.settings
    if not settings.check_inputs:
        log.warning("check_inputs is False: the inputs are not checked")
        text = "The inputs were not checked: check_inputs is False.\n"
        store.write_text(job.output(INPUT_REPORT), text)
        return
    report = problems(settings, job.cpus)
    for sentence in report.warnings:
        log.warning("%s", sentence)
    refuse(report)
    store.write_text(job.output(INPUT_REPORT), report.text())


def refuse(report: Report) -> None:
    """Raise InputError with a line for each error of the report, if there is one."""
    if report.errors:
        word = "problem" if len(report.errors) == 1 else "problems"
        raise InputError(f"{len(report.errors)} {word} in the inputs:\n{_list(report.errors)}")


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def problems(settings: Settings, cpus: int = 1) -> Report:
    """Find all that is wrong with the inputs.

    Parameters
    ----------
    settings : Settings
        Names the inputs.
    cpus : int
        Threads that read headers.

    Returns
    -------
    Report
        Errors in the order tiles, ground truth, classes; none hides another one.
    """
    tiles = _look_at_tiles(settings, cpus)
    report = Report(errors=tuple(_list_problems(settings)))
    for tile in tiles:
        report += _tile_report(tile, settings)
    grids, refused = _place(tiles, settings)
    polygons, found = _look_at_polygons(settings)
    report += Report(errors=(*refused, *_date_problems(tiles, settings))) + found
    if polygons is not None:
        report += _places_report(polygons, grids, settings)
    return report


# Tiles.


def _folders(settings: Settings) -> list[str]:
    """Give the tiles of the run that have a folder, once each."""
    return [n for n in dict.fromkeys(settings.list_tile) if (settings.s2_path / n).is_dir()]


def _scan(folder: Path, name: str) -> Scan:
    try:
        return SENTINEL2.scan(folder, name)
    except OSError as error:
        return Scan(strays=(f"{folder} cannot be listed: {error.strerror}",))


def _files(product: Product) -> dict[str, Path]:
    return {**product.bands, **product.masks}


def _look_at_tiles(settings: Settings, cpus: int) -> list[Tile]:
    """Scan the folders, then read the headers of all files of all tiles."""
    tiles = [Tile(name, _scan(settings.s2_path / name, name)) for name in _folders(settings)]
    paths = [
        [path for product in tile.scan.products for path in _files(product).values()]
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
            gbox = GeoBox(raster.shape, raster.transform, raster.crs)
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


def _list_problems(settings: Settings) -> Iterator[str]:
    """Tell what is wrong with list_tile and with the folders it names."""
    listed = settings.list_tile
    if not listed:
        yield "list_tile names no tile"
    for name in dict.fromkeys(listed):
        if (times := listed.count(name)) > 1:
            yield f"list_tile names {name} {times} times: name each tile once"
    if not settings.s2_path.is_dir():
        yield f"there is no folder {settings.s2_path} (s2_path)"
        return
    known = set(_folders(settings))
    if missing := [name for name in dict.fromkeys(listed) if name not in known]:
        there = sorted(entry.name for entry in settings.s2_path.iterdir() if entry.is_dir())
        text = geometry.naming(there) or "no folder"
        for name in missing:
            yield f"tile {name}: there is no folder {settings.s2_path / name}; s2_path has {text}"


def _tile_report(tile: Tile, settings: Settings) -> Report:
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
    found = {key: probes[path] for key, path in _files(product).items()}
    return {key: header for key, header in found.items() if isinstance(header, Header)}


def _product_problems(
    product: Product, probes: Mapping[Path, Probe], first: Mapping[str, tuple[str, GeoBox]]
) -> Iterator[str]:
    """Tell which files cannot be read, are of another type, or lie on another grid."""
    found = (probes[path] for path in _files(product).values())
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


def _place(tiles: list[Tile], settings: Settings) -> tuple[dict[str, GeoBox], list[str]]:
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


def _date_problems(tiles: list[Tile], settings: Settings) -> list[str]:
    """Tell whether the settings leave no date to the features."""
    days = [product.day for tile in tiles for product in tile.scan.products]
    try:
        if days:
            layout.date_grid(days, settings)
    except InputError as error:
        return [str(error)]
    return []


# Polygons.


def _look_at_polygons(settings: Settings) -> tuple[gpd.GeoDataFrame | None, Report]:
    """Read the polygons and look at their geometries and classes.

    Returns
    -------
    polygons : GeoDataFrame or None
        Those that the chain uses, in proj; None where they cannot be read.
    report : Report
    """
    path = settings.ground_truth
    try:
        truth = ground_truth.read(path, settings.data_field, settings.proj)
    except InputError as error:
        errors = ground_truth.problems_of(path, settings.data_field) or [str(error)]
        return None, Report(errors=(*errors, *_class_problems((), settings)))
    polygons = ground_truth.usable(truth)
    found = geometry.findings(truth.frame)
    errors = [f"{path}: {finding.text}" for finding in found if finding.hurts]
    if polygons.empty:
        errors.append(f"{path} has no polygon with a class")
    errors += _class_problems(polygons["value"], settings)
    copes = tuple(f"{path}: {finding.text}" for finding in found if not finding.hurts)
    return polygons, Report(tuple(errors), copes)


def _class_problems(values: Iterable[int | str], settings: Settings) -> list[str]:
    codes = labels.codes_of(values)
    return labels.problems_of(codes, settings.nomenclature_path, settings.color_table)


def _places_report(
    polygons: gpd.GeoDataFrame, grids: Mapping[str, GeoBox], settings: Settings
) -> Report:
    """Tell which tiles and classes have no polygon, or one."""
    boxes = [gbox.extent.geom for gbox in grids.values()]
    meets = geometry.meeting_boxes(polygons.geometry.to_numpy(), boxes)
    complete = len(grids) == len(set(settings.list_tile))
    inside = np.logical_or.reduce(meets, axis=0)
    if complete and grids and not inside.any() and len(polygons):
        text = f"no polygon of {settings.ground_truth} lies inside the tiles {' '.join(grids)}"
        return Report(errors=(text,))
    bare = [name for name, some in zip(grids, meets, strict=True) if not some.any()]
    report = Report(
        warnings=tuple(f"tile {name} has no polygon: it is mapped only" for name in bare)
    )
    values = polygons["value"].to_numpy()
    return report + _classes_report(values, inside, complete)


def _classes_report(values: np.ndarray, inside: np.ndarray, complete: bool) -> Report:
    """Count the polygons of each class; `complete` says whether all tiles are known."""
    told, counts = [], []
    for value in sorted(set(values), key=lambda value: (str(type(value)), value)):
        member = values == value
        here = int((member & inside).sum())
        counts.append(f"class {value}: polygons {int(member.sum())}, inside the tiles {here}")
        if complete and here == 0:
            told.append(f"class {value} has no polygon inside the tiles: it cannot be mapped")
        if complete and here == 1:
            told.append(
                f"class {value} has one polygon inside the tiles: it is learnt, but not validated "
                "(unless split_ground_truth is False)"
            )
    return Report(warnings=tuple(told), counts=tuple(counts))


STEP = Step(
    name="check_inputs",
    group="init",
    title="check the inputs",
    run=check,
    settings=Settings,
    per=(),
    inputs=(),
    outputs=(INPUT_REPORT,),
    resource="check_inputs",
    sources=sources,
    code=(geometry, grid, ground_truth, labels, layout, sentinel2, tile_module),
)
