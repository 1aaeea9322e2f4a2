from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from conftest import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from i2lc.chain.settings import config
from i2lc.steps import tile_index
from i2lc.steps.artifacts import TILE_INDEX, VIEWS
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.sensors.base import Product
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import blocks
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.layout import Layout
from i2lc.steps.tiles.tile import TileIndex

LAYOUT = Layout(SENTINEL2, tuple(SENTINEL2.bands), ("NDVI", "NDWI", "Brightness"))
TARGETS = 37
GIB = 1024**3


def index(size: int, proj: str, source_block: tuple[int, int], products: int = 70) -> TileIndex:
    """Give a tile of `size` pixels whose files have the given storage blocks."""
    native = GeoBox((size, size), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
    product = Product("p", date(2018, 1, 1), dict.fromkeys(SENTINEL2.bands, Path("b")), {})
    return TileIndex(
        tile="T31TCJ",
        grid=grid.lattice_geobox(native, proj, (10, 10)),
        native={**dict.fromkeys(SENTINEL2.bands, native), "mask": native},
        source_block=source_block,
        products=(product,) * products,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_blocks_cover_a_window_once_in_row_major_order(
    height: int, width: int, rows: int, cols: int
) -> None:
    counts = np.zeros((height, width), int)
    starts = []
    for where in blocks.blocks((height, width), (rows, cols)):
        counts[where] += 1
        starts.append((where[0].start, where[1].start))
        assert counts[where].shape[0] <= rows
        assert counts[where].shape[1] <= cols
    assert (counts == 1).all()
    assert starts == sorted(starts)


@pytest.mark.parametrize("size", [64, 512, 10980])
@pytest.mark.parametrize("proj", ["EPSG:32631", "EPSG:2154"])
@pytest.mark.parametrize("storage", ["rows", 256, 1024])
@pytest.mark.parametrize("ram", [2**26, 2**30, 12 * GIB])
def test_a_block_fits_into_its_share_of_the_ram(
    size: int, proj: str, storage: str | int, ram: int
) -> None:
    source = (1, size) if storage == "rows" else (storage, storage)
    tile = index(size, proj, source)  # type: ignore[arg-type]
    rows, cols = blocks.block_shape(tile, LAYOUT, TARGETS, ram)
    least = blocks.ALIGN**2
    row = tile.grid.width  # a block of whole rows has one row at least
    most = max(ram / blocks.RAM_SHARE / blocks.pixel_bytes(tile, LAYOUT, TARGETS), least, row)
    assert rows >= 1
    assert rows * cols <= most
    assert cols == row or rows % blocks.ALIGN == cols % blocks.ALIGN == 0


@pytest.mark.parametrize("size", [512, 10980])
@pytest.mark.parametrize("proj", ["EPSG:32631", "EPSG:2154"])
@pytest.mark.parametrize("storage", ["rows", 256, 1024])
@pytest.mark.parametrize("ram", [2**30, 12 * GIB])
@pytest.mark.parametrize("padding", [(1, 1), (5, 20), (40, 40), (0, 30), (30, 0)])
def test_a_padded_block_fits_into_its_share_of_the_ram(
    size: int, proj: str, storage: str | int, ram: int, padding: tuple[int, int]
) -> None:
    source = (1, size) if storage == "rows" else (storage, storage)
    tile = index(size, proj, source)  # type: ignore[arg-type]
    extra = 3000
    rows, cols = blocks.block_shape(tile, LAYOUT, TARGETS, ram, extra, padding)
    high = rows + 2 * padding[0]
    wide = cols + 2 * padding[1] if cols < tile.grid.width else tile.grid.width
    pixel = blocks.pixel_bytes(tile, LAYOUT, TARGETS) + extra
    least = (blocks.ALIGN + 2 * padding[0]) * (blocks.ALIGN + 2 * padding[1])
    assert high * wide <= max(ram / blocks.RAM_SHARE / pixel, least)
    if ram > 2**30:
        assert high * wide <= 4.1 * rows * min(cols, tile.grid.width)  # most is not padding


def test_padding_makes_blocks_larger_where_there_is_memory() -> None:
    tile = index(10980, "EPSG:32631", (256, 256))
    plain = blocks.block_shape(tile, LAYOUT, TARGETS, 12 * GIB)
    padded = blocks.block_shape(tile, LAYOUT, TARGETS, 12 * GIB, 0, (20, 20))
    assert min(padded) > min(plain)
    assert blocks.decoded(tile, plain, 0, (20, 20)) > blocks.decoded(tile, padded, 0, (20, 20))
    assert blocks.decoded(tile, (256, 256), 0) == (264 / 256) ** 2
    assert blocks.decoded(tile, (256, 256), 0, (20, 0)) == (560 / 256) * (264 / 256)


def test_what_a_pixel_takes_more_makes_blocks_smaller() -> None:
    tile = index(512, "EPSG:32631", (16, 16))
    plain = blocks.block_shape(tile, LAYOUT, TARGETS, GIB)
    pixel = blocks.pixel_bytes(tile, LAYOUT, TARGETS)
    heavy = blocks.block_shape(tile, LAYOUT, TARGETS, GIB, 3 * pixel)
    assert np.prod(heavy) * 4 * pixel <= blocks.BLOCK_BYTES < np.prod(plain) * 4 * pixel


@pytest.mark.parametrize("storage", ["rows", 256])
@pytest.mark.parametrize("proj", ["EPSG:32631", "EPSG:2154"])
def test_little_of_a_whole_tile_is_decoded_in_vain(storage: str | int, proj: str) -> None:
    source = (1, 10980) if storage == "rows" else (storage, storage)
    tile = index(10980, proj, source)  # type: ignore[arg-type]
    shape = blocks.block_shape(tile, LAYOUT, TARGETS, 12 * GIB)
    assert blocks.decoded(tile, shape, blocks.skew_of(tile)) < 8


@pytest.mark.parametrize("proj", ["EPSG:2154", "EPSG:3035", "EPSG:3857"])
def test_a_turned_lattice_shifts_rows_along_a_row(proj: str) -> None:
    tile = index(512, proj, (4, 512))
    y, x = grid.centres(tile.grid)
    rows, _ = grid.source_coordinates(y, x, tile.grid.crs, tile.native["B2"])
    assert blocks.skew_of(tile) == pytest.approx(
        abs(rows[256, -1] - rows[256, 0]) / (len(x) - 1), rel=1e-3
    )
    assert blocks.skew_of(index(512, "EPSG:32631", (4, 512))) == 0


def test_files_in_tiles_are_read_along_their_tiles() -> None:
    tile = index(10980, "EPSG:32631", (256, 256), products=20)
    rows, cols = blocks.block_shape(tile, LAYOUT, TARGETS, 12 * GIB)
    assert cols % 256 == 0
    assert rows >= 64


@pytest.mark.parametrize("proj", ["EPSG:32631", "EPSG:2154"])
def test_the_block_of_a_small_tile_is_no_larger_than_the_budget(proj: str) -> None:
    """What makes memory independent of a tile's size, where the files allow it."""
    for size in (512, 2048):
        tile = index(size, proj, (4, size), products=8)
        rows, cols = blocks.block_shape(tile, LAYOUT, TARGETS, 12 * GIB)
        assert rows * cols * blocks.pixel_bytes(tile, LAYOUT, TARGETS) <= blocks.BLOCK_BYTES


def test_a_block_does_not_depend_on_what_no_file_asks_for() -> None:
    tile = index(2048, "EPSG:2154", (4, 2048), products=8)
    more = replace(tile, tile="T31TDJ")
    assert blocks.block_shape(tile, LAYOUT, TARGETS, GIB) == blocks.block_shape(
        more, LAYOUT, TARGETS, GIB
    )


def test_the_views_of_a_tile_are_the_same_file_whatever_the_ram(tmp_path: Path) -> None:
    loaded = config.load(tiny(tmp_path / "land", dates=4))
    unit = Unit("T31TCJ")
    files = []
    for ram in (2**20, 12 * GIB):
        job = Job(
            unit=unit,
            settings=loaded.steps["tile_index"],
            root=tmp_path / str(ram),
            inputs=(),
            outputs=(File(TILE_INDEX, unit), File(VIEWS, unit)),
            ram=ram,
        )
        tile_index.index(job)
        files.append(job.output(VIEWS).read_bytes())
    record = TileIndex.load(job.output(TILE_INDEX))
    shapes = [blocks.block_shape(record, LAYOUT, 0, ram) for ram in (2**20, 12 * GIB)]
    assert shapes[0] != shapes[1]
    assert files[0] == files[1]
