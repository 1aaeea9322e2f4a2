"""What a call takes: seconds and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")
MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """What a function takes for its pixels."""

    pixels: int
    """Pixels of the arrays that it got."""
    seconds: float
    peak: int
    """Bytes that it held at one time, its result included."""
    result: int
    """Bytes of its result."""

    def __str__(self) -> str:
        share = MILLION / self.pixels
        megabytes = self.peak * share / 1e6
        return f"{self.seconds * share:.2f} s and {megabytes:.0f} MB for a million pixels"


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """Call and give the result with its seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def traced(call: Callable[[], Result]) -> tuple[Result, int]:
    """Call and give the result with the most bytes that were held at one time.

    Memory that a library takes past Python's and numpy's own allocators is not seen.
    """
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        result = call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not running:
            tracemalloc.stop()
    return result, max(peak - before, 0)


def pixel_bytes(costs: Iterable[Cost]) -> int:
    """Give the memory of a pixel: the hungriest call beside all results, a power of two."""
    every = list(costs)
    if not every:
        return 0
    needed = max(cost.peak / cost.pixels for cost in every)
    needed += sum(cost.result / cost.pixels for cost in every)
    return 1 << max(int(-(-needed // 1)) - 1, 0).bit_length()
