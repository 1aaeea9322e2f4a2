"""The estimators that a configuration can name, and how they are built from its keywords."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

SVM = "SupportVectorClassification"
ESTIMATORS: Mapping[str, type] = {
    "RandomForestClassifier": RandomForestClassifier,
    "ExtraTreesClassifier": ExtraTreesClassifier,
    "AdaBoostClassifier": AdaBoostClassifier,
    "BaggingClassifier": BaggingClassifier,
    "GradientBoostingClassifier": GradientBoostingClassifier,
    "HistGradientBoostingClassifier": HistGradientBoostingClassifier,
    "VotingClassifier": VotingClassifier,
    SVM: SVC,
}
"""Values of model_type."""
MEMBERS: Mapping[str, type] = {**ESTIMATORS, "DecisionTreeClassifier": DecisionTreeClassifier}
"""What `estimator` and `estimators` can name."""
INNER = ("estimator", "estimators")
"""Keywords whose values are estimators themselves."""
OURS: Mapping[str, str] = {
    "categorical_features": "is for categories, the features are measurements: drop it",
    "flatten_transform": "has no effect on a map: drop it",
    "n_jobs": "follows from the cpus of the task (resource block training): drop it",
    "probability": "is always on, by CalibratedClassifierCV: drop it",
    "warm_start": "is for repeated fits, a model is fitted once: drop it",
}
"""Keywords of scikit-learn that are not for the user, and why."""
FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
FOLDS = 5
"""Most folds in which the probabilities of a support vector machine are calibrated."""


def keywords(name: str) -> list[str]:
    """Give the keywords of an estimator, sorted."""
    return sorted(set(inspect.signature(MEMBERS[name]).parameters) - set(OURS))


def member_of(value: Any) -> tuple[str, dict[str, Any]]:
    """Give name and keywords of a member: `"Name"`, or `{ name : "Name", keyword : value }`."""
    if isinstance(value, Mapping):
        return value["name"], {key: one for key, one in value.items() if key != "name"}
    return value, {}


def bare(name: str, parameters: Mapping[str, Any], seed: int | None, folds: int = FOLDS) -> Any:
    """Build an estimator with its keywords.

    Parameters
    ----------
    name : str
    parameters : mapping
        Keyword -> plain value; checked before.
    seed : int or None
        random_state where the keywords give none.
    folds : int
        Folds of the calibration of a support vector machine.
    """
    given = {key: _value(key, value, seed, folds) for key, value in parameters.items()}
    if "random_state" in inspect.signature(MEMBERS[name]).parameters:
        given.setdefault("random_state", seed)
    made = MEMBERS[name](**given)
    if name != SVM:
        return made
    # one machine fitted on all samples, as with scikit-learn's own probabilities before
    return CalibratedClassifierCV(made, ensemble=False, cv=folds)


def _value(key: str, value: Any, seed: int | None, folds: int) -> Any:
    """Give a keyword's value as scikit-learn wants it."""
    if key == "estimator" and value is not None:
        return bare(*member_of(value), seed, folds)
    if key == "estimators":
        return _named([member_of(one) for one in value], seed, folds)
    return value


def _named(
    members: Sequence[tuple[str, Mapping[str, Any]]], seed: int | None, folds: int
) -> list[tuple[str, Any]]:
    return [
        (f"{place}_{name}", bare(name, parameters, seed, folds))
        for place, (name, parameters) in enumerate(members, 1)
    ]


def build(
    name: str,
    parameters: Mapping[str, Any],
    seed: int,
    *,
    standardization: bool,
    folds: int,
    gaps: bool = False,
) -> Pipeline:
    """Build the pipeline that is fitted and saved.

    Where there are gaps it begins with what fills them: with the mean of the feature over the
    samples, 0 of a feature that has no value in any. Then, perhaps, a scaler; at last the
    estimator.
    """
    imputer = [("imputer", SimpleImputer(strategy="mean", keep_empty_features=True))]
    scaler = [("scaler", StandardScaler())] if standardization else []
    return Pipeline(
        [*(imputer if gaps else ()), *scaler, ("model", bare(name, parameters, seed, folds))]
    )


def path_of(name: str, keyword: str) -> str:
    """Give the name of a keyword in the pipeline of :func:`build`."""
    return f"model__estimator__{keyword}" if name == SVM else f"model__{keyword}"


def use_threads(pipeline: Pipeline, count: int) -> None:
    """Let forests, which share their samples between threads, take some; all else takes one."""
    for part in pipeline.get_params(deep=True).values():
        if hasattr(part, "n_jobs"):
            part.n_jobs = count if isinstance(part, FORESTS) else None


def settle(pipeline: Pipeline) -> None:
    """Set the threads back to one everywhere, also in what was fitted inside.

    Threads that predict would add up the trees in the order in which they end.
    """
    waiting: list[Any] = [pipeline[-1]]
    while waiting:
        one = waiting.pop()
        if hasattr(one, "n_jobs"):
            one.n_jobs = None
        waiting += _inside(one)


def _inside(one: Any) -> Iterator[Any]:
    """Yield the objects of scikit-learn that another holds, alone, in a list, or with a name."""
    for value in vars(one).values():
        for entry in value if isinstance(value, list) else (value,):
            for inner in entry if isinstance(entry, tuple) else (entry,):
                if type(inner).__module__.startswith("sklearn.") and hasattr(inner, "__dict__"):
                    yield inner
