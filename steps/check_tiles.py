"""Step 1 of a map by a given model: look at all tiles before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .artifacts import INPUT_REPORT
from .checks import input_report, tile_checks
from .checks.input_report import CheckSettings, Report
from .contract import Job, Step, Unit


class Settings(tile_checks.Settings, CheckSettings):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the files that the check reads, those that exist."""
    return tile_checks.files(settings) if settings.check_inputs else ()


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that the check looks at."""
    if not settings.check_inputs:
        return {"check_inputs": False}
    return settings.model_dump(mode="json", exclude={"auto_date", "features", "keep_bands"})


def check(job: Job) -> None:
    """Write the report of the tiles; InputError with a line for each problem."""
    input_report.publish(job, problems)


def problems(settings: Settings, cpus: int = 1) -> Report:
    """Find all that is wrong with the tiles, by `cpus` threads."""
    return tile_checks.problems(settings, cpus)[1]


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
