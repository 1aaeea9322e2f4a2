"""Plans: what lies outside, which pixel is nearest, and what is refused."""

import numpy as np
import pytest
from resampling import NODATA, part

from i2lc.steps.kernels import coarsen, nearest, planning
from i2lc.steps.kernels import cubic as kernel


@pytest.mark.parametrize("at", [-100.0, 1e9])
def test_everything_outside(at):
    rows, cols = at + np.arange(3.0), np.arange(4.0) + 0.5
    for coordinates in ((rows, cols), np.meshgrid(rows, cols, indexing="ij")):
        plan = planning.plan(*coordinates, (20, 20))
        assert plan.window == ((0, 0), (0, 0))
        nothing = np.empty((0, 0), np.int16)
        assert np.all(kernel.cubic(nothing, plan, NODATA) == NODATA)
        assert np.all(nearest.nearest(nothing, plan, 7) == 7)
    area = planning.area_plan(rows, np.arange(5.0), (20, 20))
    assert np.all(coarsen.mean(nothing, area, NODATA) == NODATA)
    assert np.all(coarsen.flagged(nothing.astype(np.uint8), area, outside=True))


def test_nearest_truth_table():
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rows, cols = np.array([-0.1, 0.0, 0.99, 1.0, 3.0, 3.1]), np.array([0.5, 3.99, 4.0])
    want = [[99] * 3, [0, 3, 3], [0, 3, 3], [4, 7, 7], [8, 11, 11], [99] * 3]
    for coordinates in ((rows, cols), np.meshgrid(rows, cols, indexing="ij")):
        plan = planning.plan(*coordinates, mask.shape)
        np.testing.assert_array_equal(nearest.nearest(part(mask, plan), plan, 99), want)


def test_wrong_arguments_are_refused():
    at = np.arange(5) + 0.5
    plan = planning.plan(at, at, (9, 9))
    with pytest.raises(ValueError, match="window"):
        kernel.cubic(np.zeros((2, 2), np.int16), plan)
    with pytest.raises(ValueError, match="out"):
        kernel.cubic(np.zeros((7, 7), np.int16), plan, out=np.zeros((5, 4), np.int16))
    with pytest.raises(ValueError, match="increases"):
        planning.plan(at[::-1], at, (9, 9))
    with pytest.raises(ValueError, match="cols"):
        planning.plan(np.zeros((2, 2)), at, (9, 9))
    samples = planning.plan(*np.meshgrid(at, at), (9, 9))
    with pytest.raises(ValueError, match="factor"):
        coarsen.mean(np.zeros((7, 7), np.int16), samples, factor=2)
