"""Tasks and edges, derived from the artifacts that steps declare; nobody draws an edge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import networkx as nx

from ..errors import GraphError
from ..steps.contract import Artifact, File, Step, Unit, sort_key
from .units import Units


@dataclass(frozen=True)
class Task:
    """One step on one unit."""

    step: Step
    unit: Unit
    inputs: tuple[File, ...]
    outputs: tuple[File, ...]
    after: tuple[File, ...] = ()
    """Files that must be there first, though the result does not depend on them."""

    @cached_property
    def name(self) -> str:
        """Name in logs and messages."""
        return f"{self.step.name}/{self.unit}"


@dataclass(frozen=True)
class Graph:
    """All tasks of a run and which task waits for which."""

    steps: tuple[Step, ...]
    tasks: dict[str, Task]
    """By name, in the order of steps and units."""
    edges: nx.DiGraph
    """Names of tasks; an edge runs from the producer to the reader."""

    @cached_property
    def producers(self) -> dict[str, str]:
        """Name of the task that writes each path."""
        return {file.path: task.name for task in self.tasks.values() for file in task.outputs}

    def of(self, step: Step) -> list[Task]:
        """Give the tasks of a step."""
        return [task for task in self.tasks.values() if task.step == step]

    def order(self) -> Sequence[Task]:
        """Give all tasks, producers first."""
        return self._ordered

    @cached_property
    def _ordered(self) -> tuple[Task, ...]:
        return tuple(self.tasks[name] for name in nx.topological_sort(self.edges))


def build(steps: Sequence[Step], units: Units) -> Graph:
    """Derive tasks and edges.

    Raises
    ------
    GraphError
        An artifact with two producing steps or none, steps that wait for each other, or two
        tasks of one name or with one file to write.
    """
    _check_producers(steps)
    written = {
        step: {unit: tuple(_outputs(step, unit, units)) for unit in units.of(step.per)}
        for step in steps
    }
    index = _Index(
        file for by_unit in written.values() for files in by_unit.values() for file in files
    )
    tasks: dict[str, Task] = {}
    for step, by_unit in written.items():
        for unit, outputs in by_unit.items():
            at = replace(unit, **step.reads_at)
            inputs = tuple(file for artifact in step.inputs for file in index.find(artifact, at))
            after = tuple(file for artifact in step.after for file in index.find(artifact, at))
            task = Task(step, unit, inputs, outputs, after)
            if tasks.setdefault(task.name, task) is not task:
                raise GraphError(f"two tasks have the name {task.name}")
    _check_paths(tasks.values())
    graph = Graph(tuple(steps), tasks, nx.DiGraph())
    graph.edges.add_nodes_from(tasks)
    for task in tasks.values():
        before = task.inputs + task.after
        graph.edges.add_edges_from((graph.producers[file.path], task.name) for file in before)
    try:
        graph.order()
    except nx.NetworkXUnfeasible:
        circle = " -> ".join(a for a, _ in nx.find_cycle(graph.edges))
        raise GraphError(f"tasks wait for each other: {circle}") from None
    return graph


def _check_producers(steps: Sequence[Step]) -> None:
    producers: dict[Artifact, list[str]] = defaultdict(list)
    for step in steps:
        for artifact in step.outputs:
            producers[artifact].append(step.name)
    for artifact, names in producers.items():
        if len(names) > 1:
            raise GraphError(f"artifact {artifact.name} is written by {' and '.join(names)}")
    for step in steps:
        for artifact in step.inputs + step.after:
            if artifact not in producers:
                raise GraphError(f"step {step.name} reads {artifact.name}, which no step writes")


def _check_paths(tasks: Iterable[Task]) -> None:
    writers: dict[str, str] = {}
    for task in tasks:
        for file in task.outputs:
            if file.path in writers:
                raise GraphError(f"{file.path} is written by {writers[file.path]} and {task.name}")
            writers[file.path] = task.name


def _outputs(step: Step, unit: Unit, units: Units) -> Iterator[File]:
    """Give the files that a task writes; an axis beyond its unit takes all values."""
    for artifact in step.outputs:
        for full in units.expand(unit, artifact.level):
            yield File(artifact, full)


class _Index:
    """Finds the files of an artifact that agree with a unit."""

    def __init__(self, files: Iterable[File]) -> None:
        self._files: dict[Artifact, list[File]] = defaultdict(list)
        for file in files:
            self._files[file.artifact].append(file)
        self._by_key: dict[tuple[str, tuple[str, ...]], dict[tuple[Any, ...], list[File]]] = {}

    def find(self, artifact: Artifact, unit: Unit) -> list[File]:
        """Give the files, sorted by unit."""
        shared = tuple(axis for axis in artifact.level if getattr(unit, axis) is not None)
        key = (artifact.name, shared)
        if key not in self._by_key:
            groups: dict[tuple[Any, ...], list[File]] = defaultdict(list)
            for file in sorted(self._files[artifact], key=lambda file: sort_key(file.unit)):
                groups[_values(file.unit, shared)].append(file)
            self._by_key[key] = groups
        return self._by_key[key].get(_values(unit, shared), [])


def _values(unit: Unit, axes: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple([getattr(unit, axis) for axis in axes])
