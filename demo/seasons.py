"""How the ground looks on a day: soil and vegetation mixed by a season, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .covers import SPECTRA, Cover
from .fields import Mosaic
from .streams import Floats, normal_at

_FIELD_DAYS = 6.0  # deviation of a field's calendar, days
_FIELD_VIGOUR = 0.09  # deviation of a field's green fraction, relative
_FIELD_BRIGHT = 0.08  # deviation of a field's brightness, relative
PIXEL_DAYS = 11.0  # deviation of a pixel's calendar within its field, days
PIXEL_VIGOUR = 0.15  # deviation of a pixel's green fraction within its field, relative


@dataclass(frozen=True)
class Look:
    """Reflectance of every field on one day, and how it answers to a pixel's own ways."""

    mean: NDArray[np.float32]
    """Counts, (band, field)."""
    per_delay: NDArray[np.float32]
    """Change for one deviation of the pixel's calendar, counts, (band, field)."""
    per_vigour: NDArray[np.float32]
    """Change for one deviation of the pixel's vigour, counts, (band, field)."""


@dataclass(frozen=True)
class Seasons:
    """The seasons of all fields of a mosaic."""

    mosaic: Mosaic
    """Where the fields are."""
    covers: tuple[Cover, ...]
    """The classes."""

    def on(self, day: float) -> Look:
        """Give the look of all fields on a day of the year."""
        mean, bare, green = self._reflectance(day)
        late, _, _ = self._reflectance(day - PIXEL_DAYS / 2)
        early, _, _ = self._reflectance(day + PIXEL_DAYS / 2)
        vigour = (green - bare) * self._green(day) * PIXEL_VIGOUR
        return Look(*(np.float32(1e4) * a.astype(np.float32) for a in (mean, late - early, vigour)))

    def _column(self, name: str) -> NDArray[np.float64]:
        """Give a quantity of the covers for every field, (field,)."""
        return np.array([getattr(c, name) for c in self.covers], np.float64)[self.mosaic.cover]

    def _spectra(self, name: str) -> NDArray[np.float64]:
        """Give the spectrum of every field, (band, field), 0-1."""
        table = np.array([SPECTRA[getattr(c, name)] for c in self.covers])
        return table[self.mosaic.cover].T

    @cached_property
    def _own(self) -> tuple[Floats, Floats, Floats]:
        """Days, vigour and brightness of every field, deviations of mean 0, (field,) each."""
        seed, cells = self.mosaic.seed, self.mosaic.cells
        days, vigour, bright = (normal_at(seed, n, *cells) for n in ("days", "vigour", "bright"))
        return _FIELD_DAYS * days, _FIELD_VIGOUR * vigour, _FIELD_BRIGHT * bright

    def _green(self, day: float) -> NDArray[np.float64]:
        """Give the green fraction of every field, (field,): a double logistic."""
        delay, vigour, _ = self._own
        low, high = self._column("low"), self._column("high")
        season = _logistic((day - delay - self._column("rise")) / 11.0)
        season = season - _logistic((day - delay - self._column("fall")) / 10.0)
        return (low + (high - low) * season) * (1.0 + vigour)

    def _reflectance(self, day: float) -> tuple[Floats, Floats, Floats]:
        """Give the mixed, the bare and the green spectrum of every field, (band, field)."""
        bright = 1.0 + self._own[2]
        bare, green = self._spectra("bare") * bright, self._spectra("green")
        fraction = self._green(day)
        return bare + (green - bare) * fraction, bare, green


def _logistic(t: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-t))
