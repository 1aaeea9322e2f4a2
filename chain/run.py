"""From configuration to map: config -> recipe -> graph -> ledger -> scheduler.

What is asked for is checked first, then the output folder is taken, then it is decided which
tasks run; `execution` has them done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigError, InputError
from ..scheduler.drive import Stop
from . import execution, selection
from .plan import Options, Plan, make_plan, refuse_functions, refuse_problems, steps_of
from .records import earlier, ledger, leftovers, lock, output, provenance, reuse
from .records.decision import Verdict
from .settings import resources
from .settings.config import Config
from .tasks.orders import new_run_id
from .tasks.work import Work
from .telling import ending, picture, task_states
from .telling.display import say


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
    inside = [path for path in options.execution_graph_files if _is_in_output(path, config)]
    _draw(plan, [path for path in options.execution_graph_files if path not in inside])
    if options.only_summary:
        _draw(plan, inside)
        return ending.OK
    made = ledger.fingerprints(plan.graph, config.steps)
    work = Work(config, options, given, steps, plan, made)
    _check(work)
    return _hold(work, inside)


def _is_in_output(path: Path, config: Config) -> bool:
    return path.resolve().is_relative_to(config.run.output_path.resolve())


def _draw(plan: Plan, paths: Sequence[Path]) -> None:
    for path in paths:
        with _writable(path):
            picture.draw(plan.graph, path)


def _check(work: Work) -> None:
    """Refuse what can be refused before anything is written or removed."""
    output.check(work.root, work.anew, work.config.run.remove_output_path)
    if work.options.restart_from is not None:
        task_states.done_of(work.options.restart_from)
    if work.anew:
        _check_files(work)
    if not work.options.reuses:
        earlier.check(work.root, work.plan, work.made, {task.name for task in work.plan.tasks})
    if work.anew and work.root.is_dir():
        refuse_problems(work.config)  # before an earlier run's products are removed
        refuse_functions(work.config)


def _check_files(work: Work) -> None:
    """Refuse files of the command line that emptying the output folder would delete."""
    path = work.options.config_ressources
    if path is not None and _is_in_output(path, work.config):
        raise ConfigError(
            f"-config_ressources {path} lies in output_path {work.root}, which this run empties: "
            "give it another place"
        )


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Say which path the system does not let us write."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _hold(work: Work, pictures: Sequence[Path]) -> int:
    """Run with the lock of the output folder, so that no other run writes there.

    Pictures of the graph that lie in it are drawn once it is ready.
    """
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
        verdicts = _verdicts(work)
        todo = [task.name for task in work.plan.tasks if verdicts[task.name].runs]
        if not work.anew:
            _build_on(work, run_id, todo)
        with _writable(work.root):
            _draw(work.plan, pictures)
            for note in provenance.keep_earlier(work.root):
                say(note)
            output.describe(work.root, work.config)
        return execution.execute(work, run_id, verdicts, todo, stop)


def _build_on(work: Work, run_id: str, todo: list[str]) -> None:
    """Check what earlier runs left, and clear away what they left half done."""
    earlier.check(work.root, work.plan, work.made, set(todo))
    if any(name.startswith("check_inputs/") for name in todo):
        refuse_problems(work.config)  # what is reused would not wait for the check
    leftovers.remove(work.root, work.folders, run_id)


def _verdicts(work: Work) -> dict[str, Verdict]:
    """Say for each task whether it runs."""
    graph = work.plan.graph
    if not work.options.reuses:
        return {name: Verdict("to do") for name in graph.tasks}
    listed = None
    if work.options.restart_from is not None:
        listed = task_states.done_of(work.options.restart_from)
    verdicts = reuse.judge(work.config, work.plan, work.made, listed)
    if listed is not None:
        for line in task_states.disagreements(listed, verdicts):
            say(line)
        _exclude(work, listed, verdicts)
    mine = [verdicts[task.name] for task in work.plan.tasks]
    runs = sum(verdict.runs for verdict in mine)
    why = " (i2lc status --why says why)" if runs and listed is None else ""
    say(f"restart: {len(mine) - runs} tasks reused, {runs} to do{why}")
    return verdicts


def _exclude(work: Work, listed: set[str], verdicts: Mapping[str, Verdict]) -> None:
    """Take the records away of what the user excluded, so that no later restart reuses it."""
    for task in work.plan.tasks:
        if verdicts[task.name].runs and task.name not in listed:
            for file in task.outputs:
                ledger.record_path(work.root / file.path).unlink(missing_ok=True)
