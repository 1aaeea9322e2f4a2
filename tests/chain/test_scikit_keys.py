"""The section scikit_models_parameters of a configuration file: with file and line."""

import re
from pathlib import Path

import pytest
from conftest import tiny

from i2lc.chain.settings import config
from i2lc.errors import ConfigError
from i2lc.steps.scikit.estimators import ESTIMATORS

FOREST = 'model_type : "RandomForestClassifier"'


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Give a configuration that names no network."""
    path = tiny(tmp_path_factory.mktemp("keys") / "land", dates=4)
    text = path.read_text()
    assert text.count('   dl_name : "MLPClassifier"\n') == 1
    path.write_text(text.replace('   dl_name : "MLPClassifier"\n', ""))
    return path


def loaded(plain: Path, *lines: str, more: str = ""):
    path = plain.with_name("scikit.cfg")
    text = plain.read_text()
    if more:
        head, line = more.split("|")
        assert text.count(head) == 1
        text = text.replace(head, f"{head}\n {line}")
    section = "\n".join(["scikit_models_parameters :", "{", *lines, "}"])
    path.write_text(f"{section}\n{text}")
    return config.load(path)


def refusal(plain, *lines, more=""):
    with pytest.raises(ConfigError) as caught:
        loaded(plain, *lines, more=more)
    return str(caught.value).replace(f"{plain.parent}/", "")


def test_keywords_reach_the_step(plain):
    made = loaded(
        plain,
        FOREST,
        "n_estimators : 30",
        'class_weight : { "1" : 2, "2" : 1 }',
        "standardization : True",
        'cross_validation_parameters : { "max_depth" : [3, None] }',
    )
    settings = made.steps["scikit_training"]
    assert settings.model_type == "RandomForestClassifier"
    assert settings.estimator_keywords == {"n_estimators": 30, "class_weight": {"1": 2, "2": 1}}
    assert settings.cross_validation_parameters == {"max_depth": [3, None]}
    assert settings.standardization is True


def test_the_resolved_configuration_can_be_read_again(plain):
    made = loaded(plain, FOREST, "n_estimators : 30").resolved()["scikit_models_parameters"]
    assert made == {
        "model_type": "RandomForestClassifier",
        "standardization": False,
        "cross_validation_parameters": {},
        "cross_validation_grouped": False,
        "cross_validation_folds": 5,
        "n_estimators": 30,
    }


def test_members_of_a_vote(plain):
    members = '["RandomForestClassifier", { name : "AdaBoostClassifier", n_estimators : 3 }]'
    made = loaded(plain, 'model_type : "VotingClassifier"', f"estimators : {members}")
    assert made.steps["scikit_training"].estimator_keywords == {
        "estimators": ["RandomForestClassifier", {"name": "AdaBoostClassifier", "n_estimators": 3}]
    }


def test_every_fault_has_its_line(plain):
    found = refusal(
        plain,
        FOREST,
        "n_estimators : 0",
        "max_dept : 3",
        'cross_validation_parameters : { "max_features" : ["sqrt", "cube"] }',
        "cross_validation_folds : 1",
    )
    lines = found.split("\n")
    assert lines[0] == (
        "scikit.cfg, line 7: scikit_models_parameters.cross_validation_folds: got 1, expected a "
        "whole number 2 or more"
    )
    assert len(lines) == 1  # the values of the section are looked at when its own keys are right
    lines = refusal(
        plain,
        FOREST,
        "n_estimators : 0",
        "max_dept : 3",
        'cross_validation_parameters : { "max_features" : ["sqrt", "cube"] }',
    ).split("\n")
    assert [line.partition(", expected")[0].partition("; did")[0] for line in lines] == [
        "scikit.cfg, line 5: scikit_models_parameters.max_dept: RandomForestClassifier has no "
        "keyword max_dept",
        "scikit.cfg, line 4: scikit_models_parameters.n_estimators: got 0",
        "scikit.cfg, line 6: scikit_models_parameters.cross_validation_parameters.max_features: "
        "got 'cube'",
    ]


def test_an_unknown_estimator_names_all(plain):
    assert refusal(plain, 'model_type : "RandomForest"') == (
        "scikit.cfg, line 3: scikit_models_parameters.model_type: got 'RandomForest', expected one "
        "of RandomForestClassifier, ExtraTreesClassifier, AdaBoostClassifier, BaggingClassifier, "
        "GradientBoostingClassifier, HistGradientBoostingClassifier, VotingClassifier or "
        "SupportVectorClassification or None"
    )


@pytest.mark.parametrize(
    ("more", "other"),
    [
        (
            'deep_learning_parameters :\n  {|dl_name : "MLPClassifier"',
            "deep_learning_parameters.dl_name MLPClassifier",
        ),
        ("arg_classification :\n{|calibrate : True", "calibrate True"),
        (
            'arg_classification :\n{|inference_precision : "bfloat16"',
            "inference_precision bfloat16",
        ),
    ],
)
def test_what_only_networks_do(plain, more, other):
    assert refusal(plain, FOREST, more=more) == (
        "scikit.cfg, line 3: scikit_models_parameters.model_type RandomForestClassifier "
        f"contradicts {other}, which is for networks: drop one of them"
    )
    assert loaded(plain, "model_type : None", more=more)


def test_raw_dates_are_for_networks(plain):
    found = refusal(plain, FOREST, more="arg_train :\n{|features_from_raw_dates : True")
    assert found == (
        "scikit.cfg, line 3: features_from_raw_dates True contradicts model_type "
        "RandomForestClassifier, which would take the marks of dates without an observation for "
        "values: choose a network that reads raw dates, or drop one of both"
    )


def test_settings_of_networks_without_a_name_are_no_contradiction(plain):
    assert "epochs" in plain.read_text()
    assert loaded(plain, FOREST).steps["scikit_training"].model_type


def test_keywords_without_an_estimator(plain):
    found = refusal(plain, "n_estimators : 30")
    assert found.startswith(
        "scikit.cfg, line 3: scikit_models_parameters.n_estimators: belongs to an estimator: give "
        "model_type (RandomForestClassifier, "
    )


PAGE = Path(__file__).parents[2] / "docs" / "scikit-learn.md"
EXAMPLES = re.findall(
    r"^```\nscikit_models_parameters :\n\{\n(.*?)\}\n```", PAGE.read_text(), re.S | re.M
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_page_load(plain, example):
    assert loaded(plain, example).steps["scikit_training"].estimator_keywords


def test_the_page_has_an_example_of_each_estimator():
    named = {name for example in EXAMPLES for name in re.findall(r'model_type : "(\w+)"', example)}
    assert named == set(ESTIMATORS)


def test_a_section_that_is_none(plain, tmp_path):
    path = plain.with_name("none.cfg")
    path.write_text(f"scikit_models_parameters : 3\n{plain.read_text()}")
    with pytest.raises(ConfigError, match="section scikit_models_parameters: got 3, expected keys"):
        config.load(path)
