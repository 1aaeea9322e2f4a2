"""Tasks on pools of workers: one dask scheduler, one pool for each distinct need.

A `Place` says where workers come from; this module decides when they are asked for, which one
gets which task, and what the end of a worker means for its tasks. `pool` has the law of how
many tasks a worker is handed.

A worker that leaves in an orderly way, as jobs do before their walltime is over, has its task
run again on another; the second time, the task fails: it is longer than the walltime.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty
from typing import Any

from distributed import Future
from distributed.scheduler import KilledWorker
from distributed.security import Security

from ..errors import I2lcError
from .crew import Call, Crew, Ends, Event, Joined, Left, Stranded
from .drive import Ended
from .needs import Need, clock
from .place import Place
from .pool import Member, Pool, Try

LOOK_SECONDS = 0.5
"""Time between two looks at what no event tells."""
RETURN_SECONDS = 20.0
"""Time in which a worker that died may come back by itself; then another is asked for."""
PATIENCE_SECONDS = 60.0
"""Time without a worker after which the user is told what a pool waits for."""
HELD_UP_SECONDS = 1.0
"""Time without a task's end after which a worker gives back what waits on it."""
MOST_MOVES = 2
"""Times that a worker may leave a task behind: at this one it fails."""


class PoolRefused(I2lcError):  # noqa: N818
    """A pool that gets no workers."""


class TimeLimit(I2lcError):  # noqa: N818
    """A task that is longer than the walltime of its pool."""


@dataclass(frozen=True, eq=False)
class _Flight:
    """A task that was handed to a worker."""

    item: Try
    pool: Pool
    member: Member
    future: Future


class Pools:
    """Runs tasks on pools of workers.

    Parameters
    ----------
    place : Place
        Where workers come from; closed with the pools.
    security : Security
        Keys and certificates of all connections.
    """

    def __init__(self, place: Place, security: Security) -> None:
        self._place = place
        self._pools: dict[Need, Pool] = {}
        self._flying: dict[str, _Flight] = {}
        self._ended: deque[Ended] = deque()
        self._news: list[str] = []
        self._looked = 0.0
        self._started = 0
        self._closed = False
        try:
            self._crew = Crew(place.scheduler(), security)
        except BaseException:
            place.close()
            raise

    @property
    def dashboard(self) -> str:
        """Address of the dashboard."""
        return self._crew.dashboard

    def room(self, need: Need) -> bool:
        """Tell whether a task may be submitted now."""
        pool = self._pool(need)
        if pool.total < pool.slots * pool.depth:
            return True
        return self._place.room(need, self._slots())

    def submit(self, key: str, need: Need, function: Callable[[Any], Any], argument: Any) -> None:
        """Have a task run when a worker of its pool is free."""
        pool = self._pool(need)
        pool.total += 1
        pool.pending.append(Try(key, function, argument))

    def news(self) -> list[str]:
        """Give what the user should know and was not told yet: pools that wait for a worker."""
        told, self._news = self._news, []
        return told

    def expect(self, need: Need, tasks: int) -> None:
        """Learn how many tasks with a need have not ended; workers in excess of them go."""
        pool = self._pool(need)
        pool.expected = tasks
        self._drop(pool, pool.surplus())

    def next_done(self, timeout: float) -> Ended | None:
        """Wait for a task to end, at most `timeout` seconds."""
        end = time.monotonic() + timeout
        while not self._ended:
            self._look()
            self._dispatch()
            wait = min(end - time.monotonic(), LOOK_SECONDS)
            if self._ended:
                break
            if wait <= 0:
                return None
            self._events(wait)
        return self._ended.popleft()

    def withdraw(self) -> list[str]:
        """Give back what no worker has yet; nothing more will come."""
        keys = []
        for pool in self._pools.values():
            pool.total -= len(pool.pending)
            keys += [item.key for item in pool.pending]
            pool.pending.clear()
        return keys

    def close(self) -> None:
        """End all that runs, at once."""
        if not self._closed:
            self._closed = True
            try:
                self._place.end()
                self._crew.close()
            finally:
                self._place.close()

    def _pool(self, need: Need) -> Pool:
        return self._pools.setdefault(need, Pool(need, f"pool{len(self._pools)}"))

    def _slots(self) -> dict[Need, int]:
        return {need: pool.slots for need, pool in self._pools.items() if pool.total}

    # What happens.

    def _events(self, wait: float) -> None:
        """Wait for an event; handle it and those that have come with it."""
        with suppress(Empty):
            self._handle(self._crew.events.get(timeout=wait))
            while True:
                self._handle(self._crew.events.get_nowait())

    def _handle(self, event: Event) -> None:
        if isinstance(event, Ends):
            self._landed(event)
        elif isinstance(event, Joined):
            self._joined(event)
        elif isinstance(event, Left):
            self._left(event)
        else:
            self._stranded(event)

    def _landed(self, event: Ends) -> None:
        """Note ends of tasks, but not those of tries that were given up."""
        for key, (seconds, result) in event.results.items():
            if key in self._flying:
                flight = self._land(key)
                flight.pool.note(seconds)
                empty = RuntimeError("the task gave no result") if result is None else None
                self._end(flight, result, empty)
        for key, error in event.errors.items():
            if key in self._flying:
                self._failed(self._land(key), error)

    def _failed(self, flight: _Flight, error: BaseException) -> None:
        if isinstance(error, KilledWorker) and flight.item.shared:
            self._again(flight, alone=True)
        else:
            self._end(flight, error=error)

    def _joined(self, event: Joined) -> None:
        for pool in self._pools.values():
            if member := pool.members.get(event.name):
                member.address, member.left = event.address, None

    def _left(self, event: Left) -> None:
        """Forget a worker's address; the ends of its tasks come as events of their own."""
        for pool in self._pools.values():
            for member in pool.members.values():
                if member.address == event.address:
                    member.address, member.left = "", time.monotonic()
                    member.tries = {}

    def _stranded(self, event: Stranded) -> None:
        """Have a task run elsewhere; one that had its worker to itself only a second time."""
        if event.key not in self._flying:
            return
        flight = self._land(event.key)
        self._crew.cancel([flight.future])
        own = event.moved and not flight.item.shared
        flight.item.moves += own
        if flight.item.moves < MOST_MOVES:
            self._again(flight, alone=flight.item.alone or flight.item.shared)
        else:
            self._end(flight, error=TimeLimit(_too_long(flight.pool.need)))

    def _land(self, key: str) -> _Flight:
        flight = self._flying.pop(key)
        flight.member.tries.pop(key, None)
        flight.member.heard = time.monotonic()
        return flight

    def _again(self, flight: _Flight, alone: bool) -> None:
        flight.item.alone, flight.item.shared = alone, False
        flight.pool.pending.appendleft(flight.item)

    def _end(self, flight: _Flight, result: Any = None, error: BaseException | None = None) -> None:
        flight.pool.total -= 1
        self._ended.append(Ended(flight.item.key, result, error))

    # What nobody tells.

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for pool in self._pools.values():
            for member in list(pool.members.values()):
                if member.address:
                    self._recall(pool, member, now)
                elif member.left is None:
                    self._ask_cause(pool, member)
                elif now - member.left > RETURN_SECONDS:
                    self._drop(pool, [member])
            self._drop(pool, pool.surplus())
            self._drop(pool, pool.resting(now, self._place.rest))
            self._note_delay(pool, now)

    def _note_delay(self, pool: Pool, now: float) -> None:
        """Tell once why a pool waits long for its first worker, in the queue's words."""
        if not pool.total or any(member.address for member in pool.members.values()):
            pool.without = None
            return
        pool.without = pool.without or now
        if pool.delay_told or now - pool.without < PATIENCE_SECONDS:
            return
        if state := self._place.pending(next(iter(pool.members), "")):
            pool.delay_told = True
            self._news.append(f"waiting for a worker with {pool.need}: {state}")

    def _recall(self, pool: Pool, member: Member, now: float) -> None:
        """Take back what waits behind a task that is not short after all."""
        held = now - member.heard
        if len(member.tries) < 2 or held < HELD_UP_SECONDS:
            return
        pool.note(held)
        flights = {key: self._flying[key] for key in member.tries}
        done = {key: each.future for key, each in flights.items() if each.future.done()}
        self._crew.collect(done)
        running = self._crew.running_on(member.address)
        waiting = flights.keys() - done.keys() - running if running else set()
        for key in sorted(waiting, key=list(flights).index, reverse=True):
            self._crew.cancel([self._land(key).future])
            self._again(flights[key], alone=False)

    def _ask_cause(self, pool: Pool, member: Member) -> None:
        """Give up a worker that will not come; its pool's tasks too when there is no other."""
        cause = self._place.cause(member.name)
        if cause is None:
            return
        self._drop(pool, [member])
        if pool.members:
            pool.most = len(pool.members)
            return
        pool.refused = cause

    def _drop(self, pool: Pool, members: list[Member]) -> None:
        for member in members:
            del pool.members[member.name]
        if members:
            self._crew.drop([member.name for member in members])

    # What is done next.

    def _dispatch(self) -> None:
        for pool in self._pools.values():
            if pool.refused:
                self._refuse(pool)
            elif pool.pending:
                slots = self._granted(pool)
                self._staff(pool, slots)
                self._hand_out(pool, slots)

    def _refuse(self, pool: Pool) -> None:
        while pool.pending:
            pool.total -= 1
            item = pool.pending.popleft()
            self._ended.append(Ended(item.key, error=PoolRefused(pool.refused)))

    def _granted(self, pool: Pool) -> int:
        """Give the number of workers that a pool may keep busy now."""
        slots = self._slots()
        most = min(pool.total, self._most(pool))
        while slots[pool.need] < most and self._place.room(pool.need, slots):
            slots[pool.need] += 1
        return slots[pool.need]

    def _most(self, pool: Pool) -> int:
        most = self._place.most(pool.need)
        return most if pool.most is None else min(most, pool.most)

    def _staff(self, pool: Pool, slots: int) -> None:
        """Ask for the workers that are missing."""
        specs = {}
        for _ in range(min(slots, self._most(pool)) - len(pool.members)):
            name = f"{pool.name}-{self._started}"
            self._started += 1
            self._make_way(pool)
            pool.members[name] = Member(name)
            specs[name] = self._place.spec(name, pool.need, pool.name)
        if specs:
            self._crew.start(specs)

    def _make_way(self, pool: Pool) -> None:
        """Close an idle worker of another pool when the place is crowded."""
        workers = {other.need: len(other.members) for other in self._pools.values()}
        workers[pool.need] += 1
        if not self._place.crowded(workers):
            return
        others = [other for other in self._pools.values() if other is not pool]
        idle = [
            (other, member)
            for other in others
            if not other.pending
            for member in other.members.values()
            if member.idle
        ]
        for other, member in idle[:1]:
            self._drop(other, [member])

    def _hand_out(self, pool: Pool, slots: int) -> None:
        batches: dict[Member, dict[str, Try]] = {}
        ready = pool.ready()
        while pool.pending and (member := pool.choose(ready, pool.pending[0], slots)):
            item = pool.pending.popleft()
            key = self._crew.new_key(item.key)
            member.take(key, item)
            batches.setdefault(member, {})[key] = item
        for member, items in batches.items():
            calls = {key: Call(item.function, item.argument) for key, item in items.items()}
            futures = self._crew.send(member.address, pool.name, calls)
            for key, item in items.items():
                self._flying[key] = _Flight(item, pool, member, futures[key])


def _too_long(need: Need) -> str:
    if need.walltime is None:
        return "the worker left twice before the task had ended"
    return (
        f"the task is longer than the walltime {clock(need.walltime)} of its pool ({need}); "
        "raise walltime in its block of the resource file"
    )
