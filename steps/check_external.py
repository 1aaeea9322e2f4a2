"""Step: try the user's functions on a real window, once, before anything that takes long runs.

What later steps need of them is written: indices and labels, their scales, the memory of a pixel,
and copies of their files, which are what runs from here on.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from ..errors import ConfigError, InputError, TaskError
from ..nn_bank import user_code
from .artifacts import EXTERNAL, EXTERNAL_REPORT, INPUT_REPORT, MODEL_DATES, user_module
from .builders import BuilderSettings
from .checks import input_report
from .checks.input_report import Report
from .contract import Job, Step, Unit
from .external import exogenous, modules, outcome, place, trial
from .external.record import Record
from .external.settings import ExternalFeatures, ExternalSettings, decides
from .external.trial import Candidate
from .files import store
from .scikit.settings import ModelSettings
from .sensors.sentinel2 import SENTINEL2
from .tiles import layout
from .tiles.layout import FeatureSettings, Layout
from .tiles.tile import TileIndex, TileSettings, index_tile

log = logging.getLogger(__name__)

WHERE = "in the external features"
REFUSALS = ("networks", "stored")
"""Facts that decide what is refused, and nothing of what is written."""


class Settings(FeatureSettings, TileSettings, ExternalSettings, BuilderSettings, ModelSettings):
    """Keys that the step uses."""

    @property
    def networks(self) -> bool:
        """Networks read the features."""
        return self.classifies and self.model_type is None

    @property
    def stored(self) -> bool:
        """Values are stored as int16: not where a features map in float32 is all that is made."""
        section = self.external_features
        return self.classifies or (section is not None and section.output_type == "int16")

    @property
    def asked(self) -> ExternalFeatures:
        """The section of the functions, without which there is no such step."""
        assert self.external_features is not None
        return self.external_features

    @property
    def exogenous(self) -> str | None:
        """Path of the user's raster, absolute; `$TILE` in it stands for the tile."""
        path = self.asked.exogeneous_data
        return None if path is None else str(path.absolute())


class GivenSettings(Settings):
    """Keys of the step where a model that was trained elsewhere reads the features."""

    expected: dict[str, Any] = Field(
        description="What the model knows of its external features: Record.as_dict()."
    )


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the user's files and rasters, and the products of the tiles; those that exist."""
    asked = settings.external_features
    if asked is None:
        return
    named = list(asked.module)
    if settings.exogenous:
        named += exogenous.files_of(settings.exogenous, settings.list_tile)
    yield from (path for path in named if path.is_file())
    for name in settings.list_tile:
        if (folder := settings.s2_path / name).is_dir():
            for product in SENTINEL2.scan(folder, name).products:
                yield from product.bands.values()
                yield from product.masks.values()


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that the step looks at; REFUSALS decide what it lets pass alone."""
    unseen = {
        *ExternalSettings.model_fields,
        *BuilderSettings.model_fields,
        *ModelSettings.model_fields,
        "auto_date",
    }
    plain = settings.model_dump(mode="json", exclude=unseen)
    tiles = sorted(settings.list_tile)
    found = {**plain, "list_tile": tiles, **decides(settings)}
    found |= {name: getattr(settings, name) for name in REFUSALS}
    if settings.external_features and settings.exogenous:
        found["header of exogeneous_data"] = exogenous.header(settings.exogenous, tiles)
    return found


def check(job: Job) -> None:
    """Try all functions; write what is known of them, copies of their files, and a report.

    Raises
    ------
    InputError
        A function cannot be used; the text has a line for each problem of each function, and
        nothing is written.
    """
    settings: Settings = job.settings
    job.output(EXTERNAL_REPORT).unlink(missing_ok=True)  # an old one would still read well
    given = tuple(job.every(MODEL_DATES).values())
    dates = layout.load_dates(given[0]) if given else None
    report, found = attempt(settings, dates, job.cpus)
    for sentence in report.counts:
        log.info("%s", sentence)
    for sentence in report.warnings:
        log.warning("%s", sentence)
    _write(job, found, report)


def attempt(
    settings: Settings, dates: Sequence[date] | None = None, cpus: int = 1
) -> tuple[Report, Record]:
    """Try all functions.

    Parameters
    ----------
    settings : Settings
    dates : sequence of date, optional
        Those of a given model; by default those that the settings give.
    cpus : int
        Products read at one time.

    Raises
    ------
    InputError
        A function cannot be used; the text has a line for each problem of each function.
    """
    digests = {path.name: user_code.digest(path) for path in settings.asked.module}
    candidates, errors = _candidates(settings.asked)
    indexes, refused = _indexes(settings)
    errors += refused
    if not errors and settings.exogenous:
        grids = {index.tile: index.grid for index in indexes}
        errors += exogenous.problems(settings.exogenous, settings.list_tile, grids)
    input_report.refuse(Report(tuple(errors)), WHERE)
    window = place.choose(indexes, _wanted(settings, indexes, dates), cpus)
    tried = [trial.attempt(candidate, window) for candidate in candidates]
    report, found = outcome.judge(tried, _run(settings, window, indexes, digests))
    input_report.refuse(report, WHERE)
    return report, found


def _candidates(asked: ExternalFeatures) -> tuple[list[Candidate], list[str]]:
    """Find the functions, and say which there are not."""
    found, errors = [], []
    paths = {path.name: path for path in asked.module}
    for call in asked.calls:
        try:
            function, module = modules.function_of(call.name, asked.module)
            modules.check_parameters(function, call.name, call.parameters)
            found.append(Candidate(function, call.name, module, call.parameters, paths.get(module)))
        except ConfigError as error:
            errors.append(f"external_features.functions: {error}")
    return found, errors


def _indexes(settings: Settings) -> tuple[list[TileIndex], list[str]]:
    """Read the headers of all tiles, sorted by name, and say which cannot be used."""
    found, errors = [], []
    for name in sorted(settings.list_tile):
        try:
            found.append(index_tile(settings.s2_path / name, name, SENTINEL2, settings))
        except InputError as error:
            errors.append(str(error))
    return found, errors


def _wanted(
    settings: Settings, indexes: Sequence[TileIndex], given: Sequence[date] | None
) -> place.Wanted:
    """Say what of the tiles the functions are to see."""
    days = sorted({product.day for index in indexes for product in index.products})
    dates = tuple(given or layout.date_grid(days, settings))
    raw_days: tuple[date, ...] | None = None
    if settings.features_from_raw_dates:
        raw_days = dates
    elif settings.fill_missing_dates:
        raw_days = tuple(days)
    return place.Wanted(Layout.of(settings), dates, raw_days, settings.exogenous, settings.padding)


def _run(
    settings: Settings,
    window: place.Window,
    indexes: Sequence[TileIndex],
    digests: Mapping[str, str],
) -> outcome.Run:
    """Say what of the run decides whether it can use the functions."""
    ordered = sorted(indexes, key=lambda index: index.tile != window.tile)
    given = settings.expected if isinstance(settings, GivenSettings) else None
    return outcome.Run(
        wanted=window.wanted,
        concat=settings.asked.concat_mode,
        scale=settings.asked.scale,
        networks=settings.networks,
        tile_days=[[product.day for product in index.products] for index in ordered],
        digests=digests,
        stored=settings.stored,
        raster_bands=window.exogenous.labels if window.exogenous else (),
        expected=None if given is None else Record.from_dict(given),
    )


def _write(job: Job, record: Record, report: Report) -> None:
    """Publish copies of the files, the report, and last what is known of the functions."""
    settings: Settings = job.settings
    for path in settings.asked.module:
        with store.writing(job.output(user_module(path.name))) as copy:
            shutil.copyfile(path, copy)
            if user_code.digest(copy) != record.modules[path.name]:
                raise TaskError(f"{path} was changed while its functions were tried: start again")
    text = report.text("The external features were tried.")
    store.write_text(job.output(EXTERNAL_REPORT), text)
    record.save(job.output(EXTERNAL))


STEP = Step(
    name="check_external",
    group="init",
    title="try the functions of the external features",
    run=check,
    settings=Settings,
    per=(),
    inputs=(),
    after=(INPUT_REPORT,),
    outputs=(EXTERNAL, EXTERNAL_REPORT),
    resource="check_inputs",
    sources=sources,
    uses=used,
    unmoved_by={EXTERNAL: REFUSALS},
)
"""Its outputs are followed by one `artifacts.user_module(name)` for each file of the user's."""
