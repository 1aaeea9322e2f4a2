"""The tasks of a run, handed to the scheduler: needs, order, states, what is said of them."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import networkx as nx
from distributed.scheduler import KilledWorker

from .._version import __version__
from ..errors import I2lcError
from ..scheduler.drive import Progress, Rules, Stop, drive
from ..steps.files.disk import DiskFullError
from .records import leftovers
from .records.decision import Verdict
from .tasks import interrupt, placement
from .tasks.orders import Orders
from .tasks.placement import QUEUES, Placement
from .tasks.task import Outcome
from .tasks.task import execute as do
from .tasks.work import Work
from .telling import ending, task_states, tasks_status
from .telling.display import Display, say
from .telling.last_words import last_words
from .telling.tasks_status import Facts, StateFile
from .telling.watcher import Watcher


def execute(
    work: Work, run_id: str, verdicts: Mapping[str, Verdict], todo: Sequence[str], stop: Stop
) -> int:
    """Have the tasks done; give the exit status.

    Parameters
    ----------
    work : Work
    run_id : str
        Holds the lock of the output folder.
    verdicts : mapping of task name to Verdict
    todo : sequence of str
        Tasks that run, in the order of the plan.
    stop : Stop
        Set when the lock is lost, and by signals.
    """
    where = _place(work)
    orders = Orders(work.config, work.plan.graph, work.made, run_id, where.kind)
    states = StateFile(
        work.root, _facts(work, run_id), list(work.plan.graph.tasks), _kept(work, verdicts, todo)
    )
    start = time.monotonic()
    with interrupt.listening(stop, say):
        progress = _drive(work, where, orders, states, todo, stop) if todo else Progress()
        end = ending.Ending(work, todo, orders, progress, stop)
        defects = end.defects(verdicts)
        if warning := states.end(end.how(defects)):
            say(warning)
        leftovers.remove_own(work.root, work.folders, run_id)
        return end.conclude(defects, time.monotonic() - start)


def _place(work: Work) -> Placement:
    where = placement.place(
        work.config,
        work.steps,
        work.options.scheduler_type,
        work.options.nb_parallel_tasks,
        work.given,
        placement.this_machine(work.options.scheduler_type),
    )
    for note in where.notes:
        say(note)
    return where


def _facts(work: Work, run_id: str) -> Facts:
    return Facts(
        version=__version__,
        run_id=run_id,
        pid=os.getpid(),
        host=socket.gethostname(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        config=str(work.config.path.absolute()),
    )


def _kept(work: Work, verdicts: Mapping[str, Verdict], todo: Sequence[str]) -> set[str]:
    """Give the tasks that this run does not do and that are done.

    Without a restart nothing was looked at but what the run reads; of the steps that are left
    out the file goes on to say what it said.
    """
    out = verdicts.keys() - set(todo)
    if work.options.reuses:
        return {name for name in out if not verdicts[name].runs}
    try:
        return out & task_states.done_of(work.root / tasks_status.NAME) if out else set()
    except I2lcError:
        return set()


def _drive(
    work: Work,
    where: Placement,
    orders: Orders,
    states: StateFile,
    todo: Sequence[str],
    stop: Stop,
) -> Progress:
    tasks = work.plan.graph.tasks
    totals = Counter(tasks[name].step.name for name in todo)
    with (
        placement.executor(where, work.root, work.given.dashboard) as executor,
        Display(totals, executor.dashboard) as display,
    ):
        return drive(
            edges=nx.DiGraph(work.plan.graph.edges.subgraph(todo)),
            executor=executor,
            function=do,
            argument_of=orders.of,
            needs={name: where.needs[tasks[name].step.name] for name in todo},
            rules=_rules(work, where, orders),
            watch=Watcher(display, orders, states, executor.news, stop),
            stop=stop,
        )


def _rules(work: Work, where: Placement, orders: Orders) -> Rules:
    return Rules(
        ended_well=lambda outcome: outcome.error is None,
        retries=work.config.run.allowed_retry,
        grow=where.grown,
        fail_fast=work.options.fail_fast,
        hopeless=_is_hopeless,
        innocent=_innocence(orders) if where.kind in QUEUES else lambda key, failure: False,  # noqa: ARG005
    )


def _is_hopeless(failure: Outcome | BaseException) -> bool:
    """Tell whether another try, with more memory, would end alike."""
    if isinstance(failure, Outcome):
        return failure.kind == DiskFullError.__name__
    return isinstance(failure, I2lcError)  # a refused pool, a walltime that is too short


def _innocence(orders: Orders) -> Callable[[str, Any], bool]:
    """On a queue a job may be cancelled, preempted or lose its node; the guard says all else."""

    def innocent(key: str, failure: Any) -> bool:
        return isinstance(failure, KilledWorker) and last_words(orders.log(key)) is None

    return innocent
