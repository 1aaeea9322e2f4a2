"""Signals while tasks run: once in good order, twice at once; handlers are put back."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from i2lc.chain.tasks import interrupt
from i2lc.scheduler.drive import Stop


def send(number: int) -> None:
    """Send a signal to this process and let Python see it."""
    os.kill(os.getpid(), number)
    time.sleep(0.01)


def test_once_asks_and_says_what_happens() -> None:
    stop, said = Stop(), []
    with interrupt.listening(stop, said.append):
        send(signal.SIGINT)
        assert (stop.asked, stop.now, stop.by_user) == (True, False, True)
        assert stop.cause == "interrupted"
        assert said == [interrupt.FIRST]
    assert "Ctrl-C again" in interrupt.FIRST


def test_twice_is_at_once_and_more_changes_nothing() -> None:
    stop, said = Stop(), []
    with interrupt.listening(stop, said.append):
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert stop.now
    assert said == [interrupt.FIRST, interrupt.SECOND]


def test_closing_down_is_interrupted_only_after_a_warning() -> None:
    stop, said = Stop(over=True), []
    with interrupt.listening(stop, said.append):
        send(signal.SIGTERM)
        assert (said, stop.now) == ([interrupt.CLOSING], False)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_sigterm_is_at_once() -> None:
    stop = Stop()
    with interrupt.listening(stop, lambda text: None), pytest.raises(KeyboardInterrupt):
        send(signal.SIGTERM)
    assert (stop.asked, stop.now, stop.cause) == (True, True, "ended by SIGTERM")


def test_a_terminal_that_goes_ends_the_run_unless_it_was_told_not_to() -> None:
    stop = Stop()
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with interrupt.listening(stop, lambda text: None), pytest.raises(KeyboardInterrupt):
            send(signal.SIGHUP)
        assert stop.cause.startswith("the terminal is gone")
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with interrupt.listening(Stop(), lambda text: None):
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interrupt.listening(Stop(), lambda text: None):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with interrupt.listening(Stop(), lambda text: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
