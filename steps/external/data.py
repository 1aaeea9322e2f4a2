"""What a function of the user's gets as `self`: the pixels of a window, by the names of iota2.

Every array is made anew for whoever asks, so that no function can change what another one sees.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial

import numpy as np

from ...errors import InputError
from ..kernels import indices, physical
from ..series import raw_dates
from ..series.observed import Observed
from ..tiles.layout import INDEX_SCALE, INVALID, NOT_ACQUIRED, ROLES, Layout
from .exogenous import Exogenous

INDICES = (*ROLES, "Brightness")
INTERPOLATED, RAW = "get_interpolated_", "get_raw_"
VALID, MASKED, ABSENT = 0, 1, 2
"""What `get_raw_masks` tells of a pixel on a day."""


class ExternalData:
    """The pixels of a window, as a user's function asks for them.

    ``get_interpolated_Sentinel2_B8()`` and ``get_raw_Sentinel2_B8()`` give float32 (y, x, date) in
    physical units: reflectance from 0 to 1, NDVI and NDWI from -1 to 1, Brightness as reflectance;
    not a number where a pixel was never seen, or for a raw series not on that day. There is one
    for each band of keep_bands, and for the indices that these bands give.

    Parameters
    ----------
    layout : Layout
        Names along the band axis.
    dates : sequence of date
        Dates of the features.
    cube : ndarray of int16, (date, band, y, x)
        Features as stored; bands behind those of the layout are not looked at.
    observed : Observed, optional
        What was seen in the bands of the layout; not needed where its dates are raw.
    raw_days : sequence of date, optional
        Days of the raw series, those of all tiles; by default the days of this tile.
    exogenous : Exogenous, optional
        The user's own raster.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        dates: Sequence[date],
        cube: np.ndarray,
        observed: Observed | None = None,
        raw_days: Sequence[date] | None = None,
        exogenous: Exogenous | None = None,
    ) -> None:
        self._layout = layout
        self._dates = tuple(dates)
        self._cube = cube
        self._observed = observed
        self._raw_days = raw_days
        self._exogenous = exogenous
        self._shape = cube.shape[2:]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, cols = self._shape
        return rows, cols

    @property
    def dates(self) -> tuple[date, ...]:
        """Dates of the features."""
        return self._dates

    def cut(self, rows: slice, cols: slice) -> ExternalData:
        """Give a part of the window."""
        seen, own = self._observed, self._exogenous
        if seen is not None:
            seen = Observed(seen.values[:, :, rows, cols], seen.valid[:, rows, cols], seen.days)
        if own is not None:
            own = Exogenous(own.values[:, rows, cols], own.labels)
        return ExternalData(
            layout=self._layout,
            dates=self._dates,
            cube=self._cube[:, :, rows, cols],
            observed=seen,
            raw_days=self._raw_days,
            exogenous=own,
        )

    def widened(self, cols: int) -> ExternalData:
        """Give the window with its last column repeated, up to `cols` columns."""
        wide = copy.copy(self)
        wide._shape = (self._shape[0], cols)
        return wide

    def get_interpolated_dates(self) -> dict[str, list[str]]:
        """Give the dates of the interpolated series, YYYYMMDD, by sensor.

        Raises
        ------
        InputError
            The features are those of raw dates.
        """
        self._refuse_interpolated("dates")
        return {self._layout.sensor.name: _texts(self._dates)}

    def get_raw_dates(self) -> dict[str, list[str]]:
        """Give the days of the raw series, YYYYMMDD, by sensor."""
        return {self._layout.sensor.name: _texts(self._days())}

    def get_raw_masks(self) -> dict[str, np.ndarray]:
        """Give uint8 (y, x, date) by sensor: 0 valid, 1 invalid, 2 not acquired by this tile."""
        if self._layout.raw:
            first = self._cube[:, 0]
            told = np.full(first.shape, VALID, np.uint8)
            told[first == INVALID] = MASKED
            told[first == NOT_ACQUIRED] = ABSENT
        else:
            told = np.full((len(self._days()), *self._cube.shape[2:]), ABSENT, np.uint8)
            for place, number in self._acquired():
                told[place] = np.where(self._seen().valid[number], VALID, MASKED)
        masks = np.ascontiguousarray(np.moveaxis(self._wide(told), 0, -1))
        return {self._layout.sensor.name: masks}

    def get_exogeneous_data(self) -> np.ndarray:
        """Give the user's own raster, float32 (y, x, band), not a number where it has no value.

        Raises
        ------
        InputError
            There is none.
        """
        values = np.moveaxis(self._wide(self._own().values), 0, -1)
        return np.array(values, np.float32, order="C")

    def get_exogeneous_labels(self) -> list[str]:
        """Give the description of each band of the user's own raster.

        Raises
        ------
        InputError
            There is none.
        """
        return list(self._own().labels)

    def __getattr__(self, name: str) -> Callable[[], np.ndarray]:
        """Give the accessor of a series.

        Raises
        ------
        AttributeError
            There is no such series; those that there are.
        """
        if not name.startswith("get_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        for prefix, give in ((INTERPOLATED, self._interpolated), (RAW, self._raw)):
            start = f"{prefix}{self._layout.sensor.name}_"
            if name.startswith(start) and name.removeprefix(start) in self._names():
                return partial(give, name.removeprefix(start))
        raise AttributeError(self._unknown(name))

    def _names(self) -> list[str]:
        """Name the series: bands, the indices of the features, and those that the bands give."""
        bands = self._layout.bands
        given = [
            index
            for index in INDICES
            if index in self._layout.indices or set(self._bands_of(index)) <= set(bands)
        ]
        return [*bands, *given]

    def _bands_of(self, index: str) -> tuple[str, ...]:
        """Give the bands of an index."""
        if index not in ROLES:
            return self._layout.bands
        return tuple(self._layout.sensor.roles[role] for role in ROLES[index])

    def _unknown(self, name: str) -> str:
        sensor, band, names = self._layout.sensor, name.rpartition("_")[2], self._names()
        reason = ""
        if band in ROLES and band not in names:
            reason = f" ({band} needs {' and '.join(self._bands_of(band))} among keep_bands)"
        elif band in sensor.bands and band not in names:
            reason = f" ({band} is not among keep_bands)"
        return (
            f"there is no {name}{reason}; there are {INTERPOLATED}{sensor.name}_<band> and "
            f"{RAW}{sensor.name}_<band> for {', '.join(names)}, {INTERPOLATED}dates, "
            f"{RAW}dates, {RAW}masks, get_exogeneous_data and get_exogeneous_labels"
        )

    def _interpolated(self, name: str) -> np.ndarray:
        self._refuse_interpolated(f"{self._layout.sensor.name}_{name}")
        return self._series(name, self._layout.names, self._of_cube)

    def _raw(self, name: str) -> np.ndarray:
        if self._layout.raw:
            return self._series(name, self._layout.names, self._of_cube)
        return self._series(name, self._layout.bands, self._of_observed)

    def _series(
        self, name: str, held: Sequence[str], stored: Callable[[Sequence[str]], np.ndarray]
    ) -> np.ndarray:
        """Give a series in physical units, (y, x, date); an index that is not held is computed."""
        scale = INDEX_SCALE if name in ROLES else self._layout.sensor.scale
        if name in held:
            return physical.physical(self._wide(stored([name])[:, 0]), scale)
        bands = self._bands_of(name)
        read = stored(bands)
        cube = np.empty((read.shape[0], len(bands) + 1, *read.shape[2:]), np.int16)
        cube[:, :-1] = np.where(read == NOT_ACQUIRED, INVALID, read)
        if name in ROLES:
            indices.normalized_difference(cube, 0, 1, 2)
        else:
            indices.brightness(cube, range(len(bands)), len(bands))
        return physical.physical(self._wide(cube[:, -1]), scale)

    def _of_cube(self, names: Sequence[str]) -> np.ndarray:
        """Give some bands of the features as stored, int16 (date, band, y, x)."""
        if len(names) == 1:  # a view
            place = self._layout.names.index(names[0])
            return self._cube[:, place : place + 1]
        return self._cube[:, [self._layout.names.index(name) for name in names]]

    def _of_observed(self, names: Sequence[str]) -> np.ndarray:
        """Give some bands as they were seen, with marks, int16 (date, band, y, x)."""
        places = [self._layout.bands.index(name) for name in names]
        seen = self._seen()
        shape = (len(self._days()), len(names), *seen.valid.shape[1:])
        cube = np.full(shape, NOT_ACQUIRED, np.int16)
        for place, number in self._acquired():
            raw_dates.put(seen.values[number, places], seen.valid[number], cube[place])
        return cube

    def _wide(self, array: np.ndarray) -> np.ndarray:
        """Repeat the last column of (..., y, x) up to the width of the window."""
        if (more := self._shape[1] - array.shape[-1]) == 0:
            return array
        return np.concatenate([array, np.repeat(array[..., -1:], more, axis=-1)], axis=-1)

    def _days(self) -> Sequence[date]:
        """Give the days of the raw series."""
        if self._layout.raw:
            return self._dates
        if self._raw_days is not None:
            return self._raw_days
        return [date.fromordinal(int(day)) for day in self._seen().days]

    def _acquired(self) -> Iterator[tuple[int, int]]:
        """Yield the place of each day of this tile among the days, and its number in the tile."""
        numbers = {int(day): number for number, day in enumerate(self._seen().days)}
        for place, day in enumerate(self._days()):
            if (number := numbers.get(day.toordinal())) is not None:
                yield place, number

    def _seen(self) -> Observed:
        if self._observed is None:
            raise InputError("the raw series are not at hand: no observations were given")
        return self._observed

    def _own(self) -> Exogenous:
        if self._exogenous is None:
            raise InputError(
                "there is no raster of yours: name it in external_features.exogeneous_data"
            )
        return self._exogenous

    def _refuse_interpolated(self, what: str) -> None:
        if self._layout.raw:
            raise InputError(
                f"{INTERPOLATED}{what}: with features_from_raw_dates nothing is interpolated; "
                f"use {RAW}{what}, or drop features_from_raw_dates"
            )


def _texts(days: Sequence[date]) -> list[str]:
    return [day.strftime("%Y%m%d") for day in days]
