"""The sections of a configuration file, their keys, and the model of each key.

The models stand beside the code that uses them; the table SECTIONS puts each key where users of
iota2 know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from ...steps.builders import BuilderSettings
from ...steps.contract import Settings, UserPath
from ..recipe import GROUPS, STEPS
from ..units import UnitSettings
from . import kinds, scikit_keys

SECTIONS: dict[str, tuple[str, ...]] = {
    "builders": ("builders_class_name",),
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
    "python_data_managing": (
        "number_of_chunks",
        "padding_size_x",
        "padding_size_y",
        "fill_missing_dates",
    ),
    "external_features": ("external_features",),
    "sentinel_2": ("temporal_resolution", "start_date", "end_date", "keep_bands"),
    "iota2_feature_extraction": ("extract_bands",),
    "sensors_data_interpolation": ("auto_date",),
    "task_retry_limits": ("allowed_retry", "maximum_ram", "maximum_cpu", "stalled_after"),
}

WHOLE = ("external_features",)
"""Sections that one field takes as a whole: keys of a model of their own."""

Group = Literal["init", "sampling", "learning", "classification", "mosaic", "validation"]


class RunSettings(BuilderSettings):
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


def fields() -> dict[str, FieldInfo]:
    """Give the field of every key; the first model that has it tells."""
    return {
        key: info for key, info in _all_fields().items() if key not in scikit_keys.FREE.values()
    }


def free() -> dict[str, FieldInfo]:
    """Give the field that takes all other keys of a section, by section."""
    found = _all_fields()
    return {section: found[key] for section, key in scikit_keys.FREE.items()}


def _all_fields() -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for model in MODELS:
        for name, info in model.model_fields.items():
            found.setdefault(name, info)
    return found


def supported() -> dict[str, tuple[str, ...]]:
    """Give the keys of every section, nested sections with dots."""
    known: dict[str, tuple[str, ...]] = {}
    models = fields()
    for section, keys in SECTIONS.items():
        if section not in WHOLE:
            known[section] = keys
        for key in keys:
            name = section if section in WHOLE else f"{section}.{key}"
            known |= dict(_nested_sections(name, models[key]))
    return known


def _nested_sections(name: str, info: FieldInfo) -> Iterator[tuple[str, tuple[str, ...]]]:
    model = kinds.nested(info) or kinds.item(info)
    if model is None:
        return
    yield name, tuple(f.alias or key for key, f in model.model_fields.items())
    for key, inner in model.model_fields.items():
        yield from _nested_sections(f"{name}.{key}", inner)
