"""All that is wrong with a vector file that is to be a ground truth, and the file made good."""

from __future__ import annotations

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..shapes import geometry, repair
from ..shapes.database import Column, Database
from ..shapes.geometry import Finding
from ..shapes.overlaps import Shapes
from . import class_field


@dataclass(frozen=True)
class Inspection:
    """A layer, and what was found in it."""

    layer: Database
    """As it was read."""
    field: str
    """Name of the field of the class."""
    epsg: int
    smallest: float
    """Area below which a polygon is a sliver, in square metres."""
    shapes: Shapes
    """In the CRS asked for; none where the file states no CRS, (feature,)."""
    classes: pd.Series
    """Class as int or str, None where there is none, (feature,)."""
    findings: tuple[Finding, ...]

    @property
    def hopeless(self) -> tuple[Finding, ...]:
        """Those that no correction removes."""
        return tuple(f for f in self.findings if f.kind not in repair.CORRECTIONS)


@dataclass(frozen=True)
class Cleaned:
    """A layer without findings."""

    layer: Database
    """Polygons of one part in the CRS asked for, all fields kept."""
    left: NDArray[np.intp]
    """Polygons that are left of each feature of the file, (feature,)."""


def inspect(layer: Database, field: str, epsg: int, smallest: float) -> Inspection:
    """Find all that is wrong with a layer.

    Parameters
    ----------
    layer : Database
    field : str
        Name of the field of the class.
    epsg : int
        Code of the CRS, projected and in metres, that the polygons are to have.
    smallest : float
        Area below which a polygon is a sliver, in square metres.
    """
    placed = class_field.crs_findings(layer.crs, epsg)
    named = class_field.field_findings(layer, field)
    known = not [f for f in named if f.kind != "real codes"]
    column = layer.column(field) if known else None
    classes = pd.Series([None] * len(layer.fids), dtype=object)
    found = [*placed, *named]
    if column is not None:
        classes = class_field.values(column)
        found += class_field.code_findings(layer.fids, classes.tolist())
    shapes = _placed(layer, epsg, moved=bool(placed))
    if layer.crs is not None:
        drawn = geometry.findings(_frame(layer, classes, shapes), smallest)
        found += [f for f in drawn if known or f.kind != "unclassed"]
    order = sorted(found, key=lambda finding: not finding.hurts)
    return Inspection(layer, field, epsg, smallest, shapes, classes, tuple(order))


def _placed(layer: Database, epsg: int, *, moved: bool) -> Shapes:
    """Bring the shapes to the CRS asked for."""
    if layer.crs is None or not moved:
        return layer.shapes
    with np.errstate(invalid="ignore"):  # a coordinate that is no number: told as invalid
        return gpd.GeoSeries(layer.shapes, crs=layer.crs).to_crs(epsg).to_numpy()


def _frame(layer: Database, classes: pd.Series, shapes: Shapes) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"fid": layer.fids, "value": classes}, geometry=shapes)


def clean(found: Inspection) -> Cleaned:
    """Correct all that was found; only for an inspection that is not hopeless."""
    numbers = pd.factorize(found.classes)[0]
    numbers[class_field.out_of_range(found.classes.tolist())] = -1
    pieces = repair.correct(found.shapes, numbers, found.smallest)
    columns = [_kept(column, found.field).take(pieces.origins) for column in found.layer.columns]
    layer = replace(
        found.layer,
        fids=found.layer.fids[pieces.origins],
        shapes=pieces.shapes,
        columns=tuple(columns),
        crs=f"EPSG:{found.epsg}",
    )
    return Cleaned(layer, np.bincount(pieces.origins, minlength=len(found.shapes)))


def _kept(column: Column, field: str) -> Column:
    return class_field.integers(column) if column.name == field else column
