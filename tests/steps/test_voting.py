"""What one model says of a pixel, and the vote of several."""

import numpy as np
import pytest

from i2lc.steps.prediction import voting
from i2lc.steps.prediction.voting import Prediction, Said
from i2lc.steps.reference.labels import Label, Labels

CLASSES = Labels(tuple(Label(code, str(code), f"c{code}", (0, 0, 0)) for code in (3, 7, 300)))
CODES = (3, 7, 300)


def shares(*rows):
    """Probabilities of one model, (pixel, class)."""
    return np.array(rows, np.float32)


def voted(*models, labels=None, taught=None, undecided="maxConfidence"):
    labels = labels or [CODES] * len(models)
    said = [Said(known, codes) for known, codes in zip(models, labels, strict=True)]
    return voting.vote(said, taught or [100] * len(models), CLASSES, undecided)


def alone(known, codes=CODES, temperature=1.0):
    return voting.prediction(Said(known, codes, temperature), CLASSES)


def test_one_model():
    said = alone(shares([0.2, 0.5, 0.3], [0.9, 0.1, 0]), CODES)
    assert said.labels.tolist() == [7, 3]
    assert (said.confidence.tolist(), said.confidence.dtype) == ([50, 90], np.uint8)
    assert said.probabilities.dtype == np.uint16
    assert said.probabilities.tolist() == [[200, 900], [500, 100], [300, 0]]


def test_a_class_that_the_model_lacks_has_probability_zero():
    said = alone(shares([0.25, 0.75]), (3, 300))
    assert said.labels.tolist() == [300]
    assert said.probabilities.tolist() == [[250], [0], [750]]


def test_a_labelled_pixel_has_a_confidence_of_one_percent_at_least():
    assert alone(shares([0.001, 0.002, 0]), CODES).confidence.tolist() == [1]
    low = shares([0.34, 0.33, 0.33])
    other = shares([0, 1, 0])
    # class 3 has two votes of certainty, so that the third, sure of 7, leaves 1 - 1 = 0
    assert voted(shares([1, 0, 0]), shares([1, 0, 0]), other).confidence.tolist() == [67]
    assert voted(low, low, low).confidence.tolist() == [34]


@pytest.mark.parametrize("undecided", ["maxConfidence", "learningPriority"])
def test_the_class_with_most_votes_wins_however_sure_the_others_are(undecided):
    said = voted(
        shares([0.4, 0.3, 0.3]),
        shares([0, 0, 1]),
        shares([0.5, 0.25, 0.25]),
        taught=[1, 1000, 1],
        undecided=undecided,
    )
    assert said.labels.tolist() == [3]
    # c of those that agree, 1 - c of the one that does not: (0.4 + 0 + 0.5) / 3
    assert said.confidence.tolist() == [30]


TIE = (shares([0.5, 0.3, 0.2]), shares([0.1, 0.7, 0.2]))


def test_a_tie_is_decided_by_the_most_confident_model():
    said = voted(*TIE, taught=[900, 1])
    assert said.labels.tolist() == [7]
    assert said.confidence.tolist() == [60]  # (0.7 + 1 - 0.5) / 2


def test_or_by_the_model_with_most_samples():
    said = voted(*TIE, taught=[900, 1], undecided="learningPriority")
    assert said.labels.tolist() == [3]
    assert said.confidence.tolist() == [40]  # (0.5 + 1 - 0.7) / 2
    other = voted(*TIE, taught=[1, 900], undecided="learningPriority")
    assert other.labels.tolist() == [7]


def test_of_equals_the_first_model_decides():
    one, two = shares([0.25, 0.5, 0.25]), shares([0.5, 0.25, 0.25])
    for undecided in ("maxConfidence", "learningPriority"):
        assert voted(one, two, undecided=undecided).labels.tolist() == [7]
        assert voted(two, one, undecided=undecided).labels.tolist() == [3]


def test_a_tie_of_four_models_in_two_camps():
    """The judge is a model of any camp; a third class beside a tie of two cannot win by votes."""
    said = voted(
        shares([0.6, 0.4, 0]),
        shares([0.55, 0.45, 0]),
        shares([0.3, 0.7, 0]),
        shares([0.2, 0.8, 0]),
        taught=[5, 6, 7, 4],
    )
    assert said.labels.tolist() == [7]
    assert said.confidence.tolist() == [59]  # (0.4 + 0.45 + 0.7 + 0.8) / 4 = 0.5875


def test_each_pixel_is_voted_on_alone():
    one = shares([1, 0, 0], [0.2, 0.8, 0], [0, 0.4, 0.6])
    two = shares([0, 1, 0], [0.1, 0.9, 0], [0.9, 0, 0.1])
    three = shares([0.6, 0, 0.4], [0, 0.5, 0.5], [0, 1, 0])
    together = voted(one, two, three)
    for pixel in range(3):
        apart = voted(*(model[pixel : pixel + 1] for model in (one, two, three)))
        assert apart.labels[0] == together.labels[pixel]
        assert apart.confidence[0] == together.confidence[pixel]
        assert apart.probabilities[:, 0].tolist() == together.probabilities[:, pixel].tolist()
    assert together.labels.tolist() == [3, 7, 7]  # the last one: three classes, the surest says 7


def test_probabilities_are_the_mean_also_over_models_that_lack_a_class():
    said = voted(
        shares([0.5, 0.3, 0.2]), shares([0.4, 0.6]), labels=[CODES, (7, 300)], taught=[1, 1]
    )
    assert said.labels.tolist() == [300]  # 3 against 300: the second model is surer
    assert said.probabilities.tolist() == [[250], [350], [400]]
    assert said.probabilities.sum() == 1000


def test_a_vote_on_no_pixel():
    said = voted(np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32), labels=[CODES, (3, 7)])
    assert (said.labels.shape, said.confidence.shape) == ((0,), (0,))
    assert said.probabilities.shape == (3, 0)
    one = alone(np.zeros((0, 3), np.float32), CODES)
    assert (one.labels.shape, one.probabilities.shape) == ((0,), (3, 0))


def test_predictions_of_regions_are_put_together():
    said = Prediction.nothing(3, CLASSES)
    assert said.labels.tolist() == said.confidence.tolist() == [0, 0, 0]
    assert said.probabilities.shape == (3, 3)
    assert not said.probabilities.any()
    said.put(
        np.array([False, True, True]),
        alone(shares([0, 1, 0], [0.25, 0, 0.75]), CODES),
    )
    assert said.labels.tolist() == [0, 7, 300]
    assert said.confidence.tolist() == [0, 100, 75]
    assert said.probabilities.tolist() == [[0, 0, 250], [0, 1000, 0], [0, 0, 750]]


def test_a_temperature_moves_confidence_and_probabilities_and_no_label():
    known = shares([0.2, 0.5, 0.3], [0.5, 0.5, 0])
    plain, said = alone(known), alone(known, temperature=2.0)
    assert said.labels.tolist() == plain.labels.tolist() == [7, 3]
    roots = np.sqrt([0.2, 0.5, 0.3])
    assert said.confidence.tolist() == [round(100 * roots[1] / roots.sum()), 50]
    assert said.probabilities[:, 0].tolist() == np.rint(1000 * roots / roots.sum()).tolist()
    near = shares([0.33333334, 0.3333333, 0.33333336])
    assert alone(near, temperature=50.0).labels.tolist() == alone(near).labels.tolist() == [300]


def test_the_judge_of_a_tie_is_the_model_that_was_most_sure_before_calibration():
    models = [Said(TIE[0], CODES, 0.1), Said(TIE[1], CODES, 1.0)]
    said = voting.vote(models, [1, 1], CLASSES, "maxConfidence")
    assert models[0].sure[0] > models[1].sure[0]
    assert said.labels.tolist() == [7]
