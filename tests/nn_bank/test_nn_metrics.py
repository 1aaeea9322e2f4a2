import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from i2lc.nn_bank import confusion, scores


def test_confusion_rows_are_reference():
    matrix = confusion([0, 0, 1, 2], [0, 1, 1, 1], 3)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_confusion_takes_images_and_nothing():
    image = np.array([[0, 1], [1, 1]], np.uint8)
    assert confusion(image, image, 2).tolist() == [[1, 0], [0, 3]]
    assert confusion([], [], 2).tolist() == [[0, 0], [0, 0]]


def test_small_types_do_not_overflow():
    top = np.full(3, 255, np.uint8)
    assert confusion(top, top, 256)[255, 255] == 3


@pytest.mark.parametrize(
    ("reference", "predicted", "message"),
    [
        ([0, 1], [0], r"\(2,\) reference against \(1,\) predicted"),
        ([0, 3], [0, 0], "class indices 0 to 3 leave 0 to 2"),
        ([0, -1], [0, 0], "class indices -1 to 0 leave 0 to 2"),
        ([0.0, 1.0], [0, 0], "must be integers, got float64"),
    ],
)
def test_confusion_refuses(reference, predicted, message):
    with pytest.raises(ValueError, match=message):
        confusion(reference, predicted, 3)


def test_scores_by_hand():
    # Cohen's arithmetic: po = 35/50, pe = (25*30 + 25*20) / 2500 = 0.5, kappa = 0.2/0.5
    got = scores([[20, 5], [10, 15]])
    assert got.oa == 0.7
    assert got.kappa == 0.4
    assert got.precision.tolist() == [20 / 30, 15 / 20]
    assert got.recall.tolist() == [20 / 25, 15 / 25]
    assert got.fscore.tolist() == [40 / 55, 30 / 45]
    assert got.mean_fscore == pytest.approx((40 / 55 + 30 / 45) / 2)


def test_never_predicted_class_has_f_zero_and_counts():
    got = scores([[3, 0], [2, 0]])
    assert np.isnan(got.precision[1])
    assert got.recall[1] == 0
    assert got.fscore[1] == 0
    assert got.mean_fscore == pytest.approx(6 / 8 / 2)


def test_class_without_reference_is_undefined_and_left_out():
    got = scores([[3, 1], [0, 0]])
    assert got.precision[1] == 0
    assert np.isnan(got.recall[1])
    assert np.isnan(got.fscore[1])
    assert got.mean_fscore == pytest.approx(6 / 7)
    assert got.kappa == 0


def test_single_class_has_no_kappa():
    got = scores([[5, 0], [0, 0]])
    assert got.oa == 1
    assert np.isnan(got.kappa)


def test_empty_matrix_is_nan_throughout():
    got = scores(np.zeros((2, 2), int))
    assert np.isnan([got.oa, got.kappa, got.mean_fscore, got.mean_precision]).all()
    assert np.isnan(got.mean_recall)
    assert np.isnan([got.precision, got.recall, got.fscore]).all()


def test_perfect_opposite_and_huge():
    assert scores([[4, 0], [0, 4]]).kappa == 1
    assert scores([[0, 4], [4, 0]]).kappa == -1
    assert scores([[10**10, 0], [0, 10**10]]).kappa == 1  # N squared leaves int64


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2]], r"square, got \(1, 2\)"),
        ([[1.5]], "integers of at least 0"),
        ([[-1]], "integers of at least 0"),
    ],
)
def test_scores_refuses(matrix, message):
    with pytest.raises(ValueError, match=message):
        scores(matrix)


def test_means_are_over_classes_that_were_predicted_and_that_are_there():
    got = scores([[3, 1, 0], [0, 0, 0], [2, 0, 0]])  # class 1 without reference, 2 not predicted
    assert got.mean_precision == pytest.approx((3 / 5 + 0) / 2)
    assert got.mean_recall == pytest.approx((3 / 4 + 0) / 2)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_scores_agree_with_scikit_learn(pairs):
    reference, predicted = map(np.array, zip(*pairs, strict=True))
    got = scores(confusion(reference, predicted, 4))
    assert got.oa == pytest.approx((reference == predicted).mean())
    present = np.unique(reference)
    f1 = f1_score(reference, predicted, labels=present, average="macro", zero_division=0)
    assert got.mean_fscore == pytest.approx(f1)
    if not np.isnan(got.kappa):
        assert got.kappa == pytest.approx(cohen_kappa_score(reference, predicted), abs=1e-12)
