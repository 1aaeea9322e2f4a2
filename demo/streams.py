"""Randomness by name: what is drawn for one thing never depends on another thing.

Two kinds: a numpy generator for each named thing (a product, a tile), and numbers that
are a function of an integer position, so that every tile finds the same ground.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]


def generator(seed: int, *names: str) -> np.random.Generator:
    """Give the generator of one named thing.

    Parameters
    ----------
    seed
        Seed of the landscape, at least 0.
    *names
        Name of the thing, such as ``"clouds", "T31TCJ", "20180511"``.
    """
    return np.random.default_rng([seed, zlib.crc32("|".join(names).encode())])


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit states (the finaliser of SplitMix64)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def uniform_at(seed: int, name: str, i: ArrayLike, j: ArrayLike) -> NDArray[np.float64]:
    """Give a number in [0, 1) that depends on the seed, a name and an integer place only.

    Parameters
    ----------
    seed
        Seed of the landscape.
    name
        Name of the quantity.
    i, j
        Integer coordinates, at least one of them an array; they broadcast.

    Returns
    -------
    numpy.ndarray
        float64, the broadcast shape of `i` and `j`.
    """
    start = np.array([seed * 0x1_0000_0000 + zlib.crc32(name.encode())], np.uint64)
    rows = np.atleast_1d(np.asarray(i, np.int64)).view(np.uint64)
    columns = np.atleast_1d(np.asarray(j, np.int64)).view(np.uint64)
    state = _mixed(_mixed(_mixed(start) + rows) * np.uint64(3) + columns)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal_at(seed: int, name: str, i: ArrayLike, j: ArrayLike) -> NDArray[np.float64]:
    """Give a number of mean 0 and deviation 1, bounded by 3.5, as `uniform_at` does."""
    parts = [uniform_at(seed, f"{name}/{k}", i, j) for k in range(4)]
    return (np.sum(parts, axis=0) - 2.0) * np.sqrt(3.0)


def _smoothstep(t: Floats) -> Floats:
    return t * t * (3.0 - 2.0 * t)


def texture_at(seed: int, name: str, x: Floats, y: Floats, spacing: float) -> NDArray[np.float32]:
    """Give a rough surface over the plane, of mean 0 and deviation about 1.

    Parameters
    ----------
    seed
        Seed of the landscape.
    name
        Name of the surface.
    x, y
        Coordinates in metres, of one shape.
    spacing
        Distance over which the surface changes, in metres.

    Returns
    -------
    numpy.ndarray
        float32 of the shape of `x`.
    """
    column, row = np.floor(x / spacing), np.floor(y / spacing)
    c0, r0 = int(column.min()), int(row.min())
    columns = np.arange(c0, int(column.max()) + 2)
    rows = np.arange(r0, int(row.max()) + 2)
    knots = normal_at(seed, name, rows[:, None], columns[None, :])
    j, i = (column - c0).astype(np.intp), (row - r0).astype(np.intp)
    return _bilinear(knots, i, j, _smoothstep(y / spacing - row), _smoothstep(x / spacing - column))


def _bilinear(
    knots: Floats, i: NDArray[np.intp], j: NDArray[np.intp], v: Floats, u: Floats
) -> NDArray[np.float32]:
    """Interpolate between four knots and restore the deviation that averaging takes away."""
    top = knots[i, j] * (1 - u) + knots[i, j + 1] * u
    bottom = knots[i + 1, j] * (1 - u) + knots[i + 1, j + 1] * u
    mean_gain = 1.0 / 0.743  # root mean square of the weights of a smoothstep, squared: 0.743
    return ((top * (1 - v) + bottom * v) * mean_gain).astype(np.float32)
