"""The batches of an epoch from samples in memory, as stored.

What an epoch sees follows from the seed and its number alone, so that a training goes on at
any epoch without a state, and no number of processes changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from . import devices
from .samples import Samples

Batch = tuple[Tensor, Tensor]
"""Samples as stored, int16 (sample, date, band), and their class indices, int64 (sample,)."""


class Batches(Protocol):
    """The batches of a training set."""

    def __len__(self) -> int:
        """Give the batches of an epoch."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the batches of an epoch: every sample once, other batches each epoch."""


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """Cut samples into batches; the last one holds the rest.

    A last batch of a single sample joins the one before it: batch statistics of one sample
    are undefined.
    """
    full, rest = divmod(count, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    if rest == 1 and full:
        sizes[-2:] = [batch_size + 1]
    return sizes


def order(count: int, *seeds: int) -> NDArray[np.int64]:
    """Draw an order of samples from seeds, all at least 0."""
    return np.random.default_rng(seeds).permutation(count)


def recut(pieces: Iterable[Batch], sizes: Iterable[int]) -> Iterator[Batch]:
    """Give the samples of pieces in their order, in batches of other sizes.

    Raises
    ------
    ValueError
        When the pieces hold another number of samples than the sizes ask for.
    """
    source = iter(pieces)
    rest: Batch | None = None
    for size in sizes:
        parts: list[Batch] = []
        missing = size
        while missing:
            features, labels = rest or next(source, None) or _refuse("fewer")
            parts.append((features[:missing], labels[:missing]))
            rest = (features[missing:], labels[missing:]) if len(labels) > missing else None
            missing -= len(parts[-1][1])
        yield parts[0] if len(parts) == 1 else _joined(parts)
    if rest or any(len(labels) for _, labels in source):
        _refuse("more")


def _refuse(how: str) -> Any:
    raise ValueError(f"the source gives {how} samples than it says that it has")


def _joined(parts: list[Batch]) -> Batch:
    features, labels = zip(*parts, strict=True)
    return torch.cat(features), torch.cat(labels)


class MemoryBatches:
    """Batches of samples in memory, gathered in this process or by `num_workers` others."""

    def __init__(self, samples: Samples, batch_size: int, seed: int, num_workers: int) -> None:
        self._samples = samples
        self._drawn = _Drawn(len(samples), batch_size, seed)
        self._loader = workers(_Gathered(samples), self._drawn, num_workers)

    def __len__(self) -> int:
        return len(self._drawn)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the batches of an epoch."""
        self._drawn.number = number
        return iter(self._loader) if self._loader else map(self._samples.gather, self._drawn)


class DeviceBatches:
    """Batches of samples that lie on a device, gathered there."""

    def __init__(self, samples: Samples, batch_size: int, seed: int, device: str) -> None:
        self._features = torch.tensor(samples.features).to(device)
        self._labels = torch.tensor(samples.labels).to(device)
        self._drawn = _Drawn(len(samples), batch_size, seed)

    def __len__(self) -> int:
        return len(self._drawn)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the batches of an epoch, on the device."""
        self._drawn.number = number
        for drawn in self._drawn:
            rows = torch.from_numpy(drawn).to(self._features.device)
            yield self._features[rows], self._labels[rows]


def in_memory(
    samples: Samples, batch_size: int, seed: int, num_workers: int, device: str
) -> Batches:
    """Give the batches of samples, from the device where it has room for them."""
    if device != "cpu" and devices.has_room(samples.features.nbytes + samples.labels.nbytes):
        return DeviceBatches(samples, batch_size, seed, device)
    return MemoryBatches(samples, batch_size, seed, num_workers)


class _Drawn(Sampler[NDArray[np.int64]]):
    """The batches of epoch `number` as indices; drawn in the main process."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count = count
        self._cuts = np.cumsum(batch_sizes(count, batch_size))[:-1]
        self._seed = seed
        self.number = 1

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        if self._count:
            yield from np.split(order(self._count, self._seed, self.number), self._cuts)

    def __len__(self) -> int:
        return len(self._cuts) + 1 if self._count else 0


class _Gathered(Dataset[Batch]):
    """Whole batches by their indices, for a DataLoader that does not collate."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, rows: NDArray[np.int64]) -> Batch:
        return self._samples.gather(rows)


def workers(
    dataset: Dataset[Batch], sampler: Sampler[Any], num_workers: int
) -> DataLoader[Batch] | None:
    """Give a loader of other processes, forked once; None where none are wanted.

    Each holds one batch ready, so that shared memory stays small.
    """
    if not num_workers:
        return None
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        collate_fn=_as_it_is,
        num_workers=num_workers,
        prefetch_factor=1,
        persistent_workers=True,
        multiprocessing_context="fork",
        generator=torch.Generator(),  # else it draws from torch's own state
    )


def _as_it_is(batch: Any) -> Any:
    return batch
