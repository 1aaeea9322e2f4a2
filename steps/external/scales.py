"""With which scale the values of an index become int16."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from ..input_report import Report

LARGEST = 32767
"""Of int16."""
HEADROOM = 8
"""Values so many times as large as those of the trial still fit."""
FINEST = 4
"""Power of ten of the scale of reflectance: none that is chosen is finer."""
FEW = 10
"""Steps of the stored values below which there is a warning."""


def chosen(largest: float) -> float:
    """Choose a scale: the finest power of ten up to 10000 that leaves headroom.

    Parameters
    ----------
    largest : float
        Largest absolute value of the trial.
    """
    power = FINEST
    while HEADROOM * largest * _ten(power) > LARGEST:
        power -= 1
    return _ten(power)


def _ten(power: int) -> float:
    return float(f"1e{power}")  # 10.0**-3 is another number than 0.001


def of(largest: Mapping[str, float], asked: Mapping[str, float]) -> tuple[dict[str, float], Report]:
    """Give the scale of each index and label.

    Parameters
    ----------
    largest : mapping of name to float
        Largest absolute value of each in the trial.
    asked : mapping of name to float
        `scale` of the settings.

    Returns
    -------
    scales : dict
    report : Report
        Scales with which values do not fit into int16, or hardly differ.
    """
    scales = {name: asked.get(name, chosen(value)) for name, value in largest.items()}
    report = Report()
    for name, scale in scales.items():
        report += _judged(name, largest[name], scale)
    return scales, report


def given(
    largest: Mapping[str, float], known: Mapping[str, float]
) -> tuple[dict[str, float], Report]:
    """Give the scales of a model that was trained elsewhere; values beyond them are cut off.

    Parameters
    ----------
    largest : mapping of name to float
        Largest absolute value of each in the trial.
    known : mapping of name to float
        Scales of the model.
    """
    scales = {name: known.get(name, chosen(value)) for name, value in largest.items()}
    beyond = [name for name, scale in scales.items() if largest[name] * scale > LARGEST]
    return scales, Report(
        warnings=tuple(
            f"{name} reaches {largest[name]:g}, the model was trained with values up to "
            f"{LARGEST / scales[name]:g}: larger ones are cut off"
            for name in beyond
        )
    )


def unknown(asked: Iterable[str], names: Iterable[str]) -> list[str]:
    """Tell the names of `scale` that no function gives."""
    known = list(names)
    found = []
    for name in asked:
        if name in known:
            continue
        near = get_close_matches(name, known, n=3)
        hint = f"; is it {' or '.join(near)}?" if near else ""
        found.append(
            f"external_features.scale: no function gives {name}{hint} "
            f"(there are {', '.join(known) or 'none'})"
        )
    return found


def _judged(name: str, largest: float, scale: float) -> Report:
    if largest * scale > LARGEST:
        return Report(
            errors=(
                f"external_features.scale: {name} reaches {largest:g}, x {scale:g} does not fit "
                f"into int16 ({LARGEST}): give {chosen(largest):g}, or drop it",
            )
        )
    if 0 < largest * scale < FEW:
        return Report(
            warnings=(
                f"{name} reaches {largest:.3g} alone: stored x {scale:g}, its values hardly "
                f'differ; give a larger one, external_features {{ scale : {{ "{name}" : ... }} }}',
            )
        )
    return Report()
