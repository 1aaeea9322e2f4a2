"""What the rasters of `exogeneous_data` are read from: files beside them, rasters in rasters."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

TILE_MARK = "$TILE"
"""Stands for the name of the tile in `exogeneous_data`."""
NOTES = ".aux.xml"
"""Ending of what GDAL notes beside a raster; statistics too, which viewers write unasked."""
VIRTUAL = re.compile(r"^(/vsi[a-z0-9]+/)+\{?")
"""What stands before the path of an archive in the names of its files."""


def path_of(pattern: str, tile: str) -> Path:
    """Give the raster of a tile."""
    return Path(pattern.replace(TILE_MARK, tile))


@contextmanager
def with_neighbours() -> Iterator[None]:
    """Let GDAL look for masks and notes beside a raster, which tasks keep it from.

    Both when a raster is opened and when it is read: masks, and what a virtual raster names, are
    opened at the first reading.
    """
    found = {"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE", "GDAL_PAM_ENABLED": "YES"}
    # the outer one, or rasterio would make options for good of what it finds among the variables
    with rasterio.Env(), rasterio.Env(**found):
        yield


def open_raster(name: str | Path) -> rasterio.DatasetReader:
    """Open a raster, to be called within `with_neighbours`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # told in a sentence of ours
        return rasterio.open(name)


@contextmanager
def opened(name: str | Path) -> Iterator[rasterio.DatasetReader]:
    """Hold a raster open, with its neighbours."""
    with with_neighbours(), open_raster(name) as raster:
        yield raster


def labels_of(raster: rasterio.DatasetReader) -> tuple[str, ...]:
    """Give the description of each band, `band_<k>` where it has none."""
    return tuple(text or f"band_{k}" for k, text in enumerate(raster.descriptions, 1))


def files_of(pattern: str, tiles: Iterable[str]) -> list[Path]:
    """Give the rasters of all tiles, each once, and the files on disk that belong to them.

    Such are those that virtual rasters name, through others too, masks, and world files. Notes
    (.aux.xml) are none of them: what counts in them is part of `header`.
    """
    tiles = tuple(tiles)
    found = dict.fromkeys(path_of(pattern, tile) for tile in tiles)
    names = [name for name in _walked(pattern, tiles) if not name.endswith(NOTES)]
    found.update(dict.fromkeys(path for path in map(_on_disk, names) if path))
    return list(found)


def header(pattern: str, tiles: Iterable[str]) -> str:
    """Give a digest of what decides the values of the rasters beside their pixels.

    Of all that `files_of` opens; statistics, which decide nothing, leave it as it is.
    """
    facts = [facts for facts in _walked(pattern, tiles).values() if facts]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def folders(pattern: str, tiles: Iterable[str]) -> list[str]:
    """Give the folders that the rasters are read from, as those of Zarr, as GDAL names them."""
    return [name for name in _walked(pattern, tiles) if _is_folder(name)]


def _is_folder(name: str) -> bool:
    return name.startswith("ZARR:") or Path(name).is_dir()


def _walked(pattern: str, tiles: Iterable[str]) -> dict[str, str]:
    """Give the names of all that the rasters are read from, and the facts of those that open.

    Each file is looked at once, so that this ends where a virtual raster names itself.
    """
    found: dict[str, str] = {}
    known: set[str] = set()
    waiting = deque(str(path_of(pattern, tile)) for tile in tiles)
    while waiting:
        name = waiting.popleft()
        if (real := os.path.realpath(name)) not in known:
            known.add(real)
            found[name], belonging = _looked_at(name)
            waiting.extend(belonging)
    return found


def _looked_at(name: str) -> tuple[str, list[str]]:
    """Give the facts of a raster and the names of its files; none of what is no raster."""
    if name.endswith(NOTES):
        return "", []
    try:
        with opened(name) as raster:
            return _facts(raster), raster.files
    except RasterioError:
        return "", []  # `problems` tells


def _facts(raster: rasterio.DatasetReader) -> str:
    crs = raster.crs.to_wkt() if raster.crs else None
    masks = [[flag.name for flag in flags] for flags in raster.mask_flag_enums]
    nodata = raster.nodatavals, raster.tags().get("NODATA_VALUES")
    return repr((crs, tuple(raster.transform), nodata, masks, raster.descriptions))


def _on_disk(name: str) -> Path | None:
    """Give the file that a name of GDAL's stands for: of a file in an archive the archive."""
    path = Path(VIRTUAL.sub("", name))
    return next((part for part in (path, *path.parents) if part.is_file()), None)
