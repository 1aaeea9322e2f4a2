"""What the labels of functions make of their values, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from ..sensors.sentinel2 import SENTINEL2
from .record import Function
from .results import LABEL, days_by_index

FORM = "Sentinel2_<index>_<YYYYMMDD>"
SHOWN = 3
"""Names and days that a message tells."""


def named(items: Sequence[str]) -> str:
    """List names, of many the first ones and how many more."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def refused(statics: Sequence[str], dates: Sequence[date]) -> str:
    """Say why a network cannot read some labels, and what to do.

    Parameters
    ----------
    statics : sequence of str
        Labels of a function that are no series.
    dates : sequence of date
        Dates of the features.
    """
    wanted = {f"{day:%Y%m%d}" for day in dates}
    days: dict[str, list[str]] = {}
    others = []
    for label in statics:
        if match := LABEL.fullmatch(label):
            days.setdefault(match["index"], []).append(match["day"])
        else:
            others.append(label)
    reasons = [f"index {index} {_lacks(own, wanted)}" for index, own in days.items()]
    if others:
        verb = "is" if len(others) == 1 else "are"
        reasons.append(f"{named(others)} {verb} none of a date")
    return (
        f"gives features that a network cannot read: it takes of every index one value for every "
        f"date, labels {FORM}; {'; '.join(reasons)}. Give a value for every date, or choose an "
        "estimator of scikit-learn (scikit_models_parameters.model_type) or the features map alone "
        '(builders.builders_class_name : ["I2FeaturesMap"])'
    )


def _lacks(days: Sequence[str], wanted: set[str]) -> str:
    """Say which dates an index lacks, or has too many of."""
    if missing := sorted(wanted - set(days)):
        return f"lacks {named(missing)} of the {len(wanted)} dates"
    return f"has {named(sorted(set(days) - wanted))}, which are no dates of the features"


def clashes(
    functions: Sequence[tuple[str, Function]], own: Sequence[str], dates: Sequence[date]
) -> Iterator[str]:
    """Tell the indices and labels that are taken.

    Parameters
    ----------
    functions : sequence of (str, Function)
        What a message calls each, and what it gives.
    own : sequence of str
        Names of the chain's own bands that stand beside them; none where there are none.
    dates : sequence of date
        Dates of the features, of which each of these bands has a value.
    """
    taken = dict.fromkeys(own, "")
    taken |= {f"{SENTINEL2.name}_{name}_{day:%Y%m%d}": "" for name in own for day in dates}
    for who, function in functions:
        for every in _features(function):
            met = next((name for name in every if name in taken), None)
            if met is not None:
                yield _taken(who, met, taken[met])
            for name in every:
                taken.setdefault(name, who)


def _features(function: Function) -> Iterator[list[str]]:
    """Give the names of each feature: an index with its labels, or a label alone."""
    days = days_by_index(function.labels)
    for index in function.series:
        yield [index, *(function.labels[place] for place in days[index].values())]
    for label in function.statics:
        yield [label]


def _taken(who: str, name: str, other: str) -> str:
    if other:
        return (
            f"{who} gives {name}, as {other} does: let the parameters, or the name of the "
            "function, be part of it"
        )
    return (
        f"{who} gives {name}, the name of a band or index of the chain's own: choose another one, "
        "or concat_mode : False"
    )


def of_one_tile(
    statics: Sequence[str], dates: Sequence[date], tile_days: Sequence[Sequence[date]]
) -> str:
    """Say that labels follow the days of a tile, where those of another tile differ; or nothing.

    Parameters
    ----------
    statics : sequence of str
    dates : sequence of date
        Dates of the features.
    tile_days : sequence of sequences of date
        Days of the products of each tile, first those of the tile that was tried.
    """
    own = {f"{day:%Y%m%d}" for day in tile_days[0]}
    beside = own - {f"{day:%Y%m%d}" for day in dates}
    matches = [match for label in statics if (match := LABEL.fullmatch(label))]
    found = [match[0] for match in matches if match["day"] in own]
    alike = all(set(days) == set(tile_days[0]) for days in tile_days)
    if alike or not any(match["day"] in beside for match in matches):
        return ""
    return (
        f"gives labels of the days of one tile ({named(found)}), and other tiles have other days: "
        "set python_data_managing.fill_missing_dates : True, and the raw series have those of all"
    )
