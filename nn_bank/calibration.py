"""Whether probabilities mean what they say, and the temperature that makes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import softmax as exponential_shares

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of a temperature; a set that is told apart perfectly would ask for 0."""


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Find the temperature T for which softmax(logits / T) fits labels best.

    Guo et al., 2017: the mean negative log-likelihood is least. It is convex in 1 / T, so
    its slope, mean(expected logit - logit of the label), has one zero, which is searched in
    double precision. The most probable class stays the same for any T.

    Parameters
    ----------
    logits : ndarray of float, (sample, class)
        Of samples that the network was not trained on.
    labels : ndarray of int64, (sample,)
        Their class indices.

    Returns
    -------
    float
        `COLDEST` to `HOTTEST`; above 1 where the network is too sure. 1 where the samples do
        not tell: none, a single class, or logits that are equal in each sample.

    Raises
    ------
    ValueError
        When a logit is not finite, or shapes or labels do not fit.
    """
    values = _checked(logits, labels)
    values = values - values.max(axis=1, keepdims=True, initial=-np.inf)
    if not values.any():
        return 1.0
    of_label = values[np.arange(len(labels)), labels]

    def slope(inverse: float) -> float:
        expected = (exponential_shares(values * inverse, axis=1) * values).sum(axis=1)
        return float((expected - of_label).mean())

    if slope(1.0) == 0:
        return 1.0
    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    if slope(1 / COLDEST) <= 0:
        return COLDEST
    return float(1 / brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-12))


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Give the probabilities of logits (sample, class) at a temperature, float64."""
    found: NDArray[np.float64] = exponential_shares(np.float64(logits) / temperature, axis=1)
    return found


def expected_calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], bins: int = 15
) -> float:
    """Give the mean gap between confidence and accuracy (ECE; Guo et al., 2017, eq. 3).

    Samples are put in bins of equal width, each open below and closed above, by the
    probability of their most probable class.

    Parameters
    ----------
    probabilities : ndarray of float, (sample, class)
    labels : ndarray of int64, (sample,)
        Class indices.
    bins : int
        Number of bins between 0 and 1.

    Returns
    -------
    float
        0 to 1; nan without samples.

    Raises
    ------
    ValueError
        When a probability is not finite, or shapes or labels do not fit.
    """
    values = _checked(probabilities, labels)
    if not len(values):
        return float("nan")
    confidence = values.max(axis=1)
    right = values.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(place, confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(values))


def _checked(values: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or labels.shape != found.shape[:1]:
        raise ValueError(
            f"values (sample, class) and labels (sample,) are needed, "
            f"got {found.shape} and {labels.shape}"
        )
    if not np.isfinite(found).all():
        raise ValueError("a value is not finite: there is no calibration of such a network")
    if len(labels) and not (labels.min() >= 0 and labels.max() < found.shape[1]):
        raise ValueError(f"labels {labels.min()} to {labels.max()} leave 0 to {found.shape[1] - 1}")
    return found
