"""Synthetic samples in the training sets: how many, of which, and what stays as it is."""

import logging
from dataclasses import replace
from datetime import date

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import ValidationError

from i2lc.errors import InputError, TaskError
from i2lc.steps import augmentation
from i2lc.steps.artifacts import LABELS, MERGED, SAMPLES
from i2lc.steps.checks import sampling_checks
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import store
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.sampling import augmentation_settings, samples_file, synthesis
from i2lc.steps.sampling.augmentation_settings import SampleAugmentation, new_samples

AXES = samples_file.Axes((date(2018, 1, 5), date(2018, 2, 4)), ("B4", "NDVI"), (10000.0, 1000.0))
UNIT = Unit(region="R1f2", fold=2, seed=1)
COUNTS = {10: 300, 20: 40, 30: 1}
"""Class code -> training samples."""
MINIMUM = {"samples.strategy": "minNumber", "samples.strategy.minNumber": 100}
BY_CLASS = {"samples.strategy": "byClass", "samples.strategy.byClass": "/a.csv"}
BALANCE = {"samples.strategy": "balance"}


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    """To wait for the disk is no part of these rules, and would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_flush", lambda _: None)
        yield


def chosen(**keys):
    return SampleAugmentation(**{"activate": True, "strategy": "replicate", **MINIMUM, **keys})


# --- how many ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "by_class", "expected"),
    [
        (MINIMUM, {}, {20: 60, 30: 99}),
        ({**MINIMUM, "samples.strategy.minNumber": 301}, {}, {10: 1, 20: 261, 30: 300}),
        (BALANCE, {}, {20: 260, 30: 299}),
        (BY_CLASS, {20: 50, 10: 9}, {20: 10}),
        (BY_CLASS, {40: 50}, {}),
    ],
)  # fmt: skip
def test_each_class_is_brought_to_its_number(keys, by_class, expected):
    settings = SampleAugmentation(activate=True, strategy="smote", **keys)
    assert new_samples(COUNTS, settings, by_class) == expected


def test_a_class_without_a_sample_gets_none():
    assert new_samples({10: 0, 20: 4}, chosen(), {}) == {20: 96}
    balance = SampleAugmentation(activate=True, strategy="smote", **BALANCE)
    assert new_samples({}, balance, {}) == {}


# --- the keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"activate": True, **MINIMUM},
            "activate True needs strategy: replicate, jitter or smote",
        ),
        (
            {"activate": True, "strategy": "smote"},
            "activate True needs samples.strategy: minNumber, balance or byClass",
        ),
        (
            {"samples.strategy": "minNumber"},
            "samples.strategy minNumber needs samples.strategy.minNumber",
        ),
        (
            {"samples.strategy": "byClass"},
            "samples.strategy byClass needs samples.strategy.byClass",
        ),
        (
            {**MINIMUM, "samples.strategy": "balance"},
            "samples.strategy.minNumber belongs to samples.strategy minNumber",
        ),
        ({"strategy": "mixup"}, "Input should be 'replicate', 'jitter' or 'smote'"),
        ({"strategy.jitter.stdfactor": 0}, "greater than 0"),
        ({"strategy.smote.neighbors": 0}, "greater than or equal to 1"),
        ({"target_models": []}, "at least 1 item"),
        ({"bins": 10}, "Extra inputs are not permitted"),
    ],
)
def test_keys_that_contradict_are_refused(keys, message):
    with pytest.raises(ValidationError) as caught:
        SampleAugmentation(**keys)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("strategy", "key", "owner"),
    [
        ("replicate", "strategy.jitter.stdfactor", "jitter"),
        ("smote", "strategy.jitter.stdfactor", "jitter"),
        (None, "strategy.jitter.stdfactor", "jitter"),
        ("replicate", "strategy.smote.neighbors", "smote"),
        ("jitter", "strategy.smote.neighbors", "smote"),
    ],
)
def test_a_key_of_another_strategy_is_refused(strategy, key, owner):
    with pytest.raises(ValidationError) as caught:
        SampleAugmentation(**{"strategy": strategy, key: 7})
    assert f"{key} belongs to strategy {owner}, not {strategy}" in str(caught.value)
    assert not SampleAugmentation().activate


@pytest.mark.parametrize(
    ("strategy", "key", "default", "other"),
    [
        ("jitter", "strategy.jitter.stdfactor", 10, 3),
        ("smote", "strategy.smote.neighbors", 5, 1),
    ],
)
def test_a_key_that_is_not_given_has_its_default(tmp_path, strategy, key, default, other):
    write(tmp_path)

    def made(**keys):
        return augment(tmp_path, chosen(strategy=strategy, **keys)).read_bytes()

    assert made() == made(**{key: default}) != made(**{key: other})


@pytest.mark.parametrize(
    ("named", "expected"),
    [(["all"], True), (["R1f2"], True), (["R1"], True), (["R2", "R1f1"], False), (["R"], False)],
)
def test_targets_are_named_by_model_or_by_region(named, expected):
    assert chosen(target_models=named).targets("R1f2", "R1") is expected


def test_problems_are_told_beforehand(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("10,5\n11,5\n")
    by_class = {"samples.strategy": "byClass", "samples.strategy.byClass": path}
    settings = SampleAugmentation(target_models=["R1", "R3", "all"], **by_class)
    assert augmentation_settings.problems_of(settings, ["R1", "R2"], {"10": 10}) == [
        "sample_augmentation.target_models: target model R3 is no model of this run; the models "
        "are R1, R2",
        f"{path}, line 2: want 'label,count' with a label of the ground truth, got '11,5'",
    ]
    path.unlink()
    (found,) = augmentation_settings.problems_of(settings, ["R1", "R3"], {"10": 10})
    assert found.startswith(f"samples.strategy.byClass: {path} cannot be read: ")
    assert augmentation_settings.problems_of(SampleAugmentation(), ["1"], {}) == []


def test_one_look_tells_all_that_is_wrong_with_the_keys_of_samples(tmp_path):
    copies = tmp_path / "copies.csv"
    copies.write_text("1,2,10,5\n")
    counts, goals = tmp_path / "counts.csv", tmp_path / "goals.csv"
    counts.write_text("10,1\n")
    goals.write_text("10,x\n")
    item = {"target_model": "9", "strategy": "byclass", "strategy.byclass.in": counts}
    by_class = {"samples.strategy": "byClass", "samples.strategy.byClass": goals}
    settings = sampling_checks.SampleSettings(
        sample_selection={"per_model": [item]},
        sample_management=copies,
        sample_augmentation=by_class,
    )
    assert sampling_checks.files_of(settings) == [counts, copies, goals]
    assert sampling_checks.problems_of(settings, ["1"], {"10": 10}) == [
        "sample_selection.per_model: target_model 9 is no model of this run; the models are 1",
        f"{copies}, line 1: dest_model 2 is no model of this run; the models are 1",
        f"{goals}, line 1: want 'label,count' with a label of the ground truth, got '10,x'",
    ]
    assert sampling_checks.looked_at(settings) == {
        "files": [str(counts), str(copies), str(goals)],
        "per_model": ["9"],
        "target_models": ["all"],
    }
    assert sampling_checks.files_of(sampling_checks.SampleSettings()) == []


# --- the step ---------------------------------------------------------------------------------


def write(root, counts=COUNTS, seed=0):
    """Write samples of a model: training samples of each class, and validation ones."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.full(count, code) for code, count in counts.items()])
    label = np.append(label, rng.choice(list(counts), 60))
    sets = np.append(np.ones(len(label) - 60, int), np.full(60, 2))
    mixed = rng.permutation(len(label))
    values = {
        "features": rng.integers(-900, 9000, (len(label), 2, 2)),
        "label": label[mixed],
        "set": sets[mixed],
        "polygon": rng.integers(1, 50, len(label)),
        "x": np.arange(len(label)) * 10.0 + 5,
        "y": rng.random(len(label)),
        "tile": rng.integers(0, 2, len(label)),
        "origin": rng.integers(0, 2, len(label)),
    }
    path = root / MERGED.path(UNIT)
    path.parent.mkdir(exist_ok=True)
    known = {"crs": "EPSG:2154", "model": "R1f2", "region": "R1", "fold": 2, "seed": 1}
    with samples_file.create(path, AXES, len(label), samples_file.COLUMNS, **known) as file:
        for name, column in values.items():
            file[name][:] = column
        samples_file.flag(file["tile"], ("T31TCJ", "T31TDJ"), 0)
        samples_file.flag(file["set"], ("training", "validation"), 1)
        samples_file.flag(file["origin"], samples_file.ORIGINS, 0)
    Labels(tuple(Label(code, f"c{code}", "name", (0, 0, 0)) for code in counts)).save(
        root / LABELS.path(Unit())
    )
    return path


def with_statics(path, seed=0):
    """Write the samples anew with gaps, and with features beside the series."""
    rng = np.random.default_rng(seed)
    axes = replace(AXES, statics=("slope", "height", "x"), static_scales=(1.0, 1.0, 1.0), gaps=True)
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        values = {name: np.asarray(file[name][:]) for name in ("features", *samples_file.COLUMNS)}
        known = {name: file.getncattr(name) for name in file.ncattrs()}
    size = len(values["label"])
    values["features"][rng.random(values["features"].shape) < 0.2] = -10000
    values["statics"] = rng.integers(-900, 9000, (size, 3)).astype(np.int16)
    values["statics"][rng.random((size, 3)) < 0.2] = -10000
    with samples_file.create(path, axes, size, samples_file.COLUMNS, **known) as file:
        for name, column in values.items():
            file[name][:] = column
        samples_file.flag(file["tile"], ("T31TCJ", "T31TDJ"), 0)
        samples_file.flag(file["set"], ("training", "validation"), 1)
        samples_file.flag(file["origin"], samples_file.ORIGINS, 0)
    return axes, values


def augment(root, settings, *, seed=0, unit=UNIT, **keys):
    augmentation.augment(
        Job(
            unit=unit,
            settings=augmentation.Settings(sample_augmentation=settings, random_seed=seed),
            root=root,
            inputs=(File(MERGED, UNIT), File(LABELS, Unit())),
            outputs=(File(SAMPLES, UNIT),),
            **keys,
        )
    )
    return root / SAMPLES.path(UNIT)


def contents(path):
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return {name: np.asarray(file[name][:]) for name in ("features", *samples_file.COLUMNS)}


STRATEGIES = ("replicate", "jitter", "smote")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_synthetic_samples_stand_behind_the_measured_ones_which_stay(tmp_path, strategy):
    before = contents(write(tmp_path))
    path = augment(tmp_path, chosen(strategy=strategy))
    after, size = contents(path), 401
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][:size], values, err_msg=name)
    new = {name: values[size:] for name, values in after.items()}
    assert new["label"].tolist() == [20] * 60 + [30] * 99  # class by class
    assert set(new["set"]) == {1}
    assert set(new["origin"]) == {2}
    sources = ((new["x"] - 5) / 10).astype(int)
    assert (before["set"][sources] == 1).all()
    for name in ("label", "polygon", "y", "tile"):
        np.testing.assert_array_equal(new[name], before[name][sources], err_msg=name)
    same = (new["features"] == before["features"][sources]).all(axis=(1, 2))
    assert same[:60].all() == (strategy == "replicate")
    assert same[60:].all()  # of one sample: its spread is 0, and it has no neighbour
    with xr.open_dataset(path) as file, xr.open_dataset(tmp_path / MERGED.path(UNIT)) as old:
        assert file.attrs == old.attrs
        for name in ("tile", "set", "origin"):
            assert file[name].attrs["flag_meanings"] == old[name].attrs["flag_meanings"]
            np.testing.assert_array_equal(
                file[name].attrs["flag_values"], old[name].attrs["flag_values"]
            )
    assert samples_file.read_axes(path) == AXES


def rows(columns, places=slice(None)):
    series = columns["features"][places]
    return np.concatenate([series.reshape(len(series), -1), columns["statics"][places]], axis=1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_stands_beside_the_series_is_made_with_it(tmp_path, strategy):
    axes, before = with_statics(write(tmp_path))
    path = augment(tmp_path, chosen(strategy=strategy))
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        after = {name: np.asarray(file[name][:]) for name in ("statics", "features", "x", "label")}
    assert samples_file.read_axes(path) == axes
    size = len(before["label"])
    np.testing.assert_array_equal(rows(after, slice(0, size)), rows(before))
    made = rows(after, slice(size, size + 60))  # of class 20
    sources = ((after["x"][size : size + 60] - 5) / 10).astype(int)
    near = rows(before, sources)
    gaps = near == -10000
    assert gaps[:, :4].any()
    assert gaps[:, 4:].any()
    np.testing.assert_array_equal(made == -10000, gaps)  # no gap gets a value, no value a gap
    if strategy == "replicate":
        np.testing.assert_array_equal(made, near)
        return
    assert (made != near)[~gaps].mean() > 0.7
    if strategy == "smote":  # all features of a sample go the same share of the way
        own = np.flatnonzero((before["set"] == 1) & (before["label"] == 20))
        for point, start in zip(made.astype(float), near.astype(float), strict=True):
            ends = rows(before, own).astype(float)
            assert any(on_the_way(point, start, end) for end in ends)


def on_the_way(point, start, end):
    """Tell whether a rounded point lies between two, where both have a value."""
    step = np.where((start == -10000) | (end == -10000), 0, end - start)
    longest = np.abs(step).argmax()
    if step[longest] == 0:
        return False
    share = (point - start)[longest] / step[longest]
    wide = 0.51 + 0.5 * np.abs(step) / np.abs(step[longest])  # the share is rounded as well
    return bool(0 <= share <= 1 and (np.abs(start + share * step - point) <= wide).all())


def test_the_memory_of_a_class_counts_what_stands_beside(tmp_path):
    path = write(tmp_path)
    axes, before = with_statics(path)
    assert axes.features == 7
    labels = np.where(before["set"] == 1, before["label"], 0)
    need = synthesis.memory("smote", int((labels == 20).sum()), 7)
    with netCDF4.Dataset(path) as file:
        augmentation.refuse_too_large(file, labels, [20], "smote", need)
        with pytest.raises(TaskError, match=r"smote of the \d+ training samples of class 20"):
            augmentation.refuse_too_large(file, labels, [20], "smote", need - 1)


@limits(max_examples=25, deadline=None)
@given(
    st.sampled_from(STRATEGIES),
    st.dictionaries(st.integers(1, 5), st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 60),
    st.integers(0, 99),
)
def test_validation_samples_stay_and_classes_reach_their_number(
    tmp_path_factory, strategy, counts, least, seed
):
    root = tmp_path_factory.mktemp("law")
    before = contents(write(root, counts, seed))
    settings = chosen(strategy=strategy, **{"samples.strategy.minNumber": least})
    after = contents(augment(root, settings, seed=seed))
    for name, values in before.items():
        kept = after[name][: len(values)]
        np.testing.assert_array_equal(kept, values, err_msg=name)
    trains = after["label"][after["set"] == 1]
    found = {code: int((trains == code).sum()) for code in counts}
    assert found == {code: max(count, least) for code, count in counts.items()}
    assert int((after["set"] == 2).sum()) == 60


def test_a_single_sample_is_copied_where_smote_has_no_neighbour(tmp_path, caplog):
    before = contents(write(tmp_path))
    with caplog.at_level(logging.INFO):
        after = contents(augment(tmp_path, chosen(strategy="smote")))
    alone = np.flatnonzero((before["label"] == 30) & (before["set"] == 1))
    made = after["features"][(after["label"] == 30) & (after["origin"] == 2)]
    assert (made == before["features"][alone]).all()
    told = [r.getMessage() for r in caplog.records]
    assert "class 30 has one training sample: it is copied, smote needs two" in told
    assert "model R1f2, class 20: 60 synthetic samples" in told


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_bytes_whatever_the_cpus(tmp_path, strategy, monkeypatch):
    write(tmp_path)
    settings = chosen(strategy=strategy, **{"samples.strategy.minNumber": 6001})
    first = augment(tmp_path, settings).read_bytes()
    monkeypatch.setattr(synthesis, "BLOCK_BYTES", 2**20)
    assert augment(tmp_path, settings, cpus=4, ram=2**30).read_bytes() == first
    assert augment(tmp_path, settings, seed=1).read_bytes() != first
    other_model = Unit(region="R2", fold=2, seed=1)
    assert augment(tmp_path, settings, unit=other_model).read_bytes() != first


def test_numbers_by_class_are_read_by_label(tmp_path):
    write(tmp_path)
    path = tmp_path / "goals.csv"
    path.write_text("c20,45\nc10,5\n")
    keys = {"samples.strategy": "byClass", "samples.strategy.byClass": path}
    settings = SampleAugmentation(activate=True, strategy="replicate", **keys)
    after = contents(augment(tmp_path, settings))
    assert after["label"][after["origin"] == 2].tolist() == [20] * 5
    assert augmentation.sources(augmentation.Settings(sample_augmentation=settings), UNIT) == [path]
    path.write_text("20,45\n")
    with pytest.raises(InputError, match="line 1: want 'label,count' with a label of the ground"):
        augment(tmp_path, settings)


@pytest.mark.parametrize(
    "settings",
    [
        chosen(target_models=["R1f1", "R2"]),
        chosen(**{"samples.strategy.minNumber": 1}),
        chosen(activate=False),
    ],
)
def test_a_model_that_gets_none_is_copied_as_it_is(tmp_path, settings):
    path = write(tmp_path)
    assert augment(tmp_path, settings).read_bytes() == path.read_bytes()


def test_a_class_too_large_for_the_task_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(augmentation, "_gather", None)  # nothing is read
    needs = synthesis.memory("smote", 40, 4)
    with pytest.raises(TaskError) as caught:
        augment(tmp_path, chosen(strategy="smote"), ram=needs - 1)
    assert str(caught.value) == (
        "smote of the 40 training samples of class 20 of model R1f2 takes 0.1 GB, the task has "
        "0.1 GB: raise maximum_ram, lower -nb_parallel_tasks, or take fewer samples "
        "(sample_selection)"
    )
    assert not (tmp_path / SAMPLES.path(UNIT)).exists()
