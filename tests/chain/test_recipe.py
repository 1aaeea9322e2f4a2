"""Which steps a run has, and which files they read and write, for what it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import tiny, with_keys

from i2lc.chain import plan, recipe
from i2lc.chain.recipe import Asked
from i2lc.chain.settings import config
from i2lc.steps import check_external, check_tiles
from i2lc.steps.artifacts import EXTERNAL, user_module
from i2lc.steps.contract import Step
from i2lc.steps.maps.features_product import Product

PLAIN = [
    "check_inputs",
    "tile_index",
    "envelopes",
    "polygons",
    "selection",
    "class_statistics",
    "samples",
    "merge_samples",
    "training",
    "model_choice",
    "classification",
    "tile_maps",
    "mosaic",
    "validity",
    "confusion",
    "report",
]


def names(asked: Asked) -> list[str]:
    return [step.name for step in recipe.land_cover(asked)]


def step(asked: Asked, name: str) -> Step:
    return next(made for made in recipe.land_cover(asked) if made.name == name)


def more(asked: Asked) -> dict[str, tuple[set[str], set[str]]]:
    """Name what the steps of a plain run read and write beside (+) or no longer (-)."""

    def files(made: Step) -> tuple[set[str], set[str]]:
        return {file.name for file in made.inputs}, {file.name for file in made.outputs}

    def compared(mine: set[str], plain: set[str]) -> set[str]:
        return {f"+{name}" for name in mine - plain} | {f"-{name}" for name in plain - mine}

    found = {}
    plain = {made.name: files(made) for made in recipe.land_cover()}
    for made in recipe.land_cover(asked):
        if made.name in plain:
            pairs = zip(files(made), plain[made.name], strict=True)
            reads, writes = (compared(mine, other) for mine, other in pairs)
            if reads or writes:
                found[made.name] = (reads, writes)
    return found


def test_a_plain_run() -> None:
    assert names(Asked()) == PLAIN
    assert recipe.land_cover() == recipe.land_cover(Asked())


def test_regions_have_their_maps() -> None:
    asked = Asked(regions=True)
    wanted = PLAIN.copy()
    wanted.insert(3, "region_maps")
    assert names(asked) == wanted
    assert more(asked) == {"classification": ({"+regions of a tile"}, set())}


def test_synthetic_samples_stand_between_the_merged_ones_and_the_training() -> None:
    asked = Asked(augmentation=True)
    wanted = PLAIN.copy()
    wanted.insert(wanted.index("training"), "augmentation")
    assert names(asked) == wanted
    merged = {"-samples", "+samples before augmentation"}
    assert more(asked) == {"merge_samples": (set(), merged)}
    assert [file.name for file in step(asked, "augmentation").outputs] == ["samples"]


def test_folds_are_proven_and_reported() -> None:
    asked = Asked(folds=True)
    wanted = PLAIN.copy()
    wanted.insert(wanted.index("report"), "proof")
    assert names(asked) == [*wanted, "fold_report"]
    assert more(asked) == {}


def test_an_estimator_stands_in_place_of_networks() -> None:
    asked = Asked(scikit=True)
    start = PLAIN.index("training")
    assert names(asked) == [*PLAIN[:start], "scikit_training", *PLAIN[start + 2 :]]
    models = {"-model", "+model of scikit-learn"}
    assert more(asked) == {"classification": (models, set()), "report": (models, set())}
    made = step(asked, "scikit_training")
    assert (made.per, made.resource) == (("region", "fold", "seed"), "training")
    assert [file.name for file in made.inputs] == ["samples"]
    assert [file.name for file in made.outputs] == ["model of scikit-learn"]
    chosen = step(Asked(scikit=True, cross_validation=True), "scikit_training")
    assert [file.name for file in chosen.outputs] == [
        "model of scikit-learn",
        "cross-validation of keywords",
    ]


def test_an_estimator_with_all_else() -> None:
    asked = Asked(scikit=True, folds=True, maps=False, regions=True, probabilities=True)
    reads, writes = more(asked)["classification"]
    assert reads == {"-model", "+model of scikit-learn", "+regions of a tile", "+reference"}
    assert writes == {"+probabilities of a strip"}


def test_scores_alone_need_no_map() -> None:
    asked = Asked(folds=True, maps=False)
    maps = {"tile_maps", "mosaic", "validity", "report"}
    assert names(asked) == [
        *(name for name in PLAIN if name not in maps),
        "proof",
        "fold_report",
    ]
    assert more(asked) == {
        "classification": ({"+reference"}, set()),
        "confusion": (
            {"-map", "-confidence", "+labels of a strip", "+confidence of a strip"},
            set(),
        ),
    }
    assert step(asked, "classification").per == ("tile", "sampled_strip")
    assert step(Asked(folds=True), "classification").per == ("tile", "strip")


def test_scores_alone_with_regions() -> None:
    asked = Asked(folds=True, maps=False, regions=True)
    reads, _ = more(asked)["classification"]
    assert reads == {"+regions of a tile", "+reference"}
    assert step(asked, "classification").per == ("tile", "sampled_strip")


STRIP, TILE, WHOLE_MAP = "probabilities of a strip", "probabilities of a tile", "probability map"
BY_TILE = {
    "classification": (set(), {f"+{STRIP}"}),
    "tile_maps": ({f"+{STRIP}"}, {f"+{TILE}"}),
}
"""What a run that keeps the probabilities of each tile reads and writes beside."""


@pytest.mark.parametrize("probabilities", [False, True])
def test_probabilities_change_files_and_no_step(probabilities: bool) -> None:
    by_tile, mosaic = Asked(probabilities=True), Asked(probabilities, probability_mosaic=True)
    assert names(by_tile) == names(mosaic) == PLAIN
    assert more(by_tile) == BY_TILE
    assert more(mosaic) == {**BY_TILE, "mosaic": ({f"+{TILE}"}, {f"+{WHOLE_MAP}"})}
    assert (by_tile.any_probability, mosaic.any_probability) == (True, True)
    assert not Asked().any_probability


PRODUCT = Product("features_map", "zarr", "int16", per_tile=True, nodata=0)
OWN = {"+external features", "+functions of my.py"}


def test_functions_of_the_user_are_tried_first_and_read_where_features_are() -> None:
    asked = Asked(external=("my.py",))
    assert names(asked) == ["check_inputs", "check_external", *PLAIN[1:]]
    record = {"+external features"}
    assert more(asked) == {
        "samples": (OWN, set()),
        "training": (record, set()),
        "classification": (OWN, set()),
    }
    assert [file.name for file in step(asked, "check_external").outputs] == [
        "external features",
        "report of the external features",
        "functions of my.py",
    ]
    assert [file.name for file in step(asked, "tile_index").after] == [
        "input report",
        "external features",
    ]
    shipped = Asked(external=())
    assert names(shipped) == names(asked)
    assert more(shipped)["samples"] == (record, set())
    tree = Asked(external=("my.py",), scikit=True, cross_validation=True)
    made = step(tree, "scikit_training")
    assert [file.name for file in made.inputs] == ["samples", "external features"]
    assert "cross-validation of keywords" in {file.name for file in made.outputs}


def test_a_features_map_beside_the_land_cover_map() -> None:
    asked = Asked(features_map=PRODUCT)
    wanted = PLAIN.copy()
    wanted.insert(wanted.index("training"), "features_map")
    wanted.insert(wanted.index("validity"), "features_mosaic")
    assert names(asked) == wanted
    assert more(asked) == {}
    made = step(asked, "features_mosaic")
    assert made.per == ("tile",)
    assert [file.pattern for file in made.outputs] == ["final/features_map_{tile}.zarr/.zmetadata"]


def test_a_features_map_alone() -> None:
    asked = Asked(classification=False, features_map=PRODUCT, external=("my.py",))
    made = recipe.steps_of(asked)
    assert [step.name for step in made] == [
        "check_inputs",
        "check_external",
        "tile_index",
        "envelopes",
        "features_map",
        "features_mosaic",
    ]
    assert made[0] is check_tiles.STEP
    for step in made[4:]:
        assert "external features" in {file.name for file in step.inputs}
    bare = recipe.steps_of(replace(asked, external=None))
    assert [step.name for step in bare] == [
        step.name for step in made if step.name != "check_external"
    ]
    groups = [recipe.GROUPS.index(step.group) for step in made]
    assert groups == sorted(groups)


def test_functions_of_a_given_model() -> None:
    plain = recipe.steps_of(Asked(given_model=True))
    asked = Asked(given_model=True, external=("my.py",))
    made = recipe.steps_of(asked)
    behind = [step.name for step in plain].index("given_model") + 1
    assert [step.name for step in made] == [
        *(step.name for step in plain[:behind]),
        "check_external",
        *(step.name for step in plain[behind:]),
    ]
    tried = made[behind]
    assert [file.name for file in tried.inputs] == ["dates of the model"]
    assert tried.group == "learning"
    assert tried.settings is check_external.GivenSettings
    index = next(step for step in made if step.name == "tile_index")
    assert [file.name for file in index.after] == ["input report"]


def test_all_at_once_has_every_step() -> None:
    asked = Asked(
        regions=True, augmentation=True, folds=True, external=("my.py",), features_map=PRODUCT
    )
    other = {"scikit_training"}  # in place of the training of networks
    assert names(asked) == [made.name for made in recipe.STEPS if made.name not in other]
    parts = [Asked(regions=True), Asked(augmentation=True), Asked(external=("my.py",))]
    assert set(more(asked)) == {name for part in parts for name in more(part)}


# What a configuration asks for.


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("recipe") / "land", dates=4)


AUGMENTED = (
    'sample_augmentation : { activate : True, strategy : "replicate", '
    '"samples.strategy" : "balance" }'
)


@pytest.mark.parametrize(
    ("section", "line", "wanted"),
    [
        ("chain", "", Asked()),
        ("chain", 'region_path : "regions.shp"', Asked(regions=True)),
        ("chain", 'folds : { by : "tile" }', Asked(folds=True)),
        ("chain", 'folds : { by : "tile", output : "maps" }', Asked(folds=True)),
        ("arg_train", 'folds : { by : "tile", output : "scores" }', Asked(folds=True, maps=False)),
        ("arg_train", AUGMENTED, Asked(augmentation=True)),
        ("arg_train", AUGMENTED.replace("True", "False"), Asked()),
    ],
)
def test_what_a_configuration_asks_for(
    landscape: Path, section: str, line: str, wanted: Asked
) -> None:
    text, head = landscape.read_text(), f"{section} :\n{{\n"
    assert text.count(head) == 1
    path = landscape.with_name("asked.cfg")
    path.write_text(text.replace(head, f"{head} {line}\n"))
    assert plan.asked(config.load(path)) == wanted


def test_an_estimator_of_a_configuration(landscape: Path) -> None:
    text = landscape.read_text().replace('dl_name : "MLPClassifier"', "")
    path = landscape.with_name("scikit.cfg")
    section = "\nscikit_models_parameters :\n{\n %s\n}\n"
    forest = 'model_type : "RandomForestClassifier"'
    path.write_text(text + section % forest)
    assert plan.asked(config.load(path)) == Asked(scikit=True)
    path.write_text(
        text + section % f"{forest}\n cross_validation_parameters : {{ max_depth : [3] }}"
    )
    assert plan.asked(config.load(path)) == Asked(scikit=True, cross_validation=True)
    path.write_text(text + section % "model_type : None")
    assert plan.asked(config.load(path)) == Asked()


def test_probabilities_of_a_configuration(landscape: Path) -> None:
    path = with_keys(landscape, "probable.cfg", enable_probability_map="True")
    assert plan.asked(config.load(path)) == Asked(probabilities=True)
    path.write_text(
        path.read_text().replace("enable_probability_map", "generate_final_probability_map")
    )
    assert plan.asked(config.load(path)) == Asked(probability_mosaic=True)


def test_who_runs_the_copies_does_not_mind_what_reads_the_features() -> None:
    steps = recipe.land_cover(Asked(external=("mine.py",)))
    tried = next(step for step in steps if step.name == "check_external")
    facts = ("networks", "stored")
    assert tried.unmoved_by == {EXTERNAL: facts, user_module("mine.py"): facts}
