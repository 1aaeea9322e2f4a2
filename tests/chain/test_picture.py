"""The task graph as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
import toy

from i2lc.chain import graph
from i2lc.chain.telling import picture
from i2lc.errors import ConfigError

GRAPH = graph.build(toy.STEPS, toy.UNITS)
SIGNATURES = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def svg(made: graph.Graph, folder: Path) -> str:
    with mpl.rc_context({"svg.fonttype": "none"}):
        picture.draw(made, folder / "graph.svg")
    return (folder / "graph.svg").read_text()


@pytest.mark.parametrize("ending", sorted(picture.ENDINGS))
def test_the_ending_tells_the_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new" / f"graph{ending}"
    picture.draw(GRAPH, path)
    assert path.read_bytes().startswith(SIGNATURES[ending])


def test_each_task_is_a_node_and_each_edge_that_none_implies_a_line(tmp_path: Path) -> None:
    text = svg(GRAPH, tmp_path)
    for task in GRAPH.tasks.values():
        assert text.count(f">{task.step.name}<") == len(GRAPH.of(task.step))
        assert f">{task.unit}<" in text
    implied = {("look/T1", "paint/T1"), ("look/T2", "paint/T2")}  # by way of cut and train
    assert implied < set(GRAPH.edges.edges)
    assert text.count('id="line2d_') == GRAPH.edges.number_of_edges() - len(implied)


def test_many_tasks_are_shown_as_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MOST_TASKS", 5)
    text = svg(GRAPH, tmp_path)
    for words in ("look", "2 tasks", "cut", "3 tasks", "train", "4 tasks", "1 tasks"):
        assert f">{words}<" in text
    assert "strip_1" not in text
    assert text.count('id="line2d_') == 6  # look-cut, look-paint, cut-train, ... paint-tell


def test_a_thousand_strips_are_drawn_as_steps(tmp_path: Path) -> None:
    units = replace(toy.UNITS, strips={"T": 1000}, sampled={"T": range(1000)})
    assert ">1000 tasks<" in svg(graph.build(toy.STEPS, units), tmp_path)


@pytest.mark.parametrize("name", ["graph.dot", "graph", "graph.tif"])
def test_another_ending_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        picture.draw(GRAPH, tmp_path / name)
    assert str(caught.value) == (
        f"-execution_graph_files {tmp_path / name}: the ending must be one of .pdf, .png, .svg"
    )
    assert not list(tmp_path.iterdir())
