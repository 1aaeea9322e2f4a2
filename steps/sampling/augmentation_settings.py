"""The keys of `sample_augmentation`: which models get synthetic samples, of what kind, how many."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ...errors import InputError
from ..contract import Settings, UserPath
from ..tiles.layout import RawSettings
from .strategies import read_counts, unknown

ALL = "all"
"""Name that stands for every model."""
BY_CLASS = "samples.strategy.byClass"
STRATEGY_KEYS = {"jitter": "factor", "smote": "neighbors"}
"""Strategy -> the field that belongs to it."""
FACTOR = 10.0
NEIGHBORS = 5
NUMBER_KEYS = {"minNumber": "minimum", "byClass": "by_class"}
"""Strategy of numbers -> the field that it needs."""


class SampleAugmentation(Settings):
    """The keys of `sample_augmentation`."""

    activate: bool = Field(False, description="Add synthetic samples to the training sets.")
    target_models: tuple[str, ...] = Field(
        (ALL,), min_length=1, description='Models that get them; "all" is every one.'
    )
    strategy: Literal["replicate", "jitter", "smote"] | None = Field(
        None,
        description="replicate: copies; jitter: copies with noise; smote: points between a sample "
        "and one of its nearest neighbours of the same class.",
    )
    factor: float | None = Field(
        None,
        gt=0,
        alias="strategy.jitter.stdfactor",
        description="Strategy jitter: the noise's standard deviation is that of the class's "
        f"feature, over this; None is {FACTOR:g}.",
    )
    neighbors: int | None = Field(
        None,
        ge=1,
        alias="strategy.smote.neighbors",
        description="Strategy smote: nearest neighbours among which it draws; None is "
        f"{NEIGHBORS}.",
    )
    numbers: Literal["minNumber", "balance", "byClass"] | None = Field(
        None,
        alias="samples.strategy",
        description="Training samples that each class is brought to: minNumber; balance (as the "
        "largest class); byClass (numbers from a CSV file).",
    )
    minimum: int | None = Field(
        None, gt=0, alias="samples.strategy.minNumber", description="Training samples of a class."
    )
    by_class: UserPath | None = Field(
        None, alias=BY_CLASS, description="CSV file, `label,count` a line."
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> SampleAugmentation:
        for strategy, name in STRATEGY_KEYS.items():
            alias = SampleAugmentation.model_fields[name].alias
            if getattr(self, name) is not None and self.strategy != strategy:
                raise ValueError(f"{alias} belongs to strategy {strategy}, not {self.strategy}")
        for numbers, name in NUMBER_KEYS.items():
            alias = SampleAugmentation.model_fields[name].alias
            given = getattr(self, name) is not None
            if given and self.numbers != numbers:
                raise ValueError(f"{alias} belongs to samples.strategy {numbers}")
            if not given and self.numbers == numbers:
                raise ValueError(f"samples.strategy {numbers} needs {alias}")
        if self.activate and self.strategy is None:
            raise ValueError("activate True needs strategy: replicate, jitter or smote")
        if self.activate and self.numbers is None:
            raise ValueError("activate True needs samples.strategy: minNumber, balance or byClass")
        return self

    def targets(self, model: str, region: str) -> bool:
        """Tell whether a model of a region gets synthetic samples."""
        return not {ALL, model, region}.isdisjoint(self.target_models)

    @property
    def files(self) -> list[Path]:
        """The CSV file of numbers by class, where there is one."""
        return [] if self.by_class is None else [self.by_class]


class AugmentationSettings(RawSettings):
    """The key that adds synthetic samples."""

    sample_augmentation: SampleAugmentation = Field(
        SampleAugmentation(), description="Synthetic samples in the training sets."
    )

    @model_validator(mode="after")
    def _marks_are_kept(self) -> AugmentationSettings:
        asked = self.sample_augmentation
        if self.features_from_raw_dates and asked.activate and asked.strategy in STRATEGY_KEYS:
            raise ValueError(
                f"features_from_raw_dates True contradicts sample_augmentation strategy "
                f"{asked.strategy}, which would make observations of the marks of dates without "
                "one: choose strategy replicate, or drop one of both"
            )
        return self


def new_samples(
    counts: Mapping[int, int], settings: SampleAugmentation, by_class: Mapping[int, int]
) -> dict[int, int]:
    """Give the number of samples to make of each class.

    Parameters
    ----------
    counts : mapping of class code to number of training samples
    settings : SampleAugmentation
    by_class : mapping of class code to number
        Content of the file of byClass; a class without a line stays as it is.

    Returns
    -------
    dict
        Class code -> samples, only classes that get some. A class without a sample gets none:
        there is nothing to make them of.
    """
    largest = max(counts.values(), default=0)

    def goal(code: int) -> int:
        match settings.numbers:
            case "minNumber":
                return settings.minimum or 0
            case "balance":
                return largest
            case _:
                return by_class.get(code, 0)

    wanted = {code: goal(code) - count for code, count in sorted(counts.items()) if count}
    return {code: number for code, number in wanted.items() if number > 0}


def problems_of(
    settings: SampleAugmentation, models: Collection[str], codes: Mapping[str, int]
) -> list[str]:
    """List what is wrong with `sample_augmentation`, a sentence each, before anything is read.

    Parameters
    ----------
    settings : SampleAugmentation
    models : collection of str
        Names of all models, and of all regions that are divided into models.
    codes : mapping of label (as text) to class code
    """
    problems = [
        f"sample_augmentation.target_models: {unknown('target model', name, models)}"
        for name in settings.target_models
        if name != ALL and name not in models
    ]
    try:
        if settings.by_class is not None:
            read_counts(settings.by_class, codes, BY_CLASS)
    except InputError as error:
        problems.append(str(error))
    return problems
