"""What the driver tells, passed on to the display and to the task-state file."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from ...scheduler.drive import Progress, Stop
from ...steps.files.ownership import LostRunError
from ..tasks.orders import Orders
from ..tasks.task import Outcome
from .display import Display
from .ending import cause, causes
from .tasks_status import StateFile


class Watcher:
    """Called by the driver at every event.

    Parameters
    ----------
    display : Display
    orders : Orders
    states : StateFile
    news : callable
        Gives what else there is to say.
    stop : Stop
        Is set when a task finds that the run has lost the output folder.
    """

    def __init__(
        self,
        display: Display,
        orders: Orders,
        states: StateFile,
        news: Callable[[], list[str]],
        stop: Stop,
    ) -> None:
        self._news = news
        self._stop = stop
        self._display = display
        self._orders = orders
        self._states = states
        self._blocked = 0

    def __call__(self, what: str, key: str, progress: Progress) -> None:
        """Pass an event on."""
        if what != "tick":
            self._note(what, key, progress)
        for line in self._news():
            self._display.say(line)
        if warning := self._states.write():
            self._display.say(warning)

    def _note(self, what: str, key: str, progress: Progress) -> None:
        text = ""
        if what in {"failed", "retried"}:
            text = self._note_failure(what, key, progress)
        elif what == "done":
            ended: Outcome = progress.done[key]
            tries = progress.tries[key] + 1
            self._states.note(what, key, seconds=ended.seconds, peak=ended.peak, attempt=tries)
        else:
            self._states.note(what, key)
        self._display.event(what, key.split("/")[0], text)

    def _note_failure(self, what: str, key: str, progress: Progress) -> str:
        last = cause(key, progress.last_failure[key], self._orders)
        told = causes(key, progress, self._orders) if what == "failed" else last
        log = self._orders.log(key)
        self._states.note(what, key, error=told, log=str(log))
        if getattr(progress.last_failure[key], "kind", "") == LostRunError.__name__:
            self._stop.asked, self._stop.cause = True, told
        if what == "retried":
            return f"failed, tried again: {key}: {told} (log: {log})"
        for behind, before in islice(progress.blocked.items(), self._blocked, None):
            self._states.note("blocked", behind, cause=before)
        self._blocked = len(progress.blocked)
        return f"FAILED {key}: {told} (log: {log})"
