"""Regions: areas with a model of their own, and the models of a region that is divided.

A polygon belongs to the region that holds most of its area; a pixel to the region that holds
its centre.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pydantic import Field, model_validator

from ...errors import InputError
from ..contract import WHOLE, Settings, UserPath
from ..shapes import overlay
from ..shapes.overlaps import Shapes
from ..tiles import grid
from . import region_file

LIMIT_KM2 = 0.1
M2_IN_KM2 = 1e6
BLOCK = 1024
"""Rows and columns of the blocks of the lattice in which regions are burnt."""


class RegionSettings(Settings):
    """Keys that name the regions and say how many models each has."""

    region_path: UserPath | None = Field(
        None,
        description="Polygons of the regions, each with a model of its own: any vector format and "
        "CRS; None is one model everywhere.",
    )
    region_field: str = Field(
        region_file.FIELD,
        description="Field of region_path with the name of the region, text or integer.",
    )
    classif_mode: Literal["separate", "fusion"] = Field(
        "separate",
        description="separate: one model a region; fusion: a region with much ground truth has "
        "several, which vote.",
    )
    mode_outside_regionsplit: float = Field(
        LIMIT_KM2,
        gt=0,
        description="Area of ground truth in km2 that one model may learn from in classif_mode "
        "fusion; a region with more has area / limit models, rounded up. Polygons are dealt to "
        "them by number, so that one may get more than the limit.",
    )

    @model_validator(mode="after")
    def _regions_agree(self) -> RegionSettings:
        if self.region_path is None and self.region_field != region_file.FIELD:
            raise ValueError("region_field needs region_path: give both or none")
        if self.region_path is None and self.classif_mode == "fusion":
            raise ValueError("classif_mode fusion needs region_path: give it, or choose separate")
        if self.classif_mode != "fusion" and self.mode_outside_regionsplit != LIMIT_KM2:
            raise ValueError(
                "mode_outside_regionsplit belongs to classif_mode fusion, not "
                f"{self.classif_mode}: drop it, or choose fusion"
            )
        return self


@dataclass(frozen=True)
class Regions:
    """The regions of a run."""

    names: tuple[str, ...]
    """Sorted; each once."""
    shapes: Shapes
    """Area of each region in the CRS of the lattice, (region,)."""


def read(settings: RegionSettings, proj: str) -> Regions | None:
    """Read the regions; None where the settings name no file.

    Raises
    ------
    InputError
        Any of `problems_of`.
    """
    if settings.region_path is None:
        return None
    look = _look(settings, proj)
    if look.problems:
        raise InputError("; ".join(look.problems))
    return Regions(look.names, look.shapes)


def problems_of(settings: RegionSettings, proj: str) -> list[str]:
    """List what keeps the regions from being used: a sentence each."""
    return [] if settings.region_path is None else list(_look(settings, proj).problems)


def _look(settings: RegionSettings, proj: str) -> region_file.Look:
    assert settings.region_path is not None
    divided = settings.classif_mode == "fusion"
    return region_file.look_at(settings.region_path, settings.region_field, proj, divided)


def region_of(regions: Regions | None, shapes: Shapes) -> np.ndarray:
    """Give the name of the region that holds most of each polygon, str (shape,).

    WHOLE where there are no regions or none shares area with the polygon.
    """
    if regions is None:
        return np.full(len(shapes), WHOLE, object)
    names = np.array([*regions.names, WHOLE], object)  # NOWHERE is the last one
    return names[overlay.holder_of(shapes, regions.shapes)]


def parts_of(
    region: Sequence[str] | np.ndarray,
    areas: Sequence[float] | np.ndarray,
    settings: RegionSettings,
) -> dict[str, int]:
    """Give the number of models of each region that has a polygon.

    Parameters
    ----------
    region : sequence of str, (polygon,)
        As of `region_of`.
    areas : sequence of float, (polygon,)
        Area of each polygon in square metres.
    settings : RegionSettings

    Returns
    -------
    dict
        Name -> number, by name; the one entry of WHOLE without regions.
    """
    if settings.region_path is None:
        return {WHOLE: 1}
    total: dict[str, float] = {}
    for name, area in zip(region, areas, strict=True):
        total[name] = total.get(name, 0.0) + float(area)
    total.pop(WHOLE, None)
    limit = settings.mode_outside_regionsplit * M2_IN_KM2
    divided = settings.classif_mode == "fusion"
    return {
        name: max(1, math.ceil(area / limit * (1 - overlay.ROUNDING))) if divided else 1
        for name, area in sorted(total.items())
    }


def names_of(region: str, parts: int) -> tuple[str, ...]:
    """Name the models of a region: by the region, or `<region>f<k>` where it is divided."""
    return (region,) if parts == 1 else tuple(f"{region}f{k}" for k in range(1, parts + 1))


def models_of(parts: Mapping[str, int]) -> tuple[str, ...]:
    """Name all models, in the order of regions."""
    return tuple(model for name, number in parts.items() for model in names_of(name, number))


def deal(polygons: Sequence[str], parts: int, seed: int, purpose: str) -> list[int]:
    """Deal polygons of one class and region to the models of the region, in turn.

    Order and first model are those of hashes: neither the order in the file nor other classes
    change them, and small classes do not all go to the first models.

    Parameters
    ----------
    polygons : sequence of str
        Identifiers.
    parts : int
        Number of models.
    seed : int
        random_seed + run.
    purpose : str
        What tells this deal from others, such as the class.

    Returns
    -------
    list of int
        Number of the model of each polygon, from 0.
    """
    start = int.from_bytes(_rank(purpose, seed, "")) % parts  # no polygon has an empty name
    ranks = [_rank(purpose, seed, name) for name in polygons]
    dealt = [0] * len(polygons)
    for turn, place in enumerate(sorted(range(len(polygons)), key=ranks.__getitem__)):
        dealt[place] = (start + turn) % parts
    return dealt


def _rank(purpose: str, seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{purpose}|{seed}|{name}".encode()).digest()


def burn(regions: Regions, gbox: GeoBox) -> NDArray[np.uint16]:
    """Find the region of each pixel: the one that holds its centre.

    Fixed blocks of the lattice are burnt whole, whatever part of them is asked for, so that a
    pixel's region does not depend on the cut.

    Returns
    -------
    ndarray of uint16, (rows, columns)
        Number of the region from 1, as in `regions.names`; 0 outside of all.
    """
    found = np.zeros(gbox.shape, np.uint16)
    row0, col0 = grid.origin(gbox)
    for row in range(row0 // BLOCK * BLOCK, row0 + gbox.height, BLOCK):
        for col in range(col0 // BLOCK * BLOCK, col0 + gbox.width, BLOCK):
            rows = slice(row - row0, row - row0 + BLOCK)
            cols = slice(col - col0, col - col0 + BLOCK)
            block = grid.crop(gbox, rows, cols)
            place = grid.shared(gbox, block)
            assert place is not None
            found[place[0]] = _burn_block(regions, block)[place[1]]
    return found


def _burn_block(regions: Regions, block: GeoBox) -> NDArray[np.uint16]:
    """Burn one block; where regions share a pixel by rounding, the first one has it."""
    box = block.extent.geom
    pixel = max(block.transform.a, -block.transform.e)
    margin = shapely.buffer(box, 2 * pixel, join_style="mitre")
    shapely.prepare(regions.shapes)
    meets = np.flatnonzero(shapely.intersects(regions.shapes, box))
    parts = np.full(len(meets), margin, object)  # costly to cut: only where a border runs
    cut = ~shapely.covers(regions.shapes[meets], margin)
    parts[cut] = shapely.intersection(regions.shapes[meets[cut]], margin)
    burnt = [(part, number + 1) for part, number in zip(parts, meets.tolist(), strict=True)][::-1]
    if not burnt:
        return np.zeros(block.shape, np.uint16)
    return rasterio.features.rasterize(
        burnt, block.shape, fill=0, transform=block.transform, dtype=np.uint16
    )
