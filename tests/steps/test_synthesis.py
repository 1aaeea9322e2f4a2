"""Synthetic samples of one class: copies, noise, points between neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from i2lc.steps.sampling import synthesis
from i2lc.steps.sampling.synthesis import NODATA

some = limits(max_examples=60, deadline=None)


def rows(size, features=3, seed=0, scale=3000):
    rng = np.random.default_rng(seed)
    return rng.integers(-scale, scale, (size, features)).astype(np.int16)


def joined(made):
    parts = list(made)
    features = np.concatenate([part.features for part in parts])
    assert features.dtype == np.int16
    return features, np.concatenate([part.sources for part in parts])


def rng(seed=0):
    return np.random.default_rng(seed)


MAKERS = {
    "replicate": lambda features, count, seed: synthesis.replicate(features, count, rng(seed)),
    "jitter": lambda features, count, seed: synthesis.jitter(features, count, 10, rng(seed)),
    "smote": lambda features, count, seed: synthesis.smote(features, count, 5, rng(seed)),
}
makers = st.sampled_from(sorted(MAKERS))


@some
@given(makers, st.integers(2, 40), st.integers(1, 300), st.integers(0, 9))
def test_as_many_as_asked_from_samples_of_the_class(name, size, count, seed):
    features = rows(size, seed=seed)
    made, sources = joined(MAKERS[name](features, count, seed))
    assert made.shape == (count, 3)
    assert sources.shape == (count,)
    assert 0 <= sources.min() <= sources.max() < size


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_seed_decides(name):
    features = rows(50)
    first, again, other = (joined(MAKERS[name](features, 30, seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_more_than_a_piece_is_made_of_all_samples(name):
    features = rows(60)
    made, sources = joined(MAKERS[name](features, 2 * synthesis.PIECE + 5, 0))
    assert len(made) == 2 * synthesis.PIECE + 5
    assert set(sources) == set(range(60))


@some
@given(makers, st.integers(2, 30), st.floats(0.1, 0.9), st.integers(0, 9))
def test_nodata_stays_where_the_source_has_it_and_is_made_nowhere(name, size, share, seed):
    features = rows(size, 4, seed, scale=10300)  # values on both sides of -10000
    holes = np.random.default_rng(seed).random(features.shape) < share
    features[features == NODATA] += 1
    features[holes] = NODATA
    made, sources = joined(MAKERS[name](features, 80, seed))
    np.testing.assert_array_equal(made == NODATA, features[sources] == NODATA)


# --- replicate --------------------------------------------------------------------------------


@some
@given(st.integers(1, 30), st.integers(1, 200), st.integers(0, 9))
def test_replicates_are_copies_each_sample_as_often_as_any_other(size, count, seed):
    features = rows(size)
    made, sources = joined(synthesis.replicate(features, count, rng(seed)))
    np.testing.assert_array_equal(made, features[sources])
    times = np.bincount(sources, minlength=size)
    assert times.max() - times.min() <= 1


# --- jitter -----------------------------------------------------------------------------------


def test_the_noise_has_the_class_s_spread_over_the_factor_feature_by_feature():
    spread = np.array([50, 400, 2000])
    features = np.rint(rng().standard_normal((500, 3)) * spread + 3000).astype(np.int16)
    made, sources = joined(synthesis.jitter(features, 40000, 4, rng(1)))
    noise = made.astype(float) - features[sources]
    np.testing.assert_allclose(noise.std(axis=0), features.std(axis=0) / 4, rtol=0.02)
    np.testing.assert_allclose(noise.mean(axis=0) / spread, 0, atol=0.005)
    between = np.corrcoef(noise.T)[~np.eye(3, dtype=bool)]
    assert np.abs(between).max() < 0.03
    middle = np.abs(noise) < features.std(axis=0) / 4
    np.testing.assert_allclose(middle.mean(axis=0), 0.683, atol=0.03)  # normal, not uniform


def test_jitter_stays_within_what_is_stored_and_leaves_constants():
    features = np.array([[32767, -32768, 7], [32000, -32000, 7]], np.int16)
    made, sources = joined(synthesis.jitter(features, 2000, 0.5, rng()))
    assert (made[:, 2] == 7).all()
    assert (made[:, 0] == 32767).any()
    assert (made[:, 1] == -32768).any()
    assert made[:, 0].min() > 20000  # nothing wrapped round
    assert made[:, 1].max() < -20000
    assert set(sources) == {0, 1}


# --- smote ------------------------------------------------------------------------------------


def nearest(features, row, number):
    """Give the nearest neighbours of a sample in standardised features, by definition."""
    values = features.astype(float)
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    distance = ((standard - standard[row]) ** 2).sum(axis=1) ** 0.5
    distance[row] = np.inf
    rounded = features.shape[1] ** 0.5 / synthesis.QUANTUM  # one as near may stand for another
    return set(np.flatnonzero(distance <= np.sort(distance)[number - 1] + rounded))


@some
@given(st.integers(2, 25), st.integers(1, 7), st.integers(0, 99))
def test_points_lie_between_a_sample_and_one_of_its_neighbours(size, neighbors, seed):
    features = rows(size, 4, seed) * np.array([1, 1, 1, 0], np.int16) // np.array([1, 50, 1, 1])
    features = features.astype(np.int16)
    made, sources = joined(synthesis.smote(features, 60, neighbors, rng(seed)))
    for point, source in zip(made, sources, strict=True):
        others = nearest(features, source, min(neighbors, size - 1))
        assert any(on_segment(point, features[source], features[other]) for other in others)


def on_segment(point, near, far):
    """Tell whether a rounded point lies on the segment between two."""
    step = far.astype(float) - near
    longest = np.abs(step).argmax()
    if step[longest] == 0:
        return bool((point == near).all())
    share = (float(point[longest]) - near[longest]) / step[longest]
    wide = 0.51 + 0.5 * np.abs(step) / np.abs(step[longest])  # the share is rounded as well
    return -1e-9 <= share <= 1 + 1e-9 and bool((np.abs(near + share * step - point) <= wide).all())


def test_smote_draws_all_neighbours_and_all_of_the_segment():
    features = np.array([[0], [1000], [3000], [6000]], np.int16)
    made, sources = joined(synthesis.smote(features, 4000, 2, rng()))
    mine = made[sources == 0, 0]  # half of them towards 1000, half towards 3000
    assert 900 < len(mine) < 1100
    for below in (500, 1000, 2000, 2900):
        share = 0.5 * min(below / 1000, 1) + 0.5 * below / 3000
        assert abs((mine <= below).mean() - share) < 0.06
    assert made.max() <= 6000


def test_neighbours_are_standardised():
    """A feature of large numbers does not decide alone."""
    features = np.array([[0, 0], [9000, 1], [100, 9], [8000, 0]], np.int16)
    found = synthesis.neighbours(synthesis.standardised(features), np.arange(4), 3)
    for row in range(4):
        assert set(found[row, :1]) == nearest(features, row, 1)
    raw = ((features[0].astype(int) - features) ** 2).sum(axis=1)
    assert np.argsort(raw)[1] == 2
    assert found[0, 0] == 3


@some
@given(st.integers(2, 40), st.integers(0, 99), st.data())
def test_neighbours_are_those_of_sorting_all_distances(size, seed, data):
    number = data.draw(st.integers(1, size - 1))
    features = rows(size, 2, seed, scale=3)  # many as near
    standard = synthesis.standardised(features)
    found = synthesis.neighbours(standard, np.arange(size), number)
    for row in range(size):
        distance = ((standard - standard[row]) ** 2).sum(axis=1)
        distance[row] = np.inf
        assert found[row].tolist() == np.argsort(distance, kind="stable")[:number].tolist()


def test_neighbours_do_not_follow_the_blocks(monkeypatch):
    standard = synthesis.standardised(rows(70, 5))
    whole = synthesis.neighbours(standard, np.arange(70), 6)
    monkeypatch.setattr(synthesis, "BLOCK_BYTES", 32 * 70 * 3)
    np.testing.assert_array_equal(synthesis.neighbours(standard, np.arange(70), 6), whole)


def test_moments_leave_nodata_out_and_are_exact():
    features = np.array([[5, NODATA, 1], [5, NODATA, NODATA], [5, NODATA, 4]], np.int16)
    mean, spread = synthesis.moments(features)
    assert mean.tolist() == [5, 0, 2.5]
    assert spread.tolist() == [0, 0, 1.5]
    constant = np.full((9999, 1), 9999, np.int16)
    assert synthesis.moments(constant)[1].tolist() == [0]
    many = rows(9000)
    mean, spread = synthesis.moments(many)
    np.testing.assert_allclose(mean, many.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread, many.std(axis=0), rtol=1e-12)


def test_what_is_held_is_counted():
    assert synthesis.memory("jitter", 1000, 100) == 2 * 1000 * 100 + 24 * 4096 * 100
    more = synthesis.memory("smote", 1000, 100) - synthesis.memory("replicate", 1000, 100)
    assert more == 8 * 1000 * 100 + 64 * 1024**2
