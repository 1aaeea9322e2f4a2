"""Writes are whole or absent, and a product that does not open is no product."""

import errno
import json
import logging
import os
import re
import subprocess

import geopandas as gpd
import netCDF4
import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.shutil
import shapely
import torch
from affine import Affine
from odc.geo.geobox import GeoBox
from safetensors.torch import save_file

from i2lc.errors import InputError, TaskError
from i2lc.steps.files import disk, ownership, rasters, store
from i2lc.steps.maps import cog

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
    "strips.tif": lambda path: write_raster(path, tiled=False, blockysize=7, blockxsize=None),
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


@pytest.fixture
def claim(tmp_path):
    root = tmp_path / "out"
    root.mkdir()
    hold(root, "run7")
    token = ownership.CLAIM.set(ownership.Claim(root, "run7", 3))
    yield ownership.CLAIM.get()
    ownership.CLAIM.reset(token)


def hold(root, run_id):
    holder = {"run_id": run_id, "host": "node7", "pid": 12, "process_start": 1.0}
    holder |= {"start": "2026-01-02T03:04:05+00:00", "namespace": ""}
    (root / ownership.LOCK).write_text(json.dumps(holder))


def test_the_temporary_name_tells_run_and_try_and_keeps_the_ending(claim):
    with store.writing(claim.root / "new" / "a.tif") as temporary:
        head = f".tmp-run7-3-{os.getpid()}-"
        assert re.fullmatch(re.escape(head) + r"[0-9a-f]{8}-a\.tif", temporary.name)
        assert temporary in store.OPEN
        write_raster(temporary)
    assert leftovers(claim.root / "new") == ["a.tif"]
    assert not store.OPEN


def test_a_process_of_the_same_number_on_another_machine_has_other_names():
    assert store._token(7) == store._token(7)
    store._token.cache_clear()  # as in another process
    first = store._token(7)
    store._token.cache_clear()
    assert store._token(7) != first


def publish(path, harm):
    with store.writing(path) as temporary:
        temporary.write_text("late")
        harm()


def test_a_run_whose_lock_is_missing_publishes_nothing(claim, monkeypatch):
    monkeypatch.setattr(ownership, "SECOND_LOOK", 0)
    store.write_text(claim.root / "a.txt", "early")
    with pytest.raises(ownership.LostRunError) as caught:
        publish(claim.root / "a.txt", (claim.root / ownership.LOCK).unlink)
    assert str(caught.value) == f"run run7 no longer holds {claim.root}: its lock is missing"
    assert leftovers(claim.root) == ["a.txt"]
    assert (claim.root / "a.txt").read_text() == "early"


def test_a_run_whose_lock_was_taken_over_publishes_nothing(claim):
    with pytest.raises(ownership.LostRunError) as caught:
        publish(claim.root / "a.txt", lambda: hold(claim.root, "cd34"))
    assert str(caught.value) == (
        f"run run7 no longer holds {claim.root}: it is held by run cd34 (pid 12 on node7 since "
        "2026-01-02T03:04:05+00:00)"
    )
    assert leftovers(claim.root) == [ownership.LOCK]


def test_an_output_folder_that_vanished_is_not_made_again(claim, monkeypatch):
    monkeypatch.setattr(ownership, "SECOND_LOOK", 0)
    away = claim.root.with_name("away")
    sentence = f"the output folder {claim.root} vanished"
    with pytest.raises(ownership.LostRunError) as caught:
        publish(claim.root / "a.txt", lambda: claim.root.rename(away))
    assert str(caught.value) == sentence
    with pytest.raises(ownership.LostRunError) as caught:
        store.write_text(claim.root / "new" / "a.txt", "text")
    assert str(caught.value) == sentence
    assert not claim.root.exists()


def test_what_lies_outside_of_the_output_folder_has_its_folder_made(claim, tmp_path):
    store.write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


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


def refused(path, write, opens=True):
    """Give what is said when `write` leaves what opens and is not whole."""

    def written():
        with store.writing(path) as temporary:
            write(temporary)
            assert (store.defect(temporary) is None) is opens

    with pytest.raises(TaskError) as caught:
        written()
    assert leftovers(path.parent) == []
    return str(caught.value).removeprefix(f"{path} could not be written: ")


def test_a_raster_with_a_block_that_was_never_written_is_not_published(tmp_path):
    """The last pixel reads well: what is missing lies elsewhere."""

    def write(path):
        with rasters.create(path, GBOX, "uint16", sparse_ok=True) as raster:
            window = rasters.window_of(slice(0, 300), slice(256, 300))
            raster.write(np.ones((300, 44), np.uint16), 1, window=window)

    told = refused(tmp_path / "a.tif", write)
    assert told == "storage block 0, 0 of band 1 is missing"


@pytest.mark.parametrize("options", [{"count": 2}, {"count": 2, "interleave": "pixel"}])
def test_a_raster_with_a_block_of_zero_bytes_is_not_published(tmp_path, options):
    def write(path):
        with rasters.create(path, GBOX, "uint16", **options) as raster:
            raster.write(np.ones((2, *GBOX.shape), np.uint16))
        with rasterio.open(path) as raster:
            place = int(raster.get_tag_item("BLOCK_OFFSET_1_0", "TIFF", bidx=1))
            size = int(raster.get_tag_item("BLOCK_SIZE_1_0", "TIFF", bidx=1))
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes(size))

    told = refused(tmp_path / "a.tif", write)
    assert told.startswith("it cannot be read (")


def test_samples_that_were_not_all_written_are_not_published(tmp_path):
    def write(path):
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("sample", 50000)
            variable = file.createVariable("x", "f8", ("sample",), chunksizes=(512,))
            variable[40000:] = 1.0

    told = refused(tmp_path / "a.nc", write)
    assert re.fullmatch(r"it has \d{5,6} bytes, its variables need 400000", told)


def test_a_truncated_layer_has_a_defect(tmp_path):
    path = tmp_path / "a.sqlite"
    write_sqlite(path)
    path.write_bytes(path.read_bytes()[:-4096])
    assert store.defect(path) == "it does not open (database disk image is malformed)"


@pytest.fixture
def small_disk(tmp_path):
    """Give the folder of a disk of 1 MB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def much_raster(path, **options):
    gbox = GeoBox((900, 900), Affine(10, 0, 0, 0, -10, 0), "EPSG:2154")
    rng = np.random.default_rng(0)
    with rasters.create(path, gbox, "uint16", **options) as raster:
        raster.write(rng.integers(0, 60000, gbox.shape).astype(np.uint16), 1)


def much_cog(path):
    plain = path.parents[1] / "plain.tif"
    much_raster(plain)
    rasterio.shutil.copy(plain, path, driver="COG", COMPRESS="ZSTD")


def much_netcdf(path):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("sample", 300_000)
        file.createVariable("x", "f8", ("sample",), chunksizes=(512,))[:] = np.arange(300_000.0)


def much_sqlite(path):
    count = 4000
    shapes = [shapely.Point(i, i).buffer(3, 32) for i in range(count)]
    frame = gpd.GeoDataFrame({"code": [1] * count}, geometry=shapes, crs="EPSG:2154")
    pyogrio.write_dataframe(frame, path, driver="SQLite", layer="a")


FILLING = {
    "a.tif": much_raster,
    "plain.tif": lambda path: much_raster(path, compress="NONE"),
    "cog.tif": much_cog,
    "a.nc": much_netcdf,
    "a.sqlite": much_sqlite,
    "a.safetensors": lambda path: save_file({"w": torch.rand(500_000)}, path),
    "a.json": lambda path: path.write_text(json.dumps("x" * 2_000_000)),
    "a.txt": lambda path: path.write_text("x" * 2_000_000),
}


@pytest.mark.parametrize("name", list(FILLING))
def test_a_full_disk_is_said_and_left_clean(small_disk, name):
    store.write_text(small_disk / "early.txt", "whole")
    with pytest.raises(disk.DiskFullError) as caught, store.writing(small_disk / name) as path:
        FILLING[name](path)
    assert str(caught.value) == (
        f"no space left on the disk of {small_disk} (0.0 GB free): free some, then -restart"
    )
    assert leftovers(small_disk) == ["early.txt"]
    assert disk.free(small_disk) > 900_000  # nothing holds the space of what is gone
    store.write_text(small_disk / "late.txt", "whole")


@pytest.mark.parametrize(
    ("number", "free", "sentence"),
    [
        (errno.ENOSPC, 3 << 30, "no space left on the disk of {} (3.0 GB free): free some, then"),
        (errno.ENOSPC, None, "no space left on the disk of {}: free some, then -restart"),
        (errno.EDQUOT, 3 << 30, "the disk quota for {} is used up: free some space, then -restart"),
        (errno.EIO, 1000, "no space left on the disk of {} (0.0 GB free): free some, then -rest"),
    ],
)
def test_the_error_of_the_system_is_found_behind_others(
    tmp_path, monkeypatch, number, free, sentence
):
    monkeypatch.setattr(disk, "free", lambda folder: free)

    def written():
        with store.writing(tmp_path / "a.txt"):
            try:
                raise OSError(number, "text")
            except OSError as error:
                raise RuntimeError("a library gave up") from error

    with pytest.raises(disk.DiskFullError) as caught:
        written()
    assert str(caught.value).startswith(sentence.format(tmp_path))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "text"), ValueError("shapes"), MemoryError()])
def test_other_errors_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, store.writing(tmp_path / "a.txt"):
        raise error
    assert caught.value is error


def test_a_cause_that_is_known_is_not_laid_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free", lambda folder: 1000)
    with pytest.raises(InputError, match="no field"), store.writing(tmp_path / "a.txt"):
        raise InputError("no field `code`")
    told = refused(tmp_path / "a.tif", lambda path: path.write_text("half"), opens=False)
    assert told.startswith(f"no space left on the disk of {tmp_path} (0.0 GB free)")


def test_a_write_that_gdal_only_noted_is_not_published(tmp_path):
    def write(path):
        path.write_text("looks whole")
        logging.getLogger("rasterio._env").error("_tiffWriteProc:No space left on device")

    assert refused(tmp_path / "a.txt", write).startswith("no space left on the disk of")
    assert not logging.getLogger("rasterio._env").filters
