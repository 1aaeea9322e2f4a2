"""Where each polygon stands in one split: a run (seed) and a fold of the cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..contract import MAIN, Unit
from . import regions, split
from .ground import Ground

TEST = "test"
"""Side of the polygons that a fold holds out."""


@dataclass(frozen=True)
class Sides:
    """The side, the use by the network and the model of every polygon."""

    unit: Unit
    """Fold and seed."""
    side: np.ndarray
    """learning, validation, both, test or nothing, str (polygon,)."""
    part: np.ndarray
    """training or validation of the network, nothing for what teaches nothing, str (polygon,)."""
    model: np.ndarray
    """Name of the model (`Unit.region`) of each polygon, str (polygon,)."""

    @property
    def learns(self) -> np.ndarray:
        """Polygons that give samples, bool (polygon,)."""
        return np.isin(self.side, ("learning", "both"))

    @property
    def validates(self) -> np.ndarray:
        """Polygons that validate the map within the learnt area, bool (polygon,)."""
        return np.isin(self.side, ("validation", "both"))

    @property
    def tests(self) -> np.ndarray:
        """Polygons that the fold holds out, bool (polygon,)."""
        return self.side == TEST


def draw(ground: Ground, unit: Unit, settings: split.SplitSettings) -> Sides:
    """Draw the sides of one split.

    A polygon that the fold holds out is tested; one within its buffer, or without a usable
    pixel, stands nowhere; the others are drawn as in a run without folds.
    """
    seed = (settings.random_seed or 0) + int(unit.seed or 0)
    fold = int(unit.fold or MAIN)
    keys = ground.seen(fold)
    places = split.sides(keys, settings.ratio, seed, settings.split_ground_truth, ground.region_of)
    names = ground.frame["polygon"]
    side = np.array([places.get(name, ("", ""))[0] for name in names], object)
    part = np.array([places.get(name, ("", ""))[1] for name in names], object)
    side[ground.tests(fold)] = TEST
    return Sides(unit, side, part, _models(ground, places, seed))


def _models(ground: Ground, places: Mapping[str, tuple[str, str]], seed: int) -> np.ndarray:
    """Give each polygon the model of its region; learners of a divided region are dealt out."""
    model = ground.region.copy()
    for region, parts in ground.parts.items():
        if parts > 1:
            model[ground.region == region] = ""
    groups: dict[tuple[str, str, str], list[int]] = {}
    rows = zip(ground.frame["value"], ground.region, ground.frame["polygon"], strict=True)
    for row, (value, region, polygon) in enumerate(rows):
        part = places.get(polygon, ("", ""))[1]
        if part and ground.parts.get(region, 1) > 1:
            groups.setdefault((str(value), region, part), []).append(row)
    for (value, region, part), members in groups.items():
        polygons = ground.frame["polygon"].iloc[members].tolist()
        dealt = regions.deal(polygons, ground.parts[region], seed, f"{value}|{part}")
        names = ground.models_of(region)
        for row, number in zip(members, dealt, strict=True):
            model[row] = names[number]
    return model
