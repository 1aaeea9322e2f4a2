"""Sentinel-2 level 2A in the format of Theia (MAJA).

A product is a folder ``SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D_V1-7`` with one
``<product>_FRE_<band>.tif`` a band (flat reflectance × 10000, int16, nodata -10000) and
``MASKS/<product>_{CLM,SAT,EDG}_R1.tif``. A pixel is valid where the three masks are 0:
no bit is interpreted, so snow, which is no bit of CLM, stays valid.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

from .base import Product, Scan, Sensor

BANDS = {
    "B2": 10.0,
    "B3": 10.0,
    "B4": 10.0,
    "B5": 20.0,
    "B6": 20.0,
    "B7": 20.0,
    "B8": 10.0,
    "B8A": 20.0,
    "B11": 20.0,
    "B12": 20.0,
}
MASKS = ("CLM", "SAT", "EDG")
PRODUCT = re.compile(
    r"SENTINEL2[A-D]_(?P<day>\d{8})-\d{6}-\d{3}_L2A_(?P<tile>T\d{2}[A-Z]{3})_[CD]_V\d+-\d+"
)
EXAMPLE = "SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D_V1-7"


def scan(folder: Path, tile: str) -> Scan:
    """Find the products of `tile` in `folder`; see :class:`Scan`."""
    products: list[Product] = []
    incomplete: list[str] = []
    strays: list[str] = []
    for entry in sorted(folder.iterdir()):
        day = _day(entry, tile)
        if isinstance(day, str):
            strays.append(day)
            continue
        product = _product(entry, day)
        missing = [
            path
            for path in (*product.bands.values(), *product.masks.values())
            if not path.is_file()
        ]
        incomplete += [f"missing file {path}" for path in missing]
        if not missing:
            products.append(product)
    products.sort(key=lambda product: (product.day, product.name))
    return Scan(tuple(products), tuple(incomplete), tuple(strays))


def _day(entry: Path, tile: str) -> date | str:
    """Give the day of a product folder, or a sentence that says why it is none."""
    if entry.suffix.lower() in {".zip", ".tar", ".gz", ".tgz"}:
        return f"{entry} is an archive: unpack it, or move it elsewhere"
    match = PRODUCT.fullmatch(entry.name)
    if match is None or not entry.is_dir():
        return f"{entry} is no product folder (such as {EXAMPLE}): move it elsewhere"
    if match["tile"] != tile:
        return f"{entry} is a product of {match['tile']}, not of {tile}: move it elsewhere"
    try:
        return datetime.strptime(match["day"], "%Y%m%d").date()
    except ValueError:
        return f"{entry} has no date in its name: {match['day']}"


def _product(folder: Path, day: date) -> Product:
    name = folder.name
    bands = {band: folder / f"{name}_FRE_{band}.tif" for band in BANDS}
    masks = {mask: folder / "MASKS" / f"{name}_{mask}_R1.tif" for mask in MASKS}
    return Product(name, day, bands, masks)


SENTINEL2 = Sensor(
    name="Sentinel2",
    bands=BANDS,
    nodata=-10000,
    scale=10000.0,
    roles={"red": "B4", "nir": "B8", "swir": "B11"},
    scan=scan,
)
