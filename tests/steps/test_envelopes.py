"""Which tile owns a pixel of an overlap: every pixel has one owner."""

from datetime import date

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from i2lc.steps import envelopes
from i2lc.steps.artifacts import DATE_GRID, ENVELOPE, TILE_INDEX, VIEWS
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import rasters, store
from i2lc.steps.sensors.base import Product
from i2lc.steps.tiles import grid, tile
from i2lc.steps.tiles.layout import load_dates
from i2lc.steps.tiles.tile import TileIndex

OUTSIDE, NEVER, SEEN, AMID = -1, 0, 1, 2


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    """To wait for the disk is no part of these rules, and would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_flush", lambda _: None)
        yield


@pytest.mark.parametrize(
    ("before", "mine", "after", "owned"),
    [
        # alone
        (OUTSIDE, NEVER, OUTSIDE, True),
        (OUTSIDE, SEEN, OUTSIDE, True),
        # the tile of higher priority saw it: its pixel
        (SEEN, NEVER, OUTSIDE, False),
        (SEEN, SEEN, OUTSIDE, False),
        (SEEN, NEVER, NEVER, False),
        (SEEN, NEVER, SEEN, False),
        (SEEN, SEEN, NEVER, False),
        (SEEN, SEEN, SEEN, False),
        # the orbit's edge: the tile of higher priority never saw it
        (NEVER, SEEN, OUTSIDE, True),
        (NEVER, SEEN, NEVER, True),
        (NEVER, SEEN, SEEN, True),
        (NEVER, NEVER, SEEN, False),
        # nobody saw it: the first tile has it
        (NEVER, NEVER, OUTSIDE, False),
        (NEVER, NEVER, NEVER, False),
        (OUTSIDE, NEVER, NEVER, True),
        # the tile of lower priority
        (OUTSIDE, NEVER, SEEN, False),
        (OUTSIDE, SEEN, NEVER, True),
        (OUTSIDE, SEEN, SEEN, True),
        # functions look at neighbours: who saw all of them comes first
        (SEEN, AMID, OUTSIDE, True),
        (SEEN, AMID, AMID, True),
        (AMID, AMID, OUTSIDE, False),
        (AMID, SEEN, NEVER, False),
        (OUTSIDE, SEEN, AMID, False),
        (OUTSIDE, AMID, SEEN, True),
        (NEVER, SEEN, AMID, False),
    ],
)
def test_truth_table(before, mine, after, owned):
    def one(value):
        return np.array([[value]], np.int8)

    found = envelopes.owns(one(mine), [one(before)], [one(after)])
    assert found.dtype == bool
    assert found.tolist() == [[owned]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=6, max_size=6), min_size=1))
def test_every_covered_pixel_has_one_owner_who_knows_most_of_it(states):
    tiles = np.array(states, np.int8)[:, None, :]
    owners = np.stack(
        [
            # a tile answers for the pixels of its own grid only
            envelopes.owns(tile, list(tiles[:rank]), list(tiles[rank + 1 :])) & (tile != OUTSIDE)
            for rank, tile in enumerate(tiles)
        ]
    )
    np.testing.assert_array_equal(owners.sum(axis=0), (tiles != OUTSIDE).any(axis=0))
    of_owner = np.where(owners, tiles, OUTSIDE).max(axis=0)
    np.testing.assert_array_equal(of_owner, tiles.max(axis=0))


# --- the step -------------------------------------------------------------------------------

DAYS = {"T31TCJ": ("2018-01-03", "2018-02-12"), "T31TDJ": ("2018-01-01",), "T31TCH": ()}


def index_of(tile, row, col, shape):
    """A tile whose upper left pixel is the lattice's (row, col)."""
    gbox = GeoBox(shape, Affine(10, 0, col * 10, 0, -10, -row * 10), "EPSG:2154")
    days = [date.fromisoformat(day) for day in DAYS.get(tile, ())]
    products = tuple(Product(f"p{day}", day, {}, {}) for day in days)
    return TileIndex(tile, gbox, {"mask": gbox}, (1, shape[1]), products)


def draw(root, indexes, views, **keys):
    """Run the step; give the envelopes by tile."""
    units = [Unit(tile=index.tile) for index in indexes]
    for unit, index in zip(units, indexes, strict=True):
        index.save(root / TILE_INDEX.path(unit))
        with rasters.create(root / VIEWS.path(unit), index.grid, "uint16") as raster:
            raster.write(np.asarray(views[index.tile], np.uint16), 1)
    envelopes.draw(
        Job(
            unit=Unit(),
            settings=envelopes.Settings(**keys),
            root=root,
            inputs=tuple(File(kind, unit) for unit in units for kind in (TILE_INDEX, VIEWS)),
            outputs=(*(File(ENVELOPE, unit) for unit in units), File(DATE_GRID, Unit())),
        )
    )
    found = {}
    for unit, index in zip(units, indexes, strict=True):
        with rasterio.open(root / ENVELOPE.path(unit)) as raster:
            assert raster.dtypes == ("uint8",)
            assert tile.header(root / ENVELOPE.path(unit)).grid == index.grid
            found[index.tile] = raster.read(1)
    return found


def test_order_is_north_to_south_then_west_to_east():
    shape = (10, 10)
    tiles = [
        index_of("south_east", 8, 8, shape),
        index_of("south_west", 8, 0, shape),
        index_of("north_east", 0, 8, shape),
        index_of("north_west", 0, 0, shape),
    ]
    names = [index.tile for index in envelopes.by_priority(tiles)]
    assert names == ["north_west", "north_east", "south_west", "south_east"]
    same = [index_of("b", 0, 0, shape), index_of("a", 0, 0, (12, 12))]
    assert [index.tile for index in envelopes.by_priority(same)] == ["a", "b"]


def test_the_priority_tile_has_the_overlap_but_where_its_orbit_ends(tmp_path):
    west, east = index_of("T31TCJ", 0, 0, (6, 10)), index_of("T31TDJ", 0, 7, (6, 10))
    views = {"T31TCJ": np.full((6, 10), 3), "T31TDJ": np.full((6, 10), 1)}
    views["T31TCJ"][4:, 8:] = 0  # orbit edge in the overlap (columns 7 to 9)
    views["T31TCJ"][0, 0] = 0  # never seen by the only tile there
    views["T31TCJ"][3, 9] = views["T31TDJ"][3, 2] = 0  # seen by neither
    found = draw(tmp_path, [east, west], views)
    expected = np.ones((6, 10), int)
    expected[4:, 8:] = 0
    np.testing.assert_array_equal(found["T31TCJ"], expected)
    expected = np.ones((6, 10), int)
    expected[:, :3] = 0
    expected[4:, 1:3] = 1
    np.testing.assert_array_equal(found["T31TDJ"], expected)


def test_with_padding_the_owner_saw_the_neighbours_too(tmp_path):
    """At the last columns of the western tile, and beside what it never saw, the other one has
    the neighbours."""
    west, east = index_of("T31TCJ", 0, 0, (8, 12)), index_of("T31TDJ", 0, 6, (8, 12))
    views = {"T31TCJ": np.full((8, 12), 3), "T31TDJ": np.full((8, 12), 1)}
    views["T31TCJ"][4, 8] = 0
    section = {"functions": "get_spatial_median", "padding": 1}
    found = draw(tmp_path, [west, east], views, external_features=section)
    expected = np.ones((8, 12), int)
    expected[1:7, 11] = 0  # its last column: the eastern tile has all neighbours there
    expected[3:6, 7:10] = 0  # beside the pixel that it never saw
    np.testing.assert_array_equal(found["T31TCJ"], expected)
    np.testing.assert_array_equal(found["T31TDJ"], 1 - np.pad(expected, ((0, 0), (0, 6)))[:, 6:])
    keys = {"external_features": {"functions": "get_spatial_median"}, "padding_size_y": 2}
    tall = draw(tmp_path / "rows", [west, east], views, **keys)
    assert tall["T31TCJ"][:, 11].all()
    assert tall["T31TCJ"][2:7, 8].tolist() == [0, 0, 0, 0, 1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(0, 3), st.integers(0, 3))
def test_padding_and_windows(tmp_path_factory, seed, rows, cols):
    """Owners are those of views whose neighbours are counted one by one, however windows cut."""
    rng = np.random.default_rng(seed)
    west, east = index_of("T31TCJ", 2, 0, (20, 22)), index_of("T31TDJ", 0, 12, (25, 20))
    views = {i.tile: (rng.random(i.grid.shape) < 0.95).astype(int) for i in (west, east)}
    folder = tmp_path_factory.mktemp("tiles")
    keys = {"padding_size_y": rows, "padding_size_x": cols}
    keys["external_features"] = {"functions": "get_soi_s2"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rasters.windows, "__defaults__", (7,))
        found = draw(folder, [west, east], views, **keys)
    whole = {}
    for index, (row, col) in ((west, (2, 0)), (east, (0, 12))):
        seen = views[index.tile] > 0
        beside = np.pad(seen, ((rows, rows), (cols, cols)))
        shape = (2 * rows + 1, 2 * cols + 1)
        amid = np.lib.stride_tricks.sliding_window_view(beside, shape).all(axis=(2, 3))
        state = np.full((25, 32), OUTSIDE)
        part = state[row : row + seen.shape[0], col : col + seen.shape[1]]
        part[:] = seen.astype(int) + (amid if rows or cols else 0)
        whole[index.tile] = state
    mine = whole["T31TCJ"] >= whole["T31TDJ"]
    first = envelopes.by_priority([west, east])[0].tile
    assert first == "T31TCJ"
    np.testing.assert_array_equal(found["T31TCJ"], mine[2:22, :22])
    np.testing.assert_array_equal(found["T31TDJ"], ~mine[:, 12:])


def test_the_name_of_a_tile_gives_no_priority(tmp_path):
    west, east = index_of("T32TAA", 0, 0, (2, 4)), index_of("T31TZZ", 0, 2, (2, 4))
    found = draw(
        tmp_path, [west, _dated(east)], {"T32TAA": np.ones((2, 4)), "T31TZZ": np.ones((2, 4))}
    )
    assert found["T32TAA"].all()
    np.testing.assert_array_equal(found["T31TZZ"], [[0, 0, 1, 1]] * 2)


def _dated(index):
    dated = index_of("T31TDJ", 0, 0, (1, 1))
    return TileIndex(index.tile, index.grid, index.native, index.source_block, dated.products)


corners = st.tuples(st.integers(-6, 6), st.integers(-6, 6))
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(corners, shapes), min_size=3, max_size=3), st.integers(0, 999))
def test_three_tiles_share_out_every_pixel(tmp_path_factory, places, seed):
    rng = np.random.default_rng(seed)
    names = ("T31TCJ", "T31TDJ", "T31TCH")
    indexes = [
        index_of(name, row + 20, col + 20, shape)
        for name, ((row, col), shape) in zip(names, places, strict=True)
    ]
    views = {index.tile: rng.integers(0, 3, index.grid.shape) for index in indexes}
    found = draw(tmp_path_factory.mktemp("tiles"), indexes, views)
    whole = GeoBox((40, 40), Affine(10, 0, 0, 0, -10, 0), "EPSG:2154")
    owners, covered, seen, owner_saw = (np.zeros((40, 40), int) for _ in range(4))
    for index in indexes:
        place = grid.overlap(whole, index.grid)
        assert place is not None
        covered[place] += 1
        seen[place] += views[index.tile] > 0
        owners[place] += found[index.tile]
        owner_saw[place] += (found[index.tile] == 1) & (views[index.tile] > 0)
    np.testing.assert_array_equal(owners, covered > 0)
    np.testing.assert_array_equal(owner_saw, seen > 0)


def test_tiles_larger_than_a_window(tmp_path):
    west, east = index_of("T31TCJ", 0, 0, (520, 530)), index_of("T31TDJ", 3, 505, (520, 530))
    rng = np.random.default_rng(0)
    views = {name: rng.integers(0, 2, (520, 530)) for name in ("T31TCJ", "T31TDJ")}
    found = draw(tmp_path, [west, east], views)
    mine, theirs = views["T31TCJ"][3:, 505:] > 0, views["T31TDJ"][:517, :25] > 0
    np.testing.assert_array_equal(found["T31TCJ"][3:, 505:] == 1, mine | ~theirs)
    np.testing.assert_array_equal(found["T31TDJ"][:517, :25] == 1, theirs & ~mine)
    assert found["T31TCJ"][:, :505].all()
    assert found["T31TCJ"][:3].all()
    assert found["T31TDJ"][:, 25:].all()
    assert found["T31TDJ"][517:].all()


def test_the_dates_run_over_all_tiles(tmp_path):
    indexes = [index_of("T31TCJ", 0, 0, (2, 2)), index_of("T31TDJ", 0, 1, (2, 2))]
    views = {index.tile: np.ones((2, 2)) for index in indexes}
    draw(tmp_path, indexes, views, temporal_resolution=20)
    days = [day.isoformat() for day in load_dates(tmp_path / DATE_GRID.path(Unit()))]
    assert days == ["2018-01-01", "2018-01-21", "2018-02-10"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["2018-01-01", "2018-01-03", "2018-02-12"]),
        ({"temporal_resolution": 3}, ["2018-01-01", "2018-01-03", "2018-02-12"]),
        ({"start_date": "20180103"}, ["2018-01-03", "2018-02-12"]),
        ({"start_date": "20180102", "end_date": "20180211"}, ["2018-01-03"]),
    ],
)
def test_raw_dates_are_the_days_of_all_tiles(tmp_path, keys, expected):
    indexes = [index_of("T31TCJ", 0, 0, (2, 2)), index_of("T31TDJ", 0, 1, (2, 2))]
    views = {index.tile: np.ones((2, 2)) for index in indexes}
    draw(tmp_path, indexes, views, features_from_raw_dates=True, **keys)
    days = [day.isoformat() for day in load_dates(tmp_path / DATE_GRID.path(Unit()))]
    assert days == expected


@pytest.mark.parametrize(
    ("zone", "corners", "order"),
    [  # upper left corners of real tiles: 100 km apart, 109.8 km wide
        (
            32631,
            {"T31TCJ": (300000, 4900020), "T31TDJ": (399960, 4900020), "T31TEJ": (499980, 4900020)},
            ["T31TCJ", "T31TDJ", "T31TEJ"],
        ),
        (
            32632,
            {"T32TLP": (300000, 4900020), "T32TMP": (399960, 4900020), "T32TLQ": (300000, 5000040)},
            ["T32TLQ", "T32TLP", "T32TMP"],
        ),
    ],
)
def test_a_row_of_tiles_is_a_row_in_another_crs_too(zone, corners, order):
    tiles = []
    for name, (left, top) in corners.items():
        native = GeoBox((10980, 10980), Affine(10, 0, left, 0, -10, top), f"EPSG:{zone}")
        gbox = grid.lattice_geobox(native, "EPSG:2154", (10, 10))
        tiles.append(TileIndex(name, gbox, {}, (256, 256), ()))
    tops = {tile.grid.boundingbox.top for tile in tiles}
    assert len(tops) == len(tiles)  # what made them rows of their own
    assert [tile.tile for tile in envelopes.by_priority(tiles[::-1])] == order
