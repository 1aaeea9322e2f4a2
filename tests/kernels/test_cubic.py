"""Cubic resampling: GDAL's values, laws, and no trace of the cut."""

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject
from resampling import COORDINATES, NODATA, cubic, few, landscape, part, windows

from i2lc.steps.kernels import cubic as kernel
from i2lc.steps.kernels import nearest, planning

UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
EAST, NORTH = 399_960.0, 4_900_020.0


def gdal(array, res, transform, shape, crs=UTM, **options):
    out = np.full(shape, NODATA, np.int16)
    reproject(
        array,
        out,
        src_transform=Affine(res, 0, EAST, 0, -res, NORTH),
        dst_transform=transform,
        src_crs=UTM,
        dst_crs=crs,
        src_nodata=NODATA,
        dst_nodata=NODATA,
        resampling=Resampling.cubic,
        **options,
    )
    return out


def gdal_exact(array, res, transform, shape):
    """Cubic by GDAL without its approximate coordinates.

    rasterio 1.4 cannot switch GDALApproxTransform off, but GDAL itself does for rows of at most
    five pixels, so the output is made in strips of five columns. XSCALE and YSCALE stand for what
    GDAL would otherwise estimate anew from each narrow strip.
    """
    strips = [
        gdal(
            array,
            res,
            transform * Affine.translation(x, 0),
            (shape[0], min(5, shape[1] - x)),
            LAMBERT,
            XSCALE=1,
            YSCALE=1,
        )
        for x in range(0, shape[1], 5)
    ]
    return np.hstack(strips)


def lattice_in_lambert(shape, res=10.0):
    """Transform of an output inside of the landscape, and the UTM coordinates of its centres."""
    x, y = pyproj.Transformer.from_crs(UTM, LAMBERT, always_xy=True).transform(EAST, NORTH)
    left, top = np.floor(x / res) * res + 40, np.floor(y / res) * res - 40
    xs, ys = left + (np.arange(shape[1]) + 0.5) * res, top - (np.arange(shape[0]) + 0.5) * res
    back = pyproj.Transformer.from_crs(LAMBERT, UTM, always_xy=True)
    east, north = back.transform(*np.meshgrid(xs, ys))
    return Affine(res, 0, left, 0, -res, top), east, north


def assert_within_one(ours, theirs):
    np.testing.assert_array_equal(ours == NODATA, theirs == NODATA)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert 0.3 < np.mean(ours != NODATA) < 1


@pytest.mark.parametrize(
    ("res", "offset", "shape"),
    [
        (10, 20, (60, 70)),  # integer shift
        (10, -30, (120, 110)),  # the output sticks out on all sides
        (20, 0, (200, 180)),  # twice as fine
        (20, 10, (151, 133)),  # twice as fine, begun at the second half of a pixel
        (20, -30, (220, 200)),
        (10, 3.75, (110, 100)),  # fractional shift
        (15, 4, (160, 140)),  # no period
    ],
)
def test_cubic_is_gdals(res, offset, shape):
    array = landscape((100, 90))
    theirs = gdal(array, res, Affine(10, 0, EAST + offset, 0, -10, NORTH - offset), shape)
    rows = (offset + (np.arange(shape[0]) + 0.5) * 10) / res
    cols = (offset + (np.arange(shape[1]) + 0.5) * 10) / res
    ours = cubic(array, rows, cols)
    assert_within_one(ours, theirs)
    every = np.meshgrid(rows, cols, indexing="ij")
    assert_within_one(cubic(array, *every), theirs)


@pytest.mark.parametrize("res", [10, 20])
def test_cubic_is_gdals_in_another_crs(res):
    array = landscape((150, 160))
    transform, east, north = lattice_in_lambert((140, 150))
    ours = cubic(array, (NORTH - north) / res, (east - EAST) / res)
    assert_within_one(ours, gdal_exact(array, res, transform, east.shape))


def test_gdals_coordinates_are_pyprojs():
    _, east, north = lattice_in_lambert((8, 9))
    xs, ys = pyproj.Transformer.from_crs(UTM, LAMBERT, always_xy=True).transform(east, north)
    theirs = rasterio.warp.transform(LAMBERT, UTM, xs.ravel(), ys.ravel())
    np.testing.assert_allclose(theirs, [east.ravel(), north.ravel()], rtol=0, atol=1e-5)


@pytest.mark.parametrize("scattered", [False, True])
def test_integer_shift_is_an_exact_copy(scattered):
    array = landscape((30, 40))
    rows, cols = np.arange(3, 20) + 0.5, np.arange(5, 40) + 0.5
    if scattered:
        rows, cols = np.meshgrid(rows, cols, indexing="ij")
    np.testing.assert_array_equal(cubic(array, rows, cols), array[3:20, 5:40])


def test_valid_never_becomes_nodata():
    array = np.full((9, 9), -9999, np.int16)
    array[4, 4] = 32767
    at = np.arange(4, 14) / 2 + 0.25
    found = cubic(array, at, at)
    assert found.min() == -9999  # the kernel overshoots
    assert found.max() <= 32767


@few
@given(COORDINATES, COORDINATES, st.integers(0, 9))
def test_nodata_never_becomes_valid(down, along, seed):
    array = landscape((20, 18), seed=seed)
    rows, cols = (start + np.arange(n) * step for start, step, n in (down, along))
    plan = planning.plan(rows, cols, array.shape)
    holder = nearest.nearest(part(array, plan), plan, NODATA)
    found = kernel.cubic(part(array, plan), plan, NODATA)
    np.testing.assert_array_equal(found == NODATA, holder == NODATA)


def test_coordinates_that_are_not_finite_are_outside():
    rows, cols = np.full((2, 3), 5.5), np.full((2, 3), 6.5)
    rows[0, 1] = np.inf
    cols[1, 2] = np.nan
    found = cubic(landscape((12, 12), holes=0), rows, cols) == NODATA
    np.testing.assert_array_equal(found, [[False, True, False], [False, False, True]])


def test_last_bits_of_coordinates_do_not_matter():
    array = landscape((20, 20))
    rows, cols = np.arange(15) + 2.5, np.arange(15) * 0.5 + 3.25
    noise = np.random.default_rng(0).uniform(-1e-9, 1e-9, 15)
    np.testing.assert_array_equal(cubic(array, rows + noise, cols), cubic(array, rows, cols))


@few
@given(st.data(), COORDINATES, COORDINATES, st.integers(0, 3), st.integers(0, 4))
def test_no_result_depends_on_the_cut(data, down, along, tilt, holes):
    array = landscape((20, 18), seed=holes, holes=holes)
    rows, cols = (start + np.arange(n) * step for start, step, n in (down, along))
    whole = cubic(array, rows, cols)
    ys, xs = windows(data.draw, (rows.size - 1, cols.size - 1))
    np.testing.assert_array_equal(cubic(array, rows[ys], cols[xs]), whole[ys, xs])

    r, c = np.meshgrid(rows, cols, indexing="ij")
    r, c = r + tilt * 0.02 * c, c - tilt * 0.02 * r
    plan, cut = (planning.plan(*rc, array.shape) for rc in ((r, c), (r[ys, xs], c[ys, xs])))
    for take in (
        lambda p: kernel.cubic(part(array, p), p, NODATA),
        lambda p: nearest.nearest(part(array, p), p, 1),
    ):
        np.testing.assert_array_equal(take(cut), take(plan)[ys, xs])
