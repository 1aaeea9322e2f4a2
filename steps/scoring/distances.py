"""Accuracy against the distance from a test polygon to the nearest learning polygon."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MOST_BINS = 10
LEAST_POLYGONS = 10
"""Test polygons that a bin holds; with fewer in all, there is one bin."""
RESAMPLES = 1000
"""Draws of the bootstrap."""
COLUMNS = ("from", "to", "polygons", "pixels", "oa", "low", "high")
FIGURE_DPI = 200

MILLIMETRES = 3
"""Decimals of a distance in metres."""


@dataclass(frozen=True)
class Bin:
    """Accuracy of the test polygons in a range of distances."""

    near: float
    """Lower edge in metres, outside of the bin but for the first one."""
    far: float
    """Upper edge in metres, inside."""
    polygons: int
    """Test polygons, each once, however many seeds map it; its distance may differ by seed, and so
    it may be in several ranges."""
    pixels: int
    """Pixels with a class in the map, of all seeds."""
    oa: float
    """Share of these pixels that the map gives the polygon's class."""
    low: float
    """Lower end of the 95 % interval; nan for one polygon."""
    high: float


def nearest(tests: np.ndarray, learners: np.ndarray) -> np.ndarray:
    """Give the distance in metres from each test polygon to the nearest learning polygon.

    Parameters
    ----------
    tests, learners : ndarray of geometry, (n,) and (m,)
        In a CRS in metres.

    Returns
    -------
    ndarray of float, (n,)
        To the millimetre; 0 where they touch or overlap; inf where there is no learning polygon.
    """
    found = np.full(len(tests), math.inf)
    if len(tests) and len(learners):
        tree = shapely.STRtree(learners)
        (rows, _), distance = tree.query_nearest(tests, return_distance=True, all_matches=False)
        found[rows] = np.round(distance, MILLIMETRES)  # neighbours of one kind are equally far
    return found


def bins(rows: pd.DataFrame) -> list[Bin]:
    """Sort test polygons by distance and score each range.

    Ranges hold about equally many polygons, at least LEAST_POLYGONS; polygons at one distance are
    never parted, so that all at distance 0 lie in one range.

    Parameters
    ----------
    rows : DataFrame
        Columns distance (metres), polygon (number), pixels, correct: one row for each test polygon
        and seed. Rows without pixel or with an infinite distance are left out.
    """
    kept = rows[(rows["pixels"] > 0) & np.isfinite(rows["distance"])]
    if kept.empty:
        return []
    uppers = _uppers(kept)
    lowers = [float(kept["distance"].min()), *uppers[:-1]]
    place = np.searchsorted(uppers, kept["distance"], side="left")
    return [
        _bin(near, far, kept[place == number])
        for number, (near, far) in enumerate(zip(lowers, uppers, strict=True))
    ]


def _uppers(rows: pd.DataFrame) -> list[float]:
    """Give the upper edges: distances of polygons, the last one the largest."""
    per_polygon = len(rows) / rows["polygon"].nunique()
    target = max(LEAST_POLYGONS * per_polygon, len(rows) / MOST_BINS)
    edges, count = [], 0
    values, counts = np.unique(rows["distance"], return_counts=True)
    for value, more in zip(values.tolist(), counts.tolist(), strict=True):
        count += more
        if count >= target:
            edges.append(value)
            count = 0
    if count:  # the rest is too small for a range of its own
        edges[-1:] = [float(values[-1])]
    return edges


def _bin(near: float, far: float, rows: pd.DataFrame) -> Bin:
    sums = rows.groupby("polygon")[["pixels", "correct"]].sum().to_numpy(np.int64)
    pixels, correct = sums.sum(axis=0).tolist()
    low, high = _interval(sums)
    return Bin(near, far, len(sums), pixels, correct / pixels, low, high)


def _interval(sums: np.ndarray) -> tuple[float, float]:
    """Give the 95 % interval of an accuracy by drawing whole polygons, with replacement.

    The pixels of a polygon are right or wrong together: an interval that took them as independent
    would be far too narrow. All seeds of a polygon are drawn together for the same reason.

    Parameters
    ----------
    sums : ndarray of int, (polygon, 2)
        Pixels and correct pixels.
    """
    if len(sums) < 2:
        return math.nan, math.nan
    shares = np.fromiter(_draws(sums), float, RESAMPLES)
    low, high = np.quantile(shares, [0.025, 0.975]).tolist()
    return low, high


def _draws(sums: np.ndarray) -> Iterator[float]:
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        pixels, correct = sums[rng.integers(0, len(sums), len(sums))].sum(axis=0)
        yield correct / pixels


def as_csv(found: Sequence[Bin]) -> str:
    """Give the ranges as CSV: metres, polygons, pixels, accuracy and its interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        near, far, polygons, pixels, *shares = astuple(one)
        cells = (f"{share:.6f}" if math.isfinite(share) else "" for share in shares)
        writer.writerow((f"{near:.1f}", f"{far:.1f}", polygons, pixels, *cells))
    return text.getvalue()


def draw(path: Path, found: Sequence[Bin], same_area: float) -> None:
    """Draw the accuracy of each range with its interval.

    Parameters
    ----------
    path : Path
        PNG to write.
    found : sequence of Bin
    same_area : float
        Overall accuracy on polygons among those learnt from, drawn for comparison; nan for none.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for one in found:
        _draw_bin(axes, one)
    if math.isfinite(same_area):
        axes.axhline(same_area, color="tab:orange", linestyle="--", label="same area")
    axes.set_ylim(0, 1.02)
    _scale(axes, found)
    axes.set_xlabel("distance to the nearest learning polygon (m)")
    axes.set_ylabel("overall accuracy")
    axes.set_title("numbers: test polygons", fontsize=8)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=FIGURE_DPI, format="png", metadata={"Software": None})


def _draw_bin(axes: Any, one: Bin) -> None:
    """Draw a range as a line from edge to edge, its interval as a box, its polygons as a number."""
    color, across = "tab:blue", [one.near, one.far]
    first = not axes.lines  # names of the legend are given once
    axes.plot(across, [one.oa] * 2, color=color, label="another area" if first else None)
    if math.isfinite(one.low):
        told = bool(axes.collections)
        label = None if told else "95 % interval over polygons"
        ends = ([one.low] * 2, [one.high] * 2)
        axes.fill_between(across, *ends, color=color, alpha=0.2, label=label)
    if one.near == one.far:  # a box without width is not seen
        axes.plot([one.near], [one.oa], color=color, marker="o", clip_on=False)
        axes.plot(across, [one.low, one.high], color=color, alpha=0.4, linewidth=4, clip_on=False)
    middle = (sum(across) / 2, one.oa)
    axes.annotate(str(one.polygons), middle, (2, 4), textcoords="offset points", fontsize=7)


def _scale(axes: Any, found: Sequence[Bin]) -> None:
    """Show distances by their logarithm where they span more than a decade; 0 stays visible."""
    edges = [edge for one in found for edge in (one.near, one.far) if edge > 0]
    if edges and max(edges) > 10 * min(edges):
        axes.set_xscale("symlog", linthresh=min(edges))
    axes.set_xlim(left=min([one.near for one in found], default=0))
