from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nn_toys import Blocks, cut, drawing, fitted, toy, weights_of

from i2lc.nn_bank import FitOptions, Samples, fit
from i2lc.nn_bank.loaders import batch_sizes, recut
from i2lc.nn_bank.streaming import StreamBatches, in_order

SCALE = np.array([1000], np.float32)


def numbered(sizes):
    """A source whose samples are their own numbers, as values and as labels."""
    count = sum(sizes)
    numbers = np.arange(count)
    return Blocks(Samples(numbers.astype(np.int16)[:, None, None], numbers, SCALE), sizes)


def flat(epoch):
    return list(chain.from_iterable(epoch))


def seen(source, number=1, batch_size=4, seed=0, num_workers=0, group=8):
    batches = StreamBatches(source, batch_size, seed, num_workers, group)
    epoch = list(batches.epoch(number))
    assert len(batches) == len(epoch)
    for stored, labels in epoch:
        assert stored.dtype == torch.int16
        assert stored[:, 0, 0].tolist() == labels.tolist()  # each with its own label
    return [labels.tolist() for _, labels in epoch]


@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(0, 2**40),
    st.integers(1, 10**6),
)
def test_an_epoch_sees_each_sample_once(sizes, batch_size, group, seed, number):
    source = numbered(sizes)
    epoch = seen(source, number, batch_size, seed, group=group)
    assert sorted(flat(epoch)) == list(range(sum(sizes)))
    assert [len(batch) for batch in epoch] == batch_sizes(sum(sizes), batch_size)
    assert sorted(source.reads) == (list(range(len(sizes))) if sum(sizes) else [])


def test_other_batches_each_epoch_and_each_seed():
    source = numbered([10] * 10)
    orders = {
        tuple(flat(seen(source, n, seed=seed, group=30))) for seed in (0, 1) for n in (1, 2, 3)
    }
    assert len(orders) == 6
    assert seen(source, 2) == seen(source, 2)


def test_blocks_are_mixed_within_their_group_and_groups_shuffled():
    source = numbered([10] * 12)
    order = flat(seen(source, group=40))
    blocks = [{label // 10 for label in order[start : start + 40]} for start in range(0, 120, 40)]
    assert [len(group) for group in blocks] == [4, 4, 4]
    first = [label // 10 for label in order[:40]]
    assert sum(a != b for a, b in pairwise(first)) > 15  # not block by block
    assert sorted(blocks[0]) != [0, 1, 2, 3]


def test_memory_follows_the_group_not_the_set(monkeypatch):
    source = numbered([8] * 50)
    held = []
    batches = StreamBatches(source, 4, 0, 0, 32)
    for count, _ in enumerate(batches.epoch(1), start=1):
        held.append(8 * len(source.reads) - 4 * (count - 1))  # read and not yet given
    assert max(held) <= 2 * 32


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing(num_workers):
    source = numbered([5, 0, 7, 3, 9, 1])
    for number in (1, 2):
        assert seen(source, number, num_workers=num_workers) == seen(source, number)


def test_source_that_counts_wrong_is_refused():
    pieces = [(torch.zeros(3, 1, 1), torch.zeros(3))]
    assert [len(labels) for _, labels in recut(pieces, [2, 1])] == [2, 1]
    with pytest.raises(ValueError, match="the source gives fewer samples than it says"):
        list(recut(pieces, [2, 2]))
    with pytest.raises(ValueError, match="the source gives more samples than it says"):
        list(recut(pieces, [2]))
    with pytest.raises(ValueError, match="the source gives more samples than it says"):
        list(recut(pieces * 2, [3]))


def test_in_order_gives_the_samples_as_they_lie():
    source = numbered([3, 0, 5000, 2])
    assert torch.cat([labels for _, labels in in_order(source)]).tolist() == list(range(5005))
    assert max(len(labels) for _, labels in in_order(source)) == 4096


def test_training_learns_from_a_stream():
    _, result = fitted(
        FitOptions(epochs=15, batch_size=32, learning_rate=3e-3), cut(toy(600, 0), 50)
    )
    assert result.history[-1].oa > 0.95


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_do_not_change_a_bit_of_the_weights(num_workers):
    def run(workers):
        training = cut(toy(150, 0), 20)
        network = drawing(training)
        options = FitOptions(epochs=2, batch_size=32, learning_rate=1e-2, num_workers=workers)
        result = fit(network, training, cut(toy(50, 1), 9), options)
        return weights_of(network), result.history

    assert run(num_workers) == run(0)


def test_validation_does_not_depend_on_the_blocks():
    options = FitOptions(epochs=1, batch_size=64)
    validation = toy(5000, 1)  # more than a pass of 4096
    _, whole = fitted(options, validation=validation)
    _, pieces = fitted(options, validation=cut(validation, 700))
    assert whole.history == pieces.history


def test_source_is_closed_before_workers_are_forked_and_at_the_end():
    class Closing(Blocks):
        closed = 0

        def close(self):
            self.closed += 1

    samples = toy(60, 0)
    training, validation = Closing(samples, [30, 30]), Closing(samples, [60])
    fitted(FitOptions(epochs=1, batch_size=32), training, validation)
    assert training.closed >= 2
    assert validation.closed == 2
