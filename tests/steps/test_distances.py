"""Accuracy against the distance to the nearest learning polygon."""

import math

import numpy as np
import pandas as pd
import pytest
import shapely
from matplotlib import image

from i2lc.steps.files import store
from i2lc.steps.scoring import distances
from i2lc.steps.scoring.distances import Bin


def squares(*lefts):
    return np.array([shapely.box(x, 0, x + 10, 10) for x in lefts], object)


def table(found, pixels=10, correct=5):
    found = np.asarray(found, float)
    return pd.DataFrame(
        {
            "distance": found,
            "polygon": np.arange(1, len(found) + 1),
            "pixels": pixels,
            "correct": correct,
        }
    )


def test_distance_is_from_outline_to_outline():
    found = distances.nearest(squares(0, 100, 1000), squares(30, 990))
    assert found.tolist() == [20.0, 60.0, 0.0]


def test_distance_within_another_polygon_is_zero():
    inner, outer = shapely.box(4, 4, 5, 5), shapely.box(0, 0, 10, 10)
    assert distances.nearest(np.array([inner]), np.array([outer])).tolist() == [0.0]


def test_many_learners_at_one_distance_count_once():
    assert distances.nearest(squares(0), squares(20, 20, -20)).tolist() == [10.0]


def test_no_learner_is_infinitely_far_and_no_test_is_nothing():
    assert distances.nearest(squares(0), squares()).tolist() == [math.inf]
    assert len(distances.nearest(squares(), squares(0))) == 0


def test_ranges_hold_equally_many_polygons():
    found = distances.bins(table(np.arange(100.0)))
    assert len(found) == 10
    assert [one.polygons for one in found] == [10] * 10
    assert [(one.near, one.far) for one in found[:3]] == [(0, 9), (9, 19), (19, 29)]
    assert found[-1].far == 99


def test_a_range_holds_its_upper_edge_and_sums_pixels():
    rows = table(np.arange(20.0))
    rows["pixels"] = np.where(rows["distance"] < 10, 10, 30)
    rows["correct"] = np.where(rows["distance"] < 10, 9, 6)
    near, far = distances.bins(rows)
    assert (near.near, near.far, near.polygons, near.pixels, near.oa) == (0, 9, 10, 100, 0.9)
    assert (far.near, far.far, far.polygons, far.pixels, far.oa) == (9, 19, 10, 300, 0.2)
    assert (near.low, near.high) == (0.9, 0.9)  # all polygons alike


def test_large_polygons_weigh_by_their_pixels():
    rows = table(np.zeros(4))
    rows["pixels"], rows["correct"] = [97, 1, 1, 1], [97, 0, 0, 0]
    assert distances.bins(rows)[0].oa == 0.97


def test_few_polygons_are_one_range():
    found = distances.bins(table([5, 7, 900], correct=[0, 5, 10]))
    assert [(one.near, one.far, one.polygons) for one in found] == [(5, 900, 3)]
    assert found[0].oa == 0.5


def test_the_rest_joins_the_range_before_it():
    found = distances.bins(table(np.arange(19.0)))
    assert [(one.near, one.far, one.polygons) for one in found] == [(0, 18, 19)]
    found = distances.bins(table(np.arange(27.0)))
    assert [one.polygons for one in found] == [10, 17]


def test_polygons_at_one_distance_are_never_parted():
    found = distances.bins(table([0.0] * 35 + [*range(1, 66)]))
    assert [one.polygons for one in found] == [35, 10, 10, 10, 10, 10, 15]
    assert (found[0].near, found[0].far) == (0, 0)


def test_all_distances_zero():
    found = distances.bins(table([0.0] * 50))
    assert [(one.near, one.far, one.polygons, one.pixels) for one in found] == [(0, 0, 50, 500)]


def test_rows_without_pixel_or_learner_are_left_out():
    rows = table([1, 2, math.inf], pixels=[0, 4, 4], correct=[0, 1, 4])
    (found,) = distances.bins(rows)
    assert (found.polygons, found.pixels, found.oa) == (1, 4, 0.25)
    assert distances.bins(rows.iloc[:1]) == []


def test_one_polygon_has_no_interval():
    (found,) = distances.bins(table([3]))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_interval_covers_the_spread_of_polygons_not_of_pixels():
    """100 polygons of 1000 pixels, each all right or all wrong: as 100 coins, not 100,000."""
    rows = table(np.zeros(100), pixels=1000, correct=np.repeat([0, 1000], 50))
    (found,) = distances.bins(rows)
    width = 1.96 * math.sqrt(0.25 / 100)
    assert found.low == pytest.approx(0.5 - width, abs=0.02)
    assert found.high == pytest.approx(0.5 + width, abs=0.02)
    assert distances.bins(rows) == [found]  # drawn from a fixed seed


def test_seeds_of_a_polygon_are_one_polygon():
    """More seeds of the same polygons are no more evidence."""
    one = table(np.zeros(100), pixels=1000, correct=np.repeat([0, 1000], 50))
    (single,), (many,) = distances.bins(one), distances.bins(pd.concat([one] * 9))
    assert (many.polygons, many.pixels) == (100, 900_000)
    assert (many.low, many.high) == (single.low, single.high)


def test_seeds_make_no_more_ranges():
    rows = table(np.arange(20.0))
    assert len(distances.bins(pd.concat([rows] * 5))) == len(distances.bins(rows)) == 2


FOUND = [
    Bin(0.0, 0.0, 12, 3400, 0.75, 0.7, 0.8),
    Bin(0.0, 1234.56, 1, 5, 0.2, math.nan, math.nan),
]


def test_text_of_the_table():
    assert distances.as_csv(FOUND) == (
        "from,to,polygons,pixels,oa,low,high\n"
        "0.0,0.0,12,3400,0.750000,0.700000,0.800000\n"
        "0.0,1234.6,1,5,0.200000,,\n"
    )
    assert distances.as_csv([]) == "from,to,polygons,pixels,oa,low,high\n"


@pytest.mark.parametrize(
    ("found", "same_area"),
    [
        (FOUND, 0.9),
        ([], 0.9),
        ([], math.nan),
        (FOUND[:1], math.nan),
        ([Bin(5.0, 9.0, 4, 9, 0.1, 0.0, 0.3), Bin(9.0, 20000.0, 40, 9, 0.1, 0.0, 0.3)], 0.5),
    ],
)
def test_figure_of_any_table(tmp_path, found, same_area):
    distances.draw(tmp_path / "a.png", found, same_area)
    assert store.defect(tmp_path / "a.png") is None
    colors = np.unique(image.imread(tmp_path / "a.png")[..., :3].reshape(-1, 3), axis=0)
    orange = any(r > 0.9 and 0.4 < g < 0.6 and b < 0.2 for r, g, b in colors)
    blue = any(r < 0.2 and 0.4 < g < 0.55 and b > 0.6 for r, g, b in colors)
    assert orange == (not math.isnan(same_area))
    assert blue == bool(found)


def test_figure_is_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        distances.draw(tmp_path / name, FOUND, 0.9)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_distances_that_differ_by_rounding_are_one():
    """A thousandth of a millimetre, of coordinates of millions of metres, parts no bin."""
    tests = [shapely.box(0, 0, 10, 10), shapely.box(100 + 1e-7, 0, 110, 10)]
    learners = [shapely.box(26, 0, 84, 10)]
    found = distances.nearest(np.array(tests, object), np.array(learners, object))
    assert found.tolist() == [16.0, 16.0]
