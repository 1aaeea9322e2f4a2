"""A vector file of the user with all its fields: read without touching it, written whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError

from ...errors import InputError
from ..files import disk, vectors
from .overlaps import Shapes

FORMATS = {
    ".shp": "ESRI Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".sqlite": "SQLite",
}
"""Driver that writes a file, by its ending in small letters."""
KEPT = {"Integer", "Integer64", "Real", "String", "Date", "DateTime"}
"""Types of fields that all formats have."""
INTEGERS = {"Integer": np.int32, "Integer64": np.int64}
SHAPEFILE_NAME = 10
"""Most characters of the name of a field in a shapefile."""
BESIDE = {".shp": ["shx", "dbf", "prj", "cpg", "qix", "sbn", "sbx", "idm", "ind", "qpj"]}
"""Endings of what may lie beside a file of ours that is replaced, indexes of others included."""
JOURNALS = ("-wal", "-shm", "-journal")
WAL = 2
"""Byte 18 of an SQLite file that keeps a log of writes beside it; its readers make that log."""


@dataclass(frozen=True)
class Column:
    """The values of one field."""

    name: str
    kind: str
    """Type as GDAL calls it, such as "Integer" or "Real"."""
    values: NDArray
    """(feature,)"""
    missing: NDArray[np.bool_]
    """True where the feature has no value, (feature,)."""

    def take(self, rows: NDArray[np.intp]) -> Column:
        """Give the values of some features, in the order of `rows`."""
        return replace(self, values=self.values[rows], missing=self.missing[rows])


@dataclass(frozen=True)
class Database:
    """A layer of shapes with fields."""

    fids: NDArray[np.int64]
    """Identifiers of the features in the file, (feature,)."""
    shapes: Shapes
    """Geometries, None where missing, (feature,)."""
    columns: tuple[Column, ...]
    crs: str | None
    unread: tuple[str, ...] = ()
    """Fields of types that not all formats have, with the type."""

    def column(self, name: str) -> Column | None:
        """Give a field, None where there is none of that name."""
        return next((column for column in self.columns if column.name == name), None)


def read(path: Path, what: str) -> Database:
    """Read a layer with all its fields; neither the file nor its folder changes.

    Parameters
    ----------
    path : Path
    what : str
        What the file is to the user, in messages.

    Raises
    ------
    InputError
        As of `vectors.describe`, or a feature cannot be read.
    """
    with _untouched(path) as copy:
        try:
            return _read(copy, what)
        except InputError as error:
            raise InputError(str(error).replace(str(copy), str(path))) from error


@contextmanager
def _untouched(path: Path) -> Iterator[Path]:
    """Give a file to read: a copy of one whose mere reading leaves traces beside it."""
    if not _keeps_log(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="i2lc-") as folder:
        for file in vectors.files_of(path):
            shutil.copyfile(file, Path(folder) / file.name)
        yield Path(folder) / path.name


def _keeps_log(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return False  # told by who opens it
    return head.startswith(b"SQLite format 3\0") and WAL in head[18:20]


def _read(path: Path, what: str) -> Database:
    info = vectors.describe(path, what)
    kinds = dict(zip(info["fields"], (kind[3:] for kind in info["ogr_types"]), strict=True))
    kept = [name for name, kind in kinds.items() if kind in KEPT]
    try:
        meta, fids, shapes, values = pyogrio.raw.read(
            path, layer=info["layer_name"], columns=kept, force_2d=True, return_fids=True
        )
        with np.errstate(invalid="ignore"):  # a coordinate that is no number: told as invalid
            drawn = shapely.from_wkb(shapes, on_invalid="fix")
    except (DataLayerError, shapely.errors.ShapelyError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: a feature cannot be read ({error})") from error
    columns = [_column(*field, kinds) for field in zip(meta["fields"], values, strict=True)]
    unread = tuple(f"{name} ({kind})" for name, kind in kinds.items() if kind not in KEPT)
    return Database(fids, drawn, tuple(columns), info["crs"], unread)


def _column(name: str, values: NDArray, kinds: dict[str, str]) -> Column:
    """Give whole numbers their type back, which a missing one among them takes away."""
    if values.dtype == object:
        missing = np.array([value is None for value in values], bool)
    elif values.dtype.kind in "fM":
        missing = np.isnan(values) if values.dtype.kind == "f" else np.isnat(values)
    else:
        missing = np.zeros(len(values), bool)
    if kinds[name] in INTEGERS and values.dtype.kind == "f":
        values = np.where(missing, 0, values).astype(INTEGERS[kinds[name]])
    return Column(name, kinds[name], values, missing)


def problem_of(path: Path, field: str) -> str | None:
    """Say why a file cannot be written under a name, None where it can."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        return (
            f"{path}: the ending '{path.suffix}' names no format that is written; "
            f"choose one of {', '.join(FORMATS)}"
        )
    if ending == ".shp" and len(field.encode()) > SHAPEFILE_NAME:
        return (
            f"{path}: a shapefile has no room for the field name '{field}' "
            f"({SHAPEFILE_NAME} characters at most): write a .gpkg"
        )
    if path.is_dir():
        return f"{path} is a folder: name a file"
    return None


def write(path: Path, layer: Database) -> tuple[str, ...]:
    """Publish a layer of polygons whole; an earlier file of that name is replaced.

    Parameters
    ----------
    path : Path
        Its ending names the format (`FORMATS`).
    layer : Database
        Polygons of one part each.

    Returns
    -------
    tuple of str
        What the format could not hold as it was, a sentence each.

    Raises
    ------
    InputError
        The format cannot hold the fields.
    TaskError
        The disk is full, or what was written cannot be read again.
    """
    with disk.said_clearly(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".i2lc-", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            told = _write(temporary, path, layer)
            count = vectors.describe(temporary, "file")["features"]
            if count != len(layer.shapes):
                raise disk.NotWholeError(
                    f"{path} could not be written: it has {count} of {len(layer.shapes)} polygons"
                )
            _publish(temporary, path)
    return told


def _write(temporary: Path, path: Path, layer: Database) -> tuple[str, ...]:
    driver = FORMATS[path.suffix.lower()]
    names = [column.name for column in layer.columns]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            pyogrio.raw.write(
                temporary,
                shapely.to_wkb(layer.shapes),
                [column.values for column in layer.columns],
                names,
                field_mask=[column.missing for column in layer.columns],
                layer=path.stem,
                driver=driver,
                geometry_type="Polygon",
                crs=layer.crs,
                **_options(driver, names),
            )
        except (DataSourceError, DataLayerError, FieldError, GeometryError) as error:
            raise InputError(
                f"{path} cannot hold the fields {', '.join(names)}: {error}; choose another format"
            ) from error
    told = dict.fromkeys(f"{path}: {warning.message}" for warning in heard)
    return tuple(told)


def _options(driver: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Give the options of a driver that keep the names of fields as they are."""
    layer: dict[str, str] = {}
    if driver in ("GPKG", "SQLite"):
        layer = {"FID": _free("fid", names), "GEOMETRY_NAME": _free("geom", names)}
    if driver == "SQLite":
        dataset = {"SPATIALITE": "YES", "INIT_WITH_EPSG": "NO"}
        return {"dataset_options": dataset, "layer_options": {**layer, "LAUNDER": "NO"}}
    if driver == "ESRI Shapefile":
        layer = {"ENCODING": "UTF-8"}
    return {"layer_options": layer}


def _free(name: str, taken: Sequence[str]) -> str:
    known = {other.lower() for other in taken}
    while name in known:
        name += "_"
    return name


def _publish(temporary: Path, path: Path) -> None:
    """Put the files in their place, the one that is named last."""
    files = sorted(temporary.parent.iterdir(), key=lambda file: file == temporary)
    for file in files:
        with file.open("rb") as written:
            os.fsync(written.fileno())
    path.unlink(missing_ok=True)
    for old in beside(path):
        old.unlink()
    for file in files:
        file.replace(path.with_name(file.name))


def beside(path: Path) -> list[Path]:
    """List the files that go when a file is replaced: companions, indexes, journals."""
    endings = BESIDE.get(path.suffix.lower(), ())
    siblings = path.parent.glob(f"{escape(path.stem)}.*")
    found = [file for file in siblings if file.suffix.lower()[1:] in endings]
    found += [path.with_name(path.name + ending) for ending in JOURNALS]
    return [file for file in found if file.is_file()]
