"""Networks over pixel time series, their training and their use.

Arrays in, arrays out: nothing here knows a file format or the chain's config.
In the order in which a sample meets them:

==================  ==========================================================
`stored`            what stored int16 values mean: units, and validity of raw dates
`statistics`        what the training set looks like: min, max, mean, variance
`quantiles`         and its quantiles, of a share of the samples
`base`              `Iota2NeuralNetwork`, the contract of every network
`mlp`               `MLPClassifier`
`ann`               `ANN`, a smaller perceptron
`ltae`              `LTAEClassifier`, lightweight temporal attention; reads raw dates
`self_attention`    `SimpleSelfAttentionClassifier`, one block of self-attention
`tempcnn`           `TempCNNClassifier`, convolutions along time
`layers`            what several of them share
`user_code`         a user's Python file, run as a module of its own
`user_networks`     networks of a user's Python file
`registry`          from a name and its parameters to a network
`sources`           where labelled samples come from, block by block
`samples`           int16 samples in memory
`loaders`           the batches of an epoch, from memory
`streaming`         and from a source that is read block by block
`conversion`        batches as stored, to the device and to physical units
`options`           the settings of a training
`losses`            cross-entropy and focal loss
`schedules`         optimizers and their rates
`devices`           GPU or CPU, random states
`training`          `fit`: the loop
`validation`        the scores of an epoch
`tally`             its mean loss
`history`           what an epoch came to
`choice`            the best epoch of each criterion
`early_stop`        when to end before the last epoch
`checkpoint`        what continues a training
`calibration`       whether probabilities mean what they say
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

from .ann import ANN
from .base import Iota2NeuralNetwork
from .checkpoint import Checkpoint
from .early_stop import EarlyStop
from .inference import BATCH_SIZE, predict
from .ltae import LTAEClassifier
from .metrics import Scores, confusion, scores
from .mlp import MLPClassifier
from .quantiles import Quantiles
from .registry import NETWORKS, build, network_class, parameters_of
from .samples import Samples
from .self_attention import SimpleSelfAttentionClassifier
from .statistics import Statistics, Summary
from .tempcnn import TempCNNClassifier
from .training import CRITERIA, Best, Epoch, Fit, FitOptions, Progress, class_weights, fit

__all__ = [
    "ANN",
    "BATCH_SIZE",
    "CRITERIA",
    "NETWORKS",
    "Best",
    "Checkpoint",
    "EarlyStop",
    "Epoch",
    "Fit",
    "FitOptions",
    "Iota2NeuralNetwork",
    "LTAEClassifier",
    "MLPClassifier",
    "Progress",
    "Quantiles",
    "Samples",
    "Scores",
    "SimpleSelfAttentionClassifier",
    "Statistics",
    "Summary",
    "TempCNNClassifier",
    "build",
    "class_weights",
    "confusion",
    "fit",
    "network_class",
    "parameters_of",
    "predict",
    "scores",
]
