"""From configuration to map: config -> recipe -> graph -> ledger -> scheduler.

The only place that knows all of them.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import networkx as nx

from ..errors import InputError
from ..scheduler import allocation
from ..scheduler.drive import Progress, drive
from ..scheduler.executors import InProcess, LocalWorkers
from ..steps import check_inputs
from ..steps.artifacts import CONFIDENCE, MAP, PROBABILITY_TILE, RESULTS_TEXT
from ..steps.contract import Job, Step
from . import graph as graphs
from . import ledger, output, picture, recipe, selection, units
from .config import Config
from .display import Display, say
from .task import MORE_MEMORY, Order, Outcome, execute

log = logging.getLogger(__name__)

GIB = 1024**3
MOST_CAUSES = 20
"""Causes that a message names."""
OK, FAILED, WRONG = 0, 1, 2
"""Exit states: all is well, a task failed, a wrong command line, configuration or input."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    scheduler_type: str = "localCluster"
    starting_step: str = "0"
    ending_step: str = "0"
    nb_parallel_tasks: int | None = None
    only_summary: bool = False
    execution_graph_files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All tasks of the chain and those that this run does."""

    graph: graphs.Graph
    running: tuple[Step, ...]
    from_first_step: bool

    @property
    def tasks(self) -> list[graphs.Task]:
        """Tasks to do, in the order of steps."""
        return [task for step in self.running for task in self.graph.of(step)]


def steps_of(config: Config, options: Options) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Give all steps of the chain and those that run."""
    run = config.run
    steps = recipe.land_cover(run.enable_probability_map, run.generate_final_probability_map)
    running = selection.chosen(
        steps, run.first_step, run.last_step, options.starting_step, options.ending_step
    )
    return steps, running


def make_plan(config: Config, options: Options) -> Plan:
    """Plan a run: units and tasks, from vectors and headers alone.

    Raises
    ------
    InputError
        With all that is wrong with the inputs, not only what planning met first.
    """
    steps, running = steps_of(config, options)
    try:
        found = units.plan(config.units)
    except InputError as error:
        log.debug("planning met %s", error)
        _refuse_problems(config)
        raise
    return Plan(graphs.build(steps, found), running, running[0] is steps[0])


def _refuse_problems(config: Config) -> None:
    """Tell all that is wrong with the inputs, unless they are not to be checked."""
    settings = config.steps[check_inputs.STEP.name]
    assert isinstance(settings, check_inputs.Settings)
    if settings.check_inputs:
        check_inputs.refuse(check_inputs.problems(settings))


def run(config: Config, options: Options) -> int:
    """Run the chain; give the exit status."""
    steps, running = steps_of(config, options)
    say(selection.summary(steps, running))
    if options.only_summary and not options.execution_graph_files:
        return OK
    plan = make_plan(config, options)
    for path in options.execution_graph_files:
        with _writable(path):
            picture.draw(plan.graph, path)
    if options.only_summary:
        return OK
    root = config.run.output_path
    output.check(root, plan.from_first_step, config.run.remove_output_path)
    made = ledger.fingerprints(plan.graph, config.steps)
    _check_earlier(root, plan, made)
    if plan.from_first_step and root.is_dir():
        _refuse_problems(config)  # before an earlier run's products are removed
    with _writable(root):
        output.prepare(root, plan.from_first_step, config.run.remove_output_path)
        output.describe(root, config)
    return _execute(config, options, plan, made)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Say which path the system does not let us write."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _check_earlier(root: Path, plan: Plan, made: Mapping[str, ledger.Fingerprint]) -> None:
    """Refuse to build on products of earlier steps that are missing, broken or out of date."""
    own = {file.path for task in plan.tasks for file in task.outputs}
    needed = {file.path for task in plan.tasks for file in task.inputs} - own
    broken = {
        path: problem
        for path in needed
        if (problem := ledger.problem_of(root / path, made[plan.graph.producers[path]]))
    }
    if broken:
        causes, first = _causes(root, plan, made, broken)
        shown = "\n- ".join(causes[:MOST_CAUSES])
        raise InputError(
            f"products of earlier steps cannot be used; start at step {first} or before:\n- {shown}"
        )


def _causes(
    root: Path,
    plan: Plan,
    made: Mapping[str, ledger.Fingerprint],
    broken: Mapping[str, ledger.Problem],
) -> tuple[list[str], str]:
    """Trace unusable products back to what changed, and to the first step to do again."""
    writers = {plan.graph.producers[path] for path in broken}
    upstream = writers.union(*(nx.ancestors(plan.graph.edges, name) for name in writers))
    told: dict[str, None] = {}
    first = ""
    for task in (task for task in plan.graph.order() if task.name in upstream):
        paths = [f.path for f in task.outputs if f.path in broken or (root / f.path).exists()]
        for path in paths:
            if problem := ledger.problem_of(root / path, made[task.name]):
                first = first or task.step.name
                if not problem.inherited:
                    told[problem.text] = None
    return list(told), first


def _execute(
    config: Config, options: Options, plan: Plan, made: Mapping[str, ledger.Fingerprint]
) -> int:
    machine = allocation.current()
    share = local_share(config, options, machine)
    for note in share.notes:
        say(note)
    orders = _orders(config, plan, share, made)
    for order in orders.values():
        order.log.unlink(missing_ok=True)  # tries append to it
    executor = _executor(options.scheduler_type, share)
    totals = {step.name: len(plan.graph.of(step)) for step in plan.running}
    start = time.monotonic()
    with closing(executor), Display(totals, executor.dashboard) as display:
        progress = drive(
            edges=nx.DiGraph(plan.graph.edges.subgraph(orders)),
            executor=executor,
            function=execute,
            arguments=orders,
            ended_well=lambda outcome: outcome.error is None,
            watch=lambda what, key, state: _watch(display, orders, what, key, state),
            retries=config.run.allowed_retry,
        )
    return _conclude(config, plan, orders, progress, time.monotonic() - start)


@dataclass(frozen=True)
class Share:
    """What each of the parallel tasks may use."""

    workers: int
    cpus: int
    ram: int
    """Bytes."""
    notes: tuple[str, ...]


def local_share(config: Config, options: Options, machine: allocation.Allocation) -> Share:
    """Share the machine out among the parallel tasks."""
    notes = []
    cpus = config.run.maximum_cpu or machine.cpus
    if cpus > machine.cpus:
        notes.append(f"maximum_cpu {cpus} is cut to the {machine.cpus} cores of this machine")
        cpus = machine.cpus
    ram = int((config.run.maximum_ram or machine.ram / GIB) * GIB)
    if ram > machine.ram:
        notes.append(
            f"maximum_ram {config.run.maximum_ram:g} GB is cut to the "
            f"{machine.ram / GIB:.1f} GB of this machine"
        )
        ram = machine.ram
    workers = 1 if options.scheduler_type == "debug" else options.nb_parallel_tasks or cpus
    return Share(workers, max(cpus // workers, 1), ram // workers, tuple(notes))


def _executor(kind: str, share: Share) -> InProcess | LocalWorkers:
    environment = worker_environment()
    if kind == "debug":
        return InProcess(environment)
    return LocalWorkers(share.workers, share.ram, environment)


def worker_environment() -> dict[str, str]:
    """Give the variables that keep libraries to the task's share of the machine."""
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GDAL_NUM_THREADS": "1",
        "GDAL_CACHEMAX": "32",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
    }


def _orders(
    config: Config, plan: Plan, share: Share, made: Mapping[str, ledger.Fingerprint]
) -> dict[str, Order]:
    root = config.run.output_path
    run_id = uuid.uuid4().hex[:8]
    return {
        task.name: Order(
            name=task.name,
            run=task.step.run,
            job=Job(
                unit=task.unit,
                settings=config.steps[task.step.name],
                root=root,
                inputs=task.inputs,
                outputs=task.outputs,
                cpus=share.cpus,
                ram=share.ram,
            ),
            made=made[task.name],
            log=root / "logs" / task.step.name / f"{task.unit}.log",
            run_id=run_id,
        )
        for task in plan.tasks
    }


def _watch(
    display: Display, orders: Mapping[str, Order], what: str, key: str, state: Progress
) -> None:
    text = ""
    if what == "failed":
        text = f"FAILED {key}: {cause(state.failed[key])} (log: {orders[key].log})"
    elif what == "retried":
        text = f"failed, tried again: {key} (log: {orders[key].log})"
    display.event(what, key.split("/")[0], text)


def cause(ending: Outcome | BaseException) -> str:
    """Say in a sentence why a task failed."""
    if isinstance(ending, Outcome):
        return str(ending.error)
    if type(ending).__name__ == "KilledWorker":
        return f"its worker was killed, most likely for its memory: {MORE_MEMORY}"
    return f"{type(ending).__name__}: {ending}"


def _conclude(
    config: Config, plan: Plan, orders: Mapping[str, Order], progress: Progress, seconds: float
) -> int:
    """Check that every requested product exists and opens; tell the first failure last."""
    root = config.run.output_path
    if progress.failed:
        rest = len(orders) - len(progress.done) - len(progress.failed)
        say(f"{len(progress.done)} tasks done, {len(progress.failed)} failed, {rest} not started")
        first, ending = next(iter(progress.failed.items()))
        step, unit = first.split("/", 1)
        say(f"step {step}, unit {unit}: {cause(ending)}\nlog: {orders[first].log}")
        wrong_input = step == check_inputs.STEP.name and isinstance(ending, Outcome)
        return WRONG if wrong_input and ending.kind == "InputError" else FAILED
    problems = _defects(root, plan.tasks)
    if problems:
        say("\n".join(problems))
        return FAILED
    if config.run.remove_tmp_files:
        output.remove_temporary(root, _asked(plan))
    say(f"{len(progress.done)} tasks done in {seconds:.0f} s; products in {root}")
    for path in _headlines(plan):
        say(f"- {root / path}")
    return OK


def _asked(plan: Plan) -> set[str]:
    """Give the products that a user asked for: those of the last step, and probabilities."""
    last = plan.running[-1]
    return {
        file.path
        for task in plan.tasks
        for file in task.outputs
        if task.step is last or file.artifact == PROBABILITY_TILE
    }


def _headlines(plan: Plan) -> list[str]:
    """Give the paths of the products that a user looks at first."""
    first = {MAP, CONFIDENCE, RESULTS_TEXT}
    return [file.path for task in plan.tasks for file in task.outputs if file.artifact in first]


def _defects(root: Path, tasks: Sequence[graphs.Task]) -> list[str]:
    return [
        f"{root / file.path}: {problem}"
        for task in tasks
        for file in task.outputs
        if (problem := ledger.unfinished(root / file.path))
    ]
