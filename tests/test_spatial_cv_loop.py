"""Spatial cross-validation in a shell: the users' loop with OTB's tools, and the example's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from conftest import with_keys

from i2lc.demo import landscape
from i2lc.steps.files import store
from i2lc.steps.scoring import compare_table

pytestmark = [pytest.mark.chain, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "spatial_cv.sh"
FOLDS = range(4)
LOOP = r"""
set -e
for REGION in 0 1 2 3
do
    echo Processing Region ${REGION}
    OUTDIR=${WORK}/out/outputs_${REGION}/
    if [ -d "${OUTDIR}" ]; then rm -Rf ${OUTDIR}; fi
    mkdir ${OUTDIR}
    sed -i "s/outputs_\([0-9]\)/outputs_${REGION}/" ${WORK}/config_base.cfg
    sed -i "s/gt_\([0-9]\)/gt_${REGION}/" ${WORK}/config_base.cfg
    i2lc \
    -config ${WORK}/config_base.cfg \
    -config_ressources ${WORK}/ressources.cfg \
    -scheduler_type debug \
    -nb_parallel_tasks 2
    otbcli_ComputeConfusionMatrix \
    -in ${OUTDIR}final/Classif_Seed_0.tif \
    -out ${OUTDIR}confu_test.txt \
    -format confusionmatrix \
    -ref vector -ref.vector.in ${WORK}/data/tgt_${REGION}.shp \
    -ref.vector.field code \
    -ram 16384
    ogrmerge.py -f SQLITE -o ${OUTDIR}merged_val.sqlite \
        ${OUTDIR}dataAppVal/*_val.sqlite
    otbcli_ComputeConfusionMatrix \
    -in ${OUTDIR}final/Classif_Seed_0.tif \
    -out ${OUTDIR}confu_train.txt \
    -format confusionmatrix \
    -ref vector -ref.vector.in ${OUTDIR}merged_val.sqlite \
    -ref.vector.field code \
    -ram 16384
done
"""
"""Listing 3 of the users, less what sets up their environment; Iota2.py is i2lc, on this
process's cores, and the paths are others."""


def shell(work, *command):
    """Run a command as a user does, with i2lc on the path; give what it says."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=work,
        env={**os.environ, "PATH": path, "WORK": str(work), "SCHEDULER": "debug"},
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Give a folder with a landscape of 2 x 2 tiles and the configuration of fold 0."""
    folder = tmp_path_factory.mktemp("loop") / "land"
    land = landscape.Landscape(tiles=(2, 2), size=96, dates=6, classes=3)
    first = landscape.write(folder, land)
    base = with_keys(
        first,
        "config_base.cfg",
        epochs="3",
        number_of_chunks="1",
        last_step="'mosaic'",
        output_path='"out/outputs_0"',
        ground_truth='"data/gt_0.shp"',
    )
    shutil.copy(base, folder / "example.cfg")
    (folder / "ressources.cfg").write_text("training :\n{\n nb_cpu : 1\n ram : '2gb'\n}\n")
    (folder / "out").mkdir()
    return folder


@pytest.fixture(scope="module")
def listing(work):
    """Run the users' loop on pairs of files; tell what is missing for it, or nothing."""
    names = ("otbcli_ComputeConfusionMatrix", "ogrmerge.py")
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        pairs = ("-in.vector", "ground_truth.shp", "-config", "example.cfg", "-out", "data")
        shell(work, "i2lc", "split-tiles", *pairs)
        shell(work, "bash", "-c", LOOP)
    return " and ".join(missing)


@pytest.fixture(scope="module")
def example(work, listing):
    """Run the example on the same folders; give what it says."""
    call = ("example.cfg", "ground_truth.shp", "code", "data", "out")
    return shell(work, "bash", str(EXAMPLE), *call)


def test_the_example_ends_in_two_tables_of_scores(example, work):
    same, other = example.split("Same area: ")[1].split("Left out: ")
    for name, text in (("same_area", same), ("left_out", other)):
        _, head, *rows = text.splitlines()
        assert head.split() == ["OA", "kappa", "mean", "F", "pixels"]
        files = [f"out/scores/{name}_{fold}/confusion.json" for fold in FOLDS]
        assert [row.split()[0] for row in rows] == [*files, "mean", "all"]
        values = [store.read_json(work / file)["oa"] for file in files]
        assert [row.split()[1] for row in rows[:4]] == [f"{value:.3f}" for value in values]
        spread = f"{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}"
        assert re.fullmatch(rf"mean \+- sd +{re.escape(spread)} .*", rows[4])


def test_no_polygon_of_the_left_out_tile_is_learned_or_validated(example, work):
    for fold in FOLDS:
        learned = pyogrio.read_dataframe(work / "data" / f"gt_{fold}.shp").to_crs(2154)
        tested = pyogrio.read_dataframe(work / "data" / f"tgt_{fold}.shp").to_crs(2154)
        assert not learned.geometry.isin(tested.geometry).any()
        layers = sorted((work / "out" / f"outputs_{fold}" / "dataAppVal").glob("*.sqlite"))
        assert len(layers) == 8
        for layer in layers:
            used = pyogrio.read_dataframe(layer)
            shared = used.geometry.buffer(-1).intersects(tested.union_all())
            assert not shared.any()


def test_the_users_loop_runs_and_counts_the_same(example, listing, work):
    if listing:
        pytest.skip(f"{listing} not installed (Debian packages otb-bin, gdal-bin)")
    reused = r"restart: \d+ tasks reused, 0 to do"
    assert len(re.findall(reused, example)) == len(FOLDS), "the example did not go on"
    for fold in FOLDS:
        root, scores = work / "out" / f"outputs_{fold}", work / "out" / "scores"
        for theirs, ours in (("confu_test", "left_out"), ("confu_train", "same_area")):
            text = (root / f"{theirs}.txt").read_text()
            found = scores / f"{ours}_{fold}"
            assert (found / "confusion.csv").read_text() == text
            table = compare_table.load(found / "confusion.json")
            assert table.as_csv() == text
            assert table.total() > 500
