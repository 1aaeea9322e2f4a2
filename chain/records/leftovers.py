"""What those who were killed left half written in an output folder, and its removal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...steps.files import ownership, store
from ...steps.files.ownership import LOCK, TEMPORARY, Claim
from . import lock


def remove(root: Path, folders: Iterable[str], run_id: str) -> int:
    """Remove what dead runs left half written; give how many files and folders.

    Parameters
    ----------
    root : Path
        Output folder; the caller holds it.
    folders : iterable of str
        Folders of products, relative to `root`; "" is `root` itself.
    run_id : str
        The run whose files stay.
    """
    own = f"{TEMPORARY}{run_id}-"
    found = [path for folder in set(folders) for path in (root / folder).glob(f"{TEMPORARY}*")]
    dead = [path for path in found if not path.name.startswith(own)]
    for path in [*dead, *_of_locks(root)]:
        with suppress(OSError):
            store.discard(path)
    return len(dead)


def _of_locks(root: Path) -> list[Path]:
    """Give what those who were killed while they took a lock left of it."""
    oldest = lock.disk_time(root) - int(lock.STALE * 1e9)
    found = []
    for path in root.glob(f"{LOCK}.*"):
        with suppress(OSError):
            found += [path] if path.stat().st_mtime_ns < oldest else []
    return found


def remove_own(root: Path, folders: Iterable[str], run_id: str) -> int:
    """Remove what killed tries of this run left half written; give how many files and folders.

    Parameters
    ----------
    root : Path
        Output folder; nothing is touched when the run no longer holds it.
    folders : iterable of str
        Folders of products, relative to `root`; "" is `root` itself.
    run_id : str
    """
    if ownership.claim_lost(Claim(root, run_id)):
        return 0
    pattern = f"{TEMPORARY}{run_id}-*"
    found = [path for folder in set(folders) for path in (root / folder).glob(pattern)]
    for path in found:
        with suppress(OSError):
            store.discard(path)
    return len(found)
