"""Step 1 of a map by a given model: look at all tiles before anything runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from ..errors import InputError
from . import store, tile_checks
from .artifacts import INPUT_REPORT
from .contract import Job, Step, Unit
from .tile_checks import Report

log = logging.getLogger(__name__)


class Settings(tile_checks.Settings):
    """Keys that the step uses."""

    check_inputs: bool = Field(
        True, description="False: the inputs are not checked before the run."
    )


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the files that the check reads, those that exist."""
    if not settings.check_inputs:
        return
    for name in tile_checks.folders(settings):
        for product in tile_checks.scan_of(settings.s2_path / name, name).products:
            yield from tile_checks.files_of(product).values()


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that the check looks at."""
    if not settings.check_inputs:
        return {"check_inputs": False}
    return settings.model_dump(mode="json", exclude={"auto_date", "features", "keep_bands"})


def check(job: Job) -> None:
    """Write the report of the tiles.

    Raises
    ------
    InputError
        A tile cannot be used; the text has a line for each problem.
    """
    settings: Settings = job.settings
    job.output(INPUT_REPORT).unlink(missing_ok=True)  # an old one would still read well
    if not settings.check_inputs:
        log.warning("check_inputs is False: the inputs are not checked")
        text = "The inputs were not checked: check_inputs is False.\n"
        store.write_text(job.output(INPUT_REPORT), text)
        return
    report = problems(settings, job.cpus)
    refuse(report)
    store.write_text(job.output(INPUT_REPORT), report.text())


def refuse(report: Report) -> None:
    """Raise InputError with a line for each error of the report, if there is one."""
    if report.errors:
        word = "problem" if len(report.errors) == 1 else "problems"
        raise InputError(
            f"{len(report.errors)} {word} in the inputs:\n{tile_checks.listed(report.errors)}"
        )


def problems(settings: Settings, cpus: int = 1) -> Report:
    """Find all that is wrong with the tiles, by `cpus` threads."""
    tiles = tile_checks.look_at(settings, cpus)
    report = Report(errors=tuple(tile_checks.list_problems(settings)))
    for tile in tiles:
        report += tile_checks.report_of(tile, settings)
    _, refused = tile_checks.place(tiles, settings)
    return report + Report(errors=(*refused, *tile_checks.date_problems(tiles, settings)))


STEP = Step(
    name="check_inputs",
    group="init",
    title="check the tiles",
    run=check,
    settings=Settings,
    per=(),
    inputs=(),
    outputs=(INPUT_REPORT,),
    resource="check_inputs",
    sources=sources,
    uses=used,
)
