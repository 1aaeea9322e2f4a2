"""Int16 samples in memory or in a memory-mapped file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .stored import physical

Rows = NDArray[np.int64] | slice
"""Which samples: their indices, or a run of them."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples as stored; a `Source` of one block."""

    features: NDArray[np.int16]
    """Stored values, (sample, date, band); may be memory-mapped."""
    labels: NDArray[np.int64]
    """Class indices from 0, (sample,)."""
    scale: NDArray[np.float32]
    """Stored value divided by scale is the physical value, (band,)."""
    raw: bool = False
    """The dates are raw, some are not valid (`nn_bank.stored`)."""
    gaps: bool = False
    """Single values may be missing (`nn_bank.stored`)."""

    def __post_init__(self) -> None:
        if self.features.dtype != np.int16 or self.features.ndim != 3:
            raise ValueError(
                "features must be int16 (sample, date, band), "
                f"got {self.features.dtype} {self.features.shape}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.features.shape[:1]:
            raise ValueError(
                f"labels must be int64 ({len(self.features)},), "
                f"got {self.labels.dtype} {self.labels.shape}"
            )
        if self.scale.dtype != np.float32 or self.scale.shape != self.features.shape[2:]:
            raise ValueError(
                f"scale must be float32 ({self.features.shape[2]},), "
                f"got {self.scale.dtype} {self.scale.shape}"
            )

    def __len__(self) -> int:
        return len(self.features)

    @property
    def shape(self) -> tuple[int, int]:
        """Dates and bands of a sample."""
        return self.features.shape[1], self.features.shape[2]

    @property
    def blocks(self) -> int:
        """One block, or none where there is no sample."""
        return min(len(self), 1)

    def read(self, block: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Give all samples and labels; nothing is copied."""
        if block >= self.blocks:
            raise IndexError(f"block {block} of {self.blocks}")
        return self.features, self.labels

    def gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Give samples as stored, int16 (sample, date, band), and their labels, both copied."""
        if isinstance(rows, slice):
            return torch.tensor(self.features[rows]), torch.tensor(self.labels[rows])
        stored = torch.empty((len(rows), *self.shape), dtype=torch.int16)
        # "clip" fills `out` itself; without it numpy gathers into a buffer first
        np.take(self.features, rows, axis=0, out=stored.numpy(), mode="clip")
        return stored, torch.from_numpy(self.labels[rows])

    def batch(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Give samples in physical units, float32 (sample, date, band), and their labels."""
        stored, labels = self.gather(rows)
        scale = torch.tensor(self.scale).repeat(self.shape[0])
        return physical(stored, scale, raw=self.raw, gaps=self.gaps)[0], labels
