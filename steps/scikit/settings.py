"""The keys of `scikit_models_parameters`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ..contract import Settings as BaseSettings
from ..reference.split import SeedSettings
from ..tiles.layout import RawSettings

SECTION = "scikit_models_parameters"
ModelType = Literal[
    "RandomForestClassifier",
    "ExtraTreesClassifier",
    "AdaBoostClassifier",
    "BaggingClassifier",
    "GradientBoostingClassifier",
    "HistGradientBoostingClassifier",
    "VotingClassifier",
    "SupportVectorClassification",
]


class ModelSettings(BaseSettings):
    """The key that chooses scikit-learn in place of networks."""

    model_type: ModelType | None = Field(
        None, description="Estimator of scikit-learn that learns in place of a network."
    )


class Settings(SeedSettings, RawSettings, ModelSettings):
    """Keys that the step uses."""

    standardization: bool = Field(
        False,
        description="Subtract the mean of each feature and divide by its standard deviation.",
    )
    cross_validation_parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Lists of values of the estimator's keywords: of all combinations the one with "
        "the best overall accuracy in a cross-validation is taken.",
    )
    cross_validation_grouped: bool = Field(
        False, description="The folds of that cross-validation hold whole polygons."
    )
    cross_validation_folds: int = Field(5, ge=2, description="Number of these folds.")
    estimator_keywords: dict[str, Any] = Field(
        default_factory=dict,
        description="Any other key of the section: a keyword of the estimator, see "
        "scikit-learn's page on it.",
    )

    @model_validator(mode="after")
    def _reads_no_raw_dates(self) -> Settings:
        if self.features_from_raw_dates and self.model_type is not None:
            raise ValueError(
                f"features_from_raw_dates True contradicts model_type {self.model_type}, which "
                "would take the marks of dates without an observation for values: choose a network "
                "that reads raw dates, or drop one of both"
            )
        return self
