"""Class probabilities of an estimator that do not depend on how the pixels were cut into calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier

from ...nn_bank.inference import BATCH_SIZE
from ...nn_bank.stored import INVALID


class Axes(Protocol):
    """What says of stored values what they mean: axes of samples, the card of a model."""

    @property
    def scales(self) -> Sequence[float]:
        """Stored value of one unit, along band."""

    @property
    def static_scales(self) -> Sequence[float]:
        """Stored value of one unit of the features without a date."""

    @property
    def gaps(self) -> bool:
        """Single values may be missing."""


@dataclass(frozen=True, eq=False)
class Meaning:
    """What stored values mean."""

    scale: NDArray[np.float32]
    """Stored value divided by scale is the physical value, (band,)."""
    static_scale: NDArray[np.float32]
    """The same of the features without a date, (static,)."""
    gaps: bool = False
    """INVALID is no value, but that there is none."""

    @classmethod
    def of(cls, axes: Axes) -> Meaning:
        """Give what axes, or a card, say of stored values."""
        scale, static = (np.array(one, np.float32) for one in (axes.scales, axes.static_scales))
        return cls(scale, static, axes.gaps)


def flat(
    features: NDArray[np.int16], meaning: Meaning, statics: NDArray[np.int16] | None = None
) -> NDArray[np.float32]:
    """Give samples as scikit-learn wants them.

    Parameters
    ----------
    features : ndarray of int16, (sample, date, band)
        As stored.
    meaning : Meaning
    statics : ndarray of int16, (sample, static), optional
        Features without a date, as stored; where `meaning` has scales of some.

    Returns
    -------
    ndarray of float32, (sample, date x band + static)
        Physical values, all bands of date 1, then all of date 2, at last those without a date;
        NaN in gaps.

    Raises
    ------
    ValueError
        Other features without a date than `meaning` tells of.
    """
    _check_statics(len(features), meaning, statics)
    count, dates, bands = features.shape
    series = dates * bands
    x = np.empty((count, series + len(meaning.static_scale)), np.float32)
    scale = np.tile(meaning.scale, dates)
    _convert(features.reshape(count, series), scale, x[:, :series], meaning.gaps)
    if statics is not None:
        _convert(statics, meaning.static_scale, x[:, series:], meaning.gaps)
    return x


def _convert(
    stored: NDArray[np.int16], scale: NDArray[np.float32], out: NDArray[np.float32], gaps: bool
) -> None:
    """Fill `out` with physical values, NaN in gaps, (sample, feature)."""
    np.divide(stored, scale, out=out)
    if gaps:
        out[stored == INVALID] = np.nan


def _check_statics(count: int, meaning: Meaning, statics: NDArray[np.int16] | None) -> None:
    expected = (count, len(meaning.static_scale))
    got = (count, 0) if statics is None else statics.shape
    if got != expected:
        raise ValueError(f"features without a date: (sample, static) {got}, not {expected}")


def probabilities(
    estimator: Any,
    features: NDArray[np.int16],
    meaning: Meaning,
    statics: NDArray[np.int16] | None = None,
) -> NDArray[np.float32]:
    """Give the class probabilities of samples.

    Every call of the estimator has BATCH_SIZE rows, the last one filled up with zeros: a matrix
    product, or a sum, over another number of rows may round differently.

    Parameters
    ----------
    estimator : Pipeline
        Fitted; its last step predicts.
    features : ndarray of int16, (sample, date, band)
    meaning : Meaning
    statics : ndarray of int16, (sample, static), optional
        Features without a date.

    Returns
    -------
    ndarray of float32, (sample, class)
        Each row's sum is 1.
    """
    found = np.empty((len(features), len(estimator.classes_)), np.float32)
    for start in range(0, len(features), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        beside = None if statics is None else _filled_up(statics[rows])
        shares = _stated(estimator, flat(_filled_up(features[rows]), meaning, beside))
        found[rows] = shares[: len(found[rows])]
    return found


def _filled_up(rows: NDArray[np.int16]) -> NDArray[np.int16]:
    """Give rows with zeros behind them, BATCH_SIZE in all."""
    if len(rows) == BATCH_SIZE:
        return rows
    return np.concatenate([rows, np.zeros((BATCH_SIZE - len(rows), *rows.shape[1:]), np.int16)])


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
