"""The polygons of a run with all that is known of them before pixels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from ..contract import MAIN, WHOLE
from ..shapes import overlay
from . import folds, regions, split
from .ground_truth import GroundTruthSettings
from .labels import Labels


class GroundSettings(
    GroundTruthSettings, regions.RegionSettings, folds.FoldSettings, split.SeedSettings
):
    """Keys that name the polygons and say to which region and fold each belongs."""


@dataclass(frozen=True)
class Ground:
    """The polygons of a run."""

    frame: gpd.GeoDataFrame
    """As of `folds.read`."""
    classes: Labels
    shapes: regions.Regions | None
    region: np.ndarray
    """Region of each polygon; WHOLE without regions and outside of them."""
    parts: Mapping[str, int]
    """Models of each region that has polygons."""
    placed: folds.Placed
    outside: int = 0
    """Polygons inside the tiles, but in no region."""
    counts: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    """Usable pixels of each polygon in each fold, (fold, polygon); fold 0 is MAIN."""

    @cached_property
    def codes(self) -> list[int]:
        """Class code of each polygon."""
        return [self.classes.code_of(str(value)) for value in self.frame["value"]]

    @cached_property
    def inside(self) -> np.ndarray:
        """Polygons that lie in a region, bool (polygon,); all without regions."""
        return np.full(len(self.frame), True) if self.shapes is None else self.region != ""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models."""
        return tuple(model for region in self.parts for model in self.models_of(region))

    def models_of(self, region: str) -> tuple[str, ...]:
        """Name the models of a region."""
        return regions.names_of(region, self.parts[region])

    @cached_property
    def own(self) -> np.ndarray:
        """Polygons of the ground truth that lie in a region, bool (polygon,)."""
        return self.frame["own"].to_numpy(bool) & self.inside

    def teaches(self, fold: int) -> np.ndarray:
        """Give the polygons from which a fold may learn, bool (polygon,)."""
        return self.placed.teaches[fold - 1] & self.inside if fold else self.own

    def tests(self, fold: int) -> np.ndarray:
        """Give the polygons that a fold holds out, bool (polygon,)."""
        return self.placed.tests[fold - 1] & self.inside if fold else np.zeros_like(self.own)

    def takes_part(self, fold: int) -> np.ndarray:
        """Give the polygons whose claims count in a fold, bool (polygon,)."""
        return self.teaches(fold) | self.tests(fold)

    def seen(self, fold: int = MAIN) -> list[tuple[str, str]]:
        """Give (class value, identifier) of what a fold may learn from, with a usable pixel."""
        chosen = (self.counts[fold] > 0) & self.teaches(fold)
        rows = zip(self.frame["value"], self.frame["polygon"], chosen, strict=True)
        return [(str(value), polygon) for value, polygon, here in rows if here]

    @cached_property
    def region_of(self) -> dict[str, str]:
        """Region of each polygon, by its identifier."""
        return dict(zip(self.frame["polygon"], self.region, strict=True))

    def alone(self) -> list[tuple[str, str]]:
        """Give (class, region) of the classes with one usable polygon, there where it is alone."""
        chosen = (self.counts[MAIN] > 0) & self.own
        values = self.frame["value"].astype(str)
        found = Counter(zip(values[chosen], self.region[chosen], strict=True))
        return sorted(pair for pair, count in found.items() if count == 1)


def regions_of(
    settings: regions.RegionSettings,
    frame: gpd.GeoDataFrame,
    proj: str,
    grids: Mapping[str, GeoBox],
) -> tuple[regions.Regions | None, np.ndarray, dict[str, int]]:
    """Find the regions, that of each polygon, and the number of models of each.

    A polygon outside of all tiles is in no region; it and one that only tests teach nothing, and
    call for no model.
    """
    shapes = frame.geometry.to_numpy()
    found = regions.read(settings, proj)
    region = regions.region_of(found, shapes)
    inside = overlay.inside(overlay.sound(shapes), grids.values())
    region[~inside] = WHOLE
    own = frame["own"].to_numpy(bool)
    return found, region, regions.parts_of(region[own], shapely.area(shapes[own]), settings)


def survey(
    settings: GroundSettings,
    classes: Labels,
    frame: gpd.GeoDataFrame,
    proj: str,
    grids: Mapping[str, GeoBox],
) -> Ground:
    """Find the region and the folds of each polygon.

    Parameters
    ----------
    settings : GroundSettings
    classes : Labels
    frame : GeoDataFrame
        As of `folds.read`, in `proj`.
    proj : str
        CRS of the lattice.
    grids : mapping of tile to GeoBox
    """
    shapes, region, parts = regions_of(settings, frame, proj, grids)
    geometry = overlay.sound(frame.geometry.to_numpy())
    outside = overlay.inside(geometry, grids.values()) & (region == WHOLE)
    placed = folds.place(frame, settings.folds, grids, settings.random_seed or 0)
    lost = int(outside.sum()) if shapes else 0
    return Ground(frame, classes, shapes, region, parts, placed, lost)
