"""The functions as `functions` names them, with their parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

FORM = 'write "f g", or a list such as ["f", ["g", {"window" : 5}]]'


@dataclass(frozen=True)
class Call:
    """A function of `functions`, with what it gets."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


def calls_of(given: Any) -> Iterator[Call]:
    """Read `functions`.

    Raises
    ------
    ValueError
        Something else than names, and pairs of name and parameters.
    """
    if isinstance(given, str):
        given = given.split()
    if not isinstance(given, list | tuple):
        raise ValueError(FORM)
    for one in given:
        match [one] if isinstance(one, str) else one:
            case [str() as name] if name.strip():
                yield Call(name.strip())
            case [str() as name, dict() as parameters] if name.strip():
                _refuse_odd(name, parameters)
                yield Call(name.strip(), parameters)
            case _:
                raise ValueError(f"{one!r} is no function: {FORM}")


def _refuse_odd(name: str, parameters: Mapping[Any, Any]) -> None:
    """Refuse what a record cannot hold as it is, such as the dates and numbered keys of YAML."""
    try:
        same = json.loads(json.dumps(parameters)) == parameters
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"parameters of {name}: {error}; give numbers, texts, True, False, None, and lists of "
            "them"
        ) from error
    if odd := [key for key in parameters if not isinstance(key, str)]:
        raise ValueError(f"parameters of {name}: the name {odd[0]!r} is no text")
    if not same:
        raise ValueError(
            f"parameters of {name}: {parameters!r} holds keys that are no text: put them in quotes"
        )
