"""The proof that no test polygon, nor its buffer, gave a sample."""

import math
from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.errors import InputError, TaskError
from i2lc.steps import proof
from i2lc.steps.artifacts import POLYGONS, PROOF, SAMPLES, TILE_INDEX
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import store
from i2lc.steps.reference import folds
from i2lc.steps.sampling import samples_file
from i2lc.steps.shapes import outlines
from i2lc.steps.tiles.tile import TileIndex

X, Y = 500_000, 6_300_000
"""Corner of the landscape."""
AXES = samples_file.Axes((date(2018, 1, 1),), ("B2",), (10000.0,))
SQUARES = [shapely.box(X + x, Y, X + x + 100, Y + 100) for x in (0, 100, 1000, 3000)]


def measured(points, shapes=SQUARES[:1], buffer=0.0, size=proof.PIECE):
    points = np.asarray(points, float).reshape(-1, 2) + (X, Y)
    numbers = np.arange(1, len(shapes) + 1)
    pieces = (points[k : k + size] for k in range(0, len(points), size))
    return proof.measure(pieces, np.array(shapes, object), numbers, buffer)


# --- measuring ------------------------------------------------------------------------------


def test_the_closest_sample_is_found():
    found = measured([(400, 50), (130, 140), (-70, 50)])
    assert (found.samples, found.inside) == (3, 0)
    assert found.closest == proof.Closest(50.0, 0.0, X + 130, Y + 140, 1)


def test_a_sample_inside_is_found_without_a_buffer():
    found = measured([(400, 50), (30, 60), (90, 95)])
    assert found.inside == 2
    assert found.closest == proof.Closest(0.0, 30.0, X + 30, Y + 60, 1)  # the deepest


def test_a_sample_in_a_hole_is_outside():
    ring = shapely.difference(SQUARES[0], shapely.box(X + 20, Y + 20, X + 80, Y + 80))
    found = measured([(50, 50)], [ring])
    assert (found.inside, found.closest.distance) == (0, 30.0)


def test_the_edge_belongs_to_one_polygon_and_is_not_inside():
    found = measured([(100, 50), (100 - 5e-4, 50)])
    assert (found.inside, found.closest.distance) == (0, 0.0)
    assert measured([(100 - 5e-3, 50)]).inside == 1


def test_the_buffer_counts_from_the_outline():
    points = [(150, 50), (199.99, 50), (200, 50), (170.8, 170.8), (170.6, 170.6)]
    found = measured(points, buffer=100.0)
    assert found.inside == 3  # the second corner point is 100.1 m away
    assert found.closest.distance == 50.0
    assert measured(points, buffer=50.0).inside == 0


def test_a_sample_near_two_polygons_is_one_sample():
    found = measured([(100, 50), (550, 50)], SQUARES[:3], buffer=460.0)
    assert (found.samples, found.inside) == (2, 2)


def test_overlapping_test_polygons_are_both_looked_at():
    """On the edge of one, deep inside of another."""
    found = measured([(100, 50)], [SQUARES[0], shapely.box(X + 50, Y, X + 150, Y + 100)])
    assert found.inside == 1
    assert (found.closest.number, found.closest.depth) == (2, 50.0)


def test_no_sample_or_no_polygon_is_nothing_to_measure():
    assert measured([]) == proof.Finding()
    assert measured([(0, 0)], []) == proof.Finding(samples=1)


def test_a_sample_without_position_is_no_proof():
    with pytest.raises(TaskError) as caught:
        measured([(400, 0), (math.nan, 0)])
    assert str(caught.value) == (
        "sample 1 has no position: it cannot be proven to lie outside the test polygons"
    )


@pytest.mark.parametrize("buffer", [0.0, 35.0])
@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_pieces_and_shortcuts_find_what_a_plain_comparison_finds(seed, size, buffer):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 2000, (40, 2)) + (X, Y)
    radius = rng.uniform(5, 60, 40)
    shapes = shapely.buffer(shapely.points(corners), radius, quad_segs=4)
    points = rng.uniform(0, 2000, (500, 2))
    found = measured(points, shapes, buffer, size)
    places = shapely.points(points + (X, Y))
    distance = shapely.distance(places[:, None], shapes[None, :])
    inside = shapely.contains_properly(shapes[None, :], places[:, None])
    assert found.samples == 500
    assert found.inside == ((distance < buffer) | inside).any(axis=1).sum() > 0
    assert found.closest.distance == distance.min()
    outside = points[(distance > buffer + 1).all(axis=1)]
    found = measured(outside, shapes, buffer, size)
    far = shapely.distance(shapely.points(outside + (X, Y))[:, None], shapes[None, :])
    assert found.inside == 0
    assert found.closest.distance == pytest.approx(far.min(), abs=1e-9)
    row, column = np.unravel_index(far.argmin(), far.shape)
    assert (found.closest.x, found.closest.y) == tuple(outside[row] + (X, Y))
    assert found.closest.number == column + 1


# --- the step -------------------------------------------------------------------------------


def samples(path, points):
    path.parent.mkdir(parents=True, exist_ok=True)
    with samples_file.create(path, AXES, len(points), samples_file.COLUMNS) as file:
        for axis, values in zip(("x", "y"), np.reshape(points, (-1, 2)).T, strict=True):
            file[axis][:] = values


class Fold:
    """A run folder: four squares, the first two of which fold 2 tests, and samples of it."""

    def __init__(self, folder, buffer=100.0):
        self.root = folder / "run"
        self.source = folder / "truth.gpkg"
        columns = {"code": [3, 3, 7, 7], "place": ["b", "b", "a", "a"]}
        truth = gpd.GeoDataFrame(columns, geometry=SQUARES, crs="EPSG:2154")
        pyogrio.write_dataframe(truth, self.source, driver="GPKG")
        self.settings = proof.Settings(
            ground_truth=self.source,
            data_field="code",
            folds={"by": "field", "field": "place", "buffer": buffer},
        )
        self.unit = Unit(fold=2, seed=1)
        frame = folds.read(self.settings, self.settings.folds, "EPSG:2154")
        self.table = pd.DataFrame(
            {
                "number": range(1, 5),
                "polygon": frame["polygon"],
                "originfid": frame["fid"],
                "class": frame["value"],
                "label": frame["value"],
                "region": "",
                "model": "",
                "side": np.where(frame.geometry.bounds["minx"] < X + 500, "test", "learning"),
                "set": "training",
                "pixels": 9,
            }
        )

    def _tile(self):
        grid = GeoBox((200, 500), Affine(10, 0, X, 0, -10, Y + 1000), "EPSG:2154")
        file = File(TILE_INDEX, Unit(tile="T31TCJ"))
        TileIndex("T31TCJ", grid, {"B2": grid}, (1, 1000), ()).save(self.root / file.path)
        return file

    def run(self, points, unit=None):
        unit = unit or self.unit
        store.write_text(self.root / POLYGONS.path(unit), self.table.to_csv(index=False))
        regions = [Unit(region=name, fold=unit.fold, seed=unit.seed) for name in points]
        for region in regions:
            samples(self.root / SAMPLES.path(region), points[region.region])
        job = Job(
            unit=unit,
            settings=self.settings,
            root=self.root,
            inputs=(
                File(POLYGONS, unit),
                self._tile(),
                *(File(SAMPLES, region) for region in regions),
            ),
            outputs=(File(PROOF, unit),),
        )
        proof.prove(job)
        return store.read_json(self.root / PROOF.path(unit))


def at(*points):
    return [(X + x, Y + y) for x, y in points]


def test_the_step_writes_the_record(tmp_path):
    """All models of the fold are looked at; the nearest sample is in the second one."""
    found = Fold(tmp_path).run({"a": at((1050, 50), (1060, 50)), "b": at((320, 50))})
    assert found == {
        "fold": 2,
        "seed": 1,
        "samples": 3,
        "test_polygons": 2,
        "buffer": 100.0,
        "nearest": 120.0,
        "inside": 0,
    }


def test_learning_polygons_are_not_measured(tmp_path):
    assert Fold(tmp_path, buffer=0).run({"": at((1050, 50))})["nearest"] == 850.0


def test_a_sample_within_the_buffer_is_an_error(tmp_path):
    fold = Fold(tmp_path)
    row = fold.table[fold.table["originfid"] == 2].iloc[0]  # the second square
    assert row["class"] == 3
    with pytest.raises(TaskError) as caught:
        fold.run({"a": at((1050, 50)), "b": at((270, 50), (290, 55))})
    assert str(caught.value) == (
        "fold 2, seed 1: 2 of 3 samples lie in a test polygon or nearer than the buffer of 100 m; "
        f"the closest, at x 500270.00 y 6300050.00, lies 70.000 m from the test polygon "
        f"{row['number']} (feature 2, class 3); the scores of this fold would be worth nothing: "
        "remove samplesSelection and learningSamples from the output folder and run again; when "
        "it comes back, it is a defect of i2lc"
    )
    assert not (fold.root / PROOF.path(fold.unit)).exists()


def test_a_sample_inside_is_an_error_without_a_buffer(tmp_path):
    fold = Fold(tmp_path, buffer=0.0)
    number = fold.table["number"][fold.table["originfid"] == 1].item()
    with pytest.raises(TaskError) as caught:
        fold.run({"": at((1050, 50), (50, 45))})
    assert (
        "1 of 2 samples lie in a test polygon or nearer than the buffer of 0 m; the closest, at "
        f"x 500050.00 y 6300045.00, lies inside the test polygon {number} (feature 1, class 3)"
    ) in str(caught.value)


def test_the_run_itself_holds_nothing_out(tmp_path):
    found = Fold(tmp_path).run({"": at((50, 50))}, Unit(fold=0, seed=1))
    assert found == {
        "fold": 0,
        "seed": 1,
        "samples": 0,
        "test_polygons": 0,
        "buffer": 0.0,
        "nearest": None,
        "inside": 0,
    }


def test_another_file_under_the_same_name_is_an_error(tmp_path):
    fold = Fold(tmp_path)
    fold.table.loc[fold.table["side"] == "test", "polygon"] = "0123456789abcdef"
    number = fold.table["number"][fold.table["side"] == "test"].min()
    with pytest.raises(InputError) as caught:
        fold.run({"": at((1050, 50))})
    assert str(caught.value) == (
        f"{fold.source} has changed since its polygons were placed: polygon {number} is another "
        "one now; run i2lc again without changing the file meanwhile"
    )


def test_a_file_with_fewer_polygons_is_another_one(tmp_path):
    fold = Fold(tmp_path)
    frame = folds.read(fold.settings, None, "EPSG:2154").iloc[:3]
    with pytest.raises(InputError, match="polygon 4 is another one now"):
        outlines.of(frame, fold.table, fold.source)


def test_sources_are_all_files_of_polygons(tmp_path):
    for name in ("truth.gpkg", "a.gpkg", "b.gpkg"):
        (tmp_path / name).write_text("")
    settings = proof.Settings(
        ground_truth=tmp_path / "truth.gpkg",
        data_field="code",
        folds={"test_vectors": [tmp_path / "a.gpkg", tmp_path / "b.gpkg"]},
    )
    names = [path.name for path in proof.sources(settings, Unit())]
    assert names == ["truth.gpkg", "a.gpkg", "b.gpkg"]
