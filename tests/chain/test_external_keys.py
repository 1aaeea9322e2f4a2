"""The keys of external features and builders in a configuration file: with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from i2lc.chain import plan
from i2lc.chain.recipe import Asked
from i2lc.chain.settings import config
from i2lc.chain.settings.config import Config
from i2lc.errors import ConfigError
from i2lc.steps.external.asked import Call
from i2lc.steps.maps.features_product import Product

LAND_COVER = """\
chain :
{
 output_path : "out"
 list_tile : "T31TCJ"
 data_field : "code"
 s2_path : "s2"
 ground_truth : "gt.shp"
 nomenclature_path : "names.txt"
 color_table : "colors.txt"
}
"""
"""Ten lines."""
FEATURES = """\
chain : { output_path : "out", list_tile : "T31TCJ", s2_path : "s2" }
builders : { builders_class_name : ["I2FeaturesMap"] }
"""
"""Two lines."""
MODULE = """\
def my_soi(self, gain=1.0):
    return self.get_interpolated_Sentinel2_B8(), []
"""


def load(folder: Path, text: str) -> Config:
    (folder / "my.py").write_text(MODULE)
    path = folder / "run.cfg"
    path.write_text(text)
    return config.load(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def external(*lines: str) -> str:
    return "\n".join(["external_features :", "{", *lines, "}\n"])


CALL = 'functions : "get_soi_s2"'
BOTH = 'builders : { builders_class_name : ["I2Classification", "I2FeaturesMap"] }\n'


# What is read.


def test_the_section_reaches_the_step(tmp_path: Path) -> None:
    text = LAND_COVER + external(
        'module : "my.py"', 'functions : [["my_soi", { "gain" : 2 }], "get_soi_s2"]', "padding : 2"
    )
    made = load(tmp_path, text)
    section = made.steps["check_external"].external_features
    assert section.module == (tmp_path / "my.py",)
    assert section.calls == (Call("my_soi", {"gain": 2}), Call("get_soi_s2"))
    assert section.padding == 2
    assert made.given["external_features"]["padding"] == 2


def test_without_the_section_there_is_none(tmp_path: Path) -> None:
    made = load(tmp_path, LAND_COVER)
    assert made.steps["check_external"].model_dump()["external_features"] is None
    assert "external_features" not in made.resolved()
    assert plan.asked(made) == Asked()


def test_the_resolved_configuration_has_the_section_and_loads_again(tmp_path: Path) -> None:
    made = load(tmp_path, LAND_COVER + external(CALL, "scale : { soi : 1000 }"))
    resolved = made.resolved()
    assert resolved["external_features"]["scale"] == {"soi": 1000}
    assert resolved["external_features"]["concat_mode"] is True
    assert resolved["builders"] == {"builders_class_name": ["I2Classification"]}
    (tmp_path / "again.yaml").write_text(json.dumps(resolved))
    again = config.load(tmp_path / "again.yaml")
    assert (again.run, again.units, again.steps) == (made.run, made.units, made.steps)


def test_the_old_name_of_the_section(tmp_path: Path) -> None:
    made = load(tmp_path, LAND_COVER + f"Features : {{ {CALL} }}")
    assert made.warnings == (
        f"{tmp_path}/run.cfg, line 11: 'Features' is called 'external_features' now",
    )
    assert plan.asked(made).external == ()


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([CALL], Asked(external=())),
        (['module : "my.py"', 'functions : "my_soi"'], Asked(external=("my.py",))),
        (['module : "my.py"', 'functions : "my_soi get_soi_s2"'], Asked(external=("my.py",))),
        (["external_features_flag : True", CALL], Asked(external=())),
        (["external_features_flag : False"], Asked()),
    ],
)
def test_what_a_section_asks_for(tmp_path: Path, lines: list[str], wanted: Asked) -> None:
    assert plan.asked(load(tmp_path, LAND_COVER + external(*lines))) == wanted


# Builders.

PLAIN = Product("features_map", "geotiff", "float32", False, -10000)


def test_a_features_map_beside_the_land_cover_map(tmp_path: Path) -> None:
    made = load(tmp_path, LAND_COVER + BOTH)
    assert plan.asked(made) == Asked(features_map=PLAIN)
    named = load(tmp_path, LAND_COVER + BOTH + external('output_name : "mine"', CALL))
    assert plan.asked(named) == Asked(
        external=(), features_map=Product("mine", "geotiff", "float32", False, -10000)
    )


def test_a_features_map_alone_needs_no_ground_truth(tmp_path: Path) -> None:
    made = load(tmp_path, FEATURES)
    asked = plan.asked(made)
    assert asked == Asked(classification=False, features_map=PLAIN)
    steps, running = plan.steps_of(made, plan.Options())
    names = ["check_inputs", "tile_index", "envelopes", "features_map", "features_mosaic"]
    assert [step.name for step in steps] == names
    assert running == steps
    assert set(names) <= set(made.steps)


def test_a_features_map_alone_looks_at_no_key_of_the_ground_truth(tmp_path: Path) -> None:
    more = 'arg_train : { sample_management : 3 }\narg_classification : { classif_mode : "?" }\n'
    text = FEATURES.replace('s2_path : "s2"', 's2_path : "s2", data_field : 5')
    assert plan.asked(load(tmp_path, text + more)).classification is False


def test_a_features_map_alone_tells_what_it_lacks(tmp_path: Path) -> None:
    text = FEATURES.replace(', s2_path : "s2"', "").replace('"T31TCJ"', '""')
    assert refusal(tmp_path, text) == (
        "run.cfg, line 1: chain.list_tile: got '': names no tile\n"
        "run.cfg: chain.s2_path is missing (Folder with one folder of Theia products a tile)"
    )
    homeless = FEATURES.replace('output_path : "out", ', "")
    told = "run.cfg: chain.output_path is missing (Folder of all outputs, one a run)"
    assert refusal(tmp_path, homeless) == told
    unknown = FEATURES.replace("s2_path :", "ratoi : 1, s2_path :")
    told = "run.cfg, line 1: unknown key chain.ratoi; did you mean ratio?"
    assert refusal(tmp_path, unknown) == told


KNOWN = "I2Classification and I2FeaturesMap"
BUILDERS = {
    "[]": "got [], expected a list of I2Classification or I2FeaturesMap with one item or more",
    '["I2FeaturesMap", "I2FeaturesMap"]': (
        "got ['I2FeaturesMap', 'I2FeaturesMap']: name each builder once"
    ),
    '["I2Obia"]': "got ['I2Obia']: I2Obia is a builder of iota2 that i2lc does not support yet; it "
    f"has {KNOWN}",
    '["I2Vectorization"]': "got ['I2Vectorization']: I2Vectorization is a builder of iota2 that "
    f"i2lc does not support yet; it has {KNOWN}",
    '["I2Classification", "I2Regression"]': "got ['I2Classification', 'I2Regression']: I2Regression"
    f" is a builder of iota2 that i2lc does not support yet; it has {KNOWN}",
    '["i2_obia"]': "got ['i2_obia']: i2_obia is a builder of iota2 that i2lc does not support yet; "
    f"it has {KNOWN}",
    '["i2_classification"]': "got ['i2_classification']: i2_classification is called "
    "I2Classification now: write I2Classification",
    '["i2_features_map"]': "got ['i2_features_map']: i2_features_map is called I2FeaturesMap now: "
    "write I2FeaturesMap",
    '["I2Map"]': f"got ['I2Map']: there is no builder I2Map; there are {KNOWN}",
    "[1]": f"got [1]: there is no builder 1; there are {KNOWN}",
    '"I2FeaturesMap"': "got 'I2FeaturesMap', expected a list of I2Classification or I2FeaturesMap "
    "with one item or more",
}


@pytest.mark.parametrize("value", BUILDERS)
def test_a_bad_list_of_builders(tmp_path: Path, value: str) -> None:
    text = LAND_COVER + f"builders : {{ builders_class_name : {value} }}"
    assert refusal(tmp_path, text) == (
        f"run.cfg, line 11: builders.builders_class_name: {BUILDERS[value]}"
    )


def test_another_key_of_the_builders(tmp_path: Path) -> None:
    assert refusal(tmp_path, LAND_COVER + 'builders : { builders_paths : "x" }') == (
        "run.cfg, line 11: builders.builders_paths is a parameter of iota2 that i2lc does not "
        "support yet"
    )


# What is refused. The first line in the section is line 13.

BELONGS = "belongs to functions, and there are none: name them, or drop it"
MAP = "belongs to builder I2FeaturesMap: drop it, or add the builder"
IN_SECTION = {
    f'{CALL}\nmodul : "my.py"': "line 14: unknown key external_features.modul; did you mean "
    "module?",
    'module : "my.py"': "line 11: external_features.functions: name the functions to call, or drop "
    "the section",
    "external_features_flag : True": "line 13: external_features.external_features_flag: True "
    "needs functions: name those to call, or drop it",
    f"{CALL}\nexternal_features_flag : False": "line 14: external_features.external_features_flag: "
    "False contradicts functions: drop one of them",
    'external_features_flag : False\nmodule : "my.py"': f"line 14: external_features.module: "
    f"{BELONGS}",
    "external_features_flag : False\nconcat_mode : False": f"line 14: external_features."
    f"concat_mode: {BELONGS}",
    f"{CALL}\nno_data_value : -1": f"line 14: external_features.no_data_value: {MAP}",
    f'{CALL}\noutput_name : "a"': f"line 14: external_features.output_name: {MAP}",
    f'{CALL}\noutput_format : "zarr"': f"line 14: external_features.output_format: {MAP}",
    f'{CALL}\noutput_type : "int16"': f"line 14: external_features.output_type: {MAP}",
    f"{CALL}\noutput_per_tile : True": f"line 14: external_features.output_per_tile: {MAP}",
}


@pytest.mark.parametrize("lines", IN_SECTION)
def test_a_bad_section(tmp_path: Path, lines: str) -> None:
    found = refusal(tmp_path, LAND_COVER + external(*lines.split("\n")))
    assert found == f"run.cfg, {IN_SECTION[lines]}"


OF_FUNCTIONS = [
    (['functions : "get_soi"'], "line 13: external_features.functions: "),
    (['module : "none.py"', CALL], "line 13: external_features.module: "),
    (['module : "my.py"', 'functions : ["get_soi_s2", ["my_soi", { "gian" : 2 }]]'], "line 14: "),
    (["padding : -1", CALL], "line 13: external_features.padding: got -1, expected "),
    (["padding : True", CALL], "line 13: external_features.padding: got True, expected "),
    ([CALL, "concat_mode : 3"], "line 14: external_features.concat_mode: got 3, expected True or"),
]


@pytest.mark.parametrize(("lines", "told"), OF_FUNCTIONS)
def test_what_is_wrong_with_a_value_has_its_line(
    tmp_path: Path, lines: list[str], told: str
) -> None:
    found = refusal(tmp_path, LAND_COVER + external(*lines))
    assert found.startswith(f"run.cfg, {told}")
    assert len(found.splitlines()) == 1


def test_two_paddings(tmp_path: Path) -> None:
    section = "python_data_managing : { padding_size_x : 3, padding_size_y : 2 }\n"
    text = LAND_COVER + section + external(CALL, "padding : 2")
    assert refusal(tmp_path, text) == (
        "run.cfg, line 11: padding_size_x 3 contradicts padding 2 of external_features: drop one"
    )
    made = load(tmp_path, text.replace("size_x : 3", "size_x : 2"))
    assert made.steps["check_external"].padding == (2, 2)


def test_a_section_that_is_none(tmp_path: Path) -> None:
    assert refusal(tmp_path, LAND_COVER + "external_features : 5") == (
        "run.cfg, line 11: section external_features: got 5, expected keys in braces { }"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('module : "my.py"', f"external_features.module: {BELONGS}"),
        ("padding : 1", f"external_features.padding: {BELONGS}"),
        ('exogeneous_data : "x.tif"', f"external_features.exogeneous_data: {BELONGS}"),
        ("scale : { soi : 10 }", f"external_features.scale: {BELONGS}"),
    ],
)
def test_a_features_map_without_functions_has_no_keys_of_functions(
    tmp_path: Path, line: str, told: str
) -> None:
    assert load(tmp_path, FEATURES + external('output_name : "a"'))
    assert refusal(tmp_path, FEATURES + external(line)) == f"run.cfg, line 5: {told}"


NONE = "belongs to external_features.functions"
PADDING = dict.fromkeys(
    ("padding_size_x", "padding_size_y"),
    "belongs to external_features: drop it, or name functions there",
)
BESIDE = {
    "padding_size_x : 1": f"{NONE}, and there are none: drop it",
    "padding_size_y : 2": f"{NONE}, and there are none: drop it",
    "fill_missing_dates : True": f"{NONE} or features_from_raw_dates, and there is none: drop it",
}


@pytest.mark.parametrize("line", BESIDE)
def test_a_key_beside_no_functions(tmp_path: Path, line: str) -> None:
    section = f"python_data_managing : {{ {line} }}\n"
    key = line.split()[0]
    told = f"run.cfg, line 11: python_data_managing.{key}: {BESIDE[line]}"
    without = LAND_COVER + section + BOTH + external('output_name : "a"')
    assert refusal(tmp_path, without) == told
    if key in PADDING:
        told = f"run.cfg, line 11: {key} {PADDING[key]}"
    assert refusal(tmp_path, LAND_COVER + section) == told
    assert load(tmp_path, LAND_COVER + section + external(CALL))
    off = section.replace("True", "False").replace("1", "0").replace("2", "0")
    assert load(tmp_path, LAND_COVER + off)


def test_dates_of_all_tiles_with_raw_dates(tmp_path: Path) -> None:
    raw = (
        'arg_train : { features_from_raw_dates : True, deep_learning_parameters : { dl_name : "'
        'LTAEClassifier" } }\npython_data_managing : { fill_missing_dates : %s }\n'
    )
    assert load(tmp_path, LAND_COVER + raw % "True")


@pytest.mark.parametrize("key", ["data_mode_access", "max_nn_inference_size", "chunk_size_mode"])
def test_keys_of_iota2_that_are_not_ours(tmp_path: Path, key: str) -> None:
    assert refusal(tmp_path, LAND_COVER + f"python_data_managing : {{ {key} : 1 }}") == (
        f"run.cfg, line 11: python_data_managing.{key} is a parameter of iota2 that i2lc does not "
        "support yet"
    )
