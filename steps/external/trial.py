"""One function of the user's, tried on a real window: what it gives, what is wrong, its cost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...errors import ConfigError, TaskError
from ...nn_bank import user_code
from ..checks.input_report import Report
from ..series import raw_dates
from ..tiles import grid
from . import cost, locality, modules
from .data import ExternalData
from .functions import call
from .place import Window
from .record import Function
from .results import LABEL, split_labels
from .scales import Sample

HALF = 0.5
"""Share of gaps above which there is a warning."""


@dataclass(frozen=True)
class Candidate:
    """A function to be tried."""

    function: Callable
    name: str
    module: str
    """Name of its file, SHIPPED for one of ours."""
    parameters: Mapping[str, Any]
    path: Path | None = None
    """Its file; None for one of ours."""

    @property
    def who(self) -> str:
        """What messages call it."""
        return f"{self.module or 'i2lc'}: external function {self.name}"

    @contextmanager
    def anew(self) -> Iterator[Callable]:
        """Give the function of a file that was run anew, which kept nothing from any call.

        It is that of a copy in a folder of its own, as in a run: it finds no files beside it.

        Raises
        ------
        ConfigError
            The file does not run a second time, or has no such function then.
        """
        if self.path is None:
            yield self.function
            return
        with TemporaryDirectory(prefix="i2lc_copy_", ignore_cleanup_errors=True) as folder:
            copy = Path(folder).resolve() / self.path.name
            try:
                yield self._of(copy)
            except (ConfigError, TaskError) as error:
                raise type(error)(self._told(str(error), copy)) from error

    def _of(self, copy: Path) -> Callable:
        """Copy the file, run the copy and give its function."""
        assert self.path is not None
        try:
            shutil.copyfile(self.path, copy)
        except OSError as error:
            raise ConfigError(f"{modules.KEY} {copy} cannot be copied: {error.strerror}") from error
        content = vars(user_code.fresh(copy, modules.KEY))
        if not callable(function := content.get(self.name)):
            raise ConfigError(f"{modules.KEY} {copy}: run again, it has no {self.name}")
        return function

    def _told(self, text: str, copy: Path) -> str:
        """Name the file in place of its copy, and tell of what is not beside the copy."""
        text = text.replace(str(copy), str(self.path))
        if str(copy.parent) not in text:
            return text
        return (
            f"{text}; a run calls a copy of {copy.name}, which has no files beside it: name them "
            "by their absolute paths"
        )


@dataclass(frozen=True)
class Tried:
    """What became of a function."""

    who: str
    report: Report
    """What is wrong with it, and what is to be told."""
    function: Function | None = None
    """What it gives; None where it gives nothing that can be used."""
    samples: Mapping[str, Sample] = field(default_factory=dict)
    """Index or label -> its values in the window."""
    cost: cost.Cost | None = None
    empty: tuple[str, ...] = ()
    """Indices and labels that have no value for any pixel that was seen."""


@dataclass(frozen=True, eq=False)
class _Given:
    """What a function gave of the window, its padding cut off."""

    values: np.ndarray
    """float32 (y, x, label)."""
    labels: tuple[str, ...]
    cost: cost.Cost
    again: bool
    """The same came from a file that was run anew and had seen other pixels before."""


def attempt(candidate: Candidate, window: Window) -> Tried:
    """Try a function.

    Parameters
    ----------
    candidate : Candidate
    window : Window
        Pixels with their neighbours; its `wanted` says with which padding.
    """
    try:
        given = _called(candidate, window)
        report = _agreement(candidate, window, given)
    except TaskError as error:
        return Tried(candidate.who, Report(errors=(_placed(candidate, error),)))
    except ConfigError as error:
        return Tried(candidate.who, Report(errors=(f"{candidate.who} cannot run again: {error}",)))
    series, statics = split_labels(given.labels, window.wanted.dates)
    known = Function(
        candidate.name,
        candidate.module,
        dict(candidate.parameters),
        given.labels,
        series,
        statics,
    )
    places = _labels_of(known)
    gaps, empty = _gaps(given, window, places)
    report += gaps
    told = Report(
        tuple(f"{candidate.who} {text}" for text in report.errors),
        tuple(f"{candidate.who} {text}" for text in report.warnings),
        (f"{candidate.who}: {'; '.join([_counted(known), *report.counts, str(given.cost)])}",),
    )
    samples = {name: Sample.of(given.values[..., own]) for name, own in places.items()}
    return Tried(candidate.who, told, known, samples, given.cost, empty)


def _placed(candidate: Candidate, error: TaskError) -> str:
    """Put the file before an error that names the function."""
    text = str(error)
    own = f"external function {candidate.name}"
    return f"{candidate.who}{text.removeprefix(own)}" if text.startswith(own) else text


def _called(candidate: Candidate, window: Window) -> _Given:
    """Call a function on the window with its padding; then anew, other pixels before it."""
    spans, inner = grid.grown(window.inner, window.wanted.padding, window.shape)
    data = window.data(*spans)

    def once(function: Callable) -> tuple[np.ndarray, tuple[str, ...]]:
        return call(function, data, candidate.parameters)

    (values, labels), seconds = cost.timed(lambda: once(candidate.function))
    with candidate.anew() as again:
        call(again, window.beside(*spans), candidate.parameters)
        (other, others), peak = cost.traced(lambda: once(again))
    same = labels == others and np.array_equal(values, other, equal_nan=True)
    spent = cost.Cost(values.shape[0] * values.shape[1], seconds, peak, values.nbytes)
    return _Given(values[inner], labels, spent, same)


def _agreement(candidate: Candidate, window: Window, given: _Given) -> Report:
    """Tell whether the values are the same when the function is called again, and in parts."""
    if not given.again:
        return Report(
            errors=(
                "gives other values the second time: take random numbers from a generator with a "
                "seed, numpy.random.default_rng(0), and keep nothing from call to call",
            )
        )

    def values(again: Callable, data: ExternalData) -> np.ndarray:
        array, labels = call(again, data, candidate.parameters)
        if labels != given.labels:
            raise TaskError(
                f"external function {candidate.name} gives other labels for a part of the window: "
                "they may depend on dates and parameters alone"
            )
        return array

    with candidate.anew() as again:
        call_it = partial(values, again)
        found = locality.look(call_it, window, given.values, window.wanted.padding)
    return Report((found.error,) if found.error else (), (found.warning,) if found.warning else ())


def _gaps(
    given: _Given, window: Window, places: Mapping[str, list[int]]
) -> tuple[Report, tuple[str, ...]]:
    """Tell how many values there are none of, where the pixel was seen; give what has none."""
    seen = _seen(window, given.labels)
    due = seen.sum(axis=(0, 1))
    gone = (seen & ~np.isfinite(given.values)).sum(axis=(0, 1))
    shares = {name: gone[own].sum() / max(due[own].sum(), 1) for name, own in places.items()}
    where = "where pixels were seen"
    many = [f"of {name} in {100 * share:.1f} %" for name, share in shares.items() if share > HALF]
    report = Report(
        warnings=(f"gives no value {', '.join(many)} {where}",) if many else (),
        counts=(f"no value in {100 * gone.sum() / max(due.sum(), 1):.1f} % {where}",),
    )
    return report, tuple(name for name, share in shares.items() if share == 1)


def _seen(window: Window, labels: tuple[str, ...]) -> np.ndarray:
    """Tell where a value is due, bool (y, x, label): with raw dates on days that are no mark."""
    due = np.repeat(window.seen[..., None], len(labels), axis=2)
    if not window.wanted.layout.raw:
        return due
    there = ~raw_dates.marked(window.cube[..., *window.inner])[:, 0]
    place = {f"{day:%Y%m%d}": number for number, day in enumerate(window.wanted.dates)}
    for number, label in enumerate(labels):
        match = LABEL.fullmatch(label)
        if match and match["day"] in place:
            due[..., number] = there[place[match["day"]]]
    return due


def _counted(function: Function) -> str:
    """Say what a function gives."""
    parts = []
    if function.series:
        parts.append(f"for every date {', '.join(function.series)}")
    if function.statics:
        count = len(function.statics)
        parts.append(f"{count} label{'s' if count > 1 else ''}")
    return " and ".join(parts)


def _labels_of(function: Function) -> dict[str, list[int]]:
    """Give the places of the labels of each index, and of each label that is no series."""
    found: dict[str, list[int]] = {name: [] for name in (*function.series, *function.statics)}
    for place, label in enumerate(function.labels):
        match = LABEL.fullmatch(label)
        found[label if label in function.statics or not match else match["index"]].append(place)
    return found
