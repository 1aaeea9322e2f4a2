"""What models say of pixels: one model, or the vote of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from ...nn_bank.inference import calibrated
from ..contract import Settings
from ..reference.labels import Labels

PROBABILITY_SCALE = 1000


class VotingSettings(Settings):
    """The key that decides where the models of a region disagree."""

    no_label_management: Literal["maxConfidence", "learningPriority"] = Field(
        "maxConfidence",
        description="Class of a pixel for which no class has most votes (classif_mode fusion): "
        "that of the most confident model, or of the model with most training samples.",
    )


@dataclass(frozen=True)
class Prediction:
    """What is said of n pixels."""

    labels: np.ndarray
    """Class codes, 0 for none, (n,)."""
    confidence: np.ndarray
    """Percent, uint8 (n,), at least 1 where there is a class."""
    probabilities: np.ndarray
    """x 1000, uint16 (class of the run, n)."""

    @classmethod
    def nothing(cls, count: int, classes: Labels) -> Prediction:
        """Say nothing of `count` pixels."""
        return cls(
            np.zeros(count, np.int64),
            np.zeros(count, np.uint8),
            np.zeros((len(classes.codes), count), np.uint16),
        )

    def put(self, member: np.ndarray, other: Prediction) -> None:
        """Take over what is said of some of the pixels, bool (n,)."""
        self.labels[member] = other.labels
        self.confidence[member] = other.confidence
        self.probabilities[:, member] = other.probabilities


@dataclass(frozen=True)
class Said:
    """What one model states of n pixels."""

    known: np.ndarray
    """Probabilities, not calibrated: they alone decide labels, float32 (n, class of the model)."""
    labels: Sequence[int]
    """Codes of the model's classes, increasing."""
    temperature: float = 1.0
    """Divides the logits for confidence and probabilities."""

    @cached_property
    def best(self) -> np.ndarray:
        """Index of the most probable class, (n,)."""
        return np.asarray(self.known.argmax(axis=1))

    @cached_property
    def codes(self) -> np.ndarray:
        """Code of the most probable class, (n,)."""
        return np.array(self.labels, np.int64)[self.best]

    @cached_property
    def shares(self) -> np.ndarray:
        """Calibrated probabilities, float32 (n, class of the model)."""
        return calibrated(self.known, self.temperature)

    @cached_property
    def sure(self) -> np.ndarray:
        """Calibrated probability of the most probable class, (n,)."""
        return np.take_along_axis(self.shares, self.best[:, np.newaxis], axis=1)[:, 0]


def prediction(said: Said, classes: Labels) -> Prediction:
    """Turn what one model states into a prediction.

    Parameters
    ----------
    said : Said
    classes : Labels
        Classes of the run.
    """
    return Prediction(
        said.codes,
        np.maximum(np.rint(said.sure * 100), 1).astype(np.uint8),
        _scaled(_over_all(said, classes)),
    )


def vote(
    models: Sequence[Said], taught: Sequence[int], classes: Labels, undecided: str
) -> Prediction:
    """Bring several models together: the class with most votes.

    Where no class has most votes, one model decides. The confidence is the mean over the models
    of their confidence c where they agree with the winner, and of 1 - c where they do not; the
    probabilities are the mean of those of the models (iota2's rules).

    Parameters
    ----------
    models : sequence of Said
    taught : sequence of int
        Training samples of each model.
    classes : Labels
    undecided : {"maxConfidence", "learningPriority"}
        The model that decides where there is a tie: the most confident one before calibration,
        or the one with most training samples; of equals the first.
    """
    said = np.stack([model.codes for model in models])
    votes = np.stack([(said == code).sum(axis=0) for code in classes.codes])
    winner = np.array(classes.codes)[votes.argmax(axis=0)]
    tie = (votes == votes.max(axis=0)).sum(axis=0) > 1
    judge = (
        np.stack([model.known.max(axis=1, initial=0) for model in models]).argmax(axis=0)
        if undecided == "maxConfidence"
        else np.full(said.shape[1], int(np.argmax(taught)))
    )
    decided = np.take_along_axis(said, judge[np.newaxis], axis=0)[0]
    winner = np.where(tie, decided, winner)
    sure = np.stack([model.sure for model in models])
    agreed = np.where(said == winner, sure, 1 - sure).mean(axis=0)
    every = [_over_all(model, classes) for model in models]
    return Prediction(
        winner,
        np.maximum(np.rint(agreed * 100), 1).astype(np.uint8),
        _scaled(np.asarray(np.mean(every, axis=0, dtype=np.float32))),
    )


def _over_all(said: Said, classes: Labels) -> np.ndarray:
    """Give the probabilities over the classes of the run, float32 (class, n)."""
    every = np.zeros((len(classes.codes), len(said.known)), np.float32)
    every[np.searchsorted(classes.codes, said.labels)] = said.shares.T
    return every


def _scaled(shares: np.ndarray) -> np.ndarray:
    return np.rint(shares * PROBABILITY_SCALE).astype(np.uint16)
