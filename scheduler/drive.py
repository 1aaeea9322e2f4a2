"""Drive a graph of tasks through an executor: ready tasks in, results out, failures contained.

A task starts when all tasks before it have ended well. One that fails keeps the tasks behind
it from starting; all others still run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import networkx as nx


class Executor(Protocol):
    """A place where tasks run.

    `submit` never blocks for long; `next_done` waits for the end of any submitted task and
    gives its key with what it returned, or with the exception that ended it.
    """

    slots: int
    """Tasks that run at one time."""

    def submit(self, key: str, function: Callable[[Any], Any], argument: Any) -> None:
        """Start a task."""

    def next_done(self) -> tuple[str, Any, BaseException | None]:
        """Wait for a task to end."""

    def close(self) -> None:
        """End all that still runs."""


@dataclass
class Progress:
    """The state of a drive; keys of tasks."""

    done: dict[str, Any] = field(default_factory=dict)
    """Ended well, with the result."""
    failed: dict[str, Any] = field(default_factory=dict)
    """Ended badly, with the result or the exception of the first try."""
    running: set[str] = field(default_factory=set)


def drive(
    edges: nx.DiGraph,
    executor: Executor,
    function: Callable[[Any], Any],
    arguments: Mapping[str, Any],
    ended_well: Callable[[Any], bool],
    watch: Callable[[str, str, Progress], None],
    retries: int = 0,
) -> Progress:
    """Run all tasks of a graph.

    Parameters
    ----------
    edges : DiGraph
        Keys of tasks; an edge runs from a task to one that waits for it.
    executor : Executor
    function : callable
        What runs: takes an argument, returns a result.
    arguments : mapping
        Argument of each task; the order of its keys is the order of starting.
    ended_well : callable
        Tells whether a result is one of success.
    watch : callable
        Called with ("started" | "done" | "failed" | "retried", key, progress).
    retries : int
        Times that a failed task is tried again; the first failure is kept.

    Returns
    -------
    Progress
        Tasks neither done nor failed could not start.
    """
    rank = {key: number for number, key in enumerate(arguments)}
    waiting = {key: edges.in_degree(key) for key in arguments}
    ready = [(rank[key], key) for key, count in waiting.items() if not count]
    heapq.heapify(ready)
    progress = Progress()
    tries: dict[str, int] = {}
    first_failure: dict[str, Any] = {}
    while ready or progress.running:
        while ready and len(progress.running) < executor.slots:
            _, key = heapq.heappop(ready)
            progress.running.add(key)
            executor.submit(key, function, arguments[key])
            watch("started", key, progress)
        key, result, error = executor.next_done()
        progress.running.discard(key)
        if error is None and ended_well(result):
            progress.done[key] = result
            for follower in edges.successors(key):
                waiting[follower] -= 1
                if not waiting[follower]:
                    heapq.heappush(ready, (rank[follower], follower))
            watch("done", key, progress)
            continue
        first_failure.setdefault(key, error if error is not None else result)
        tries[key] = tries.get(key, 0) + 1
        if tries[key] <= retries:
            heapq.heappush(ready, (rank[key], key))
            watch("retried", key, progress)
        else:
            progress.failed[key] = first_failure[key]
            watch("failed", key, progress)
    return progress
