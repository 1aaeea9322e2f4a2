"""Edges follow from what steps read and write; what does not fit is told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import toy

from i2lc.chain import graph, recipe
from i2lc.chain.graph import Graph
from i2lc.chain.recipe import Asked
from i2lc.chain.units import Units
from i2lc.errors import GraphError
from i2lc.steps import artifacts
from i2lc.steps.contract import Artifact, File, Unit
from i2lc.steps.maps.features_product import Product

ALL = [value for value in vars(artifacts).values() if isinstance(value, Artifact)]
BOTH = Asked(probabilities=True, probability_mosaic=True)
EVERYTHING = replace(BOTH, regions=True, augmentation=True, folds=True, user_networks=True)
SCORES = Asked(regions=True, augmentation=True, folds=True, maps=False)
PRODUCT = Product("features_map", "geotiff", "float32", per_tile=False, nodata=-10000)
OWN = Asked(external=("my.py", "other.py"), features_map=PRODUCT)
SMALL = Units(
    strips={"T31TCJ": 2, "T31TDJ": 2}, sampled={"T31TCJ": [0], "T31TDJ": [0, 1]}, seeds=2, pairs=3
)
LARGE = replace(SMALL, models=("A", "Bf1", "Bf2"), folds=(0, 1, 2))
ASKED = [
    (Asked(), SMALL),
    (Asked(probabilities=True), SMALL),
    (Asked(probability_mosaic=True), SMALL),
    (BOTH, SMALL),
    (Asked(regions=True), replace(SMALL, models=("A", "B"))),
    (Asked(augmentation=True), SMALL),
    (Asked(folds=True), replace(SMALL, folds=(0, 1, 2))),
    (EVERYTHING, LARGE),
    (SCORES, replace(LARGE, folds=(1, 2))),
    (Asked(external=()), SMALL),
    (OWN, SMALL),
    (replace(OWN, features_map=replace(PRODUCT, per_tile=True)), SMALL),
    (replace(OWN, external=None), SMALL),
    (replace(OWN, classification=False), SMALL),
    (replace(OWN, external=None, classification=False), SMALL),
    (Asked(given_model=True, probability_mosaic=True), SMALL),
    (Asked(given_model=True, external=("my.py",)), SMALL),
]


@pytest.fixture(scope="module")
def made() -> Graph:
    return graph.build(toy.STEPS, toy.UNITS)


@pytest.fixture(scope="module")
def real() -> Graph:
    return graph.build(recipe.land_cover(BOTH), SMALL)


@pytest.fixture(scope="module")
def full() -> Graph:
    """All axes: three models, two folds."""
    return graph.build(recipe.land_cover(EVERYTHING), LARGE)


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


def test_two_tasks_of_one_name_are_an_error() -> None:
    """A region "A_fold_1" beside a region "A" with folds, were it let in."""
    models = Artifact("models", "model_{region}_{fold}", "")
    learn = toy.step("learn", "init", ("region", "fold"), (), (models,))
    units = replace(toy.UNITS, models=("A", "A_fold_1"), folds=(0, 1))
    with pytest.raises(GraphError, match=r"^two tasks have the name learn/region_A_fold_1$"):
        graph.build((learn,), units)


def test_two_tasks_that_write_one_file_are_an_error() -> None:
    one, two = Artifact("one", "same/{tile}", ""), Artifact("two", "same/{tile}", "")
    steps = tuple(toy.step(a.name, "init", ("tile",), (), (a,)) for a in (one, two))
    with pytest.raises(GraphError, match=r"^same/T1 is written by one/T1 and two/T1$"):
        graph.build(steps, toy.UNITS)


def test_a_step_that_writes_nothing_is_an_error() -> None:
    with pytest.raises(GraphError, match="step idle declares no output"):
        toy.step("idle", "init", (), (toy.INDEX,), ())


def test_a_unit_without_an_axis_of_the_path_is_an_error() -> None:
    with pytest.raises(GraphError, match="artifact part: no value for strip in T1"):
        toy.PART.path(Unit(tile="T1"))


# The recipe of i2lc.


@pytest.mark.parametrize(("asked", "units"), ASKED)
def test_each_artifact_that_is_read_is_written_by_one_step(asked: Asked, units: Units) -> None:
    steps = recipe.steps_of(asked)
    written = [artifact for step in steps for artifact in step.outputs]
    assert len(written) == len(set(written))
    for step in steps:
        assert set(step.inputs) <= set(written), step.name
        order = steps.index(step)
        earlier = {artifact for known in steps[:order] for artifact in known.outputs}
        assert {*step.inputs, *step.after} <= earlier, (
            f"{step.name} stands before a step that it reads"
        )
    built = graph.build(steps, units)
    files = [file.path for task in built.tasks.values() for file in task.outputs]
    assert len(files) == len(set(files)) == len(built.producers)
    for task in built.tasks.values():
        assert {file.artifact for file in task.inputs} == set(task.step.inputs), task.name


def test_the_page_of_artifacts_has_none_to_spare() -> None:
    estimators = replace(EVERYTHING, scikit=True, cross_validation=True, user_networks=False)
    made = [
        *recipe.land_cover(EVERYTHING),
        *recipe.land_cover(estimators),
        *recipe.prediction(Asked(given_model=True)),
        *recipe.land_cover(replace(OWN, external=())),
    ]
    written = {artifact for step in made for artifact in step.outputs}
    assert written == set(ALL)
    assert len({artifact.name for artifact in ALL}) == len(ALL)
    assert len({artifact.pattern for artifact in ALL}) == len(ALL)
    assert all(artifact.about for artifact in ALL)


def test_names_and_groups_of_the_steps() -> None:
    names = [step.name for step in recipe.STEPS]
    assert len(set(names)) == len(names)
    groups = [recipe.GROUPS.index(step.group) for step in recipe.STEPS]
    assert groups == sorted(groups)
    assert set(groups) == set(range(len(recipe.GROUPS)))


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


def test_edges_of_external_features() -> None:
    made = graph.build(recipe.land_cover(OWN), SMALL)
    copies = ["model/external_features/my.py", "model/external_features/other.py"]
    assert paths(made.tasks["check_external/all"].outputs) == [
        "features/external_features.json",
        "external_check.txt",
        *copies,
    ]
    assert before(made, "check_external/all") == ["check_inputs/all"]
    tile = made.tasks["tile_index/T31TCJ"]
    assert before(made, tile.name) == ["check_external/all", "check_inputs/all"]
    assert tile.inputs == ()
    for name in ("samples/T31TDJ_strip_1", "classification/T31TCJ_strip_0"):
        assert "check_external/all" in before(made, name)
        assert set(copies) < set(paths(made.tasks[name].inputs))
    assert before(made, "features_map/T31TDJ_strip_0") == [
        "check_external/all",
        "envelopes/all",
        "tile_index/T31TDJ",
    ]
    strips = [f"features_map/{tile}_strip_{k}" for tile in ("T31TCJ", "T31TDJ") for k in (0, 1)]
    assert before(made, "features_mosaic/all") == [
        "check_external/all",
        "envelopes/all",
        *strips,
        "tile_index/T31TCJ",
        "tile_index/T31TDJ",
    ]


def test_a_features_map_a_tile() -> None:
    asked = Asked(features_map=replace(PRODUCT, name="mine", per_tile=True))
    made = graph.build(recipe.land_cover(asked), SMALL)
    assert [name for name in made.tasks if name.startswith("features_mosaic")] == [
        "features_mosaic/T31TCJ",
        "features_mosaic/T31TDJ",
    ]
    assert paths(made.tasks["features_mosaic/T31TDJ"].outputs) == ["final/mine_T31TDJ.tif"]
    assert before(made, "features_mosaic/T31TDJ") == [
        "envelopes/all",
        "features_map/T31TDJ_strip_0",
        "features_map/T31TDJ_strip_1",
        "tile_index/T31TDJ",
    ]


def test_functions_of_a_given_model_are_tried_at_its_dates() -> None:
    made = graph.build(recipe.prediction(Asked(given_model=True, external=("my.py",))), SMALL)
    assert before(made, "check_external/all") == ["check_inputs/all", "given_model/all"]
    assert before(made, "tile_index/T31TCJ") == ["check_inputs/all"]
    assert "check_external/all" in before(made, "classification/T31TCJ_strip_0")


def test_edges_between_regions_and_folds(full: Graph) -> None:
    unit = "region_Bf1_fold_2_seed_1"
    assert before(full, "selection/fold_2_seed_1") == ["polygons/all"]
    assert before(full, f"augmentation/{unit}") == [f"merge_samples/{unit}", "polygons/all"]
    assert before(full, f"training/{unit}_hyp_0") == [f"augmentation/{unit}"]
    assert before(full, f"model_choice/{unit}") == [f"training/{unit}_hyp_{k}" for k in range(3)]
    assert before(full, "proof/fold_2_seed_1") == [
        *(f"augmentation/region_{name}_fold_2_seed_1" for name in ("A", "Bf1", "Bf2")),
        "polygons/all",
        "tile_index/T31TCJ",
        "tile_index/T31TDJ",
    ]
    assert before(full, "report/all") == [  # of the run alone: no fold can take its results away
        *(f"confusion/{tile}_seed_{s}" for tile in ("T31TCJ", "T31TDJ") for s in (0, 1)),
        *(f"model_choice/region_{name}_seed_{s}" for name in ("A", "Bf1", "Bf2") for s in (0, 1)),
        "polygons/all",
    ]
    assert before(full, "confusion/T31TCJ_fold_1_seed_0") == [
        "mosaic/fold_1_seed_0",
        "polygons/all",
    ]
    assert before(full, "confusion/T31TCJ_seed_0") == ["mosaic/seed_0", "polygons/all"]


def test_one_pass_over_a_strip_serves_all_models(full: Graph) -> None:
    task = full.tasks["classification/T31TDJ_strip_1"]
    assert len([file for file in task.inputs if file.artifact is artifacts.MODEL]) == 3 * 3 * 2
    assert len([file for file in task.outputs if file.artifact is artifacts.LABEL_STRIP]) == 3 * 2
    assert "region_maps/T31TDJ" in before(full, task.name)
    samples = full.tasks["samples/T31TDJ_strip_1"]
    assert len([file for file in samples.inputs if file.artifact is artifacts.SELECTION]) == 3 * 2
    assert paths(samples.outputs) == ["learningSamples/parts/T31TDJ_SUBREGION_1_samples.nc"]


def test_without_maps_the_strips_with_polygons_alone_are_predicted() -> None:
    made = graph.build(recipe.land_cover(SCORES), replace(LARGE, folds=(1, 2)))
    predicted = [name for name in made.tasks if name.startswith("classification/")]
    assert predicted == [
        f"classification/{strip}"
        for strip in ("T31TCJ_strip_0", "T31TDJ_strip_0", "T31TDJ_strip_1")
    ]
    assert before(made, "confusion/T31TCJ_fold_1_seed_0") == [
        "classification/T31TCJ_strip_0",
        "polygons/all",
    ]
    assert not [name for name in made.tasks if name.startswith("selection/seed")]
