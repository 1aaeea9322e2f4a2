"""The file of the regions: reading it, and all that can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from ...errors import InputError
from ..files import vectors
from ..shapes import geometry, overlaps
from ..shapes.overlaps import Shapes

FIELD = "region"
"""Field of the names where the user says nothing else."""
MOST = 65535
"""Numbers of regions fit into uint16."""
LONGEST = 120
"""Letters of a name as it stands in file names, which have 255 at most."""
WIDTH = 1.0
"""Metres: strips of a mean width below are what changes of CRS do to common borders."""
SUB_MODEL = re.compile(r"(.+)f[1-9][0-9]*")
RESERVED = re.compile(r"_(?:fold|seed|hyp)_[0-9]", re.IGNORECASE)
"""What names of files and tasks have behind that of the region: fold, run, pair."""


@dataclass(frozen=True)
class Look:
    """What the file of the regions holds."""

    names: tuple[str, ...]
    """Sorted; each once."""
    shapes: Shapes
    """Area of each region in the CRS asked for, (region,)."""
    problems: tuple[str, ...]
    """Sentences; names and shapes hold what could be read all the same."""


def look_at(path: Path, field: str, proj: str, divided: bool) -> Look:
    """Read the regions and tell all that is wrong with them.

    Parameters
    ----------
    path : Path
        Polygons in any vector format.
    field : str
        Field of the names: text or integer.
    proj : str
        CRS to bring them to, in metres.
    divided : bool
        Whether a region may have several models, whose names must not be those of regions.
    """
    try:
        frame = _read(path, field)
    except InputError as error:
        return Look((), np.zeros(0, object), (str(error),))
    names = _names(frame[field])
    with np.errstate(invalid="ignore"):  # a coordinate that is no number is an invalid geometry
        shapes = shapely.force_2d(frame.geometry.to_crs(proj).to_numpy())
        good, problems = _features(names, shapes, frame.index.to_numpy())
    known = tuple(sorted(set(names[good])))
    areas = np.array([shapely.union_all(shapes[good & (names == name)]) for name in known], object)
    told = [*problems, *_name_problems(known, divided), *_overlaps(known, areas)]
    if not len(known) and not problems:
        told.append("no region")
    return Look(known, areas, tuple(f"{path}: {sentence}" for sentence in told))


def _read(path: Path, field: str) -> gpd.GeoDataFrame:
    info = vectors.describe(path, "file of regions")
    problems = vectors.crs_problems(path, info)
    problems += vectors.field_problems(path, field, info, "the name of a region")
    if problems:
        raise InputError("; ".join(problems))
    return vectors.features(path, [field], info)


def _names(column: pd.Series) -> NDArray[np.object_]:
    """Give names as text without blanks around; a missing one as empty text, (feature,)."""
    missing = column.isna()
    whole = pd.api.types.is_numeric_dtype(column)  # with a missing one, pandas reads floats
    given = (str(int(value)) if whole else str(value).strip() for value in column[~missing])
    names = np.full(len(column), "", object)
    names[~missing.to_numpy()] = list(given)
    return names


def _features(
    names: NDArray[np.object_], shapes: Shapes, fids: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Tell which features are good, bool (feature,), and what is wrong with the others."""
    empty = geometry.is_empty(shapes)
    alien = ~empty & ~geometry.is_polygonal(shapes)
    invalid = ~empty & ~alien & ~shapely.is_valid(shapes)
    reasons = shapely.is_valid_reason(shapes)
    nameless = names == ""
    kinds = (
        ("no name in the field of the regions", nameless, None),
        ("empty geometry", empty, None),
        ("no polygon but another geometry", alien, [shape and shape.geom_type for shape in shapes]),
        ("invalid geometry", invalid, reasons),
    )
    problems = [
        _sentence(what, fids, wrong, detail) for what, wrong, detail in kinds if wrong.any()
    ]
    return ~(nameless | empty | alien | invalid), problems


def _sentence(
    what: str,
    fids: NDArray[np.int64],
    wrong: NDArray[np.bool_],
    detail: Sequence[str] | None,
) -> str:
    places = np.flatnonzero(wrong).tolist()
    items = [f"{fids[k]} ({detail[k]})" if detail is not None else str(fids[k]) for k in places]
    word = "feature" if len(items) == 1 else "features"
    return f"{what}: {word} {geometry.naming(items)}; repair the file (i2lc check-database tells)"


def _name_problems(names: Sequence[str], divided: bool) -> Iterator[str]:
    """Tell which names cannot stand for regions side by side."""
    if len(names) > MOST:
        yield f"it has {len(names)} regions, {MOST} at most: join some"
    first: dict[str, str] = {}
    for name in names:
        written = quote(name, safe="")
        if len(written) > LONGEST:
            yield (
                f"the name of region '{name}' takes {len(written)} letters in a file name, "
                f"{LONGEST} at most: shorten it"
            )
        if found := RESERVED.search(name):
            yield (
                f"the name of region '{name}' holds '{found[0]}', as names of files do behind that "
                "of a region: rename it"
            )
        other = first.setdefault(written.casefold(), name)
        if other != name:
            yield (
                f"regions '{other}' and '{name}' have one name where capitals do not count, as on "
                "some disks: rename one"
            )
        sub = SUB_MODEL.fullmatch(name)
        if divided and sub and sub[1] in names:
            yield (
                f"region '{name}' has the name that a part of region '{sub[1]}' has in "
                "classif_mode fusion: rename one"
            )


def _overlaps(names: Sequence[str], areas: Shapes) -> Iterator[str]:
    """Tell which regions share more than a thin strip along their border."""
    for a, b in overlaps.find(areas).pairs.tolist():
        parts = shapely.get_parts(shapely.intersection(areas[a], areas[b]))
        wide = parts[2 * shapely.area(parts) > WIDTH * shapely.length(parts)]
        if len(wide):
            x, y = wide[0].point_on_surface().coords[0]
            yield (
                f"regions '{names[a]}' and '{names[b]}' overlap by {shapely.area(wide).sum():.0f} "
                f"m2, such as at x {x:.0f}, y {y:.0f}: cut one of them"
            )
