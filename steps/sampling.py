"""Strategies and samplers: how many pixels of a class are asked for, and which are picked.

They have the meaning of OTB's SampleSelection: counts are per class over all tiles together;
requests above what exists are cut to it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from ..errors import InputError
from .contract import Settings, UserPath

Strategy = Literal["all", "percent", "constant", "total", "smallest", "byclass"]
STRATEGY_KEYS: dict[str, str] = {
    "percent": "percent",
    "constant": "constant_nb",
    "total": "total",
    "byclass": "byclass",
}


class SampleSelection(Settings):
    """The keys of `sample_selection`."""

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
    def _keys_agree(self) -> SampleSelection:
        for strategy, name in STRATEGY_KEYS.items():
            alias = SampleSelection.model_fields[name].alias
            given = getattr(self, name) is not None
            if given and self.strategy != strategy:
                raise ValueError(f"{alias} belongs to strategy {strategy}, not {self.strategy}")
            if not given and self.strategy == strategy:
                raise ValueError(f"strategy {strategy} needs {alias}")
        if self.jitter and self.sampler != "periodic":
            raise ValueError("sampler.periodic.jitter belongs to sampler periodic")
        return self


class SamplingSettings(Settings):
    """The key that chooses the samples."""

    sample_selection: SampleSelection = Field(
        SampleSelection(), description="Which pixels of the learning polygons become samples."
    )


def read_counts(path: Path, codes: Mapping[str, int]) -> dict[int, int]:
    """Read the file of strategy byclass: `label,count` a line.

    Parameters
    ----------
    path : Path
    codes : mapping of label (as text) to class code

    Raises
    ------
    InputError
        The file cannot be read, or has a line of another form, with its number.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"strategy.byclass.in: {path} cannot be read: {error}") from error
    counts: dict[int, int] = {}
    for number, row in enumerate((row for row in rows if row), 1):
        if len(row) != 2 or row[0].strip() not in codes or not row[1].strip().isdecimal():
            raise InputError(
                f"{path}, line {number}: want 'label,count' with a label of the ground truth, "
                f"got '{','.join(row)}'"
            )
        counts[codes[row[0].strip()]] = int(row[1])
    return counts


def asked(
    available: Mapping[int, int], settings: SampleSelection, by_class: Mapping[int, int]
) -> dict[int, int]:
    """Give the number of pixels that the strategy asks of each class.

    Parameters
    ----------
    available : mapping of class code to number of pixels
    settings : SampleSelection
    by_class : mapping of class code to number
        Content of the file of strategy byclass; a class without a line asks for none.
    """
    whole = sum(available.values())
    least = min((count for count in available.values() if count), default=0)

    def wish(code: int, count: int) -> int:
        match settings.strategy:
            case "percent":
                return round(count * (settings.percent or 0))
            case "constant":
                return settings.constant_nb or 0
            case "total":
                return round(count * (settings.total or 0) / whole) if whole else 0
            case "smallest":
                return least
            case "byclass":
                return by_class.get(code, 0)
            case _:
                return count

    return {code: wish(code, count) for code, count in available.items()}


@dataclass
class Picker:
    """Picks `wanted` of `available` pixels of a class from a list given piece by piece.

    The result depends on the list, not on the pieces' lengths, for the periodic sampler; the
    random one draws piece by piece, so the pieces are fixed (bands of rows of a tile).
    """

    available: int
    wanted: int
    rng: np.random.Generator
    periodic: bool
    jitter: int
    seen: int = 0
    picked: int = 0
    _late: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    """A pick that jitter moved behind the pieces given so far."""

    def pick(self, count: int) -> np.ndarray:
        """Give the positions picked among the next `count` pixels."""
        chosen = self._every(count) if self.periodic else self._draw(count)
        self.seen += count
        self.picked += len(chosen)
        return chosen

    def _draw(self, count: int) -> np.ndarray:
        rest = self.available - self.seen
        left = self.wanted - self.picked
        if left >= rest:
            return np.arange(count)
        share = int(self.rng.hypergeometric(count, rest - count, left)) if count else 0
        return np.sort(self.rng.choice(count, share, replace=False, shuffle=False))

    def _every(self, count: int) -> np.ndarray:
        """Pick n of N by a fixed period: pick k is the pixel floor(k * N / n), plus jitter."""
        total, wanted = self.available, self.wanted
        if not wanted:
            return np.zeros(0, int)
        first = -(-self.seen * wanted // total)
        behind = -(-(self.seen + count) * wanted // total)
        numbers = range(first, behind)
        place = np.array([number * total // wanted for number in numbers], dtype=np.int64)
        if self.jitter:
            room = np.array([(k + 1) * total // wanted - k * total // wanted for k in numbers])
            moves = self.rng.integers(0, np.minimum(room - 1, self.jitter), endpoint=True)
            place = np.append(self._late, place + moves)
            here = place < self.seen + count
            self._late, place = place[~here], place[here]
        return place - self.seen
