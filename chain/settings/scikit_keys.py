"""The section whose keys, beyond a few, are those of an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...steps.scikit import checks
from ...steps.scikit.settings import SECTION, Settings
from .syntax import Document

FREE = {SECTION: "estimator_keywords"}
"""Section with keys of its own choice -> field that takes those which i2lc does not know."""
OF_NETWORKS: Mapping[str, Any] = {"calibrate": False, "inference_precision": "float32"}
"""Key that only networks can serve -> its default."""
DEEP, NAME = "deep_learning_parameters", "dl_name"


def problems(document: Document, settings: Settings, values: Mapping[str, Any]) -> Iterator[str]:
    """Tell what is wrong with the section, and what contradicts it elsewhere.

    Parameters
    ----------
    document : Document
        For file and line.
    settings : Settings
    values : mapping
        Key -> value as written, of all sections.
    """
    for path, complaint in checks.complaints(settings):
        key = ".".join(part for part in (SECTION, *path) if not part.isdigit())
        yield f"{document.where((SECTION, *path))}: {key}: {complaint}"
    if settings.model_type is not None:
        for other in _others(values):
            yield (
                f"{document.where((SECTION, 'model_type'))}: {SECTION}.model_type "
                f"{settings.model_type} contradicts {other}, which is for networks: drop one of "
                "them"
            )


def _others(values: Mapping[str, Any]) -> Iterator[str]:
    """Name what is written for networks."""
    deep = values.get(DEEP)
    if isinstance(deep, Mapping) and deep.get(NAME) is not None:
        yield f"{DEEP}.{NAME} {deep[NAME]}"
    for key, plain in OF_NETWORKS.items():
        if values.get(key, plain) != plain:
            yield f"{key} {values[key]}"
