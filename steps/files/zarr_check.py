"""Whether a Zarr store is whole: every chunk that its metadata promise is there."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

METADATA = ".zmetadata"
"""File with the metadata of all arrays of a store (format 2)."""


def check(metadata: Path) -> None:
    """Compare the chunks of a store with its metadata.

    Stores are written with all chunks, those without a value too; so one that is missing was
    never written, or removed.

    Parameters
    ----------
    metadata : Path
        The file METADATA of the store.

    Raises
    ------
    ValueError
        Naming an array that lacks chunks, or metadata that are none.
    """
    known = json.loads(metadata.read_text(encoding="utf-8"))["metadata"]
    for key, array in known.items():
        name, slash, kind = key.rpartition("/")
        if slash and kind == ".zarray":
            _check_array(metadata.parent / name, array)


def _check_array(folder: Path, array: dict[str, Any]) -> None:
    sizes = zip(array["shape"], array["chunks"], strict=True)
    wanted = math.prod(-(-size // chunk) for size, chunk in sizes)
    chunks = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = sum(1 for path in chunks if path.stat().st_size)
    if found != wanted:
        raise ValueError(f"array {folder.name} has {found} of {wanted} chunks")
