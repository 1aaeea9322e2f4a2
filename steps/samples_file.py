"""The samples on disk: NetCDF-4 that xarray opens.

Dimensions (sample, date, band), and letter, of the names of bands;
features int16, uncompressed, in chunks of 512 samples;
``scale`` along band tells the stored value of one unit (no CF scale_factor, which would turn
all into float64). Samples are ordered by tile, row, column. The attribute ``dates`` says whether
the dates are interpolated or raw, which means that some are marked (``nn_bank.stored``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import netCDF4
import numpy as np

from .contract import Unit
from .layout import INVALID, NOT_ACQUIRED

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
    chunks = (min(CHUNK, max(samples, 1)), len(axes.dates), len(axes.bands))
    contiguous = samples == 0
    features = file.createVariable(
        "features",
        "i2",
        ("sample", "date", "band"),
        chunksizes=None if contiguous else chunks,
        fill_value=False,
    )
    features.long_name = ABOUT[RAW if axes.raw else INTERPOLATED]
    for name, (kind, about) in columns.items():
        variable = file.createVariable(name, kind, ("sample",), fill_value=False)
        variable.long_name = about
    _write_axes(file, axes)
    file.setncatts(attributes)
    return file


def _write_axes(file: netCDF4.Dataset, axes: Axes) -> None:
    file.dates = RAW if axes.raw else INTERPOLATED
    dates = file.createVariable("date", "i4", ("date",), fill_value=False)
    dates.units = f"days since {EPOCH.isoformat()}"
    dates.calendar = "standard"
    dates[:] = np.array([(day - EPOCH).days for day in axes.dates], np.int32)
    # letters, not strings of any length: HDF5 crashes on opening a file that holds such strings
    # after another one was open (Unidata/netcdf4-python#1444, HDFGroup/hdf5#5359)
    width = max((len(band.encode()) for band in axes.bands), default=1)
    file.createDimension("letter", width)
    bands = file.createVariable("band", "S1", ("band", "letter"), fill_value=False)
    bands._Encoding = "utf-8"
    bands[:] = np.array(axes.bands, f"U{width}")
    scale = file.createVariable("scale", "f8", ("band",), fill_value=False)
    scale.long_name = "stored value of one unit"
    scale[:] = np.array(axes.scales)


def flag(variable: netCDF4.Variable, meanings: Sequence[str], first: int) -> None:
    """Name the values of a variable as CF flags: `first`, `first` + 1, ..."""
    variable.flag_values = np.arange(first, first + len(meanings), dtype=variable.dtype)
    variable.flag_meanings = " ".join(meanings)


def read_axes(path: Path) -> Axes:
    """Read the date and band axes."""
    with netCDF4.Dataset(path) as file:
        days = file["date"][:].filled().tolist()
        return Axes(
            dates=tuple(date.fromordinal(EPOCH.toordinal() + day) for day in days),
            bands=tuple(str(band) for band in file["band"][:]),
            scales=tuple(float(scale) for scale in file["scale"][:]),
            raw=getattr(file, "dates", INTERPOLATED) == RAW,
        )


def pieces(count: int, size: int = 8 * CHUNK) -> Iterator[slice]:
    """Cut `count` samples into slices of `size`, so that memory does not grow with them."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
