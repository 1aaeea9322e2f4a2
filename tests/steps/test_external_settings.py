"""The keys of external features: what they mean, and every way in which they can be wrong."""

import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError

from i2lc.errors import ConfigError
from i2lc.steps.external import modules, ready
from i2lc.steps.external.record import SHIPPED
from i2lc.steps.external.settings import Call, ExternalFeatures, ExternalSettings, decides

MINE = """
import os
from math import hypot

LIMIT = 3

class Kept:
    pass

def get_one(self):
    pass

def get_two(self, window, *, factor=1.0):
    pass

def get_any(self, **options):
    pass

def many(*everything):
    pass

def positional(self, size, /):
    pass

def nothing():
    pass

def keyword_only(*, self):
    pass

def get_soi_s2(self, epsilon=0):
    pass

def _hidden(self):
    pass

get_other = get_one
"""
FORM = 'write "f g", or a list such as ["f", ["g", {"window" : 5}]]'


@pytest.fixture
def mine(tmp_path):
    return written(tmp_path, MINE)


def written(folder, text, name="mine.py"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def features(**keys):
    return ExternalFeatures.model_validate({"functions": "get_soi_s2"} | keys)


def told(error):
    """Give path and message of the only complaint."""
    (detail,) = error.value.errors()
    path = ".".join(map(str, detail["loc"]))
    return path, detail["msg"].removeprefix("Value error, ")


def refused(path, message, **keys):
    with pytest.raises(ValidationError) as error:
        features(**keys)
    assert told(error) == (path, message)


def test_what_holds_where_nothing_is_said():
    plain = features()
    assert plain.model_dump(exclude={"functions", "external_features_flag"}) == {
        "module": (),
        "concat_mode": True,
        "padding": None,
        "exogeneous_data": None,
        "scale": {},
        "output_name": "features_map",
        "output_format": "geotiff",
        "output_type": "float32",
        "output_per_tile": False,
        "no_data_value": -10000.0,
    }
    assert plain.calls == (Call("get_soi_s2", {}),)
    assert (plain.stem, plain.ending) == ("features_map", ".tif")


@pytest.mark.parametrize(
    ("written", "calls"),
    [
        ("get_one  get_any", [Call("get_one"), Call("get_any")]),
        (["get_one", "get_any "], [Call("get_one"), Call("get_any")]),
        (
            [["get_any", {"a": [1, "b"]}], "get_one"],
            [Call("get_any", {"a": [1, "b"]}), Call("get_one")],
        ),
        ([["get_one"]], [Call("get_one")]),
        (
            [["get_any", {"a": 1}], ["get_any", {"a": 2}], "get_any"],
            [Call("get_any", {"a": 1}), Call("get_any", {"a": 2}), Call("get_any")],
        ),
        ([["get_two", {"window": 5, "factor": 2}]], [Call("get_two", {"window": 5, "factor": 2})]),
        ("get_other many", [Call("get_other"), Call("many")]),
    ],
)
def test_functions_with_and_without_parameters(mine, written, calls):
    assert features(module=str(mine), functions=written).calls == tuple(calls)


def test_files_are_one_or_a_list_from_the_folder_of_the_configuration(tmp_path, mine):
    written(tmp_path, "def other(self): pass", "other.py")
    read = ExternalFeatures.model_validate(
        {"module": ["mine.py", str(tmp_path / "other.py")], "functions": "get_one other"},
        context={"folder": tmp_path},
    )
    assert read.module == (mine, tmp_path / "other.py")
    one = {"module": "mine.py", "functions": "get_one", "exogeneous_data": "dem/$TILE.tif"}
    read = ExternalFeatures.model_validate(one, context={"folder": tmp_path})
    assert read.module == (mine,)
    assert read.exogeneous_data == tmp_path / "dem" / "$TILE.tif"
    assert features(module=None).module == ()
    again = ExternalFeatures.model_validate(read.model_dump(mode="json"))
    assert again == read


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", f"no function is named: {FORM}"),
        ([], f"no function is named: {FORM}"),
        (5, FORM),
        ({"get_one": {}}, FORM),
        (["get_one", {"window": 5}], f"{{'window': 5}} is no function: {FORM}"),
        ([["get_one", {"a": 1}, 2]], f"['get_one', {{'a': 1}}, 2] is no function: {FORM}"),
        ([[3, {}]], f"[3, {{}}] is no function: {FORM}"),
        (["get_one", " "], f"' ' is no function: {FORM}"),
        (
            [["get_any", {5: 1}]],
            "parameters of get_any: the name 5 is no text",
        ),
        (
            [["get_any", {"weights": {1: 2.0}}]],
            "parameters of get_any: {'weights': {1: 2.0}} holds keys that are no text: put them in "
            "quotes",
        ),
        (
            [["get_any", {"day": Path("x")}]],
            "parameters of get_any: Object of type PosixPath is not JSON serializable; give "
            "numbers, texts, True, False, None, and lists of them",
        ),
        ("get_one get_any get_one", "get_one stands twice with the same parameters: drop one"),
        (
            [["get_any", {"a": 1}], ["get_any", {"a": 1}]],
            "get_any stands twice with the same parameters: drop one",
        ),
    ],
)
def test_functions_of_another_form(mine, given, message):
    refused("functions", message, module=str(mine), functions=given)


def test_a_function_that_there_is_not(mine):
    ours = "get_cumulative_ndvi, get_harmonic, get_red_edge_ndvi, get_soi_s2, get_spatial_median"
    own = (
        "get_any, get_one, get_other, get_soi_s2, get_two, keyword_only, many, nothing, positional"
    )
    refused(
        "functions",
        "no function 'get_onee'; did you mean 'get_one'? "
        f"(functions of {mine}: {own}; functions of i2lc: {ours})",
        module=str(mine),
        functions="get_onee",
    )
    refused(
        "functions",
        "no function 'get_harmonics'; did you mean 'get_harmonic'? (functions of i2lc: "
        + ours
        + ")",
        functions="get_harmonics",
    )
    refused(
        "functions", f"no function 'zzz' (functions of i2lc: {ours})", functions="get_soi_s2 zzz"
    )


def test_what_is_no_function(mine):
    key = f"external_features.module {mine}"
    for name, kind in {
        "LIMIT": "a value of type int",
        "Kept": "a class",
        "os": "a value of type module",
    }.items():
        message = f"{key}: {name} is {kind}, not a function def {name}(self)"
        refused("functions", message, module=str(mine), functions=name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [["get_two", {"windw": 5}]],
            "function get_two has no parameter 'windw'; known: window, factor; did you mean "
            "'window'?",
        ),
        (
            [["get_one", {"a": 5, "b": 6}]],
            "function get_one has no parameter 'a', 'b'; known: none",
        ),
        (
            [["get_two", {"window": 1, "self": 5}]],
            "function get_two has no parameter 'self'; known: window, factor",
        ),
        (
            [["get_any", {"self": 5}]],
            "function get_any has no parameter 'self'; known: none",
        ),
        (
            "get_two",
            "function get_two(self, window, *, factor=1.0) needs window: give functions : "
            '[["get_two", {"window" : ...}]]',
        ),
        (
            [["positional", {"size": 1}]],
            "function positional has no parameter 'size'; known: none",
        ),
        ("nothing", "function nothing() takes no argument: write def nothing(self)"),
        (
            "keyword_only",
            "function keyword_only(*, self) takes no argument: write def keyword_only(self)",
        ),
    ],
)
def test_parameters_that_do_not_fit(mine, given, message):
    refused("functions", message, module=str(mine), functions=given)


def test_files_that_cannot_be_used(tmp_path, mine):
    gone = tmp_path / "gone.py"
    refused("module", f"file {gone} cannot be read: No such file or directory", module=str(gone))
    other = written(tmp_path / "other", MINE)
    refused(
        "module",
        "two files mine.py: copies lie in one folder, so rename one",
        module=[str(mine), str(other)],
    )
    for name in ("mine", "mine.txt", "", "mine{tile}.py"):
        refused(
            "module",
            f"{Path(name)} is no name of a Python file: it must end with .py, without braces",
            module=name,
        )
    for wrong in (5, [5], {"a": 1}):
        refused("module", "a path in quotes or a list of paths is expected", module=wrong)
    bad = written(tmp_path, "import no_such_package_of_mine\n", "bad.py")
    refused(
        "module",
        f"file {bad} fails when imported: ModuleNotFoundError: No module named "
        "'no_such_package_of_mine'",
        module=[str(mine), str(bad)],
    )


def test_a_function_of_two_files(tmp_path, mine):
    other = written(tmp_path, "def get_one(self): pass\nfrom math import hypot\n", "other.py")
    refused(
        "functions",
        f"function get_one is defined in {mine} and {other}: rename it in one of them",
        module=[str(mine), str(other)],
        functions="get_one",
    )
    assert modules.function_of("hypot", [mine, other])[1] == "mine.py"  # one thing, imported twice


def test_a_function_of_the_user_comes_before_ours(mine):
    function, file = modules.function_of("get_soi_s2", [mine])
    assert function.__defaults__ == (0,)
    assert file == "mine.py"
    assert modules.function_of("get_soi_s2", []) == (ready.get_soi_s2, SHIPPED)
    assert modules.function_of("get_harmonic", [mine]) == (ready.get_harmonic, SHIPPED)
    with pytest.raises(ConfigError, match=r"^no function '_inverse' "):
        modules.function_of("_inverse", [])


def test_functions_without_a_signature_are_tried_only():
    modules.check_parameters(type, "type", {"any": 1})


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ({"padding": -1}, "padding", "Input should be greater than or equal to 0"),
        ({"padding": 129}, "padding", "Input should be less than or equal to 128"),
        ({"scale": {"soi": 0}}, "scale", "soi: a number above 0 is expected, not 0"),
        ({"scale": {"soi": -1.5}}, "scale", "soi: a number above 0 is expected, not -1.5"),
        ({"scale": {"soi": True}}, "scale", "soi: a number above 0 is expected, not True"),
        ({"scale": {"soi": "10"}}, "scale", "soi: a number above 0 is expected, not '10'"),
        ({"scale": {"soi": 1e999}}, "scale", "soi: a number above 0 is expected, not inf"),
        ({"scale": 5}, "scale", "Input should be a valid dictionary"),
        (
            {"output_name": "a.zarr"},
            "output_name",
            "output_format geotiff has names in .tif: drop the ending",
        ),
        (
            {"output_name": "a.tif", "output_format": "zarr"},
            "output_name",
            "output_format zarr has names in .zarr: drop the ending",
        ),
        ({"output_format": "jpeg"}, "output_format", "Input should be 'geotiff' or 'zarr'"),
        ({"output_type": "int8"}, "output_type", "Input should be 'float32' or 'int16'"),
        (
            {"output_type": "int16", "no_data_value": 0.5},
            "no_data_value",
            "output_type int16 takes a whole number from -32768 to 32767",
        ),
        (
            {"output_type": "int16", "no_data_value": 40000},
            "no_data_value",
            "output_type int16 takes a whole number from -32768 to 32767",
        ),
        (
            {"no_data_value": 1e39},
            "no_data_value",
            "output_type float32 takes numbers up to 3.4e+38",
        ),
        ({"modul": "a.py"}, "modul", "Extra inputs are not permitted"),
    ],
)
def test_values_that_cannot_be_used(keys, path, message):
    refused(path, message, **keys)


@pytest.mark.parametrize("name", ["", ".tif", "a/b", "../a", ".hidden", "a{tile}", "a\\b", "a\nb"])
def test_a_name_of_the_map_that_is_none(name):
    message = "a file name without a folder is expected, such as features_map"
    refused("output_name", message, output_name=name)


def test_names_of_the_map():
    assert features(output_name="mine.tif").stem == "mine"
    zarr = features(output_name="mine.v2.zarr", output_format="zarr")
    assert (zarr.stem, zarr.ending) == ("mine.v2", ".zarr")
    assert features(output_name="my map").stem == "my map"


def settings(features=None, **keys):
    if features is not None:
        keys["external_features"] = {"functions": "get_soi_s2"} | features
    return ExternalSettings.model_validate(keys)


@pytest.mark.parametrize(
    ("own", "keys", "padding"),
    [
        ({}, {}, (0, 0)),
        ({"padding": 3}, {}, (3, 3)),
        ({}, {"padding_size_x": 3}, (0, 3)),
        ({}, {"padding_size_x": 3, "padding_size_y": 1}, (1, 3)),
        ({"padding": 3}, {"padding_size_x": 3}, (3, 3)),
        ({"padding": 0}, {"padding_size_x": 0, "padding_size_y": 0}, (0, 0)),
    ],
)
def test_padding_is_of_both_sides_or_of_each(own, keys, padding):
    assert settings(own, **keys).padding == padding
    assert settings().padding == (0, 0)


@pytest.mark.parametrize(
    ("own", "keys", "message"),
    [
        (
            {"padding": 3},
            {"padding_size_x": 3, "padding_size_y": 2},
            "padding_size_y 2 contradicts padding 3 of external_features: drop one",
        ),
        (
            {"padding": 0},
            {"padding_size_x": 2},
            "padding_size_x 2 contradicts padding 0 of external_features: drop one",
        ),
        (
            None,
            {"padding_size_x": 2},
            "padding_size_x belongs to external_features: drop it, or name functions there",
        ),
    ],
)
def test_keys_that_contradict(own, keys, message):
    with pytest.raises(ValidationError) as error:
        settings(own, **keys)
    assert told(error) == ("", message)


def test_padding_of_0_without_functions_says_nothing():
    assert settings(padding_size_x=0, padding_size_y=0).external_features is None


def test_what_decides_the_features(mine):
    assert decides(settings()) == {}
    own = {"module": str(mine), "functions": [["get_any", {"a": 1}], "get_one"], "padding": 2}
    assert decides(settings(own)) == {
        "modules": ["mine.py"],
        "functions": [["get_any", {"a": 1}], ["get_one", {}]],
        "concat_mode": True,
        "padding": [2, 2],
        "exogeneous_data": None,
        "scale": {},
        "fill_missing_dates": False,
    }
    same = {
        "functions": ["get_soi_s2"],
        "no_data_value": 5,
        "output_name": "x.zarr",
        "output_format": "zarr",
        "output_type": "int16",
        "output_per_tile": True,
    }
    plain = decides(settings({}))
    assert decides(settings(same, padding_size_x=0)) == plain
    for other in (
        {"functions": "get_soi_s2 get_harmonic"},
        {"functions": [["get_red_edge_ndvi", {"band": "B6"}]]},
        {"concat_mode": False},
        {"padding": 1},
        {"exogeneous_data": "/dem.tif"},
        {"scale": {"soi": 100}},
        {"module": str(mine)},
    ):
        assert decides(settings(other)) != plain
    assert decides(settings({}, fill_missing_dates=True)) != plain
