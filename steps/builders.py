"""The key that says what a run makes."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from .contract import Settings

Builder = Literal["I2Classification", "I2FeaturesMap"]
CLASSIFICATION, FEATURES_MAP = get_args(Builder)
OTHER_BUILDERS = ("I2Obia", "I2Regression", "I2Vectorization")
"""Builders of iota2 that i2lc does not have."""


class BuilderSettings(Settings):
    """The key that names the builders."""

    builders_class_name: tuple[Builder, ...] = Field(
        (CLASSIFICATION,),
        min_length=1,
        description="What the run makes: I2Classification the land-cover map, I2FeaturesMap a "
        "raster of the features; both share what they can.",
    )

    @field_validator("builders_class_name", mode="before")
    @classmethod
    def _ours(cls, names: Any) -> Any:
        for name in names if isinstance(names, list) else ():
            if text := _other_builder(name):
                raise ValueError(text)
        return names

    @field_validator("builders_class_name")
    @classmethod
    def _once(cls, names: tuple[Builder, ...]) -> tuple[Builder, ...]:
        if len(set(names)) < len(names):
            raise ValueError("name each builder once")
        return names

    @property
    def classifies(self) -> bool:
        """A land-cover map is made."""
        return CLASSIFICATION in self.builders_class_name

    @property
    def maps_features(self) -> bool:
        """A map of the features is made."""
        return FEATURES_MAP in self.builders_class_name


def _other_builder(name: Any) -> str:
    """Say what is to be said of a builder of iota2 that i2lc does not have, or calls otherwise."""
    spelled = str(name).replace("_", "").removesuffix("builder").lower()
    if name in get_args(Builder):
        return ""
    if today := [known for known in get_args(Builder) if known.lower() == spelled]:
        return f"{name} is called {today[0]} now: write {today[0]}"
    if any(other.lower() == spelled for other in OTHER_BUILDERS):
        ours = " and ".join(get_args(Builder))
        return f"{name} is a builder of iota2 that i2lc does not support yet; it has {ours}"
    return f"there is no builder {name}; there are {' and '.join(get_args(Builder))}"
