"""Tasks on pools of workers: one dask scheduler, one pool for each distinct need.

A `Place` says where workers come from, `staffing` when they are asked for; this module decides
which one gets which task, and what the end of a worker means for its tasks. `pool` has the law
of how many tasks a worker is handed.

A worker that leaves in an orderly way, as jobs do before their walltime is over, has its task
run again on another. A task that was left although it had nearly all of a worker's time fails
the second time: it is longer than the walltime.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

from distributed.scheduler import KilledWorker
from distributed.security import Security

from ..errors import I2lcError
from .crew import Call, Crew, Ends, Event, GivenBack, Joined, Left, Stranded
from .drive import Ended
from .flights import MOST_MOVES, Flight, TimeLimit, too_long
from .needs import Need
from .place import Place
from .pool import Member, Pool, Try
from .staffing import Staff

LOOK_SECONDS = 0.5
"""Time between two looks at what no event tells."""
HELD_UP_SECONDS = 1.0
"""Time without a task's end after which a worker gives back what waits on it."""


class PoolRefused(I2lcError):  # noqa: N818
    """A pool that gets no workers."""


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
        self._flying: dict[str, Flight] = {}
        self._ended: deque[Ended] = deque()
        self._looked = 0.0
        self._closed = False
        try:
            self._crew = Crew(place.scheduler(), security)
        except BaseException:
            place.close()
            raise
        self._staff = Staff(place, self._crew)

    @property
    def dashboard(self) -> str:
        """Address of the dashboard."""
        return self._crew.dashboard

    def room(self, need: Need) -> bool:
        """Tell whether a task may be submitted now."""
        return self._staff.room(need)

    def submit(self, key: str, need: Need, function: Callable[[Any], Any], argument: Any) -> None:
        """Have a task run when a worker of its pool is free."""
        pool = self._pool(need)
        pool.total += 1
        pool.pending.append(Try(key, function, argument))

    def withdraw(self) -> list[str]:
        """Take back the tasks that no worker has; ask for no worker any more.

        Returns
        -------
        list of str
            Their keys, of which no end will come.
        """
        keys = []
        for pool in self._staff.pools.values():
            keys += [item.key for item in pool.pending]
            pool.total -= len(pool.pending)
            pool.pending.clear()
        self._staff.withdraw()
        return keys

    def news(self) -> list[str]:
        """Give what the user should know and was not told yet: pools that wait for a worker."""
        told, self._staff.news = self._staff.news, []
        return told

    def expect(self, need: Need, tasks: int) -> None:
        """Learn how many tasks with a need have not ended; workers in excess of them go."""
        pool = self._pool(need)
        pool.expected = tasks
        self._staff.drop(pool, pool.surplus())

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

    def close(self) -> None:
        """End all that runs, at once."""
        if self._closed:
            return
        self._closed = True
        try:
            try:
                self._place.end()
            finally:
                self._crew.close()
        finally:
            self._place.close()

    def _pool(self, need: Need) -> Pool:
        return self._staff.pool(need)

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
        elif isinstance(event, GivenBack):
            self._given_back(event)
        else:
            self._stranded(event)

    def _landed(self, event: Ends) -> None:
        """Note ends of tasks, but not those of tries that were given up."""
        for key, (seconds, result) in event.results.items():
            if key not in self._flying:
                continue
            flight = self._land(key)
            if seconds < 0:  # given back, which was not told yet
                self._again(flight, alone=False)
                continue
            flight.pool.note(seconds)
            empty = RuntimeError("the task gave no result") if result is None else None
            self._end(flight, result, empty)
        for key, error in event.errors.items():
            if key in self._flying:
                self._failed(self._land(key), error)

    def _failed(self, flight: Flight, error: BaseException) -> None:
        if isinstance(error, KilledWorker) and flight.item.shared:
            self._again(flight, alone=True)
        else:
            self._end(flight, error=error)

    def _joined(self, event: Joined) -> None:
        now = time.monotonic()
        for pool in self._staff.pools.values():
            if member := pool.members.get(event.name):
                member.address, member.left = event.address, None
                member.joined = now if member.joined is None else member.joined
                pool.forgive()

    def _left(self, event: Left) -> None:
        """Forget a worker's address; the ends of its tasks come as events of their own."""
        for pool in self._staff.pools.values():
            for member in [each for each in pool.members.values() if each.address == event.address]:
                member.address, member.left = "", time.monotonic()
                member.tries = {}
                if event.orderly:
                    self._staff.drop(pool, [member])

    def _stranded(self, event: Stranded) -> None:
        """Have a task run elsewhere, unless it was left too often."""
        if event.key not in self._flying:
            return
        flight = self._land(event.key)
        self._crew.cancel([flight.future])
        if event.moved and not flight.item.shared:
            flight.note_move()
        if flight.item.moves < MOST_MOVES:
            self._again(flight, alone=flight.item.alone or flight.item.shared)
        else:
            self._end(flight, error=TimeLimit(too_long(flight.pool.need)))

    def _given_back(self, event: GivenBack) -> None:
        for key in reversed(event.keys):
            if key in self._flying:
                flight = self._land(key)
                self._crew.cancel([flight.future])
                self._again(flight, alone=False)

    def _land(self, key: str) -> Flight:
        flight = self._flying.pop(key)
        flight.member.tries.pop(key, None)
        flight.member.heard = time.monotonic()
        return flight

    def _again(self, flight: Flight, alone: bool) -> None:
        flight.item.alone, flight.item.shared = alone, False
        flight.pool.pending.appendleft(flight.item)

    def _end(self, flight: Flight, result: Any = None, error: BaseException | None = None) -> None:
        flight.pool.total -= 1
        self._ended.append(Ended(flight.item.key, result, error))

    # What nobody tells.

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for pool in self._staff.pools.values():
            for member in pool.members.values():
                if len(member.tries) > 1 and now - member.heard >= HELD_UP_SECONDS:
                    self._recall(pool, member, now)
        self._staff.look(now)

    def _recall(self, pool: Pool, member: Member, now: float) -> None:
        """Ask for what waits behind a task that is not short after all."""
        pool.note(now - member.heard)
        flights = {key: self._flying[key] for key in member.tries}
        done = {key: each.future for key, each in flights.items() if each.future.done()}
        self._crew.collect(done)
        self._crew.ask_back(member.address, [key for key in flights if key not in done])

    # What is done next.

    def _dispatch(self) -> None:
        for pool in self._staff.pools.values():
            if self._staff.closing:
                pool.make_do()
            if pool.refused:
                self._refuse(pool)
            elif pool.pending:
                slots = self._staff.granted(pool)
                self._hand_out(pool, slots)
                self._staff.ask(pool, slots)

    def _refuse(self, pool: Pool) -> None:
        while pool.pending:
            pool.total -= 1
            item = pool.pending.popleft()
            self._ended.append(Ended(item.key, error=PoolRefused(pool.refused)))

    def _hand_out(self, pool: Pool, slots: int) -> None:
        """Send tasks to workers, in one message to each."""
        batches: dict[Member, dict[str, Try]] = {}
        for member, item in pool.share_out(slots):
            key = self._crew.new_key(item.key)
            member.take(key, item)
            batches.setdefault(member, {})[key] = item
        for member, items in batches.items():
            self._send(pool, member, items)

    def _send(self, pool: Pool, member: Member, items: dict[str, Try]) -> None:
        calls = {key: Call(item.function, item.argument, key) for key, item in items.items()}
        futures = self._crew.send(member.address, pool.name, calls)
        now = time.monotonic()
        for key, item in items.items():
            self._flying[key] = Flight(item, pool, member, futures[key], now)
