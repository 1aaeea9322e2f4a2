"""The seed's index as an external feature, against the same without it.

The index is iota2's own example, `get_soi_s2`: two bands of each date, interpolated, in numpy. The
demo landscape has one tile of 512 x 512 pixels of 10 m and 35 products with 40 % of cloud.

First the features alone, of all pixels of the tile, in the blocks that the chain cuts on 2 threads:
read, gap-filled, and with the index or without it. The function gets two series as float32 and
gives one, on one thread. Then the whole chain, from the products to the map, by the command line
in a process of its own each time: checks, samples, an MLP of 20 epochs, classification. The index
may cost it 30 %.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from i2lc.demo import landscape
from i2lc.demo.options import Landscape
from i2lc.steps.external.calls import External
from i2lc.steps.external.functions import Functions
from i2lc.steps.external.record import SHIPPED, Function, Record
from i2lc.steps.pixels import PixelReader
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import blocks
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import FeatureSettings, Layout, date_grid
from i2lc.steps.tiles.tile import index_tile

from .measure import Result, best

TILE = "T31TCJ"
LANDSCAPE = Landscape(tiles=(1, 1), size=512, dates=35, cloud=0.4)
EPOCHS = 20
RAM = 4 * 1024**3  # of a task; blocks are cut by it
THREADS = 2
REPEATS = 3
GOAL = 1 / 1.3
SECTION = '\nexternal_features :\n{\n functions : "get_soi_s2"\n}\n'


def reader(s2_path: Path, *, index: bool) -> PixelReader:
    """Give the reader of the tile, with the seed's index or without it."""
    settings = FeatureSettings(s2_path=s2_path)
    tile = index_tile(s2_path / TILE, TILE, SENTINEL2, settings)
    dates = date_grid([product.day for product in tile.products], settings)
    external = None
    if index:
        labels = tuple(f"Sentinel2_soi_{day:%Y%m%d}" for day in dates)
        function = Function("get_soi_s2", SHIPPED, {}, labels, series=("soi",))
        record = Record((function,), {}, concat=True, padding=(0, 0), scales={"soi": 1000.0})
        external = External(record, Functions.open(record, {}))
    return PixelReader(tile, dates, Layout.of(settings), THREADS, external)


def read(pixels: PixelReader) -> None:
    """Read all pixels of the tile, block by block."""
    shape = (pixels.index.grid.height, pixels.index.grid.width)
    for cut in blocks.blocks(shape, pixels.block(RAM)):
        window = grid.crop(pixels.index.grid, *cut)
        pixels.read(window, np.ones(window.shape, bool))


def features(s2_path: Path) -> Result:
    """Measure the features of a tile."""
    with ExitStack() as stack:
        ours = stack.enter_context(reader(s2_path, index=True))
        plain = stack.enter_context(reader(s2_path, index=False))
        seconds = best({"ours": lambda: read(ours), "plain": lambda: read(plain)}, REPEATS)
        pixels = ours.index.grid.height * ours.index.grid.width
    return Result(
        "features of a tile with an external index, against without",
        f"{pixels / seconds['ours'] / 1e6:.2f} million pixels",
        seconds["ours"],
        seconds["plain"],
        None,
    )


def configured(config: Path, name: str, section: str) -> Path:
    """Write a configuration of the landscape that has a folder of its own."""
    text = re.sub(r"(\boutput_path : ).*", rf'\g<1>"{name}"', config.read_text())
    text = re.sub(r"(\bepochs : ).*", rf"\g<1>{EPOCHS}", text)
    made = config.with_name(f"{name}.cfg")
    made.write_text(text + section)
    return made


def run(config: Path) -> None:
    """Run the whole chain anew."""
    words = ["-config", str(config), "-scheduler_type", "debug"]
    subprocess.run(
        [sys.executable, "-m", "i2lc.chain.cli", *words], check=True, capture_output=True
    )


def chain(config: Path) -> Result:
    """Measure the whole chain."""
    ours, plain = configured(config, "ours", SECTION), configured(config, "plain", "")
    seconds = best({"ours": lambda: run(ours), "plain": lambda: run(plain)}, REPEATS)
    return Result(
        "the whole chain with an external index, against without",
        f"{LANDSCAPE.size**2 / seconds['ours'] / 1e6:.3f} million pixels",
        seconds["ours"],
        seconds["plain"],
        GOAL,
    )


def results() -> list[Result]:
    """Measure the features alone and the whole chain."""
    with tempfile.TemporaryDirectory(prefix="i2lc-bench-") as folder:
        config = landscape.write(Path(folder, "demo"), LANDSCAPE)
        return [features(config.parent / "s2"), chain(config)]
