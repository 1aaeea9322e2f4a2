"""The user's functions: called, what they give looked at, and stored."""

import re
import sys
import textwrap
import traceback
from dataclasses import replace
from datetime import date
from unittest.mock import patch

import numpy as np
import pytest
from external_toys import COLS, DATES, RAW_LAYOUT, ROWS, TEXTS, raw_cube, window
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from i2lc.errors import ConfigError, TaskError
from i2lc.nn_bank import user_code
from i2lc.steps.external import functions, modules, ready
from i2lc.steps.external.functions import Functions, _Ready, call, split_labels
from i2lc.steps.external.record import SHIPPED, Function, Record
from i2lc.steps.external.stored import store
from i2lc.steps.tiles.layout import INVALID, NOT_ACQUIRED

SEED = '''
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
"""As it is printed, less four blanks before its last line, which Python refuses."""
HEAD = "import numpy as np\n"


def written(folder, text, name="mine.py"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(HEAD + textwrap.dedent(text))
    return path


def function(folder, text, name="f"):
    return modules.function_of(name, [written(folder, text)])[0]


def refused(kind, message, called):
    with pytest.raises(kind, match="^" + re.escape(message) + "$"):
        called()


def gives(folder, what):
    """Call a function that gives an expression of its window's values, b (y, x, date)."""
    text = f"def f(self):\n    b = self.get_interpolated_Sentinel2_B8()\n    return {what}\n"
    return call(function(folder, text), window(), {})


# What a function gives


def test_the_printed_function_of_the_seed_runs_as_it_is(tmp_path):
    array, labels = call(function(tmp_path, SEED, "get_soi_s2"), window(), {})
    b8 = window().get_interpolated_Sentinel2_B8()
    b11 = window().get_interpolated_Sentinel2_B11()
    assert labels == tuple(f"Sentinel2_soi_{day}" for day in TEXTS)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, (b11 - b8) / (b11 + b8 + np.float32(1e-6)))
    assert np.isnan(array[0, 0]).all()
    assert split_labels(labels, DATES) == (("soi",), ())


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("[b[..., :1] > 0.3, ('a',)]", lambda b: b[..., :1] > 0.3),
        ("np.ones(b.shape, int)[..., :2] * 3, np.array(['a', 'b'])", lambda b: 0 * b[..., :2] + 3),
        ("b[..., :1].astype(float) * 1e300, ['a']", lambda b: b[..., :1] * np.inf),
        ("np.ma.masked_less(np.nan_to_num(b[..., :1]), 0.3), ['a']", lambda b: b[..., :1]),
    ],
)
def test_lists_and_other_types_of_numbers(tmp_path, what, expected):
    array, _ = gives(tmp_path, what)
    assert array.dtype == np.float32
    wanted = np.asarray(expected(window().get_interpolated_Sentinel2_B8()), np.float32)
    if "masked" in what:
        wanted = np.where(wanted < 0.3, np.nan, wanted)
    elif "int" in what:
        wanted = np.full_like(wanted, 3)
    np.testing.assert_array_equal(array, wanted)


def test_divisions_by_zero_and_pixels_without_a_value_are_not_told(tmp_path):
    array, _ = gives(tmp_path, "np.nanmean(b, axis=2, keepdims=True) / (b[..., :1] * 0), ['a']")
    assert np.isnan(array[0, 0, 0])
    assert np.isinf(array[1:]).all()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("b", "gives an array (4, 5, 3): it must give (array, labels)"),
        ("None", "gives None: it must give (array, labels)"),
        ("(b, ['a'], 1)", "gives a tuple of 3 (ndarray, list, int): it must give (array, labels)"),
        ("b, 'a b c'", "gives labels that are a str: give a list of texts"),
        ("b, [1, 2, 3]", "gives labels that are a list of 3 (int): give a list of texts"),
        ("b[..., :0], []", "gives no label: give one for each of its features"),
        ("b, ['a', '', 'c']", "gives the label '': give a text of one line"),
        ("b, ['a', 'b\\nb', 'c']", "gives the label 'b\\nb': give a text of one line"),
        ("b, ['a', 'b', 'a']", "gives the label a twice: give each feature its own"),
        ("b, ['a', 'b']", "gives 3 values a pixel but 2 labels: give a label for each"),
        (
            "b[..., 0], ['a']",
            "gives an array (4, 5) with 1 labels; (y, x, n) is wanted, here (4, 5, 1); write "
            "array[..., np.newaxis]",
        ),
        (
            "np.moveaxis(b, 2, 0), ['a', 'b', 'c']",
            "gives an array (3, 4, 5) with 3 labels; (y, x, n) is wanted, here (4, 5, 3); write "
            "np.moveaxis(array, 0, -1)",
        ),
        (
            "b[1:], ['a', 'b', 'c']",
            "gives an array (3, 5, 3) with 3 labels; (y, x, n) is wanted, here (4, 5, 3)",
        ),
        ("b * 1j, ['a', 'b', 'c']", "gives values of type complex64: give real numbers"),
        ("b.astype(str), ['a', 'b', 'c']", "gives values of type <U32: give real numbers"),
        ("b.astype(object), ['a', 'b', 'c']", "gives values of type object: give real numbers"),
        ("[[1], [1, 2]], ['a']", "gives a list of 2 (list) in place of an array"),
    ],
)
def test_what_is_no_array_with_labels_of_the_window(tmp_path, what, message):
    refused(TaskError, f"external function f {message}", lambda: gives(tmp_path, what))


def test_what_it_raises_is_told_with_its_line_and_is_the_cause(tmp_path):
    broken = function(
        tmp_path,
        """
        def helper(values):
            return values["no such"]
        def f(self, limit):
            if limit:
                raise ValueError("of two\\nlines")
            return helper({})
        """,
    )
    message = "external function f raised ValueError (mine.py:7): of two lines"
    refused(TaskError, message, lambda: call(broken, window(), {"limit": 1}))
    with pytest.raises(TaskError, match=r"raised KeyError \(mine.py:4\): 'no such'$") as caught:
        call(broken, window(), {"limit": 0})
    told = "".join(traceback.format_exception(caught.value))
    assert 'return values["no such"]' in told
    assert f'File "{tmp_path / "mine.py"}", line 8, in f' in told
    leaving = function(tmp_path / "b", "def f(self):\n    raise SystemExit(2)\n")
    message = "external function f raised SystemExit (mine.py:3): 2"
    refused(TaskError, message, lambda: call(leaving, window(), {}))


def test_an_unknown_accessor_is_told_as_any_error(tmp_path):
    text = "def f(self):\n    return self.get_interpolated_Sentinel2_B5(), []\n"
    with pytest.raises(TaskError, match=r"raised AttributeError \(mine.py:3\): there is no"):
        call(function(tmp_path, text), window(), {})
    soi = function(tmp_path, SEED, "get_soi_s2")
    raw = window(layout=RAW_LAYOUT, cube=raw_cube())
    with pytest.raises(TaskError, match=r"InputError .*: get_interpolated_dates: with features_f"):
        call(soi, raw, {})


def test_memory_that_is_not_there_stays_what_it_is(tmp_path):
    greedy = function(tmp_path, "def f(self):\n    raise MemoryError\n")
    with pytest.raises(MemoryError):
        call(greedy, window(), {})


def test_nothing_passes_from_one_call_to_the_next(tmp_path):
    keeping = function(
        tmp_path,
        """
        def f(self, sizes):
            sizes.append(1)
            seen = getattr(self, "seen", 0)
            self.seen = 1
            values = np.full((*self.shape, 1), len(sizes) + 10 * seen)
            return values, ["a"]
        """,
    )
    data, parameters = window(), {"sizes": []}
    assert [call(keeping, data, parameters)[0].max() for _ in range(2)] == [1, 1]
    assert parameters == {"sizes": []}


# Labels


def test_series_are_the_indices_of_every_date():
    soi = [f"Sentinel2_soi_{day}" for day in TEXTS]
    two = [f"Sentinel2_red_edge_{day}" for day in reversed(TEXTS)]
    assert split_labels([*soi, "slope", *two], DATES) == (("soi", "red_edge"), ("slope",))
    for others in (
        soi[:2],
        [*soi, "Sentinel2_soi_20180131"],
        [one.lower() for one in soi],
        [one.replace("2_", "2-") for one in soi],
        [one.replace("2018", "18") for one in soi],
        ["Sentinel2__" + day for day in TEXTS[:2]],
    ):
        assert split_labels(others, DATES) == ((), tuple(others))
    assert split_labels([], DATES) == ((), ())


# All functions of a run

MIXED = """
def mixed(self, factor=1, first="Sentinel2_x"):
    b = self.get_interpolated_Sentinel2_B4()
    days = self.get_interpolated_dates()["Sentinel2"]
    both = np.concatenate([b[..., ::-1] * factor, b[..., :1] * 0 + 7], axis=2)
    return both, [f"{first}_{day}" for day in reversed(days)] + ["seven"]
def height(self):
    return self.get_exogeneous_data()[..., :1], ["slope"]
"""


def record_of(path, *chosen):
    known = []
    for name, parameters in chosen:
        called, file = modules.function_of(name, [path])
        _, labels = call(called, window(), parameters)
        known.append(Function(name, file, parameters, labels, *split_labels(labels, DATES)))
    return Record(tuple(known), {path.name: user_code.digest(path)}, True, (0, 0), {})


def test_values_stand_in_the_order_of_the_record(tmp_path):
    path = written(tmp_path, MIXED + SEED)
    record = record_of(path, ("mixed", {"factor": 2}), ("get_soi_s2", {}), ("height", {}))
    assert (record.series, record.statics) == (("x", "soi"), ("seven", "slope"))
    copy = written(tmp_path / "model", MIXED + SEED)
    data = window()
    values = Functions.open(Record.from_dict(record.as_dict()), {"mine.py": copy})(data)
    assert values.series.shape == (3, 2, ROWS, COLS)
    assert values.series.dtype == values.statics.dtype == np.float32
    twice = np.moveaxis(data.get_interpolated_Sentinel2_B4() * 2, -1, 0)
    np.testing.assert_array_equal(values.series[:, 0], twice)
    soi, _ = call(ready.get_soi_s2, data, {})
    np.testing.assert_array_equal(values.series[:, 1], np.moveaxis(soi, -1, 0))
    seven = np.full((ROWS, COLS), 7, np.float32)
    seven[0, 0] = np.nan
    np.testing.assert_array_equal(values.statics[0], seven)
    np.testing.assert_array_equal(values.statics[1], data.get_exogeneous_data()[..., 0])


def test_series_or_statics_alone(tmp_path):
    path = written(tmp_path, MIXED)
    opened = Functions.open(record_of(path, ("height", {})), {"mine.py": path})
    assert opened(window()).series.shape == (3, 0, ROWS, COLS)
    own = record_of(path, ("get_soi_s2", {}))
    assert own.functions[0].module == SHIPPED
    opened = Functions.open(own, {"mine.py": path})
    assert opened(window()).statics.shape == (0, ROWS, COLS)
    assert opened(window().cut(slice(0, 1), slice(2, 5))).series.shape == (3, 1, 1, 3)


def test_a_copy_that_is_another_file(tmp_path):
    path = written(tmp_path, MIXED)
    record = record_of(path, ("height", {}))
    other = written(tmp_path / "model", MIXED + "\n")
    message = (
        f"external_features: {other} is another file than the mine.py with which the features were "
        "computed: put that one in its place"
    )
    refused(TaskError, message, lambda: Functions.open(record, {"mine.py": other}))
    message = "external_features: there is no copy of mine.py"
    refused(TaskError, message, lambda: Functions.open(record, {}))
    gone = tmp_path / "gone.py"
    message = f"external_features.module {gone} cannot be read: No such file or directory"
    refused(ConfigError, message, lambda: Functions.open(record, {"mine.py": gone}))


SHARING = """
KEPT = None
def get_a(self):
    global KEPT
    KEPT = self.get_interpolated_Sentinel2_B8()
    return KEPT, [f"a{number}" for number in range(KEPT.shape[2])]
def get_b(self):
    b = self.get_interpolated_Sentinel2_B4()
    fits = KEPT is not None and KEPT.shape == b.shape
    return b + KEPT if fits else b, [f"b{number}" for number in range(b.shape[2])]
"""
"""The second adds what the first kept of a window before, where it has the same shape."""


@pytest.mark.parametrize("order", [("get_b", "get_a"), ("get_a", "get_b")])
def test_functions_of_one_file_share_nothing(tmp_path, order):
    path = written(tmp_path, SHARING)
    opened = Functions.open(record_of(path, *((name, {}) for name in order)), {"mine.py": path})
    for columns in (slice(0, 2), slice(2, 4)):
        data = window().cut(slice(0, ROWS), columns)
        series = {
            "get_a": data.get_interpolated_Sentinel2_B8(),
            "get_b": data.get_interpolated_Sentinel2_B4(),
        }
        expected = np.concatenate([np.moveaxis(series[name], -1, 0) for name in order])
        np.testing.assert_array_equal(opened(data).statics, expected)


def test_a_function_twice_shares_nothing_with_itself(tmp_path):
    text = """
    CALLS = []
    def count(self, name):
        CALLS.append(name)
        return np.full((*self.shape, 1), len(CALLS)), [name]
    """
    path = written(tmp_path, text)
    chosen = [("count", {"name": "one"}), ("count", {"name": "two"})]
    opened = Functions.open(record_of(path, *chosen), {"mine.py": path})
    for number in (1, 2):
        np.testing.assert_array_equal(opened(window()).statics, np.full((2, ROWS, COLS), number))


def test_modules_of_a_task_go_with_it(tmp_path):
    path = written(tmp_path, SHARING)
    record = record_of(path, ("get_a", {}), ("get_b", {}))
    before = set(sys.modules)
    opened = Functions.open(record, {"mine.py": path})
    assert len(set(sys.modules) - before) == 2
    opened(window())
    del opened
    assert set(sys.modules) == before


def test_a_file_that_lacks_its_function_when_it_runs_here(tmp_path):
    name = "_i2lc_test_elsewhere"
    text = f"import sys\nif {name!r} not in sys.modules:\n    def f(self):\n"
    text += "        return np.zeros((*self.shape, 1)), ['a']\n"
    path = written(tmp_path, text)
    record = record_of(path, ("f", {}))
    message = f"external_features.module {path}: run here, it has no f"
    with patch.dict(sys.modules, {name: None}):
        refused(ConfigError, message, lambda: Functions.open(record, {"mine.py": path}))


def test_pixels_without_neighbours_are_called_in_multiples(tmp_path):
    text = """
    def f(self):
        b = self.get_interpolated_Sentinel2_B8()
        raw = self.get_raw_Sentinel2_NDWI()[..., 1:]
        mask = self.get_raw_masks()["Sentinel2"][..., 1:]
        own = self.get_exogeneous_data()
        assert self.shape == b.shape[:2] == raw.shape[:2] == mask.shape[:2] == own.shape[:2]
        width = np.full((*b.shape[:2], 1), b.shape[1])
        ndwi = self.get_interpolated_Sentinel2_NDWI()
        labels = [str(number) for number in range(11)]
        return np.concatenate([b, ndwi, raw, mask, own, width], axis=2), labels
    """
    path = written(tmp_path, text)
    record = record_of(path, ("f", {}))
    data = window()
    values = Functions.open(record, {"mine.py": path})(data).statics
    expected, _ = call(modules.function_of("f", [path])[0], data, {})
    np.testing.assert_array_equal(values[:10], np.moveaxis(expected, -1, 0)[:10])
    assert (values[10] == 64).all()
    padded = Functions.open(replace(record, padding=(0, 1)), {"mine.py": path})(data)
    np.testing.assert_array_equal(padded.statics, np.moveaxis(expected, -1, 0))
    assert data.widened(64).cut(slice(0, 2), slice(1, 4)).shape == (2, 3)


@given(st.integers(1, 70), st.integers(0, 29))
@settings(max_examples=30, deadline=None)
def test_a_product_of_matrices_has_the_same_bits_for_any_number_of_pixels(count, first):
    many = np.random.default_rng(5).integers(1, 6000, (37, 4, 1, 100)).astype(np.int16)
    dates = [date.fromordinal(736695 + 10 * number) for number in range(37)]
    whole = window(cube=many, dates=dates, observed=None, exogenous=None)
    known = Function("weighted", SHIPPED, {}, ("a", "b"), (), ("a", "b"))
    opened = Functions([_Ready(weighted, known, np.array([], int), np.array([0, 1]))], True)
    part = slice(first, first + count)
    alone = opened(whole.cut(slice(0, 1), part)).statics
    assert alone.tobytes() == opened(whole).statics[:, :, part].tobytes()


def weighted(self):
    values = self.get_interpolated_Sentinel2_B8()
    product = values @ np.linspace(0, 1, 37, dtype=np.float32)
    angles = np.arctan2(values, values[..., ::-1])
    return np.stack([product, angles[..., 0]], axis=2), ["a", "b"]


@given(st.integers(1, 12), st.integers(1, 200), st.permutations(range(6)))
@settings(max_examples=30, deadline=None)
def test_what_changes_places(rows, cols, order):
    array = np.random.default_rng(0).random((rows, cols, 6), np.float32)
    places = np.array(order).reshape(3, 2)
    out = np.zeros((3, 4, rows, cols), np.float32)
    with patch.object(functions, "PIECE", 7):
        functions._put(array, places, out[:, 1:3])
    for day, index in np.ndindex(3, 2):
        np.testing.assert_array_equal(out[day, index + 1], array[..., places[day, index]])
    assert not out[:, [0, 3]].any()


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ("['a', 'c']", "c is new"),
        ("['a']", "b is missing"),
        ("['b', 'a']", "in another order"),
    ],
)
def test_labels_are_those_of_the_trial(tmp_path, labels, what):
    text = f"""
    def f(self):
        labels = ["a", "b"] if self.shape[0] == {ROWS} else {labels}
        return np.zeros((*self.shape, len(labels))), labels
    """
    path = written(tmp_path, text)
    opened = Functions.open(record_of(path, ("f", {})), {"mine.py": path})
    assert opened(window()).statics.shape == (2, ROWS, COLS)
    message = (
        f"external function f gives other labels than when it was tried ({what}): they may depend "
        "on dates and parameters alone, not on the window"
    )
    refused(TaskError, message, lambda: opened(window().cut(slice(0, 1), slice(0, 1))))


# How values are stored

FLOATS = arrays.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32))
SCALES = st.sampled_from([10000.0, 1000.0, 100.0, 10.0, 1.0, 0.1, 0.01, 3.7])


@given(FLOATS, SCALES)
@settings(deadline=None)
def test_stored_values_are_the_nearest_that_int16_has(values, scale):
    stored, saturated = store(values, scale)
    assert stored.dtype == np.int16
    finite = np.isfinite(values)
    assert ((stored == INVALID) == ~finite).all()
    assert not (stored == NOT_ACQUIRED).any()
    exact = values[finite].astype(np.float64) * scale
    away = np.abs(stored[finite] - np.clip(exact, -32768, 32767))
    assert (away <= np.where(np.isin(np.rint(exact), [INVALID, NOT_ACQUIRED]), 1, 0.5)).all()
    fits = (np.rint(exact) >= -32768) & (np.rint(exact) <= 32767)
    assert saturated == (~fits).sum()
    order = np.argsort(exact)
    assert (np.diff(stored[finite][order].astype(int)) >= 0).all()


@given(arrays.arrays(np.int16, (2, 3), elements=st.integers(-32768, 32767)), SCALES)
@settings(deadline=None)
def test_what_was_stored_is_stored_again_as_it_was(stored, scale):
    values = (stored / scale).astype(np.float32)
    again, saturated = store(values, scale)
    marks = np.isin(stored, [INVALID, NOT_ACQUIRED])
    assert (again == stored)[~marks].all()
    assert (np.abs(again.astype(int) - stored)[marks] == 1).all()
    assert saturated == 0


def test_marks_are_passed_on_the_side_of_the_value():
    values = np.float32([-1.00001, -1.0, -0.99999, -2.00001, -2.0, 3.3, -3.3, np.nan, np.inf])
    stored, saturated = store(values, 10000)
    assert stored[:5].tolist() == [-10001, -9999, -9999, -20001, -19999]
    assert stored[5:].tolist() == [32767, -32768, INVALID, INVALID]
    assert saturated == 2
    assert store(np.float32([0.5, 1.5, 2.5, -0.5]), 1)[0].tolist() == [0, 2, 2, 0]
    assert store(np.zeros((2, 0, 3), np.float32), 1)[0].shape == (2, 0, 3)
