"""The draw of polygons: learning or validation, then training or validation of the network.

The order of the draw is the order of a hash of (seed, class, polygon identifier): neither the
order in the file nor polygons of other classes change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from ..contract import Settings

NOWHERE: Mapping[str, str] = {}
NETWORK_RATIO = 0.8
"""Share of the learning polygons of a class that train the network; the rest monitors it."""


class SeedSettings(Settings):
    """The key from which every draw starts."""

    random_seed: int | None = Field(
        None,
        ge=0,
        lt=2**31,
        description="Seed of the first run; run k uses random_seed + k; None is 0.",
    )


class RunsSettings(Settings):
    """The key that says how often the polygons are split."""

    runs: int = Field(1, ge=1, description="Random splits; each trains, maps and validates.")


class SplitSettings(SeedSettings):
    """The keys that split the polygons."""

    split_ground_truth: bool = Field(
        True, description="False: all polygons learn and validate (scores are resubstitution)."
    )
    ratio: float = Field(
        0.5, gt=0, lt=1, description="Share of the polygons of each class that learn."
    )


def share(count: int, ratio: float) -> int:
    """Give how many of `count` polygons go to the first side.

    ``round(count * ratio)``, half to even; at least one on each side from two polygons on;
    a single polygon goes to the first side.
    """
    if count < 2:
        return count
    return min(max(round(count * ratio), 1), count - 1)


def first_side(
    polygons: Iterable[tuple[str, str]],
    ratio: float,
    seed: int,
    purpose: str,
    region_of: Mapping[str, str] = NOWHERE,
) -> set[str]:
    """Draw the polygons of the first side, class by class and region by region.

    Parameters
    ----------
    polygons : iterable of (class value, polygon identifier)
    ratio : float
        Share of the first side, of the number of polygons.
    seed : int
        random_seed + run.
    purpose : str
        Makes draws for two purposes independent of each other.
    region_of : mapping of identifier to region
        A polygon without an entry belongs to none.

    Returns
    -------
    set of str
        Identifiers.
    """
    strata: dict[tuple[str, str], list[str]] = {}
    for value, polygon in polygons:
        strata.setdefault((value, region_of.get(polygon, "")), []).append(polygon)
    drawn: set[str] = set()
    for (value, _), members in strata.items():
        ranked = sorted(members, key=lambda polygon: _rank(seed, value, polygon, purpose))
        drawn.update(ranked[: share(len(ranked), ratio)])
    return drawn


def _rank(seed: int, value: str, polygon: str, purpose: str) -> str:
    return hashlib.sha256(f"{purpose}|{seed}|{value}|{polygon}".encode()).hexdigest()


def sides(
    polygons: Sequence[tuple[str, str]],
    ratio: float,
    seed: int,
    split: bool,
    region_of: Mapping[str, str] = NOWHERE,
) -> Mapping[str, tuple[str, str]]:
    """Place every polygon.

    Parameters
    ----------
    polygons : sequence of (class value, polygon identifier)
    ratio, seed, region_of
        As of `first_side`.
    split : bool
        False: all learn and validate.

    Returns
    -------
    mapping of identifier to (side, set)
        side: learning, validation or, without a split, both; set: training or validation of
        the network, empty for polygons that teach nothing.
    """
    learning = {polygon for _, polygon in polygons}
    if split:
        learning = first_side(polygons, ratio, seed, "side", region_of)
    learners = [(value, polygon) for value, polygon in polygons if polygon in learning]
    training = first_side(learners, NETWORK_RATIO, seed, "network", region_of)

    def place(polygon: str) -> tuple[str, str]:
        if polygon not in learning:
            return "validation", ""
        return ("learning" if split else "both"), (
            "training" if polygon in training else "validation"
        )

    return {polygon: place(polygon) for _, polygon in polygons}
