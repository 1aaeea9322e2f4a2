"""The functions that come with i2lc: values computed by hand, refusals, no trace of the cut."""

from __future__ import annotations

import inspect
import math
import re
from datetime import date, timedelta

import numpy as np
import pytest

from i2lc.steps.external import ready
from i2lc.steps.external.data import ExternalData
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.tiles.layout import Layout

NOTHING = -10000
START = date(2018, 1, 11)
INDICES = ("NDVI", "NDWI", "Brightness")


def data_of(dates=3, shape=(1, 1), step=10, start=START, **series):
    """Give a cloud-free window: stored values of bands, a number or (date,) or (date, y, x)."""
    layout = Layout(SENTINEL2, tuple(SENTINEL2.bands), INDICES)
    cube = np.zeros((dates, len(layout.names), *shape), np.int16)
    for name, values in series.items():
        values = np.asarray(values)
        values = values[:, None, None] if values.ndim == 1 else values
        cube[:, layout.names.index(name)] = values
    days = [start + timedelta(step * k) for k in range(dates)]
    return ExternalData(layout=layout, dates=days, cube=cube, observed=None, exogenous=None)


def rough(seed=0, dates=5, shape=(20, 23)):
    """Give a window of random series with pixels that were never seen."""
    rng = np.random.default_rng(seed)
    names = ("B5", "B8", "B11", "NDVI")
    values = {name: rng.integers(1, 1000, (dates, *shape)) for name in names}
    never = rng.random(shape) < 0.1
    never[4:9, 4:9] = True
    for one in values.values():
        one[:, never] = NOTHING
    return data_of(dates, shape, **values), never


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)


def test_soil_composition_index():
    found, labels = ready.get_soi_s2(data_of(B8=[3000, 2000, 0], B11=[2000, 2000, 1000]))
    close(found[0, 0], [-0.1 / 0.500001, 0, 0.1 / 0.100001])
    assert labels == [f"Sentinel2_soi_{day}" for day in ("20180111", "20180121", "20180131")]


def test_red_edge_ndvi():
    given = data_of(B8=[3000, 2000, 0], B5=[1000, 2000, 0], B7=[5000, 1000, 0])
    found, labels = ready.get_red_edge_ndvi(given)
    close(found[0, 0], [0.5, 0, 0])
    assert labels[0] == "Sentinel2_NDREB5_20180111"
    found, labels = ready.get_red_edge_ndvi(given, band="B7")
    close(found[0, 0], [-0.25, 1 / 3, 0])
    assert labels[2] == "Sentinel2_NDREB7_20180131"


SQUARE = np.array([[1, 2, 3], [4, 50, 6], [7, 8, NOTHING]])


def test_spatial_median():
    given = data_of(2, (3, 3), B8=np.stack([SQUARE, np.full((3, 3), NOTHING)]))
    found, labels = ready.get_spatial_median(given, band="B8", window=3)
    of_eight = [[3.0, 3.5, 4.5], [5.5, 5.0, 6.0], [7.5, 7.0, 8.0]]
    close(found[:, :, 0], np.array(of_eight) / 10000)
    assert np.isnan(found[:, :, 1]).all()
    assert labels == ["Sentinel2_B8median3_20180111", "Sentinel2_B8median3_20180121"]


def test_spatial_median_of_one_pixel_is_the_pixel():
    given, _ = rough()
    found, _ = ready.get_spatial_median(given, window=1)
    np.testing.assert_array_equal(found, given.get_interpolated_Sentinel2_NDVI())


def test_spatial_median_agrees_with_numpy():
    given, _ = rough()
    found, _ = ready.get_spatial_median(given, window=5)
    ndvi = given.get_interpolated_Sentinel2_NDVI()
    for y, x in ((2, 2), (10, 11), (4, 17), (17, 20)):
        square = ndvi[y - 2 : y + 3, x - 2 : x + 3].reshape(25, -1)
        close(found[y, x], np.nanmedian(square, axis=0))
    assert np.isnan(found[6, 6]).all()


def test_cumulative_ndvi():
    given = data_of(4, NDVI=[500, -300, 0, 250])
    found, labels = ready.get_cumulative_ndvi(given)
    close(found[0, 0], [0.5, 0.5, 0.5, 0.75])
    assert labels[3] == "Sentinel2_cumNDVI_20180210"
    found, labels = ready.get_cumulative_ndvi(given, total=True)
    close(found[0, 0], [0.75])
    assert labels == ["Sentinel2_cumNDVI_total"]


def wave(days, mean, amplitude, peak, period):
    return [round(mean + amplitude * math.cos(2 * math.pi * (d - peak) / period)) for d in days]


@pytest.mark.parametrize("peak", [1, 10, 183, 300, 365])
def test_harmonic_finds_mean_amplitude_and_day_of_the_peak(peak):
    days = [10 + 5 * k for k in range(60)]  # START is 10 days after 1 January
    series = wave(days, 4000, 2500, peak, 365.25)
    found, labels = ready.get_harmonic(data_of(60, step=5, B8=series), index="B8")
    assert labels == [f"Sentinel2_B8_harmonic_{what}" for what in ("mean", "amplitude", "phase")]
    assert (np.abs(found[0, 0] - [0.4, 0.25, peak]) < [1e-4, 1e-4, 0.05]).all()


def test_harmonic_of_three_dates_goes_through_them():
    """Days 0, 30 and 60 of a wave of 120 days: mean + cosine, mean + sine, mean - cosine."""
    given = data_of(3, step=30, start=date(2019, 1, 1), NDVI=[500, 900, 300])
    found, _ = ready.get_harmonic(given, period=120)
    amplitude = math.hypot(0.1, 0.5)
    day = 120 * math.atan2(0.5, 0.1) / (2 * math.pi)
    np.testing.assert_allclose(found[0, 0], [0.4, amplitude, day], rtol=1e-6)


def test_harmonic_of_a_constant_has_no_amplitude():
    found, _ = ready.get_harmonic(data_of(12, step=30, NDVI=400))
    np.testing.assert_allclose(found[0, 0], [0.4, 0, 0], rtol=1e-6, atol=1e-12)


def test_harmonic_is_the_least_squares_fit():
    days = np.array([(START + timedelta(9 * k)).timetuple().tm_yday - 1 for k in range(30)])
    given = data_of(30, step=9, NDVI=np.random.default_rng(3).integers(-200, 900, 30))
    found, _ = ready.get_harmonic(given)
    angle = 2 * np.pi * days / 365.25
    design = np.stack([np.ones(30), np.cos(angle), np.sin(angle)], axis=1)
    series = given.get_interpolated_Sentinel2_NDVI()[0, 0]
    mean, cosine, sine = np.linalg.lstsq(design, series, rcond=None)[0]
    close(found[0, 0, :2], [mean, np.hypot(cosine, sine)])
    close(found[0, 0, 2], np.arctan2(sine, cosine) % (2 * np.pi) / (2 * np.pi) * 365.25)


CALLS = {
    "get_soi_s2": {},
    "get_red_edge_ndvi": {},
    "get_spatial_median": {"band": "B8", "window": 5},
    "get_cumulative_ndvi": {},
    "get_harmonic": {"index": "B8", "period": 200},
}
PADDING = {"get_spatial_median": 2}


def test_each_function_has_its_test():
    public = [name for name, _ in inspect.getmembers(ready, inspect.isfunction) if name[0] != "_"]
    assert sorted(public) == sorted(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_no_cut_moves_a_bit(name):
    given, never = rough()
    function, pad = getattr(ready, name), PADDING.get(name, 0)
    whole, labels = function(given, **CALLS[name])
    assert whole.shape == (20, 23, len(labels))
    assert np.isfinite(whole[~never]).all()
    for top, left in ((0, 0), (3, 5), (13, 1), (19, 22)):
        rows, cols = slice(top, min(top + 7, 20)), slice(left, min(left + 9, 23))
        first = max(top - pad, 0), max(left - pad, 0)
        around = given.cut(slice(first[0], rows.stop + pad), slice(first[1], cols.stop + pad))
        part, again = function(around, **CALLS[name])
        inner = part[top - first[0] :, left - first[1] :]
        assert again == labels
        np.testing.assert_array_equal(
            inner[: rows.stop - top, : cols.stop - left], whole[rows, cols]
        )


@pytest.mark.parametrize("name", [name for name in CALLS if name not in PADDING])
def test_no_value_stays_none_and_pixels_may_stand_in_a_row(name):
    given, never = rough()
    whole, _ = getattr(ready, name)(given, **CALLS[name])
    assert np.isnan(whole[never]).all()
    chosen = np.flatnonzero(np.random.default_rng(1).random(never.size) < 0.3)
    cube = given._cube.reshape(*given._cube.shape[:2], 1, -1)[..., chosen]
    some = ExternalData(layout=given._layout, dates=given._dates, cube=cube)
    found, _ = getattr(ready, name)(some, **CALLS[name])
    np.testing.assert_array_equal(found[0], whole.reshape(-1, whole.shape[2])[chosen])


WRONG = [
    ("get_red_edge_ndvi", {"band": "B4"}, "band 'B4': the bands of the red edge are B5, B6, B7"),
    ("get_spatial_median", {"band": "B9"}, "band 'B9': there is no get_interpolated_Sentinel2_B9"),
    *(
        (
            "get_spatial_median",
            {"window": window},
            f"window {window!r}: give an odd number of pixels, such as 3 or 5",
        )
        for window in (0, 2, -3, 3.0, True, "3")
    ),
    ("get_cumulative_ndvi", {"total": "yes"}, "total 'yes': give True or False"),
    ("get_harmonic", {"index": "EVI"}, "band 'EVI': there is no get_interpolated_Sentinel2_EVI"),
    *(
        ("get_harmonic", {"period": period}, f"period {period!r}: give a number of days above 0")
        for period in (0, -1.5, True, "year", math.nan)
    ),
    (
        "get_harmonic",
        {"period": 10},
        "period 10: the 3 dates, of 20 days, do not fix a mean and a wave: give another period, "
        "or more dates",
    ),
]


@pytest.mark.parametrize(("name", "parameters", "sentence"), WRONG)
def test_parameters_that_cannot_be_are_told(name, parameters, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        getattr(ready, name)(data_of(), **parameters)


def test_two_dates_fix_no_wave():
    with pytest.raises(ValueError, match=r"^period 365\.25: the 2 dates, of 100 days, do not fix"):
        ready.get_harmonic(data_of(2, step=100))
