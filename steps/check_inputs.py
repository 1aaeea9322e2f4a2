"""Step 1: look at all inputs before anything runs, and tell all problems at once.

Folder names, raster headers with one pixel each, and polygons are read. Whatever the check
lets pass, later steps take for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from ..errors import InputError
from .artifacts import INPUT_REPORT
from .checks import input_report, place_checks, sampling_checks, tile_checks
from .checks.input_report import CheckSettings, Report
from .contract import Job, Step, Unit
from .reference import folds, ground_truth, labels
from .shapes import geometry

NATIVE = (10.0, 10.0)
"""Metres of the smallest pixel of Sentinel-2, in x and y."""


class Settings(
    tile_checks.Settings,
    place_checks.PlaceSettings,
    labels.LabelSettings,
    sampling_checks.SampleSettings,
    CheckSettings,
):
    """Keys that the step uses."""


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the files that the check reads, those that exist."""
    if not settings.check_inputs:
        return
    vectors = ground_truth.files_of(settings.ground_truth)
    vectors += folds.files_of(settings.folds)
    if settings.region_path is not None:
        vectors += ground_truth.files_of(settings.region_path)
    named = [*vectors, settings.nomenclature_path, settings.color_table]
    named += sampling_checks.files_of(settings)
    yield from (path for path in named if path.is_file())
    yield from tile_checks.files(settings)


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that the check looks at."""
    if not settings.check_inputs:
        return {"check_inputs": False}
    unseen = {"auto_date", "features", "keep_bands"}
    unseen |= set(sampling_checks.SampleSettings.model_fields) - {"features_from_raw_dates"}
    unseen |= set() if settings.folds else {"random_seed"}
    unseen |= set() if settings.classif_mode == "fusion" else {"ratio", "split_ground_truth"}
    samples = sampling_checks.looked_at(settings)
    return {**settings.model_dump(mode="json", exclude=unseen), **samples}


def check(job: Job) -> None:
    """Write the report of the inputs; InputError with a line for each problem."""
    input_report.publish(job, problems)


def problems(settings: Settings, cpus: int = 1) -> Report:
    """Find all that is wrong with the inputs.

    Parameters
    ----------
    settings : Settings
        Names the inputs.
    cpus : int
        Threads that read headers.

    Returns
    -------
    Report
        Errors in the order tiles, ground truth, classes; none hides another one.
    """
    grids, report = tile_checks.problems(settings, cpus)
    polygons, found = _look_at_polygons(settings)
    report += found
    complete = polygons is not None and len(grids) == len(set(settings.list_tile))
    if polygons is not None:
        report += _sample_report(polygons, grids, settings, complete)
        report += _places_report(polygons, grids, settings)
    return report + place_checks.problems(settings, settings.proj, grids, complete)


def _look_at_polygons(settings: Settings) -> tuple[gpd.GeoDataFrame | None, Report]:
    """Read the polygons and look at their geometries and classes.

    Returns
    -------
    polygons : GeoDataFrame or None
        Those that the chain uses, in proj; None where they cannot be read.
    report : Report
    """
    path = settings.ground_truth
    try:
        truth = ground_truth.read(path, settings.data_field, settings.proj)
    except InputError as error:
        errors = ground_truth.problems_of(path, settings.data_field) or [str(error)]
        return None, Report(errors=(*errors, *_class_problems((), settings)))
    polygons = ground_truth.usable(truth)
    width, height = settings.resolution or NATIVE
    found = geometry.findings(truth.frame, smallest=width * height)
    errors = [f"{path}: {finding.text}" for finding in found if finding.hurts]
    if polygons.empty:
        errors.append(f"{path} has no polygon with a class")
    errors += _class_problems(polygons["value"], settings)
    copes = tuple(f"{path}: {finding.text}" for finding in found if not finding.hurts)
    return polygons, Report(tuple(errors), copes)


def _class_problems(values: Iterable[int | str], settings: Settings) -> list[str]:
    codes = labels.codes_of(values)
    return labels.problems_of(codes, settings.nomenclature_path, settings.color_table)


def _sample_report(
    polygons: gpd.GeoDataFrame, grids: Mapping[str, GeoBox], settings: Settings, complete: bool
) -> Report:
    """Tell what is wrong with the keys that choose samples, and their files."""
    try:
        names = place_checks.model_names(settings, settings.proj, grids, complete)
    except InputError:
        return Report()  # regions or test polygons that cannot be read are told with the places
    codes = labels.codes_of(polygons["value"])
    divided = settings.classif_mode == "fusion"
    return Report(tuple(sampling_checks.problems_of(settings, names, codes, divided)))


def _places_report(
    polygons: gpd.GeoDataFrame, grids: Mapping[str, GeoBox], settings: Settings
) -> Report:
    """Tell which tiles and classes have no polygon, or one."""
    boxes = [gbox.extent.geom for gbox in grids.values()]
    meets = geometry.meeting_boxes(polygons.geometry.to_numpy(), boxes)
    complete = len(grids) == len(set(settings.list_tile))
    inside = np.logical_or.reduce(meets, axis=0)
    if complete and grids and not inside.any() and len(polygons):
        text = f"no polygon of {settings.ground_truth} lies inside the tiles {' '.join(grids)}"
        return Report(errors=(text,))
    bare = [name for name, some in zip(grids, meets, strict=True) if not some.any()]
    report = Report(
        warnings=tuple(f"tile {name} has no polygon: it is mapped only" for name in bare)
    )
    values = polygons["value"].to_numpy()
    return report + _classes_report(values, inside, complete)


def _classes_report(values: np.ndarray, inside: np.ndarray, complete: bool) -> Report:
    """Count the polygons of each class; `complete` says whether all tiles are known."""
    told, counts = [], []
    for value in sorted(set(values), key=lambda value: (str(type(value)), value)):
        member = values == value
        here = int((member & inside).sum())
        counts.append(f"class {value}: polygons {int(member.sum())}, inside the tiles {here}")
        if complete and here == 0:
            told.append(f"class {value} has no polygon inside the tiles: it cannot be mapped")
        if complete and here == 1:
            told.append(
                f"class {value} has one polygon inside the tiles: it is learnt, but not validated "
                "(unless split_ground_truth is False)"
            )
    return Report(warnings=tuple(told), counts=tuple(counts))


STEP = Step(
    name="check_inputs",
    group="init",
    title="check the inputs",
    run=check,
    settings=Settings,
    per=(),
    inputs=(),
    outputs=(INPUT_REPORT,),
    resource="check_inputs",
    sources=sources,
    uses=used,
)
