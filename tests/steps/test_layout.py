"""What the features are: settings that contradict, order of bands, dates."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from i2lc.errors import InputError
from i2lc.steps.sensors.sentinel2 import BANDS, SENTINEL2
from i2lc.steps.tiles.layout import FeatureSettings, Layout, date_grid, load_dates, save_dates

ALL = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12", "NDVI", "NDWI", "Brightness")


def of(**keys):
    return FeatureSettings(s2_path=Path("/s2"), **keys)


def test_default_is_ten_bands_and_three_indices():
    layout = Layout.of(of())
    assert layout.names == ALL
    assert layout.scales == (10000.0,) * 10 + (1000.0, 1000.0, 10000.0)
    assert layout.sensor is SENTINEL2
    assert of().temporal_resolution == 10


def test_a_year_at_ten_days_is_481_features():
    year = [date(2018, 1, 1), date(2018, 12, 31)]
    assert len(date_grid(year, of())) * len(Layout.of(of()).names) == 37 * 13 == 481


def test_bands_stay_in_the_sensors_order_and_indices_behind_them():
    layout = Layout.of(of(keep_bands=("B11", "B8", "B4"), features=("NDWI", "NDVI")))
    assert layout.bands == ("B4", "B8", "B11")
    assert layout.names == ("B4", "B8", "B11", "NDWI", "NDVI")
    assert Layout.of(of(features=())).names == tuple(BANDS)
    assert Layout.of(of(keep_bands=("B3",), features=("Brightness",))).scales == (10000.0,) * 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"keep_bands": ("B4", "B9")}, "unknown B9; the bands are B2 B3 B4"),
        ({"keep_bands": ("B4", "B4", "B8", "B11")}, "name each band once"),
        ({"keep_bands": (), "features": ()}, "at least one"),
        ({"keep_bands": ("B4", "B11"), "features": ("NDVI",)}, "NDVI needs B8 in keep_bands"),
        ({"keep_bands": ("B8",), "features": ("NDVI",)}, "NDVI needs B4 in keep_bands"),
        ({"keep_bands": ("B4", "B8"), "features": ("NDWI",)}, "NDWI needs B11 in keep_bands"),
        ({"features": ("EVI",)}, "'NDVI', 'NDWI' or 'Brightness'"),
        ({"temporal_resolution": 0}, "greater than or equal to 1"),
        ({"start_date": "20180231"}, "20180231 is no date YYYYMMDD"),
        ({"start_date": "2018-01-01"}, "is no date YYYYMMDD"),
        ({"end_date": "yesterday"}, "yesterday is no date YYYYMMDD"),
        ({"start_date": "20180301", "end_date": "20180201"}, "20180301 is after end_date 20180201"),
        ({"auto_date": True, "start_date": "20180101"}, "auto_date True contradicts"),
        ({"auto_date": True, "end_date": "20180101"}, "auto_date True contradicts"),
        ({"auto_date": False}, "auto_date False needs start_date and end_date"),
        ({"auto_date": False, "start_date": "20180101"}, "auto_date False needs"),
    ],
)
def test_settings_that_cannot_be_used(keys, message):
    with pytest.raises(ValidationError) as caught:
        of(**keys)
    assert message in str(caught.value)


def test_a_date_may_be_a_number():
    assert of(start_date=20180105).start_date == "20180105"


DAYS = [date(2018, 2, 3), date(2018, 1, 5), date(2018, 1, 30)]  # of all tiles, in any order


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["2018-01-05", "2018-01-15", "2018-01-25"]),  # 4 February is behind the last day
        ({"temporal_resolution": 29}, ["2018-01-05", "2018-02-03"]),  # the last day itself
        ({"temporal_resolution": 400}, ["2018-01-05"]),
        ({"auto_date": True}, ["2018-01-05", "2018-01-15", "2018-01-25"]),
        ({"start_date": "20180101"}, ["2018-01-01", "2018-01-11", "2018-01-21", "2018-01-31"]),
        ({"start_date": "20180125"}, ["2018-01-25"]),
        ({"end_date": "20180115"}, ["2018-01-05", "2018-01-15"]),
        ({"end_date": "20180205"}, ["2018-01-05", "2018-01-15", "2018-01-25", "2018-02-04"]),
        (
            {"auto_date": False, "start_date": "20171230", "end_date": "20180110"},
            ["2017-12-30", "2018-01-09"],
        ),
        ({"start_date": "20180110", "end_date": "20180110"}, ["2018-01-10"]),  # amid products
        (
            {"start_date": "20170101", "end_date": "20180105", "temporal_resolution": 400},
            ["2017-01-01"],
        ),
        (
            {"start_date": "20180203", "end_date": "20190101", "temporal_resolution": 400},
            ["2018-02-03"],
        ),
    ],
)
def test_dates_of_the_features(keys, expected):
    assert [day.isoformat() for day in date_grid(DAYS, of(**keys))] == expected


def test_raw_dates_are_the_days_of_the_products():
    raw = of(features_from_raw_dates=True, temporal_resolution=400)
    assert date_grid([*DAYS, *DAYS], raw) == tuple(sorted(set(DAYS)))
    first, last = (day.strftime("%Y%m%d") for day in (min(DAYS), max(DAYS)))
    only = of(features_from_raw_dates=True, start_date=last)
    assert date_grid(DAYS, only) == (max(DAYS),)
    only = of(features_from_raw_dates=True, end_date=first)
    assert date_grid(DAYS, only) == (min(DAYS),)
    between = of(features_from_raw_dates=True, start_date="20180106", end_date="20180107")
    assert no_product(DAYS, between) == outside("20180106", "20180107")


def no_product(days, keys):
    with pytest.raises(InputError) as caught:
        date_grid(days, keys)
    return str(caught.value)


def outside(first, last):
    return (
        f"no product lies between start_date {first} and end_date {last}: the products run from "
        "2018-01-05 to 2018-02-03; give start_date and end_date of their time, or neither"
    )


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("keys", "between"),
    [
        ({"start_date": "20180204"}, ("20180204", "20180203 (its default)")),
        ({"end_date": "20180104"}, ("20180105 (its default)", "20180104")),
        ({"start_date": "20170101", "end_date": "20171231"}, ("20170101", "20171231")),
        ({"start_date": "20190101", "end_date": "20191231"}, ("20190101", "20191231")),
        ({"start_date": "20180204", "end_date": "20180204"}, ("20180204", "20180204")),
    ],
)
def test_dates_without_a_product_are_refused(keys, between, raw):
    """All dates of the features would be copies of the first or last observation."""
    assert no_product(DAYS, of(**keys, features_from_raw_dates=raw)) == outside(*between)


def test_a_year_without_a_product_between_two_others_is_refused():
    keys = of(start_date="20180101", end_date="20181231", temporal_resolution=200)
    expected = (date(2018, 1, 1), date(2018, 7, 20))
    near = [date(2017, 12, 31), date(2019, 1, 1)]
    assert date_grid(near, keys) == expected
    told = no_product([date(2017, 12, 30), date(2019, 1, 1)], keys)
    assert told.startswith("no product lies between start_date 20180101 and end_date 20181231: ")
    assert "the products run from 2017-12-30 to 2019-01-01; " in told


def test_the_layout_says_whether_dates_are_raw():
    assert not Layout.of(of()).raw
    assert Layout.of(of(features_from_raw_dates=True)).raw


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.dates(date(2015, 1, 1), date(2020, 12, 31)), min_size=1, max_size=8),
    st.integers(1, 60),
)
def test_the_grid_starts_at_the_first_day_and_ends_within_a_step_of_the_last(days, step):
    grid = date_grid(days, of(temporal_resolution=step))
    assert grid[0] == min(days)
    assert 0 <= (max(days) - grid[-1]).days < step
    assert {(b - a).days for a, b in pairwise(grid)} <= {step}


def test_dates_survive_the_file(tmp_path):
    save_dates(tmp_path / "dates.json", DAYS)
    assert load_dates(tmp_path / "dates.json") == tuple(DAYS)
