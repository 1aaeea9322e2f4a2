"""Rasters of the user's own on the lattice: values, not-a-numbers, and no trace of the cut."""

from __future__ import annotations

import math
import threading
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from i2lc.chain.tasks.placement import environment
from i2lc.errors import InputError
from i2lc.scheduler.needs import Need
from i2lc.steps.external import calls, exogenous, exogenous_files
from i2lc.steps.external.exogenous import Exogenous, ExogenousReader
from i2lc.steps.tiles import grid

TILE = "T31TCJ"
NODATA = -9999
CORNER = (500_000, 4_800_000)
"""x and y of the upper left corner of the window, EPSG:32631."""


def window(rows=40, cols=50, size=10, corner=CORNER, crs="EPSG:32631"):
    return GeoBox((rows, cols), Affine(size, 0, corner[0], 0, -size, corner[1]), crs)


def write(path, values, size=10, corner=CORNER, crs="EPSG:32631", nodata=NODATA, **more):
    """Write (band, y, x) with square or other pixels, upper left at `corner`."""
    size_x, size_y = size if isinstance(size, tuple) else (size, size)
    values = np.atleast_3d(values) if values.ndim == 3 else values[None]
    descriptions = more.pop("descriptions", ())
    profile = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": crs,
        "nodata": nodata,
        "transform": Affine(size_x, 0, corner[0], 0, -size_y, corner[1]),
        **more,
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values)
        for k, text in enumerate(descriptions, 1):
            raster.set_band_description(k, text)
    return path


def masked(path, seen):
    """Write a mask beside a raster."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as raster:
        raster.write_mask(seen)


def read(path, box):
    with ExogenousReader(str(path), TILE) as reader:
        return reader.read(box)


def rough(shape, seed=0):
    """Heights with holes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(300, 100, shape).astype(np.float32)
    values[rng.random(shape) < 0.05] = NODATA
    values[60:80, 60:90] = NODATA
    return values


def test_pixels_of_the_lattice_are_copied(tmp_path):
    values = rough((40, 50))
    found = read(write(tmp_path / "dem.tif", values), window())
    expected = np.where(values == NODATA, np.nan, values)
    assert found.values.dtype == np.float32
    assert found.labels == ("band_1",)
    np.testing.assert_array_equal(found.values, expected[None])


def test_whole_numbers_are_copied_a_shift_of_whole_pixels_away(tmp_path):
    codes = np.arange(60 * 70, dtype=np.int32).reshape(60, 70)
    corner = (CORNER[0] - 100, CORNER[1] + 50)
    found = read(write(tmp_path / "soil.tif", codes, corner=corner), window())
    np.testing.assert_array_equal(found.values[0], codes[5:45, 10:60])


def test_bands_keep_order_and_descriptions(tmp_path):
    values = np.stack([np.full((40, 50), k, np.uint8) for k in (3, 1, 2)])
    path = write(tmp_path / "three.tif", values, nodata=None, descriptions=("slope", "", "aspect"))
    found = read(path, window())
    assert found.labels == ("slope", "band_2", "aspect")
    assert [band.min() for band in found.values] == [band.max() for band in found.values]
    assert found.values[:, 0, 0].tolist() == [3, 1, 2]


def test_half_a_pixel_between_two_is_their_mean(tmp_path):
    values = np.array([[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]], np.float32)
    corner = (CORNER[0] - 5, CORNER[1])
    found = read(write(tmp_path / "a.tif", values, corner=corner), window(2, 2))
    np.testing.assert_array_equal(found.values[0], [[1.5, 3.0], [15.0, 30.0]])


def test_a_coarser_raster_is_bilinear(tmp_path):
    values = np.array([[0.0, 30.0], [60.0, 90.0]], np.float32)
    found = read(write(tmp_path / "a.tif", values, size=30), window(6, 6)).values[0]
    row = np.array([0, 0, 10, 20, 30, 30])  # the outer half pixels have the border's value
    np.testing.assert_allclose(found, row[None, :] + 2 * row[:, None], rtol=0, atol=1e-4)


def test_a_linear_surface_comes_through_another_crs(tmp_path):
    """A plane in degrees, read in metres: bilinear gives the plane at each centre."""
    step = 1 / 3600
    lon, lat = 3 + step * (np.arange(120) + 0.5), 43.4 - step * (np.arange(120) + 0.5)
    values = 1000 * (lon[None] - 3) + 500 * (43.4 - lat[:, None])
    path = write(tmp_path / "wgs.tif", values, size=step, corner=(3, 43.4), crs="EPSG:4326")
    corner = (500_500, 4_804_500)
    box = window(60, 60, corner=corner)
    y, x = grid.centres(box)
    to_degrees = Transformer.from_crs(32631, 4326, always_xy=True)
    east, north = to_degrees.transform(*np.meshgrid(x, y))
    expected = 1000 * (east - 3) + 500 * (43.4 - north)
    found = read(path, box).values[0]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_a_raster_with_south_up_is_read_as_it_lies(tmp_path):
    values = rough((40, 50))
    up = Affine(10, 0, CORNER[0], 0, 10, CORNER[1] - 400)
    path = write(tmp_path / "up.tif", values[::-1].copy(), transform=up)
    expected = np.where(values == NODATA, np.nan, values)
    np.testing.assert_array_equal(read(path, window()).values[0], expected)


def test_a_hole_reaches_the_pixels_that_weigh_it_and_no_other(tmp_path):
    values = np.ones((4, 5), np.float32)
    values[1, 2] = NODATA
    corner = (CORNER[0] - 5, CORNER[1])
    found = read(write(tmp_path / "a.tif", values, corner=corner), window(4, 4)).values[0]
    expected = np.ones((4, 4))
    expected[1, 1:3] = np.nan
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_a_hole_without_a_nodata_value(tmp_path, bad):
    values = np.ones((3, 3), np.float32)
    values[0, 0] = bad
    found = read(write(tmp_path / "a.tif", values, nodata=None), window(3, 3)).values[0]
    assert np.isnan(found[0, 0])
    assert np.isnan(found).sum() == 1


def test_a_mask_beside_the_values_counts(tmp_path):
    path = write(tmp_path / "a.tif", np.full((3, 3), 7, np.uint8), nodata=None)
    seen = np.ones((3, 3), bool)
    seen[2, 1] = False
    masked(path, seen)
    expected = np.where(seen, 7, np.nan)
    np.testing.assert_array_equal(read(path, window(3, 3)).values[0], expected)
    assert exogenous.files_of(str(path), [TILE]) == [path, tmp_path / "a.tif.msk"]


def test_outside_of_the_raster_there_is_nothing(tmp_path):
    values = np.full((2, 2), 5.0, np.float32)
    corner = (CORNER[0] + 10, CORNER[1] - 10)
    found = read(write(tmp_path / "a.tif", values, corner=corner), window(4, 4)).values[0]
    expected = np.full((4, 4), np.nan)
    expected[1:3, 1:3] = 5
    np.testing.assert_array_equal(found, expected)
    away = read(tmp_path / "a.tif", window(4, 4, corner=(600_000, 4_900_000))).values
    assert np.isnan(away).all()


def test_a_finer_raster_is_the_mean_of_what_is_not_nodata(tmp_path):
    values = np.array(
        [[1, 2, 5, 5], [3, 6, 5, NODATA], [NODATA] * 2 + [8, 0], [NODATA] * 2 + [0, 0]], np.float32
    )
    found = read(write(tmp_path / "a.tif", values, size=5), window(2, 2)).values[0]
    np.testing.assert_array_equal(found, [[3, 5], [np.nan, 2]])


def test_a_much_finer_raster_is_the_exact_mean(tmp_path):
    values = np.random.default_rng(1).integers(0, 1000, (40, 60)).astype(np.float32)
    found = read(write(tmp_path / "a.tif", values, size=1), window(4, 6)).values[0]
    expected = values.reshape(4, 10, 6, 10).mean(axis=(1, 3), dtype=np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_finer_raster_of_another_crs_is_a_mean_too(tmp_path):
    """A plane in Lambert-93 at 2 m: its mean over a pixel is its value at the centre."""
    to_lambert = Transformer.from_crs(32631, 2154, always_xy=True)
    x0, y0 = to_lambert.transform(*CORNER)
    x0, y0 = 10 * math.floor(x0 / 10) - 100, 10 * math.floor(y0 / 10) + 100
    plane = np.add.outer(3.0 * np.arange(300), 2.0 * np.arange(300))
    path = write(tmp_path / "l93.tif", plane, size=2, corner=(x0, y0), crs="EPSG:2154")
    box = window(8, 9)
    y, x = grid.centres(box)
    east, north = to_lambert.transform(*np.meshgrid(x, y))
    expected = 3 * ((y0 - north) / 2 - 0.5) + 2 * ((east - x0) / 2 - 0.5)
    np.testing.assert_allclose(read(path, box).values[0], expected, rtol=0, atol=0.3)


GRIDS = {
    "same grid": {"size": 10, "corner": (CORNER[0] - 50, CORNER[1] + 50)},
    "shifted": {"size": 10, "corner": (CORNER[0] - 53.37, CORNER[1] + 51.91)},
    "coarser": {"size": 27.3, "corner": (CORNER[0] - 53.37, CORNER[1] + 51.91)},
    "finer": {"size": 3.1, "corner": (CORNER[0] - 53.37, CORNER[1] + 51.91)},
    "much finer": {"size": 0.7, "corner": (CORNER[0] - 3.37, CORNER[1] + 1.91)},
    "degrees": {"size": 1 / 3600, "corner": (2.998, 43.356), "crs": "EPSG:4326"},
    "fine degrees": {"size": (1 / 20000, 1 / 40000), "corner": (2.999, 43.354), "crs": "EPSG:4326"},
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:2154"])
def test_no_cut_moves_a_bit(tmp_path, monkeypatch, name, crs):
    path = write(tmp_path / "a.tif", rough((330, 320)), **GRIDS[name])
    corner = CORNER
    if crs != "EPSG:32631":
        x, y = Transformer.from_crs(32631, crs, always_xy=True).transform(*CORNER)
        corner = (10 * math.floor(x / 10), 10 * math.floor(y / 10))
    whole = window(40, 50, corner=corner, crs=crs)
    expected = read(path, whole).values
    share = np.isfinite(expected).mean()
    assert 0.02 < share < 1, "the case shows nothing"
    for piece, pixels in ((1000, 2**20), (2**22, 120)):
        monkeypatch.setattr(exogenous, "PIECE", piece)
        monkeypatch.setattr(exogenous, "PIXELS", pixels)
        np.testing.assert_array_equal(read(path, whole).values, expected)
    with ExogenousReader(str(path), TILE) as reader:
        for top, left in ((0, 0), (1, 7), (13, 31), (39, 49)):
            part = grid.crop(whole, slice(top, 40), slice(left, min(left + 19, 50)))
            found = reader.read(part).values
            np.testing.assert_array_equal(found, expected[:, top:40, left : left + 19])


def test_little_of_the_raster_is_held_at_one_time(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", np.ones((800, 900), np.float32), size=1)
    monkeypatch.setattr(exogenous, "PIECE", 20_000)
    held = []
    read_band = exogenous.kernel.resample
    monkeypatch.setattr(
        exogenous.kernel,
        "resample",
        lambda src, *rest: (held.append(src.size), read_band(src, *rest)),
    )
    assert (read(path, window(80, 90)).values == 1).all()
    assert 800 * 900 <= sum(held) < 1.2 * 800 * 900
    assert max(held) <= 20_000


def test_single_pixels_are_taken():
    given = Exogenous(np.arange(24, dtype=np.float32).reshape(2, 3, 4), ("a", "b"))
    where = np.zeros((3, 4), bool)
    where[0, 3] = where[2, 0] = True
    taken = given.taken(where)
    assert taken.labels == ("a", "b")
    np.testing.assert_array_equal(taken.values, [[[3, 8]], [[15, 20]]])


def test_each_tile_has_its_raster_where_the_path_says_so(tmp_path):
    for tile, value in (("T31TCJ", 1), ("T31TDJ", 2)):
        write(tmp_path / f"slope_{tile}.tif", np.full((4, 4), value, np.float32))
    pattern = str(tmp_path / "slope_$TILE.tif")
    for tile, value in (("T31TCJ", 1), ("T31TDJ", 2)):
        with ExogenousReader(pattern, tile) as reader:
            assert (reader.read(window(4, 4)).values == value).all()
    both = [tmp_path / "slope_T31TCJ.tif", tmp_path / "slope_T31TDJ.tif"]
    assert exogenous.files_of(pattern, ["T31TCJ", "T31TDJ"]) == both
    assert exogenous.files_of(str(both[0]), ["T31TCJ", "T31TDJ"]) == both[:1]
    assert exogenous.problems(pattern, ["T31TCJ", "T31TDJ"]) == []


VRT = """<VRTDataset rasterXSize="4" rasterYSize="4">
<SRS>EPSG:32631</SRS><GeoTransform>500000, 10, 0, 4800000, 0, -10</GeoTransform>
<VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def test_the_files_of_a_vrt_count_too(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((4, 4), np.float32))
    vrt = tmp_path / "all.vrt"
    vrt.write_text(VRT)
    assert set(exogenous.files_of(str(vrt), [TILE])) == {vrt, path}
    assert (read(vrt, window(4, 4)).values == 1).all()
    broken = tmp_path / "broken.vrt"
    broken.write_text("<VRT")
    assert exogenous.files_of(str(broken), [TILE]) == [broken]


def vrt_of(path, name):
    """Write a virtual raster of a name, relative to it."""
    path.write_text(VRT.replace("a.tif", name))
    return path


def test_the_files_of_a_vrt_in_a_vrt_count_too(tmp_path):
    """And what belongs to them, such as a mask."""
    (tmp_path / "deep").mkdir()
    path = write(tmp_path / "deep" / "a.tif", np.ones((4, 4), np.float32))
    masked(path, np.eye(4) == 0)
    inner = vrt_of(tmp_path / "deep" / "in.vrt", "a.tif")
    outer = vrt_of(tmp_path / "out.vrt", "deep/in.vrt")
    found = exogenous.files_of(str(outer), [TILE])
    assert found == [outer, inner, path, tmp_path / "deep" / "a.tif.msk"]
    assert (read(outer, window(4, 4)).values == 1).all()


def test_a_vrt_that_names_itself_ends(tmp_path):
    """By a path that grows each time."""
    (tmp_path / "deep").mkdir()
    vrt = vrt_of(tmp_path / "a.vrt", "deep/../a.vrt")
    assert exogenous.files_of(str(vrt), [TILE]) == [vrt]


def test_an_archive_counts_where_a_vrt_reads_in_it(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((4, 4), np.float32))
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "a.tif")
    path.unlink()
    vrt = vrt_of(tmp_path / "all.vrt", f"/vsizip/{archive}/a.tif")
    vrt.write_text(vrt.read_text().replace('relativeToVRT="1"', 'relativeToVRT="0"'))
    assert exogenous.files_of(str(vrt), [TILE]) == [vrt, archive]
    assert (read(vrt, window(4, 4)).values == 1).all()


def missing(path):
    return path


def text(path):
    path.write_text("no raster")
    return path


def without_crs(path):
    return write(path, np.ones((4, 4), np.float32), crs=None)


def nowhere(path):
    return write(path, np.ones((4, 4), np.float32), transform=None)


def turned(path):
    return write(
        path, np.ones((4, 4), np.float32), transform=Affine(10, 1, 500_000, 1, -10, 4_800_000)
    )


def complex_numbers(path):
    return write(path, np.ones((4, 4), np.complex64), nodata=None)


WRONG = {
    missing: "does not exist: give a raster that GDAL reads",
    text: "cannot be opened as a raster: '{path}' not recognized as being in a supported file "
    "format.",
    without_crs: "has no CRS: set it, with gdal_edit.py -a_srs for instance",
    nowhere: "has no geotransform, so its pixels lie nowhere: set it, or georeference the raster",
    turned: "is turned against its CRS: warp it upright, with gdalwarp for instance",
    complex_numbers: "holds complex numbers (complex64): give real ones, as one band each",
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning:rasterio")
@pytest.mark.parametrize("make", WRONG, ids=lambda make: make.__name__)
def test_what_cannot_be_used_is_told(tmp_path, make):
    path = make(tmp_path / "bad.tif")
    expected = f"exogeneous_data: {path} {WRONG[make].format(path=path)}"
    assert exogenous.problems(str(path), [TILE, "T31TDJ"]) == [expected]
    with pytest.raises(InputError) as told, ExogenousReader(str(path), TILE):
        pass
    assert str(told.value) == expected


def test_a_folder_is_told(tmp_path):
    """As a grid of ESRI's or Zarr's is one, by itself or in a virtual raster."""
    folder = tmp_path / "store.zarr"
    profile = {"driver": "Zarr", "count": 1, "height": 4, "width": 4, "dtype": "float32"}
    place = {"crs": "EPSG:32631", "transform": window().transform}
    with rasterio.open(folder, "w", **profile, **place) as raster:
        raster.write(np.ones((1, 4, 4), np.float32))
    way_out = "is a folder: convert it to one file, with gdal_translate -of GTiff for instance"
    assert exogenous.problems(str(folder), [TILE]) == [f"exogeneous_data: {folder} {way_out}"]
    with pytest.raises(InputError, match="is a folder"), ExogenousReader(str(folder), TILE):
        pass
    vrt = vrt_of(tmp_path / "all.vrt", "store.zarr")
    told = f"exogeneous_data: {folder}, which {vrt} names, {way_out}"
    assert exogenous.problems(str(vrt), [TILE]) == [told]
    part = f'ZARR:"{folder}":/store'
    vrt = vrt_of(tmp_path / "part.vrt", part.replace('"', "&quot;"))
    vrt.write_text(vrt.read_text().replace('relativeToVRT="1"', 'relativeToVRT="0"'))
    told = f"exogeneous_data: {part}, which {vrt} names, {way_out}"
    assert exogenous.problems(str(vrt), [TILE]) == [told]


def test_a_raster_beside_a_tile_is_told(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((40, 50), np.float32))
    lambert = window(60, 60, corner=(600_000, 6_300_000), crs="EPSG:2154")
    grids = {"T31TCJ": window(), "T31TDJ": window(corner=(500_500, 4_800_000)), "T31TCK": lambert}
    told = [
        f"exogeneous_data: {path} covers nothing of tile {tile}: give a raster that covers it, or "
        "one per tile with $TILE in the path"
        for tile in ("T31TDJ", "T31TCK")
    ]
    assert exogenous.problems(str(path), grids, grids) == told
    near = {"T31TCJ": window(corner=(500_490, 4_800_000))}
    assert exogenous.problems(str(path), near, near) == []


def test_a_raster_inside_of_a_tile_or_around_it_covers_it(tmp_path):
    small = write(tmp_path / "s.tif", np.ones((2, 2), np.float32), corner=(502_000, 4_797_000))
    degrees = {"size": 1.0, "corner": (-180, 90), "crs": "EPSG:4326"}
    world = write(tmp_path / "w.tif", np.ones((180, 360), np.uint8), nodata=None, **degrees)
    x, y = Transformer.from_crs(32631, 2154, always_xy=True).transform(*CORNER)
    lambert = window(500, 500, corner=(round(x, -1), round(y, -1)), crs="EPSG:2154")
    for box in (window(500, 500), lambert):
        for path in (small, world):
            assert exogenous.problems(str(path), [TILE], {TILE: box}) == []
    assert (read(world, window(5, 5)).values == 1).all()


def test_tiles_with_other_bands_are_told(tmp_path):
    ones = np.ones((4, 4), np.float32)
    first = write(tmp_path / "T31TCJ.tif", ones, descriptions=("slope",))
    second = write(tmp_path / "T31TDJ.tif", np.stack([ones, ones]), descriptions=("slope", "x"))
    pattern = str(tmp_path / "$TILE.tif")
    assert exogenous.problems(pattern, ["T31TCJ", "T31TDJ"]) == [
        f"exogeneous_data: {second} has the bands slope, x, {first} has slope: rasters of all "
        "tiles need the same bands"
    ]


def test_a_file_that_breaks_off_is_told(tmp_path):
    values = np.random.default_rng(0).random((400, 400), np.float32)
    path = write(tmp_path / "cut.tif", values)
    path.write_bytes(path.read_bytes()[: values.nbytes // 2])
    with ExogenousReader(str(path), TILE) as reader, pytest.raises(InputError) as told:
        reader.read(window(400, 400))
    assert str(told.value).startswith(f"exogeneous_data: {path} cannot be read: ")


def test_subdatasets_are_no_bands():
    class Empty:
        count = 0

    assert exogenous_files._unusable(Empty()) == (
        "has no bands of its own, perhaps subdatasets: write the one you mean as GeoTIFF"
    )


def test_a_crs_that_differs_by_an_offset_moves_nothing(tmp_path):
    """Coordinates come out of the transformation with errors in the last digits."""
    values = rough((40, 50))
    own = "+proj=tmerc +lon_0=3 +k=0.9996 +x_0=600000 +datum=WGS84 +units=m"
    path = write(tmp_path / "own.tif", values, corner=(CORNER[0] + 100_000, CORNER[1]), crs=own)
    with rasterio.open(path) as raster:
        assert grid.geobox_of(raster).crs != window().crs, "the case shows nothing"
    expected = np.where(values == NODATA, np.nan, values)
    np.testing.assert_array_equal(read(path, window()).values[0], expected)


# --- what stands beside a raster --------------------------------------------------------------

NOTES = """<PAMDataset><PAMRasterBand band="1"><Description>{label}</Description>
<NoDataValue>{nodata}</NoDataValue></PAMRasterBand></PAMDataset>"""

STATISTICS = """<PAMDataset><PAMRasterBand band="1"><Description>slope</Description>
<Metadata><MDI key="STATISTICS_MEAN">0.25</MDI></Metadata></PAMRasterBand></PAMDataset>"""
"""As `gdalinfo -stats` writes them; it repeats what the raster itself says."""


def note(path, label="soil", nodata=7):
    """Write what other programs note beside a raster."""
    path.with_name(f"{path.name}.aux.xml").write_text(NOTES.format(label=label, nodata=nodata))
    return path


def tile(path):
    """Write one raster of 4 × 4 pixels: 0 to 15."""
    return write(path, np.arange(16, dtype=np.uint8).reshape(4, 4), nodata=None)


@pytest.fixture
def in_a_task(monkeypatch):
    """The variables that tasks run with, which keep GDAL from looking beside products."""
    for name, value in environment(Need(1, 2**30)).items():
        if name.startswith("GDAL_"):
            monkeypatch.setenv(name, value)


def bare(path):
    """Read as a task reads products."""
    with rasterio.open(path) as raster:
        return raster.read(1, masked=True), raster.descriptions


def run(function, thread):
    """Call a function, in a thread of its own where it is asked for."""
    if not thread:
        return function()
    found = []
    worker = threading.Thread(target=lambda: found.append(function()))
    worker.start()
    worker.join()
    return found[0]


@pytest.mark.parametrize("thread", [False, True])
def test_a_task_finds_the_mask_beside_a_raster(tmp_path, in_a_task, thread):
    path = tile(tmp_path / "a.tif")
    seen = np.eye(4) == 0
    masked(path, seen)
    assert not np.ma.is_masked(bare(path)[0]), "the case shows nothing"
    found = run(lambda: read(path, window(4, 4)).values[0], thread)
    expected = np.where(seen, np.arange(16).reshape(4, 4), np.nan)
    np.testing.assert_array_equal(found, expected)
    assert exogenous.files_of(str(path), [TILE]) == [path, tmp_path / "a.tif.msk"]


@pytest.mark.parametrize("thread", [False, True])
def test_a_task_finds_what_is_noted_beside_a_raster(tmp_path, in_a_task, thread):
    path = note(tile(tmp_path / "a.tif"))
    assert bare(path)[1] == (None,), "the case shows nothing"
    found = run(lambda: read(path, window(4, 4)), thread)
    assert found.labels == ("soil",)
    assert np.argwhere(np.isnan(found.values[0])).tolist() == [[1, 3]]


@pytest.mark.parametrize("inner", ["in.vrt", "a.tif"])
def test_a_task_finds_the_mask_of_what_a_vrt_names(tmp_path, in_a_task, inner):
    path = tile(tmp_path / "a.tif")
    masked(path, np.eye(4) == 0)
    uses_mask = VRT.replace("SimpleSource", "ComplexSource").replace(
        "</SourceBand>", "</SourceBand><UseMaskBand>true</UseMaskBand>"
    )
    uses_mask = uses_mask.replace('band="1">', 'band="1"><NoDataValue>-1</NoDataValue>')
    vrt = tmp_path / "in.vrt"
    vrt.write_text(uses_mask)
    if inner == "in.vrt":
        vrt = tmp_path / "out.vrt"
        vrt.write_text(uses_mask.replace("a.tif", inner))
    found = read(vrt, window(4, 4)).values[0]
    np.testing.assert_array_equal(np.isnan(found), np.eye(4) == 1)


def test_the_check_in_a_task_sees_noted_bands(tmp_path, in_a_task):
    first = note(tile(tmp_path / "T31TCJ.tif"), "slope")
    second = note(tile(tmp_path / "T31TDJ.tif"), "aspect")
    assert exogenous.problems(str(tmp_path / "$TILE.tif"), ["T31TCJ", "T31TDJ"]) == [
        f"exogeneous_data: {second} has the bands aspect, {first} has slope: rasters of all "
        "tiles need the same bands"
    ]


def test_products_are_read_as_before_a_raster_was(tmp_path, in_a_task):
    path = note(tile(tmp_path / "a.tif"))
    with ExogenousReader(str(path), TILE) as reader:
        reader.read(window(4, 4))
        assert bare(path)[1] == (None,)
    assert bare(path)[1] == (None,)


def test_nothing_is_written_beside_a_raster(tmp_path):
    path = tile(tmp_path / "a.tif")
    read(path, window(4, 4))
    exogenous.header(str(path), [TILE])
    assert list(tmp_path.iterdir()) == [path]


def facts(path):
    """All that a restart compares of a raster."""
    return exogenous.files_of(str(path), [TILE]), exogenous.header(str(path), [TILE])


@pytest.mark.parametrize("virtual", [False, True])
def test_statistics_beside_a_raster_change_nothing(tmp_path, virtual):
    path = write(tmp_path / "a.tif", np.eye(4, dtype=np.float32), descriptions=("slope",))
    asked = vrt_of(tmp_path / "all.vrt", "a.tif") if virtual else path
    before = facts(asked)
    (tmp_path / "a.tif.aux.xml").write_text(STATISTICS)
    with rasterio.open(path) as raster:
        assert raster.tags(1)["STATISTICS_MEAN"] == "0.25"
    assert facts(asked) == before


@pytest.mark.parametrize("virtual", [False, True])
def test_what_else_is_noted_beside_a_raster_counts(tmp_path, virtual):
    path = tile(tmp_path / "a.tif")
    asked = vrt_of(tmp_path / "all.vrt", "a.tif") if virtual else path
    files, bare_header = facts(asked)
    headers = [bare_header]
    for label, nodata in (("slope", 3), ("slope", 4), ("aspect", 4)):
        note(path, label, nodata)
        assert facts(asked)[0] == files
        headers.append(facts(asked)[1])
    assert len(set(headers)) == 4


def test_georeferences_and_masks_count(tmp_path):
    path = tile(tmp_path / "a.tif")
    headers = [facts(path)[1]]
    tile(path)
    assert facts(path)[1] == headers[0]
    masked(path, np.eye(4) == 0)
    headers.append(facts(path)[1])
    write(path, np.ones((4, 4), np.uint8), nodata=None, crs="EPSG:32630")
    headers.append(facts(path)[1])
    write(path, np.ones((4, 4), np.uint8), nodata=None, size=20, crs="EPSG:32630")
    headers.append(facts(path)[1])
    path.unlink()
    headers.append(facts(path)[1])
    assert len(set(headers)) == 5


# --- single pixels ----------------------------------------------------------------------------


class Window:
    """A raster that is remembered to be read on a box."""

    def __init__(self, values, whole):
        self.values, self.whole, self.boxes = values, whole, []

    def read(self, box):
        self.boxes.append(box)
        rows, cols = (
            slice(first, first + size)
            for first, size in zip(grid.offset(box, self.whole), box.shape, strict=True)
        )
        return Exogenous(self.values[:, rows, cols], ("a", "b"))


def test_of_single_pixels_the_box_around_them_is_read():
    values = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
    where = np.zeros((40, 50), bool)
    where[[7, 9, 12], [30, 11, 20]] = True
    raster = Window(values, window())
    found = calls._exogenous(raster, window(), where)
    assert [box.shape for box in raster.boxes] == [(6, 20)]
    assert found.labels == ("a", "b")
    np.testing.assert_array_equal(found.values, Exogenous(values, ()).taken(where).values)
    whole = calls._exogenous(raster, window(), None)
    np.testing.assert_array_equal(whole.values, values)


@pytest.mark.parametrize("name", GRIDS)
def test_the_box_around_single_pixels_moves_no_bit(tmp_path, name):
    path = write(tmp_path / "a.tif", rough((330, 320)), **GRIDS[name])
    where = np.zeros((40, 50), bool)
    where[[7, 9, 12, 30], [30, 11, 20, 12]] = True
    with ExogenousReader(str(path), TILE) as reader:
        expected = reader.read(window()).taken(where).values
        found = calls._exogenous(reader, window(), where).values
    assert np.isfinite(expected).any(), "the case shows nothing"
    np.testing.assert_array_equal(found, expected)
