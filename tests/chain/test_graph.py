"""Edges follow from what steps read and write; what does not fit is told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import toy

from i2lc.chain import graph, recipe
from i2lc.chain.graph import Graph
from i2lc.chain.units import Units
from i2lc.errors import GraphError
from i2lc.steps import artifacts
from i2lc.steps.contract import Artifact, File, Step, Unit

ALL = [value for value in vars(artifacts).values() if isinstance(value, Artifact)]
FOUR = [(False, False), (True, False), (False, True), (True, True)]
SMALL = Units(
    strips={"T31TCJ": 2, "T31TDJ": 2}, sampled={"T31TCJ": [0], "T31TDJ": [0, 1]}, seeds=2, pairs=3
)


@pytest.fixture(scope="module")
def made() -> Graph:
    return graph.build(toy.STEPS, toy.UNITS)


@pytest.fixture(scope="module")
def real() -> Graph:
    return graph.build(recipe.land_cover(True, True), SMALL)


def before(made: Graph, name: str) -> list[str]:
    return sorted(made.edges.predecessors(name))


def paths(files: Sequence[File]) -> list[str]:
    return [file.path for file in files]


def test_tasks_are_the_units_of_each_step(made: Graph) -> None:
    assert list(made.tasks) == [
        "look/T1",
        "look/T2",
        "cut/T1_strip_1",
        "cut/T2_strip_0",
        "cut/T2_strip_2",
        "train/seed_0_hyp_0",
        "train/seed_0_hyp_1",
        "train/seed_1_hyp_0",
        "train/seed_1_hyp_1",
        "choose/seed_0",
        "choose/seed_1",
        "paint/T1",
        "paint/T2",
        "tell/all",
    ]
    assert [task.name for task in made.of(toy.CUT)] == list(made.tasks)[2:5]


def test_a_shared_axis_ties_the_same_value_only(made: Graph) -> None:
    assert before(made, "look/T1") == []
    assert before(made, "cut/T1_strip_1") == ["look/T1"]
    assert before(made, "cut/T2_strip_2") == ["look/T2"]
    assert before(made, "choose/seed_1") == ["train/seed_1_hyp_0", "train/seed_1_hyp_1"]


def test_an_axis_that_only_the_artifact_has_is_gathered(made: Graph) -> None:
    parts = ["cut/T1_strip_1", "cut/T2_strip_0", "cut/T2_strip_2"]
    for name in ("train/seed_0_hyp_0", "train/seed_1_hyp_1"):
        assert before(made, name) == parts
    assert paths(made.tasks["train/seed_0_hyp_1"].inputs) == [
        "parts/T1_1.txt",
        "parts/T2_0.txt",
        "parts/T2_2.txt",
    ]
    assert before(made, "tell/all") == ["paint/T1", "paint/T2"]


def test_a_task_writes_all_values_of_an_axis_beyond_its_unit(made: Graph) -> None:
    assert paths(made.tasks["paint/T2"].outputs) == ["final/T2_0.txt", "final/T2_1.txt"]
    assert before(made, "paint/T2") == ["choose/seed_0", "choose/seed_1", "look/T2"]
    assert made.producers["final/T2_1.txt"] == "paint/T2"


def test_order_puts_producers_first(made: Graph) -> None:
    place = {task.name: number for number, task in enumerate(made.order())}
    assert len(place) == len(made.tasks)
    assert all(place[a] < place[b] for a, b in made.edges.edges)


def test_strips_come_in_the_order_of_numbers() -> None:
    many = Units(strips={"T": 12}, sampled={"T": list(range(12))}, seeds=1, pairs=1)
    files = graph.build(toy.STEPS, many).tasks["train/seed_0_hyp_0"].inputs
    assert [file.unit.strip for file in files] == list(range(12))


def test_two_producers_are_an_error() -> None:
    twin = toy.step("twin", "init", ("tile",), (), (toy.INDEX,))
    with pytest.raises(GraphError, match=r"^artifact index is written by look and twin$"):
        graph.build((*toy.STEPS, twin), toy.UNITS)


def test_a_missing_producer_is_an_error() -> None:
    with pytest.raises(GraphError, match=r"^step cut reads index, which no step writes$"):
        graph.build(toy.STEPS[1:], toy.UNITS)


def test_a_circle_is_an_error() -> None:
    one, two = Artifact("one", "one/{tile}", ""), Artifact("two", "two/{tile}", "")
    circle = (
        toy.step("left", "init", ("tile",), (two,), (one,)),
        toy.step("right", "init", ("tile",), (one,), (two,)),
    )
    wanted = "^tasks wait for each other: (left/T1 -> right/T1|right/T1 -> left/T1)"
    with pytest.raises(GraphError, match=wanted):
        graph.build(circle, toy.UNITS)


def test_a_step_that_writes_nothing_is_an_error() -> None:
    with pytest.raises(GraphError, match="step idle declares no output"):
        toy.step("idle", "init", (), (toy.INDEX,), ())


def test_a_unit_without_an_axis_of_the_path_is_an_error() -> None:
    with pytest.raises(GraphError, match="artifact part: no value for strip in T1"):
        toy.PART.path(Unit(tile="T1"))


# The recipe of i2lc.


@pytest.mark.parametrize("asked", FOUR)
def test_each_artifact_that_is_read_is_written_by_one_step(asked: tuple[bool, bool]) -> None:
    steps = recipe.land_cover(*asked)
    written = [artifact for step in steps for artifact in step.outputs]
    assert len(written) == len(set(written))
    for step in steps:
        assert set(step.inputs) <= set(written), step.name
        order = steps.index(step)
        earlier = {artifact for known in steps[:order] for artifact in known.outputs}
        assert set(step.inputs) <= earlier, f"{step.name} stands before a step that it reads"
    assert graph.build(steps, SMALL).edges.number_of_nodes()


def test_the_page_of_artifacts_has_none_to_spare() -> None:
    written = {artifact for step in recipe.land_cover(True, True) for artifact in step.outputs}
    assert written == set(ALL)
    assert len({artifact.name for artifact in ALL}) == len(ALL)
    assert len({artifact.pattern for artifact in ALL}) == len(ALL)
    assert all(artifact.about for artifact in ALL)


def test_probabilities_change_the_recipe() -> None:
    def extra(asked: tuple[bool, bool]) -> set[str]:
        def outputs(steps: Sequence[Step]) -> set[Artifact]:
            return {artifact for step in steps for artifact in step.outputs}

        return {a.name for a in outputs(recipe.land_cover(*asked)) - outputs(recipe.STEPS)}

    tiles = {"probabilities of a strip", "probabilities of a tile"}
    assert [extra(asked) for asked in FOUR] == [
        set(),
        tiles,
        {*tiles, "probability map"},
        {*tiles, "probability map"},
    ]
    names = [[step.name for step in recipe.land_cover(*asked)] for asked in FOUR]
    assert names == [[step.name for step in recipe.STEPS]] * 4


def test_names_and_groups_of_the_steps() -> None:
    names = [step.name for step in recipe.STEPS]
    assert len(set(names)) == len(names)
    groups = [recipe.GROUPS.index(step.group) for step in recipe.STEPS]
    assert groups == sorted(groups)
    assert set(groups) == set(range(len(recipe.GROUPS)))


def test_no_two_tasks_write_one_file(real: Graph) -> None:
    files = [file.path for task in real.tasks.values() for file in task.outputs]
    assert len(files) == len(set(files)) == len(real.producers)


def test_edges_of_the_chain(real: Graph) -> None:
    assert before(real, "tile_index/T31TCJ") == ["check_inputs/all"]
    assert before(real, "merge_samples/seed_1") == [
        "polygons/all",
        "samples/T31TCJ_strip_0",
        "samples/T31TDJ_strip_0",
        "samples/T31TDJ_strip_1",
    ]
    assert before(real, "training/seed_1_hyp_2") == ["merge_samples/seed_1"]
    assert before(real, "model_choice/seed_0") == [f"training/seed_0_hyp_{k}" for k in range(3)]
    assert before(real, "classification/T31TCJ_strip_1") == [
        "envelopes/all",
        "model_choice/seed_0",
        "model_choice/seed_1",
        "polygons/all",
        "tile_index/T31TCJ",
    ]
    assert before(real, "tile_maps/T31TDJ") == [
        "classification/T31TDJ_strip_0",
        "classification/T31TDJ_strip_1",
        "tile_index/T31TDJ",
    ]
    assert "mosaic/seed_0" in before(real, "confusion/T31TCJ_seed_0")
    assert "mosaic/seed_1" not in before(real, "confusion/T31TCJ_seed_0")
