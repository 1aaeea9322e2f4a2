"""What a look at the inputs found, and what becomes of it: a report, or an error with all of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from ...errors import InputError
from ..artifacts import INPUT_REPORT
from ..contract import Job, Settings
from ..files import store

log = logging.getLogger(__name__)


class CheckSettings(Settings):
    """The key that says whether there is a check."""

    check_inputs: bool = Field(
        True, description="False: the inputs are not checked before the run."
    )


@dataclass(frozen=True)
class Report:
    """What the check found, a sentence each."""

    errors: tuple[str, ...] = ()
    """What keeps the run from starting."""
    warnings: tuple[str, ...] = ()
    """What the chain copes with."""
    counts: tuple[str, ...] = ()
    """What there is: products of each tile, polygons of each class."""

    def __add__(self, other: Report) -> Report:
        return Report(
            self.errors + other.errors,
            self.warnings + other.warnings,
            self.counts + other.counts,
        )

    def text(self, title: str = "The inputs were checked.") -> str:
        """Give the text of the report file."""
        blocks = ("errors", self.errors), ("warnings", self.warnings), ("found", self.counts)
        parts = [f"{head}:\n{listed(lines)}\n" for head, lines in blocks if lines]
        return "\n".join([f"{title}\n", *parts])


def listed(lines: Iterable[str]) -> str:
    """Give sentences as a list, a line each."""
    return "\n".join(f"- {line}" for line in lines)


def refuse(report: Report, where: str = "in the inputs") -> None:
    """Raise InputError with a line for each error of the report, if there is one."""
    if report.errors:
        word = "problem" if len(report.errors) == 1 else "problems"
        raise InputError(f"{len(report.errors)} {word} {where}:\n{listed(report.errors)}")


def publish(job: Job, problems: Callable[[Any, int], Report]) -> None:
    """Look at the inputs and write the report.

    Parameters
    ----------
    job : Job
        Its settings are CheckSettings, and what `problems` takes.
    problems : callable
        Looks, by a number of threads.

    Raises
    ------
    InputError
        Any input cannot be used; the text has a line for each problem.
    """
    path = job.output(INPUT_REPORT)
    path.unlink(missing_ok=True)  # an old one would still read well
    if not job.settings.check_inputs:
        log.warning("check_inputs is False: the inputs are not checked")
        store.write_text(path, "The inputs were not checked: check_inputs is False.\n")
        return
    report = problems(job.settings, job.cpus)
    for sentence in report.warnings:
        log.warning("%s", sentence)
    refuse(report)
    store.write_text(path, report.text())
