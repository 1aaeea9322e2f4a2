"""What is known of the functions once they were tried: all that later steps need of them.

The step `check_external` writes it; samples, classification and features map read it, and the
card of a model carries it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..files import store

SHIPPED = ""
"""Stands for the file of a function that comes with i2lc."""


@dataclass(frozen=True)
class Function:
    """One function, and what it gives."""

    name: str
    module: str
    """Name of its file, SHIPPED for one of ours."""
    parameters: dict[str, Any]
    labels: tuple[str, ...]
    """As it gave them, in its order."""
    series: tuple[str, ...] = ()
    """Indices of which it gives one value for every date: bands of the features."""
    statics: tuple[str, ...] = ()
    """Labels without a date, or not of every date: features beside the series."""


@dataclass(frozen=True)
class Record:
    """The external features of a run."""

    functions: tuple[Function, ...]
    modules: dict[str, str]
    """Name of each file of the user's -> its sha256."""
    concat: bool
    """The chain's own features stand before them (concat_mode)."""
    padding: tuple[int, int]
    """Rows and columns around a window that the functions see."""
    scales: dict[str, float]
    """Index or label -> stored value of one unit."""
    exogenous: str | None = None
    """Raster of the user's, absolute; `$TILE` in it stands for the tile."""
    raw_days: tuple[date, ...] | None = None
    """Days of the raw series, those of all tiles (fill_missing_dates); None: of each tile."""
    pixel_bytes: int = 0
    """Memory that the functions take for a pixel, measured, up to the next power of two."""
    bands: tuple[str, ...] = ()
    """Bands and indices of the chain's own that the functions can read, in their order."""
    raster_bands: tuple[str, ...] = ()
    """Labels of the bands of the raster, in their order; empty without one, or where it was not
    noted."""

    @property
    def series(self) -> tuple[str, ...]:
        """Indices of all functions, behind the chain's own bands along the band axis."""
        return tuple(name for function in self.functions for name in function.series)

    @property
    def statics(self) -> tuple[str, ...]:
        """Labels of all functions that are not along the dates."""
        return tuple(name for function in self.functions for name in function.statics)

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON."""
        data = asdict(self)
        if self.raw_days is not None:
            data["raw_days"] = [day.isoformat() for day in self.raw_days]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Record:
        """Read it from plain data."""
        days = data["raw_days"]
        rows, cols = data["padding"]
        tuples = ("labels", "series", "statics")
        return cls(
            **{
                **data,
                "functions": tuple(
                    Function(**{**one, **{key: tuple(one[key]) for key in tuples}})
                    for one in data["functions"]
                ),
                "padding": (rows, cols),
                "bands": tuple(data["bands"]),
                "raster_bands": tuple(data.get("raster_bands", ())),
                "raw_days": None if days is None else tuple(map(date.fromisoformat, days)),
            }
        )

    def save(self, path: Path) -> None:
        """Publish it as JSON."""
        store.write_json(path, self.as_dict())

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read it from JSON."""
        return cls.from_dict(store.read_json(path))
