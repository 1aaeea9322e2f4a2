"""The draw of polygons: numbers, and what the draw may depend on."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.steps.reference import split

few = settings(max_examples=60, deadline=None)

grounds = st.dictionaries(
    st.sampled_from(["1", "2", "12", "corn", "forêt"]), st.integers(1, 12), min_size=1
).map(lambda sizes: [(value, f"{value}-{k}") for value, n in sizes.items() for k in range(n)])
ratios = st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9])
seeds = st.integers(0, 50)


def members(ground, value):
    return [polygon for v, polygon in ground if v == value]


@pytest.mark.parametrize(
    ("count", "ratio", "first"),
    [
        (0, 0.5, 0),
        (1, 0.5, 1),  # a single polygon learns
        (1, 0.01, 1),
        (2, 0.5, 1),
        (2, 0.99, 1),  # at least one validates
        (2, 0.01, 1),  # at least one learns
        (3, 0.5, 2),  # 1.5 -> 2
        (5, 0.5, 2),  # 2.5 -> 2
        (7, 0.5, 4),  # 3.5 -> 4
        (9, 0.5, 4),  # 4.5 -> 4
        (10, 0.25, 2),  # 2.5 -> 2
        (10, 0.75, 8),  # 7.5 -> 8
        (10, 0.7, 7),
        (100, 0.8, 80),
        (100, 0.999, 99),
    ],
)
def test_share_rounds_half_to_even_and_leaves_one_on_each_side(count, ratio, first):
    assert split.share(count, ratio) == first


@few
@given(st.integers(2, 10_000), st.integers(1, 63))
def test_share_is_the_nearest_number_within_the_bounds(count, sixty_fourths):
    exact = Fraction(count * sixty_fourths, 64)
    assert split.share(count, sixty_fourths / 64) == min(max(round(exact), 1), count - 1)


@few
@given(grounds, ratios, seeds)
def test_every_polygon_is_on_one_side_and_every_class_has_its_share(ground, ratio, seed):
    placed = split.sides(ground, ratio, seed, split=True)
    assert set(placed) == {polygon for _, polygon in ground}
    assert {side for side, _ in placed.values()} <= {"learning", "validation"}
    for value in {v for v, _ in ground}:
        own = members(ground, value)
        learning = [p for p in own if placed[p][0] == "learning"]
        training = [p for p in learning if placed[p][1] == "training"]
        assert len(learning) == split.share(len(own), ratio)
        assert len(training) == split.share(len(learning), 0.8)
        assert all(placed[p] == ("learning", "validation") for p in set(learning) - set(training))
        assert all(placed[p] == ("validation", "") for p in set(own) - set(learning))


@few
@given(grounds, ratios, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_file_changes_nothing(ground, ratio, seed, random):
    shuffled = random.sample(ground, len(ground))
    assert split.sides(shuffled, ratio, seed, True) == split.sides(ground, ratio, seed, True)


@few
@given(grounds, ratios, seeds)
def test_other_classes_change_nothing(ground, ratio, seed):
    together = split.sides(ground, ratio, seed, True)
    apart = {}
    for value in {v for v, _ in ground}:
        apart |= split.sides([pair for pair in ground if pair[0] == value], ratio, seed, True)
    assert together == apart


@few
@given(grounds, ratios, seeds, st.booleans())
def test_a_new_polygon_moves_no_polygon_of_another_class(ground, ratio, seed, split_asked):
    value = ground[0][0]
    before = split.sides(ground, ratio, seed, split_asked)
    after = split.sides([*ground, (value, "new")], ratio, seed, split_asked)
    for other, polygon in ground:
        if other != value:
            assert after[polygon] == before[polygon]


def test_a_new_polygon_changes_the_side_of_one_at_most():
    ground = [("1", f"p{k}") for k in range(20)]
    before = split.sides(ground, 0.5, 3, True)
    for extra in range(20):
        after = split.sides([*ground, ("1", f"extra{extra}")], 0.5, 3, True)
        assert sum(after[p][0] != before[p][0] for _, p in ground) <= 1


def test_seeds_draw_differently_and_each_polygon_learns_as_often_as_asked():
    ground = [("1", f"p{k}") for k in range(20)]
    draws = [split.first_side(ground, 0.25, seed, "side") for seed in range(400)]
    assert len({frozenset(draw) for draw in draws}) > 390
    for _, polygon in ground:
        taken = sum(polygon in draw for draw in draws)
        assert abs(taken - 100) < 5 * (400 * 0.25 * 0.75) ** 0.5


def test_the_second_draw_does_not_follow_the_first():
    """Were the ranks shared, those that learn for the least share would always train."""
    ground = [("1", f"p{k}") for k in range(20)]
    sides = [split.first_side(ground, 0.5, seed, "side") for seed in range(50)]
    sets = [split.first_side(ground, 0.5, seed, "network") for seed in range(50)]
    common = sum(len(a & b) for a, b in zip(sides, sets, strict=True))
    assert 200 < common < 300  # 250 by chance, 500 if they were the same


def test_the_class_is_part_of_the_draw():
    one = split.first_side([("1", f"p{k}") for k in range(20)], 0.5, 0, "side")
    two = split.first_side([("2", f"p{k}") for k in range(20)], 0.5, 0, "side")
    assert len(one) == len(two) == 10
    assert one != two


@few
@given(grounds, seeds)
def test_without_a_split_all_stand_on_both_sides_and_the_network_still_splits(ground, seed):
    placed = split.sides(ground, 0.5, seed, split=False)
    assert {side for side, _ in placed.values()} == {"both"}
    for value in {v for v, _ in ground}:
        own = members(ground, value)
        training = [p for p in own if placed[p][1] == "training"]
        assert len(training) == split.share(len(own), 0.8)


def test_random_seed_none_is_a_legal_setting():
    assert split.SeedSettings().random_seed is None
    assert split.SeedSettings(random_seed=4).random_seed == 4
