"""What is wrong with the keys of external features beside each other, and beside the builders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...steps.builders import FEATURES_MAP
from ...steps.external.settings import ExternalFeatures
from .sections import RunSettings
from .syntax import Document

SECTION, FLAG, FUNCTIONS = "external_features", "external_features_flag", "functions"
OF_THE_MAP = ("no_data_value", "output_name", "output_format", "output_type", "output_per_tile")
"""Keys of the section that the features map alone reads."""
MANAGING, FILL, RAW = "python_data_managing", "fill_missing_dates", "features_from_raw_dates"
PADDING = ("padding_size_x", "padding_size_y")
"""Keys of another section that the functions alone read."""


def problems(document: Document, run: RunSettings, values: Mapping[str, Any]) -> Iterator[str]:
    """Tell the keys that contradict each other, and those that nothing would read.

    Parameters
    ----------
    document : Document
        For file and line.
    run : RunSettings
    values : mapping
        Key -> value as written, of all sections.
    """
    section = values.get(SECTION)
    given = section if isinstance(section, Mapping) else {}
    calls = bool(given.get(FUNCTIONS))
    if section is not None:
        for key, text in _of_section(given, calls, run):
            yield f"{document.where((SECTION, key))}: {SECTION}.{key}: {text}"
    for key, text in _beside(values, section is not None, calls):
        yield f"{document.where((MANAGING, key))}: {MANAGING}.{key}: {text}"


def _of_section(
    given: Mapping[str, Any], calls: bool, run: RunSettings
) -> Iterator[tuple[str, str]]:
    """Yield key and complaint about the section itself."""
    flag = given.get(FLAG)
    if calls and flag is False:
        yield FLAG, "False contradicts functions: drop one of them"
    elif not calls and flag:
        yield FLAG, f"True needs {FUNCTIONS}: name those to call, or drop it"
    elif not (calls or run.maps_features or flag is False or _misspelt(given)):
        yield FUNCTIONS, "name the functions to call, or drop the section"
    else:
        yield from _unread(given, calls, run)


def _misspelt(given: Mapping[str, Any]) -> bool:
    """Tell whether a key is unknown, which is told already: it may be that of the functions."""
    return not set(given) <= set(ExternalFeatures.model_fields)


def _unread(given: Mapping[str, Any], calls: bool, run: RunSettings) -> Iterator[tuple[str, str]]:
    """Yield the keys that nothing would read."""
    for key, info in ExternalFeatures.model_fields.items():
        plain = info.get_default(call_default_factory=True, validated_data={})
        if key in {FLAG, FUNCTIONS} or given.get(key, plain) in (None, plain):
            continue
        if key in OF_THE_MAP:
            if not run.maps_features:
                yield key, f"belongs to builder {FEATURES_MAP}: drop it, or add the builder"
        elif not calls:
            yield key, f"belongs to {FUNCTIONS}, and there are none: name them, or drop it"


def _beside(values: Mapping[str, Any], section: bool, calls: bool) -> Iterator[tuple[str, str]]:
    """Yield key and complaint about the keys in other sections."""
    for key in PADDING if section and not calls else ():
        if values.get(key):
            yield key, f"belongs to {SECTION}.{FUNCTIONS}, and there are none: drop it"
    if values.get(FILL) is True and not (calls or values.get(RAW)):
        yield FILL, f"belongs to {SECTION}.{FUNCTIONS} or {RAW}, and there is none: drop it"
