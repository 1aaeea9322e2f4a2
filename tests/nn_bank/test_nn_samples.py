import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i2lc.nn_bank import Samples, devices, loaders
from i2lc.nn_bank.loaders import DeviceBatches, MemoryBatches, batch_sizes, in_memory
from i2lc.nn_bank.stored import INVALID, NOT_ACQUIRED

SCALE = np.array([10000, 1000], np.float32)


def samples(count):
    features = np.random.default_rng(0).integers(-9999, 10001, (count, 3, 2)).astype(np.int16)
    return Samples(features, np.arange(count, dtype=np.int64), SCALE)


@pytest.mark.parametrize("rows", [slice(1, 4), np.array([4, 0, 2])])
def test_batch_is_in_physical_units(rows):
    some = samples(5)
    x, labels = some.batch(rows)
    assert x.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert np.array_equal(x.numpy(), some.features[rows].astype(np.float32) / SCALE)
    assert labels.tolist() == some.labels[rows].tolist()


def test_read_only_memory_map(tmp_path):
    some = samples(5)
    np.save(tmp_path / "features.npy", some.features)
    np.save(tmp_path / "labels.npy", some.labels)
    mapped = Samples(
        np.load(tmp_path / "features.npy", mmap_mode="r"),
        np.load(tmp_path / "labels.npy", mmap_mode="r"),
        SCALE,
    )
    for rows in (slice(0, 3), np.array([3, 1])):
        for got, expected in zip(mapped.batch(rows), some.batch(rows), strict=True):
            assert torch.equal(got, expected)


@pytest.mark.parametrize(
    ("features", "labels", "scale", "message"),
    [
        (np.zeros((2, 3, 2)), np.zeros(2, int), SCALE, "features must be int16 .* got float64"),
        (np.zeros((2, 3), np.int16), np.zeros(2, int), SCALE, r"got int16 \(2, 3\)"),
        (np.zeros((2, 3, 2), np.int16), np.zeros(3, int), SCALE, r"labels must be int64 \(2,\)"),
        (np.zeros((2, 3, 2), np.int16), np.zeros(2), SCALE, "got float64"),
        (np.zeros((2, 3, 2), np.int16), np.zeros(2, int), SCALE[:1], r"scale must be float32 \(2,"),
    ],
)
def test_refusals(features, labels, scale, message):
    with pytest.raises(ValueError, match=message):
        Samples(features, labels, scale)


def epochs(count, batch_size, seed, num_workers=0, numbers=(1, 2)):
    batches = MemoryBatches(samples(count), batch_size, seed, num_workers)
    found = [list(batches.epoch(number)) for number in numbers]
    assert all(len(epoch) == len(batches) for epoch in found)
    return found


def labels_of(epoch):
    return [label for _, labels in epoch for label in labels.tolist()]


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 2**40))
def test_an_epoch_sees_each_sample_once(count, batch_size, seed):
    for epoch in epochs(count, batch_size, seed):
        assert sorted(labels_of(epoch)) == list(range(count))
        sizes = [len(labels) for _, labels in epoch]
        assert sizes == batch_sizes(count, batch_size)
        assert sizes[-1] > 1 or batch_size == 1 or count == 1


@given(st.integers(0, 100), st.integers(1, 60))
def test_batches_are_of_one_size_but_the_last(count, batch_size):
    sizes = batch_sizes(count, batch_size)
    assert sum(sizes) == count
    assert all(size == batch_size for size in sizes[:-1])
    assert all(0 < size <= batch_size + 1 for size in sizes[-1:])


def test_a_last_single_sample_joins_the_batch_before():
    assert batch_sizes(9, 4) == [4, 5]
    assert batch_sizes(10, 4) == [4, 4, 2]
    assert batch_sizes(8, 4) == [4, 4]
    assert batch_sizes(3, 1) == [1, 1, 1]
    assert batch_sizes(1, 4) == [1]
    assert batch_sizes(0, 4) == []


def test_batches_hold_the_samples_of_their_labels():
    some = samples(23)
    for stored, labels in epochs(23, 4, 7)[0]:
        assert stored.dtype == torch.int16
        assert np.array_equal(stored.numpy(), some.features[labels.numpy()])


def test_other_batches_each_epoch_and_each_seed():
    def orders(seed):
        return [labels_of(epoch) for epoch in epochs(100, 10, seed, numbers=(1, 2, 3))]

    assert orders(0) == orders(0)
    assert len({tuple(order) for seed in (0, 1) for order in orders(seed)}) == 6


def test_an_epoch_does_not_depend_on_those_before_it():
    assert labels_of(epochs(50, 8, 3, numbers=(1, 2, 7))[2]) == labels_of(
        epochs(50, 8, 3, numbers=(7,))[0]
    )


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing(num_workers):
    def seen(workers):
        return [labels_of(epoch) for epoch in epochs(23, 4, 7, workers)]

    assert seen(num_workers) == seen(0)


def test_samples_are_a_source_of_one_block():
    some = samples(5)
    assert (some.blocks, some.shape, some.raw) == (1, (3, 2), False)
    features, labels = some.read(0)
    assert features is some.features
    assert labels is some.labels
    assert samples(0).blocks == 0
    with pytest.raises(IndexError, match="block 1 of 1"):
        some.read(1)


def test_raw_samples_have_nan_where_a_date_is_not_valid():
    features = np.full((2, 3, 2), 500, np.int16)
    features[0, 1], features[1, 2] = INVALID, NOT_ACQUIRED
    x, _ = Samples(features, np.zeros(2, np.int64), SCALE, raw=True).batch(slice(None))
    assert torch.equal(x.isnan().any(dim=2), x.isnan().all(dim=2))
    assert x.isnan().any(dim=2).tolist() == [[False, True, False], [False, False, True]]


class Device:
    """Stands for torch.cuda: says how much is free."""

    def __init__(self, free):
        self.free = free

    def mem_get_info(self):
        return self.free, 10**12


@pytest.mark.parametrize(("spare", "kind"), [(0, DeviceBatches), (-2, MemoryBatches)])
def test_samples_lie_on_the_device_where_half_of_it_holds_them(monkeypatch, spare, kind):
    some = samples(20)
    size = some.features.nbytes + some.labels.nbytes
    monkeypatch.setattr(devices.torch, "cuda", Device(2 * size + spare))
    assert type(in_memory(some, 4, 0, 0, "cpu")) is MemoryBatches
    monkeypatch.setattr(loaders.torch.Tensor, "to", lambda tensor, _: tensor)
    assert type(in_memory(some, 4, 0, 0, "cuda")) is kind


def test_batches_on_a_device_are_those_of_memory():
    some = samples(23)
    there, here = DeviceBatches(some, 4, 7, "cpu"), MemoryBatches(some, 4, 7, 0)
    assert len(there) == len(here)
    for number in (1, 2):
        pairs = zip(there.epoch(number), here.epoch(number), strict=True)
        assert all(
            torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True)
        )
