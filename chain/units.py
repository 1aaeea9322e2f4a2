"""What the run is about: tiles, strips, regions, folds, seeds, hyperparameter pairs.

Known before the run: planning reads vectors, folder names and raster headers, no pixel.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from ..steps.contract import MAIN, WHOLE, Unit
from ..steps.learning.settings import ModuleSettings
from ..steps.reference import folds, ground, regions
from ..steps.report import Settings as ReportSettings
from ..steps.sensors.sentinel2 import SENTINEL2
from ..steps.tiles import grid
from ..steps.tiles.layout import FeatureSettings
from ..steps.tiles.tile import TileSettings, index_tile


class TileUnits(FeatureSettings, TileSettings, grid.StripSettings):
    """Keys that decide the units of a map by a given model: tiles and strips alone."""


class UnitSettings(
    TileUnits,
    ground.GroundSettings,
    ReportSettings,
    ModuleSettings,
):
    """Keys that decide the units of work."""


@dataclass(frozen=True)
class Units:
    """All values of every axis."""

    strips: Mapping[str, int]
    """Tile -> number of strips."""
    sampled: Mapping[str, Sequence[int]]
    """Tile -> strips that the bounding box of a polygon meets."""
    seeds: int
    pairs: int
    """Hyperparameter pairs."""
    models: Sequence[str] = (WHOLE,)
    """Regions and parts of regions, a model each."""
    folds: Sequence[int] = (MAIN,)

    @property
    def tiles(self) -> list[str]:
        """All tiles, sorted."""
        return sorted(self.strips)

    def of(self, per: Sequence[str]) -> list[Unit]:
        """Give all units over the axes `per`."""
        if "strip" in per or "sampled_strip" in per:
            strips = (
                self.sampled
                if "sampled_strip" in per
                else {tile: range(count) for tile, count in self.strips.items()}
            )
            return [Unit(tile=tile, strip=k) for tile in self.tiles for k in strips[tile]]
        values = [self._values(axis) for axis in per]
        return [_unit(dict(zip(per, chosen, strict=True))) for chosen in itertools.product(*values)]

    def expand(self, unit: Unit, level: Sequence[str]) -> Iterator[Unit]:
        """Give the units of `level` that agree with `unit`."""
        known = dict(unit.only(level).given())
        if len(known) == len(level):
            yield unit.only(level)
            return
        free = [axis for axis in level if axis not in known]
        for chosen in itertools.product(*(self._values(axis) for axis in free)):
            yield _unit({**known, **dict(zip(free, chosen, strict=True))})

    def _values(self, axis: str) -> Sequence[str | int]:
        match axis:
            case "tile":
                return self.tiles
            case "seed":
                return range(self.seeds)
            case "region":
                return self.models
            case "fold":
                return self.folds
            case "hyp":
                return range(self.pairs)
            case _:
                raise KeyError(axis)


def _unit(values: Mapping[str, Any]) -> Unit:
    return Unit(**values)


def plan(settings: TileUnits) -> Units:
    """Find the units of a run.

    Raises
    ------
    InputError
        A tile or the ground truth that cannot be read.
    """
    grids = {
        tile: index_tile(settings.s2_path / tile, tile, SENTINEL2, settings).grid
        for tile in settings.list_tile
    }
    strips = {
        tile: grid.strips(gbox.height, settings.number_of_chunks) for tile, gbox in grids.items()
    }
    if not isinstance(settings, UnitSettings):
        return Units({tile: len(cuts) for tile, cuts in strips.items()}, {}, seeds=1, pairs=1)
    frame = folds.read(settings, settings.folds, settings.proj)
    bounds = frame.bounds.to_numpy()
    return Units(
        strips={tile: len(cuts) for tile, cuts in strips.items()},
        sampled={tile: met(grids[tile], cuts, bounds) for tile, cuts in strips.items()},
        seeds=settings.runs,
        pairs=len(settings.deep_learning_parameters.hyperparameters_solver.pairs),
        models=regions.models_of(ground.regions_of(settings, frame, settings.proj, grids)[2]),
        folds=_folds(settings, frame, grids),
    )


def _folds(
    settings: UnitSettings, frame: gpd.GeoDataFrame, grids: Mapping[str, GeoBox]
) -> tuple[int, ...]:
    if settings.folds is None:
        return (MAIN,)
    placed = folds.place(frame, settings.folds, grids, settings.random_seed or 0)
    numbers = range(1, len(placed.names) + 1)
    return (*numbers,) if settings.folds.output == "scores" else (MAIN, *numbers)


def met(gbox: GeoBox, strips: Sequence[tuple[int, int]], bounds: np.ndarray) -> list[int]:
    """Give the strips that a bounding box meets.

    Parameters
    ----------
    gbox : GeoBox
        Grid of the tile.
    strips : sequence of (first row, row behind the last)
    bounds : ndarray, (polygon, 4)
        minx, miny, maxx, maxy in the CRS of the lattice.
    """
    box = gbox.boundingbox
    beside = (bounds[:, 2] < box.left) | (bounds[:, 0] > box.right)
    first = (bounds[~beside, 3] - gbox.transform.f) / gbox.transform.e
    last = (bounds[~beside, 1] - gbox.transform.f) / gbox.transform.e
    return [
        number
        for number, (start, stop) in enumerate(strips)
        if np.any((first < stop) & (last >= start))
    ]
