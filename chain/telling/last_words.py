"""What the guard of a worker said in the log of a task before it ended the process."""

from __future__ import annotations

import re
from pathlib import Path

from ..tasks.guard import MARK, START, stalled

WATCHDOG = re.compile(r"^Timeout \((\d+):(\d\d):(\d\d)", re.MULTILINE)


def last_words(log: Path) -> str | None:
    """Read why the guard ended the last try of a task; None when it did not.

    Parameters
    ----------
    log : Path
        Log of the task, with a line for the start of each try.
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    last = text.rpartition(START)[2]
    if MARK in last:
        return last.partition(MARK)[2].partition("\n")[0]
    if found := WATCHDOG.search(last):
        hours, minutes, seconds = map(int, found.groups())
        return (
            f"{stalled(3600 * hours + 60 * minutes + seconds).partition(':')[0]}: it held the "
            "interpreter; its log shows where"
        )
    return None
