"""Int16 samples in memory or in a memory-mapped file, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Rows = NDArray[np.int64] | slice
"""Which samples: their indices, or a run of them."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples as stored; `batch` gives them as a network wants them."""

    features: NDArray[np.int16]
    """Stored values, (sample, date, band); may be memory-mapped."""
    labels: NDArray[np.int64]
    """Class indices from 0, (sample,)."""
    scale: NDArray[np.float32]
    """Stored value divided by scale is the physical value, (band,)."""

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

    def batch(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Give samples in physical units, float32 (sample, date, band), and their labels."""
        stored = self.features[rows]
        x = torch.empty(stored.shape)  # torch's alignment, on which MKL's rounding may depend
        np.divide(stored, self.scale, out=x.numpy())
        return x, torch.from_numpy(np.array(self.labels[rows]))


class ShuffledBatches(Sampler[NDArray[np.int64]]):
    """The batches of each epoch, as indices: every sample once, other batches each epoch.

    Drawn in the main process from a generator of its own, so that neither the number
    of workers nor any other use of randomness changes them. A last batch of a single
    sample joins the one before it: batch statistics of one sample are undefined.

    Parameters
    ----------
    count : int
        Number of samples.
    batch_size : int
        Samples a batch; the last batch holds the rest.
    seed : int
        Of the order.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count = count
        edges = [*range(0, count, batch_size), count]
        if batch_size > 1 and len(edges) > 2 and edges[-1] - edges[-2] == 1:
            del edges[-2]
        self._cuts = list(pairwise(edges))
        self._generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        # A generator, so that nothing is drawn before the first batch is asked for: a
        # DataLoader with workers opens two iterators for the first epoch and uses one.
        order = torch.randperm(self._count, generator=self._generator).numpy()
        for start, stop in self._cuts:
            yield order[start:stop]

    def __len__(self) -> int:
        return len(self._cuts)


class _Fetched(Dataset[tuple[Tensor, Tensor]]):
    """Whole batches by their indices, for a DataLoader that does not collate."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        return self._samples.batch(rows)


def shuffled_loader(
    samples: Samples, batch_size: int, seed: int, num_workers: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Give a loader that yields one epoch of (x, labels) batches each time it is iterated.

    Workers only fetch and convert; they are forked once and share the samples' memory.
    """
    return DataLoader(
        _Fetched(samples),
        batch_size=None,
        sampler=ShuffledBatches(len(samples), batch_size, seed),
        collate_fn=_as_it_is,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        multiprocessing_context="fork" if num_workers else None,
        generator=torch.Generator().manual_seed(seed),  # else it draws from torch's own state
    )


def _as_it_is(batch: Any) -> Any:
    return batch
