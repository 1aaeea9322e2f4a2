"""Numbers and picks against OTB's own SampleSelection; skipped where it is not installed."""

import shutil
import subprocess

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.steps import selection
from i2lc.steps.artifacts import LABELS, POLYGONS, REFERENCE, REGIONS, SEED_STATISTICS, SELECTION
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import rasters
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.sampling.strategies import SampleSelection

PROGRAMS = ("otbcli_PolygonClassStatistics", "otbcli_SampleSelection")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason="OTB is not installed (Debian package otb-bin)"
)

SIDE = 60
UNIT, TILE = Unit(fold=0, seed=0), Unit(tile="T31TCJ", fold=0, seed=0)
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 0, 0, -10, 10 * SIDE), "EPSG:2154")
FIELDS = (  # class, first column, first row, column and row behind the last
    (2, 0, 0, 7, 6),
    (1, 10, 0, 21, 5),
    (2, 30, 2, 37, 9),
    (3, 0, 20, 3, 23),
    (1, 20, 20, 33, 41),
    (2, 40, 30, 51, 43),
    (3, 50, 50, 58, 55),
    (4, 58, 0, 59, 1),
    (5, 10, 50, 25, 51),
)
CODES = (1, 2, 3, 4, 5)
STRATEGIES = (
    {"strategy": "all"},
    {"strategy": "percent", "strategy.percent.p": 0.3},
    {"strategy": "percent", "strategy.percent.p": 0.25},  # 58.5 and 12.25 of 234 and 49
    {"strategy": "percent", "strategy.percent.p": 0.5},  # half a pixel of class 4
    {"strategy": "percent", "strategy.percent.p": 0.7},  # 10.5 of 15, a bit less in 32 bits
    {"strategy": "constant", "strategy.constant.nb": 77},
    {"strategy": "total", "strategy.total.v": 100},
    {"strategy": "total", "strategy.total.v": 5000},
    {"strategy": "smallest"},
    {"strategy": "byclass"},
)


def box(left, top, right, bottom):
    return shapely.box(10 * left, 10 * (SIDE - bottom), 10 * right, 10 * (SIDE - top))


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    """An image, polygons on it, OTB's statistics of them, and the same as products of i2lc."""
    root = tmp_path_factory.mktemp("otb")
    codes = [code for code, *_ in FIELDS]
    with rasters.create(root / "image.tif", GRID, "uint8") as raster:
        raster.write(np.ones((1, SIDE, SIDE), np.uint8))
    shapes = [box(*place) for _, *place in FIELDS]
    gpd.GeoDataFrame({"code": codes, "geometry": shapes}, crs="EPSG:2154").to_file(root / "v.shp")
    otb(root, "PolygonClassStatistics", "-out", "classes.xml")
    numbers = np.zeros((SIDE, SIDE), np.uint32)
    for number, (_, left, top, right, bottom) in enumerate(FIELDS, 1):
        numbers[top:bottom, left:right] = number
    (root / "samplesSelection").mkdir()
    with rasters.create(root / REFERENCE.path(TILE), GRID, "uint32", 2) as raster:
        raster.write(np.stack([numbers, numbers]))
    table = {"number": range(1, len(codes) + 1), "class": codes, "label": codes, "region": ""}
    pd.DataFrame({**table, "model": "", "side": "both", "set": "training"}).to_csv(
        root / POLYGONS.path(UNIT), index=False
    )
    Labels(tuple(Label(code, str(code), str(code), (0, 0, 0)) for code in CODES)).save(
        root / LABELS.path(UNIT)
    )
    (root / REGIONS.path(Unit())).parent.mkdir()
    (root / REGIONS.path(Unit())).write_text("number,region,model\n1,,\n")
    (root / "counts.csv").write_text("1,10\n2,0\n3,400\n")
    return root, numbers


def otb(root, name, *options):
    command = [f"otbcli_{name}", "-in", "image.tif", "-vec", "v.shp", "-field", "code", *options]
    done = subprocess.run(
        command, cwd=root, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def otb_picks(root, sampler, keys):
    """Select with OTB; give the numbers asked for by class, and (class, row, column)s."""
    options = [word for key, value in keys.items() for word in (f"-{key}", str(value))]
    otb(
        root, "SampleSelection", "-instats", "classes.xml", "-out", "picks.shp", "-sampler",
        sampler, "-outrates", "rates.csv", *options,
    )  # fmt: skip
    lines = (root / "rates.csv").read_text().splitlines()
    rates = [line.split("\t") for line in lines if line and not line.startswith("#")]
    asked = {int(code): int(wanted) for code, wanted, *_ in rates}
    points = gpd.read_file(root / "picks.shp")
    rows = np.floor(SIDE - points.geometry.y / 10).astype(int)
    cols = np.floor(points.geometry.x / 10).astype(int)
    return asked, list(zip(points["code"], rows, cols, strict=True))


def our_picks(root, sampler, keys):
    """Select with the step; give the statistics by class, and the mask of picked pixels."""
    chosen = SampleSelection(sampler=sampler, **keys)
    selection.select(
        Job(
            unit=UNIT,
            settings=selection.Settings(sample_selection=chosen),
            root=root,
            inputs=(
                File(REFERENCE, TILE),
                File(POLYGONS, UNIT),
                File(LABELS, Unit()),
                File(REGIONS, Unit()),
            ),
            outputs=(File(SELECTION, TILE), File(SEED_STATISTICS, UNIT)),
        )
    )
    with rasterio.open(root / SELECTION.path(TILE)) as raster:
        marks = raster.read(1) != 0
    return pd.read_csv(root / SEED_STATISTICS.path(UNIT)).set_index("label"), marks


def keys_of(root, keys):
    file = {"strategy.byclass.in": root / "counts.csv"}
    return {**keys, **(file if keys["strategy"] == "byclass" else {})}


@pytest.mark.parametrize("keys", STRATEGIES, ids=lambda keys: "-".join(map(str, keys.values())))
@pytest.mark.parametrize("sampler", ["random", "periodic"])
def test_each_class_gives_as_many_pixels(land, sampler, keys):
    root, _ = land
    keys = keys_of(root, keys)
    asked, picks = otb_picks(root, sampler, keys)
    statistics, marks = our_picks(root, sampler, keys)
    counts = pd.Series([code for code, _, _ in picks]).value_counts()
    assert statistics["taken"].to_dict() == {c: int(counts.get(c, 0)) for c in CODES}
    for code, number in asked.items():  # a class that byclass does not name has no line
        assert statistics["asked"][code] == number
    assert int(marks.sum()) == len(picks)


@pytest.mark.parametrize("keys", STRATEGIES, ids=lambda keys: "-".join(map(str, keys.values())))
def test_periodic_picks_are_the_same_over_the_same_list(land, keys):
    """OTB walks polygon by polygon, i2lc row by row: classes 1 and 3 have one order in both."""
    root, numbers = land
    keys = keys_of(root, keys)
    _, picks = otb_picks(root, "periodic", keys)
    _, marks = our_picks(root, "periodic", keys)
    for code in (1, 3, 4, 5):
        mine = np.isin(numbers, [n for n, (c, *_) in enumerate(FIELDS, 1) if c == code])
        ours = list(zip(*np.nonzero(marks & mine), strict=True))
        assert [(row, col) for c, row, col in picks if c == code] == ours


def test_otb_s_list_runs_polygon_by_polygon(land):
    """Class 2 has polygons beside each other: the same period over another order."""
    root, numbers = land
    keys = {"strategy": "percent", "strategy.percent.p": 0.3}
    _, picks = otb_picks(root, "periodic", keys)
    theirs = [(row, col) for code, row, col in picks if code == 2]
    members = [number for number, (code, *_) in enumerate(FIELDS, 1) if code == 2]
    by_polygon = [place for n in members for place in zip(*np.nonzero(numbers == n), strict=True)]
    by_row = list(zip(*np.nonzero(np.isin(numbers, members)), strict=True))
    places = [k * len(by_row) // len(theirs) for k in range(len(theirs))]
    assert theirs == [by_polygon[place] for place in places]
    _, marks = our_picks(root, "periodic", keys)
    ours = list(zip(*np.nonzero(marks & np.isin(numbers, members)), strict=True))
    assert ours == [by_row[place] for place in places]
    assert ours != theirs
