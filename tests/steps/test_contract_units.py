"""Units and the names of files: what a region and a fold add to them, and what they do not."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2lc.errors import GraphError
from i2lc.steps.artifacts import (
    CONFUSION_TILE,
    LABEL_STRIP,
    MAP,
    MODEL,
    MODEL_HYP,
    POLYGONS,
    REFERENCE,
    SAMPLES,
    SELECTION,
)
from i2lc.steps.contract import AXES, MAIN, WHOLE, Artifact, File, Unit, sort_key

ODD = ["../etc", "a/b", "Pyrénées (est)", "1_seed_0", "..", "50 %", "1", "seed_1", "x*y?", "\n"]
SIMPLE = Artifact("simple", "model/{region}_seed_{seed}{fold}", "")


@pytest.mark.parametrize(
    ("unit", "word"),
    [
        (Unit(), "all"),
        (Unit("T31TCJ", 3), "T31TCJ_strip_3"),
        (Unit(fold=MAIN, seed=1), "seed_1"),
        (Unit(fold=2, seed=1), "fold_2_seed_1"),
        (Unit(region=WHOLE, fold=MAIN, seed=0, hyp=2), "seed_0_hyp_2"),
        (Unit(region="west", fold=MAIN, seed=0), "region_west_seed_0"),
        (Unit(region="westf2", fold=3, seed=0, hyp=1), "region_westf2_fold_3_seed_0_hyp_1"),
        (Unit(region=WHOLE), "all"),
        (Unit(region="a/b c"), "region_a%2Fb%20c"),
        (Unit("T", 0, "r", 1, 2, 3), "T_strip_0_region_r_fold_1_seed_2_hyp_3"),
    ],
)
def test_the_name_of_a_unit(unit, word):
    assert str(unit) == word


@pytest.mark.parametrize(
    ("artifact", "unit", "path"),
    [
        (SAMPLES, Unit(region=WHOLE, fold=MAIN, seed=0), "Samples_region_1_seed0_learn.nc"),
        (SAMPLES, Unit(region="R", fold=4, seed=0), "Samples_region_R_seed0_fold_4_learn.nc"),
        (MODEL, Unit(region=WHOLE, fold=MAIN, seed=3), "model_1_seed_3.safetensors"),
        (MODEL, Unit(region="Rf2", fold=1, seed=3), "model_Rf2_seed_3_fold_1.safetensors"),
        (
            MODEL_HYP,
            Unit(region=WHOLE, fold=MAIN, seed=0, hyp=1),
            "model_1_seed_0_hyp_1.safetensors",
        ),
        (MAP, Unit(fold=MAIN, seed=0), "Classif_Seed_0.tif"),
        (MAP, Unit(fold=2, seed=0), "Classif_Seed_0_fold_2.tif"),
        (POLYGONS, Unit(fold=12, seed=1), "polygons_seed_1_fold_12.csv"),
        (REFERENCE, Unit("T31TCJ", fold=MAIN, seed=0), "T31TCJ_seed_0_reference.tif"),
        (SELECTION, Unit("T31TCJ", fold=1, seed=0), "T31TCJ_seed_0_fold_1_selection.tif"),
        (
            LABEL_STRIP,
            Unit("T31TCJ", 7, fold=1, seed=0),
            "Classif_T31TCJ_seed_0_fold_1_SUBREGION_7.tif",
        ),
        (CONFUSION_TILE, Unit("T31TCJ", fold=MAIN, seed=0), "T31TCJ_seed_0.csv"),
    ],
)
def test_without_regions_and_folds_names_are_those_of_before(artifact, unit, path):
    assert File(artifact, unit).path.rpartition("/")[2] == path


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_of_a_region_is_one_part_of_a_path(name):
    path = SIMPLE.path(Unit(region=name, fold=MAIN, seed=0))
    folder, _, file = path.partition("/")
    assert folder == "model"
    assert "/" not in file
    assert file.isascii()
    assert file.isprintable()
    assert unquote(file.removesuffix("_seed_0")) == name
    assert "/" not in str(Unit(region=name))


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True))
def test_two_regions_never_share_a_path(names):
    """Beside a fold and a seed, whatever the names hold."""
    units = [Unit(region=name, fold=f, seed=s) for name in names for f in (0, 1) for s in (0, 11)]
    assert len({SIMPLE.path(unit) for unit in units}) == len(units)
    assert len({str(unit) for unit in units}) == len(units)


def test_folds_of_two_digits_are_no_seeds():
    units = [Unit(region=WHOLE, fold=f, seed=s) for f in (0, 1, 11) for s in (0, 1, 10)]
    assert len({SIMPLE.path(unit) for unit in units}) == len(units)


def test_a_missing_axis_of_a_path_is_named():
    with pytest.raises(GraphError, match=r"^artifact model: no value for region, fold in seed_0$"):
        MODEL.path(Unit(seed=0))


def test_units_agree_where_both_have_a_value():
    unit = Unit("T", region=WHOLE, fold=MAIN)
    assert unit.agrees(Unit(seed=1))
    assert unit.agrees(Unit("T", fold=MAIN, seed=1))
    assert not unit.agrees(Unit(fold=1))
    assert not unit.agrees(Unit(region="R"))
    assert unit.only(("fold", "seed")) == Unit(fold=MAIN)
    assert dict(unit.given()) == {"tile": "T", "region": "", "fold": 0}


def test_units_are_sorted_by_the_order_of_the_axes():
    assert AXES == ("tile", "strip", "region", "fold", "seed", "hyp")
    wanted = [
        Unit(seed=0),
        Unit(fold=0, seed=0),
        Unit(fold=0, seed=1),
        Unit(fold=2, seed=0),
        Unit(fold=10, seed=0),
        Unit(region="", fold=0),
        Unit(region="A", fold=0),
        Unit(region="B"),
        Unit("T"),
    ]
    mixed = wanted[1::2] + wanted[::2]
    assert sorted(mixed, key=sort_key) == wanted
