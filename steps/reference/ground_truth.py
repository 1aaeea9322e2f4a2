"""The ground truth: polygons with a class, read from any vector format in any CRS."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox
from pydantic import Field

from ...errors import InputError
from ..contract import Settings, UserPath
from ..files import vectors
from ..tiles import grid

RESERVED = {"polygon", "i2label", "originfid", "tile_o", "geometry", "ogc_fid"}
"""Fields of the layers that i2lc writes."""
GLOBE = "EPSG:4326"
STEP_DEGREES = 1e-8
"""About 1 mm."""
SHIFT = 1 / math.e
TRUTH = "ground truth"
"""What the file is to the user, in messages."""
files_of = vectors.files_of


class GroundTruthSettings(Settings):
    """Keys that name the ground truth."""

    ground_truth: UserPath = Field(
        description="Polygons with a class: shapefile, GeoPackage, GeoJSON or SQLite, any CRS."
    )
    data_field: str = Field(
        description="Field of the class: integer 1-65535, or string (sorted strings become 1..N)."
    )


@dataclass(frozen=True)
class GroundTruth:
    """Polygons in the CRS of the lattice."""

    frame: gpd.GeoDataFrame
    """Columns fid, value (int or str), polygon (identifier), geometry."""
    crs: str
    """CRS of the file."""


def read(
    path: Path,
    data_field: str,
    proj: str | None,
    group_field: str | None = None,
    what: str = TRUTH,
) -> GroundTruth:
    """Read polygons with their class.

    Coordinates are taken as they are: an invalid geometry is a finding of
    :mod:`~i2lc.steps.shapes.geometry`, no error here.

    Parameters
    ----------
    path : Path
        Vector file.
    data_field : str
        Field of the class.
    proj : str or None
        CRS to bring the polygons to; None keeps the file's.
    group_field : str, optional
        Field that becomes one more column, group: text, empty where missing.
    what : str
        What the file is to the user, in messages.

    Raises
    ------
    InputError
        Any of `problems_of`, or a feature that cannot be read.
    """
    if problems := problems_of(path, data_field, group_field, what):
        raise InputError("; ".join(problems))
    fields = [data_field] if group_field is None else [data_field, group_field]
    with np.errstate(invalid="ignore"):  # a coordinate that is no number is an invalid geometry
        frame = vectors.features(path, fields, vectors.describe(path, what))
        truth = _polygons(frame, data_field, proj)
    if group_field is not None:
        truth.frame["group"] = _texts(frame[group_field])
    return truth


def _polygons(frame: gpd.GeoDataFrame, data_field: str, proj: str | None) -> GroundTruth:
    values = classes_of(frame[data_field])
    polygons = gpd.GeoDataFrame(
        {
            "fid": frame.index.to_numpy(),
            "value": values,
            "polygon": _identifiers(values, frame.geometry),
        },
        geometry=shapely.force_2d(frame.geometry.to_numpy()),
        crs=frame.crs,
    )
    crs = frame.crs.to_string()
    return GroundTruth(polygons if proj is None else polygons.to_crs(proj), crs)


def problems_of(
    path: Path, data_field: str, group_field: str | None = None, what: str = TRUTH
) -> list[str]:
    """List what keeps a ground truth from being read: a sentence each.

    The file is missing, does not open, is truncated, has several layers or none, no CRS, no
    such field, or the field is of another type than integer or string.
    """
    try:
        info = vectors.describe(path, what)
    except InputError as error:
        return [str(error)]
    problems = vectors.crs_problems(path, info) + _field_problems(path, data_field, info)
    if group_field is not None:
        problems += vectors.field_problems(path, group_field, info, "a group")
    return problems


def _field_problems(path: Path, data_field: str, info: dict) -> list[str]:
    if data_field.lower() in RESERVED:
        return [
            f"data_field '{data_field}' is a name that i2lc gives a field of its own: rename it"
        ]
    return vectors.field_problems(path, data_field, info, vectors.CLASS)


def classes_of(column: pd.Series) -> pd.Series:
    """Give classes as int or str; a missing one as None."""
    missing = column.isna().to_numpy()
    text = pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)
    given = (
        None if lost else (str(value).strip() if text else int(value))
        for value, lost in zip(column, missing, strict=True)
    )
    return pd.Series([value or None if text else value for value in given], dtype=object)


def _texts(column: pd.Series) -> list[str]:
    """Give values as text; a missing one as empty text."""
    return ["" if value is None else str(value) for value in classes_of(column)]


def _identifiers(values: pd.Series, geometry: gpd.GeoSeries) -> list[str]:
    """Name each polygon by its class and shape.

    Neither the order in the file nor other polygons change the name, and a duplicate has the
    name of its original, so that both land on one side of a split. Neither do the format and the
    CRS of the file, which change the last digits of coordinates: a shape counts in steps of about
    a millimetre, on the globe.
    """
    shapes = shapely.to_wkb(shapely.normalize(shapely.transform(_on_globe(geometry), _steps)))
    return [
        hashlib.sha256(f"{value}|".encode() + (shape or b"")).hexdigest()[:16]
        for value, shape in zip(values, shapes, strict=True)
    ]


def _on_globe(geometry: gpd.GeoSeries) -> np.ndarray:
    """Give shapes by longitude and latitude, a multi-polygon of one part as a polygon."""
    drawn = shapely.force_2d(geometry.to_numpy())
    shapes = shapely.force_2d(geometry.to_crs(GLOBE).to_numpy())
    lost = ~np.isfinite(shapely.bounds(shapes)).all(axis=1)  # beyond what its CRS can show
    shapes = np.where(lost, drawn, shapes)
    alone = shapely.get_num_geometries(shapes) == 1
    return np.where(alone, shapely.get_geometry(shapes, 0), shapes)


def _steps(coordinates: np.ndarray) -> np.ndarray:
    """Round coordinates down to steps, shifted so that no number of few digits is an edge."""
    return np.floor(coordinates / STEP_DEGREES + SHIFT)


def usable(truth: GroundTruth) -> gpd.GeoDataFrame:
    """Give the polygons with a class and an area, one of each identifier.

    Returns
    -------
    GeoDataFrame
        Ordered by class, then identifier: the same for any order in the file.
    """
    frame = truth.frame
    empty = frame.geometry.is_empty | frame.geometry.isna() | frame["value"].isna()
    kept = frame[~empty].drop_duplicates("polygon")
    order = sorted(kept.index, key=lambda i: (str(kept["value"][i]), kept["polygon"][i]))
    return kept.loc[order].reset_index(drop=True)


@dataclass(frozen=True)
class Footprint:
    """The pixels of a polygon: those whose centre lies inside."""

    rows: slice
    """Rows of the tile's grid; may reach outside of the tile."""
    cols: slice
    mask: np.ndarray
    """bool (rows, columns), True inside the polygon."""

    def within(self, rows: slice, cols: slice) -> tuple[tuple[slice, slice], np.ndarray]:
        """Give the place inside the window (rows, cols) and the part of the mask there."""
        top, bottom = max(self.rows.start, rows.start), min(self.rows.stop, rows.stop)
        left, right = max(self.cols.start, cols.start), min(self.cols.stop, cols.stop)
        if top >= bottom or left >= right:
            return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
        place = (
            slice(top - rows.start, bottom - rows.start),
            slice(left - cols.start, right - cols.start),
        )
        part = self.mask[
            top - self.rows.start : bottom - self.rows.start,
            left - self.cols.start : right - self.cols.start,
        ]
        return place, part


def footprint(geometry: shapely.Geometry, gbox: GeoBox) -> Footprint:
    """Find the pixels of a polygon.

    The polygon is burnt once on the lattice window of its own bounding box, whatever tile
    asks, so that its pixels are the same from everywhere.
    """
    transform = gbox.transform
    left, bottom, right, top = geometry.bounds
    col0, col1 = int((left - transform.c) // transform.a), int((right - transform.c) // transform.a)
    row0, row1 = int((top - transform.f) // transform.e), int((bottom - transform.f) // transform.e)
    rows, cols = slice(row0, row1 + 1), slice(col0, col1 + 1)
    window = grid.crop(gbox, rows, cols)
    mask = rasterio.features.rasterize([(geometry, 1)], window.shape, transform=window.transform)
    return Footprint(rows, cols, mask.astype(bool))


def outline(mask: np.ndarray, gbox: GeoBox) -> shapely.Geometry:
    """Give the outline of the True pixels of a window, cut on pixel edges."""
    shapes = rasterio.features.shapes(
        mask.astype(np.uint8), mask=mask, transform=gbox.transform, connectivity=4
    )
    return shapely.union_all([shapely.geometry.shape(shape) for shape, _ in shapes])


def polygons_only(geometry: shapely.Geometry) -> shapely.Geometry:
    """Drop the lines and points that an intersection may leave."""
    parts: Iterable[shapely.Geometry] = shapely.get_parts(geometry)
    areas = [part for part in parts if part.geom_type in {"Polygon", "MultiPolygon"}]
    return areas[0] if len(areas) == 1 else shapely.union_all(areas)
