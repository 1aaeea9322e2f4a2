"""Classes: code in the map, value in the ground truth, name and color."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from ...errors import InputError
from ..contract import Settings, UserPath
from ..files import store

LARGEST_CODE = 65535
Color = tuple[int, int, int]


class LabelSettings(Settings):
    """Keys that name and color the classes."""

    nomenclature_path: UserPath = Field(description="Class names: one `name:label` a line.")
    color_table: UserPath = Field(description="Class colors: one `label R G B` a line.")


LOOKS = ("nomenclature_path", "color_table")
"""Keys that name and color a class and decide no code."""


@dataclass(frozen=True)
class Label:
    """One class."""

    code: int
    """Value in the map, 1 to 65535."""
    value: str
    """Value of the ground truth's field, as text."""
    name: str
    """Name of the nomenclature."""
    color: Color
    """Red, green, blue, 0-255."""


@dataclass(frozen=True)
class Labels:
    """All classes of a run, by increasing code."""

    classes: tuple[Label, ...]

    @property
    def codes(self) -> list[int]:
        """Codes, increasing."""
        return [label.code for label in self.classes]

    @property
    def dtype(self) -> str:
        """Type of a map: uint8 up to code 255, else uint16."""
        return "uint8" if max(self.codes) <= np.iinfo(np.uint8).max else "uint16"

    def code_of(self, value: str) -> int:
        """Give the code of a value of the ground truth."""
        return next(label.code for label in self.classes if label.value == value)

    def save(self, path: Path) -> None:
        """Publish as JSON."""
        store.write_json(path, [asdict(label) for label in self.classes])

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read from JSON."""
        return cls(
            tuple(
                Label(r["code"], r["value"], r["name"], tuple(r["color"]))
                for r in store.read_json(path)
            )
        )


def read_nomenclature(path: Path) -> dict[str, str]:
    """Read lines ``name:label``; give the name of each label (as text).

    Raises
    ------
    InputError
        A line of another form, or a label given twice, with the number of the line.
    """
    names: dict[str, str] = {}
    for number, line in _lines(path):
        name, colon, label = line.rpartition(":")
        if not colon or not name.strip() or not label.strip():
            raise InputError(f"{path}, line {number}: want 'class name:label', got '{line}'")
        if label.strip() in names:
            raise InputError(f"{path}, line {number}: label {label.strip()} is given twice")
        names[label.strip()] = name.strip()
    return names


def read_colors(path: Path) -> dict[str, Color]:
    """Read lines ``label R G B``; give the color of each label (as text).

    Raises
    ------
    InputError
        A line of another form, or a label given twice, with the number of the line.
    """
    colors: dict[str, Color] = {}
    for number, line in _lines(path):
        label, *parts = line.rsplit(maxsplit=3)
        try:
            red, green, blue = (int(part) for part in parts)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: want 'label R G B', got '{line}'") from error
        if not all(0 <= value <= 255 for value in (red, green, blue)):
            raise InputError(f"{path}, line {number}: R G B lie between 0 and 255, got '{line}'")
        if label in colors:
            raise InputError(f"{path}, line {number}: label {label} is given twice")
        colors[label] = (red, green, blue)
    return colors


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    return ((number, line) for number, line in lines if line and not line.startswith("#"))


def codes_of(values: Iterable[str | int]) -> dict[str, int]:
    """Give the code of each value: integers are codes, strings in sorted order become 1..N."""
    distinct = set(values)
    if any(isinstance(value, str) for value in distinct):
        return {str(value): code for code, value in enumerate(sorted(map(str, distinct)), 1)}
    return {str(value): int(value) for value in sorted(distinct)}


def build(values: Iterable[str | int], nomenclature: Path, colors: Path) -> Labels:
    """Join the classes of the ground truth with their names and colors.

    Raises
    ------
    InputError
        A class without name or color, or a code outside 1-65535; all of them at once.
    """
    codes = codes_of(values)
    problems = problems_of(codes, nomenclature, colors)
    if problems:
        raise InputError("; ".join(problems))
    names, palette = read_nomenclature(nomenclature), read_colors(colors)
    ordered = sorted(codes.items(), key=lambda item: item[1])
    return Labels(tuple(Label(code, v, names[v], palette[v]) for v, code in ordered))


def problems_of(codes: dict[str, int], nomenclature: Path, colors: Path) -> list[str]:
    """List what keeps the classes from a map: a sentence each.

    A file that cannot be read is one of them, and keeps none of the others from being told.
    """
    problems = [
        f"class {value}: codes lie between 1 and {LARGEST_CODE} (0 means no data); "
        "i2lc check-database names its polygons"
        for value, code in codes.items()
        if not 1 <= code <= LARGEST_CODE
    ]
    possible = [value for value, code in codes.items() if 1 <= code <= LARGEST_CODE]
    readers: tuple[tuple[Path, Callable[[Path], Iterable[str]]], ...] = (
        (nomenclature, read_nomenclature),
        (colors, read_colors),
    )
    for path, read in readers:
        try:
            known = set(read(path))
        except InputError as error:
            problems.append(str(error))
        else:
            problems += [f"class {v} has no line in {path}" for v in possible if v not in known]
    return problems
