"""Classes: codes, names and colors, and what is wrong with them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2lc.errors import InputError
from i2lc.steps.reference import labels
from i2lc.steps.reference.labels import Label, Labels


@pytest.fixture
def files(tmp_path):
    names, colors = tmp_path / "names.txt", tmp_path / "colors.txt"
    names.write_text("# classes\nwinter wheat:12\n\n bare: rock : 3 \nwater:300\n")
    colors.write_text("12 255 200 0\n# rock\n3 1 2 3\n300 0 0 255\n")
    return names, colors


def test_integers_are_codes_and_files_give_name_and_color(files):
    classes = labels.build([300, 12, 3, 12], *files)
    assert classes.classes == (
        Label(3, "3", "bare: rock", (1, 2, 3)),
        Label(12, "12", "winter wheat", (255, 200, 0)),
        Label(300, "300", "water", (0, 0, 255)),
    )
    assert classes.codes == [3, 12, 300]
    assert classes.code_of("12") == 12
    assert classes.dtype == "uint16"


def test_only_classes_of_the_ground_truth_are_classes(files):
    assert labels.build([12, 3], *files).codes == [3, 12]


@pytest.mark.parametrize(("code", "dtype"), [(1, "uint8"), (255, "uint8"), (256, "uint16")])
def test_type_of_the_map(code, dtype):
    assert Labels((Label(code, str(code), "a", (0, 0, 0)),)).dtype == dtype


def test_strings_in_sorted_order_become_codes(tmp_path):
    names, colors = tmp_path / "names.txt", tmp_path / "colors.txt"
    names.write_text("Corn:corn\nForest:dense forest\nTen:10\n", encoding="utf-8")
    colors.write_text("corn 255 255 0\ndense forest 0 90 0\n10 1 1 1\n")
    classes = labels.build(["dense forest", "corn", "10", "corn"], names, colors)
    assert [(label.code, label.value, label.name) for label in classes.classes] == [
        (1, "10", "Ten"),
        (2, "corn", "Corn"),
        (3, "dense forest", "Forest"),
    ]
    assert classes.classes[2].color == (0, 90, 0)
    assert classes.code_of("corn") == 2


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1))
def test_codes_of_strings_are_1_to_n_whatever_the_order(values):
    codes = labels.codes_of(values)
    assert sorted(codes.values()) == list(range(1, len(set(values)) + 1))
    assert sorted(codes, key=codes.__getitem__) == sorted(set(values))
    assert labels.codes_of(reversed(values)) == codes


@given(st.lists(st.integers(1, 65535), min_size=1))
def test_codes_of_integers_are_themselves(values):
    assert labels.codes_of(values) == {str(value): value for value in values}


def test_all_problems_are_told_at_once(files):
    with pytest.raises(InputError) as caught:
        labels.build([0, 65536, 12, 77, -1], *files)
    text = str(caught.value)
    for value in (0, 65536, -1):
        assert (
            f"class {value}: codes lie between 1 and 65535 (0 means no data); i2lc check-database "
            "names its polygons"
        ) in text
        assert f"class {value} has no line" not in text
    assert f"class 77 has no line in {files[0]}" in text
    assert f"class 77 has no line in {files[1]}" in text
    assert "class 12 " not in text
    assert "class 65535" not in text


def test_the_largest_code_is_65535(files):
    assert not any("codes lie" in text for text in labels.problems_of({"65535": 65535}, *files))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wheat 12\n", "line 1: want 'class name:label', got 'wheat 12'"),
        ("wheat:12\n:3\n", "line 2: want 'class name:label', got ':3'"),
        ("wheat:\n", "line 1: want 'class name:label', got 'wheat:'"),
        ("a:1\n\n# b\nc:1\n", "line 4: label 1 is given twice"),
    ],
)
def test_a_wrong_line_of_the_nomenclature_is_named(tmp_path, text, message):
    path = tmp_path / "names.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(f"{path}, {message}")):
        labels.read_nomenclature(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0\n", "line 1: want 'label R G B', got '1 0 0'"),
        ("1 0 0 red\n", "line 1: want 'label R G B', got '1 0 0 red'"),
        ("1 0 0 0\n2 0 0 256\n", "line 2: R G B lie between 0 and 255, got '2 0 0 256'"),
        ("1 0 -1 0\n", "line 1: R G B lie between 0 and 255"),
        ("1 0 0 0\n1 9 9 9\n", "line 2: label 1 is given twice"),
    ],
)
def test_a_wrong_line_of_the_colors_is_named(tmp_path, text, message):
    path = tmp_path / "colors.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(f"{path}, {message}")):
        labels.read_colors(path)


def test_a_file_that_cannot_be_read_hides_no_other_problem(files, tmp_path):
    found = labels.problems_of({"77": 77, "0": 0}, tmp_path / "absent.txt", files[1])
    assert len(found) == 3
    assert found[0].startswith("class 0: codes lie")
    assert "absent.txt cannot be read" in found[1]
    assert found[2:] == [f"class 77 has no line in {files[1]}"]


def test_text_that_is_not_utf_8_is_told(tmp_path):
    (tmp_path / "names.txt").write_bytes("forêt:1\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"names\.txt cannot be read"):
        labels.read_nomenclature(tmp_path / "names.txt")


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    (tmp_path / "names.txt").write_text("forêt:1\r\neau:2\r\n", encoding="utf-8-sig")
    assert labels.read_nomenclature(tmp_path / "names.txt") == {"1": "forêt", "2": "eau"}


def test_classes_survive_the_file(files, tmp_path):
    classes = labels.build([300, 12], *files)
    classes.save(tmp_path / "labels.json")
    assert Labels.load(tmp_path / "labels.json") == classes
