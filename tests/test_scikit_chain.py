"""The whole chain with estimators of scikit-learn in place of networks."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from conftest import Ended, digests, run_apart, run_debug, tiny, with_keys

from i2lc.chain import cli
from i2lc.errors import TaskError
from i2lc.steps.scikit import model_file

pytestmark = pytest.mark.chain

FOREST = """ model_type : "RandomForestClassifier"
 n_estimators : 40
 min_samples_leaf : 2
"""
CHOSEN = """ model_type : "ExtraTreesClassifier"
 standardization : True
 n_estimators : 15
 cross_validation_parameters : { "max_depth" : [1, 12], "max_features" : ["sqrt", 0.5] }
 cross_validation_grouped : True
 cross_validation_folds : 3
"""


def with_estimator(config: Path, name: str, section: str, **keys: str) -> Path:
    """Write a copy of a configuration with an estimator in place of its network."""
    changed = with_keys(config, name, output_path=f'"{name[:-4]}"', **keys)
    text = changed.read_text()
    assert text.count('   dl_name : "MLPClassifier"\n') == 1
    text = text.replace('   dl_name : "MLPClassifier"\n', "")
    changed.write_text(f"{text}\nscikit_models_parameters :\n{{\n{section}}}\n")
    return changed


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("scikit") / "land", tiles=(2, 1), size=96, dates=12)


@pytest.fixture(scope="module")
def forest(landscape: Path) -> Ended:
    """Two runs of a forest, with probabilities."""
    config = with_estimator(
        landscape, "forest.cfg", FOREST, runs="2", enable_probability_map="True"
    )
    ended = run_debug(config, config.with_suffix(""))
    assert ended.status == 0
    return ended


@pytest.fixture(scope="module")
def chosen(landscape: Path) -> Ended:
    """An estimator whose keywords were chosen."""
    config = with_estimator(landscape, "chosen.cfg", CHOSEN)
    ended = run_debug(config, config.with_suffix(""))
    assert ended.status == 0
    return ended


def agreement(ended: Ended, seed: int = 0) -> float:
    """Give the share of the mapped pixels that have their true class."""
    with (
        rasterio.open(ended.root / "final" / f"Classif_Seed_{seed}.tif") as made,
        rasterio.open(ended.root.parent / "truth.tif") as truth,
    ):
        mapped, true = made.read(1), truth.read(1)
    known = (true > 0) & (mapped > 0)
    assert known.sum() > 0.95 * (true > 0).sum()
    return float((mapped[known] == true[known]).mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_map_of_a_forest_agrees_with_the_truth(forest: Ended, seed: int) -> None:
    assert agreement(forest, seed) > 0.6


def test_the_map_of_a_choice_agrees_with_the_truth(chosen: Ended) -> None:
    assert agreement(chosen) > 0.6


def test_confidence_is_the_probability_of_the_class(forest: Ended) -> None:
    tile = "T31TCJ"
    folder = forest.root / "classif"
    with (
        rasterio.open(folder / f"Classif_{tile}_seed_0.tif") as labels,
        rasterio.open(folder / f"{tile}_confidence_seed_0.tif") as confidence,
        rasterio.open(folder / f"PROBAMAP_{tile}_seed_0.tif") as probabilities,
    ):
        mapped, percent, shares = labels.read(1), confidence.read(1), probabilities.read()
    seen = mapped > 0
    assert seen.any()
    codes = json.loads((forest.root / "final" / "results.json").read_text())["labels"]
    assert (np.array(codes)[shares[:, seen].argmax(axis=0)] == mapped[seen]).all()
    np.testing.assert_allclose(shares[:, seen].sum(axis=0), 1000, atol=len(codes))
    np.testing.assert_allclose(shares[:, seen].max(axis=0) / 10, percent[seen], atol=0.6)


def test_each_run_has_its_model_and_no_network_has(forest: Ended) -> None:
    names = {p.name for p in (forest.root / "model").iterdir() if not p.name.startswith(".")}
    assert names == {"model_1_seed_0.skops", "model_1_seed_1.skops"}
    first, second = (forest.root / "model" / name for name in sorted(names))
    assert first.read_bytes() != second.read_bytes()
    model = model_file.load(first)
    assert model.card.parameters == {"n_estimators": 40, "min_samples_leaf": 2}
    table = pd.read_csv(forest.root / "class_statistics.csv")
    taken = table.loc[table["seed"] == 0, "taken"].sum()
    assert model.card.training["samples"] == {"training": taken, "validation": 0}
    assert tuple(model.card.labels) == tuple(
        json.loads((forest.root / "final" / "results.json").read_text())["labels"]
    )


def test_the_choice_is_told(chosen: Ended) -> None:
    path = chosen.root / "model" / "model_1_seed_0_cross_val_param.cv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    scores = [float(row["mean_oa"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert rows[0]["max_depth"] == "12"
    assert [row["max_depth"] for row in rows[2:]] == ["1", "1"]
    card = model_file.read_card(path.with_name("model_1_seed_0.skops"))
    assert str(card.parameters["max_features"]) == rows[0]["max_features"]
    assert card.parameters["n_estimators"] == 15
    log = (chosen.root / "logs" / "scikit_training" / "seed_0.log").read_text()
    assert f"overall accuracy {scores[0]:.4f}" in log


@pytest.mark.parametrize("section", [FOREST, CHOSEN], ids=["forest", "chosen"])
def test_same_bytes_for_any_cut_worker_and_scheduler(tmp_path: Path, section: str) -> None:
    config = tiny(tmp_path / "land")
    found = {}
    for chunks, options in ((1, None), (3, ("-nb_parallel_tasks", "2")), (17, None)):
        name = f"results_{chunks}.cfg"
        changed = with_estimator(config, name, section, number_of_chunks=str(chunks))
        root = changed.with_suffix("")
        ended = (
            run_apart(changed, root, "-scheduler_type", "localCluster", *options)
            if options
            else run_debug(changed, root)
        )
        assert ended.status == 0, ended.text
        found[chunks] = digests(root)
    assert len([name for name in found[1] if "model" in name]) == (1 if section is FOREST else 2)
    assert found[1] == found[3] == found[17]


def test_a_restart_reuses_and_a_keyword_trains_again(
    tmp_path: Path, run_here: Callable[..., Ended]
) -> None:
    config = with_estimator(tiny(tmp_path / "land"), "run_s.cfg", FOREST)
    root = config.with_suffix("")
    assert run_here(config, root).status == 0
    before = digests(root)
    ended = run_here(config, root, "-restart")
    assert ended.status == 0
    reused = re.search(r"restart: (\d+) tasks reused, 0 to do", ended.text)
    assert reused, ended.text
    assert digests(root) == before
    config.write_text(config.read_text().replace("n_estimators : 40", "n_estimators : 41"))
    ended = run_here(config, root, "-restart")
    assert ended.status == 0
    redone = {
        "scikit_training": 1,
        "classification": 3,
        **dict.fromkeys(("tile_maps", "mosaic", "confusion", "report"), 1),
    }
    left = int(reused[1]) - sum(redone.values())
    assert f"restart: {left} tasks reused, {sum(redone.values())} to do" in ended.text
    for step, count in redone.items():
        assert f"{step}: {count} of {count} tasks done" in ended.text
    after = digests(root)
    changed = {name for name in before if after[name] != before[name]}
    assert "model/model_1_seed_0.skops" in changed
    assert not [name for name in changed if name.startswith(("learning", "features", "samples"))]


def test_regions_and_folds_have_models_of_their_own(tmp_path: Path) -> None:
    config = with_estimator(tiny(tmp_path / "land", tiles=(2, 1)), "folds.cfg", FOREST)
    text = config.read_text()
    head = "chain :\n{\n"
    assert text.count(head) == 1
    config.write_text(text.replace(head, f'{head} folds : {{ by : "polygon", k : 2 }}\n'))
    root = config.with_suffix("")
    assert run_debug(config, root).status == 0
    names = {p.name for p in (root / "model").glob("*.skops")}
    assert names == {
        "model_1_seed_0.skops",
        "model_1_seed_0_fold_1.skops",
        "model_1_seed_0_fold_2.skops",
    }
    scores = json.loads((root / "final" / "folds.json").read_text())
    assert scores


@pytest.mark.parametrize(
    "section",
    [
        ' model_type : "SupportVectorClassification"\n standardization : True\n',
        ' model_type : "HistGradientBoostingClassifier"\n max_iter : 10\n',
        ' model_type : "VotingClassifier"\n estimators : ["ExtraTreesClassifier", '
        '{ name : "AdaBoostClassifier", n_estimators : 5 }]\n',
    ],
    ids=["svm", "boosting", "votes"],
)
def test_other_estimators_make_maps(tmp_path: Path, section: str) -> None:
    config = with_estimator(tiny(tmp_path / "land"), "other.cfg", section)
    root = config.with_suffix("")
    assert run_debug(config, root).status == 0
    found = json.loads((root / "final" / "results.json").read_text())
    assert found["spread_over_random_splits"]["oa"]["mean"] > 1.5 / len(found["labels"])


def test_a_model_makes_its_map_elsewhere_too(forest: Ended, landscape: Path) -> None:
    model = forest.root / "model" / "model_1_seed_0.skops"
    out = landscape.parent / "predicted"
    words = ("predict", model, "-config", landscape, "-out", out, "-scheduler_type", "debug")
    assert cli.main([*map(str, words)]) == 0
    for name in ("Classif_Seed_0.tif", "Confidence_Seed_0.tif"):
        assert (out / "final" / name).read_bytes() == (forest.root / "final" / name).read_bytes()
    assert (out / "model" / "model_1_seed_0.skops").read_bytes() == model.read_bytes()
    with pytest.raises(TaskError, match="calibrate : True divides the logits of a network"):
        cli.VERBS["predict"]([*map(str, words[1:]), "-calibrate"])
