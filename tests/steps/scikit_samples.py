"""Samples and orders that the tests of scikit-learn's estimators share."""

from __future__ import annotations

from datetime import date

import numpy as np

from i2lc.steps.sampling import samples_file
from i2lc.steps.scikit import process
from i2lc.steps.scikit.settings import Settings

AXES = samples_file.Axes(
    (date(2018, 1, 5), date(2018, 2, 4), date(2018, 3, 6)), ("B4", "NDVI"), (10000.0, 1000.0)
)
CODES = (10, 20, 300)
SMALL = {
    "RandomForestClassifier": {"n_estimators": 7},
    "ExtraTreesClassifier": {"n_estimators": 7},
    "AdaBoostClassifier": {"n_estimators": 4, "estimator": {"name": "DecisionTreeClassifier"}},
    "BaggingClassifier": {"n_estimators": 4, "max_features": 0.5},
    "GradientBoostingClassifier": {"n_estimators": 4},
    "HistGradientBoostingClassifier": {"max_iter": 4, "min_samples_leaf": 3},
    "VotingClassifier": {
        "estimators": [
            {"name": "RandomForestClassifier", "n_estimators": 3},
            "SupportVectorClassification",
        ],
        "voting": "soft",
        "weights": [1, 2],
    },
    "SupportVectorClassification": {"C": 2.0},
}
"""Every estimator, with keywords that make it fast."""


def features(count, seed=0):
    """Draw stored values, int16 (sample, date, band)."""
    drawn = np.random.default_rng(seed).normal(0, 800, (count, len(AXES.dates), len(AXES.bands)))
    return drawn.astype(np.int16)


def write(path, count=120, codes=CODES, labels=None):
    """Write samples whose classes differ in their first band; ten to a polygon of one class."""
    labels = np.resize(np.repeat(codes, 10), count) if labels is None else np.asarray(labels)
    count = len(labels)
    values = features(count)
    values[:, :, 0] += (1500 * np.searchsorted(np.unique(labels), labels))[:, None].astype(np.int16)
    with samples_file.create(path, AXES, count, samples_file.COLUMNS) as file:
        file["features"][:] = values
        file["label"][:] = labels
        file["polygon"][:] = np.arange(count) // 10
        file["set"][:] = np.resize((1, 1, 1, 2), count)
    return path


def order(folder, samples, *, seed=0, threads=1, **keys):
    """Give an order to fit what the keys of the section ask for."""
    settings = Settings(**keys)
    return process.Order(
        samples=str(samples),
        model=str(folder / "model.skops"),
        table=str(folder / "table.cv") if settings.cross_validation_parameters else None,
        region="",
        fold=0,
        seed=seed,
        threads=threads,
        settings=settings.model_dump(mode="json"),
    )


def fitted(folder, samples, **keys):
    """Fit, and give the path of the model."""
    folder.mkdir(exist_ok=True)
    asked = order(folder, samples, **keys)
    process.fit(asked)
    return folder / "model.skops"
