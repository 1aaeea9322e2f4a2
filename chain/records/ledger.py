"""Fingerprints: what a task's result depends on, recorded beside each of its files.

The fingerprint of a task is the hash of its step, i2lc's version, the source of the modules that
decide its result, the settings it uses, the files from outside that it reads, and the fingerprints
of what it reads of other tasks. It is known before anything runs. The record is written last:
a file with a record is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...steps.contract import Artifact, File, Settings, Step
from ...steps.files import store, zarr_check
from ...steps.files.ownership import TEMPORARY
from ..graph import Graph, Task
from . import sources

HEADER_BYTES = 65536
"""Bytes of a large file or raster that are hashed, beside its size and time."""
SMALL_FILE = 8 * 1024**2
"""Files up to this size that are no rasters are hashed whole."""
SHORT = 16
"""Hexadecimal digits of a fingerprint within another one, to keep it small."""
NO_RECORD = "it has no record: its task did not end"
MISSING = "missing"
"""Stands for the hash of a file from outside that is not there."""
FEW = 100
"""Inputs up to this number stand in the record of each product of a task."""
RASTERS = {".tif", ".tiff", ".jp2"}
STORES = {zarr_check.METADATA}
"""Names of files that stand for a folder: that they are as recorded says nothing of the others."""
REWRITTEN = ".aux.xml"
"""End of the names of GDAL's sidecars, to which programs that show a raster add statistics."""
OTHER_CONTENT = "it has another content than the recorded one"


@dataclass(frozen=True)
class Fingerprint:
    """What the result of a task depends on."""

    step: str
    unit: str
    version: str
    code: Mapping[str, str]
    """Module -> hash of its source."""
    settings: Mapping[str, Any]
    """Key -> value, as the task uses it."""
    sources: Mapping[str, str]
    """File from outside the run folder -> hash."""
    inputs: Mapping[str, str]
    """Artifact (path relative to the output folder) -> fingerprint of what is read in it."""

    @cached_property
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
    products = _Products(graph, found)
    code = {step.name: sources.code_of(step.run.__module__) for step in graph.steps}
    for task in graph.order():
        inputs = {file.path: products.digest(file, task.step) for file in task.inputs}
        name = task.step.name
        found[task.name] = fingerprint(task, settings[name], inputs, code[name])
    return found


def fingerprint(
    task: Task,
    settings: Settings,
    inputs: Mapping[str, str],
    code: Mapping[str, str] | None = None,
) -> Fingerprint:
    """Compute the fingerprint of one task; `code` where it is known already."""
    return Fingerprint(
        step=task.step.name,
        unit=str(task.unit),
        version=__version__,
        code=sources.code_of(task.step.run.__module__) if code is None else code,
        settings=task.step.uses(settings, task.unit),
        sources={str(path): _file(path) for path in sorted(task.step.sources(settings, task.unit))},
        inputs=inputs,
    )


class _Products:
    """Fingerprints of what a step reads of other tasks: without what does not touch it."""

    def __init__(self, graph: Graph, found: Mapping[str, Fingerprint]) -> None:
        self._graph = graph
        self._found = found
        self._known: dict[tuple[str, str, str], str] = {}

    def digest(self, file: File, reader: Step) -> str:
        """Give the fingerprint of what `reader` reads in a file."""
        name = self._graph.producers[file.path]
        key = name, file.artifact.name, reader.name
        if key not in self._known:
            made, task = self._found[name], self._graph.tasks[name]
            unmoved = (
                *task.step.unmoved_by.get(file.artifact, ()),
                *reader.unmoved_by.get(file.artifact, ()),
            )
            narrow = _without(made, task, unmoved) if unmoved else made
            self._known[key] = narrow.digest[:SHORT]
        return self._known[key]


def _without(made: Fingerprint, task: Task, unmoved: tuple[str | Artifact, ...]) -> Fingerprint:
    """Leave settings, the files that they name, and inputs out of a fingerprint."""
    values = [made.settings.get(key) for key in unmoved if isinstance(key, str)]
    files = {value for value in values if isinstance(value, str)}
    gone = {file.path for file in task.inputs if file.artifact in unmoved}
    return replace(
        made,
        settings={key: value for key, value in made.settings.items() if key not in unmoved},
        sources={path: found for path, found in made.sources.items() if path not in files},
        inputs={path: found for path, found in made.inputs.items() if path not in gone},
    )


@cache
def _file(path: Path) -> str:
    """Hash a file from outside: small ones whole, rasters by size, time and header."""
    if not path.is_file():
        return MISSING
    facts = path.stat()
    if path.suffix.lower() not in RASTERS and facts.st_size <= SMALL_FILE:
        return _sha(path.read_bytes())
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    return _sha(f"{facts.st_size}|{facts.st_mtime_ns}|".encode() + header)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def record_path(product: Path) -> Path:
    """Give the place of the record of a product."""
    return product.with_name(f".{product.name}.record.json")


def write_records(products: Sequence[Path], made: Fingerprint) -> None:
    """Write the records of a task's products.

    Inputs beyond a few stand in the first record only: a thousand products of a task that reads
    thousands of files would else repeat them all.
    """
    for number, product in enumerate(products):
        write_record(product, made, with_inputs=number == 0 or len(made.inputs) <= FEW)


def write_record(product: Path, made: Fingerprint, *, with_inputs: bool = True) -> None:
    """Write the record of a product that is complete and was found to open."""
    store.write_json(record_path(product), record_of(product, made, with_inputs=with_inputs))


def record_of(product: Path, made: Fingerprint, *, with_inputs: bool = True) -> dict[str, Any]:
    """Give the content of the record of a product."""
    facts = product.stat()
    small = facts.st_size <= SMALL_FILE
    parts = made.facts()
    if not with_inputs:
        del parts["inputs"]
    return {
        **parts,
        "fingerprint": made.digest,
        "file": product.name,
        "bytes": facts.st_size,
        "mtime_ns": facts.st_mtime_ns,
        **({"sha256": _sha(product.read_bytes())} if small else {}),
    }


def read_record(product: Path) -> dict[str, Any] | None:
    """Read the record of a product, None when there is none that opens."""
    return _opened(os.fspath(record_path(product)))


def note_removal(product: Path) -> bool:
    """Note in its record that a product is being removed; False when it has no record.

    Not flushed to disk, since there may be many: at worst, the product is made again.
    """
    record = read_record(product)
    if record is None:
        return False
    place = record_path(product)
    half = place.with_name(f"{TEMPORARY}removed-{place.name}")
    half.write_text(json.dumps({**record, "removed": True}), encoding="utf-8")
    half.replace(place)
    return True


def _opened(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # 100,000 of them: Path takes as long again
            record = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "fingerprint" in record else None


@dataclass(frozen=True)
class Look:
    """What there is of a product of an earlier run."""

    there: bool
    defect: str = ""
    """Why it is not whole, a sentence without its subject; empty when it is."""
    record: Mapping[str, Any] | None = None
    """Its record, None when there is none that opens."""

    @property
    def removed(self) -> bool:
        """It was whole, and removed to save space."""
        return not self.there and self.record is not None and bool(self.record.get("removed"))


def look(root: str, path: str) -> Look:
    """Look at a product, reading no more than is needed.

    A product of the size and time that its record states was found to open when the record was
    written. Of one with another time (copied, or changed) the content counts if it is small; a
    large one is opened again.

    Parameters
    ----------
    root : str
        Output folder.
    path : str
        Product, relative to it.
    """
    folder, _, name = f"{root}/{path}".rpartition("/")
    record = _opened(f"{folder}/.{name}.record.json")
    product = f"{folder}/{name}"
    try:
        facts = os.stat(product)  # noqa: PTH116
    except OSError:
        return Look(False, "the file is missing", record)
    if record is None:
        return Look(True, store.defect(Path(product)) or NO_RECORD)
    if (record.get("bytes"), record.get("mtime_ns")) == (facts.st_size, facts.st_mtime_ns):
        return Look(True, (name in STORES and store.defect(Path(product))) or "", record)
    return Look(True, _changed(Path(product), facts.st_size, record), record)


def _changed(product: Path, size: int, record: Mapping[str, Any]) -> str:
    """Say what is wrong with a product of another size or time than the recorded one."""
    if product.name.endswith(REWRITTEN):
        return store.defect(product) or ""
    if record.get("bytes") != size:
        return f"it has {size} bytes, its record says {record.get('bytes')}"
    recorded = record.get("sha256")
    if recorded is None:
        return store.defect(product) or ""
    try:
        return "" if _sha(product.read_bytes()) == recorded else OTHER_CONTENT
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"


def unfinished(product: Path) -> str | None:
    """Say why a product is not whole, or None when it is, or was until it was removed."""
    seen = look(str(product.parent), product.name)
    return None if seen.removed else seen.defect or None
