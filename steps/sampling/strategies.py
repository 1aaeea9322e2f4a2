"""Strategies: how many pixels of a class are asked for, by model.

They have the meaning of OTB's SampleSelection: counts are per model and class over all tiles
together; requests above what exists are cut to it. `picker` picks as many.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from ...errors import InputError
from ..contract import Settings, UserPath

Strategy = Literal["all", "percent", "constant", "total", "smallest", "byclass"]
STRATEGY_KEYS: dict[str, str] = {
    "percent": "percent",
    "constant": "constant_nb",
    "total": "total",
    "byclass": "byclass",
}
DIGITS = 12
"""Most digits of a number in a CSV file."""
SHOWN = 60
"""Letters of a line that a message repeats."""


class Picks(Settings):
    """Which pixels of the learning polygons of a model become samples."""

    sampler: Literal["random", "periodic"] = Field(
        "random", description="random: a draw without replacement; periodic: one pixel in so many."
    )
    strategy: Strategy = Field(
        "all",
        description="all; percent, constant, total (proportional), smallest (all classes as the "
        "smallest), byclass (numbers from a CSV file).",
    )
    percent: float | None = Field(
        None, gt=0, le=1, alias="strategy.percent.p", description="Share of each class's pixels."
    )
    constant_nb: int | None = Field(
        None, gt=0, alias="strategy.constant.nb", description="Pixels of each class."
    )
    total: int | None = Field(
        None, gt=0, alias="strategy.total.v", description="Pixels over all classes."
    )
    byclass: UserPath | None = Field(
        None, alias="strategy.byclass.in", description="CSV file, `label,count` a line."
    )
    jitter: int = Field(
        0,
        ge=0,
        alias="sampler.periodic.jitter",
        description="Pixels by which a periodic pick may move forward within its period.",
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> Any:
        for strategy, name in STRATEGY_KEYS.items():
            alias = Picks.model_fields[name].alias
            given = getattr(self, name) is not None
            if given and self.strategy != strategy:
                raise ValueError(f"{alias} belongs to strategy {strategy}, not {self.strategy}")
            if not given and self.strategy == strategy:
                raise ValueError(f"strategy {strategy} needs {alias}")
        if self.jitter and self.sampler != "periodic":
            raise ValueError("sampler.periodic.jitter belongs to sampler periodic")
        return self


class ModelPicks(Picks):
    """One item of `per_model`: all keys of one model."""

    target_model: str = Field(
        description="Model that it is for: a region, or a part of one (`R1f2`)."
    )


class SampleSelection(Picks):
    """The keys of `sample_selection`."""

    per_model: tuple[ModelPicks, ...] = Field(
        (),
        description="Other choices for some models, each with `target_model`; they replace the "
        "keys above, of which they take none.",
    )

    @field_validator("per_model")
    @classmethod
    def _once(cls, given: tuple[ModelPicks, ...]) -> tuple[ModelPicks, ...]:
        names = [picks.target_model for picks in given]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"target_model {name} is given {names.count(name)} times")
        return given

    def of(self, model: str, region: str) -> Picks:
        """Give the choice for a model: its own, that of its region, or the one for all."""
        given: dict[str, Picks] = {picks.target_model: picks for picks in self.per_model}
        return given.get(model, given.get(region, self))

    @property
    def files(self) -> list[Path]:
        """CSV files of strategy byclass."""
        return [picks.byclass for picks in (self, *self.per_model) if picks.byclass is not None]


class SamplingSettings(Settings):
    """The key that chooses the samples."""

    sample_selection: SampleSelection = Field(
        SampleSelection(), description="Which pixels of the learning polygons become samples."
    )


def read_rows(path: Path, key: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a CSV file that hold something, as (number, cells without blanks).

    Parameters
    ----------
    path : Path
    key : str
        Key of the configuration that names the file, for messages.

    Raises
    ------
    InputError
        The file cannot be read, or a line of it is no CSV.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{key}: {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                yield number, [cell.strip() for row in csv.reader([line]) for cell in row]
            except csv.Error as error:
                raise InputError(f"{path}, line {number}: it is no CSV: {error}") from error


def shown(text: str) -> str:
    """Give a text as a message repeats it: the beginning of a long one."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} letters)"


def is_whole(text: str) -> bool:
    """Tell whether a text is a whole number."""
    return text.isascii() and text.isdecimal()


def read_counts(
    path: Path, codes: Mapping[str, int], key: str = "strategy.byclass.in"
) -> dict[int, int]:
    """Read a file of numbers by class: `label,count` a line.

    Parameters
    ----------
    path : Path
    codes : mapping of label (as text) to class code
    key : str
        Key of the configuration that names the file, for messages.

    Raises
    ------
    InputError
        The file cannot be read, or has a line of another form or a label again, with its
        number.
    """
    counts: dict[int, int] = {}
    for number, row in read_rows(path, key):
        if len(row) != 2 or row[0] not in codes or not is_whole(row[1]):
            raise InputError(
                f"{path}, line {number}: want 'label,count' with a label of the ground truth, "
                f"got '{shown(','.join(row))}'"
            )
        if len(row[1]) > DIGITS:
            raise InputError(
                f"{path}, line {number}: the count has {len(row[1])} digits, {DIGITS} at most"
            )
        if codes[row[0]] in counts:
            raise InputError(f"{path}, line {number}: label {row[0]} is given twice")
        counts[codes[row[0]]] = int(row[1])
    return counts


def problems_of(
    selection: SampleSelection, models: Collection[str], codes: Mapping[str, int]
) -> list[str]:
    """List what is wrong with `sample_selection`, a sentence each, before anything is read.

    Parameters
    ----------
    selection : SampleSelection
    models : collection of str
        Names of all models, and of all regions that are divided into models.
    codes : mapping of label (as text) to class code
    """
    problems = [
        f"sample_selection.per_model: {unknown('target_model', picks.target_model, models)}"
        for picks in selection.per_model
        if picks.target_model not in models
    ]
    for path in dict.fromkeys(selection.files):
        try:
            read_counts(path, codes)
        except InputError as error:
            problems.append(str(error))
    return problems


def unknown(word: str, name: str, models: Collection[str]) -> str:
    """Say that a name is none of the models."""
    return f"{word} {name} is no model of this run; the models are {', '.join(sorted(models))}"


def half_up(value: Fraction) -> int:
    """Round to the nearest whole number, halves up, as OTB does."""
    return int(value + Fraction(1, 2))


def asked(
    available: Mapping[int, int], settings: Picks, by_class: Mapping[int, int]
) -> dict[int, int]:
    """Give the number of pixels that the strategy asks of each class.

    Parameters
    ----------
    available : mapping of class code to number of pixels
    settings : Picks
    by_class : mapping of class code to number
        Content of the file of strategy byclass; a class without a line asks for none.
    """
    whole = sum(available.values())
    least = min((count for count in available.values() if count), default=0)

    def wish(code: int, count: int) -> int:
        match settings.strategy:
            case "percent":
                share = float(np.float32(settings.percent or 0))  # OTB holds it in 32 bits
                return half_up(count * Fraction(share))
            case "constant":
                return settings.constant_nb or 0
            case "total":
                return half_up(Fraction(count * (settings.total or 0), whole or 1))
            case "smallest":
                return least
            case "byclass":
                return by_class.get(code, 0)
            case _:
                return count

    return {code: wish(code, count) for code, count in available.items()}
