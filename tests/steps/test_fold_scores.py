"""Scores of the folds: the arithmetic, the text, the tables."""

import csv
import io
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.scoring import fold_records, fold_scores, fold_text, matrix
from i2lc.steps.scoring.distances import Bin
from i2lc.steps.scoring.fold_text import Told

CLASSES = Labels(
    (
        Label(3, "3", "corn", (1, 0, 0)),
        Label(7, "7", "water", (2, 0, 0)),
        Label(300, "300", "dense forest", (3, 0, 0)),
    )
)
TEST, VALIDATION = "test", "validation"


def rows(*found):
    """Predictions from (fold, seed, side, polygon, label, said, pixels)."""
    columns = ["fold", "seed", "side", "polygon", "label", "said", "pixels"]
    table = pd.DataFrame(found, columns=columns)
    return table.assign(confidence=50.0 * table["pixels"])


TWO_FOLDS = rows(
    # fold 1: corn 8 of 10, water 5 of 10, one pixel of water without a class
    (1, 0, TEST, 1, 3, 3, 8),
    (1, 0, TEST, 1, 3, 7, 2),
    (1, 0, TEST, 2, 7, 7, 5),
    (1, 0, TEST, 2, 7, 3, 5),
    (1, 0, TEST, 2, 7, 0, 1),
    (1, 0, VALIDATION, 3, 3, 3, 9),
    (1, 0, VALIDATION, 4, 7, 7, 10),
    (1, 0, VALIDATION, 4, 7, 3, 1),
    # fold 2: corn 10 of 20, forest 0 of 4 on two polygons, no water
    (2, 0, TEST, 3, 3, 3, 10),
    (2, 0, TEST, 3, 3, 7, 10),
    (2, 0, TEST, 5, 300, 3, 3),
    (2, 0, TEST, 6, 300, 7, 1),
    (2, 0, VALIDATION, 1, 3, 3, 10),
    (2, 0, VALIDATION, 2, 7, 7, 7),
    (2, 0, VALIDATION, 2, 7, 3, 3),
)
NAMES = {1: "T31TCJ", 2: "T31TDJ"}


def told(predictions=TWO_FOLDS, names=NAMES, seeds=(0,), **changed):
    values = {
        "manner": "by tile, buffer 100 m",
        "validation": fold_scores.validate(predictions, names, seeds, CLASSES),
        "classes": CLASSES,
        "proofs": [],
        "distances": [],
        "contradicted": 2,
        "ranked": 5,
    }
    return Told(**values | changed)


def lines_of(*args, **changed):
    return fold_text.as_text(told(*args, **changed)).splitlines()


# --- arithmetic -----------------------------------------------------------------------------


def test_matrix_of_predictions():
    table = TWO_FOLDS[(TWO_FOLDS["fold"] == 1) & (TWO_FOLDS["side"] == TEST)]
    found = matrix.matrix_of(table, (3, 7, 300))
    assert found.counts.tolist() == [[8, 2, 0], [5, 5, 0], [0, 0, 0]]
    assert found.unclassified.tolist() == [0, 1, 0]


def test_tiles_of_a_polygon_add_up():
    found = matrix.matrix_of(rows(*[(1, 0, TEST, 1, 7, 3, 4)] * 3), (3, 7, 300))
    assert found.counts.tolist() == [[0, 0, 0], [12, 0, 0], [0, 0, 0]]


def test_scores_of_folds_by_hand():
    found = told().validation
    one, two = found.of(1, TEST)[0], found.of(2, TEST)[0]
    assert (one.polygons, one.pixels, one.unclassified) == (2, 20, 1)
    assert one.scores.oa == 13 / 20
    assert one.scores.kappa == pytest.approx((20 * 13 - (10 * 13 + 10 * 7)) / (400 - 200))
    corn, water = 16 / 23, 10 / 17
    assert one.scores.mean_fscore == pytest.approx((corn + water) / 2)  # forest is not there
    assert two.polygons == 3
    assert two.scores.oa == 10 / 24
    assert two.scores.mean_fscore == pytest.approx((20 / 33 + 0) / 2)  # no water, forest missed
    assert found.of(1, VALIDATION)[0].scores.oa == 19 / 20
    assert found.of(2, VALIDATION)[0].scores.oa == 17 / 20


def test_mean_and_deviation_over_folds():
    found = told().validation
    a, b = 13 / 20, 10 / 24
    spread = found.spread(TEST, "oa")
    assert spread.mean == pytest.approx((a + b) / 2)
    assert spread.deviation == pytest.approx(abs(a - b) / math.sqrt(2))  # n - 1
    assert found.spread(VALIDATION, "oa").mean == pytest.approx(0.9)


def test_stacked_is_the_score_of_the_summed_matrix():
    (stacked,) = told().validation.stacked()
    assert stacked.matrix.counts.tolist() == [[18, 12, 0], [5, 5, 0], [3, 1, 0]]
    assert stacked.matrix.unclassified.tolist() == [0, 1, 0]
    assert stacked.scores.oa == pytest.approx(23 / 44)  # not the mean of the folds


def test_a_fold_is_the_mean_of_its_seeds_and_weighs_once():
    other = TWO_FOLDS[TWO_FOLDS["fold"] == 1].assign(seed=1, said=3)
    found = told(pd.concat([TWO_FOLDS, other])).validation
    assert found.seeds == (0,)  # asked
    both = told(pd.concat([TWO_FOLDS, other]), seeds=(0, 1)).validation
    assert both.mean(1, TEST, "oa") == pytest.approx((13 / 20 + 10 / 21) / 2)
    assert both.mean(2, TEST, "oa") == 10 / 24  # undefined in seed 1
    mean = ((13 / 20 + 10 / 21) / 2 + 10 / 24) / 2
    assert both.spread(TEST, "oa").mean == pytest.approx(mean)
    assert [run.seed for run in both.stacked()] == [0, 1]
    assert both.stacked()[1].matrix.counts.tolist() == [[10, 0, 0], [11, 0, 0], [0, 0, 0]]


def test_absent_classes():
    found = told().validation
    assert found.absent(1, TEST) == [300]
    assert found.absent(2, TEST) == [7]
    only_lost = rows((1, 0, TEST, 1, 3, 0, 4))
    assert told(only_lost, {1: "a"}).validation.absent(1, TEST) == [7, 300]


def test_one_fold_with_one_seed_has_no_deviation():
    found = told(TWO_FOLDS[TWO_FOLDS["fold"] == 1], {1: "1"}).validation
    assert found.spread(TEST, "oa").mean == 13 / 20
    assert found.spread(TEST, "oa").deviation is None


def test_a_fold_without_prediction_is_undefined_and_in_no_mean():
    found = told(TWO_FOLDS, {**NAMES, 3: "T31TEJ"}).validation
    assert math.isnan(found.mean(3, TEST, "oa"))
    assert found.of(3, TEST)[0].pixels == 0
    assert found.spread(TEST, "oa").mean == pytest.approx((13 / 20 + 10 / 24) / 2)


def test_labels_of_folds():
    found = told(names={1: "T31TCJ", 2: "2"}).validation
    assert [found.label(fold) for fold in (1, 2)] == ["fold 1 (T31TCJ)", "fold 2"]


# --- text -----------------------------------------------------------------------------------


def test_text_has_a_line_for_each_fold():
    lines = lines_of()
    assert lines[:2] == ["Spatial cross-validation by tile, buffer 100 m: 2 folds", "Runs: 1"]
    assert lines[3:6] == [
        "Another area: test polygons of each fold, mapped by models that learnt from none of them.",
        "Same area: validation polygons of a random split, among those that the same models "
        "learnt from.",
        "The first tells how the map does away from its ground truth, the second how it does amid "
        "it.",
    ]
    place = next(n for n, line in enumerate(lines) if line.startswith("Fold "))
    assert lines[place - 1].split("  ")[-1].strip() == "same area"
    assert lines[place].split() == ["Fold", *(["OA", "kappa", "mean", "F", "pixels"] * 2)]
    shown = [" ".join(line.split()) for line in lines[place + 1 : place + 6]]
    assert shown[0] == "1 T31TCJ 0.650 0.300 0.642 20 0.950 0.900 0.950 20"
    assert shown[1] == "2 T31TDJ 0.417 -0.063 0.303 24 0.850 0.700 0.847 20"
    assert shown[2] == "Mean 0.533 0.118 0.472 0.900 0.800 0.898"
    assert shown[3] == "Deviation 0.165 0.257 0.240 0.071 0.141 0.073"
    assert shown[4] == "Stacked 0.523 0.053 0.333 44"
    assert not any(line.startswith("Run ") for line in lines)


def test_columns_stand_under_their_titles():
    lines = lines_of()
    place = next(n for n, line in enumerate(lines) if line.startswith("Fold "))
    ends = [match.end() for match in re.finditer(r"OA|kappa|mean F|pixels", lines[place])]
    for line in lines[place + 1 : place + 3]:
        cells = [match.end() for match in re.finditer(r"\d+(\.\d+)?(?= |$)", line)]
        assert cells[-8:] == ends
    means = [match.end() for match in re.finditer(r"\d\.\d{3}", lines[place + 3])]
    assert means == [end for k, end in enumerate(ends) if k % 4 != 3]


def test_text_of_the_whole_run():
    whole = rows((0, 0, VALIDATION, 1, 3, 3, 3), (0, 0, VALIDATION, 2, 7, 3, 1))
    lines = lines_of(pd.concat([whole, TWO_FOLDS]))
    line = next(line for line in lines if line.startswith("Run "))
    assert line.split() == ["Run", "0.750", "0.000", "0.429", "4"]
    assert len(line) == len(next(other for other in lines if other.startswith("1 T31TCJ")))
    assert "Run: nothing held out; the score of the map of the run, as in RESULTS.txt" in lines
    (stacked,) = told(pd.concat([whole, TWO_FOLDS])).validation.stacked()
    assert stacked.matrix.counts.sum() == 44  # the run's own pixels are no out-of-fold ones


def test_undefined_is_a_dash_never_a_zero():
    lines = lines_of(rows((1, 0, TEST, 1, 3, 3, 4)), {1: "1"})
    assert lines[0] == "Spatial cross-validation by tile, buffer 100 m: 1 fold"
    line = next(line for line in lines if line.startswith("1 "))
    assert line.split() == ["1", "1.000", "-", "1.000", "4", "-", "-", "-", "0"]
    assert next(line for line in lines if line.startswith("Dev")).split() == ["Deviation"] + 6 * [
        "-"
    ]
    assert "-: undefined" in lines
    water = next(line for line in lines if line.startswith("water "))
    assert water.split() == ["water", "-", "-", "-", "0"]


def test_text_says_what_is_missing():
    lines = lines_of()
    assert lines[-5:] == [
        "Reference pixels without a class in the map, left out: 1 of test polygons, 0 of "
        "validation polygons",
        "fold 1 (T31TCJ), another area: no reference pixel of dense forest",
        "fold 1 (T31TCJ), same area: no reference pixel of dense forest",
        "fold 2 (T31TDJ), another area: no reference pixel of water",
        "fold 2 (T31TDJ), same area: no reference pixel of dense forest",
    ]
    legend = "Mean F: over the classes with reference pixels there; others are left out, never 0"
    assert legend in lines


def test_unclassified_pixels_of_the_run_are_not_counted_as_the_folds():
    whole = rows((0, 0, VALIDATION, 1, 3, 0, 9))
    text = "\n".join(lines_of(pd.concat([whole, TWO_FOLDS])))
    assert "left out: 1 of test polygons, 0 of validation polygons" in text


def test_text_of_the_stacked_classes():
    lines = lines_of()
    place = lines.index("Stacked confusion matrix in pixels: rows reference, columns map")
    assert [line.split(maxsplit=4) for line in lines[place + 1 : place + 5]] == [
        ["3", "7", "300"],
        ["3", "18", "12", "0", "corn"],
        ["7", "5", "5", "0", "water"],
        ["300", "3", "1", "0", "dense forest"],
    ]
    corn = next(line for line in lines if line.startswith("corn "))
    assert corn.split() == ["corn", "0.692", "0.600", "0.643", "30", "water", "40.0", "%"]
    forest = next(line for line in lines if line.startswith("dense forest"))
    assert forest.split()[2:6] == ["-", "0.000", "0.000", "4"]


def test_resubstitution_is_said():
    line = "Same area: the polygons that the same models learnt from (resubstitution); too "
    assert line + "optimistic." in lines_of(resubstitution=True)


def test_several_runs_are_said():
    lines = lines_of(pd.concat([TWO_FOLDS, TWO_FOLDS.assign(seed=1)]), seeds=(0, 1))
    assert "Each fold: mean over the runs, pixels of all runs" in lines
    assert "Stacked: scores of one matrix, the sum of those of all folds; mean over the runs" in (
        lines
    )
    place = lines.index(
        "Stacked confusion matrix in pixels (mean over runs): rows reference, columns map"
    )
    assert lines[place + 2].split()[:3] == ["3", "18", "12"]
    assert next(line for line in lines if line.startswith("1 T31")).split()[5] == "40"


def test_text_of_distances_and_suspicious_polygons():
    far = Bin(120.4, 900, 1, 5, 0.2, math.nan, math.nan)
    bins = [Bin(0.0, 120.4, 12, 3400, 0.75, 0.7, 0.8), far]
    lines = lines_of(distances=bins)
    place = lines.index(
        "Accuracy by distance to the nearest learning polygon (accuracy_by_distance.csv, .png)"
    )
    found = [" ".join(line.split()) for line in lines[place + 2 : place + 4]]
    assert found == ["0.0 120.4 12 3400 0.750 0.700 to 0.800", "120.4 900.0 1 5 0.200 -"]
    assert "Suspicious polygons: 2 of 5 are given another class by most of their pixels " in (
        "\n".join(lines)
    )
    nothing = "Accuracy by distance: no test polygon has a pixel with a class in the map"
    assert nothing in lines_of()


PROOF = {
    "fold": 2,
    "seed": 0,
    "samples": 12345,
    "test_polygons": 87,
    "buffer": 100.0,
    "nearest": 132.9,
    "inside": 0,
}


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (
            {},
            "fold 2 (T31TDJ): 12,345 samples, none in or within 100 m of its 87 test polygons; "
            "the nearest is 132 m away",
        ),
        (
            {"buffer": 0.0, "nearest": 4.99},
            "fold 2 (T31TDJ): 12,345 samples, none in its 87 test polygons; the nearest is 4.9 m "
            "away",
        ),
        (
            {"buffer": 2.5, "nearest": 2.4999},
            "fold 2 (T31TDJ): 12,345 samples, none in or within 2.5 m of its 87 test polygons; "
            "the nearest is 2.5 m away",
        ),
        (
            {"buffer": 1000.0, "nearest": 999.9999},
            "fold 2 (T31TDJ): 12,345 samples, none in or within 1,000 m of its 87 test polygons; "
            "the nearest is 1,000 m away",
        ),
        (
            {"samples": 0, "nearest": None},
            "fold 2 (T31TDJ): 0 samples, its 87 test polygons: nothing to measure",
        ),
    ],
)
def test_line_of_a_proof(changed, text):
    assert fold_text.proof_line(PROOF | changed, told().validation) == text
    assert text in lines_of(proofs=[PROOF | changed])


def test_proofs_of_several_runs_name_theirs():
    found = told(seeds=(0, 1)).validation
    line = fold_text.proof_line(PROOF | {"seed": 1}, found)
    assert line.startswith("fold 2 (T31TDJ), run 1: 12,345 samples")


# --- tables ---------------------------------------------------------------------------------


def test_csv_has_a_line_for_each_fold_seed_and_side():
    whole = rows((0, 0, VALIDATION, 1, 3, 3, 3))
    found = told(pd.concat([whole, TWO_FOLDS]), {**NAMES, 3: "c"}).validation
    lines = list(csv.DictReader(io.StringIO(fold_records.as_csv(found))))
    assert [(line["fold"], line["name"], line["side"]) for line in lines] == [
        ("0", "nothing held out", VALIDATION),
        ("1", "T31TCJ", TEST),
        ("1", "T31TCJ", VALIDATION),
        ("2", "T31TDJ", TEST),
        ("2", "T31TDJ", VALIDATION),
        ("3", "c", TEST),
        ("3", "c", VALIDATION),
    ]
    assert lines[1] == {
        "fold": "1",
        "name": "T31TCJ",
        "seed": "0",
        "side": "test",
        "polygons": "2",
        "pixels": "20",
        "unclassified": "1",
        "oa": "0.650000",
        "kappa": "0.300000",
        "mean_fscore": "0.641944",
    }
    assert (lines[5]["pixels"], lines[5]["oa"]) == ("0", "")


def test_json_has_everything_and_null_where_undefined():
    bins = [Bin(0.0, 10.0, 1, 5, 0.2, math.nan, math.nan)]
    found = fold_records.as_json(told(proofs=[PROOF], distances=bins))
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert found["folds_are"] == "by tile, buffer 100 m"
    assert [(fold["number"], fold["name"]) for fold in found["folds"]] == list(NAMES.items())
    first = found["folds"][0]["runs"][0]
    assert first["seed"] == 0
    assert first["test"]["confusion_matrix"] == [[8, 2, 0], [5, 5, 0], [0, 0, 0]]
    assert first["test"]["fscore"][2] is None
    assert first["validation"]["oa"] == 0.95
    spread = found["spread_over_folds"]
    assert spread["same_area"]["oa"]["mean"] == pytest.approx(0.9)
    assert spread["another_area"]["oa"]["deviation"] == pytest.approx(
        (13 / 20 - 10 / 24) / math.sqrt(2)
    )
    assert found["stacked"]["oa"] == pytest.approx(23 / 44)
    assert found["stacked"]["classes"][0]["recall"] == pytest.approx(0.6)
    assert found["stacked"]["runs"][0]["unclassified"] == [0, 1, 0]
    assert found["nothing_held_out"] == []
    assert found["accuracy_by_distance"] == [
        {"from": 0.0, "to": 10.0, "polygons": 1, "pixels": 5, "oa": 0.2, "low": None, "high": None}
    ]
    assert found["proofs"] == [PROOF]


def test_json_of_the_run_itself():
    whole = rows((0, 0, VALIDATION, 1, 3, 3, 3), (0, 0, VALIDATION, 1, 3, 7, 1))
    found = fold_records.as_json(told(pd.concat([whole, TWO_FOLDS])))
    (run,) = found["nothing_held_out"]
    assert (run["seed"], run["validation"]["oa"], run["validation"]["kappa"]) == (0, 0.75, 0.0)
    assert np.sum(found["stacked"]["confusion_matrix"]) == 44
