"""The index kernels against plain Python."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.steps.kernels import indices

NODATA = -10000
few = settings(max_examples=60, deadline=None)
COUNT = st.integers(-9999, 32767) | st.just(NODATA) | st.integers(-3, 3)


def cube(*bands):
    """One date, one row; the last band is to be written."""
    return np.array([*bands, [7] * len(bands[0])], np.int16)[None, :, None, :]


@few
@given(st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=40))
def test_normalized_difference(pairs):
    plus, minus = zip(*pairs, strict=True)
    array = cube(plus, minus)
    indices.normalized_difference(array, 0, 1, 2)
    for p, m, found in zip(plus, minus, array[0, 2, 0], strict=True):
        if NODATA in (p, m):
            want = NODATA
        elif p + m == 0:
            want = 0
        else:
            want = max(-1000, min(1000, round(Fraction(1000 * (p - m), p + m))))
        assert found == want
    np.testing.assert_array_equal(array[0, :2, 0], [plus, minus])


@few
@given(st.lists(st.tuples(COUNT, COUNT, COUNT), min_size=1, max_size=40))
def test_brightness(triples):
    array = cube(*zip(*triples, strict=True))
    indices.brightness(array, (0, 1, 2), 3)
    for values, found in zip(triples, array[0, 3, 0], strict=True):
        square = sum(v * v for v in values)
        root = math.isqrt(square)
        root += square > root * root + root  # nearest; a tie cannot be
        assert found == (NODATA if NODATA in values else min(root, 32767))


def test_long_rows_and_several_dates():
    array = np.arange(3 * 4 * 5 * 2000).reshape(3, 4, 5, 2000) % 9000
    array = array.astype(np.int16)
    indices.brightness(array, [0, 2], 3)
    want = np.rint(np.sqrt((array[:, [0, 2]].astype(float) ** 2).sum(axis=1)))
    np.testing.assert_array_equal(array[:, 3], want)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="bands"):
        indices.normalized_difference(cube([1]), 0, 2, 1)
    with pytest.raises(ValueError, match="cube"):
        indices.brightness(cube([1])[..., ::-1].astype(np.int32), [0], 1)
