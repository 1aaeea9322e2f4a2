from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from i2lc.errors import TaskError
from i2lc.nn_bank import Statistics
from i2lc.nn_bank import statistics as module

SCALE = np.array([10000, 1000], np.float32)


def summary_of(*blocks, scale=SCALE):
    statistics = Statistics(blocks[0].shape[1], blocks[0].shape[2])
    for block in blocks:
        statistics.update(block)
    return statistics.summary(scale)


def same(one, other):
    return one.count == other.count and one.as_dict() == other.as_dict()


def awkward(rng, count=5000):
    features = rng.integers(-32768, 32768, (count, 3, 2)).astype(np.int16)
    features[:, 0, 0] = 32767  # constant at the edge
    features[:, 1, 0] = np.where(np.arange(count) == 0, 10001, 10000)  # almost constant
    features[:, 2, 1] = -32768
    return features


def test_against_numpy():
    features = awkward(np.random.default_rng(0))
    got = summary_of(features)
    physical = (features / SCALE.astype(np.float64)).reshape(len(features), -1)
    assert got.count == 5000
    assert np.array_equal(got.min, physical.min(axis=0).astype(np.float32))
    assert np.array_equal(got.max, physical.max(axis=0).astype(np.float32))
    np.testing.assert_allclose(got.mean, physical.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.var, physical.var(axis=0), rtol=1e-5, atol=1e-15)
    assert {got.min.dtype, got.max.dtype, got.mean.dtype, got.var.dtype} == {np.dtype(np.float32)}


def test_constant_has_exactly_no_variance_and_almost_constant_has_some():
    got = summary_of(awkward(np.random.default_rng(0)))
    assert got.var[0] == 0
    assert got.var[2] == np.float32(float(Fraction(4999, 5000**2)) / 1e8)


def test_date_major():
    features = np.arange(6, dtype=np.int16).reshape(1, 3, 2)
    assert summary_of(features, scale=[1, 1]).mean.tolist() == [0, 1, 2, 3, 4, 5]


def test_sums_of_1e8_extreme_samples_do_not_overflow():
    statistics = Statistics(1, 2)
    statistics.update(np.array([[[32767, -32768]], [[-32767, -32768]]], np.int16))
    for _ in range(26):  # doubles to 1.3e8 samples
        statistics.merge(statistics)
    got = statistics.summary([1, 1])
    assert got.count == 2**27
    assert got.mean.tolist() == [0, -32768]
    assert got.var.tolist() == [np.float32(32767**2), 0]


def test_rows_at_once_is_not_seen(monkeypatch):
    features = awkward(np.random.default_rng(1), 100)
    whole = summary_of(features)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    assert same(whole, summary_of(features))


def test_memory_mapped(tmp_path):
    features = awkward(np.random.default_rng(1), 100)
    np.save(tmp_path / "features.npy", features)
    assert same(summary_of(np.load(tmp_path / "features.npy", mmap_mode="r")), summary_of(features))


@given(
    arrays(np.int16, st.tuples(st.integers(1, 12), st.just(2), st.just(2))),
    st.lists(st.integers(0, 12), max_size=4),
    st.randoms(use_true_random=False),
)
def test_neither_cut_nor_order_of_blocks_is_seen(features, cuts, random):
    blocks = np.split(features, sorted(cuts))
    random.shuffle(blocks)
    assert same(summary_of(features), summary_of(*blocks))
    merged = Statistics(2, 2)
    for block in blocks:
        part = Statistics(2, 2)
        part.update(block)
        merged.merge(part)
    assert same(summary_of(features), merged.summary(SCALE))


@given(
    arrays(np.int16, st.tuples(st.integers(1, 12), st.just(2), st.just(2))),
    arrays(np.int8, st.tuples(st.just(12), st.just(2)), elements=st.integers(0, 2)),
    st.integers(0, 12),
)
def test_raw_dates_leave_out_what_is_not_valid(features, validity, cut):
    features[np.isin(features, (-10000, -20000))] = 1
    validity = validity[: len(features)]
    features[validity == 1], features[validity == 2] = -10000, -20000
    got, rest = Statistics(2, 2, raw=True), Statistics(2, 2, raw=True)
    got.update(features[:cut])
    rest.update(features[cut:])
    got.merge(rest)
    found = got.summary(SCALE)
    assert found.count == len(features)
    for feature in range(4):
        values = features[validity[:, feature // 2] == 0, feature // 2, feature % 2]
        physical = values / float(SCALE[feature % 2])
        row = [getattr(found, name)[feature] for name in ("min", "max", "mean", "var")]
        if not len(values):
            assert np.isnan(row).all()
            continue
        expected = [physical.min(), physical.max(), physical.mean(), physical.var()]
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-9)


def test_none_for_a_feature_without_value():
    statistics = Statistics(2, 1, raw=True)
    statistics.update(np.array([[[5], [-10000]]], np.int16))
    row = {"min": [5, None], "max": [5, None], "mean": [5, None], "var": [0, None]}
    assert statistics.summary([1]).as_dict() == row
    with pytest.raises(ValueError, match="that leave out marks do not add to others"):
        statistics.merge(Statistics(2, 1))


def test_refusals():
    statistics = Statistics(3, 2)
    with pytest.raises(TaskError, match="the training set is empty"):
        statistics.summary(SCALE)
    with pytest.raises(ValueError, match=r"int16 \(sample, 3, 2\), got float32 \(4, 3, 2\)"):
        statistics.update(np.zeros((4, 3, 2), np.float32))
    with pytest.raises(ValueError, match=r"got int16 \(4, 2, 3\)"):
        statistics.update(np.zeros((4, 2, 3), np.int16))
    with pytest.raises(ValueError, match=r"\(1, 2\) do not add to those of \(3, 2\)"):
        statistics.merge(Statistics(1, 2))
    statistics.update(np.zeros((4, 3, 2), np.int16))
    with pytest.raises(ValueError, match="scale must be 2 positive numbers"):
        statistics.summary([1, 0])
    with pytest.raises(ValueError, match="scale must be 2 positive numbers"):
        statistics.summary([1, 1, 1])
