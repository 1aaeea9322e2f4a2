"""The final rasters: Cloud Optimized GeoTIFF, overviews, names, palette; mosaics of tiles."""

from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from i2lc.steps.files import rasters
from i2lc.steps.maps import cog
from i2lc.steps.maps.cog import Look
from i2lc.steps.series import blocks
from i2lc.steps.tiles import grid, tile


def box(height, width, row=0, col=0):
    return GeoBox((height, width), Affine(10, 0, col * 10, 0, -10, -row * 10), "EPSG:2154")


def filled(pixels):
    def fill(raster):
        raster.write(pixels if pixels.ndim == 3 else pixels[None])

    return fill


LABELS = np.random.default_rng(0).choice([0, 1, 9, 200], (700, 1100)).astype(np.uint8)
MAP = Look("uint8", 0, "mode", ("class",))


@pytest.fixture(scope="module")
def final(tmp_path_factory):
    """A map of blocks of 2 x 2 pixels of which three are of one class."""
    path = tmp_path_factory.mktemp("cog") / "map.tif"
    coarse = LABELS[:350, :550]
    pixels = coarse.repeat(2, axis=0).repeat(2, axis=1)
    pixels[::2, ::2] = 77  # one in four differs
    palette = {0: (0, 0, 0), 1: (255, 0, 10), 9: (1, 2, 3), 77: (7, 7, 7), 200: (0, 90, 0)}
    look = Look("uint8", 0, "mode", ("class",), palette)
    cog.write(path, box(700, 1100, 5, 7), look, "ZSTD", filled(pixels))
    return path, pixels, coarse, palette


def test_is_a_cloud_optimized_geotiff(final):
    path, pixels, _, _ = final
    with rasterio.open(path) as raster:
        assert raster.driver == "GTiff"
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "ZSTD"
        assert raster.block_shapes == [(512, 512)]
        assert raster.overviews(1) == [2, 4]
        assert raster.dtypes == ("uint8",)
        assert raster.nodata == 0
        assert raster.descriptions == ("class",)
        assert tile.header(path).grid == box(700, 1100, 5, 7)
        np.testing.assert_array_equal(raster.read(1), pixels)


def test_overviews_of_labels_are_the_most_frequent_class(final):
    path, pixels, coarse, _ = final
    with rasterio.open(path, overview_level=0) as raster:
        # 0 is nodata and never wins against a class, so blocks of 0 show the odd pixel
        np.testing.assert_array_equal(raster.read(1), np.where(coarse == 0, 77, coarse))
    with rasterio.open(path, overview_level=1) as raster:
        assert set(np.unique(raster.read(1))) <= set(np.unique(pixels))


def test_overviews_by_nearest_invent_no_value(tmp_path):
    pixels = np.random.default_rng(1).choice([3, 60000], (700, 700)).astype(np.uint16)
    path = tmp_path / "a.tif"
    cog.write(path, box(700, 700), Look("uint16", None, "nearest"), "DEFLATE", filled(pixels))
    with rasterio.open(path) as raster:
        assert raster.nodata is None
        assert raster.overviews(1) == [2]
    with rasterio.open(path, overview_level=0) as raster:
        assert set(np.unique(raster.read(1))) == {3, 60000}


def test_the_palette_is_read_back(final):
    path, _, _, palette = final
    with rasterio.open(path) as raster:
        found = raster.colormap(1)
        assert raster.colorinterp[0].name == "palette"
    assert {value: found[value][:3] for value in palette} == palette


def test_a_map_without_palette_has_none(tmp_path):
    cog.write(tmp_path / "a.tif", box(20, 30), MAP, "ZSTD", filled(LABELS[:20, :30]))
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.colorinterp[0].name == "gray"


def test_palette_of_codes_above_255(tmp_path):
    palette = {0: (0, 0, 0), 300: (1, 2, 3), 65535: (9, 8, 7)}
    pixels = np.array([[0, 300], [65535, 300]], np.uint16)
    look = Look("uint16", 0, "mode", ("class",), palette)
    cog.write(tmp_path / "a.tif", box(2, 2), look, "ZSTD", filled(pixels))
    with rasterio.open(tmp_path / "a.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), pixels)
        found = raster.colormap(1)
    assert {value: found[value][:3] for value in palette} == palette


@pytest.mark.parametrize("name", ["ZSTD", "DEFLATE", "LZW", "NONE"])
def test_compressions(tmp_path, name):
    settings = cog.CogSettings(compression_algorithm=name)
    path = tmp_path / "a.tif"
    cog.write(path, box(20, 30), MAP, settings.compression_algorithm, filled(LABELS[:20, :30]))
    with rasterio.open(path) as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "NONE") == name
        np.testing.assert_array_equal(raster.read(1), LABELS[:20, :30])


def test_an_unknown_compression_is_refused():
    with pytest.raises(ValidationError, match="'ZSTD', 'DEFLATE', 'LZW' or 'NONE'"):
        cog.CogSettings(compression_algorithm="zip")
    assert cog.CogSettings().compression_algorithm == "ZSTD"


def test_bands_keep_their_names(tmp_path):
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 2, 2)
    look = Look("uint16", 65535, "nearest", ("corn", "water", "forêt"))
    cog.write(tmp_path / "a.tif", box(2, 2), look, "ZSTD", filled(pixels))
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.descriptions == ("corn", "water", "forêt")
        assert raster.nodatavals == (65535,) * 3
        np.testing.assert_array_equal(raster.read(), pixels)


def test_equal_pixels_give_equal_bytes(tmp_path):
    for name in ("a.tif", "b.tif"):
        cog.write(tmp_path / name, box(700, 1100), MAP, "ZSTD", filled(LABELS))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_failure_leaves_nothing(tmp_path):
    def fill(raster):
        raise RuntimeError("no pixel")

    with pytest.raises(RuntimeError, match="no pixel"):
        cog.write(tmp_path / "a.tif", box(20, 30), MAP, "ZSTD", fill)
    assert list(tmp_path.iterdir()) == []


def test_a_mosaic_has_each_part_at_its_place(tmp_path):
    """Tiles overlap; each holds nodata where the other one owns the pixel."""
    rng = np.random.default_rng(2)
    whole = rng.integers(1, 9, (600, 700)).astype(np.uint8)
    owner = rng.integers(0, 3, whole.shape)  # 2: nobody
    places = [(slice(0, 560), slice(0, 530)), (slice(30, 600), slice(500, 700))]
    outer, parts, expected = box(600, 700, 20, 30), [], np.zeros_like(whole)
    for number, (rows, cols) in enumerate(places):
        mine = np.where(owner == number, whole, 0)[rows, cols]
        expected[rows, cols] = np.where(mine != 0, mine, expected[rows, cols])
        gbox = grid.crop(outer, rows, cols)
        with rasters.create(tmp_path / f"{number}.tif", gbox, "uint8") as raster:
            raster.write(mine, 1)
        parts.append((gbox, tmp_path / f"{number}.tif"))
    for order in (parts, parts[::-1]):
        cog.write(tmp_path / "a.tif", outer, MAP, "ZSTD", cog.mosaic(outer, order, 0))
        with rasterio.open(tmp_path / "a.tif") as raster:
            np.testing.assert_array_equal(raster.read(1), expected)
    overlap = (slice(30, 560), slice(500, 530))  # where both tiles give
    np.testing.assert_array_equal(expected[overlap] != 0, owner[overlap] != 2)


def test_a_mosaic_of_probabilities_keeps_0_as_a_value(tmp_path):
    gbox = box(2, 3)
    for name, values in (("a", [0, 65535, 5]), ("b", [65535, 0, 65535])):
        with rasters.create(tmp_path / f"{name}.tif", gbox, "uint16", 2) as raster:
            raster.write(np.broadcast_to(np.array(values, np.uint16), (2, 2, 3)))
    parts = [(gbox, tmp_path / "a.tif"), (gbox, tmp_path / "b.tif")]
    look = Look("uint16", 65535, "nearest", ("x", "y"))
    cog.write(tmp_path / "c.tif", box(3, 3), look, "ZSTD", cog.mosaic(box(3, 3), parts, 65535))
    with rasterio.open(tmp_path / "c.tif") as raster:
        np.testing.assert_array_equal(raster.read(2), [[0, 0, 5]] * 2 + [[65535] * 3])


def test_gdal_reads_the_category_names(tmp_path):
    """Rasterio has no API for them, but GDAL copies them into a VRT."""
    path = tmp_path / "map.tif"
    cog.write(path, box(2, 2), MAP, "ZSTD", filled(np.array([[0, 1], [4, 4]], np.uint8)))
    names = {0: "no data", 1: "corn & <maize>", 4: "forêt"}
    cog.write_categories(tmp_path / "map.tif.aux.xml", names)
    with rasterio.open(path) as raster:
        rasterio.shutil.copy(raster, tmp_path / "map.vrt", driver="VRT")
    root = ElementTree.parse(tmp_path / "map.vrt").getroot()
    found = [element.text or "" for element in root.iter("Category")]
    assert found == ["no data", "corn & <maize>", "", "", "forêt"]


def test_the_bytes_of_a_raster_do_not_depend_on_the_blocks(tmp_path):
    """Nor on what GDAL's cache holds at the time, as that of a worker it is small."""
    gbox = GeoBox((300, 500), Affine(10, 0, 300000, 0, -10, 4900000), "EPSG:32631")
    pixels = np.random.default_rng(1).integers(0, 9, (300, 500)).astype(np.uint16)
    found = set()
    for number, block in enumerate([(300, 500), (5, 500), (48, 64), (16, 496)]):
        path = tmp_path / f"{number}.tif"
        with (
            rasterio.Env(GDAL_CACHEMAX=65536 if number % 2 else 2**26),
            rasters.create(path, gbox, "uint16", **rasters.RowWriter.STORED) as raster,
        ):
            output = rasters.RowWriter(raster)
            for rows, cols in blocks.blocks((300, 500), block):
                output.write(pixels[rows, cols], rows, cols)
        found.add(path.read_bytes())
    assert len(found) == 1
    with rasterio.open(path) as raster:
        assert (raster.read(1) == pixels).all()


def test_storage_writes_each_block_once():
    assert rasters.storage((64, 32), 100) == {"blockysize": 64, "blockxsize": 32}
    assert rasters.storage((7, 100), 100) == {
        "tiled": False,
        "blockysize": 7,
        "blockxsize": None,
    }


def test_windows_cover_a_grid_once():
    counts = np.zeros((1030, 700), int)
    for rows, cols in rasters.windows(counts.shape):
        assert rows.stop - rows.start <= 512
        assert cols.stop - cols.start <= 512
        counts[rows, cols] += 1
    assert (counts == 1).all()
