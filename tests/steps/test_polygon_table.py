"""The table of polygons: what it holds comes back as it was written."""

import numpy as np
import pandas as pd

from i2lc.steps import confusion, fold_report, proof
from i2lc.steps.reference import polygon_table
from i2lc.steps.shapes import outlines

NAMES = ["0012345678901234", "12e4567890123456", "1234567890123456"]


def test_names_and_classes_stay_text(tmp_path):
    path = tmp_path / "polygons.csv"
    written = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "polygon": NAMES,
            "class": ["NA", "012", "7"],
            "label": [5, 12, 7],
            "region": ["", "1", "null"],
            "model": ["", "1", "nullf1"],
            "side": ["test", "", "both"],
            "set": ["", "training", ""],
            "pixels": [0, 4, 1],
        }
    )
    written.to_csv(path, index=False)
    found = polygon_table.read(path)
    assert found.to_dict("list") == written.to_dict("list")
    assert found["label"].dtype == np.int64
    assert polygon_table.models(found) == ["1", "nullf1"]
    assert polygon_table.regions(found) == {"1": "1", "nullf1": "null"}


def test_there_is_one_reader():
    for module in (confusion, fold_report, proof):
        assert module.polygon_table is polygon_table
    assert not hasattr(outlines, "read_table")


def test_the_models_of_a_run(tmp_path):
    path = tmp_path / "regions.csv"
    path.write_text("number,region,model\n1,01,01f1\n1,01,01f2\n3,NA,NA\n")
    assert polygon_table.read_models(path) == {"01f1": "01", "01f2": "01", "NA": "NA"}
    path.write_text("number,region,model\n1,,\n")
    assert polygon_table.read_models(path) == {"": ""}
