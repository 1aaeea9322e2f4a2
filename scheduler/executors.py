"""The executors: this process, one task after another, or workers of dask on this machine."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, Status

RESTART_SECONDS = 60.0
"""How long a task waits for a worker in the place of one that was killed."""


class InProcess:
    """Runs tasks one after another in this process; for debugging.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables while the executor is open.
    """

    slots = 1

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._before = dict(os.environ)
        os.environ.update(environment or {})
        self._waiting: deque[tuple[str, Callable[[Any], Any], Any]] = deque()

    @property
    def dashboard(self) -> str:
        """Address of the dashboard: none."""
        return ""

    def submit(self, key: str, function: Callable[[Any], Any], argument: Any) -> None:
        """Note a task; it runs when it is waited for."""
        self._waiting.append((key, function, argument))

    def next_done(self) -> tuple[str, Any, BaseException | None]:
        """Run the next task."""
        key, function, argument = self._waiting.popleft()
        try:
            return key, function(argument), None
        except Exception as error:  # told to the driver, as a worker's would be
            return key, None, error

    def close(self) -> None:
        """Forget the tasks that were not run, put the environment back."""
        self._waiting.clear()
        os.environ.clear()
        os.environ.update(self._before)


class LocalWorkers:
    """Runs tasks on processes of this machine, by dask; all sockets on loopback.

    Each task goes to a worker that runs nothing else, so that a worker that is killed takes
    one task with it and none that waited behind it.

    Parameters
    ----------
    workers : int
        Processes; each runs one task at a time.
    memory : int
        Bytes for each worker; one that takes more is ended, and its task fails.
    environment : mapping
        Environment variables of the workers.
    """

    def __init__(self, workers: int, memory: int, environment: Mapping[str, str]) -> None:
        self.slots = workers
        self._ended: queue.SimpleQueue[tuple[str, Future]] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._busy: dict[str, str | None] = {}
        settings = {
            "distributed.scheduler.no-workers-timeout": "300s",
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.worker-ttl": None,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.pause": False,
            "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536},
        }
        with dask.config.set(settings):
            self._cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=memory,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                env=dict(environment),
                silence_logs=logging.ERROR,
            )
            self._client = Client(self._cluster)

    @property
    def dashboard(self) -> str:
        """Address of the dashboard."""
        return str(self._client.dashboard_link)

    def submit(self, key: str, function: Callable[[Any], Any], argument: Any) -> None:
        """Send a task to a worker that is free."""
        worker = self._busy[key] = self._free_worker()
        future = self._client.submit(
            function,
            argument,
            key=f"{key}-{next(self._numbers)}",  # of its own, or a second try gets the first's end
            workers=worker,
            allow_other_workers=worker is not None,
            pure=False,
            retries=0,
        )
        future.add_done_callback(lambda ended: self._ended.put((key, ended)))

    def _free_worker(self) -> str | None:
        """Give the address of a worker without a task, None when none comes back in time."""
        end = time.monotonic() + RESTART_SECONDS
        while time.monotonic() < end:
            alive = set(self._client.run_on_scheduler(_alive))
            if free := sorted(alive - set(self._busy.values())):
                return free[0]
            time.sleep(0.02)
        return None

    def next_done(self) -> tuple[str, Any, BaseException | None]:
        """Wait for a task to end."""
        key, future = self._ended.get()
        del self._busy[key]
        error = future.exception() if future.status == "error" else None
        result = future.result() if future.status == "finished" else None
        if error is None and result is None:
            error = RuntimeError(f"the task was {future.status}")
        future.release()
        return key, result, error

    def close(self) -> None:
        """End the workers."""
        self._client.close()
        self._cluster.close()


def _alive(dask_scheduler: Any) -> list[str]:
    """Give the addresses of the workers that take tasks; runs on the scheduler."""
    workers = dask_scheduler.workers.items()
    return [address for address, state in workers if state.status is Status.running]
