"""The only door to disk for products: every write is whole or absent.

A product is written under a temporary name in its own folder, closed, opened again and
checked, flushed to disk and renamed. A reader never sees half a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import netCDF4
import pyogrio
import rasterio
from rasterio.windows import Window
from safetensors import safe_open

from ..errors import TaskError

RUN_ID: ContextVar[str] = ContextVar("RUN_ID", default="norun")
"""Identifier of the run, part of every temporary name."""


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
        When what was written cannot be opened again; nothing is published then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{RUN_ID.get()}-{os.getpid()}-{path.name}")
    try:
        yield temporary
        if problem := defect(temporary):
            raise TaskError(f"{path} could not be written: {problem}")
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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


def _check_netcdf(path: Path) -> None:
    netCDF4.Dataset(path).close()


def _check_vector(path: Path) -> None:
    pyogrio.read_info(path)


def _check_model(path: Path) -> None:
    with safe_open(path, framework="numpy") as model:
        model.keys()


def _check_figure(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError("no PNG signature")


def _check_any(path: Path) -> None:
    path.read_text(encoding="utf-8")


_CHECKS: dict[str, Callable[[Path], None]] = {
    ".tif": _check_raster,
    ".nc": _check_netcdf,
    ".sqlite": _check_vector,
    ".safetensors": _check_model,
    ".png": _check_figure,
    ".json": lambda path: read_json(path),
}
