import math

import pytest

from i2lc.errors import ConfigError
from i2lc.nn_bank.options import ADAPTIVE, FitOptions, check_adaptive


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"epochs": 0}, "epochs is 0: at least 1 is needed"),
        ({"batch_size": 0}, "batch_size is 0: at least 1 is needed"),
        ({"num_workers": -1}, "num_workers is -1: at least 0 is needed"),
        ({"threads": 0}, "threads is 0: at least 1 is needed"),
        ({"seed": -1}, "seed is -1: at least 0 is needed"),
        ({"weight_decay": -1e-3}, "weight_decay is -0.001: at least 0 is needed"),
        ({"weight_decay": math.nan}, "weight_decay is nan: at least 0 is needed"),
        ({"focal_gamma": -2.0}, "focal_gamma is -2.0: at least 0 is needed"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: it must be above 0"),
        ({"learning_rate": math.inf}, "learning_rate is inf: it must be above 0"),
        (
            {"criterion": "f1"},
            "unknown model_selection_criterion 'f1'; known: loss, fscore, oa, kappa",
        ),
        ({"optimizer": "adam"}, "unknown optimizer 'adam'; known: Adam, AdamW, SGD"),
        ({"loss": "mse"}, "unknown loss 'mse'; known: cross_entropy, focal"),
        ({"device": "tpu"}, "unknown device 'tpu'; known: cpu, cuda"),
        (
            {"label_smoothing": 1.0},
            "label_smoothing is 1.0: it must be from 0 to below 1",
        ),
        (
            {"label_smoothing": 0.1, "loss": "focal"},
            "label_smoothing belongs to the loss cross_entropy: remove it, or loss 'focal'",
        ),
        (
            {"one_cycle": True, "adaptive_lr": {"patience": 1}},
            "one_cycle and adaptive_lr both set the learning rate: remove one of them",
        ),
        (
            {"adaptive_lr": {"mode": "max"}},
            "adaptive_lr cannot set mode: the mode is min, the optimizer the training's",
        ),
        (
            {"adaptive_lr": {"optimizer": "SGD"}},
            "adaptive_lr cannot set optimizer: the mode is min, the optimizer the training's",
        ),
        (
            {"adaptive_lr": {"patiance": 3}},
            "adaptive_lr has no key 'patiance'; known: patience, factor, threshold, "
            "threshold_mode, cooldown, min_lr, eps, verbose",
        ),
    ],
)
def test_bad_values_are_refused_by_the_name_of_their_key(option, told):
    with pytest.raises(ConfigError) as caught:
        FitOptions(**option)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("key", "value", "needed"),
    [
        ("patience", 1.5, "an integer of at least 0"),
        ("patience", True, "an integer of at least 0"),
        ("factor", 1.0, "a number above 0 and below 1"),
        ("factor", "a", "a number above 0 and below 1"),
        ("threshold", -1, "a number of at least 0"),
        ("threshold_mode", "db", "rel or abs"),
        ("cooldown", -1, "an integer of at least 0"),
        ("min_lr", math.nan, "a number of at least 0"),
        ("eps", None, "a number of at least 0"),
        ("verbose", 1, "True or False"),
    ],
)
def test_bad_values_of_adaptive_lr(key, value, needed):
    with pytest.raises(ConfigError) as caught:
        check_adaptive({key: value})
    assert str(caught.value) == f"adaptive_lr: {key} is {value!r}: {needed} is needed"


def test_the_example_of_the_documentation_is_accepted():
    example = {
        "patience": 10,
        "factor": 0.1,
        "threshold": 1e-4,
        "threshold_mode": "rel",
        "cooldown": 0,
        "min_lr": 0,
        "eps": 1e-8,
        "verbose": False,
    }
    assert example.keys() == ADAPTIVE.keys()
    assert FitOptions(adaptive_lr=example).adaptive_lr == example
    assert FitOptions(adaptive_lr={}, one_cycle=True).one_cycle
