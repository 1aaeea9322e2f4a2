"""Resampling from native bands to the lattice, against GDAL's cubic reproject.

Both run on 2 threads: ours over row slices, GDAL by num_threads=2. Plans are made beforehand, as
one plan serves all dates and bands of a window. Holes are 100 cloud-like blocks of nodata.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyproj
from affine import Affine
from rasterio.warp import Resampling, reproject

from i2lc.steps.kernels import cubic, planning

from .measure import Result, best

NODATA = -10000
UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
EAST, NORTH = 399_960.0, 4_900_020.0
SIZE = 2000  # output pixels along each axis
REPEATS = 5


def landscape(shape: tuple[int, int], holes: int) -> np.ndarray:
    """Make a band of noise with blocks of nodata."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 10000, shape).astype(np.int16)
    for _ in range(holes):
        y, x = rng.integers(0, shape)
        array[y : y + 40, x : x + 40] = NODATA
    return array


def same_crs(res: float) -> tuple[Affine, str, np.ndarray, np.ndarray]:
    """Give transform, CRS and source coordinates of an output in the tile's CRS."""
    at = (np.arange(SIZE) + 0.5) * 10 / res
    return Affine(10, 0, EAST, 0, -10, NORTH), UTM, at, at


def other_crs(res: float) -> tuple[Affine, str, np.ndarray, np.ndarray]:
    """Give transform, CRS and source coordinates of an output in Lambert-93."""
    x, y = pyproj.Transformer.from_crs(UTM, LAMBERT, always_xy=True).transform(EAST, NORTH)
    left, top = np.floor(x / 10) * 10, np.ceil(y / 10) * 10
    steps = (np.arange(SIZE) + 0.5) * 10
    back = pyproj.Transformer.from_crs(LAMBERT, UTM, always_xy=True)
    east, north = back.transform(*np.meshgrid(left + steps, top - steps))
    return Affine(10, 0, left, 0, -10, top), LAMBERT, (NORTH - north) / res, (east - EAST) / res


def compare(
    name: str,
    res: float,
    target: tuple[Affine, str, np.ndarray, np.ndarray],
    holes: int,
    goal: float | None,
) -> Result:
    """Measure one case."""
    transform, crs, r, c = target
    side = int(SIZE * 10 / res) + 40
    array = landscape((side, side), holes)
    out = np.empty((SIZE, SIZE), np.int16)
    theirs = np.full((SIZE, SIZE), NODATA, np.int16)
    halves = [slice(0, SIZE // 2), slice(SIZE // 2, SIZE)]
    plans = [planning.plan(r[s], c if c.ndim == 1 else c[s], array.shape) for s in halves]
    sources = [array[slice(*p.window[0]), slice(*p.window[1])] for p in plans]

    def half(k: int) -> None:
        cubic.cubic(sources[k], plans[k], NODATA, out[halves[k]])

    def gdal() -> None:
        reproject(
            array,
            theirs,
            src_transform=Affine(res, 0, EAST, 0, -res, NORTH),
            dst_transform=transform,
            src_crs=UTM,
            dst_crs=crs,
            src_nodata=NODATA,
            dst_nodata=NODATA,
            resampling=Resampling.cubic,
            num_threads=2,
        )

    half(0)  # compiles
    with ThreadPoolExecutor(2) as pool:
        seconds = best({"ours": lambda: list(pool.map(half, (0, 1))), "gdal": gdal}, REPEATS)
    both = (out != NODATA) & (theirs != NODATA)
    if crs == UTM:  # elsewhere GDAL's coordinates are approximate; the tests compare exact ones
        assert np.abs(out.astype(int) - theirs)[both].max() <= 1
    rate = f"{SIZE * SIZE / seconds['ours'] / 1e6:.0f} million pixels"
    return Result(f"{name}, against GDAL's reproject", rate, seconds["ours"], seconds["gdal"], goal)


def results() -> list[Result]:
    """Measure all cases; None = no goal was set."""
    return [
        compare("20 m to 10 m", 20, same_crs(20), 0, 20.0),
        compare("20 m to 10 m, beside nodata", 20, same_crs(20), 100, 20.0),
        compare("10 m copied", 10, same_crs(10), 100, None),
        compare("10 m to EPSG:2154", 10, other_crs(10), 0, None),
        compare("10 m to EPSG:2154, beside nodata", 10, other_crs(10), 100, None),
        compare("20 m to EPSG:2154, beside nodata", 20, other_crs(20), 100, None),
    ]
