"""What keeps the rasters of `exogeneous_data` from being used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from ..tiles import grid
from .exogenous_sources import TILE_MARK, folders, labels_of, opened, path_of

__all__ = ["path_of", "problems", "wrong_with"]

FOLDER = "is a folder: convert it to one file, with gdal_translate -of GTiff for instance"


def problems(
    pattern: str, tiles: Iterable[str], grids: Mapping[str, GeoBox] | None = None
) -> list[str]:
    """List what keeps the rasters from being used: a sentence each.

    Parameters
    ----------
    pattern : str
        `exogeneous_data`, absolute.
    tiles : iterable of str
        Names of the tiles.
    grids : mapping of tile name to GeoBox, optional
        Their grids; with them, a raster that covers nothing of a tile is a problem.
    """
    tiles = tuple(tiles)
    of_path: dict[Path, list[str]] = {}
    for tile in tiles:
        of_path.setdefault(path_of(pattern, tile), []).append(tile)
    found: list[str] = []
    for path, own in of_path.items():
        boxes = None if grids is None else {tile: grids[tile] for tile in own}
        found += wrong_with(path, boxes)
    return found or _in_folders(pattern, tiles) or _unlike(list(of_path))


def wrong_with(path: Path, grids: Mapping[str, GeoBox] | None = None) -> list[str]:
    """List what is wrong with one raster, for the tiles of `grids`."""
    name = f"exogeneous_data: {path}"
    if not path.exists():
        return [f"{name} does not exist: give a raster that GDAL reads"]
    if path.is_dir():  # its files cannot be told from others, so that changes would not be seen
        return [f"{name} {FOLDER}"]
    try:
        with opened(path) as raster:
            if wrong := _unusable(raster):
                return [f"{name} {wrong}"]
            box = grid.geobox_of(raster)
    except RasterioError as error:
        return [f"{name} cannot be opened as a raster: {error}"]
    return [
        f"{name} covers nothing of tile {tile}: give a raster that covers it, or one per tile "
        f"with {TILE_MARK} in the path"
        for tile, own in (grids or {}).items()
        if not _meets(own, box)
    ]


def _unusable(raster: rasterio.DatasetReader) -> str | None:
    """Say why an open raster cannot be brought to the lattice."""
    if raster.count == 0:
        return "has no bands of its own, perhaps subdatasets: write the one you mean as GeoTIFF"
    if raster.crs is None:
        return "has no CRS: set it, with gdal_edit.py -a_srs for instance"
    if raster.transform.is_identity:
        return "has no geotransform, so its pixels lie nowhere: set it, or georeference the raster"
    if raster.transform.b or raster.transform.d:
        return "is turned against its CRS: warp it upright, with gdalwarp for instance"
    if wrong := [kind for kind in raster.dtypes if kind.startswith("complex")]:
        return f"holds complex numbers ({wrong[0]}): give real ones, as one band each"
    return None


def _meets(tile: GeoBox, source: GeoBox) -> bool:
    """Tell whether the envelope of a tile and a raster share area."""
    edge_y, edge_x = grid.edges(tile)
    y = edge_y[:: max(1, (tile.height) // grid.FOOTPRINT_POINTS)]
    x = edge_x[:: max(1, (tile.width) // grid.FOOTPRINT_POINTS)]
    y, x = np.append(y, edge_y[-1]), np.append(x, edge_x[-1])
    rows, cols = grid.source_coordinates(y, x, tile.crs, source)
    known_rows, known_cols = rows[np.isfinite(rows)], cols[np.isfinite(cols)]
    if not known_rows.size or not known_cols.size:
        return False
    return bool(
        known_rows.max() > 0
        and known_rows.min() < source.height
        and known_cols.max() > 0
        and known_cols.min() < source.width
    )


def _in_folders(pattern: str, tiles: Iterable[str]) -> list[str]:
    """List the folders that virtual rasters name."""
    return [
        f"exogeneous_data: {name}, which {pattern} names, {FOLDER}"
        for name in folders(pattern, tiles)
    ]


def _unlike(paths: list[Path]) -> list[str]:
    """List the rasters whose bands are not those of the first one."""
    bands: dict[Path, tuple[str, ...]] = {}
    for path in paths:
        with opened(path) as raster:
            bands[path] = labels_of(raster)
    return [
        f"exogeneous_data: {path} has the bands {', '.join(own)}, {paths[0]} has "
        f"{', '.join(bands[paths[0]])}: rasters of all tiles need the same bands"
        for path, own in bands.items()
        if own != bands[paths[0]]
    ]
