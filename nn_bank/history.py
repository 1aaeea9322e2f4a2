"""What an epoch came to, and how fast the training goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training set came to; nan where undefined.

    Equal for equal trainings, bit for bit; what a clock says stands in `Progress`.
    """

    number: int
    """From 1."""
    train_loss: float
    """Mean loss over the epoch's batches, each before its own step: the loss that is trained
    on, with label smoothing or focus."""
    validation_loss: float
    """Mean cross-entropy over the validation set after the epoch, with the weights of classes,
    without smoothing or focus, so that trainings with different losses compare."""
    oa: float
    """Overall accuracy on the validation set, 0-1."""
    kappa: float
    """Cohen's kappa on the validation set."""
    fscore: float
    """F-score on the validation set, mean over the classes that it holds."""
    precision: float = float("nan")
    """Precision on the validation set, mean over the classes that were predicted."""
    recall: float = float("nan")
    """Recall on the validation set, mean over the classes that it holds."""
    learning_rate: float = float("nan")
    """Rate of the epoch's last step."""


@dataclass(frozen=True)
class Progress:
    """How fast the training goes; measured, so no two trainings give the same."""

    seconds: float
    """Of the epoch, validation included."""
    samples_per_second: float
    """Training samples, without the validation."""
    seconds_left: float
    """At most: the epochs left, at the mean pace of those of this process."""
