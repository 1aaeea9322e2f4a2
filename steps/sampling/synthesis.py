"""Synthetic samples of one class: OTB's replicate, jitter and smote.

A sample is a row of features (date-major, int16). A value of NODATA is none: it is never made,
and never takes part in a mean, a spread or a distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

NODATA = -10000
"""Stored value of a feature without data."""
PIECE = 4096
"""Samples made at one time."""
QUANTUM = 1024
"""Steps of a standardised feature in one standard deviation, see `neighbours`."""
BLOCK_BYTES = 64 * 1024**2
"""Memory of the distances that are compared at one time."""
HELD = {"replicate": 2, "jitter": 2, "smote": 10}
"""Bytes a feature of each sample of the class that are held: int16, for smote float64 too."""


@dataclass(frozen=True)
class Made:
    """Some synthetic samples."""

    features: np.ndarray
    """(sample, feature), int16."""
    sources: np.ndarray
    """Row of the sample that each was made of, (sample,)."""


def memory(strategy: str, samples: int, features: int) -> int:
    """Give the bytes that a class of `samples` samples takes."""
    work = BLOCK_BYTES if strategy == "smote" else 0
    return HELD[strategy] * samples * features + work + 24 * PIECE * features


def replicate(features: np.ndarray, count: int, rng: np.random.Generator) -> Iterator[Made]:
    """Copy samples: each as often as any other, but for one.

    Parameters
    ----------
    features : ndarray of int16, (sample, feature)
    count : int
        Samples to make.
    rng : Generator
    """
    size = len(features)
    rest = np.sort(rng.choice(size, count % size, replace=False))
    sources = np.append(np.tile(np.arange(size), count // size), rest)
    for start in range(0, count, PIECE):
        piece = sources[start : start + PIECE]
        yield Made(features[piece], piece)


def jitter(
    features: np.ndarray, count: int, factor: float, rng: np.random.Generator
) -> Iterator[Made]:
    """Add normal noise to samples that are drawn with replacement.

    Parameters
    ----------
    features : ndarray of int16, (sample, feature)
    count : int
        Samples to make.
    factor : float
        The noise's standard deviation is that of the feature in the class, over this.
    rng : Generator
    """
    _, spread = moments(features)
    for start in range(0, count, PIECE):
        number = min(PIECE, count - start)
        sources = rng.integers(len(features), size=number)
        noise = rng.standard_normal((number, features.shape[1])) * (spread / factor)
        yield Made(_stored(features[sources] + noise, features[sources]), sources)


def smote(
    features: np.ndarray, count: int, neighbors: int, rng: np.random.Generator
) -> Iterator[Made]:
    """Make points between a sample, drawn with replacement, and one of its nearest neighbours.

    Parameters
    ----------
    features : ndarray of int16, (sample, feature)
        Two samples or more.
    count : int
        Samples to make.
    neighbors : int
        Nearest neighbours (in standardised features) among which one is drawn; cut to all
        others.
    rng : Generator
    """
    sources = rng.integers(len(features), size=count)
    number = min(neighbors, len(features) - 1)
    ranks = rng.integers(number, size=count)
    rows, places = np.unique(sources, return_inverse=True)
    nearest = neighbours(standardised(features), rows, number)
    others = nearest[places, ranks]
    for start in range(0, count, PIECE):
        piece = slice(start, start + PIECE)
        near, far = features[sources[piece]], features[others[piece]]
        step = np.where(far == NODATA, 0.0, far.astype(np.float64) - near)
        values = near + rng.random((len(near), 1)) * step
        yield Made(_stored(values, near), sources[piece])


def _stored(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Round to what is stored: nodata where the source has none, and nowhere else."""
    limits = np.iinfo(np.int16)
    whole = np.clip(np.rint(values), limits.min, limits.max).astype(np.int16)
    whole[whole == NODATA] = NODATA + 1
    whole[near == NODATA] = NODATA
    return whole


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give mean and standard deviation of each feature; 0 where it has no value.

    The sums are of whole numbers, so that no order rounds them.
    """
    count = np.zeros(features.shape[1], np.int64)
    total, squares = np.zeros_like(count), np.zeros_like(count)
    for start in range(0, len(features), PIECE):
        values = features[start : start + PIECE].astype(np.int64)
        there = values != NODATA
        values *= there
        count += there.sum(axis=0)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    number = np.maximum(count, 1)
    exact = number.astype(object) * squares.astype(object) - total.astype(object) ** 2
    return total / number, np.sqrt(exact.astype(np.float64)) / number


def standardised(features: np.ndarray) -> np.ndarray:
    """Give features of mean 0 and deviation QUANTUM, rounded to whole numbers, float64.

    A constant feature and a missing value are 0. Sums of products of whole numbers are exact
    in float64 here, whatever the order in which a library adds them up.
    """
    mean, spread = moments(features)
    scale = np.divide(QUANTUM, spread, out=np.zeros_like(spread), where=spread > 0)
    values = np.empty(features.shape, np.float64)
    for start in range(0, len(features), PIECE):
        piece = features[start : start + PIECE]
        there = piece != NODATA
        values[start : start + PIECE] = np.rint((piece - mean) * scale) * there
    return values


def neighbours(standard: np.ndarray, rows: np.ndarray, number: int) -> np.ndarray:
    """Find the nearest neighbours of some samples, themselves left out.

    Parameters
    ----------
    standard : ndarray of float64, (sample, feature)
        Standardised features, whole numbers.
    rows : ndarray of int, (row,)
        Samples whose neighbours are sought.
    number : int
        Neighbours, fewer than samples.

    Returns
    -------
    ndarray of int, (row, number)
        Nearest first; of two as near, the one that stands first in the file.
    """
    squares = (standard**2).sum(axis=1)
    found = np.empty((len(rows), number), np.int64)
    size = max(1, BLOCK_BYTES // (32 * len(standard)))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        distance = squares - 2 * (standard[block] @ standard.T)  # less the row's own square
        distance[np.arange(len(block)), block] = np.inf
        farthest = np.partition(distance, number - 1, axis=1)[:, number - 1]
        for place, (row, limit) in enumerate(zip(distance, farthest, strict=True), start):
            near = np.flatnonzero(row <= limit)
            found[place] = near[np.argsort(row[near], kind="stable")[:number]]
    return found
