"""Workers of this machine, within its cores, memory and GPUs; all sockets on loopback."""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from distributed import Nanny, Status

from .allocation import Allocation
from .crew import LEVEL
from .needs import GIB, Need
from .place import Cause

HOST = "127.0.0.1"
SETUP = "i2lc.scheduler.worker_setup"
BEFORE_START = {"MALLOC_TRIM_THRESHOLD_": "65536"}
"""Read by the C library as a process starts: memory that was freed goes back to the machine."""
IDLE_RAM = GIB // 4
"""Bytes that an idle worker holds, about."""
IDLE_SHARE = 0.25
"""Share of the machine's memory that idle workers may hold."""
POLL_SECONDS = 0.01
START_SECONDS = 120.0
"""Time in which a worker's process must have started; imports from a busy disk take long."""
PREFIX = "i2lc-workers-"
NEW_SECONDS = 60.0
"""Age up to which a folder may be one whose client has not claimed it yet."""


class LocalPlace:
    """Gives workers of this machine.

    The tasks that run at one time take no more cores, memory and GPUs than the machine has.
    Workers that run nothing hold little, so there may be more of them.

    Parameters
    ----------
    machine : Allocation
        Cores, memory and GPUs to stay within.
    most_tasks : int
        Most tasks that run at one time.
    environment : callable
        Gives the environment variables of a worker from its need; they are there before its
        process starts, because libraries read them when they are loaded.
    scratch : Path, optional
        Folder for files of the workers; a temporary one by default, removed at the end.
    dashboard : str
        Address that the dashboard is bound to.
    """

    rest = math.inf
    """Idle workers of this machine hold little."""

    def __init__(
        self,
        machine: Allocation,
        most_tasks: int,
        environment: Callable[[Need], Mapping[str, str]],
        scratch: Path | None = None,
        dashboard: str = f"{HOST}:0",
    ) -> None:
        self._machine = machine
        self._most_tasks = most_tasks
        self._environment = environment
        self._dashboard = dashboard
        self._own = None if scratch else _Folder()
        self._folder = scratch or (self._own and self._own.path)
        self._spawning = asyncio.Lock()
        self._workers: dict[str, LocalWorker] = {}
        self._causes: dict[str, Cause] = {}
        self.ending = False
        """Whether no process is to be started any more."""
        resource_tracker.ensure_running()  # here: it would unblock SIGINT in the loop's thread

    def most(self, need: Need) -> int:
        """Give the most workers of a pool."""
        by_cpus = self._machine.cpus // max(need.cpus, 1)
        by_ram = self._machine.ram // max(need.ram, 1)
        by_gpus = self._machine.gpus // need.gpus if need.gpus else self._most_tasks
        return max(min(by_cpus, by_ram, by_gpus, self._most_tasks), 1)

    def room(self, need: Need, running: Mapping[Need, int]) -> bool:
        """Tell whether one more task may run; the first may, whatever it needs."""
        tasks = sum(running.values())
        if not tasks:
            return True
        cpus = need.cpus + sum(other.cpus * count for other, count in running.items())
        ram = need.ram + sum(other.ram * count for other, count in running.items())
        gpus = need.gpus + sum(other.gpus * count for other, count in running.items())
        within = cpus <= self._machine.cpus and ram <= self._machine.ram
        granted = not need.gpus or gpus <= self._machine.gpus
        return within and granted and tasks < self._most_tasks

    def crowded(self, workers: Mapping[Need, int]) -> bool:
        """Tell whether these are more workers than the machine should hold, most of them idle."""
        spare = int(self._machine.ram * IDLE_SHARE / IDLE_RAM)
        return sum(workers.values()) > max(self.slots(workers) + spare, 1)

    def slots(self, needs: Mapping[Need, int]) -> int:
        """Give the most workers of one of the pools."""
        return max(map(self.most, needs), default=1)

    def scheduler(self) -> dict[str, Any]:
        """Give the options of the scheduler."""
        return {"host": HOST, "protocol": "tls://", "dashboard_address": self._dashboard}

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:  # noqa: ARG002
        """Give the specification of a worker for `SpecCluster`; the keys come from `Crew`."""
        options = {
            "place": self,
            "nthreads": 1,
            "memory_limit": need.ram,
            "resources": {pool: 1},
            "env": {**BEFORE_START, **self._environment(need)},
            "host": HOST,
            "preload": [SETUP],
            "local_directory": str(self._folder),
            "death_timeout": START_SECONDS,
            "silence_logs": LEVEL,
        }
        return {"cls": LocalWorker, "options": options}

    def cause(self, name: str) -> Cause | None:
        """Say why a worker that was asked for will not come; None while all is well."""
        return self._causes.get(name)

    def pending(self, name: str) -> str:
        """Say that a worker's process is slow to start; empty for one that is not known."""
        if name not in self._workers:
            return ""
        return f"its process does not answer yet; it may take {START_SECONDS:.0f} s"

    def end(self) -> None:
        """Kill all workers and what they have started."""
        self.ending = True
        for worker in list(self._workers.values()):
            worker.kill_group()

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._own:
            self._own.remove()

    # What workers call, in the thread of dask's loop.

    def came(self, worker: LocalWorker) -> None:
        """Note a worker that is to be ended at the end."""
        self._workers[str(worker.name)] = worker

    def gone(self, worker: LocalWorker) -> None:
        """Forget a worker that has ended."""
        self._workers.pop(str(worker.name), None)

    def failed(self, worker: LocalWorker, error: Exception) -> None:
        """Note why a worker did not start; one that was too slow may be faster the next time."""
        slow = isinstance(error, TimeoutError)
        text = f"a worker could not start on this machine: {error.__cause__ or error}"
        self._causes[str(worker.name)] = Cause(text, final=not slow)

    @property
    def spawning(self) -> asyncio.Lock:
        """Held while the environment of this process is that of a worker to be."""
        return self._spawning


class LocalWorker(Nanny):
    """Keeps the process of a worker alive; a child of this process.

    Parameters
    ----------
    *args, **options
        As of `distributed.Nanny`.
    place : LocalPlace
    """

    def __init__(self, *args: Any, place: LocalPlace, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pre_spawn_env = {**self.pre_spawn_env, **self.env}
        self._place = place
        self._group: int | None = None
        place.came(self)

    def __await__(self) -> Generator[Any, Any, LocalWorker]:
        return self._come().__await__()

    async def _come(self) -> LocalWorker:
        """Start the process; a failure is the place's to tell."""
        start = time.monotonic()
        try:
            await self.start()
        except Exception as error:  # after a timeout, anything
            slow = time.monotonic() - start >= START_SECONDS
            self._place.failed(self, _too_slow() if slow else error)
        return self

    async def instantiate(self) -> Status:
        """Start the process, with its environment from the first instruction on."""
        self.kill_group()  # what a worker that died has left behind
        async with self._place.spawning:
            if self._place.ending:
                return Status.failed
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # its process inherits it
            with _restored(self.pre_spawn_env):
                starting = asyncio.ensure_future(super().instantiate())
                while not starting.done() and self.pid is None:
                    await asyncio.sleep(POLL_SECONDS)
            self._group = self.pid
        if self._place.ending:
            self.kill_group()
        return await starting

    def kill_group(self) -> None:
        """Kill the worker and what it has started, which is in the worker's process group."""
        group, self._group = self._group, None
        if group is not None:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            if self.is_alive():  # it had no group yet
                with suppress(ProcessLookupError):
                    os.kill(group, signal.SIGKILL)

    async def close(  # type: ignore[override]
        self, timeout: float = 5, reason: str = "nanny-close"
    ) -> Any:
        """End the process at once: it runs nothing that is still wanted."""
        if self.status not in (Status.closing, Status.closed):
            self.close_gracefully()  # or the process would be started anew
            self.kill_group()
        try:
            return await super().close(timeout=timeout, reason=reason)
        finally:
            self._place.gone(self)


def _too_slow() -> TimeoutError:
    return TimeoutError(f"its process did not answer within {START_SECONDS:.0f} s")


class _Folder:
    """A temporary folder, locked as long as this process lives."""

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(folder: Path) -> None:
    """Remove the folders of clients that were killed."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            known = left.stat()
            if known.st_uid != os.getuid() or time.time() - known.st_mtime < NEW_SECONDS:
                continue
            if (lock := _locked(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder; give what holds the lock, None when another process has it."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


@contextmanager
def _restored(names: Mapping[str, str]) -> Iterator[None]:
    """Put variables of this process back, whatever they are set to meanwhile."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
