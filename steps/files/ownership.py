"""Whose the output folder is: the lock of the run that may publish in it.

A run that was taken for dead may still have workers. They ask right before each rename whether
the lock carries their run, so none of their products appears once another run took over, but
for one that is renamed within microseconds of the take-over. That one is a whole file, since a
rename is atomic, and it has no record of its own, since the record is another write that asks
again. Should it replace a product that the new run had already recorded, its time is not the
recorded one: a restart compares the content of a small product, of a large one it sees another
size, and that it opens (`chain.records.ledger.look`).
"""

from __future__ import annotations

import json
import time
from contextvars import ContextVar
from dataclasses import dataclass, fields
from pathlib import Path

from ...errors import TaskError

LOCK = ".i2lc.lock"
"""Name of the lock in the output folder; names that begin so belong to it."""
TEMPORARY = ".tmp-"
"""Beginning of every temporary name of a product."""
SECOND_LOOK = 0.5
"""Seconds after which a lock that was not there is looked for again; shared disks blink."""


class LostRunError(TaskError):
    """The run no longer holds its output folder: nothing may be published."""


@dataclass(frozen=True)
class Holder:
    """The run that holds an output folder; the content of the lock, as JSON."""

    run_id: str
    host: str
    pid: int
    process_start: float
    """Start of the process in seconds since the machine started, which tells it from a later
    one with its pid, whatever happens to the clock."""
    start: str
    """When the run began, ISO 8601 with zone."""
    namespace: str = ""
    """Where its pid counts: containers may share a host name and have pids of their own."""
    boot: str = ""
    """Identifier of the start of the machine: machines, too, may share a host name."""

    def __str__(self) -> str:
        return f"run {self.run_id} ({self.process})"

    @property
    def process(self) -> str:
        """Tell which process it is, and since when."""
        return f"pid {self.pid} on {self.host} since {self.start}"


@dataclass(frozen=True)
class Claim:
    """What a task says of itself when it publishes."""

    root: Path
    """Output folder."""
    run_id: str
    attempt: int = 1
    """Number of the try of its task."""


CLAIM: ContextVar[Claim | None] = ContextVar("CLAIM", default=None)
"""The claim of the task that runs; None outside of a run, where nothing is asked."""


def parse(text: str) -> Holder | None:
    """Read the content of a lock; None when it is none."""
    try:
        data = json.loads(text)
        known = [field.name for field in fields(Holder)]
        return Holder(**{name: data[name] for name in known if name in data})
    except (ValueError, TypeError):
        return None


def read(root: Path) -> Holder | None:
    """Tell who holds an output folder; None when no lock is there or it cannot be read."""
    try:
        return parse((root / LOCK).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def claim_lost(claim: Claim) -> str | None:
    """Say in a sentence why a run may not publish, or None when it may."""
    holder = read(claim.root)
    if holder is None:
        time.sleep(SECOND_LOOK)
        holder = read(claim.root)
    if holder is None and not _is_folder(claim.root):
        return f"the output folder {claim.root} vanished"
    if holder is None:
        return f"run {claim.run_id} no longer holds {claim.root}: its lock is missing"
    if holder.run_id != claim.run_id:
        return f"run {claim.run_id} no longer holds {claim.root}: it is held by {holder}"
    return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a shared disk that does not answer
        return False


def check(claim: Claim | None) -> None:
    """Refuse to go on when the run no longer holds its output folder.

    Raises
    ------
    LostRunError
        With what became of the lock.
    """
    if claim is not None and (sentence := claim_lost(claim)):
        raise LostRunError(sentence)
