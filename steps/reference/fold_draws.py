"""How polygons are dealt to folds; arrays in, numbers of folds out.

Orders are those of hashes: the order in the file changes no fold.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import shapely
from numpy.typing import NDArray

from ..shapes.overlaps import Shapes
from ..shapes.overlay import NOWHERE

Texts = NDArray[np.object_]


def by_value(groups: Texts) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Give each value a fold of its own, in order: numbers as numbers, then text.

    Parameters
    ----------
    groups : ndarray of str, (polygon,)
        Value of each polygon; empty for none.

    Returns
    -------
    values : tuple of str
        Those of the folds.
    fold : ndarray of int, (polygon,)
        Fold of each polygon from 0; NOWHERE without a value.
    """
    values = tuple(sorted(set(groups) - {""}, key=as_number))
    fold = {value: number for number, value in enumerate(values)}
    return values, np.array([fold.get(group, NOWHERE) for group in groups], np.intp)


def as_number(value: str) -> tuple[int, int, str]:
    """Give a key that sorts whole numbers by their size, before all other text."""
    whole = value.removeprefix("-").isdecimal()
    return (0, int(value), value) if whole else (1, 0, value)


def blocks_of(shapes: Shapes, size: float) -> Texts:
    """Name the square of `size` metres, counted from 0, 0, that holds each centroid, (shape,)."""
    corners = np.floor(shapely.get_coordinates(shapely.centroid(shapes)) / size).astype(np.int64)
    return np.array([f"{x} {y}" for x, y in corners.tolist()], object)


def deal(groups: Texts, k: int, seed: int) -> NDArray[np.intp]:
    """Deal whole groups, in the order of a hash, each to the fold with the fewest polygons.

    Parameters
    ----------
    groups : ndarray of str, (polygon,)
        Group of each polygon; empty for none.
    k : int
        Number of folds.
    seed : int

    Returns
    -------
    ndarray of int, (polygon,)
        Fold of each polygon from 0; NOWHERE without a group.
    """
    sizes = Counter(groups[groups != ""].tolist())
    filled = [0] * k
    fold: dict[str, int] = {}
    for group in sorted(sizes, key=lambda group: _rank(seed, "group", group)):
        fold[group] = min(range(k), key=filled.__getitem__)
        filled[fold[group]] += sizes[group]
    return np.array([fold.get(group, NOWHERE) for group in groups], np.intp)


def in_turn(values: NDArray, polygons: Texts, k: int, seed: int) -> NDArray[np.intp]:
    """Deal the polygons to the folds in turn, class by class, each in the order of a hash.

    A class goes on where the one before ended: the folds have as many polygons of each class and
    of all, but for one, and none is empty while there are polygons.

    Parameters
    ----------
    values : ndarray of int or str, (polygon,)
        Class of each polygon.
    polygons : ndarray of str, (polygon,)
        Identifiers.
    k : int
        Number of folds.
    seed : int

    Returns
    -------
    ndarray of int, (polygon,)
        Fold of each polygon from 0.
    """
    ranks = [
        (_rank(seed, "class", str(value)), _rank(seed, "polygon", str(polygon)))
        for value, polygon in zip(values, polygons, strict=True)
    ]
    fold = np.zeros(len(polygons), np.intp)
    fold[sorted(range(len(ranks)), key=ranks.__getitem__)] = np.arange(len(ranks)) % k
    return fold


def _rank(seed: int, what: str, name: str) -> str:
    return hashlib.sha256(f"fold|{what}|{seed}|{name}".encode()).hexdigest()
