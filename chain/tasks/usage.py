"""What this process and those that it started use: memory, processor time, bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds of the unit in which the kernel counts processor time."""
PROC = Path("/proc")


def children() -> list[int]:
    """Give the numbers of all processes that come from this one."""
    try:
        return [child.pid for child in psutil.Process().children(recursive=True)]
    except psutil.Error:
        return []


def memory(others: Iterable[int], enough: int) -> int:
    """Give the bytes that this process and others hold.

    Processes that were forked share pages: once the plain sum is above `enough`, shared pages
    are divided among those that share them, which takes the kernel longer to tell.
    """
    others = list(others)
    own = _resident("self")
    plain = own + sum(_resident(pid) for pid in others)
    return plain if plain <= enough else own + sum(_proportional(pid) for pid in others)


def peak() -> int:
    """Give the most bytes that this process ever held.

    Not what getrusage calls so: a process begins with the peak of the one that started it.
    """
    for line in _read(PROC / "self/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return _resident("self")


def _resident(pid: int | str) -> int:
    text = _read(PROC / str(pid) / "statm").split()
    return int(text[1]) * PAGE if len(text) > 1 else 0


def _proportional(pid: int) -> int:
    for line in _read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # ended meanwhile, or not ours to read
        return ""


@dataclass(frozen=True)
class Work:
    """Processor time and bytes of a thread or a process, since it began."""

    seconds: float = 0.0
    moved: int = 0
    """Bytes read and written, from a disk or from memory."""


def bystanders() -> frozenset[int]:
    """Give the threads of Python that are not the caller's: they do not work for its task."""
    own = threading.get_native_id()
    threads = {thread.native_id for thread in threading.enumerate()}
    return frozenset(number for number in threads if number not in {None, own})


def work(bystanders: frozenset[int], others: Iterable[int]) -> dict[int, Work]:
    """Give the work of each thread of this process but the bystanders, and of other processes.

    A worker's own threads are never at rest: counting them would hide that a task is.
    """
    threads = {int(place.name) for place in (PROC / "self/task").iterdir()} - bystanders
    found = {number: _work(PROC / "self/task" / str(number)) for number in threads}
    return found | {pid: _work(PROC / str(pid)) for pid in others}


def _work(place: Path) -> Work:
    facts = _read(place / "stat").rpartition(")")[2].split()
    ticks = sum(map(int, facts[11:15])) if len(facts) > 14 else 0
    lines = [line.split() for line in _read(place / "io").splitlines()]
    counted = {"rchar:", "wchar:", "read_bytes:", "write_bytes:"}
    return Work(ticks * TICK, sum(int(line[1]) for line in lines if line[0] in counted))


def gained(before: dict[int, Work], after: dict[int, Work]) -> Work:
    """Give the work done between two looks; a thread that ended counts no more."""
    pairs = [(before.get(number, Work()), now) for number, now in after.items()]
    return Work(
        sum(max(now.seconds - then.seconds, 0.0) for then, now in pairs),
        sum(max(now.moved - then.moved, 0) for then, now in pairs),
    )
