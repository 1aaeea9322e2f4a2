"""Samples on disk, from selected pixels of strips to one file a seed."""

import tracemalloc
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import netCDF4
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.demo import landscape
from i2lc.errors import TaskError
from i2lc.nn_bank import user_code
from i2lc.steps import merge_samples, samples
from i2lc.steps.artifacts import (
    DATE_GRID,
    EXTERNAL,
    POLYGONS,
    REFERENCE,
    SAMPLES,
    SAMPLES_PART,
    SELECTION,
    TILE_INDEX,
    user_module,
)
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.external.calls import External
from i2lc.steps.external.functions import Functions
from i2lc.steps.external.record import Function, Record
from i2lc.steps.files import rasters, store
from i2lc.steps.pixels import PixelReader
from i2lc.steps.sampling import samples_file
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import blocks, features
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import FeatureSettings, Layout, save_dates
from i2lc.steps.tiles.tile import index_tile

DATES = (date(2018, 1, 5), date(2018, 2, 4), date(2019, 1, 1))
AXES = samples_file.Axes(DATES, ("B4", "NDVI"), (10000.0, 1000.0))


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    """To wait for the disk is no part of these rules, and would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_flush", lambda _: None)
        yield


def test_xarray_opens_the_file_as_it_was_written(tmp_path):
    path = tmp_path / "a.nc"
    values = np.random.default_rng(0).integers(-10000, 32767, (1300, 3, 2)).astype(np.int16)
    with samples_file.create(
        path, AXES, 1300, samples_file.COLUMNS, crs="EPSG:2154", seed=4
    ) as file:
        file["features"][:] = values
        for name in samples_file.COLUMNS:
            file[name][:] = np.arange(1300) % 250
        samples_file.flag(file["set"], ("training", "validation"), 1)
    with xr.open_dataset(path) as found:
        assert dict(found.sizes) == {"sample": 1300, "date": 3, "band": 2}
        assert found["features"].dims == ("sample", "date", "band")
        assert found["features"].dtype == np.int16  # no scale_factor made it float64
        np.testing.assert_array_equal(found["features"], values)
        assert found["features"].encoding["chunksizes"] == (512, 3, 2)
        assert not found["features"].encoding.get("zlib")
        assert found["date"].values.astype("M8[D]").tolist() == list(DATES)
        assert found["band"].values.tolist() == ["B4", "NDVI"]
        assert found["scale"].dims == ("band",)
        assert found["scale"].values.tolist() == [10000.0, 1000.0]
        kinds = {name: found[name].dtype.name for name in samples_file.COLUMNS}
        assert kinds == {
            "label": "uint16",
            "polygon": "uint32",
            "x": "float64",
            "y": "float64",
            "tile": "uint16",
            "set": "uint8",
            "origin": "uint8",
        }
        assert found["set"].attrs["flag_meanings"] == "training validation"
        assert found["set"].attrs["flag_values"].tolist() == [1, 2]
        assert (found.attrs["crs"], found.attrs["seed"]) == ("EPSG:2154", 4)
    assert samples_file.read_axes(path) == AXES


@pytest.mark.parametrize(
    ("raw", "dates", "about"),
    [
        (False, "interpolated", "stored = value * scale(band); -10000 means no data"),
        (
            True,
            "raw",
            "stored = value * scale(band); all bands of a date are -10000 where the pixel is not "
            "valid, -20000 where its tile has no product",
        ),
    ],
)
def test_a_file_tells_what_its_dates_are(tmp_path, raw, dates, about):
    axes = replace(AXES, raw=raw)
    samples_file.create(tmp_path / "a.nc", axes, 3, {}).close()
    assert samples_file.read_axes(tmp_path / "a.nc") == axes
    with xr.open_dataset(tmp_path / "a.nc") as found:
        assert found.attrs["dates"] == dates
        assert found["features"].attrs["long_name"] == about


def test_a_file_that_does_not_tell_has_interpolated_dates(tmp_path):
    path = tmp_path / "a.nc"
    with samples_file.create(path, replace(AXES, raw=True), 3, {}) as file:
        file.delncattr("dates")
    assert samples_file.read_axes(path) == AXES


STATIC = replace(AXES, statics=("slope", "höhe"), static_scales=(10.0, 0.5), gaps=True)


def test_a_file_tells_of_features_beside_the_series(tmp_path):
    path = tmp_path / "a.nc"
    values = np.arange(-10000, -7400).reshape(1300, 2)
    with samples_file.create(path, STATIC, 1300, {}) as file:
        file["statics"][:] = values
        assert samples_file.features_of(file) == ("features", "statics")
    assert samples_file.read_axes(path) == STATIC
    with xr.open_dataset(path) as found:
        assert found["statics"].dims == ("sample", "static")
        assert found["statics"].dtype == np.int16
        assert found["statics"].encoding["chunksizes"] == (512, 2)
        np.testing.assert_array_equal(found["statics"], values)
        assert found["static"].values.tolist() == ["slope", "höhe"]
        assert found["static_scale"].values.tolist() == [10.0, 0.5]
        assert found.attrs["gaps"] == "-10000 in features of external functions: no value"
        assert found["features"].attrs["long_name"] == (
            "stored = value * scale(band); -10000 means no data; -10000 in a band of an external "
            "function means no value"
        )
        assert found["statics"].attrs["long_name"] == (
            "stored = value * static_scale(static); -10000 means no value"
        )


@pytest.mark.parametrize("samples", [0, 3])
def test_a_file_may_hold_statics_alone(tmp_path, samples):
    path = tmp_path / "a.nc"
    axes = replace(STATIC, bands=(), scales=())
    values = np.arange(2 * samples, dtype=np.int16).reshape(samples, 2)
    with samples_file.create(path, axes, samples, {}) as file:
        file["statics"][:] = values
        file["features"][:samples] = np.zeros((samples, 3, 0), np.int16)
    assert samples_file.read_axes(path) == axes
    assert axes.features == 2
    with xr.open_dataset(path) as found:
        assert found["features"].shape == (samples, 3, 0)
        np.testing.assert_array_equal(found["statics"], values)


def test_a_file_without_them_does_not_name_them(tmp_path):
    path = tmp_path / "a.nc"
    with samples_file.create(path, AXES, 3, {}) as file:
        assert samples_file.features_of(file) == ("features",)
        assert set(file.variables) == {"features", "date", "band", "scale"}
        assert set(file.dimensions) == {"sample", "date", "band", "letter"}
        assert file.ncattrs() == ["dates"]


def test_a_file_without_samples_is_a_valid_one(tmp_path):
    path = tmp_path / "a.nc"
    samples_file.create(path, AXES, 0, samples_file.COLUMNS).close()
    with xr.open_dataset(path) as found:
        assert found["features"].shape == (0, 3, 2)
        assert found["features"].dtype == np.int16
    assert samples_file.read_axes(path) == AXES


def test_few_samples_make_a_small_chunk(tmp_path):
    with samples_file.create(tmp_path / "a.nc", AXES, 7, {}) as file:
        assert file["features"].chunking() == [7, 3, 2]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(1, 50))
def test_pieces_cover_the_samples_once(count, size):
    pieces = list(samples_file.pieces(count, size))
    assert [k for piece in pieces for k in range(piece.start, piece.stop)] == list(range(count))
    assert all(0 < piece.stop - piece.start <= size for piece in pieces)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_runs_of_a_block_put_each_row_at_its_place(counts, data):
    """Rows of a block start where earlier blocks of the row ended."""
    gaps = [data.draw(st.integers(0, 2)) for _ in counts]
    starts = np.cumsum([0, *(c + g for c, g in zip(counts, gaps, strict=True))])[:-1]
    runs = samples._places(starts, np.array(counts))
    expected = [s + k for s, c in zip(starts.tolist(), counts, strict=True) for k in range(c)]
    assert [start + k for start, count in runs for k in range(count)] == expected


# --- the steps ------------------------------------------------------------------------------

TILES = ("T31TCJ", "T31TDJ")
SEEDS = (0, 1)
CODES = np.array([0, 12, 300, 12])  # class of polygon 1, 2, 3
POLYGON_TABLE = pd.DataFrame(
    {
        "number": [1, 2, 3],
        "class": CODES[1:],
        "label": CODES[1:],
        "polygon": list("abc"),
        "region": "",
        "model": "",
    }
)
TARGETS = (date(2018, 2, 1), date(2018, 6, 1), date(2018, 10, 1))


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    out = tmp_path_factory.mktemp("land")
    landscape.write(out, landscape.Landscape(tiles=(2, 1), size=64, dates=5, classes=2, cloud=0.3))
    return out / "s2"


@pytest.fixture(scope="module")
def chosen(land, tmp_path_factory):
    """A run folder with two indexed tiles, polygon numbers and marks of two seeds."""
    root = tmp_path_factory.mktemp("run")
    keys = {"keep_bands": ("B4", "B8"), "features": ("NDVI",)}
    settings_ = FeatureSettings(s2_path=land, **keys)
    indexes, marks, numbers = {}, {}, {}
    rng = np.random.default_rng(1)
    for tile in TILES:
        index = index_tile(land / tile, tile, SENTINEL2, settings_)
        index.save(root / TILE_INDEX.path(Unit(tile=tile)))
        indexes[tile] = index
        with features.FeatureReader(index, Layout.of(settings_)) as reader:
            seen = reader.views(index.grid) > 0
        for seed in SEEDS:
            unit = Unit(tile=tile, fold=0, seed=seed)
            number = rng.integers(1, 4, index.grid.shape)
            mark = rng.choice([0, 1, 2], index.grid.shape, p=[0.9, 0.08, 0.02]) * seen
            mark[: index.grid.height // 3] = 0  # strips without a sample
            numbers[tile, seed], marks[tile, seed] = number, mark
            for kind, pixels, count in ((REFERENCE, number, 2), (SELECTION, mark, 1)):
                path = root / kind.path(unit)
                path.parent.mkdir(parents=True, exist_ok=True)
                dtype = "uint32" if kind is REFERENCE else "uint8"
                with rasters.create(path, index.grid, dtype, count) as raster:
                    raster.write(np.stack([pixels] * count).astype(dtype))
    save_dates(root / DATE_GRID.path(Unit()), TARGETS)
    for seed in SEEDS:
        POLYGON_TABLE.to_csv(root / POLYGONS.path(Unit(fold=0, seed=seed)), index=False)
    return root, keys, indexes, marks, numbers


def extracted(chosen, chunks, *, cpus=1, ram=2**31, tiles=TILES, read=(), **more):
    """Run both steps; give the paths of the parts and of the samples by seed."""
    root, keys, _, _, _ = chosen
    strips = [Unit(tile=tile, strip=strip) for tile in tiles for strip in range(chunks)]
    for unit in strips:
        per_seed = [Unit(tile=unit.tile, fold=0, seed=seed) for seed in SEEDS]
        samples.extract(
            Job(
                unit=unit,
                settings=samples.Settings(number_of_chunks=chunks, **keys, **more),
                root=root,
                inputs=(
                    File(TILE_INDEX, Unit(tile=unit.tile)),
                    File(DATE_GRID, Unit()),
                    *(File(kind, one) for one in per_seed for kind in (SELECTION, REFERENCE)),
                    *(File(POLYGONS, Unit(fold=0, seed=seed)) for seed in SEEDS),
                    *(File(kind, Unit()) for kind in read),
                ),
                outputs=(File(SAMPLES_PART, unit),),
                cpus=cpus,
                ram=ram,
            )
        )
    for seed in SEEDS:
        unit = Unit(region="", fold=0, seed=seed)
        merge_samples.merge(
            Job(
                unit=unit,
                settings=merge_samples.Settings(),
                root=root,
                inputs=(*(File(SAMPLES_PART, strip) for strip in strips), File(POLYGONS, unit)),
                outputs=(File(SAMPLES, unit),),
            )
        )
    return (
        [root / SAMPLES_PART.path(unit) for unit in strips],
        [root / SAMPLES.path(Unit(region="", fold=0, seed=seed)) for seed in SEEDS],
    )


def test_samples_are_the_features_of_the_selected_pixels_by_tile_row_and_column(chosen):
    _, keys, indexes, marks, numbers = chosen
    _, paths = extracted(chosen, 3)
    layout = Layout.of(FeatureSettings(s2_path=".", **keys))
    for seed, path in zip(SEEDS, paths, strict=True):
        expected = {name: [] for name in ("features", *samples_file.COLUMNS)}
        for rank, tile in enumerate(TILES):
            index, mark = indexes[tile], marks[tile, seed]
            with features.FeatureReader(index, layout) as reader:
                cube = reader.features(index.grid, TARGETS)
            rows, cols = np.nonzero(mark)
            y, x = grid.centres(index.grid)
            polygons = numbers[tile, seed][rows, cols]
            expected["features"].append(cube[:, :, rows, cols].transpose(2, 0, 1))
            expected["x"].append(x[cols])
            expected["y"].append(y[rows])
            expected["polygon"].append(polygons)
            expected["label"].append(CODES[polygons])
            expected["set"].append(mark[rows, cols])
            expected["origin"].append(np.zeros(len(rows)))
            expected["tile"].append(np.full(len(rows), rank))
        with xr.open_dataset(path) as found:
            assert found.sizes["sample"] > 200
            for name, parts in expected.items():
                np.testing.assert_array_equal(found[name], np.concatenate(parts), err_msg=name)
            assert found["tile"].attrs["flag_meanings"] == " ".join(TILES)
            assert found["tile"].attrs["flag_values"].tolist() == [0, 1]
            assert found.attrs == {
                "crs": "EPSG:2154",
                "model": "1",
                "region": "1",
                "fold": 0,
                "seed": seed,
                "dates": "interpolated",
            }
            assert not (found["features"] == -10000).any()
        assert samples_file.read_axes(path).bands == ("B4", "B8", "NDVI")
        assert samples_file.read_axes(path).dates == TARGETS


def contents(path):
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return {name: np.array(variable[:]) for name, variable in file.variables.items()}


@pytest.mark.parametrize(
    ("chunks", "cpus", "ram"), [(1, 1, 2**31), (17, 1, 2**31), (3, 2, 2**31), (2, 1, 2**20)]
)
def test_neither_strips_nor_threads_nor_memory_change_a_sample(chosen, chunks, cpus, ram):
    _, reference = extracted(chosen, 3)
    expected = [contents(path) for path in reference]
    before = [path.read_bytes() for path in reference]
    _, paths = extracted(chosen, chunks, cpus=cpus, ram=ram)
    for old, path in zip(expected, paths, strict=True):
        new = contents(path)
        assert new.keys() == old.keys()
        for name in old:
            np.testing.assert_array_equal(new[name], old[name], err_msg=name)
    assert [path.read_bytes() for path in paths] == before


def test_blocks_of_some_columns_change_no_sample(chosen, monkeypatch):
    """A block may end within a row; samples stay in the order of rows."""
    _, paths = extracted(chosen, 3)
    before = [path.read_bytes() for path in paths]
    monkeypatch.setattr(blocks, "block_shape", lambda *_: (16, 32))
    _, paths = extracted(chosen, 2)
    assert [path.read_bytes() for path in paths] == before


def test_the_memory_of_a_strip_does_not_grow_with_the_splits(tmp_path):
    """Marks of forty splits are folded one raster at a time."""
    size, splits = 256 * 4000, 40
    index = SimpleNamespace(grid=SimpleNamespace(width=4000))
    rng = np.random.default_rng(0)
    places = rng.integers(0, size, (splits, 50))

    class Raster:
        def __init__(self, mine):
            self.mine = mine

        def read(self, band, window):
            pixels = np.zeros(size, np.uint8)
            pixels[self.mine] = 1
            return pixels.reshape(256, 4000)

    strip = samples.Strip(index, slice(0, 256), range(splits), [Raster(p) for p in places], ())
    tracemalloc.start()
    found = samples._row_starts(strip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * size
    rows = np.unique(places) // 4000
    assert found.tolist() == [int((rows < row).sum()) for row in range(257)]


def test_a_strip_without_a_selected_pixel_is_an_empty_part(chosen):
    parts, _ = extracted(chosen, 9)
    with xr.open_dataset(parts[0]) as found:
        assert found.sizes["sample"] == 0
        assert found["features"].shape == (0, 3, 3)
    with xr.open_dataset(parts[5]) as found:
        assert found.sizes["sample"] > 0


def test_nothing_selected_is_an_error(tmp_path):
    unit, seed = Unit(tile=TILES[0], strip=0), Unit(region="", fold=0, seed=0)
    path = tmp_path / SAMPLES_PART.path(unit)
    path.parent.mkdir(parents=True)
    columns = dict.fromkeys(("set_seed_0", "polygon_seed_0"), samples_file.COLUMNS["set"])
    samples_file.create(path, AXES, 0, columns).close()
    (tmp_path / POLYGONS.path(seed)).parent.mkdir()
    POLYGON_TABLE.to_csv(tmp_path / POLYGONS.path(seed), index=False)
    job = Job(
        unit=seed,
        settings=merge_samples.Settings(),
        root=tmp_path,
        inputs=(File(SAMPLES_PART, unit), File(POLYGONS, seed)),
        outputs=(File(SAMPLES, seed),),
    )
    with pytest.raises(TaskError, match="the model, seed 0: no training sample"):
        merge_samples.merge(job)
    assert not (tmp_path / SAMPLES.path(seed)).exists()


FUNCTIONS = """
import numpy as np


def blurred(self):
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    padded = np.pad(ndvi, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    rows, cols, _ = ndvi.shape
    found = np.full_like(ndvi, np.nan)
    for row in range(3):
        for col in range(3):
            np.fmax(found, padded[row : row + rows, col : col + cols], out=found)
    return found, [f"Sentinel2_high_{day}" for day in self.get_interpolated_dates()["Sentinel2"]]


def low(self):
    red = self.get_interpolated_Sentinel2_B4()
    lowest = red.min(axis=2, keepdims=True)
    return np.where(lowest > 0.1, np.nan, lowest), ["lowest"]
"""


@pytest.fixture(scope="module")
def external(chosen):
    """The run folder with functions of the user's; give the record."""
    root, _, _, _, _ = chosen
    copy = root / user_module("mine.py").path(Unit())
    copy.parent.mkdir(parents=True)
    copy.write_text(FUNCTIONS)
    labels = tuple(f"Sentinel2_high_{day:%Y%m%d}" for day in TARGETS)
    record = Record(
        (
            Function("blurred", "mine.py", {}, labels, series=("high",)),
            Function("low", "mine.py", {}, ("lowest",), statics=("lowest",)),
        ),
        {"mine.py": user_code.digest(copy)},
        concat=True,
        padding=(1, 1),
        scales={"high": 1000.0, "lowest": 1000.0},
    )
    record.save(root / EXTERNAL.path(Unit()))
    return record, (EXTERNAL, user_module("mine.py"))


@pytest.mark.parametrize("concat", [True, False])
def test_samples_carry_what_functions_give(chosen, external, concat):
    root, keys, indexes, marks, _ = chosen
    record, read = external
    replace(record, concat=concat).save(root / EXTERNAL.path(Unit()))
    _, paths = extracted(chosen, 3, read=read)
    layout = Layout.of(FeatureSettings(s2_path=".", **keys))
    for seed, path in zip(SEEDS, paths, strict=True):
        wanted = []
        for tile in TILES:
            called = External(record, Functions.open(record, {"mine.py": root / read[1].pattern}))
            with PixelReader(indexes[tile], TARGETS, layout, 1, called) as reader:
                wanted.append(reader.read(indexes[tile].grid, marks[tile, seed] != 0))
        series = np.concatenate([one.series for one in wanted], axis=2).transpose(2, 0, 1)
        statics = np.concatenate([one.statics for one in wanted], axis=1).T
        with xr.open_dataset(path) as found:
            kept = slice(0 if concat else 3, 4)
            np.testing.assert_array_equal(found["features"], series[:, :, kept])
            np.testing.assert_array_equal(found["statics"], statics)
            assert found["features"].values[:, :, -1].min() > -1000
            gaps = found["statics"].values == -10000
            assert 0.01 < gaps.mean() < 0.99
        axes = samples_file.read_axes(path)
        assert axes.bands == ("B4", "B8", "NDVI", "high")[kept]
        assert (axes.statics, axes.static_scales, axes.gaps) == (("lowest",), (1000.0,), True)
    record.save(root / EXTERNAL.path(Unit()))


@pytest.mark.parametrize(("chunks", "cpus", "ram"), [(1, 2, 2**31), (17, 1, 2**31), (2, 1, 2**20)])
def test_neither_strips_nor_threads_nor_memory_change_what_functions_give(
    chosen, external, chunks, cpus, ram
):
    _, read = external
    _, paths = extracted(chosen, 3, read=read)
    before = [path.read_bytes() for path in paths]
    _, paths = extracted(chosen, chunks, cpus=cpus, ram=ram, read=read)
    assert [path.read_bytes() for path in paths] == before


@pytest.fixture
def raw(chosen, monkeypatch):
    """The run folder with the second half of the raw days of both tiles for dates."""
    root, _, indexes, _, _ = chosen
    days = sorted({product.day for index in indexes.values() for product in index.products})
    path = root / DATE_GRID.path(Unit())
    before = path.read_bytes()
    save_dates(path, days[len(days) // 2 :])
    yield days[len(days) // 2 :]
    path.write_bytes(before)


def test_raw_samples_are_marked_where_there_is_no_observation(chosen, raw):
    """A pixel seen before the dates alone is no sample of any set."""
    _, keys, indexes, marks, _ = chosen
    _, paths = extracted(chosen, 3, features_from_raw_dates=True)
    layout = Layout.of(FeatureSettings(s2_path=".", features_from_raw_dates=True, **keys))
    dropped = 0
    for seed, path in zip(SEEDS, paths, strict=True):
        expected = []
        for tile in TILES:
            index, mark = indexes[tile], marks[tile, seed]
            with features.FeatureReader(index, layout) as reader:
                cube = reader.features(index.grid, raw)
            own = {product.day for product in index.products}
            foreign = [place for place, day in enumerate(raw) if day not in own]
            assert 0 < len(foreign) < len(raw)
            selected = cube[:, :, mark != 0].transpose(2, 0, 1)
            assert ((selected == -20000).all(axis=(0, 2)).nonzero()[0] == foreign).all()
            useful = (selected[:, :, 0] > -10000).any(axis=1)
            dropped += int((~useful).sum())
            expected.append(selected[useful])
        with xr.open_dataset(path) as found:
            np.testing.assert_array_equal(found["features"], np.concatenate(expected))
            assert (found["features"] == -10000).any()
        assert samples_file.read_axes(path).raw
        assert samples_file.read_axes(path).dates == tuple(raw)
    assert dropped > 0


@pytest.mark.parametrize(("chunks", "cpus", "ram"), [(1, 2, 2**31), (17, 1, 2**20)])
def test_nothing_but_the_pixels_decides_raw_samples(chosen, raw, chunks, cpus, ram):
    _, paths = extracted(chosen, 3, features_from_raw_dates=True)
    before = [path.read_bytes() for path in paths]
    _, paths = extracted(chosen, chunks, cpus=cpus, ram=ram, features_from_raw_dates=True)
    assert [path.read_bytes() for path in paths] == before


def test_pixels_lie_in_the_polygon_raster(chosen):
    """The coordinates of a sample find its polygon again."""
    root, _, _, _, _ = chosen
    _, paths = extracted(chosen, 2)
    with xr.open_dataset(paths[1]) as found:
        for rank, tile in enumerate(TILES):
            mine = found.isel(sample=np.flatnonzero(found["tile"] == rank))
            with rasterio.open(root / REFERENCE.path(Unit(tile=tile, fold=0, seed=1))) as raster:
                points = zip(mine["x"].values, mine["y"].values, strict=True)
                numbers = [int(value[0]) for value in raster.sample(points, indexes=1)]
            assert numbers == mine["polygon"].values.tolist()
