"""Plans: which pixels of a band's native raster each output pixel needs.

A plan is made once (`planning`) and serves all dates, bands and masks of that grid. Three kinds:
`Separable` (the same CRS: rows and columns are independent), `Scattered` (another CRS: every pixel
has coordinates of its own) and `Area` (output coarser than the source). What a plan needs of the
raster is its `window`; every kernel takes exactly that part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Window = tuple[tuple[int, int], tuple[int, int]]
NOWHERE: Window = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Axis:
    """Taps of n output rows (or columns)."""

    first: np.ndarray
    """(n,) int32: in the padded window, the first of the four pixels around the coordinate."""
    fraction: np.ndarray
    """(n,) float32: distance from the centre of the second of the four, in pixels, in [0, 1)."""
    near: np.ndarray
    """(n,) int32: in the window, the pixel that holds the coordinate."""
    inside: tuple[int, int]
    """Range of outputs whose coordinate lies in the raster; the others' taps mean nothing."""
    phases: int
    """1: inside, taps advance by one pixel an output; 2: by one in two outputs; 0: otherwise."""

    @property
    def is_copy(self) -> bool:
        """Whether the output pixels are source pixels."""
        return self.phases == 1 and not self.fraction[slice(*self.inside)].any()


@dataclass(frozen=True)
class Separable:
    """Plan for an output in the CRS of the source."""

    window: Window
    """((row0, row1), (col0, col1)): the part of the source raster to hand in."""
    pad: Window
    """((above, below), (left, right)): pixels that taps reach beyond the raster, 0 to 2."""
    rows: Axis
    cols: Axis

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the output."""
        return self.rows.first.size, self.cols.first.size


@dataclass(frozen=True)
class Scattered:
    """Plan for an output in another CRS; 16 bytes a pixel."""

    window: Window
    """((row0, row1), (col0, col1)): the part of the source raster to hand in."""
    pad: Window
    """((above, below), (left, right)): pixels that taps reach beyond the raster, 0 to 2."""
    tap: np.ndarray
    """(ny, nx) int32: flat index in the padded window of the first of the 4 × 4 pixels."""
    dy: np.ndarray
    """(ny, nx) float32: fraction along rows, in [0, 1)."""
    dx: np.ndarray
    """(ny, nx) float32: fraction along columns, in [0, 1)."""
    near: np.ndarray
    """(ny, nx) int32: flat index in the window of the pixel that holds the coordinate; -1: none."""
    outside: np.ndarray
    """(m,) int64: flat indices of the outputs outside of the raster; their taps mean nothing."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the output."""
        return self.tap.shape[0], self.tap.shape[1]


@dataclass(frozen=True)
class Area:
    """Plan for a coarser output in the CRS of the source."""

    window: Window
    """((row0, row1), (col0, col1)): the part of the source raster to hand in."""
    rows: np.ndarray
    """(ny + 1,) float64: edges of the output cells in the window, clipped to the raster."""
    cols: np.ndarray
    """(nx + 1,) float64."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the output."""
        return self.rows.size - 1, self.cols.size - 1


Plan = Separable | Scattered


def checked(src: np.ndarray, window: Window, dtype: np.typing.DTypeLike) -> np.ndarray:
    """Refuse a source that is not the plan's window, or of another type; make it contiguous."""
    (row0, row1), (col0, col1) = window
    if src.shape != (row1 - row0, col1 - col0) or src.dtype != dtype:
        raise ValueError(f"src: {src.dtype} {src.shape} is not the plan's window {window}")
    return np.ascontiguousarray(src)
