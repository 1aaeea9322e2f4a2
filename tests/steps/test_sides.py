"""Where polygons stand in the split of a run and in those of its folds."""

from collections import Counter
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from i2lc.steps.contract import MAIN, Unit
from i2lc.steps.reference import folds, regions, sides, split
from i2lc.steps.reference.ground import Ground
from i2lc.steps.reference.labels import Label, Labels

COUNT = 120
CLASSES = ("3", "7", "NA")
SETTINGS = split.SplitSettings(ratio=0.5)
NO_FOLD = np.zeros((0, COUNT), bool)


def ground_of(parts=None, region=None, tests=None, near=None, counts=None, own=None):
    """Polygons of three classes in turn.

    Parameters
    ----------
    parts : mapping of region to number of models
    region : sequence of str
        Region of each polygon.
    tests, near : ndarray of bool, (fold, polygon)
        Polygons that a fold holds out, and those too near to them.
    counts : sequence of int
        Usable pixels.
    own : sequence of bool
        Polygons of the ground truth; the others only test.
    """
    own = np.full(COUNT, True) if own is None else np.asarray(own)
    frame = gpd.GeoDataFrame(
        {
            "fid": range(COUNT),
            "value": [CLASSES[k % 3] for k in range(COUNT)],
            "polygon": [f"p{k:03}" for k in range(COUNT)],
            "own": own,
        },
        geometry=[shapely.box(k, 0, k + 1, 1) for k in range(COUNT)],
        crs="EPSG:2154",
    )
    labels = tuple(Label(k, value, f"c{k}", (0, 0, 0)) for k, value in enumerate(CLASSES, 1))
    names = tuple(sorted(set(region) - {""})) if region is not None else ()
    shapes = regions.Regions(names, np.array([shapely.box(0, 0, 1, 1)] * len(names), object))
    tests = NO_FOLD if tests is None else tests
    near = np.zeros_like(tests) if near is None else near
    return Ground(
        frame=frame,
        classes=Labels(labels),
        shapes=None if region is None else shapes,
        region=np.array([""] * COUNT if region is None else region, object),
        parts=parts or ({"": 1} if region is None else dict.fromkeys(names, 1)),
        placed=folds.Placed(
            tuple(str(k) for k in range(1, len(tests) + 1)), tests, own & ~tests & ~near
        ),
        counts=np.tile(np.full(COUNT, 5) if counts is None else counts, (9, 1)),
    )


def thirds():
    """Three folds that hold out a third of the polygons each, all classes alike."""
    return np.array([[k // 3 % 3 == fold for k in range(COUNT)] for fold in range(3)])


def drawn(ground, fold=MAIN, seed=0, **keys):
    settings = SETTINGS.model_copy(update=keys)
    return sides.draw(ground, Unit(fold=fold, seed=seed), settings)


def facts(found):
    return list(zip(found.side, found.part, found.model, strict=True))


def test_the_run_itself_is_drawn_as_without_folds():
    plain, folded = ground_of(), ground_of(tests=thirds())
    for seed in (0, 1):
        assert facts(drawn(folded, seed=seed)) == facts(drawn(plain, seed=seed))
    assert facts(drawn(plain, seed=0)) != facts(drawn(plain, seed=1))
    one = drawn(plain, random_seed=4, seed=3)
    assert facts(one) == facts(drawn(plain, random_seed=7, seed=0))


def test_the_sides_are_those_of_the_draw():
    found = drawn(ground_of())
    wanted = split.sides([(CLASSES[k % 3], f"p{k:03}") for k in range(COUNT)], 0.5, 0, True)
    assert list(zip(found.side, found.part, strict=True)) == list(wanted.values())
    assert found.learns.sum() == found.validates.sum() == COUNT // 2
    assert not found.tests.any()
    assert set(found.model) == {""}


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_a_fold_tests_what_it_holds_out_and_draws_the_rest(fold):
    tests = thirds()
    found = drawn(ground_of(tests=tests), fold)
    np.testing.assert_array_equal(found.tests, tests[fold - 1])
    assert set(found.part[found.tests]) == {""}
    rest = ~tests[fold - 1]
    assert set(found.side[rest]) == {"learning", "validation"}
    for value in range(3):
        of_class = np.arange(COUNT) % 3 == value
        learners = int((found.learns & of_class).sum())
        assert learners == split.share(int((rest & of_class).sum()), 0.5)


def test_a_polygon_of_the_buffer_stands_nowhere():
    tests = thirds()
    near = np.roll(tests, 1, axis=1) & ~tests
    found = drawn(ground_of(tests=tests, near=near), 2)
    assert near[1].sum() > 5
    assert set(found.side[near[1]]) == set(found.part[near[1]]) == {""}
    assert not (found.learns | found.validates | found.tests)[near[1]].any()
    others = ~near[1] & ~tests[1]
    assert set(found.side[others]) == {"learning", "validation"}


def test_the_draw_of_a_fold_is_that_of_a_run_with_these_polygons_alone():
    """What a fold holds out leaves no trace in the order of the others."""
    tests = thirds()
    found = drawn(ground_of(tests=tests), 1)
    kept = ~tests[0]
    alone = drawn(ground_of(counts=np.where(kept, 5, 0)))
    assert [pair for pair, keep in zip(facts(found), kept, strict=True) if keep] == [
        pair for pair, keep in zip(facts(alone), kept, strict=True) if keep
    ]


def test_a_polygon_without_a_pixel_is_not_drawn():
    counts = np.full(COUNT, 5)
    counts[::10] = 0
    found = drawn(ground_of(counts=counts))
    assert set(found.side[::10]) == set(found.part[::10]) == {""}
    assert (found.side[counts > 0] != "").all()


def test_polygons_that_only_test_never_teach_nor_validate():
    own = np.arange(COUNT) < 100
    tests = np.stack([~own, ~own & (np.arange(COUNT) % 2 == 0)])
    ground = ground_of(tests=tests, own=own)
    for fold in (MAIN, 1, 2):
        found = drawn(ground, fold)
        assert not (found.learns | found.validates)[~own].any()
        assert (found.learns | found.validates)[own].all()
    assert drawn(ground, 1).tests.sum() == 20
    assert drawn(ground, 2).tests.sum() == 10
    assert set(drawn(ground).side[~own]) == {""}


def test_without_a_split_all_learn_and_validate_but_the_tests():
    tests = thirds()
    found = drawn(ground_of(tests=tests), 3, split_ground_truth=False)
    assert set(found.side[~tests[2]]) == {"both"}
    assert set(found.side[tests[2]]) == {"test"}
    np.testing.assert_array_equal(found.learns, found.validates)
    np.testing.assert_array_equal(found.learns, ~tests[2])


# --- regions --------------------------------------------------------------------------------

REGION = ["west" if k < 90 else "east" for k in range(COUNT)]


def test_each_class_is_split_within_its_region():
    found = drawn(ground_of(region=REGION), ratio=0.3)
    for name, total in (("west", 30), ("east", 10)):
        for value in range(3):
            members = np.array([REGION[k] == name and k % 3 == value for k in range(COUNT)])
            assert members.sum() == total
            assert found.learns[members].sum() == round(total * 0.3)
            assert Counter(found.part[members])["training"] == round(round(total * 0.3) * 0.8)
    assert found.model.tolist() == REGION


def test_a_region_does_not_change_the_draw_of_another():
    found = drawn(ground_of(region=REGION))
    moved = [name if name == "west" else ("east", "south")[k % 2] for k, name in enumerate(REGION)]
    other = drawn(ground_of(region=moved))
    assert facts(found)[:90] == facts(other)[:90]
    assert facts(found)[90:] != facts(other)[90:]


@pytest.mark.parametrize("fold", [MAIN, 1])
def test_a_polygon_outside_of_all_regions_stands_nowhere(fold):
    region = ["" if k % 10 == 0 else name for k, name in enumerate(REGION)]
    found = drawn(ground_of(region=region, tests=thirds()), fold)
    assert set(found.side[::10]) == set(found.part[::10]) == {""}
    assert not found.tests[::10].any()


# --- models of a divided region -------------------------------------------------------------

PARTS = {"east": 1, "west": 3}
WEST = {"westf1", "westf2", "westf3"}


@pytest.mark.parametrize("fold", [MAIN, 2])
def test_learners_of_a_divided_region_are_dealt_to_its_models(fold):
    tests = thirds()
    found = drawn(ground_of(parts=PARTS, region=REGION, tests=tests), fold)
    west = np.array([name == "west" for name in REGION])
    assert set(found.model[~west]) == {"east"}
    assert set(found.model[west & found.learns]) == WEST
    assert set(found.model[west & ~found.learns]) == {""}
    for value in range(3):
        for part in ("training", "validation"):
            members = west & (np.arange(COUNT) % 3 == value) & (found.part == part)
            sizes = [int((found.model[members] == name).sum()) for name in sorted(WEST)]
            assert sum(sizes) == members.sum() >= 2
            assert max(sizes) - min(sizes) <= 1


def test_models_change_neither_sides_nor_sets():
    whole = drawn(ground_of(region=REGION))
    divided = drawn(ground_of(parts=PARTS, region=REGION))
    assert whole.side.tolist() == divided.side.tolist()
    assert whole.part.tolist() == divided.part.tolist()


def test_models_are_dealt_anew_by_each_seed():
    ground = ground_of(parts=PARTS, region=REGION)
    both = drawn(ground, 0), drawn(ground, seed=1)
    taught = both[0].learns & both[1].learns & (np.array(REGION) == "west")
    assert taught.sum() > 10
    assert both[0].model[taught].tolist() != both[1].model[taught].tolist()


def test_the_order_of_the_file_changes_nothing():
    ground = ground_of(parts=PARTS, region=REGION)
    order = np.random.default_rng(1).permutation(COUNT)
    shuffled = replace(
        ground,
        frame=ground.frame.iloc[order].reset_index(drop=True),
        region=ground.region[order],
    )
    plain, other = drawn(ground), drawn(shuffled)
    assert [facts(plain)[k] for k in order] == facts(other)
