"""A window of a few pixels for functions of the user's."""

from datetime import date

import numpy as np

from i2lc.steps.external.data import ExternalData
from i2lc.steps.external.exogenous import Exogenous
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series.observed import Observed
from i2lc.steps.tiles.layout import INVALID, NOT_ACQUIRED, Layout

DATES = (date(2018, 1, 1), date(2018, 1, 11), date(2018, 1, 21))
TEXTS = ["20180101", "20180111", "20180121"]
ROWS, COLS = 4, 5
LAYOUT = Layout(SENTINEL2, ("B4", "B8", "B11"), ("NDVI",))
RAW_LAYOUT = Layout(SENTINEL2, ("B4", "B8", "B11"), ("NDVI",), raw=True)
SEEN_ON = (date(2018, 1, 3), date(2018, 1, 19))


def cube(shape=(ROWS, COLS), layout=LAYOUT, seed=0):
    """Stored features; the first pixel was never seen."""
    draws = np.random.default_rng(seed)
    values = draws.integers(1, 6000, (len(DATES), len(layout.names), *shape)).astype(np.int16)
    for place, name in enumerate(layout.names):
        if name in ("NDVI", "NDWI"):
            values[:, place] = values[:, place] % 2001 - 1000
    values[:, :, 0, 0] = INVALID
    return values


def observed(shape=(ROWS, COLS), layout=LAYOUT, seed=1):
    """Two days; the first pixel is never valid, the second one on the second day alone."""
    draws = np.random.default_rng(seed)
    values = draws.integers(1, 6000, (2, len(layout.bands), *shape)).astype(np.int16)
    valid = np.ones((2, *shape), bool)
    valid[:, 0, 0] = False
    valid[0, 0, 1] = False
    return Observed(values, valid, np.array([day.toordinal() for day in SEEN_ON], np.int64))


def raw_cube():
    """Features of raw dates: the last date was not acquired, a pixel of the first is invalid."""
    values = cube(layout=RAW_LAYOUT)
    values[0, :, 0, 1] = INVALID
    values[2] = NOT_ACQUIRED
    return values


def exogenous(shape=(ROWS, COLS)):
    """Two bands, the second one with a pixel without a value."""
    values = np.arange(2 * shape[0] * shape[1], dtype=np.float32).reshape(2, *shape) / 8
    values[1, 0, 0] = np.nan
    return Exogenous(values, ("slope", "band_2"))


def window(**given):
    """Give all that a function may ask for."""
    parts = {"layout": LAYOUT, "dates": DATES, "cube": cube(), "observed": observed()}
    return ExternalData(**(parts | {"exogenous": exogenous()} | given))
