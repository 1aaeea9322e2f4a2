"""The gap-filling kernels against plain fractions, and their laws."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.steps.kernels import gapfill

NODATA = -10000
few = settings(max_examples=60, deadline=None)


def one_pixel(values, valid, days, target):
    """What the kernel must give, in the words of the specification."""
    clear = [(int(d), int(v)) for d, v, ok in zip(days, values, valid, strict=True) if ok]
    before = [pair for pair in clear if pair[0] <= target]
    after = [pair for pair in clear if pair[0] >= target]
    if not clear:
        return NODATA
    if not before or not after:
        return (after or before[::-1])[0][1]
    (t0, v0), (t1, v1) = before[-1], after[0]
    if t0 == t1:
        return v0
    return round(Fraction(v0 * (t1 - target) + v1 * (target - t0), t1 - t0))


def series(seed, date, band, shape, clear=0.5, odd=False):
    rng = np.random.default_rng(seed)
    values = rng.integers(-9999, 32768, (date, band, *shape)).astype(np.int16)
    if odd:  # small numbers, so that ties occur
        values %= 8
    valid = rng.random((date, *shape)) < clear
    days = np.sort(rng.choice(60, date, replace=False)).astype(np.int64)
    return values, valid, days


def fill(values, valid, days, targets, **options):
    out = np.full((len(targets), values.shape[1] + 1, *values.shape[2:]), 7, np.int16)
    gapfill.linear(values, valid, days, np.asarray(targets, np.int64), out, **options)
    assert np.all(out[:, -1] == 7)  # the place of the indices
    return out[:, :-1]


@few
@given(st.integers(0, 10**6), st.integers(0, 9), st.sampled_from([0.1, 0.5, 1.0]), st.booleans())
def test_equals_fractions(seed, date, clear, odd):
    values, valid, days = series(seed, date, 2, (2, 3), clear, odd)
    targets = np.arange(-5, 70, 7)
    found = fill(values, valid, days, targets)
    for j, b, y, x in np.ndindex(found.shape):
        want = one_pixel(values[:, b, y, x], valid[:, y, x], days, targets[j])
        assert found[j, b, y, x] == want


@few
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_laws(seed, date):
    values, valid, days = series(seed, date, 2, (3, 4))
    found = fill(values, valid, days, days)
    masks = np.broadcast_to(valid[:, None], values.shape)
    np.testing.assert_array_equal(found[masks], values[masks])  # kept on its day
    never = ~valid.any(axis=0)
    assert np.all((found == NODATA) == never)  # a mask never creates validity
    low = np.where(masks, values, np.int16(32767)).min(axis=0)
    high = np.where(masks, values, np.int16(-9999)).max(axis=0)
    assert np.all(never | ((found >= low) & (found <= high)))
    hidden = np.where(masks, values, np.int16(NODATA))
    np.testing.assert_array_equal(fill(hidden, valid, days, days), found)  # unseen below the mask


def test_no_result_depends_on_the_cut():
    values, valid, days = series(1, 8, 2, (9, 700))
    targets = np.arange(0, 60, 9)
    whole = fill(values, valid, days, targets)
    rng = np.random.default_rng(0)
    for _ in range(25):
        y, x = np.sort(rng.integers(0, 10, 2)), np.sort(rng.integers(0, 701, 2))
        ys, xs = slice(*y), slice(*x)
        cut = np.ascontiguousarray(values[..., ys, xs]), np.ascontiguousarray(valid[:, ys, xs])
        np.testing.assert_array_equal(fill(*cut, days, targets), whole[..., ys, xs])


def test_rows_are_filled_alone():
    values, valid, days = series(2, 5, 1, (6, 5))
    whole, some = (fill(values, valid, days, days, rows=rows) for rows in (None, (2, 4)))
    np.testing.assert_array_equal(some[:, :, 2:4], whole[:, :, 2:4])
    assert np.all(some[:, :, :2] == 7)
    assert np.all(some[:, :, 4:] == 7)


def test_a_valid_value_never_becomes_nodata():
    values = np.full((2, 1, 1, 1), -12000, np.int16)
    found = fill(values, np.ones((2, 1, 1), bool), np.array([0, 10]), [0, 5, 20])
    assert np.all(found == -9999)


@few
@given(st.lists(st.integers(0, 4), max_size=7), st.integers(0, 10**6))
def test_merge_takes_the_first_valid_of_a_day(days, seed):
    days = np.sort(np.array(days, np.int64))
    values, valid, _ = series(seed, days.size, 2, (3, 4))
    given_values, given_valid = values.copy(), valid.copy()
    merged, clear, unique = gapfill.merge_days(values, valid, days)
    assert np.array_equal(unique, np.unique(days))
    assert merged.base is values or merged.size == 0
    for k, y, x in np.ndindex(clear.shape):
        first = [p for p in np.flatnonzero(days == unique[k]) if given_valid[p, y, x]]
        assert clear[k, y, x] == bool(first)
        if first:
            np.testing.assert_array_equal(merged[k, :, y, x], given_values[first[0], :, y, x])


def test_wrong_arguments_are_refused():
    values, valid, days = series(0, 3, 2, (4, 5))
    out = np.empty((3, 2, 4, 5), np.int16)
    for name, arguments in (
        ("values", (values[:, :, ::2], valid[:, ::2], days, days, out)),
        ("valid", (values, valid[:2], days, days, out)),
        ("out", (values, valid, days, days, out[:, :1].copy())),
        ("increasing", (values, valid, days[::-1].copy(), days, out)),
        ("span", (values, valid, days * 10000, days, out)),
    ):
        with pytest.raises(ValueError, match=name):
            gapfill.linear(*arguments)
    with pytest.raises(ValueError, match="rows"):
        gapfill.linear(values, valid, days, days, out, rows=(2, 9))
    with pytest.raises(ValueError, match="sorted"):
        gapfill.merge_days(values, valid, days[::-1].copy())
