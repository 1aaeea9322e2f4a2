"""Writes the demo landscape: tiles, ground truth and the config of a run on them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray

from ..errors import InputError
from .acquisitions import acquisitions_of
from .covers import COVERS
from .fields import Mosaic
from .ground import FieldGround, SmoothGround
from .layout import Tile, centres_in
from .options import Landscape
from .runcfg import Run, config_text
from .seasons import Seasons
from .smooth import smooth_reflectance
from .theia import Ground, write_product
from .truth import LATTICE, Reference, draw_reference, write_names, write_reference, write_truth

__all__ = [
    "Landscape",
    "add_arguments",
    "from_arguments",
    "main",
    "smooth_reflectance",
    "write",
]

_POLYGONS_A_CLASS = 2  # at least: one learns, one validates
_BLIND_INSIDE = 50.0  # metres of the neighbour around what a tile never sees


def write(out: Path, landscape: Landscape) -> Path:
    """Write a landscape: products, ground truth, true map, names, colours and config.

    Parameters
    ----------
    out
        Folder, missing or empty.
    landscape
        What to write.

    Returns
    -------
    pathlib.Path
        Path of ``run.cfg``.

    Raises
    ------
    InputError
        When the folder holds something, or the landscape is too small for its classes;
        nothing is touched then.
    """
    _check_empty(out)
    mosaic, tiles = landscape.mosaic, landscape.layout
    reference = draw_reference(mosaic, tiles, landscape.proj)
    _check_reference(landscape, reference)
    out.mkdir(parents=True, exist_ok=True)
    with rasterio.Env():
        for rank in range(len(tiles)):
            _write_tile(out / "s2", landscape, mosaic, rank)
        write_truth(out / "truth.tif", mosaic, tiles, landscape.proj, landscape.labels)
    write_reference(out / "ground_truth.shp", reference, landscape.values, landscape.proj)
    write_names(out, landscape.covers, landscape.values)
    config = out / "run.cfg"
    config.write_text(config_text(_run(landscape, reference)), encoding="utf-8")
    return config


def _check_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"out: {out} exists and is not an empty folder; name another or empty it")


def _check_reference(landscape: Landscape, reference: Reference) -> None:
    counts = reference.per_class(landscape.classes)
    if counts.min() < _POLYGONS_A_CLASS:
        raise InputError(
            f"classes: {landscape.classes} are too many for size {landscape.size}: "
            f"{landscape.covers[int(counts.argmin())].name} has {counts.min()} reference "
            f"polygon(s) of at least {_POLYGONS_A_CLASS}; use a larger size or fewer classes"
        )


def _write_tile(root: Path, landscape: Landscape, mosaic: Mosaic, rank: int) -> None:
    """Write all products of one tile."""
    tile = landscape.layout[rank]
    ground: Ground = (
        SmoothGround(tile, landscape.proj)
        if landscape.smooth
        else FieldGround(tile, Seasons(mosaic, landscape.covers), landscape.proj)
    )
    blind = _blind(landscape.layout, rank)
    seed, dates = landscape.seed, landscape.dates
    for acquisition in acquisitions_of(tile, rank, dates, landscape.cloud, seed):
        write_product(root / tile.name, tile, acquisition, ground, blind, seed)


def _blind(tiles: tuple[Tile, ...], rank: int) -> NDArray[np.bool_]:
    """Say what no date of a tile sees, on its 20 m grid, (y, x).

    It is the south-eastern part of the first tile, as far as the second tile covers it, so
    that there the map must come from the neighbour.
    """
    tile = tiles[rank]
    if rank > 0 or len(tiles) == 1:
        return np.zeros(tile.shape(20), np.bool_)
    neighbour = tiles[1]
    x, y = centres_in(tile, 20, f"EPSG:{neighbour.epsg}")
    i, j = np.indices(tile.shape(20))
    corner = (i + j) * 20 > 1.35 * tile.size * 10
    return corner & (neighbour.depth(x, y) > _BLIND_INSIDE)


def _run(landscape: Landscape, reference: Reference) -> Run:
    """Gather what the config depends on."""
    return Run(
        tiles=tuple(tile.name for tile in landscape.layout),
        proj=landscape.proj,
        classes=landscape.classes,
        fewest=int(reference.per_class(landscape.classes).min()),
        pixels=int(shapely.area(reference.polygons).sum() / LATTICE**2),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``i2lc demo`` to a parser."""
    default = Landscape()
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write, missing or empty")
    options: tuple[tuple[str, type, object, str], ...] = (
        ("tiles", str, "2x1", "columns x rows of tiles"),
        ("size", int, default.size, "width of a tile in pixels of 10 m"),
        ("dates", int, default.dates, "products of a tile in the year"),
        ("classes", int, default.classes, f"land-cover classes, 2 to {len(COVERS)}"),
        ("cloud", float, default.cloud, "mean share of cloud, 0 to 0.9"),
        ("seed", int, default.seed, "same seed, same bytes"),
        ("proj", str, default.proj, "CRS of the map"),
        ("zones", int, default.zones, "UTM zones, 1 or 2"),
    )
    for name, kind, value, text in options:
        help_text = f"{text} (default {value})"
        parser.add_argument(f"--{name}", type=kind, default=value, help=help_text)


def from_arguments(arguments: argparse.Namespace) -> Landscape:
    """Give the landscape that the command line asks for.

    Raises
    ------
    InputError
        When an argument cannot be used.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", arguments.tiles)
    if match is None:
        raise InputError(f"tiles: {arguments.tiles!r} is not columns x rows; write it as 2x1")
    given = {f.name: getattr(arguments, f.name) for f in fields(Landscape) if f.name in arguments}
    return Landscape(**{**given, "tiles": (int(match[1]), int(match[2]))})


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``i2lc demo``: write a landscape and say what was written.

    Parameters
    ----------
    argv
        Arguments after ``demo``; those of the process when None.

    Returns
    -------
    int
        Exit status, 0.

    Raises
    ------
    InputError
        When an argument cannot be used.
    """
    parser = argparse.ArgumentParser(
        prog="i2lc demo", description="Write a small landscape in Theia format, ready to map."
    )
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    landscape = from_arguments(arguments)
    config = write(arguments.out, landscape)
    sys.stdout.write(_summary(arguments.out, landscape, config) + "\n")
    return 0


def _summary(out: Path, landscape: Landscape, config: Path) -> str:
    """Say in a few lines what lies in the folder."""
    lines = [f"Demo landscape in {out}: {landscape.classes} classes, CRS {landscape.proj}"]
    for tile in landscape.layout:
        products = len(list((out / "s2" / tile.name).iterdir()))
        lines.append(
            f"  s2/{tile.name}: {products} products of {tile.size} x {tile.size} pixels, "
            f"EPSG:{tile.epsg}"
        )
    lines.append("  ground_truth.shp, nomenclature.txt, colors.txt, truth.tif")
    lines.append(f"Make its map: i2lc -config {config} -scheduler_type localCluster")
    return "\n".join(lines)
