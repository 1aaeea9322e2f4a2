"""Products in a tile's folder, and what a tile is once its headers are read."""

import shutil
from dataclasses import replace
from datetime import date

import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.demo import landscape
from i2lc.errors import InputError
from i2lc.steps.files import rasters
from i2lc.steps.sensors.sentinel2 import BANDS, EXAMPLE, SENTINEL2, scan
from i2lc.steps.tiles.grid import LatticeSettings
from i2lc.steps.tiles.tile import TileIndex, index_tile, native_grids, other_grids

TILE = "T31TCJ"


def product(folder, name, leave_out=()):
    """Make the empty files of a product."""
    home = folder / name
    (home / "MASKS").mkdir(parents=True)
    for file in files(name):
        if file not in leave_out:
            (home / file).touch()
    return home


def files(name):
    bands = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
    masks = ("CLM", "SAT", "EDG")
    return [f"{name}_FRE_{b}.tif" for b in bands] + [f"MASKS/{name}_{m}_R1.tif" for m in masks]


@pytest.mark.parametrize(
    "name",
    [
        EXAMPLE,
        "SENTINEL2A_20180511-105804-037_L2A_T31TCJ_C_V1-0",
        "SENTINEL2B_20180511-105804-037_L2A_T31TCJ_D_V2-2",
        "SENTINEL2C_20250111-105804-037_L2A_T31TCJ_C_V4-0",
        "SENTINEL2D_20280229-105804-037_L2A_T31TCJ_D_V10-12",
    ],
)
def test_names_of_products(tmp_path, name):
    product(tmp_path, name)
    found = scan(tmp_path, TILE)
    assert (found.incomplete, found.strays) == ((), ())
    assert [p.name for p in found.products] == [name]
    text = name.split("_")[1][:8]
    assert found.products[0].day == date(int(text[:4]), int(text[4:6]), int(text[6:]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SENTINEL2E_20180511-105804-037_L2A_T31TCJ_D_V1-7", "is no product folder (such as SENT"),
        ("SENTINEL2A_20180511-105804-037_L3A_T31TCJ_D_V1-7", "is no product folder"),
        ("SENTINEL2A_20180511-105804-037_L2A_T31TCJ_E_V1-7", "is no product folder"),
        ("SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D", "is no product folder"),
        ("SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D_V1-7_copy", "is no product folder"),
        ("SENTINEL2A_20180511-105804-037_L2A_T31TDJ_D_V1-7", "product of T31TDJ, not of T31TCJ"),
        ("SENTINEL2A_20181332-105804-037_L2A_T31TCJ_D_V1-7", "no date in its name: 20181332"),
        (EXAMPLE + ".zip", "is an archive: unpack it, or move it elsewhere"),
        ("quicklooks", "is no product folder"),
    ],
)
def test_strays_are_named(tmp_path, name, message):
    product(tmp_path, EXAMPLE)
    product(tmp_path, name) if "." not in name else (tmp_path / name).touch()
    found = scan(tmp_path, TILE)
    assert [p.name for p in found.products] == [EXAMPLE]
    assert len(found.strays) == 1
    assert found.strays[0].startswith(str(tmp_path / name))
    assert message in found.strays[0]


def test_a_file_named_as_a_product_is_a_stray(tmp_path):
    (tmp_path / EXAMPLE).touch()
    assert scan(tmp_path, TILE).products == ()
    assert "is no product folder" in scan(tmp_path, TILE).strays[0]


@pytest.mark.parametrize("missing", files(EXAMPLE))
def test_each_missing_file_is_named(tmp_path, missing):
    home = product(tmp_path, EXAMPLE, leave_out=(missing,))
    found = scan(tmp_path, TILE)
    assert found.products == ()
    assert found.incomplete == (f"missing file {home / missing}",)


def test_all_missing_files_of_all_products_are_named(tmp_path):
    other = EXAMPLE.replace("20180511", "20180601")
    product(tmp_path, EXAMPLE, leave_out=files(EXAMPLE)[:3])
    product(tmp_path, other, leave_out=files(other)[-2:])
    assert len(scan(tmp_path, TILE).incomplete) == 5


def test_products_are_sorted_by_day_then_name(tmp_path):
    names = [
        "SENTINEL2B_20180101-105804-037_L2A_T31TCJ_D_V1-7",
        "SENTINEL2A_20180301-105820-037_L2A_T31TCJ_D_V1-7",
        "SENTINEL2B_20180301-105804-037_L2A_T31TCJ_D_V1-7",
        "SENTINEL2A_20180601-105804-037_L2A_T31TCJ_D_V1-7",
    ]
    for name in reversed(names):
        product(tmp_path, name)
    assert [p.name for p in scan(tmp_path, TILE).products] == names


def test_files_of_a_product_in_the_order_of_bands(tmp_path):
    home = product(tmp_path, EXAMPLE)
    found = scan(tmp_path, TILE).products[0]
    assert list(found.bands) == list(BANDS)
    assert list(found.bands.values()) == [home / file for file in files(EXAMPLE)[:10]]
    assert found.masks["EDG"] == home / "MASKS" / f"{EXAMPLE}_EDG_R1.tif"
    assert set(found.masks) == {"CLM", "SAT", "EDG"}


def test_the_sensor():
    assert (SENTINEL2.finest, SENTINEL2.nodata, SENTINEL2.scale) == ("B2", -10000, 10000)
    assert {band for band, size in BANDS.items() if size == 10} == {"B2", "B3", "B4", "B8"}
    assert SENTINEL2.roles == {"red": "B4", "nir": "B8", "swir": "B11"}


# --- the record of a tile -------------------------------------------------------------------


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    out = tmp_path_factory.mktemp("land")
    landscape.write(out, landscape.Landscape(tiles=(1, 1), size=48, dates=4, classes=2))
    return out / "s2" / TILE


@pytest.fixture
def folder(land, tmp_path):
    return shutil.copytree(land, tmp_path / TILE)


def index(folder, **keys):
    return index_tile(folder, TILE, SENTINEL2, LatticeSettings(**keys))


def test_grid_of_a_tile_in_its_own_crs(land):
    record = index(land, proj="EPSG:32631")
    box = GeoBox((48, 48), Affine(10, 0, record.grid.transform.c, 0, -10, 4_900_020), "EPSG:32631")
    half = GeoBox((24, 24), Affine(20, 0, box.transform.c, 0, -20, 4_900_020), "EPSG:32631")
    assert record.grid == box
    fine = {"B2", "B3", "B4", "B8", "mask"}
    assert record.native == {name: box if name in fine else half for name in (*BANDS, "mask")}
    assert record.tile == TILE
    assert len(record.products) == 4
    assert [p.day for p in record.products] == sorted(p.day for p in record.products)
    with rasterio.open(record.products[0].bands["B2"]) as raster:
        assert record.source_block == raster.block_shapes[0]


def test_grid_of_a_tile_in_the_crs_of_the_run(land):
    record = index(land, spatial_resolution=20)
    assert record.grid.crs == "EPSG:2154"
    assert record.grid.resolution.x == 20
    assert record.grid.transform.c % 20 == record.grid.transform.f % 20 == 0


def test_a_record_survives_the_file(land, tmp_path):
    record = index(land)
    record.save(tmp_path / "index.json")
    assert TileIndex.load(tmp_path / "index.json") == record


def test_a_finer_resolution_than_native_is_refused(land):
    with pytest.raises(InputError, match="spatial_resolution 5 m is finer than the native 10 m"):
        index(land, spatial_resolution=(20, 5))
    assert index(land, spatial_resolution=10).grid == index(land).grid


def test_no_folder_no_product_and_missing_files(tmp_path, folder):
    with pytest.raises(InputError, match=f"tile {TILE}: there is no folder"):
        index(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"tile {TILE}: no product in"):
        index(tmp_path / "empty")
    band = next(folder.glob("*/*_FRE_B8A.tif"))
    band.unlink()
    with pytest.raises(InputError, match=f"missing file .*{band.name}"):
        index(folder)


def test_a_file_that_is_no_raster_is_named(folder):
    first = index(folder).products[0]
    first.masks["CLM"].write_bytes(b"nothing")
    with pytest.raises(InputError, match=rf"{first.masks['CLM'].name} does not open as a raster"):
        index(folder)


def shifted(path, by):
    with rasterio.open(path) as raster:
        gbox = GeoBox(raster.shape, raster.transform * Affine.translation(by, 0), raster.crs)
        pixels = raster.read()
    with rasters.create(path, gbox, pixels.dtype.name) as raster:
        raster.write(pixels)


def test_a_product_on_another_grid_is_named(folder):
    record = index(folder)
    assert list(other_grids(record, SENTINEL2)) == []
    last = record.products[-1]
    shifted(last.bands["B11"], 1)
    assert list(other_grids(record, SENTINEL2)) == [
        f"{last.name}: the grid of B11 is not that of the tile's first product"
    ]


def test_masks_of_different_grids_are_named(folder):
    last = index(folder).products[-1]
    shifted(last.masks["EDG"], 1)
    with pytest.raises(InputError, match=f"{last.name}: its masks have different grids"):
        native_grids(last, SENTINEL2)


def test_r2_masks_are_not_needed(folder):
    record = index(folder)
    for path in folder.glob("*/MASKS/*_R2.tif"):
        path.unlink()
    assert index(folder) == record
    assert list(other_grids(record, SENTINEL2)) == []
    assert replace(record, tile="x") != record
