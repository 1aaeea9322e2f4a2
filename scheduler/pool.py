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
from collections.abc import Callable
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
    """Times that its worker left in an orderly way before it ended."""


@dataclass(eq=False)
class Member:
    """A worker that was asked for."""

    name: str
    address: str = ""
    """Empty as long as the worker is not there."""
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
    without: float | None = None
    """Monotonic second since which it has tasks and no worker."""
    delay_told: bool = False
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
    def slots(self) -> int:
        """Workers that the submitted tasks take up."""
        return max(self.busy, -(-self.total // self.depth))

    def ready(self) -> list[Member]:
        """Give the workers that are to be handed tasks: a message for each would cost too much."""
        half = self.depth // 2
        return [each for each in self.members.values() if each.address and len(each.tries) <= half]

    def choose(self, ready: list[Member], item: Try, most_busy: int) -> Member | None:
        """Give the worker with the least to do that may be handed a task."""
        depth = self.depth
        fitting = [member for member in ready if member.takes(item, depth)]
        if self.busy >= most_busy:
            fitting = [member for member in fitting if not member.idle]
        return min(fitting, key=lambda member: len(member.tries), default=None)

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
