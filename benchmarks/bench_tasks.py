"""10,000 tasks that do nothing, against plain dask.

Ours is `Pools` on this machine, encrypted, driven as a run drives it: one task is submitted when
there is room, one end is waited for. Plain dask gets all of them in one `client.map` on a
`LocalCluster`, not encrypted. Both have two workers, which stand ready when the time starts. The
second row holds ours against the 1.5 ms a task that were promised.
"""

from __future__ import annotations

import logging
from contextlib import closing

from distributed import Client, LocalCluster

from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.local import LocalPlace
from i2lc.scheduler.needs import GIB, Need
from i2lc.scheduler.pools import Pools
from i2lc.scheduler.security import security

from .measure import Result, best

TASKS = 10_000
WORKERS = 2
PROMISED = 1.5e-3
"""Seconds a task."""
REPEATS = 2
NEED = Need(1, GIB)
PATIENCE = 1.0


def nothing(number: int) -> int:
    """Give the argument back."""
    return number


def driven(pools: Pools, tasks: int = TASKS) -> None:
    """Run tasks as `scheduler.drive` does."""
    submitted, numbers = 0, set()
    while len(numbers) < tasks:
        while submitted < tasks and pools.room(NEED):
            pools.submit(f"nothing/{submitted}", NEED, nothing, submitted)
            submitted += 1
        if ended := pools.next_done(PATIENCE):
            numbers.add(ended.result)
    assert numbers == set(range(tasks))


def mapped(client: Client, tasks: int = TASKS) -> None:
    """Run tasks as plain dask does."""
    futures = client.map(nothing, range(tasks), pure=False)
    assert client.gather(futures) == list(range(tasks))


def results() -> list[Result]:
    """Measure against plain dask and against what was promised."""
    place = LocalPlace(Allocation(WORKERS, WORKERS * GIB), WORKERS, lambda need: {})  # noqa: ARG005
    with (
        closing(Pools(place, security())) as pools,
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        driven(pools, 100)  # starts the workers
        mapped(client, 100)
        seconds = best({"ours": lambda: driven(pools), "dask": lambda: mapped(client)}, REPEATS)
    ours = seconds["ours"]
    rate = f"{TASKS / ours:.0f} tasks, {ours / TASKS * 1e3:.2f} ms each"
    return [
        Result("10,000 tasks, against plain dask", rate, ours, seconds["dask"], None),
        Result("10,000 tasks, at 1.5 ms each", rate, ours, TASKS * PROMISED, 1.0),
    ]
