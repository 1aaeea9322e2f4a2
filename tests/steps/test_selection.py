"""Which pixels become samples: the step that selects them, model by model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.errors import InputError, TaskError
from i2lc.steps import class_statistics, selection
from i2lc.steps.artifacts import (
    CLASS_STATISTICS,
    LABELS,
    POLYGONS,
    REFERENCE,
    REGIONS,
    SEED_STATISTICS,
    SELECTION,
)
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import rasters
from i2lc.steps.reference import polygon_table
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.sampling.picker import Picker
from i2lc.steps.sampling.strategies import SampleSelection
from i2lc.steps.selection import Members


def test_pick_band_marks_the_set_of_the_polygon_and_continues_over_bands():
    # polygon 1: class 7, training; 2: class 9, validation; 3: class 7, validation; 4: no model
    members = Members([""], [7, 9], np.array([-1, 0, 1, 0, -1]), np.array([0, 1, 2, 2, 1]))
    pickers = [
        Picker(6, 3, np.random.default_rng(0), periodic=True, jitter=0),
        Picker(2, 2, np.random.default_rng(0), periodic=True, jitter=0),
    ]
    first = np.array([[1, 0, 1], [2, 1, 3]], np.uint32)  # class 7: places 0 1 2 3
    second = np.array([[3, 4, 3, 2]], np.uint32)  # class 7: places 4 5
    np.testing.assert_array_equal(
        selection.pick_band(first, pickers, members), [[1, 0, 0], [2, 1, 0]]
    )
    np.testing.assert_array_equal(selection.pick_band(second, pickers, members), [[2, 0, 0, 2]])
    assert (pickers[0].picked, pickers[1].picked) == (3, 2)


def test_polygons_are_grouped_by_model_and_class():
    table = pd.DataFrame(
        {
            "label": [20, 10, 10, 20, 10],
            "model": ["R2", "R1", "R2", "", "R1"],
            "set": ["training", "validation", "", "training", "training"],
        }
    )
    members = Members.of(table)
    assert (members.models, members.codes) == (["R1", "R2"], [10, 20])
    assert members.group.tolist() == [-1, 3, 0, 2, -1, 0]
    assert members.mark.tolist() == [0, 1, 2, 0, 1, 1]
    assert members.mark.dtype == np.uint8
    whole = Members.of(table.assign(model=""))
    assert whole.models == [""]
    assert whole.group.tolist() == [-1, 1, 0, 0, 1, 0]


# --- the step -------------------------------------------------------------------------------

TILES = ("T31TCJ", "T31TDJ")
FIRST = Unit(fold=0, seed=0)
SHAPE = (300, 20)  # more rows than a band of 256


def references(seed=0):
    """Polygon numbers of two tiles: 1 and 2 of class 10, 3 of class 20, 4 of class 30 (none)."""
    rng = np.random.default_rng(seed)
    return {tile: rng.choice([0, 1, 2, 3], SHAPE, p=[0.4, 0.3, 0.2, 0.1]) for tile in TILES}


@pytest.fixture
def run(tmp_path: Path):
    """Give a function that writes polygons, selects pixels and reads what was written."""
    tables = references()
    classes = Labels(
        tuple(Label(code, str(code), f"class {code}", (0, 0, 0)) for code in (10, 20, 30))
    )
    classes.save(tmp_path / LABELS.path(Unit()))

    def select(seed=0, unit=FIRST, model="", region=None, copies=None, more=(), dropped="", **keys):
        """`copies` lets every model of regions wait for copies, so that none is refused."""
        frame = pd.DataFrame(
            {
                "number": [1, 2, 3, 4],
                "class": [10, 10, 20, 30],
                "label": [10, 10, 20, 30],
                "region": model if region is None else region,
                "model": model,
                "side": "learning",
                "set": ["training", "validation", "training", ""],
            }
        )
        frame.to_csv(tmp_path / POLYGONS.path(unit), index=False)
        models = frame.loc[frame["model"] != "", ["region", "model"]].drop_duplicates()
        if models.empty:
            models = pd.DataFrame({"region": [""], "model": [""]})
        models = pd.concat([models, pd.DataFrame(more, columns=["region", "model"])])
        models = models[(models["model"] != dropped) | (dropped == "")]
        models.insert(0, "number", range(1, len(models) + 1))
        (tmp_path / REGIONS.path(Unit())).parent.mkdir(exist_ok=True)
        models.to_csv(tmp_path / REGIONS.path(Unit()), index=False)
        if copies is None:
            copies = [f"elsewhere,{name},10,5\n" for name in models["model"] if name]
        (tmp_path / "copies.csv").write_text("".join(copies))
        tiles = [Unit(tile=tile, fold=unit.fold, seed=unit.seed) for tile in TILES]
        for column, tile in enumerate(tiles):
            gbox = GeoBox(SHAPE, Affine(10, 0, column * 1000, 0, -10, 5000), "EPSG:2154")
            with rasters.create(tmp_path / REFERENCE.path(tile), gbox, "uint32", 2) as raster:
                bands = [tables[tile.tile], np.full(SHAPE, 3)]
                raster.write(np.stack(bands).astype(np.uint32))
        settings_ = selection.Settings(
            sample_selection=SampleSelection(**keys),
            random_seed=seed,
            sample_management=tmp_path / "copies.csv",
        )
        selection.select(
            Job(
                unit=unit,
                settings=settings_,
                root=tmp_path,
                inputs=(
                    *(File(REFERENCE, tile) for tile in tiles),
                    File(POLYGONS, unit),
                    File(LABELS, Unit()),
                    File(REGIONS, Unit()),
                ),
                outputs=(*(File(SELECTION, tile) for tile in tiles), File(SEED_STATISTICS, unit)),
            )
        )
        marks = {}
        for tile in tiles:
            with rasterio.open(tmp_path / SELECTION.path(tile)) as raster:
                assert raster.dtypes == ("uint8",)
                marks[tile.tile] = raster.read(1)
        table = pd.read_csv(tmp_path / SEED_STATISTICS.path(unit), dtype={"model": str})
        return tables, marks, table.set_index("label")

    return select


def drawn(tables, marks, polygon):
    """Give which pixels of a polygon are selected, bool (pixel,)."""
    numbers = np.concatenate([tables[tile].ravel() for tile in TILES])
    chosen = np.concatenate([marks[tile].ravel() for tile in TILES])
    return chosen[numbers == polygon] != 0


HALF = {"strategy": "percent", "strategy.percent.p": 0.5}


def test_all_selects_every_pixel_with_the_mark_of_its_polygon(run):
    tables, marks, statistics = run(strategy="all")
    for tile in TILES:
        expected = np.array([0, 1, 2, 1])[tables[tile]]
        np.testing.assert_array_equal(marks[tile], expected)
    both = np.concatenate(list(tables.values()))
    counts = {10: ((both == 1) | (both == 2)).sum(), 20: (both == 3).sum(), 30: 0}
    for column in ("available", "asked", "taken"):
        assert statistics[column].to_dict() == counts
    assert statistics["class"].to_dict() == {10: "class 10", 20: "class 20", 30: "class 30"}
    assert set(statistics["model"]) == {"1"}
    assert set(statistics["fold"]) == {0}
    assert set(statistics["seed"]) == {0}


@pytest.mark.parametrize("sampler", ["random", "periodic"])
def test_requests_above_what_exists_are_cut_to_it_over_all_tiles(run, sampler):
    tables, marks, statistics = run(
        sampler=sampler, strategy="constant", **{"strategy.constant.nb": 2000}
    )
    both = np.concatenate(list(tables.values()))
    chosen = np.concatenate(list(marks.values()))
    rare = int((both == 3).sum())
    assert rare < 2000 < int(np.isin(both, (1, 2)).sum())
    assert statistics["asked"].to_dict() == {10: 2000, 20: 2000, 30: 2000}
    assert statistics["taken"].to_dict() == {10: 2000, 20: rare, 30: 0}
    assert int((chosen[np.isin(both, (1, 2))] != 0).sum()) == 2000
    assert (chosen[both == 3] == 1).all()
    assert not chosen[both == 0].any()
    assert not (chosen[both == 2] == 1).any()
    assert not (chosen[both == 1] == 2).any()
    shares = [int((marks[tile] != 0).sum()) for tile in TILES]
    assert min(shares) > 0.4 * sum(shares)  # both tiles give


def test_periodic_half_takes_every_second_pixel_over_tiles_and_rows(run):
    tables, marks, _ = run(sampler="periodic", strategy="percent", **{"strategy.percent.p": 0.5})
    numbers = np.concatenate([tables[tile].ravel() for tile in TILES])
    chosen = np.concatenate([marks[tile].ravel() for tile in TILES])
    of_class = chosen[np.isin(numbers, (1, 2))] != 0
    wanted = round(len(of_class) * 0.5)
    expected = np.zeros(len(of_class), bool)
    expected[[k * len(of_class) // wanted for k in range(wanted)]] = True
    np.testing.assert_array_equal(of_class, expected)


def test_each_model_has_its_own_counts_and_draws(run):
    tables, marks, statistics = run(
        model=["east", "west", "east", "east"], strategy="constant", **{"strategy.constant.nb": 900}
    )
    both = np.concatenate(list(tables.values()))
    one, two, three = ((both == polygon).sum() for polygon in (1, 2, 3))
    rows = statistics.reset_index()[["model", "label", "available", "asked", "taken"]]
    assert rows.to_numpy().tolist() == [
        ["east", 10, one, 900, 900],
        ["east", 20, three, 900, 900],
        ["east", 30, 0, 900, 0],
        ["west", 10, two, 900, 900],
        ["west", 20, 0, 900, 0],
        ["west", 30, 0, 900, 0],
    ]
    assert [drawn(tables, marks, polygon).sum() for polygon in (1, 2, 3)] == [900, 900, 900]


def test_smallest_and_total_are_counted_within_a_model(run):
    model = ["east", "west", "east", "east"]
    tables, _, statistics = run(model=model, strategy="smallest")
    both = np.concatenate(list(tables.values()))
    one, two, three = (int((both == polygon).sum()) for polygon in (1, 2, 3))
    assert three < two < one
    assert statistics["taken"].tolist() == [three, three, 0, two, 0, 0]
    _, _, statistics = run(model=model, strategy="total", **{"strategy.total.v": 100})
    share = round(100 * one / (one + three))
    assert statistics["taken"].tolist() == [share, 100 - share, 0, 100, 0, 0]


def test_a_model_of_per_model_has_its_own_choice_and_nothing_of_the_default(run):
    model = ["east", "west", "east", "east"]
    tables, marks, statistics = run(
        model=model,
        **HALF,
        per_model=[{"target_model": "west", "sampler": "periodic", **HALF}],
    )
    plain, before, _ = run(model=model, **HALF)
    west = drawn(tables, marks, 2)
    assert np.flatnonzero(west).tolist() == [k * len(west) // west.sum() for k in range(west.sum())]
    for polygon in (1, 3):
        np.testing.assert_array_equal(drawn(tables, marks, polygon), drawn(plain, before, polygon))
    _, _, statistics = run(model=model, **HALF, per_model=[{"target_model": "west"}])
    west = statistics[statistics["model"] == "west"]
    assert west["taken"].tolist() == west["available"].tolist()  # strategy all, not percent


def test_a_part_of_a_region_goes_by_its_own_name_before_its_region_s(run):
    model, region = ["R1f1", "R1f2", "R2", "R1f1"], ["R1", "R1", "R2", "R1"]
    _, _, statistics = run(
        model=model,
        region=region,
        per_model=[
            {"target_model": "R1", "strategy": "constant", "strategy.constant.nb": 7},
            {"target_model": "R1f2", "strategy": "constant", "strategy.constant.nb": 5},
        ],
    )
    taken = statistics.groupby("model", sort=True)["taken"].sum()
    everything = statistics[statistics["model"] == "R2"]["available"].sum()
    assert taken.to_dict() == {"R1f1": 7, "R1f2": 5, "R2": everything}


def test_the_model_of_a_run_without_regions_is_called_1(run):
    _, _, statistics = run(per_model=[{"target_model": "1", **HALF}])
    half = (statistics["available"] + 1) // 2
    assert statistics["taken"].tolist() == half.tolist()


def test_a_polygon_without_a_model_gives_no_sample(run):
    tables, marks, statistics = run(model=["east", "", "east", "east"], strategy="all")
    assert drawn(tables, marks, 1).all()
    assert not drawn(tables, marks, 2).any()
    assert set(statistics["model"]) == {"east"}


def test_models_draw_apart_and_folds_alike(run):
    """So a fold draws what a run on a file of its training polygons draws."""
    tables, main, _ = run(**HALF)
    _, fold, statistics = run(**HALF, unit=Unit(fold=2, seed=0))
    _, region, _ = run(**HALF, model="east")
    mine, folded, other = (drawn(tables, marks, 3).tobytes() for marks in (main, fold, region))
    assert mine == folded
    assert mine != other
    assert set(statistics["fold"]) == {2}


def test_without_regions_and_folds_the_draw_is_that_of_seed_and_class(run):
    """What a run without them selects must not change when others get them."""
    tables, marks, statistics = run(**HALF, seed=3)
    for code, members in ((10, (1, 2)), (20, (3,))):
        picker = Picker(
            statistics["available"][code],
            statistics["taken"][code],
            np.random.default_rng([3, code]),
            periodic=False,
            jitter=0,
        )
        for tile in TILES:
            for start in range(0, SHAPE[0], 256):
                mine = np.isin(tables[tile][start : start + 256], members).ravel()
                wanted = np.zeros(mine.sum(), bool)
                wanted[picker.pick(len(wanted))] = True
                found = marks[tile][start : start + 256].ravel()[mine] != 0
                np.testing.assert_array_equal(found, wanted)


def test_the_draw_is_that_of_the_seed(run):
    keys = {"strategy": "percent", "strategy.percent.p": 0.5}
    _, one, _ = run(**keys, seed=1)
    _, again, _ = run(**keys, seed=1)
    _, other, _ = run(**keys, seed=2)
    assert all(np.array_equal(one[tile], again[tile]) for tile in TILES)
    assert any(not np.array_equal(one[tile], other[tile]) for tile in TILES)


def test_a_class_keeps_its_draw_when_another_one_is_asked_for_less(run, tmp_path):
    path = tmp_path / "numbers.csv"
    drawn = []
    for count in (900, 5):
        path.write_text(f"10,{count}\n20,40\n")
        tables, marks, _ = run(strategy="byclass", **{"strategy.byclass.in": path})
        drawn.append([np.where(tables[tile] == 3, marks[tile], 0) for tile in TILES])
    assert sum(int((mark != 0).sum()) for mark in drawn[0]) == 40
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_byclass_reads_its_numbers_from_the_file(run, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("20, 7\n\n10 ,3\n")
    _, marks, statistics = run(strategy="byclass", **{"strategy.byclass.in": path})
    assert statistics["asked"].to_dict() == {10: 3, 20: 7, 30: 0}
    assert sum(int((mark != 0).sum()) for mark in marks.values()) == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10,5\n99,3\n", "line 2: want 'label,count' with a label of the ground truth, got '99,3'"),
        ("10,many\n", "line 1: want 'label,count' with a label of the ground truth, got '10,many'"),
        ("10,-5\n", "line 1"),
        ("10\n", "line 1"),
    ],
)
def test_a_wrong_line_of_byclass_is_named(run, tmp_path, text, message):
    path = tmp_path / "numbers.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        run(strategy="byclass", **{"strategy.byclass.in": path})
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_lines_are_counted_as_an_editor_counts_them(run, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("# numbers\n\n10,5\n99,3\n")
    with pytest.raises(InputError, match="line 4: want"):
        run(strategy="byclass", **{"strategy.byclass.in": path})
    path.write_text("10,5\n20,1\n10,6\n")
    with pytest.raises(InputError) as caught:
        run(strategy="byclass", **{"strategy.byclass.in": path})
    assert str(caught.value) == f"{path}, line 3: label 10 is given twice"


def test_a_missing_file_of_byclass_is_named(run, tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv cannot be read"):
        run(strategy="byclass", **{"strategy.byclass.in": tmp_path / "absent.csv"})


def test_the_files_of_all_models_decide(tmp_path):
    keys = {"strategy": "byclass", "strategy.byclass.in": tmp_path / "a.csv"}
    other = {**keys, "target_model": "R1", "strategy.byclass.in": tmp_path / "b.csv"}
    chosen = SampleSelection(**keys, per_model=[other, {**keys, "target_model": "R2"}])
    found = selection.sources(selection.Settings(sample_selection=chosen), Unit())
    assert found == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert selection.sources(selection.Settings(), Unit()) == ()


# --- models that would learn fewer than two classes ---------------------------------------------

NEED = "a model needs two classes or more: lower cloud_threshold, raise ratio"


@pytest.mark.parametrize(
    ("text", "unit", "told"),
    [
        (
            "10,900\n",
            FIRST,
            f"the model, seed 0: class 10 alone has training samples, {NEED}, or let "
            "sample_selection take more",
        ),
        (
            "10,0\n",
            Unit(fold=2, seed=1),
            f"the model, fold 2, seed 1: no training sample, {NEED}, let sample_selection take "
            "more, or let the fold hold out less",
        ),
    ],
)
def test_a_model_of_fewer_than_two_classes_ends_the_task(run, tmp_path, text, unit, told):
    """Class 30 has no pixel, class 20 none that is asked for; nothing is left behind."""
    path = tmp_path / "numbers.csv"
    path.write_text(text)
    with pytest.raises(TaskError) as caught:
        run(strategy="byclass", **{"strategy.byclass.in": path}, unit=unit)
    assert str(caught.value) == told
    assert not list(tmp_path.rglob("*selection.tif*"))
    assert not (tmp_path / SEED_STATISTICS.path(unit)).exists()


def test_pixels_that_only_monitor_the_network_are_no_class(run, tmp_path):
    """Of region west polygon 3 trains; 2, of the other class, is picked from and does not."""
    with pytest.raises(TaskError) as caught:
        run(model=["north", "west", "west", "west"], copies=["x,north,20,5\n"])
    assert str(caught.value) == (
        f"region west, seed 0: class 20 alone has training samples, {NEED}, let sample_selection "
        "take more, or join the region to another"
    )


def test_all_poor_models_of_a_run_are_told_also_those_without_a_polygon(run):
    way = f"{NEED}, let sample_selection take more, or join the region to another"
    with pytest.raises(TaskError) as caught:
        run(
            model=["R1f1", "R1f2", "R1f1", "R2"],
            region=["R1", "R1", "R1", "R2"],
            more=[("R1", "R1f3")],
            copies=[],
        )
    assert str(caught.value).splitlines() == [
        f"model R1f2 of region R1, seed 0: no training sample, {way}",
        f"region R2, seed 0: no training sample, {way}",
        f"model R1f3 of region R1, seed 0: no training sample, {way}",
    ]


def test_a_region_with_test_polygons_alone_has_no_model_to_refuse(run, tmp_path):
    """The table names the region of its polygons; the run has no such model."""
    _, _, statistics = run(model=["east", "far", "east", ""], dropped="far", copies=[])
    table = polygon_table.read(tmp_path / POLYGONS.path(FIRST))
    assert polygon_table.models(table) == ["east", "far"]
    assert polygon_table.read_models(tmp_path / REGIONS.path(Unit())) == {"east": "east"}
    assert statistics.loc[statistics["model"] == "east", "taken"].min() == 0  # class 30


@pytest.mark.parametrize("line", ["x,R1f2,20,5\n", "x,R1,20,5\n"])
def test_a_model_that_gets_copies_is_looked_at_when_they_are_there(run, line):
    model, region = ["R1f1", "R1f2", "R1f1", "R1f2"], "R1"
    _, _, statistics = run(model=model, region=region, copies=[line])
    assert statistics["taken"][10].min() > 0
    with pytest.raises(TaskError, match="model R1f2 of region R1, seed 0: no training sample"):
        run(model=model, region=region, copies=["x,R1f1,20,5\n", "R1f2,y,20,5\n"])


def test_copies_do_not_move_the_selection(tmp_path):
    with_file = selection.Settings(sample_management=tmp_path / "copies.csv")
    assert selection.used(with_file, FIRST) == selection.used(selection.Settings(), FIRST)
    assert selection.used(with_file, FIRST).keys() == {"random_seed", "sample_selection"}


def test_the_tables_of_folds_and_seeds_are_joined_in_order(run, tmp_path):
    units = [Unit(fold=fold, seed=seed) for fold in (0, 1) for seed in (0, 1)]
    for unit in units:
        run(unit=unit)
    job = Job(
        unit=Unit(),
        settings=class_statistics.Settings(),
        root=tmp_path,
        inputs=tuple(File(SEED_STATISTICS, unit) for unit in units[::-1]),
        outputs=(File(CLASS_STATISTICS, Unit()),),
    )
    class_statistics.gather(job)
    lines = (tmp_path / "class_statistics.csv").read_text().splitlines()
    assert lines[0] == "model,fold,seed,class,label,available,asked,taken"
    places = [line.split(",")[1:3] for line in lines[1:]]
    assert places == [[str(u.fold), str(u.seed)] for u in units for _ in range(3)]
    assert [line.split(",")[4] for line in lines[1:4]] == ["10", "20", "30"]
