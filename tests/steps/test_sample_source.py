import logging
import pickle
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from i2lc.errors import InputError, TaskError
from i2lc.nn_bank import FitOptions, Samples, build, fit
from i2lc.nn_bank.streaming import StreamBatches
from i2lc.steps.learning import sample_source
from i2lc.steps.learning.sample_source import BLOCK
from i2lc.steps.sampling import samples_file

DATES, BANDS = 3, ("B4", "NDVI")
SCALES = (10000.0, 1000.0)


def write(path, labels, sets, raw=False):
    """Write samples whose values tell their number in the file."""
    days = tuple(date(2018, 1, 5) + timedelta(10 * k) for k in range(DATES))
    axes = samples_file.Axes(days, BANDS, SCALES, raw)
    with samples_file.create(path, axes, len(labels), samples_file.COLUMNS) as file:
        file["features"][:] = features_of(np.arange(len(labels)))
        file["label"][:] = labels
        file["set"][:] = sets
    return path


def features_of(numbers):
    """Give the features (sample, date, band) of samples by their numbers."""
    inner = np.arange(DATES * len(BANDS)).reshape(DATES, len(BANDS))
    return (np.asarray(numbers)[:, None, None] + 1000 * inner).astype(np.int16)


@pytest.fixture
def file(tmp_path):
    """Three runs; the second holds training samples alone, the third none."""
    count = 2 * BLOCK + 100
    rng = np.random.default_rng(0)
    sets = rng.choice([1, 1, 1, 2], count)
    sets[BLOCK : 2 * BLOCK] = 1
    sets[2 * BLOCK :] = 2
    labels = rng.choice([11, 12, 31], count)
    return write(tmp_path / "Samples.nc", labels, sets), labels, sets


def opened(path):
    """Count how often this process holds a file open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and link.readlink() == path for link in links)


def whole(source):
    read = [source.read(block) for block in range(source.blocks)]
    return np.concatenate([f for f, _ in read]), np.concatenate([y for _, y in read])


def test_blocks_hold_the_samples_of_the_set_in_their_order(file):
    path, labels, sets = file
    training, validation, codes = sample_source.stored(path)
    assert codes == [11, 12, 31]
    assert (training.blocks, validation.blocks) == (2, 2)
    for source, kind in ((training, 1), (validation, 2)):
        rows = np.flatnonzero(sets == kind)
        features, indices = whole(source)
        assert len(source) == len(rows)
        assert features.dtype == np.int16
        assert np.array_equal(features, features_of(rows))
        assert np.array_equal(np.array(codes)[indices], labels[rows])
        assert np.array_equal(indices, source.labels)
    assert training.shape == (DATES, 2)
    assert training.scale.tolist() == list(SCALES)
    assert training.raw is False


def test_load_gives_the_same_in_memory(file):
    path, _, _ = file
    for stored, loaded in zip(
        sample_source.stored(path)[:2], sample_source.load(path)[:2], strict=True
    ):
        features, labels = whole(stored)
        assert isinstance(loaded, Samples)
        assert np.array_equal(loaded.features, features)
        assert np.array_equal(loaded.labels, labels)
        assert loaded.scale.tolist() == stored.scale.tolist()
    assert sample_source.load(path)[2] == [11, 12, 31]


@pytest.mark.parametrize("opened", [sample_source.load, sample_source.stored])
def test_raw_dates_are_told(tmp_path, opened):
    path = write(tmp_path / "s.nc", [1, 2, 1], [1, 1, 2], raw=True)
    training, validation, _ = opened(path)
    assert training.raw
    assert validation.raw


def test_size_is_that_of_the_features(file):
    path, labels, _ = file
    assert sample_source.size(path) == 2 * len(labels) * DATES * 2


def test_classes_without_training_are_left_out_with_a_warning(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "i2lc.steps.learning.sample_source")
    path = write(tmp_path / "s.nc", [5, 9, 7, 7, 5], [1, 1, 2, 2, 2])
    training, validation, codes = sample_source.stored(path)
    assert codes == [5, 9]
    assert training.labels.tolist() == [0, 1]
    assert validation.labels.tolist() == [0]
    assert np.array_equal(whole(validation)[0], features_of([4]))
    assert [r.getMessage() for r in caplog.records] == [
        "2 validation samples of classes without training"
    ]


def test_no_validation_samples(tmp_path):
    path = write(tmp_path / "s.nc", [1, 2], [1, 1])
    for opened in (sample_source.load, sample_source.stored):
        _, validation, _ = opened(path)
        assert (len(validation), validation.blocks, validation.labels.tolist()) == (0, 0, [])


def test_one_class_is_refused(tmp_path):
    path = write(tmp_path / "s.nc", [4, 4], [1, 1])
    with pytest.raises(TaskError, match=r"training samples of class code 4 alone, a model needs"):
        sample_source.stored(path)


def test_source_pickles_and_opens_anew(file):
    training, _, _ = sample_source.stored(file[0])
    training.read(0)
    again = pickle.loads(pickle.dumps(training))
    assert np.array_equal(again.read(1)[0], training.read(1)[0])


def test_closed_source_opens_again(file):
    training, _, _ = sample_source.stored(file[0])
    before = training.read(0)[0]
    assert opened(file[0]) == 1
    training.close()
    assert opened(file[0]) == 0
    assert np.array_equal(training.read(0)[0], before)
    training.close()


def test_file_that_vanished_is_named(file):
    path, _, _ = file
    training, _, _ = sample_source.stored(path)
    path.unlink()
    with pytest.raises(InputError, match=r"Samples\.nc cannot be read: .*No such file"):
        training.read(0)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_each_process_reads_for_itself(file, num_workers):
    path, _, sets = file
    training, _, _ = sample_source.stored(path)
    training.read(0)  # open here before the others are forked
    batches = StreamBatches(training, 100, 0, num_workers, 600)
    for number in (1, 2):
        stored = np.concatenate([features for features, _ in batches.epoch(number)])
        assert sorted(stored[:, 0, 0].tolist()) == np.flatnonzero(sets == 1).tolist()


def test_stored_samples_train_and_leave_no_file_open(file):
    def run(num_workers):
        training, validation, codes = sample_source.stored(file[0])
        network = build("MLPClassifier", DATES, 2, len(codes), {})
        options = FitOptions(epochs=2, batch_size=256, num_workers=num_workers)
        return fit(network, training, validation, options).history

    assert run(0) == run(1)
    assert opened(file[0]) == 0
