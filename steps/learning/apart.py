"""Work in a process of its own, with an order on standard input and its lines in the log.

A worker of dask is daemonic, and a DataLoader with workers fails in one; a training that holds
the interpreter for hours would also make the scheduler believe its worker dead.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ...errors import I2lcError, TaskError

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
"""Number of Linux's request to be sent a signal when the parent ends (prctl(2))."""
ERROR = "i2lc-error: "
"""Marks the line in which the process says why it ended."""
SHARED_MEMORY = re.compile(r"/torch_|shared memory|bus error", re.IGNORECASE)
"""What torch says when the memory that it shares with loading processes is full."""


def log_missing(shares: Mapping[str, float]) -> None:
    """Log the share of missing values of each feature that has any."""
    told = [f"{name} {100 * share:.2f} %" for name, share in shares.items() if share]
    log.info("values that are missing in the samples: %s", ", ".join(told) or "none")


def run(module: str, order: dict[str, Any], threads: int) -> None:
    """Run `python -m module` with an order that JSON can hold.

    Parameters
    ----------
    module : str
        Its main calls `serve`.
    order : dict
    threads : int
        Of the numeric libraries in the process.

    Raises
    ------
    TaskError
        The process failed; with the cause that it gave.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,  # no file: the disk of temporary files may be full
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps({"parent": os.getpid(), "order": order}))
        lines = list(_relayed(process))
    code = process.returncode
    if code:
        raise TaskError(cause(code, lines))


def _relayed(process: subprocess.Popen[str]) -> Iterator[str]:
    """Pass the lines of the process on to the log, at the level that each begins with."""
    for line in process.stdout or ():
        level, _, text = line.rstrip().partition(" ")
        number = logging.getLevelNamesMapping().get(level)
        log.log(number or logging.INFO, "%s", text if number else line.rstrip())
        yield line.rstrip()


def cause(code: int, lines: list[str]) -> str:
    """Say why the process ended with a status other than 0."""
    for line in lines:
        if line.startswith(ERROR):
            return line.removeprefix(ERROR)
    last = next((line for line in reversed(lines) if line), "no output")
    if SHARED_MEMORY.search(last):
        return "the shared memory of the machine (/dev/shm) is full: lower num_workers"
    if code == -9:
        return "the training process was killed (signal 9): most likely out of memory"
    return f"the training process ended with status {code}: {last}"


def serve(work: Callable[[dict[str, Any]], None]) -> int:
    """Do the work that the order on standard input asks for; the entry of the process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no training outlives its task
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    try:
        given = json.loads(sys.stdin.read())
        if os.getppid() != given["parent"]:  # it ended before it could be watched
            return 1
        work(given["order"])
    except (I2lcError, MemoryError) as error:
        sys.stdout.write(f"{ERROR}{error or 'out of memory'}\n")
        return 1
    return 0
