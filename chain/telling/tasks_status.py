"""The task-state file: how far each task of a run is, kept current for people to read.

It tells, it decides nothing: what a restart reuses is the matter of the records (`decision`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from ...steps.files import ownership

NAME = "I2LC_tasks_status.txt"
"""Name of the file in the output folder."""
State = Literal["done", "reused", "running", "failed", "blocked", "stopped", "todo"]
STATES: tuple[State, ...] = get_args(State)
"""In the order of the line of counts."""
LEAST_PAUSE = 2.0
"""Seconds between two writes."""
MOST_TIME = 0.05
"""Part of the wall time that writing may take."""
LONGEST = 400
"""Characters of a cause; the log has all of it."""
_AFTER = {
    "started": "running",
    "done": "done",
    "failed": "failed",
    "retried": "todo",
    "withdrawn": "todo",
    "blocked": "blocked",
    "stopped": "stopped",
}


@dataclass(frozen=True)
class Facts:
    """The run that a task-state file is about."""

    version: str
    """Of i2lc."""
    run_id: str
    pid: int
    host: str
    started: str
    """ISO 8601 with zone."""
    config: str
    """Path of the configuration file."""


@dataclass(frozen=True)
class Told:
    """What happened to a task, as far as it is known."""

    seconds: float | None = None
    peak: int | None = None
    """Largest memory of its worker, in bytes."""
    attempt: int | None = None
    """Number of the try, from 1."""
    error: str = ""
    log: str = ""
    """Path of its log; shown relative to the output folder."""
    cause: str = ""
    """Name of the failed task that it waits for."""


class StateFile:
    """Keeps the task-state file of a run; used from one thread.

    Parameters
    ----------
    root : Path
        Output folder.
    facts : Facts
    names : sequence of str
        All tasks, in the order of the plan.
    reused : collection of str
        Those that this run does not do.
    clock : callable, optional
        Gives seconds.
    """

    def __init__(
        self,
        root: Path,
        facts: Facts,
        names: Sequence[str],
        reused: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = root / NAME
        self._facts = facts
        self._clock = clock
        self._ended = ""
        self._width = min(max(map(len, names), default=0), 60)
        kept = set(reused)
        self._states: dict[str, State] = {
            name: "reused" if name in kept else "todo" for name in names
        }
        self._counts = Counter(self._states.values())
        self._lines = {name: self._line(state, name, "") for name, state in self._states.items()}
        self._next = self._clock()
        self._changed = True
        self._warned = False

    def _line(self, state: State, name: str, text: str) -> str:
        return f"{state:<8} {_escaped(name):<{self._width}}  {text}".rstrip()

    def note(self, what: str, name: str, **told: Any) -> None:
        """Take note of a task; writes nothing.

        Parameters
        ----------
        what : {"started", "done", "failed", "retried", "blocked", "stopped"}
        name : str
            Of the task.
        **told
            Fields of `Told`.
        """
        state: State = _AFTER[what]  # type: ignore[assignment]
        self._counts[self._states[name]] -= 1
        self._counts[state] += 1
        self._states[name] = state
        text = _text(what, Told(**told), f"{self._path.parent}/")
        self._lines[name] = self._line(state, name, text)
        self._changed = True

    def end(self, how: str) -> str | None:
        """Write the last state of the run; what still runs is told as stopped.

        Parameters
        ----------
        how : str
            How the run ended, in a few words.

        Returns
        -------
        str or None
            As `write`.
        """
        for name in [name for name, state in self._states.items() if state == "running"]:
            self.note("stopped", name)
        self._ended = f"# ended {_now()}: {one_line(how)}"
        return self.write(force=True)

    def write(self, force: bool = False) -> str | None:
        """Write the file when there is news and the last write is long enough ago.

        Parameters
        ----------
        force : bool
            Write at once.

        Returns
        -------
        str or None
            A warning, once, when the file cannot be written; that ends no run.
        """
        start = self._clock()
        if not force and (not self._changed or start < self._next):
            return None
        try:
            self._publish()
            self._changed = False
        except OSError as error:
            return self._warning(error)
        finally:
            end = self._clock()
            self._next = end + max(LEAST_PAUSE, (end - start) * (1 / MOST_TIME - 1))
        return None

    def _warning(self, error: OSError) -> str | None:
        if self._warned:
            return None
        self._warned = True
        return f"{self._path} cannot be kept current: {error.strerror or error}; the run goes on"

    def _publish(self) -> None:
        """Whole or absent, but not flushed to disk: it is written often, and decides nothing.

        A run that lost its output folder leaves the file to the run that holds it.
        """
        holder = ownership.read(self._path.parent)
        if holder and holder.run_id != self._facts.run_id:
            return
        temporary = self._path.with_name(f".tmp-{self._facts.run_id}-{os.getpid()}-{NAME}")
        try:
            temporary.write_text(self._content(), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def _content(self) -> str:
        facts = self._facts
        head = [
            f"# i2lc {facts.version}  run {facts.run_id}  pid {facts.pid} on {facts.host}  "
            f"started {facts.started}  updated {_now()}",
            f"# config {one_line(facts.config)}",
            f"# {counted(self._counts)}",
            *([self._ended] if self._ended else []),
        ]
        return "\n".join([*head, *self._lines.values()]) + "\n"


def _text(what: str, told: Told, root: str) -> str:
    """Say what happened to a task."""
    log = f" (log: {told.log.removeprefix(root)})" if told.log else ""
    if what == "started":
        return f"since {_now()}"
    if what == "failed":
        return one_line(told.error) + log
    if what == "retried":
        return f"will be tried again after: {one_line(told.error)}{log}"
    if what == "blocked":
        return f"waits for {told.cause}, which failed"
    parts = [f"{told.seconds:.1f} s"] if told.seconds is not None else []
    parts += [f"peak {told.peak / 1e6:.0f} MB"] if told.peak is not None else []
    parts += [f"try {told.attempt}"] if told.attempt is not None else []
    return "  ".join(parts)


def counted(counts: Mapping[State, int]) -> str:
    """Give the numbers of tasks by state in a line."""
    words = {"todo": "to do"}
    parts = [f"{counts[s]} {words.get(s, s)}" for s in STATES if counts.get(s)]
    return ", ".join(parts) or "no tasks"


def one_line(text: str) -> str:
    """Give a text in one line of printable characters, cut when it is very long."""
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3].rstrip() + "..."


def _escaped(name: str) -> str:
    """Give a name without blanks, as in the path of a URL."""
    if name.isprintable() and " " not in name and "%" not in name:
        return name
    return "".join(
        c if c.isprintable() and c not in " %" else quote(c.encode("utf-8", "surrogatepass"))
        for c in name
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
