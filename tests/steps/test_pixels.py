"""The features of pixels as models see them, with functions of the user's and without."""

import logging
import textwrap
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.demo import landscape
from i2lc.errors import TaskError
from i2lc.nn_bank import user_code
from i2lc.steps.artifacts import EXTERNAL, user_module
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.external.calls import External, around
from i2lc.steps.external.functions import WIDTH, Functions
from i2lc.steps.external.record import Function, Record
from i2lc.steps.files import store
from i2lc.steps.pixels import PixelReader, axes_of
from i2lc.steps.sampling.samples_file import Axes
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import blocks
from i2lc.steps.series.features import FeatureReader
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import INVALID, NOT_ACQUIRED, FeatureSettings, Layout
from i2lc.steps.tiles.tile import index_tile

TILE = "T31TCJ"
DATES = tuple(date(2018, 1, 10) + timedelta(45 * k) for k in range(8))
HIDDEN = (slice(20, 34), slice(24, 40))
"""Rows and columns that were never seen."""
LATTICES = {"utm": {"proj": "EPSG:32631"}, "lambert": {"proj": "EPSG:2154"}}

MODULE = '''
import numpy as np


def labelled(self, name):
    return [f"Sentinel2_{name}_{day}" for day in self.get_raw_dates()["Sentinel2"]]


def soi(self):
    swir, nir = self.get_interpolated_Sentinel2_B11(), self.get_interpolated_Sentinel2_B8()
    days = self.get_interpolated_dates()["Sentinel2"]
    return (swir - nir) / (swir + nir), [f"Sentinel2_soi_{day}" for day in days]


def highest(self, reach=2):
    """The highest NDVI of the neighbourhood; beyond the tile there is none."""
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    rows, cols, _ = ndvi.shape
    padded = np.pad(ndvi, ((reach, reach), (reach, reach), (0, 0)), constant_values=np.nan)
    found = np.full_like(ndvi, np.nan)
    for row in range(2 * reach + 1):
        for col in range(2 * reach + 1):
            np.fmax(found, padded[row : row + rows, col : col + cols], out=found)
    days = self.get_interpolated_dates()["Sentinel2"]
    return found, [f"Sentinel2_highest_{day}" for day in days]


def shape(self):
    days = len(self.get_interpolated_dates()["Sentinel2"])
    rows, cols, _ = self.get_interpolated_Sentinel2_B2().shape
    return np.broadcast_to(np.array([rows, cols], np.float32), (rows, cols, 2)), ["rows", "cols"]


def holes(self):
    """Reflectance of B8 without what is above its median, and its highest value."""
    nir = self.get_interpolated_Sentinel2_B8()
    days = self.get_interpolated_dates()["Sentinel2"]
    highest = nir.max(axis=2, keepdims=True)
    nir[nir > 0.3] = np.nan
    highest[highest > 0.5] = np.inf
    labels = ["B8_max", *(f"Sentinel2_dark_{day}" for day in days)]
    return np.concatenate([highest, nir], axis=2), labels


def own_red(self):
    return self.get_raw_Sentinel2_B4() * 2, labelled(self, "red2")


def seen(self):
    return (self.get_raw_masks()["Sentinel2"] == 0).sum(axis=2, keepdims=True), ["seen"]


def slope(self):
    return self.get_exogeneous_data(), self.get_exogeneous_labels()
'''


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    out = tmp_path_factory.mktemp("land")
    asked = landscape.Landscape(tiles=(1, 1), size=64, dates=8, classes=2, cloud=0.35)
    landscape.write(out, asked)
    for path in out.glob("s2/*/*/MASKS/*_EDG_R1.tif"):
        with rasterio.open(path, "r+") as raster:
            pixels = raster.read(1)
            pixels[HIDDEN] = 1
            raster.write(pixels, 1)
    (out / "mine.py").write_text(MODULE)
    return out


def series(name, index, dates=DATES, **parameters):
    labels = tuple(f"Sentinel2_{index}_{day:%Y%m%d}" for day in dates)
    return Function(name, "mine.py", parameters, labels, series=(index,))


def beside(name, *labels):
    return Function(name, "mine.py", {}, labels, statics=labels)


def record_of(land, *functions, scales, **more):
    known = {"mine.py": user_code.digest(land / "mine.py", "module")}
    keys = {"concat": True, "padding": (0, 0), **more}
    return Record(functions, known, scales=scales, **keys)


def index_of(land, **keys):
    settings_ = FeatureSettings(s2_path=land / "s2", **{"proj": "EPSG:32631", **keys})
    return index_tile(land / "s2" / TILE, TILE, SENTINEL2, settings_), Layout.of(settings_)


def opened(land, record=None, dates=DATES, threads=1, **keys):
    index, layout = index_of(land, **keys)
    external = record and External(record, Functions.open(record, {"mine.py": land / "mine.py"}))
    return PixelReader(index, dates, layout, threads, external)


def everywhere(reader):
    return np.ones(reader.index.grid.shape, bool)


def whole_of(reader):
    """The physical features of a whole tile, (feature, y, x)."""
    where = everywhere(reader)
    return reader.physical(reader.index.grid, where).reshape(-1, *where.shape)


def some(reader, share=0.3, seed=1):
    return np.random.default_rng(seed).random(reader.index.grid.shape) < share


# --- without functions ----------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("share", [0, 0.1, 1])
def test_without_functions_they_are_the_features(land, raw, share):
    index, layout = index_of(land, features_from_raw_dates=raw)
    dates = tuple(sorted({p.day for p in index.products})) if raw else DATES
    with opened(land, dates=dates, features_from_raw_dates=raw) as reader:
        where = some(reader, share)
        found = reader.read(index.grid, where)
        assert reader.block(2**31) == blocks.block_shape(index, layout, len(dates), 2**31)
    with FeatureReader(index, layout) as plain:
        cube = plain.features(index.grid, dates, where)[:, :, 0]
        views = plain.views(index.grid)[where]
    np.testing.assert_array_equal(found.series, cube)
    assert found.series.dtype == np.int16
    assert found.statics.shape == (0, where.sum())
    np.testing.assert_array_equal(found.seen, views > 0)
    assert reader.axes == Axes(dates, layout.names, layout.scales, raw)
    assert share == 0 or not found.seen.all()


@pytest.mark.parametrize("raw", [False, True])
def test_physical_features_are_the_stored_ones_by_their_scale(land, raw):
    index, layout = index_of(land, features_from_raw_dates=raw)
    dates = tuple(sorted({p.day for p in index.products})) if raw else DATES
    dates = (date(2018, 1, 1), *dates)
    with opened(land, dates=dates, features_from_raw_dates=raw) as reader:
        window = grid.crop(index.grid, slice(5, 40), slice(3, 50))
        where = some(reader)[5:40, 3:50]
        found = reader.physical(window, where)
        stored = reader.read(window, where).series
    assert found.dtype == np.float32
    assert found.shape == (len(dates) * 13, where.sum())
    assert (stored == NOT_ACQUIRED).any() == raw
    assert (stored == INVALID).any()
    values = (stored / np.array(layout.scales)[:, None]).reshape(found.shape)
    expected = np.where(stored.reshape(values.shape) <= INVALID, np.nan, values)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert reader.labels[:2] == ("Sentinel2_B2_20180101", "Sentinel2_B3_20180101")
    assert reader.labels[-1] == f"Sentinel2_Brightness_{dates[-1]:%Y%m%d}"
    assert len(reader.labels) == len(found)


# --- what functions give --------------------------------------------------------------------


def test_an_index_stands_behind_the_bands_of_each_date(land):
    record = record_of(land, series("soi", "soi"), scales={"soi": 1000.0})
    with opened(land) as plain, opened(land, record) as reader:
        where = some(reader)
        bare = plain.read(plain.index.grid, where)
        found = reader.read(reader.index.grid, where)
        axes = plain.axes
    assert reader.axes == replace(
        axes, bands=(*axes.bands, "soi"), scales=(*axes.scales, 1000.0), gaps=True
    )
    np.testing.assert_array_equal(found.series[:, :-1], bare.series)
    np.testing.assert_array_equal(found.seen, bare.seen)
    nir, swir = (bare.series[:, axes.bands.index(band)].astype(float) for band in ("B8", "B11"))
    expected = np.where(bare.seen, np.rint(1000 * (swir - nir) / (swir + nir)), INVALID)
    assert np.abs(found.series[:, -1] - expected).max() <= 1
    assert (found.series[:, -1] == INVALID).any()
    assert np.ptp(found.series[:, -1][:, bare.seen]) > 100


def test_without_padding_functions_get_the_pixels_alone(land):
    record = record_of(land, beside("shape", "rows", "cols"), scales={"rows": 1.0, "cols": 1.0})
    with opened(land, record) as reader:
        where = some(reader)
        found = reader.read(reader.index.grid, where)
    called = -(-where.sum() // WIDTH) * WIDTH
    assert found.statics.tolist() == [[1] * where.sum(), [called] * where.sum()]
    assert reader.axes.statics == ("rows", "cols")
    assert reader.axes.static_scales == (1.0, 1.0)
    assert found.series.shape == (8, 13, where.sum())


def test_with_padding_they_get_the_box_of_the_pixels_grown(land):
    scales = {"rows": 1.0, "cols": 1.0}
    record = record_of(land, beside("shape", "rows", "cols"), scales=scales, padding=(3, 7))
    with opened(land, record) as reader:
        where = np.zeros((20, 30), bool)
        where[[4, 9], [8, 12]] = True
        inside = reader.read(grid.crop(reader.index.grid, slice(10, 30), slice(20, 50)), where)
        corner = reader.read(grid.crop(reader.index.grid, slice(0, 20), slice(0, 30)), where)
        whole = reader.read(reader.index.grid, everywhere(reader))
    assert inside.statics.tolist() == [[6 + 2 * 3] * 2, [5 + 2 * 7] * 2]
    assert corner.statics.tolist() == [[6 + 2 * 3] * 2, [5 + 2 * 7] * 2]
    assert set(whole.statics.ravel().tolist()) == {64}


def test_the_box_ends_where_the_tile_does(land):
    index, _ = index_of(land)
    where = np.zeros((10, 10), bool)
    where[1, 2] = where[9, 9] = True
    box, chosen = around(
        grid.crop(index.grid, slice(54, 64), slice(0, 10)), where, index.grid, (4, 5)
    )
    assert grid.offset(box, index.grid) == (51, 0)
    assert box.shape == (13, 15)
    assert np.argwhere(chosen).tolist() == [[4, 2], [12, 9]]


@pytest.fixture(scope="module")
def wholes(land):
    """A neighbourhood of two pixels, read at one time."""
    record = record_of(
        land, series("highest", "highest"), scales={"highest": 1000.0}, padding=(2, 2)
    )
    found = {}
    for name, keys in LATTICES.items():
        reader = opened(land, record, **keys)
        box = reader.index.grid
        read = reader.read(box, everywhere(reader)).series.reshape(8, 14, *box.shape)
        found[name] = reader, read, whole_of(reader)
    yield found
    for reader, _, _ in found.values():
        reader.__exit__(None, None, None)


@pytest.mark.parametrize("name", LATTICES)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_no_cut_changes_a_neighbourhood(wholes, name, data):
    reader, whole, physical = wholes[name]
    height, width = reader.index.grid.shape
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows = slice(row, data.draw(st.integers(row + 1, height)))
    cols = slice(col, data.draw(st.integers(col + 1, width)))
    window = grid.crop(reader.index.grid, rows, cols)
    share = data.draw(st.sampled_from([0.02, 0.3, 1]))
    where = np.random.default_rng(data.draw(st.integers(0, 9))).random(window.shape) < share
    found = reader.read(window, where)
    np.testing.assert_array_equal(found.series, whole[:, :, rows, cols][:, :, where])
    if where.any():
        np.testing.assert_array_equal(
            reader.physical(window, where), physical[:, rows, cols][:, where]
        )


@pytest.mark.parametrize("name", LATTICES)
def test_a_neighbourhood_is_that_of_the_pixel(wholes, name):
    _, whole, _ = wholes[name]
    ndvi = whole[:, 10].astype(float)
    ndvi[ndvi == INVALID] = np.nan
    for row, col in [(0, 0), (19, 30), (63, 5), (17, 62)]:
        part = ndvi[:, max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3]
        expected = np.nanmax(part, axis=(1, 2))
        assert whole[:, -1, row, col].tolist() == expected.tolist()


def test_threads_change_nothing(land, wholes):
    reader, whole, _ = wholes["lambert"]
    with opened(land, reader.external.record, threads=3, **LATTICES["lambert"]) as other:
        found = other.read(other.index.grid, everywhere(other)).series
    np.testing.assert_array_equal(found.reshape(whole.shape), whole)


def test_alone_there_are_only_the_external_bands(land):
    functions = (series("soi", "soi"), beside("shape", "rows", "cols"))
    scales = {"soi": 1000.0, "rows": 1.0, "cols": 10.0}
    with (
        opened(land, record_of(land, *functions, scales=scales)) as both,
        opened(land, record_of(land, *functions, scales=scales, concat=False)) as reader,
    ):
        where = some(reader)
        wanted, found = (r.read(r.index.grid, where) for r in (both, reader))
        physical, every = (r.physical(r.index.grid, where) for r in (reader, both))
    np.testing.assert_array_equal(found.series, wanted.series[:, -1:])
    np.testing.assert_array_equal(found.statics, wanted.statics)
    np.testing.assert_array_equal(found.seen, wanted.seen)
    assert not found.seen.all()
    axes = Axes(
        DATES, ("soi",), (1000.0,), statics=("rows", "cols"), static_scales=(1.0, 10.0), gaps=True
    )
    assert reader.axes == axes
    assert axes.features == 10
    assert reader.labels == (*(f"Sentinel2_soi_{day:%Y%m%d}" for day in DATES), "rows", "cols")
    assert physical.shape == (10, where.sum())
    places = [both.labels.index(label) for label in reader.labels]
    np.testing.assert_array_equal(physical, every[places])
    assert (physical[8, found.seen] == 1).all()
    assert np.isnan(physical[:, ~found.seen]).all()


def test_statics_alone_leave_no_band(land):
    record = record_of(land, beside("seen", "seen"), scales={"seen": 1.0}, concat=False)
    with opened(land, record) as reader:
        where = some(reader)
        found = reader.read(reader.index.grid, where)
    with FeatureReader(reader.index, reader.layout) as plain:
        views = plain.views(reader.index.grid)[where]
    assert found.series.shape == (8, 0, where.sum())
    assert found.statics.tolist() == [views.tolist()]
    np.testing.assert_array_equal(found.seen, views > 0)


def test_nothing_asked_for_calls_no_function(land):
    record = record_of(land, beside("gone", "a"), scales={"a": 1.0})
    external = External(record, None)
    index, layout = index_of(land)
    with PixelReader(index, DATES, layout, 1, external) as reader:
        found = reader.read(index.grid, np.zeros(index.grid.shape, bool))
    assert (found.seen.shape, found.series.shape) == ((0,), (8, 13, 0))
    assert found.statics.shape == (1, 0)
    assert found.series.dtype == found.statics.dtype == np.int16


def test_what_is_no_value_is_a_gap(land):
    labels = ("B8_max", *(f"Sentinel2_dark_{day:%Y%m%d}" for day in DATES))
    function = Function("holes", "mine.py", {}, labels, series=("dark",), statics=("B8_max",))
    record = record_of(land, function, scales={"dark": 100.0, "B8_max": 1000.0})
    with opened(land, record) as reader:
        found = reader.read(reader.index.grid, everywhere(reader))
        physical = whole_of(reader)
    nir = found.series[:, reader.axes.bands.index("B8")]
    bright = nir > 3000
    assert 0.02 < bright[:, found.seen].mean() < 0.98
    dark = found.series[:, -1]
    np.testing.assert_array_equal(dark == INVALID, bright | ~found.seen)
    assert np.abs(dark - nir / 100)[~bright & found.seen].max() <= 0.5 + 1e-6
    missing = (nir.max(axis=0) > 5000) | ~found.seen
    assert 0.02 < missing.mean() < 0.98
    np.testing.assert_array_equal(found.statics[0] == INVALID, missing)
    cube = physical[:-1].reshape(8, 14, -1)
    np.testing.assert_array_equal(np.isnan(cube[:, -1]), dark == INVALID)
    np.testing.assert_array_equal(cube[:, -1][~np.isnan(cube[:, -1])], cube[:, 6][dark > INVALID])
    np.testing.assert_array_equal(np.isnan(physical[-1].ravel()), missing)


def test_what_is_cut_off_is_told_once(land, caplog):
    labels = ("B8_max", *(f"Sentinel2_dark_{day:%Y%m%d}" for day in DATES))
    function = Function("holes", "mine.py", {}, labels, series=("dark",), statics=("B8_max",))
    record = record_of(land, function, scales={"dark": 1e6, "B8_max": 10.0})
    with caplog.at_level(logging.WARNING), opened(land, record) as reader:
        halves = [slice(0, 30), slice(30, 64)]
        for rows in halves:
            window = grid.crop(reader.index.grid, rows, slice(0, 64))
            found = reader.read(window, np.ones(window.shape, bool))
    assert (found.series[:, -1] == 32767).any()
    with opened(land) as plain:
        nir = plain.read(plain.index.grid, everywhere(plain)).series[:, 6]
    count = ((nir >= 328) & (nir <= 3000)).sum()
    assert [r.getMessage() for r in caplog.records] == [
        f"external feature dark: {count} values do not fit into int16 and were cut off: give it "
        'a smaller scale, external_features : { scale : { "dark" : ... } }'
    ]


# --- raw dates ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw_days(land):
    index, _ = index_of(land)
    return tuple(sorted({p.day for p in index.products} | {date(2018, 1, 1), date(2018, 7, 1)}))


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
def test_raw_external_bands_take_over_the_marks(land, raw_days, concat, padding):
    keys = {"features_from_raw_dates": True}
    record = record_of(
        land,
        series("own_red", "red2", raw_days),
        scales={"red2": 10000.0},
        concat=concat,
        padding=padding,
        raw_days=raw_days,
    )
    with (
        opened(land, dates=raw_days, **keys) as plain,
        opened(land, record, raw_days, **keys) as reader,
    ):
        where = some(reader)
        bare, found = (r.read(r.index.grid, where) for r in (plain, reader))
        physical = reader.physical(reader.index.grid, where)
    red = bare.series[:, 2]
    assert {INVALID, NOT_ACQUIRED} <= set(red.ravel().tolist())
    expected = np.where(red <= INVALID, red, np.clip(red.astype(int) * 2, -9999, 32767))
    np.testing.assert_array_equal(found.series[:, -1], expected)
    np.testing.assert_array_equal(found.seen, bare.seen)
    assert reader.axes.raw
    cube = physical.reshape(len(raw_days), -1, where.sum())[:, -1]
    np.testing.assert_array_equal(np.isnan(cube), red <= INVALID)


def test_interpolated_features_may_come_from_raw_series(land):
    """fill_missing_dates or not: a count of valid days is the same."""
    days = (date(2018, 1, 1), date(2018, 7, 1))
    index, _ = index_of(land)
    union = tuple(sorted({p.day for p in index.products}.union(days)))
    found = []
    for raw in (None, union):
        record = record_of(land, beside("seen", "seen"), scales={"seen": 1.0}, raw_days=raw)
        with opened(land, record) as reader:
            found.append(reader.read(index.grid, everywhere(reader)).statics)
            views = FeatureReader(index, reader.layout).views(index.grid)
    for statics in found:
        np.testing.assert_array_equal(statics[0], views.ravel())


# --- the user's raster, a task --------------------------------------------------------------


@pytest.mark.parametrize("padding", [(0, 0), (2, 2)])
def test_the_user_s_raster_comes_with_the_pixels(land, tmp_path, padding):
    index, _ = index_of(land)
    values = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) / 10
    values[3, 4] = -1
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": 1, "height": 64, "width": 64,
        "crs": index.grid.crs.to_wkt(), "transform": index.grid.transform, "nodata": -1,
    }  # fmt: skip
    path = tmp_path / f"slope_{TILE}.tif"
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values, 1)
        raster.set_band_description(1, "slope")
    record = record_of(
        land,
        beside("slope", "slope"),
        scales={"slope": 10.0},
        exogenous=str(tmp_path / "slope_$TILE.tif"),
        padding=padding,
    )
    with opened(land, record) as reader:
        window = grid.crop(index.grid, slice(2, 20), slice(0, 30))
        where = some(reader)[2:20, :30]
        where[1, 4] = True
        found = reader.read(window, where)
        physical = reader.physical(window, where)
    expected = np.rint(values * 10).astype(int)
    expected[3, 4] = INVALID
    np.testing.assert_array_equal(found.statics[0], expected[2:20, :30][where])
    values[3, 4] = np.nan
    assert found.seen.all()
    np.testing.assert_allclose(physical[-1], values[2:20, :30][where])


def job_with(land, folder, record):
    """A task that reads the record and the copy of the module."""
    files = (File(EXTERNAL, Unit()), File(user_module("mine.py"), Unit()))
    for file in files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
    record.save(folder / files[0].path)
    (folder / files[1].path).write_bytes((land / "mine.py").read_bytes())
    return Job(Unit(tile=TILE), None, folder, files, ())


def test_a_task_reads_what_its_inputs_say(land, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_flush", lambda _: None)
    record = record_of(land, series("soi", "soi"), scales={"soi": 1000.0})
    job = job_with(land, tmp_path, record)
    index, layout = index_of(land)
    with PixelReader.open(job, index, DATES, layout) as reader, opened(land, record) as wanted:
        where = some(reader)
        np.testing.assert_array_equal(
            reader.read(index.grid, where).series, wanted.read(index.grid, where).series
        )
    with PixelReader.open(replace(job, inputs=()), index, DATES, layout) as reader:
        assert reader.external is None
        assert reader.axes == axes_of(DATES, layout, None)


def test_a_task_refuses_another_copy(land, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_flush", lambda _: None)
    record = record_of(land, series("soi", "soi"), scales={"soi": 1000.0})
    job = job_with(land, tmp_path, record)
    path = job.input(user_module("mine.py"))
    path.write_text(textwrap.dedent(MODULE) + "\n# changed\n")
    with pytest.raises(TaskError, match=r"is another file than the mine\.py with which"):
        PixelReader.open(job, *index_of(land)[:1], DATES, index_of(land)[1])


def test_blocks_count_what_functions_take(land):
    index, layout = index_of(land)
    dates = len(DATES)
    record = record_of(land, series("soi", "soi"), scales={"soi": 1000.0}, pixel_bytes=4096)
    reader = opened(land, record)
    stored = 2 * dates * (14 + 1)
    wanted = blocks.block_shape(index, layout, dates, 2**26, 4096 + stored, (0, 0))
    assert reader.block(2**26) == wanted != blocks.block_shape(index, layout, dates, 2**26)
    padded = opened(land, replace(record, padding=(9, 9)))
    assert padded.block(2**26) == blocks.block_shape(
        index, layout, dates, 2**26, 4096 + stored, (9, 9)
    )
