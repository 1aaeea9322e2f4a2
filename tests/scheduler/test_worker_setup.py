"""When a worker leaves its job, and what becomes of the task that it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from distributed import Client, Nanny, Scheduler, SpecCluster
from hypothesis import given
from hypothesis import strategies as st

from i2lc.scheduler.queue_scripts import DASK, leave
from i2lc.scheduler.worker_setup import JOB_START, time_left

LOCAL = {"dashboard": False, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("lifetime", "job_start", "left"),
    [
        (540.0, "1000", 540.0),
        (540.0, "940", 480.0),
        (540.0, "100", 0.0),
        (None, "1000", None),
        (540.0, "", None),
    ],
)
def test_time_is_counted_from_the_start_of_the_job(lifetime, job_start, left):
    assert time_left(lifetime, job_start, now=1000.0) == left


@given(walltime=st.integers(60, 10**6), late=st.floats(0, 10**6))
def test_a_process_that_starts_late_leaves_before_the_walltime(walltime, late):
    times = leave(walltime)
    left = time_left(times.lifetime + times.stagger, "0", now=late)
    assert left == 0 or late + left < walltime


def stay(file):
    """Write who runs this and what it has started, then go on for long."""
    child = subprocess.Popen(["sleep", "300"])
    Path(file).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(300)


def opened(**options):
    """Give a scheduler with one worker that leaves five seconds from now, after a late start."""
    job_start = str(int(time.time()) - 595)
    worker = {
        "nthreads": 1,
        "host": "127.0.0.1",
        "lifetime": "600s",
        "preload": ["i2lc.scheduler.worker_setup"],
        "env": {JOB_START: job_start},
        **options,
    }
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": LOCAL},
        workers={"late": {"cls": Nanny, "options": worker}},
    )


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def awaited(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_a_worker_that_leaves_takes_its_task_with_it(tmp_path):
    file = tmp_path / "pids"
    with opened() as cluster, Client(cluster) as client:
        future = client.submit(stay, str(file), pure=False)
        awaited(lambda: file.exists() and file.read_text())
        pids = [int(word) for word in file.read_text().split()]
        awaited(lambda: not cluster.scheduler.workers)  # it left, long before 600 s
        left = time.monotonic()
        awaited(lambda: all(map(gone, pids)))
        assert time.monotonic() - left < 2.0
        assert future.status == "pending"  # dask has it run elsewhere: it was not killed
        nanny = cluster.workers["late"]
        awaited(lambda: nanny.status.name == "closed")  # and no other process has come


def test_no_page_of_a_workers_server_can_be_read():
    code = (
        "import dask, distributed\n"
        "from distributed.http.utils import get_handlers\n"
        "modules = dask.config.get('distributed.worker.http.routes')\n"
        "print(modules, get_handlers(server=None, modules=modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **DASK},
    )
    assert done.stdout == "[] []\n"
