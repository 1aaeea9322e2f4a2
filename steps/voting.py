"""What models say of pixels: one model, or the vote of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from .contract import Settings
from .labels import Labels

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


def prediction(known: np.ndarray, labels: Sequence[int], classes: Labels) -> Prediction:
    """Turn the probabilities of one model into a prediction.

    Parameters
    ----------
    known : ndarray of float32, (n, class of the model)
    labels : sequence of int
        Codes of the model's classes, increasing.
    classes : Labels
        Classes of the run.
    """
    codes = np.array(labels, np.int64)
    best = known.max(axis=1, initial=0)
    return Prediction(
        codes[known.argmax(axis=1)],
        np.maximum(np.rint(best * 100), 1).astype(np.uint8),
        _scaled(_over_all(known, labels, classes)),
    )


def vote(
    known: Sequence[np.ndarray],
    labels: Sequence[Sequence[int]],
    taught: Sequence[int],
    classes: Labels,
    undecided: str,
) -> Prediction:
    """Bring several models together: the class with most votes.

    Where no class has most votes, one model decides. The confidence is the mean over the models
    of their confidence c where they agree with the winner, and of 1 - c where they do not; the
    probabilities are the mean of those of the models (iota2's rules).

    Parameters
    ----------
    known : sequence of ndarray of float32, (n, class of the model)
        Probabilities of each model.
    labels : sequence of sequence of int
        Codes of each model's classes.
    taught : sequence of int
        Training samples of each model.
    classes : Labels
    undecided : {"maxConfidence", "learningPriority"}
        The model that decides where there is a tie: the most confident one, or the one with
        most training samples; of equals the first.
    """
    said = np.stack(
        [np.array(codes)[p.argmax(axis=1)] for p, codes in zip(known, labels, strict=True)]
    )
    sure = np.stack([p.max(axis=1, initial=0) for p in known])
    votes = np.stack([(said == code).sum(axis=0) for code in classes.codes])
    winner = np.array(classes.codes)[votes.argmax(axis=0)]
    tie = (votes == votes.max(axis=0)).sum(axis=0) > 1
    judge = (
        sure.argmax(axis=0)
        if undecided == "maxConfidence"
        else np.full(said.shape[1], int(np.argmax(taught)))
    )
    decided = np.take_along_axis(said, judge[np.newaxis], axis=0)[0]
    winner = np.where(tie, decided, winner)
    agreed = np.where(said == winner, sure, 1 - sure).mean(axis=0)
    every = [_over_all(p, codes, classes) for p, codes in zip(known, labels, strict=True)]
    return Prediction(
        winner,
        np.maximum(np.rint(agreed * 100), 1).astype(np.uint8),
        _scaled(np.asarray(np.mean(every, axis=0, dtype=np.float32))),
    )


def _over_all(known: np.ndarray, labels: Sequence[int], classes: Labels) -> np.ndarray:
    """Give the probabilities over the classes of the run, float32 (class, n)."""
    every = np.zeros((len(classes.codes), len(known)), np.float32)
    every[np.searchsorted(classes.codes, labels)] = known.T
    return every


def _scaled(shares: np.ndarray) -> np.ndarray:
    return np.rint(shares * PROBABILITY_SCALE).astype(np.uint16)
