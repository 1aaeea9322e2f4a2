"""The user's functions are tried on real pixels: each problem has its message, and all are told."""

import hashlib
import json
import logging
import re
import shutil
import sys
import tempfile
import tracemalloc
from datetime import date, timedelta

import numpy as np
import pytest
import rasterio

from i2lc.demo import landscape
from i2lc.errors import InputError, TaskError
from i2lc.steps import check_external
from i2lc.steps.artifacts import EXTERNAL, EXTERNAL_REPORT, MODEL_DATES, user_module
from i2lc.steps.check_external import GivenSettings, Settings
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.external import cost, place, scales
from i2lc.steps.external.record import Record
from i2lc.steps.tiles import layout

TILE = "T31TCJ"
SOI = '''
import numpy as np

def get_soi_s2(self):
    """
    compute the Soil Composition Index
    """
    dates = self.get_interpolated_dates()
    coef = (self.get_interpolated_Sentinel2_B11() -
            self.get_interpolated_Sentinel2_B8()) / (
                self.get_interpolated_Sentinel2_B11() +
                self.get_interpolated_Sentinel2_B8() + 1.E-6)
    labels = [f"Sentinel2_soi_{date}" for date in dates["Sentinel2"]]
    return coef, labels
'''
USE = {"model_type": "RandomForestClassifier"}
"""An estimator that reads labels of any form."""


@pytest.fixture(scope="session")
def land(tmp_path_factory):
    """Two tiles of 64 pixels, with clouds and an orbit edge."""
    out = tmp_path_factory.mktemp("external") / "land"
    landscape.write(out, landscape.Landscape(tiles=(2, 1), size=64, dates=8, cloud=0.2))
    return out / "s2"


@pytest.fixture
def trial(land, tmp_path):
    return Trial(land, tmp_path)


class Trial:
    """A run of the step on functions that a test writes."""

    def __init__(self, land, folder):
        self.land, self.folder, self.out = land, folder, folder / "out"
        self.text = "import numpy as np\n"
        self.inputs = ()

    def write(self, text, name="my.py"):
        (self.folder / name).write_text("import numpy as np\n" + text)
        return str(self.folder / name)

    def settings(self, functions, model=Settings, **keys):
        section = {"functions": functions, **keys.pop("section", {})}
        if (self.folder / "my.py").exists():
            section.setdefault("module", str(self.folder / "my.py"))
        values = {"list_tile": TILE, "s2_path": self.land, "external_features": section}
        values |= {"keep_bands": ("B4", "B8", "B11"), "proj": "EPSG:32631"}
        values["temporal_resolution"] = 40
        return model.model_validate({**values, **keys})

    def job(self, settings):
        copies = [user_module(path.name) for path in settings.asked.module]
        outputs = tuple(File(a, Unit()) for a in (EXTERNAL, EXTERNAL_REPORT, *copies))
        return Job(Unit(), settings, self.out, self.inputs, outputs)

    def run(self, functions="f", text=None, **keys):
        """Try functions and give the record."""
        if text is not None:
            self.write(text)
        check_external.check(self.job(self.settings(functions, **keys)))
        return Record.load(self.out / EXTERNAL.pattern)

    def refused(self, functions="f", text=None, **keys):
        """Give the lines of what the step complains of; nothing is written then."""
        before = {path: path.read_bytes() for path in self.written()}
        with pytest.raises(InputError) as error:
            self.run(functions, text, **keys)
        before.pop(self.out / EXTERNAL_REPORT.pattern, None)
        assert {path: path.read_bytes() for path in self.written()} == before
        head, *lines = str(error.value).split("\n")
        count = f"{len(lines)} problem" + ("s" if len(lines) > 1 else "")
        assert head == f"{count} in the external features:"
        return [line.removeprefix("- ") for line in lines]

    def written(self):
        return [path for path in self.out.rglob("*") if path.is_file()]

    @property
    def report(self):
        return (self.out / EXTERNAL_REPORT.pattern).read_text()


def of_dates(expression, name="x"):
    """The text of a function that gives an index for every date, from B8 as `nir`."""
    return f"""
def f(self):
    nir = self.get_interpolated_Sentinel2_B8()
    days = self.get_interpolated_dates()["Sentinel2"]
    return {expression}, [f"Sentinel2_{name}_{{day}}" for day in days]
"""


STATIC = """
def f(self):
    return self.get_interpolated_Sentinel2_B8().mean(axis=2, keepdims=True), ["mean"]
"""
WHO = "my.py: external function f"
RARE = "np.rint(nir * 10000) % 997 == 3"
"""One value of B8 in a thousand."""


# --- what is right --------------------------------------------------------------------------


def test_the_function_of_iota2s_page_is_taken_as_printed(trial):
    (trial.folder / "my.py").write_text(SOI)
    record = trial.run("get_soi_s2")
    (function,) = record.functions
    assert (function.name, function.module) == ("get_soi_s2", "my.py")
    assert record.series == ("soi",)
    assert record.statics == ()
    days = [label.rpartition("_")[2] for label in function.labels]
    assert days == sorted(set(days))
    assert len(days) > 6
    assert record.scales == {"soi": 10000.0}
    assert (record.concat, record.padding) == (True, (0, 0))
    assert (record.exogenous, record.raw_days) == (None, None)
    copy = trial.out / "model/external_features/my.py"
    assert copy.read_bytes() == (trial.folder / "my.py").read_bytes()
    assert record.modules == {"my.py": hashlib.sha256(copy.read_bytes()).hexdigest()}


def test_the_report_tells_what_a_function_gives_and_costs(trial):
    trial.run(text=of_dates("nir"))
    head, rest = trial.report.split("\n\n")
    assert head == "The external features were tried."
    assert re.fullmatch(
        rf"found:\n- {WHO}: for every date x; no value in 0\.0 % where pixels were seen; "
        r"\d+\.\d\d s and [1-9]\d* MB for a million pixels\n",
        rest,
    )


def test_nothing_of_the_record_changes_when_it_is_made_again(trial):
    trial.run(text=of_dates("nir"))
    before = (trial.out / EXTERNAL.pattern).read_bytes()
    trial.run()
    assert (trial.out / EXTERNAL.pattern).read_bytes() == before
    assert "cost" not in json.loads(before)  # seconds would differ


def test_shipped_functions_need_no_file(trial):
    record = trial.run("get_soi_s2")
    assert [one.module for one in record.functions] == [""]
    assert record.modules == {}
    assert trial.report.count("i2lc: external function get_soi_s2: for every date soi") == 1


def test_several_functions_keep_their_order(trial):
    text = of_dates("nir", "b") + of_dates("2 * nir", "a").replace("def f", "def g")
    assert trial.run("g f", text).series == ("a", "b")
    assert trial.run(["f", "g"]).series == ("b", "a")


def test_parameters_reach_the_function_and_stand_in_the_record(trial):
    text = of_dates("nir * factor", "{name}").replace("(self)", "(self, factor, name='p')")
    record = trial.run([["f", {"factor": 2}], ["f", {"factor": 40, "name": "q"}]], text)
    assert record.series == ("p", "q")
    assert [one.parameters for one in record.functions] == [
        {"factor": 2},
        {"factor": 40, "name": "q"},
    ]
    assert record.scales["p"] > record.scales["q"]


def test_labels_of_any_form_for_scikit_and_for_the_features_map_alone(trial):
    assert trial.run(text=STATIC, **USE).statics == ("mean",)
    assert trial.run(builders_class_name=["I2FeaturesMap"]).statics == ("mean",)
    assert ": 1 label; no value" in trial.report


def test_padding_as_iota2_gives_it(trial):
    text = of_dates("median(nir)").replace(
        "def f",
        "from scipy.ndimage import median_filter\n"
        "def median(a):\n    return median_filter(a, size=(3, 5, 1))\ndef f",
    )
    record = trial.run(text=text, padding_size_x=2, padding_size_y=1)
    assert record.padding == (1, 2)
    (line,) = trial.refused(padding_size_x=1, padding_size_y=1)
    assert line == (
        f"{WHO} depends on where a tile is cut into windows with padding 1; padding 2 would do"
    )


def test_dates_are_those_of_all_tiles_or_of_a_given_model(trial):
    text = of_dates("nir")
    alone = trial.run(text=text).functions[0].labels
    both = trial.run(list_tile=f"{TILE} T31TDJ").functions[0].labels
    assert len(both) >= len(alone)
    days = tuple(date(2018, 3, 1) + timedelta(20 * k) for k in range(4))
    layout.save_dates(trial.out / MODEL_DATES.pattern, days)
    trial.inputs = (File(MODEL_DATES, Unit()),)
    assert trial.run().functions[0].labels == tuple(f"Sentinel2_x_{day:%Y%m%d}" for day in days)


def raw_of(name="B8"):
    return f"""
def f(self):
    days = self.get_raw_dates()["Sentinel2"]
    return self.get_raw_Sentinel2_{name}(), [f"Sentinel2_r_{{day}}" for day in days]
"""


def test_raw_series_of_one_tile_and_of_all(trial):
    own = trial.run(text=raw_of(), **USE)
    assert own.raw_days is None
    assert len(own.statics) == 7  # eight products, two of them of one day
    tiles = f"{TILE} T31TDJ"
    (line,) = trial.refused(list_tile=tiles, **USE)
    assert line == (
        f"{WHO} gives labels of the days of one tile ({', '.join(own.statics[:3])} and 4 more), "
        "and other tiles have other days: set python_data_managing.fill_missing_dates : True, and "
        "the raw series have those of all"
    )
    filled = trial.run(list_tile=tiles, fill_missing_dates=True, **USE)
    assert filled.raw_days is not None
    assert len(filled.raw_days) == len(filled.statics) > 7


def test_an_index_that_lacks_a_date_is_no_raw_series(trial):
    """Even if it is of a day of the tile that is a date of the features, and of no other tile."""
    text = of_dates("nir[..., :-1]").replace("for day in days]", "for day in days[:-1]]")
    trial.write(text)
    keys = {"list_tile": f"{TILE} T31TDJ", "start_date": f"{trial_days(trial)[0]:%Y%m%d}"}
    record = trial.run(**keys, **USE)
    assert len(record.statics) == len(trial_days(trial, **keys)) - 1
    assert set(record.scales) == set(record.statics)


def test_with_raw_dates_an_index_has_a_value_for_each_of_them(trial):
    record = trial.run(text=raw_of(), features_from_raw_dates=True)
    assert record.series == ("r",)
    assert record.raw_days is not None
    assert [f"Sentinel2_r_{day:%Y%m%d}" for day in record.raw_days] == list(
        record.functions[0].labels
    )
    # what is masked on a day is no gap: the features have a mark there themselves
    assert "no value in 0.0 % where pixels were seen" in trial.report


def test_exogenous_rasters_are_read(trial):
    product = sorted((trial.land / TILE).glob("*/*_FRE_B2.tif"))[0]
    text = """
def f(self):
    raster = self.get_exogeneous_data()
    labels = self.get_exogeneous_labels()
    return raster, labels
"""
    section = {"exogeneous_data": str(product)}
    record = trial.run(text=text, section=section, **USE)
    assert record.exogenous == str(product)
    assert record.statics == ("band_1",)


# --- scales ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("largest", "scale"),
    [
        (0, 10000.0),
        (0.4, 10000.0),
        (0.42, 1000.0),
        (1, 1000.0),
        (4.09, 1000.0),
        (4.1, 100.0),
        (300, 10.0),
        (5000, 0.1),
        (1e6, 0.001),
        (4e8, 1e-5),
    ],
)
def test_the_scale_leaves_room_for_eight_times_the_values(largest, scale):
    for few in ([largest], [-largest, 0.0, np.nan, np.inf]):
        assert scales.chosen(sample(few)) == scale
    assert 8 * largest * scale <= 32767
    assert scale == 10000 or 8 * largest * scale * 10 > 32767


def sample(values):
    return scales.Sample.of(np.array(values, np.float32))


def test_a_spike_takes_no_steps_from_the_other_values():
    values = np.linspace(-0.4, 0.4, 10_000, dtype=np.float32)
    values[[17, 4000]] = 1e7, -3e38
    spiked = sample(np.random.default_rng(0).permutation(values).reshape(100, 100))
    assert (spiked.size, spiked.largest) == (10_000, float(np.float32(3e38)))
    assert spiked.ends == (pytest.approx(-0.392, abs=2e-4), pytest.approx(0.392, abs=2e-4))
    found, report = scales.of({"x": spiked}, {})
    assert found == {"x": 10000.0}
    assert report.errors == ()
    assert report.warnings == (
        "x reaches 3e+38, far from its other values: stored x 10000, 2 of the 10000 of the trial "
        "are cut off at 3.2767",
    )


def test_a_long_tail_leaves_steps_to_the_median():
    """A ratio of two bands: the largest by far, its median 2.9."""
    draws = np.random.default_rng(3)
    ratio = 2.9 * np.exp(draws.normal(0, 0.8, 100_000)).astype(np.float32)
    ratio[::2000] *= 100
    tailed = sample(ratio)
    assert 8 * tailed.largest * 10 > 32767
    found, report = scales.of({"ratio": tailed}, {})
    assert found == {"ratio": 100.0}
    cut = int((np.rint(ratio.astype(np.float64) * 100) > 32767).sum())
    assert 10 < cut <= 100
    assert report.warnings == (
        f"ratio reaches {tailed.largest:.3g}, far from its other values: stored x 100, {cut} of "
        "the 100000 of the trial are cut off at 327.67",
    )


@pytest.mark.parametrize(("beyond", "scale"), [(10, 10000.0), (11, 1000.0), (100, 1000.0)])
def test_a_scale_cuts_off_one_value_in_a_thousand_at_most(beyond, scale):
    """Rare values that are no rounding errors: a count that is 0 nearly everywhere."""
    rare = np.zeros(10_000)
    rare[:beyond] = 5
    assert scales.chosen(sample(rare)) == scale


def test_a_scale_of_the_settings_may_cut_off_one_value_in_a_hundred():
    values = np.linspace(0, 1, 1001)[:-1]
    found, report = scales.of({"x": sample(values)}, {"x": 33_000.0})
    assert found == {"x": 33_000.0}
    assert report.errors == ()
    assert report.warnings == (
        "x reaches 0.999, far from its other values: stored x 33000, 7 of the 1000 of the trial "
        "are cut off at 0.992939",
    )
    _, report = scales.of({"x": sample(values)}, {"x": 34_000.0})
    assert report.errors == (
        "external_features.scale: x reaches 0.999, x 34000 does not fit into int16 (32767): give "
        "1000, or drop it",
    )


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        (np.linspace(900, 905, 500), 5),  # eight times 900 fits with 1
        (np.r_[np.zeros(999), 4.4e-4], 4),  # the tails are all there is
        (np.linspace(0, 0.0101, 500), 99),
        (np.linspace(0, 0.0103, 500), None),
        (np.arange(900, 950), None),  # whole numbers come through as they are
        (np.full(50, 2e-4), None),
        ([], None),
    ],
)
def test_values_that_a_scale_hardly_tells_apart(values, steps):
    found, report = scales.of({"x": sample(values)}, {})
    assert report.errors == ()
    if steps is None:
        assert report.warnings == ()
        return
    low, high = sample(values).ends
    assert report.warnings == (
        f"x lies from {low:.3g} to {high:.3g}: stored x {found['x']:g}, that is {steps} steps, its "
        'values hardly differ; give a larger one, external_features { scale : { "x" : ... } }',
    )


def test_a_scale_of_the_settings_counts(trial):
    text = of_dates("nir")
    assert trial.run(text=text, section={"scale": {"x": 2500}}).scales == {"x": 2500.0}


def test_a_scale_with_which_values_do_not_fit(trial):
    text = of_dates("1000 * np.ones_like(nir)")
    (line,) = trial.refused(text=text, section={"scale": {"x": 100}})
    assert line == (
        "external_features.scale: x reaches 1000, x 100 does not fit into int16 (32767): give 1, "
        "or drop it"
    )
    assert trial.run(section={"scale": {"x": 32}}).scales == {"x": 32.0}


CANNOT_CHOOSE = (
    "{name} {state} in the whole window that was tried, so that its scale, the stored int16 value "
    'of one unit, cannot be chosen: give it, external_features.scale : {{ "{name}" : 1 }} (values '
    "up to 32767 / scale fit)"
)


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("0", "is 0 wherever it has a value"),
        ("np.where(nir > 0.2, 0, np.nan)", "is 0 wherever it has a value"),
        ("np.nan", "has no value"),
        ("np.inf", "has no value"),
    ],
)
def test_a_scale_that_no_value_speaks_for_is_asked_for(trial, expression, state):
    """A raster of elevation that is 0 or has no value there: elsewhere 3.2767 would be the end."""
    text = of_labels(slope="nir", elevation=expression)
    told = f"{WHO}: {CANNOT_CHOOSE.format(name='elevation', state=state)}"
    raster = {**RASTER_MAP, "section": {"output_type": "int16"}}
    both = {"builders_class_name": ["I2Classification", "I2FeaturesMap"], **USE}
    for use in (USE, raster, both):
        assert trial.refused(text=text, **use) == [told]
    assert trial.run(**RASTER_MAP).statics == ("slope", "elevation")  # in float32, as they are
    record = trial.run(section={"scale": {"elevation": 2}}, **USE)
    assert record.scales == {"slope": 10000.0, "elevation": 2.0}


def test_a_scale_of_an_index_that_is_0_is_asked_for(trial):
    told = CANNOT_CHOOSE.format(name="x", state="is 0 wherever it has a value")
    assert trial.refused(text=of_dates("0 * nir")) == [f"{WHO}: {told}"]
    assert trial.refused(text=of_dates("np.where(np.isnan(nir), nir, 0)")) == [f"{WHO}: {told}"]
    once = of_dates("np.where(np.arange(len(days)) == 3, nir, 0)")
    assert trial.run(text=once).scales == {"x": 10000.0}


def test_every_label_without_a_scale_is_told(trial):
    text = of_labels(a="0", b="nir", c="np.nan") + of_labels(d="0").replace("def f", "def g")
    who = "my.py: external function g"
    assert trial.refused("f g", text, **USE) == [
        f"{WHO}: {CANNOT_CHOOSE.format(name='a', state='is 0 wherever it has a value')}",
        f"{WHO}: {CANNOT_CHOOSE.format(name='c', state='has no value')}",
        f"{who}: {CANNOT_CHOOSE.format(name='d', state='is 0 wherever it has a value')}",
    ]


def test_a_day_that_is_hidden_takes_the_scale_of_its_index_on_other_days(trial):
    """A day of a raw series under clouds is no index whose values are not known."""
    labels = {
        "Sentinel2_r_20180101": "40 * nir",
        "Sentinel2_r_20180104": "nir",
        "Sentinel2_r_20180107": "np.nan",
    }
    record = trial.run(text=of_labels(**labels, Sentinel2_s_20180101="900 * nir"), **USE)
    assert [*record.scales.values()] == [100.0, 10000.0, 100.0, 10.0]
    told = CANNOT_CHOOSE.format(name="Sentinel2_t_20180101", state="has no value")
    text = of_labels(**labels, Sentinel2_t_20180101="np.nan")
    assert trial.refused(text=text, **USE) == [f"{WHO}: {told}"]


def test_a_scale_of_a_name_that_no_function_gives(trial):
    (line,) = trial.refused(text=of_dates("nir", "moisture"), section={"scale": {"moistre": 1}})
    assert line == (
        "external_features.scale: no function gives moistre; is it moisture? (there are moisture)"
    )


def test_warnings_of_scales_stand_in_the_report(trial):
    text = of_dates(f"np.where({RARE}, 1e9, nir * 1e-2)")
    trial.run(text=text, section={"scale": {"x": 1000}})
    assert re.search(
        r"warnings:\n- x reaches 1e\+09, far from its other values: stored x 1000, \d+ of the \d+ "
        r"of the trial are cut off at 32\.767\n"
        r"- x lies from 0\.\d+ to 0\.\d+: stored x 1000, that is \d steps, ",
        trial.report,
    )


# --- what is wrong with a function ----------------------------------------------------------


def test_a_function_that_raises_is_told_in_a_line(trial):
    (line,) = trial.refused(text="\ndef f(self):\n    return 1 / 0, []\n")
    assert line == f"{WHO} raised ZeroDivisionError (my.py:4): division by zero"


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("nir[..., 0]", "gives an array (64, 64) with {n} labels; (y, x, n) is wanted"),
        ("nir[..., :2]", "gives 2 values a pixel but {n} labels: give a label for each"),
        ("nir.astype(complex)", "gives values of type complex128: give real numbers"),
        ("nir.astype(str)", "gives values of type <U"),
    ],
)
def test_arrays_of_another_kind(trial, expression, complaint):
    (line,) = trial.refused(text=of_dates(expression))
    assert line.startswith(f"{WHO} {complaint.format(n=len(trial_days(trial)))}")


def trial_days(trial, **keys):
    """Dates of the features."""
    settings = trial.settings("f", **keys)
    indexes, errors = check_external._indexes(settings)
    assert errors == []
    days = [product.day for index in indexes for product in index.products]
    return layout.date_grid(days, settings)


def test_a_label_that_stands_twice(trial):
    text = "\ndef f(self):\n    a = self.get_interpolated_Sentinel2_B8()[..., :2]\n"
    (line,) = trial.refused(text=text + "    return a, ['one', 'one']\n")
    assert line == f"{WHO} gives the label one twice: give each feature its own"


def test_values_without_a_number(trial):
    for expression in ("nir * np.nan", "nir / 0", "nir - nir.mean() + np.nan"):
        (line,) = trial.refused(text=of_dates(expression))
        assert line == NO_NUMBER.format(names='"x" : 1')


NO_NUMBER = (
    f"{WHO} gives no number for any pixel that was seen: all is NaN or infinite; mend it, or where "
    "that is right, as with a raster that has no value there, give scales: external_features.scale "
    ": {{ {names} }}"
)
RASTER_MAP = {"builders_class_name": ["I2FeaturesMap"]}


def of_labels(**expressions):
    """The text of a function that gives labels without a date, from B8 of a date as `nir`."""
    values = ", ".join(expressions.values())
    return f"""
def f(self):
    nir = self.get_interpolated_Sentinel2_B8()[..., 0]
    values = [np.broadcast_to(np.float32(one), nir.shape) for one in ({values},)]
    return np.stack(values, axis=2), {[*expressions]}
"""


def test_no_number_at_all_is_right_where_every_scale_is_given(trial):
    text = of_labels(a="np.nan", b="np.inf")
    (line,) = trial.refused(text=text, **USE)
    assert line == NO_NUMBER.format(names='"a" : 1, "b" : 1')
    (line,) = trial.refused(section={"scale": {"a": 3}}, **USE)
    assert line == NO_NUMBER.format(names='"b" : 1')
    (line,) = trial.refused(**RASTER_MAP)
    assert line == NO_NUMBER.format(names='"a" : 1, "b" : 1')
    for use in (USE, RASTER_MAP):
        record = trial.run(section={"scale": {"a": 3, "b": 1}}, **use)
        assert record.scales == {"a": 3.0, "b": 1.0}
        assert warnings(trial) == [
            f"{WHO} gives no value of a in 100.0 %, of b in 100.0 % where pixels were seen"
        ]


def test_a_function_without_a_number_is_still_tried_in_parts(trial):
    text = of_labels(a="np.nan", b="np.nan").replace(
        "return", "if nir.shape != (64, 64):\n        values[0] = nir\n    return"
    )
    (line,) = trial.refused(text=text, section={"scale": {"a": 1, "b": 1}}, **USE)
    assert line.startswith(f"{WHO} depends on where a tile is cut into windows, even with")


def warnings(trial):
    (block,) = [b for b in trial.report.split("\n\n") if b.startswith("warnings:\n")]
    return [line.removeprefix("- ") for line in block.split("\n")[1:] if line]


def test_many_gaps_are_a_warning(trial, caplog):
    text = of_dates("np.where(np.arange(len(days)) % 4 == 0, nir, np.nan)")
    trial.run(text=text)
    count = len(trial_days(trial))
    share = 100 * (count - -(-count // 4)) / count
    line = f"{WHO} gives no value of x in {share:.1f} % where pixels were seen"
    assert f"warnings:\n- {line}\n" in trial.report
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [line]


def test_gaps_are_counted_for_each_label(trial):
    """Two labels without a gap would hide one that has nothing else."""
    text = of_labels(a="nir", b="np.nan", c="nir + 1", d="np.where(nir > 9, nir, np.nan)")
    section = {"scale": {"b": 1, "d": 1}}
    trial.run(text=text, section=section, **USE)
    assert warnings(trial) == [
        f"{WHO} gives no value of b in 100.0 %, of d in 100.0 % where pixels were seen"
    ]
    trial.run(text=of_labels(a="nir", b="np.where(nir > 0, nir, np.nan)"), **USE)
    assert "warnings:" not in trial.report


def test_values_that_change_from_call_to_call(trial):
    (line,) = trial.refused(text=of_dates("nir + np.random.rand(*nir.shape)"))
    assert line == (
        f"{WHO} gives other values the second time: take random numbers from a generator with a "
        "seed, numpy.random.default_rng(0), and keep nothing from call to call"
    )


KEEPING = {
    "the_mean_of_the_first_call": of_dates("nir - kept(nir)")
    + """
MEAN = None
def kept(nir):
    global MEAN
    if MEAN is None:
        MEAN = np.nanmean(nir)
    return MEAN
""",
    "the_time_of_the_import": "import time\nK = np.float32(time.time_ns() % 999983)\n"
    + of_dates("nir + K"),
    "an_attribute": of_dates("nir - f.__dict__.setdefault('mean', np.nanmean(nir))"),
    "a_default": of_dates("nir * sizes[0]").replace(
        "(self):", "(self, sizes=[]):\n    sizes.append(self.shape[0])"
    ),
    "a_count": "import itertools\nCALLS = itertools.count()\n" + of_dates("nir + next(CALLS)"),
}


@pytest.mark.parametrize("text", KEEPING.values(), ids=KEEPING)
def test_what_a_module_keeps_from_a_call_or_from_its_import(trial, text):
    (line,) = trial.refused(text=text)
    assert line.startswith(f"{WHO} gives other values the second time: ")


@pytest.fixture
def roomy(trial, monkeypatch):
    """A window of 16 pixels amid its neighbours."""
    monkeypatch.setattr(place, "SIDE", 16)
    return trial


def test_what_a_module_keeps_for_windows_of_a_size(roomy):
    """Here as many other pixels are there as the window has."""
    text = "KEPT = {}\n" + of_dates("KEPT.setdefault(nir.shape, nir)")
    (line,) = roomy.refused(text=text)
    assert line.startswith(f"{WHO} gives other values the second time: ")


def test_what_a_module_keeps_that_changes_nothing_is_right(roomy):
    text = "TABLE = {}\n" + of_dates("nir * TABLE.setdefault(len(days), np.float32(2))")
    assert roomy.run(text=text).series == ("x",)


def test_parts_are_computed_by_a_module_that_was_run_anew(trial, monkeypatch):
    """Without the call on other pixels, the cut still shows what a module keeps."""
    monkeypatch.setattr(place.Window, "beside", place.Window.data)
    (line,) = trial.refused(text=KEEPING["the_mean_of_the_first_call"])
    assert line.startswith(f"{WHO} depends on where a tile is cut into windows")


def test_a_file_that_runs_once_alone(trial):
    text = "import sys\nassert not hasattr(sys, 'once_alone'), 'twice'\nsys.once_alone = 1\n"
    try:
        (line,) = trial.refused(text=text + of_dates("nir"))
    finally:
        del sys.once_alone
    path = trial.folder / "my.py"
    assert line == (
        f"{WHO} cannot run again: external_features.module {path} fails when imported: "
        "AssertionError: twice"
    )


READING = "from pathlib import Path\nHERE = Path(__file__).parent\n"
BESIDE = (
    r"\[Errno 2\] No such file or directory: '\S+/i2lc_copy_\w+/factor\.txt'; a run calls a copy "
    r"of my\.py, which has no files beside it: name them by their absolute paths"
)


def test_a_file_beside_that_of_the_function(trial):
    """A run calls a copy, which does not find it."""
    (trial.folder / "factor.txt").write_text("2")
    called = of_dates("nir * float((HERE / 'factor.txt').read_text())")
    (line,) = trial.refused(text=READING + called)
    number = (trial.folder / "my.py").read_text().split("\n").index(called.split("\n")[4]) + 1
    head = re.escape(f"{WHO} raised FileNotFoundError (my.py:{number}): ")
    assert re.fullmatch(head + BESIDE, line)
    text = READING + "FACTOR = float((HERE / 'factor.txt').read_text())\n"
    (line,) = trial.refused(text=text + of_dates("nir * FACTOR"))
    head = f"{WHO} cannot run again: external_features.module {trial.folder / 'my.py'} fails when "
    assert re.fullmatch(re.escape(head + "imported: FileNotFoundError: ") + BESIDE, line)


def test_a_file_that_is_named_absolutely(trial):
    (trial.folder / "factor.txt").write_text("2")
    text = of_dates(f"nir * np.loadtxt({str(trial.folder / 'factor.txt')!r})")
    assert trial.run(text=text).series == ("x",)


def test_a_file_beside_may_be_missing(trial):
    """Then the values are others without it."""
    (trial.folder / "factor.txt").write_text("2")
    text = READING + "FACTOR = 2 if (HERE / 'factor.txt').exists() else 3\n"
    (line,) = trial.refused(text=text + of_dates("nir * FACTOR"))
    assert line.startswith(f"{WHO} gives other values the second time: ")


def test_copies_are_gone_after_the_trial(trial, monkeypatch, tmp_path):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    text = "import inspect\n" + of_dates("nir * len(inspect.getsource(inspect.unwrap(f)))")
    assert trial.run(text=text).series == ("x",)
    trial.refused(text=of_dates("nir + np.random.rand(*nir.shape)"))
    assert not list((tmp_path / "temporary").iterdir())


def test_a_function_that_is_there_once_alone(trial):
    text = "import sys\nif not hasattr(sys, 'once_alone'):\n    sys.once_alone = 1\n    g = f\n"
    try:
        (line,) = trial.refused("g", of_dates("nir") + text)
    finally:
        del sys.once_alone
    path = trial.folder / "my.py"
    assert line == (
        "my.py: external function g cannot run again: external_features.module "
        f"{path}: run again, it has no g"
    )


def test_a_spike_hides_no_function_that_is_not_local(trial):
    text = of_dates(f"np.where({RARE}, 1e9, nir - np.nanmean(nir))")
    (line,) = trial.refused(text=text)
    assert line.startswith(f"{WHO} depends on where a tile is cut into windows, even with")


def test_a_function_that_is_not_local(trial):
    (line,) = trial.refused(text=of_dates("nir - np.nanmean(nir, axis=(0, 1))"))
    assert line == (
        f"{WHO} depends on where a tile is cut into windows, even with padding 32: it is not "
        "local, each value follows from the whole window, as a mean or an extreme of it does, or "
        "sums in float32: sum in float64"
    )


def test_rounding_that_follows_from_the_cut_is_a_warning(trial):
    text = of_dates("nir * np.float32(1 + 1e-7 * (nir.shape[1] // 64 % 7))")
    assert trial.run(text=text).series == ("x",)
    assert re.search(
        rf"warnings:\n- {WHO} is rounded otherwise where a tile is cut elsewhere "
        r"\(by up to \de-07 of a value\): single pixels may differ with another "
        r"number_of_chunks\n",
        trial.report,
    )


def test_a_weighted_sum_in_float32_that_crosses_0_is_right(trial):
    """A library sums a few pixels another way than many, so they are called in multiples."""
    text = """
def f(self):
    nir = self.get_interpolated_Sentinel2_B8()
    weights = np.cos(np.arange(nir.shape[2])).astype(np.float32)
    return (nir @ (weights - weights.mean()))[..., None], ["wave"]
"""
    trial.run(text=text, temporal_resolution=7, **USE)
    assert "warnings" not in trial.report


def test_a_function_of_neighbours_fails_for_single_pixels(trial):
    text = of_dates("nir + (len(nir) == 1)")
    (line,) = trial.refused(text=text)
    assert line == (
        f"{WHO} gives other values for single pixels, which it gets as arrays (1, n, date) where "
        "padding is 0: let the value of a pixel follow from that pixel, or set padding"
    )
    assert trial.run(section={"padding": 1}).padding == (1, 1)


def test_a_function_that_is_gone_since_the_configuration_was_read(trial):
    trial.write(of_dates("nir"))
    settings = trial.settings("f")
    trial.write(of_dates("nir").replace("def f", "def fs"))
    with pytest.raises(InputError) as error:
        check_external.check(trial.job(settings))
    head, line = str(error.value).split("\n")
    assert head == "1 problem in the external features:"
    assert line.startswith("- external_features.functions: no function 'f'")


def test_labels_that_follow_from_the_window(trial):
    text = of_dates("nir").replace("_x_{day}", "_x{len(nir)}_{day}")
    (line,) = trial.refused(text=text)
    assert line == (
        f"{WHO} gives other labels for a part of the window: they may depend on dates and "
        "parameters alone"
    )


# --- labels and names -----------------------------------------------------------------------

WAY_OUT = (
    ". Give a value for every date, or choose an estimator of scikit-learn "
    "(scikit_models_parameters.model_type) or the features map alone "
    '(builders.builders_class_name : ["I2FeaturesMap"])'
)
CANNOT = (
    f"{WHO} gives features that a network cannot read: it takes of every index one value for every "
    "date, labels Sentinel2_<index>_<YYYYMMDD>; "
)


def test_a_network_reads_no_label_without_a_date(trial):
    (line,) = trial.refused(text=STATIC)
    assert line == f"{CANNOT}mean is none of a date{WAY_OUT}"


def test_a_network_needs_every_date_of_an_index(trial):
    text = of_dates("nir[..., 1:]").replace("for day in days]", "for day in days[1:]]")
    (line,) = trial.refused(text=text)
    days = trial_days(trial)
    assert line == f"{CANNOT}index x lacks {days[0]:%Y%m%d} of the {len(days)} dates{WAY_OUT}"


def test_dates_beyond_those_of_the_features(trial):
    text = of_dates("np.concatenate([nir, nir[..., :1]], axis=2)")
    text = text.replace("for day in days]", "for day in [*days, '20300101']]")
    (line,) = trial.refused(text=text)
    assert f"index x has 20300101, which are no dates of the features{WAY_OUT}" in line


def test_the_name_of_a_band_of_the_chain(trial):
    text = of_dates("nir", "NDVI")
    (line,) = trial.refused(text=text)
    assert line == (
        f"{WHO} gives NDVI, the name of a band or index of the chain's own: choose another one, "
        "or concat_mode : False"
    )
    assert trial.run(section={"concat_mode": False}).series == ("NDVI",)


def test_the_name_of_another_function(trial):
    text = of_dates("nir") + of_dates("2 * nir").replace("def f", "def g")
    (line,) = trial.refused("f g", text)
    assert line == (
        f"my.py: external function g gives x, as {WHO} does: let the parameters, or the name of "
        "the function, be part of it"
    )


LABEL_OF = """
def h(self):
    return self.get_interpolated_Sentinel2_B8()[..., :1], ["{label}"]
"""


def test_a_label_of_a_band_of_the_chain(trial):
    trial.write(of_dates("nir"))
    label = f"Sentinel2_B8_{trial_days(trial)[2]:%Y%m%d}"
    (line,) = trial.refused("h", LABEL_OF.format(label=label), **USE)
    assert line == (
        f"my.py: external function h gives {label}, the name of a band or index of the chain's "
        "own: choose another one, or concat_mode : False"
    )
    assert trial.run("h", section={"concat_mode": False}, **USE).statics == (label,)
    for other in ("Sentinel2_B8_20300101", "Sentinel2_B5_20180123"):
        assert trial.run("h", LABEL_OF.format(label=other), **USE).statics == (other,)


def test_a_label_of_an_index_of_another_function(trial):
    """Whichever is called first; so does a name that is the index's own."""
    own = of_dates("nir", "q")
    trial.write(own)
    day = f"{trial_days(trial)[2]:%Y%m%d}"
    for label, met in ((f"Sentinel2_q_{day}", f"Sentinel2_q_{day}"), ("q", "q")):
        text = own + LABEL_OF.format(label=label)
        for functions in ("f h", "h f"):
            (line,) = trial.refused(functions, text, **USE)
            first, last = functions.split()
            assert line == (
                f"my.py: external function {last} gives {met}, as my.py: external function {first} "
                "does: let the parameters, or the name of the function, be part of it"
            )
    record = trial.run("f h", own + LABEL_OF.format(label="Sentinel2_q_20300101"), **USE)
    assert (record.series, record.statics) == (("q",), ("Sentinel2_q_20300101",))


def test_all_problems_of_all_functions_are_told_at_once(trial):
    text = of_dates("nir - np.nanmean(nir)", "a") + STATIC.replace("def f", "def g")
    text += of_dates("nir", "B4").replace("def f", "def h") + "\ndef k(self):\n    return 3\n"
    lines = trial.refused("f g h k", text)
    assert [re.sub(" (depends|gives) .*", "", line) for line in lines] == [
        "my.py: external function f",
        "my.py: external function k",
        "my.py: external function h",
        "my.py: external function g",
    ]
    assert lines[1] == "my.py: external function k gives a int: it must give (array, labels)"


def test_the_report_of_an_earlier_check_goes_when_the_check_fails(trial):
    """What was computed with is kept: it belongs to the models that are there."""
    trial.run(text=of_dates("nir"))
    trial.refused(text=STATIC)
    left = {str(path.relative_to(trial.out)) for path in trial.written()}
    assert left == {EXTERNAL.pattern, "model/external_features/my.py"}
    assert "nir" in (trial.out / "model/external_features/my.py").read_text()


# --- inputs ---------------------------------------------------------------------------------


def test_a_raster_that_is_not_there(trial):
    section = {"exogeneous_data": str(trial.folder / "slope.tif")}
    (line,) = trial.refused(text=of_dates("nir"), section=section)
    path = trial.folder / "slope.tif"
    assert line == f"exogeneous_data: {path} does not exist: give a raster that GDAL reads"


def test_a_tile_that_is_not_there(trial):
    (line,) = trial.refused(text=of_dates("nir"), list_tile=f"{TILE} T99XXX")
    assert line == f"tile T99XXX: there is no folder {trial.land / 'T99XXX'}"


def test_a_file_that_changes_while_it_is_tried(trial, monkeypatch):
    trial.write(of_dates("nir"))
    settings = trial.settings("f")
    judge = check_external.outcome.judge

    def changing(*given):
        trial.write(of_dates("2 * nir"))
        return judge(*given)

    monkeypatch.setattr(check_external.outcome, "judge", changing)
    with pytest.raises(TaskError) as error:
        check_external.check(trial.job(settings))
    path = trial.folder / "my.py"
    assert str(error.value) == f"{path} was changed while its functions were tried: start again"
    assert trial.written() == []


# --- where functions are tried ----------------------------------------------------------------


@pytest.fixture
def hidden(trial, land, monkeypatch):
    """Let windows be small, and hide parts of a copy of a tile on all days."""
    monkeypatch.setattr(place, "SIDE", 16)
    trial.land = trial.folder / "s2"
    shutil.copytree(land, trial.land)

    def hide(*where, tile=TILE):
        for path in (trial.land / tile).glob("*/MASKS/*_EDG_R1.tif"):
            with rasterio.open(path, "r+") as raster:
                pixels = raster.read(1)
                pixels[where] = 1
                raster.write(pixels, 1)

    return hide


def tried_at(caplog):
    (line,) = [m for m in caplog.messages if m.startswith("the functions are tried in")]
    return line.removeprefix("the functions are tried in ")


def test_the_centre_of_the_first_tile_is_tried(trial, hidden, caplog):
    caplog.set_level(logging.INFO)
    trial.run(text=of_dates("nir"), list_tile=f"T31TDJ {TILE}")
    assert tried_at(caplog) == f"{TILE}, rows 24 to 39, columns 24 to 39"


def test_another_place_is_tried_where_the_centre_was_not_seen(trial, hidden, caplog):
    caplog.set_level(logging.INFO)
    hidden(slice(20, 44), slice(None))
    hidden(slice(None), slice(0, 34))
    trial.run(text=of_dates("nir"))
    assert tried_at(caplog) == f"{TILE}, rows 5 to 20, columns 43 to 58"


def test_another_tile_is_tried_where_the_first_was_never_seen(trial, hidden, caplog):
    caplog.set_level(logging.INFO)
    hidden(slice(None), slice(None))
    trial.run(text=of_dates("nir"), list_tile=f"{TILE} T31TDJ")
    assert tried_at(caplog).startswith("T31TDJ, rows ")


def test_the_best_of_poor_places_is_taken(trial, hidden, caplog):
    hidden(slice(None), slice(None))
    for path in (trial.land / TILE).glob("*/MASKS/*_R1.tif"):
        with rasterio.open(path, "r+") as raster:
            pixels = raster.read(1)
            pixels[45:49, 5:15] = 0
            raster.write(pixels, 1)
    caplog.set_level(logging.INFO)
    trial.run(text=of_dates("nir"))
    assert tried_at(caplog) == f"{TILE}, rows 43 to 58, columns 5 to 20"
    assert "the functions are tried where 16 % of the pixels were seen" in caplog.messages


def test_nothing_was_ever_seen(trial, hidden):
    hidden(slice(None), slice(None))
    with pytest.raises(InputError) as error:
        trial.run(text=of_dates("nir"))
    assert str(error.value) == (
        f"external_features: none of the places looked at in {TILE} was ever seen, so there is "
        "nothing to try the functions on: the masks hide every pixel of every product"
    )


def test_places_lie_in_the_tile_each_once():
    spans = list(place.spans((10980, 10980)))
    assert len(spans) == 9
    assert spans[0] == (slice(5426, 5554), slice(5426, 5554))
    for rows, cols in spans:
        assert rows.stop - rows.start == cols.stop - cols.start == 128
        assert min(rows.start, cols.start) >= 0
        assert max(rows.stop, cols.stop) <= 10980
    assert list(place.spans((64, 100))) == [(slice(0, 64), slice(0, 100))]
    assert len(list(place.spans((64, 400)))) == 3


# --- cost -----------------------------------------------------------------------------------


def test_memory_of_a_call_is_that_of_its_arrays(trial):
    size = 2_000_000
    result, peak = cost.traced(lambda: np.ones(size) + np.ones(size))
    assert result.sum() == 2 * size
    assert 16 * size <= peak < 25 * size
    assert not tracemalloc.is_tracing()


def test_memory_of_a_pixel_is_a_power_of_two_and_decides_by_the_hungriest_call():
    calls = [cost.Cost(100, 1.0, 900, 400), cost.Cost(50, 1.0, 150, 100)]
    assert cost.pixel_bytes(calls) == 16  # 9 for the first call, 4 and 2 for both results
    assert cost.pixel_bytes(calls[:1]) == 16
    assert cost.pixel_bytes([cost.Cost(100, 1.0, 400, 400)]) == 8
    assert cost.pixel_bytes([]) == 0
    assert str(cost.Cost(20_000, 0.01, 8_000_000, 1)) == ("0.50 s and 400 MB for a million pixels")


def test_a_function_that_needs_more_is_known_to(trial):
    little = trial.run(text=of_dates("nir")).pixel_bytes
    much = trial.run(text=of_dates("np.tile(nir, 30)[..., :len(days)]")).pixel_bytes
    days = len(trial_days(trial))
    assert 4 * days < little <= 32 * days
    assert much >= 30 * 4 * days


# --- a model that was trained elsewhere -----------------------------------------------------


def given(trial, record, **changes):
    return {"model": GivenSettings, "expected": {**record.as_dict(), **changes}}


def test_the_scales_of_a_given_model_count(trial):
    record = trial.run(text=of_dates("nir"))
    again = trial.run(**given(trial, record, scales={"x": 123.0}))
    assert again.scales == {"x": 123.0}
    assert again.bands == ("B4", "B8", "B11", "NDVI", "NDWI", "Brightness")
    trial.run(**given(trial, record, scales={"x": 1e6}))
    assert re.search(
        r"- x reaches 0\.\d+, the model was trained with values up to 0\.032767: larger ones are "
        r"cut off\n",
        trial.report,
    )


def test_a_given_model_knows_the_scale_of_what_has_no_value_here(trial):
    text = "LAND = 1\n" + of_labels(a="LAND * nir", b="LAND * nir")
    record = trial.run(text=text, **USE)
    for land, share in (("0", None), ("np.nan", "100.0")):
        trial.write(text.replace("LAND = 1", f"LAND = {land}"))
        keys = given(trial, record, modules={"my.py": digest(trial.folder / "my.py")})
        assert trial.run(**keys, **USE).scales == {"a": 10000.0, "b": 10000.0}
        told = f"gives no value of a in {share} %, of b in {share} % where pixels were seen"
        assert (f"- {WHO} {told}\n" in trial.report) == (share is not None)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_raster(trial, *bands, name="relief.tif"):
    """Write a raster on the tile's grid, a band for each description, of values that differ."""
    product = sorted((trial.land / TILE).glob("*/*_FRE_B2.tif"))[0]
    with rasterio.open(product) as source:
        profile = {**source.profile, "count": len(bands)}
        values = source.read(1)
    with rasterio.open(trial.folder / name, "w", **profile) as raster:
        for number, band in enumerate(bands, 1):
            raster.write(values // number, number)
            if band:
                raster.set_band_description(number, band)
    return {"exogeneous_data": str(trial.folder / name)}


FIRST_OF_RASTER = """
def f(self):
    return self.get_exogeneous_data()[..., :1], ["slope"]
"""


def test_a_raster_has_the_bands_of_that_of_the_given_model(trial):
    section = write_raster(trial, "slope", "elevation", None)
    record = trial.run(text=FIRST_OF_RASTER, section=section, **USE)
    assert record.raster_bands == ("slope", "elevation", "band_3")
    assert trial.run(section=section, **given(trial, record), **USE).raster_bands == (
        record.raster_bands
    )
    for bands in (("elevation", "slope", None), ("elevation", "slope"), ("slope", "elevation")):
        section = write_raster(trial, *bands, name="other.tif")
        told = ", ".join(band or "band_3" for band in bands)
        assert trial.refused(section=section, **given(trial, record), **USE) == [
            f"the bands of exogeneous_data are {told}, those of the raster that the model was "
            "trained with slope, elevation, band_3: give a raster with the same bands in the same "
            "order, each with the same description"
        ]
    older = given(trial, record)
    del older["expected"]["raster_bands"]
    assert trial.run(section=section, **older, **USE).raster_bands == ("slope", "elevation")


def test_a_raster_that_lacks_a_band_is_told_of_beside_the_function_that_fails(trial):
    text = FIRST_OF_RASTER.replace(":1]", "[1]]").replace("slope", "second")
    record = trial.run(text=text, section=write_raster(trial, "slope", "elevation"), **USE)
    section = write_raster(trial, "slope", name="other.tif")
    first, last = trial.refused(section=section, **given(trial, record), **USE)
    assert first.startswith(f"{WHO} raised IndexError")
    assert last.startswith(
        "the bands of exogeneous_data are slope, those of the raster that the model was trained "
        "with slope, elevation: "
    )


def test_functions_that_are_not_those_of_the_given_model(trial):
    record = trial.run(text=of_dates("nir"))
    lines = trial.refused(text=of_dates("nir", "y"), **given(trial, record))
    assert lines == [
        "my.py is another file than the one with which the model's features were computed: give "
        "the copy that lies with the model",
        "indices of the model: x; its functions give y here",
    ]


# --- what decides ---------------------------------------------------------------------------


def decides(trial, **keys):
    settings = trial.settings("f", **keys)
    return check_external.STEP.uses(settings, Unit())


def test_what_does_not_decide_the_record_is_no_part_of_its_fingerprint(trial):
    trial.write(of_dates("nir"))
    plain = decides(trial)
    tiles = [f"{TILE} T31TDJ", f"T31TDJ {TILE}"]
    assert decides(trial, list_tile=tiles[0]) == decides(trial, list_tile=tiles[1]) != plain
    names = {"output_name": "other", "output_format": "zarr", "no_data_value": -1.0}
    assert decides(trial, section=names) == plain
    assert decides(trial, padding_size_x=3, padding_size_y=3) == decides(
        trial, section={"padding": 3}
    )
    forest, trees = (
        decides(trial, model_type=f"{name}Classifier") for name in ("RandomForest", "ExtraTrees")
    )
    assert forest == trees == {**plain, "networks": False}
    alone = decides(trial, **RASTER_MAP)
    assert alone == {**plain, "networks": False, "stored": False}
    stored = decides(trial, section={"output_type": "int16"}, **RASTER_MAP)
    assert stored == {**alone, "stored": True}
    for section in ({"scale": {"x": 2}}, {"padding": 3}, {"concat_mode": False}):
        assert decides(trial, section=section) != plain


def test_who_reads_the_record_does_not_mind_what_reads_the_features():
    assert check_external.STEP.unmoved_by == {EXTERNAL: ("networks", "stored")}


def test_files_products_and_rasters_are_sources(trial):
    trial.write(of_dates("nir"))
    raster = sorted((trial.land / TILE).glob("*/*_FRE_B2.tif"))[0]
    settings = trial.settings("f", section={"exogeneous_data": str(raster)})
    found = set(check_external.STEP.sources(settings, Unit()))
    products = set((trial.land / TILE).rglob("*.tif"))
    assert found >= {trial.folder / "my.py", raster}
    assert found - {trial.folder / "my.py"} <= products
    assert len(found) == 1 + 8 * (10 + 3)
    none = Settings.model_validate({"list_tile": TILE, "s2_path": trial.land})
    assert list(check_external.STEP.sources(none, Unit())) == []


def test_what_is_noted_beside_the_raster_is_a_fact(trial):
    """But for statistics, which programs that show a raster write unasked."""
    trial.write(of_dates("nir"))
    raster = trial.folder / "slope.tif"
    shutil.copyfile(sorted((trial.land / TILE).glob("*/*_FRE_B2.tif"))[0], raster)
    settings = trial.settings("f", section={"exogeneous_data": str(raster)})
    notes = raster.with_name("slope.tif.aux.xml")
    facts = [check_external.STEP.uses(settings, Unit())]
    for text in (
        '<Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata>',
        "<NoDataValue>7</NoDataValue>",
    ):
        band = f'<PAMRasterBand band="1">{text}</PAMRasterBand>'
        notes.write_text(f"<PAMDataset>{band}</PAMDataset>")
        facts.append(check_external.STEP.uses(settings, Unit()))
        assert notes not in set(check_external.STEP.sources(settings, Unit()))
    assert facts[0] == facts[1]
    assert [key for key in facts[0] if facts[0][key] != facts[2][key]] == [
        "header of exogeneous_data"
    ]
