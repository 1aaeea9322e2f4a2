"""The two sets of a training, and what is known of them before it begins."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ...errors import TaskError
from ...nn_bank.sources import Source
from ...nn_bank.statistics import Quantiles, Statistics, Summary
from ..sampling import samples_file
from . import apart, sample_source
from .settings import DeepLearning

log = logging.getLogger(__name__)

FULL_MOST = 2e9
"""Bytes of samples up to which dataloader_mode auto holds all of them. No property of the machine:
the mode decides the order of the samples, and with it the result."""


@dataclass(frozen=True, eq=False)
class Sets:
    """The samples of a training, and what is known of them."""

    axes: samples_file.Axes
    training: Source
    validation: Source
    codes: list[int]
    """Class code of each output."""
    summary: Summary


def read(path: Path, deep: DeepLearning, seed: int) -> Sets:
    """Open both sets as `dataloader_mode` says; take the statistics of the training set.

    Raises
    ------
    TaskError
        Samples that no network can learn from.
    """
    axes = samples_file.read_axes(path)
    _refuse_statics(axes, deep.dl_name)
    mode, why = _mode(path, deep.dataloader_mode)
    log.info("dataloader_mode %s: %s", mode, why)
    opened = sample_source.load if mode == "full" else sample_source.stored
    training, validation, codes = opened(path)
    share = deep.additional_statistics_percentage
    quantiles = None if share is None else Quantiles(len(training), share, seed)
    shape = (len(axes.dates), len(axes.bands))
    statistics = Statistics(*shape, raw=axes.raw, gaps=axes.gaps)
    for block in range(training.blocks):
        features, _ = training.read(block)
        statistics.update(features)
        if quantiles is not None:
            quantiles.update(features)
    summary = statistics.summary(training.scale, quantiles)
    if axes.gaps:
        apart.log_missing(dict(zip(axes.bands, statistics.missing().tolist(), strict=True)))
    return Sets(axes, training, validation, codes, summary)


def _refuse_statics(axes: samples_file.Axes, network: str) -> None:
    """Refuse features without a date: a network reads the same bands at every date."""
    if axes.statics:
        raise TaskError(
            f"{network} reads (date, band), and these external features are not one value for "
            f"every date: {', '.join(axes.statics)}; take them from external_features.functions, "
            "or choose an estimator of scikit-learn (scikit_models_parameters.model_type)"
        )


def _mode(path: Path, asked: str) -> tuple[str, str]:
    """Give the way in which the samples are read, and why."""
    size = sample_source.size(path)
    told = f"the samples take {size / 1e9:.2f} GB"
    if asked != "auto":
        return asked, told
    mode = "full" if size <= FULL_MOST else "stream"
    return mode, f"{told}, auto holds up to {FULL_MOST / 1e9:.0f} GB in memory"
