"""What can be wrong with the places of the polygons: their regions, and the folds they test.

The ground truth itself is looked at elsewhere; where it cannot be read, nothing of it is told
here again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from ...errors import InputError
from ..contract import WHOLE
from ..reference import folds, ground, ground_truth, regions, split
from ..reference.fold_draws import as_number
from ..reference.folds import Placed
from ..shapes import geometry, overlay
from . import fold_checks
from .input_report import Report


class PlaceSettings(ground.GroundSettings, split.SplitSettings):
    """Keys that place the polygons."""


def problems(
    settings: PlaceSettings, proj: str, grids: Mapping[str, GeoBox], complete: bool = True
) -> Report:
    """Find all that is wrong with regions and folds.

    Parameters
    ----------
    settings : GroundSettings
    proj : str
        CRS of the lattice.
    grids : mapping of tile to GeoBox
        Those that are known.
    complete : bool
        Whether these are all tiles of the run; without, no polygon is placed.

    Returns
    -------
    Report
    """
    errors = regions.problems_of(settings, proj) + list(_file_problems(settings, proj))
    if errors or not grids or not complete:
        return Report(tuple(errors))
    try:
        frame = folds.read(settings, settings.folds, proj)
        return _places(frame, settings, proj, grids)
    except InputError as error:
        known = ground_truth.problems_of(settings.ground_truth, settings.data_field)
        return Report(() if known else (str(error),))


def model_names(
    settings: PlaceSettings, proj: str, grids: Mapping[str, GeoBox], complete: bool
) -> set[str]:
    """Name all models as users write them, and all regions that are divided into models.

    Parameters are those of `problems`. Without all tiles, all regions count.

    Raises
    ------
    InputError
        The regions or the test polygons cannot be read.
    """
    if settings.region_path is None:
        return {"1"}
    if not complete:
        found = regions.read(settings, proj)
        return set(found.names) if found else set()
    frame = folds.read(settings, settings.folds, proj)
    _, _, parts = ground.regions_of(settings, frame, proj, grids)
    return set(parts) | set(regions.models_of(parts))


def _file_problems(settings: PlaceSettings, proj: str) -> Iterator[str]:
    """Tell what is wrong with the field and the files of the folds."""
    chosen, path, field = settings.folds, settings.ground_truth, settings.data_field
    if chosen is None:
        return
    if chosen.field is not None:
        known = ground_truth.problems_of(path, field)
        found = ground_truth.problems_of(path, field, chosen.field)
        yield from (f"folds: {text}" for text in found if text not in known)
    if chosen.field == field:
        yield (
            f"folds: field '{field}' is the class (data_field), so that each fold would hold out "
            "whole classes: choose another field"
        )
    for file in chosen.test_vectors or ():
        yield from _test_file_problems(settings, file, proj)


def _test_file_problems(settings: PlaceSettings, file: Path, proj: str) -> Iterator[str]:
    field = settings.data_field
    if told := ground_truth.problems_of(file, field, what=folds.TEST_FILE):
        yield from (f"folds: {text}" for text in told)
        return
    try:
        test = ground_truth.read(file, field, proj, what=folds.TEST_FILE)
    except InputError as error:
        yield f"folds: {error}"
        return
    found = geometry.findings(test.frame)
    yield from (f"folds: {file}: {finding.text}" for finding in found if finding.hurts)


def _new_classes(frame: gpd.GeoDataFrame, chosen: folds.Folds | None) -> Iterator[str]:
    """Tell which classes stand in a file of test polygons alone."""
    values = frame["value"].astype(str)
    known = set(values[frame["own"].to_numpy(bool)])
    for number, file in enumerate((chosen and chosen.test_vectors) or (), 1):
        new = set(values[frame[f"test_{number}"].to_numpy(bool)]) - known
        if new:
            yield (
                f"folds: {file}: class {geometry.naming(sorted(new, key=as_number))} is not in "
                "the ground truth, so that no model can say it: add it there, or drop it here"
            )


def _places(
    frame: gpd.GeoDataFrame, settings: PlaceSettings, proj: str, grids: Mapping[str, GeoBox]
) -> Report:
    """Place the polygons; look at those that lie in a tile and, where there are some, a region."""
    shapes = frame.geometry.to_numpy()
    areas, region, parts = ground.regions_of(settings, frame, proj, grids)
    placed = folds.place(frame, settings.folds, grids, settings.random_seed or 0)
    inside = overlay.inside(overlay.sound(shapes), grids.values())
    member = inside & (region != WHOLE) if areas is not None else inside
    if not member.any():
        return _nowhere(settings, bool(inside.any()))
    here, of = frame[member].reset_index(drop=True), region[member]
    held = Placed(placed.names, placed.tests[:, member], placed.teaches[:, member])
    own = here["own"].to_numpy(bool)
    errors = [
        *_new_classes(frame, settings.folds),
        *fold_checks.class_problems(here, own, of),
        *_part_problems(here, held, own, of, parts, settings),
        *fold_checks.problems_of(here, held, settings.folds, of),
    ]
    warnings = [
        *_region_warnings(areas, grids, of[own], int((inside & ~member).sum())),
        *_unmapped(held, of, parts),
        *_ungrouped(here),
        *fold_checks.warnings_of(here, held, of),
    ]
    counts = (*_counts(of[own], parts), *_fold_counts(held, own))
    return Report(tuple(errors), tuple(warnings), counts)


def _part_problems(
    frame: gpd.GeoDataFrame,
    placed: Placed,
    own: np.ndarray,
    region: np.ndarray,
    parts: Mapping[str, int],
    settings: PlaceSettings,
) -> Iterator[str]:
    """Tell the divided regions whose polygons do not suffice, in the run and in each fold."""

    def training(count: int) -> int:
        learning = split.share(count, settings.ratio) if settings.split_ground_truth else count
        return split.share(learning, split.NETWORK_RATIO)

    sets = {"": own}
    if settings.folds is not None:
        folds_ = {f"{placed.label(k)}: ": teaches for k, teaches in enumerate(placed.teaches)}
        sets = folds_ if settings.folds.output == "scores" else {**sets, **folds_}
    for label, teaches in sets.items():
        found = fold_checks.part_problems(frame[teaches], region[teaches], parts, training)
        yield from (f"{label}{text}" for text in found)


def _nowhere(settings: PlaceSettings, inside: bool) -> Report:
    """Tell that no polygon lies in a region; one without tiles is told elsewhere."""
    text = f"no polygon of {settings.ground_truth} lies in a region of {settings.region_path}"
    return Report((f"{text} inside the tiles: give polygons of the same area",) if inside else ())


def _region_warnings(
    areas: regions.Regions | None,
    grids: Mapping[str, GeoBox],
    region: np.ndarray,
    outside: int,
) -> Iterator[str]:
    """Tell the regions of the tiles without polygons, and how many polygons have no region.

    `region` is that of the polygons that may teach.
    """
    if areas is None:
        return
    meets = overlay.inside(areas.shapes, grids.values())
    for name, here in zip(areas.names, meets, strict=True):
        if here and name not in region:
            yield f"region '{name}' has no polygon inside the tiles: it is not mapped"
    if outside:
        lies = "polygon lies" if outside == 1 else "polygons lie"
        yield f"{outside} {lies} in no region and neither teach nor test"


def _unmapped(placed: Placed, region: np.ndarray, parts: Mapping[str, int]) -> Iterator[str]:
    """Tell how many test polygons of a fold no model maps."""
    bare = ~np.isin(region.astype(str), list(parts))
    for fold, tests in enumerate(placed.tests):
        if count := int((tests & bare).sum()):
            words = ("polygon", "lies", "it is") if count == 1 else ("polygons", "lie", "they are")
            polygons, lie, they = words
            yield (
                f"{count} test {polygons} of {placed.label(fold)} {lie} in regions without a "
                f"model: {they} not scored"
            )


def _ungrouped(frame: gpd.GeoDataFrame) -> Iterator[str]:
    """Tell how many polygons have no value in the field of the folds."""
    none = int((frame["group"] == "").sum()) if "group" in frame else 0
    if none:
        has = "polygon has" if none == 1 else "polygons have"
        yield f"folds: {none} {has} no value in the field: all folds learn, none tests them"


def _counts(region: np.ndarray, parts: Mapping[str, int]) -> Iterator[str]:
    for name, number in parts.items():
        if name != WHOLE:
            yield f"region '{name}': polygons {int((region == name).sum())}, models {number}"


def _fold_counts(placed: Placed, own: np.ndarray) -> Iterator[str]:
    for fold, (tests, teaches) in enumerate(zip(placed.tests, placed.teaches, strict=True)):
        near = int((own & ~tests & ~teaches).sum())
        yield (
            f"{placed.label(fold)}: test polygons {int(tests.sum())}, training polygons "
            f"{int(teaches.sum())}, too near to test polygons {near}"
        )
