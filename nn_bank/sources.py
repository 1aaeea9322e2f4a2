"""`Source`: where labelled samples come from, in memory or in a file, block by block."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Source(Protocol):
    """Labelled int16 samples that can be read in blocks.

    Samples have a fixed order; a block is a run of them. Implementations pickle, and open
    what they read anew in each process.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Dates and bands of a sample."""

    @property
    def scale(self) -> NDArray[np.float32]:
        """Stored value divided by scale is the physical value, (band,)."""

    @property
    def raw(self) -> bool:
        """The dates are raw, some are not valid (`nn_bank.stored`)."""

    @property
    def gaps(self) -> bool:
        """Single values may be missing (`nn_bank.stored`)."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class index of each sample, (sample,); held in memory."""

    @property
    def blocks(self) -> int:
        """Number of blocks."""

    def __len__(self) -> int:
        """Give the number of samples."""

    def read(self, block: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Give the samples of a block, int16 (sample, date, band), and their class indices."""
