"""The scores of a cross-validation for programs, `final/folds.json` and `final/folds.csv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..contract import MAIN
from . import distances, scores
from .fold_scores import AREAS, SCORES, Entry, Validation
from .fold_text import Told
from .scores import Run

CSV_HEAD = ("fold", "name", "seed", "side", "polygons", "pixels", "unclassified", *SCORES)
NOTHING_HELD_OUT = "nothing held out"
"""Name of fold MAIN in the tables."""


def as_csv(validation: Validation) -> str:
    """Give the scores as CSV: a line for each fold, seed and side."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for entry in validation.entries:
        name = validation.names.get(entry.fold, NOTHING_HELD_OUT)
        values = (getattr(entry.scores, score) for score in SCORES)
        cells = (f"{value:.6f}" if math.isfinite(value) else "" for value in values)
        counts = (entry.polygons, entry.pixels, entry.unclassified)
        writer.writerow((entry.fold, name, entry.seed, entry.side, *counts, *cells))
    return text.getvalue()


def as_json(told: Told) -> dict[str, Any]:
    """Give the scores for programs; an undefined score is null."""
    validation, classes = told.validation, told.classes
    stacked = validation.stacked()
    return {
        "folds_are": told.manner,
        "labels": classes.codes,
        "names": [label.name for label in classes.classes],
        "resubstitution": told.resubstitution,
        "folds": [
            {"number": fold, "name": name, "runs": list(_entries(validation, fold))}
            for fold, name in validation.names.items()
        ],
        "spread_over_folds": {
            area.replace(" ", "_"): {score: _spread(validation, side, score) for score in SCORES}
            for side, area in AREAS.items()
        },
        "stacked": {
            **{score: _mean([getattr(run.scores, score) for run in stacked]) for score in SCORES},
            "confusion_matrix": np.mean([run.matrix.counts for run in stacked], axis=0).tolist(),
            "classes": [_class_record(row) for row in scores.class_rows(stacked, classes)],
            "runs": [_stacked_record(run) for run in stacked],
        },
        "nothing_held_out": list(_entries(validation, MAIN)),
        "accuracy_by_distance": [_bin_record(one) for one in told.distances],
        "suspicious_polygons": {"contradicted": told.contradicted, "ranked": told.ranked},
        "proofs": list(told.proofs),
    }


def _entries(validation: Validation, fold: int) -> Iterator[dict[str, Any]]:
    """Yield a record a seed: the scores of each side."""
    for seed in validation.seeds:
        found = {
            entry.side: _entry_record(entry)
            for side in AREAS
            for entry in validation.of(fold, side)
            if entry.seed == seed
        }
        if found:
            yield {"seed": seed, **found}


def _entry_record(entry: Entry) -> dict[str, Any]:
    per_class = {
        name: [_number(v) for v in getattr(entry.scores, name).tolist()]
        for name in ("precision", "recall", "fscore")
    }
    return {
        **{score: _number(getattr(entry.scores, score)) for score in SCORES},
        **per_class,
        "polygons": entry.polygons,
        "confusion_matrix": entry.matrix.counts.tolist(),
        "unclassified": entry.matrix.unclassified.tolist(),
    }


def _spread(validation: Validation, side: str, score: str) -> dict[str, float | None]:
    found = validation.spread(side, score)
    return {"mean": _number(found.mean), "deviation": found.deviation}


def _stacked_record(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        **{score: _number(getattr(run.scores, score)) for score in SCORES},
        "confusion_matrix": run.matrix.counts.tolist(),
        "unclassified": run.matrix.unclassified.tolist(),
    }


def _class_record(row: Mapping[str, Any]) -> dict[str, Any]:
    means = {name: _number(row[name].mean) for name in ("precision", "recall", "fscore")}
    return {**row, **means}


def _bin_record(one: distances.Bin) -> dict[str, Any]:
    values = (one.near, one.far, one.polygons, one.pixels, one.oa, one.low, one.high)
    return {
        name: _number(v) if isinstance(v, float) else v
        for name, v in zip(distances.COLUMNS, values, strict=True)
    }


def _mean(values: Sequence[float]) -> float | None:
    return _number(scores.spread(values).mean)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
