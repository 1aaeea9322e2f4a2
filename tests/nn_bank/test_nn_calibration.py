import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from i2lc.nn_bank.calibration import (
    COLDEST,
    HOTTEST,
    expected_calibration_error,
    fit_temperature,
    softmax,
)


def drawn(count, classes, seed, factor=1.0):
    """Logits times a factor, and labels drawn from the softmax of the logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    gumbel = rng.gumbel(size=logits.shape)  # the largest of the sum follows the softmax
    return logits * factor, (logits + gumbel).argmax(axis=1)


def nll(logits, labels, temperature):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_temperature_undoes_a_factor(factor):
    logits, labels = drawn(40000, 5, 0, factor)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(factor, rel=0.03)
    before = expected_calibration_error(softmax(logits), labels)
    after = expected_calibration_error(softmax(logits, temperature), labels)
    assert after < 0.015
    assert factor == 1.0 or before > 5 * after


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 1000), st.floats(0.01, 50))
def test_laws(count, classes, seed, factor):
    logits, labels = drawn(count, classes, seed, factor)
    temperature = fit_temperature(logits, labels)
    assert COLDEST <= temperature <= HOTTEST
    assert (softmax(logits, temperature).argmax(axis=1) == logits.argmax(axis=1)).all()
    here = nll(logits, labels, temperature)
    for other in (1.0, COLDEST, HOTTEST, temperature * 1.01, temperature / 1.01):
        if COLDEST <= other <= HOTTEST:
            assert here <= nll(logits, labels, other) + 1e-9


def test_same_temperature_for_float32_and_any_order():
    logits, labels = drawn(500, 4, 3, 2.0)
    single = logits.astype(np.float32)
    assert fit_temperature(single, labels) == fit_temperature(single, labels)
    assert fit_temperature(single[::-1], labels[::-1]) == pytest.approx(
        fit_temperature(single, labels), rel=1e-9
    )


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        (np.zeros((0, 3)), [], 1.0),
        (np.full((4, 1), 7.0), [0, 0, 0, 0], 1.0),
        (np.full((2, 3), 7.0), [0, 2], 1.0),
        (np.eye(3) * 5, [0, 1, 2], COLDEST),
        (np.eye(3) * 5, [1, 2, 0], HOTTEST),
    ],
)
def test_cases_that_do_not_tell(logits, labels, expected):
    assert fit_temperature(logits, np.array(labels, np.int64)) == expected


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.95, 0.05], [0.4, 0.6], [0.5, 0.5]])
    labels = np.array([0, 1, 1, 0])
    # ten bins: 0.9 in (0.8, 0.9], 0.95 in (0.9, 1], 0.6 in (0.5, 0.6], 0.5 in (0.4, 0.5]
    expected = (0.1 + 0.95 + 0.4 + 0.5) / 4
    assert expected_calibration_error(probabilities, labels, 10) == pytest.approx(expected)
    # one bin: mean confidence 0.7375 against an accuracy of 3 in 4
    assert expected_calibration_error(probabilities, labels, 1) == pytest.approx(0.0125)


def test_calibration_error_of_extremes():
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert expected_calibration_error(sure, np.array([0, 0])) == 0
    assert expected_calibration_error(sure, np.array([1, 1])) == 1
    assert np.isnan(expected_calibration_error(np.zeros((0, 2)), np.zeros(0, np.int64)))


@pytest.mark.parametrize("of", [fit_temperature, expected_calibration_error])
@pytest.mark.parametrize(
    ("values", "labels", "told"),
    [
        (np.zeros(3), [0, 0, 0], r"labels \(sample,\) are needed, got \(3,\) and \(3,\)"),
        (np.zeros((3, 2)), [0, 0], r"got \(3, 2\) and \(2,\)"),
        (np.full((1, 2), np.nan), [0], "a value is not finite"),
        (np.zeros((2, 2)), [0, 2], "labels 0 to 2 leave 0 to 1"),
        (np.zeros((1, 2)), [-1], "labels -1 to -1 leave 0 to 1"),
    ],
)
def test_refusals(of, values, labels, told):
    with pytest.raises(ValueError, match=told):
        of(values, np.array(labels, np.int64))
