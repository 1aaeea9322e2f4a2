import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from i2lc.nn_bank import Quantiles, Statistics
from i2lc.nn_bank import quantiles as module

LEVELS = {"quantile_0.1": 0.1, "quantile_0.5": 0.5, "quantile_0.95": 0.95}
blocks = arrays(np.int16, st.tuples(st.integers(1, 12), st.just(2), st.just(2)))


def of(*parts, share=1.0, seed=0, raw=False):
    found = Quantiles(sum(map(len, parts)), share, seed)
    for part in parts:
        found.update(part)
    return found.stored(marked=raw)


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=True) for name in one
    )


@given(blocks)
def test_all_samples_are_numpys_quantiles(features):
    got = of(features)
    assert list(got) == list(LEVELS)
    for name, level in LEVELS.items():
        # float64, since numpy's own differences of int16 overflow
        expected = np.quantile(features.reshape(len(features), -1).astype(float), level, axis=0)
        np.testing.assert_allclose(got[name], expected, rtol=1e-12, atol=1e-9)


@given(blocks, st.lists(st.integers(0, 12), max_size=4), st.floats(0.01, 1), st.integers(1, 5))
def test_neither_cut_nor_counting_is_seen(features, cuts, share, held):
    whole = of(features, share=share, seed=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HELD", held)
        assert same(whole, of(*np.split(features, sorted(cuts)), share=share, seed=4))


def test_share_is_drawn_by_the_seed():
    features = np.arange(1000, dtype=np.int16).reshape(-1, 1, 1)
    collected = Quantiles(1000, 0.1, 7)
    collected.update(features)
    chosen = np.concatenate(collected._rows)[:, 0]
    assert len(chosen) == 100
    got = collected.stored(marked=False)
    for name, level in LEVELS.items():
        np.testing.assert_allclose(got[name], [np.quantile(chosen, level)])
    assert same(got, of(features, share=0.1, seed=7))
    assert not same(got, of(features, share=0.1, seed=8))
    assert abs(got["quantile_0.5"][0] - 500) < 150


def test_a_small_share_is_one_sample_at_least():
    features = np.full((3, 1, 1), 42, np.int16)
    assert of(features, share=0.001)["quantile_0.95"].tolist() == [42]


def test_raw_dates_leave_out_what_is_not_valid():
    features = np.array(
        [[[5, 6], [-10000, -10000]], [[-20000, -20000]] * 2, [[7, 9], [-10000] * 2]]
    )
    features = features.astype(np.int16)
    got = of(features, raw=True)
    np.testing.assert_allclose(got["quantile_0.5"], [6, 7.5, np.nan, np.nan])
    assert of(features)["quantile_0.5"].tolist() == [5, 6, -10000, -10000]


def test_summary_has_them_in_physical_units():
    features = np.random.default_rng(0).integers(0, 9000, (500, 3, 2)).astype(np.int16)
    statistics, quantiles = Statistics(3, 2), Quantiles(500, 1, 0)
    statistics.update(features)
    quantiles.update(features)
    got = statistics.summary([10000, 1000], quantiles)
    physical = (features / [10000, 1000]).reshape(500, -1)
    for name, level in LEVELS.items():
        assert got.quantiles[name].dtype == np.float32
        np.testing.assert_allclose(got.quantiles[name], np.quantile(physical, level, 0), rtol=1e-6)
    assert list(got.as_dict()) == ["min", "max", "mean", "var", *LEVELS]


def test_refusals():
    for share in (0, -1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"share is .*a number above 0 and up to 1"):
            Quantiles(5, share, 0)
    found = Quantiles(2, 1, 0)
    found.update(np.zeros((1, 1, 1), np.int16))
    with pytest.raises(ValueError, match="1 of 2 samples seen: no quantiles yet"):
        found.stored(marked=False)
    with pytest.raises(ValueError, match="more than the 2 samples that were announced"):
        found.update(np.zeros((2, 1, 1), np.int16))
    with pytest.raises(ValueError, match="0 of 0 samples seen"):
        Quantiles(0, 1, 0).stored(marked=False)
