"""What the user sees while a run goes on: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

log = logging.getLogger(__name__)


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line to a stream, standard output by default, at once."""
    stream = sys.stdout if stream is None else stream
    stream.write(text + "\n")
    stream.flush()


class Display:
    """Shows the progress of the tasks, step by step; a context manager.

    Parameters
    ----------
    totals : mapping of step name to number of tasks
    dashboard : str
        Address of the dashboard, empty for none.
    stream : text file, optional
        Where to write, standard output by default; a live display when it is a terminal.
    """

    def __init__(
        self, totals: Mapping[str, int], dashboard: str, stream: TextIO | None = None
    ) -> None:
        self._totals = totals
        self._done: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._dashboard = dashboard
        self._bars: dict[str, TaskID] = {}
        self._stream = sys.stdout if stream is None else stream
        self._live = self._new_live() if self._stream.isatty() else None

    def _new_live(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<17}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
        )

    def __enter__(self) -> Display:
        if self._dashboard:
            self.say(f"dashboard: {self._dashboard}")
        if self._live is not None:
            self._live.start()
            everything = sum(self._totals.values())
            self._bars[""] = self._live.add_task("whole run", total=everything, state="")
            for step, total in self._totals.items():
                self._bars[step] = self._live.add_task(step, total=total, state="", start=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Write a line above the display."""
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        else:
            say(text, self._stream)

    def event(self, what: str, step: str, text: str) -> None:
        """Take note of a task.

        Parameters
        ----------
        what : {"started", "done", "failed", "retried"}
        step : str
            Name of its step.
        text : str
            Line to write; nothing when empty.
        """
        self._running[step] += 1 if what == "started" else -1
        self._done[step] += what == "done"
        self._failed[step] += what == "failed"
        if text:
            self.say(text)
        if self._live is not None:
            self._update(step)
        elif self._done[step] == self._totals[step] and what == "done":
            self.say(f"{step}: {self._done[step]} of {self._totals[step]} tasks done")

    def _update(self, step: str) -> None:
        assert self._live is not None
        states = [f"{self._running[step]} running"] if self._running[step] else []
        states += [f"{self._failed[step]} failed"] if self._failed[step] else []
        self._live.start_task(self._bars[step])
        self._live.update(self._bars[step], completed=self._done[step], state=", ".join(states))
        self._live.update(self._bars[""], completed=sum(self._done.values()))
