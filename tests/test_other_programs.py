"""GDAL's and OTB's own programs open the products; skipped where they are not installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny

from i2lc.chain import cli

pytestmark = pytest.mark.chain


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian packages gdal-bin, otb-bin)")
    return path


def said(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tiny(tmp_path_factory.mktemp("other") / "land", tiles=(2, 1))
    assert cli.main(["-config", str(config), "-scheduler_type", "debug"]) == 0
    return config.parent / "results"


def test_gdalinfo_opens_every_raster(root: Path) -> None:
    gdalinfo = program("gdalinfo")
    rasters = sorted(root.rglob("*.tif"))
    assert len(rasters) > 20
    for path in rasters:
        said(gdalinfo, str(path))


def test_gdalinfo_reads_names_palette_and_layout_of_the_map(root: Path) -> None:
    info = said(program("gdalinfo"), str(root / "final" / "Classif_Seed_0.tif"))
    results = json.loads((root / "final" / "results.json").read_text())
    for code, name in zip(results["labels"], results["names"], strict=True):
        assert f"{code}: {name}" in info
    assert "LAYOUT=COG" in info
    assert "NoData Value=0" in info
    colored = said(program("gdalinfo"), str(root / "final" / "Classif_Seed_0_ColorIndexed.tif"))
    for line in (root.parent / "colors.txt").read_text().splitlines():
        code, red, green, blue = line.split()
        assert f"{code}: {red},{green},{blue},255" in colored


def test_ogrinfo_reads_the_layers(root: Path) -> None:
    ogrinfo = program("ogrinfo")
    for path in sorted((root / "dataAppVal").glob("*.sqlite")):
        info = said(ogrinfo, "-so", "-al", str(path))
        assert "Geometry: Polygon" in info
        assert "code: Integer" in info
        assert "polygon: String" in info
        assert "tile_o: String" in info


def test_otb_counts_the_same_matrix(root: Path, tmp_path: Path) -> None:
    otb = program("otbcli_ComputeConfusionMatrix")
    results = json.loads((root / "final" / "results.json").read_text())
    codes = results["labels"]
    total = np.zeros((len(codes), len(codes)), int)
    for layer in sorted((root / "dataAppVal").glob("*_seed_0_val.sqlite")):
        out = tmp_path / f"{layer.stem}.csv"
        said(
            otb, "-in", str(root / "final" / "Classif_Seed_0.tif"), "-out", str(out),
            "-format", "confusionmatrix", "-ref", "vector", "-ref.vector.in", str(layer),
            "-ref.vector.field", "code", "-ram", "256",
        )  # fmt: skip
        reference, produced, *rows = out.read_text().splitlines()
        across = [int(code) for code in produced.split(":")[1].split(",")]
        down = [int(code) for code in reference.split(":")[1].split(",")]
        for code, row in zip(down, rows, strict=True):
            for column, count in zip(across, row.split(","), strict=True):
                if column:
                    total[codes.index(code), codes.index(column)] += int(count)
    assert total.tolist() == results["confusion_matrix"]
