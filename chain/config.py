"""From a configuration file to checked settings of the run and of every step.

The models of the keys stand beside the code that uses them; the table SECTIONS puts each key
where users of iota2 know it. A key of one meaning may stand in two sections; it is an error
when they disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ..errors import ConfigError
from ..steps import scikit_training
from ..steps.contract import Settings, UserPath
from . import complaints, kinds, names, scikit_keys, syntax
from .recipe import GROUPS, STEPS
from .units import TileUnits, UnitSettings

SECTIONS: dict[str, tuple[str, ...]] = {
    "chain": (
        "output_path",
        "remove_output_path",
        "check_inputs",
        "list_tile",
        "data_field",
        "s2_path",
        "ground_truth",
        "region_path",
        "region_field",
        "mode_outside_regionsplit",
        "folds",
        "nomenclature_path",
        "color_table",
        "spatial_resolution",
        "proj",
        "first_step",
        "last_step",
        "split_ground_truth",
        "ratio",
        "cloud_threshold",
        "minimum_required_dates",
        "remove_tmp_files",
        "compression_algorithm",
    ),
    "arg_train": (
        "runs",
        "random_seed",
        "ratio",
        "split_ground_truth",
        "folds",
        "features",
        "features_from_raw_dates",
        "sample_selection",
        "sample_management",
        "sample_augmentation",
        "deep_learning_parameters",
    ),
    "scikit_models_parameters": (
        "model_type",
        "standardization",
        "cross_validation_parameters",
        "cross_validation_grouped",
        "cross_validation_folds",
    ),
    "arg_classification": (
        "classif_mode",
        "no_label_management",
        "calibrate",
        "inference_precision",
        "enable_probability_map",
        "generate_final_probability_map",
    ),
    "python_data_managing": ("number_of_chunks",),
    "sentinel_2": ("temporal_resolution", "start_date", "end_date", "keep_bands"),
    "iota2_feature_extraction": ("extract_bands",),
    "sensors_data_interpolation": ("auto_date",),
    "task_retry_limits": ("allowed_retry", "maximum_ram", "maximum_cpu", "stalled_after"),
}

Group = Literal["init", "sampling", "learning", "classification", "mosaic", "validation"]
Model = TypeVar("Model", bound=Settings)


class RunSettings(Settings):
    """Keys that concern the run as a whole."""

    output_path: UserPath = Field(description="Folder of all outputs, one a run.")
    remove_output_path: bool = Field(
        True,
        description="Empty the output folder when the run starts at the first step. Only a folder "
        "that bears i2lc's mark is ever emptied.",
    )
    first_step: Group = Field("init", description="First group of steps to run.")
    last_step: Group = Field("validation", description="Last group of steps to run.")
    remove_tmp_files: bool = Field(
        False, description="At the end keep final/, features/, model/ and logs/ alone."
    )
    enable_probability_map: bool = Field(
        False, description="Write the probability of each class of each tile, in classif/."
    )
    generate_final_probability_map: bool = Field(
        False, description="Write the probability map over all tiles, in final/."
    )
    extract_bands: bool | None = Field(
        None, description="Flag of iota2, not needed: keep_bands counts where it is given."
    )
    allowed_retry: int = Field(
        0,
        ge=0,
        description="Times that a failed task is tried again, each time with twice the memory, up "
        "to maximum_ram.",
    )
    maximum_ram: float | None = Field(
        None,
        gt=0,
        description="Most memory in GB. Of a local run as a whole: cut to the machine's, which is "
        "the default. On a queue: of the job of a retry, by default 16.",
    )
    maximum_cpu: int | None = Field(
        None,
        ge=1,
        description="Most cores of a local run, cut to the machine's, which is the default.",
    )
    stalled_after: float | None = Field(
        60.0,
        gt=0,
        description="Minutes without cpu time, bytes read or written, and log lines, after which "
        "a task is taken for hanging and ended; None waits for ever.",
    )

    @model_validator(mode="after")
    def _groups_in_order(self) -> RunSettings:
        if GROUPS.index(self.first_step) > GROUPS.index(self.last_step):
            raise ValueError(f"first_step {self.first_step} comes after last_step {self.last_step}")
        return self


MODELS: tuple[type[Settings], ...] = (
    RunSettings,
    UnitSettings,
    *(step.settings for step in STEPS),
)


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

    def resolved(self) -> dict[str, Any]:
        """Give every key with its value, defaults included, by section."""
        values: dict[str, Any] = {}
        for settings in (self.run, self.units, *self.steps.values()):
            values |= settings.model_dump(mode="json", by_alias=True)
        return {
            section: {key: values[key] for key in keys if key in values}
            | values.get(scikit_keys.FREE.get(section, ""), {})
            for section, keys in SECTIONS.items()
        }


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises
    ------
    ConfigError
        All that is wrong with it, a line each, with file and line.
    """
    document, warnings = names.modernise(syntax.read(path))
    problems = [*_unknown(document), *_disagreements(document)]
    reader = _Reader(document, problems)
    run = reader.part(RunSettings)
    units = reader.part(UnitSettings)
    steps = {step.name: reader.part(step.settings) for step in STEPS}
    reader.look_at_scikit(steps[scikit_training.STEP.name])
    if run is not None:
        reader.look_at_bands(run)
        if units is not None:
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
    problems = [*_unknown(document), *_disagreements(document)]
    reader = _Reader(document, problems)
    reader.values |= more
    run, made = reader.part(RunSettings), [reader.part(model) for model in models]
    if run is not None:
        reader.look_at_output(run.output_path, made)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    assert run is not None
    return run, made, reader.values


def fields() -> dict[str, FieldInfo]:
    """Give the field of every key; the first model that has it tells."""
    found: dict[str, FieldInfo] = {}
    for model in MODELS:
        for name, info in model.model_fields.items():
            found.setdefault(name, info)
    return {name: info for name, info in found.items() if name not in scikit_keys.FREE.values()}


def supported() -> dict[str, tuple[str, ...]]:
    """Give the keys of every section, nested sections with dots."""
    known = dict(SECTIONS)
    models = fields()
    for section, keys in SECTIONS.items():
        for key in keys:
            known |= dict(_nested_sections(f"{section}.{key}", models[key]))
    return known


def _nested_sections(name: str, info: FieldInfo) -> Iterator[tuple[str, tuple[str, ...]]]:
    model = kinds.nested(info) or kinds.item(info)
    if model is None:
        return
    yield name, tuple(f.alias or key for key, f in model.model_fields.items())
    for key, inner in model.model_fields.items():
        yield from _nested_sections(f"{name}.{key}", inner)


def _unknown(document: syntax.Document) -> Iterator[str]:
    """Tell the sections and keys that i2lc does not know."""
    known = supported()
    for section, content in document.data.items():
        if section not in SECTIONS:
            yield str(names.unknown_key_error((section,), document, known))
        elif not isinstance(content, dict):
            where = document.where((section,))
            yield f"{where}: section {section}: got {content!r}, expected {kinds.IN_BRACES}"
        else:
            for key in content:
                if key not in SECTIONS[section] and section not in scikit_keys.FREE:
                    yield str(names.unknown_key_error((section, key), document, known))


def _entries(document: syntax.Document) -> Iterator[tuple[str, str, Any]]:
    """Yield section, key and value of all that i2lc knows."""
    for section, content in document.data.items():
        for key, value in content.items() if isinstance(content, dict) else ():
            if key in SECTIONS.get(section, ()):
                yield section, key, value


def _disagreements(document: syntax.Document) -> Iterator[str]:
    """Tell the keys to which two sections give two values."""
    first: dict[str, tuple[str, Any]] = {}
    for section, key, value in _entries(document):
        home, other = first.setdefault(key, (section, value))
        if other != value:
            line = document.positions[home, key][0]
            yield (
                f"{document.where((section, key))}: {section}.{key} is {value}, but "
                f"{home}.{key} is {other} (line {line}): give it once, or the same value twice"
            )


class _Reader:
    """Builds settings models from the values of a document and gathers what is wrong."""

    def __init__(self, document: syntax.Document, problems: list[str]) -> None:
        self._document = document
        self._homes: dict[str, str] = {}
        self._problems = problems
        self.values: dict[str, Any] = {}
        """Key -> value as written; a key of two sections once."""
        for section, key, value in _entries(document):
            self._homes.setdefault(key, section)
            self.values.setdefault(key, value)
        for section, field in scikit_keys.FREE.items():
            content = document.data.get(section)
            known = SECTIONS[section]
            if isinstance(content, dict):
                self.values[field] = {k: v for k, v in content.items() if k not in known}

    def part(self, model: type[Model]) -> Model | None:
        """Build a model from the keys that it has; None when something is wrong."""
        given = {key: self.values[key] for key in model.model_fields if key in self.values}
        loose = complaints.loose(model, given)
        self._problems.extend(self._placed(path, text) for path, text in loose.items())
        try:
            folder = self._document.path.absolute().parent
            made = model.model_validate(given, context={"folder": folder})
        except ValidationError as error:
            self._problems.extend(
                self._told(model, detail)
                for detail in error.errors(include_url=False)
                if not _begins_with(detail["loc"], loose)
            )
            return None
        return None if loose else made

    def look_at_bands(self, run: RunSettings) -> None:
        """Tell when keep_bands is given and extract_bands says not to use it."""
        if run.extract_bands is False and "keep_bands" in self.values:
            self._problems.append(
                f"{self._where('extract_bands')}: extract_bands False contradicts keep_bands: "
                "drop one of them"
            )

    def look_at_modes(self, run: RunSettings, units: UnitSettings) -> None:
        """Tell the keys that the mode of the run would leave without effect."""
        key, plain = "no_label_management", fields()["no_label_management"].default
        if self.values.get(key, plain) != plain and units.classif_mode != "fusion":
            self._problems.append(
                f"{self._where('no_label_management')}: no_label_management belongs to "
                f"classif_mode fusion, not {units.classif_mode}: drop it, or choose fusion"
            )
        if units.folds is None or units.folds.output == "maps":
            return
        for key in ("enable_probability_map", "generate_final_probability_map"):
            if getattr(run, key):
                self._problems.append(
                    f"{self._where(key)}: {key} asks for a map, but folds asks for scores alone "
                    '(output : "scores"): drop one of them'
                )

    def look_at_scikit(self, settings: Settings | None) -> None:
        """Tell what is wrong with an estimator of scikit-learn and its keywords."""
        if isinstance(settings, scikit_training.Settings):
            found = scikit_keys.problems(self._document, settings, self.values)
            self._problems.extend(found)

    def look_at_output(self, output: Path, steps: Iterable[Settings | None]) -> None:
        """Tell which inputs lie in the output folder: emptying it would delete them."""
        inputs = {f"{key} {path}": path for part in steps if part for key, path in _paths(part)}
        inputs["this configuration file"] = self._document.path
        folder = output.resolve()
        held = [name for name, path in inputs.items() if path.resolve().is_relative_to(folder)]
        if held:
            self._problems.append(
                f"{self._where('output_path')}: output_path {output} holds inputs: "
                f"{', '.join(held)}; give the outputs a folder of their own"
            )

    def _where(self, key: str) -> str:
        return self._document.where((self._homes.get(key, ""), key))

    def _told(self, model: type[Settings], detail: Any) -> str:
        """Turn an error of pydantic into a sentence with file and line."""
        path = tuple(str(part) for part in detail["loc"])
        if not path:
            return self._contradiction(complaints.message(detail))
        if detail["type"] == "missing" and len(path) == 1:
            section = next(name for name, keys in SECTIONS.items() if path[0] in keys)
            return f"{self._document.path}: {section}.{path[0]} is missing ({_about(path[0])})"
        if detail["type"] == "extra_forbidden":
            place = (self._homes.get(path[0], "chain"), *path)
            return str(names.unknown_key_error(place, self._document, supported()))
        return self._placed(path, complaints.told(model, path, detail))

    def _placed(self, path: Sequence[str], complaint: str) -> str:
        """Put file, line and key before a complaint."""
        place = (self._homes.get(path[0], "chain"), *path)
        key = ".".join(part for part in place if not part.isdigit())
        return f"{self._document.where(place)}: {key}: {complaint}"

    def _contradiction(self, message: str) -> str:
        """Tell what several keys of a model disagree on, at the first of them in the file."""
        keys = [key for key in self._homes if re.search(rf"\b{key}\b", message)]
        places = [self._document.positions[self._homes[key], key] for key in keys]
        where = self._where(keys[places.index(min(places))]) if keys else self._document.path
        return f"{where}: {message}"


def _about(key: str) -> str:
    return (fields()[key].description or "").rstrip(".")


def _begins_with(path: Iterable[str | int], beginnings: Iterable[Sequence[str]]) -> bool:
    parts = tuple(str(part) for part in path)
    return any(parts[: len(beginning)] == tuple(beginning) for beginning in beginnings)


def _paths(settings: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield the keys of a model, and of those inside it, that hold a path."""
    for key, info in type(settings).model_fields.items():
        value = getattr(settings, key)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from _paths(inner)
            elif isinstance(inner, Path):
                yield info.alias or key, inner
