import json
import logging
from dataclasses import replace

import pytest
import torch
from nn_toys import cut, drawing, none, toy, weights_of

from i2lc.nn_bank import Checkpoint, EarlyStop, FitOptions, fit

EPOCHS = 5
OPTIONS = FitOptions(epochs=EPOCHS, batch_size=32, learning_rate=1e-2)
STOP = EarlyStop("oa", trigger=1, patience=2, tol=0.5)

KINDS = {
    "plain": {},
    "AdamW": {"optimizer": "AdamW", "weight_decay": 0.1},
    "SGD": {"optimizer": "SGD"},
    "one cycle": {"one_cycle": True},
    "one cycle of SGD": {"one_cycle": True, "optimizer": "SGD"},
    "plateau": {"adaptive_lr": {"patience": 0, "threshold": 0.5, "cooldown": 1}},
    "early stop": {"early_stop": STOP},
    "workers": {"num_workers": 1},
    "bfloat16": {"mixed_precision": True},
    "focal and weighted": {"loss": "focal", "weighted_labels": True},
}


def run(options, training=None, validation=None, **hooks):
    training = toy(150, 0) if training is None else training
    network = drawing(training)
    result = fit(
        network, training, toy(40, 1) if validation is None else validation, options, **hooks
    )
    return weights_of(network), result


def written(checkpoint):
    """Give a checkpoint as it comes back from a file: new tensors, and data that was JSON."""
    tensors = {name: tensor.clone() for name, tensor in checkpoint.tensors.items()}
    return Checkpoint(tensors, json.loads(json.dumps(checkpoint.meta)))


def content(result):
    best = {
        name: (b.epoch, b.value, {k: v.numpy().tobytes() for k, v in b.state.items()})
        for name, b in result.best.items()
    }
    return result.history, best, result.criterion, result.note, result.stopped


class CutError(Exception):
    pass


def cut_after(number, options, **sets):
    """Give the checkpoint of a training that ends right after an epoch."""
    kept = []

    def keep(checkpoint):
        kept.append(written(checkpoint))
        if checkpoint.epoch == number:
            raise CutError

    with pytest.raises(CutError):
        run(options, keep=keep, **sets)
    assert [checkpoint.epoch for checkpoint in kept] == list(range(1, number + 1))
    return kept[-1]


@pytest.mark.parametrize("stream", [False, True], ids=["full", "stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_after_any_epoch_and_resumed_gives_the_same_bits(kind, stream):
    options = replace(OPTIONS, **KINDS[kind])
    training = cut(toy(150, 0), 20) if stream else toy(150, 0)
    weights, result = run(options, training)
    assert weights != run(OPTIONS, training)[0] or kind in ("plain", "workers", "early stop")
    for number in range(1, len(result.history) + 1):
        checkpoint = cut_after(number, options, training=training)
        torch.rand(5)
        resumed_weights, resumed = run(options, training, resume=checkpoint)
        assert resumed_weights == weights
        assert content(resumed) == content(result)


def test_cases_are_not_empty():
    stopped = run(replace(OPTIONS, **KINDS["early stop"]))[1]
    assert 2 < len(stopped.history) < EPOCHS
    assert stopped.stopped
    plateau = run(replace(OPTIONS, **KINDS["plateau"]))[1]
    assert len({epoch.learning_rate for epoch in plateau.history}) > 1


def test_resumed_without_validation():
    weights, result = run(OPTIONS, validation=none())
    checkpoint = cut_after(2, OPTIONS, validation=none())
    again, resumed = run(OPTIONS, validation=none(), resume=checkpoint)
    assert again == weights
    assert [e.train_loss for e in resumed.history] == [e.train_loss for e in result.history]


def test_resumed_training_trains_only_what_is_left():
    told = []
    run(OPTIONS, resume=cut_after(3, OPTIONS), log=lambda epoch, _: told.append(epoch.number))
    assert told == [4, 5]
    told.clear()
    run(OPTIONS, resume=cut_after(5, OPTIONS), log=lambda epoch, _: told.append(epoch.number))
    assert told == []


def test_checkpoint_can_be_used_twice():
    checkpoint = cut_after(2, OPTIONS)
    before = {name: tensor.numpy().tobytes() for name, tensor in checkpoint.tensors.items()}
    assert run(OPTIONS, resume=checkpoint)[0] == run(OPTIONS, resume=checkpoint)[0]
    assert before == {name: t.numpy().tobytes() for name, t in checkpoint.tensors.items()}


def test_checkpoint_of_fewer_epochs_goes_on():
    kept = []
    run(replace(OPTIONS, epochs=2), keep=kept.append)
    assert run(OPTIONS, resume=written(kept[-1]))[0] == run(OPTIONS)[0]


def other(name):
    """Give options, sets and checkpoint of a resume that must begin anew."""
    wide = replace(OPTIONS, early_stop=replace(STOP, patience=3))
    return {
        "fewer epochs": (
            replace(OPTIONS, epochs=2),
            cut_after(3, OPTIONS),
            "it holds 3 epochs, 2 are asked for",
        ),
        "past the stop": (
            replace(OPTIONS, early_stop=STOP),
            cut_after(4, wide),
            "it holds 4 epochs, the early stop ends after epoch 3",
        ),
        "schedule": (
            replace(OPTIONS, one_cycle=True),
            cut_after(3, OPTIONS),
            "its learning rate follows another schedule",
        ),
        "steps": (
            replace(OPTIONS, one_cycle=True, epochs=4),
            cut_after(3, replace(OPTIONS, one_cycle=True)),
            "its one_cycle has another number of steps",
        ),
        "device": (
            OPTIONS,
            with_tensor(cut_after(3, OPTIONS), "random/cuda"),
            "it was taken on another device",
        ),
        "network": (
            OPTIONS,
            with_tensor(cut_after(3, OPTIONS), "network/extra"),
            "its weights are those of another network",
        ),
    }[name]


def with_tensor(checkpoint, name):
    return Checkpoint({**checkpoint.tensors, name: torch.zeros(2)}, checkpoint.meta)


@pytest.mark.parametrize(
    "name", ["fewer epochs", "past the stop", "schedule", "steps", "device", "network"]
)
def test_checkpoint_that_does_not_fit_is_left_alone(name, caplog):
    options, checkpoint, told = other(name)
    caplog.set_level(logging.WARNING, "i2lc.nn_bank.training")
    weights, result = run(options, resume=checkpoint)
    assert [record.getMessage() for record in caplog.records] == [
        f"the checkpoint is not used: {told}"
    ]
    expected_weights, expected = run(options)
    assert weights == expected_weights
    assert content(result) == content(expected)


def test_tensors_of_a_checkpoint_are_plain_and_their_own():
    checkpoint = cut_after(2, OPTIONS)
    places = [t.untyped_storage().data_ptr() for t in checkpoint.tensors.values()]
    assert len(set(places)) == len(places)
    assert all(t.is_contiguous() and not t.requires_grad for t in checkpoint.tensors.values())
    firsts = {name.partition("/")[0] for name in checkpoint.tensors}
    assert firsts == {"network", "optimizer", "random", "best"}
