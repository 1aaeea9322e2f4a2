"""What a step, a unit and an artifact are: the few records on which the chain is built.

A step is a plain function with a constant ``STEP`` beside it. It declares the artifacts
it reads and writes; tasks and edges are derived from that (``chain.graph``). All that
passes between tasks is files, so ``run`` gets a :class:`Job` of paths and gives None.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from ..errors import GraphError, I2lcError


def _from_config_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return path if folder is None else folder / path.expanduser()


@contextmanager
def placed_in_file() -> Iterator[None]:
    """Turn an error of ours into one that pydantic places in the configuration file."""
    try:
        yield
    except I2lcError as error:
        raise ValueError(str(error)) from error


UserPath = Annotated[Path, AfterValidator(_from_config_folder)]
"""A path of the configuration file: a relative one starts in the file's folder."""


class Settings(BaseModel):
    """Base of the settings of a step: the part of the configuration that it uses.

    Field names are the keys of the configuration file; each has a description with its
    unit, from which the page of parameters is made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


@dataclass(frozen=True, order=True)
class Unit:
    """What a task is about. A field is None where the task spans all its values."""

    tile: str | None = None
    """Name of the tile, such as T31TCJ."""
    strip: int | None = None
    """Number of the strip in its tile, from 0 in the north."""
    region: str | None = None
    """Name of the model: that of a region, of a part of one (`<region>f<k>`), or WHOLE."""
    fold: int | None = None
    """Number of the fold of the cross-validation, from 1; MAIN where nothing is held out."""
    seed: int | None = None
    """Number of the run (random split), from 0."""
    hyp: int | None = None
    """Number of the hyperparameter pair, from 0."""

    def __str__(self) -> str:
        words = (_word(axis, value) for axis, value in self.given())
        return "_".join(word for word in words if word) or "all"

    def given(self) -> Iterator[tuple[str, Any]]:
        """Yield the (axis, value) pairs that are set."""
        for axis in AXES:
            value = getattr(self, axis)
            if value is not None:
                yield axis, value

    def agrees(self, other: Unit) -> bool:
        """Tell whether no axis that both units set has two values."""
        theirs = dict(other.given())
        return all(theirs.get(axis, value) == value for axis, value in self.given())

    def only(self, axes: Collection[str]) -> Unit:
        """Give the unit restricted to `axes`."""
        return Unit(*(getattr(self, axis) if axis in axes else None for axis in AXES))


AXES = ("tile", "strip", "region", "fold", "seed", "hyp")
"""Fields of a unit."""
WHOLE = ""
"""The region of a run without regions."""
MAIN = 0
"""The fold that holds nothing out: its model makes the map of the run."""


def _word(axis: str, value: str | int) -> str:
    """Give what the name of a unit says of an axis: nothing where there is no choice."""
    if axis == "tile":
        return str(value)
    if (axis, value) in {("region", WHOLE), ("fold", MAIN)}:
        return ""
    return f"{axis}_{quote(str(value), safe='')}"


def _part(axis: str, value: str | int) -> str:
    """Give what stands for an axis in the path of a file."""
    if axis == "region":
        return quote(str(value), safe="") or "1"
    if axis == "fold":
        return "" if value == MAIN else f"_fold_{value}"
    return str(value)


@dataclass(frozen=True)
class Artifact:
    """A kind of file of the chain."""

    name: str
    """Word for it in messages and records."""
    pattern: str
    """Path relative to the output folder; braces name the axes of its level."""
    about: str
    """One line: what the file holds."""

    @cached_property
    def level(self) -> tuple[str, ...]:
        """Axes that tell one file of this kind from another, as named in the pattern."""
        names = (name for _, name, _, _ in string.Formatter().parse(self.pattern) if name)
        return tuple(dict.fromkeys(names))

    def path(self, unit: Unit) -> str:
        """Give the path of the file of `unit`, relative to the output folder."""
        values = {axis: _part(axis, value) for axis, value in unit.given()}
        if missing := [axis for axis in self.level if axis not in values]:
            raise GraphError(f"artifact {self.name}: no value for {', '.join(missing)} in {unit}")
        return self.pattern.format(**values)


@dataclass(frozen=True)
class File:
    """One file of the chain: an artifact with its unit."""

    artifact: Artifact
    unit: Unit

    @cached_property
    def path(self) -> str:
        """Path relative to the output folder."""
        return self.artifact.path(self.unit)


@dataclass(frozen=True)
class Job:
    """What the function of a step gets: where to read, where to write, with which settings."""

    unit: Unit
    """The unit of the task."""
    settings: Any
    """Instance of the step's settings model."""
    root: Path
    """Output folder of the run."""
    inputs: tuple[File, ...]
    """Files to read; all exist when the job starts."""
    outputs: tuple[File, ...]
    """Files to write; each must exist when the job ends."""
    cpus: int = 1
    """Threads that the task may use. Never changes a result."""
    ram: int = 2 * 1024**3
    """Memory that the task may use, in bytes. Never changes a result."""
    gpus: int = 0
    """GPUs that the task may use. Decides the device."""

    def input(self, artifact: Artifact, **axes: Any) -> Path:
        """Give the path of the one input of kind `artifact` that agrees with `axes`."""
        return self._one(self.inputs, artifact, axes)

    def output(self, artifact: Artifact, **axes: Any) -> Path:
        """Give the path of the one output of kind `artifact` that agrees with `axes`."""
        return self._one(self.outputs, artifact, axes)

    def every(self, artifact: Artifact) -> dict[Unit, Path]:
        """Give the paths of all inputs of kind `artifact`, by unit, in the order of units."""
        found = {f.unit: self.root / f.path for f in self.inputs if f.artifact == artifact}
        return dict(sorted(found.items(), key=lambda item: sort_key(item[0])))

    def writes(self, artifact: Artifact) -> bool:
        """Tell whether the job is asked to write files of kind `artifact`."""
        return any(f.artifact == artifact for f in self.outputs)

    def _one(self, files: tuple[File, ...], artifact: Artifact, axes: Mapping[str, Any]) -> Path:
        wanted = Unit(**axes)
        found = [f for f in files if f.artifact == artifact and f.unit.agrees(wanted)]
        if len(found) != 1:
            raise GraphError(
                f"task on {self.unit} has {len(found)} files {artifact.name} for {wanted}, not one"
            )
        return self.root / found[0].path


def no_sources(settings: Any, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give no file: the step reads artifacts alone."""
    return ()


def all_settings(settings: Any, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give all settings of a step as plain data: each decides the result."""
    return settings.model_dump(mode="json")


@dataclass(frozen=True)
class Step:
    """One step of the chain: a function, what it reads and writes, and its unit of work."""

    name: str
    """Name in logs, records and on the command line."""
    group: str
    """Step group of iota2: init, sampling, learning, classification, mosaic, validation."""
    title: str
    """One line for the summary."""
    run: Callable[[Job], None]
    """The work; a module-level function, so that it pickles by reference."""
    settings: type[Settings]
    """Model of the configuration keys that the step uses."""
    per: tuple[str, ...]
    """Axes of its unit of work; an empty tuple is one task."""
    inputs: tuple[Artifact, ...]
    outputs: tuple[Artifact, ...]
    resource: str
    """Block of the resource file (iota2's names) that sizes its tasks."""
    sources: Callable[[Any, Unit], Iterable[Path]] = no_sources
    """Files from outside the run folder that a task reads."""
    after: tuple[Artifact, ...] = ()
    """Artifacts that must be there first, though no result depends on what they hold."""
    reads_at: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Values of axes beyond its unit at which it reads; without one, it reads at all."""
    uses: Callable[[Any, Unit], dict[str, Any]] = all_settings
    """Settings that decide the result of a task, as plain data."""
    unmoved_by: Mapping[Artifact, tuple[str | Artifact, ...]] = field(
        default_factory=dict, compare=False
    )
    """Settings and inputs of an artifact's task that can change without a change to what is read
    in it: for an output, whoever reads it; for an input, as far as this step reads it."""

    def __post_init__(self) -> None:
        if not self.outputs:
            raise GraphError(f"step {self.name} declares no output")


def sort_key(unit: Unit) -> tuple[tuple[int, Any], ...]:
    """Order units by tile, strip, region, fold, seed, pair; an unset axis comes first."""
    values = (getattr(unit, axis) for axis in AXES)
    return tuple((0, 0) if value is None else (1, value) for value in values)
