"""The only door to disk for products: every write is whole or absent.

A product is written under a temporary name in its own folder, closed, opened again and
checked, flushed to disk and renamed, the rename only while the run holds the output folder.
A reader never sees half a file.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
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
from rasterio.windows import Window
from safetensors import safe_open

from . import disk, gaps, ownership, zarr_check
from .ownership import Claim, LostRunError

OPEN: set[Path] = set()
"""Temporary files of this process that are being written; who ends it removes them."""


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
    with _published(path, Path.replace) as temporary:
        yield temporary
        if problem := defect(temporary) or _gap(temporary):
            raise disk.NotWholeError(f"{path} could not be written: {problem}")
        _flush(temporary)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill with a Zarr store; publish it as `path`, as `writing` does.

    A folder that is there already is replaced. A folder cannot be exchanged for another one in
    one go: killed in between, nothing is there.
    """
    with _published(path, _exchange) as temporary:
        temporary.mkdir()
        yield temporary
        if problem := defect(temporary / zarr_check.METADATA):
            raise disk.NotWholeError(f"{path} could not be written: {problem}")
        for place in sorted(temporary.rglob("*"), reverse=True):
            _flush(place)
        _flush(temporary)


def _exchange(temporary: Path, path: Path) -> None:
    """Rename a folder to a name that another one may have."""
    if path.exists() or path.is_symlink():
        old = temporary.with_name(f"{temporary.name}-old")
        path.replace(old)
        temporary.replace(path)
        discard(old)
    else:
        temporary.replace(path)


@contextmanager
def _published(path: Path, publish: Callable[[Path, Path], object]) -> Iterator[Path]:
    """Give a temporary path; when the block ends well it is published as `path`, else removed."""
    claim = ownership.CLAIM.get()
    temporary = path.with_name(f"{_prefix(claim)}{_token(os.getpid())}-{path.name}")
    OPEN.add(temporary)
    try:
        with disk.said_clearly(claim.root if claim else path.parent):
            _make_folder(path.parent, claim)
            yield temporary
        ownership.check(claim)
        publish(temporary, path)
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
    """Remove a temporary file or folder and what libraries put beside it, such as journals."""
    with suppress(OSError):
        for path in temporary.parent.glob(f"{escape(temporary.name)}*"):
            if path.is_file():
                os.truncate(path, 0)  # a library that failed may hold it open, and its space
            discard(path)


def discard(path: Path) -> None:
    """Remove a file, a link, or a folder with all that it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
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
    check = _CHECKS.get(path.suffix.lower() or path.name, _check_any)
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
    zarr_check.METADATA: zarr_check.check,
}
_GAPS: dict[str, Callable[[Path], str | None]] = {".tif": gaps.of_raster, ".nc": gaps.of_netcdf}
