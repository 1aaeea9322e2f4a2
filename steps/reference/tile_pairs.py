"""Leave one tile out: which polygon belongs to which tile, and the pairs of files of that split."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray

from ...errors import InputError
from ..files import disk, vectors
from ..shapes import overlay

EQUAL_AREA = "EPSG:6933"
"""Where areas are compared when the polygons come in degrees."""
EDGE_POINTS = 100
"""Points along each edge of a tile when it is brought to another CRS."""
SHORTEST = 1e-9
"""Distance of points along an edge at least."""
DRIVERS: Mapping[str, dict[str, Any]] = {
    ".shp": {"driver": "ESRI Shapefile", "encoding": "UTF-8"},
    ".gpkg": {"driver": "GPKG"},
    ".geojson": {"driver": "GeoJSON"},
    ".sqlite": {"driver": "SQLite", "dataset_options": {"SPATIALITE": "YES"}},
}
"""How each format is written, by the ending of its files."""
_MGRS = re.compile(r"T?(\d\d[A-Z]{3})")


def read(path: Path, field: str) -> gpd.GeoDataFrame:
    """Read the polygons with all their columns.

    Raises
    ------
    InputError
        The file does not open, has several layers, no CRS or no such field of integers or text.
    """
    info = vectors.describe(path, "ground truth")
    problems = vectors.crs_problems(path, info) + vectors.field_problems(
        path, field, info, vectors.CLASS
    )
    if problems:
        raise InputError("; ".join(problems))
    frame = vectors.features(path, list(info["fields"]), info)
    for name, kind in zip(info["fields"], info["ogr_types"], strict=True):
        if kind in {"OFTInteger", "OFTInteger64"} and pd.api.types.is_float_dtype(frame[name]):
            frame[name] = frame[name].astype("Int64")  # a missing number made it a float
    return frame


def read_grid(path: Path, field: str, wanted: Sequence[str]) -> gpd.GeoSeries:
    """Read the outlines of tiles from a vector file.

    Parameters
    ----------
    path : Path
        Tile grid.
    field : str
        Field of the tile's name.
    wanted : sequence of str
        Tiles to take; the T before an MGRS name may stand or not. Empty for all.

    Returns
    -------
    GeoSeries
        Outline of each tile, sorted by name, in the CRS of the file.
    """
    info = vectors.describe(path, "tile grid")
    problems = vectors.crs_problems(path, info) + vectors.field_problems(
        path, field, info, "the name of a tile"
    )
    if problems:
        raise InputError("; ".join(problems) + " (-grid.field names the field of the tile's name)")
    frame = vectors.features(path, [field], info)
    outlines = frame.geometry.groupby(frame[field].astype(str).map(plain)).agg(shapely.union_all)
    names = sorted(wanted, key=plain) or sorted(outlines.index)
    if missing := [name for name in names if plain(name) not in outlines.index]:
        raise InputError(
            f"{path} has no tile {', '.join(missing)} in its field '{field}', which holds values "
            f"such as {', '.join(frame[field].astype(str).head(3))}"
        )
    shapes = [outlines[plain(name)] for name in names]
    return gpd.GeoSeries(shapes, index=names, crs=frame.crs)


def plain(name: str) -> str:
    """Give a tile's name without the T of MGRS."""
    match = _MGRS.fullmatch(name.strip())
    return match[1] if match else name.strip()


def tile_of(polygons: gpd.GeoSeries, tiles: gpd.GeoSeries) -> NDArray[np.intp]:
    """Give each polygon to the tile that holds most of its area, as folds by tile do.

    Parameters
    ----------
    polygons : GeoSeries
        In any CRS.
    tiles : GeoSeries
        Outlines by name, in any CRS; areas are compared there where it is in metres.

    Returns
    -------
    ndarray of int, (polygon,)
        Place of the tile in `tiles`, the first of equal ones. -1 for a polygon outside of all
        tiles, or without an area.
    """
    projected = (crs for crs in (tiles.crs, polygons.crs) if crs.is_projected)
    crs = next(projected, EQUAL_AREA)
    return overlay.holder_of(polygons.to_crs(crs).to_numpy(), in_crs(tiles, crs))


def in_crs(tiles: gpd.GeoSeries, crs: Any) -> NDArray[np.object_]:
    """Bring outlines to a CRS; their straight edges may be bent there."""
    shapes = tiles.to_numpy()
    if tiles.crs == crs:
        return overlay.sound(shapes)
    left, bottom, right, top = shapely.bounds(shapes).T
    length = np.maximum(np.maximum(right - left, top - bottom), SHORTEST) / EDGE_POINTS
    dense = gpd.GeoSeries(shapely.segmentize(shapes, length), crs=tiles.crs)
    return overlay.sound(dense.to_crs(crs).to_numpy())  # empty: of the other side of the world


@dataclass(frozen=True)
class Pair:
    """The two files of a fold."""

    number: int
    learn: gpd.GeoDataFrame
    """Polygons of the other tiles."""
    test: gpd.GeoDataFrame
    """Polygons of the tile that is left out."""


def pairs_of(frame: gpd.GeoDataFrame, tile: NDArray[np.intp], tiles: int) -> list[Pair]:
    """Give the pair of each tile; polygons of no tile are in none."""
    return [Pair(k, frame[(tile >= 0) & (tile != k)], frame[tile == k]) for k in range(tiles)]


def write(folder: Path, ending: str, pairs: Sequence[Pair]) -> list[Path]:
    """Write gt_0, tgt_0, gt_1 and so on; all are written before the first one takes its name.

    Raises
    ------
    TaskError
        The disk is full, or a file cannot be read again; nothing is published then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"gt_{pair.number}": pair.learn for pair in pairs}
    named |= {f"tgt_{pair.number}": pair.test for pair in pairs}
    try:
        with (
            disk.said_clearly(folder),
            tempfile.TemporaryDirectory(prefix=".i2lc-", dir=folder) as workshop,
        ):
            for name, frame in named.items():
                _write_one(Path(workshop) / f"{name}{ending}", frame)
            for name in named:
                _publish(Path(workshop) / f"{name}{ending}", folder)
    except BaseException:
        with suppress(OSError):
            folder.rmdir()  # where it was made for nothing
        raise
    return [folder / f"{name}{ending}" for name in named]


def _write_one(path: Path, frame: gpd.GeoDataFrame) -> None:
    pyogrio.write_dataframe(frame, path, layer=path.stem, **DRIVERS[path.suffix])
    written = pyogrio.read_info(path, force_feature_count=True)["features"]
    if written != len(frame):
        raise disk.NotWholeError(f"{path.name}: {written} of {len(frame)} polygons were written")


def _publish(path: Path, folder: Path) -> None:
    """Give a data set its place, the file that users name last."""
    for file in reversed(vectors.files_of(path)):
        file.replace(folder / file.name)
