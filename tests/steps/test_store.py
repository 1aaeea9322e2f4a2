"""Writes are whole or absent, and a product that does not open is no product."""

import json

import geopandas as gpd
import netCDF4
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import torch
from affine import Affine
from odc.geo.geobox import GeoBox
from safetensors.torch import save_file

from i2lc.errors import TaskError
from i2lc.steps import cog, rasters, store

GBOX = GeoBox((300, 300), Affine(10, 0, 0, 0, -10, 0), "EPSG:2154")


def write_raster(path, **options):
    rng = np.random.default_rng(0)
    with rasters.create(path, GBOX, "uint16", **options) as raster:
        raster.write(rng.integers(0, 60000, GBOX.shape).astype(np.uint16), 1)


def write_cog(path):
    def fill(raster):
        rng = np.random.default_rng(0)
        raster.write(rng.integers(1, 9, GBOX.shape).astype(np.uint8), 1)

    cog.write(path, GBOX, cog.Look("uint8", 0, "mode"), "ZSTD", fill)


def write_netcdf(path):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("sample", 5000)
        file.createVariable("x", "f8", ("sample",))[:] = np.arange(5000)


def write_sqlite(path):
    frame = gpd.GeoDataFrame({"code": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:2154")
    pyogrio.write_dataframe(frame, path, driver="SQLite", dataset_options={"SPATIALITE": "YES"})


def write_model(path):
    save_file({"w": torch.zeros(500)}, path)


def write_figure(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


PRODUCTS = {
    "a.tif": write_raster,
    "cog.tif": write_cog,
    "plain.tif": lambda path: write_raster(path, compress="NONE"),
    "strips.tif": lambda path: write_raster(path, **rasters.storage((7, 300), 300)),
    "a.nc": write_netcdf,
    "a.sqlite": write_sqlite,
    "a.safetensors": write_model,
    "a.png": write_figure,
    "a.json": lambda path: path.write_text(json.dumps({"a": list(range(100))})),
    "a.txt": lambda path: path.write_text("text é"),
}


@pytest.fixture(params=list(PRODUCTS))
def product(request, tmp_path):
    path = tmp_path / request.param
    PRODUCTS[request.param](path)
    return path


def test_a_whole_product_has_no_defect(product):
    assert store.defect(product) is None


def test_a_product_that_is_garbage_has_a_defect(product):
    product.write_bytes(b"\xff\xfe\xfd" * 50)
    assert "it does not open (" in store.defect(product)


@pytest.mark.parametrize("share", [0.5, 0.99])
@pytest.mark.parametrize(
    "name", ["a.tif", "cog.tif", "plain.tif", "strips.tif", "a.nc", "a.safetensors", "a.json"]
)
def test_a_truncated_product_has_a_defect(tmp_path, name, share):
    path = tmp_path / name
    PRODUCTS[name](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert store.defect(path) is not None


def test_a_missing_product_has_a_defect(tmp_path):
    assert store.defect(tmp_path / "a.tif") == "the file is missing"
    assert store.defect(tmp_path) == "the file is missing"


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_product_appears_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with store.writing(path) as temporary:
        temporary.write_text("content")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "content"
    assert leftovers(path.parent) == ["a.txt"]


def test_the_temporary_name_tells_the_run_and_keeps_the_ending(tmp_path):
    token = store.RUN_ID.set("run7")
    try:
        with store.writing(tmp_path / "a.tif") as temporary:
            assert temporary.name.startswith(".tmp-run7-")
            assert temporary.name.endswith("-a.tif")
            write_raster(temporary)
    finally:
        store.RUN_ID.reset(token)
    assert leftovers(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_what_was_there(tmp_path, before):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)

    def interrupted():
        with store.writing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    assert leftovers(tmp_path) == (["a.txt"] if before else [])
    assert not before or path.read_text() == before


def test_an_interrupt_of_the_keyboard_leaves_nothing(tmp_path):
    def interrupted():
        with store.writing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert leftovers(tmp_path) == []


def test_what_does_not_open_is_not_published(tmp_path):
    (tmp_path / "a.tif").write_text("old")

    def written():
        with store.writing(tmp_path / "a.tif") as temporary:
            temporary.write_text("no raster")

    with pytest.raises(TaskError, match=r"a\.tif could not be written: it does not open"):
        written()
    assert leftovers(tmp_path) == ["a.tif"]
    assert (tmp_path / "a.tif").read_text() == "old"


def test_what_was_not_written_is_not_published(tmp_path):
    def written():
        with store.writing(tmp_path / "a.tif"):
            pass

    with pytest.raises(TaskError, match="the file is missing"):
        written()
    assert leftovers(tmp_path) == []


def test_a_raster_open_while_the_block_ends_is_not_published(tmp_path):
    """A dataset that was not closed is half a file on disk."""
    with pytest.raises(TaskError), store.writing(tmp_path / "a.tif") as temporary:
        raster = rasters.create(temporary, GBOX, "uint16")
    raster.close()
    assert not (tmp_path / "a.tif").exists()


def test_equal_data_give_equal_bytes(tmp_path):
    store.write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, "é"]})
    store.write_json(tmp_path / "b.json", {"a": [1.5, "é"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_text(encoding="utf-8").endswith("\n")
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert store.read_json(tmp_path / "a.json") == {"a": [1.5, "é"], "b": 1}


def test_data_that_are_no_json_leave_nothing(tmp_path):
    with pytest.raises(TypeError):
        store.write_json(tmp_path / "a.json", {"a": object()})
    assert leftovers(tmp_path) == []


def test_a_raster_survives_the_way(tmp_path):
    with store.writing(tmp_path / "a.tif") as temporary:
        write_raster(temporary)
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.shape == (300, 300)
        assert raster.compression.name == "zstd"
        assert int(raster.read(1).astype(int).sum()) > 0
