"""Units of work, known from vectors and headers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from conftest import tiny
from odc.geo.geobox import GeoBox
from toy import UNITS

from i2lc.chain import units
from i2lc.chain.settings import config
from i2lc.chain.units import Units
from i2lc.errors import InputError
from i2lc.steps.contract import MAIN, WHOLE, Unit
from i2lc.steps.reference.folds import Folds

TOP, LEFT = 6_300_000, 560_000
GBOX = GeoBox((100, 80), Affine(10, 0, LEFT, 0, -10, TOP), "EPSG:2154")
QUARTERS = [(0, 25), (25, 50), (50, 75), (75, 100)]


def bounds(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """Bounds of (first column, first row, column behind, row behind) on the grid."""
    made = [
        (LEFT + 10 * c0, TOP - 10 * r1, LEFT + 10 * c1, TOP - 10 * r0) for c0, r0, c1, r1 in boxes
    ]
    return np.array(made, dtype=float).reshape(-1, 4)


@pytest.mark.parametrize(
    ("boxes", "strips"),
    [
        ([(1, 1, 2, 2)], [0]),
        ([(1, 20, 2, 30)], [0, 1]),
        ([(1, 30, 2, 90)], [1, 2, 3]),
        ([(1, 1, 2, 2), (5, 80, 6, 99)], [0, 3]),
        ([(-50, -50, 500, 500)], [0, 1, 2, 3]),
        ([(81, 1, 90, 2)], []),  # east of the tile
        ([(-9, 1, -1, 2)], []),  # west of it
        ([(1, -9, 2, -1)], []),  # north of it
        ([(1, 101, 2, 109)], []),  # south of it
        ([(1, -5, 2, 1)], [0]),
        ([(1, 99.5, 2, 120)], [3]),
        ([(1, 26, 2, 26.2)], [1]),  # smaller than a pixel
        ([], []),
    ],
)
def test_a_bounding_box_meets_strips(
    boxes: list[tuple[float, float, float, float]], strips: list[int]
) -> None:
    assert units.met(GBOX, QUARTERS, bounds(*boxes)) == strips


def test_a_strip_with_a_pixel_of_a_polygon_is_always_met() -> None:
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 99, (300, 2))
    boxes = np.hstack([low, low + rng.uniform(0, 30, (300, 2))])
    for c0, r0, c1, r1 in boxes:
        rows = np.arange(100)
        inside = rows[(rows + 0.5 > r0) & (rows + 0.5 < r1)]
        touched = {k for k, (a, b) in enumerate(QUARTERS) if np.any((inside >= a) & (inside < b))}
        if c0 < 80:
            assert touched <= set(units.met(GBOX, QUARTERS, bounds((c0, r0, c1, r1))))


def test_units_over_axes() -> None:
    assert UNITS.tiles == ["T1", "T2"]
    assert UNITS.of(()) == [Unit()]
    assert UNITS.of(("tile",)) == [Unit("T1"), Unit("T2")]
    assert UNITS.of(("seed", "hyp")) == [Unit(seed=s, hyp=h) for s in (0, 1) for h in (0, 1)]
    assert UNITS.of(("tile", "strip")) == [Unit("T1", k) for k in (0, 1)] + [
        Unit("T2", k) for k in (0, 1, 2)
    ]
    assert UNITS.of(("tile", "sampled_strip")) == [Unit("T1", 1), Unit("T2", 0), Unit("T2", 2)]
    assert UNITS.of(("tile", "seed")) == [Unit(t, seed=s) for t in ("T1", "T2") for s in (0, 1)]


def test_a_unit_expands_over_the_axes_that_it_lacks() -> None:
    assert list(UNITS.expand(Unit("T1"), ("tile", "seed"))) == [
        Unit("T1", seed=0),
        Unit("T1", seed=1),
    ]
    assert list(UNITS.expand(Unit("T1", 1), ("tile",))) == [Unit("T1")]
    assert list(UNITS.expand(Unit(), ())) == [Unit()]
    with pytest.raises(KeyError, match="strip"):
        list(UNITS.expand(Unit(), ("strip",)))


def test_a_run_without_regions_and_folds_has_one_of_each() -> None:
    assert UNITS.of(("region", "fold")) == [Unit(region=WHOLE, fold=MAIN)]
    assert list(UNITS.expand(Unit(seed=1), ("region", "fold", "seed"))) == [
        Unit(region=WHOLE, fold=MAIN, seed=1)
    ]


ALL_AXES = Units({"T": 1}, {"T": [0]}, seeds=2, pairs=1, models=("A", "Bf1"), folds=(0, 1))


def test_units_over_regions_and_folds() -> None:
    assert ALL_AXES.of(("fold", "seed")) == [Unit(fold=f, seed=s) for f in (0, 1) for s in (0, 1)]
    assert ALL_AXES.of(("region", "fold", "seed")) == [
        Unit(region=r, fold=f, seed=s) for r in ("A", "Bf1") for f in (0, 1) for s in (0, 1)
    ]
    assert list(ALL_AXES.expand(Unit("T", fold=1), ("tile", "region", "fold"))) == [
        Unit("T", region="A", fold=1),
        Unit("T", region="Bf1", fold=1),
    ]


def settings(path: Path, **keys: object) -> units.UnitSettings:
    made = config.load(path).units
    return made.model_copy(update=keys)


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("units") / "land", tiles=(2, 1), dates=4)


def test_the_plan_of_a_landscape(landscape: Path) -> None:
    made = units.plan(settings(landscape, number_of_chunks=4, runs=3))
    assert made.strips == {"T31TCJ": 4, "T31TDJ": 4}
    assert (made.seeds, made.pairs) == (3, 1)
    assert all(set(made.sampled[tile]) <= set(range(4)) for tile in made.tiles)
    assert sum(map(len, made.sampled.values())) > 0


def test_regions_with_polygons_are_models(landscape: Path, tmp_path: Path) -> None:
    frame = gpd.read_file(landscape.parent / "ground_truth.shp").to_crs("EPSG:2154")
    west, south, east, north = frame.total_bounds
    middle = (west + east) / 2
    shapes = [
        shapely.box(middle, south - 10, east + 10, north + 10),
        shapely.box(west - 10, south - 10, middle, north + 10),
        shapely.box(east + 10, south, east + 500, north),  # no polygon
    ]
    file = tmp_path / "regions.gpkg"
    names = {"region": ["east", "west", "nobody"]}
    gpd.GeoDataFrame(names, geometry=shapes, crs="EPSG:2154").to_file(file)
    made = units.plan(settings(landscape, region_path=file))
    assert made.models == ("east", "west")
    area = frame.area.sum() / 1e6
    keys = {"region_path": file, "classif_mode": "fusion"}
    fused = units.plan(settings(landscape, **keys, mode_outside_regionsplit=area / 3))
    assert len(fused.models) > 2
    assert {model[:5] for model in fused.models} == {"eastf", "westf"}
    whole = units.plan(settings(landscape, **keys, mode_outside_regionsplit=area * 2))
    assert whole.models == ("east", "west")


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ({"by": "tile"}, (0, 1, 2)),
        ({"by": "tile", "output": "scores"}, (1, 2)),
        ({"by": "polygon", "k": 4}, (0, 1, 2, 3, 4)),
    ],
)
def test_folds_are_numbered_from_one(
    landscape: Path, keys: dict[str, Any], numbers: tuple[int, ...]
) -> None:
    assert units.plan(settings(landscape, folds=Folds(**keys))).folds == numbers
    assert units.plan(settings(landscape)).folds == (MAIN,)


def test_strips_without_a_polygon_are_not_sampled(landscape: Path, tmp_path: Path) -> None:
    frame = gpd.read_file(landscape.parent / "ground_truth.shp").to_crs("EPSG:2154")
    whole = units.plan(settings(landscape, number_of_chunks=8))
    west, _, _, north = frame.total_bounds
    corner = shapely.box(west, north - 30, west + 30, north)
    frame.iloc[:1].set_geometry([corner], crs="EPSG:2154").to_file(tmp_path / "corner.gpkg")
    made = units.plan(
        settings(landscape, number_of_chunks=8, ground_truth=tmp_path / "corner.gpkg")
    )
    assert made.strips == whole.strips
    assert 1 <= sum(map(len, made.sampled.values())) < sum(map(len, whole.sampled.values()))


def test_more_strips_than_rows_are_as_many_as_rows(landscape: Path) -> None:
    made = units.plan(settings(landscape, number_of_chunks=5000))
    assert all(1 < count < 200 for count in made.strips.values())


def test_a_plan_on_a_missing_tile_is_an_error_of_the_input(landscape: Path) -> None:
    with pytest.raises(InputError, match=r"tile T99XXX: there is no folder .*/s2/T99XXX"):
        units.plan(settings(landscape, list_tile=("T99XXX",)))
