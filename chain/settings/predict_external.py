"""External features of a map by a given model: all but the files is said by the model's card.

Code runs only when the command line or the configuration names its file, and only the very file
that the model was trained with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...steps.external import exogenous_files, modules
from ...steps.external.record import Record
from .syntax import Document

SECTION, MANAGING = "external_features", "python_data_managing"
MODULE, RASTER = "module", "exogeneous_data"
KEY, RASTER_KEY = f"{SECTION}.{MODULE}", f"{SECTION}.{RASTER}"
OPTION = "-external_features FILE [FILE...]"
COPIES = Path("external_features")
"""Folder beside a model in which its run left copies of the files."""
NAMED = (SECTION, RASTER)
"""Keys of the command line that go into the section."""
DECIDED = (SECTION, "padding_size_x", "padding_size_y", "fill_missing_dates", "builders_class_name")
"""Keys of a configuration that say nothing here: the model does."""


def keys_of(
    model: Path, record: Record | None, document: Document, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the keys of the external features of a model.

    Parameters
    ----------
    model : Path
    record : Record or None
        What its card says of its functions; None without any.
    document : Document
        The configuration; of its section the files and the raster count.
    given : mapping
        Key -> value of the command line: `external_features` (paths) and `exogeneous_data`.

    Returns
    -------
    dict
        Key -> value, in place of those of the configuration.

    Raises
    ------
    InputError
        A file is missing or another one than in training, or the model has no such features.
    """
    if record is None:
        if given.get(SECTION) or given.get(RASTER):
            named = SECTION if given.get(SECTION) else RASTER
            raise InputError(f"-{named} is given, but {model} has no external features: drop it")
        return {}
    written = document.data.get(SECTION)
    section = written if isinstance(written, dict) else {}
    folder = document.path.absolute().parent
    files = given.get(SECTION) or list(_files_in(section.get(MODULE), folder))
    _refuse_others(model, record, given.get(SECTION) or ())
    raster = _raster_of(model, record, given.get(RASTER) or section.get(RASTER), folder)
    rows, cols = record.padding
    return {
        SECTION: {
            MODULE: [str(path) for path in _checked(model, record, [Path(f) for f in files])],
            "functions": [[one.name, dict(one.parameters)] for one in record.functions],
            "concat_mode": record.concat,
            **({} if raster is None else {RASTER: raster}),
        },
        "padding_size_x": cols,
        "padding_size_y": rows,
        "fill_missing_dates": record.raw_days is not None,
    }


def _files_in(value: Any, folder: Path) -> Iterator[Path]:
    """Yield the files that a configuration names; what is no path is told when it is checked."""
    for one in [value] if isinstance(value, str) else value or ():
        yield folder / Path(str(one)).expanduser()


def _refuse_others(model: Path, record: Record, files: Sequence[str]) -> None:
    """Refuse files of the command line that the model has no functions of."""
    if others := [path for path in files if Path(path).name not in record.modules]:
        known = ", ".join(record.modules) or "no file, its functions came with i2lc"
        raise InputError(
            f"-{SECTION} names {', '.join(others)}, but {model} was trained with {known}: drop it"
        )


def _checked(model: Path, record: Record, files: Sequence[Path]) -> list[Path]:
    """Give the files of a model, each the very one of its training."""
    by_name = {path.name: path for path in files}
    if missing := {n: s for n, s in record.modules.items() if n not in by_name}:
        told = ", ".join(f"{name} (sha256 {sha256})" for name, sha256 in missing.items())
        raise InputError(
            f"{model} has features of functions in {told}: name the files with {OPTION}, or as "
            f"{KEY} in the configuration; copies lie in {model.parent / COPIES}"
        )
    for name, wanted in record.modules.items():
        if (got := modules.digest(by_name[name])) != wanted:
            raise InputError(
                f"{model} was trained with {name} of sha256 {wanted[:12]}..., but {by_name[name]} "
                f"has {got[:12]}...: give the file of the training (a copy lies in "
                f"{model.parent / COPIES})"
            )
    return [by_name[name] for name in record.modules]


def _raster_of(model: Path, record: Record, asked: Any, folder: Path) -> str | None:
    """Give the raster of the functions: that which is asked for, else that of the training."""
    if record.exogenous is None and asked is not None:
        raise InputError(
            f"{RASTER} is given, but the functions of {model} were trained without a raster: "
            "drop it"
        )
    return record.exogenous if asked is None else str(folder / Path(str(asked)).expanduser())


def refuse_missing_rasters(model: Path, values: Mapping[str, Any], tiles: Sequence[str]) -> None:
    """Refuse a raster that is not there, for each of the tiles; `values` are those of all keys.

    Raises
    ------
    InputError
        With the files, and the way out.
    """
    pattern = values.get(SECTION, {}).get(RASTER)
    files = dict.fromkeys(exogenous_files.path_of(pattern, t) for t in tiles if pattern)
    if missing := [str(path) for path in files if not path.exists()]:
        raise InputError(
            f"{model} has features of functions that read {RASTER}, and there is no "
            f"{', '.join(missing)}: give -{RASTER} PATH, or {RASTER_KEY} in the configuration"
        )
