"""A trained estimator on disk: one skops file; loading it runs no code.

Beside what skops needs the file has one member, ``i2lc.json``: the card, as of a network's file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import InconsistentVersionWarning

from ...errors import InputError
from ..learning.model_file import Card, card_of
from . import archive, prediction
from .prediction import Meaning

MEMBER = "i2lc.json"
VERSION = "scikit_learn"
"""Key of the training record: version of scikit-learn that made the model."""


@dataclass(frozen=True)
class ScikitModel:
    """An estimator ready to predict."""

    card: Card
    estimator: Any
    """A fitted Pipeline whose classes are numbers of the card's labels."""

    def probabilities(
        self, values: NDArray[np.int16], statics: NDArray[np.int16] | None = None
    ) -> NDArray[np.float32]:
        """Give the class probabilities of samples, the same bits for any cut.

        Parameters
        ----------
        values : ndarray of int16, (sample, date, band)
        statics : ndarray of int16, (sample, static), optional
            Features without a date, where the card names some.

        Returns
        -------
        ndarray of float32, (sample, class)
            Classes in the order of the card's labels; each row's sum is 1.
        """
        return prediction.probabilities(self.estimator, values, Meaning.of(self.card), statics)


def save(path: Path, estimator: Any, card: Card) -> None:
    """Write estimator and card to `path`; the same bytes for the same model."""
    path.write_bytes(archive.pack(estimator, {MEMBER: card.as_json()}))


def read_card(path: Path) -> Card:
    """Read the card alone."""
    text = archive.text(path, MEMBER)
    if text is None:
        raise InputError(f"{path} is no model of i2lc: it has no member {MEMBER}")
    return card_of(path, text)


def load(path: Path) -> ScikitModel:
    """Load a model for inference.

    Raises
    ------
    InputError
        No model of i2lc, one with a type that is not allowed, one of another version of
        scikit-learn, or one whose card belongs to another estimator.
    """
    card = read_card(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            estimator = archive.unpack(path)
        except InputError as error:
            raise _of_other_version(path, card) or error from error
    _refuse_mismatch(path, card, estimator)
    return ScikitModel(card, estimator)


def _of_other_version(path: Path, card: Card) -> InputError | None:
    made = card.training.get(VERSION)
    if made == sklearn.__version__:
        return None
    return InputError(
        f"{path} was made with scikit-learn {made}, this is {sklearn.__version__}: estimators "
        "do not pass from one version to another; install that version, or train again"
    )


def _refuse_mismatch(path: Path, card: Card, estimator: Any) -> None:
    """Refuse an estimator that its card does not describe."""
    expected = (list(range(len(card.labels))), card.features)
    try:
        found = (np.asarray(estimator.classes_).tolist(), int(estimator[0].n_features_in_))
    except (AttributeError, TypeError, IndexError) as error:
        raise InputError(f"{path} holds no fitted pipeline of scikit-learn") from error
    if found != expected:
        raise InputError(
            f"{path} holds an estimator of {len(found[0])} classes and {found[1]} features, its "
            f"card tells of {len(card.labels)} and {expected[1]}"
        )
