"""What all benchmarks share: a result, and how calls are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """Ours and a reference, timed alternately in one process."""

    name: str
    """What was done, and against what."""
    rate: str
    """How much of ours a second, in words."""
    ours: float
    """Seconds."""
    reference: float
    """Seconds."""
    goal: float | None
    """Least ratio that was promised; None where nothing was."""

    @property
    def ratio(self) -> float:
        """How many times ours is as fast as the reference."""
        return self.reference / self.ours

    @property
    def missed(self) -> bool:
        """Whether the goal is missed."""
        return self.goal is not None and self.ratio < self.goal


def best(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Time calls in turn, `repeats` times; give the least seconds of each.

    What else runs on the machine can only add time, and in turn it meets all of them.
    """
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            least[name] = min(least[name], time.perf_counter() - start)
    return least
