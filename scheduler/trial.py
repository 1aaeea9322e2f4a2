"""A scheduler of its own and one worker at a time, to try a place before a run needs it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from distributed import Client, Future, Nanny, Scheduler, Security, SpecCluster

from .needs import Need

POLL = 0.2
ANSWER_TIME = 180.0
"""Seconds in which a worker that came must answer; imports from a busy disk take long."""
SHOWN_AFTER = 20.0
"""Seconds between two lines about a worker that has not come."""


class Place(Protocol):
    """Where a worker comes from; places of queues and of this machine are such."""

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        """Give the specification of a worker for `SpecCluster`."""

    def scheduler(self) -> Mapping[str, Any]:
        """Give options of the scheduler."""

    def cause(self, name: str) -> str | None:
        """Say why a worker will not come; None while there is hope."""

    def end(self) -> None:
        """End at once what runs on this machine."""

    def close(self) -> None:
        """Remove what the place has written."""


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
    security : Security or None
        The client's side of the run's certificates.
    tell : callable
        Gets a sentence about a worker that has not come, now and then.
    """

    def __init__(self, place: Place, security: Security | None, tell: Callable[[str], None]):
        self._place = place
        self._tell = tell
        self._security = security
        options = {"dashboard": False, "dashboard_address": "127.0.0.1:0", **place.scheduler()}
        self._cluster = SpecCluster(
            workers={},
            scheduler={"cls": Scheduler, "options": {**options, "security": security}},
            security=security,
            silence_logs=logging.CRITICAL,
        )
        self._client = Client(self._cluster, security=security)

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._place.end()
            self._client.close()
            self._cluster.close()
        finally:
            self._place.close()

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
        self._want({name: self._spec(name, need, pool)})
        try:
            problem = self._await(name, start, timeout)
            seconds = time.monotonic() - start
            if problem:
                return Reply(seconds, problem=problem)
            future = self._client.submit(function, argument, pure=False, resources={pool: 1})
            return _answer(future, seconds)
        finally:
            self._want({})

    def _spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        """Give the specification of a worker; one of this process gets the keys by hand."""
        spec = self._place.spec(name, need, pool)
        own = {"security": self._security} if issubclass(spec["cls"], Nanny) else {}
        return {**spec, "options": {**spec["options"], **own}}

    def _want(self, workers: dict[str, Any]) -> None:
        self._cluster.worker_spec = workers
        self._cluster.sync(self._cluster._correct_state)

    def _await(self, name: str, start: float, timeout: float) -> str:
        """Wait for a worker; give why it did not come, or nothing."""
        shown = start
        while not self._there(name):
            if problem := self._place.cause(name):
                return problem
            now = time.monotonic()
            if now - start > timeout:
                return f"no worker after {timeout:.0f} s; {self._standing(name)}".rstrip("; ")
            if now - shown > SHOWN_AFTER:
                self._tell(f"waiting for {now - start:.0f} s; {self._standing(name)}".rstrip("; "))
                shown = now
            time.sleep(POLL)
        return ""

    def _there(self, name: str) -> bool:
        workers = list(self._cluster.scheduler.workers.values())
        return any(state.name == name for state in workers)

    def _standing(self, name: str) -> str:
        pending = getattr(self._place, "pending", None)
        return "" if pending is None else str(pending(name))


def _answer(future: Future, seconds: float) -> Reply:
    try:
        return Reply(seconds, value=future.result(timeout=ANSWER_TIME))
    except Exception as error:  # whatever a worker can raise, or its death
        return Reply(seconds, problem=f"{type(error).__name__}: {error}")
