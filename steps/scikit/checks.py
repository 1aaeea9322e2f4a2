"""What is wrong with the keys of `scikit_models_parameters`, told before anything runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from sklearn.utils._param_validation import InvalidParameterError

from . import estimators
from .settings import Settings

KeyPath = tuple[str, ...]
Complaint = tuple[KeyPath, str]
"""Keys below the section, and what is wrong there."""
GRID = "cross_validation_parameters"
WITH_GRID = ("cross_validation_grouped", "cross_validation_folds")
OURS = ("model_type", "standardization", GRID, *WITH_GRID)
"""Keys of the section that are no keyword."""
REFUSAL = re.compile(
    r"The '\w+' parameter of \w+ must be (?P<expected>.*)\. Got (?P<got>.*) instead\.", re.DOTALL
)
"""How scikit-learn refuses a value."""
FIXED = (*estimators.INNER, "random_state")
"""Keywords that a grid cannot vary."""


def complaints(settings: Settings) -> Iterator[Complaint]:
    """Yield all that is wrong, each with the keys where it is."""
    if settings.model_type is None:
        yield from _unused(settings)
        return
    if not settings.cross_validation_parameters:
        for key in WITH_GRID:
            if _changed(settings, key):
                yield (key,), f"belongs to {GRID}: give those, or drop it"
    yield from _of_estimator(settings.model_type, settings.estimator_keywords, (), OURS)
    yield from _of_grid(settings)


def _unused(settings: Settings) -> Iterator[Complaint]:
    """Tell what counts for nothing without an estimator."""
    text = (
        f"belongs to an estimator: give model_type ({', '.join(estimators.ESTIMATORS)}), or drop it"
    )
    yield from (((key,), text) for key in OURS[1:] if _changed(settings, key))
    for key in settings.estimator_keywords:
        near = get_close_matches(key, OURS, n=1)
        yield (key,), f"unknown key; did you mean {near[0]}?" if near else text


def _changed(settings: Settings, key: str) -> bool:
    info = type(settings).model_fields[key]
    plain = info.get_default(call_default_factory=True, validated_data={})
    return bool(getattr(settings, key) != plain)


def _of_estimator(
    name: str, given: Mapping[str, Any], here: KeyPath, beside: tuple[str, ...] = ()
) -> Iterator[Complaint]:
    """Tell what is wrong with the keywords of an estimator, or of one inside another.

    `beside` are keys that may stand there too, for a hint.
    """
    unknown = {key: told for key in given if (told := _unknown(name, key, beside))}
    yield from (((*here, key), told) for key, told in unknown.items())
    inner = [
        complaint
        for key in estimators.INNER
        if key in given and key not in unknown
        for complaint in _of_members(key, given[key], (*here, key))
    ]
    yield from inner
    if name == "VotingClassifier" and "estimators" not in given:
        yield (
            (*here, "estimators"),
            "is missing: name the members, as in "
            '["RandomForestClassifier", "ExtraTreesClassifier"]',
        )
    elif not inner:
        kept = {key: value for key, value in given.items() if key not in unknown}
        yield from (((*here, key), told) for key, told in _refused(name, kept))


def _unknown(name: str, key: str, beside: tuple[str, ...] = ()) -> str | None:
    """Say that an estimator has no such keyword; None where it has."""
    if key in estimators.OURS:
        return f"{key} {estimators.OURS[key]}"
    known = estimators.keywords(name)
    if key in known:
        return None
    near = get_close_matches(key, [*known, *beside], n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"{name} has no keyword {key}{hint} It has {', '.join(known)}"


def _of_members(key: str, value: Any, here: KeyPath) -> Iterator[Complaint]:
    """Tell what is wrong with the estimators that a keyword names."""
    if key == "estimator":
        yield from _of_member(value, here) if value is not None else ()
        return
    if not isinstance(value, list) or not value:
        yield here, f"got {value!r}, expected a list of estimators"
        return
    for place, one in enumerate(value):
        yield from _of_member(one, (*here, str(place)))


def _of_member(value: Any, here: KeyPath) -> Iterator[Complaint]:
    name = value.get("name") if isinstance(value, dict) else value
    if not isinstance(name, str) or name not in estimators.MEMBERS:
        known = ", ".join(estimators.MEMBERS)
        yield here, f'got {value!r}, expected a name or {{ name : "...", keywords }} of {known}'
        return
    yield from _of_estimator(name, estimators.member_of(value)[1], here)


def _refused(name: str, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keywords whose value scikit-learn refuses, with its words."""
    state = given.get("random_state")
    if state is not None and (isinstance(state, bool) or not isinstance(state, int) or state < 0):
        yield "random_state", f"got {state!r}, expected a whole number of 0 or more"
        return
    for key, value in given.items():
        if key not in estimators.INNER and (told := _words(name, key, value)):
            yield key, told


def _words(name: str, key: str, value: Any) -> str | None:
    """Give what scikit-learn says against one value, None where it takes it."""
    if key == "class_weight" and isinstance(value, dict):
        bad = [code for code in value if not re.fullmatch(r"[0-9]+", str(code))]
        return f"got {value!r}, expected class codes with their weights" if bad else None
    parameters = {key: value}
    if name == "VotingClassifier":
        parameters["estimators"] = ["DecisionTreeClassifier"]
    made = estimators.bare(name, parameters, 0)
    try:
        (made.estimator if name == estimators.SVM else made)._validate_params()
    except InvalidParameterError as error:
        return REFUSAL.sub(r"got \g<got>, expected \g<expected>", str(error))
    return None


def _of_grid(settings: Settings) -> Iterator[Complaint]:
    """Tell what is wrong with the lists of values to try."""
    for key, values in settings.cross_validation_parameters.items():
        here = (GRID, key)
        if told := _unknown(str(settings.model_type), key):
            yield here, told
        elif key in FIXED:
            yield here, f"{key} cannot vary in a cross-validation: give it beside {GRID}"
        elif not isinstance(values, list) or not values:
            yield here, f"got {values!r}, expected a list of values"
        elif any(isinstance(value, dict) for value in values):
            yield here, f"got {values!r}, expected values without braces, which cannot vary"
        elif key in settings.estimator_keywords:
            yield here, f"{key} is given beside {GRID} too: drop one of them"
        else:
            tried = (_refused(str(settings.model_type), {key: value}) for value in values)
            yield from ((here, told) for _, told in itertools.chain.from_iterable(tried))
