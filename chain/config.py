"""From a configuration file to checked settings of the run and of every step.

The models of the keys stand beside the code that uses them; the table SECTIONS puts each key
where users of iota2 know it. A key of one meaning may stand in two sections; it is an error
when they disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ..errors import ConfigError
from ..steps.contract import Settings, UserPath
from . import names, syntax
from .recipe import GROUPS, STEPS
from .units import UnitSettings

SECTIONS: dict[str, tuple[str, ...]] = {
    "chain": (
        "output_path",
        "remove_output_path",
        "check_inputs",
        "list_tile",
        "data_field",
        "s2_path",
        "ground_truth",
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
        "features",
        "sample_selection",
        "deep_learning_parameters",
    ),
    "arg_classification": ("enable_probability_map", "generate_final_probability_map"),
    "python_data_managing": ("number_of_chunks",),
    "sentinel_2": ("temporal_resolution", "start_date", "end_date", "keep_bands"),
    "iota2_feature_extraction": ("extract_bands",),
    "sensors_data_interpolation": ("auto_date",),
    "task_retry_limits": ("allowed_retry", "maximum_ram", "maximum_cpu"),
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
    allowed_retry: int = Field(0, ge=0, description="Times that a failed task is tried again.")
    maximum_ram: float = Field(
        16.0, gt=0, description="Most memory of a local run in GB; cut to the machine."
    )
    maximum_cpu: int = Field(4, ge=1, description="Most cores of a local run; cut to the machine.")

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
    units: UnitSettings
    steps: Mapping[str, Settings]
    """Settings of each step, by its name."""
    warnings: tuple[str, ...]

    def resolved(self) -> dict[str, Any]:
        """Give every key with its value, defaults included, by section."""
        values: dict[str, Any] = {}
        for settings in (self.run, self.units, *self.steps.values()):
            values |= settings.model_dump(mode="json", by_alias=True)
        return {
            section: {key: values[key] for key in keys if key in values}
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
    _refuse_unknown(document)
    values, homes = _flatten(document)
    reader = _Reader(document, values, homes)
    run = reader.part(RunSettings)
    units = reader.part(UnitSettings)
    steps = {step.name: reader.part(step.settings) for step in STEPS}
    if reader.problems:
        raise ConfigError("\n".join(reader.problems))
    assert run is not None
    assert units is not None
    if run.extract_bands is False and "keep_bands" in values:
        raise ConfigError(f"{path}: extract_bands False contradicts keep_bands; drop one of them")
    _refuse_inputs_inside(path, run.output_path, steps)
    return Config(
        path=path,
        given=values,
        run=run,
        units=units,
        steps={name: settings for name, settings in steps.items() if settings is not None},
        warnings=tuple(warnings),
    )


def fields() -> dict[str, FieldInfo]:
    """Give the field of every key; the first model that has it tells."""
    found: dict[str, FieldInfo] = {}
    for model in MODELS:
        for name, info in model.model_fields.items():
            found.setdefault(name, info)
    return found


def nested(info: FieldInfo) -> type[BaseModel] | None:
    """Give the model of a key whose value is a mapping of its own."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def supported() -> dict[str, tuple[str, ...]]:
    """Give the keys of every section, nested sections with dots."""
    known = dict(SECTIONS)
    models = fields()
    for section, keys in SECTIONS.items():
        for key in keys:
            known |= dict(_nested_sections(f"{section}.{key}", models[key]))
    return known


def _nested_sections(name: str, info: FieldInfo) -> Iterator[tuple[str, tuple[str, ...]]]:
    model = nested(info)
    if model is None:
        return
    yield name, tuple(f.alias or key for key, f in model.model_fields.items())
    for key, inner in model.model_fields.items():
        yield from _nested_sections(f"{name}.{key}", inner)


def _refuse_unknown(document: syntax.Document) -> None:
    """Refuse the first section or key that i2lc does not know."""
    known = supported()
    for section, content in document.data.items():
        if section not in SECTIONS:
            raise names.unknown_key_error((section,), document, known)
        if not isinstance(content, dict):
            raise ConfigError(f"{document.where((section,))}: section {section} needs braces {{ }}")
        for key in content:
            if key not in SECTIONS[section]:
                raise names.unknown_key_error((section, key), document, known)


def _flatten(document: syntax.Document) -> tuple[dict[str, Any], dict[str, str]]:
    """Give the value and the section of every key; two sections must agree."""
    values: dict[str, Any] = {}
    homes: dict[str, str] = {}
    for section, content in document.data.items():
        for key, value in content.items():
            if key in values and values[key] != value:
                raise ConfigError(
                    f"{document.where((section, key))}: {section}.{key} is {value}, but "
                    f"{homes[key]}.{key} is {values[key]} "
                    f"({document.where((homes[key], key))}); give one value"
                )
            values[key] = value
            homes.setdefault(key, section)
    return values, homes


class _Reader:
    """Builds settings models from the flat values and gathers what is wrong."""

    def __init__(
        self, document: syntax.Document, values: Mapping[str, Any], homes: Mapping[str, str]
    ) -> None:
        self._document = document
        self._values = values
        self._homes = homes
        self.problems: list[str] = []

    def part(self, model: type[Model]) -> Model | None:
        """Build a model from the keys that it has; None when something is wrong."""
        given = {key: self._values[key] for key in model.model_fields if key in self._values}
        try:
            folder = self._document.path.absolute().parent
            return model.model_validate(given, context={"folder": folder})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                text = self._told(detail)
                if text not in self.problems:
                    self.problems.append(text)
            return None

    def _told(self, detail: Any) -> str:
        """Turn an error of pydantic into a sentence with file and line."""
        path = tuple(str(part) for part in detail["loc"])
        if not path:
            return f"{self._document.path}: {_message(detail)}"
        if detail["type"] == "missing" and len(path) == 1:
            section = next(name for name, keys in SECTIONS.items() if path[0] in keys)
            return f"{self._document.path}: {section}.{path[0]} is missing; {_about(path[0])}"
        place = (self._homes.get(path[0], "chain"), *path)
        if detail["type"] == "extra_forbidden":
            error = names.unknown_key_error(place, self._document, supported())
            return str(error)
        got = detail.get("input")
        shown = "" if isinstance(got, dict) else f", got {got!r}"
        key = ".".join(p for p in place if not p.isdigit())
        return f"{self._document.where(place)}: {key}: {_message(detail)}{shown}"


def _about(key: str) -> str:
    return (fields()[key].description or "").rstrip(".")


def _message(detail: Any) -> str:
    text = str(detail["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:] if text.startswith("Input ") else text


def _refuse_inputs_inside(path: Path, output: Path, steps: Mapping[str, Settings | None]) -> None:
    """Refuse an output folder that holds inputs: emptying it would delete them."""
    for settings in steps.values():
        for key in type(settings).model_fields if settings else ():
            value = getattr(settings, key)
            if isinstance(value, Path) and value.resolve().is_relative_to(output.resolve()):
                raise ConfigError(
                    f"{path}: {key} {value} lies inside output_path {output}: "
                    "inputs and outputs need folders of their own"
                )
