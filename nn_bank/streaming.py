"""The batches of an epoch from a source that is read block by block.

The blocks of an epoch come in a drawn order, in groups; the samples of a group are mixed
again, and what is left of it after the last whole batch begins the next batch. The order of
blocks follows from seed and epoch, that in a group from seed, epoch and group, so that any
process may prepare any group.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from .loaders import Batch, batch_sizes, order, recut, workers
from .sources import Source

GROUP_SAMPLES = 32768
"""Samples that are mixed with each other, about."""
GROUP_BYTES = 128 * 1024**2
"""Most memory of a group's features, about."""

PIECE = 4096
"""Most samples that are copied at one time when a source is read in order."""

_Task = tuple[int, int, NDArray[np.int64]]
"""Epoch, group, and the blocks of the group."""


class StreamBatches:
    """Batches of a source; in memory are two groups, and one more in each worker."""

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        num_workers: int,
        group_samples: int = GROUP_SAMPLES,
    ) -> None:
        self._source = source
        self._sizes = batch_sizes(len(source), batch_size)
        self._groups = _Groups(source, seed, group_samples)
        self._mixed = _Mixed(source, seed)
        self._loader = workers(self._mixed, self._groups, num_workers)

    def __len__(self) -> int:
        return len(self._sizes)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the batches of an epoch."""
        self._groups.number = number
        release(self._source)  # workers are forked now, with no file open
        pieces = self._loader or map(self._mixed.__getitem__, self._groups)
        return recut(pieces, self._sizes)


def in_order(source: Source) -> Iterator[Batch]:
    """Give the samples of a source in their order, in copied pieces of a block."""
    for block in range(source.blocks):
        features, labels = source.read(block)
        for start in range(0, len(labels), PIECE):
            rows = slice(start, start + PIECE)
            yield torch.tensor(features[rows]), torch.tensor(labels[rows])


def release(source: Source) -> None:
    """Let a source close what it holds open; it opens it again when it is read."""
    if close := getattr(source, "close", None):
        close()


class _Groups(Sampler[_Task]):
    """The groups of epoch `number`, of even size."""

    def __init__(self, source: Source, seed: int, group_samples: int) -> None:
        self._blocks = source.blocks
        dates, bands = source.shape
        most = max(min(group_samples, GROUP_BYTES // (2 * dates * bands)), 1)
        self._count = min(-(-len(source) // most), source.blocks)
        self._seed = seed
        self.number = 1

    def __iter__(self) -> Iterator[_Task]:
        if self._count:
            blocks = order(self._blocks, self._seed, self.number)
            for group, some in enumerate(np.array_split(blocks, self._count)):
                yield self.number, group, some

    def __len__(self) -> int:
        return self._count


class _Mixed(Dataset[Batch]):
    """The samples of groups, each mixed."""

    def __init__(self, source: Source, seed: int) -> None:
        self._source = source
        self._seed = seed

    def __getitem__(self, task: _Task) -> Batch:
        epoch, group, blocks = task
        read = [self._source.read(int(block)) for block in blocks]
        count = sum(len(labels) for _, labels in read)
        places = order(count, self._seed, epoch, group)
        features = np.empty((count, *self._source.shape), np.int16)
        labels = np.empty(count, np.int64)
        start = 0
        for some, their in read:  # scattered from where they lie: no joined copy
            here = places[start : start + len(their)]
            features[here], labels[here] = some, their
            start += len(their)
        return torch.from_numpy(features), torch.from_numpy(labels)
