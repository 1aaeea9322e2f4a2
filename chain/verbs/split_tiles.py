"""`i2lc split-tiles`: the pairs of files of a leave-one-tile-out, from one ground truth."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...steps.reference import tile_pairs
from ...steps.sensors.sentinel2 import SENTINEL2
from ...steps.shapes import geometry
from ...steps.tiles.tile import index_tile
from ..arguments import Parser
from ..settings import config as configs
from ..settings.config import Config

OK = 0
NAME = "Name"
"""Field of the name in the grids that ESA and Theia publish."""
ENDINGS = {ending.removeprefix("."): ending for ending in tile_pairs.DRIVERS}
SHAPEFILE_NAME = 10
"""Letters of a field's name that a shapefile keeps."""


@dataclass(frozen=True)
class Asked:
    """What the user asked for."""

    truth: Path
    field: str
    """Field of the class."""
    folder: Path
    ending: str
    """Ending of the files to write."""


def parser() -> Parser:
    """Give the parser of the verb; every option with one dash or two."""
    made = Parser(
        prog="i2lc split-tiles",
        description="Write gt_k, the polygons of all tiles but one, and tgt_k, those of that one.",
    )
    made.option(
        "in.vector", dest="truth", type=Path, required=True, metavar="FILE", help="ground truth"
    )
    made.option("out", type=Path, required=True, metavar="DIR", help="folder of the pairs")
    made.option("dataField", dest="field", help="field of the class (default: of -config)")
    made.option(
        "config", type=Path, metavar="FILE", help="configuration: tiles of list_tile and s2_path"
    )
    made.option("grid", type=Path, metavar="FILE", help="vector file of tiles, in place of -config")
    made.option(
        "grid.field", dest="name", default=NAME, help=f"field of the tile's name (default {NAME})"
    )
    made.option("tiles", type=str.split, default=[], help='tiles of the grid: "T31TCJ T31TDJ"')
    made.option("format", choices=tuple(ENDINGS), help="format to write (default: as FILE)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; give the exit status, 0.

    Raises
    ------
    ConfigError, InputError
        The configuration, the ground truth or the tiles cannot be used.
    """
    made = parser()
    given = made.parse_args(arguments)
    if bool(given.config) == bool(given.grid):
        made.error("the tiles are needed: -config FILE or -grid FILE, one of them")
    if given.config and given.tiles:
        made.error("-tiles chooses tiles of -grid; with -config list_tile does")
    config = configs.load(given.config) if given.config else None
    field = given.field or (config.given.get("data_field") if config else None)
    if not field:
        made.error("-dataField FIELD is needed, the field of the class")
    asked = Asked(given.truth, field, given.out, _ending(given))
    tiles = _tiles_of(config) if config else _tiles_in(given)
    for line in split(asked, tiles):
        sys.stdout.write(line + "\n")
    return OK


def _ending(given: argparse.Namespace) -> str:
    if given.format:
        return ENDINGS[given.format]
    ending = given.truth.suffix.lower().replace(".json", ".geojson")
    if ending not in tile_pairs.DRIVERS:
        raise InputError(
            f"{given.truth}: i2lc does not write files that end with '{given.truth.suffix}'; "
            f"choose -format {', '.join(ENDINGS)}"
        )
    return ending


def _tiles_in(given: argparse.Namespace) -> gpd.GeoSeries:
    names = list(dict.fromkeys(given.tiles))
    return tile_pairs.read_grid(given.grid, given.name, names)


def _tiles_of(config: Config) -> gpd.GeoSeries:
    """Read the grids of the tiles, those of folds by tile, from the headers of their products."""
    settings, names = config.units, sorted(config.units.list_tile)
    grids = [index_tile(settings.s2_path / name, name, SENTINEL2, settings).grid for name in names]
    boxes = [gbox.extent.geom for gbox in grids]
    return gpd.GeoSeries(boxes, index=names, crs=settings.proj)


def split(asked: Asked, tiles: gpd.GeoSeries) -> Iterator[str]:
    """Write the pairs; yield the lines that tell what was written.

    Raises
    ------
    InputError
        Fewer than two tiles, a tile without polygons, files of another split in the folder.
    """
    if len(tiles) < 2:
        raise InputError(
            f"only tile {', '.join(tiles.index)} is named: to leave one out takes two tiles or more"
        )
    frame = tile_pairs.read(asked.truth, asked.field)
    _refuse_names(asked, frame)
    tile = tile_pairs.tile_of(frame.geometry, tiles)
    _refuse_empty(asked, tiles, tile)
    _refuse_others(asked, len(tiles))
    for line in _alone(frame[asked.field].to_numpy(), tile, list(tiles.index)):
        sys.stderr.write(f"i2lc: warning: {line}\n")
    pairs = tile_pairs.pairs_of(frame, tile, len(tiles))
    tile_pairs.write(asked.folder, asked.ending, pairs)
    for pair, name in zip(pairs, tiles.index, strict=True):
        yield (
            f"{asked.folder}/gt_{pair.number}{asked.ending}: {len(pair.learn)} polygons; "
            f"tgt_{pair.number}{asked.ending}: {len(pair.test)} of tile {name}"
        )
    if outside := int((tile < 0).sum()):
        yield f"outside of all tiles or without an area, in no file: {outside} polygons"


def _refuse_names(asked: Asked, frame: gpd.GeoDataFrame) -> None:
    """Refuse field names that a shapefile would cut."""
    long = [name for name in map(str, frame.columns) if len(name) > SHAPEFILE_NAME]
    if asked.ending == ".shp" and long:
        raise InputError(
            f"{asked.truth}: a shapefile cuts field names at {SHAPEFILE_NAME} letters, and these "
            f"are longer: {', '.join(long)}; choose -format gpkg"
        )


def _refuse_empty(asked: Asked, tiles: gpd.GeoSeries, tile: NDArray[np.intp]) -> None:
    counts = np.bincount(tile[tile >= 0], minlength=len(tiles))
    empty = [str(name) for name, count in zip(tiles.index, counts, strict=True) if not count]
    if empty:
        raise InputError(
            f"no polygon of {asked.truth} belongs to tile {geometry.naming(empty)} (a polygon "
            "belongs to the tile that holds most of it): leave it out of -tiles or list_tile"
        )


def _refuse_others(asked: Asked, count: int) -> None:
    """Refuse to write among files of a split into more tiles, or over the ground truth."""
    mine = {f"{kind}_{k}{asked.ending}" for kind in ("gt", "tgt") for k in range(count)}
    if asked.truth.resolve() in {(asked.folder / name).resolve() for name in mine}:
        raise InputError(f"{asked.truth} would be written over: name another folder with -out")
    found = sorted(asked.folder.glob(f"*gt_*{asked.ending}")) if asked.folder.is_dir() else []
    pattern = re.compile(rf"t?gt_\d+{re.escape(asked.ending)}")
    other = [path.name for path in found if pattern.fullmatch(path.name) and path.name not in mine]
    if other:
        raise InputError(
            f"{asked.folder} holds files of a split into more tiles: {', '.join(other)}; remove "
            "them, or name another folder with -out"
        )


def _alone(classes: NDArray, tile: NDArray[np.intp], names: Sequence[str]) -> Iterator[str]:
    """Tell the classes whose polygons all lie in one tile."""
    for value in sorted({str(value) for value in classes[tile >= 0]}):
        held = {int(place) for place in tile[(classes.astype(str) == value) & (tile >= 0)]}
        if len(held) == 1:
            place = held.pop()
            yield (
                f"class {value} has polygons in tile {names[place]} alone: gt_{place} cannot teach "
                f"it, and tgt_{place} is the only one that tests it"
            )
