"""When a tile is seen: its dates, product names and the part that the swath covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from .layout import Tile
from .streams import generator

YEAR = 2018
_DAYS = 365
_EDGE_SHARE = 0.35  # of the days, seen from the orbit whose edge crosses the tile
_SLANT = 0.23  # a descending orbit goes down to the south-south-west


@dataclass(frozen=True)
class HalfPlane:
    """Places where ``right * u + down * v <= limit``; u, v in tile widths from upper left."""

    right: float
    """Weight of u."""
    down: float
    """Weight of v."""
    limit: float
    """Largest value inside."""


@dataclass(frozen=True)
class Acquisition:
    """One product of one tile."""

    product: str
    """Name of its folder."""
    tile: str
    """Name of its tile."""
    day: int
    """Day of the year, 1 on 1 January."""
    swath: tuple[HalfPlane, ...]
    """What was seen: the intersection of these; the whole tile when empty."""
    cloud: float
    """Share of the seen pixels that clouds hide, 0-1."""

    def seen(self, side: int) -> NDArray[np.bool_]:
        """Say which pixels of a grid of `side` x `side` over the tile were seen, (y, x)."""
        steps = (np.arange(side) + 0.5) / side
        inside = np.ones((side, side), np.bool_)
        for half in self.swath:
            inside &= half.right * steps[None, :] + half.down * steps[:, None] <= half.limit
        return inside


def acquisitions_of(
    tile: Tile, rank: int, count: int, cloud: float, seed: int
) -> tuple[Acquisition, ...]:
    """Plan the year of one tile.

    Parameters
    ----------
    tile
        The tile.
    rank
        Its place among the tiles; the number of its products varies with it.
    count
        Number of products asked for, at least 4.
    cloud
        Mean share of cloud, 0-1.
    seed
        Seed of the landscape.

    Returns
    -------
    tuple of Acquisition
        In time order; on one day or more, two products.
    """
    rng = generator(seed, "acquisitions", tile.name)
    count += (0, -1, 1)[rank % 3]
    days, swaths = _passes(rng, count)
    clouds = _cloud_shares(rng, count, cloud)
    names = _names(rng, tile.name, days)
    return tuple(
        Acquisition(name, tile.name, day, swath, float(share))
        for name, day, swath, share in zip(names, days, swaths, clouds, strict=True)
    )


def _passes(rng: np.random.Generator, count: int) -> tuple[list[int], list[tuple[HalfPlane, ...]]]:
    """Draw the day and the swath of each product."""
    pairs = max(1, count // 12)
    days = _distinct_days(rng, count - pairs)
    order = rng.permutation(len(days))
    doubled = [int(k) for k in order[:pairs]]
    cut = {int(k) for k in order[pairs : pairs + max(1, round(_EDGE_SHARE * len(days)))]}
    edge = _orbit_edge(rng)
    when: list[int] = []
    swaths: list[tuple[HalfPlane, ...]] = []
    for k, day in enumerate(days):
        seen = _pair(doubled.index(k)) if k in doubled else [(edge,) if k in cut else ()]
        when += [day] * len(seen)
        swaths += seen
    return when, swaths


def _distinct_days(rng: np.random.Generator, count: int) -> list[int]:
    """Draw days spread over the year, no two equal."""
    slot = _DAYS / count
    start = np.floor(np.arange(count) * slot) + 1
    return [int(day) for day in start + np.floor(rng.random(count) * (slot - 1.0))]


def _orbit_edge(rng: np.random.Generator) -> HalfPlane:
    """Draw the edge of the tile's second orbit; east or west of it lies nothing."""
    if rng.random() < 0.5:
        return HalfPlane(1.0, _SLANT, 0.55 + 0.4 * float(rng.random()))
    return HalfPlane(-1.0, -_SLANT, -0.25 - 0.4 * float(rng.random()))


def _pair(k: int) -> list[tuple[HalfPlane, ...]]:
    """Give two products of one day: the halves of an orbit, or twice the same view."""
    if k % 2 == 0:
        return [(HalfPlane(-0.1, 1.0, 0.52),), (HalfPlane(0.1, -1.0, -0.42),)]
    return [(), ()]


def _cloud_shares(rng: np.random.Generator, count: int, mean: float) -> NDArray[np.float64]:
    """Draw cloud shares of a skewed law whose mean over the year is `mean`."""
    if mean == 0:
        return np.zeros(count)
    even = (np.arange(count) + 0.5) / count
    return rng.permutation(even ** (1.0 / mean - 1.0))


def _names(rng: np.random.Generator, tile: str, days: list[int]) -> list[str]:
    """Give product names in time order; products of one day follow each other by seconds."""
    names: list[str] = []
    for k, day in enumerate(days):
        if k == 0 or day != days[k - 1]:
            satellite = "AB"[int(rng.integers(2))]
            second = int(rng.integers(600 - 60))
        else:
            second += int(rng.integers(12, 18))
        stamp = f"{date(YEAR, 1, 1) + timedelta(day - 1):%Y%m%d}"
        clock = f"10{50 + second // 60:02d}{second % 60:02d}-{int(rng.integers(1000)):03d}"
        version = "C_V4-0" if k % 5 == 3 else "D_V1-7"
        names.append(f"SENTINEL2{satellite}_{stamp}-{clock}_L2A_{tile}_{version}")
    return names
