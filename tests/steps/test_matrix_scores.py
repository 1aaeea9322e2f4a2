"""The matrix of a map, its scores, and what the results say."""

import csv
import io
import json
import math
from datetime import date
from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import image
from odc.geo.geobox import GeoBox

from i2lc.steps import confusion, report
from i2lc.steps.artifacts import (
    CONFUSION,
    CONFUSION_FIGURE,
    CONFUSION_TILE,
    LABELS,
    MODEL,
    RESULTS_CSV,
    RESULTS_JSON,
    RESULTS_TEXT,
    SPLIT_REPORT,
)
from i2lc.steps.contract import MAIN, WHOLE, File, Job, Unit
from i2lc.steps.files import rasters, store
from i2lc.steps.learning import model_file
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.scoring import scores
from i2lc.steps.scoring.matrix import Matrix
from i2lc.steps.tiles import grid

CLASSES = Labels(
    (
        Label(3, "3", "corn", (1, 0, 0)),
        Label(7, "7", "water", (2, 0, 0)),
        Label(300, "300", "dense forest", (3, 0, 0)),
    )
)
CODES = (3, 7, 300)
COUNTS = np.array([[8, 2, 0], [1, 9, 0], [3, 1, 0]])  # forest is never predicted
SPLIT = {
    "split": True,
    "classes_without_pixels": [],
    "single_polygon_classes": ["300"],
    "single_polygon_classes_of_regions": [["7", "north"]],
    "polygons": 9,
    "polygons_without_pixels": 1,
    "polygons_outside_regions": 8,
    "pixels_claimed_by_two_classes": 11,
    "pixels_with_too_few_views": 22,
    "pixels_claimed_by_both_sides": {"0": 3, "1": 4},
}


def matrix(counts=COUNTS, lost=(0, 5, 1)):
    return Matrix(CODES, np.asarray(counts, np.int64), np.array(lost, np.int64))


def test_text_of_a_matrix_is_that_of_otb():
    text = matrix().as_csv()
    assert text == (
        "#Reference labels (rows):3,7,300\n"
        "#Produced labels (columns):0,3,7,300\n"
        "0,8,2,0\n"
        "5,1,9,0\n"
        "1,3,1,0\n"
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_a_matrix_survives_its_text_and_adds_up(size, seed):
    rng = np.random.default_rng(seed)
    codes = tuple(sorted(rng.choice(65535, size, replace=False).tolist()))
    parts = [
        Matrix(codes, rng.integers(0, 10**12, (size, size)), rng.integers(0, 99, size))
        for _ in range(3)
    ]
    total = reduce(add, parts)
    found = Matrix.from_csv(total.as_csv())
    assert found.codes == codes
    np.testing.assert_array_equal(found.counts, sum(part.counts for part in parts))
    np.testing.assert_array_equal(found.unclassified, sum(part.unclassified for part in parts))


# --- map against reference ------------------------------------------------------------------


def box(row, col, height, width):
    return GeoBox((height, width), Affine(10, 0, 10 * col, 0, -10, -10 * row), "EPSG:2154")


def compared(tmp_path, final, whole, numbers, tile, label_of):
    """The matrix of the validation pixels of a tile in a map."""
    with rasters.create(tmp_path / "map.tif", whole, "uint16") as raster:
        raster.write(final.astype(np.uint16), 1)
    with rasters.create(tmp_path / "sure.tif", whole, "uint8") as raster:
        raster.write(np.full((1, *whole.shape), 50, np.uint8))
    with rasters.create(tmp_path / "ref.tif", tile, "uint32", 2) as raster:
        raster.write(np.stack([np.full(numbers.shape, 2), numbers]).astype(np.uint32))
    paths = [tmp_path / "map.tif"], [tmp_path / "sure.tif"], tmp_path / "ref.tif"
    return confusion.matrix_of(confusion.count(*paths, np.array(label_of)), CODES)


def test_pixels_are_counted_by_reference_and_map(tmp_path):
    """A tile inside the mosaic, larger than a window, against a plain count."""
    rng = np.random.default_rng(0)
    final = rng.choice([0, *CODES], (560, 620), p=[0.1, 0.3, 0.3, 0.3])
    numbers = rng.choice([0, 1, 2, 3, 4], (530, 540), p=[0.6, 0.1, 0.1, 0.1, 0.1])
    label_of = np.array([0, 7, 3, 300, 3])
    whole = box(-20, 30, 560, 620)
    tile = grid.crop(whole, slice(10, 540), slice(40, 580))
    found = compared(tmp_path, final, whole, numbers, tile, label_of)
    said = final[10:540, 40:580]
    truth = label_of[numbers]
    for row, code in enumerate(CODES):
        assert found.unclassified[row] == ((truth == code) & (said == 0)).sum() > 0
        for col, other in enumerate(CODES):
            assert found.counts[row, col] == ((truth == code) & (said == other)).sum() > 0


def test_no_validation_pixel_gives_zeros(tmp_path):
    gbox = box(0, 0, 4, 4)
    found = compared(tmp_path, np.full((4, 4), 3), gbox, np.zeros((4, 4)), gbox, [0, 3])
    assert found.counts.tolist() == np.zeros((3, 3)).tolist()
    assert found.unclassified.tolist() == [0, 0, 0]


# --- scores ---------------------------------------------------------------------------------


def test_scores_of_a_run_by_hand():
    run = scores.run_of(4, matrix(), ["slow"])
    assert (run.seed, run.notes) == (4, ("slow",))
    assert run.scores.oa == pytest.approx(17 / 24)
    chance = (10 * 12 + 10 * 12 + 4 * 0) / 24**2
    assert run.scores.kappa == pytest.approx((17 / 24 - chance) / (1 - chance))
    assert run.scores.recall.tolist() == [0.8, 0.9, 0.0]
    assert run.scores.precision[:2].tolist() == [8 / 12, 9 / 12]
    assert math.isnan(run.scores.precision[2])  # never predicted
    assert run.scores.fscore.tolist() == pytest.approx([16 / 22, 18 / 22, 0])
    assert run.scores.mean_fscore == pytest.approx((16 / 22 + 18 / 22 + 0) / 3)
    assert run.largest_share == pytest.approx(10 / 24)


def test_a_class_without_reference_is_not_in_the_mean():
    run = scores.run_of(0, matrix([[8, 2, 0], [1, 9, 0], [0, 0, 0]]), [])
    assert math.isnan(run.scores.fscore[2])
    assert run.scores.mean_fscore == pytest.approx((16 / 19 + 18 / 21) / 2)


def test_no_pixel_no_score():
    run = scores.run_of(0, matrix(np.zeros((3, 3))), [])
    assert math.isnan(run.largest_share)
    assert math.isnan(run.scores.oa)


def test_spread_is_the_interval_of_student():
    """n = 5: t(0.975, 4) = 2.776445; n = 2: t(0.975, 1) = 12.706205 (tables)."""
    found = scores.spread([0.80, 0.82, 0.84, 0.86, 0.88])
    assert found.mean == pytest.approx(0.84)
    assert found.deviation == pytest.approx(0.0316227766)
    assert found.half_width == pytest.approx(2.776445 * 0.0316227766 / 5**0.5, rel=1e-6)
    two = scores.spread([0.8, 0.9])
    assert two.half_width == pytest.approx(12.706205 * 0.05, rel=1e-6)


def test_spread_of_one_run_or_none():
    assert scores.spread([0.7]) == scores.Spread(0.7, None, None)
    nothing = scores.spread([math.nan, math.nan])
    assert math.isnan(nothing.mean)
    assert nothing.half_width is None
    assert scores.spread([math.nan, 0.5]) == scores.Spread(0.5, None, None)


def test_largest_confusions():
    counts = np.array([[50, 0, 5, 20, 5, 1], *np.eye(6, dtype=int)[1:]])
    classes = Labels(tuple(Label(k, str(k), f"c{k}", (0, 0, 0)) for k in range(1, 7)))
    found = scores.confusions_of(counts, 0, classes)
    assert [c["name"] for c in found] == ["c4", "c3", "c5"]  # ties in the order of classes
    assert [c["share"] for c in found] == pytest.approx([20 / 81, 5 / 81, 5 / 81])
    assert scores.confusions_of(counts, 1, classes) == []
    assert scores.confusions_of(np.zeros((6, 6), int), 0, classes) == []


def test_rows_of_classes_over_runs():
    other = np.array([[4, 6, 0], [0, 10, 0], [0, 0, 0]])
    runs = [scores.run_of(0, matrix(), []), scores.run_of(1, matrix(other), [])]
    corn, _, forest = scores.class_rows(runs, CLASSES)
    assert (corn["label"], corn["name"], corn["reference_pixels"]) == (3, "corn", 10)
    assert corn["recall"].mean == pytest.approx(0.6)
    assert corn["recall"].half_width == pytest.approx(12.706205 * 0.2, rel=1e-6)
    assert corn["confusions"] == [{"name": "water", "share": pytest.approx(8 / 20)}]
    assert forest["fscore"] == scores.Spread(0.0, None, None)  # one run has forest
    assert forest["confusions"][0] == {"name": "corn", "share": pytest.approx(3 / 4)}


# --- what the results say -------------------------------------------------------------------

ONE = [scores.run_of(0, matrix(), ["the best epoch is the last: raise epochs"])]
TWO = [*ONE, scores.run_of(1, matrix([[10, 0, 0], [0, 10, 0], [0, 4, 0]], (0, 0, 0)), [])]


def lines_of(runs, split=SPLIT):
    return report.as_text(runs, CLASSES, split).splitlines()


def test_text_of_one_run():
    lines = lines_of(ONE)
    assert lines[0] == "Scores on validation polygons, none of which was learnt from"
    assert lines[1] == "Runs: 1"
    assert lines[3] == "Confusion matrix in pixels: rows reference, columns map"
    assert lines[4].split() == ["3", "7", "300"]
    assert [line.split(maxsplit=4) for line in lines[5:8]] == [
        ["3", "8", "2", "0", "corn"],
        ["7", "1", "9", "0", "water"],
        ["300", "3", "1", "0", "dense forest"],
    ]
    text = "\n".join(lines)
    assert "Overall accuracy:   0.708\n" in text
    assert f"Kappa:              {ONE[0].scores.kappa:.3f}\n" in text
    assert f"Mean F-score:       {ONE[0].scores.mean_fscore:.3f}\n" in text
    assert "Largest class:      0.417  (share of the reference pixels)" in text
    assert "+-" not in text
    forest = next(line for line in lines if line.startswith("dense forest"))
    assert forest.split("  ", 1)[1].split() == [
        "undefined",
        "0.000",
        "0.000",
        "4",
        "corn",
        "75.0",
        "%,",
        "water",
        "25.0",
        "%",
    ]


def test_text_tells_what_was_left_out():
    text = "\n".join(lines_of(ONE))
    assert "Reference pixels without a class in the map, left out: 6" in text
    assert "Class dense forest has one polygon: learnt, not validated, not in the scores" in text
    assert "Class water has one polygon in region north: learnt there, not validated" in text
    assert "Polygons outside of all regions, not used: 8" in text
    assert "Pixels claimed by polygons of two classes, used by none: 11" in text
    assert "Pixels claimed by both sides of the split, used by none: 7" in text
    assert "Polygon pixels with too few valid views, not used: 22" in text
    assert "Run 0, warning: the best epoch is the last: raise epochs" in text


def test_text_of_two_runs_has_the_spread_over_random_splits():
    text = "\n".join(lines_of(TWO))
    value = scores.spread([17 / 24, 20 / 24])
    assert f"Overall accuracy:   {value.mean:.3f} +- {value.half_width:.3f}" in text
    assert "95 % Student interval of the mean, spread over random splits" in text
    assert "Confusion matrix in pixels (mean over runs)" in text
    assert "Runs: 2" in text


def test_without_a_split_scores_are_resubstitution():
    split = {**SPLIT, "split": False}
    assert lines_of(ONE, split)[0].startswith("Scores on resubstitution: ")
    assert report.as_json(ONE, CLASSES, split)["scores_on"].startswith("resubstitution")


def test_json_of_one_run_holds_the_same():
    found = report.as_json(ONE, CLASSES, SPLIT)
    assert found["labels"] == [3, 7, 300]
    assert found["names"] == ["corn", "water", "dense forest"]
    assert found["confusion_matrix"] == COUNTS.tolist()
    assert found["oa"] == pytest.approx(17 / 24)
    assert found["kappa"] == pytest.approx(ONE[0].scores.kappa)
    assert found["spread_over_random_splits"]["oa"]["half_width"] is None
    assert found["classes"][2]["precision"]["mean"] is None  # undefined is null
    assert found["classes"][0]["recall"]["mean"] == pytest.approx(0.8)
    run = found["runs"][0]
    assert run["unclassified"] == [0, 5, 1]
    assert run["precision"] == [pytest.approx(8 / 12), pytest.approx(9 / 12), None]
    assert run["largest_class_share"] == pytest.approx(10 / 24)
    assert run["warnings"] == ["the best epoch is the last: raise epochs"]
    assert found["split"] == SPLIT
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_json_of_two_runs_has_the_mean_matrix_and_each_run():
    found = report.as_json(TWO, CLASSES, SPLIT)
    assert found["confusion_matrix"] == [[9, 1, 0], [0.5, 9.5, 0], [1.5, 2.5, 0]]
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert found["runs"][1]["confusion_matrix"] == [[10, 0, 0], [0, 10, 0], [0, 4, 0]]
    assert found["oa"] == pytest.approx((17 + 20) / 48)
    assert found["spread_over_random_splits"]["oa"]["deviation"] == pytest.approx(3 / 24 / 2**0.5)


def test_json_of_nothing_is_null():
    found = report.as_json([scores.run_of(0, matrix(np.zeros((3, 3))), [])], CLASSES, SPLIT)
    assert found["oa"] is None
    json.dumps(found, allow_nan=False)


def test_csv_has_a_line_a_run_and_class():
    rows = list(csv.DictReader(io.StringIO(report.as_csv(TWO, CLASSES))))
    assert len(rows) == 2 * (3 + 2)
    assert rows[0] == {
        "seed": "0",
        "label": "3",
        "name": "corn",
        "reference_pixels": "10",
        "precision": "0.666667",
        "recall": "0.800000",
        "fscore": "0.727273",
    }
    assert rows[2]["precision"] == ""
    assert rows[2]["fscore"] == "0.000000"
    assert (rows[3]["name"], rows[3]["precision"]) == ("overall accuracy", "0.708333")
    assert rows[4]["name"] == "kappa"
    assert [row["seed"] for row in rows] == ["0"] * 5 + ["1"] * 5


def model(path, notes):
    card = model_file.Card(
        network="MLPClassifier",
        parameters={},
        labels=CODES,
        dates=(date(2018, 1, 1),),
        bands=("B2",),
        scales=(10000.0,),
        sensor="Sentinel2",
        statistics={},
        training={"notes": notes},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    model_file.save(path, {"w": torch.zeros(1)}, card)


def test_the_step_adds_the_tiles_and_writes_all_results(tmp_path):
    tiles = ("T31TCJ", "T31TDJ")
    per_tile = [Unit(tile=tile, fold=MAIN, seed=seed) for tile in tiles for seed in (0, 1)]
    seeds = [Unit(seed=seed) for seed in (0, 1)]
    models = [
        Unit(region=region, fold=MAIN, seed=seed) for seed in (0, 1) for region in (WHOLE, "north")
    ]
    for unit in per_tile:
        part = matrix(COUNTS * (unit.seed + 1)) if unit.tile == tiles[0] else matrix(COUNTS.T)
        store.write_text(tmp_path / CONFUSION_TILE.path(unit), part.as_csv())
    for unit in models:
        model(tmp_path / MODEL.path(unit), [f"note {unit.seed} {unit.fold}"])
    CLASSES.save(tmp_path / LABELS.path(Unit()))
    store.write_json(tmp_path / SPLIT_REPORT.path(Unit()), SPLIT)
    single = (RESULTS_TEXT, RESULTS_JSON, RESULTS_CSV)
    report.report(
        Job(
            unit=Unit(),
            settings=report.Settings(runs=2),
            root=tmp_path,
            inputs=(
                *(File(CONFUSION_TILE, unit) for unit in per_tile),
                *(File(MODEL, unit) for unit in models),
                File(LABELS, Unit()),
                File(SPLIT_REPORT, Unit()),
            ),
            outputs=(
                *(File(kind, unit) for unit in seeds for kind in (CONFUSION, CONFUSION_FIGURE)),
                *(File(kind, Unit()) for kind in single),
            ),
        )
    )
    totals = [COUNTS + COUNTS.T, 2 * COUNTS + COUNTS.T]
    for unit, total in zip(seeds, totals, strict=True):
        text = (tmp_path / CONFUSION.path(unit)).read_text()
        found = Matrix.from_csv(text)
        np.testing.assert_array_equal(found.counts, total)
        assert found.unclassified.tolist() == [0, 10, 2]
    runs = [
        scores.run_of(
            seed, matrix(total, (0, 10, 2)), [f"note {seed} 0", f"region north: note {seed} 0"]
        )
        for seed, total in enumerate(totals)
    ]
    assert (tmp_path / "final/RESULTS.txt").read_text() == report.as_text(runs, CLASSES, SPLIT)
    assert store.read_json(tmp_path / "final/results.json") == report.as_json(runs, CLASSES, SPLIT)
    assert (tmp_path / "final/results.csv").read_text() == report.as_csv(runs, CLASSES)
    for seed in (0, 1):
        figure = tmp_path / f"final/Confusion_Matrix_Classif_Seed_{seed}.png"
        assert store.defect(figure) is None
        pixels = image.imread(figure)
        assert pixels.shape[1] > 400
        assert len(np.unique(pixels[..., 0])) > 10  # something is drawn


def test_the_figure_is_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        report.draw(tmp_path / name, ONE[0], CLASSES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
