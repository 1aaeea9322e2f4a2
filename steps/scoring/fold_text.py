"""The scores of a cross-validation for reading, `final/FOLDS.txt`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contract import MAIN
from ..reference.labels import Labels
from . import scores
from .distances import Bin
from .fold_scores import AREAS, SCORES, TEST, VALIDATION, Validation
from .scores import Run

UNDEFINED = "-"
WIDTH = 8


@dataclass(frozen=True)
class Told:
    """All that the text tells."""

    manner: str
    """How the folds were made, such as `by tile, buffer 100 m`."""
    validation: Validation
    classes: Labels
    proofs: Sequence[Mapping[str, Any]]
    """Records of the proofs of the folds, by fold and seed."""
    distances: Sequence[Bin]
    contradicted: int
    """Polygons that most of their out-of-fold pixels give another class."""
    ranked: int
    """Polygons with an out-of-fold prediction."""
    resubstitution: bool = False
    """True when the polygons of the same area were learnt from."""


def as_text(told: Told) -> str:
    """Give the scores of the folds for reading."""
    validation = told.validation
    stacked = validation.stacked()
    count = len(validation.names)
    head = f"Spatial cross-validation {told.manner}: {count} fold{'s' * (count > 1)}"
    blocks = [
        [head, f"Runs: {len(validation.seeds)}"],
        _meaning(told),
        [*_table(told, stacked)],
        _stacked_lines(stacked, told.classes),
        _class_lines(stacked, told.classes),
        _distance_lines(told.distances),
        _suspicious_lines(told),
        [proof_line(proof, validation) for proof in told.proofs],
        _remarks(told),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _meaning(told: Told) -> list[str]:
    same = (
        "Same area: the polygons that the same models learnt from (resubstitution); too optimistic."
        if told.resubstitution
        else "Same area: validation polygons of a random split, among those that the same models "
        "learnt from."
    )
    amid = told.manner.startswith("by polygon")
    return [
        "Another area: test polygons of each fold, mapped by models that learnt from none of them.",
        same,
        "By polygon the test polygons lie amid those learnt from: no area is held out, and both "
        "scores are of one area."
        if amid
        else "The first tells how the map does away from its ground truth, the second how it does "
        "amid it.",
    ]


def _table(told: Told, stacked: Sequence[Run]) -> Iterator[str]:
    """Yield a line a fold, then mean, deviation, all together, and the run itself."""
    validation = told.validation
    names = {k: str(k) + f" {n}" * (n != str(k)) for k, n in validation.names.items()}
    wide = max(len("Deviation"), *(len(name) for name in names.values()))
    cells = (*(f"{title:>{WIDTH}}" for title in ("OA", "kappa", "mean F")), f"{'pixels':>10}")
    block = "".join(cells)
    yield " " * wide + "".join(f"{area:^{len(block)}}" for area in AREAS.values()).rstrip()
    yield f"{'Fold':<{wide}}" + block * len(AREAS)
    for fold, name in names.items():
        yield f"{name:<{wide}}" + "".join(_fold_cells(validation, fold, side) for side in AREAS)
    spreads = [[validation.spread(side, score) for score in SCORES] for side in AREAS]
    empty = f"{'':>10}"
    yield (
        f"{'Mean':<{wide}}"
        + empty.join("".join(_cell(one.mean) for one in side) for side in spreads)
    )
    yield (
        f"{'Deviation':<{wide}}"
        + empty.join("".join(_cell(one.deviation) for one in side) for side in spreads)
    )
    together = (scores.spread([getattr(r.scores, s) for r in stacked]).mean for s in SCORES)
    pixels = sum(int(run.matrix.counts.sum()) for run in stacked)
    yield f"{'Stacked':<{wide}}" + "".join(map(_cell, together)) + f"{pixels:>10}"
    if validation.of(MAIN, VALIDATION):
        yield f"{'Run':<{wide}}" + " " * len(block) + _fold_cells(validation, MAIN, VALIDATION)
    yield from _legend(validation)


def _fold_cells(validation: Validation, fold: int, side: str) -> str:
    pixels = sum(entry.pixels for entry in validation.of(fold, side))
    return "".join(_cell(validation.mean(fold, side, score)) for score in SCORES) + f"{pixels:>10}"


def _cell(value: float | None) -> str:
    known = value is not None and math.isfinite(value)
    return f"{value:>{WIDTH}.3f}" if known else f"{UNDEFINED:>{WIDTH}}"


def _legend(validation: Validation) -> Iterator[str]:
    if len(validation.seeds) > 1:
        yield "Each fold: mean over the runs, pixels of all runs"
    yield "Mean, deviation (n - 1): over the folds"
    yield "Stacked: scores of one matrix, the sum of those of all folds" + (
        "; mean over the runs" if len(validation.seeds) > 1 else ""
    )
    if validation.of(MAIN, VALIDATION):
        yield "Run: nothing held out; the score of the map of the run, as in RESULTS.txt"
    yield "Mean F: over the classes with reference pixels there; others are left out, never 0"
    yield f"{UNDEFINED}: undefined"


def _stacked_lines(stacked: Sequence[Run], classes: Labels) -> list[str]:
    counts = np.mean([run.matrix.counts for run in stacked], axis=0)
    mean = " (mean over runs)" if len(stacked) > 1 else ""
    lines = [f"Stacked confusion matrix in pixels{mean}: rows reference, columns map"]
    lines.append(f"{'':>9} " + " ".join(f"{code:>9}" for code in classes.codes))
    for label, row in zip(classes.classes, counts, strict=True):
        cells = " ".join(f"{value:>9.0f}" for value in row)
        lines.append(f"{label.code:>9} {cells}  {label.name}")
    return lines


def _class_lines(stacked: Sequence[Run], classes: Labels) -> list[str]:
    wide = max(9, *(len(label.name) for label in classes.classes))
    titles = "".join(f"{title:>{WIDTH + 3}}" for title in ("Precision", "Recall", "F-score"))
    lines = [f"{'Stacked':<{wide}}{titles}{'Pixels':>10}  Largest confusions"]
    for row in scores.class_rows(stacked, classes):
        values = "   ".join(_cell(row[name].mean) for name in ("precision", "recall", "fscore"))
        taken = ", ".join(f"{c['name']} {100 * c['share']:.1f} %" for c in row["confusions"])
        line = f"{row['name']:<{wide}}   {values}{row['reference_pixels']:>10}  {taken}"
        lines.append(line.rstrip())
    return lines


def _distance_lines(bins: Sequence[Bin]) -> list[str]:
    if not bins:
        return ["Accuracy by distance: no test polygon has a pixel with a class in the map"]
    lines = [
        "Accuracy by distance to the nearest learning polygon (accuracy_by_distance.csv, .png)",
        f"{'from m':>10}{'to m':>10}{'polygons':>10}{'pixels':>10}{'OA':>{WIDTH}}"
        "  95 % interval over polygons",
    ]
    for one in bins:
        known = math.isfinite(one.low)
        interval = f"  {one.low:.3f} to {one.high:.3f}" if known else f"  {UNDEFINED}"
        lines.append(
            f"{one.near:>10.1f}{one.far:>10.1f}{one.polygons:>10}{one.pixels:>10}"
            f"{_cell(one.oa)}{interval}"
        )
    return lines


def _suspicious_lines(told: Told) -> list[str]:
    return [
        f"Suspicious polygons: {told.contradicted} of {told.ranked} are given another class by "
        "most of their pixels (suspicious_polygons.gpkg, ranked)"
    ]


def proof_line(proof: Mapping[str, Any], validation: Validation) -> str:
    """Say in a sentence what the proof of a fold and seed found."""
    fold = proof["fold"]
    name = validation.label(fold)
    run = f", run {proof['seed']}" if len(validation.seeds) > 1 else ""
    tests = f"its {proof['test_polygons']:,} test polygons"
    where = f"in or within {_metres(proof['buffer'])} of" if proof["buffer"] else "in"
    if proof["nearest"] is None:
        return f"{name}{run}: {proof['samples']:,} samples, {tests}: nothing to measure"
    return (
        f"{name}{run}: {proof['samples']:,} samples, none {where} {tests}; "
        f"the nearest is {_metres(proof['nearest'])} away"
    )


def _metres(value: float) -> str:
    """Give a distance, rounded down below 10 m to decimetres, else to metres."""
    step = 10 if value < 10 else 1
    # a nearest sample may fall short of the buffer by a rounding error, never by a digit shown
    shown = math.floor(value * step + 0.01) / step
    return f"{shown:,.1f} m".replace(".0 m", " m")


def _remarks(told: Told) -> list[str]:
    validation = told.validation
    names = {label.code: label.name for label in told.classes.classes}
    lost = {
        side: sum(e.unclassified for e in validation.entries if (e.side, bool(e.fold)) == key)
        for side, key in ((side, (side, True)) for side in AREAS)
    }
    remarks = [
        f"Reference pixels without a class in the map, left out: {lost[TEST]} of test polygons, "
        f"{lost[VALIDATION]} of validation polygons"
    ]
    for fold in validation.names:
        for side, area in AREAS.items():
            absent = ", ".join(names[code] for code in validation.absent(fold, side))
            if absent:
                remarks.append(f"{validation.label(fold)}, {area}: no reference pixel of {absent}")
    return remarks
