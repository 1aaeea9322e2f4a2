"""Which pixels of a class are picked: places of the samplers."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.steps.sampling.picker import Picker


def picked(available, wanted, cuts, *, periodic=False, jitter=0, seed=0):
    """Pick from a list given in pieces; give absolute positions."""
    picker = Picker(available, wanted, np.random.default_rng(seed), periodic, jitter)
    edges = [0, *sorted(cuts), available]
    parts = [start + picker.pick(stop - start) for start, stop in pairwise(edges)]
    assert picker.seen == available
    found = np.concatenate(parts)
    assert picker.picked == len(found)
    return found.tolist()


lists = st.integers(1, 200).flatmap(
    lambda n: st.tuples(
        st.just(n), st.integers(0, n), st.lists(st.integers(0, n), max_size=6), st.integers(0, 99)
    )
)
few = settings(max_examples=80, deadline=None)


@few
@given(lists, st.booleans(), st.integers(0, 9))
def test_exactly_the_number_wanted_is_picked_each_pixel_once(case, periodic, jitter):
    available, wanted, cuts, seed = case
    places = picked(available, wanted, cuts, periodic=periodic, jitter=jitter, seed=seed)
    assert len(places) == wanted
    assert places == sorted(set(places))
    assert not places or (places[0] >= 0 and places[-1] < available)


@few
@given(lists, st.integers(0, 9))
def test_periodic_does_not_depend_on_the_pieces(case, jitter):
    available, wanted, cuts, seed = case
    keys = {"periodic": True, "jitter": jitter, "seed": seed}
    assert picked(available, wanted, cuts, **keys) == picked(available, wanted, [], **keys)


@few
@given(lists, st.integers(1, 9))
def test_jitter_moves_a_pick_forward_within_its_period(case, jitter):
    available, wanted, cuts, seed = case
    places = picked(available, wanted, cuts, periodic=True, jitter=jitter, seed=seed)
    steady = [k * available // wanted for k in range(wanted)]
    for place, start, behind in zip(places, steady, [*steady, available][1:], strict=True):
        assert start <= place <= start + jitter
        assert place < behind


def test_jitter_moves_at_all_and_reaches_its_bound():
    places = picked(1000, 100, [], periodic=True, jitter=3)
    moves = {place - 10 * k for k, place in enumerate(places)}
    assert moves == {0, 1, 2, 3}


def test_periodic_half_is_one_of_two():
    assert picked(10, 5, [3], periodic=True) == [0, 2, 4, 6, 8]
    assert picked(10, 3, [3], periodic=True) == [0, 3, 6]
    assert picked(10, 10, [3], periodic=True) == list(range(10))
    assert picked(10, 0, [3], periodic=True) == []


def test_random_is_uniform_over_pixels_whatever_the_pieces():
    draws = 2000
    counts = np.zeros(12)
    together = np.zeros((12, 12))
    for seed in range(draws):
        places = picked(12, 4, [5, 5, 11], seed=seed)
        counts[places] += 1
        together[np.ix_(places, places)] += 1
    spread = (draws * (1 / 3) * (2 / 3)) ** 0.5
    assert np.abs(counts - draws / 3).max() < 4.5 * spread
    pairs = together[~np.eye(12, dtype=bool)]
    share = (4 * 3) / (12 * 11)
    assert np.abs(pairs - draws * share).max() < 5 * (draws * share * (1 - share)) ** 0.5


def test_random_is_seeded():
    assert picked(200, 20, [50], seed=1) == picked(200, 20, [50], seed=1)
    assert picked(200, 20, [50], seed=1) != picked(200, 20, [50], seed=2)
