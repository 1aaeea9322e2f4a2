"""The classes of the landscape: code, name, colour and how each looks over a year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")

# Reflectance (0-1) of pure materials in the order of BANDS.
SPECTRA = {
    "soil": (0.075, 0.105, 0.135, 0.160, 0.180, 0.200, 0.220, 0.235, 0.310, 0.265),
    "straw": (0.085, 0.120, 0.160, 0.185, 0.210, 0.230, 0.250, 0.265, 0.340, 0.270),
    "crop": (0.025, 0.060, 0.028, 0.090, 0.320, 0.410, 0.440, 0.460, 0.190, 0.085),
    "grass": (0.030, 0.068, 0.038, 0.105, 0.280, 0.350, 0.375, 0.395, 0.220, 0.115),
    "leaves": (0.018, 0.045, 0.022, 0.075, 0.270, 0.340, 0.365, 0.385, 0.150, 0.065),
    "needles": (0.016, 0.032, 0.020, 0.050, 0.150, 0.185, 0.200, 0.215, 0.100, 0.045),
    "water": (0.045, 0.050, 0.035, 0.030, 0.022, 0.020, 0.018, 0.017, 0.010, 0.007),
    "stone": (0.110, 0.130, 0.150, 0.165, 0.180, 0.190, 0.200, 0.210, 0.240, 0.220),
}


@dataclass(frozen=True)
class Cover:
    """A land-cover class."""

    code: int
    """Label in the ground truth; codes of neighbouring classes are not contiguous."""
    name: str
    """Name in the nomenclature, without a colon."""
    color: tuple[int, int, int]
    """Red, green, blue, 0-255."""
    bare: str
    """Key of SPECTRA seen where nothing is green."""
    green: str
    """Key of SPECTRA seen under full vegetation."""
    rise: float
    """Day of year at the middle of green-up."""
    fall: float
    """Day of year at the middle of senescence."""
    low: float
    """Green fraction out of season, 0-1."""
    high: float
    """Green fraction in season, 0-1."""


# In the order in which they enter a landscape of N classes; the first is the largest.
COVERS = (
    Cover(1, "wheat", (216, 190, 60), "soil", "crop", 78, 172, 0.10, 0.92),
    Cover(5, "maize", (255, 140, 0), "soil", "crop", 168, 268, 0.06, 0.95),
    Cover(11, "meadow", (120, 200, 80), "straw", "grass", 84, 290, 0.42, 0.80),
    Cover(7, "sunflower", (255, 225, 40), "soil", "crop", 154, 240, 0.06, 0.84),
    Cover(2, "barley", (184, 150, 90), "soil", "crop", 62, 135, 0.12, 0.86),
    Cover(31, "broadleaf", (20, 110, 40), "straw", "leaves", 106, 298, 0.34, 0.94),
    Cover(12, "rapeseed", (230, 230, 120), "soil", "crop", 58, 166, 0.34, 0.94),
    Cover(32, "conifer", (10, 70, 60), "soil", "needles", 90, 300, 0.80, 0.90),
    Cover(41, "built_up", (190, 50, 50), "stone", "grass", 90, 290, 0.12, 0.24),
    Cover(51, "water", (40, 90, 200), "water", "water", 90, 290, 0.00, 0.10),
    Cover(36, "vineyard", (140, 40, 120), "soil", "leaves", 128, 288, 0.14, 0.46),
    Cover(34, "heath", (170, 110, 170), "soil", "needles", 112, 286, 0.36, 0.62),
)

LARGEST_SHARE = 0.30


def shares(count: int) -> NDArray[np.float64]:
    """Give the wanted share of each of `count` classes, the first the largest; sum 1."""
    if count == 1:
        return np.ones(1)
    rest = np.linspace(2.0, 1.0, count - 1)
    largest = max(LARGEST_SHARE, 1.3 / count)
    return np.concatenate([[largest], (1.0 - largest) * rest / rest.sum()])


def labels(covers: tuple[Cover, ...], string_labels: bool) -> tuple[int, ...]:
    """Give the value of each cover in the map.

    Parameters
    ----------
    covers
        Classes of the landscape.
    string_labels
        Whether the ground truth holds names, which then become 1..N in sorted order.
    """
    if not string_labels:
        return tuple(cover.code for cover in covers)
    order = sorted(cover.name for cover in covers)
    return tuple(order.index(cover.name) + 1 for cover in covers)
