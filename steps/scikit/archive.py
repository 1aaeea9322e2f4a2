"""An estimator as the bytes of a zip file in skops' format, and back; nothing of it is run.

skops names arrays and objects by their address in memory, which differs from run to run. Here
arrays are named by what they hold, objects are numbered, and members have one date and one
order, so that one estimator always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skops.io

from ...errors import InputError
from .allowed import TRUSTED, TYPES

SCHEMA = "schema.json"
DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member; the earliest that a zip file can state."""
SHARED = {"ObjectNode", "TreeNode"}
"""Nodes whose identity is kept; whether two equal numbers or tuples are one object is chance."""


def pack(estimator: Any, members: Mapping[str, str]) -> bytes:
    """Give an estimator as a zip file.

    Parameters
    ----------
    estimator : estimator of scikit-learn
    members : mapping of name to text
        What else the file holds.

    Raises
    ------
    InputError
        It holds a type that :func:`unpack` would refuse.
    """
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as made:
        schema = json.loads(made.read(SCHEMA))
        arrays = {name: _plain(made.read(name)) for name in made.namelist() if name != SCHEMA}
    _refuse_others("the estimator", schema)
    named = {name: f"{hashlib.sha256(data).hexdigest()}.npy" for name, data in arrays.items()}
    _rename(schema, named)
    files = {named[name]: data for name, data in arrays.items()}
    texts = {**members, SCHEMA: json.dumps(schema, sort_keys=True)}
    return _zipped({**files, **{name: text.encode() for name, text in texts.items()}})


def _plain(data: bytes) -> bytes:
    """Give an array as numpy's bytes with zeros between its fields, where memory is arbitrary."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _rename(schema: dict[str, Any], named: Mapping[str, str]) -> None:
    """Name arrays anew and number objects in the order in which they are met."""
    numbers: dict[int, int] = {}
    for node in _nodes(schema):
        if "file" in node:
            node["file"] = named[node["file"]]
        if "__id__" in node:
            address = node.pop("__id__")
            if node["__loader__"] in SHARED:
                node["__id__"] = numbers.setdefault(address, len(numbers) + 1)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as made:
        for name, data in sorted(files.items()):
            made.writestr(zipfile.ZipInfo(name, DATE), data)
    return buffer.getvalue()


def unpack(path: Path) -> Any:
    """Build the estimator of a file; its types are looked at first.

    Raises
    ------
    InputError
        No such file, a type that is not allowed, or what this version of scikit-learn cannot
        build.
    """
    _refuse_others(str(path), _json(path, SCHEMA))
    try:
        return skops.io.load(path, trusted=list(TRUSTED))
    except Exception as error:  # skops and scikit-learn pass on whatever a damaged file leads to
        raise InputError(f"{path} does not open as an estimator: {error}") from error


def text(path: Path, member: str) -> str | None:
    """Read one text of a file; None where there is none of this name."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.read(member).decode() if member in file.namelist() else None
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} does not open as a model: {error}") from error


def _json(path: Path, member: str) -> Any:
    found = text(path, member)
    try:
        return json.loads(found or "")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no estimator: no {member} that can be read") from error


def _refuse_others(whose: str, schema: Any) -> None:
    """Refuse a schema that names a type, or a way to build one, outside of the fixed list."""
    for node in _nodes(schema):
        name = f"{node.get('__module__')}.{node.get('__class__')}"
        loader = node.get("__loader__")
        if not isinstance(loader, str) or name not in TYPES.get(loader, ()):
            raise InputError(
                f"{whose} holds {name} (as {loader}), which is not among the types that i2lc "
                "loads: nothing of it was built; make the model with i2lc"
            )


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a schema: whatever says how it is to be built, and of which type."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if {"__loader__", "__class__", "__module__"} & set(one):
                yield one
            waiting.extend(one[key] for key in sorted(one, reverse=True))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
