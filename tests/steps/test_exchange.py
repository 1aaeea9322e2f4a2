"""The file of `sample_management`: lines that are read, lines that are refused."""

import pytest

from i2lc.errors import InputError
from i2lc.steps.checks import sampling_checks
from i2lc.steps.sampling import exchange
from i2lc.steps.sampling.exchange import Transfer

MODELS = ("R1", "R2", "R2f1", "R2f2")


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "copies.csv"

    def write(text):
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_lines_with_and_without_a_header(written):
    lines = [Transfer(2, "R1", "R2", "12", 300), Transfer(4, "R2f1", "R1", "maïs", 1)]
    text = "{}\nR1,R2,12,300\n# by hand\nR2f1 , R1, maïs ,1\n"
    for header in (
        "source_model,dest_model,class,quantity",
        "Source_Model, dest_model,class,QUANTITY",
    ):
        path = written(text.format(header))
        assert exchange.read(path, MODELS, ["12", "maïs"]) == lines
        assert exchange.read(path) == lines
    assert exchange.read(written("R1,R2,12,300\n")) == [Transfer(1, "R1", "R2", "12", 300)]
    assert exchange.read(written("\n\n")) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "R3,R2,12,5",
            ["source_model R3 is no model of this run; the models are R1, R2, R2f1, R2f2"],
        ),
        (
            "R1,all,12,5",
            ["dest_model all is no model of this run; the models are R1, R2, R2f1, R2f2"],
        ),
        (
            "R1,R1,12,5",
            [
                "source_model and dest_model are both R1; use sample_augmentation for more "
                "samples of a model's own"
            ],
        ),
        ("R1,R2,13,5", ["class 13 is no label of the ground truth"]),
        ("R1,R2,12,many", ["quantity is a whole number above 0, got 'many'"]),
        ("R1,R2,12,-5", ["quantity is a whole number above 0, got '-5'"]),
        ("R1,R2,12,0", ["quantity is a whole number above 0, got '0'"]),
        ("R1,R2,12,5.0", ["quantity is a whole number above 0, got '5.0'"]),
        ("R1,R2,12,1234567890123", ["quantity has 13 digits, 12 at most"]),
        (f"R1,R2,12,{'9' * 5000}", ["quantity has 5000 digits, 12 at most"]),
        (
            f"R1,R2,12,{'x' * 5000}",
            [f"quantity is a whole number above 0, got '{'x' * 60}... (5000 letters)'"],
        ),
        ("R1,R2,12,000", ["quantity is a whole number above 0, got '000'"]),
        ("R1,R2,12,²", ["quantity is a whole number above 0, got '²'"]),
        ("R1,R2,12", ["want 'source_model,dest_model,class,quantity', got 'R1,R2,12'"]),
        ("R1;R2;12;5", ["want 'source_model,dest_model,class,quantity', got 'R1;R2;12;5'"]),
        ("R2,R1,12,9", ["line 1 has these models and this class already"]),
        (
            "R1,R2,13,x",
            [
                "class 13 is no label of the ground truth",
                "quantity is a whole number above 0, got 'x'",
            ],
        ),
    ],
)
def test_all_that_is_wrong_is_told_with_file_and_line(written, line, told):
    path = written(f"R2,R1,12,5\n\n{line}\nR1,R2,99,1\n")
    expected = [f"{path}, line 3: {text}" for text in told]
    expected.append(f"{path}, line 4: class 99 is no label of the ground truth")
    assert exchange.problems_of(path, MODELS, {"12": 12}) == expected
    with pytest.raises(InputError) as caught:
        exchange.read(path, MODELS, ["12"])
    assert str(caught.value) == "\n".join(expected)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "absent.csv"
    (found,) = exchange.problems_of(path, MODELS, {})
    assert found.startswith(f"sample_management: {path} cannot be read: ")
    path.write_bytes(b"R1,R2,\xff,3\n")
    (found,) = exchange.problems_of(path, MODELS, {})
    assert found.startswith(f"sample_management: {path} cannot be read: ")


def test_a_line_that_is_no_csv_is_named(written):
    path = written(f"R1,R2,12,5\n{'x' * 131073},R1,12,5\n")
    told = f"{path}, line 2: it is no CSV: field larger than field limit (131072)"
    assert exchange.problems_of(path, MODELS, {"12": 12}) == [told]


PARTS = {"R2f1": "R2", "R2f2": "R2"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("R2,R1,12", "R2f1,R1,12"),
        ("R2f1,R1,12", "R2,R1,12"),
        ("R1,R2,12", "R1,R2f2,12"),
        ("R1,R2f2,12", "R1,R2,12"),
        ("R2,R2f1,12", "R2f2,R2f1,12"),
    ],
)
def test_a_sample_is_not_copied_twice_to_one_model(written, first, second):
    path = written(f"{first},5\n\n{second},7\n")
    source, dest, _ = first.split(",")
    assert exchange.problems_of(path, MODELS, {"12": 12}, PARTS) == [
        f"{path}, line 3: line 1 copies class 12 from {source} to {dest} already, and a region "
        "stands for all its models: keep one"
    ]
    assert exchange.problems_of(path, MODELS, {"12": 12}) == []  # names alone divide nothing


@pytest.mark.parametrize(
    "text",
    [
        "R2,R1,12,5\nR2f1,R1,13,5\n",
        "R2f1,R1,12,5\nR2f2,R1,12,5\n",
        "R1,R2f1,12,5\nR1,R2f2,12,5\n",
    ],
)
def test_lines_that_share_no_sample_stand_together(written, text):
    assert exchange.problems_of(written(text), MODELS, {"12": 12, "13": 13}, PARTS) == []


def test_the_check_knows_the_parts_of_a_divided_region(written):
    path = written("R2,R1,12,5\nR2f1,R1,12,7\n")
    settings = sampling_checks.SampleSettings(sample_management=path)
    (told,) = sampling_checks.problems_of(settings, MODELS, {"12": 12}, divided=True)
    assert told.startswith(f"{path}, line 2: line 1 copies class 12 from R2 to R1 already")
    assert sampling_checks.problems_of(settings, MODELS, {"12": 12}) == []


def test_lines_for_a_model_are_those_of_its_name_and_its_region_s(written):
    path = written("R1,R2,12,5\nR1,R2f1,13,6\nR1,R2f2,12,7\n")
    found = exchange.lines_for(path, "R2f1", "R2")
    assert [line.quantity for line in found] == [5, 6]
    assert exchange.lines_for(None, "R2f1", "R2") == []


def test_without_a_file_nothing_is_wrong():
    assert exchange.problems_of(None, MODELS, {}) == []
