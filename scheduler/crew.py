"""The line to dask: one scheduler in this process, its workers, and what they tell.

All that happens arrives in one queue of events, so that nobody has to ask the scheduler.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Future, Nanny, Scheduler, SpecCluster, Status
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.security import Security
from distributed.utils import silence_logging_cmgr

SETTINGS: dict[str, Any] = {
    "distributed.deploy.lost-worker-timeout": "365d",  # `Pools` gives up workers, not dask
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.no-workers-timeout": None,  # a job may wait in its queue for hours
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": "15 minutes",  # a task may hold the interpreter for long
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 1.25,  # the guard of a task, which says why, is first
}
"""Settings of dask, for scheduler and workers."""
LEVEL = logging.CRITICAL
"""Lines of dask's log in this process; a worker's death is told by the run itself."""
CLOSING_SECONDS = 10.0
HEARING_SECONDS = 30
"""Time in which a scheduler that was itself stopped hears of its workers before it judges them."""
NOT_RUN = (-1.0, None)
"""What comes of a task that was given back."""


@dataclass(frozen=True)
class Joined:
    """A worker takes tasks."""

    name: str
    address: str


@dataclass(frozen=True)
class Left:
    """A worker is gone."""

    address: str
    orderly: bool = False
    """Whether it went as planned, and will not come back."""


@dataclass(frozen=True)
class Stranded:
    """A task has lost its worker, and was not killed with it."""

    key: str
    moved: bool
    """Whether the worker had it when it left."""


@dataclass(frozen=True)
class Ends:
    """Tasks that ended, by the key of dask."""

    results: Mapping[str, tuple[float, Any]]
    """Seconds, and what the function gave."""
    errors: Mapping[str, BaseException]


@dataclass(frozen=True)
class GivenBack:
    """Tasks that a worker has not begun and will not begin any more."""

    keys: Sequence[str]


Event = Joined | Left | Stranded | Ends | GivenBack


class Call:
    """A function and its argument; dask does not look inside."""

    def __init__(self, function: Callable[[Any], Any], argument: Any, key: str = "") -> None:
        self.function = function
        self.argument = argument
        self.key = key


_turn = threading.Lock()
_begun: deque[str] = deque(maxlen=256)
"""Keys of the last tasks that began on this worker; far more than wait on one."""
_given_back: set[str] = set()


def timed(call: Call) -> tuple[float, Any]:
    """Run a call; give its seconds and its result. Runs on a worker."""
    with _turn:
        if call.key in _given_back:
            return NOT_RUN
        _begun.append(call.key)
    start = time.perf_counter()
    result = call.function(call.argument)
    return time.perf_counter() - start, result


def give_back(keys: Sequence[str]) -> list[str]:
    """Give those of some tasks that have not begun; they will not. Runs on a worker."""
    with _turn:
        free = [key for key in keys if key not in _begun]
        _given_back.update(free)
    return free


class _Scheduler(Scheduler):
    """A scheduler that may be stopped and go on, as by Ctrl-Z, and then finds no worker silent."""

    async def check_worker_ttl(self) -> None:
        """End the workers that have not been heard of for long."""
        for _ in range(HEARING_SECONDS):
            await asyncio.sleep(1)
        await super().check_worker_ttl()


class _Reporter(SchedulerPlugin):
    """Tells of workers and of tasks that lost theirs; runs on the scheduler's thread."""

    name = "i2lc-reporter"

    def __init__(self, events: queue.SimpleQueue[Event]) -> None:
        self._events = events
        self._moved: set[Any] = set()
        self._joining: set[asyncio.Task[None]] = set()

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        joining = asyncio.ensure_future(self._announce(scheduler.workers[worker]))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    async def _announce(self, state: Any) -> None:
        """Wait until a worker that has just registered takes tasks."""
        while state.status is Status.init:
            await asyncio.sleep(0.005)
        if state.status is Status.running:
            self._events.put(Joined(str(state.name), state.address))

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        events = scheduler.get_events(worker)
        orderly = bool(events) and bool(events[-1][1].get("expected"))
        self._events.put(Left(worker, orderly))

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        if start == "processing" and finish == "released":
            self._moved.add(key)
        elif finish == "no-worker":
            self._events.put(Stranded(key, key in self._moved))
        elif finish == "forgotten":
            self._moved.discard(key)


class Crew:
    """Workers of one dask scheduler in this process.

    Parameters
    ----------
    scheduler : mapping
        Options of the scheduler.
    security : Security
        Keys and certificates of all connections.
    """

    def __init__(self, scheduler: Mapping[str, Any], security: Security) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._security = security
        self._loopback = str(scheduler.get("dashboard_address", "")).startswith("127.0.0.1:")
        self._singly = asyncio.Lock()
        self._exit = ExitStack()
        self._exit.enter_context(dask.config.set(SETTINGS))
        self._exit.enter_context(silence_logging_cmgr(LEVEL))  # the cluster's ends before it does
        try:
            self._open(scheduler, security)
        except BaseException:
            self._exit.close()
            raise

    def _open(self, scheduler: Mapping[str, Any], security: Security) -> None:
        options = {"dashboard": True, **scheduler, "security": security}
        options["plugins"] = [_Reporter(self.events)]
        self._cluster = SpecCluster(
            scheduler={"cls": _Scheduler, "options": options}, security=security, silence_logs=LEVEL
        )
        self._exit.callback(self._cluster.close, timeout=CLOSING_SECONDS)
        self._client = Client(self._cluster, direct_to_workers=True, set_as_default=False)
        self._exit.callback(self._client.close, timeout=CLOSING_SECONDS)

    @property
    def dashboard(self) -> str:
        """Address of the dashboard, empty for none."""
        link = str(self._client.dashboard_link or "")
        if not self._loopback:
            return link
        return re.sub(r"//[^/]*:", "//127.0.0.1:", link)  # dask names the scheduler's interface

    def start(self, specs: Mapping[str, dict[str, Any]]) -> None:
        """Ask for workers, by name; those of this process get the keys from here."""
        made = {}
        for name, spec in specs.items():
            ours = isinstance(spec["cls"], type) and issubclass(spec["cls"], Nanny)
            own = {"security": self._security} if ours else {}
            made[name] = {**spec, "options": {**spec["options"], **own}}
        self._soon(self._change, made, ())

    def drop(self, names: Sequence[str]) -> None:
        """Let workers go."""
        self._soon(self._change, {}, tuple(names))

    def _change(self, more: Mapping[str, dict[str, Any]], less: Sequence[str]) -> None:
        """Change what workers there should be; in the loop's thread, which reads it."""
        self._cluster.worker_spec.update(more)
        for name in less:
            self._cluster.worker_spec.pop(name, None)
        self._cluster.scale(len(self._cluster.worker_spec))

    def new_key(self, key: str) -> str:
        """Give the key of a try: its own, or it would get the end of an earlier one."""
        return f"{key}-{next(self._numbers)}"

    def send(self, address: str, resource: str, calls: Mapping[str, Call]) -> dict[str, Future]:
        """Send calls to one worker, and to no other; give their futures."""
        futures = self._client.map(
            timed,
            list(calls.values()),
            key=list(calls),
            workers=[address],
            resources={resource: 1},
            retries=0,
            pure=False,
        )
        named = dict(zip(calls, futures, strict=True))
        self.collect(named)
        return named

    def collect(self, futures: Mapping[str, Future]) -> None:
        """Have the ends of tasks come as one event, when all of them have ended."""
        self._soon(self._collect, dict(futures))

    async def _collect(self, futures: dict[str, Future]) -> None:
        try:
            self.events.put(await self._ends(futures))
        except Exception:  # such as a result that cannot be read here; the others can be
            async with self._singly:  # dask joins what is asked for at one time
                for key, future in futures.items():
                    self.events.put(await self._end_of(key, future))

    async def _end_of(self, key: str, future: Future) -> Ends:
        """Give the end of one task; asked again, since dask may have joined it with another."""
        with suppress(Exception):
            return await self._ends({key: future})
        try:
            return await self._ends({key: future})
        except Exception as error:
            return Ends({}, {key: error})

    async def _ends(self, futures: dict[str, Future]) -> Ends:
        found = await self._client.gather(futures, errors="skip", asynchronous=True)
        results = {key: result for key, result in found.items() if result is not None}
        lost = [key for key in futures if key not in results]
        return Ends(results, {key: await _error_of(futures[key]) for key in lost})

    def ask_back(self, address: str, keys: Sequence[str]) -> None:
        """Have a worker give back what it has not begun; the answer comes as an event."""
        self._soon(self._ask_back, address, list(keys))

    async def _ask_back(self, address: str, keys: list[str]) -> None:
        with suppress(Exception):  # the worker may be gone: its tasks' ends tell
            answer = self._client.run(give_back, keys, workers=[address])
            for free in (await answer).values():
                self.events.put(GivenBack(free))

    def cancel(self, futures: Sequence[Future]) -> None:
        """Take back tasks that did not start."""
        self._client.cancel(list(futures))

    def _soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Have a function called in the thread of dask's loop."""
        loop = self._client.loop
        assert loop is not None
        loop.add_callback(function, *args)

    def close(self) -> None:
        """End the workers and the scheduler."""
        # SpecCluster asserts that all its workers have closed; what they were has ended anyhow
        with suppress(TimeoutError, asyncio.TimeoutError, AssertionError):
            self._exit.close()


async def _error_of(future: Future) -> BaseException:
    """Give what ended a task that has no result."""
    error = await future.exception() if future.status == "error" else None
    return error or RuntimeError(f"the task was {future.status}")
