"""Coarser outputs: coverage, flags, sub-samples, and no trace of the cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from resampling import NODATA, few, landscape, part, windows

from i2lc.steps.kernels import coarsen, planning


def test_mean_weighs_by_coverage():
    array = np.array([[0, 100, 200], [300, NODATA, 500], [NODATA, NODATA, 700]], np.int16)
    plan = planning.area_plan(np.array([0.0, 1.5, 3.0]), np.array([0.0, 1.5, 3.0]), array.shape)
    found = coarsen.mean(part(array, plan), plan, NODATA)
    # weights 1, 0.5 and 0.5, 0.25 of which the one of nodata falls out
    np.testing.assert_array_equal(found, [[100, 250], [300, 633]])
    lonely = planning.area_plan(np.array([1.0, 2.0]), np.array([1.0, 2.0]), array.shape)
    assert coarsen.mean(part(array, lonely), lonely, NODATA) == NODATA


def test_flagged_means_touched():
    mask = np.zeros((4, 4), np.uint8)
    mask[1, 1] = 8
    edges = np.array([0.0, 1.0, 1.25, 3.0, 4.0, 6.0])
    plan = planning.area_plan(edges, edges, mask.shape)
    found = coarsen.flagged(part(mask, plan), plan, outside=True)
    want = np.zeros((5, 5), bool)
    want[1:3, 1:3] = True
    want[4, :] = want[:, 4] = True
    np.testing.assert_array_equal(found, want)


def test_subsamples_are_the_area_where_cells_are_whole_pixels():
    array = landscape((24, 30), seed=3)
    edges = np.arange(0, 25, 3.0), np.arange(0, 31, 3.0)
    area = planning.area_plan(*edges, array.shape)
    every = np.meshgrid(np.arange(24) + 0.5, np.arange(30) + 0.5, indexing="ij")
    samples = planning.plan(*every, array.shape)
    np.testing.assert_array_equal(
        coarsen.mean(part(array, area), area, NODATA),
        coarsen.mean(part(array, samples), samples, NODATA, factor=3),
    )
    mask = (array == NODATA).astype(np.uint8)
    np.testing.assert_array_equal(
        coarsen.flagged(part(mask, area), area, outside=False),
        coarsen.flagged(part(mask, samples), samples, outside=False, factor=3),
    )


@few
@given(st.data(), st.floats(-3, 5), st.floats(-3, 5), st.floats(1.0, 3.5), st.integers(0, 9))
def test_no_area_depends_on_the_cut(data, y, x, size, seed):
    array = landscape((20, 18), seed=seed)
    mask = (array > 10000).astype(np.uint8)
    rows, cols = y + np.arange(10) * size, x + np.arange(9) * size
    ys, xs = windows(data.draw, (8, 7))
    longer = [slice(s.start, s.stop + 1) for s in (ys, xs)]
    whole = planning.area_plan(rows, cols, array.shape)
    cut = planning.area_plan(rows[longer[0]], cols[longer[1]], array.shape)
    for take in (
        lambda p: coarsen.mean(part(array, p), p, NODATA),
        lambda p: coarsen.flagged(part(mask, p), p, outside=True),
    ):
        np.testing.assert_array_equal(take(cut), take(whole)[ys, xs])


@few
@given(st.data(), st.floats(-3, 5), st.floats(1.0, 3.5), st.integers(0, 3), st.integers(2, 4))
def test_no_subsample_depends_on_the_cut(data, start, size, tilt, factor):
    array = landscape((20, 18), seed=factor)
    mask = (array > 10000).astype(np.uint8)
    at = start + (np.arange(8 * factor) + 0.5) * size / factor
    r, c = np.meshgrid(at, at, indexing="ij")
    r, c = r + tilt * 0.02 * c, c - tilt * 0.02 * r
    ys, xs = windows(data.draw, (8, 8))
    fine = tuple(slice(s.start * factor, s.stop * factor) for s in (ys, xs))
    whole, cut = (planning.plan(*rc, array.shape) for rc in ((r, c), (r[fine], c[fine])))
    for take in (
        lambda p: coarsen.mean(part(array, p), p, NODATA, factor),
        lambda p: coarsen.flagged(part(mask, p), p, outside=True, factor=factor),
    ):
        np.testing.assert_array_equal(take(cut), take(whole)[ys, xs])
