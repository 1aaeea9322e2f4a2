"""From a configuration file to checked settings of the run and of every step.

A key of one meaning may stand in two sections; it is an error when they disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...steps import scikit_training
from ...steps.builders import BuilderSettings
from ...steps.contract import Settings
from ..recipe import FEATURES, STEPS
from ..units import TileUnits, UnitSettings
from . import names, scikit_keys, syntax
from .reader import Reader, disagreements, unknown
from .sections import SECTIONS, WHOLE, RunSettings


@dataclass(frozen=True)
class Config:
    """A checked configuration."""

    path: Path
    given: Mapping[str, Any]
    """Key -> value as written; a key of two sections once."""
    run: RunSettings
    units: TileUnits
    steps: Mapping[str, Settings]
    """Settings of each step, by its name."""
    warnings: tuple[str, ...]

    def command(self) -> list[str]:
        """Give the words of the command line that starts this run."""
        return ["i2lc", "-config", str(self.path)]

    def model_dates(self) -> tuple[date, ...] | None:
        """Give the dates of a model that was trained elsewhere; None where the run has its own."""
        return None

    def resolved(self) -> dict[str, Any]:
        """Give every key with its value, defaults included, by section."""
        values: dict[str, Any] = {}
        for settings in (self.run, self.units, *self.steps.values()):
            values |= settings.model_dump(mode="json", by_alias=True)
        return {
            section: values[section]
            if section in WHOLE
            else {key: values[key] for key in keys if key in values}
            | values.get(scikit_keys.FREE.get(section, ""), {})
            for section, keys in SECTIONS.items()
            if section not in WHOLE or values.get(section) is not None
        }


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises
    ------
    ConfigError
        All that is wrong with it, a line each, with file and line.
    """
    document, warnings = names.modernise(syntax.read(path))
    problems = [*unknown(document), *disagreements(document)]
    reader = Reader(document, problems)
    run = reader.part(RunSettings)
    builders = reader.part(BuilderSettings)
    alone = builders is not None and not builders.classifies
    units = reader.part(TileUnits if alone else UnitSettings)
    steps = {step.name: reader.part(step.settings) for step in (FEATURES if alone else STEPS)}
    reader.look_at_scikit(steps.get(scikit_training.STEP.name))
    if run is not None:
        reader.look_at_bands(run)
        reader.look_at_external(run)
        if isinstance(units, UnitSettings):
            reader.look_at_modes(run, units)
        reader.look_at_output(run.output_path, steps.values())
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    assert run is not None
    assert units is not None
    return Config(
        path=path,
        given=reader.values,
        run=run,
        units=units,
        steps={name: settings for name, settings in steps.items() if settings is not None},
        warnings=tuple(warnings),
    )


def parts(
    document: syntax.Document, models: Sequence[type[Settings]], more: Mapping[str, Any]
) -> tuple[RunSettings, list[Any], Mapping[str, Any]]:
    """Read the keys of some models alone; all other known keys may stand there.

    Parameters
    ----------
    document : Document
    models : sequence of type of Settings
        Beside RunSettings.
    more : mapping
        Values of keys that no configuration file has.

    Returns
    -------
    run : RunSettings
    settings : list of Settings
        One a model.
    values : mapping
        Key -> value as written.
    """
    problems = [*unknown(document), *disagreements(document)]
    reader = Reader(document, problems)
    reader.values |= more
    run, made = reader.part(RunSettings), [reader.part(model) for model in models]
    if run is not None:
        reader.look_at_output(run.output_path, made)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    assert run is not None
    return run, made, reader.values
