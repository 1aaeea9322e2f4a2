import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i2lc.nn_bank import Samples
from i2lc.nn_bank.samples import ShuffledBatches, shuffled_loader

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


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 2**40))
def test_an_epoch_sees_each_sample_once(count, batch_size, seed):
    batches = ShuffledBatches(count, batch_size, seed)
    for _ in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches)
        assert sorted(np.concatenate(epoch).tolist()) == list(range(count))
        assert all(len(batch) == batch_size for batch in epoch[:-2])
        assert len(epoch[-1]) > 1 or batch_size == 1 or count == 1


def test_a_last_single_sample_joins_the_batch_before():
    assert [len(b) for b in ShuffledBatches(9, 4, 0)] == [4, 5]
    assert [len(b) for b in ShuffledBatches(10, 4, 0)] == [4, 4, 2]
    assert [len(b) for b in ShuffledBatches(3, 1, 0)] == [1, 1, 1]


def test_other_batches_each_epoch_and_each_seed():
    def epochs(seed):
        batches = ShuffledBatches(100, 10, seed)
        return [np.concatenate(list(batches)).tolist() for _ in range(3)]

    assert epochs(0) == epochs(0)
    assert len({tuple(order) for seed in (0, 1) for order in epochs(seed)}) == 6


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing(num_workers):
    def epochs(workers):
        loader = shuffled_loader(samples(23), 4, 7, workers)
        return [labels.tolist() for _ in range(2) for _, labels in loader]

    assert epochs(num_workers) == epochs(0)
