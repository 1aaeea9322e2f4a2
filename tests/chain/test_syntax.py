"""Text of a configuration file to plain data: what is read, what is refused, and how it is told."""

import io
import json
import re

import config
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.chain.settings.syntax import Document, read
from i2lc.errors import ConfigError

# Listing 2 of the seed document, as it stands.
LISTING = r"""chain :
{
 output_path : "/datalocal1/share/fauvelm/blog_post_iota2_output/outputs_3"
 remove_output_path : True
 check_inputs : True
 list_tile : "T31TCJ T31TDJ T31TCK T31TDK"
 data_field : "code"
 s2_path : "/datalocal1/share/PARCELLE/S2/"
 ground_truth : "/home/fauvelm/BlogPostIota2/data/gt_3_clean.shp"
 spatial_resolution : 10
 color_table : "/home/fauvelm/BlogPostIota2/data/colorFile.txt"
 nomenclature_path : "/home/fauvelm/BlogPostIota2/data/nomenclature.txt"
 first_step : 'init'
 last_step : 'validation'
 proj : "EPSG:2154"
 split_ground_truth : True
 ratio : 0.75
}
arg_train :
{
 runs : 1
 random_seed : 0
 sample_selection :
  {
   "sampler" : "periodic"
   "strategy": "constant"
   "strategy.constant.nb" : 100000
 }
 deep_learning_parameters :
  {
   dl_name : "MLPClassifier"
   epochs : 200
   model_selection_criterion : "fscore"
   num_workers : 12
   hyperparameters_solver : {
           "batch_size" : [4096],
                "learning_rate" : [0.00001]
           }
   }
}
arg_classification :
{
    enable_probability_map : True
}
python_data_managing :
{
    number_of_chunks : 50
}
sentinel_2 :
{
    temporal_resolution : 10
}
task_retry_limits :
{
    allowed_retry : 0
    maximum_ram : 180.0
    maximum_cpu : 40
}
"""

LISTING_DATA = {
    "chain": {
        "output_path": "/datalocal1/share/fauvelm/blog_post_iota2_output/outputs_3",
        "remove_output_path": True,
        "check_inputs": True,
        "list_tile": "T31TCJ T31TDJ T31TCK T31TDK",
        "data_field": "code",
        "s2_path": "/datalocal1/share/PARCELLE/S2/",
        "ground_truth": "/home/fauvelm/BlogPostIota2/data/gt_3_clean.shp",
        "spatial_resolution": 10,
        "color_table": "/home/fauvelm/BlogPostIota2/data/colorFile.txt",
        "nomenclature_path": "/home/fauvelm/BlogPostIota2/data/nomenclature.txt",
        "first_step": "init",
        "last_step": "validation",
        "proj": "EPSG:2154",
        "split_ground_truth": True,
        "ratio": 0.75,
    },
    "arg_train": {
        "runs": 1,
        "random_seed": 0,
        "sample_selection": {
            "sampler": "periodic",
            "strategy": "constant",
            "strategy.constant.nb": 100000,
        },
        "deep_learning_parameters": {
            "dl_name": "MLPClassifier",
            "epochs": 200,
            "model_selection_criterion": "fscore",
            "num_workers": 12,
            "hyperparameters_solver": {"batch_size": [4096], "learning_rate": [1e-05]},
        },
    },
    "arg_classification": {"enable_probability_map": True},
    "python_data_managing": {"number_of_chunks": 50},
    "sentinel_2": {"temporal_resolution": 10},
    "task_retry_limits": {"allowed_retry": 0, "maximum_ram": 180.0, "maximum_cpu": 40},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("syntax")


def of(folder, text, name="run.cfg"):
    path = folder / name
    path.write_bytes(text.encode())
    return read(path)


def refusal(folder, text, name="run.cfg"):
    with pytest.raises(ConfigError) as caught:
        of(folder, text, name)
    message = str(caught.value)
    assert message.startswith(str(folder))
    return message.removeprefix(f"{folder}/")


def test_listing_of_the_seed_is_read_as_it_stands(folder):
    document = of(folder, LISTING)
    assert repr(document.data) == repr(LISTING_DATA)
    assert document.path == folder / "run.cfg"
    assert document.positions["chain",] == (1, 1)
    assert document.positions["chain", "ratio"] == (17, 2)
    assert document.positions["arg_train", "sample_selection", "strategy.constant.nb"] == (27, 4)
    hyper = ("arg_train", "deep_learning_parameters", "hyperparameters_solver")
    assert document.positions[(*hyper, "learning_rate")] == (37, 17)
    assert document.positions[(*hyper, "learning_rate", "0")] == (37, 36)


def test_listing_in_yaml_gives_the_same(folder):
    text = json.dumps(LISTING_DATA, indent=1)
    assert repr(of(folder, text, "run.yaml").data) == repr(LISTING_DATA)
    assert repr(of(folder, text, "run.YML").data) == repr(LISTING_DATA)


def test_where_names_the_nearest_key(folder):
    document = of(folder, "a : {\n b : [1, {c : 2}]\n}")
    assert document.where(("a", "b", 1, "c")) == f"{document.path}, line 2"
    assert document.where(("a", "missing", "deeper")) == f"{document.path}, line 1"
    assert document.where(("z",)) == str(document.path)
    assert document.positions["a", "b", "1", "c"] == (2, 11)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a : 1e-5", {"a": 0.00001}),
        ("a : 0.00001", {"a": 1e-5}),
        ("a : [1.5E3, .5, 5., 1_000, 0x10]", {"a": [1500.0, 0.5, 5.0, 1000, 16]}),
        ("a : -3\nb : -0.5\nc : -1e-3", {"a": -3, "b": -0.5, "c": -0.001}),
        ("a : [True, False, None]", {"a": [True, False, None]}),
        ("a : [true, false, null]", {"a": [True, False, None]}),
        ("a : 1, b : 2,\nc : 3,", {"a": 1, "b": 2, "c": 3}),
        ("a : {b : 1, c : {'d.e' : 2\n f : 3}}", {"a": {"b": 1, "c": {"d.e": 2, "f": 3}}}),
        ("a : [1\n2,\n\n3]", {"a": [1, 2, 3]}),
        ("a : []\nb : {}", {"a": [], "b": {}}),
        ("a : [{b : 1}, {b : 2}]", {"a": [{"b": 1}, {"b": 2}]}),
        ("# one\na : 1 # two\n# three\nb : '#' # four", {"a": 1, "b": "#"}),
        ("a:{\nb:1}\nc :\n{\nd : 2\n}", {"a": {"b": 1}, "c": {"d": 2}}),
        ('a : "it\'s"\nb : \'say "x"\'', {"a": "it's", "b": 'say "x"'}),
        ("a : 'tab\\there \\u00e9 é'", {"a": "tab\there é é"}),
        ('a : """two\nlines"""', {"a": "two\nlines"}),
        ("a : 'one \\\nline'", {"a": "one line"}),
        ("a = 1", {"a": 1}),
        ("{a : 1}", {"a": 1}),
        ("a : 1\r\nb : 2\r\n", {"a": 1, "b": 2}),
        ("\ufeffa : 1", {"a": 1}),
        ("a : '2018-01-01'\nb : 20180101", {"a": "2018-01-01", "b": 20180101}),
        ("a : '$HOME costs $5'", {"a": "$HOME costs $5"}),
    ],
)
def test_cfg_values(folder, text, data):
    assert repr(of(folder, text).data) == repr(data)


VALUE = "(text stands in quotes; True, False, None do not)"
HINT = "(expressions are refused; text, and a key with other signs, stands in quotes)"
REFUSED = "which i2lc refuses, expected a plain value"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        # evaluated, looked up, included
        ("a : `$HOME`", "1, column 5", f"got a backtick expression, {REFUSED}"),
        ("a : `sys:argv`", "1, column 5", f"got a backtick expression, {REFUSED}"),
        ("\na : `open", "2, column 5", f"got a backtick expression, {REFUSED}"),
        ("a : @'other.cfg'", "1, column 5", f"got '@' (an include), {REFUSED}"),
        ("a : 1\nb : $a", "2, column 5", f"got '$' (a reference), {REFUSED}"),
        ("a : 1\nb : ${a}", "2, column 5", f"got '$' (a reference), {REFUSED}"),
        ("a : 'x/${a}'", "1, column 5", f"got '${{' (string interpolation), {REFUSED}"),
        ("a : 1 + 2", "1, column 7", f"got '+', expected ',' or a new line {HINT}"),
        ("a : (1)", "1, column 5", f"got '(', expected a value {HINT}"),
        ("a : not True", "1, column 5", f"got 'not', expected a value {HINT}"),
        ("a : 'x'[0]", "1, column 8", "got '[', expected ',' or a new line"),
        ("a : [[1] [0]]", "1, column 10", "got '[', expected ',', a new line or ']'"),
        # brackets
        (
            "a :\n{\nb : 1\n",
            "4, column 1",
            "got the end of the file, expected '}' for the '{' of line 2",
        ),
        ("a : [1\n", "2, column 1", "got the end of the file, expected ']' for the '[' of line 1"),
        ("a : {b : [1\n}", "2, column 1", "got '}', expected ']' for the '[' of line 1"),
        ("a : {\n}\n}", "3, column 1", "got '}', expected no bracket here: none is open"),
        ("a :\n b : 1\n}", "2, column 2", f"got 'b', expected '{{' or a value {VALUE}"),
        ("a {\n}", "1, column 3", "got '{', expected ':' after the key"),
        ("[1]", "1, column 1", "got a list, expected sections such as chain"),
        # strings
        ("a : 'x", "1, column 5", "got a string without an end, expected its closing quote"),
        (
            "a : 'x\nb : 'y'\nc : 'z",
            "1, column 5",
            "got a string open at the end of its line, expected a quote",
        ),
        ("a : 'x' 'y'", "1, column 9", "got 'y', expected ',' or a new line"),
        (
            "a : 'C:\\data'",
            "1, column 5",
            "got an unknown escape in a string, expected '\\\\' or '/'",
        ),
        # keys
        ("a\n: 1", "1, column 2", "got the end of the line, expected ':' after the key"),
        ("a.b : 1", "1, column 2", f"got '.', expected ':' after the key {HINT}"),
        ("in : 1", "1, column 1", f"got 'in', expected a key {HINT}"),
        ("5 : 1", "1, column 1", "got '5', expected a key"),
        ("a : 1\n5 : 1", "2, column 1", "got '5', expected a key"),
        ("a : {,}", "1, column 6", "got ',', expected a key or '}'"),
        ("{a : 1} b : 1", "1, column 9", "got 'b', expected ',' or a new line"),
        (
            "a : 1\nb : 2\na : 3",
            "3, column 1",
            "got the key 'a' again, expected it once: line 1 has it",
        ),
        (
            "a : {b : 1\nb : 2}",
            "2, column 1",
            "got the key 'b' again, expected it once: line 1 has it",
        ),
        # values
        ("a :", "1, column 4", "got the end of the file, expected a value"),
        ("a : ,", "1, column 5", "got ',', expected a value"),
        ("a : [1,,2]", "1, column 8", "got ',', expected a value or ']'"),
        ("a : T31TCJ T31TDJ", "1, column 5", f"got 'T31TCJ', expected a value {VALUE}"),
        ("a : [NDVI]", "1, column 6", f"got 'NDVI', expected a value {VALUE}"),
        ("a : /data", "1, column 5", f"got '/', expected a value {HINT}"),
        ("a : 1 b : 2", "1, column 7", "got 'b', expected ',' or a new line"),
        ("a : 1;", "1, column 6", "got ';', expected a key or a value (text stands in quotes)"),
        ("a : é", "1, column 5", "got 'é', expected a key or a value (text stands in quotes)"),
        # numbers
        (
            "a : 1e+5",
            "1, column 5",
            "got the number '1e', expected one such as 10, 0.5, 1e5 or 1e-5",
        ),
        ("a : 010", "1, column 5", "got '010', expected a number without leading zero"),
        ("a : 10m", "1, column 7", "got 'm' in a number, expected digits (text stands in quotes)"),
        ("a : 1_", "1, column 6", "got '_' in a wrong place of a number, expected a digit"),
        ("a : 2018-01-01", "1, column 9", "got '-01', expected ',' or a new line"),
        ("a : 3j", "1, column 5", f"got a complex number, {REFUSED}"),
        ("a : 1e999", "1, column 5", "got a number too large to be held, expected a smaller one"),
    ],
)
def test_cfg_refusals(folder, text, place, message):
    assert refusal(folder, text) == f"run.cfg, line {place}: {message}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 0.00001),
        ("0.00001", 1e-5),
        ("[1e5, 1E+3, -.5, 5.]", [1e5, 1000.0, -0.5, 5.0]),
        ("20180101", 20180101),
        ("2018-01-01", "2018-01-01"),
        ("12:30:45", "12:30:45"),
        ("[on, off, yes, no, y]", ["on", "off", "yes", "no", "y"]),
        ("[true, True, false, FALSE]", [True, True, False, False]),
        ("[null, ~, None]", [None, None, "None"]),
        ("", None),
        ("[010, 0o10, 0x10, -5, +5]", [10, 8, 16, -5, 5]),
        ("[1_000, .inf, =]", ["1_000", ".inf", "="]),
        ("'1'", "1"),
    ],
)
def test_yaml_scalars(folder, text, value):
    assert repr(of(folder, f"a: {text}", "run.yaml").data) == repr({"a": value})


def test_yaml_positions(folder):
    document = of(folder, "a:\n  b: [1,\n   {c: 2}]\n", "run.yaml")
    assert document.data == {"a": {"b": [1, {"c": 2}]}}
    assert document.positions == {
        ("a",): (1, 1),
        ("a", "b"): (2, 3),
        ("a", "b", "0"): (2, 7),
        ("a", "b", "1"): (3, 4),
        ("a", "b", "1", "c"): (3, 5),
    }


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "a: 1\nb: 2\na: 3",
            "3, column 1",
            "got the key 'a' again, expected it once: line 1 has it",
        ),
        ("a: !!python/name:os.system x", "1, column 4", f"got a tag '!', {REFUSED}"),
        ("a: !!str 1", "1, column 4", f"got a tag '!', {REFUSED}"),
        ("a: &x 1\nb: *x", "2, column 4", f"got an alias '*', {REFUSED}"),
        ("a: '${x}'", "1, column 4", f"got '${{' (string interpolation), {REFUSED}"),
        ("a: 1e999", "1, column 4", "got a number too large to be held, expected a smaller one"),
        (f"a: {'9' * 5000}", "1, column 4", "got a number of 5000 digits, expected fewer"),
        ("5: 1", "1, column 1", "got '5' as a key, expected text (in quotes)"),
        ("[a]: 1", "1, column 1", "got a list or a mapping as a key, expected text (in quotes)"),
        ("- a", "1, column 1", "got no mapping, expected sections such as chain"),
        ("a: \x07", "1, column 4", "got the character U+0007, expected printable text"),
    ],
)
def test_yaml_refusals(folder, text, place, message):
    assert refusal(folder, text, "run.yaml") == f"run.yaml, line {place}: {message}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2", "1, column 9"),
        ("a: 'x", "1, column 6"),
        ("a:\n\tb: 1", "2, column 1"),
        ("a: b: c", "1, column 5"),
        ("a: `x`", "1, column 4"),
        ("a: 1\n---\nb: 2", "2, column 1"),
    ],
)
def test_yaml_mistakes_are_told_in_one_line(folder, text, place):
    message = refusal(folder, text, "run.yaml")
    assert message.startswith(f"run.yaml, line {place}: not YAML: ")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["run.cfg", "run.yaml"])
@pytest.mark.parametrize("text", ["", " \n", "# a comment", "{}"])
def test_an_empty_file_is_refused(folder, text, name):
    assert (
        refusal(folder, text, name) == f"{name}: got an empty file, expected sections such as chain"
    )


@pytest.mark.parametrize(("name", "sign"), [("run.cfg", ":"), ("run.yaml", ": ")])
def test_bottomless_nesting_is_refused(folder, name, sign):
    text = f"a{sign}{'[' * 3000}{']' * 3000}"
    assert refusal(folder, text, name) == f"{name}: got brackets nested too deeply to be read"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/none.cfg: no such file")):
        read(tmp_path / "none.cfg")
    with pytest.raises(ConfigError, match="got a folder, expected a configuration file"):
        read(tmp_path)
    path = tmp_path / "latin.cfg"
    path.write_bytes("a : 1\nb : 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"line 2: got the byte 0xe9, expected text in UTF-8$"):
        read(path)


# Any plain data, written in either syntax, comes back as it was.

letters = st.characters(
    min_codepoint=32,
    exclude_categories=("Cs", "Cc", "Zl", "Zp"),
    exclude_characters="\ufeff\ufffe\uffff",
)
texts = st.text(letters | st.sampled_from("\n\t\r\"'\\#"), max_size=8).filter(
    lambda text: "${" not in text
)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
keys = texts | st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,9}", fullmatch=True)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, min_size=1, max_size=4)
breaks = st.sampled_from([", ", "\n", ",\n  ", "  # a comment\n"])

WORDS_OF_SYNTAX = {"is", "in", "not", "and", "or", "true", "false", "null", "True", "False", "None"}


def quoted(text, quote='"'):
    body = json.dumps(text, ensure_ascii=False)[1:-1]
    return f'"{body}"' if quote == '"' else "'" + body.replace('\\"', '"').replace("'", "\\'") + "'"


def cfg_scalar(value, quote):
    if isinstance(value, str):
        return quoted(value, quote)
    return repr(value).replace("e+", "e")


def cfg_key(key, quote):
    bare = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) and key not in WORDS_OF_SYNTAX
    return key if bare else quoted(key, quote)


def cfg_value(value, brk, quote):
    if isinstance(value, dict):
        return "{" + cfg_body(value, brk, quote) + "}"
    if isinstance(value, list):
        return "[" + brk.join(cfg_value(item, brk, quote) for item in value) + "]"
    return cfg_scalar(value, quote)


def cfg_body(data, brk, quote):
    return brk.join(f"{cfg_key(k, quote)} : {cfg_value(v, brk, quote)}" for k, v in data.items())


def yaml_flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)}: {yaml_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_flow, value)) + "]"
    return quoted(value) if isinstance(value, str) else {None: "null"}.get(value, repr(value))


def yaml_block(data, indent=""):
    lines = []
    for key, value in data.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{quoted(key)}:", yaml_block(value, indent + "  ")]
        else:
            lines.append(f"{indent}{quoted(key)}: {yaml_flow(value)}")
    return "\n".join(lines)


def paths(value, here=()):
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        path = (*here, str(key))
        yield path
        if isinstance(inner, (dict, list)):
            yield from paths(inner, path)


def assert_places(document: Document, text: str, spelled):
    """Every key and item has a place, and a key stands at its place."""
    assert set(document.positions) == set(paths(document.data))
    lines = text.split("\n")
    for path, (line, column) in document.positions.items():
        parent = document.data
        for part in path[:-1]:
            parent = parent[int(part)] if isinstance(parent, list) else parent[part]
        if isinstance(parent, dict):
            assert lines[line - 1][column - 1 :].startswith(spelled(path[-1]))


@settings(max_examples=150, deadline=None)
@given(data=documents, brk=breaks, quote=st.sampled_from("'\""))
def test_cfg_round_trip(folder, data, brk, quote):
    text = cfg_body(data, brk, quote)
    document = of(folder, text)
    assert repr(document.data) == repr(data)
    assert document.data == config.Config(io.StringIO(text)).as_dict()
    assert_places(document, text, lambda key: cfg_key(key, quote))


@settings(max_examples=150, deadline=None)
@given(data=documents, block=st.booleans())
def test_yaml_round_trip(folder, data, block):
    text = yaml_block(data) if block else yaml_flow(data)
    document = of(folder, text, "run.yaml")
    assert repr(document.data) == repr(data)
    assert_places(document, text, quoted)


FRAGMENTS = [*"{}[]:,\n\"'`@$#-.+*/<>=!&|^~()\\0e1jx _é\x00"]
FRAGMENTS += ["a", "'''", '"""', "a : ", "${", "in", "1e5"]


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(st.sampled_from(FRAGMENTS), max_size=12),
    name=st.sampled_from(["run.cfg", "run.yaml"]),
)
def test_any_text_is_read_or_refused_in_one_line(folder, parts, name):
    try:
        document = of(folder, "".join(parts), name)
    except ConfigError as error:
        message = str(error)
    else:
        message = ""
        assert set(document.positions) == set(paths(document.data))
    assert "\n" not in message
