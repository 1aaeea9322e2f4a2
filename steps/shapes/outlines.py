"""The outlines of the polygons of a split, found again in the files that they come from."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from ...errors import InputError


def of(frame: gpd.GeoDataFrame, table: pd.DataFrame, source: Path) -> np.ndarray:
    """Give the outlines of the polygons of a table, (rows,), in the CRS of `frame`.

    Parameters
    ----------
    frame : GeoDataFrame
        All polygons of the run, ordered by number; columns polygon (identifier) and geometry.
    table : DataFrame
        Columns number and polygon.
    source : Path
        File of the polygons, for the message.

    Raises
    ------
    InputError
        The file no longer holds the polygons of the table.
    """
    rows = table["number"].to_numpy(np.int64) - 1
    names = frame["polygon"].to_numpy()
    known = rows < len(names)
    same = known & (names[np.where(known, rows, 0)] == table["polygon"].to_numpy())
    if not same.all():
        number = int(rows[~same][0]) + 1
        raise InputError(
            f"{source} has changed since its polygons were placed: polygon {number} is another one "
            "now; run i2lc again without changing the file meanwhile"
        )
    return frame.geometry.to_numpy()[rows]
