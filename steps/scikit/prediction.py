"""Class probabilities of an estimator that do not depend on how the pixels were cut into calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier

from ...nn_bank.inference import BATCH_SIZE


def flat(features: NDArray[np.int16], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give samples as scikit-learn wants them.

    Parameters
    ----------
    features : ndarray of int16, (sample, date, band)
        As stored.
    scale : ndarray of float32, (band,)
        Stored value divided by scale is the physical value.

    Returns
    -------
    ndarray of float32, (sample, date x band)
        Physical values, all bands of date 1, then all of date 2.
    """
    x = np.empty(features.shape, np.float32)
    np.divide(features, scale, out=x)
    return x.reshape(len(features), -1)


def probabilities(
    estimator: Any, features: NDArray[np.int16], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Give the class probabilities of samples.

    Every call of the estimator has BATCH_SIZE rows, the last one filled up with zeros: a matrix
    product, or a sum, over another number of rows may round differently.

    Parameters
    ----------
    estimator : Pipeline
        Fitted; its last step predicts.
    features : ndarray of int16, (sample, date, band)
    scale : ndarray of float32, (band,)

    Returns
    -------
    ndarray of float32, (sample, class)
        Each row's sum is 1.
    """
    found = np.empty((len(features), len(estimator.classes_)), np.float32)
    stored = np.zeros((BATCH_SIZE, *features.shape[1:]), np.int16)
    for start in range(0, len(features), BATCH_SIZE):
        rows = features[start : start + BATCH_SIZE]
        stored[: len(rows)] = rows
        stored[len(rows) :] = 0
        shares = _stated(estimator, flat(stored, scale))
        found[start : start + len(rows)] = shares[: len(rows)]
    return found


def _stated(estimator: Any, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give probabilities; of estimators that vote, the share of votes of each class."""
    model = estimator[-1]
    if isinstance(model, VotingClassifier) and model.voting == "hard":
        return _votes(model, estimator[:-1].transform(x) if len(estimator) > 1 else x)
    return estimator.predict_proba(x)


def _votes(model: VotingClassifier, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the share of (weighted) votes of each class, (sample, class)."""
    votes = model.transform(x)
    weights = np.ones(votes.shape[1]) if model.weights is None else np.asarray(model.weights)
    shares = np.zeros((len(x), len(model.classes_)))
    for voter, weight in enumerate(weights):
        shares[np.arange(len(x)), votes[:, voter].astype(np.intp)] += weight
    return shares / weights.sum()
