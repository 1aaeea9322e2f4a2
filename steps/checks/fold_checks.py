"""What can be wrong with folds and with the classes of a model, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from ..contract import WHOLE
from ..reference.fold_draws import as_number
from ..reference.folds import Folds, Placed
from ..shapes.geometry import naming

ENOUGH = 2
"""Classes that a model tells apart at least."""
FEW_TESTS = {
    "tile": "no polygon lies mostly in it: take the tile out of list_tile, or choose another by",
    "block": "there are fewer blocks with polygons than folds: choose a smaller block_size or k",
    "field": "there are fewer values of the field than folds: choose a smaller k",
    "polygon": "there are fewer polygons than folds: choose a smaller k",
    "vectors": "no polygon of the file lies inside the tiles: drop the file",
}
"""By -> why a fold can be without test polygons, and the way out."""


def problems_of(
    frame: gpd.GeoDataFrame, placed: Placed, folds: Folds | None, region: np.ndarray
) -> list[str]:
    """List what keeps folds from being learnt or scored: a sentence each.

    Parameters
    ----------
    frame : GeoDataFrame
        Polygons inside the tiles, as of `folds.read`.
    placed : Placed
        Of these polygons.
    folds : Folds or None
    region : ndarray of str, (polygon,)
        Region of each polygon, WHOLE where there are none.
    """
    empty = int((~placed.tests.any(axis=1)).sum())
    if folds is not None and folds.k is not None and empty > 1:
        return [
            f"{empty} of {folds.k} folds have no test polygon, of {len(frame)} polygons: "
            f"{FEW_TESTS[folds.by]}"
        ]
    problems: list[str] = []
    for fold in range(len(placed.names)) if folds is not None else ():
        assert folds is not None
        label = placed.label(fold)
        if not placed.tests[fold].any():
            problems.append(f"{label} has no test polygon: {FEW_TESTS[folds.by]}")
        elif not placed.teaches[fold].any():
            problems.append(
                f"{label} has no training polygon: {_why_none(frame, placed, fold, folds)}"
            )
        else:
            own = frame["own"].to_numpy(bool)
            problems += [
                f"{label}: {sentence}"
                for sentence in class_problems(frame, placed.teaches[fold], region, own)
            ]
    return problems


def _why_none(frame: gpd.GeoDataFrame, placed: Placed, fold: int, folds: Folds) -> str:
    """Say what took all training polygons of a fold."""
    if not (frame["own"].to_numpy(bool) & ~placed.tests[fold]).any():
        return "all polygons are test polygons, hold out less"
    if folds.buffer:
        return (
            f"the buffer of {folds.buffer:g} m leaves none, choose a smaller one or hold out "
            "larger areas"
        )
    return "each of the others overlaps a test polygon, clean the ground truth"


def class_problems(
    frame: gpd.GeoDataFrame,
    teaches: NDArray[np.bool_],
    region: np.ndarray,
    expected: NDArray[np.bool_] | None = None,
) -> Iterator[str]:
    """Tell the models that would learn fewer than two classes.

    Parameters
    ----------
    frame : GeoDataFrame
        Polygons with their class (column value).
    teaches : ndarray of bool, (polygon,)
        Those that the models learn from.
    region : ndarray of str, (polygon,)
        Region of each, WHOLE where there are none.
    expected : ndarray of bool, (polygon,), optional
        Polygons whose regions have a model; `teaches` by default.
    """
    values = frame["value"].astype(str).to_numpy(object)
    some = teaches if expected is None else expected
    regions = sorted(set(region[some]))
    for name in regions if regions == [WHOLE] else [name for name in regions if name != WHOLE]:
        classes = sorted(set(values[teaches & (region == name)]))
        if len(classes) < ENOUGH:
            got = f"class {classes[0]} alone" if classes else "no class"
            yield (
                f"{_model(name)} would learn {got}, a model needs two classes or more: "
                f"{_way_out(name)}"
            )


def _model(region: str) -> str:
    return f"the model of region '{region}'" if region != WHOLE else "the model"


def _way_out(region: str) -> str:
    return "add polygons" + (", or join the region to another" if region != WHOLE else "")


def part_problems(
    frame: gpd.GeoDataFrame,
    region: np.ndarray,
    parts: Mapping[str, int],
    training: Callable[[int], int] = int,
) -> Iterator[str]:
    """Tell the divided regions with too few polygons for each model to learn two classes.

    Parameters
    ----------
    frame : GeoDataFrame
        Polygons with their class (column value).
    region : ndarray of str, (polygon,)
    parts : mapping of region to number of models
    training : callable
        Of so many polygons of a class, how many train a network.
    """
    values = frame["value"].astype(str).to_numpy(object)
    for name, number in parts.items():
        counts = np.unique(values[region == name], return_counts=True)[1]
        enough = sorted((training(count) for count in counts.tolist()), reverse=True)
        most = enough[ENOUGH - 1] if len(enough) >= ENOUGH else 0
        if number > 1 and most < number:
            yield (
                f"region '{name}' would have {number} models, its polygons suffice for "
                f"{max(most, 1)}: choose a larger mode_outside_regionsplit"
            )


def warnings_of(frame: gpd.GeoDataFrame, placed: Placed, region: np.ndarray) -> list[str]:
    """List what the folds and regions cope with: a sentence each. Parameters as `problems_of`."""
    values = frame["value"].astype(str).to_numpy(object)
    own = frame["own"].to_numpy(bool)
    told = [*_classes_of_regions(values[own], region[own])]
    for fold, teaches in enumerate(placed.teaches):
        if bare := _lacking(values[own], values[teaches]):
            told.append(
                f"{placed.label(fold)}: no training polygon of {bare}: its models never say it"
            )
    if placed.names and (bare := _lacking(values[own], values[placed.tests.any(axis=0)])):
        told.append(f"no fold has a test polygon of {bare}: the folds do not score it")
    return told


def _classes_of_regions(values: np.ndarray, region: np.ndarray) -> Iterator[str]:
    for name in sorted(set(region) - {WHOLE}):
        if bare := _lacking(values, values[region == name]):
            yield f"region '{name}' has no polygon of {bare}: its map never has it"


def _lacking(wanted: Iterable[str], there: Iterable[str]) -> str:
    """Name the classes that are wanted and not there."""
    bare = sorted(set(wanted) - set(there), key=as_number)
    return f"class{'es' * (len(bare) > 1)} {naming(bare)}" if bare else ""
