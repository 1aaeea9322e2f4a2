"""A task on its worker, and what is made of it when the worker leaves before the task has ended.

Workers that were started together leave together, and a task that came late to a worker had
little of its time: such a move says nothing about the task's length.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from distributed import Future

from ..errors import I2lcError
from .needs import Need, clock
from .pool import Member, Pool, Try

MOST_MOVES = 2
"""Times that a worker may leave a task that had all its time: at this one it fails."""
ALL_SHARE = 0.8
"""Share of a worker's time that is nearly all of it."""


class TimeLimit(I2lcError):  # noqa: N818
    """A task that is longer than the walltime of its pool."""


@dataclass(frozen=True, eq=False)
class Flight:
    """A task that was handed to a worker."""

    item: Try
    pool: Pool
    member: Member
    future: Future
    sent: float
    """Monotonic second at which it was handed over."""

    def note_move(self) -> None:
        """Learn that the worker left; count it if the task had nearly all the worker's time."""
        now = time.monotonic()
        had, item = now - self.sent, self.item
        lived = now - (self.member.joined or self.sent)
        item.longest = max(item.longest, had)
        item.moves += had >= ALL_SHARE * lived


def too_long(need: Need) -> str:
    """Say that a task is longer than workers with its need stay."""
    if need.walltime is None:
        return "the worker left twice before the task had ended"
    return (
        f"the task is longer than the walltime {clock(need.walltime)} of its pool ({need}); "
        "raise walltime in its block of the resource file"
    )
