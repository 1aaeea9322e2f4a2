"""The only door to disk for products: every write is whole or absent.

A product is written under a temporary name in its own folder, closed, opened again and
checked, flushed to disk and renamed, the rename only while the run holds the output folder.
A reader never sees half a file.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import netCDF4
import pyogrio
import rasterio
from rasterio.enums import Interleaving
from rasterio.windows import Window
from safetensors import safe_open

from . import disk, ownership
from .ownership import Claim, LostRunError

OPEN: set[Path] = set()
"""Temporary files of this process that are being written; who ends it removes them."""
READ_AT_ONCE = 2048
"""Columns of a band that are read again at one time, four times its rows."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write; publish it as `path` when the block ends well.

    Parameters
    ----------
    path : Path
        Final place of the product. Its folder is made when missing.

    Raises
    ------
    TaskError
        When what was written cannot be read again, when the disk is full (DiskFullError), or when
        the run no longer holds the output folder (LostRunError); nothing is published then.
    """
    claim = ownership.CLAIM.get()
    temporary = path.with_name(f"{_prefix(claim)}{_token(os.getpid())}-{path.name}")
    OPEN.add(temporary)
    try:
        with disk.said_clearly(claim.root if claim else path.parent):
            _make_folder(path.parent, claim)
            yield temporary
            if problem := defect(temporary) or _gap(temporary):
                raise disk.NotWholeError(f"{path} could not be written: {problem}")
            _flush(temporary)
        ownership.check(claim)
        temporary.replace(path)
        _flush(path.parent)
    except BaseException as error:
        remove_temporary(temporary)
        if isinstance(error, Exception) and not isinstance(error, LostRunError):
            ownership.check(claim)  # a folder that is gone is the cause of many errors
        raise
    finally:
        OPEN.discard(temporary)


def _prefix(claim: Claim | None) -> str:
    run = f"{claim.run_id}-{claim.attempt}" if claim else "norun-1"
    return f"{ownership.TEMPORARY}{run}-"


@cache
def _token(pid: int) -> str:
    """Give a word of a process; its number may be that of another one on another machine."""
    return f"{pid}-{secrets.token_hex(4)}"


def _make_folder(folder: Path, claim: Claim | None) -> None:
    """Make the folder of a product; an output folder that vanished is never made again."""
    if claim is None or not folder.is_relative_to(claim.root):
        folder.mkdir(parents=True, exist_ok=True)
        return
    try:
        place = claim.root
        for name in folder.relative_to(claim.root).parts:
            place = place / name
            place.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        ownership.check(claim)
        raise LostRunError(f"{place.parent} vanished") from error


def remove_temporary(temporary: Path) -> None:
    """Remove a temporary file and what libraries put beside it, such as journals."""
    with suppress(OSError):
        for path in temporary.parent.glob(f"{escape(temporary.name)}*"):
            os.truncate(path, 0)  # a library that failed may hold it open, and with it the space
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Publish a UTF-8 text file."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Publish `data` as JSON with sorted keys, so that equal data give equal bytes."""
    write_text(path, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def defect(path: Path) -> str | None:
    """Say why the product at `path` cannot be used, or None when it opens.

    The check follows the file's ending: rasters are opened and their last pixel is read,
    which a truncated file does not survive.
    """
    if not path.is_file():
        return "the file is missing"
    check = _CHECKS.get(path.suffix.lower(), _check_any)
    try:
        check(path)
    except Exception as error:  # any failure to open is the answer to the question
        return f"it does not open ({error})"
    return None


def _check_raster(path: Path) -> None:
    with rasterio.open(path) as raster:
        last = Window(raster.width - 1, raster.height - 1, 1, 1)
        raster.read(window=last)


def _gap(path: Path) -> str | None:
    """Say what is missing inside a product that was just written, or None.

    A disk that was full for a moment leaves files that open, with storage blocks never written.
    All that was written is read again, from the system's memory: this is too dear for a restart,
    which compares the size with the recorded one.
    """
    search = _GAPS.get(path.suffix.lower())
    try:
        return search(path) if search else None
    except Exception as error:  # any failure to read is the answer to the question
        return f"it cannot be read ({error})"


def _raster_gap(path: Path) -> str | None:
    with rasterio.open(path) as raster:
        together = raster.interleaving is Interleaving.pixel
        groups = [list(raster.indexes)] if together else [[band] for band in raster.indexes]
        for bands in groups:
            if gap := _missing_block(raster, bands[0]):
                return gap
            for window in _windows(raster, bands):
                raster.read(bands, window=window)
    return None


def _missing_block(raster: rasterio.DatasetReader, band: int) -> str | None:
    """Name a storage block of a GeoTIFF that was never written; it would read as nodata."""
    height, width = raster.block_shapes[band - 1]
    for row in range(-(-raster.height // height)):
        for col in range(-(-raster.width // width)):
            if not raster.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band):
                return f"storage block {row}, {col} of band {band} is missing"
    return None


def _windows(raster: rasterio.DatasetReader, bands: Sequence[int]) -> Iterator[Window]:
    """Walk over bands of a raster in windows of whole storage blocks."""
    height, width = raster.block_shapes[bands[0] - 1]
    rows = height * max(READ_AT_ONCE // 4 // height, 1)
    cols = width * max(READ_AT_ONCE // len(bands) // width, 1)
    for row in range(0, raster.height, rows):
        for col in range(0, raster.width, cols):
            yield Window(col, row, min(cols, raster.width - col), min(rows, raster.height - row))


def _netcdf_gap(path: Path) -> str | None:
    """Compare the file's size with the sizes of its plain variables."""
    with netCDF4.Dataset(path) as file:
        least = sum(_plain_bytes(variable) for variable in file.variables.values())
    size = path.stat().st_size
    return f"it has {size} bytes, its variables need {least}" if size < least else None


def _plain_bytes(variable: netCDF4.Variable) -> int:
    if variable.dtype is str or any((variable.filters() or {}).values()):
        return 0
    return int(variable.size) * int(variable.dtype.itemsize)


def _check_netcdf(path: Path) -> None:
    netCDF4.Dataset(path).close()


def _check_vector(path: Path) -> None:
    pyogrio.read_info(path)


def _check_model(path: Path) -> None:
    with safe_open(path, framework="numpy") as model:
        model.keys()


def _check_archive(path: Path) -> None:
    with ZipFile(path) as file:
        if damaged := file.testzip():
            raise ValueError(f"its member {damaged} is damaged")


def _check_figure(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError("no PNG signature")


def _check_xml(path: Path) -> None:
    ElementTree.parse(path)


def _check_any(path: Path) -> None:
    path.read_text(encoding="utf-8")


_CHECKS: dict[str, Callable[[Path], None]] = {
    ".tif": _check_raster,
    ".nc": _check_netcdf,
    ".sqlite": _check_vector,
    ".gpkg": _check_vector,
    ".safetensors": _check_model,
    ".skops": _check_archive,
    ".png": _check_figure,
    ".json": lambda path: read_json(path),
    ".xml": _check_xml,
    ".qml": _check_xml,
}
_GAPS: dict[str, Callable[[Path], str | None]] = {".tif": _raster_gap, ".nc": _netcdf_gap}
