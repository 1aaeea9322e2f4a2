"""Ctrl-C, SIGTERM and SIGHUP while tasks run: once to stop in good order, twice to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ...scheduler.drive import Stop

FIRST = (
    "stopping: nothing more is started, tasks that run may end; Ctrl-C again ends them at once "
    "(what is done stays done)"
)
SECOND = "ending the tasks that run, at once; they begin anew with -restart"
CLOSING = "closing down; once more leaves that undone"
CAUSES = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "ended by SIGTERM",
    signal.SIGHUP: "the terminal is gone (SIGHUP; nohup i2lc ... goes on without one)",
}


@contextmanager
def listening(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Turn signals into requests to stop while the block runs.

    The first Ctrl-C asks the driver to start nothing more. The second one, SIGTERM, which a
    queue sends shortly before it kills, and SIGHUP, unless it is ignored, raise KeyboardInterrupt
    at once. While the run closes down one more is answered with a warning; only after it the
    next one interrupts that too.

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
    before: dict[int, signal._HANDLER] = {}

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if stop.now or stop.over:
            say(CLOSING)
            for each in before:
                signal.signal(each, signal.default_int_handler)
            return
        stop.by_user = True
        if number == signal.SIGINT and not stop.asked:
            stop.asked, stop.cause = True, CAUSES[signal.SIGINT]
            say(FIRST)
            return
        say(SECOND)
        stop.asked = stop.now = True
        stop.cause = CAUSES[signal.Signals(number)]
        raise KeyboardInterrupt

    before.update(
        (number, signal.signal(number, handle))
        for number in CAUSES
        if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGINT
    )
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
