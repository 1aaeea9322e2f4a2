"""The task graph as a picture: a node a task, columns by step."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...errors import ConfigError
from ..graph import Graph

ENDINGS = {".png", ".svg", ".pdf"}
MOST_TASKS = 400
"""Beyond these a picture shows steps, with their number of tasks, instead of tasks."""


def draw(graph: Graph, path: Path) -> None:
    """Draw the graph.

    Parameters
    ----------
    graph : Graph
    path : Path
        Picture; the ending (.png, .svg, .pdf) tells the format.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"-execution_graph_files {path}: the ending must be one of {', '.join(sorted(ENDINGS))}"
        )
    detailed = len(graph.tasks) <= MOST_TASKS
    places = _task_places(graph) if detailed else _step_places(graph)
    edges = _task_edges(graph) if detailed else _step_edges(graph)
    tallest = max(abs(y) for _, y in places.values()) + 1
    figure = Figure(figsize=(2.2 * len(graph.steps), 1.5 + 0.9 * tallest), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for a, b in edges:
        (x0, y0), (x1, y1) = places[a], places[b]
        axes.plot([x0, x1], [y0, y1], color="0.75", linewidth=0.6, zorder=1)
    for name, (x, y) in places.items():
        axes.text(
            x, y, name.replace("/", "\n"), ha="center", va="center", fontsize=6, zorder=2,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "0.3"},
        )  # fmt: skip
    axes.set_xlim(-0.7, len(graph.steps) - 0.3)
    axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _task_places(graph: Graph) -> dict[str, tuple[float, float]]:
    places = {}
    for column, step in enumerate(graph.steps):
        tasks = graph.of(step)
        for row, task in enumerate(tasks):
            places[task.name] = (float(column), (len(tasks) - 1) / 2 - row)
    return places


def _step_places(graph: Graph) -> dict[str, tuple[float, float]]:
    return {
        f"{step.name}/{len(graph.of(step))} tasks": (float(column), float(column % 3 - 1))
        for column, step in enumerate(graph.steps)
    }


def _task_edges(graph: Graph) -> set[tuple[str, str]]:
    """Give the edges that no longer way implies, so that the picture can be read."""
    return set(nx.transitive_reduction(graph.edges).edges)


def _step_edges(graph: Graph) -> set[tuple[str, str]]:
    title = {step.name: f"{step.name}/{len(graph.of(step))} tasks" for step in graph.steps}
    return {(title[a.split("/")[0]], title[b.split("/")[0]]) for a, b in graph.edges.edges}
