"""Seeded generators: what is drawn depends on what it is drawn for, and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def hashed(text: str) -> int:
    """Give a number of 64 bits that stands for a text, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def generator(purpose: str, *parts: int | str) -> np.random.Generator:
    """Give the generator of one draw.

    Parameters
    ----------
    purpose : str
        Makes draws for two purposes independent of each other.
    *parts : int or str
        Seed, fold, model, class: all that tells one draw from another.
    """
    return np.random.default_rng([hashed(purpose), *(hashed(repr(part)) for part in parts)])
