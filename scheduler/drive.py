"""Drive a graph of tasks through an executor: ready tasks in, results out, failures contained.

A task starts when all tasks before it have ended well. One that fails keeps the tasks behind
it from starting; all others still run.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import networkx as nx

from .needs import Need

TICK = 0.5
"""Seconds after which the driver looks up from waiting."""


@dataclass(frozen=True)
class Ended:
    """A task that ended: with a result, or with the exception that ended it."""

    key: str
    result: Any = None
    error: BaseException | None = None


class Executor(Protocol):
    """A place where tasks run; used from one thread."""

    @property
    def dashboard(self) -> str:
        """Address of a page that shows the work, empty for none."""

    def room(self, need: Need) -> bool:
        """Tell whether a task with this need may be submitted now."""

    def submit(self, key: str, need: Need, function: Callable[[Any], Any], argument: Any) -> None:
        """Start a task, or have it start when a worker of its pool is there."""

    def next_done(self, timeout: float) -> Ended | None:
        """Wait for a task to end, at most `timeout` seconds; None when none did."""

    def news(self) -> list[str]:
        """Give what the user should know and was not told yet."""

    def expect(self, need: Need, tasks: int) -> None:
        """Learn how many tasks with this need have not ended; 0 lets the pool's workers go."""

    def withdraw(self) -> list[str]:
        """Give back what was submitted and no worker has yet; nothing more will come."""

    def close(self) -> None:
        """End all that still runs, at once."""


@dataclass
class Stop:
    """A request to stop, raised from outside: by a signal, or by a lost output folder."""

    asked: bool = False
    """Start nothing more; what runs may end."""
    now: bool = False
    """Wait for nothing."""
    cause: str = ""
    """Why, in a sentence."""
    by_user: bool = False
    """By a signal; not because something is wrong."""
    over: bool = False
    """The drive has ended; what is left is to close down."""


@dataclass(frozen=True)
class Rules:
    """How a drive treats failures."""

    ended_well: Callable[[Any], bool]
    """Tells whether a result is one of success."""
    retries: int = 0
    """Times that a failed task is tried again; the first failure is kept."""
    grow: Callable[[str, Need], Need] = lambda key, need: need  # noqa: ARG005
    """Gives the need of the next try of a task."""
    fail_fast: bool = False
    """Start nothing more after the first failure."""
    hopeless: Callable[[Any], bool] = lambda failure: False  # noqa: ARG005
    """Tells whether another try would fail in the same way."""
    innocent: Callable[[str, Any], bool] = lambda key, failure: False  # noqa: ARG005
    """Tells whether a task failed through no fault of its own; once it is tried again for that,
    and the try does not count."""


@dataclass
class Progress:
    """The state of a drive; keys of tasks."""

    done: dict[str, Any] = field(default_factory=dict)
    """Ended well, with the result."""
    failed: dict[str, Any] = field(default_factory=dict)
    """Ended badly, with the result or the exception of the first try."""
    running: set[str] = field(default_factory=set)
    """Submitted and not ended; what is left here at the end was broken off."""
    blocked: dict[str, str] = field(default_factory=dict)
    """Will not start, with the failed task before it."""
    tries: Counter[str] = field(default_factory=Counter)
    """Failed tries."""
    first_failure: dict[str, Any] = field(default_factory=dict)
    """Of each task that was tried in vain, the result or the exception of the first try."""
    last_failure: dict[str, Any] = field(default_factory=dict)
    """The same of the last try."""
    forgiven: set[str] = field(default_factory=set)
    """Tasks whose try was not counted."""


Watch = Callable[[str, str, Progress], None]
"""Called with ("started" | "done" | "failed" | "retried" | "withdrawn", key, progress) and with
("tick", "", progress)."""


def drive(
    edges: nx.DiGraph,
    executor: Executor,
    function: Callable[[Any], Any],
    argument_of: Callable[[str, Need, int], Any],
    needs: Mapping[str, Need],
    rules: Rules,
    watch: Watch,
    stop: Stop | None = None,
) -> Progress:
    """Run all tasks of a graph.

    Parameters
    ----------
    edges : DiGraph
        Keys of tasks; an edge runs from a task to one that waits for it.
    executor : Executor
    function : callable
        What runs: takes an argument, returns a result.
    argument_of : callable
        Gives the argument of a task from its key, its need and the number of its start, from 1.
    needs : mapping of key to Need
        What each task needs; the order of its keys is the order of starting.
    rules : Rules
    watch : callable
        Told of every event, and "tick" while nothing happens.
    stop : Stop, optional
        Looked at all the time.

    Returns
    -------
    Progress
        Tasks that are nowhere in it could not start.
    """
    work = _Drive(edges, executor, function, argument_of, needs, rules, watch, stop or Stop())
    return work.run()


class _Drive:
    """One drive; the state between two events."""

    def __init__(
        self,
        edges: nx.DiGraph,
        executor: Executor,
        function: Callable[[Any], Any],
        argument_of: Callable[[str, Need, int], Any],
        needs: Mapping[str, Need],
        rules: Rules,
        watch: Watch,
        stop: Stop,
    ) -> None:
        self._edges = edges
        self._executor = executor
        self._function = function
        self._argument_of = argument_of
        self._needs = dict(needs)
        self._rules = rules
        self._watch = watch
        self._stop = stop
        self._progress = Progress()
        self._rank = {key: number for number, key in enumerate(needs)}
        self._waiting = {key: edges.in_degree(key) for key in needs}
        self._ready: dict[Need, list[tuple[int, str]]] = {}
        self._left = Counter(needs.values())
        self._starts: Counter[str] = Counter()
        self._withdrawn = False

    def run(self) -> Progress:
        """Start and wait until nothing more can be done."""
        for need, count in self._left.items():
            self._executor.expect(need, count)
        for key, count in self._waiting.items():
            if not count:
                self._make_ready(key)
        try:
            self._loop()
        except KeyboardInterrupt:
            self._stop.asked = self._stop.now = self._stop.by_user = True
        finally:
            self._stop.over = True
        return self._progress

    def _loop(self) -> None:
        while not self._stop.now:
            if self._stopping():
                self._withdraw()
            else:
                self._start()
            if not self._progress.running:
                break
            ended = self._executor.next_done(TICK)
            if ended is None:
                self._watch("tick", "", self._progress)
            else:
                self._take(ended)

    def _stopping(self) -> bool:
        return self._stop.asked or (self._rules.fail_fast and bool(self._progress.failed))

    def _withdraw(self) -> None:
        """Take back, once, what waits for a worker."""
        if self._withdrawn:
            return
        self._withdrawn = True
        for key in self._executor.withdraw():
            self._progress.running.discard(key)
            self._watch("withdrawn", key, self._progress)

    def _make_ready(self, key: str) -> None:
        queue = self._ready.setdefault(self._needs[key], [])
        heapq.heappush(queue, (self._rank[key], key))

    def _start(self) -> None:
        """Submit what there is room for, earlier tasks first.

        A task that finds no room does not hold back one of another need behind it.
        """
        while True:
            open_queues = [
                (queue[0], need)
                for need, queue in self._ready.items()
                if queue and self._executor.room(need)
            ]
            if not open_queues:
                return
            (_, key), need = min(open_queues, key=lambda found: found[0])
            heapq.heappop(self._ready[need])
            self._progress.running.add(key)
            self._starts[key] += 1
            argument = self._argument_of(key, need, self._starts[key])
            self._executor.submit(key, need, self._function, argument)
            self._watch("started", key, self._progress)

    def _take(self, ended: Ended) -> None:
        """Note the end of a task and what follows from it."""
        key = ended.key
        self._progress.running.discard(key)
        if ended.error is None and self._rules.ended_well(ended.result):
            self._progress.done[key] = ended.result
            self._forget(key)
            self._watch("done", key, self._progress)
            for follower in self._edges.successors(key):
                self._waiting[follower] -= 1
                if not self._waiting[follower] and follower not in self._progress.blocked:
                    self._make_ready(follower)
        else:
            self._take_failure(key, ended.error if ended.error is not None else ended.result)

    def _take_failure(self, key: str, failure: Any) -> None:
        progress, rules = self._progress, self._rules
        progress.last_failure[key] = failure
        if self._stopping():
            self._give_up(key, failure)
        elif key not in progress.forgiven and rules.innocent(key, failure):
            progress.forgiven.add(key)
            self._try_again(key, self._needs[key])
        elif progress.tries[key] < rules.retries and not rules.hopeless(failure):
            progress.tries[key] += 1
            progress.first_failure.setdefault(key, failure)
            self._try_again(key, rules.grow(key, self._needs[key]))
        else:
            self._give_up(key, failure)

    def _try_again(self, key: str, need: Need) -> None:
        before = self._needs[key]
        if need != before:
            self._needs[key] = need
            self._left[need] += 1
            self._executor.expect(need, self._left[need])
            self._left[before] -= 1
            self._executor.expect(before, self._left[before])
        self._make_ready(key)
        self._watch("retried", key, self._progress)

    def _give_up(self, key: str, failure: Any) -> None:
        """Note a failure, and what cannot start because of it."""
        progress = self._progress
        progress.tries[key] += 1
        progress.failed[key] = progress.first_failure.setdefault(key, failure)
        self._forget(key)
        for behind in nx.descendants(self._edges, key) - progress.blocked.keys():
            progress.blocked[behind] = key
            self._forget(behind)
        self._watch("failed", key, progress)

    def _forget(self, key: str) -> None:
        """Tell the executor that one task less will come."""
        need = self._needs[key]
        self._left[need] -= 1
        self._executor.expect(need, self._left[need])
