"""What a task-state file tells: reading it, and where the records say otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from ...errors import InputError
from ..records.decision import Verdict
from .tasks_status import NAME, STATES, Facts, State

MOST_NAMED = 20
"""Disagreements that are named one by one."""
_HEAD = re.compile(
    r"# i2lc (?P<version>\S+)  run (?P<run_id>\S+)  pid (?P<pid>\d+) on (?P<host>.*?)  "
    r"started (?P<started>\S+)  updated (?P<updated>\S+)$"
)
_TASK = re.compile(r"(\S+) +(\S+/\S*)(?: +(.*))?$")


@dataclass(frozen=True)
class Listed:
    """A task as a task-state file has it."""

    state: State
    text: str = ""
    """What else stands in its line."""


@dataclass(frozen=True)
class TaskStates:
    """What a task-state file says."""

    facts: Facts
    updated: str
    """When it was written last, ISO 8601 with zone."""
    ended: str = ""
    """When and how the run ended; empty while it goes on, and after it was killed."""
    tasks: Mapping[str, Listed] = field(default_factory=dict)
    """By name, in the order of the plan."""


def read(path: Path) -> TaskStates:
    """Read a task-state file.

    Raises
    ------
    InputError
        It cannot be read or is none, with file and line.
    """
    lines = _lines_of(path)
    head = _HEAD.match(lines[0])
    if head is None:
        raise InputError(
            f"{path}, line 1: got {_shortened(lines[0])}, expected '# i2lc VERSION  run ...': "
            f"a task-state file is called {NAME} and lies in the output folder of a run"
        )
    comments = [line for line in lines[1:] if line.startswith("#")]
    facts = Facts(
        version=head["version"],
        run_id=head["run_id"],
        pid=int(head["pid"]),
        host=head["host"],
        started=head["started"],
        config=_after("# config ", comments),
    )
    return TaskStates(facts, head["updated"], _after("# ended ", comments), _tasks(path, lines))


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError(
            f"task-state file {path} cannot be read: {error.strerror or error}"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no task-state file: it is no text in UTF-8") from error


def _after(start: str, lines: Iterable[str]) -> str:
    return next((line.removeprefix(start) for line in lines if line.startswith(start)), "")


def _tasks(path: Path, lines: Sequence[str]) -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _TASK.match(line)
        if match is None or match[1] not in STATES:
            raise InputError(
                f"{path}, line {number}: got {_shortened(line)}, expected one of the states "
                f"{', '.join(STATES)} and a task name, such as 'done  polygons/all'"
            )
        name = unquote(match[2], errors="surrogatepass")
        if name in found:
            raise InputError(f"{path}, line {number}: {match[2]} is listed a second time")
        found[name] = Listed(match[1], (match[3] or "").rstrip())
    return found


def _shortened(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:77] + "...")


def done_of(path: Path) -> set[str]:
    """Give the names of the tasks that a task-state file lists as done or reused.

    Raises
    ------
    InputError
        As `read`.
    """
    return {name for name, task in read(path).tasks.items() if task.state in {"done", "reused"}}


def disagreements(listed: AbstractSet[str], verdicts: Mapping[str, Verdict]) -> list[str]:
    """Name the tasks that a task-state file lists as done and that are not reused.

    Parameters
    ----------
    listed : set of str
        Names of tasks, from `done_of`.
    verdicts : mapping of task name to Verdict
        In the order of the plan.

    Returns
    -------
    list of str
        A sentence each for the first ones, then how many more there are.
    """
    told = [
        f"{name} is listed as done, but {why(verdict)}"
        for name, verdict in verdicts.items()
        if name in listed and verdict.runs
    ]
    told += [
        f"{name} is listed as done, but the chain has no such task"
        for name in sorted(listed - verdicts.keys())
    ]
    more = len(told) - MOST_NAMED
    return told if more <= 0 else [*told[:MOST_NAMED], f"and {more} more"]


def why(verdict: Verdict) -> str:
    """Say why a task is not reused, with the task where the reason lies."""
    reason = verdict.reason or "it has no product"
    return f"{reason} ({verdict.root})" if verdict.root else reason
