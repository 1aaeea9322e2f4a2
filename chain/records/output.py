"""The output folder: adopted when empty, marked, emptied only when it bears the mark."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from ..._version import __version__
from ...errors import InputError
from ...steps.files import store
from ...steps.files.ownership import LOCK
from ..settings.config import Config
from . import distributions, ledger

MARK = ".i2lc"
"""File that says: this folder is i2lc's, it may empty it."""
KEPT = ("final", "features", "model", "logs")
"""Folders that remove_tmp_files leaves."""


def prepare(root: Path, from_first_step: bool, remove: bool) -> None:
    """Make the output folder ready for a run.

    Parameters
    ----------
    root : Path
        Output folder. A missing or empty one is adopted and marked.
    from_first_step : bool
        The run starts at the first step.
    remove : bool
        Empty a marked folder first (remove_output_path).

    Raises
    ------
    InputError
        A folder that is not i2lc's, or one with products that must not be removed; it is left
        as it was.
    """
    check(root, from_first_step, remove)
    if from_first_step and root.is_dir():
        empty(root)
    adopt(root)


def adopt(root: Path) -> None:
    """Make a folder that was checked, and mark it as i2lc's."""
    root.mkdir(parents=True, exist_ok=True)
    if not (root / MARK).is_file():
        (root / MARK).write_text(f"output folder of i2lc {__version__}\n", encoding="utf-8")


def check(root: Path, from_first_step: bool, remove: bool) -> None:
    """Refuse an output folder that the run must not use; touches nothing."""
    if root.exists() and not root.is_dir():
        raise InputError(f"output_path {root} is a file; name a folder")
    content = _content(root)
    marked = (root / MARK).is_file()
    if content and not marked:
        raise InputError(
            f"output_path {root} is not empty and bears no mark of i2lc: it was left as it is; "
            "name an empty or a new folder"
        )
    if content and from_first_step and not remove:
        raise InputError(
            f"output_path {root} holds products of an earlier run: -restart goes on with them, "
            "remove_output_path : True replaces them, another output_path keeps them, "
            "-starting_step builds on them"
        )


def _content(root: Path) -> list[Path]:
    """Give what a folder holds beside the mark and the lock of a run."""
    if not root.is_dir():
        return []
    entries = list(root.iterdir())
    return [path for path in entries if path.name != MARK and not path.name.startswith(LOCK)]


def empty(root: Path) -> None:
    """Delete all that a marked folder holds but the lock of the run, the mark last."""
    if not (root / MARK).is_file():
        return
    for entry in _content(root):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (root / MARK).unlink()


def describe(root: Path, config: Config) -> None:
    """Write the resolved configuration and the versions beside the products."""
    store.write_json(root / "config_resolved.json", config.resolved())
    store.write_json(root / "versions.json", versions())


def versions() -> dict[str, str]:
    """Give the versions of i2lc, Python and all that i2lc depends on."""
    found = {"i2lc": __version__, "python": platform.python_version(), "platform": sys.platform}
    return found | {name: distributions.version(name) for name in distributions.required()}


def is_temporary(path: str) -> bool:
    """Tell whether remove_tmp_files removes a product that was not asked for.

    Parameters
    ----------
    path : str
        Relative to the output folder.
    """
    folder, slash, _ = path.partition("/")
    return bool(slash) and folder not in KEPT


def remove_temporary(root: Path, paths: Iterable[str]) -> None:
    """Delete what the run needed on its way (remove_tmp_files), and nothing else.

    The records stay, with a note, so that a restart knows that the products were made.

    Parameters
    ----------
    root : Path
        Output folder.
    paths : iterable of str
        Products to delete, relative to `root`. One without a record is not ours, and one behind
        a link may be another run's: they stay.
    """
    linked: dict[Path, bool] = {}
    for product in (root / path for path in paths):
        folder = product.parent
        if folder not in linked:
            linked[folder] = _behind_link(root, folder)
        if not linked[folder] and product.exists() and ledger.note_removal(product):
            product.unlink()


def _behind_link(root: Path, folder: Path) -> bool:
    """Tell whether a folder, or one that it lies in below `root`, is a link."""
    between = [folder, *folder.parents]
    return any(place.is_symlink() for place in between[: between.index(root)])
