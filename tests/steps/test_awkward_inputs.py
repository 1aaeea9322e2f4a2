"""Inputs that nobody plans for, each found to break something once."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from i2lc.errors import InputError, TaskError
from i2lc.steps import class_statistics, report, training
from i2lc.steps.artifacts import CLASS_STATISTICS, SEED_STATISTICS
from i2lc.steps.contract import File, Job, Settings, Unit
from i2lc.steps.reference import claims, ground_truth
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.reference.split import SeedSettings
from i2lc.steps.scoring.matrix import Matrix
from i2lc.steps.scoring.scores import run_of
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import FeatureSettings

BOXES = [shapely.box(600_000 + 20 * k, 0, 600_010 + 20 * k, 10) for k in range(4)]


def written(path, values, shapes=BOXES):
    frame = gpd.GeoDataFrame({"code": values}, geometry=shapes[: len(values)], crs="EPSG:2154")
    frame.to_file(path)
    return path


def test_a_missing_class_changes_no_identifier(tmp_path):
    whole = ground_truth.read(written(tmp_path / "a.gpkg", [1, 2, 3]), "code", None)
    holes = ground_truth.read(
        written(tmp_path / "b.gpkg", pd.array([1, 2, 3, None], "Int64")), "code", None
    )
    assert whole.frame["polygon"].tolist() == holes.frame["polygon"].tolist()[:3]
    assert holes.frame["value"].tolist() == [1, 2, 3, None]


def test_a_blank_behind_a_name_makes_no_other_class(tmp_path):
    read = ground_truth.read(
        written(tmp_path / "a.gpkg", ["wheat", "wheat "], [BOXES[0], BOXES[0]]), "code", None
    )
    assert read.frame["value"].tolist() == ["wheat", "wheat"]
    assert read.frame["polygon"].nunique() == 1


@pytest.mark.parametrize("name", ["polygon", "i2label", "Tile_O"])
def test_a_data_field_with_a_name_of_ours_is_refused(tmp_path, name):
    frame = gpd.GeoDataFrame({name: [1]}, geometry=BOXES[:1], crs="EPSG:2154")
    frame.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="is a name that i2lc gives a field of its own"):
        ground_truth.read(tmp_path / "a.gpkg", name, None)


def test_a_dissolved_class_costs_the_memory_of_its_parts(monkeypatch):
    """Two far corners of a tile in one multi-polygon: no mask of the whole tile is made."""
    gbox = GeoBox((4000, 4000), Affine(10, 0, 600_000, 0, -10, 6_300_000), "EPSG:2154")
    far = shapely.MultiPolygon(
        [
            shapely.box(600_000, 6_299_900, 600_100, 6_300_000),
            shapely.box(639_900, 6_260_000, 640_000, 6_260_100),
        ]
    )
    sizes = []
    real = ground_truth.footprint

    def watched(geometry, box):
        found = real(geometry, box)
        sizes.append(found.mask.size)
        return found

    monkeypatch.setattr(claims, "footprint", watched)
    frame = gpd.GeoDataFrame(geometry=[far], crs="EPSG:2154")

    class Full:
        """A raster of ones."""

        def read(self, band, window):
            return np.ones((int(window.height), int(window.width)), np.uint8)

    bands = list(claims.walk(frame, [1], gbox, Full(), Full(), 1))
    everyone = np.ones(1, bool)
    assert sum(claims.pixels_of(band, everyone)[0] for band in bands) == 200
    assert len(sizes) == 2
    assert max(sizes) <= 12 * 12


@pytest.mark.parametrize("seed", [-1, 2**31, 2**70])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(ValidationError):
        SeedSettings(random_seed=seed)


@pytest.mark.parametrize(
    "keys",
    [
        {"features": ("NDVI", "NDVI")},
        {"start_date": "2018115"},
        {"start_date": "2018 1 1"},
        {"proj": "EPSG:2264"},  # feet
        {"proj": "EPSG:4326"},  # degrees
    ],
)
def test_settings_that_would_map_something_else(tmp_path, keys):
    with pytest.raises(ValidationError):
        FeatureSettings(s2_path=tmp_path, **keys)


def test_feet_are_named():
    with pytest.raises(ValidationError, match="EPSG:2264 is not in metres"):
        grid.LatticeSettings(proj="EPSG:2264")


def test_a_class_may_be_called_anything_in_the_figure(tmp_path):
    classes = Labels(tuple(Label(k, str(k), n, (0, 0, 0)) for k, n in enumerate(("a_$_$", "^{"))))
    run = run_of(0, Matrix((0, 1), np.array([[3, 1], [1, 3]]), np.zeros(2, int)), ())
    report.draw(tmp_path / "a.png", run, classes)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_class_called_na_keeps_its_name(tmp_path):
    path = tmp_path / SEED_STATISTICS.path(Unit(fold=0, seed=0))
    path.parent.mkdir(parents=True)
    path.write_text(
        "model,seed,class,label,available,asked,taken\n1,0,NA,1,5,5,5\n1,0,01,2,4,4,4\n"
    )
    job = Job(
        Unit(), Settings(), tmp_path, (File(SEED_STATISTICS, Unit(fold=0, seed=0)),),
        (File(CLASS_STATISTICS, Unit()),),
    )  # fmt: skip
    class_statistics.gather(job)
    table = pd.read_csv(tmp_path / "class_statistics.csv", dtype=str, keep_default_na=False)
    assert table["class"].tolist() == ["NA", "01"]


def test_samples_beyond_the_memory_are_refused_before_they_are_read(tmp_path):
    from_shape = pytest.importorskip("netCDF4")
    with from_shape.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in (("sample", 1000), ("date", 37), ("band", 13)):
            file.createDimension(name, size)
        file.createVariable("features", "i2", ("sample", "date", "band"))
    training.refuse_too_large(tmp_path / "a.nc", 2 * 1000 * 481)
    with pytest.raises(TaskError, match=r"the samples take .* raise maximum_ram"):
        training.refuse_too_large(tmp_path / "a.nc", 2 * 1000 * 481 - 1)
