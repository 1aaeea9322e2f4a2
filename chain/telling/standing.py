"""How far a run is: the records, and what its task-state file told of it; writes nothing."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ...errors import InputError
from ...steps.contract import Step, Unit
from ..graph import Task
from ..plan import Options, Plan, make_plan
from ..records import ledger, lock, reuse
from ..records.decision import Verdict
from ..settings.config import Config
from . import task_states, tasks_status
from .task_states import Listed, TaskStates

State = Literal["reused", "to do", "redo", "failed", "running", "removed"]
STATES: tuple[State, ...] = get_args(State)
_LOG = re.compile(r" \(log: .*\)$")


@dataclass(frozen=True)
class TaskStatus:
    """What a restart makes of a task, and what the last run made of it."""

    name: str
    unit: Unit
    state: State
    reason: str = ""
    """Why it is not reused, or how it failed."""
    root: str = ""
    """Name of the task where the reason lies, when that is not the task itself."""
    log: str = ""
    """Path of its log relative to the output folder; is there once it was started."""

    @property
    def runs(self) -> bool:
        """A restart would run it, or it runs already."""
        return self.state not in {"reused", "removed"}


@dataclass(frozen=True)
class StepStatus:
    """The tasks of a step."""

    number: int
    """Place in the chain, from 1."""
    step: Step
    asked: bool
    """The configuration runs it (first_step, last_step)."""
    tasks: tuple[TaskStatus, ...]

    @property
    def counts(self) -> Counter[State]:
        """Number of tasks in each state."""
        return Counter(task.state for task in self.tasks)


@dataclass(frozen=True)
class Standing:
    """All that is known of a run, without changing anything."""

    config: Path
    root: Path
    """Output folder."""
    lock: lock.State | None
    """What the lock of the output folder says."""
    last: TaskStates | None
    """Task-state file of the last run, or of the one that goes on."""
    steps: tuple[StepStatus, ...]

    @property
    def live(self) -> bool:
        """A run goes on."""
        return self.lock is not None and not self.lock.stale

    @property
    def counts(self) -> Counter[State]:
        """Number of tasks in each state, over the steps that the configuration runs."""
        total: Counter[State] = Counter()
        for step in self.steps:
            if step.asked:
                total.update(step.counts)
        return total

    @property
    def to_run(self) -> int:
        """Number of tasks that are not done."""
        return sum(task.runs for step in self.steps if step.asked for task in step.tasks)


def gather(config: Config) -> Standing:
    """Plan the run, compare it with the records and with what the last run told."""
    root = config.run.output_path
    plan = make_plan(config, Options())
    made = ledger.fingerprints(plan.graph, config.steps)
    verdicts = reuse.judge(config, plan, made, None)
    held = lock.describe(root, writes=False)
    last = _last(root)
    live = _tells_of(last, held)
    listed = last.tasks if last else {}
    tasks: dict[str, list[TaskStatus]] = {step.name: [] for step in plan.graph.steps}
    for name, task in plan.graph.tasks.items():
        told = listed.get(name, Listed("todo"))
        tasks[task.step.name].append(_task(task, verdicts[name], told, live))
    return Standing(config.path, root, held, last, _steps(plan, tasks))


def _tells_of(last: TaskStates | None, held: lock.State | None) -> bool:
    """Tell whether the task-state file is of the run that goes on."""
    if last is None or held is None or held.stale or held.holder is None:
        return False
    return held.holder.run_id == last.facts.run_id


def _steps(plan: Plan, tasks: Mapping[str, Sequence[TaskStatus]]) -> tuple[StepStatus, ...]:
    running = {step.name for step in plan.running}
    return tuple(
        StepStatus(number, step, step.name in running, tuple(tasks[step.name]))
        for number, step in enumerate(plan.graph.steps, 1)
    )


def _last(root: Path) -> TaskStates | None:
    """Read the task-state file; one that is broken is told and then left alone."""
    path = root / tasks_status.NAME
    if not path.is_file():
        return None
    try:
        return task_states.read(path)
    except InputError as error:
        sys.stderr.write(f"i2lc: warning: {error}\n")
        return None


def _task(task: Task, verdict: Verdict, listed: Listed, live: bool) -> TaskStatus:
    """Join what the records say with what the last run told; the records come first."""
    state: State = verdict.kind
    reason, root = verdict.reason, verdict.root
    if verdict.runs and live and listed.state == "running":
        state, reason, root = "running", listed.text, ""
    elif verdict.runs and listed.state == "failed":
        state, reason, root = "failed", _LOG.sub("", listed.text), ""
    elif verdict.kind == "to do" and listed.state == "blocked":
        reason, root = listed.text, ""
    log = f"logs/{task.step.name}/{task.unit}.log"
    return TaskStatus(task.name, task.unit, state, reason, root, log)
