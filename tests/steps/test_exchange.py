"""The file of `sample_management`: lines that are read, lines that are refused."""

import pytest

from i2lc.errors import InputError
from i2lc.steps import exchange
from i2lc.steps.exchange import Transfer

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


def test_without_a_file_nothing_is_wrong():
    assert exchange.problems_of(None, MODELS, {}) == []
