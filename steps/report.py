"""Step 11b: what the results say: text, JSON, CSV and figures of all seeds."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .artifacts import (
    CONFUSION,
    CONFUSION_FIGURE,
    CONFUSION_TILE,
    LABELS,
    MODEL,
    MODEL_SKOPS,
    RESULTS_CSV,
    RESULTS_JSON,
    RESULTS_TEXT,
    SPLIT_REPORT,
)
from .contract import MAIN, Job, Step
from .files import store
from .prediction import models
from .reference.labels import Labels
from .reference.split import RunsSettings
from .scoring import scores
from .scoring.matrix import Matrix
from .scoring.scores import Run, Spread

SCORES = {"oa": "Overall accuracy", "kappa": "Kappa", "mean_fscore": "Mean F-score"}
FIGURE_DPI = 200


class Settings(RunsSettings):
    """Keys that the step uses."""


def report(job: Job) -> None:
    """Write the results of all seeds."""
    classes = Labels.load(job.input(LABELS))
    split = store.read_json(job.input(SPLIT_REPORT))
    runs = [_run(job, seed) for seed in range(job.settings.runs)]
    for run in runs:
        store.write_text(job.output(CONFUSION, seed=run.seed), run.matrix.as_csv())
        with store.writing(job.output(CONFUSION_FIGURE, seed=run.seed)) as path:
            draw(path, run, classes)
    store.write_text(job.output(RESULTS_TEXT), as_text(runs, classes, split))
    store.write_json(job.output(RESULTS_JSON), as_json(runs, classes, split))
    store.write_text(job.output(RESULTS_CSV), as_csv(runs, classes))


def _run(job: Job, seed: int) -> Run:
    parts = [
        Matrix.from_csv(path.read_text(encoding="utf-8"))
        for unit, path in job.every(CONFUSION_TILE).items()
        if unit.seed == seed
    ]
    return scores.run_of(seed, reduce(add, parts), _notes(job, seed))


def _notes(job: Job, seed: int) -> list[str]:
    """Give what the trainings of the map found doubtful, with the region where there are some."""
    notes = []
    for unit, path in {**job.every(MODEL), **job.every(MODEL_SKOPS)}.items():
        if unit.seed == seed:
            where = f"region {unit.region}: " if unit.region else ""
            notes += [where + note for note in models.read_card(path).training["notes"]]
    return notes


def kind_of(split: Mapping[str, Any]) -> str:
    """Say on what the scores rest."""
    if split["split"]:
        return "validation polygons, none of which was learnt from"
    return "resubstitution: the polygons that were learnt from; too optimistic to judge the map"


def as_text(runs: Sequence[Run], classes: Labels, split: Mapping[str, Any]) -> str:
    """Give the results for reading."""
    lines = [f"Scores on {kind_of(split)}", f"Runs: {len(runs)}", ""]
    lines += _matrix_lines(runs, classes)
    lines.append("")
    for name, title in SCORES.items():
        value = scores.spread([getattr(run.scores, name) for run in runs])
        lines.append(f"{title + ':':<20}{_shown(value)}")
    share = scores.spread([run.largest_share for run in runs])
    shown = _shown(Spread(share.mean, None, None))
    lines.append(f"{'Largest class:':<20}{shown}  (share of the reference pixels)")
    if len(runs) > 1:
        lines.append("+-: 95 % Student interval of the mean, spread over random splits")
    lines += ["", *_class_lines(runs, classes), "", *_remarks(runs, classes, split)]
    return "\n".join(lines).rstrip() + "\n"


def _matrix_lines(runs: Sequence[Run], classes: Labels) -> list[str]:
    counts = np.mean([run.matrix.counts for run in runs], axis=0)
    mean = " (mean over runs)" if len(runs) > 1 else ""
    head = " ".join(f"{code:>9}" for code in classes.codes)
    lines = [f"Confusion matrix in pixels{mean}: rows reference, columns map"]
    lines.append(f"{'':>9} {head}")
    for label, row in zip(classes.classes, counts, strict=True):
        cells = " ".join(f"{value:>9.0f}" for value in row)
        lines.append(f"{label.code:>9} {cells}  {label.name}")
    return lines


def _class_lines(runs: Sequence[Run], classes: Labels) -> list[str]:
    wide = max(9, *(len(label.name) for label in classes.classes))
    lines = [
        f"{'Class':<{wide}}  {'Precision':<16}{'Recall':<16}{'F-score':<16}"
        f"{'Pixels':>8}  Largest confusions"
    ]
    for row in scores.class_rows(runs, classes):
        taken = ", ".join(f"{c['name']} {100 * c['share']:.1f} %" for c in row["confusions"])
        lines.append(
            f"{row['name']:<{wide}}  {_shown(row['precision']):<16}{_shown(row['recall']):<16}"
            f"{_shown(row['fscore']):<16}{row['reference_pixels']:>8}  {taken}"
        )
    return lines


def _shown(value: Spread) -> str:
    if not math.isfinite(value.mean):
        return "undefined"
    if value.half_width is None:
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} +- {value.half_width:.3f}"


def _remarks(runs: Sequence[Run], classes: Labels, split: Mapping[str, Any]) -> list[str]:
    lost = sum(int(run.matrix.unclassified.sum()) for run in runs)
    remarks = [f"Reference pixels without a class in the map, left out: {lost}"]
    names = {label.value: label.name for label in classes.classes}
    remarks += [
        f"Class {names[value]} has no usable pixel: neither learnt nor mapped"
        for value in split["classes_without_pixels"]
    ]
    remarks += [
        f"Class {names[value]} has one polygon: learnt, not validated, not in the scores"
        for value in split["single_polygon_classes"]
    ]
    remarks += [
        f"Class {names[value]} has one polygon in region {region}: learnt there, not validated"
        for value, region in split["single_polygon_classes_of_regions"]
    ]
    if outside := split["polygons_outside_regions"]:
        remarks.append(f"Polygons outside of all regions, not used: {outside}")
    both = sum(split["pixels_claimed_by_both_sides"].values())
    counts = {
        "Pixels claimed by polygons of two classes, used by none": split[
            "pixels_claimed_by_two_classes"
        ],
        "Pixels claimed by both sides of the split, used by none": both,
        "Polygon pixels with too few valid views, not used": split["pixels_with_too_few_views"],
    }
    remarks += [f"{text}: {count}" for text, count in counts.items()]
    remarks += [f"Run {run.seed}, warning: {note}" for run in runs for note in run.notes]
    return remarks


def as_json(runs: Sequence[Run], classes: Labels, split: Mapping[str, Any]) -> dict[str, Any]:
    """Give the results for programs; an undefined score is null."""
    counts = [run.matrix.counts for run in runs]
    mean = counts[0] if len(runs) == 1 else np.mean(counts, axis=0)
    overall = {
        name: _spread_record(scores.spread([getattr(run.scores, name) for run in runs]))
        for name in SCORES
    }
    return {
        "scores_on": kind_of(split),
        "labels": classes.codes,
        "names": [label.name for label in classes.classes],
        "confusion_matrix": mean.tolist(),
        **{name: record["mean"] for name, record in overall.items()},
        "spread_over_random_splits": overall,
        "classes": [_class_record(row) for row in scores.class_rows(runs, classes)],
        "runs": [_run_record(run) for run in runs],
        "split": dict(split),
    }


def _run_record(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "confusion_matrix": run.matrix.counts.tolist(),
        "unclassified": run.matrix.unclassified.tolist(),
        **{name: _number(getattr(run.scores, name)) for name in SCORES},
        "precision": [_number(v) for v in run.scores.precision.tolist()],
        "recall": [_number(v) for v in run.scores.recall.tolist()],
        "fscore": [_number(v) for v in run.scores.fscore.tolist()],
        "largest_class_share": _number(run.largest_share),
        "warnings": list(run.notes),
    }


def _class_record(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _spread_record(v) if isinstance(v, Spread) else v for k, v in row.items()}


def _spread_record(value: Spread) -> dict[str, float | None]:
    return {name: None if v is None else _number(v) for name, v in asdict(value).items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def as_csv(runs: Sequence[Run], classes: Labels) -> str:
    """Give the scores as CSV: a line for each run and class, and one for the run as a whole."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("seed", "label", "name", "reference_pixels", "precision", "recall", "fscore"))
    for run in runs:
        pixels = run.matrix.counts.sum(axis=1)
        per_class = (run.scores.precision, run.scores.recall, run.scores.fscore)
        for row, label in enumerate(classes.classes):
            values = [_cell(score[row]) for score in per_class]
            writer.writerow((run.seed, label.code, label.name, int(pixels[row]), *values))
        writer.writerow((run.seed, "", "overall accuracy", int(pixels.sum()), _cell(run.scores.oa)))
        writer.writerow((run.seed, "", "kappa", int(pixels.sum()), _cell(run.scores.kappa)))
    return text.getvalue()


def _cell(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else ""


def draw(path: Path, run: Run, classes: Labels) -> None:
    """Draw the matrix, each row as shares of its reference class, with the class scores."""
    counts = run.matrix.counts
    size = len(classes.classes)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    figure = Figure(figsize=(4 + 0.6 * size, 2.5 + 0.5 * size), layout="constrained")
    FigureCanvasAgg(figure)
    matrix, bars = figure.subplots(1, 2, width_ratios=[3, 1])
    matrix.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [f"{label.name} ({label.code})" for label in classes.classes]
    matrix.set_xticks(range(size), [str(code) for code in classes.codes])
    matrix.set_yticks(range(size), names)
    for text in matrix.get_yticklabels():
        text.set_parse_math(False)  # a class may be called anything
    matrix.set_xlabel("map")
    matrix.set_ylabel("reference")
    for (row, col), count in np.ndenumerate(counts):
        color = "white" if shares[row, col] > 0.5 else "black"
        matrix.text(col, row, str(count), ha="center", va="center", fontsize=7, color=color)
    _draw_bars(bars, run, size)
    overall = ", ".join(
        f"{name} {_shown(scores.spread([value]))}"
        for name, value in (("OA", run.scores.oa), ("kappa", run.scores.kappa))
    )
    figure.suptitle(f"Run {run.seed}: {overall}")
    figure.savefig(path, dpi=FIGURE_DPI, format="png", metadata={"Software": None})


def _draw_bars(axes: Any, run: Run, size: int) -> None:
    place = np.arange(size)
    kinds = {"recall": run.scores.recall, "precision": run.scores.precision}
    for number, (name, values) in enumerate({**kinds, "F-score": run.scores.fscore}.items()):
        axes.barh(place + 0.27 * (number - 1), np.nan_to_num(values), 0.25, label=name)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=7)


STEP = Step(
    name="report",
    group="validation",
    title="write the results",
    run=report,
    settings=Settings,
    per=(),
    inputs=(CONFUSION_TILE, LABELS, SPLIT_REPORT, MODEL),
    outputs=(CONFUSION, CONFUSION_FIGURE, RESULTS_TEXT, RESULTS_JSON, RESULTS_CSV),
    resource="reportGen",
    reads_at={"fold": MAIN},
    unmoved_by={LABELS: ("color_table",)},
)
