import logging

import pytest
import torch
from nn_toys import cut, fitted, none, toy, weights_of
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from i2lc.nn_bank import FitOptions
from i2lc.nn_bank.schedules import Schedule, optimizer_of

ONE = {"epochs": 4, "batch_size": 100, "learning_rate": 1e-2}


def rates(result):
    return [epoch.learning_rate for epoch in result.history]


def plain_steps(kind, count=5, **keys):
    """Weights after steps on fixed gradients, by torch's plain form of an optimizer."""
    weight = nn.Parameter(torch.linspace(-1, 1, 7))
    optimizer = kind([weight], lr=1e-2, **keys)
    for step in range(count):
        weight.grad = torch.cos(torch.arange(7.0) + step)
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize(
    ("name", "kind", "keys"),
    [
        ("Adam", torch.optim.Adam, {}),
        ("AdamW", torch.optim.AdamW, {}),
        ("SGD", torch.optim.SGD, {"momentum": 0.9}),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_optimizers_are_those_of_torch(name, kind, keys, decay):
    network = nn.Linear(7, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.linspace(-1, 1, 7)[None])
    optimizer = optimizer_of(
        network, FitOptions(optimizer=name, learning_rate=1e-2, weight_decay=decay)
    )
    for step in range(5):
        network.weight.grad = torch.cos(torch.arange(7.0) + step)[None]
        optimizer.step()
    expected = plain_steps(kind, weight_decay=decay, **keys)
    assert torch.allclose(network.weight[0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
@pytest.mark.parametrize("as_stream", [False, True])
def test_one_cycle_is_that_of_torch(optimizer, as_stream):
    training = toy(301, 0)
    source = cut(training, 40) if as_stream else training
    _, result = fitted(FitOptions(**ONE, optimizer=optimizer, one_cycle=True), source)
    expected = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2, momentum=0.9)
    cycle = OneCycleLR(expected, 1e-2, total_steps=4 * 3)  # 301 = 100 + 100 + 101
    of_steps = []
    for _ in range(12):
        of_steps.append(expected.param_groups[0]["lr"])
        expected.step()
        cycle.step()
    assert rates(result) == pytest.approx(of_steps[2::3])


def test_one_cycle_of_a_single_step():
    _, result = fitted(FitOptions(epochs=1, batch_size=1000, one_cycle=True))
    assert len(rates(result)) == 1


def test_plateau_is_that_of_torch_on_the_validation_loss(caplog):
    keys = {"patience": 0, "factor": 0.5, "threshold": 0.2, "cooldown": 1, "min_lr": 1e-4}
    options = FitOptions(epochs=12, batch_size=100, learning_rate=1e-2, adaptive_lr=keys)
    caplog.set_level(logging.INFO, "i2lc.nn_bank.schedules")
    _, result = fitted(options)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    plateau = ReduceLROnPlateau(optimizer, mode="min", **keys)
    expected = []
    for epoch in result.history:
        expected.append(optimizer.param_groups[0]["lr"])
        plateau.step(epoch.validation_loss)
    assert rates(result) == expected
    assert len(set(expected)) > 2
    assert caplog.records == []


def test_plateau_watches_the_training_loss_without_validation(caplog):
    caplog.set_level(logging.INFO, "i2lc.nn_bank.schedules")
    keys = {"patience": 0, "threshold": 10.0, "threshold_mode": "abs", "verbose": True}
    options = FitOptions(epochs=3, batch_size=100, learning_rate=1e-2, adaptive_lr=keys)
    _, result = fitted(options, validation=none())
    assert rates(result) == pytest.approx([1e-2, 1e-2, 1e-3])
    assert [record.getMessage() for record in caplog.records] == [
        "learning rate 0.001 instead of 0.01 after epoch 2",
        "learning rate 0.0001 instead of 0.001 after epoch 3",
    ]


def test_without_a_schedule_the_rate_stays():
    _, result = fitted(FitOptions(**ONE))
    assert rates(result) == [1e-2] * 4
    network = nn.Linear(1, 1)
    options = FitOptions()
    assert Schedule(optimizer_of(network, options), options, 3).state() == {}


def test_weight_decay_changes_the_result():
    one, _ = fitted(FitOptions(**ONE))
    other, _ = fitted(FitOptions(**ONE, weight_decay=0.1))
    assert weights_of(one) != weights_of(other)
