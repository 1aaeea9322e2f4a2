"""What the syntaxes of a configuration file share: a tree of nodes becomes plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

KeyPath = tuple[str, ...]
Place = tuple[int, int]

REFUSED = "got {}, which i2lc refuses, expected a plain value"


class Fault(Exception):  # noqa: N818 - `syntax.read` makes a ConfigError of it
    """A mistake at a place of a text whose file name is not known here."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(place, text)
        self.place = place
        self.text = text


Convert = Callable[[Any, KeyPath, dict[KeyPath, Place]], Any]


def make_dict(
    entries: Iterable[tuple[str, Place, Any]],
    here: KeyPath,
    positions: dict[KeyPath, Place],
    convert: Convert,
) -> dict[str, Any]:
    """Make a dict of (key, place, node) entries; a key set twice is a fault."""
    result: dict[str, Any] = {}
    for key, place, node in entries:
        path = (*here, plain(key, place))
        if key in result:
            first = positions[path][0]
            raise Fault(place, f"got the key {key!r} again, expected it once: line {first} has it")
        positions[path] = place
        result[key] = convert(node, path, positions)
    return result


def make_list(
    entries: Iterable[tuple[Place, Any]],
    here: KeyPath,
    positions: dict[KeyPath, Place],
    convert: Convert,
) -> list[Any]:
    """Make a list of (place, node) entries."""
    result = []
    for index, (place, node) in enumerate(entries):
        path = (*here, str(index))
        positions[path] = place
        result.append(convert(node, path, positions))
    return result


def plain(value: Any, place: Place) -> Any:
    """Pass on a text with nothing to be filled in, a number that is finite."""
    if isinstance(value, str) and "${" in value:
        raise Fault(place, REFUSED.format("'${' (string interpolation)"))
    if isinstance(value, float) and math.isinf(value):
        raise Fault(place, "got a number too large to be held, expected a smaller one")
    return value


def short(text: str) -> str:
    """Cut a text to what a message of one line can hold."""
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:36]} ..."
