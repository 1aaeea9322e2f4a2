"""Real clouds, real gaps, real seasons; skipped where the pixels are not at hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from i2lc.chain import cli
from i2lc.steps.sensors.sentinel2 import SENTINEL2
from i2lc.steps.series import features
from i2lc.steps.tiles import grid, layout
from i2lc.steps.tiles.tile import index_tile

pytestmark = pytest.mark.real

CONFIG = """
chain : {{
 output_path : "{out}"
 list_tile : "T31UDS"
 data_field : "code"
 s2_path : "{data}/s2"
 ground_truth : "{data}/gt.shp"
 nomenclature_path : "{data}/nomenclature.txt"
 color_table : "{data}/colors.txt"
 proj : "EPSG:32631"
 ratio : 0.5
}}
arg_train : {{
 deep_learning_parameters : {{
  dl_name : "MLPClassifier"
  epochs : 5
  hyperparameters_solver : {{ "batch_size" : [64], "learning_rate" : [0.001] }}
 }}
}}
python_data_managing : {{ number_of_chunks : 2 }}
"""


@pytest.mark.chain
def test_chain_runs_on_real_pixels(real_data: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in real_data.rglob("*")}
    config = tmp_path / "run.cfg"
    config.write_text(CONFIG.format(out=tmp_path / "out", data=real_data))
    assert cli.main(["-config", str(config), "-scheduler_type", "debug"]) == 0
    with rasterio.open(tmp_path / "out" / "final" / "Classif_Seed_0.tif") as made:
        mapped = made.read(1)
    assert mapped.shape == (64, 64)
    assert (mapped > 0).all()
    assert set(np.unique(mapped)) <= {1, 2, 3, 4, 5}
    results = json.loads((tmp_path / "out" / "final" / "results.json").read_text())
    alone = results["split"]["single_polygon_classes"]
    scored = {row["label"] for row in results["classes"] if row["reference_pixels"]}
    assert alone
    assert not scored & {int(value) for value in alone}
    assert {path: path.stat().st_mtime_ns for path in real_data.rglob("*")} == before


def test_withheld_clear_dates_are_filled_no_worse_than_by_the_nearest(real_data: Path) -> None:
    """Leave out a clear product at a time; compare the fill with the nearest clear date."""
    lattice = grid.LatticeSettings(proj="EPSG:32631")
    index = index_tile(real_data / "s2" / "T31UDS", "T31UDS", SENTINEL2, lattice)
    settings = layout.FeatureSettings(s2_path=real_data / "s2", proj="EPSG:32631", features=())
    chosen = layout.Layout.of(settings)
    with features.FeatureReader(index, chosen, 2) as reader:
        values, valid, days = reader.observe(index.grid)
    values, valid = values.copy(), valid.copy()
    clear = [k for k in range(1, len(days) - 1) if valid[k].mean() > 0.95][::4]
    assert len(clear) >= 5
    ours, nearest = [], []
    for k in clear:
        rest = [n for n, product in enumerate(index.products) if product.day.toordinal() != days[k]]
        withheld = replace(index, products=tuple(index.products[n] for n in rest))
        day = index.products[0].day.fromordinal(int(days[k]))
        with features.FeatureReader(withheld, chosen, 2) as reader:
            filled = reader.features(index.grid, [day])[0]
        guess = nearest_clear(values, valid, days, k)
        seen = valid[k] & (filled[0] != SENTINEL2.nodata)
        ours.append(np.abs(filled[:, seen].astype(float) - values[k][:, seen]).mean())
        nearest.append(np.abs(guess[:, seen].astype(float) - values[k][:, seen]).mean())
    assert np.mean(ours) <= np.mean(nearest), (np.mean(ours), np.mean(nearest))


def nearest_clear(
    values: np.ndarray, valid: np.ndarray, days: np.ndarray, without: int
) -> np.ndarray:
    """Give each pixel's observation on the clear date nearest to date `without`, (band, y, x)."""
    distance = np.abs(days - days[without])[:, None, None] + np.where(valid, 0, 10**6)
    distance[without] = 10**7
    best = distance.argmin(axis=0)
    return np.take_along_axis(values, best[None, None], axis=0)[0]
