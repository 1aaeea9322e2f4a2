"""Folds of a spatial cross-validation: which polygons each holds out, which teach its models.

All is known before a pixel is read. A polygon outside of all tiles takes part in no fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pydantic import Field, model_validator

from ...errors import InputError
from ..contract import Settings, UserPath
from ..shapes import overlaps, overlay
from ..shapes.overlaps import Shapes
from . import fold_draws, ground_truth
from .ground_truth import GroundTruthSettings

By = Literal["tile", "block", "field", "polygon", "vectors"]
TEST_FILE = "file of test polygons"
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "tile": (set(), set()),
    "block": ({"block_size", "k"}, set()),
    "field": ({"field"}, {"k"}),
    "polygon": ({"k"}, set()),
    "vectors": ({"test_vectors"}, set()),
}
"""What `by` says -> keys that it needs and keys that it may have."""
CHOSEN = ("k", "block_size", "field", "test_vectors")
"""Keys that belong to some `by` only."""
MOST = 100
"""Folds at most: each is a training and a map of its own."""


class Folds(Settings):
    """The keys of `folds`."""

    by: By = Field(
        "vectors",
        description="What is held out: tile (leave one out), block (squares), field (values of a "
        "field), polygon (at random), vectors (own files; the default where test_vectors is given)",
    )
    k: int | None = Field(
        None,
        ge=2,
        le=MOST,
        description="Number of folds of by block, polygon and, to group values, field.",
    )
    block_size: float | None = Field(
        None, gt=0, description="Side of the squares of by block, in metres."
    )
    buffer: float = Field(
        0.0,
        ge=0,
        description="Metres round the test polygons of a fold from which it learns nothing.",
    )
    field: str | None = Field(
        None, min_length=1, description="Field of the ground truth that by field holds out."
    )
    test_vectors: tuple[UserPath, ...] | None = Field(
        None,
        min_length=1,
        max_length=MOST,
        description="Files of test polygons of by vectors, one a fold.",
    )
    output: Literal["maps", "scores"] = Field(
        "maps", description="scores: no map is made, only strips with test polygons are predicted."
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> Folds:
        if "by" not in self.model_fields_set and self.test_vectors is None:
            raise ValueError(f"folds needs by: one of {', '.join(KEYS)}")
        given = {key for key in CHOSEN if getattr(self, key) is not None}
        needed, allowed = KEYS[self.by]
        if missing := [key for key in CHOSEN if key in needed - given]:
            raise ValueError(f"by {self.by} needs {' and '.join(missing)}")
        for key in CHOSEN:
            if key in given - needed - allowed:
                homes = [by for by, sets in KEYS.items() if key in sets[0] | sets[1]]
                raise ValueError(f"{key} belongs to by {' or '.join(homes)}, not {self.by}")
        if self.test_vectors and len(set(self.test_vectors)) < len(self.test_vectors):
            raise ValueError("test_vectors has a file twice: give each once")
        return self


class FoldSettings(Settings):
    """The key of the spatial cross-validation."""

    folds: Folds | None = Field(
        None,
        description="Spatial cross-validation beside the runs: what each fold holds out of the "
        "learning, to score its map there. None makes no fold.",
    )


@dataclass(frozen=True)
class Placed:
    """Where the polygons of a run stand in each fold."""

    names: tuple[str, ...]
    """What each fold holds out: a tile, a value, a file, or its number."""
    tests: NDArray[np.bool_]
    """Polygons that the fold holds out, (fold, polygon)."""
    teaches: NDArray[np.bool_]
    """Polygons that its models may learn from, (fold, polygon)."""

    def label(self, fold: int) -> str:
        """Name a fold, counted from 0, for a message."""
        number = str(fold + 1)
        return f"fold {number}" + (f" ({self.names[fold]})" if self.names[fold] != number else "")


def files_of(folds: Folds | None) -> list[Path]:
    """Give the files that make up the test polygons of by vectors."""
    paths = folds.test_vectors if folds and folds.test_vectors else ()
    return [file for path in paths for file in ground_truth.files_of(path)]


def read(truth: GroundTruthSettings, folds: Folds | None, proj: str) -> gpd.GeoDataFrame:
    """Read all polygons of a run: those of the ground truth, and those that only test.

    Returns
    -------
    GeoDataFrame
        In `proj`, ordered by class, then identifier, one row of each identifier, whatever the
        order in the files. Columns fid, value, polygon, geometry as of
        :func:`~i2lc.steps.reference.ground_truth.usable`; own (bool: part of the ground truth, may
        teach); of by field, group (str: the smallest where copies of a polygon differ, empty where
        there is none); of by vectors, test_1, test_2... (bool: in that file).

    Raises
    ------
    InputError
        A file cannot be read, or the test polygons have classes of another kind.
    """
    path, field = truth.ground_truth, truth.data_field
    group = folds.field if folds else None
    own = ground_truth.read(path, field, proj, group).frame.assign(own=True)
    if group is not None:
        own["group"] = own.groupby("polygon")["group"].transform("min")
    tests = [
        ground_truth.read(path, field, proj, what=TEST_FILE).frame.assign(own=False)
        for path in (folds.test_vectors if folds and folds.test_vectors else ())
    ]
    _refuse_kinds(own, tests, folds)
    together = gpd.GeoDataFrame(pd.concat([own, *tests], ignore_index=True), crs=own.crs)
    frame = ground_truth.usable(ground_truth.GroundTruth(together, proj))
    for number, test in enumerate(tests, 1):
        frame[f"test_{number}"] = frame["polygon"].isin(test["polygon"]).to_numpy(bool)
    return frame


def _refuse_kinds(
    own: gpd.GeoDataFrame, tests: list[gpd.GeoDataFrame], folds: Folds | None
) -> None:
    """Refuse test polygons with codes where the ground truth has names, or the other way round."""
    kinds = {type(value) for value in own["value"].dropna()}
    for path, test in zip((folds and folds.test_vectors) or (), tests, strict=True):
        theirs = {type(value) for value in test["value"].dropna()}
        if kinds and theirs and kinds != theirs:
            words = {int: "integers", str: "text"}
            got, want = words[theirs.pop()], words[kinds.pop()]
            raise InputError(
                f"{path}: its classes are {got}, those of the ground truth are {want}: "
                "give the field one type in all files"
            )


def place(
    frame: gpd.GeoDataFrame, folds: Folds | None, grids: Mapping[str, GeoBox], seed: int
) -> Placed:
    """Find the test polygons of each fold and those that teach its models.

    Parameters
    ----------
    frame : GeoDataFrame
        As of `read`.
    folds : Folds or None
    grids : mapping of tile to GeoBox
        All tiles of the run.
    seed : int
        random_seed, of by block, polygon and grouped field.

    Returns
    -------
    Placed
        No fold where `folds` is None. A polygon teaches a fold where it is part of the ground
        truth, is no test polygon of it, shares no area with one and, with a buffer, is farther
        than that from each.

    Raises
    ------
    InputError
        There would be more than `MOST` folds.
    """
    if folds is None:
        none = np.zeros((0, len(frame)), bool)
        return Placed((), none, none)
    shapes = overlay.sound(frame.geometry.to_numpy())
    inside = overlay.inside(shapes, grids.values())
    names, tests = _held_out(frame, shapes, inside, folds, grids, seed)
    candidates = inside & frame["own"].to_numpy(bool) & ~tests
    return Placed(names, tests, candidates & ~_near(shapes, tests, candidates, folds.buffer))


def _held_out(
    frame: gpd.GeoDataFrame,
    shapes: Shapes,
    inside: NDArray[np.bool_],
    folds: Folds,
    grids: Mapping[str, GeoBox],
    seed: int,
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Give the name of each fold and its test polygons, bool (fold, polygon)."""
    if folds.test_vectors is not None:
        paths = folds.test_vectors
        columns = [frame[f"test_{number}"] for number in range(1, len(paths) + 1)]
        return tuple(path.name for path in paths), np.stack(columns).astype(bool) & inside
    fold = np.full(len(frame), overlay.NOWHERE, np.intp)
    names, fold[inside] = _fold_of(frame[inside], shapes[inside], folds, grids, seed)
    _refuse_many(len(names), folds)  # before a table of folds x polygons is made
    return names, fold == np.arange(len(names))[:, None]


def _refuse_many(count: int, folds: Folds) -> None:
    """Refuse more folds than `MOST`; only tiles and values of a field may be so many."""
    if count <= MOST:
        return
    if folds.by == "tile":
        raise InputError(
            f"folds: list_tile has {count} tiles, {MOST} folds at most: choose another by, such "
            "as block"
        )
    raise InputError(
        f"folds: field '{folds.field}' has {count} values, {MOST} folds at most: give k, which "
        "groups them"
    )


def _fold_of(
    frame: gpd.GeoDataFrame, shapes: Shapes, folds: Folds, grids: Mapping[str, GeoBox], seed: int
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Give the names of the folds and the one that tests each polygon, NOWHERE for none."""
    if folds.by == "tile":
        names = tuple(sorted(grids))
        boxes = np.array([grids[name].extent.geom for name in names], object)
        return names, overlay.holder_of(shapes, boxes)
    if folds.by == "field" and folds.k is None:
        return fold_draws.by_value(frame["group"].to_numpy())
    assert folds.k is not None
    names = tuple(str(number) for number in range(1, folds.k + 1))
    if folds.by == "polygon":
        values, polygons = frame["value"].to_numpy(), frame["polygon"].to_numpy()
        return names, fold_draws.in_turn(values, polygons, folds.k, seed)
    groups = frame["group"].to_numpy() if folds.by == "field" else _blocks(shapes, folds)
    return names, fold_draws.deal(groups, folds.k, seed)


def _blocks(shapes: Shapes, folds: Folds) -> NDArray[np.object_]:
    assert folds.block_size is not None
    return fold_draws.blocks_of(shapes, folds.block_size)


def _near(
    shapes: Shapes, tests: NDArray[np.bool_], candidates: NDArray[np.bool_], buffer: float
) -> NDArray[np.bool_]:
    """Tell which polygons are too near to the test polygons of a fold, (fold, polygon).

    Without a buffer neighbours that touch are not; those that share area are.
    """
    near = np.zeros_like(tests)
    if buffer == 0:
        areal = np.flatnonzero(shapely.area(shapes) > 0)
        one, other = areal[overlaps.find(shapes[areal]).pairs].T
        for fold, held in enumerate(tests):
            near[fold, one[held[other]]] = True
            near[fold, other[held[one]]] = True
        return near
    for fold, held in enumerate(tests):
        if held.any():
            asked = np.flatnonzero(candidates[fold])
            found, _ = shapely.STRtree(shapes[held]).query_nearest(
                shapes[asked], max_distance=buffer, all_matches=False
            )
            near[fold, asked[found]] = True
    return near
