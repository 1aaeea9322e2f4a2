"""Features of all blocks of a tile, from deflate files to gap-filled cubes, against bare reads.

The tile is the demo landscape's: 1024 x 1024 pixels of 10 m, 35 products with 40 % of cloud, int16,
deflate with predictor; once in strips as the demo writes it, once in tiles of 256 x 256. Features
are those of a year at 10 days, all bands and indices, in the blocks that the chain cuts.

The bare reads are rasterio's alone: the very windows of the very files that the features need, on
2 threads too, with all files opened anew in both before the clock starts. What the chain does not
read, because a product is wholly masked in a block, the bare reads leave out too.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from i2lc.demo import landscape
from i2lc.demo.options import Landscape
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import blocks, features, warp
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import FeatureSettings, Layout, date_grid
from i2lc.steps.tiles.tile import TileIndex, index_tile

from .measure import Result, best

TILE = "T31TCJ"
LANDSCAPE = Landscape(tiles=(1, 1), size=1024, dates=35, cloud=0.4)
UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
GOALS = {UTM: 0.45, LAMBERT: 0.15}
RAM = 4 * 1024**3  # of a task; blocks are cut by it
THREADS = 2
REPEATS = 3

Read = tuple[Path, Window]


@dataclass(frozen=True)
class Case:
    """A tile cut into blocks."""

    index: TileIndex
    layout: Layout
    dates: tuple[date, ...]
    blocks: list[GeoBox]

    @classmethod
    def of(cls, s2_path: Path, proj: str) -> Case:
        """Cut the tile as the chain does."""
        settings = FeatureSettings(s2_path=s2_path, proj=proj)
        index = index_tile(s2_path / TILE, TILE, SENTINEL2, settings)
        layout = Layout.of(settings)
        dates = date_grid([product.day for product in index.products], settings)
        block = blocks.block_shape(index, layout, len(dates), RAM)
        cuts = blocks.blocks((index.grid.height, index.grid.width), block)
        return cls(index, layout, dates, [grid.crop(index.grid, *cut) for cut in cuts])


class Reader(features.FeatureReader):
    """Has all files open from the start, and notes what is read, one list a product."""

    def __init__(self, case: Case) -> None:
        super().__init__(case.index, case.layout, THREADS)
        self.reads: dict[str, list[Read]] = {}
        for product in case.index.products:
            for name, path in product.bands.items():
                self._open(path, name)
            for path in product.masks.values():
                self._open(path, "mask")

    def _pixels(self, path: Path, name: str, routes: dict[str, warp.Route]) -> np.ndarray:
        window = Window.from_slices(*routes[name].window)
        if window.width and window.height:
            product = path.name.split("_V")[0]
            self.reads.setdefault(product, []).append((path, window))
        return super()._pixels(path, name, routes)


def reads_of(case: Case) -> list[list[list[Read]]]:
    """Give what the features read: a list a block, of a list a product."""
    found = []
    with Reader(case) as reader:
        for block in case.blocks:
            reader.reads = {}
            reader.features(block, case.dates)
            found.append(list(reader.reads.values()))
    return found


def run_once(case: Case, reads: list[list[list[Read]]]) -> dict[str, float]:
    """Time both, each on files opened anew, so that GDAL holds no pixel of an earlier run."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        reader = stack.enter_context(Reader(case))
        paths = {path for products in reads for product in products for path, _ in product}
        files = {path: stack.enter_context(rasterio.open(path)) for path in paths}

        def ours() -> None:
            for block in case.blocks:
                reader.features(block, case.dates)

        def read(product: list[Read]) -> None:
            for path, window in product:
                files[path].read(1, window=window)

        def bare() -> None:
            for products in reads:
                list(pool.map(read, products))

        return best({"ours": ours, "bare": bare}, 1)


def compare(s2_path: Path, proj: str, storage: str) -> Result:
    """Measure one storage in one CRS."""
    case = Case.of(s2_path, proj)
    reads = reads_of(case)
    runs = [run_once(case, reads) for _ in range(REPEATS)]
    seconds = {name: min(run[name] for run in runs) for name in runs[0]}
    pixels = case.index.grid.height * case.index.grid.width
    return Result(
        f"features in {proj}, files in {storage}, against bare reads",
        f"{pixels / seconds['ours'] / 1e6:.2f} million pixels",
        seconds["ours"],
        seconds["bare"],
        GOALS[proj],
    )


def in_tiles(source: Path, target: Path) -> None:
    """Write all rasters again, in tiles."""
    for path in source.rglob("*.tif"):
        with rasterio.open(path) as raster:
            profile, pixels = raster.profile, raster.read()
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        profile.update(tiled=True, blockxsize=256, blockysize=256, predictor=2)
        with rasterio.open(copy, "w", **profile) as raster:
            raster.write(pixels)


def results() -> list[Result]:
    """Measure both storages in both CRS."""
    with tempfile.TemporaryDirectory(prefix="i2lc-bench-") as folder:
        stripes, tiles = Path(folder, "demo", "s2"), Path(folder, "tiles")
        landscape.write(stripes.parent, LANDSCAPE)
        in_tiles(stripes, tiles)
        return [
            compare(path, proj, storage)
            for proj in (UTM, LAMBERT)
            for path, storage in ((tiles, "tiles"), (stripes, "strips"))
        ]
