"""The samples on disk: NetCDF-4 that xarray opens.

Dimensions (sample, date, band), and letter, of the names of bands;
features int16, uncompressed, in chunks of 512 samples;
``scale`` along band tells the stored value of one unit (no CF scale_factor, which would turn
all into float64). Samples are ordered by tile, row, column. The attribute ``dates`` says whether
the dates are interpolated or raw, which means that some are marked (``nn_bank.stored``).

Where functions of the user gave features without a date, they stand in ``statics`` (sample,
static) int16 with ``static_scale``; the attribute ``gaps`` says that -10000 is a value of theirs
that could not be computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import netCDF4
import numpy as np

from ..contract import Unit
from ..tiles.layout import INVALID, NOT_ACQUIRED

CHUNK = 512
"""Samples of a storage chunk."""
EPOCH = date(1970, 1, 1)
TRAINING, VALIDATION = 1, 2
"""Values of the variable `set`, and of the selection raster."""
COLUMNS = {
    "label": ("u2", "class code"),
    "polygon": ("u4", "number of the polygon in samplesSelection/polygons_seed_<s>.csv"),
    "x": ("f8", "x of the pixel centre in the CRS of the run, metres"),
    "y": ("f8", "y of the pixel centre in the CRS of the run, metres"),
    "tile": ("u2", "tile, see flag_meanings"),
    "set": ("u1", "use by the network, see flag_meanings"),
    "origin": ("u1", "where its features come from, see flag_meanings"),
}
MEASURED, COPIED, SYNTHETIC = 0, 1, 2
"""Values of the variable `origin`: a pixel of the model's own polygons, a pixel copied from
another model's, made of measured pixels."""
ORIGINS = ("measured", "copied", "synthetic")
RAW, INTERPOLATED = "raw", "interpolated"
"""Values of the attribute `dates`."""
ABOUT = {
    INTERPOLATED: "stored = value * scale(band); -10000 means no data",
    RAW: f"stored = value * scale(band); all bands of a date are {INVALID} where the pixel is not "
    f"valid, {NOT_ACQUIRED} where its tile has no product",
}
"""What `features` says of itself, by the attribute `dates`."""
STATICS = "statics"
"""Variable of the features without a date, in a file that has some."""
GAPS = f"{INVALID} in features of external functions: no value"
"""Value of the attribute `gaps`."""
ABOUT_GAPS = f"; {INVALID} in a band of an external function means no value"
ABOUT_STATICS = f"stored = value * static_scale(static); {INVALID} means no value"


def split_name(unit: Unit) -> str:
    """Name a split (fold and seed) in the columns of the parts: `seed_0`, `fold_2_seed_0`."""
    return str(unit.only(("fold", "seed")))


@dataclass(frozen=True)
class Axes:
    """The date and band axes of the features."""

    dates: tuple[date, ...]
    bands: tuple[str, ...]
    scales: tuple[float, ...]
    """Stored value of one physical unit, along band."""
    raw: bool = False
    """The dates are raw: some of them are marked as invalid or not acquired."""
    statics: tuple[str, ...] = ()
    """Labels of the features without a date, which stand beside the series."""
    static_scales: tuple[float, ...] = ()
    """Stored value of one physical unit of each of them."""
    gaps: bool = False
    """There are features of the user's functions: -10000 is one that could not be computed."""

    @property
    def features(self) -> int:
        """Features of a pixel: all dates of all bands, and the statics."""
        return len(self.dates) * len(self.bands) + len(self.statics)


def create(
    path: Path, axes: Axes, samples: int, columns: dict[str, tuple[str, str]], **attributes: object
) -> netCDF4.Dataset:
    """Create the file of `samples` samples, with all axes written.

    Parameters
    ----------
    path : Path
    axes : Axes
    samples : int
        Number of samples; may be 0.
    columns : dict
        Name -> (type, description) of the variables along `sample`.
    **attributes
        Global attributes.
    """
    file = netCDF4.Dataset(path, "w", format="NETCDF4")
    file.createDimension("sample", samples)
    file.createDimension("date", len(axes.dates))
    file.createDimension("band", len(axes.bands))
    features = _values(file, "features", ("sample", "date", "band"))
    features.long_name = ABOUT[RAW if axes.raw else INTERPOLATED] + axes.gaps * ABOUT_GAPS
    if axes.statics:
        file.createDimension("static", len(axes.statics))
        _values(file, STATICS, ("sample", "static")).long_name = ABOUT_STATICS
    for name, (kind, about) in columns.items():
        variable = file.createVariable(name, kind, ("sample",), fill_value=False)
        variable.long_name = about
    _write_axes(file, axes)
    file.setncatts(attributes)
    return file


def _values(file: netCDF4.Dataset, name: str, axes: tuple[str, ...]) -> netCDF4.Variable:
    """Create a variable of stored features, the first of its axes being the samples."""
    samples, *others = (file.dimensions[axis].size for axis in axes)
    chunks = (min(CHUNK, max(samples, 1)), *others)
    contiguous = samples == 0 or 0 in others
    return file.createVariable(
        name, "i2", axes, chunksizes=None if contiguous else chunks, fill_value=False
    )


def _write_axes(file: netCDF4.Dataset, axes: Axes) -> None:
    file.dates = RAW if axes.raw else INTERPOLATED
    if axes.gaps:
        file.gaps = GAPS
    dates = file.createVariable("date", "i4", ("date",), fill_value=False)
    dates.units = f"days since {EPOCH.isoformat()}"
    dates.calendar = "standard"
    dates[:] = np.array([(day - EPOCH).days for day in axes.dates], np.int32)
    _write_names(file, "band", "letter", axes.bands)
    _write_scale(file, "scale", "band", axes.scales)
    if axes.statics:
        _write_names(file, "static", "static_letter", axes.statics)
        _write_scale(file, "static_scale", "static", axes.static_scales)


def _write_names(file: netCDF4.Dataset, axis: str, letter: str, values: Sequence[str]) -> None:
    """Write the names along an axis."""
    # letters, not strings of any length: HDF5 crashes on opening a file that holds such strings
    # after another one was open (Unidata/netcdf4-python#1444, HDFGroup/hdf5#5359)
    width = max((len(value.encode()) for value in values), default=1)
    file.createDimension(letter, width)
    names = file.createVariable(axis, "S1", (axis, letter), fill_value=False)
    names._Encoding = "utf-8"
    names[:] = np.array(values, f"U{width}")


def _write_scale(file: netCDF4.Dataset, name: str, axis: str, values: Sequence[float]) -> None:
    scale = file.createVariable(name, "f8", (axis,), fill_value=False)
    scale.long_name = "stored value of one unit"
    scale[:] = np.array(values)


def flag(variable: netCDF4.Variable, meanings: Sequence[str], first: int) -> None:
    """Name the values of a variable as CF flags: `first`, `first` + 1, ..."""
    variable.flag_values = np.arange(first, first + len(meanings), dtype=variable.dtype)
    variable.flag_meanings = " ".join(meanings)


def read_axes(path: Path) -> Axes:
    """Read the axes of the features."""
    with netCDF4.Dataset(path) as file:
        days = file["date"][:].filled().tolist()
        there = STATICS in file.variables
        return Axes(
            dates=tuple(date.fromordinal(EPOCH.toordinal() + day) for day in days),
            bands=_names(file, "band"),
            scales=_scales(file, "scale"),
            raw=getattr(file, "dates", INTERPOLATED) == RAW,
            statics=_names(file, "static") if there else (),
            static_scales=_scales(file, "static_scale") if there else (),
            gaps="gaps" in file.ncattrs(),
        )


def _names(file: netCDF4.Dataset, axis: str) -> tuple[str, ...]:
    return tuple(str(name) for name in file[axis][:])


def _scales(file: netCDF4.Dataset, name: str) -> tuple[float, ...]:
    return tuple(float(scale) for scale in file[name][:])


def features_of(file: netCDF4.Dataset) -> tuple[str, ...]:
    """Name the variables of an open file that hold features."""
    return ("features", STATICS) if STATICS in file.variables else ("features",)


def pieces(count: int, size: int = 8 * CHUNK) -> Iterator[slice]:
    """Cut `count` samples into slices of `size`, so that memory does not grow with them."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
