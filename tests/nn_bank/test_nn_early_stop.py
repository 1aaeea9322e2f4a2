import math

import pytest
from nn_toys import fitted

from i2lc.errors import ConfigError
from i2lc.nn_bank import EarlyStop, Epoch, FitOptions
from i2lc.nn_bank.early_stop import METRICS, improvement, stop_reason

NAN = math.nan
FIELDS = {"val_loss": "validation_loss"}


def history(values, metric):
    """Epochs in which one metric takes given values, and every other one is nan."""
    blank = dict.fromkeys(("train_loss", "validation_loss", "oa", "kappa", "fscore"), NAN)
    field = FIELDS.get(metric, metric)
    return [Epoch(n, **(blank | {field: value})) for n, value in enumerate(values, start=1)]


def stops_after(values, metric="oa", **rule):
    """Give the first epoch after which a training with these values is ended; 0: none."""
    epochs = history(values, metric)
    asked = EarlyStop(metric, **rule)
    return next((n for n in range(1, len(epochs) + 1) if stop_reason(epochs[:n], asked)), 0)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (1.0, 0.1, 1.0),
        (0.1, 1.0, -1.0),
        (2.0, 2.0, 0.0),
        (1.0, 0.0, math.inf),
        (0.0, 1.0, -math.inf),
        (0.0, 0.0, NAN),
        (NAN, 1.0, NAN),
        (1.0, NAN, NAN),
    ],
)
def test_improvement_of_a_loss_is_the_log_of_the_ratio(before, now, expected):
    assert improvement("train_loss", before, now) == pytest.approx(expected, nan_ok=True)


def test_improvement_of_a_score_is_the_difference():
    assert improvement("kappa", 0.25, 0.75) == 0.5
    assert improvement("oa", 0.75, 0.25) == -0.5


@pytest.mark.parametrize(
    ("values", "trigger", "patience", "expected"),
    [
        # epoch 1 has none before it and is not judged, so 2 is the first that can stop
        ([0.5, 0.5], 0, 1, 2),
        ([0.5], 0, 1, 0),
        ([0.5, 0.5], 1, 1, 2),
        ([0.5, 0.5, 0.5], 2, 1, 3),  # epochs up to the trigger are not looked at
        ([0.5, 0.5, 0.6, 0.6], 3, 1, 4),
        ([0.5] * 6, 3, 3, 6),
        ([0.5] * 5, 3, 3, 0),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 0, 1, 0),
        ([0.5, 0.5, 0.6, 0.6, 0.6], 0, 2, 5),  # an improvement begins the count anew
        ([0.5, 0.5, 0.7, 0.7, 0.9, 0.9], 0, 2, 0),
        ([0.9, 0.5, 0.6, 0.7], 0, 2, 0),  # better than the one before, not than the best
        ([0.5, 0.6, NAN, 0.7], 0, 2, 4),  # nan does not improve, nor does what follows it
        ([NAN, NAN, NAN], 0, 2, 3),
    ],
)
def test_stop_against_hand_made_histories(values, trigger, patience, expected):
    assert stops_after(values, trigger=trigger, patience=patience, tol=0.05) == expected


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_is_read_from_its_own_field(metric):
    better = [1.0, 0.1, 0.01] if metric.endswith("loss") else [0.1, 0.5, 0.9]
    assert stops_after(better, metric, trigger=0, patience=1, tol=0.3) == 0
    assert stops_after(better[::-1], metric, trigger=0, patience=1, tol=0.3) == 2


def test_tolerance_counts_as_improvement():
    ratio = [1.0, 0.1]
    assert stops_after(ratio, "val_loss", trigger=0, patience=1, tol=1.0) == 0
    assert stops_after(ratio, "val_loss", trigger=0, patience=1, tol=1.000001) == 2
    assert stops_after([0.5, 0.75], trigger=0, patience=1, tol=0.25) == 0


def test_no_rule_never_stops():
    assert stop_reason(history([0.5] * 100, "oa"), None) == ""


def test_reason_says_which_metric_and_epoch():
    rule = EarlyStop("valid_loss", 0, 2, 0.01)
    assert rule.metric == "val_loss"
    assert stop_reason(history([1.0, 1.0, 1.0], "val_loss"), rule) == (
        "stopped after epoch 3: early_stop_metric val_loss did not improve by 0.01 in 2 epochs "
        "in a row"
    )


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"metric": "f1"},
            "unknown early_stop_metric 'f1'; known: val_loss, train_loss, fscore, oa, kappa, "
            "valid_loss",
        ),
        ({"trigger": -1}, "epoch_to_trigger is -1: at least 0 is needed"),
        ({"patience": 0}, "early_stop_patience is 0: at least 1 is needed"),
        ({"tol": -0.1}, "early_stop_tol is -0.1: it must be 0 or more, and finite"),
        ({"tol": math.nan}, "early_stop_tol is nan: it must be 0 or more, and finite"),
    ],
)
def test_bad_rules_are_refused(keys, told):
    with pytest.raises(ConfigError) as caught:
        EarlyStop(**keys)
    assert str(caught.value) == told


def test_training_ends_early_and_says_why():
    rule = EarlyStop("train_loss", trigger=2, patience=2, tol=10.0)
    options = FitOptions(epochs=20, batch_size=64, learning_rate=1e-3, early_stop=rule)
    _, result = fitted(options)
    assert len(result.history) == 4
    assert result.stopped == stop_reason(result.history, rule) != ""
    _, whole = fitted(FitOptions(epochs=4, batch_size=64, learning_rate=1e-3))
    assert whole.history == result.history
    assert whole.stopped == ""
