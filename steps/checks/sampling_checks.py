"""What is wrong with the settings of samples, told before anything heavy runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..reference import region_file
from ..sampling import augmentation_settings, exchange, strategies


class SampleSettings(
    strategies.SamplingSettings,
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
    settings: SampleSettings,
    models: Collection[str],
    codes: Mapping[str, int],
    divided: bool = False,
) -> list[str]:
    """List what is wrong with the keys and their files, a sentence each.

    Parameters
    ----------
    settings : SampleSettings
    models : collection of str
        Names of all models as users write them (`1` without regions), and of all regions that
        are divided into models.
    codes : mapping of label (as text) to class code
    divided : bool
        Whether regions may have parts, `<region>f<k>`.
    """
    region_of = _regions_of(models) if divided else {}
    return [
        *strategies.problems_of(settings.sample_selection, models, codes),
        *exchange.problems_of(settings.sample_management, models, codes, region_of),
        *augmentation_settings.problems_of(settings.sample_augmentation, models, codes),
    ]


def _regions_of(models: Collection[str]) -> dict[str, str]:
    """Give the region of each part of one; no region is called as a part of another is."""
    parts = ((name, region_file.SUB_MODEL.fullmatch(name)) for name in models)
    return {name: part[1] for name, part in parts if part and part[1] in models}


def looked_at(settings: SampleSettings) -> dict[str, Any]:
    """Give what the check depends on, as plain data: files and names of models."""
    return {
        "files": [str(path) for path in files_of(settings)],
        "per_model": [picks.target_model for picks in settings.sample_selection.per_model],
        "target_models": list(settings.sample_augmentation.target_models),
    }
