"""What is wrong with the settings of samples, told before anything heavy runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from . import augmentation_settings, exchange, sampling


class SampleSettings(
    sampling.SamplingSettings,
    exchange.ExchangeSettings,
    augmentation_settings.AugmentationSettings,
):
    """All keys that choose, copy and make samples."""


def files_of(settings: SampleSettings) -> list[Path]:
    """Give the CSV files that the keys name."""
    exchanged = settings.sample_management
    return [
        *settings.sample_selection.files,
        *([] if exchanged is None else [exchanged]),
        *settings.sample_augmentation.files,
    ]


def problems_of(
    settings: SampleSettings, models: Collection[str], codes: Mapping[str, int]
) -> list[str]:
    """List what is wrong with the keys and their files, a sentence each.

    Parameters
    ----------
    settings : SampleSettings
    models : collection of str
        Names of all models as users write them (`1` without regions), and of all regions that
        are divided into models.
    codes : mapping of label (as text) to class code
    """
    return [
        *sampling.problems_of(settings.sample_selection, models, codes),
        *exchange.problems_of(settings.sample_management, models, codes),
        *augmentation_settings.problems_of(settings.sample_augmentation, models, codes),
    ]


def looked_at(settings: SampleSettings) -> dict[str, Any]:
    """Give what the check depends on, as plain data: files and names of models."""
    return {
        "files": [str(path) for path in files_of(settings)],
        "per_model": [picks.target_model for picks in settings.sample_selection.per_model],
        "target_models": list(settings.sample_augmentation.target_models),
    }
