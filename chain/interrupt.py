"""Ctrl-C and SIGTERM while tasks run: once to stop in good order, twice to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ..scheduler.drive import Stop

FIRST = (
    "stopping: nothing more is started, tasks that run may end; Ctrl-C again ends them at once "
    "(what is done stays done)"
)


@contextmanager
def listening(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Turn signals into requests to stop while the block runs.

    The first Ctrl-C asks the driver to start nothing more. The second one, or SIGTERM, which a
    queue sends shortly before it kills, raises KeyboardInterrupt at once. More of them change
    nothing while the run closes down.

    Parameters
    ----------
    stop : Stop
        Is set; its cause names the signal.
    say : callable
        Tells the user what happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if stop.now:
            return
        stop.by_user = True
        if number == signal.SIGINT and not stop.asked:
            stop.asked, stop.cause = True, "interrupted"
            say(FIRST)
            return
        stop.asked = stop.now = True
        stop.cause = "interrupted" if number == signal.SIGINT else "ended by SIGTERM"
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
