"""The features map: its values, its bands, and how much of it is in memory at one time."""

import tracemalloc
from datetime import date

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from i2lc.steps import features_map, features_mosaic
from i2lc.steps.contract import Unit
from i2lc.steps.external.settings import ExternalFeatures
from i2lc.steps.files import rasters
from i2lc.steps.maps import cog, parts
from i2lc.steps.maps.features_product import Product
from i2lc.steps.pixels import Pixels
from i2lc.steps.sampling.samples_file import Axes
from i2lc.steps.tiles import grid

DAYS = (date(2018, 1, 1), date(2018, 1, 11))
AXES = Axes(DAYS, ("B2", "soi"), (10000.0, 100.0), statics=("slope",), static_scales=(10.0,))
LABELS = (
    "Sentinel2_B2_20180101",
    "Sentinel2_soi_20180101",
    "Sentinel2_B2_20180111",
    "Sentinel2_soi_20180111",
    "slope",
)


def product(dtype="float32", nodata=-10000.0):
    return Product("features_map", "geotiff", dtype, per_tile=False, nodata=nodata)


def box(height, width, row=0, col=0):
    return GeoBox((height, width), Affine(10, 0, col * 10, 0, -10, -row * 10), "EPSG:2154")


class Reader:
    """Gives pixels that are known."""

    def __init__(self, pixels=None, physical=None):
        self._pixels, self._physical = pixels, physical

    def read(self, window, where):
        return self._pixels

    def physical(self, window, where):
        return self._physical.copy()


def values(reader, product):
    return features_map.values(reader, None, None, product)


def test_stored_values_lie_date_by_date_and_marks_are_no_data():
    series = np.array([[[1, 2, 3], [4, -10000, 6]], [[-20000, 8, 9], [10, 11, 12]]], np.int16)
    statics = np.array([[100, 200, -10000]], np.int16)
    pixels = Pixels(np.array([True, True, False]), series, statics)
    found = values(Reader(pixels), product("int16", -32768))
    assert found.dtype == np.int16
    assert found.tolist() == [
        [1, 2, -32768],
        [4, -32768, -32768],
        [-32768, 8, -32768],
        [10, 11, -32768],
        [100, 200, -32768],
    ]


def test_physical_values_are_given_as_they_are():
    physical = np.array([[0.1, np.nan], [-1e9, 3]], np.float32)
    found = values(Reader(physical=physical), product())
    np.testing.assert_array_equal(found, np.array([[0.1, -10000], [-1e9, 3]], np.float32))
    found = values(Reader(physical=physical), product(nodata=float("nan")))
    np.testing.assert_array_equal(found, physical)


def test_a_value_that_means_no_value_is_moved():
    physical = np.array([[0, np.nan, 1]], np.float32)
    found = values(Reader(physical=physical), product(nodata=0.0))
    np.testing.assert_array_equal(found, np.array([[np.nextafter(np.float32(0), 1), 0, 1]]))
    series = np.array([[[0, -10000, 7]]], np.int16)
    pixels = Pixels(np.ones(3, bool), series, np.zeros((0, 3), np.int16))
    assert values(Reader(pixels), product("int16", 0)).tolist() == [[1, 0, 7]]


@pytest.mark.parametrize(
    ("nodata", "beside"), [(-32768, -32767), (32767, 32766), (0, 1), (-10000, -9999)]
)
def test_the_value_beside_no_data_fits_into_the_type(nodata, beside):
    found = features_map.beside(np.int16(nodata))
    assert found == beside
    assert isinstance(found, np.int16)


NODATA = (-10000.0, -9999.9, -32768.0, -1.0, 1.0, 0.1, 0.5, 255.0, 0.0, 1e-38, 1e-40, 1e38)


@pytest.mark.parametrize("nodata", [*NODATA, 3.4028235e38])
def test_the_value_beside_no_data_of_physical_values(nodata):
    found = features_map.beside(np.float32(nodata))
    assert isinstance(found, np.float32)
    assert found != np.float32(nodata)
    assert abs(found) < abs(nodata) or not nodata
    assert abs(float(found) - nodata) <= max(2e-6 * abs(nodata), 1e-44)


@pytest.mark.parametrize("nodata", NODATA)
def test_gdal_takes_no_value_for_no_data(tmp_path, nodata):
    """GDAL compares float32 with a tolerance of some steps: all of them, to either side."""
    steps = [np.float32(nodata)]
    for _ in range(20):
        steps = [np.nextafter(steps[0], -np.inf), *steps, np.nextafter(steps[-1], np.inf)]
    physical = np.array([[*steps, 7, np.nan]] * 5, np.float32)
    found = values(Reader(physical=physical), product(nodata=nodata))
    with rasterio.open(written(tmp_path, "float32", found[:, None], nodata)) as raster:
        masked = raster.read(masked=True)
        np.testing.assert_array_equal(raster.read_masks(), np.where(masked.mask, 0, 255))
    expected = np.zeros(masked.shape, bool)
    expected[..., -1] = True
    np.testing.assert_array_equal(masked.mask, expected)
    np.testing.assert_allclose(masked.data[..., :-2], [[steps]] * 5, rtol=2.1e-6, atol=1e-44)
    assert (masked.data[..., -2] == 7).all()


def test_values_that_gdal_tells_from_no_data_stay():
    physical = np.array([[-10000.02, -9999.98, -9999, -3.4e38, 3.4e38, np.inf]], np.float32)
    found = values(Reader(physical=physical), product())
    np.testing.assert_array_equal(found, physical)
    largest = float(np.finfo(np.float32).max)
    found = values(Reader(physical=physical), product(nodata=largest))
    np.testing.assert_array_equal(found, physical)


def test_a_raster_tells_its_labels_and_scales():
    look = features_mosaic.look(product("int16"), AXES)
    assert look.descriptions == LABELS
    assert look.scales == (1e-4, 1e-2, 1e-4, 1e-2, 1e-1)
    assert features_mosaic.look(product(), AXES).scales == ()


def written(tmp_path, dtype, pixels, nodata=-10000.0):
    gbox = box(*pixels.shape[1:])
    look = features_mosaic.look(product(dtype, nodata), AXES)
    path = tmp_path / "a.tif"
    cog.write(path, gbox, look, "ZSTD", lambda raster: raster.write(pixels))
    return path


def test_gdal_reads_labels_scales_and_no_data(tmp_path):
    pixels = np.arange(5 * 6, dtype=np.int16).reshape(5, 2, 3)
    with rasterio.open(written(tmp_path, "int16", pixels)) as raster:
        assert raster.descriptions == LABELS
        assert raster.scales == (1e-4, 1e-2, 1e-4, 1e-2, 1e-1)
        assert raster.nodatavals == (-10000,) * 5
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"
        np.testing.assert_array_equal(raster.read(), pixels)


def test_overviews_are_means_of_the_values_that_there_are(tmp_path):
    pixels = np.full((5, 700, 700), 2, np.float32)
    pixels[:, ::2] = 4
    pixels[:, ::2, ::2] = -10000
    pixels[:, :2, :2] = -10000
    path = written(tmp_path, "float32", pixels)
    with rasterio.open(path, overview_level=0) as raster:
        found = raster.read()
        assert raster.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
    assert (found[:, 0, 0] == -10000).all()
    np.testing.assert_allclose(found[:, 1:, 1:], 8 / 3, rtol=1e-6)


def test_storage_blocks_of_many_bands_are_small():
    assert cog.block_side(1, "uint8") == 512
    assert cog.block_side(16, "float32") == 512
    assert cog.block_side(37, "float32") == 256
    assert cog.block_side(481, "int16") == 128
    assert cog.block_side(481, "float32") == 64
    assert cog.block_side(5000, "float32") == 64


@pytest.mark.parametrize("bands", [1, 13, 481, 3000])
@pytest.mark.parametrize("ram", [2**28, 2**31, 2**34])
def test_windows_fit_into_the_memory_and_cover_all(bands, ram):
    shape, side, most = (1100, 10980), 512, parts.budget(ram)
    groups = [[band] for band in range(1, bands + 1)]
    area = 0
    for rows, cols, some in parts.walk(shape, groups, 4, side, most):
        size = (rows.stop - rows.start) * (cols.stop - cols.start) * len(some)
        assert 4 * size <= most
        assert rows.start % side == cols.start % side == 0
        area += size
    assert area == shape[0] * shape[1] * bands
    assert most <= min(ram // 8, 2**27)


def test_a_group_of_bands_is_never_cut():
    groups = [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    found = list(parts.walk((2, 5), groups, 4, 2, 0))
    assert [some for _, _, some in found[:3]] == [[group] for group in groups]
    assert len(found) == 9
    assert list(parts.walk((2, 5), groups, 4, 2, 10**6)) == [(slice(0, 2), slice(0, 5), groups)]


class Sink:
    """A raster that keeps nothing but a sum."""

    def __init__(self, count, dtype):
        self.indexes, self.dtypes, self.total = range(1, count + 1), (dtype,), 0.0

    def write(self, values, bands, window):
        assert values.shape == (len(bands), window.height, window.width)
        self.total += float(values.sum())


def test_the_memory_of_a_mosaic_does_not_grow_with_the_bands(tmp_path):
    gbox, ram = box(600, 640), 2**25
    peaks = []
    for bands in (16, 64):
        path = tmp_path / f"{bands}.tif"
        with rasters.create(path, gbox, "float32", bands) as raster:
            for band in raster.indexes:
                raster.write(np.full(gbox.shape, band, np.float32), band)
        sink = Sink(bands, "float32")
        tracemalloc.start()
        cog.mosaic(gbox, [(gbox, path)], -10000, ram)(sink)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sink.total == sum(range(bands + 1)) * 600 * 640
    budget = parts.budget(ram)
    assert 20 * budget < 64 * 600 * 640 * 4
    assert max(peaks) < 3 * budget


def strips(tmp_path, pixels, outer, cuts, dtype):
    found = []
    for number, (rows, cols) in enumerate(cuts):
        gbox = grid.crop(outer, rows, cols)
        with rasters.create(tmp_path / f"{number}.tif", gbox, dtype, len(pixels)) as raster:
            raster.write(pixels[:, rows, cols])
        found.append((gbox, tmp_path / f"{number}.tif"))
    return found


@pytest.mark.parametrize("nodata", [-10000.0, float("nan")])
@pytest.mark.parametrize("room", [1, 100])
def test_parts_are_read_as_one(tmp_path, monkeypatch, nodata, room):
    monkeypatch.setattr(parts.open_files, "room", lambda: room)
    outer = box(40, 50, 3, 4)
    pixels = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    left, right = pixels.copy(), pixels.copy()
    left[:, :, 25:], right[:, :, :25] = nodata, nodata
    (tmp_path / "left").mkdir()
    (tmp_path / "right").mkdir()
    halves = [(slice(0, 17), slice(0, 30)), (slice(17, 40), slice(0, 30))]
    found = strips(tmp_path / "left", left, outer, halves, "float32")
    found += strips(tmp_path / "right", right, outer, [(slice(0, 40), slice(20, 45))], "float32")
    window = grid.crop(outer, slice(10, 35), slice(5, 50))
    with parts.Parts(found, nodata) as whole:
        values = whole.read(window, [3, 1], "float32")
        assert len(whole._files) == min(room, 3)
    expected = pixels[[2, 0], 10:35, 5:50]
    expected[:, :, 40:] = nodata  # nobody has these columns
    np.testing.assert_array_equal(values, expected)


def section(**keys):
    return ExternalFeatures(functions="get_soi_s2", **keys)


def test_the_product_follows_the_section():
    plain = Product.of(None)
    assert plain == product()
    assert plain.artifact.path(Unit()) == "final/features_map.tif"
    assert plain.per == ()
    keys = {"output_type": "int16", "no_data_value": 0, "output_name": "mine.zarr"}
    own = Product.of(section(**keys, output_format="zarr", output_per_tile=True))
    assert own == Product("mine", "zarr", "int16", per_tile=True, nodata=0)
    assert own.per == ("tile",)
    assert own.artifact.path(Unit(tile="T31TCJ")) == "final/mine_T31TCJ.zarr/.zmetadata"


def test_zarr_has_not_every_compression():
    with pytest.raises(ValidationError) as caught:
        features_mosaic.Settings(
            compression_algorithm="LZW", external_features=section(output_format="zarr")
        )
    text = "compression_algorithm LZW is none of Zarr's: choose one of ZSTD, DEFLATE, NONE"
    assert f"{text}, or output_format geotiff" in str(caught.value)
    made = features_mosaic.Settings(compression_algorithm="LZW", external_features=section())
    assert made.compression_algorithm == "LZW"


def test_functions_are_no_settings_of_the_map():
    """Their record decides, which the map reads."""
    first = features_map.Settings(external_features=section())
    other = features_map.Settings(external_features=section(concat_mode=False, padding=2))
    assert features_map.used(first, Unit()) == features_map.used(other, Unit())
    third = features_map.Settings(external_features=section(no_data_value=1))
    assert features_map.used(third, Unit()) == {
        **features_map.used(first, Unit()),
        "no_data_value": 1,
    }
