"""The resampling kernels: GDAL's values, truth tables, and no trace of the cut."""

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

from i2lc.steps.kernels import resample

NODATA = -10000
UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
EAST, NORTH = 399_960.0, 4_900_020.0
few = settings(max_examples=40, deadline=None)


def landscape(shape, seed=0, holes=20):
    rng = np.random.default_rng(seed)
    array = rng.integers(-200, 12000, shape).astype(np.int16)
    for _ in range(holes):
        y, x, height, width = rng.integers((0, 0, 1, 1), (*shape, 6, 6))
        array[y : y + height, x : x + width] = NODATA
    return array


def part(array, plan):
    (row0, row1), (col0, col1) = plan.window
    return array[row0:row1, col0:col1]


def cubic(array, rows, cols):
    plan = resample.plan(rows, cols, array.shape)
    return resample.cubic(part(array, plan), plan, NODATA)


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


@pytest.mark.parametrize("at", [-100.0, 1e9])
def test_everything_outside(at):
    rows, cols = at + np.arange(3.0), np.arange(4.0) + 0.5
    for coordinates in ((rows, cols), np.meshgrid(rows, cols, indexing="ij")):
        plan = resample.plan(*coordinates, (20, 20))
        assert plan.window == ((0, 0), (0, 0))
        nothing = np.empty((0, 0), np.int16)
        assert np.all(resample.cubic(nothing, plan, NODATA) == NODATA)
        assert np.all(resample.nearest(nothing, plan, 7) == 7)
    area = resample.area_plan(rows, np.arange(5.0), (20, 20))
    assert np.all(resample.mean(nothing, area, NODATA) == NODATA)
    assert np.all(resample.flagged(nothing.astype(np.uint8), area, outside=True))


def test_coordinates_that_are_not_finite_are_outside():
    rows, cols = np.full((2, 3), 5.5), np.full((2, 3), 6.5)
    rows[0, 1] = np.inf
    cols[1, 2] = np.nan
    found = cubic(landscape((12, 12), holes=0), rows, cols) == NODATA
    np.testing.assert_array_equal(found, [[False, True, False], [False, False, True]])


def test_nearest_truth_table():
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rows, cols = np.array([-0.1, 0.0, 0.99, 1.0, 3.0, 3.1]), np.array([0.5, 3.99, 4.0])
    want = [[99] * 3, [0, 3, 3], [0, 3, 3], [4, 7, 7], [8, 11, 11], [99] * 3]
    for coordinates in ((rows, cols), np.meshgrid(rows, cols, indexing="ij")):
        plan = resample.plan(*coordinates, mask.shape)
        np.testing.assert_array_equal(resample.nearest(part(mask, plan), plan, 99), want)


def test_mean_weighs_by_coverage():
    array = np.array([[0, 100, 200], [300, NODATA, 500], [NODATA, NODATA, 700]], np.int16)
    plan = resample.area_plan(np.array([0.0, 1.5, 3.0]), np.array([0.0, 1.5, 3.0]), array.shape)
    found = resample.mean(part(array, plan), plan, NODATA)
    # weights 1, 0.5 and 0.5, 0.25 of which the one of nodata falls out
    np.testing.assert_array_equal(found, [[100, 250], [300, 633]])
    lonely = resample.area_plan(np.array([1.0, 2.0]), np.array([1.0, 2.0]), array.shape)
    assert resample.mean(part(array, lonely), lonely, NODATA) == NODATA


def test_flagged_means_touched():
    mask = np.zeros((4, 4), np.uint8)
    mask[1, 1] = 8
    edges = np.array([0.0, 1.0, 1.25, 3.0, 4.0, 6.0])
    plan = resample.area_plan(edges, edges, mask.shape)
    found = resample.flagged(part(mask, plan), plan, outside=True)
    want = np.zeros((5, 5), bool)
    want[1:3, 1:3] = True
    want[4, :] = want[:, 4] = True
    np.testing.assert_array_equal(found, want)


def test_subsamples_are_the_area_where_cells_are_whole_pixels():
    array = landscape((24, 30), seed=3)
    edges = np.arange(0, 25, 3.0), np.arange(0, 31, 3.0)
    area = resample.area_plan(*edges, array.shape)
    every = np.meshgrid(np.arange(24) + 0.5, np.arange(30) + 0.5, indexing="ij")
    samples = resample.plan(*every, array.shape)
    np.testing.assert_array_equal(
        resample.mean(part(array, area), area, NODATA),
        resample.mean(part(array, samples), samples, NODATA, factor=3),
    )
    mask = (array == NODATA).astype(np.uint8)
    np.testing.assert_array_equal(
        resample.flagged(part(mask, area), area, outside=False),
        resample.flagged(part(mask, samples), samples, outside=False, factor=3),
    )


COORDINATES = st.tuples(
    st.floats(-3, 8), st.sampled_from([1.0, 0.5, 0.51, 0.75, 1.03]), st.integers(2, 40)
)


def windows(draw, shape):
    y, x = (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape)
    return slice(y[0], max(y[1], y[0] + 1)), slice(x[0], max(x[1], x[0] + 1))


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
    plan, cut = (resample.plan(*rc, array.shape) for rc in ((r, c), (r[ys, xs], c[ys, xs])))
    for take in (
        lambda p: resample.cubic(part(array, p), p, NODATA),
        lambda p: resample.nearest(part(array, p), p, 1),
    ):
        np.testing.assert_array_equal(take(cut), take(plan)[ys, xs])


@few
@given(st.data(), st.floats(-3, 5), st.floats(-3, 5), st.floats(1.0, 3.5), st.integers(0, 9))
def test_no_area_depends_on_the_cut(data, y, x, size, seed):
    array = landscape((20, 18), seed=seed)
    mask = (array > 10000).astype(np.uint8)
    rows, cols = y + np.arange(10) * size, x + np.arange(9) * size
    ys, xs = windows(data.draw, (8, 7))
    longer = [slice(s.start, s.stop + 1) for s in (ys, xs)]
    whole = resample.area_plan(rows, cols, array.shape)
    cut = resample.area_plan(rows[longer[0]], cols[longer[1]], array.shape)
    for take in (
        lambda p: resample.mean(part(array, p), p, NODATA),
        lambda p: resample.flagged(part(mask, p), p, outside=True),
    ):
        np.testing.assert_array_equal(take(cut), take(whole)[ys, xs])


@few
@given(COORDINATES, COORDINATES, st.integers(0, 9))
def test_nodata_never_becomes_valid(down, along, seed):
    array = landscape((20, 18), seed=seed)
    rows, cols = (start + np.arange(n) * step for start, step, n in (down, along))
    plan = resample.plan(rows, cols, array.shape)
    holder = resample.nearest(part(array, plan), plan, NODATA)
    found = resample.cubic(part(array, plan), plan, NODATA)
    np.testing.assert_array_equal(found == NODATA, holder == NODATA)


def test_last_bits_of_coordinates_do_not_matter():
    array = landscape((20, 20))
    rows, cols = np.arange(15) + 2.5, np.arange(15) * 0.5 + 3.25
    noise = np.random.default_rng(0).uniform(-1e-9, 1e-9, 15)
    np.testing.assert_array_equal(cubic(array, rows + noise, cols), cubic(array, rows, cols))


def test_wrong_arguments_are_refused():
    at = np.arange(5) + 0.5
    plan = resample.plan(at, at, (9, 9))
    with pytest.raises(ValueError, match="window"):
        resample.cubic(np.zeros((2, 2), np.int16), plan)
    with pytest.raises(ValueError, match="out"):
        resample.cubic(np.zeros((7, 7), np.int16), plan, out=np.zeros((5, 4), np.int16))
    with pytest.raises(ValueError, match="increases"):
        resample.plan(at[::-1], at, (9, 9))
    with pytest.raises(ValueError, match="cols"):
        resample.plan(np.zeros((2, 2)), at, (9, 9))
    samples = resample.plan(*np.meshgrid(at, at), (9, 9))
    with pytest.raises(ValueError, match="factor"):
        resample.mean(np.zeros((7, 7), np.int16), samples, factor=2)
