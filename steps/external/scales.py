"""With which scale the values of an index become int16."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ..checks.input_report import Report
from .results import LABEL
from .stored import store

LARGEST = 32767
"""Of int16."""
HEADROOM = 8
"""Values so many times as large as nearly all of the trial still fit."""
TAIL = 0.01
"""Share of the values at an end that may be far from all others, and count for no scale."""
BEYOND = 0.001
"""Share of the values that a scale that is chosen cuts off at most."""
FINEST = 4
"""Power of ten of the scale of reflectance: none that is chosen is finer."""
FEW = 100
"""Steps of the stored values, tails left out, below which there is a warning."""
EXACT = 1e-3
"""Part of a step that is no loss."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The values of an index or a label in the trial, those that are numbers."""

    ordered: np.ndarray
    """float32 (n,), ascending."""
    high: float
    """Absolute value that all but TAIL of them do not exceed; 0 where there are none."""

    @classmethod
    def of(cls, values: np.ndarray) -> Sample:
        """Take the numbers among values of any axes."""
        found = np.sort(values[np.isfinite(values)].astype(np.float32), axis=None)
        return cls(found, _ranked(np.sort(np.abs(found)), 1 - TAIL))

    @property
    def size(self) -> int:
        """Number of the values."""
        return len(self.ordered)

    @property
    def largest(self) -> float:
        """Largest absolute value; 0 where there is none."""
        return float(np.abs(self.ordered[[0, -1]]).max()) if self.size else 0.0

    @property
    def blank(self) -> bool:
        """No number but 0 is among them, so that no scale follows from them."""
        return self.largest == 0

    @property
    def ends(self) -> tuple[float, float]:
        """Values between which all but the tails lie; the extremes where that is a single one."""
        low, high = _ranked(self.ordered, TAIL), _ranked(self.ordered, 1 - TAIL)
        if low == high:
            return _ranked(self.ordered, 0), _ranked(self.ordered, 1)
        return low, high

    def beyond(self, scale: float) -> int:
        """Count the values that a scale cuts off."""
        return store(self.ordered, scale)[1]

    def exact(self, scale: float) -> bool:
        """Tell whether all come through as they are, as whole numbers do."""
        exact = self.ordered.astype(np.float64) * scale
        return bool((np.abs(exact - np.rint(exact)) < EXACT).all())


def _ranked(ordered: np.ndarray, share: float) -> float:
    """Give the value of a rank: the least one that a share of all does not exceed."""
    if not len(ordered):
        return 0.0
    return float(ordered[max(math.ceil(share * len(ordered)), 1) - 1])


def chosen(sample: Sample) -> float:
    """Choose a scale: the finest power of ten up to 10000 that leaves headroom.

    The largest values do not count, so that a few that are far from all others do not take its
    steps from them: nearly all must fit HEADROOM times, and all but BEYOND once.
    """
    power = FINEST
    while (
        HEADROOM * sample.high * _ten(power) > LARGEST
        or sample.beyond(_ten(power)) > BEYOND * sample.size
    ):
        power -= 1
    return _ten(power)


def _ten(power: int) -> float:
    return float(f"1e{power}")  # 10.0**-3 is another number than 0.001


def of(
    samples: Mapping[str, Sample], asked: Mapping[str, float]
) -> tuple[dict[str, float], Report]:
    """Give the scale of each index and label.

    Parameters
    ----------
    samples : mapping of name to Sample
        Values of each in the trial.
    asked : mapping of name to float
        `scale` of the settings.

    Returns
    -------
    scales : dict
    report : Report
        Scales with which values do not fit into int16, are cut off, or hardly differ.
    """
    scales = {name: asked.get(name) or _followed(name, samples) for name in samples}
    report = Report()
    for name, scale in scales.items():
        report += _judged(name, samples[name], scale)
    return scales, report


def given(
    samples: Mapping[str, Sample], known: Mapping[str, float]
) -> tuple[dict[str, float], Report]:
    """Give the scales of a model that was trained elsewhere; values beyond them are cut off.

    Parameters
    ----------
    samples : mapping of name to Sample
        Values of each in the trial.
    known : mapping of name to float
        Scales of the model.
    """
    scales = {name: known.get(name) or chosen(sample) for name, sample in samples.items()}
    beyond = [name for name, scale in scales.items() if samples[name].beyond(scale)]
    return scales, Report(
        warnings=tuple(
            f"{name} reaches {samples[name].largest:g}, the model was trained with values up to "
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


def unfounded(
    samples: Mapping[str, Sample], known: Mapping[str, float], every: Mapping[str, Sample]
) -> Iterator[str]:
    """Tell the indices and labels whose scale neither is known nor follows from the trial.

    Whatever was chosen for them might cut off all that they are elsewhere.

    Parameters
    ----------
    samples : mapping of name to Sample
        Values of those in question.
    known : mapping of name to float
        Scales that need no choice.
    every : mapping of name to Sample
        Values of all, among which those of the same index on another day may stand.
    """
    for name, sample in samples.items():
        if sample.blank and name not in known and not _on_other_days(name, every):
            state = "is 0 wherever it has a value" if sample.size else "has no value"
            yield (
                f"{name} {state} in the whole window that was tried, so that its scale, the stored "
                f"int16 value of one unit, cannot be chosen: give it, {way_out([name])} (values up "
                f"to {LARGEST} / scale fit)"
            )


def way_out(names: Iterable[str]) -> str:
    """Give the line of a configuration that says the scale of some indices and labels."""
    told = ", ".join(f'"{name}" : 1' for name in names)
    return f"external_features.scale : {{ {told} }}"


def _followed(name: str, samples: Mapping[str, Sample]) -> float:
    """Choose a scale; of what is blank on its day by its index on the others, the coarsest."""
    own = samples[name]
    others = _on_other_days(name, samples) if own.blank else []
    return min(map(chosen, others), default=chosen(own))


def _on_other_days(name: str, samples: Mapping[str, Sample]) -> list[Sample]:
    """Give the values of the index of a label on other days, those that are not blank.

    A day of the raw series may be hidden by clouds in the whole window.
    """
    own = LABEL.fullmatch(name)
    matches = [(LABEL.fullmatch(other), sample) for other, sample in samples.items()]
    return [
        sample
        for match, sample in matches
        if own and match and match["index"] == own["index"] and not sample.blank
    ]


def _judged(name: str, sample: Sample, scale: float) -> Report:
    """Tell what becomes of values with a scale."""
    beyond = sample.beyond(scale)
    if beyond > TAIL * sample.size:
        return Report(
            errors=(
                f"external_features.scale: {name} reaches {sample.largest:g}, x {scale:g} does not "
                f"fit into int16 ({LARGEST}): give {chosen(sample):g}, or drop it",
            )
        )
    told = (_cut_off(name, sample, scale, beyond), _coarse(name, sample, scale))
    return Report(warnings=tuple(text for text in told if text))


def _cut_off(name: str, sample: Sample, scale: float, beyond: int) -> str:
    if not beyond:
        return ""
    return (
        f"{name} reaches {sample.largest:.3g}, far from its other values: stored x {scale:g}, "
        f"{beyond} of the {sample.size} of the trial are cut off at {LARGEST / scale:g}"
    )


def _coarse(name: str, sample: Sample, scale: float) -> str:
    low, high = sample.ends
    steps = (high - low) * scale
    if not 0 < steps < FEW or sample.exact(scale):
        return ""
    return (
        f"{name} lies from {low:.3g} to {high:.3g}: stored x {scale:g}, that is "
        f"{max(round(steps), 1)} steps, its values hardly differ; give a larger one, "
        f'external_features {{ scale : {{ "{name}" : ... }} }}'
    )
