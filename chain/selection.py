"""Which steps run: groups by the configuration, numbers or names by the command line."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConfigError
from ..steps.contract import Step
from .recipe import GROUPS


def chosen(
    steps: Sequence[Step], first_group: str, last_group: str, start: str, end: str
) -> tuple[Step, ...]:
    """Give the steps that run.

    Parameters
    ----------
    steps : sequence of Step
        All steps, in order.
    first_group, last_group : str
        Groups of the configuration (first_step, last_step).
    start, end : str
        Number (from 1) or name of a step; "0" is the first or the last one, and as an end
        "-1" is the last one too.

    Raises
    ------
    ConfigError
        No such step, or nothing left to run.
    """
    low = 0 if start == "0" else _place(steps, start, "-starting_step")
    high = len(steps) - 1 if end in {"0", "-1"} else _place(steps, end, "-ending_step")
    groups = GROUPS[GROUPS.index(first_group) : GROUPS.index(last_group) + 1]
    kept = tuple(step for step in steps[low : high + 1] if step.group in groups)
    if not kept:
        raise ConfigError(
            f"no step is left to run: steps {low + 1} to {high + 1} by the command line, "
            f"groups {first_group} to {last_group} by the configuration"
        )
    return kept


def _place(steps: Sequence[Step], text: str, option: str) -> int:
    names = [step.name for step in steps]
    if text in names:
        return names.index(text)
    if text.isdecimal() and 1 <= int(text) <= len(steps):
        return int(text) - 1
    raise ConfigError(
        f"{option} {text}: want a number from 1 to {len(steps)} or one of {', '.join(names)}"
    )


def summary(steps: Sequence[Step], running: Sequence[Step]) -> str:
    """Give the list of groups and numbered steps, with [x] for those that will run."""
    lines = []
    numbers = {step.name: number for number, step in enumerate(steps, 1)}
    for group in GROUPS:
        lines.append(f"Group {group}:")
        for step in steps:
            if step.group == group:
                mark = "x" if step in running else " "
                number = numbers[step.name]
                lines.append(f"  [{mark}] Step {number:>2}: {step.name:<17} {step.title}")
    return "\n".join(lines)
