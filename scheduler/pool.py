"""What is known of a pool: its workers, its tasks, and how many tasks a worker is handed.

A long task has its worker to itself. Messages take milliseconds, though, and a worker that gets
one short task at a time mostly waits. So a worker of a pool whose tasks have been short of late,
in the mean, is handed several, which it runs one after another.

When such a worker dies, nobody knows which of its tasks killed it. Each runs again, **alone** on
a worker, and none counts as failed; a task that kills a worker that it had to itself is the
cause. A worker that is held up by one long task after all gives the others back.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .needs import Need

DEEPEST = 32
"""Most tasks handed to a worker."""
SHORT = 0.05
"""Seconds; a pool whose tasks take longer in the mean hands out one at a time."""
QUEUED = 0.2
"""Seconds of work handed to a worker."""
FEWEST = 4
"""Tasks that must have ended before a pool's tasks are believed to be short."""
FRESH = 0.1
"""Share of the walltime for which a worker counts as one that has just come."""
WEIGHT = 0.1
"""Weight of the last task in the moving mean; a pause of a busy machine must not decide."""


@dataclass(eq=False)
class Try:
    """A task on its way, or waiting for a worker."""

    key: str
    function: Callable[[Any], Any]
    argument: Any
    alone: bool = False
    """Shares its worker with no other task."""
    shared: bool = False
    """Shared its worker with others in this try."""
    moves: int = 0
    """Times that a worker left before it ended, although it had nearly all the worker's time."""
    longest: float = 0.0
    """Most seconds that it had on a worker that left."""


@dataclass(eq=False)
class Member:
    """A worker that was asked for."""

    name: str
    address: str = ""
    """Empty as long as the worker is not there."""
    joined: float | None = None
    """Monotonic second at which it first came; its job is a little older."""
    left: float | None = None
    """Monotonic second at which it went away."""
    heard: float = 0.0
    """Monotonic second at which it was last handed a first task, or ended one."""
    tries: dict[str, Try] = field(default_factory=dict)
    """What it was handed, by the key of dask."""

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do; also true of one that is not there."""
        return not self.tries

    def takes(self, item: Try, depth: int) -> bool:
        """Tell whether it may be handed a task."""
        if self.idle:
            return True
        with_one_alone = any(other.alone for other in self.tries.values())
        return not (item.alone or with_one_alone) and len(self.tries) < depth

    def outlasts(self, item: Try, walltime: int | None, now: float) -> bool:
        """Tell whether it stays for longer than a task had on the worker that left it behind.

        It should stay twice as long, or have just come: a try that ends no better is the last.
        """
        if walltime is None or self.joined is None:
            return True
        age = now - self.joined
        return age <= FRESH * walltime or walltime - age > 2 * item.longest

    def take(self, key: str, item: Try) -> None:
        """Note a task that it is handed."""
        if self.idle:
            self.heard = time.monotonic()
        self.tries[key] = item
        item.shared = len(self.tries) > 1
        if item.shared:
            for other in self.tries.values():
                other.shared = True


@dataclass(eq=False)
class Pool:
    """Workers of one need, and the tasks that were submitted for them."""

    need: Need
    name: str
    """The pool's resource in dask."""
    members: dict[str, Member] = field(default_factory=dict)
    pending: deque[Try] = field(default_factory=deque)
    total: int = 0
    """Tasks that were submitted and have not ended."""
    expected: int | None = None
    """Tasks that have not ended, those included that were not submitted; None if not told."""
    most: int | None = None
    """Most workers that the place was seen to give; None if not known."""
    most_until: float = 0.0
    """Monotonic second at which this is forgotten."""
    lost: int = 0
    """Times that a worker ended before it came, since one has come."""
    paused_until: float = 0.0
    """Monotonic second until which no worker is asked for."""
    without: float | None = None
    """Monotonic second since which it has tasks and no worker."""
    delay_asked: float = 0.0
    """Monotonic second at which the place was last asked what the pool waits for."""
    delays_told: set[str] = field(default_factory=set)
    refused: str = ""
    """Why the place gives no worker."""
    wanted: float = 0.0
    """Monotonic second at which a task last waited for a worker."""
    _mean: float = 0.0
    _ended: int = 0

    def note(self, seconds: float) -> None:
        """Learn how long a task took."""
        self._ended += 1
        self._mean += max(WEIGHT, 1 / self._ended) * (seconds - self._mean)

    @property
    def depth(self) -> int:
        """Tasks that a worker may be handed at one time."""
        if self._ended < FEWEST or self._mean > SHORT:
            return 1
        return min(DEEPEST, int(QUEUED / max(self._mean, 1e-3)))

    @property
    def busy(self) -> int:
        """Workers that have something to do."""
        return sum(not member.idle for member in self.members.values())

    @property
    def waits(self) -> bool:
        """Whether a worker that was asked for is not there yet."""
        return any(not each.address and each.left is None for each in self.members.values())

    @property
    def slots(self) -> int:
        """Workers that the submitted tasks take up."""
        return max(self.busy, -(-self.total // self.depth))

    def ready(self) -> list[Member]:
        """Give the workers that are to be handed tasks: a message for each would cost too much."""
        half = self.depth // 2
        return [each for each in self.members.values() if each.address and len(each.tries) <= half]

    def choose(self, ready: list[Member], item: Try, most_busy: int) -> Member | None:
        """Give the worker with the least to do that may be handed a task, the youngest of these."""
        depth = self.depth
        fitting = [member for member in ready if member.takes(item, depth)]
        if self.busy >= most_busy:
            fitting = [member for member in fitting if not member.idle]
        if item.longest:
            now = time.monotonic()
            fitting = [each for each in fitting if each.outlasts(item, self.need.walltime, now)]
        return min(fitting, key=_load, default=None)

    def share_out(self, most_busy: int) -> Iterator[tuple[Member, Try]]:
        """Give waiting tasks to workers; the caller has each worker take its task at once.

        One that needs a worker for longer than those that are there stay holds up no other.
        """
        ready, later = self.ready(), []
        while self.pending:
            item = self.pending.popleft()
            if member := self.choose(ready, item, most_busy):
                yield member, item
                continue
            later.append(item)
            if not item.longest:
                break
        self.pending.extendleft(reversed(later))

    def make_do(self) -> None:
        """Have tasks that wait take a worker that is left, if any: no other will come."""
        for item in self.pending:
            item.longest = 0.0
        if self.pending and not self.members:
            self.refused = self.refused or "no worker is asked for: the run is ending"

    def outlived(self) -> list[Member]:
        """Give idle workers that leave too soon for a waiting task, when no other is free."""
        behind = [item for item in self.pending if item.longest]
        if not behind:
            return []
        now = time.monotonic()
        idle = [member for member in self.members.values() if member.idle]
        fit = [each for each in idle if each.outlasts(behind[0], self.need.walltime, now)]
        return [] if fit else idle

    def forgive(self) -> None:
        """Forget that workers did not come."""
        self.lost, self.most = 0, None

    def surplus(self) -> list[Member]:
        """Give the workers that will not be needed again, those that are not there yet first."""
        if self.expected is None:
            return []
        idle = [member for member in self.members.values() if member.idle]
        idle.sort(key=lambda member: bool(member.address))
        return idle[: max(len(self.members) - max(self.expected, self.total), 0)]

    def resting(self, now: float, seconds: float) -> list[Member]:
        """Give the workers for which there has been nothing to do for so long."""
        if self.pending:
            self.wanted = now
        since = now - seconds
        if self.wanted > since:
            return []
        return [each for each in self.members.values() if each.idle and each.heard <= since]


def _load(member: Member) -> tuple[int, float]:
    return len(member.tries), -(member.joined or 0.0)
