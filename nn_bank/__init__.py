"""Networks over pixel time series, their training and their use.

Arrays in, arrays out: nothing here knows a file format or the chain's config.
In the order in which a sample meets them:

==================  ==========================================================
`statistics`        what the training set looks like: min, max, mean, variance
`base`              `Iota2NeuralNetwork`, the contract of every network
`mlp`               `MLPClassifier`
`registry`          from a name and its parameters to a network
`samples`           int16 samples, and the batches of an epoch
`training`          `fit`: the loop, and the best epoch of each criterion
`metrics`           confusion matrix and scores
`inference`         `predict`: class probabilities, whatever the cut
==================  ==========================================================

Examples
--------
>>> network = build("MLPClassifier", 37, 13, 23, {})       # doctest: +SKIP
>>> network.set_statistics(statistics.summary(scale))      # doctest: +SKIP
>>> fitted = fit(network, training, validation, FitOptions())  # doctest: +SKIP
>>> probabilities = predict(network, features, scale)      # doctest: +SKIP
"""

from .base import Iota2NeuralNetwork
from .inference import BATCH_SIZE, predict
from .metrics import Scores, confusion, scores
from .mlp import MLPClassifier
from .registry import NETWORKS, build
from .samples import Samples
from .statistics import Statistics, Summary
from .training import CRITERIA, Best, Epoch, Fit, FitOptions, class_weights, fit

__all__ = [
    "BATCH_SIZE",
    "CRITERIA",
    "NETWORKS",
    "Best",
    "Epoch",
    "Fit",
    "FitOptions",
    "Iota2NeuralNetwork",
    "MLPClassifier",
    "Samples",
    "Scores",
    "Statistics",
    "Summary",
    "build",
    "class_weights",
    "confusion",
    "fit",
    "predict",
    "scores",
]
