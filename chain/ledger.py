"""Fingerprints: what a task's result depends on, recorded beside each of its files.

The fingerprint of a task is the hash of its step, i2lc's version, the source of the modules that
decide its result, the settings it uses, the files from outside that it reads, and the fingerprints
of the tasks whose artifacts it reads. It is known before anything runs. The record is written last:
a file with a record is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .._version import __version__
from ..steps import store
from ..steps.contract import Settings
from . import sources
from .graph import Graph, Task

HEADER_BYTES = 65536
"""Bytes of a large file or raster that are hashed, beside its size and time."""
SMALL_FILE = 8 * 1024**2
"""Files up to this size that are no rasters are hashed whole."""


@dataclass(frozen=True)
class Fingerprint:
    """What the result of a task depends on."""

    step: str
    unit: str
    version: str
    code: Mapping[str, str]
    """Module -> hash of its source."""
    settings: Mapping[str, Any]
    """Key -> value, as the step uses it."""
    sources: Mapping[str, str]
    """File from outside the run folder -> hash."""
    inputs: Mapping[str, str]
    """Artifact (path relative to the output folder) -> fingerprint of the task that wrote it."""

    @property
    def digest(self) -> str:
        """The hash of it all."""
        return _sha(json.dumps(self.facts(), sort_keys=True, default=str).encode())

    def facts(self) -> dict[str, Any]:
        """Give all parts as plain data."""
        return {
            "step": self.step,
            "unit": self.unit,
            "version": self.version,
            "code": dict(self.code),
            "settings": dict(self.settings),
            "sources": dict(self.sources),
            "inputs": dict(self.inputs),
        }


def fingerprints(graph: Graph, settings: Mapping[str, Settings]) -> dict[str, Fingerprint]:
    """Compute the fingerprint of every task.

    Parameters
    ----------
    graph : Graph
    settings : mapping of step name to Settings

    Returns
    -------
    dict of task name to Fingerprint
    """
    _file.cache_clear()  # files from outside may have changed since an earlier run
    found: dict[str, Fingerprint] = {}
    digests: dict[str, str] = {}
    for task in graph.order():
        inputs = {file.path: digests[graph.producers[file.path]] for file in task.inputs}
        found[task.name] = fingerprint(task, settings[task.step.name], inputs)
        digests[task.name] = found[task.name].digest
    return found


def fingerprint(task: Task, settings: Settings, inputs: Mapping[str, str]) -> Fingerprint:
    """Compute the fingerprint of one task."""
    return Fingerprint(
        step=task.step.name,
        unit=str(task.unit),
        version=__version__,
        code=sources.code_of(task.step.run.__module__),
        settings=settings.model_dump(mode="json"),
        sources={str(path): _file(path) for path in sorted(task.step.sources(settings, task.unit))},
        inputs=inputs,
    )


@cache
def _file(path: Path) -> str:
    """Hash a file from outside: small ones whole, rasters by size, time and header."""
    if not path.is_file():
        return "missing"
    facts = path.stat()
    if path.suffix.lower() not in {".tif", ".tiff", ".jp2"} and facts.st_size <= SMALL_FILE:
        return _sha(path.read_bytes())
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    return _sha(f"{facts.st_size}|{facts.st_mtime_ns}|".encode() + header)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def record_path(product: Path) -> Path:
    """Give the place of the record of a product."""
    return product.with_name(f".{product.name}.record.json")


def write_record(product: Path, made: Fingerprint) -> None:
    """Write the record of a product that is complete."""
    record = {
        **made.facts(),
        "fingerprint": made.digest,
        "file": product.name,
        "bytes": product.stat().st_size,
    }
    store.write_json(record_path(product), record)


def read_record(product: Path) -> dict[str, Any] | None:
    """Read the record of a product, None when there is none that opens."""
    path = record_path(product)
    try:
        record = store.read_json(path)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "fingerprint" in record else None


@dataclass(frozen=True)
class Problem:
    """Why a product of an earlier run cannot be built on."""

    text: str
    """A sentence."""
    inherited: bool = False
    """The product is whole, but what it was made from changed."""


def problem_of(product: Path, made: Fingerprint) -> Problem | None:
    """Say why a product of an earlier run cannot be built on, or None when it can.

    Parameters
    ----------
    product : Path
    made : Fingerprint
        What the task that writes the product depends on today.
    """
    if text := unfinished(product):
        return Problem(f"{product}: {text}")
    record = read_record(product) or {}
    return None if record["fingerprint"] == made.digest else _difference(record, made.facts())


def _difference(before: Mapping[str, Any], today: Mapping[str, Any]) -> Problem:
    """Name the first thing that changed since a record was written."""
    task = f"{today['step']}/{today['unit']}"
    if before["version"] != today["version"]:
        text = f"{task}: it was made by i2lc {before['version']}, this is {today['version']}"
        return Problem(text)
    for part, text in (
        ("settings", "{key} changed {old} -> {new}"),
        ("sources", "input changed: {key}"),
        ("code", "code of {key} changed"),
    ):
        old, new = dict(_flat(before[part])), dict(_flat(today[part]))
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                told = text.format(key=key, old=old.get(key), new=new.get(key))
                return Problem(f"{task}: {told}")
    return Problem(f"{task}: what it was made from changed", inherited=True)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings, each under its own key."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value)
        else:
            yield key, value


def unfinished(product: Path) -> str | None:
    """Say why a product is not whole, or None when it is."""
    if problem := store.defect(product):
        return problem
    record = read_record(product)
    if record is None:
        return "it has no record: its task did not end"
    size = product.stat().st_size
    if record.get("bytes") != size:
        return f"it has {size} bytes, its record says {record.get('bytes')}"
    return None
