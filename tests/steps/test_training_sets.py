"""What a training reads, and what it refuses before it starts."""

from datetime import date

import numpy as np
import pytest

from i2lc.errors import TaskError
from i2lc.steps import samples_file, training

AXES = samples_file.Axes((date(2018, 1, 5), date(2018, 2, 4)), ("B4",), (10000.0,))
WAYS = "lower cloud_threshold, raise ratio, or let sample_selection take more"


def write(path, labels, sets):
    with samples_file.create(path, AXES, len(labels), samples_file.COLUMNS) as file:
        file["features"][:] = np.arange(2 * len(labels)).reshape(-1, 2, 1)
        file["label"][:] = labels
        file["set"][:] = sets
    return path


def test_labels_are_numbers_of_the_classes_that_are_learnt(tmp_path):
    path = write(tmp_path / "a.nc", [30, 10, 10, 30, 40], [1, 1, 2, 2, 2])
    learnt, checked, codes = training.read_sets(path, AXES)
    assert codes == [10, 30]
    assert learnt.labels.tolist() == [1, 0]
    assert checked.labels.tolist() == [0, 1]  # 40 is not learnt
    assert checked.features.ravel().tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("labels", "sets", "there"),
    [([10, 10, 20], [1, 1, 2], "of class code 10 alone"), ([10, 20], [2, 2], "of no class")],
)
def test_fewer_than_two_classes_are_refused_in_words(tmp_path, labels, sets, there):
    path = write(tmp_path / "a.nc", labels, sets)
    order = {
        "samples": str(path),
        "settings": training.Settings().model_dump(mode="json"),
        "hyp": 0,
        "seed": 0,
    }
    with pytest.raises(TaskError) as caught:
        training.fit_samples(order)
    assert str(caught.value) == (
        f"{path} has training samples {there}, a model needs two classes or more: {WAYS}"
    )
