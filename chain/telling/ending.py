"""How a run ends: what it says, its exit status, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed.scheduler import KilledWorker

from ...errors import I2lcError
from ...scheduler.drive import Progress, Stop
from ...steps import check_external, check_inputs, features_mosaic
from ...steps.artifacts import (
    CONFIDENCE,
    EXTERNAL_REPORT,
    FOLDS_TEXT,
    INPUT_REPORT,
    MAP,
    RESULTS_TEXT,
)
from ..arguments import WRONG
from ..plan import Plan
from ..records import ledger, output, reuse
from ..records.decision import Verdict
from ..tasks.orders import Orders
from ..tasks.task import MORE_MEMORY, Outcome
from ..tasks.work import Work
from .display import say
from .last_words import last_words

OK, FAILED, INTERRUPTED = 0, 1, 130
"""Exit states, beside WRONG: all is well; a task failed; stopped by a signal."""
REPORTS = {"inputs": INPUT_REPORT, "external features": EXTERNAL_REPORT}
"""What is checked -> the report of it."""
CHECKS = (check_inputs.STEP.name, check_external.STEP.name)
"""Steps whose refusal means that what the user wrote is wrong."""

GO_ON = "what is done stays done; when the cause is mended, go on with"


def cause(key: str, failure: Outcome | BaseException, orders: Orders) -> str:
    """Say in a sentence why a task failed."""
    if isinstance(failure, Outcome):
        return str(failure.error)
    if isinstance(failure, I2lcError):
        return str(failure)
    if isinstance(failure, KilledWorker):
        return last_words(orders.log(key)) or (
            "its worker was killed: by hand, by the queue, or by the system for its memory "
            f"(exit 137); if it was memory, {MORE_MEMORY}"
        )
    return f"{type(failure).__name__}: {failure}"


@dataclass(frozen=True)
class Ending:
    """A run whose tasks have ended, in whatever way."""

    work: Work
    todo: Sequence[str]
    """Tasks that were to run."""
    orders: Orders
    progress: Progress
    stop: Stop

    def defects(self, verdicts: Mapping[str, Verdict]) -> list[str]:
        """Look at every product that was asked for; nothing where the run was broken off."""
        if self.stop.asked or self.progress.failed:
            return []
        return [
            f"{self.work.root / file.path}: {problem}"
            for task in self.work.plan.tasks
            if verdicts[task.name].kind != "removed"
            for file in task.outputs
            if (problem := ledger.unfinished(self.work.root / file.path))
        ]

    def how(self, defects: Sequence[str]) -> str:
        """Say in a few words how it ended, for the task-state file."""
        if self.stop.asked:
            return self.stop.cause
        if self.progress.failed:
            return f"tasks failed: {len(self.progress.failed)}"
        return f"products missing or broken: {len(defects)}" if defects else "all done"

    def conclude(self, defects: Sequence[str], seconds: float) -> int:
        """Tell how the run ended and what to do next; give the exit status."""
        if self.stop.asked or self.progress.failed:
            return self._broken_off()
        if defects:
            say("\n".join([*defects, GO_ON, f"  {again(self.work)}"]))
            return FAILED
        root = self.work.root
        if self.work.config.run.remove_tmp_files:
            output.remove_temporary(root, reuse.removable(self.work.plan))
        say(f"{len(self.progress.done)} tasks done in {seconds:.0f} s; products in {root}")
        for path in _headlines(self.work.plan):
            say(f"- {root / path}")
        for what, report in REPORTS.items():
            if told := _warnings(root / report.pattern):
                say(f"warnings about the {what}: {told}, see {root / report.pattern}")
        return OK

    def _broken_off(self) -> int:
        """Tell the first failure last, and how to go on."""
        done, failed = self.progress.done, self.progress.failed
        rest = len(self.todo) - len(done) - len(failed)
        say(f"{len(done)} tasks done, {len(failed)} failed, {rest} not done")
        if not failed:
            say(f"{self.stop.cause}; what is done stays done; go on with\n  {again(self.work)}")
            return INTERRUPTED if self.stop.by_user else FAILED
        first, failure = next(iter(failed.items()))
        step, unit = first.split("/", 1)
        told = causes(first, self.progress, self.orders)
        say(f"step {step}, unit {unit}: {told}\nlog: {self.orders.log(first)}")
        say(f"{GO_ON}\n  {again(self.work)}")
        if self.stop.by_user:
            return INTERRUPTED
        wrong_input = step in CHECKS and isinstance(failure, Outcome)
        return WRONG if wrong_input and failure.kind == "InputError" else FAILED


def causes(key: str, progress: Progress, orders: Orders) -> str:
    """Say why a task failed: the first cause, and that of the last try where it is another."""
    first, last = progress.first_failure[key], progress.last_failure[key]
    told = cause(key, first, orders)
    if last is first or (again_told := cause(key, last, orders)) == told:
        return told
    return f"{told}; the last try: {again_told}"


def again(work: Work) -> str:
    """Give the command that goes on with the run."""
    options = work.options
    words = [*work.config.command(), "-scheduler_type", options.scheduler_type]
    if options.config_ressources is not None:
        words += ["-config_ressources", str(options.config_ressources)]
    if options.nb_parallel_tasks is not None:
        words += ["-nb_parallel_tasks", str(options.nb_parallel_tasks)]
    if options.ending_step != "0":
        words += ["-ending_step", options.ending_step]
    if options.fail_fast:
        words += ["--fail-fast"]
    return shlex.join([*words, "-restart"])


def _warnings(report: Path) -> int:
    """Count the warnings of a check."""
    try:
        text = report.read_text(encoding="utf-8")
    except OSError:
        return 0
    blocks = (block.splitlines() for block in text.split("\n\n"))
    return sum(len(lines) - 1 for lines in blocks if lines and lines[0] == "warnings:")


def _headlines(plan: Plan) -> list[str]:
    """Give the paths of the products that a user looks at first."""
    first = {MAP, CONFIDENCE, RESULTS_TEXT, FOLDS_TEXT}
    return [
        _product(file.path)
        for task in plan.tasks
        for file in task.outputs
        if file.artifact in first or task.step.name == features_mosaic.STEP.name
    ]


def _product(path: str) -> str:
    """Give the path that a user opens: a store of Zarr is a folder."""
    folder, _, name = path.rpartition("/")
    return folder if name.startswith(".") else path
