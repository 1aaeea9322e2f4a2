"""The vector layers of the polygons of a tile, cut to the pixels that are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
import shapely

from ..files import rasters, store
from ..tiles import grid
from ..tiles.tile import TileIndex
from . import ground_truth
from .ground import Ground


@dataclass(frozen=True)
class Layer:
    """A layer to be written: the polygons of one side of one split on a tile."""

    path: Path
    numbers: rasterio.DatasetReader
    """Reference raster of the split."""
    band: int
    """Band of the raster in which the side stands."""
    member: np.ndarray
    """Polygons of the side, bool (polygon,)."""


Part = tuple[int, shapely.Geometry]
"""Row of a polygon and a part of it on the tile."""


def write(layers: Sequence[Layer], ground: Ground, tile: TileIndex, data_field: str) -> None:
    """Write the layers of a tile; each polygon is burnt once, however many splits it is in."""
    parts: list[list[Part]] = [[] for _ in layers]
    anywhere = np.logical_or.reduce([layer.member for layer in layers])
    for row in np.flatnonzero(anywhere).tolist():
        wanted = [k for k, layer in enumerate(layers) if layer.member[row]]
        for whole in shapely.get_parts(ground.frame.geometry.iloc[row]):
            for k, cut in _on_tile(whole, row, tile, [(k, layers[k]) for k in wanted]):
                parts[k] += [(row, part) for part in cut]
    for layer, found in zip(layers, parts, strict=True):
        _write(layer.path, found, ground, tile, data_field)


def _on_tile(
    geometry: shapely.Geometry, row: int, tile: TileIndex, layers: Sequence[tuple[int, Layer]]
) -> Iterator[tuple[int, list[shapely.Geometry]]]:
    """Give, for each layer, the polygons that hold just the pixels that the tile uses.

    A polygon whose pixels are all used keeps its shape; another one is cut on pixel edges,
    where no pixel centre lies, so that the layers of all tiles count no pixel twice.
    """
    if not geometry.intersects(tile.grid.extent.geom):
        return
    shape = ground_truth.footprint(geometry, tile.grid)
    rows = slice(max(shape.rows.start, 0), min(shape.rows.stop, tile.grid.height))
    cols = slice(max(shape.cols.start, 0), min(shape.cols.stop, tile.grid.width))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    inside = shape.within(rows, cols)[1]
    whole = int(shape.mask.sum())
    cuts: dict[bytes, list[shapely.Geometry]] = {}
    for number, layer in layers:
        used = inside & (rasters.read(layer.numbers, rows, cols, layer.band) == row + 1)
        key = used.tobytes()
        if key not in cuts:
            window = grid.crop(tile.grid, rows, cols)
            all_used = int(used.sum()) == whole > 0
            cuts[key] = [geometry] if all_used else _cut(geometry, used, window)
        yield number, cuts[key]


def _cut(
    geometry: shapely.Geometry, used: np.ndarray, window: grid.GeoBox
) -> list[shapely.Geometry]:
    """Give what of a polygon lies on the used pixels."""
    if not used.any():
        return []
    frame = ground_truth.outline(used, window)
    cut = ground_truth.polygons_only(shapely.intersection(geometry, frame))
    return list(shapely.get_parts(cut))


def _write(
    path: Path, parts: Sequence[Part], ground: Ground, tile: TileIndex, data_field: str
) -> None:
    rows = [row for row, _ in parts]
    name = data_field.lower()
    text = any(isinstance(value, str) for value in ground.frame["value"])
    frame = gpd.GeoDataFrame(
        {
            name: ground.frame["value"].iloc[rows].to_numpy(),
            "i2label": np.array([ground.codes[row] for row in rows], np.int32),
            "polygon": ground.frame["polygon"].iloc[rows].to_numpy(),
            "originfid": ground.frame["fid"].iloc[rows].to_numpy(np.int64),
            "tile_o": np.array([tile.tile] * len(rows), object),
        },
        geometry=[geometry for _, geometry in parts],
        crs=ground.frame.crs,
    )
    frame[name] = frame[name].astype(str if text else np.int64)
    for column in ("polygon", "tile_o"):
        frame[column] = frame[column].astype(str)
    with store.writing(path) as temporary:
        pyogrio.write_dataframe(
            frame,
            temporary,
            driver="SQLite",
            layer=path.stem.lower(),
            geometry_type="Polygon",
            dataset_options={"SPATIALITE": "YES", "INIT_WITH_EPSG": "NO"},
        )
