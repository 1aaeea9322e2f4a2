"""From a configuration file to settings, and every way in which it can be wrong."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i2lc.chain.settings import config, kinds, sections
from i2lc.chain.settings.config import Config
from i2lc.errors import ConfigError
from i2lc.steps.reference.folds import Folds
from i2lc.steps.tiles.grid import LatticeSettings

ROOT = Path(__file__).parents[2]
TEMPLATES = [
    ROOT / "config_templates" / name
    for name in ("land_cover.cfg", "minimal.cfg", "features_map.cfg")
]

SEED_LISTING = """\
chain :
{
 output_path : "/prefix/datalocal1/share/fauvelm/blog_post_iota2_output/outputs_3"
 remove_output_path : True
 check_inputs : True
 list_tile : "T31TCJ T31TDJ T31TCK T31TDK"
 data_field : "code"
 s2_path : "/prefix/datalocal1/share/PARCELLE/S2/"
 ground_truth : "/prefix/home/fauvelm/BlogPostIota2/data/gt_3_clean.shp"
 spatial_resolution : 10
 color_table : "/prefix/home/fauvelm/BlogPostIota2/data/colorFile.txt"
 nomenclature_path : "/prefix/home/fauvelm/BlogPostIota2/data/nomenclature.txt"
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

SEED_YAML = """\
chain:
  output_path: /prefix/datalocal1/share/fauvelm/blog_post_iota2_output/outputs_3
  remove_output_path: true
  check_inputs: true
  list_tile: T31TCJ T31TDJ T31TCK T31TDK
  data_field: code
  s2_path: /prefix/datalocal1/share/PARCELLE/S2/
  ground_truth: /prefix/home/fauvelm/BlogPostIota2/data/gt_3_clean.shp
  spatial_resolution: 10
  color_table: /prefix/home/fauvelm/BlogPostIota2/data/colorFile.txt
  nomenclature_path: /prefix/home/fauvelm/BlogPostIota2/data/nomenclature.txt
  first_step: init
  last_step: validation
  proj: EPSG:2154
  split_ground_truth: true
  ratio: 0.75
arg_train:
  runs: 1
  random_seed: 0
  sample_selection: {sampler: periodic, strategy: constant, strategy.constant.nb: 100000}
  deep_learning_parameters:
    dl_name: MLPClassifier
    epochs: 200
    model_selection_criterion: fscore
    num_workers: 12
    hyperparameters_solver: {batch_size: [4096], learning_rate: [1e-5]}
arg_classification: {enable_probability_map: true}
python_data_managing: {number_of_chunks: 50}
sentinel_2: {temporal_resolution: 10}
task_retry_limits: {allowed_retry: 0, maximum_ram: 180.0, maximum_cpu: 40}
"""

MINIMAL = """\
chain :
{
 output_path : "out"
 list_tile : "T31TCJ"
 data_field : "code"
 s2_path : "s2"
 ground_truth : "gt.shp"
 nomenclature_path : "names.txt"
 color_table : "colors.txt"
%s}
%s"""
"""A configuration with room for lines of section chain, from line 10, and for sections."""


def load(folder: Path, text: str, name: str = "run.cfg") -> Config:
    path = folder / name
    path.write_text(text)
    return config.load(path)


def minimal(chain: str = "", sections: str = "") -> str:
    return MINIMAL % (f"{chain}\n" if chain else "", sections)


def refusal(folder: Path, text: str) -> str:
    """The message of a configuration that is refused, its folder left out."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


# What is read.


def test_the_values_of_the_seed_arrive_in_the_settings(tmp_path: Path) -> None:
    made = load(tmp_path, SEED_LISTING)
    assert made.warnings == ()
    run = made.run
    assert run.output_path == Path(
        "/prefix/datalocal1/share/fauvelm/blog_post_iota2_output/outputs_3"
    )
    assert (run.remove_output_path, run.first_step, run.last_step) == (True, "init", "validation")
    assert (run.enable_probability_map, run.generate_final_probability_map) == (True, False)
    assert (run.allowed_retry, run.maximum_ram, run.maximum_cpu) == (0, 180.0, 40)
    assert made.units.list_tile == ("T31TCJ", "T31TDJ", "T31TCK", "T31TDK")
    assert (made.units.runs, made.units.number_of_chunks) == (1, 50)
    step = {name: part.model_dump() for name, part in made.steps.items()}
    assert step["check_inputs"]["check_inputs"] is True
    assert step["check_inputs"]["list_tile"] == made.units.list_tile
    assert step["polygons"]["data_field"] == "code"
    assert step["polygons"]["ratio"] == 0.75
    assert step["polygons"]["split_ground_truth"] is True
    assert step["polygons"]["random_seed"] == 0
    assert step["tile_index"]["s2_path"] == Path("/prefix/datalocal1/share/PARCELLE/S2/")
    assert step["envelopes"]["temporal_resolution"] == 10
    assert step["polygons"]["proj"] == "EPSG:2154"
    assert made.units.resolution == (10.0, 10.0)
    assert step["selection"]["sample_selection"] == {
        "sampler": "periodic",
        "strategy": "constant",
        "percent": None,
        "constant_nb": 100000,
        "total": None,
        "byclass": None,
        "jitter": 0,
        "per_model": (),
    }
    learning = step["training"]["deep_learning_parameters"]
    assert (learning["dl_name"], learning["epochs"], learning["num_workers"]) == (
        "MLPClassifier",
        200,
        12,
    )
    assert learning["model_selection_criterion"] == "fscore"
    assert learning["hyperparameters_solver"] == {
        "batch_size": (4096,),
        "learning_rate": (1e-5,),
        "weight_decay": (0.0,),
    }


def test_yaml_says_the_same(tmp_path: Path) -> None:
    ours, theirs = load(tmp_path, SEED_LISTING), load(tmp_path, SEED_YAML, "run.yaml")
    assert theirs.run == ours.run
    assert theirs.units == ours.units
    assert theirs.steps == ours.steps
    assert theirs.given == ours.given


def test_relative_paths_start_in_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "elsewhere").mkdir()
    text = minimal(
        sections='arg_train : { sample_selection : { strategy : "byclass"\n'
        ' "strategy.byclass.in" : "n.csv" } }'
    ).replace('"gt.shp"', '"/there/gt.shp"')
    (tmp_path / "deep" / "run.cfg").write_text(text)
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = config.load(Path("../deep/run.cfg"))
    folder = tmp_path / "deep"
    assert made.run.output_path.resolve() == folder / "out"
    assert made.units.s2_path.resolve() == folder / "s2"
    assert made.units.ground_truth == Path("/there/gt.shp")
    selection = made.steps["selection"].model_dump()["sample_selection"]
    assert selection["byclass"].resolve() == folder / "n.csv"


def test_defaults_are_those_of_iota2(tmp_path: Path) -> None:
    made = load(tmp_path, minimal())
    learning = made.steps["training"].model_dump()["deep_learning_parameters"]
    solver = learning["hyperparameters_solver"]
    assert solver == {
        "batch_size": (1000,),
        "learning_rate": (1e-5,),
        "weight_decay": (0.0,),
    }
    assert made.steps["polygons"].model_dump()["ratio"] == 0.5
    assert made.units.number_of_chunks == 50
    assert made.units.features == ("NDVI", "NDWI", "Brightness")
    assert made.run.maximum_ram is None


def test_old_names_are_accepted_with_a_warning(tmp_path: Path) -> None:
    text = minimal(
        ' firstStep : "sampling"', "argTrain : { splitGroundTruth : False }\nSentinel_2 : { }"
    ).replace("output_path", "outputPath")
    made = load(tmp_path, text.replace("{ }", "{ temporalResolution : 5 }"))
    assert made.run.output_path == tmp_path / "out"
    assert made.run.first_step == "sampling"
    assert made.units.temporal_resolution == 5
    assert made.steps["polygons"].model_dump()["split_ground_truth"] is False
    run = tmp_path / "run.cfg"
    assert made.warnings == (
        f"{run}, line 3: 'outputPath' is called 'output_path' now",
        f"{run}, line 10: 'firstStep' is called 'first_step' now",
        f"{run}, line 12: 'argTrain' is called 'arg_train' now",
        f"{run}, line 12: 'splitGroundTruth' is called 'split_ground_truth' now",
        f"{run}, line 13: 'temporalResolution' is called 'temporal_resolution' now",
    )


def test_a_key_of_two_sections_may_stand_in_both_with_one_value(tmp_path: Path) -> None:
    made = load(tmp_path, minimal(" ratio : 0.7", "arg_train : { ratio : 0.7 }"))
    assert made.steps["polygons"].model_dump()["ratio"] == 0.7
    alone = load(tmp_path, minimal(sections="arg_train : { ratio : 0.7 }"))
    assert alone.steps["polygons"] == made.steps["polygons"]


def test_resolved_gives_every_key_and_loads_again(tmp_path: Path) -> None:
    made = load(tmp_path, SEED_LISTING)
    resolved = made.resolved()
    assert {section: tuple(keys) for section, keys in resolved.items()} == {
        section: keys
        for section, keys in sections.SECTIONS.items()
        if section not in sections.WHOLE
    }
    assert resolved["chain"]["cloud_threshold"] == 0
    assert resolved["arg_train"]["sample_selection"]["strategy.constant.nb"] == 100000
    again = load(tmp_path, yaml.safe_dump(resolved), "resolved.yaml")
    assert (again.run, again.units, again.steps) == (made.run, made.units, made.steps)


def test_regions_and_folds_resolve_and_load_again(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        minimal(
            ' region_path : "regions.shp"',
            'arg_train : { folds : { by : "tile", buffer : 30 } }\n'
            'arg_classification : { classif_mode : "fusion", '
            'no_label_management : "learningPriority" }',
        ),
    )
    resolved = made.resolved()
    assert resolved["chain"]["folds"] == resolved["arg_train"]["folds"]
    assert (resolved["chain"]["folds"]["by"], resolved["chain"]["folds"]["buffer"]) == ("tile", 30)
    assert resolved["arg_classification"]["no_label_management"] == "learningPriority"
    again = load(tmp_path, json.dumps(resolved), "resolved.yaml")
    assert (again.run, again.units, again.steps) == (made.run, made.units, made.steps)


# What is refused. The first line after the nine of section chain is line 10.

CHAIN_KEYS = ", ".join(sorted(sections.SECTIONS["chain"]))
IN_CHAIN = {
    ' ouput_path : "x"': "line 10: unknown key chain.ouput_path; did you mean output_path?",
    " outptu : 1": f"line 10: unknown key chain.outptu; the keys of chain are {CHAIN_KEYS}",
    " epochs : 3": "line 10: unknown key chain.epochs; it belongs in section "
    "arg_train.deep_learning_parameters",
    ' user_feat_path : "x"': "line 10: chain.user_feat_path is a parameter of iota2 that i2lc does "
    "not support yet",
    " ratio : 1.5": "line 10: chain.ratio: got 1.5, expected a number above 0 and below 1",
    " ratio : 0": "line 10: chain.ratio: got 0, expected a number above 0 and below 1",
    ' ratio : "half"': "line 10: chain.ratio: got 'half', expected a number above 0 and below 1",
    " proj : 2154": "line 10: chain.proj: got 2154, expected text in quotes",
    ' proj : "Lambert 93"': "line 10: chain.proj: got 'Lambert 93': a CRS is written as "
    "EPSG:<code>, such as EPSG:2154",
    ' proj : "EPSG:99999999"': "line 10: chain.proj: got 'EPSG:99999999': EPSG:99999999 is not a "
    "known CRS",
    ' proj : "EPSG:4326"': "line 10: chain.proj: got 'EPSG:4326': EPSG:4326 is not a projected "
    "CRS: i2lc needs metres",
    ' first_step : "mosaic"\n last_step : "init"': "line 10: first_step mosaic comes after "
    "last_step init",
    ' first_step : "begin"': "line 10: chain.first_step: got 'begin', expected one of init, "
    "sampling, learning, classification, mosaic or validation",
    " spatial_resolution : -10": "line 10: chain.spatial_resolution: got -10: give metres above "
    "0, one number or [x, y]",
    " spatial_resolution : [10, 10, 10]": "line 10: chain.spatial_resolution: got [10, 10, 10]: "
    "give metres above 0, one number or [x, y]",
    " cloud_threshold : 1.5": "line 10: chain.cloud_threshold: got 1.5, expected a whole number "
    "0 or more",
    " remove_tmp_files : 3": "line 10: chain.remove_tmp_files: got 3, expected True or False",
    ' compression_algorithm : "zip"': "line 10: chain.compression_algorithm: got 'zip', expected "
    "one of ZSTD, DEFLATE, LZW or NONE",
}
IN_SECTIONS = {
    "chian : { ratio : 0.5 }": "line 11: unknown section chian; did you mean chain?",
    'slurm : { account : "x" }': "line 11: slurm is a section of iota2 that i2lc does not "
    "support yet",
    "arg_train : 5": "line 11: section arg_train: got 5, expected keys in braces { }",
    "arg_train : { runs : 0 }": "line 11: arg_train.runs: got 0, expected a whole number 1 or more",
    'arg_train : { random_seed : "a" }': "line 11: arg_train.random_seed: got 'a', expected a "
    "whole number 0 or more and below 2147483648 or None",
    'arg_train : { features : ["NDVY"] }': "line 11: arg_train.features: got 'NDVY', expected a "
    "list of NDVI, NDWI or Brightness",
    "arg_train : { sample_selection : 5 }": "line 11: arg_train.sample_selection: got 5, expected "
    "keys in braces { }",
    'arg_train : { sample_selection : {\n strategy : "constant" } }': "line 11: "
    "arg_train.sample_selection: strategy constant needs strategy.constant.nb",
    'arg_train : { sample_selection : {\n "strategy.percent.p" : 0.1 } }': "line 11: "
    "arg_train.sample_selection: strategy.percent.p belongs to strategy percent, not all",
    'arg_train : { sample_selection : {\n strategy : "percent"\n "strategy.percent.p" : 2 } }': (
        "line 13: arg_train.sample_selection.strategy.percent.p: got 2, expected a number above 0 "
        "and at most 1 or None"
    ),
    'arg_train : { sample_selection : {\n "strategy.constant.n" : 5 } }': "line 12: unknown key "
    "arg_train.sample_selection.strategy.constant.n; did you mean strategy.constant.nb?",
    'arg_train : { deep_learning_parameters : {\n dl_name : "Net" } }': "line 12: "
    "arg_train.deep_learning_parameters.dl_name: got 'Net': unknown network 'Net'; known: ANN, "
    "LTAEClassifier, MLPClassifier, SimpleSelfAttentionClassifier, TempCNNClassifier",
    "arg_train : { deep_learning_parameters : {\n dl_parameters : { hidden : 5 } } }": "line 12: "
    "arg_train.deep_learning_parameters.dl_parameters: MLPClassifier has no parameter 'hidden'; "
    "known: hidden_sizes",
    "arg_train : { deep_learning_parameters : {\n dl_parameters : { hidden_sizes : 5 } } }": (
        "line 12: arg_train.deep_learning_parameters.dl_parameters: hidden_sizes is 5: a list of "
        "integers of at least 1 is needed, for instance [240, 69, 69]"
    ),
    "arg_train : { deep_learning_parameters : { hyperparameters_solver : {\n learning_rate : []"
    " } } }": "line 12: arg_train.deep_learning_parameters.hyperparameters_solver.learning_rate: "
    "got [], expected a list of numbers with one item or more",
    "arg_train : { deep_learning_parameters : { hyperparameters_solver : {\n batch_size : [64, 0]"
    " } } }": "line 12: arg_train.deep_learning_parameters.hyperparameters_solver.batch_size: "
    "got [64, 0]: values are above 0",
    'sentinel_2 : { start_date : "20180101" }\nsensors_data_interpolation : { auto_date : True }': (
        "line 11: auto_date True contradicts start_date and end_date: give one of both"
    ),
    "sensors_data_interpolation : { auto_date : False }": "line 11: auto_date False needs "
    "start_date and end_date",
    'sentinel_2 : { start_date : "20180201"\n end_date : "20180101" }': "line 11: start_date "
    "20180201 is after end_date 20180101",
    'sentinel_2 : { start_date : "2018-02-01" }': "line 11: sentinel_2.start_date: got "
    "'2018-02-01': 2018-02-01 is no date YYYYMMDD",
    'sentinel_2 : { keep_bands : ["B1", "B2"] }': "line 11: sentinel_2.keep_bands: got "
    "['B1', 'B2']: unknown B1; the bands are B2 B3 B4 B5 B6 B7 B8 B8A B11 B12",
    'arg_train : { features : ["NDVI"] }\nsentinel_2 : { keep_bands : ["B4"] }': "line 12: NDVI "
    "needs B8 in keep_bands",
    'iota2_feature_extraction : { extract_bands : False }\nsentinel_2 : { keep_bands : ["B4"] }\n'
    "arg_train : { features : [] }": "line 11: extract_bands False contradicts keep_bands: drop "
    "one of them",
    "task_retry_limits : { maximum_ram : 0 }": "line 11: task_retry_limits.maximum_ram: got 0, "
    "expected a number above 0 or None",
    "python_data_managing : { number_of_chunks : 0 }": "line 11: "
    "python_data_managing.number_of_chunks: got 0, expected a whole number 1 or more",
    'arg_classification : { no_label_management : "learningPriority" }': "line 11: "
    "no_label_management belongs to classif_mode fusion, not separate: drop it, or choose fusion",
    'arg_classification : { classif_mode : "fusion" }': "line 11: classif_mode fusion needs "
    "region_path: give it, or choose separate",
    'arg_train : { folds : { by : "tile", output : "scores" } }\n'
    "arg_classification : { enable_probability_map : True }": "line 12: enable_probability_map "
    'asks for a map, but folds asks for scores alone (output : "scores"): drop one of them',
    'arg_train : { folds : {\n by : "block" } }': "line 11: arg_train.folds: by block needs k and "
    "block_size",
}


@pytest.mark.parametrize("lines", IN_CHAIN)
def test_a_bad_key_of_section_chain(tmp_path: Path, lines: str) -> None:
    assert refusal(tmp_path, minimal(lines)) == f"run.cfg, {IN_CHAIN[lines]}"


@pytest.mark.parametrize("section", IN_SECTIONS)
def test_a_bad_section(tmp_path: Path, section: str) -> None:
    assert refusal(tmp_path, minimal(sections=section)) == f"run.cfg, {IN_SECTIONS[section]}"


def test_two_sections_with_two_values(tmp_path: Path) -> None:
    text = minimal(" ratio : 0.5", "arg_train : { ratio : 0.6 }")
    assert refusal(tmp_path, text) == (
        "run.cfg, line 12: arg_train.ratio is 0.6, but chain.ratio is 0.5 (line 10): "
        "give it once, or the same value twice"
    )


@pytest.mark.parametrize(
    ("tiles", "told"),
    [
        ('""', "got '': names no tile"),
        ('"T31TCJ T31TCJ"', "got 'T31TCJ T31TCJ': names T31TCJ twice: name each tile once"),
        ("31", "got 31, expected a list of texts"),
    ],
)
def test_a_bad_list_of_tiles(tmp_path: Path, tiles: str, told: str) -> None:
    text = minimal().replace('"T31TCJ"', tiles)
    assert refusal(tmp_path, text) == f"run.cfg, line 4: chain.list_tile: {told}"


def test_a_missing_key_is_named_with_its_meaning(tmp_path: Path) -> None:
    text = minimal().replace(' nomenclature_path : "names.txt"\n', "")
    assert refusal(tmp_path, text) == (
        "run.cfg: chain.nomenclature_path is missing (Class names: one `name:label` a line)"
    )


def test_without_section_chain_every_required_key_is_missing(tmp_path: Path) -> None:
    lines = refusal(tmp_path, "arg_train : { runs : 2 }").splitlines()
    assert {line.split(" is missing")[0] for line in lines} == {
        f"run.cfg: chain.{key}"
        for key in (
            "output_path",
            "list_tile",
            "data_field",
            "s2_path",
            "ground_truth",
            "nomenclature_path",
            "color_table",
        )
    }


@pytest.mark.parametrize(
    ("output", "held"),
    [
        ("s2", "s2_path {0}/s2"),
        ("data", "ground_truth {0}/data/gt.shp"),
        ("data/../data", "ground_truth {0}/data/gt.shp"),
    ],
)
def test_an_output_folder_that_holds_an_input(tmp_path: Path, output: str, held: str) -> None:
    text = minimal().replace('"gt.shp"', '"data/gt.shp"').replace('"out"', f'"{output}"')
    (tmp_path / "run.cfg").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "run.cfg")
    assert str(caught.value) == (
        f"{tmp_path}/run.cfg, line 3: output_path {tmp_path}/{output} holds inputs: "
        f"{held.format(tmp_path)}; give the outputs a folder of their own"
    )


def test_an_output_folder_that_holds_all(tmp_path: Path) -> None:
    told = refusal(tmp_path, minimal().replace('"out"', '"."'))
    for name in ("s2_path", "ground_truth", "nomenclature_path", "color_table"):
        assert f"{name} " in told
    assert "this configuration file; give" in told


def test_a_file_of_counts_in_the_output_folder(tmp_path: Path) -> None:
    section = (
        'arg_train : { sample_selection : { strategy : "byclass"\n'
        ' "strategy.byclass.in" : "out/n.csv" } }'
    )
    assert refusal(tmp_path, minimal(sections=section)) == (
        f"run.cfg, line 3: output_path {tmp_path}/out holds inputs: strategy.byclass.in "
        f"{tmp_path}/out/n.csv; give the outputs a folder of their own"
    ).replace(f"{tmp_path}/", "")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = minimal(
        ' ouput_path : "x"\n ratio : 1.5\n proj : "x"',
        "arg_trian : { runs : 1 }\n"
        "arg_train : { ratio : 0.5\n epochs : 3\n deep_learning_parameters : { epochs : 0 } }\n"
        "python_data_managing : { number_of_chunks : 0 }\n",
    ).replace(' data_field : "code"\n', "")
    lines = refusal(tmp_path, text).splitlines()
    assert sorted(lines) == sorted(
        [
            "run.cfg, line 9: unknown key chain.ouput_path; did you mean output_path?",
            "run.cfg, line 10: chain.ratio: got 1.5, expected a number above 0 and below 1",
            "run.cfg, line 11: chain.proj: got 'x': a CRS is written as EPSG:<code>, such as "
            "EPSG:2154",
            "run.cfg, line 13: unknown section arg_trian; did you mean arg_train?",
            "run.cfg, line 14: arg_train.ratio is 0.5, but chain.ratio is 1.5 (line 10): give it "
            "once, or the same value twice",
            "run.cfg, line 15: unknown key arg_train.epochs; it belongs in section "
            "arg_train.deep_learning_parameters",
            "run.cfg, line 16: arg_train.deep_learning_parameters.epochs: got 0, expected a whole "
            "number 1 or more",
            "run.cfg, line 17: python_data_managing.number_of_chunks: got 0, expected a whole "
            "number 1 or more",
            "run.cfg: chain.data_field is missing (Field of the class: integer 1-65535, or string "
            "(sorted strings become 1..N))",
        ]
    )


@given(
    key=st.sampled_from(sorted(sections.SECTIONS["chain"])),
    value=st.sampled_from(["None", "[1, 2]", '"?"', "-3", "{ a : 1 }", "1e9", "True"]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_is_read_or_refused_in_words(tmp_path: Path, key: str, value: str) -> None:
    text = re.sub(rf" {key} : .*\n", "", minimal()).replace("{\n", f"{{\n {key} : {value}\n", 1)
    try:
        load(tmp_path, text)
    except ConfigError as error:
        for line in str(error).splitlines():
            assert key in line
            assert re.search(r"run\.cfg, line \d+: ", line)
            assert "Input should" not in line


# Values that look like numbers.

DEEP = "arg_train : { deep_learning_parameters : { %s } }"
SOLVER = DEEP % "hyperparameters_solver : { %s }"
DEEP_KEY = "arg_train.deep_learning_parameters"
COUNT = "a whole number 1 or more"
LOOSE = {
    "arg_train : { runs : True }": f"arg_train.runs: got True, expected {COUNT}",
    'arg_train : { runs : "2" }': f"arg_train.runs: got '2', expected {COUNT} (without quotes)",
    "arg_train : { random_seed : False }": (
        "arg_train.random_seed: got False, expected a whole number 0 or more and below 2147483648 "
        "or None"
    ),
    'arg_train : { ratio : "0.5" }': (
        "arg_train.ratio: got '0.5', expected a number above 0 and below 1 (without quotes)"
    ),
    "arg_train : { ratio : True }": (
        "arg_train.ratio: got True, expected a number above 0 and below 1"
    ),
    "task_retry_limits : { maximum_ram : True }": (
        "task_retry_limits.maximum_ram: got True, expected a number above 0 or None"
    ),
    DEEP % 'epochs : "3"': f"{DEEP_KEY}.epochs: got '3', expected {COUNT} (without quotes)",
    DEEP % 'epochs : "0"': f"{DEEP_KEY}.epochs: got '0', expected {COUNT} (without quotes)",
    DEEP % "epochs : True": f"{DEEP_KEY}.epochs: got True, expected {COUNT}",
    SOLVER % 'batch_size : [10, "20"]': (
        f"{DEEP_KEY}.hyperparameters_solver.batch_size: got '20', expected a list of whole "
        "numbers with one item or more (without quotes)"
    ),
    SOLVER % "learning_rate : [True]": (
        f"{DEEP_KEY}.hyperparameters_solver.learning_rate: got True, expected a list of numbers "
        "with one item or more"
    ),
    'arg_train : { sample_selection : { strategy : "constant", "strategy.constant.nb" : "9" } }': (
        "arg_train.sample_selection.strategy.constant.nb: got '9', expected "
        "a whole number above 0 or None (without quotes)"
    ),
}


@pytest.mark.parametrize("section", LOOSE)
def test_a_truth_value_or_a_quoted_number_is_no_number(tmp_path: Path, section: str) -> None:
    assert refusal(tmp_path, minimal(sections=section)) == f"run.cfg, line 11: {LOOSE[section]}"


def test_a_whole_number_is_a_number_and_a_list_is_a_list(tmp_path: Path) -> None:
    sections = (
        "task_retry_limits : { maximum_ram : 8 }\n"
        'arg_train : { runs : 2.0, features : ["NDVI"] }\n'
        "sentinel_2 : { start_date : 20180101, end_date : 20181231 }"
    )
    made = load(tmp_path, minimal(" spatial_resolution : [10, 20]", sections))
    assert made.run.maximum_ram == 8.0
    assert made.steps["report"].model_dump()["runs"] == 2
    dumped = made.steps["check_inputs"].model_dump()
    assert (dumped["features"], dumped["start_date"]) == (("NDVI",), "20180101")


def test_a_quoted_number_in_yaml_is_refused_too(tmp_path: Path) -> None:
    text = SEED_YAML.replace("epochs: 200", 'epochs: "200"')
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"epochs: got '200', expected {COUNT} \(without quotes"):
        config.load(tmp_path / "run.yaml")


# The tables.


def test_every_key_has_a_model_a_section_and_a_description() -> None:
    models = sections.fields()
    keys = {key for keys in sections.SECTIONS.values() for key in keys}
    assert set(models) == keys
    for section, names in sections.supported().items():
        for name in names:
            path = (*section.split(".")[section not in sections.WHOLE :], name)
            info = kinds.find(sections.MODELS, path)
            assert info is not None
            assert info.description, (section, name)


def test_nested_sections_are_named_with_dots() -> None:
    supported = sections.supported()
    assert set(supported) - set(sections.SECTIONS) == {
        "chain.folds",
        "arg_train.folds",
        "arg_train.sample_selection",
        "arg_train.sample_selection.per_model",
        "arg_train.sample_augmentation",
        "arg_train.deep_learning_parameters",
        "arg_train.deep_learning_parameters.hyperparameters_solver",
    }
    assert "strategy.constant.nb" in supported["arg_train.sample_selection"]
    assert supported["chain.folds"] == supported["arg_train.folds"]
    assert "block_size" in supported["chain.folds"]


def test_one_resolution_counts_for_both_axes() -> None:
    assert LatticeSettings().resolution is None
    assert LatticeSettings(spatial_resolution=20).resolution == (20.0, 20.0)
    assert LatticeSettings(spatial_resolution=(10, 20)).resolution == (10.0, 20.0)
    assert LatticeSettings.model_validate({"spatial_resolution": [20]}).resolution == (20.0, 20.0)


# The templates and the page of parameters.


def test_there_are_templates() -> None:
    found = {path.name for path in (ROOT / "config_templates").iterdir()}
    assert {name for name in found if not name.startswith("resources_")} == {
        path.name for path in TEMPLATES
    }


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_loads(path: Path) -> None:
    made = config.load(path)
    assert made.warnings == ()
    assert made.run.output_path == path.parent / "results"


def test_the_minimal_template_has_ten_lines() -> None:
    assert len((ROOT / "config_templates" / "minimal.cfg").read_text().splitlines()) == 10


def test_the_template_holds_the_values_of_the_seed(tmp_path: Path) -> None:
    template = config.load(ROOT / "config_templates" / "land_cover.cfg").given
    seed = load(tmp_path, SEED_LISTING).given
    local = {"output_path", "s2_path", "ground_truth", "color_table", "nomenclature_path"}
    for key in set(seed) - local:
        wanted, found = seed[key], template[key]
        assert wanted.items() <= found.items() if isinstance(wanted, dict) else wanted == found, key


def test_the_template_names_every_key_below_a_comment() -> None:
    lines = (ROOT / "config_templates" / "land_cover.cfg").read_text().splitlines()
    for section, keys in sections.supported().items():
        for key in keys:
            found = [n for n, x in enumerate(lines) if re.match(rf'\s*(# )?"?{key}"? :', x)]
            assert found, f"{section}.{key}"
            assert any(lines[n - 1].lstrip().startswith("#") for n in found) or key in {
                "last_step",  # beside their first
                "end_date",
                "split_ground_truth",
            }, key


def test_the_values_behind_a_hash_in_the_template_load_too(tmp_path: Path) -> None:
    lines = (ROOT / "config_templates" / "land_cover.cfg").read_text().splitlines()
    clash = (
        *("strategy.percent", "strategy.total", "strategy.by", "start_date", "end_date"),
        "strategy.smote",
        *("# field :", "# test_vectors :"),
        *("# dl_module", "# adaptive_lr", "# loss :", "# model_type", "# module :"),
    )
    opened = [
        line.replace("# ", "", 1)
        if re.match(r'\s*# ("[\w.]+"|\w+) : ', line) and not any(word in line for word in clash)
        else line
        for line in lines
    ]
    made = load(tmp_path, "\n".join(opened))
    assert made.run.extract_bands is True
    assert made.units.folds == Folds(by="block", k=5, block_size=5000, buffer=500)
    assert made.units.classif_mode == "fusion"
    external = made.steps["check_external"].model_dump()["external_features"]
    assert external["scale"] == {"soi": 10000}
    assert (external["output_type"], made.run.maps_features) == ("int16", True)
    learning = made.steps["training"].model_dump()["deep_learning_parameters"]
    assert learning["dl_parameters"] == {"hidden_sizes": [240, 69, 69]}


def script_of_the_page() -> Any:
    spec = importlib.util.spec_from_file_location("made", ROOT / "docs" / "make_parameters.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_page_has_sections_of_one_field_and_keys_of_a_library() -> None:
    text = script_of_the_page().page()
    section = text.partition("## external_features\n")[2].partition("\n## ")[0]
    assert "| `functions` | `None` | names in quotes, or a list of names and [name, par" in section
    assert "| `external_features` |" not in text
    section = text.partition("## scikit_models_parameters\n")[2].partition("\n## ")[0]
    assert "| any other key |  |  | " in section
    assert text.count("any other key") == 1


def test_the_page_of_parameters_is_that_of_the_models() -> None:
    script = script_of_the_page()
    text = (ROOT / "docs" / "parameters.md").read_text()
    assert text == script.page(), "run: python docs/make_parameters.py"
    row = "| `ratio` | `0.5` | a number above 0 and below 1 | Share of the polygons of each class"
    assert row in text
    assert "## arg_train.deep_learning_parameters.hyperparameters_solver\n" in text
    assert "| `output_path` | **required** | a path in quotes |" in text
