"""The guard of a worker: ends the process when its task breaks a limit, with its last words.

One thread a process looks at the running task about twice a second. A limit that is broken is
said in the task's log, from where the client reads it (:func:`last_words`), and the process ends
at once: a task in a library or in a hung system call cannot be ended from inside otherwise. A
thread cannot look while another one holds the interpreter, so the interpreter's own watchdog,
which needs nobody's leave, ends a process whose guard was kept from looking for too long.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...scheduler.needs import GIB
from ...steps.files import ownership, store
from ...steps.files.ownership import Claim
from . import usage
from .usage import Work

POLL = 0.5
"""Seconds between two looks."""
FAST = 0.1
"""Seconds between two looks at a task near its memory limit."""
NEAR = 0.7
"""Share of the memory limit from which looks are fast."""
CLAIM_EVERY = 10.0
"""Seconds between two looks at the lock of the run, which lies on a shared disk."""
SCAN_SHARE = 100
"""Looking for child processes takes at most one part of so many of the time."""
LEAST_SECONDS, LEAST_SHARE = 0.02, 0.005
"""Processor time between two looks, and its share of the time, that count as progress."""
MOST_CREDIT = 10 * POLL
"""Seconds that the time between two looks counts at most: a job may have been suspended."""
PATIENCE = 4
"""The watchdog waits so many times longer than a task may stall: it cannot tell a process that
was suspended, by a queue that preempts or by Ctrl-Z, from one that is held."""
LAST_ACTS = 5.0
"""Seconds that the last words may take; the disk may be what hangs."""
EXIT = 137
"""Exit status of a process that the guard ended: that of a killed one."""
MARK = " ERROR i2lc.guard: "
START = " INFO i2lc: start "
"""Stands in the line with which a try of a task begins (chain/tasks/task.py)."""


@dataclass(frozen=True)
class Limits:
    """What a task is held to; None leaves a limit out."""

    ram: int | None = None
    """Bytes of the worker and all processes that it started."""
    stalled_after: float | None = None
    """Seconds without any progress."""


@dataclass
class _Watched:
    """A task that runs."""

    limits: Limits
    claim: Claim | None
    log: Path
    bystanders: frozenset[int]
    claim_seen: float = field(default_factory=time.monotonic)
    looked: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    """When it was last looked at, in whatever respect."""
    awake: float = 0.0
    """Seconds that count since the last look at its progress."""
    still: float = 0.0
    """Seconds without progress."""
    work: dict[int, Work] = field(default_factory=dict)
    log_size: int = 0

    def broken(self, now: float, used: int, children: list[int]) -> str | None:
        """Say which limit is broken, or None."""
        limits = self.limits
        if limits.ram is not None and used > limits.ram:
            return (
                f"out of memory: {used / GIB:.2f} GB used, {limits.ram / GIB:.2f} GB given: raise "
                "ram of its block in the resource file (or maximum_ram), or lower "
                "-nb_parallel_tasks"
            )
        self.awake += min(now - self.seen, MOST_CREDIT)
        self.seen = now
        return self._lost(now) or self._stalled(now, children)

    def _lost(self, now: float) -> str | None:
        if self.claim is None or now - self.claim_seen < CLAIM_EVERY:
            return None
        self.claim_seen = now
        return ownership.claim_lost(self.claim)

    def _stalled(self, now: float, children: list[int]) -> str | None:
        after = self.limits.stalled_after
        if after is None or now - self.looked < min(after / 10, CLAIM_EVERY):
            return None
        moved = self._progressed(self.awake, children)
        self.still = 0.0 if moved else self.still + self.awake
        self.looked, self.awake = now, 0.0
        return stalled(after) if self.still > after else None

    def _progressed(self, seconds: float, children: list[int]) -> bool:
        work = usage.work(self.bystanders, children)
        gained = usage.gained(self.work, work)
        size = _size(self.log)
        grown, self.work, self.log_size = size > self.log_size, work, size
        return (
            grown or gained.moved > 0 or gained.seconds > max(LEAST_SECONDS, LEAST_SHARE * seconds)
        )


def stalled(seconds: float) -> str:
    """Say that a task made no progress."""
    amount = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
    return (
        f"it made no progress for {amount}: no cpu time, no bytes read or written; look at the "
        "disk and its log"
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class _Guard(threading.Thread):
    """Looks at the tasks of this process while there are any."""

    def __init__(self) -> None:
        super().__init__(name="i2lc-guard", daemon=True)
        self._some = threading.Condition()
        self._watched: list[_Watched] = []
        self._children: list[int] = []
        self._next_scan = 0.0
        self._watchdog = _Watchdog()

    def add(self, watched: _Watched) -> None:
        with self._some:
            self._watched.append(watched)
            self._some.notify()

    def remove(self, watched: _Watched) -> None:
        with self._some:
            self._watched.remove(watched)

    def run(self) -> None:
        pause = POLL
        while True:
            if not self._watched:
                self._watchdog.rest()
                with self._some:
                    self._some.wait_for(lambda: bool(self._watched))
            time.sleep(pause)
            pause = self._look()

    def _look(self) -> float:
        """Look once at all tasks; give the seconds until the next look."""
        self._scan()
        pause = POLL
        for watched in tuple(self._watched):
            self._watchdog.feed(watched)
            now, ram = time.monotonic(), watched.limits.ram
            used = usage.memory(self._children, ram) if ram is not None else 0
            sentence = watched.broken(now, used, self._children)
            if sentence and watched in self._watched:
                _end(watched.log, sentence)
            if ram is not None and used > NEAR * ram:
                pause = FAST
        return pause

    def _scan(self) -> None:
        """Look for child processes, not so often that it costs."""
        start = time.monotonic()
        if start >= self._next_scan:
            self._children = usage.children()
            end = time.monotonic()
            self._next_scan = end + SCAN_SHARE * (end - start)


class _Watchdog:
    """Ends the process when it was not fed for several times as long as a task may stall."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._log: Path | None = None
        self._fed = 0.0

    def feed(self, watched: _Watched) -> None:
        """Put the end off."""
        after = watched.limits.stalled_after
        now = time.monotonic()
        if after is None or (watched.log == self._log and now - self._fed < after / 10):
            return
        self._open(watched.log)
        if self._file is not None:
            patience = max(PATIENCE * after, 10 * POLL)
            faulthandler.dump_traceback_later(patience, exit=True, file=self._file)
            self._fed = now

    def _open(self, log: Path) -> None:
        """Have the log open: the watchdog cannot open it."""
        if log == self._log:
            return
        self.rest()
        with suppress(OSError):
            self._file, self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), log

    def rest(self) -> None:
        """Need no food."""
        if self._file is not None:
            faulthandler.cancel_dump_traceback_later()
            os.close(self._file)
        self._file = self._log = None


def _end(log: Path, sentence: str) -> None:
    """End this process and its children, with last words."""
    acts = threading.Thread(target=_last_acts, args=(log, sentence), daemon=True)
    acts.start()
    acts.join(LAST_ACTS)
    for child in usage.children():
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
    os._exit(EXIT)


def _last_acts(log: Path, sentence: str) -> None:
    """Write the sentence, past the logger, whose lock the task may hold; remove half files."""
    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now % 1 * 1000):03d}"
    with suppress(OSError):
        file = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.write(file, f"{stamp}{MARK}{sentence}\n".encode())
        os.close(file)
    for temporary in tuple(store.OPEN):
        store.remove_temporary(temporary)


_lock = threading.Lock()
_guard: _Guard | None = None


def _running() -> _Guard:
    """Give the guard of this process, started when first needed."""
    global _guard
    with _lock:
        if _guard is None or not _guard.is_alive():  # a forked process has no threads
            _guard = _Guard()
            _guard.start()
        return _guard


@contextmanager
def watching(limits: Limits | None, claim: Claim | None, log: Path) -> Iterator[None]:
    """Hold the task that runs in the block to its limits.

    Parameters
    ----------
    limits : Limits or None
        None for no guard: in the process of the client, which must not be ended.
    claim : Claim or None
        The process ends when the claim is lost.
    log : Path
        Log of the task; its growth is progress, and the last words are written there.
    """
    if limits is None:
        yield
        return
    guard = _running()
    watched = _Watched(limits, claim, log, usage.bystanders())
    guard.add(watched)
    try:
        yield
    finally:
        guard.remove(watched)
