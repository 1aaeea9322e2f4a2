"""The keys of samples in a configuration file: what is read, and how a mistake is told."""

import json
from pathlib import Path

import pytest

from i2lc.chain.settings import config
from i2lc.errors import ConfigError

CHAIN = """\
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
arg_train :
{
"""
"""The next line is line 13."""
PER_MODEL = """\
 sample_selection :
 {
  "sampler" : "random"
  "strategy" : "all"
  "per_model" : [
   { "target_model" : "R1"
     "sampler" : "periodic"
     "strategy" : "byclass"
     "strategy.byclass.in" : "r1.csv" }
   {
     "target_model" : "R2",
     %s }
  ]
 }
"""
"""%s is on line 24."""


def load(folder: Path, text: str) -> config.Config:
    path = folder / "run.cfg"
    path.write_text(f"{CHAIN}{text}}}\n")
    return config.load(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_models_have_their_own_choices(tmp_path: Path) -> None:
    made = load(tmp_path, PER_MODEL % '"strategy" : "percent", "strategy.percent.p" : 0.5')
    chosen = made.steps["selection"].sample_selection  # type: ignore[attr-defined]
    assert [picks.target_model for picks in chosen.per_model] == ["R1", "R2"]
    assert chosen.of("R1", "R1").sampler == "periodic"
    assert chosen.of("R1", "R1").byclass == tmp_path / "r1.csv"
    assert chosen.of("R2", "R2").percent == 0.5
    assert chosen.of("R3", "R3").strategy == "all"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            '"strategy" : "most"',
            ".strategy: got 'most', expected one of all, percent, constant, total, smallest or "
            "byclass",
        ),
        ('"strategy" : "total"', ": strategy total needs strategy.total.v"),
        (
            '"strategy" : "percent", "strategy.percent.p" : 2',
            ".strategy.percent.p: got 2, expected a number above 0 and at most 1 or None",
        ),
        (
            '"strategy" : "constant", "strategy.constant.nb" : "9"',
            ".strategy.constant.nb: got '9', expected a whole number above 0 or None (without "
            "quotes)",
        ),
    ],
)
def test_a_mistake_in_an_item_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    number = 22 if told.startswith(":") else 24  # of the key, or of the item's brace
    assert refusal(tmp_path, PER_MODEL % line) == (
        f"run.cfg, line {number}: arg_train.sample_selection.per_model{told}"
    )


def test_an_unknown_key_of_an_item_finds_the_nearest(tmp_path: Path) -> None:
    assert refusal(tmp_path, PER_MODEL % '"samplr" : "random"') == (
        "run.cfg, line 24: unknown key arg_train.sample_selection.per_model.samplr; did you mean "
        "sampler?"
    )


def test_an_item_names_its_model_once(tmp_path: Path) -> None:
    text = ' sample_selection : {\n  "per_model" : [\n   { "strategy" : "all" } ] }\n'
    assert refusal(tmp_path, text) == (
        "run.cfg, line 15: arg_train.sample_selection.per_model.target_model: is missing "
        "(Model that it is for: a region, or a part of one (`R1f2`))"
    )
    items = '{ target_model : "A" }, { target_model : "A" }'
    text = f' sample_selection : {{\n "per_model" : [{items}] }}\n'
    assert refusal(tmp_path, text).startswith(
        "run.cfg, line 14: arg_train.sample_selection.per_model: got "
    )
    assert refusal(tmp_path, text).endswith(": target_model A is given 2 times")
    text = ' sample_selection : { "per_model" : { target_model : "A" } }\n'
    assert refusal(tmp_path, text) == (
        "run.cfg, line 13: arg_train.sample_selection.per_model: got {'target_model': 'A'}, "
        "expected a list of keys in braces { }"
    )


def test_files_of_samples_may_not_lie_in_the_output_folder(tmp_path: Path) -> None:
    text = PER_MODEL.replace("r1.csv", "out/r1.csv") % '"strategy" : "all"'
    text += ' sample_management : "out/copies.csv"\n'
    assert refusal(tmp_path, text) == (
        "run.cfg, line 3: output_path out holds inputs: sample_management out/copies.csv, "
        "strategy.byclass.in out/r1.csv; give the outputs a folder of their own"
    )


AUGMENTATION = """\
 sample_augmentation : {
  'target_models' : ["R1", "R2"]
  'strategy' : "jitter"
  'strategy.jitter.stdfactor' : 10
  'samples.strategy' : "balance"
  'activate' : True
  %s }
"""
"""%s is on line 19."""


def test_iota2_s_way_to_ask_for_synthetic_samples(tmp_path: Path) -> None:
    made = load(tmp_path, AUGMENTATION % "")
    settings = made.steps["augmentation"].sample_augmentation  # type: ignore[attr-defined]
    assert settings.activate
    assert settings.target_models == ("R1", "R2")
    assert (settings.strategy, settings.factor, settings.numbers) == ("jitter", 10, "balance")


@pytest.mark.parametrize("text", [AUGMENTATION % "", ""])
def test_keys_of_samples_resolve_and_load_again(tmp_path: Path, text: str) -> None:
    made = load(tmp_path, text)
    path = tmp_path / "resolved.yaml"
    path.write_text(json.dumps(made.resolved()))
    again = config.load(path)
    assert (again.run, again.units, again.steps) == (made.run, made.units, made.steps)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "'samples.strategy.minNumber' : 5",
            "13: arg_train.sample_augmentation: samples.strategy.minNumber belongs to "
            "samples.strategy minNumber",
        ),
        (
            "'strategy.smote.neighbors' : 5",
            "13: arg_train.sample_augmentation: strategy.smote.neighbors belongs to strategy "
            "smote, not jitter",
        ),
        (
            "bins : 10",
            "19: unknown key arg_train.sample_augmentation.bins",
        ),
        (
            "'samples.strategy.byClas' : 5",
            "19: unknown key arg_train.sample_augmentation.samples.strategy.byClas; did you mean "
            "samples.strategy.byClass?",
        ),
    ],
)
def test_a_mistake_in_sample_augmentation_is_told(tmp_path: Path, line: str, told: str) -> None:
    assert refusal(tmp_path, AUGMENTATION % line).startswith(f"run.cfg, line {told}")


AUGMENTED = """\
 features_from_raw_dates : %s
 sample_augmentation :
 {
  "activate" : %s
  "strategy" : "%s"
  "samples.strategy" : "balance"
 }
 deep_learning_parameters : { dl_name : "LTAEClassifier" }
"""


@pytest.mark.parametrize("strategy", ["jitter", "smote"])
def test_raw_dates_are_not_to_be_computed_with(tmp_path: Path, strategy: str) -> None:
    assert refusal(tmp_path, AUGMENTED % (True, True, strategy)) == (
        f"run.cfg, line 13: features_from_raw_dates True contradicts sample_augmentation strategy "
        f"{strategy}, which would make observations of the marks of dates without one: choose "
        "strategy replicate, or drop one of both"
    )


@pytest.mark.parametrize(
    ("raw", "activate", "strategy"),
    [(True, True, "replicate"), (True, False, "smote"), (False, True, "smote")],
)
def test_raw_dates_may_be_copied(tmp_path: Path, raw: bool, activate: bool, strategy: str) -> None:
    made = load(tmp_path, AUGMENTED % (raw, activate, strategy))
    for name in ("envelopes", "samples", "augmentation", "classification"):
        assert made.steps[name].features_from_raw_dates is raw  # type: ignore[attr-defined]
