"""Pools on a real queue: jobs of their own, refusals, nothing left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from on_queue import _no_job_left, queue, shared  # noqa: F401

from i2lc.scheduler import security
from i2lc.scheduler.needs import GIB, Need, Site
from i2lc.scheduler.pools import Pools
from i2lc.scheduler.queues import QueuePlace

pytestmark = [pytest.mark.hpc, pytest.mark.timeout(900)]

SITE = Site(interface="lo")
CPU = Need(1, GIB, walltime=600, site=SITE)
TRAIN = Need(1, 2 * GIB, walltime=600, queue="train", site=SITE)
TOO_LARGE = Need(1, 900 * GIB, walltime=600, site=SITE)
SECONDS = 240
SLURM, PBS = "Slurm", "PBS"


def environment(need):
    own = str(Path(__file__).parent)  # this module's functions are looked up by name
    return {"I2LC_TEST_RAM": str(need.ram // GIB), "PYTHONPATH": own}


def where(argument):
    """Tell in which job a task runs."""
    names = ("SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_JOB_PARTITION", "I2LC_TEST_RAM")
    return {"argument": argument, **{name: os.environ.get(name) for name in names}}


def slow(_):
    time.sleep(300)


@pytest.fixture
def pools(queue, shared, request):
    """Give pools of the kind that the test names."""
    keys = security.security()
    place = QueuePlace(request.param, keys, shared, environment, interface="lo")
    made = Pools(place, keys)
    yield made
    made.close()


def ends(pools, tasks):
    """Run tasks, (key, need, function); give how they ended."""
    for key, need, function in tasks:
        pools.submit(key, need, function, key)
    for need in {need for _, need, _ in tasks}:
        pools.expect(need, sum(other == need for _, other, _ in tasks))
    ended = {}
    until = time.monotonic() + SECONDS
    while len(ended) < len(tasks) and time.monotonic() < until:
        if one := pools.next_done(1.0):
            ended[one.key] = one
    assert set(ended) == {key for key, _, _ in tasks}
    return ended


@pytest.mark.parametrize("pools", [SLURM, PBS], indirect=True)
def test_tasks_run_in_jobs_of_their_own_pool(pools):
    tasks = [("a", CPU, where), ("b", TRAIN, where), ("c", CPU, where), ("d", TRAIN, where)]
    ended = ends(pools, tasks)
    assert {key: one.error for key, one in ended.items()} == dict.fromkeys("abcd")
    found = {key: one.result for key, one in ended.items()}
    assert {key: one["argument"] for key, one in found.items()} == {key: key for key in "abcd"}
    assert {
        key: (one["SLURM_JOB_PARTITION"], one["I2LC_TEST_RAM"]) for key, one in found.items()
    } == {
        "a": ("cpu", "1"),
        "b": ("train", "2"),
        "c": ("cpu", "1"),
        "d": ("train", "2"),
    }
    jobs = {key: one["SLURM_JOB_ID"] for key, one in found.items()}
    assert {jobs["a"], jobs["c"]}.isdisjoint({jobs["b"], jobs["d"]})
    assert found["a"]["SLURM_JOB_NAME"].startswith("i2lc-pool")


@pytest.mark.parametrize("pools", [SLURM, PBS], indirect=True)
def test_refused_job_fails_its_tasks_with_the_queues_reason(pools, request):
    command = {SLURM: "sbatch", PBS: "qsub"}[request.node.callspec.params["pools"]]
    ended = ends(pools, [("large", TOO_LARGE, where), ("small", CPU, where)])
    assert ended["small"].error is None
    assert str(ended["large"].error) == (
        f"{command} refused the job of pool pool0 (1 cpu, 900 GB, walltime 00:10:00): Memory "
        "specification can not be satisfied; Requested node configuration is not available; ask "
        "for less ram, or for a queue with larger nodes, in its block of the resource file"
    )


@pytest.mark.parametrize("pools", [SLURM, PBS], indirect=True)
def test_closing_cancels_running_and_waiting_jobs(pools, queue, shared):
    for number in range(6):  # more than the node holds at one time
        pools.submit(f"slow-{number}", CPU, slow, None)
    until = time.monotonic() + 60
    while not any(" RUNNING " in job for job in queue.jobs()) and time.monotonic() < until:
        pools.next_done(0.5)
    states = [job.split()[1] for job in queue.jobs()]
    assert set(states) == {"RUNNING", "PENDING"}
    assert len(states) == 6
    pools.close()
    assert queue.await_empty(40) == []
    assert list(shared.glob(".i2lc-tls-*")) == []


@pytest.mark.parametrize("pools", [SLURM], indirect=True)
def test_a_job_that_dies_at_its_start_is_told_with_its_last_words(pools):
    broken = Need(1, GIB, walltime=600, site=Site(interface="lo", prologue=("exec false-command",)))
    ended = ends(pools, [("a", broken, where)])
    assert "exec: false-command: not found (log: " in str(ended["a"].error)
