"""How a run ends: what it says, its exit status, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from distributed.scheduler import KilledWorker

from ..errors import I2lcError
from ..scheduler.drive import Progress, Stop
from ..steps import check_inputs
from ..steps.artifacts import CONFIDENCE, MAP, RESULTS_TEXT
from . import graph as graphs
from . import guard, ledger, output, reuse
from .config import Config
from .display import say
from .orders import Orders
from .plan import Options, Plan
from .task import MORE_MEMORY, Outcome

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit states: all is well; a task failed; a wrong command line, configuration or input;
stopped by Ctrl-C or SIGTERM."""


GO_ON = "what is done stays done; when the cause is mended, go on with"


def cause(key: str, failure: Outcome | BaseException, orders: Orders) -> str:
    """Say in a sentence why a task failed."""
    if isinstance(failure, Outcome):
        return str(failure.error)
    if isinstance(failure, I2lcError):
        return str(failure)
    if isinstance(failure, KilledWorker):
        return guard.last_words(orders.log(key)) or (
            "its worker was killed: by hand, by the queue, or by the system for its memory "
            f"(exit 137); if it was memory, {MORE_MEMORY}"
        )
    return f"{type(failure).__name__}: {failure}"


def conclude(
    config: Config,
    options: Options,
    plan: Plan,
    todo: Sequence[str],
    orders: Orders,
    progress: Progress,
    stop: Stop,
    seconds: float,
) -> int:
    """Tell how the run ended and what to do next; give the exit status."""
    root = config.run.output_path
    if stop.asked or progress.failed:
        return _broken_off(config, options, todo, orders, progress, stop)
    if problems := _defects(root, plan.tasks):
        say("\n".join([*problems, GO_ON, f"  {again(config, options)}"]))
        return FAILED
    if config.run.remove_tmp_files:
        output.remove_temporary(root, reuse.asked(plan))
    say(f"{len(progress.done)} tasks done in {seconds:.0f} s; products in {root}")
    for path in _headlines(plan):
        say(f"- {root / path}")
    return OK


def _broken_off(
    config: Config,
    options: Options,
    todo: Sequence[str],
    orders: Orders,
    progress: Progress,
    stop: Stop,
) -> int:
    """Tell the first failure last, and how to go on."""
    rest = len(todo) - len(progress.done) - len(progress.failed)
    say(f"{len(progress.done)} tasks done, {len(progress.failed)} failed, {rest} not done")
    if not progress.failed:
        say(f"{stop.cause}; what is done stays done; go on with\n  {again(config, options)}")
        return INTERRUPTED if stop.by_user else FAILED
    first, failure = next(iter(progress.failed.items()))
    step, unit = first.split("/", 1)
    say(f"step {step}, unit {unit}: {cause(first, failure, orders)}\nlog: {orders.log(first)}")
    say(f"{GO_ON}\n  {again(config, options)}")
    if stop.by_user:
        return INTERRUPTED
    wrong_input = step == check_inputs.STEP.name and isinstance(failure, Outcome)
    return WRONG if wrong_input and failure.kind == "InputError" else FAILED


def how(progress: Progress, stop: Stop) -> str:
    """Say in a few words how the driver ended, for the task-state file."""
    if stop.asked:
        return stop.cause
    return f"tasks failed: {len(progress.failed)}" if progress.failed else "all done"


def again(config: Config, options: Options) -> str:
    """Give the command that goes on with the run."""
    words = ["i2lc", "-config", str(config.path), "-scheduler_type", options.scheduler_type]
    if options.config_ressources is not None:
        words += ["-config_ressources", str(options.config_ressources)]
    if options.nb_parallel_tasks is not None:
        words += ["-nb_parallel_tasks", str(options.nb_parallel_tasks)]
    if options.ending_step != "0":
        words += ["-ending_step", options.ending_step]
    return shlex.join([*words, "-restart"])


def _headlines(plan: Plan) -> list[str]:
    """Give the paths of the products that a user looks at first."""
    first = {MAP, CONFIDENCE, RESULTS_TEXT}
    return [file.path for task in plan.tasks for file in task.outputs if file.artifact in first]


def _defects(root: Path, tasks: Iterable[graphs.Task]) -> list[str]:
    return [
        f"{root / file.path}: {problem}"
        for task in tasks
        for file in task.outputs
        if (problem := ledger.unfinished(root / file.path))
    ]
