"""The table of polygons of one split, and the models that it names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..contract import WHOLE

TEXTS = ("polygon", "class", "region", "model", "side", "set")
"""Columns that are text, also where they look like numbers (12e4567890123456) or are empty."""
SINGLE = "1"
"""What the model of a run without regions is called, as in iota2."""


def read(path: Path) -> pd.DataFrame:
    """Read the table of a split; row k holds the polygon with number k + 1."""
    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False)


def read_models(path: Path) -> dict[str, str]:
    """Read the models of the run and the region of each: {WHOLE: WHOLE} without regions."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return dict(zip(table["model"], table["region"], strict=True))


def models(table: pd.DataFrame) -> list[str]:
    """Give the models that polygons teach: names, sorted, or WHOLE alone."""
    return sorted(set(table["model"]) - {WHOLE}) or [WHOLE]


def regions(table: pd.DataFrame) -> dict[str, str]:
    """Give the region of each model: itself, or the one that it is a part of."""
    rows = table[table["model"] != WHOLE]
    return dict(zip(rows["model"], rows["region"], strict=True)) or {WHOLE: WHOLE}


def told(model: str) -> str:
    """Give the name of a model as users read and write it."""
    return model or SINGLE
