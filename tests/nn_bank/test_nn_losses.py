import numpy as np
import pytest
import torch
from nn_toys import fitted, network_for, toy
from torch.nn import functional

from i2lc.nn_bank import FitOptions, class_weights, fit
from i2lc.nn_bank.losses import Loss


def case(count=40, classes=5):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, classes, generator=generator) * 3
    return logits, torch.randint(0, classes, (count,), generator=generator)


WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 4.0, 1.5])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_by_its_definition(weights, smoothing):
    logits, labels = case()
    total, mass = Loss(weights, smoothing)(logits, labels)
    w = np.ones(5) if weights is None else weights.numpy().astype(float)
    log_p = torch.log_softmax(logits.double(), dim=1).numpy()
    of_label = -log_p[np.arange(40), labels] * w[labels]
    of_all = -(log_p * w).mean(axis=1)
    assert total.item() == pytest.approx(
        ((1 - smoothing) * of_label + smoothing * of_all).sum(), rel=1e-5
    )
    assert np.float64(mass) == pytest.approx(w[labels].sum())


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_by_its_definition(weights, gamma):
    logits, labels = case()
    total, mass = Loss(weights, gamma=gamma)(logits, labels)
    p = torch.softmax(logits.double(), dim=1).numpy()[np.arange(40), labels]
    w = np.ones(40) if weights is None else weights.numpy().astype(float)[labels]
    assert total.item() == pytest.approx((-w * (1 - p) ** gamma * np.log(p)).sum(), rel=1e-5)
    assert np.float64(mass) == pytest.approx(w.sum())


def test_focal_loss_of_gamma_0_is_the_cross_entropy():
    logits, labels = case()
    assert float(Loss(WEIGHTS, gamma=0.0)(logits, labels)[0]) == pytest.approx(
        float(Loss(WEIGHTS)(logits, labels)[0]), rel=1e-6
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_slope_of_the_focal_loss_is_finite_where_the_network_is_sure(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    total, _ = Loss(gamma=gamma)(logits, torch.tensor([0, 0]))
    total.backward()
    assert total.item() == pytest.approx(200)  # all of it from the wrong sample
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0].abs().max() < 1e-3


def test_class_weights_of_the_seed():
    assert class_weights(np.repeat([0, 1], [80, 20]), 2).tolist() == [1.25, 5]
    assert class_weights(np.repeat([0, 2], [80, 20]), 3).tolist() == [1.25, 0, 5]


@pytest.mark.parametrize("keys", [{"loss": "focal"}, {"label_smoothing": 0.2}])
def test_losses_enter_the_training_and_leave_the_validation_plain(keys):
    training, validation = toy(50, 0), toy(30, 1)
    network = network_for(training)
    x, labels = training.batch(slice(None))
    loss = Loss(None, keys.get("label_smoothing", 0.0), 2.0 if "loss" in keys else None)
    total, mass = loss(network(x), labels)
    result = fit(network, training, validation, FitOptions(epochs=1, batch_size=50, **keys))
    assert result.history[0].train_loss == pytest.approx(total.item() / mass, rel=1e-5)
    with torch.no_grad():
        x, labels = validation.batch(slice(None))
        plain = functional.cross_entropy(network(x), labels).item()
    assert result.history[0].validation_loss == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("keys", [{"loss": "focal"}, {"label_smoothing": 0.1}])
def test_other_losses_learn_too(keys):
    _, result = fitted(FitOptions(epochs=15, batch_size=32, learning_rate=3e-3, **keys))
    assert result.history[-1].oa > 0.95
