"""What a user's function is told of a window."""

import copy
import re

import numpy as np
import pytest
from external_toys import (
    COLS,
    DATES,
    LAYOUT,
    RAW_LAYOUT,
    ROWS,
    SEEN_ON,
    TEXTS,
    cube,
    exogenous,
    observed,
    raw_cube,
    window,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.errors import InputError
from i2lc.steps.kernels import physical
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series.features import FeatureReader
from i2lc.steps.tiles.layout import Layout

SERIES = [
    f"get_{kind}_Sentinel2_{name}"
    for kind in ("interpolated", "raw")
    for name in ("B4", "B8", "B11", "NDVI", "NDWI", "Brightness")
]


def in_units(stored, scale):
    """Stored (date, y, x) as (y, x, date), marks as not a number."""
    numbers = np.moveaxis(stored, 0, -1).astype(np.float64)
    numbers[numbers <= -10000] = np.nan
    return (numbers / scale).astype(np.float32)


def same(got, expected):
    assert got.dtype == expected.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


def refused(kind, message, call):
    with pytest.raises(kind, match="^" + re.escape(message) + "$"):
        call()


def test_bands_and_indices_of_the_features_in_units():
    data, stored = window(), cube()
    assert data.shape == (ROWS, COLS)
    same(data.get_interpolated_Sentinel2_B8(), in_units(stored[:, 1], 10000))
    same(data.get_interpolated_Sentinel2_B11(), in_units(stored[:, 2], 10000))
    same(data.get_interpolated_Sentinel2_NDVI(), in_units(stored[:, 3], 1000))
    values = data.get_interpolated_Sentinel2_B4()
    assert np.isnan(values[0, 0]).all()
    assert np.isfinite(values).sum() == (ROWS * COLS - 1) * len(DATES)
    assert values.flags.c_contiguous
    assert data.get_interpolated_dates() == {"Sentinel2": TEXTS}
    assert data.dates == DATES


def test_bands_behind_those_of_the_layout_are_not_looked_at():
    wide = np.concatenate([cube(), np.full_like(cube()[:, :2], 77)], axis=1)
    for name in SERIES[:6]:
        same(getattr(window(cube=wide), name)(), getattr(window(), name)())


def test_indices_that_the_features_lack_are_computed_from_the_bands():
    stored = cube().astype(np.float64)
    stored[stored == -10000] = np.nan
    b4, b8, b11 = stored[:, 0], stored[:, 1], stored[:, 2]
    ndwi = np.rint(1000 * (b11 - b8) / (b11 + b8)) / 1000
    same(window().get_interpolated_Sentinel2_NDWI(), np.moveaxis(ndwi, 0, -1).astype(np.float32))
    brightness = np.rint(np.sqrt(b4**2 + b8**2 + b11**2)) / 10000
    expected = np.moveaxis(brightness, 0, -1).astype(np.float32)
    same(window().get_interpolated_Sentinel2_Brightness(), expected)


def test_a_computed_index_has_the_bits_of_the_features_own():
    with_all = Layout(SENTINEL2, LAYOUT.bands, ("NDVI", "NDWI", "Brightness"))
    stored = cube(layout=with_all)
    reader = FeatureReader(None, with_all)
    reader._add_indices(stored)
    own = window(layout=with_all, cube=stored)
    alone = window(layout=Layout(SENTINEL2, LAYOUT.bands, ()), cube=stored[:, :3])
    for name in ("NDVI", "NDWI", "Brightness"):
        accessor = f"get_interpolated_Sentinel2_{name}"
        same(getattr(alone, accessor)(), getattr(own, accessor)())


def test_raw_series_have_the_days_of_the_tile():
    data, seen = window(), observed()
    assert data.get_raw_dates() == {"Sentinel2": ["20180103", "20180119"]}
    expected = in_units(np.where(seen.valid, seen.values[:, 1], -10000), 10000)
    same(data.get_raw_Sentinel2_B8(), expected)
    masks = data.get_raw_masks()["Sentinel2"]
    assert masks.dtype == np.uint8
    assert masks.shape == (ROWS, COLS, 2)
    assert masks[0, :2].tolist() == [[1, 1], [1, 0]]
    assert masks.sum() == 3


def test_a_raw_index_is_that_of_the_day():
    seen = observed()
    b4, b8 = seen.values[:, 0].astype(float), seen.values[:, 1].astype(float)
    ndvi = np.where(seen.valid, np.rint(1000 * (b8 - b4) / (b8 + b4)), -10000)
    same(window().get_raw_Sentinel2_NDVI(), in_units(ndvi, 1000))
    assert np.isnan(window().get_raw_Sentinel2_Brightness()[0, 1]).tolist() == [True, False]


def test_days_of_other_tiles_are_not_acquired():
    days = (DATES[0], SEEN_ON[0], DATES[1], SEEN_ON[1])
    data, own = window(raw_days=days), window()
    assert data.get_raw_dates() == {"Sentinel2": ["20180101", "20180103", "20180111", "20180119"]}
    masks = data.get_raw_masks()["Sentinel2"]
    assert (masks[..., [0, 2]] == 2).all()
    assert (masks[..., [1, 3]] == own.get_raw_masks()["Sentinel2"]).all()
    for name in SERIES[6:]:
        values = getattr(data, name)()
        assert np.isnan(values[..., [0, 2]]).all()
        same(np.ascontiguousarray(values[..., [1, 3]]), getattr(own, name)())


def test_an_undershoot_is_no_mark():
    seen = observed()
    seen.values[1, 1, 2, 2] = -10000  # valid
    same(window(observed=seen).get_raw_Sentinel2_B8()[2, 2, 1:], np.float32([-0.9999]))


def test_features_of_raw_dates_have_raw_series_alone():
    data = window(layout=RAW_LAYOUT, cube=raw_cube(), observed=None)
    assert data.get_raw_dates() == {"Sentinel2": TEXTS}
    same(data.get_raw_Sentinel2_B11(), in_units(raw_cube()[:, 2], 10000))
    same(data.get_raw_Sentinel2_NDVI(), in_units(raw_cube()[:, 3], 1000))
    assert np.isnan(data.get_raw_Sentinel2_NDWI()[..., 2]).all()
    assert np.isfinite(data.get_raw_Sentinel2_NDWI()[1:, :, :2]).all()
    masks = data.get_raw_masks()["Sentinel2"]
    assert masks.dtype == np.uint8
    assert masks[0, :2].tolist() == [[1, 1, 2], [1, 0, 2]]
    assert (masks[1:] == [0, 0, 2]).all()
    for what in ("Sentinel2_B8", "Sentinel2_NDWI", "dates"):
        refused(
            InputError,
            f"get_interpolated_{what}: with features_from_raw_dates nothing is interpolated; use "
            f"get_raw_{what}, or drop features_from_raw_dates",
            getattr(data, f"get_interpolated_{what}"),
        )


def test_the_raster_of_the_user():
    data = window()
    values = data.get_exogeneous_data()
    same(values, np.moveaxis(exogenous().values, 0, -1))
    assert values.flags.c_contiguous
    assert np.isnan(values[0, 0]).tolist() == [False, True]
    assert data.get_exogeneous_labels() == ["slope", "band_2"]
    missing = "there is no raster of yours: name it in external_features.exogeneous_data"
    refused(InputError, missing, window(exogenous=None).get_exogeneous_data)
    refused(InputError, missing, window(exogenous=None).get_exogeneous_labels)


def test_what_one_changes_no_other_sees():
    data = window()
    whole = copy.deepcopy(data)
    for name in (*SERIES, "get_exogeneous_data"):
        getattr(data, name)()[...] = 7
        same(getattr(data, name)(), getattr(whole, name)())
    data.get_raw_masks()["Sentinel2"][...] = 7
    assert data.get_raw_masks()["Sentinel2"].max() == 1
    for name in ("get_interpolated_dates", "get_raw_dates"):
        getattr(data, name)()["Sentinel2"].append("20990101")
        assert getattr(data, name)() == getattr(whole, name)()
    data.get_exogeneous_labels().append("mine")
    assert data.get_exogeneous_labels() == ["slope", "band_2"]


@given(st.integers(0, ROWS - 1), st.integers(1, ROWS), st.integers(0, COLS - 1), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_cut_window_has_the_values_of_the_whole(top, height, left, raw):
    parts = {"layout": RAW_LAYOUT, "cube": raw_cube(), "observed": None} if raw else {}
    rows, cols = slice(top, min(top + height, ROWS)), slice(left, COLS)
    whole = window(raw_days=(*DATES, *SEEN_ON), **parts)
    part = whole.cut(rows, cols)
    for name in (*(SERIES[6:] if raw else SERIES), "get_exogeneous_data"):
        same(getattr(part, name)(), np.ascontiguousarray(getattr(whole, name)()[rows, cols]))
    masks = whole.get_raw_masks()["Sentinel2"][rows, cols]
    assert (part.get_raw_masks()["Sentinel2"] == masks).all()
    assert part.get_raw_dates() == whole.get_raw_dates()
    assert part.get_exogeneous_labels() == whole.get_exogeneous_labels()


def test_a_cut_without_observations_and_raster():
    part = window(observed=None, exogenous=None).cut(slice(1, 2), slice(0, 3))
    assert part.get_interpolated_Sentinel2_B4().shape == (1, 3, 3)
    refused(
        InputError,
        "the raw series are not at hand: no observations were given",
        part.get_raw_Sentinel2_B4,
    )


def test_a_name_that_there_is_not_comes_with_those_that_there_are():
    there = (
        "get_interpolated_Sentinel2_<band> and get_raw_Sentinel2_<band> for B4, B8, B11, NDVI, "
        "NDWI, Brightness, get_interpolated_dates, get_raw_dates, get_raw_masks, "
        "get_exogeneous_data and get_exogeneous_labels"
    )
    for name, reason in {
        "get_interpolated_Sentinel2_B5": " (B5 is not among keep_bands)",
        "get_raw_Sentinel2_B9": "",
        "get_interpolated_Landsat8_B4": "",
        "get_ndvi": "",
    }.items():
        message = f"there is no {name}{reason}; there are {there}"
        refused(AttributeError, message, lambda name=name: getattr(window(), name))
    two = window(layout=Layout(SENTINEL2, ("B3", "B8"), ()), cube=cube()[:, :2])
    assert hasattr(two, "get_interpolated_Sentinel2_Brightness")
    with pytest.raises(
        AttributeError, match=r"^there is no get_raw_Sentinel2_NDVI \(NDVI needs B8 "
    ):
        two.get_raw_Sentinel2_NDVI()
    refused(AttributeError, "ExternalData has no attribute 'b4'", lambda: window().b4)


@given(st.integers(1, 40), st.integers(0, 39))
@settings(max_examples=30, deadline=None)
def test_a_sum_over_dates_has_the_same_bits_for_any_number_of_pixels(count, first):
    many = np.random.default_rng(3).integers(1, 9999, (60, 80)).astype(np.int16)
    part = many[:, first : first + count]
    whole = physical.physical(many[:, None], 10000)
    alone = physical.physical(np.ascontiguousarray(part)[:, None], 10000)
    for reduced in (np.sum, np.mean, np.std, np.cumsum):
        expected = reduced(whole, axis=-1)[:, first : first + count]
        assert reduced(alone, axis=-1).tobytes() == np.ascontiguousarray(expected).tobytes()
