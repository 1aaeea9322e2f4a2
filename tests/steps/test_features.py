"""Features of a window, from files to (date, band, y, x), on landscapes of 64 pixels."""

import shutil
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from scipy.ndimage import binary_erosion

from i2lc.demo import landscape
from i2lc.errors import InputError
from i2lc.nn_bank import stored
from i2lc.steps.files import open_files
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import raw_dates
from i2lc.steps.series.features import FeatureReader
from i2lc.steps.tiles import grid, layout
from i2lc.steps.tiles.layout import FeatureSettings, Layout
from i2lc.steps.tiles.tile import index_tile

TILE = "T31TCJ"
UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
NODATA = -10000
TARGETS = tuple(date(2018, 1, 10) + timedelta(45 * k) for k in range(8))
LATTICES = {
    "utm": {"proj": UTM},
    "lambert": {"proj": LAMBERT},
    "utm_20m": {"proj": UTM, "spatial_resolution": 20},
    "utm_30m": {"proj": UTM, "spatial_resolution": 30},
    "lambert_20m": {"proj": LAMBERT, "spatial_resolution": 20},
}


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    """Fields with clouds, an orbit edge and two products on one day."""
    out = tmp_path_factory.mktemp("land")
    asked = landscape.Landscape(tiles=(1, 1), size=64, dates=8, classes=2, cloud=0.35)
    landscape.write(out, asked)
    return out / "s2" / TILE


@pytest.fixture
def folder(land, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(land, tmp_path / TILE)


def opened(folder, threads=1, **keys):
    settings_ = FeatureSettings(s2_path=folder.parent, **{"proj": UTM, **keys})
    index = index_tile(folder, TILE, SENTINEL2, settings_)
    return FeatureReader(index, Layout.of(settings_), threads)


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


def change(path, where, value):
    with rasterio.open(path, "r+") as raster:
        pixels = raster.read(1)
        pixels[where] = value
        raster.write(pixels, 1)


def clear(product):
    """Where the three masks are 0, on the 10 m grid."""
    return np.all([read(path) == 0 for path in product.masks.values()], axis=0)


# --- nothing depends on the cut -------------------------------------------------------------


@pytest.fixture(scope="module")
def wholes(land):
    """For each lattice an open reader and the features, views and observations of the tile."""
    found = {}
    for name, keys in LATTICES.items():
        reader = opened(land, **keys)
        box = reader.index.grid
        found[name] = (reader, reader.features(box, TARGETS), reader.views(box))
    yield found
    for reader, _, _ in found.values():
        reader.__exit__(None, None, None)


@pytest.mark.parametrize("name", LATTICES)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_features_of_a_window_do_not_depend_on_the_cut(wholes, name, data):
    reader, cube, views = wholes[name]
    height, width = reader.index.grid.shape
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows = slice(row, data.draw(st.integers(row + 1, height)))
    cols = slice(col, data.draw(st.integers(col + 1, width)))
    window = grid.crop(reader.index.grid, rows, cols)
    np.testing.assert_array_equal(reader.features(window, TARGETS), cube[:, :, rows, cols])
    np.testing.assert_array_equal(reader.views(window), views[rows, cols])


@pytest.mark.parametrize("name", LATTICES)
def test_the_landscape_has_something_to_find(wholes, name):
    """Else the tests here would compare nodata with nodata."""
    _, cube, views = wholes[name]
    seen = views > 0
    assert seen.mean() > 0.4
    assert 1 <= views[seen].min() < views.max() <= 7
    assert cube.dtype == np.int16
    assert cube.shape == (len(TARGETS), 13, *views.shape)
    assert all(np.std(cube[:, band][:, seen]) > 20 for band in range(13))


@pytest.mark.parametrize("name", ["utm", "lambert", "lambert_20m"])
def test_threads_change_no_bit(land, wholes, name):
    _, cube, views = wholes[name]
    with opened(land, threads=2, **LATTICES[name]) as reader:
        np.testing.assert_array_equal(reader.features(reader.index.grid, TARGETS), cube)
        np.testing.assert_array_equal(reader.views(reader.index.grid), views)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_where_gives_the_pixels_of_the_full_window(land, wholes, share, threads):
    _, cube, _ = wholes["lambert"]
    where = np.random.default_rng(3).random(cube.shape[2:]) < share
    with opened(land, threads, **LATTICES["lambert"]) as reader:
        found = reader.features(reader.index.grid, TARGETS, where)
    assert found.shape == (len(TARGETS), 13, 1, int(where.sum()))
    np.testing.assert_array_equal(found[:, :, 0], cube[:, :, where])


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("share", [None, 0.1, 1])
def test_what_was_observed_comes_with_the_features(land, share, raw):
    """Of the same pixels, and with room for more bands."""
    keys = {**LATTICES["lambert"], "features_from_raw_dates": raw}
    with opened(land, **keys) as reader:
        box = reader.index.grid
        targets = tuple(sorted({p.day for p in reader.index.products}))[1:] if raw else TARGETS
        where = None
        if share is not None:
            where = np.random.default_rng(3).random(box.shape) < share
        expected = reader.features(box, targets, where)
        cube, observed = reader.read(box, targets, where, spare=2)
        values, valid, days = reader.observe(box)
    assert cube.shape == (len(targets), 15, *expected.shape[2:])
    np.testing.assert_array_equal(cube[:, :13], expected)
    kept = np.isin(days, [day.toordinal() for day in targets]) if raw else np.full(len(days), True)
    assert kept.all() != raw
    assert observed.days.tolist() == days[kept].tolist()
    if where is not None:
        values, valid = values[..., where][..., None, :], valid[..., where][..., None, :]
    np.testing.assert_array_equal(observed.valid, valid[kept])
    seen = np.broadcast_to(valid[kept][:, None], observed.values.shape)
    np.testing.assert_array_equal(observed.values[seen], values[kept][seen])
    assert 0.1 < observed.valid.mean() < 0.9


def test_few_open_files_change_no_bit(land, wholes, monkeypatch):
    monkeypatch.setattr(open_files, "room", lambda: 2)
    _, cube, _ = wholes["utm"]
    with opened(land) as reader:
        for _ in range(2):
            np.testing.assert_array_equal(reader.features(reader.index.grid, TARGETS), cube)
            assert len(reader._files) <= 2


def test_files_are_closed_at_the_end(land):
    with opened(land) as reader:
        reader.views(reader.index.grid)
        files = list(reader._files.values())
        assert files
    assert all(file.closed for file in files)


# --- what is valid --------------------------------------------------------------------------


def test_views_are_the_days_with_a_clear_product(land, wholes):
    reader, _, views = wholes["utm"]
    days = {}
    for product in reader.index.products:
        days[product.day] = days.get(product.day, False) | clear(product)
    assert len(days) == len(reader.index.products) - 1  # two products of one day
    expected = sum(seen.astype(int) for seen in days.values())
    assert views.dtype == np.uint16
    np.testing.assert_array_equal(views, expected)
    products = sum(clear(product).astype(int) for product in reader.index.products)
    assert (products > views).any()  # that day is counted once, and it matters here


def test_of_two_products_of_a_day_the_first_valid_one_by_name_counts(wholes):
    reader, _, _ = wholes["utm"]
    products = reader.index.products
    first = next(k for k, p in enumerate(products[:-1]) if p.day == products[k + 1].day)
    one, two = products[first : first + 2]
    assert one.name < two.name
    values, valid, days = reader.observe(reader.index.grid)
    assert np.all(np.diff(days) > 0)
    place = days.tolist().index(one.day.toordinal())
    here, there = clear(one), clear(two)
    np.testing.assert_array_equal(valid[place], here | there)
    b2 = values[place, 0]
    np.testing.assert_array_equal(b2[here], read(one.bands["B2"])[here])
    np.testing.assert_array_equal(b2[there & ~here], read(two.bands["B2"])[there & ~here])
    assert (here & there).any()


@pytest.mark.parametrize(("kind", "bit"), [("CLM", 1), ("CLM", 128), ("SAT", 4), ("EDG", 1)])
def test_any_bit_of_any_mask_hides_the_pixel(folder, kind, bit):
    with opened(folder) as reader:
        product = reader.index.products[0]
        before = reader.observe(reader.index.grid)[1][0]
    spot = tuple(np.argwhere(before)[40])
    change(product.masks[kind], spot, bit)
    with opened(folder) as reader:
        after = reader.observe(reader.index.grid)[1][0]
    assert before[spot]
    assert not after[spot]
    assert (before != after).sum() == 1


def test_a_pixel_without_a_band_is_not_valid_on_that_day(folder):
    with opened(folder) as reader:
        product = reader.index.products[0]
        before = reader.observe(reader.index.grid)[1][0]
    spot = tuple(np.argwhere(before)[40])
    change(product.bands["B8"], spot, NODATA)
    with opened(folder) as reader:
        after = reader.observe(reader.index.grid)[1][0]
    assert np.argwhere(before != after).tolist() == [list(spot)]
    # a run that does not keep the band does not mind
    with opened(folder, keep_bands=("B2", "B11"), features=()) as reader:
        np.testing.assert_array_equal(reader.observe(reader.index.grid)[1][0], before)


def test_a_pixel_never_seen_is_nodata_in_every_date_and_band(folder):
    hidden = (slice(10, 14), slice(20, 30))
    for path in folder.glob("*/MASKS/*_EDG_R1.tif"):
        change(path, hidden, 1)
    with opened(folder) as reader:
        cube = reader.features(reader.index.grid, TARGETS)
        views = reader.views(reader.index.grid)
    assert not views[hidden].any()
    assert (cube[:, :, views == 0] == NODATA).all()
    assert (cube[:, :, views > 0] != NODATA).all()
    assert (views > 0).mean() > 0.5


def test_what_lies_under_a_mask_is_never_used(folder, wholes):
    """Clouds of any value give the same features, from the tile's own grid."""
    _, cube, _ = wholes["utm"]
    with opened(folder) as reader:
        for product in reader.index.products:
            hidden = ~clear(product)
            for band in ("B2", "B3", "B4", "B8"):
                change(product.bands[band], hidden & (read(product.bands[band]) != NODATA), 9876)
        found = reader.features(reader.index.grid, TARGETS)
    np.testing.assert_array_equal(found[:, [0, 1, 2, 6]], cube[:, [0, 1, 2, 6]])


# --- values ---------------------------------------------------------------------------------


def interpolated(series, target):
    """The rule in words: exact where observed, linear between, constant outside."""
    if not series:
        return NODATA
    before = [pair for pair in series if pair[0] <= target]
    after = [pair for pair in series if pair[0] >= target]
    if not before or not after:
        return (after or before[::-1])[0][1]
    (t0, v0), (t1, v1) = before[-1], after[0]
    return v0 if t0 == t1 else round(v0 + Fraction((v1 - v0) * (target - t0), t1 - t0))


def test_bands_of_the_own_grid_are_interpolated_raw_pixels(land):
    days = [int(path.name[11:19]) for path in land.iterdir()]
    middle = sorted(days)[3]
    targets = (*TARGETS[:4], date(middle // 10000, middle // 100 % 100, middle % 100))
    targets = tuple(sorted({*targets, date(2018, 12, 31)}))
    with opened(land) as reader:
        cube = reader.features(reader.index.grid, targets)
        products = reader.index.products
    raw = {band: [read(p.bands[band]) for p in products] for band in ("B2", "B8")}
    masks = [clear(p) for p in products]
    for row, col in np.random.default_rng(0).integers(0, 64, (60, 2)).tolist():
        for band, place in (("B2", 0), ("B8", 6)):
            series = {}
            for product, mask, values in zip(products, masks, raw[band], strict=True):
                if mask[row, col]:
                    series.setdefault(product.day, int(values[row, col]))
            pairs = [(day.toordinal(), value) for day, value in series.items()]
            expected = [interpolated(pairs, day.toordinal()) for day in targets]
            assert cube[:, place, row, col].tolist() == expected


def exact_round(value):
    return np.rint(value).astype(np.int64)


@pytest.mark.parametrize("name", ["utm", "lambert", "utm_30m"])
def test_indices_are_those_of_the_bands(wholes, name):
    _, cube, views = wholes[name]
    pixels = cube[:, :, views > 0].astype(np.float64)
    b4, b8, b11 = pixels[:, 2], pixels[:, 6], pixels[:, 8]
    for place, above, below in ((10, b8 - b4, b8 + b4), (11, b11 - b8, b11 + b8)):
        found = pixels[:, place]
        expected = np.clip(
            1000 * np.divide(above, below, where=below != 0, out=0 * above), -1000, 1000
        )
        assert np.abs(found - expected).max() <= 0.5 + 1e-9
    brightness = np.minimum(np.sqrt((pixels[:, :10] ** 2).sum(axis=1)), 32767)
    assert np.abs(pixels[:, 12] - brightness).max() <= 0.5 + 1e-9
    assert np.median(pixels[:, 10]) > 0  # something green
    assert (pixels[:, 11] < 0).any()  # iota2's sign: green is negative


def test_keep_bands_and_features_change_the_band_axis_alone(land, wholes):
    _, cube, _ = wholes["utm"]
    with opened(land, features=()) as reader:
        plain = reader.features(reader.index.grid, TARGETS)
    np.testing.assert_array_equal(plain, cube[:, :10])
    with opened(land, keep_bands=("B8", "B4", "B11"), features=("NDWI", "NDVI")) as reader:
        found = reader.features(reader.index.grid, TARGETS)
        assert reader.layout.names == ("B4", "B8", "B11", "NDWI", "NDVI")
    np.testing.assert_array_equal(found, cube[:, [2, 6, 8, 11, 10]])
    with opened(land, keep_bands=("B3",), features=("Brightness",)) as reader:
        found = reader.features(reader.index.grid, TARGETS)
    np.testing.assert_array_equal(found[:, 0], cube[:, 1])
    np.testing.assert_array_equal(found[:, 1], cube[:, 1])  # the root of one square


def test_a_target_is_a_window_of_the_dates(land, wholes):
    """No date of the features depends on the others."""
    _, cube, _ = wholes["lambert"]
    with opened(land, **LATTICES["lambert"]) as reader:
        found = reader.features(reader.index.grid, TARGETS[2:3])
    np.testing.assert_array_equal(found, cube[2:3])


# --- raw dates ------------------------------------------------------------------------------


def raw_days(reader, foreign=(date(2018, 1, 1), date(2018, 7, 1), date(2018, 12, 31))):
    """The days of the products and some of another tile."""
    own = {product.day for product in reader.index.products}
    assert own.isdisjoint(foreign)
    return tuple(sorted(own.union(foreign)))


@pytest.fixture(scope="module")
def raws(land):
    """For each lattice an open reader, its days and the features of the tile."""
    found = {}
    for name, keys in LATTICES.items():
        reader = opened(land, features_from_raw_dates=True, **keys)
        days = raw_days(reader)
        found[name] = (reader, days, reader.features(reader.index.grid, days))
    yield found
    for reader, _, _ in found.values():
        reader.__exit__(None, None, None)


def test_the_marks_are_those_that_networks_read():
    assert (layout.INVALID, layout.NOT_ACQUIRED) == (stored.INVALID, stored.NOT_ACQUIRED)
    assert SENTINEL2.nodata == layout.INVALID


def test_raw_bands_of_the_own_grid_are_the_pixels_of_the_files(raws):
    reader, days, cube = raws["utm"]
    products = reader.index.products
    files = [(p.day, clear(p), {b: read(p.bands[b]) for b in ("B2", "B8")}) for p in products]
    for row, col in np.random.default_rng(0).integers(0, 64, (60, 2)).tolist():
        for band, place in (("B2", 0), ("B8", 6)):
            expected = []
            for day in days:
                there = [(mask, values) for own, mask, values in files if own == day]
                valid = [int(v[band][row, col]) for mask, v in there if mask[row, col]]
                expected.append(valid[0] if valid else (-10000 if there else -20000))
            assert cube[:, place, row, col].tolist() == expected


@pytest.mark.parametrize("name", LATTICES)
def test_raw_dates_are_the_observations_and_their_indices(raws, name):
    reader, days, cube = raws[name]
    values, valid, own = reader.observe(reader.index.grid)
    places = [days.index(date.fromordinal(day)) for day in own.tolist()]
    foreign = sorted(set(range(len(days))) - set(places))
    assert len(foreign) == 3
    assert (cube[foreign] == -20000).all()
    np.testing.assert_array_equal(
        cube[places][:, :10], np.where(valid[:, None], np.maximum(values, -9999), -10000)
    )
    assert (cube[places][:, 10:].transpose(0, 2, 3, 1)[~valid] == -10000).all()
    assert 0.1 < valid.mean() < 0.9
    pixels = cube[places].transpose(0, 2, 3, 1)[valid].astype(np.float64)
    assert pixels.min() > -10000
    b4, b8, b11 = pixels[:, 2], pixels[:, 6], pixels[:, 8]
    for place, above, below in ((10, b8 - b4, b8 + b4), (11, b11 - b8, b11 + b8)):
        ratio = 1000 * np.divide(above, below, where=below != 0, out=0 * above)
        assert np.abs(pixels[:, place] - np.clip(ratio, -1000, 1000)).max() <= 0.5 + 1e-9
    brightness = np.minimum(np.sqrt((pixels[:, :10] ** 2).sum(axis=1)), 32767)
    assert np.abs(pixels[:, 12] - brightness).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", ["utm", "lambert", "lambert_20m"])
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_raw_features_of_a_window_do_not_depend_on_the_cut(raws, name, data):
    reader, days, cube = raws[name]
    height, width = reader.index.grid.shape
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows = slice(row, data.draw(st.integers(row + 1, height)))
    cols = slice(col, data.draw(st.integers(col + 1, width)))
    some = slice(data.draw(st.integers(0, len(days) - 1)), None)
    found = reader.features(grid.crop(reader.index.grid, rows, cols), days[some])
    np.testing.assert_array_equal(found, cube[some, :, rows, cols])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("share", [0, 0.02, 1])
def test_neither_threads_nor_where_change_raw_features(land, raws, share, threads):
    _, days, cube = raws["lambert"]
    where = np.random.default_rng(3).random(cube.shape[2:]) < share
    keys = {"features_from_raw_dates": True, **LATTICES["lambert"]}
    with opened(land, threads, **keys) as reader:
        found = reader.features(reader.index.grid, days, where)
    np.testing.assert_array_equal(found[:, :, 0], cube[:, :, where])


def test_products_beyond_the_dates_are_not_read(land, raws):
    _, days, cube = raws["utm"]
    with opened(land, features_from_raw_dates=True) as reader:
        found = reader.features(reader.index.grid, days[-3:])
        opened_days = {path.parent.name[11:19] for path in reader._files}
    np.testing.assert_array_equal(found, cube[-3:])
    own = {p.day.strftime("%Y%m%d") for p in reader.index.products if p.day in days[-3:]}
    assert {name for name in opened_days if name.isdigit()} == own != set()


@pytest.mark.parametrize("chosen", [None, 0, 5])
def test_a_tile_without_a_product_on_any_date_is_not_acquired(raws, chosen):
    reader, _, cube = raws["utm"]
    where = None
    if chosen is not None:
        where = np.zeros(cube.shape[2:], bool)
        where.flat[:chosen] = True
    found = reader.features(reader.index.grid, (date(2018, 1, 1), date(2018, 7, 1)), where)
    assert found.shape == (2, 13, *(cube.shape[2:] if chosen is None else (1, chosen)))
    assert (found == -20000).all()
    assert not raw_dates.seen(found, reader.layout).any()


def test_a_raw_pixel_is_seen_where_one_of_its_dates_is_valid(raws, wholes):
    reader, _, cube = raws["lambert"]
    views = reader.views(reader.index.grid)
    assert (views == 0).any()
    np.testing.assert_array_equal(raw_dates.seen(cube, reader.layout), views > 0)
    plain, interpolated_cube, _ = wholes["lambert"]
    np.testing.assert_array_equal(raw_dates.seen(interpolated_cube, plain.layout), views > 0)


def test_no_observation_is_stored_as_a_mark():
    """Resampling may undershoot both marks."""
    values = np.array([[-32768, -20000, -10001, -10000, -9999, 0, 32767, 5]], np.int16)
    valid = np.array([True] * 7 + [False])
    out = np.empty_like(values)
    raw_dates.put(values[:, None], valid[None], out[:, None])
    assert out.tolist() == [[-9999, -9999, -9999, -9999, -9999, 0, 32767, -10000]]


# --- a coarser lattice ----------------------------------------------------------------------


def quarters(array):
    """The four 10 m pixels of every 20 m pixel, (4, y, x)."""
    return np.stack([array[i::2, j::2] for i in (0, 1) for j in (0, 1)])


def test_a_coarser_pixel_is_the_area_mean_of_the_valid_ones(folder):
    with opened(folder) as reader:
        product = reader.index.products[0]
    spots = tuple(np.argwhere(clear(product))[::37].T)  # some pixels without B2
    change(product.bands["B2"], spots, NODATA)
    with opened(folder, spatial_resolution=20) as reader:
        assert reader.index.grid.shape == (32, 32)
        values, valid, _ = reader.observe(reader.index.grid)
    parts = quarters(read(product.bands["B2"])).astype(float)
    there = parts != NODATA
    count = there.sum(axis=0)
    mean = np.divide(
        (parts * there).sum(axis=0), count, where=count > 0, out=np.full((32, 32), -1e4)
    )
    masks = quarters(clear(product)).all(axis=0)  # any flagged part flags the pixel
    b5 = read(product.bands["B5"])
    np.testing.assert_array_equal(valid[0], masks & (count > 0) & (b5 != NODATA))
    assert ((count < 4) & valid[0]).sum() > 5  # a mean of fewer than four
    np.testing.assert_array_equal(values[0, 0][valid[0]], exact_round(mean)[valid[0]])
    np.testing.assert_array_equal(values[0, 3][valid[0]], b5[valid[0]])  # 20 m stay as they are


def test_a_coarser_pixel_on_the_border_is_judged_by_its_part_inside(wholes):
    reader, _, _ = wholes["utm_30m"]
    gbox, native = reader.index.grid, reader.index.native["mask"]
    values, valid, _ = reader.observe(gbox)
    product = reader.index.products[-1]
    left = round((native.transform.c - gbox.transform.c) / 10)
    top = round((gbox.transform.f - native.transform.f) / 10)
    height, width = gbox.shape
    rows, cols = slice(top, top + native.height), slice(left, left + native.width)
    assert (3 * height, 3 * width) != (native.height, native.width)  # some cells stand out
    clear_ = np.ones((3 * height, 3 * width), bool)
    clear_[rows, cols] = clear(product)
    parts = clear_.reshape(height, 3, width, 3)
    expected = parts.all(axis=(1, 3))
    np.testing.assert_array_equal(valid[-1], expected)
    assert expected[:, 0].mean() > 0.1  # the first column is partly outside
    b2 = np.full(clear_.shape, np.nan)
    b2[rows, cols] = read(product.bands["B2"])
    mean = np.nanmean(b2.reshape(height, 3, width, 3), axis=(1, 3))
    np.testing.assert_array_equal(values[-1, 0][expected], exact_round(mean[expected]))


def test_40_metres_are_means_of_16_and_of_4(land):
    with opened(land, spatial_resolution=40) as reader:
        product = reader.index.products[-1]
        values, valid, _ = reader.observe(reader.index.grid)
    corner = reader.index.grid.transform
    native = reader.index.native["B2"].transform
    row, col = round((corner.f - native.f) / 10), round((native.c - corner.c) / 10)
    checked = 0
    for i, j in np.argwhere(valid[-1]).tolist():
        top, left = 4 * i - row, 4 * j - col
        if not (0 <= top <= 60 and 0 <= left <= 60 and top % 2 == left % 2 == 0):
            continue
        for band, place, size in (("B3", 1, 1), ("B11", 8, 2)):
            part = read(product.bands[band])[
                top // size : (top + 4) // size, left // size : (left + 4) // size
            ]
            if (part != NODATA).all():
                assert values[-1, place, i, j] == round(Fraction(int(part.sum()), part.size))
                checked += 1
    assert checked > 20


# --- the truth ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smooth(tmp_path_factory):
    """A known function of place and time; no cloud, which would be no part of the function."""
    out = tmp_path_factory.mktemp("smooth")
    asked = landscape.Landscape(tiles=(1, 1), size=64, dates=8, classes=2, cloud=0, smooth=True)
    landscape.write(out, asked)
    return out / "s2" / TILE


def differences(folder, proj):
    """Largest difference from the truth over all bands and dates, (y, x), and where seen."""
    with opened(folder, proj=proj) as reader:
        gbox, bands = reader.index.grid, reader.layout.bands
        _, valid, days = reader.observe(gbox)
        targets = tuple(date.fromordinal(day) for day in range(days[0], days[-1] + 1, 17))
        cube = reader.features(gbox, targets)
    y, x = grid.centres(gbox)
    x, y = np.meshgrid(x, y)
    if proj != LAMBERT:
        x, y = Transformer.from_crs(proj, LAMBERT, always_xy=True).transform(x, y)
    seen = valid.any(axis=0)
    earliest = days[valid.argmax(axis=0)]
    latest = days[len(days) - 1 - valid[::-1].argmax(axis=0)]
    worst = np.zeros(gbox.shape)
    for k, target in enumerate(targets):
        # the function is linear in time; before the first and after the last view we are constant
        between = seen & (earliest <= target.toordinal()) & (target.toordinal() <= latest)
        for place, band in enumerate(bands):
            truth = landscape.smooth_reflectance(x, y, target.timetuple().tm_yday, band)
            np.maximum(worst, np.abs(cube[k, place] - truth) * between, out=worst)
    return worst, seen, len(targets)


@pytest.mark.parametrize("proj", [UTM, LAMBERT])
def test_a_smooth_landscape_is_found_again_within_5_counts(smooth, tmp_path, proj):
    folder = shutil.copytree(smooth, tmp_path / TILE)
    for product in list(folder.iterdir()):
        if read(next(product.glob("MASKS/*_EDG_R1.tif"))).any():
            shutil.rmtree(product)  # beside an orbit's edge: the next test
    worst, seen, targets = differences(folder, proj)
    inner = binary_erosion(seen, np.ones((3, 3)))
    assert inner.sum() >= 60 * 60
    assert targets >= 10
    assert worst[inner].max() <= 2  # the rule asks for 5
    assert worst[inner].max() > 0.1


@pytest.mark.parametrize("proj", [UTM, LAMBERT])
def test_beside_the_last_pixel_a_smooth_landscape_is_half_a_pixel_off_at_most(smooth, proj):
    """There only valid neighbours count: a 20 m value may stand up to 10 m off its place."""
    worst, seen, _ = differences(smooth, proj)
    slope = 3.2  # counts a metre: the steepest of the function within the year
    assert worst[seen].max() <= slope * 10
    assert np.median(worst[seen]) <= 2


# --- files that changed under the run -------------------------------------------------------


def test_a_truncated_file_is_named(folder):
    with opened(folder) as reader:
        path = reader.index.products[2].bands["B8A"]
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match=f"{path.name} cannot be read"):
            reader.features(reader.index.grid, TARGETS)


def test_a_removed_file_is_named(folder):
    with opened(folder) as reader:
        path = reader.index.products[2].masks["CLM"]
        path.unlink()
        with pytest.raises(InputError, match=f"{path.name} cannot be read"):
            reader.views(reader.index.grid)


def test_a_file_on_another_grid_is_named(folder):
    with opened(folder) as reader:
        product = reader.index.products[2]
        shutil.copyfile(product.bands["B5"], product.bands["B2"])
        with pytest.raises(InputError, match=r"_FRE_B2\.tif has another grid than when the tile"):
            reader.views(reader.index.grid)
