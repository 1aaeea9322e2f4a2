"""A model is used on the very features that it was trained on, and on no others."""

from dataclasses import replace
from datetime import date

import pytest

from i2lc.errors import TaskError
from i2lc.nn_bank.registry import build
from i2lc.steps import classification
from i2lc.steps.external.record import SHIPPED, Function, Record
from i2lc.steps.learning import model_file
from i2lc.steps.learning.model_file import Card
from i2lc.steps.sampling.samples_file import Axes

DATES = (date(2018, 1, 5), date(2018, 2, 4))
PLAIN = Axes(DATES, ("B4", "NDVI"), (10000.0, 1000.0))
OTHER = (date(2019, 1, 5), date(2019, 2, 4))


def saved(path, axes, external=None):
    """Write a network that reads features with these axes."""
    shape = (len(axes.dates), len(axes.bands), 2)
    network = build("MLPClassifier", *shape, {})
    card = Card(
        network="MLPClassifier",
        parameters={},
        labels=(1, 2),
        dates=axes.dates,
        bands=axes.bands,
        scales=axes.scales,
        sensor="Sentinel2",
        statistics={},
        training={},
        raw=axes.raw,
        statics=axes.statics,
        static_scales=axes.static_scales,
        external=external,
    )
    model_file.save(path, network.state_dict(), card)
    return path


@pytest.fixture
def model(tmp_path):
    return saved(tmp_path / "model.safetensors", PLAIN)


def test_the_same_features_are_taken(model):
    assert classification.load_checked(model, PLAIN, DATES).card.bands == PLAIN.bands
    next_year = replace(PLAIN, dates=OTHER)
    assert classification.load_checked(model, next_year, None).card.dates == DATES


@pytest.mark.parametrize(
    ("changed", "dates"),
    [
        ({}, OTHER),
        ({"bands": ("B4", "NDWI")}, DATES),
        ({"bands": ("B4",), "scales": (10000.0,)}, DATES),
        ({"scales": (10000.0, 100.0)}, DATES),
        ({"raw": True}, DATES),
    ],
)
def test_other_bands_and_dates_are_refused(model, changed, dates):
    with pytest.raises(TaskError) as caught:
        classification.load_checked(model, replace(PLAIN, **changed), dates)
    assert str(caught.value) == f"{model} was trained on other bands or dates than this run has"


STATICS = {"statics": ("slope",), "static_scales": (10.0,), "gaps": True}


@pytest.mark.parametrize(
    "changed",
    [
        {"gaps": True},
        STATICS,
        {**STATICS, "static_scales": (1.0,)},
    ],
)
def test_other_external_features_are_refused(model, tmp_path, changed):
    function = Function("get_slope", SHIPPED, {}, ("slope",), statics=("slope",))
    record = Record((function,), {}, concat=True, padding=(0, 0), scales={"slope": 10.0})
    with_slope = replace(PLAIN, **STATICS)
    other = saved(tmp_path / "other.safetensors", with_slope, record.as_dict())
    assert classification.load_checked(other, with_slope, DATES).card.statics == ("slope",)
    for path, axes in ((model, replace(PLAIN, **changed)), (other, PLAIN)):
        with pytest.raises(TaskError) as caught:
            classification.load_checked(path, axes, DATES)
        told = f"{path} was trained on other external features than this run has"
        assert str(caught.value) == told
    if changed != STATICS:
        with pytest.raises(TaskError, match="other external features"):
            classification.load_checked(other, replace(PLAIN, **changed), DATES)
