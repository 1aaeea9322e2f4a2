"""Polygons that their out-of-fold map contradicts: ranked, for QGIS.

A polygon is suspicious when models that never saw it, nor its neighbourhood, say another class and
are sure of it: a wrong class, a crop that changed, a badly drawn outline, or a class that looks
different elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from ..reference.labels import Labels

EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Edges of the classes of agreement in the style."""
COLORS = ("215,25,28", "253,174,97", "255,255,191", "166,217,106", "26,150,65")
"""Red, green, blue of each class, from contradicted to confirmed."""
DATE = "1970-01-01T00:00:00.000Z"
"""Date that the GeoPackage states, so that equal polygons give equal bytes."""
COLUMNS = (
    "rank",
    "polygon",
    "originfid",
    "fold",
    "fold_name",
    "class",
    "class_name",
    "pixels",
    "agreement",
    "majority",
    "majority_name",
    "confidence",
    "suspicion",
)


def rank(
    predictions: pd.DataFrame, polygons: pd.DataFrame, names: Mapping[int, str], classes: Labels
) -> pd.DataFrame:
    """Rank the polygons by how surely their out-of-fold map contradicts them.

    ``suspicion`` is the mean over the pixels of the confidence (percent) where the map says another
    class, 0 where it agrees: large when agreement is low and confidence is high. Rank 1 has the
    largest; ties go by less agreement, then more confidence, then more pixels, then the number.

    Parameters
    ----------
    predictions : DataFrame
        Columns fold, polygon (number), label, said (0 none), pixels, confidence (sum over the
        pixels, percent): the test pixels of all folds and seeds, which are pooled.
    polygons : DataFrame
        Columns number, polygon (identifier), originfid.
    names : mapping of int to str
        Folds.
    classes : Labels

    Returns
    -------
    DataFrame
        COLUMNS and number, by rank: pixels with a class in the map (of all seeds), agreement (share
        of them, 0-1), majority (class that most of them get; of equals the polygon's own, then the
        lowest code), confidence (mean, percent). Polygons without such a pixel are not in it.
    """
    rows = predictions[(predictions["said"] != 0) & (predictions["pixels"] > 0)]
    rows = rows.assign(agrees=rows["said"] == rows["label"])
    table = _sums(rows).join(_majority(rows)).reset_index(names="number")
    table = table.merge(polygons[["number", "polygon", "originfid"]], on="number", how="left")
    code_names = {label.code: label.name for label in classes.classes}
    table["fold_name"] = table["fold"].map(dict(names))
    table["class_name"] = table["class"].map(code_names)
    table["majority_name"] = table["majority"].map(code_names)
    keys = ["suspicion", "agreement", "confidence", "pixels", "number"]
    table = table.sort_values(keys, ascending=[False, True, False, False, True], ignore_index=True)
    table["rank"] = np.arange(1, len(table) + 1)
    return table[[*COLUMNS, "number"]]


def _sums(rows: pd.DataFrame) -> pd.DataFrame:
    """Give class, fold, pixels, agreement, confidence and suspicion of each polygon number."""
    rows = rows.assign(
        right=rows["pixels"].where(rows["agrees"], 0),
        against=rows["confidence"].where(~rows["agrees"], 0.0),
    )
    groups = rows.groupby("polygon")
    sums = groups[["pixels", "right", "confidence", "against"]].sum()
    return pd.DataFrame(
        {
            "class": groups["label"].first(),
            "fold": groups["fold"].min(),
            "pixels": sums["pixels"],
            "agreement": sums["right"] / sums["pixels"],
            "confidence": sums["confidence"] / sums["pixels"],
            "suspicion": sums["against"] / sums["pixels"],
        }
    )


def _majority(rows: pd.DataFrame) -> pd.DataFrame:
    votes = rows.groupby(["polygon", "said"], as_index=False).agg(
        pixels=("pixels", "sum"), agrees=("agrees", "first")
    )
    keys = ["polygon", "pixels", "agrees", "said"]
    first = votes.sort_values(keys, ascending=[True, False, False, True])
    first = first.drop_duplicates("polygon").set_index("polygon")
    return first[["said"]].rename(columns={"said": "majority"})


def write(path: Path, ranked: pd.DataFrame, shapes: Sequence[shapely.Geometry], crs: str) -> None:
    """Write the ranked polygons as a GeoPackage of one layer.

    Parameters
    ----------
    path : Path
    ranked : DataFrame
        From `rank`.
    shapes : sequence of geometry
        Outlines by polygon number - 1, in `crs`.
    crs : str
    """
    geometry = [shapes[number - 1] for number in ranked["number"].tolist()]
    frame = gpd.GeoDataFrame(ranked[list(COLUMNS)], geometry=geometry, crs=crs)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": DATE})
    try:
        pyogrio.write_dataframe(
            frame,
            path,
            driver="GPKG",
            layer="suspicious_polygons",
            geometry_type="MultiPolygon",
            promote_to_multi=True,
            dataset_options={"VERSION": "1.2"},  # GDAL before 3.6 warns of a later one
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def style() -> str:
    """Give the QGIS style of the layer: outlines colored by agreement, red where there is none.

    QGIS takes it by itself when it lies beside the GeoPackage under the same name.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        type="graduatedSymbol",
        attr="agreement",
        graduatedMethod="GraduatedColor",
        enableorderby="0",
        forceraster="0",
        symbollevels="0",
    )
    ranges, symbols = ET.SubElement(renderer, "ranges"), ET.SubElement(renderer, "symbols")
    for number, color in enumerate(COLORS):
        _add_class(ranges, symbols, number, color)
    for name, value in (("blendMode", "0"), ("featureBlendMode", "0"), ("layerGeometryType", "2")):
        ET.SubElement(root, name).text = value
    ET.indent(root, " ")
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + ET.tostring(root, encoding="unicode") + "\n"


def _add_class(ranges: ET.Element, symbols: ET.Element, number: int, color: str) -> None:
    lower, upper = EDGES[number], EDGES[number + 1]
    ET.SubElement(
        ranges,
        "range",
        symbol=str(number),
        lower=str(lower),
        upper=str(upper),
        label=f"{100 * lower:.0f} - {100 * upper:.0f} % agree",
        render="true",
    )
    symbol = ET.SubElement(
        symbols, "symbol", name=str(number), type="fill", alpha="1", clip_to_extent="1"
    )
    layer = ET.SubElement(
        symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}
    )
    look = {
        "color": f"{color},160",
        "outline_color": f"{color},255",
        "outline_style": "solid",
        "outline_width": "0.46",
        "outline_width_unit": "MM",
        "style": "solid",
    }
    options = ET.SubElement(layer, "Option", type="Map")
    for name, value in look.items():
        ET.SubElement(options, "Option", name=name, type="QString", value=value)
        ET.SubElement(layer, "prop", k=name, v=value)  # read before QGIS 3.26


def contradicted(ranked: pd.DataFrame) -> int:
    """Count the polygons that are given another class by most of their pixels."""
    return int((ranked["majority"] != ranked["class"]).sum())
