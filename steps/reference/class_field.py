"""What is wrong with the field of the class and the CRS of a vector file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS

from ..files import vectors
from ..shapes.database import INTEGERS, Column, Database
from ..shapes.geometry import Case, Finding, detailed, finding
from .ground_truth import RESERVED, classes_of
from .labels import LARGEST_CODE

WHOLE = (-(2**63), 2**63 - 1)


def crs_findings(crs: str | None, epsg: int) -> list[Finding]:
    """Tell when a file states no CRS, or another one than asked for."""
    wanted = f"EPSG:{epsg}"
    if crs is None:
        text = f"the file states no CRS: give it one (a .prj file beside a shapefile) for {wanted}"
        return [Finding("no CRS", (), text, hurts=True)]
    stated = CRS.from_user_input(crs)
    if stated.to_epsg() == epsg or stated.equals(CRS.from_epsg(epsg), ignore_axis_order=True):
        return []
    name = crs if len(crs) < 20 else stated.name
    return [Finding("CRS", (), f"the CRS is {name}, wanted is {wanted}", hurts=False)]


def field_findings(layer: Database, name: str) -> list[Finding]:
    """Tell what is wrong with a field as a whole, and keeps its values from being classes.

    Real numbers that are all whole are told too; `values` takes them.
    """
    if name.lower() in RESERVED:
        text = f"'{name}' is a name that i2lc gives a field of its own: rename the field"
        return [Finding("reserved field", (), text, hurts=True)]
    column = layer.column(name)
    if column is None:
        others = ", ".join(known.name for known in layer.columns) or "none"
        text = f"there is no field '{name}'; the fields: {others}"
        return [Finding("missing field", (), text, hurts=True)]
    if column.kind == "Real":
        return [_real(layer.fids, column)]
    if f"OFT{column.kind}" not in vectors.DISCRETE:
        text = f"field '{name}' is of type {column.kind}; a class is an integer or a string"
        return [Finding("field type", (), text, hurts=True)]
    return []


def _real(fids: NDArray[np.int64], column: Column) -> Finding:
    """Tell that numbers are real: all of them whole, or which ones are not."""
    what = f"field '{column.name}' is of type Real; a class is an integer or a string"
    broken = ~column.missing & ~_whole(column.values)
    if not broken.any():
        return Finding("real codes", (), f"{what}; all its numbers are whole", hurts=True)
    cases = detailed(fids[broken], [f"{value:g}" for value in column.values[broken]])
    return finding("field type", f"{what}; no whole number", cases, hurts=True)


def _whole(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside = (values > WHOLE[0]) & (values < WHOLE[1])
    return inside & (np.floor(values) == values)


def values(column: Column) -> pd.Series:
    """Give the classes of all features as int or str, None where there is none, (feature,)."""
    known = integers(column)
    series = pd.Series(known.values, dtype="Int64" if known.kind in INTEGERS else object)
    return classes_of(series.mask(known.missing, None))


def integers(column: Column) -> Column:
    """Give a column of whole real numbers as one of integers; any other as it is."""
    if column.kind != "Real":
        return column
    numbers = np.where(column.missing, 0, column.values).astype(np.int64)
    small = numbers.size == 0 or np.abs(numbers).max() < 2**31
    kind = "Integer" if small else "Integer64"
    return Column(column.name, kind, numbers.astype(INTEGERS[kind]), column.missing)


def out_of_range(classes: Sequence[object]) -> NDArray[np.bool_]:
    """Tell which classes are integers that no map can show, (feature,)."""
    return np.array(
        [isinstance(code, int) and not 1 <= code <= LARGEST_CODE for code in classes], bool
    )


def code_findings(fids: NDArray[np.int64], classes: Sequence[object]) -> list[Finding]:
    """Tell which features have a code that no map can show."""
    wrong = np.flatnonzero(out_of_range(classes))
    if not len(wrong):
        return []
    cases: list[Case] = detailed(fids[wrong], [str(classes[row]) for row in wrong.tolist()])
    what = f"code outside 1-{LARGEST_CODE} (0 means no data)"
    return [finding("code", what, cases, hurts=True)]
