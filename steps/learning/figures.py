"""How a training went: figures of losses and scores by epoch, and the history as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...nn_bank.history import Epoch

SCORES = {"kappa": "kappa", "oa": "OA", "precision": "precision", "recall": "recall"}
"""Field of an epoch -> its name in the figure."""
STAMP = {"Software": None}
"""No version of the drawing library in the file: the same history gives the same bytes."""


def losses(path: Path, history: Sequence[Epoch], chosen: int) -> None:
    """Draw training and validation loss by epoch, in dB: 10 log10 of the loss.

    Parameters
    ----------
    path : Path
    history : sequence of Epoch
    chosen : int
        Number of the epoch whose weights are kept; marked.
    """

    def draw(axes: Axes) -> None:
        numbers = [epoch.number for epoch in history]
        axes.plot(numbers, [decibel(e.train_loss) for e in history], label="training")
        axes.plot(numbers, [decibel(e.validation_loss) for e in history], label="validation")
        axes.set_ylabel("loss (dB)")

    _figure(path, draw, chosen)


def metrics(path: Path, history: Sequence[Epoch], chosen: int) -> None:
    """Draw kappa, OA, precision and recall on the validation set by epoch."""

    def draw(axes: Axes) -> None:
        numbers = [epoch.number for epoch in history]
        for field, name in SCORES.items():
            axes.plot(numbers, [getattr(epoch, field) for epoch in history], label=name)
        axes.set_ylabel("score on the validation set")

    _figure(path, draw, chosen)


def decibel(loss: float) -> float:
    """Give 10 log10(loss); nan for a loss of 0 or none."""
    return 10 * math.log10(loss) if loss > 0 else math.nan


def table(path: Path, history: Sequence[Epoch]) -> None:
    """Write the history as CSV, a line an epoch; undefined scores are empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        rows = [asdict(epoch) for epoch in history]
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow(["" if _undefined(value) else value for value in row.values()])


def _undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _figure(path: Path, draw: Callable[[Axes], None], chosen: int) -> None:
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    axes.axvline(chosen, color="grey", linestyle=":", label=f"chosen: epoch {chosen}")
    axes.set_xlabel("epoch")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100, format="png", metadata=STAMP)
