"""The features map as a Zarr store: what xarray finds in it, and that it is whole or absent."""

import asyncio
import errno
import hashlib
import json
import shutil
import subprocess
import time
from dataclasses import asdict
from datetime import date

import numpy as np
import pytest
import rioxarray  # noqa: F401  # the accessor `rio`
import xarray as xr
import zarr
from affine import Affine
from odc.geo.geobox import GeoBox
from zarr.storage import LocalStore

from i2lc.chain.records import ledger, leftovers, lock
from i2lc.errors import TaskError
from i2lc.steps.files import disk, store, zarr_check
from i2lc.steps.files.ownership import LOCK
from i2lc.steps.maps import zarr_store
from i2lc.steps.maps.zarr_store import Content
from i2lc.steps.sampling.samples_file import Axes
from i2lc.steps.tiles import grid

BOX = GeoBox((300, 530), Affine(10, 0, 500000, 0, -10, 6600000), "EPSG:2154")
DAYS = (date(2018, 1, 1), date(2018, 1, 11), date(2018, 2, 1))
AXES = Axes(DAYS, ("B2", "NDVI"), (10000.0, 1000.0))
BOTH = Axes(
    DAYS, ("B2", "NDVI"), (10000.0, 1000.0), statics=("slope", "phase"), static_scales=(10.0, 0.1)
)
NODATA = -10000


def values_of(axes, dtype="int16"):
    rng = np.random.default_rng(0)
    found = rng.integers(-900, 9000, (axes.features, *BOX.shape)).astype(dtype)
    found[:, 10:290, 5:25] = NODATA
    return found


def reader(values):
    def read(window, bands):
        row, col = grid.offset(window, BOX)
        rows, cols = slice(row, row + window.height), slice(col, col + window.width)
        return values[[band - 1 for band in bands], rows, cols]

    return read


def write(folder, axes=BOTH, dtype="int16", compression="ZSTD", ram=2**30, values=None):
    values = values_of(axes, dtype) if values is None else values
    content = Content(BOX, axes, dtype, NODATA)
    zarr_store.write(folder, content, compression, reader(values), ram)
    return values


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def seen(values):
    return np.where(values == NODATA, np.nan, values)


def test_xarray_finds_dates_bands_and_places(tmp_path):
    values = write(tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        assert set(found.data_vars) == {"features", "statics"}
        assert found.features.dims == ("date", "band", "y", "x")
        assert found.date.values.astype("datetime64[D]").tolist() == list(DAYS)
        assert found.band.values.tolist() == ["B2", "NDVI"]
        assert found.label.values.tolist() == ["slope", "phase"]
        assert found.scale.values.tolist() == [10000, 1000]
        assert found.static_scale.values.tolist() == [10, 0.1]
        y, x = grid.centres(BOX)
        np.testing.assert_array_equal(found.y, y)
        np.testing.assert_array_equal(found.x, x)
        chosen = found.features.sel(date="2018-01-11", band="NDVI")
        np.testing.assert_array_equal(chosen, seen(values[3]))
        np.testing.assert_array_equal(found.features, seen(values[:6]).reshape(3, 2, *BOX.shape))
        np.testing.assert_array_equal(found.statics.sel(label="phase"), seen(values[7]))


def test_rioxarray_knows_where_it_lies(tmp_path):
    write(tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        for part in (found, found.features, found.statics):
            assert part.rio.crs.to_epsg() == 2154
            assert part.rio.transform() == BOX.transform


def test_physical_values_have_no_scale(tmp_path):
    values = write(tmp_path / "a.zarr", AXES, "float32") / np.float32(7)
    write(tmp_path / "a.zarr", AXES, "float32", values=values)
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        assert set(found.coords) == {"date", "band", "y", "x", "spatial_ref"}
        assert set(found.data_vars) == {"features"}
        assert found.features.dtype == np.float32
        np.testing.assert_array_equal(found.features[2, 0], seen(values[4]))


def test_statics_alone(tmp_path):
    """Functions of which none gives a series, with concat_mode False."""
    axes = Axes(DAYS, (), (), statics=("slope",), static_scales=(10.0,))
    values = write(tmp_path / "a.zarr", axes)
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        assert set(found.data_vars) == {"statics"}
        np.testing.assert_array_equal(found.statics[0], seen(values[0]))


def test_memory_changes_no_byte(tmp_path):
    found = []
    for number, ram in enumerate((2**30, 2**23, 0)):
        write(tmp_path / f"{number}.zarr", ram=ram)
        found.append(digests(tmp_path / f"{number}.zarr"))
    assert found[0] == found[1] == found[2]
    chunks = [name for name in found[0] if name.startswith("features/") and ".z" not in name]
    assert len(chunks) == 2 * 2 * 3  # all dates of a band, in 2 by 3 windows


def test_long_series_are_cut_into_equal_chunks():
    assert zarr_store.chunk_dates(37, "float32") == 37
    assert zarr_store.chunk_dates(64, "float32") == 64
    assert zarr_store.chunk_dates(65, "float32") == 33
    assert zarr_store.chunk_dates(73, "int16") == 73
    assert zarr_store.chunk_dates(300, "int16") == 100


def test_a_series_of_several_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_store, "MOST_CHUNK_BYTES", 2 * 2 * zarr_store.CHUNK**2)
    values = write(tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        assert found.features.chunks[0] == (2, 1)
        np.testing.assert_array_equal(found.features, seen(values[:6]).reshape(3, 2, *BOX.shape))


@pytest.mark.parametrize(("name", "codec"), [("ZSTD", "zstd"), ("DEFLATE", "zlib"), ("NONE", None)])
def test_compressions(tmp_path, name, codec):
    values = write(tmp_path / "a.zarr", compression=name)
    known = json.loads((tmp_path / "a.zarr" / "features" / ".zarray").read_text())
    assert (known["compressor"] or {}).get("cname") == codec
    found = zarr.open_group(tmp_path / "a.zarr", mode="r")["features"][:]
    np.testing.assert_array_equal(found, values[:6].reshape(3, 2, *BOX.shape))


def test_a_store_replaces_an_earlier_one(tmp_path):
    write(tmp_path / "a.zarr", BOTH)
    (tmp_path / "a.zarr" / "stale").mkdir()
    values = write(tmp_path / "a.zarr", AXES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert not (tmp_path / "a.zarr" / "stale").exists()
    assert not (tmp_path / "a.zarr" / "statics").exists()
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        np.testing.assert_array_equal(found.features[0, 1], seen(values[1]))


def test_a_failure_leaves_the_earlier_store(tmp_path):
    write(tmp_path / "a.zarr", AXES)
    before = digests(tmp_path / "a.zarr")
    calls = []

    def fail(window, bands):
        calls.append(window)
        if len(calls) > 1:
            raise RuntimeError("no pixel")
        return reader(values_of(AXES))(window, bands)

    with pytest.raises(RuntimeError, match="no pixel"):
        zarr_store.write(tmp_path / "a.zarr", Content(BOX, AXES, "int16", NODATA), "ZSTD", fail, 0)
    assert len(calls) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert digests(tmp_path / "a.zarr") == before


def test_a_store_that_lacks_a_chunk_is_not_published(tmp_path):
    def harm():
        with store.writing_folder(tmp_path / "a.zarr") as folder:
            shutil.copytree(tmp_path / "whole.zarr", folder, dirs_exist_ok=True)
            (folder / "statics" / "1.1.2").unlink()

    write(tmp_path / "whole.zarr")
    with pytest.raises(TaskError, match=r"a\.zarr could not be written: it does not open \(array"):
        harm()
    assert [path.name for path in tmp_path.iterdir()] == ["whole.zarr"]


def test_what_a_store_lacks_is_a_defect(tmp_path):
    write(tmp_path / "a.zarr")
    metadata = tmp_path / "a.zarr" / zarr_check.METADATA
    (tmp_path / "a.zarr" / "..zmetadata.record.json").write_text("{}")  # a record is no chunk
    assert store.defect(metadata) is None
    (tmp_path / "a.zarr" / "features" / "0.1.1.2").write_bytes(b"")
    text = "it does not open (array features has 11 of 12 chunks)"
    assert store.defect(metadata) == text
    (tmp_path / "a.zarr" / "features" / "0.1.1.2").unlink()
    assert store.defect(metadata) == text
    metadata.write_text("{")
    assert store.defect(metadata).startswith("it does not open (Expecting property name")
    metadata.unlink()
    assert store.defect(metadata) == "the file is missing"


def test_a_store_that_lost_a_chunk_is_not_finished(tmp_path):
    write(tmp_path / "a.zarr")
    metadata = tmp_path / "a.zarr" / zarr_check.METADATA
    made = ledger.Fingerprint("features_mosaic", "", "1", {}, {}, {}, {})
    ledger.write_record(metadata, made)
    assert ledger.unfinished(metadata) is None
    (tmp_path / "a.zarr" / "features" / "0.1.1.2").unlink()
    assert ledger.unfinished(metadata) == "it does not open (array features has 11 of 12 chunks)"


def test_a_record_in_the_store_disturbs_no_reader(tmp_path):
    write(tmp_path / "a.zarr", AXES)
    (tmp_path / "a.zarr" / "..zmetadata.record.json").write_text("{}")
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        assert found.sizes["band"] == 2
    names = {name for name, _ in zarr.open_group(tmp_path / "a.zarr", mode="r").members()}
    assert names == {"features", "date", "band", "scale", "y", "x", "spatial_ref"}


def test_a_full_disk_is_said_and_left_clean(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        store.write_text(folder / "early.txt", "whole")
        with pytest.raises(disk.DiskFullError, match=r"^no space left on the disk of .* -restart$"):
            write(folder / "a.zarr")
        assert [path.name for path in folder.iterdir()] == ["early.txt"]
        assert disk.free(folder) > 900_000
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_what_zarr_still_writes_after_an_error_is_waited_for(tmp_path, monkeypatch):
    """The other writes of the same moment go on, and each makes its own folder."""
    begun, ended, put = [], [], LocalStore.set

    async def write_late(self, key, value):
        if key == "features/0.0.0.0":
            while not begun:
                await asyncio.sleep(0.01)
            raise OSError(errno.EIO, "the disk is broken")
        if key.startswith("features/0"):
            begun.append(key)
            await asyncio.sleep(0.3)
            ended.append(key)
        await put(self, key, value)

    monkeypatch.setattr(LocalStore, "set", write_late)
    with pytest.raises(OSError, match="the disk is broken"):
        write(tmp_path / "a.zarr")
    assert ended == begun != []
    assert list(tmp_path.iterdir()) == []
    time.sleep(0.5)
    assert ended == begun
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_the_store_is_replaced_and_what_it_names_stays(tmp_path):
    write(tmp_path / "mine.zarr", AXES)
    before = digests(tmp_path / "mine.zarr")
    (tmp_path / "a.zarr").symlink_to(tmp_path / "mine.zarr")
    write(tmp_path / "a.zarr", BOTH)
    assert not (tmp_path / "a.zarr").is_symlink()
    assert digests(tmp_path / "mine.zarr") == before
    assert {path.name for path in tmp_path.iterdir()} == {"mine.zarr", "a.zarr"}


def test_half_a_store_of_a_run_that_was_killed_goes(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps(asdict(lock.this_process("ab12"))))
    for name in ("dead-1-7-a.zarr", "ab12-1-7-a.zarr-old"):
        (tmp_path / "final" / f".tmp-{name}" / "features").mkdir(parents=True)
        (tmp_path / "final" / f".tmp-{name}" / "features" / "0.0").write_text("half")
    assert leftovers.remove(tmp_path, ["final"], "ab12") == 1
    assert [path.name for path in (tmp_path / "final").iterdir()] == [".tmp-ab12-1-7-a.zarr-old"]
    assert leftovers.remove_own(tmp_path, ["final"], "ab12") == 1
    assert list((tmp_path / "final").iterdir()) == []
