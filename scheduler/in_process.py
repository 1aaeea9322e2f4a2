"""Tasks one after another in this process; for debugging."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from .drive import Ended
from .needs import Need


class InProcess:
    """Runs tasks one after another in this process.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables while the executor is open.
    """

    dashboard = ""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._before = dict(os.environ)
        os.environ.update(environment or {})
        self._waiting: deque[tuple[str, Callable[[Any], Any], Any]] = deque()

    def room(self, need: Need) -> bool:  # noqa: ARG002
        """Tell whether a task may be submitted: one at a time."""
        return not self._waiting

    def submit(
        self,
        key: str,
        need: Need,  # noqa: ARG002
        function: Callable[[Any], Any],
        argument: Any,
    ) -> None:
        """Note a task; it runs when it is waited for."""
        self._waiting.append((key, function, argument))

    def next_done(self, timeout: float) -> Ended | None:  # noqa: ARG002
        """Run the next task, however long it takes; None when there is none."""
        if not self._waiting:
            return None
        key, function, argument = self._waiting.popleft()
        try:
            return Ended(key, result=function(argument))
        except Exception as error:  # told to the driver, as a worker's would be
            return Ended(key, error=error)

    def news(self) -> list[str]:
        """Give nothing: all that happens is a task."""
        return []

    def expect(self, need: Need, tasks: int) -> None:
        """Learn how many tasks have not ended; of no use here."""

    def withdraw(self) -> list[str]:
        """Give back the task that was not run yet."""
        keys = [key for key, _, _ in self._waiting]
        self._waiting.clear()
        return keys

    def close(self) -> None:
        """Forget the tasks that were not run, put the environment back."""
        self._waiting.clear()
        os.environ.clear()
        os.environ.update(self._before)
