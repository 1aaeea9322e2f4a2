"""The user's functions: called, and what they give looked at."""

from __future__ import annotations

import copy
import inspect
import sys
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError, TaskError
from ...nn_bank import user_code
from . import modules, results
from .data import ExternalData
from .record import SHIPPED, Function, Record
from .results import days_by_index, split_labels

__all__ = ["Functions", "Values", "call", "name_of", "split_labels"]

WIDTH = 64
"""Pixels without neighbours are called in multiples of so many, the last one repeated: libraries
take the few that are left over, or a single one, another way than all others, and round otherwise.
"""
PIECE = 1024
"""Pixels whose values change places at one time: they stay in the cache."""
NO_VALUE = r"Mean of empty slice|All-NaN|Degrees of freedom"
"""What numpy warns of where a pixel has no value: a gap, and nothing to tell."""


@dataclass(frozen=True)
class Values:
    """What all functions give on a window; what is not finite is no value."""

    series: np.ndarray
    """float32 (date, index, y, x), in the order of `Record.series`."""
    statics: np.ndarray
    """float32 (label, y, x), in the order of `Record.statics`."""


@dataclass(frozen=True)
class _Ready:
    """A function with the places of what it gives."""

    function: Callable
    known: Function
    series: np.ndarray
    """int (date, index): places along its labels."""
    statics: np.ndarray
    """int (label,): places along its labels."""
    run_as: str | None = None
    """Module of its own in `sys.modules`; None for one of ours."""

    @property
    def counts(self) -> tuple[int, int]:
        """Number of series and of labels beside them."""
        return len(self.known.series), len(self.known.statics)


class Functions:
    """The functions of a run, to be called on windows; made by `open`."""

    def __init__(self, ready: Sequence[_Ready], alone: bool) -> None:
        self._ready = tuple(ready)
        self._alone = alone
        for one in ready:
            if one.run_as is not None:
                # A worker opens them for each task: what a module holds would add up.
                weakref.finalize(self, sys.modules.pop, one.run_as, None)

    @classmethod
    def open(cls, record: Record, files: Mapping[str, Path]) -> Functions:
        """Load the functions of a record, each from a run of the file of its own.

        They share nothing then, as in the trial, which tries each of them alone.

        Parameters
        ----------
        record : Record
        files : mapping
            Name of each file of the user's -> its copy.

        Raises
        ------
        TaskError
            A copy is missing, or another file than the functions were tried with.
        ConfigError
            A file that does not run here, or lacks a function.
        """
        for name, known in record.modules.items():
            if name not in files:
                raise TaskError(f"external_features: there is no copy of {name}")
            if modules.digest(files[name]) != known:
                raise TaskError(
                    f"external_features: {files[name]} is another file than the {name} with which "
                    "the features were computed: put that one in its place"
                )
        return cls([_ready(one, files) for one in record.functions], not any(record.padding))

    def __call__(self, data: ExternalData) -> Values:
        """Call all functions on a window.

        Raises
        ------
        TaskError
            A function raises, or does not give what it gave when it was tried.
        """
        rows, cols = data.shape
        if self._alone:
            data = data.widened(cols + -cols % WIDTH)
        indices, labels = (sum(one.counts[kind] for one in self._ready) for kind in (0, 1))
        series = np.empty((len(data.dates), indices, rows, cols), np.float32)
        statics = np.empty((labels, rows, cols), np.float32)
        left = top = 0
        for one in self._ready:
            array = _as_tried(one, data)[:, :cols]
            right, bottom = left + one.counts[0], top + one.counts[1]
            _put(array, one.series, series[:, left:right])
            _put(array, one.statics, statics[top:bottom])
            left, top = right, bottom
        return Values(series, statics)


def call(
    function: Callable, data: ExternalData, parameters: Mapping[str, Any]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Call a function and look at what it gives.

    Parameters
    ----------
    function : callable
    data : ExternalData
        The pixels of a window.
    parameters : mapping

    Returns
    -------
    array : ndarray of float32, (y, x, n)
    labels : tuple of str
        n labels, each once.

    Raises
    ------
    TaskError
        The function raises (its own error is the cause), or gives no (array, labels) of the
        window.
    """
    who = f"external function {name_of(function)}"
    try:
        with _quiet():
            # Neither attributes that it sets nor parameters that it changes reach the next one.
            found = function(copy.copy(data), **copy.deepcopy(dict(parameters)))
    except MemoryError:  # has a sentence of its own
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise TaskError(f"{who} {_raised(function, error)}") from error
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise TaskError(f"{who} gives {results.told(found)}: it must give (array, labels)")
    labels = results.labels_of(who, found[1])
    return results.array_of(who, found[0], data.shape, len(labels)), labels


def name_of(function: Callable) -> str:
    """Give the name of a function for messages."""
    return str(getattr(function, "__name__", None) or type(function).__name__)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep numpy from telling of divisions by 0 and of pixels without a value."""
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", NO_VALUE, RuntimeWarning)
        yield


def _raised(function: Callable, error: BaseException) -> str:
    """Say in a line what a function raised, and in which line of its file."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code and frame.filename == code.co_filename]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    text = " ".join(str(error).split())
    return f"raised {type(error).__name__}{place}: {text}"


def _ready(known: Function, files: Mapping[str, Path]) -> _Ready:
    """Load a function and find the places of what it gives; days in their order."""
    function, run_as = _loaded(known, files)
    found = days_by_index(known.labels)
    along = [[found[index][day] for day in sorted(found[index])] for index in known.series]
    statics = [known.labels.index(label) for label in known.statics]
    places = np.array(along, np.intp).T, np.array(statics, np.intp)
    return _Ready(function, known, *places, run_as)


def _loaded(known: Function, files: Mapping[str, Path]) -> tuple[Callable, str | None]:
    """Run the file of a function anew; give the function and the name of the module."""
    if known.module == SHIPPED:
        return modules.function_of(known.name, [])[0], None
    path = files[known.module]
    module = user_code.fresh(path, modules.KEY)
    if not callable(function := vars(module).get(known.name)):
        raise ConfigError(f"{modules.KEY} {path}: run here, it has no {known.name}")
    return function, module.__name__


def _as_tried(one: _Ready, data: ExternalData) -> np.ndarray:
    """Call a function that gives what it gave in the trial, float32 (y, x, n)."""
    array, labels = call(one.function, data, one.known.parameters)
    if labels != one.known.labels:
        raise TaskError(_other_labels(one.known, labels))
    return array


def _put(array: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Copy some of (y, x, n) into (..., y, x), where the leading axes are those of `places`."""
    if not places.size:
        return
    pixels = array.reshape(-1, array.shape[-1])
    planes = out.reshape(*places.shape, len(pixels))
    for start in range(0, len(pixels), PIECE):
        some = slice(start, start + PIECE)
        planes[..., some] = np.moveaxis(np.take(pixels[some], places, axis=-1), 0, -1)


def _other_labels(known: Function, labels: Sequence[str]) -> str:
    new = [label for label in labels if label not in known.labels]
    gone = [label for label in known.labels if label not in labels]
    what = f"{new[0]} is new" if new else f"{gone[0]} is missing" if gone else "in another order"
    return (
        f"external function {known.name} gives other labels than when it was tried ({what}): they "
        "may depend on dates and parameters alone, not on the window"
    )
