"""The reference of a comparison, taken from vector files: shapes in the map's CRS, and codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio.features
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError

from ...errors import InputError
from ..files import vectors

INTEGERS = {"OFTInteger", "OFTInteger64"}
UNREADABLE = (DataSourceError, DataLayerError, shapely.errors.ShapelyError, UnicodeDecodeError)


@dataclass(frozen=True)
class Asked:
    """What the user named."""

    files: tuple[Path, ...]
    field: str
    """Field of the code."""
    layer: str | None = None
    """Layer to read; None: all layers that have geometries."""


@dataclass(frozen=True)
class VectorReference:
    """Shapes with a code; where shapes overlap the last one has the pixel, as in OTB."""

    shapes: NDArray[np.object_]
    """Shapes in the CRS of the map, (shape,), in the order of files, layers and features."""
    codes: NDArray[np.int64]
    """Code of each shape, (shape,); 0 where it has none."""
    tree: shapely.STRtree

    def labels(self, window: GeoBox) -> NDArray[np.int64] | None:
        """Give the code of each pixel of a window, (y, x), 0 for none; None where none has one.

        A pixel belongs to a polygon by its centre.
        """
        met = np.sort(self.tree.query(window.extent.geom))
        if not met.size:
            return None
        numbers = rasterio.features.rasterize(
            zip(self.shapes[met], range(1, len(met) + 1), strict=True),
            window.shape,
            transform=window.transform,
            dtype="int32",
        )
        return np.append(0, self.codes[met])[numbers]

    def bounds(self) -> tuple[float, float, float, float]:
        """Give left, bottom, right, top of all shapes, in the CRS of the map; nan for none."""
        left, bottom, right, top = shapely.total_bounds(self.shapes)
        return float(left), float(bottom), float(right), float(top)


def read(asked: Asked, crs: Any) -> VectorReference:
    """Read the shapes of all files and layers, and bring them to a CRS.

    Raises
    ------
    InputError
        A file is missing or does not open, a layer has no CRS or no such field, or the
        field holds something else than integers.
    """
    frames = [
        _layer(path, layer, asked.field).to_crs(crs)
        for path in asked.files
        for layer in _layers(path, asked.layer)
    ]
    shapes = np.concatenate([shapely.force_2d(frame.geometry.to_numpy()) for frame in frames])
    codes = np.concatenate([frame["code"].to_numpy(np.int64) for frame in frames])
    there = np.isfinite(shapely.bounds(shapes)).all(axis=1)  # not empty, not beyond the CRS
    return VectorReference(shapes[there], codes[there], shapely.STRtree(shapes[there]))


def _layers(path: Path, wanted: str | None) -> Sequence[str]:
    if not path.is_file():
        raise InputError(f"there is no vector file {path}: -ref.vector names existing files")
    if path.suffix.lower() == ".shp":
        vectors.describe(path, "reference")  # refuses a truncated one, which GDAL reads
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except UNREADABLE as error:
        raise InputError(f"{path} does not open as a vector file: {error}") from error
    if wanted is None and layers:
        return layers
    if wanted in layers:
        return [str(wanted)]
    what = "no layer with geometries" if wanted is None else f"no layer '{wanted}'"
    raise InputError(f"{path} has {what}; its layers: {', '.join(layers) or 'none'}")


def _layer(path: Path, layer: str, field: str) -> gpd.GeoDataFrame:
    """Read one layer: columns code and geometry."""
    info = pyogrio.read_info(path, layer=layer)
    what = f"{path}, layer {layer}"
    if info["crs"] is None:
        raise InputError(f"{what} states no CRS: give it one (a .prj file beside a shapefile)")
    fields = list(info["fields"])
    if field not in fields:
        raise InputError(
            f"{what} has no field '{field}'; its fields: {', '.join(fields)}. "
            "Name one with -ref.vector.field, or the layer that has it with -ref.vector.layer"
        )
    kind = info["ogr_types"][fields.index(field)]
    if kind not in INTEGERS | {"OFTString"}:
        raise InputError(
            f"{what}: field '{field}' is of type {kind[3:]}, the map has integer codes: "
            "name a field of integers with -ref.vector.field"
        )
    try:
        frame = pyogrio.read_dataframe(path, layer=layer, columns=[field])
    except UNREADABLE as error:
        raise InputError(f"{what}: a feature cannot be read ({error})") from error
    codes = _codes(frame[field], f"{what}: field '{field}'", text=kind not in INTEGERS)
    return gpd.GeoDataFrame({"code": codes}, geometry=frame.geometry.to_numpy(), crs=frame.crs)


def _codes(column: pd.Series, what: str, *, text: bool) -> NDArray[np.int64]:
    """Give integer codes, 0 for a missing one; digits in a field of strings are read."""
    if not text:
        return column.fillna(0).to_numpy(np.int64)
    values = column.fillna("0").astype(str).str.strip()
    strange = values[~values.str.fullmatch(r"[+-]?\d{1,18}")]
    if len(strange):
        raise InputError(
            f"{what} holds text such as '{strange.iloc[0]}', the map has codes. In layers of "
            "dataAppVal the field i2label has them; for other files add a field of integers: "
            "strings in sorted order are 1 to N, final/Classif_table.csv lists them"
        )
    return values.to_numpy(str).astype(np.int64)
