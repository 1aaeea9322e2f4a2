"""The samples of a model in one file: its own, and copies of other models'."""

import logging
from dataclasses import replace
from datetime import date

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from i2lc.errors import TaskError
from i2lc.steps import merge_samples
from i2lc.steps.artifacts import MERGED, POLYGONS, SAMPLES, SAMPLES_PART
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import store
from i2lc.steps.sampling import appending, samples_file

AXES = samples_file.Axes((date(2018, 1, 5), date(2018, 2, 4)), ("B4", "NDVI"), (10000.0, 1000.0))
TILES = ("T31TCJ", "T31TDJ")
FOLD = Unit(region="east", fold=2, seed=1)
TABLE = pd.DataFrame(
    {
        "number": range(1, 10),
        "class": ["10", "20", "10", "20", "10", "10", "20", "40", "40"],
        "label": [10, 20, 10, 20, 10, 10, 20, 40, 40],
        "region": ["east", "east", "west", "west", "south", "south", "", "south", "south"],
        "model": ["east", "east", "west", "west", "southf1", "southf2", "", "southf1", "southf2"],
    }
)
"""Polygon 7 is in no region."""


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    """To wait for the disk is no part of these rules, and would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_flush", lambda _: None)
        yield


NEED = "a model needs two classes or more: lower cloud_threshold, raise ratio"


class Land:
    """Samples of all strips of two tiles, and the tables of polygons."""

    def __init__(self, root, count=1200, seed=0, table=TABLE):
        rng = np.random.default_rng(seed)
        self.root, self.table = root, table
        self.tile = np.sort(rng.integers(0, 2, count))
        self.axes = AXES
        self.features = {"features": rng.integers(-500, 9000, (count, 2, 2)).astype(np.int16)}
        self.columns = {"x": np.arange(count) * 10.0 + 5, "y": rng.random(count)}
        for name in ("fold_2_seed_1", "seed_1"):
            polygon = rng.integers(1, len(table) + 1, count)
            self.columns[f"polygon_{name}"] = polygon
            self.columns[f"set_{name}"] = rng.choice([0, 1, 2], count, p=[0.2, 0.6, 0.2])

    def write(self, strips=3):
        """Cut the samples of each tile into strips and write them; give their units."""
        units = []
        for rank, tile in enumerate(TILES):
            mine = np.flatnonzero(self.tile == rank)
            for strip, places in enumerate(np.array_split(mine, strips)):
                units.append(Unit(tile=tile, strip=strip))
                path = self.root / SAMPLES_PART.path(units[-1])
                path.parent.mkdir(parents=True, exist_ok=True)
                kinds = {
                    name: ({"x": "f8", "y": "f8"}.get(name) or ("u1", "u4")["pol" in name], name)
                    for name in self.columns
                }
                with samples_file.create(path, self.axes, len(places), kinds) as file:
                    for name, values in {**self.features, **self.columns}.items():
                        file[name][:] = values[places]
        return units

    def merge(self, unit=FOLD, strips=3, text=None, seed=0, artifact=SAMPLES):
        """Run the step; give the path of its product."""
        path = self.root / POLYGONS.path(unit)
        path.parent.mkdir(exist_ok=True)
        self.table.to_csv(path, index=False)
        keys = {}
        if text is not None:
            keys["sample_management"] = self.root / "copies.csv"
            keys["sample_management"].write_text(text)
        merge_samples.merge(
            Job(
                unit=unit,
                settings=merge_samples.Settings(random_seed=seed, **keys),
                root=self.root,
                inputs=(
                    *(File(SAMPLES_PART, part) for part in self.write(strips)),
                    File(POLYGONS, unit),
                ),
                outputs=(File(artifact, unit),),
            )
        )
        return self.root / artifact.path(unit)

    def selected(self, name, *polygons, training=False):
        """Give the samples of some polygons that a split selects."""
        sets = self.columns[f"set_{name}"]
        meant = sets == 1 if training else sets != 0
        return np.flatnonzero(meant & np.isin(self.columns[f"polygon_{name}"], polygons))

    def expected(self, places, name, origin):
        polygon = self.columns[f"polygon_{name}"][places]
        return {
            **{name: values[places] for name, values in self.features.items()},
            "x": self.columns["x"][places],
            "y": self.columns["y"][places],
            "polygon": polygon,
            "label": self.table["label"].to_numpy()[polygon - 1],
            "set": self.columns[f"set_{name}"][places],
            "tile": self.tile[places],
            "origin": np.full(len(places), origin),
        }


def contents(path):
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        names = (*samples_file.features_of(file), *samples_file.COLUMNS)
        return {name: np.asarray(file[name][:]) for name in names}


def assert_samples(found, *expected):
    for name, values in found.items():
        wanted = np.concatenate([part[name] for part in expected])
        np.testing.assert_array_equal(values, wanted, err_msg=name)


def places_of(found, origin):
    """Give the numbers of samples of an origin: x tells them."""
    return ((found["x"][found["origin"] == origin] - 5) / 10).astype(int)


def test_a_model_gets_the_samples_of_its_polygons_in_its_fold_and_seed(tmp_path):
    land = Land(tmp_path)
    path = land.merge()
    own = land.selected("fold_2_seed_1", 1, 2)
    assert len(own) > 200
    assert_samples(contents(path), land.expected(own, "fold_2_seed_1", 0))
    assert path == tmp_path / "learningSamples" / "Samples_region_east_seed1_fold_2_learn.nc"
    with xr.open_dataset(path) as file:
        assert file.attrs == {
            "crs": "EPSG:2154",
            "model": "east",
            "region": "east",
            "fold": 2,
            "seed": 1,
            "dates": "interpolated",
        }
        assert file["origin"].attrs["flag_meanings"] == "measured copied synthetic"
        assert file["origin"].attrs["flag_values"].tolist() == [0, 1, 2]
        assert file["tile"].attrs["flag_meanings"] == " ".join(TILES)
    main = land.merge(Unit(region="southf2", fold=0, seed=1))
    assert_samples(contents(main), land.expected(land.selected("seed_1", 6, 9), "seed_1", 0))
    with netCDF4.Dataset(main) as file:
        assert (file.model, file.region, file.fold, file.seed) == ("southf2", "south", 0, 1)


def test_with_synthetic_samples_to_come_it_writes_the_file_before_them(tmp_path):
    path = Land(tmp_path).merge(artifact=MERGED)
    assert path == tmp_path / "learningSamples" / "Samples_region_east_seed1_fold_2_merged.nc"
    assert path.is_file()
    assert not (tmp_path / SAMPLES.path(FOLD)).exists()


@pytest.mark.parametrize("strips", [1, 2, 7, 40])
def test_strips_do_not_change_a_byte(tmp_path, strips):
    """Also not where a block of writing (4096 samples) lies across parts."""
    text = "west,east,10,700\nsouth,east,10,1000\n"
    land = Land(tmp_path, count=24000)
    before = land.merge(strips=3, text=text).read_bytes()
    assert land.merge(strips=strips, text=text).read_bytes() == before
    assert len(contents(tmp_path / SAMPLES.path(FOLD))["x"]) > 6000


@pytest.mark.parametrize("bands", [("B4", "NDVI"), ()])
def test_what_stands_beside_the_series_comes_with_it(tmp_path, bands):
    """Also for samples that are copied, and where there is no series."""
    land = Land(tmp_path)
    land.axes = replace(
        AXES,
        bands=bands,
        scales=AXES.scales[: len(bands)],
        statics=("slope", "height", "x"),
        static_scales=(10.0, 1.0, 1.0),
        gaps=True,
    )
    statics = np.random.default_rng(5).integers(-10000, 9000, (1200, 3)).astype(np.int16)
    land.features = {"features": land.features["features"][:, :, : len(bands)], "statics": statics}
    path = land.merge(text="west,east,10,50\n")
    found = contents(path)
    own, copied = (places_of(found, origin) for origin in (0, 1))
    assert own.tolist() == land.selected("fold_2_seed_1", 1, 2).tolist()
    assert len(copied) == 50
    assert set(found) == {"features", "statics", *samples_file.COLUMNS}
    for name in ("features", "statics"):
        expected = land.features[name][np.concatenate([own, copied])]
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
    assert samples_file.read_axes(path) == land.axes


@limits(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=6))
def test_blocks_of_writing_do_not_follow_the_pieces(lengths):
    class Written(dict):
        def __missing__(self, name):
            self[name] = Variable()
            return self[name]

    class Variable(list):
        def __setitem__(self, goal, values):
            assert len(values) == goal.stop - goal.start
            self.append((goal.start, values.tolist()))

    file, total = Written(), sum(lengths)
    appender = appending.Appender(file)
    starts = np.cumsum([0, *lengths])
    for start, length in zip(starts, lengths, strict=False):
        appender.add({"a": np.arange(start, start + length), "b": np.zeros(length)})
    assert appender.total == total
    appender.close()
    blocks = [(k, list(range(k, min(k + 4096, total)))) for k in range(0, total, 4096)]
    assert file["a"] == blocks
    assert [start for start, _ in file["b"]] == [start for start, _ in blocks]


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        (
            Unit(region="north", fold=3, seed=1),
            "region north, fold 3, seed 1: no training sample, {}, let sample_selection take "
            "more, join the region to another, or let the fold hold out less",
        ),
        (
            Unit(region="southf1", fold=0, seed=1),
            "model southf1 of region south, seed 1: no training sample, {}, let "
            "sample_selection take more, or join the region to another",
        ),
        (
            Unit(region="", fold=3, seed=0),
            "the model, fold 3, seed 0: no training sample, {}, let sample_selection take more, "
            "or let the fold hold out less",
        ),
        (
            Unit(region="", fold=0, seed=0),
            "the model, seed 0: no training sample, {}, or let sample_selection take more",
        ),
    ],
)
def test_a_model_without_a_sample_is_an_error(tmp_path, unit, told):
    land = Land(tmp_path)
    name = samples_file.split_name(unit)
    land.columns[f"set_{name}"] = np.zeros(1200, int)
    land.columns[f"polygon_{name}"] = np.ones(1200, int)
    with pytest.raises(TaskError) as caught:
        land.merge(unit)
    assert str(caught.value) == told.format(NEED)
    assert not (tmp_path / SAMPLES.path(unit)).exists()


def test_a_class_of_validation_samples_alone_is_none_to_learn(tmp_path):
    land = Land(tmp_path)
    sets = land.columns["set_fold_2_seed_1"]
    land.columns["set_fold_2_seed_1"] = np.where(
        (land.columns["polygon_fold_2_seed_1"] == 2) & (sets == 1), 2, sets
    )
    assert len(land.selected("fold_2_seed_1", 2)) > 50
    told = f"region east, fold 2, seed 1: class 10 alone has training samples, {NEED}, let "
    for text in (None, "west,east,10,5\nsouth,east,20,5\n"):  # south has none of class 20
        with pytest.raises(TaskError) as caught:
            land.merge(text=text)
        assert str(caught.value).startswith(told)
        assert not (tmp_path / SAMPLES.path(FOLD)).exists()
    found = contents(land.merge(text="west,east,20,5\n"))  # a copy is there to learn from
    assert found["label"][found["set"] == 1].tolist().count(20) == 5


# --- sample_management ------------------------------------------------------------------------


def test_copies_stand_behind_the_model_s_own_and_come_from_the_source_s_training_set(tmp_path):
    land = Land(tmp_path)
    found = contents(land.merge(text="west,east,10,20\neast,west,10,9\nwest,east,20,5\n"))
    own = land.selected("fold_2_seed_1", 1, 2)
    copied = places_of(found, 1)
    assert_samples(
        found, land.expected(own, "fold_2_seed_1", 0), land.expected(copied, "fold_2_seed_1", 1)
    )
    for places, polygon, count in ((copied[:20], 3, 20), (copied[20:], 4, 5)):
        assert len(places) == count
        assert sorted(set(places)) == places.tolist()  # each once, in the order of the source
        assert set(places) < set(land.selected("fold_2_seed_1", polygon, training=True))
    assert (found["set"][found["origin"] == 1] == 1).all()


def test_a_line_for_another_model_changes_nothing(tmp_path):
    land = Land(tmp_path)
    before = land.merge().read_bytes()
    assert land.merge(text="east,west,10,20\nwest,southf1,10,4\n").read_bytes() == before


def test_more_than_there_is_is_cut_to_it_and_told(tmp_path, caplog):
    land = Land(tmp_path)
    with caplog.at_level(logging.INFO):
        found = contents(land.merge(text="\nwest,east,10,5000\n"))
    there = land.selected("fold_2_seed_1", 3, training=True)
    assert places_of(found, 1).tolist() == there.tolist()
    (line,) = (r for r in caplog.records if "sample_management" in r.getMessage())
    assert line.levelname == "WARNING"
    assert line.getMessage() == (
        f"sample_management, line 2: class 10, {len(there)} of {len(there)} training samples of "
        "model west copied to model east (5000 asked for)"
    )


def test_a_class_that_the_source_lacks_gives_nothing(tmp_path):
    land = Land(tmp_path)
    found = contents(land.merge(text="south,east,20,5\n"))
    assert len(places_of(found, 1)) == 0


def test_a_divided_region_stands_for_its_models(tmp_path):
    land = Land(tmp_path)
    found = contents(land.merge(text="south,east,10,5000\n"))
    both = land.selected("fold_2_seed_1", 5, 6, training=True)
    assert places_of(found, 1).tolist() == both.tolist()
    unit = Unit(region="southf1", fold=2, seed=1)
    found = contents(land.merge(unit, text="west,south,10,11\nsouth,southf1,10,5000\n"))
    copied = places_of(found, 1)
    assert set(copied[:11]) <= set(land.selected("fold_2_seed_1", 3, training=True))
    others = land.selected("fold_2_seed_1", 6, training=True)  # not southf1's own again
    assert copied[11:].tolist() == others.tolist()


def test_a_copy_is_drawn_by_seed_fold_models_and_class(tmp_path):
    land = Land(tmp_path)
    west = Unit(region="southf1", fold=2, seed=1)

    def drawn(unit, text, seed=0):
        return places_of(contents(land.merge(unit, text=text, seed=seed)), 1).tolist()

    first = drawn(FOLD, "west,east,10,30\n")
    assert drawn(FOLD, "west,east,10,30\n") == first
    assert drawn(FOLD, "west,east,20,3\nwest,east,10,30\n")[3:] == first  # whatever other lines
    assert drawn(FOLD, "west,east,10,30\n", seed=1) != first
    assert drawn(west, "west,southf1,10,30\n") != first


def test_a_uniform_draw_reaches_every_sample(tmp_path):
    land = Land(tmp_path, count=300)
    there = land.selected("fold_2_seed_1", 3, training=True)
    counts = np.zeros(300)
    for seed in range(24):
        counts[places_of(contents(land.merge(text="west,east,10,8\n", seed=seed)), 1)] += 1
    assert counts.sum() == 192
    assert set(np.flatnonzero(counts)) == set(there)
    share = 8 / len(there)
    assert np.abs(counts[there] - 24 * share).max() < 4.5 * (24 * share * (1 - share)) ** 0.5


def test_only_a_run_with_a_file_reads_one(tmp_path):
    settings = merge_samples.Settings(sample_management=tmp_path / "a.csv")
    assert merge_samples.sources(settings, FOLD) == (tmp_path / "a.csv",)
    assert merge_samples.sources(merge_samples.Settings(), FOLD) == ()
