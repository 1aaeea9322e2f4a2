"""Files of estimators: what does not belong there is refused before anything of it is built."""

import dataclasses
import importlib
import json
import sys
import zipfile

import pytest
import sklearn
import skops.io
from scikit_samples import fitted, write
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from i2lc.errors import InputError
from i2lc.steps.files import store
from i2lc.steps.files.disk import NotWholeError
from i2lc.steps.scikit import allowed, archive, model_file


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    samples = write(folder / "samples.nc")
    return fitted(
        folder / "rf",
        samples,
        model_type="RandomForestClassifier",
        estimator_keywords={"n_estimators": 3},
    )


def changed(path, target, **members):
    """Copy a file with other members; None leaves one out."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for name in source.namelist():
            if name not in members:
                made.writestr(name, source.read(name))
        for name, text in members.items():
            if text is not None:
                made.writestr(name, text)
    return target


def schema_of(path):
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("schema.json"))


def with_schema(path, target, schema):
    return changed(path, target, **{"schema.json": json.dumps(schema)})


def refusal(path, load=model_file.load):
    with pytest.raises(InputError) as caught:
        load(path)
    return str(caught.value)


@pytest.fixture
def bomb(tmp_path, monkeypatch):
    """Give a module on the path that leaves a mark when it is imported, and the mark."""
    mark = tmp_path / "went_off"
    source = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Bomb:\n    pass\n"
    (tmp_path / "i2lc_test_bomb.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "i2lc_test_bomb", raising=False)
    importlib.invalidate_caches()
    return mark


def with_bomb(good, target):
    """Put an object of the bomb's class where a forest keeps its criterion."""
    schema = schema_of(good)
    forest = schema["content"]["content"]["steps"]["content"][0]["content"][1]
    assert forest["__class__"] == "RandomForestClassifier"
    forest["content"]["content"]["criterion"] = {
        "__class__": "Bomb",
        "__module__": "i2lc_test_bomb",
        "__loader__": "ObjectNode",
        "content": {
            "__class__": "dict",
            "__module__": "builtins",
            "__loader__": "DictNode",
            "content": {},
            "key_types": {
                "__class__": "list",
                "__module__": "builtins",
                "__loader__": "ListNode",
                "content": [],
            },
        },
    }
    return with_schema(good, target, schema)


def test_a_foreign_type_is_refused_and_never_imported(good, tmp_path, bomb):
    path = with_bomb(good, tmp_path / "bad.skops")
    assert refusal(path) == (
        f"{path} holds i2lc_test_bomb.Bomb (as ObjectNode), which is not among the types that "
        "i2lc loads: nothing of it was built; make the model with i2lc"
    )
    assert not bomb.exists()
    assert "i2lc_test_bomb" not in sys.modules


def test_the_same_file_goes_off_where_its_types_are_trusted(good, tmp_path, bomb):
    path = with_bomb(good, tmp_path / "bad.skops")
    skops.io.load(path, trusted=[*allowed.TRUSTED, "i2lc_test_bomb.Bomb"])
    assert bomb.exists()


@pytest.mark.parametrize(
    ("loader", "module", "name"),
    [
        ("FunctionNode", "os", "system"),
        ("MethodNode", "builtins", "eval"),
        ("OperatorFuncNode", "operator", "methodcaller"),
        ("PartialNode", "functools", "partial"),
        ("ObjectNode", "sklearn.tree._tree", "Tree"),  # allowed, but not built in this way
        ("TypeNode", "builtins", "eval"),
        (None, "builtins", "str"),
        (["ListNode"], "builtins", "list"),
    ],
)
def test_other_ways_to_build_are_refused(good, tmp_path, loader, module, name):
    schema = schema_of(good)
    schema["content"]["content"]["memory"] = {
        "__class__": name,
        "__module__": module,
        "__loader__": loader,
        "content": {},
    }
    path = with_schema(good, tmp_path / "bad.skops", schema)
    assert f"holds {module}.{name} (as {loader}), which is not among" in refusal(path)


def test_nothing_unlisted_is_saved():
    with pytest.raises(InputError) as caught:
        archive.pack(Pipeline([("model", LogisticRegression())]), {})
    assert "the estimator holds sklearn.linear_model._logistic.LogisticRegression (as Obj" in str(
        caught.value
    )


def test_a_file_without_a_card(good, tmp_path):
    path = changed(good, tmp_path / "a.skops", **{"i2lc.json": None})
    wanted = f"{path} is no model of i2lc: it has no member i2lc.json"
    assert refusal(path) == wanted
    assert refusal(path, model_file.read_card) == wanted


def test_no_archive(tmp_path):
    path = tmp_path / "a.skops"
    assert refusal(path).startswith(f"{path} does not open as a model: ")
    path.write_text("text")
    assert refusal(path) == f"{path} does not open as a model: File is not a zip file"


def test_a_schema_that_cannot_be_read(good, tmp_path):
    wanted = "is no estimator: no schema.json that can be read"
    path = changed(good, tmp_path / "a.skops", **{"schema.json": None})
    assert refusal(path) == f"{path} {wanted}"
    path = changed(good, tmp_path / "b.skops", **{"schema.json": "[" * 100000})
    assert refusal(path) == f"{path} {wanted}"


def test_a_missing_array(good, tmp_path):
    with zipfile.ZipFile(good) as file:
        array = next(name for name in file.namelist() if name.endswith(".npy"))
    path = changed(good, tmp_path / "a.skops", **{array: None})
    assert refusal(path).startswith(f"{path} does not open as an estimator: ")


def with_card(good, target, **fields):
    card = dataclasses.replace(model_file.read_card(good), **fields)
    return changed(good, target, **{"i2lc.json": card.as_json()})


def test_a_card_of_another_estimator(good, tmp_path):
    path = with_card(good, tmp_path / "a.skops", labels=(10, 20))
    assert refusal(path) == (
        f"{path} holds an estimator of 3 classes and 6 features, its card tells of 2 and 6"
    )
    path = with_card(good, tmp_path / "b.skops", bands=("B4",))
    assert refusal(path) == (
        f"{path} holds an estimator of 3 classes and 6 features, its card tells of 3 and 3"
    )


def test_another_version_of_scikit_learn(good, tmp_path):
    schema = schema_of(good)
    text = json.dumps(schema).replace(f'\\"{sklearn.__version__}\\"', '\\"1.2.3\\"')
    assert text != json.dumps(schema)
    path = with_schema(good, tmp_path / "a.skops", json.loads(text))
    assert refusal(path).startswith(f"{path} does not open as an estimator: ")
    training = {**model_file.read_card(good).training, "scikit_learn": "1.2.3"}
    path = with_card(path, tmp_path / "b.skops", training=training)
    assert refusal(path) == (
        f"{path} was made with scikit-learn 1.2.3, this is {sklearn.__version__}: estimators do "
        "not pass from one version to another; install that version, or train again"
    )


def test_the_file_is_a_plain_archive(good):
    with zipfile.ZipFile(good) as file:
        members = file.infolist()
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    names = [member.filename for member in members]
    assert names == sorted(names)
    assert {"i2lc.json", "schema.json"} < set(names)


def test_the_card(good):
    card = model_file.read_card(good)
    assert card == model_file.load(good).card
    assert (card.network, card.parameters) == ("RandomForestClassifier", {"n_estimators": 3})
    assert (card.labels, card.bands, card.scales) == (
        (10, 20, 300),
        ("B4", "NDVI"),
        (10000.0, 1000.0),
    )
    assert (card.sensor, card.statistics, card.raw) == ("Sentinel2", {}, False)
    assert card.training["samples"] == {"training": 120, "validation": 0}
    assert card.training["notes"] == []


def test_the_store_reads_again_what_it_publishes(good, tmp_path):
    data = good.read_bytes()
    with store.writing(tmp_path / "a.skops") as path:
        path.write_bytes(data)
    assert (tmp_path / "a.skops").read_bytes() == data
    broken = bytearray(data)
    broken[200] ^= 0xFF
    with pytest.raises(NotWholeError), store.writing(tmp_path / "b.skops") as path:
        path.write_bytes(broken)
    with pytest.raises(NotWholeError), store.writing(tmp_path / "b.skops") as path:
        path.write_bytes(data[:-50])
    assert [file.name for file in tmp_path.glob("*.skops")] == ["a.skops"]
