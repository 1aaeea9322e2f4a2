"""A scheduler of its own and one worker at a time, to try a place before a run needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from queue import Empty
from typing import Any

from distributed import Future, Security

from .crew import Call, Crew, Joined
from .needs import Need
from .place import Place

POLL = 0.2
ANSWER_TIME = 180.0
"""Seconds in which a worker that came must answer; imports from a busy disk take long."""
SHOWN_AFTER = 20.0
"""Seconds between two lines about a worker that has not come."""


@dataclass(frozen=True)
class Reply:
    """What came of a trial."""

    seconds: float
    """From the submission until the worker was there, or was given up."""
    value: Any = None
    """What the function gave."""
    problem: str = ""
    """Why nothing came; empty when all is well."""


class Trial:
    """Starts a worker, has it answer, lets it go; a context manager.

    Parameters
    ----------
    place : Place
        Closed with the trial.
    security : Security
        Keys and certificates of all connections.
    tell : callable
        Gets a sentence about a worker that has not come, now and then.
    """

    def __init__(self, place: Place, security: Security, tell: Callable[[str], None]):
        self._place = place
        self._tell = tell
        self._crew = Crew({"dashboard": False, **place.scheduler()}, security)

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            stack.callback(self._place.close)
            stack.callback(self._crew.close)
            stack.callback(self._place.end)

    def ask(
        self,
        pool: str,
        need: Need,
        function: Callable[[Any], Any],
        argument: Any,
        timeout: float,
    ) -> Reply:
        """Run a function on a new worker of a need.

        Parameters
        ----------
        pool : str
        need : Need
        function, argument
            What runs there, and with what.
        timeout : float
            Seconds that the worker may take to come.
        """
        name = f"{pool}-0"
        start = time.monotonic()
        self._crew.start({name: self._place.spec(name, need, pool)})
        try:
            came = self._await(name, start, timeout)
            seconds = time.monotonic() - start
            if isinstance(came, Joined):
                key = self._crew.new_key(pool)
                calls = {key: Call(key=key, function=function, argument=argument)}
                return _answer(self._crew.send(came.address, pool, calls)[key], seconds)
            return Reply(seconds, problem=came)
        finally:
            self._crew.drop([name])

    def _await(self, name: str, start: float, timeout: float) -> Joined | str:
        """Wait for a worker; give its coming, or why it did not come."""
        shown = start
        while True:
            if came := self._joined(name):
                return came
            if cause := self._place.cause(name):
                return cause.text
            now = time.monotonic()
            if now - start > timeout:
                return self._said(f"no worker after {timeout:.0f} s", name)
            if now - shown > SHOWN_AFTER:
                self._tell(self._said(f"waiting for {now - start:.0f} s", name))
                shown = now

    def _joined(self, name: str) -> Joined | None:
        """Wait a moment for an event; give it when it is the coming of a worker."""
        try:
            event = self._crew.events.get(timeout=POLL)
        except Empty:
            return None
        return event if isinstance(event, Joined) and event.name == name else None

    def _said(self, what: str, name: str) -> str:
        standing = self._place.pending(name)
        return f"{what}; {standing}" if standing else what


def _answer(future: Future, seconds: float) -> Reply:
    try:
        return Reply(seconds, value=future.result(timeout=ANSWER_TIME)[1])
    except Exception as error:  # whatever a worker can raise, or its death
        return Reply(seconds, problem=f"{type(error).__name__}: {error}")
