"""Plain lines on a pipe, a live display on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import threading

import pytest

from i2lc.chain.telling.display import Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def play(display: Display) -> None:
    """One step well, one with a failure and a second try."""
    with display:
        for _ in range(2):
            display.event("started", "look", "")
        display.event("done", "look", "")
        display.event("done", "look", "")
        display.event("started", "cut", "")
        display.event("retried", "cut", "failed, tried again: cut/T1 [see] the log")
        display.event("started", "cut", "")
        display.event("failed", "cut", "FAILED cut/T1: no such file")
        display.event("started", "cut", "")
        display.event("done", "cut", "")
        display.event("started", "cut", "")


TOTALS = {"look": 2, "cut": 3}


def test_a_pipe_gets_plain_lines() -> None:
    stream = io.StringIO()
    play(Display(TOTALS, "http://127.0.0.1:1/status", stream))
    assert stream.getvalue().splitlines() == [
        "dashboard: http://127.0.0.1:1/status",
        "look: 2 of 2 tasks done",
        "failed, tried again: cut/T1 [see] the log",
        "FAILED cut/T1: no such file",
    ]


def test_without_a_dashboard_nothing_is_said_of_it() -> None:
    stream = io.StringIO()
    with Display({}, "", stream):
        pass
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_live_display() -> None:
    stream = Terminal()
    play(Display(TOTALS, "http://127.0.0.1:1/status", stream))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert "\x1b[" in stream.getvalue()
    assert "dashboard: http://127.0.0.1:1/status\n" in text
    assert "FAILED cut/T1: no such file\n" in text
    assert "cut/T1 [see] the log\n" in text
    last = text[text.rindex("whole run") :].splitlines()
    assert re.match(r"whole run +━.* 3/5 +\d:\d\d:\d\d", last[0])
    assert re.match(r"look +━.* 2/2 +\d:\d\d:\d\d 0:00:00", last[1])
    assert re.match(r"cut +━.* 1/3 1 running, 1 failed +\d:\d\d:\d\d", last[2])


def test_the_display_knows_a_real_terminal() -> None:
    ours, theirs = pty.openpty()
    parts: list[bytes] = []

    def drain() -> None:
        with contextlib.suppress(OSError):  # the other side is closed
            while part := os.read(ours, 4096):
                parts.append(part)

    reader = threading.Thread(target=drain)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        play(Display(TOTALS, "", stream))
    reader.join()
    os.close(ours)
    text = b"".join(parts).decode()
    assert "whole run" in text
    assert "FAILED cut/T1: no such file" in text
    assert "\x1b[?25h" in text  # the cursor is shown again


def test_a_display_ends_well_when_the_run_does_not() -> None:
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), Display(TOTALS, "", stream):
        raise KeyboardInterrupt
    assert stream.getvalue().rstrip().endswith("\x1b[?25h")
