"""What the tests of the resampling kernels share: rasters, windows, coordinates."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from i2lc.steps.kernels import cubic as kernel
from i2lc.steps.kernels import planning

NODATA = -10000
few = settings(max_examples=40, deadline=None)

COORDINATES = st.tuples(
    st.floats(-3, 8), st.sampled_from([1.0, 0.5, 0.51, 0.75, 1.03]), st.integers(2, 40)
)


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
    plan = planning.plan(rows, cols, array.shape)
    return kernel.cubic(part(array, plan), plan, NODATA)


def windows(draw, shape):
    y, x = (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape)
    return slice(y[0], max(y[1], y[0] + 1)), slice(x[0], max(x[1], x[0] + 1))
