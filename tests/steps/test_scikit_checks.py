"""What is wrong with the keys of scikit_models_parameters is told before anything runs."""

import pytest
from scikit_samples import SMALL
from sklearn.base import BaseEstimator

from i2lc.steps.scikit import checks, estimators
from i2lc.steps.scikit.settings import Settings

FOREST, GRID = "RandomForestClassifier", "cross_validation_parameters"


def told(model_type, keywords=None, **keys):
    settings = Settings(model_type=model_type, estimator_keywords=keywords or {}, **keys)
    return list(checks.complaints(settings))


@pytest.mark.parametrize("name", SMALL)
def test_good_keywords_are_silent(name):
    assert told(name, SMALL[name]) == []
    assert told(name, SMALL[name], standardization=True) == []


@pytest.mark.parametrize("name", estimators.MEMBERS)
def test_every_default_of_scikit_learn_is_taken(name):
    known = set(estimators.keywords(name))
    assert isinstance(estimators.MEMBERS[name], type)
    assert issubclass(estimators.MEMBERS[name], BaseEstimator)
    plain = estimators.MEMBERS[name](**({"estimators": []} if name == "VotingClassifier" else {}))
    given = {k: v for k, v in plain.get_params(deep=False).items() if k in known - {"estimators"}}
    given = {key: value for key, value in given.items() if value != "deprecated"}
    if name == "VotingClassifier":
        given["estimators"] = [FOREST]
    assert list(checks._of_estimator(name, given, ())) == []


def test_an_unknown_keyword_names_the_nearest_and_all():
    known = ", ".join(estimators.keywords("AdaBoostClassifier"))
    assert told("AdaBoostClassifier", {"n_estimator": 3}) == [
        (
            ("n_estimator",),
            "AdaBoostClassifier has no keyword n_estimator; did you mean n_estimators? It has "
            + known,
        )
    ]
    assert known == "estimator, learning_rate, n_estimators, random_state"
    assert told("AdaBoostClassifier", {"qqq": 3}) == [
        (("qqq",), f"AdaBoostClassifier has no keyword qqq. It has {known}")
    ]


def test_a_misspelled_key_of_the_section_is_recognised():
    ((path, text),) = told(FOREST, {"standardisation": True})
    assert path == ("standardisation",)
    assert "; did you mean standardization?" in text
    assert told(None, {"modeltype": FOREST}) == [
        (("modeltype",), "unknown key; did you mean model_type?")
    ]


@pytest.mark.parametrize(
    ("name", "keywords", "path", "text"),
    [
        (FOREST, {"n_estimators": 0}, ("n_estimators",), "got 0, expected an int in the range [1"),
        (FOREST, {"n_estimators": 2.5}, ("n_estimators",), "got 2.5, expected an int"),
        (FOREST, {"max_features": "x"}, ("max_features",), "got 'x', expected an int in the ran"),
        (FOREST, {"class_weight": "x"}, ("class_weight",), "got 'x', expected a str among "),
        (FOREST, {"class_weight": {"a": 1}}, ("class_weight",), "got {'a': 1}, expected class c"),
        (FOREST, {"random_state": -1}, ("random_state",), "got -1, expected a whole number of 0"),
        (FOREST, {"random_state": True}, ("random_state",), "got True, expected a whole number"),
        (FOREST, {"n_jobs": 3}, ("n_jobs",), "n_jobs follows from the cpus of the task"),
        (FOREST, {"warm_start": True}, ("warm_start",), "warm_start is for repeated fits"),
        ("SupportVectorClassification", {"C": -1}, ("C",), "got -1, expected a float in the ra"),
        ("SupportVectorClassification", {"kernel": "x"}, ("kernel",), "got 'x', expected a str"),
        (
            "SupportVectorClassification",
            {"probability": True},
            ("probability",),
            "probability is always on, by CalibratedClassifierCV: drop it",
        ),
        ("GradientBoostingClassifier", {"loss": "x"}, ("loss",), "got 'x', expected a str among"),
        ("HistGradientBoostingClassifier", {"max_iter": 0}, ("max_iter",), "got 0, expected an"),
        (
            "HistGradientBoostingClassifier",
            {"categorical_features": [0]},
            ("categorical_features",),
            "categorical_features is for categories",
        ),
        ("VotingClassifier", {}, ("estimators",), "is missing: name the members, as in "),
        ("VotingClassifier", {"estimators": []}, ("estimators",), "got [], expected a list of "),
        ("VotingClassifier", {"estimators": FOREST}, ("estimators",), f"got '{FOREST}', expecte"),
        ("VotingClassifier", {"estimators": ["X"]}, ("estimators", "0"), "got 'X', expected a na"),
        (
            "VotingClassifier",
            {"estimators": [FOREST, {"n_estimators": 3}]},
            ("estimators", "1"),
            "got {'n_estimators': 3}, expected a name or { name : ",
        ),
        (
            "VotingClassifier",
            {"estimators": [FOREST, {"name": FOREST, "n_estimators": 0}]},
            ("estimators", "1", "n_estimators"),
            "got 0, expected an int",
        ),
        (
            "VotingClassifier",
            {"estimators": [FOREST], "voting": "x"},
            ("voting",),
            "got 'x', expected a str among",
        ),
        (
            "AdaBoostClassifier",
            {"estimator": {"name": FOREST, "depth": 3}},
            ("estimator", "depth"),
            f"{FOREST} has no keyword depth; did you mean max_depth? It has ",
        ),
        ("BaggingClassifier", {"estimator": 3}, ("estimator",), "got 3, expected a name or { n"),
    ],
)
def test_what_an_estimator_refuses(name, keywords, path, text):
    ((where, complaint),) = told(name, keywords)
    assert where == path
    assert complaint.startswith(text), complaint


def test_every_fault_is_told():
    keywords = {"n_estimators": 0, "max_depth": "x", "n_jobs": 1, "zz": 1}
    assert {path for path, _ in told(FOREST, keywords)} == {(key,) for key in keywords}


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        ({"n_estimators": [5, 0]}, "got 0, expected an int in the range [1, inf)"),
        ({"n_estimators": 5}, "got 5, expected a list of values"),
        ({"n_estimators": []}, "got [], expected a list of values"),
        ({"depth": [1]}, f"{FOREST} has no keyword depth; did you mean max_depth?"),
        ({"random_state": [1]}, "random_state cannot vary in a cross-validation: give it beside"),
        ({"n_jobs": [1]}, "n_jobs follows from the cpus"),
        ({"max_depth": [1, 2]}, "max_depth is given beside cross_validation_parameters too: dr"),
        ({"class_weight": [{"1": 2}]}, "got [{'1': 2}], expected values without braces"),
    ],
)
def test_what_a_grid_cannot_be(grid, text):
    keys = {"cross_validation_parameters": grid}
    ((path, complaint),) = told(FOREST, {"max_depth": 3}, **keys)
    assert path == (GRID, *grid)
    assert complaint.startswith(text), complaint


def test_keys_of_a_grid_need_one():
    keys = {"cross_validation_grouped": True, "cross_validation_folds": 3}
    text = "belongs to cross_validation_parameters: give those, or drop it"
    assert told(FOREST, **keys) == [((key,), text) for key in keys]
    assert told(FOREST, **keys, cross_validation_parameters={"max_depth": [1, None]}) == []


def test_without_a_model_type_nothing_counts():
    assert told(None) == []
    assert told(None, standardization=False, cross_validation_folds=5) == []
    found = told(None, {"n_estimators": 5}, standardization=True)
    assert [path for path, _ in found] == [("standardization",), ("n_estimators",)]
    names = ", ".join(estimators.ESTIMATORS)
    assert {text for _, text in found} == {
        f"belongs to an estimator: give model_type ({names}), or drop it"
    }
