"""What is known about the ground: reference polygons, the true map, names and colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from .covers import Cover
from .fields import Mosaic
from .layout import Tile, bounds_in, covered, transformer
from .streams import Floats, uniform_at

DATA_FIELD = "code"
LATTICE = 10  # metres
_CRS = "EPSG:4326"
_SHRINK = 8.0  # metres between a field's border and its reference polygon
_SMALLEST = 900.0  # square metres
_INSIDE = 20.0  # metres between a polygon and the outer border of the tiles
_SHARE = 0.5  # of the fields of a class
_AT_LEAST = 8  # polygons a class, where it has so many fields
_ROWS_AT_ONCE = 256
_PRJ = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
_DBF_DATE = bytes((118, 12, 31))  # years since 1900, month, day


@dataclass(frozen=True)
class Reference:
    """Polygons whose class is known."""

    polygons: NDArray[np.object_]
    """Shapely polygons in `proj`, (polygon,)."""
    cover: NDArray[np.int32]
    """Class of each, 0 to classes - 1, (polygon,)."""

    def per_class(self, classes: int) -> NDArray[np.int64]:
        """Give the number of polygons of each class."""
        return np.bincount(self.cover, minlength=classes)


def draw_reference(mosaic: Mosaic, tiles: tuple[Tile, ...], proj: str) -> Reference:
    """Choose the fields that were visited: about half of each class, in the order of a draw.

    Parameters
    ----------
    mosaic
        The fields.
    tiles
        The tiles; polygons lie inside their union, across the borders between them.
    proj
        CRS of the mosaic.
    """
    polygons = mosaic.polygons(_SHRINK)
    usable = shapely.area(polygons) >= _SMALLEST
    usable[usable] = _inside(polygons[usable], tiles, proj)
    draw = uniform_at(mosaic.seed, "visited", *mosaic.cells)
    chosen = [_first(draw, usable & (mosaic.cover == k)) for k in range(mosaic.classes)]
    field = np.sort(np.concatenate(chosen))
    return Reference(polygons[field], mosaic.cover[field])


def _inside(polygons: NDArray[np.object_], tiles: tuple[Tile, ...], proj: str) -> NDArray[np.bool_]:
    """Say which polygons lie in the union of the tiles, away from its border."""
    corners, owner = shapely.get_coordinates(
        shapely.buffer(polygons, _INSIDE, join_style="mitre"), return_index=True
    )
    outside = ~covered(tiles, corners[:, 0], corners[:, 1], proj)
    return np.bincount(owner, outside, len(polygons)) == 0


def _first(draw: Floats, candidates: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Take the share, or the least number, of the candidates that come first in a draw."""
    field = np.flatnonzero(candidates)
    count = max(_AT_LEAST, round(_SHARE * len(field)))
    return field[np.argsort(draw[field], kind="stable")[:count]]


def write_reference(
    path: Path, reference: Reference, values: tuple[int, ...] | tuple[str, ...], proj: str
) -> None:
    """Write the reference polygons as a shapefile in longitude and latitude.

    Parameters
    ----------
    path
        Path that ends with ``.shp``.
    reference
        The polygons.
    values
        What the field `DATA_FIELD` holds for each class: codes or names.
    proj
        CRS of the polygons.
    """
    turn = transformer(proj, _CRS)
    turned = shapely.transform(
        reference.polygons, lambda xy: np.stack(turn.transform(xy[:, 0], xy[:, 1]), axis=-1)
    )
    kind = object if isinstance(values[0], str) else np.int32
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(turned),
        field_data=[np.array(values, kind)[reference.cover]],
        fields=[DATA_FIELD],
        geometry_type="Polygon",
        crs=_CRS,
        driver="ESRI Shapefile",
        encoding="UTF-8",
    )
    _fix(path)


def _fix(path: Path) -> None:
    """Take out of a shapefile what depends on the day and on the GDAL that wrote it."""
    path.with_suffix(".prj").write_text(_PRJ, encoding="ascii")
    path.with_suffix(".cpg").write_text("UTF-8", encoding="ascii")
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes())
    content[1:4] = _DBF_DATE
    table.write_bytes(bytes(content))


def write_truth(
    path: Path,
    mosaic: Mosaic,
    tiles: tuple[Tile, ...],
    proj: str,
    labels: tuple[int, ...],
) -> None:
    """Write the true class of every pixel of the lattice, 0 where no tile is.

    Parameters
    ----------
    path
        Path of the GeoTIFF, uint8.
    mosaic
        The fields.
    tiles
        The tiles.
    proj
        CRS of the lattice.
    labels
        Value of each class.
    """
    left, bottom, right, top = bounds_in(tiles, proj)
    west, south = (int(np.floor(v / LATTICE)) for v in (left, bottom))
    east, north = (int(np.ceil(v / LATTICE)) for v in (right, top))
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 0, "crs": proj}
    corner = Affine(LATTICE, 0, west * LATTICE, 0, -LATTICE, north * LATTICE)
    size = {"width": east - west, "height": north - south, "transform": corner}
    with rasterio.open(path, "w", **profile, **size, compress="deflate") as target:
        for start in range(0, north - south, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, north - south)
            x = (np.arange(west, east) + 0.5) * LATTICE
            y = (north - np.arange(start, stop) - 0.5) * LATTICE
            rows = _true_labels(mosaic, tiles, proj, labels, *np.meshgrid(x, y))
            target.write(rows, 1, window=Window(0, start, east - west, stop - start))


def _true_labels(
    mosaic: Mosaic,
    tiles: tuple[Tile, ...],
    proj: str,
    labels: tuple[int, ...],
    x: Floats,
    y: Floats,
) -> NDArray[np.uint8]:
    """Give the label of places of `proj`, 0 outside the tiles."""
    label = np.array(labels, np.uint8)[mosaic.cover[mosaic.at(x, y).field]]
    return np.where(covered(tiles, x, y, proj), label, np.uint8(0))


def write_names(
    out: Path, covers: tuple[Cover, ...], values: tuple[int, ...] | tuple[str, ...]
) -> None:
    """Write ``nomenclature.txt`` (``name:label``) and ``colors.txt`` (``label R G B``).

    Parameters
    ----------
    out
        Folder.
    covers
        The classes.
    values
        What the ground truth holds for each class: codes or names.
    """
    pairs = sorted(zip(values, covers, strict=True), key=lambda pair: str(pair[0]).zfill(9))
    names = [f"{cover.name.capitalize()}:{value}\n" for value, cover in pairs]
    colors = ["0 0 0 0\n"] + [f"{v} {c.color[0]} {c.color[1]} {c.color[2]}\n" for v, c in pairs]
    (out / "nomenclature.txt").write_text("".join(names), encoding="utf-8")
    (out / "colors.txt").write_text("".join(colors), encoding="utf-8")
