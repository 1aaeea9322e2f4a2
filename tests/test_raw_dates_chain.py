"""Networks on raw dates, on two tiles that were acquired on different days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from conftest import Ended, digests, run_debug, tiny, with_keys

from i2lc.steps.artifacts import DATE_GRID, TILE_INDEX
from i2lc.steps.contract import Unit
from i2lc.steps.tiles.layout import load_dates
from i2lc.steps.tiles.tile import TileIndex

pytestmark = pytest.mark.chain
TILES = ("T31TCJ", "T31TDJ")
CLASSES = 3
RAW = """{
 features_from_raw_dates : True
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny(tmp_path_factory.mktemp("raw") / "land", tiles=(2, 1), size=80, classes=CLASSES)
    text = made.read_text()
    head = next(line for line in text.splitlines() if line.startswith("arg_train"))
    assert text.count(f"{head}\n{{\n") == 1
    made.write_text(text.replace(f"{head}\n{{\n", f"{head}\n{RAW}"))
    return with_keys(
        made, "raw.cfg", dl_name='"LTAEClassifier"', epochs="40", learning_rate="[0.003]"
    )


def run(config: Path, name: str, **keys: str) -> Ended:
    made = with_keys(config, f"{name}.cfg", output_path=f'"{name}"', **keys)
    ended = run_debug(made, made.parent / name)
    assert ended.status == 0
    return ended


@pytest.fixture(scope="module")
def mapped(config: Path) -> Ended:
    return run(config, "one", number_of_chunks="1")


def test_samples_lack_the_days_of_the_other_tile(mapped: Ended) -> None:
    dates = load_dates(mapped.root / DATE_GRID.path(Unit()))
    own = {}
    for tile in TILES:
        index = TileIndex.load(mapped.root / TILE_INDEX.path(Unit(tile=tile)))
        own[tile] = {product.day for product in index.products}
    assert dates == tuple(sorted(own[TILES[0]] | own[TILES[1]]))
    path = mapped.root / "learningSamples" / "Samples_region_1_seed0_learn.nc"
    with xr.open_dataset(path) as found:
        assert found.attrs["dates"] == "raw"
        for rank, tile in enumerate(TILES):
            mine = found["features"].values[found["tile"].values == rank]
            foreign = [day not in own[tile] for day in dates]
            assert len(mine) > 50
            assert 0 < sum(foreign) < len(dates)
            np.testing.assert_array_equal(
                mine == -20000, np.broadcast_to(np.array(foreign)[:, None], mine.shape)
            )
            assert (mine == -10000).any()
            assert (mine > -10000).any(axis=(1, 2)).all()


def test_the_map_is_beyond_chance(mapped: Ended, config: Path) -> None:
    with (
        rasterio.open(mapped.root / "final" / "Classif_Seed_0.tif") as made,
        rasterio.open(config.parent / "truth.tif") as truth,
    ):
        assert made.transform == truth.transform
        found, true = made.read(1), truth.read(1)
    known = (true > 0) & (found > 0)
    assert known.sum() > 0.95 * (true > 0).sum()
    counts = np.bincount(true[known])
    assert (found[known] == true[known]).mean() > counts.max() / counts.sum() + 0.2


def test_chunks_change_no_byte(mapped: Ended, config: Path) -> None:
    assert digests(run(config, "three", number_of_chunks="3").root) == digests(mapped.root)
