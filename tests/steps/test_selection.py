"""Which pixels become samples: numbers of the strategies, places of the samplers, the step."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from i2lc.errors import InputError
from i2lc.steps import rasters, selection
from i2lc.steps.artifacts import LABELS, POLYGONS, REFERENCE, SEED_STATISTICS, SELECTION
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.labels import Label, Labels
from i2lc.steps.sampling import Picker, SampleSelection, asked

AVAILABLE = {1: 10, 2: 101, 3: 0, 5: 1000}
WHOLE = 1111


@pytest.mark.parametrize(
    ("keys", "by_class", "expected"),
    [
        ({"strategy": "all"}, {}, AVAILABLE),
        # 1.0 2.5 5 -> half to even
        (
            {"strategy": "percent", "strategy.percent.p": 0.25},
            {},
            {1: 2, 2: 25, 3: 0, 5: 250},
        ),
        (
            {"strategy": "constant", "strategy.constant.nb": 50},
            {},
            {1: 50, 2: 50, 3: 50, 5: 50},
        ),
        (
            {"strategy": "total", "strategy.total.v": 500},
            {},
            {1: round(5000 / WHOLE), 2: round(50500 / WHOLE), 3: 0, 5: round(500000 / WHOLE)},
        ),
        # the smallest class that has a pixel
        ({"strategy": "smallest"}, {}, {1: 10, 2: 10, 3: 10, 5: 10}),
        (
            {"strategy": "byclass", "strategy.byclass.in": "/a.csv"},
            {1: 7, 5: 2000},
            {1: 7, 2: 0, 3: 0, 5: 2000},
        ),
    ],
)
def test_numbers_of_each_strategy(keys, by_class, expected):
    assert asked(AVAILABLE, SampleSelection(**keys), by_class) == expected


def test_total_and_smallest_of_nothing_ask_for_nothing():
    for keys in ({"strategy": "total", "strategy.total.v": 5}, {"strategy": "smallest"}):
        assert asked({1: 0, 2: 0}, SampleSelection(**keys), {}) == {1: 0, 2: 0}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strategy": "percent"}, "strategy percent needs strategy.percent.p"),
        ({"strategy": "constant"}, "strategy constant needs strategy.constant.nb"),
        ({"strategy": "total"}, "strategy total needs strategy.total.v"),
        ({"strategy": "byclass"}, "strategy byclass needs strategy.byclass.in"),
        ({"strategy.constant.nb": 5}, "strategy.constant.nb belongs to strategy constant, not all"),
        ({"sampler.periodic.jitter": 2}, "sampler.periodic.jitter belongs to sampler periodic"),
        ({"strategy": "percent", "strategy.percent.p": 1.5}, "less than or equal to 1"),
        ({"strategy": "percent", "strategy.percent.p": 0}, "greater than 0"),
        ({"strategy": "most"}, "'all', 'percent', 'constant', 'total', 'smallest' or 'byclass'"),
        ({"strategy.constant": 5}, "Extra inputs are not permitted"),
    ],
)
def test_keys_that_contradict_are_refused(keys, message):
    with pytest.raises(ValidationError) as caught:
        SampleSelection(**keys)
    assert message in str(caught.value)


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


def test_pick_band_marks_the_set_of_the_polygon_and_continues_over_bands():
    # polygon 1: class 7, training; 2: class 9, validation; 3: class 7, validation
    codes, marks = np.array([0, 7, 9, 7]), np.array([0, 1, 2, 2], np.uint8)
    pickers = {
        7: Picker(6, 3, np.random.default_rng(0), periodic=True, jitter=0),
        9: Picker(2, 2, np.random.default_rng(0), periodic=True, jitter=0),
    }
    first = np.array([[1, 0, 1], [2, 1, 3]], np.uint32)  # class 7: places 0 1 2 3
    second = np.array([[3, 3, 2]], np.uint32)  # class 7: places 4 5
    np.testing.assert_array_equal(
        selection.pick_band(first, pickers, codes, marks), [[1, 0, 0], [2, 1, 0]]
    )
    np.testing.assert_array_equal(selection.pick_band(second, pickers, codes, marks), [[2, 0, 2]])
    assert (pickers[7].picked, pickers[9].picked) == (3, 2)


# --- the step -------------------------------------------------------------------------------

TILES = ("T31TCJ", "T31TDJ")
SHAPE = (300, 20)  # more rows than a band of 256


def references(seed=0):
    """Polygon numbers of two tiles: 1 and 2 of class 10, 3 of class 20, 4 of class 30 (none)."""
    rng = np.random.default_rng(seed)
    return {tile: rng.choice([0, 1, 2, 3], SHAPE, p=[0.4, 0.3, 0.2, 0.1]) for tile in TILES}


@pytest.fixture
def run(tmp_path: Path):
    tables = references()
    classes = Labels(
        tuple(Label(code, str(code), f"class {code}", (0, 0, 0)) for code in (10, 20, 30))
    )
    unit = Unit(seed=0)
    classes.save(tmp_path / LABELS.path(unit))
    pd.DataFrame(
        {
            "number": [1, 2, 3, 4],
            "class": [10, 10, 20, 30],
            "label": [10, 10, 20, 30],
            "side": "learning",
            "set": ["training", "validation", "training", ""],
        }
    ).to_csv(tmp_path / POLYGONS.path(unit), index=False)
    for column, tile in enumerate(TILES):
        gbox = GeoBox(SHAPE, Affine(10, 0, column * 1000, 0, -10, 5000), "EPSG:2154")
        path = tmp_path / REFERENCE.path(Unit(tile=tile, seed=0))
        with rasters.create(path, gbox, "uint32", 2) as raster:
            raster.write(np.stack([tables[tile], np.full(SHAPE, 3)]).astype(np.uint32))

    def select(seed=0, **keys):
        tiles = [Unit(tile=tile, seed=0) for tile in TILES]
        settings_ = selection.Settings(sample_selection=SampleSelection(**keys), random_seed=seed)
        selection.select(
            Job(
                unit=unit,
                settings=settings_,
                root=tmp_path,
                inputs=(
                    *(File(REFERENCE, tile) for tile in tiles),
                    File(POLYGONS, unit),
                    File(LABELS, Unit()),
                ),
                outputs=(*(File(SELECTION, tile) for tile in tiles), File(SEED_STATISTICS, unit)),
            )
        )
        marks = {}
        for tile in tiles:
            with rasterio.open(tmp_path / SELECTION.path(tile)) as raster:
                assert raster.dtypes == ("uint8",)
                marks[tile.tile] = raster.read(1)
        table = pd.read_csv(tmp_path / SEED_STATISTICS.path(unit)).set_index("label")
        return tables, marks, table

    return select


def test_all_selects_every_pixel_with_the_mark_of_its_polygon(run):
    tables, marks, statistics = run(strategy="all")
    for tile in TILES:
        expected = np.array([0, 1, 2, 1])[tables[tile]]
        np.testing.assert_array_equal(marks[tile], expected)
    both = np.concatenate(list(tables.values()))
    counts = {10: ((both == 1) | (both == 2)).sum(), 20: (both == 3).sum(), 30: 0}
    for column in ("available", "asked", "taken"):
        assert statistics[column].to_dict() == counts
    assert statistics["class"].to_dict() == {10: "class 10", 20: "class 20", 30: "class 30"}
    assert set(statistics["model"]) == {1}
    assert set(statistics["seed"]) == {0}


@pytest.mark.parametrize("sampler", ["random", "periodic"])
def test_requests_above_what_exists_are_cut_to_it_over_all_tiles(run, sampler):
    tables, marks, statistics = run(
        sampler=sampler, strategy="constant", **{"strategy.constant.nb": 2000}
    )
    both = np.concatenate(list(tables.values()))
    chosen = np.concatenate(list(marks.values()))
    rare = int((both == 3).sum())
    assert rare < 2000 < int(np.isin(both, (1, 2)).sum())
    assert statistics["asked"].to_dict() == {10: 2000, 20: 2000, 30: 2000}
    assert statistics["taken"].to_dict() == {10: 2000, 20: rare, 30: 0}
    assert int((chosen[np.isin(both, (1, 2))] != 0).sum()) == 2000
    assert (chosen[both == 3] == 1).all()
    assert not chosen[both == 0].any()
    assert not (chosen[both == 2] == 1).any()
    assert not (chosen[both == 1] == 2).any()
    shares = [int((marks[tile] != 0).sum()) for tile in TILES]
    assert min(shares) > 0.4 * sum(shares)  # both tiles give


def test_periodic_half_takes_every_second_pixel_over_tiles_and_rows(run):
    tables, marks, _ = run(sampler="periodic", strategy="percent", **{"strategy.percent.p": 0.5})
    numbers = np.concatenate([tables[tile].ravel() for tile in TILES])
    chosen = np.concatenate([marks[tile].ravel() for tile in TILES])
    of_class = chosen[np.isin(numbers, (1, 2))] != 0
    wanted = round(len(of_class) * 0.5)
    expected = np.zeros(len(of_class), bool)
    expected[[k * len(of_class) // wanted for k in range(wanted)]] = True
    np.testing.assert_array_equal(of_class, expected)


def test_the_draw_is_that_of_the_seed(run):
    keys = {"strategy": "percent", "strategy.percent.p": 0.5}
    _, one, _ = run(**keys, seed=1)
    _, again, _ = run(**keys, seed=1)
    _, other, _ = run(**keys, seed=2)
    assert all(np.array_equal(one[tile], again[tile]) for tile in TILES)
    assert any(not np.array_equal(one[tile], other[tile]) for tile in TILES)


def test_a_class_keeps_its_draw_when_another_one_is_asked_for_less(run, tmp_path):
    path = tmp_path / "numbers.csv"
    drawn = []
    for count in (900, 5):
        path.write_text(f"10,{count}\n20,40\n")
        tables, marks, _ = run(strategy="byclass", **{"strategy.byclass.in": path})
        drawn.append([np.where(tables[tile] == 3, marks[tile], 0) for tile in TILES])
    assert sum(int((mark != 0).sum()) for mark in drawn[0]) == 40
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_byclass_reads_its_numbers_from_the_file(run, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("20, 7\n\n10 ,3\n")
    _, marks, statistics = run(strategy="byclass", **{"strategy.byclass.in": path})
    assert statistics["asked"].to_dict() == {10: 3, 20: 7, 30: 0}
    assert sum(int((mark != 0).sum()) for mark in marks.values()) == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10,5\n99,3\n", "line 2: want 'label,count' with a label of the ground truth, got '99,3'"),
        ("10,many\n", "line 1: want 'label,count' with a label of the ground truth, got '10,many'"),
        ("10,-5\n", "line 1"),
        ("10\n", "line 1"),
    ],
)
def test_a_wrong_line_of_byclass_is_named(run, tmp_path, text, message):
    path = tmp_path / "numbers.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        run(strategy="byclass", **{"strategy.byclass.in": path})
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_of_byclass_is_named(run, tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv cannot be read"):
        run(strategy="byclass", **{"strategy.byclass.in": tmp_path / "absent.csv"})
