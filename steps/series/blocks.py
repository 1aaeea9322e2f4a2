"""How a window is cut into blocks: what is in memory at one time, and never seen in a result.

A block wants to be small for the memory and large for the files, whose storage blocks are
decoded whole: the smallest block is taken at which little is decoded in vain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..sensors.sentinel2 import SENTINEL2
from ..tiles import grid
from ..tiles.layout import Layout
from ..tiles.tile import TileIndex
from . import warp

BLOCK_BYTES = 64 * 1024**2
"""Memory that the arrays of a block take, unless the files ask for more."""
RAM_SHARE = 8
"""The arrays of a block take at most this part of the task's ram."""
MOST_DECODED = 3.0
"""Pixels decoded for one used above which a larger block is taken."""
ALIGN = 16
"""Block sides are multiples of this (the tile size of a TIFF must be)."""
MARGIN = 8
"""Pixels around a block that its kernels read: two of the coarsest bands on each side."""
SUB_SAMPLE = 48
"""Bytes of a planned sub-sample."""
OVERHEAD = 200
"""Bytes a pixel for coordinates, masks and predictions."""


Padding = tuple[int, int]
"""Rows and columns on each side of a block that are computed with it and cut off."""


def block_shape(
    index: TileIndex,
    layout: Layout,
    targets: int,
    ram: int,
    extra: int = 0,
    padding: Padding = (0, 0),
) -> tuple[int, int]:
    """Choose the rows and columns of a block of pixels.

    Parameters
    ----------
    index : TileIndex
    layout : Layout
    targets : int
        Dates of the features.
    ram : int
        Memory of the task, in bytes.
    extra : int
        Bytes that a pixel takes beyond the features of the layout.
    padding : tuple of int
        Counts in the memory, and in what is decoded.

    Returns
    -------
    rows, columns : int
        Without the padding. Columns are all columns of the tile, or both are multiples of
        ``ALIGN``.
    """
    pixel = pixel_bytes(index, layout, targets) + extra
    least = ALIGN * ALIGN
    most = max(ram // RAM_SHARE // pixel, least)
    pixels = min(max(BLOCK_BYTES // pixel, least), most)
    skew = skew_of(index)
    shape = _shape(index, pixels, skew, padding)
    while decoded(index, shape, skew, padding) > MOST_DECODED and 2 * pixels <= most:
        pixels *= 2
        shape = _shape(index, pixels, skew, padding)
    return shape


def pixel_bytes(index: TileIndex, layout: Layout, targets: int) -> int:
    """Give the memory of a pixel in the arrays of a block.

    Observations count twice: they are gathered before they are gap-filled. So they do where the
    dates are raw, and may be less: products beyond start_date and end_date are not read then.
    """
    observed = len(index.products) * (2 * len(layout.bands) + 1)
    return 2 * observed + 2 * targets * len(layout.names) + OVERHEAD + _plan_bytes(index)


def _plan_bytes(index: TileIndex) -> int:
    """Give the memory of the sub-samples of a coarser pixel in another CRS, over all grids."""
    native = index.native.values()
    if all(source.crs == index.grid.crs for source in native):
        return 0
    ratios = {index.grid.resolution.x / source.resolution.x for source in native}
    return sum(SUB_SAMPLE * warp.sub_samples(r) ** 2 for r in ratios if r > warp.COARSER)


def skew_of(index: TileIndex) -> float:
    """Give the source rows that one column of the lattice is shifted by (and vice versa)."""
    source = index.native[SENTINEL2.finest]
    middle = grid.crop(
        index.grid,
        slice(index.grid.height // 2, index.grid.height // 2 + 1),
        slice(0, index.grid.width),
    )
    y, x = grid.centres(middle)
    rows, _ = grid.source_coordinates(y, x[[0, -1]], middle.crs, source)
    return 0.0 if rows.ndim == 1 else float(abs(rows[0, -1] - rows[0, 0]) / max(len(x) - 1, 1))


def _shape(index: TileIndex, pixels: int, skew: float, padding: Padding) -> tuple[int, int]:
    """Give the shape that has at most `pixels` pixels with its padding, decoded least in vain."""
    width = index.grid.width
    deep, broad = index.source_block
    above, beside = 2 * padding[0], 2 * padding[1]
    wide = math.sqrt(pixels)
    if _in_strips(index):
        wide = math.sqrt(pixels / skew) if skew else float(width)

    def rows(cols: int) -> int:
        return pixels // min(cols + beside, max(width, cols)) - above

    cols = min(wide, pixels / (max(ALIGN, above) + above), width + beside) - beside
    cols = max(int(cols) // ALIGN * ALIGN, ALIGN)
    shapes = [(max(rows(cols) // ALIGN * ALIGN, ALIGN), cols)]
    others = [(rows(width), width)]
    if pixels >= deep * broad and deep % ALIGN == broad % ALIGN == 0:
        cols = max((int(wide) - beside) // broad, 1) * broad
        others.append((rows(cols) // deep * deep, cols))
    # lower than their padding they would compute most pixels several times
    shapes += [shape for shape in others if shape[0] >= max(above, 1)]
    return min(shapes, key=lambda shape: decoded(index, shape, skew, padding))


def _in_strips(index: TileIndex) -> bool:
    """Tell whether the files are stored in whole rows."""
    return index.source_block[1] >= index.native[SENTINEL2.finest].width


def decoded(
    index: TileIndex, shape: tuple[int, int], skew: float, padding: Padding = (0, 0)
) -> float:
    """Give the source pixels that are decoded for each pixel of a block."""
    rows, cols = shape
    deep, wide = index.source_block
    above, beside = 2 * padding[0], 2 * padding[1]
    high = rows + above + MARGIN + (cols + beside) * skew + _cut(rows, deep, skew, above)
    if _in_strips(index):
        broad = float(index.native[SENTINEL2.finest].width)
    else:
        broad = cols + beside + MARGIN + (rows + above) * skew + _cut(cols, wide, skew, beside)
    return high * broad / (rows * min(cols, index.grid.width))


def _cut(side: int, stored: int, skew: float, padding: int) -> int:
    """Give the pixels decoded in vain at both ends of a side: none where it is aligned."""
    return 0 if skew == 0 and side % stored == 0 and not padding else stored


def blocks(shape: tuple[int, int], block: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Cut a window of `shape` (rows, columns) into blocks, row-major."""
    for row in range(0, shape[0], block[0]):
        for col in range(0, shape[1], block[1]):
            yield (
                slice(row, min(row + block[0], shape[0])),
                slice(col, min(col + block[1], shape[1])),
            )
