"""With which versions the products of a folder were made, when it was not one set of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...steps.files import store
from . import output

NAME = "versions.json"
EARLIER = "versions_earlier.json"
"""Versions of earlier runs whose products may be there still, oldest first."""


def keep_earlier(root: Path) -> list[str]:
    """Set aside the versions of an earlier run that are not those of today.

    Parameters
    ----------
    root : Path
        Output folder on which this run builds; the caller holds it.

    Returns
    -------
    list of str
        What to tell the user; empty when nothing changed.
    """
    before = _read(root / NAME, {})
    today = output.versions()
    changed = [
        f"{name} {before[name]} -> {today.get(name, 'not needed')}"
        for name in before
        if before[name] != today.get(name)
    ]
    if not changed:
        return []
    earlier = _read(root / EARLIER, [])
    if before not in earlier:
        store.write_json(root / EARLIER, [*earlier, before])
    return [
        f"warning: versions changed since the last run here: {', '.join(changed)}; what is reused "
        f"was made with the former ({root / EARLIER}), and last bits may differ"
    ]


def _read(path: Path, otherwise: Any) -> Any:
    try:
        found = store.read_json(path)
    except (OSError, ValueError):
        return otherwise
    return found if isinstance(found, type(otherwise)) else otherwise
