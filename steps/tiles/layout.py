"""What the features are: bands, indices, dates, as the configuration and the sensor fix them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ...errors import InputError
from ..contract import Settings, UserPath
from ..files import store
from ..sensors.base import Sensor
from ..sensors.sentinel2 import SENTINEL2
from . import grid

IndexName = Literal["NDVI", "NDWI", "Brightness"]
ROLES: dict[str, tuple[str, ...]] = {"NDVI": ("nir", "red"), "NDWI": ("swir", "nir")}
"""Spectral roles of each normalised difference: (a - b) / (a + b)."""
INDEX_SCALE = 1000.0
INVALID, NOT_ACQUIRED = -10000, -20000
"""Marks of raw dates: those of ``nn_bank.stored``, which would bring torch to every step."""
LOWEST = -9999
"""Least value of an observation that is stored: an undershoot of resampling is no mark."""
YEAR = 366
"""Days: products further apart say nothing of what lies between them."""


def _day(text: str) -> str:
    if text:
        try:
            if not (text.isascii() and text.isdigit() and len(text) == 8):
                raise ValueError(text)
            _parse(text)
        except ValueError as error:
            raise ValueError(f"{text} is no date YYYYMMDD") from error
    return text


Day = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_day)]


class BandSettings(Settings):
    """The key that chooses the bands."""

    keep_bands: tuple[str, ...] = Field(
        tuple(SENTINEL2.bands), description="Bands that become features, in the sensor's order."
    )

    @field_validator("keep_bands")
    @classmethod
    def _bands_known(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [band for band in bands if band not in SENTINEL2.bands]:
            known = " ".join(SENTINEL2.bands)
            raise ValueError(f"unknown {', '.join(unknown)}; the bands are {known}")
        if len(set(bands)) < len(bands) or not bands:
            raise ValueError("name each band once, and at least one")
        return bands


class ViewSettings(grid.LatticeSettings, BandSettings):
    """Keys that decide what is seen of a pixel."""

    s2_path: UserPath = Field(description="Folder with one folder of Theia products a tile.")


class RawSettings(Settings):
    """The key that chooses between the interpolated series and the acquisitions themselves."""

    features_from_raw_dates: bool = Field(
        False,
        description="True: the features are those of the days of all products, not interpolated; "
        "days that are masked or that a tile lacks are marked, for networks that read raw dates.",
    )


class DateSettings(RawSettings):
    """Keys that decide the dates of the features."""

    temporal_resolution: int = Field(
        10,
        ge=1,
        description="Days between the dates of the features; no effect with "
        "features_from_raw_dates.",
    )
    start_date: Day = Field(
        "", description="First date of the features, YYYYMMDD; by default the first of any tile."
    )
    end_date: Day = Field(
        "", description="Last possible date, YYYYMMDD; by default the last date of any tile."
    )
    auto_date: bool | None = Field(
        None,
        description="True: dates of the features from the data; False: start_date and end_date "
        "are required. By default they count where given.",
    )

    @model_validator(mode="after")
    def _dates_agree(self) -> DateSettings:
        if self.auto_date and (self.start_date or self.end_date):
            raise ValueError("auto_date True contradicts start_date and end_date: give one of both")
        if self.auto_date is False and not (self.start_date and self.end_date):
            raise ValueError("auto_date False needs start_date and end_date")
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError(f"start_date {self.start_date} is after end_date {self.end_date}")
        return self


class CubeSettings(BandSettings, RawSettings):
    """Keys that decide the band axis of the features, and whether their dates are raw."""

    features: tuple[IndexName, ...] = Field(
        ("NDVI", "NDWI", "Brightness"), description="Indices added behind the bands; [] for none."
    )

    @model_validator(mode="after")
    def _indices_possible(self) -> CubeSettings:
        if len(set(self.features)) < len(self.features):
            raise ValueError("features: name each index once")
        for index in self.features:
            for role in ROLES.get(index, ()):
                if SENTINEL2.roles[role] not in self.keep_bands:
                    raise ValueError(f"{index} needs {SENTINEL2.roles[role]} in keep_bands")
        return self


class FeatureSettings(ViewSettings, DateSettings, CubeSettings):
    """Keys that decide the features of a pixel."""


@dataclass(frozen=True)
class Layout:
    """The band axis of the features, and what stands on their dates."""

    sensor: Sensor
    bands: tuple[str, ...]
    """Bands read from files, in the sensor's order."""
    indices: tuple[str, ...]
    """Indices behind them."""
    raw: bool = False
    """The dates are raw: some of them hold INVALID or NOT_ACQUIRED in all bands and indices."""

    @classmethod
    def of(cls, settings: BandSettings) -> Layout:
        """Give the layout that the settings ask for; without indices where they name none."""
        bands = tuple(band for band in SENTINEL2.bands if band in settings.keep_bands)
        if not isinstance(settings, CubeSettings):
            return cls(SENTINEL2, bands, ())
        return cls(SENTINEL2, bands, settings.features, settings.features_from_raw_dates)

    @property
    def names(self) -> tuple[str, ...]:
        """Names along the band axis."""
        return self.bands + self.indices

    @property
    def scales(self) -> tuple[float, ...]:
        """Stored value of one physical unit, along the band axis."""
        own = [INDEX_SCALE if index in ROLES else self.sensor.scale for index in self.indices]
        return (self.sensor.scale,) * len(self.bands) + tuple(own)


def date_grid(days: Sequence[date], settings: DateSettings) -> tuple[date, ...]:
    """Give the dates of the features.

    Parameters
    ----------
    days : sequence of date
        Days of all products of all tiles.
    settings : DateSettings
        start_date and end_date, where given, replace the first and last day.

    Returns
    -------
    tuple of date
        Every `temporal_resolution` days; with features_from_raw_dates the days of the products.

    Raises
    ------
    InputError
        No product lies between start_date and end_date: no date is left, or all would repeat one
        observation. Interpolated dates may lie between two products of one year.
    """
    first = _parse(settings.start_date) if settings.start_date else min(days)
    last = _parse(settings.end_date) if settings.end_date else max(days)
    inside = tuple(sorted({day for day in days if first <= day <= last}))
    raw = settings.features_from_raw_dates
    if not inside and (raw or not _amid(days, first, last)):
        raise InputError(_no_product(days, settings, first, last))
    if raw:
        return inside
    step = settings.temporal_resolution
    count = (last - first).days // step + 1
    return tuple(first + timedelta(step * k) for k in range(count))


def _amid(days: Sequence[date], first: date, last: date) -> bool:
    """Tell whether products before and after some days are near enough to interpolate."""
    before = [day for day in days if day < first]
    after = [day for day in days if day > last]
    return bool(before and after) and (min(after) - max(before)).days <= YEAR


def _no_product(days: Sequence[date], settings: DateSettings, first: date, last: date) -> str:
    start = f"{first:%Y%m%d}{'' if settings.start_date else ' (its default)'}"
    end = f"{last:%Y%m%d}{'' if settings.end_date else ' (its default)'}"
    return (
        f"no product lies between start_date {start} and end_date {end}: the products run from "
        f"{min(days)} to {max(days)}; give start_date and end_date of their time, or neither"
    )


def _parse(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def save_dates(path: Path, days: Sequence[date]) -> None:
    """Publish the dates of the features."""
    store.write_json(path, [day.isoformat() for day in days])


def load_dates(path: Path) -> tuple[date, ...]:
    """Read the dates of the features."""
    return tuple(date.fromisoformat(text) for text in store.read_json(path))
