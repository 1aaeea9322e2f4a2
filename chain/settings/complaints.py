"""What is wrong with a value of a settings file, in words.

Pydantic's lax mode reads True as 1 and "3" as 3; its strict mode would refuse a list for a tuple
and 5 for 5.0, which users write. So models stay lax and :func:`loose` finds what nobody means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from . import kinds
from .plain_data import KeyPath

NUMBERS = {int, float}


def message(detail: Any) -> str:
    """Give the text of one error of pydantic, without its prefix."""
    return str(detail["msg"]).removeprefix("Value error, ")


def told(model: type[BaseModel], path: Sequence[str], detail: Any) -> str:
    """Say what was got and what is expected in its place.

    Parameters
    ----------
    model : type of BaseModel
    path : sequence of str
        Key path in the model.
    detail : dict
        One error of pydantic's `errors()`.
    """
    got = detail.get("input")
    if detail["type"] == "value_error":
        return message(detail) if isinstance(got, dict) else f"got {got!r}: {message(detail)}"
    info = kinds.find((model,), path)
    if info and detail["type"] == "missing":
        return f"is missing ({(info.description or '').rstrip('.')})"
    return f"got {got!r}, expected {kinds.wanted(info) if info else message(detail)}"


def loose(
    model: type[BaseModel], values: Mapping[str, Any], here: KeyPath = ()
) -> dict[KeyPath, str]:
    """Find truth values and quoted numbers where a number is expected.

    Parameters
    ----------
    model : type of BaseModel
    values : mapping
        Key -> plain value as it was written.
    here : tuple of str
        Path that the found paths begin with.

    Returns
    -------
    dict
        Key path (with the index of an item of a list) -> complaint.
    """
    found: dict[KeyPath, str] = {}
    for key, value in values.items():
        info = kinds.find((model,), (key,))
        inner = kinds.nested(info) if info else None
        if inner and isinstance(value, Mapping):
            found |= loose(inner, value, (*here, key))
        elif info and (one := kinds.item(info)) and isinstance(value, list):
            for number, entry in enumerate(value):
                if isinstance(entry, Mapping):
                    found |= loose(one, entry, (*here, key, str(number)))
        elif info:
            for path, got, hint in _loose((info.annotation,), value, (*here, key)):
                found[path] = f"got {got!r}, expected {kinds.wanted(info)}{hint}"
    return found


def _loose(
    expected: Sequence[Any], value: Any, path: KeyPath
) -> Iterator[tuple[KeyPath, Any, str]]:
    members = tuple(_members(expected))
    if isinstance(value, list):
        items = [arg for kind in members if get_origin(kind) is tuple for arg in get_args(kind)]
        for index, item in enumerate(value):
            yield from _loose(items, item, (*path, str(index)))
    elif not NUMBERS.isdisjoint(members) and type(value) not in members:
        if isinstance(value, bool):
            yield path, value, ""
        elif isinstance(value, str) and _is_number(value):
            yield path, value, " (without quotes)"


def _members(expected: Sequence[Any]) -> Iterator[Any]:
    """Yield the types that a value may have, unions and annotations taken apart."""
    for kind in expected:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            yield from _members(arguments[:1])
        elif origin in (Union, UnionType):
            yield from _members(arguments)
        elif origin is Literal:
            yield from (type(value) for value in arguments)
        else:
            yield kind


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
