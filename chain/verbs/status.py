"""`i2lc status`: what a restart would reuse, do and do again, and why; writes nothing."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...steps.contract import Unit
from ..arguments import Parser
from ..settings import config as configs
from ..telling import standing
from ..telling.standing import STATES, Standing, State, StepStatus, TaskStatus

OK, WRONG = 0, 2
"""Exit states: all is told; a wrong command line, configuration or input."""
MOST_NAMED = 20
"""Reasons, and failures, that are named below a step."""


def parser() -> Parser:
    """Give the parser of the verb; every option with one dash or two."""
    made = Parser(
        prog="i2lc status",
        description="Tell what -restart would reuse, do and do again. Changes nothing.",
    )

    made.option("config", type=Path, required=True, metavar="FILE", help="configuration file")
    made.option("why", action="store_true", help="say why tasks have to be done")
    made.option("json", action="store_true", help="write one JSON document, for programs")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the verb; give the exit status.

    Returns
    -------
    int
        0, when there is something to do as well.

    Raises
    ------
    ConfigError, InputError
        The configuration or the inputs cannot be used.
    """
    options = parser().parse_args(arguments)
    config = configs.load(options.config)
    for warning in config.warnings:
        sys.stderr.write(f"i2lc: warning: {warning}\n")
    found = standing.gather(config)
    if options.json:
        text = json.dumps(as_data(found), indent=1, sort_keys=True)
    else:
        text = "\n".join(lines(found, options.why))
    sys.stdout.write(text + "\n")
    return OK


def lines(status: Standing, why: bool) -> Iterator[str]:
    """Give the lines for people.

    Parameters
    ----------
    status : Standing
    why : bool
        Say below each step why its tasks have to run.
    """
    yield f"output folder: {status.root}"
    yield _runs(status)
    width = max(len(step.step.name) for step in status.steps)
    for step in status.steps:
        aside = "" if step.asked else " (left out by first_step and last_step)"
        yield f"{step.number:>3}  {step.step.name:<{width}}  {_counted(step.counts)}{aside}"
        if why:
            yield from (f"       {line}" for line in _reasons(status, step))
    total = status.counts.total()
    yield f"{'':>3}  {'total':<{width}}  {_counted(status.counts)} of {total} tasks"
    yield _next(status, total)


def _runs(status: Standing) -> str:
    """Say which run holds the folder, and how the last one ended."""
    if status.live:
        return str(status.lock)
    last, stale = status.last, f"; {status.lock}" if status.lock else ""
    if last is None:
        return f"no run is going on{stale}"
    end = f"ended {last.ended}" if last.ended else f"was broken off after {last.updated}"
    return f"no run is going on; the last one, {last.facts.run_id}, {end}{stale}"


def _counted(counts: Mapping[State, int]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts.get(state))


def _next(status: Standing, total: int) -> str:
    """Say how to go on."""
    if status.to_run == 0:
        return "nothing to do"
    if status.live:
        return f"the run has {status.to_run} of {total} tasks before it"
    command = f"i2lc -config {shlex.quote(str(status.config))} -restart"
    return f"{command} would run {status.to_run} of {total} tasks"


def _reasons(status: Standing, step: StepStatus) -> Iterator[str]:
    """Say why tasks of a step have to run; tasks with one reason share a line.

    A task that was never started needs no reason.
    """
    groups: dict[tuple[bool, str, str], list[TaskStatus]] = {}
    for task in step.tasks:
        failed = task.state == "failed"
        if failed or (task.state in {"to do", "redo"} and task.reason):
            groups.setdefault((not failed, task.reason, task.root), []).append(task)
    told = [
        _grouped(tasks) if well else failures(tasks, status.root)
        for (well, *_), tasks in sorted(groups.items(), key=lambda group: group[0][0])
    ]
    yield from told[:MOST_NAMED]
    if len(told) > MOST_NAMED:
        yield f"and {len(told) - MOST_NAMED} more (--json has them all)"


def _grouped(tasks: Sequence[TaskStatus]) -> str:
    first = tasks[0]
    reason = f"{first.reason} ({first.root})" if first.root else first.reason
    if len(tasks) > 1:
        return f"{reason}: {len(tasks)} tasks"
    return reason if first.unit == Unit() else f"{reason}: {first.unit}"


def failures(tasks: Sequence[TaskStatus], root: Path) -> str:
    """Say how tasks failed of one cause, where the first did, and which log tells more."""
    first = tasks[0]
    told, place, memory = first.reason, _place(first.unit), "out of memory"
    if told.startswith(memory):
        told = f"failed: {memory}{place}{told.removeprefix(memory)}"
    else:
        told = f"failed{place}: {told}"
    more = f"; so did {len(tasks) - 1} more" if len(tasks) > 1 else ""
    return f"{told}, see {root / first.log}{more}"


def _place(unit: Unit) -> str:
    words = " ".join(str(v) if axis == "tile" else f"{axis} {v}" for axis, v in unit.given())
    return f" in {words}" if words else ""


def as_data(status: Standing) -> dict[str, Any]:
    """Give the status as plain data; docs/restart.md tells its form."""
    return {
        "output_path": str(status.root),
        "running": _running_data(status),
        "steps": [_step_data(step) for step in status.steps],
        "totals": {**_counts_data(status.counts), "to_run": status.to_run},
    }


def _running_data(status: Standing) -> dict[str, Any] | None:
    if not status.live or status.lock is None:
        return None
    holder = status.lock.holder
    return {key: getattr(holder, key, None) for key in ("run_id", "host", "pid", "start")}


def _step_data(step: StepStatus) -> dict[str, Any]:
    return {
        "number": step.number,
        "name": step.step.name,
        "group": step.step.group,
        "asked": step.asked,
        "counts": _counts_data(step.counts),
        "tasks": [
            {
                "name": task.name,
                "state": task.state,
                "reason": task.reason,
                "root": task.root,
                "log": task.log,
            }
            for task in step.tasks
        ],
    }


def _counts_data(counts: Mapping[State, int]) -> dict[str, int]:
    return {state: counts.get(state, 0) for state in STATES} | {"tasks": sum(counts.values())}
