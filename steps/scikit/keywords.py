"""The keywords of an estimator as a model of one run takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import estimators


def of_model(given: Mapping[str, Any], codes: Sequence[int], run: int) -> dict[str, Any]:
    """Give keywords with their seeds and class weights in place, members included.

    Parameters
    ----------
    given : mapping
        As the configuration writes them.
    codes : sequence of int
        Class codes of the model; estimators learn their indices.
    run : int
        Number of the run (seed), which is added to each random_state.
    """
    return {
        key: value_of(key, value, codes, run)
        for key, value in given.items()
        if (key, value) != ("random_state", None)
    }


def value_of(key: str, value: Any, codes: Sequence[int], run: int) -> Any:
    """Give the value of one keyword."""
    if key == "random_state":
        return value + run
    if key == "class_weight" and isinstance(value, Mapping):
        weights = {int(code): weight for code, weight in value.items()}
        return {place: weights[code] for place, code in enumerate(codes) if code in weights}
    if key == "estimator":
        return _member(value, codes, run)
    if key == "estimators":
        return [_member(one, codes, run) for one in value]
    return value


def _member(value: Any, codes: Sequence[int], run: int) -> Any:
    if not isinstance(value, Mapping):
        return value
    name, given = estimators.member_of(value)
    return {"name": name, **of_model(given, codes, run)}
