"""Loaded by a local worker as it starts: signals of the terminal are the client's to answer.

Ctrl-C reaches all processes in the foreground of a terminal. A worker steps out of it, into a
process group of its own; with this group all that the worker has started can be ended.
"""

from __future__ import annotations

import os
import signal
from typing import Any


def dask_setup(worker: Any) -> None:  # noqa: ARG001
    """Prepare the process of a worker; called by dask in its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
