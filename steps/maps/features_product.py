"""What the features map is: its name, format and type, as `external_features` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from .. import artifacts
from ..artifacts import DATE_GRID, EXTERNAL
from ..contract import Artifact, Job
from ..external.record import Record
from ..external.settings import ExternalFeatures, ExternalSettings
from ..pixels import axes_of
from ..sampling.samples_file import Axes
from ..tiles.layout import CubeSettings, Layout, load_dates


@dataclass(frozen=True)
class Product:
    """The features map that is asked for."""

    name: str
    """Without its ending (output_name)."""
    output_format: Literal["geotiff", "zarr"]
    dtype: Literal["float32", "int16"]
    per_tile: bool
    nodata: float
    """What stands where there is no value."""

    @classmethod
    def of(cls, section: ExternalFeatures | None) -> Product:
        """Give what the section asks for; without one, what its defaults do."""
        keys = ("output_name", "output_format", "output_type", "output_per_tile", "no_data_value")
        given = section.model_dump(include=set(keys)) if section else {}
        fields = ExternalFeatures.model_fields
        name, kind, dtype, per_tile, nodata = (given.get(k, fields[k].default) for k in keys)
        return cls(section.stem if section else name, kind, dtype, per_tile, nodata)

    @property
    def artifact(self) -> Artifact:
        """The kind of file that it is."""
        return artifacts.features_map(self.name, self.output_format, per_tile=self.per_tile)

    @property
    def per(self) -> tuple[str, ...]:
        """Axes of the tasks that write it."""
        return ("tile",) if self.per_tile else ()

    def pixels(self) -> dict[str, Any]:
        """Give what decides its pixels, as plain data."""
        return {"output_type": self.dtype, "no_data_value": self.nodata}


class MapSettings(CubeSettings, ExternalSettings):
    """Keys of the features map, and of the features that it holds."""

    @property
    def product(self) -> Product:
        """The features map that is asked for."""
        return Product.of(self.external_features)

    def decisive(self) -> dict[str, Any]:
        """Give what decides the pixels; of the functions, their record says it all."""
        functions = set(ExternalSettings.model_fields)
        return self.model_dump(mode="json", exclude=functions) | self.product.pixels()


def axes(job: Job) -> Axes:
    """Give dates, bands, statics and scales of the features of a run."""
    return axes_of(dates(job), Layout.of(job.settings), record(job))


def dates(job: Job) -> tuple[date, ...]:
    """Read the dates of the features."""
    return load_dates(job.input(DATE_GRID))


def record(job: Job) -> Record | None:
    """Read what is known of the user's functions; None in a run without them."""
    return next((Record.load(path) for path in job.every(EXTERNAL).values()), None)
