"""What a key expects, in words: for messages and for the page of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

OR_NONE = " or None"
IN_BRACES = "keys in braces { }"
PLAIN = {
    bool: ("True or False", "True or False"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text in quotes", "texts"),
    Path: ("a path in quotes", "paths"),
}
"""Type -> words for one value and for several."""
BOUNDS = (("gt", "above {}"), ("ge", "{} or more"), ("lt", "below {}"), ("le", "at most {}"))
UNIONS = (Union, UnionType)


def wanted(info: FieldInfo) -> str:
    """Say what a key expects: `a number above 0 and below 1`.

    A field whose type would be hard to read says it itself: `json_schema_extra`, "expects".
    """
    if isinstance(info.json_schema_extra, dict) and "expects" in info.json_schema_extra:
        return str(info.json_schema_extra["expects"])
    told = _kind(info.annotation)
    value = told.removesuffix(OR_NONE)
    return value + _bounds(info.metadata) + told[len(value) :]


def nested(info: FieldInfo) -> type[BaseModel] | None:
    """Give the model of a key whose value is a mapping of its own, or None."""
    kind = info.annotation
    return _model_of([kind, *get_args(kind)] if get_origin(kind) in UNIONS else [kind])


def item(info: FieldInfo) -> type[BaseModel] | None:
    """Give the model of the items of a key whose value is a list of mappings."""
    kind = info.annotation
    return _model_of(get_args(kind)[:1] if get_origin(kind) is tuple else ())


def _model_of(kinds: Iterable[Any]) -> type[BaseModel] | None:
    """Give the first of some types that is a model."""
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def find(models: Iterable[type[BaseModel]], path: Sequence[str]) -> FieldInfo | None:
    """Give the field of a key path, such as `(deep_learning_parameters, epochs)`.

    An item of a list has its number in the path: `(sample_selection, per_model, 0, sampler)`.
    """
    for model in models:
        by_key = {info.alias or name: info for name, info in model.model_fields.items()}
        if path and (info := by_key.get(path[0])):
            inner, behind = (nested(info), 1) if nested(info) else (item(info), 2)
            return find((inner,), path[behind:]) or info if inner else info
    return None


def _kind(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return f"one of {_listed([str(value) for value in arguments])}"
    if origin in UNIONS:
        return _one_of(arguments)
    if origin is tuple:
        return _list(arguments)
    if kind in PLAIN:
        return PLAIN[kind][0]
    return IN_BRACES


def _one_of(kinds: Sequence[Any]) -> str:
    """Name the members of a union; that of no value comes last."""
    named = [_kind(kind) for kind in kinds if kind is not NoneType]
    return " or ".join(named) + OR_NONE * (NoneType in kinds)


def _list(items: Sequence[Any]) -> str:
    if not items:
        return "[]"
    kind = get_args(items[0])[0] if get_origin(items[0]) is Annotated else items[0]
    several = PLAIN[kind][1] if kind in PLAIN else _kind(kind).removeprefix("one of ")
    return f"a list of {several}" if items[-1] is ... else f"a list of {len(items)} {several}"


def _bounds(metadata: Sequence[Any]) -> str:
    told = [
        text.format(f"{getattr(entry, name):.12g}")
        for name, text in BOUNDS
        for entry in metadata
        if getattr(entry, name, None) is not None
    ]
    if any(getattr(entry, "min_length", None) for entry in metadata):
        told.append("with one item or more")
    return "".join(f"{' and' if place else ''} {text}" for place, text in enumerate(told))


def _listed(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
