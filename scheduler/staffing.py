"""Which workers the pools ask for, which they let go, and what is made of one that does not come.

A worker that does not come is no reason to give a pool up: a bad node ends a job, an operator
cancels one. It is asked for again, after a pause, and again; only a refusal that will not change
is final. A pool that has workers goes on with these for some minutes before it asks for more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .needs import Need
from .place import Cause, Place
from .pool import Member, Pool

RETURN_SECONDS = 20.0
"""Time in which a worker that died may come back by itself; then another is asked for."""
PATIENCE_SECONDS = 60.0
"""Time without a worker after which the user is told what a pool waits for, and between looks."""
BARRIER_SECONDS = 300.0
"""Time for which an idle worker is kept when more tasks are to come and nobody waits for it."""
PAUSES = (5.0, 15.0, 15.0)
"""Seconds after which a worker that ended before it came is asked for again."""
LIFT_SECONDS = 300.0
"""Time after which a pool that was given too few workers asks for more."""


class Crew(Protocol):
    """Starts workers and ends them."""

    def start(self, specs: Mapping[str, dict[str, Any]]) -> None:
        """Ask for workers, by name."""

    def drop(self, names: Sequence[str]) -> None:
        """Let workers go."""


class Staff:
    """The workers of all pools.

    Parameters
    ----------
    place : Place
    crew : Crew
    """

    def __init__(self, place: Place, crew: Crew) -> None:
        self.pools: dict[Need, Pool] = {}
        self.news: list[str] = []
        """What the user should know."""
        self.closing = False
        """Whether no worker is to be asked for any more."""
        self._place = place
        self._crew = crew
        self._started = 0

    def pool(self, need: Need) -> Pool:
        """Give the pool of a need."""
        return self.pools.setdefault(need, Pool(need, f"pool{len(self.pools)}"))

    def room(self, need: Need) -> bool:
        """Tell whether a task may be submitted now."""
        pool = self.pool(need)
        if pool.total < pool.slots * pool.depth:
            return True
        return self._place.room(need, self._slots())

    def granted(self, pool: Pool) -> int:
        """Give the number of workers that a pool may keep busy now.

        What the other pools' tasks take up is left to them. It is more than there is when tasks
        that were thought to be short are not; each pool goes on with one worker then, if it can.
        """
        slots = self._slots()
        slots[pool.need] = pool.busy
        most = min(pool.total, self._most(pool))
        while slots[pool.need] < most and self._place.room(pool.need, slots):
            slots[pool.need] += 1
        if not slots[pool.need] and most:
            return int(self._place.room(pool.need, self._busy()))
        return slots[pool.need]

    def ask(self, pool: Pool, slots: int) -> None:
        """Ask for the workers that are missing."""
        now = time.monotonic()
        if self.closing or now < pool.paused_until:
            return
        if pool.busy < slots:
            self.drop(pool, pool.outlived())
        specs = {}
        for _ in range(min(slots, self._most(pool)) - len(pool.members)):
            name = f"{pool.name}-{self._started}"
            self._started += 1
            self._make_way(pool)
            pool.members[name] = Member(name)
            specs[name] = self._place.spec(name, pool.need, pool.name)
        if specs:
            self._crew.start(specs)

    def drop(self, pool: Pool, members: Sequence[Member]) -> None:
        """Let workers of a pool go."""
        for member in members:
            del pool.members[member.name]
        if members:
            self._crew.drop([member.name for member in members])

    def withdraw(self) -> None:
        """Let all workers go that have nothing to do, ask for no more."""
        self.closing = True
        for pool in self.pools.values():
            self._drop_idle(pool)

    def look(self, now: float) -> None:
        """See who did not come, who did not come back, and who is not needed any more."""
        for pool in self.pools.values():
            if pool.most is not None and now > pool.most_until:
                pool.forgive()
            for member in list(pool.members.values()):
                self._look_for(pool, member, now)
            self.drop(pool, pool.surplus())
            self.drop(pool, pool.resting(now, self._rest(pool)))
            if self.closing and not pool.pending:
                self._drop_idle(pool)
            self._note_delay(pool, now)

    # What there is.

    def _slots(self) -> dict[Need, int]:
        return {need: pool.slots for need, pool in self.pools.items() if pool.total}

    def _busy(self) -> dict[Need, int]:
        return {need: pool.busy for need, pool in self.pools.items()}

    def _most(self, pool: Pool) -> int:
        most = self._place.most(pool.need)
        return most if pool.most is None else min(most, pool.most)

    def _rest(self, pool: Pool) -> float:
        """Give the time for which idle workers of a pool are kept; longer at a barrier."""
        others = [other for other in self.pools.values() if other is not pool]
        if not pool.expected or any(other.waits for other in others):
            return self._place.rest
        return max(self._place.rest, BARRIER_SECONDS)

    # What is looked at.

    def _look_for(self, pool: Pool, member: Member, now: float) -> None:
        if member.address:
            return
        if member.left is not None:
            if now - member.left > RETURN_SECONDS:
                self.drop(pool, [member])
        elif cause := self._place.cause(member.name):
            self.drop(pool, [member])
            self._lose(pool, cause, now)

    def _lose(self, pool: Pool, cause: Cause, now: float) -> None:
        """Make do without a worker for a time; give up a pool that has none in the end.

        Workers that end within a pause were asked for before it: they count as one.
        """
        if not cause.final and now >= pool.paused_until:
            pool.lost += 1
            pool.paused_until = now + PAUSES[min(pool.lost, len(PAUSES)) - 1]
        hopeless = cause.final or pool.lost > len(PAUSES)
        if hopeless and not pool.members:
            pool.refused = cause.text
        pool.most = len(pool.members) + (not hopeless)
        pool.most_until = now + LIFT_SECONDS

    def _note_delay(self, pool: Pool, now: float) -> None:
        """Tell why a pool waits long for its first worker, in the queue's words, each once."""
        if not pool.total or any(member.address for member in pool.members.values()):
            pool.without = None
            return
        if pool.without is None:
            pool.without = pool.delay_asked = now
        if now - pool.delay_asked < PATIENCE_SECONDS:
            return
        pool.delay_asked = now
        state = self._place.pending(next(iter(pool.members), ""))
        if state and state not in pool.delays_told:
            pool.delays_told.add(state)
            self.news.append(f"waiting for a worker with {pool.need}: {state}")

    def _make_way(self, pool: Pool) -> None:
        """Close an idle worker of another pool when the place is crowded."""
        workers = {other.need: len(other.members) for other in self.pools.values()}
        workers[pool.need] += 1
        if not self._place.crowded(workers):
            return
        others = [other for other in self.pools.values() if other is not pool]
        idle = [
            (other, member)
            for other in others
            if not other.pending
            for member in other.members.values()
            if member.idle
        ]
        for other, member in idle[:1]:
            self.drop(other, [member])

    def _drop_idle(self, pool: Pool) -> None:
        self.drop(pool, [member for member in pool.members.values() if member.idle])
