"""Vector files of users: which files make one up, and whether it opens and has the fields."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path

import geopandas as gpd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from ...errors import InputError

COMPANIONS = {
    ".shp": {".shp", ".shx", ".dbf", ".prj", ".cpg"},
    ".tab": {".tab", ".dat", ".map", ".id", ".ind"},
    ".mif": {".mif", ".mid"},
}
"""Endings of the files that make up a data set, in small letters, by that of the one named."""
JOURNALS = ("-wal", "-journal")
"""Behind the name of an SQLite file: what was written last may lie there alone."""
DISCRETE = ("OFTInteger", "OFTInteger64", "OFTString")
"""Types of a field whose values can be names or codes."""
CLASS = "a class"
"""What a value of the field of the class is, in messages."""
WHOLE_NUMBERS = "; i2lc check-database -doCorrections True turns whole numbers into integers"


def files_of(path: Path) -> list[Path]:
    """Give the files that make up a vector data set (a shapefile is several), `path` first.

    GDAL does not mind how endings are written: TRUTH.DBF belongs to TRUTH.SHP and TRUTH.shp.
    """
    endings = COMPANIONS.get(path.suffix.lower(), set())
    siblings = path.parent.glob(f"{escape(path.stem)}.*") if endings else ()
    found = {file for file in siblings if file.suffix.lower() in endings and file.stem == path.stem}
    found |= {path.with_name(path.name + ending) for ending in JOURNALS}
    return [path, *sorted(file for file in found - {path} if _holds(file))]


def _holds(file: Path) -> bool:
    """Tell whether a file is there with content: a reader may leave an empty journal."""
    return file.is_file() and file.stat().st_size > 0


def describe(path: Path, what: str) -> dict:
    """Describe the one layer with geometries, as pyogrio does.

    Parameters
    ----------
    path : Path
    what : str
        What the file is to the user, such as "ground truth".

    Raises
    ------
    InputError
        The file is missing, does not open, is truncated, or has several layers or none.
    """
    if not path.is_file():
        raise InputError(f"there is no {what} {path}")
    _refuse_truncated(path)
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) == 1:
            return pyogrio.read_info(path, layer=layers[0])
    except (DataSourceError, DataLayerError) as error:
        raise InputError(f"{path} does not open as a vector file: {error}") from error
    names = f" ({', '.join(layers)})" if layers else ""
    raise InputError(f"{path} has {len(layers)} layers with geometries{names}, want one")


def _refuse_truncated(path: Path) -> None:
    """Refuse a shapefile shorter than its header says; GDAL reads its end as empty shapes."""
    if path.suffix.lower() != ".shp":
        return
    with path.open("rb") as file:
        header = file.read(28)
    size, stated = path.stat().st_size, 2 * int.from_bytes(header[24:28], "big")
    if size < stated:
        raise InputError(f"{path} is truncated: it has {size} of {stated} bytes, copy it again")


def crs_problems(path: Path, info: dict) -> list[str]:
    """Tell when a described file states no CRS."""
    if info["crs"] is None:
        return [f"{path} states no CRS: give it one (a .prj file beside a shapefile)"]
    return []


def field_problems(path: Path, field: str, info: dict, meaning: str) -> list[str]:
    """Tell when a described file lacks a field, or has it with values that name nothing.

    Parameters
    ----------
    path : Path
    field : str
    info : dict
        As of `describe`.
    meaning : str
        What a value of the field is, such as `CLASS`.
    """
    fields = list(info["fields"])
    if field not in fields:
        return [f"{path} has no field '{field}'; its fields: {', '.join(fields)}"]
    kind = info["ogr_types"][fields.index(field)]
    if kind not in DISCRETE:
        way = WHOLE_NUMBERS if kind == "OFTReal" and meaning == CLASS else ""
        text = f"field '{field}' is of type {kind[3:]}; {meaning} is an integer or a string"
        return [f"{path}: {text}{way}"]
    return []


def features(path: Path, fields: Sequence[str], info: dict) -> gpd.GeoDataFrame:
    """Read fields and geometries of a described file, by feature identifier.

    Raises
    ------
    InputError
        A feature cannot be read.
    """
    try:
        return pyogrio.read_dataframe(
            path, layer=info["layer_name"], columns=list(fields), fid_as_index=True
        )
    except (DataLayerError, shapely.errors.ShapelyError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: a feature cannot be read ({error})") from error
