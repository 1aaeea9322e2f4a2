"""A fit: what it learns from, how keywords are chosen, what it refuses."""

import csv
import dataclasses
import json
import logging

import netCDF4
import numpy as np
import pytest
from scikit_samples import CODES, features, fitted, order, write
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from i2lc.errors import TaskError
from i2lc.steps import scikit_training
from i2lc.steps.artifacts import CROSS_VALIDATION, MODEL_SKOPS, SAMPLES
from i2lc.steps.contract import MAIN, WHOLE, File, Job, Unit
from i2lc.steps.sampling import samples_file
from i2lc.steps.scikit import keywords, learnt, model_file, process, search
from i2lc.steps.scikit.settings import Settings

FOREST = "RandomForestClassifier"
SVM = "SupportVectorClassification"
TREES = {"n_estimators": 5}
UNIT = Unit(region=WHOLE, fold=MAIN, seed=0)


@pytest.fixture
def samples(tmp_path):
    return write(tmp_path / "samples.nc")


def learnt_of(path):
    return learnt.read(path, samples_file.read_axes(path))


def refusal(asked):
    with pytest.raises(TaskError) as caught:
        process.fit(asked)
    return str(caught.value)


def test_it_learns_from_both_sets_of_a_network(tmp_path, samples):
    read = learnt_of(samples)
    assert read.x.shape == (120, 6)
    assert read.codes == list(CODES)
    assert read.counts.tolist() == [40, 40, 40]
    assert read.polygons.tolist() == [place // 10 for place in range(120)]
    keys = {"model_type": FOREST, "estimator_keywords": TREES}
    path = fitted(tmp_path / "a", samples, **keys)
    assert model_file.read_card(path).training["samples"] == {"training": 120, "validation": 0}
    wanted = RandomForestClassifier(**TREES, random_state=0).fit(read.x, read.labels)
    made = model_file.load(path)
    x = np.divide(features(50, 9), np.float32(made.card.scales), dtype=np.float32).reshape(50, -1)
    said = made.probabilities(features(50, 9))
    np.testing.assert_array_equal(said, wanted.predict_proba(x).astype(np.float32))


def test_standardised_features(tmp_path, samples):
    keys = {"model_type": SVM, "standardization": True}
    scaler = model_file.load(fitted(tmp_path / "a", samples, **keys)).estimator[0]
    np.testing.assert_allclose(scaler.mean_, learnt_of(samples).x.mean(axis=0), rtol=1e-4)
    keys["standardization"] = False
    assert len(model_file.load(fitted(tmp_path / "b", samples, **keys)).estimator) == 1


# Seeds


def state_of(folder, samples, **more):
    given = more.pop("given", {})
    keys = {"model_type": FOREST, "estimator_keywords": {**TREES, **given}}
    made = model_file.load(fitted(folder, samples, **keys, **more))
    return made.estimator[-1].random_state


def test_each_run_has_its_random_state(tmp_path, samples):
    assert state_of(tmp_path / "a", samples) == 0
    assert state_of(tmp_path / "b", samples, random_seed=7) == 7
    assert state_of(tmp_path / "c", samples, random_seed=7, seed=2) == 9
    assert (
        state_of(tmp_path / "d", samples, random_seed=7, seed=2, given={"random_state": 30}) == 32
    )
    assert state_of(tmp_path / "e", samples, seed=2, given={"random_state": None}) == 2


def test_two_runs_draw_two_forests(tmp_path, samples):
    keys = {"model_type": FOREST, "estimator_keywords": TREES}
    made = [
        model_file.load(fitted(tmp_path / str(run), samples, seed=run, **keys)).probabilities(
            features(99)
        )
        for run in (0, 1)
    ]
    assert not np.array_equal(*made)


def test_keywords_of_members_are_put_in_place():
    given = {
        "random_state": 5,
        "estimators": ["A", {"name": FOREST, "random_state": 1, "class_weight": {"20": 2}}],
    }
    assert keywords.of_model(given, [10, 20], 3) == {
        "random_state": 8,
        "estimators": ["A", {"name": FOREST, "random_state": 4, "class_weight": {1: 2}}],
    }
    given = {"estimator": {"name": FOREST, "random_state": None}, "class_weight": "balanced"}
    assert keywords.of_model(given, [10], 3) == {
        "estimator": {"name": FOREST},
        "class_weight": "balanced",
    }


def test_class_weights_name_codes(tmp_path, samples):
    weights = {"10": 1, "20": 1, "300": 5, "999": 7}  # no sample of 999 in this region
    keys = {"model_type": FOREST, "estimator_keywords": {**TREES, "class_weight": weights}}
    forest = model_file.load(fitted(tmp_path / "a", samples, **keys)).estimator[-1]
    assert forest.class_weight == {0: 1, 1: 1, 2: 5}


def test_members_of_a_vote(tmp_path, samples):
    given = {"estimators": [FOREST, {"name": "ExtraTreesClassifier", "n_estimators": 3}]}
    keys = {"model_type": "VotingClassifier", "estimator_keywords": given, "random_seed": 4}
    members = model_file.load(fitted(tmp_path / "a", samples, **keys)).estimator[-1].estimators_
    assert [type(member) for member in members] == [RandomForestClassifier, ExtraTreesClassifier]
    assert [member.n_estimators for member in members] == [100, 3]
    assert [member.random_state for member in members] == [4, 4]


# The choice of keywords


def rows_of(folder):
    with (folder / "table.cv").open(newline="") as file:
        return list(csv.DictReader(file))


def grid_keys(**more):
    return {
        "model_type": FOREST,
        "estimator_keywords": {"max_depth": 3},
        "cross_validation_parameters": {"n_estimators": [1, 9], "min_samples_leaf": [1, 70]},
        "cross_validation_folds": 3,
        **more,
    }


def test_the_best_keywords_are_chosen_and_all_are_told(tmp_path, samples, caplog):
    with caplog.at_level(logging.INFO):
        path = fitted(tmp_path / "a", samples, **grid_keys())
    rows = rows_of(tmp_path / "a")
    assert list(rows[0]) == [
        *("rank", "min_samples_leaf", "n_estimators", "mean_oa", "deviation"),
        *("oa_fold_1", "oa_fold_2", "oa_fold_3"),
    ]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    scores = [float(row["mean_oa"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.8 > 0.5 > scores[2]  # no leaf of 70 samples tells three classes apart
    for row in rows:
        each = [float(row[f"oa_fold_{fold}"]) for fold in (1, 2, 3)]
        assert float(row["mean_oa"]) == pytest.approx(np.mean(each), abs=1e-6)
        assert float(row["deviation"]) == pytest.approx(np.std(each), abs=1e-6)
    chosen = {key: int(rows[0][key]) for key in ("n_estimators", "min_samples_leaf")}
    made = model_file.load(path)
    forest = made.estimator[-1]
    assert (forest.n_estimators, forest.min_samples_leaf) == tuple(chosen.values())
    assert forest.max_depth == 3
    assert made.card.parameters == {"max_depth": 3, **chosen}
    assert made.card.training["cross_validation"] == {
        "oa": pytest.approx(scores[0], abs=1e-6),
        **chosen,
    }
    assert f"overall accuracy {scores[0]:.4f}" in caplog.text


def test_the_chosen_forest_learns_from_all_samples(tmp_path, samples):
    path = fitted(tmp_path / "a", samples, **grid_keys())
    chosen = model_file.read_card(path).parameters
    plain = {"model_type": FOREST, "estimator_keywords": chosen}
    other = fitted(tmp_path / "b", samples, **plain)
    values = features(200, 3)
    said = [model_file.load(one).probabilities(values) for one in (path, other)]
    np.testing.assert_array_equal(*said)


def test_the_choice_does_not_depend_on_threads(tmp_path, samples):
    made = [
        fitted(tmp_path / str(threads), samples, threads=threads, **grid_keys())
        for threads in (1, 3)
    ]
    assert made[0].read_bytes() == made[1].read_bytes()
    tables = [(path.parent / "table.cv").read_bytes() for path in made]
    assert tables[0] == tables[1]


def test_grouped_folds_keep_polygons_whole(samples):
    read = learnt_of(samples)
    grouped = search.splits(read, 4, grouped=True, seed=0)
    plain = search.splits(read, 4, grouped=False, seed=0)
    assert len(grouped) == len(plain) == 4
    for learns, scored in grouped:
        assert not set(read.polygons[learns]) & set(read.polygons[scored])
    assert set(read.polygons[plain[0][0]]) & set(read.polygons[plain[0][1]])
    for cuts in (grouped, plain):
        every = np.concatenate([scored for _, scored in cuts])
        assert sorted(every.tolist()) == list(range(120))
    again = search.splits(read, 4, grouped=False, seed=1)
    assert plain[0][1].tolist() != again[0][1].tolist()


def test_grouped_folds_are_used(tmp_path, samples):
    fitted(tmp_path / "a", samples, **grid_keys(cross_validation_grouped=True))
    fitted(tmp_path / "b", samples, **grid_keys())
    assert rows_of(tmp_path / "a") != rows_of(tmp_path / "b")


def test_more_folds_than_polygons(tmp_path, samples):
    keys = grid_keys(cross_validation_grouped=True, cross_validation_folds=13)
    assert refusal(order(tmp_path, samples, **keys)) == (
        "cross_validation_folds is 13, the model has 12 polygons: lower it, or let "
        "sample_selection take more"
    )
    keys = grid_keys(cross_validation_folds=41)
    assert refusal(order(tmp_path, samples, **keys)) == (
        "cross_validation_folds is 41, the model has 40 samples of the largest class: lower it, "
        "or let sample_selection take more"
    )


def test_a_grid_of_a_support_vector_machine(tmp_path, samples):
    keys = {
        "model_type": SVM,
        "standardization": True,
        "cross_validation_parameters": {"C": [1.0, 1e-6], "kernel": ["linear"]},
    }
    made = model_file.load(fitted(tmp_path / "a", samples, **keys))
    best, other = rows_of(tmp_path / "a")
    assert {best["C"], other["C"]} == {"1e-06", "1.0"}
    assert float(best["mean_oa"]) > float(other["mean_oa"])
    value = float(best["C"])
    assert value == made.estimator[-1].estimator.C
    assert made.card.parameters == {"C": value, "kernel": "linear"}


def test_a_poor_choice_is_noted(tmp_path):
    path = write(tmp_path / "s.nc", labels=np.random.default_rng(0).permutation([10, 20] * 60))
    keys = grid_keys(cross_validation_parameters={"max_features": [1]})
    with netCDF4.Dataset(path, "a") as file:
        file["features"][:] = features(120, 8)
    (note,) = model_file.read_card(fitted(tmp_path / "a", path, **keys)).training["notes"]
    assert "hardly better than chance with 2 classes: look at cross_validation_parameters" in note


# What is refused


def test_fewer_than_two_classes(tmp_path):
    path = write(tmp_path / "one.nc", labels=[10] * 20)
    assert refusal(order(tmp_path, path, model_type=FOREST)) == (
        f"{path} has samples of class code 10 alone, a model needs two classes or more: lower "
        "cloud_threshold, raise ratio, or let sample_selection take more"
    )


def test_a_class_of_one_sample_cannot_be_calibrated(tmp_path):
    path = write(tmp_path / "few.nc", labels=[10] * 20 + [20])
    text = (
        "a class has 1 sample to learn from, SupportVectorClassification needs two of each class "
        "for its probabilities: let sample_selection take more, or lower cloud_threshold"
    )
    assert refusal(order(tmp_path, path, model_type=SVM)) == text
    given = {"estimators": [FOREST, SVM]}
    keys = {"model_type": "VotingClassifier", "estimator_keywords": given}
    assert refusal(order(tmp_path, path, **keys)) == text
    path = write(tmp_path / "enough.nc", labels=[10] * 20 + [20] * 3)
    made = model_file.load(fitted(tmp_path / "a", path, model_type=SVM))
    assert made.estimator[-1].cv == 3


def test_what_scikit_learn_refuses_later_names_the_section(tmp_path, samples):
    keys = {"model_type": FOREST, "estimator_keywords": {"bootstrap": False, "oob_score": True}}
    assert refusal(order(tmp_path, samples, **keys)) == (
        "RandomForestClassifier refuses its keywords or these samples: Out of bag estimation only "
        "available if bootstrap=True; see scikit_models_parameters"
    )


def test_samples_that_do_not_fit_are_refused(samples):
    plain = Settings(model_type=FOREST)
    learnt.refuse_too_large(samples, plain, 4 * 120 * 6)
    with pytest.raises(TaskError) as caught:
        learnt.refuse_too_large(samples, plain, 4 * 120 * 6 - 1)
    assert str(caught.value) == (
        "120 samples take 0.0 GB as RandomForestClassifier learns from them, the task has 0.0 GB: "
        "raise maximum_ram, lower -nb_parallel_tasks, or take fewer samples (sample_selection)"
    )


@pytest.mark.parametrize(
    ("keys", "copies"),
    [
        ({"model_type": FOREST}, 1),
        ({"model_type": FOREST, "standardization": True}, 2),
        ({"model_type": FOREST, "cross_validation_parameters": {"max_depth": [1]}}, 2),
        ({"model_type": SVM, "standardization": True}, 4),
        ({"model_type": "BaggingClassifier", "estimator_keywords": {"estimator": SVM}}, 3),
    ],
)
def test_copies_of_the_samples(keys, copies):
    assert learnt.copies(Settings(**keys)) == copies


# The step


def job(root, samples, settings, *, table=False, cpus=1):
    folder = root / SAMPLES.path(UNIT)
    folder.parent.mkdir(parents=True)
    folder.write_bytes(samples.read_bytes())
    artifacts = (MODEL_SKOPS, CROSS_VALIDATION) if table else (MODEL_SKOPS,)
    return Job(
        unit=UNIT,
        settings=settings,
        root=root,
        inputs=(File(SAMPLES, UNIT),),
        outputs=tuple(File(artifact, UNIT) for artifact in artifacts),
        cpus=cpus,
    )


def test_the_step_fits_in_a_process_of_its_own(tmp_path, samples, caplog):
    settings = Settings(**grid_keys())
    given = job(tmp_path / "run", samples, settings, table=True, cpus=2)
    with caplog.at_level(logging.INFO):
        scikit_training.train(given)
    model = tmp_path / "run" / "model" / "model_1_seed_0.skops"
    table = tmp_path / "run" / "model" / "model_1_seed_0_cross_val_param.cv"
    fitted(tmp_path / "here", samples, **grid_keys())
    assert table.read_bytes() == (tmp_path / "here" / "table.cv").read_bytes()
    assert model.read_bytes() == (tmp_path / "here" / "model.skops").read_bytes()
    assert "RandomForestClassifier learns from 120 samples" in caplog.text


def test_a_failure_leaves_nothing(tmp_path, samples):
    keys = {"model_type": FOREST, "estimator_keywords": {"bootstrap": False, "oob_score": True}}
    given = job(tmp_path / "run", samples, Settings(**keys))
    with pytest.raises(TaskError, match="RandomForestClassifier refuses its keywords or these"):
        scikit_training.train(given)
    assert list((tmp_path / "run" / "model").iterdir()) == []


def test_an_order_is_plain_data(tmp_path, samples):
    asked = order(tmp_path, samples, **grid_keys())
    assert process.Order(**json.loads(json.dumps(dataclasses.asdict(asked)))) == asked
