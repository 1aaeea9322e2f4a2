"""What a function of the user's gives, looked at: an array (y, x, n) and n labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from ...errors import TaskError
from ..sensors.sentinel2 import SENTINEL2

LABEL = re.compile(rf"{SENTINEL2.name}_(?P<index>.+)_(?P<day>\d{{8}})")
"""A value of an index at a date."""
NUMERIC = "biuf"
"""Kinds of numpy's types that are real numbers."""


def split_labels(
    labels: Sequence[str], dates: Sequence[date]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the labels of series from others.

    Parameters
    ----------
    labels : sequence of str
        Of one function, each once.
    dates : sequence of date
        Dates of the features.

    Returns
    -------
    series : tuple of str
        Indices that have a label ``Sentinel2_<index>_<YYYYMMDD>`` for each date.
    statics : tuple of str
        All labels of other forms, of other dates, or of indices that lack a date.
    """
    found = days_by_index(labels)
    wanted = {day.strftime("%Y%m%d") for day in dates}
    series = tuple(index for index, days in found.items() if set(days) == wanted)
    along = {place for index in series for place in found[index].values()}
    return series, tuple(one for place, one in enumerate(labels) if place not in along)


def days_by_index(labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Give index -> day -> place along the labels, for labels of that form."""
    found: dict[str, dict[str, int]] = {}
    for place, label in enumerate(labels):
        if match := LABEL.fullmatch(label):
            found.setdefault(match["index"], {})[match["day"]] = place
    return found


def labels_of(who: str, given: Any) -> tuple[str, ...]:
    """Give the labels as texts."""
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise TaskError(f"{who} gives labels that are {told(given)}: give a list of texts")
    labels = tuple(map(str, given))
    if not labels:
        raise TaskError(f"{who} gives no label: give one for each of its features")
    if wrong := [label for label in labels if not label.strip() or not label.isprintable()]:
        raise TaskError(f"{who} gives the label {wrong[0]!r}: give a text of one line")
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise TaskError(f"{who} gives the label {twice[0]} twice: give each feature its own")
    return labels


def array_of(who: str, given: Any, window: tuple[int, int], count: int) -> np.ndarray:
    """Give the values as float32 (y, x, n)."""
    try:
        array = np.asarray(given)
        if isinstance(given, np.ma.MaskedArray) and array.dtype.kind in NUMERIC:
            array = np.where(np.ma.getmaskarray(given), np.nan, array)
    except ValueError:  # lists of unequal lengths
        raise TaskError(f"{who} gives {told(given)} in place of an array") from None
    if array.dtype.kind not in NUMERIC:
        raise TaskError(f"{who} gives values of type {array.dtype}: give real numbers")
    if array.shape != (*window, count):
        raise TaskError(f"{who} {_misshapen(array.shape, window, count)}")
    with np.errstate(over="ignore"):  # what float32 does not hold is infinite: no value
        return array.astype(np.float32, copy=False)


def told(given: Any) -> str:
    """Describe what was met where something else is wanted."""
    if isinstance(given, np.ndarray):
        return f"an array {given.shape}"
    if isinstance(given, tuple | list):
        kinds = Counter(type(one).__name__ for one in given)
        return f"a {type(given).__name__} of {len(given)} ({', '.join(kinds) or 'empty'})"
    return f"a {type(given).__name__}" if given is not None else "None"


def _misshapen(met: tuple[int, ...], window: tuple[int, int], count: int) -> str:
    """Say what is wrong with a shape, and the cure where it is known."""
    if len(met) == 3 and met[:2] == window:
        return f"gives {met[2]} values a pixel but {count} labels: give a label for each"
    wanted = (*window, count)
    cure = ""
    if met == window:
        cure = "; write array[..., np.newaxis]"
    elif met == (count, *window):
        cure = "; write np.moveaxis(array, 0, -1)"
    return f"gives an array {met} with {count} labels; (y, x, n) is wanted, here {wanted}{cure}"
