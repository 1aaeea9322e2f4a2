"""Loaded by every worker as it starts: its signals, the moment it leaves, what it leaves behind.

Ctrl-C reaches all processes in the foreground of a terminal; it is the client's to answer. A
worker steps out of it, into a process group of its own; with this group all that the worker has
started can be ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from distributed import Status

JOB_START = "I2LC_JOB_START"
"""Variable of a queue's job: when it began, in whole seconds since 1970."""


def dask_setup(worker: Any) -> None:
    """Prepare the process of a worker; called by dask in its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    left = time_left(worker.lifetime, os.environ.get(JOB_START, ""), time.time())
    if left is not None:
        worker.loop.call_later(left, _leave, worker)


def dask_teardown(worker: Any) -> None:
    """End the process, and all it has started, when a task still runs in it.

    The worker leaves, so the task runs again elsewhere. A thread cannot be ended, and dask would
    let this one go on for 30 s.
    """
    if worker.active_threads:
        os.killpg(0, signal.SIGKILL)


def time_left(lifetime: float | None, job_start: str, now: float) -> float | None:
    """Give the seconds for which a worker may stay in its job.

    dask counts `--lifetime` from the start of the worker's process. That may be long after the
    job began: after a slow prologue, or when the process was started anew.

    Parameters
    ----------
    lifetime : float or None
        Seconds, from the start of the job.
    job_start : str
        When the job began, in seconds since 1970; empty outside of a job.
    now : float
        The same clock, now.

    Returns
    -------
    float or None
        Zero when it should have left; None when nothing makes it leave.
    """
    if lifetime is None or not job_start.isdigit():
        return None
    return max(lifetime - (now - int(job_start)), 0.0)


async def _leave(worker: Any) -> None:
    """Leave in an orderly way, once the worker has come: before, dask would start it anew."""
    while worker.status is Status.init:
        await asyncio.sleep(0.1)
    await worker.close_gracefully(reason="worker-lifetime-reached")
