"""The keys of `external_features`: the user's functions, and the map of what they give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from ...nn_bank import user_code
from ..contract import Settings, UserPath, placed_in_file
from . import asked, modules
from .asked import Call, calls_of

ENDINGS = {"geotiff": ".tif", "zarr": ".zarr"}
"""Format of the features map -> ending of its name."""
MOST_PADDING = 128
"""Pixels; a block that is cut smaller than its padding computes most pixels in vain."""
INT16 = range(-32768, 32768)
FLOAT32 = float(np.finfo(np.float32).max)


class ExternalFeatures(Settings):
    """The keys of `external_features`."""

    module: tuple[UserPath, ...] = Field(
        (),
        json_schema_extra={"expects": "a path in quotes or a list of paths"},
        description="Python file with functions of your own, or a list of such files; functions "
        "that come with i2lc need none. They run with your rights.",
    )
    functions: str | tuple[str | tuple[str, dict[str, Any]], ...] | None = Field(
        None,
        json_schema_extra={"expects": "names in quotes, or a list of names and [name, parameters]"},
        description='Functions to call: "f g", or a list such as ["f", ["g", {"window" : 5}]] of '
        "names and pairs of name and parameters.",
    )
    concat_mode: bool = Field(
        True,
        description="True: their features stand behind the chain's own; False: they alone are the "
        "features.",
    )
    padding: int | None = Field(
        None,
        ge=0,
        le=MOST_PADDING,
        description="Pixels around a window that the functions see, cut off again after the call; "
        "by default padding_size_x and padding_size_y, or 0: each value depends on its own pixel.",
    )
    exogeneous_data: UserPath | None = Field(
        None,
        description="Raster of your own for the functions, brought to the lattice; $TILE in the "
        "path stands for the name of the tile.",
    )
    external_features_flag: bool | None = Field(
        None, description="Flag of iota2, not needed: functions count where they are given."
    )
    scale: dict[str, float] = Field(
        default_factory=dict,
        description="Index or label -> stored value of one unit, the features being int16; by "
        "default a power of ten from the values of a trial window.",
    )
    output_format: Literal["geotiff", "zarr"] = Field(
        "geotiff", description="Format of the features map."
    )
    output_name: str = Field(
        "features_map", description="Name of the features map in final/, without a folder."
    )
    output_type: Literal["float32", "int16"] = Field(
        "float32",
        description="Type of its values: float32 in physical units, or int16 as stored, times a "
        "scale a band.",
    )
    output_per_tile: bool = Field(
        False, description="A features map for each tile instead of one over all tiles."
    )
    no_data_value: float = Field(
        -10000.0, description="Value of the features map where there is none."
    )

    @field_validator("module", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        if given is None:
            return ()
        if isinstance(given, str | Path):
            return (given,)
        if not isinstance(given, list | tuple) or not all(isinstance(g, str | Path) for g in given):
            raise ValueError("a path in quotes or a list of paths is expected")
        return given

    @field_validator("module")
    @classmethod
    def _files_run(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        names = [path.name for path in files]
        for path in files:
            if path.suffix != ".py" or set(path.name) & set("{}"):
                raise ValueError(
                    f"{path} is no name of a Python file: it must end with .py, without braces"
                )
            if names.count(path.name) > 1:
                raise ValueError(f"two files {path.name}: copies lie in one folder, so rename one")
            with placed_in_file():
                user_code.load(path, "file")
        return files

    @field_validator("functions", mode="before")
    @classmethod
    def _well_formed(cls, given: Any) -> Any:
        if given is None:
            return None
        calls = tuple(calls_of(given))
        if not calls:
            raise ValueError(f"no function is named: {asked.FORM}")
        if isinstance(given, str):
            return given
        return [[call.name, call.parameters] if call.parameters else call.name for call in calls]

    @field_validator("functions")
    @classmethod
    def _callable(cls, given: Any, info: ValidationInfo) -> Any:
        met: list[Call] = []
        for call in calls_of(given or ()) if "module" in info.data else ():
            if call in met:
                raise ValueError(f"{call.name} stands twice with the same parameters: drop one")
            met.append(call)
            with placed_in_file():
                function, _ = modules.function_of(call.name, info.data["module"])
                modules.check_parameters(function, call.name, call.parameters)
        return given

    @field_validator("scale", mode="before")
    @classmethod
    def _above_zero(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, Mapping) else ():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}: a number above 0 is expected, not {value!r}")
        return given

    @field_validator("output_name")
    @classmethod
    def _plain_name(cls, name: str, info: ValidationInfo) -> str:
        stem = _stem(name)
        if not stem or set(stem) & set("/\\{}") or stem.startswith(".") or not stem.isprintable():
            raise ValueError("a file name without a folder is expected, such as features_map")
        ending, kind = name.removeprefix(stem), info.data.get("output_format")
        if kind and ending not in ("", ENDINGS[kind]):
            raise ValueError(f"output_format {kind} has names in {ENDINGS[kind]}: drop the ending")
        return name

    @field_validator("no_data_value")
    @classmethod
    def _fits_the_type(cls, value: float, info: ValidationInfo) -> float:
        if info.data.get("output_type") == "int16" and value not in INT16:
            raise ValueError("output_type int16 takes a whole number from -32768 to 32767")
        if abs(value) > FLOAT32:
            raise ValueError(f"output_type float32 takes numbers up to {FLOAT32:.3g}")
        return value

    @property
    def calls(self) -> tuple[Call, ...]:
        """The functions with their parameters, in the order of their features."""
        return tuple(calls_of(self.functions or ()))

    @property
    def stem(self) -> str:
        """Name of the features map without its ending."""
        return _stem(self.output_name)

    @property
    def ending(self) -> str:
        """Ending of the name of the features map."""
        return ENDINGS[self.output_format]


class ExternalSettings(Settings):
    """Keys that decide what functions of the user's add to the features."""

    external_features: ExternalFeatures | None = Field(
        None, description="Features by functions of your own."
    )
    padding_size_x: int | None = Field(
        None,
        ge=0,
        le=MOST_PADDING,
        description="Columns on each side of a window that the functions see; by default padding.",
    )
    padding_size_y: int | None = Field(
        None,
        ge=0,
        le=MOST_PADDING,
        description="Rows on each side of a window that the functions see; by default padding.",
    )
    fill_missing_dates: bool = Field(
        False,
        description="True: the raw series that the functions see have the days of all tiles, "
        "those that a tile lacks with mask 2; False: each tile has its own days. With "
        "features_from_raw_dates always the former.",
    )

    @model_validator(mode="after")
    def _agree(self) -> ExternalSettings:
        given = {name: getattr(self, name) for name in ("padding_size_x", "padding_size_y")}
        if self.external_features is None:
            if idle := [name for name, value in given.items() if value]:
                raise ValueError(
                    f"{idle[0]} belongs to external_features: drop it, or name functions there"
                )
            return self
        padding = self.external_features.padding
        for name, value in given.items():
            if None not in (padding, value) and padding != value:
                raise ValueError(
                    f"{name} {value} contradicts padding {padding} of external_features: drop one"
                )
        return self

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns around a window that the functions see."""
        both = (self.external_features and self.external_features.padding) or 0
        rows, cols = self.padding_size_y, self.padding_size_x
        return (both if rows is None else rows, both if cols is None else cols)


def decides(settings: ExternalSettings) -> dict[str, Any]:
    """Give what decides the external features, as plain data.

    The text of the files decides too: a step that reads them declares them as its sources.
    """
    own = settings.external_features
    if own is None:
        return {}
    return {
        "modules": sorted(path.name for path in own.module),
        "functions": [[call.name, call.parameters] for call in own.calls],
        "concat_mode": own.concat_mode,
        "padding": list(settings.padding),
        "exogeneous_data": own.exogeneous_data and str(own.exogeneous_data),
        "scale": own.scale,
        "fill_missing_dates": settings.fill_missing_dates,
    }


def _stem(name: str) -> str:
    for ending in ENDINGS.values():
        name = name.removesuffix(ending)
    return name
