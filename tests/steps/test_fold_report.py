"""The step that writes the results of the folds, on hand-made predictions."""

import csv

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.errors import InputError
from i2lc.steps import fold_report
from i2lc.steps.artifacts import (
    DISTANCE_CSV,
    DISTANCE_FIGURE,
    FOLDS_CSV,
    FOLDS_JSON,
    FOLDS_TEXT,
    LABELS,
    POLYGON_SCORES,
    POLYGONS,
    PROOF,
    SUSPICIOUS,
    SUSPICIOUS_STYLE,
    TILE_INDEX,
)
from i2lc.steps.contract import File, Job, Unit
from i2lc.steps.files import store
from i2lc.steps.reference import folds
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.scoring.suspicious import style
from i2lc.steps.tiles.tile import TileIndex

X, Y = 500_000, 6_300_000
TILES = {"T31TCJ": 0, "T31TDJ": 10_000}
"""Left edges, from X."""
CLASSES = Labels((Label(3, "3", "corn", (1, 0, 0)), Label(7, "7", "water", (2, 0, 0))))
TRUTH = [(3, 1000), (7, 2000), (3, 3000), (3, 11_000), (7, 12_500), (7, 14_000)]
"""Class and left edge of the squares; feature k is the k-th."""
SIDES = {
    0: ["learning", "validation", "validation", "learning", "learning", "validation"],
    1: ["test", "test", "test", "learning", "learning", "validation"],
    2: ["learning", "learning", "validation", "test", "test", "test"],
}
"""Fold -> side of each feature."""
SAID = [
    # fold, tile, feature, side, said, pixels, confidence of a pixel
    (0, "T31TCJ", 2, "validation", 7, 100, 90),
    (0, "T31TCJ", 3, "validation", 3, 90, 90),
    (0, "T31TCJ", 3, "validation", 7, 10, 60),
    (1, "T31TCJ", 1, "test", 3, 100, 80),
    (1, "T31TCJ", 2, "test", 3, 60, 90),
    (1, "T31TCJ", 2, "test", 7, 40, 50),
    (1, "T31TCJ", 3, "test", 3, 80, 70),
    (1, "T31TCJ", 3, "test", 0, 20, 0),
    (1, "T31TDJ", 6, "validation", 7, 95, 90),
    (1, "T31TDJ", 6, "validation", 3, 5, 60),
    (2, "T31TDJ", 4, "test", 7, 100, 95),
    (2, "T31TDJ", 5, "test", 7, 100, 85),
    (2, "T31TDJ", 6, "test", 0, 100, 0),
    (2, "T31TCJ", 3, "validation", 3, 85, 90),
    (2, "T31TCJ", 3, "validation", 7, 15, 60),
]


def square(left):
    return shapely.box(X + left, Y - 2100, X + left + 100, Y - 2000)


class Run:
    """A run folder with two tiles, six polygons and what the maps say of them."""

    def __init__(self, folder, seeds=1, main=True, **keys):
        self.root = folder / "run"
        self.source = folder / "truth.gpkg"
        table = gpd.GeoDataFrame(
            {"code": [code for code, _ in TRUTH]},
            geometry=[square(left) for _, left in TRUTH],
            crs="EPSG:2154",
        )
        pyogrio.write_dataframe(table, self.source, driver="GPKG")
        self.settings = fold_report.Settings(
            ground_truth=self.source,
            data_field="code",
            runs=seeds,
            folds={"by": "tile", "buffer": 100, **keys},
        )
        self.splits = [
            Unit(fold=fold, seed=seed)
            for fold in range(0 if main else 1, 3)
            for seed in range(seeds)
        ]
        self.inputs = []
        self._write_tiles()
        frame = folds.read(self.settings, self.settings.folds, "EPSG:2154")
        self.number = {fid: row + 1 for row, fid in enumerate(frame["fid"])}
        for split in self.splits:
            self._write_split(split, frame)
        CLASSES.save(self._input(LABELS, Unit()))

    def _input(self, artifact, unit):
        self.inputs.append(File(artifact, unit))
        return self.root / artifact.path(unit)

    def _write_tiles(self):
        for name, left in TILES.items():
            grid = GeoBox((500, 1000), Affine(10, 0, X + left, 0, -10, Y), "EPSG:2154")
            index = TileIndex(name, grid, {"B2": grid}, (1, 1000), ())
            index.save(self._input(TILE_INDEX, Unit(tile=name)))

    def _write_split(self, split, frame):
        sides = [SIDES[split.fold][fid - 1] for fid in frame["fid"]]
        table = pd.DataFrame({"number": range(1, 7), "polygon": frame["polygon"]})
        table = table.assign(originfid=frame["fid"], region="", model="", set="", side=sides)
        table["class"] = table["label"] = frame["value"]
        path = self._input(POLYGONS, split)
        store.write_text(path, table.to_csv(index=False))
        for tile in TILES:
            rows = [
                (self.number[fid], side, TRUTH[fid - 1][0], said, pixels, pixels * confidence)
                for fold, place, fid, side, said, pixels, confidence in SAID
                if (fold, place) == (split.fold, tile)
            ]
            columns = ["polygon", "side", "label", "said", "pixels", "confidence"]
            unit = Unit(tile=tile, fold=split.fold, seed=split.seed)
            text = pd.DataFrame(rows, columns=columns).to_csv(index=False)
            store.write_text(self._input(POLYGON_SCORES, unit), text)
        proof = {"fold": split.fold, "seed": split.seed, "samples": 1234, "test_polygons": 3}
        proof |= {"buffer": 100.0, "nearest": 100.0 + 20.5 * split.fold, "inside": 0}
        store.write_json(self._input(PROOF, split), proof)

    def report(self):
        job = Job(
            unit=Unit(),
            settings=self.settings,
            root=self.root,
            inputs=tuple(self.inputs),
            outputs=tuple(File(artifact, Unit()) for artifact in fold_report.STEP.outputs),
        )
        fold_report.report(job)
        return self

    def path(self, artifact):
        return self.root / artifact.path(Unit())

    def lines(self):
        return self.path(FOLDS_TEXT).read_text(encoding="utf-8").splitlines()


def test_text_of_the_folds(tmp_path):
    lines = Run(tmp_path).report().lines()
    assert lines[:2] == ["Spatial cross-validation by tile, buffer 100 m: 2 folds", "Runs: 1"]
    shown = [" ".join(line.split()) for line in lines]
    assert "1 T31TCJ 0.786 0.462 0.714 280 0.950 0.000 0.974 100" in shown
    assert "2 T31TDJ 0.500 0.000 0.333 200 0.850 0.000 0.919 100" in shown
    assert "Mean 0.643 0.231 0.524 0.900 0.000 0.947" in shown
    assert "Stacked 0.667 0.333 0.664 480" in shown
    assert any(line.startswith("Run 0.950 ") and line.endswith(" 200") for line in shown)
    assert "Run: nothing held out; the score of the map of the run, as in RESULTS.txt" in lines


def test_proofs_are_printed_without_that_of_the_run(tmp_path):
    lines = Run(tmp_path).report().lines()
    assert [line for line in lines if "samples, none" in line] == [
        "fold 1 (T31TCJ): 1,234 samples, none in or within 100 m of its 3 test polygons; the "
        "nearest is 120 m away",
        "fold 2 (T31TDJ): 1,234 samples, none in or within 100 m of its 3 test polygons; the "
        "nearest is 141 m away",
    ]


def test_what_is_missing_is_said(tmp_path):
    lines = Run(tmp_path).report().lines()
    assert (
        "Reference pixels without a class in the map, left out: 120 of test polygons, 0 of "
        "validation polygons"
    ) in lines
    assert "fold 1 (T31TCJ), same area: no reference pixel of corn" in lines
    assert "fold 2 (T31TDJ), same area: no reference pixel of water" in lines
    assert not any(", another area: no reference" in line for line in lines)


def test_tables_for_programs(tmp_path):
    run = Run(tmp_path).report()
    with run.path(FOLDS_CSV).open() as file:
        rows = list(csv.DictReader(file))
    keys = [(row["fold"], row["name"], row["seed"], row["side"], row["oa"]) for row in rows]
    assert keys == [
        ("0", "nothing held out", "0", "validation", "0.950000"),
        ("1", "T31TCJ", "0", "test", "0.785714"),
        ("1", "T31TCJ", "0", "validation", "0.950000"),
        ("2", "T31TDJ", "0", "test", "0.500000"),
        ("2", "T31TDJ", "0", "validation", "0.850000"),
    ]
    assert rows[1]["unclassified"] == "20"
    found = store.read_json(run.path(FOLDS_JSON))
    assert found["stacked"]["confusion_matrix"] == [[180, 100], [60, 140]]
    assert found["stacked"]["oa"] == pytest.approx(320 / 480)
    assert found["spread_over_folds"]["same_area"]["oa"]["mean"] == pytest.approx(0.9)
    assert [proof["fold"] for proof in found["proofs"]] == [1, 2]
    assert found["nothing_held_out"][0]["validation"]["oa"] == pytest.approx(0.95)


def test_accuracy_by_distance(tmp_path):
    """Five polygons with a class in the map: one range, from the nearest to the farthest.

    Distances: fold 1 learns at 11,000 and 12,500: its tests lie 9900, 8900 and 7900 m away; fold 2
    learns at 1000 and 2000: 8900 and 10,400 m.
    """
    run = Run(tmp_path).report()
    head, row = run.path(DISTANCE_CSV).read_text().splitlines()
    assert head == "from,to,polygons,pixels,oa,low,high"
    cells = row.split(",")
    assert cells[:4] == ["7900.0", "10400.0", "5", "480"]
    assert cells[4] == f"{320 / 480:.6f}"
    assert 0 <= float(cells[5]) < 320 / 480 < float(cells[6]) <= 1
    assert store.defect(run.path(DISTANCE_FIGURE)) is None
    assert any(
        " ".join(line.split()).startswith("7900.0 10400.0 5 480 0.667 ") for line in run.lines()
    )


def test_distances_of_each_polygon(tmp_path):
    run = Run(tmp_path)
    frame = folds.read(run.settings, run.settings.folds, "EPSG:2154")
    paths = {f.unit: run.root / f.path for f in run.inputs if f.artifact == POLYGON_SCORES}
    predictions = fold_report.read_predictions(paths)
    tests = predictions[predictions["side"] == "test"]
    tables = {
        f.unit: fold_report.polygon_table.read(run.root / f.path)
        for f in run.inputs
        if f.artifact == POLYGONS
    }
    found = fold_report.distances_of(tables, tests, frame, run.source)
    fid = {number: fid for fid, number in run.number.items()}
    rows = {
        fid[polygon]: (distance, pixels, correct)
        for polygon, distance, pixels, correct in found[
            ["polygon", "distance", "pixels", "correct"]
        ].itertuples(index=False)
    }
    assert rows == {
        1: (9900.0, 100, 100),
        2: (8900.0, 100, 40),
        3: (7900.0, 80, 80),
        4: (8900.0, 100, 0),
        5: (10400.0, 100, 100),
    }


def test_suspicious_polygons(tmp_path):
    run = Run(tmp_path).report()
    found = gpd.read_file(run.path(SUSPICIOUS))
    assert found["originfid"].tolist() == [4, 2, 5, 1, 3]
    assert found["suspicion"].tolist() == [95, 54, 0, 0, 0]
    assert found["fold_name"].tolist() == ["T31TDJ", "T31TCJ", "T31TDJ", "T31TCJ", "T31TCJ"]
    assert found["agreement"].tolist() == [0, 0.4, 1, 1, 1]
    assert found["confidence"].tolist() == [95, 74, 85, 80, 70]
    assert found["majority_name"].tolist() == ["water", "corn", "water", "corn", "corn"]
    for fid, geometry in zip(found["originfid"], found.geometry, strict=True):
        assert geometry.equals(square(TRUTH[fid - 1][1]))
    assert run.path(SUSPICIOUS_STYLE).read_text() == style()
    assert run.path(SUSPICIOUS).stem == run.path(SUSPICIOUS_STYLE).stem  # how QGIS finds it
    line = "Suspicious polygons: 2 of 5 are given another class by most of their pixels "
    assert line + "(suspicious_polygons.gpkg, ranked)" in run.lines()


def test_scores_only_has_no_run_of_its_own(tmp_path):
    run = Run(tmp_path, main=False, output="scores").report()
    assert not any(line.startswith("Run ") for line in run.lines())
    assert store.read_json(run.path(FOLDS_JSON))["nothing_held_out"] == []
    assert run.path(FOLDS_CSV).read_text().splitlines()[1].startswith("1,T31TCJ,0,test,3,280,20,")


def test_several_seeds_are_pooled(tmp_path):
    run = Run(tmp_path, seeds=2).report()
    assert run.lines()[1] == "Runs: 2"
    rows = run.path(FOLDS_CSV).read_text().splitlines()
    assert len(rows) == 1 + 2 * (1 + 2 * 2)
    found = gpd.read_file(run.path(SUSPICIOUS))
    assert found["pixels"].tolist() == [200, 200, 200, 200, 160]
    assert found["agreement"].tolist() == [0, 0.4, 1, 1, 1]
    assert run.path(DISTANCE_CSV).read_text().splitlines()[1].startswith("7900.0,10400.0,5,960,")
    proofs = [line for line in run.lines() if "samples, none" in line]
    assert [line.split(":")[0] for line in proofs] == [
        "fold 1 (T31TCJ), run 0",
        "fold 1 (T31TCJ), run 1",
        "fold 2 (T31TDJ), run 0",
        "fold 2 (T31TDJ), run 1",
    ]


def test_equal_inputs_give_equal_bytes(tmp_path):
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run = Run(tmp_path / name).report()
        files.append([run.path(artifact).read_bytes() for artifact in fold_report.STEP.outputs])
    assert len(files[0]) == 7
    assert files[0] == files[1]


def test_a_changed_ground_truth_is_an_error(tmp_path):
    run = Run(tmp_path)
    table = gpd.read_file(run.source)
    table.geometry = table.geometry.translate(500)
    pyogrio.write_dataframe(table, run.source, driver="GPKG")
    with pytest.raises(InputError, match="has changed since its polygons were placed: polygon "):
        run.report()


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"by": "tile"}, "by tile, no buffer"),
        ({"by": "block", "block_size": 5000, "k": 4}, "by block of 5000 m, no buffer"),
        ({"by": "field", "field": "commune", "buffer": 50}, "by field commune, buffer 50 m"),
        ({"by": "polygon", "k": 5}, "by polygon, no buffer"),
        ({"test_vectors": ["a.gpkg"]}, "by files of test polygons, no buffer"),
    ],
)
def test_manner_of_folds(keys, text):
    assert fold_report.manner_of(folds.Folds(**keys)) == text
