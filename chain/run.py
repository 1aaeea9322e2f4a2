"""From configuration to map: config -> recipe -> graph -> ledger -> scheduler.

The only place that knows all of them.
"""

from __future__ import annotations

import os
import posixpath
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import networkx as nx

from .._version import __version__
from ..errors import InputError
from ..scheduler import allocation
from ..scheduler.drive import Progress, Rules, Stop, drive
from ..steps.contract import Step
from . import (
    earlier,
    ending,
    interrupt,
    ledger,
    lock,
    output,
    picture,
    placement,
    resources,
    reuse,
    selection,
    tasks_status,
)
from .config import Config
from .decision import Verdict
from .display import Display, say
from .orders import Orders, new_run_id
from .plan import Options, Plan, make_plan, refuse_problems, steps_of
from .resources import Resources
from .task import Outcome, execute
from .tasks_status import Facts, StateFile
from .watcher import Watcher


@dataclass(frozen=True)
class Work:
    """All that is known before anything is written."""

    config: Config
    options: Options
    given: Resources
    steps: tuple[Step, ...]
    plan: Plan
    made: Mapping[str, ledger.Fingerprint]

    @property
    def root(self) -> Path:
        """Output folder."""
        return self.config.run.output_path

    @property
    def anew(self) -> bool:
        """The run replaces what an earlier one left."""
        return self.plan.from_first_step and not self.options.reuses


def run(config: Config, options: Options) -> int:
    """Run the chain; give the exit status."""
    given = resources.load(options.config_ressources)
    for warning in given.warnings:
        say(f"i2lc: warning: {warning}")
    steps, running = steps_of(config, options)
    say(selection.summary(steps, running))
    if options.only_summary and not options.execution_graph_files:
        return ending.OK
    plan = make_plan(config, options)
    for path in options.execution_graph_files:
        with _writable(path):
            picture.draw(plan.graph, path)
    if options.only_summary:
        return ending.OK
    made = ledger.fingerprints(plan.graph, config.steps)
    work = Work(config, options, given, steps, plan, made)
    _check(work)
    return _hold(work)


def _check(work: Work) -> None:
    """Refuse what can be refused before anything is written or removed."""
    output.check(work.root, work.anew, work.config.run.remove_output_path)
    if work.options.restart_from is not None:
        tasks_status.done_of(work.options.restart_from)
    if not work.options.reuses:
        earlier.check(work.root, work.plan, work.made, {task.name for task in work.plan.tasks})
    if work.anew and work.root.is_dir():
        refuse_problems(work.config)  # before an earlier run's products are removed


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Say which path the system does not let us write."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _hold(work: Work) -> int:
    """Run with the lock of the output folder, so that no other run writes there."""
    run_id = new_run_id()
    stop = Stop()

    def lost(cause: str) -> None:
        stop.cause, stop.asked, stop.now = cause, True, True

    with _writable(work.root):
        output.adopt(work.root)
    with lock.held(work.root, run_id, lost) as notes:
        for note in notes:
            say(note)
        with _writable(work.root):
            output.prepare(work.root, work.anew, work.config.run.remove_output_path)
            output.describe(work.root, work.config)
        verdicts = _verdicts(work)
        todo = [task.name for task in work.plan.tasks if verdicts[task.name].runs]
        if work.options.reuses:
            earlier.check(work.root, work.plan, work.made, set(todo))
            lock.leftovers(work.root, _folders(work), run_id)
        return _execute(work, run_id, verdicts, todo, stop)


def _folders(work: Work) -> set[str]:
    """Give the folders in which tasks write, relative to the output folder, and that itself."""
    tasks = work.plan.graph.tasks.values()
    return {"", *(posixpath.dirname(file.path) for task in tasks for file in task.outputs)}


def _verdicts(work: Work) -> dict[str, Verdict]:
    """Say for each task whether it runs."""
    graph = work.plan.graph
    if not work.options.reuses:
        return {name: Verdict("to do") for name in graph.tasks}
    listed = None
    if work.options.restart_from is not None:
        listed = tasks_status.done_of(work.options.restart_from)
    verdicts = reuse.judge(work.config, work.plan, work.made, listed)
    if listed is not None:
        for line in tasks_status.disagreements(listed, verdicts):
            say(line)
    mine = [verdicts[task.name] for task in work.plan.tasks]
    runs = sum(verdict.runs for verdict in mine)
    say(f"restart: {len(mine) - runs} tasks reused, {runs} to do (i2lc status --why says why)")
    return verdicts


def _execute(
    work: Work, run_id: str, verdicts: Mapping[str, Verdict], todo: Sequence[str], stop: Stop
) -> int:
    where = placement.place(
        work.config,
        work.steps,
        work.options.scheduler_type,
        work.options.nb_parallel_tasks,
        work.given,
        allocation.current(),
    )
    for note in where.notes:
        say(note)
    orders = Orders(work.config, work.plan.graph, work.made, run_id, where.kind)
    states = StateFile(
        work.root,
        _facts(work, run_id),
        [task.name for task in work.plan.tasks],
        [task.name for task in work.plan.tasks if not verdicts[task.name].runs],
    )
    start = time.monotonic()
    with interrupt.listening(stop, say):
        progress = _drive(work, where, orders, states, todo, stop) if todo else Progress()
        if warning := states.end(ending.how(progress, stop)):
            say(warning)
        lock.leftovers(work.root, _folders(work))  # of tries that were killed
        return ending.conclude(
            work.config,
            work.options,
            work.plan,
            todo,
            orders,
            progress,
            stop,
            time.monotonic() - start,
        )


def _facts(work: Work, run_id: str) -> Facts:
    return Facts(
        version=__version__,
        run_id=run_id,
        pid=os.getpid(),
        host=socket.gethostname(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        config=str(work.config.path.absolute()),
    )


def _drive(
    work: Work,
    where: placement.Placement,
    orders: Orders,
    states: StateFile,
    todo: Sequence[str],
    stop: Stop,
) -> Progress:
    """Have the tasks done."""
    tasks = work.plan.graph.tasks
    totals = Counter(tasks[name].step.name for name in todo)
    with (
        placement.executor(where, work.root, work.given.dashboard) as executor,
        Display(totals, executor.dashboard) as display,
    ):
        return drive(
            edges=nx.DiGraph(work.plan.graph.edges.subgraph(todo)),
            executor=executor,
            function=execute,
            argument_of=orders.of,
            needs={name: where.needs[tasks[name].step.name] for name in todo},
            rules=Rules(
                ended_well=_ended_well,
                retries=work.config.run.allowed_retry,
                grow=where.grown,
                fail_fast=work.options.fail_fast,
            ),
            watch=Watcher(display, orders, states, executor.news, stop),
            stop=stop,
        )


def _ended_well(outcome: Outcome) -> bool:
    return outcome.error is None
