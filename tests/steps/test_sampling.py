"""How many pixels are asked for: numbers of the strategies, choices of the models, CSV files."""

import pytest
from pydantic import ValidationError

from i2lc.errors import InputError
from i2lc.steps.sampling import strategies
from i2lc.steps.sampling.strategies import SampleSelection, asked

AVAILABLE = {1: 10, 2: 101, 3: 0, 5: 1000}
WHOLE = 1111


@pytest.mark.parametrize(
    ("keys", "by_class", "expected"),
    [
        ({"strategy": "all"}, {}, AVAILABLE),
        # 2.5 25.25 0 250: halves up, as OTB
        (
            {"strategy": "percent", "strategy.percent.p": 0.25},
            {},
            {1: 3, 2: 25, 3: 0, 5: 250},
        ),
        (
            {"strategy": "constant", "strategy.constant.nb": 50},
            {},
            {1: 50, 2: 50, 3: 50, 5: 50},
        ),
        (
            {"strategy": "total", "strategy.total.v": 500},
            {},
            {1: round(5000 / WHOLE), 2: round(50500 / WHOLE), 3: 0, 5: round(500000 / WHOLE)},
        ),
        # the smallest class that has a pixel
        ({"strategy": "smallest"}, {}, {1: 10, 2: 10, 3: 10, 5: 10}),
        (
            {"strategy": "byclass", "strategy.byclass.in": "/a.csv"},
            {1: 7, 5: 2000},
            {1: 7, 2: 0, 3: 0, 5: 2000},
        ),
    ],
)
def test_numbers_of_each_strategy(keys, by_class, expected):
    assert asked(AVAILABLE, SampleSelection(**keys), by_class) == expected


def test_total_and_smallest_of_nothing_ask_for_nothing():
    for keys in ({"strategy": "total", "strategy.total.v": 5}, {"strategy": "smallest"}):
        assert asked({1: 0, 2: 0}, SampleSelection(**keys), {}) == {1: 0, 2: 0}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strategy": "percent"}, "strategy percent needs strategy.percent.p"),
        ({"strategy": "constant"}, "strategy constant needs strategy.constant.nb"),
        ({"strategy": "total"}, "strategy total needs strategy.total.v"),
        ({"strategy": "byclass"}, "strategy byclass needs strategy.byclass.in"),
        ({"strategy.constant.nb": 5}, "strategy.constant.nb belongs to strategy constant, not all"),
        ({"sampler.periodic.jitter": 2}, "sampler.periodic.jitter belongs to sampler periodic"),
        ({"strategy": "percent", "strategy.percent.p": 1.5}, "less than or equal to 1"),
        ({"strategy": "percent", "strategy.percent.p": 0}, "greater than 0"),
        ({"strategy": "most"}, "'all', 'percent', 'constant', 'total', 'smallest' or 'byclass'"),
        ({"strategy.constant": 5}, "Extra inputs are not permitted"),
    ],
)
def test_keys_that_contradict_are_refused(keys, message):
    with pytest.raises(ValidationError) as caught:
        SampleSelection(**keys)
    assert message in str(caught.value)


def test_halves_are_rounded_up_where_32_bits_hold_them():
    """As in OTB: 0.7 is a bit less than it says there, 0.1 a bit more."""
    counts = {n: n for n in (1, 5, 15, 25, 100)}
    found = {}
    for share in (0.7, 0.1, 0.285):
        picks = SampleSelection(strategy="percent", **{"strategy.percent.p": share})
        found[share] = list(asked(counts, picks, {}).values())
    assert found == {0.7: [1, 3, 10, 17, 70], 0.1: [0, 1, 2, 3, 10], 0.285: [0, 1, 4, 7, 28]}


# --- per_model --------------------------------------------------------------------------------

R1 = {"target_model": "R1", "strategy": "constant", "strategy.constant.nb": 5}


def test_a_model_is_found_by_its_own_name_its_region_s_or_gets_the_default():
    own = {**R1, "target_model": "R1f2", "strategy.constant.nb": 9}
    chosen = SampleSelection(sampler="periodic", per_model=[R1, own])
    assert chosen.of("R1f2", "R1").constant_nb == 9
    assert chosen.of("R1f1", "R1").constant_nb == 5
    assert chosen.of("R1f1", "R1").sampler == "random"  # nothing of the default is taken
    assert chosen.of("R2", "R2") is chosen


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({**R1, "strategy": "all"}, "strategy.constant.nb belongs to strategy constant, not all"),
        ({"target_model": "R1", "strategy": "total"}, "strategy total needs strategy.total.v"),
        ({"strategy": "all"}, "target_model\n  Field required"),
        ({**R1, "per_model": []}, "per_model\n  Extra inputs are not permitted"),
    ],
)
def test_an_item_of_per_model_is_checked_as_the_whole(item, message):
    with pytest.raises(ValidationError) as caught:
        SampleSelection(per_model=[item])
    assert message in str(caught.value)


def test_a_model_has_one_item():
    with pytest.raises(ValidationError, match="target_model R1 is given 2 times"):
        SampleSelection(per_model=[R1, {"target_model": "R2"}, {"target_model": "R1"}])


def test_problems_name_unknown_models_and_files_that_are_wrong(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("10,5\n11,5\n")
    wrong = {"strategy": "byclass", "strategy.byclass.in": path}
    absent = {"strategy": "byclass", "strategy.byclass.in": tmp_path / "absent.csv"}
    chosen = SampleSelection(
        **wrong,
        per_model=[
            {**R1, "target_model": "R3"},
            {**wrong, "target_model": "R1"},
            {**absent, "target_model": "R2"},
        ],
    )
    found = strategies.problems_of(chosen, ["R2", "R1"], {"10": 10})
    assert found[:2] == [
        "sample_selection.per_model: target_model R3 is no model of this run; the models are "
        "R1, R2",
        f"{path}, line 2: want 'label,count' with a label of the ground truth, got '11,5'",
    ]
    assert found[2].startswith(f"strategy.byclass.in: {tmp_path}/absent.csv cannot be read: ")
    assert len(found) == 3
    assert strategies.problems_of(SampleSelection(per_model=[R1]), ["R1"], {}) == []


def test_counts_are_read_by_class_code(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_bytes(b"\xef\xbb\xbfwheat, 7\r\n# rare\r\n\r\nmaize ,3\r\n")
    assert strategies.read_counts(path, {"wheat": 2, "maize": 1}) == {2: 7, 1: 3}
    with pytest.raises(InputError) as caught:
        strategies.read_counts(path, {"wheat": 2}, "some.key")
    assert str(caught.value) == (
        f"{path}, line 4: want 'label,count' with a label of the ground truth, got 'maize,3'"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"10,{'9' * 5000}", "the count has 5000 digits, 12 at most"),
        ("10,1234567890123", "the count has 13 digits, 12 at most"),
        (f"10,{'1' * 131073}", "it is no CSV: field larger than field limit (131072)"),
        ("10,٣", "want 'label,count' with a label of the ground truth, got '10,٣'"),
        (
            f"10,{'x' * 200}",
            "want 'label,count' with a label of the ground truth, got "
            f"'10,{'x' * 57}... (203 letters)'",
        ),
    ],
)
def test_no_line_ends_but_in_a_sentence(tmp_path, line, told):
    path = tmp_path / "numbers.csv"
    path.write_text(f"11,999999999999\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        strategies.read_counts(path, {"10": 10, "11": 11})
    assert str(caught.value) == f"{path}, line 2: {told}"
