"""The examples of docs/external-features.md, each run on a tiny landscape and compared."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from conftest import Ended, run_debug, tiny, with_keys

pytestmark = pytest.mark.chain

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples" / "external"
PAGE = (DOCS / "external-features.md").read_text()
MAP_CONFIG = EXAMPLES / "map.cfg"
MAP_ONLY = """
builders :
{
 builders_class_name : ["I2FeaturesMap"]
}
"""


def blocks(kind=""):
    """Give the fenced blocks of the page of a kind."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
    return [text for own, text in found if own == kind]


def sections():
    """Give the configurations of the page, by the functions that they call."""
    found = {}
    for text in blocks():
        if text.startswith("external_features :"):
            found["+".join(re.findall(r"get_\w+", text))] = text
    return found


SECTIONS = sections()


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    """Write a landscape with the files of the page and a slope in degrees beside its config."""
    config = tiny(tmp_path_factory.mktemp("external") / "land", size=64, dates=12)
    for path in EXAMPLES.glob("*.py"):
        shutil.copy(path, config.parent)
    with rasterio.open(config.parent / "truth.tif") as truth:
        transform, crs = truth.transform, truth.crs
        height, width = truth.shape
    write_slope(config.parent / "slope.tif", transform, crs, (height, width))
    return config


def write_slope(path, transform, crs, shape):
    """Write a slope of 20 m pixels in the CRS of the lattice: linear along columns."""
    cols = np.arange(shape[1] // 2 + 4, dtype=np.float32)
    values = np.tile(cols, (shape[0] // 2 + 4, 1))
    corner = transform * Affine.translation(-2, -2) * Affine.scale(2)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": crs}
    profile |= {"height": values.shape[0], "width": values.shape[1], "transform": corner}
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values, 1)
        raster.set_band_description(1, "slope")


def run(landscape: Path, name: str, section: str, **keys: str) -> Ended:
    config = with_keys(landscape, f"{name}.cfg", output_path=f'"{name}"', **keys)
    text = config.read_text()
    if "scikit_models_parameters" in section:
        text = text.replace('   dl_name : "MLPClassifier"\n', "")
    config.write_text(text + section)
    ended = run_debug(config, config.parent / name)
    assert ended.status == 0
    return ended


def mapped(landscape, name, section):
    """Run the features map of a section alone: values by label, NaN where there are none."""
    section = re.sub(r"scikit_models_parameters :\n\{.*?\n\}\n", "", section, flags=re.S)
    ended = run(landscape, name, section + ("" if "builders" in section else MAP_ONLY))
    with rasterio.open(ended.root / "final" / "features_map.tif") as raster:
        values = raster.read().astype(np.float64)
        values[values == raster.nodata] = np.nan
        return dict(zip(raster.descriptions, values, strict=True))


def series(found, name):
    """Give the values of an index of a map, (date, y, x), and its days."""
    labels = [label for label in found if re.fullmatch(rf"Sentinel2_{name}_\d{{8}}", label)]
    assert labels, f"no {name} among {list(found)}"
    return np.stack([found[label] for label in sorted(labels)])


def test_the_page_shows_the_files_as_they_are():
    texts = [path.read_text() for path in EXAMPLES.glob("*.py")]
    shown = blocks("python")
    assert len(shown) == len(texts) == 5
    for block in shown:
        assert block in texts, block


def test_every_section_of_the_page_is_run_here():
    assert set(SECTIONS) == {
        "get_soi_s2",
        "get_savi+get_ndvi_range",
        "get_ndvi_contrast",
        "get_slope_series",
        "get_clear_days",
        "get_red_edge_ndvi+get_spatial_median+get_cumulative_ndvi",
        "get_harmonic+get_cumulative_ndvi",
        "get_soi_s2+get_spatial_median+get_harmonic",
    }
    assert SECTIONS["get_soi_s2+get_spatial_median+get_harmonic"] == MAP_CONFIG.read_text()


def test_soil(landscape):
    found = mapped(landscape, "soil", SECTIONS["get_soi_s2"])
    b11, b8 = series(found, "B11"), series(found, "B8")
    expected = (b11 - b8) / (b11 + b8 + 1e-6)
    np.testing.assert_allclose(series(found, "soi"), expected, rtol=0, atol=1e-5)
    assert np.nanstd(expected) > 0.05


def test_parameters(landscape):
    found = mapped(landscape, "parameters", SECTIONS["get_savi+get_ndvi_range"])
    nir, red, ndvi = (series(found, name) for name in ("B8", "B4", "NDVI"))
    expected = 1.25 * (nir - red) / (nir + red + 0.25)
    np.testing.assert_allclose(series(found, "savi"), expected, rtol=0, atol=1e-5)
    ends = np.percentile(ndvi, [10, 90], axis=0)
    np.testing.assert_allclose(found["Sentinel2_NDVI_range"], ends[1] - ends[0], atol=1e-5)


def test_neighbours(landscape):
    found = mapped(landscape, "neighbours", SECTIONS["get_ndvi_contrast"])
    ndvi = series(found, "NDVI")
    beside = np.pad(ndvi, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows, cols = ndvi.shape[1:]
    parts = [beside[:, y : y + rows, x : x + cols] for y in range(3) for x in range(3)]
    expected = ndvi - sum(parts) / 9
    inner = (slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(series(found, "contrast")[inner], expected[inner], atol=1e-5)
    assert np.nanstd(expected) > 0.01


def test_a_slope(landscape):
    found = mapped(landscape, "slope", SECTIONS["get_slope_series"])
    slope = series(found, "slope")
    cols = np.arange(slope.shape[2])
    expected = (cols + 2 + 0.5) / 2 - 0.5  # 20 m pixels that begin two of 10 m before the map
    seen = np.isfinite(slope)
    assert seen.mean() > 0.9
    np.testing.assert_allclose(
        slope[seen], np.broadcast_to(expected, slope.shape)[seen], rtol=0, atol=1e-4
    )


def test_clear_days(landscape):
    found = mapped(landscape, "clear", SECTIONS["get_clear_days"])
    days = found["clear_days"]
    with rasterio.open(landscape.parent / "clear" / "features" / "T31TCJ" / "nbView.tif") as raster:
        views = raster.read(1)
    assert views.min() < views.max()
    np.testing.assert_array_equal(days, np.where(np.isnan(days), np.nan, views))


def test_those_that_come_with_i2lc(landscape):
    name = "get_red_edge_ndvi+get_spatial_median+get_cumulative_ndvi"
    found = mapped(landscape, "ready", SECTIONS[name])
    nir, edge, ndvi = (series(found, name) for name in ("B8", "B6", "NDVI"))
    np.testing.assert_allclose(series(found, "NDREB6"), (nir - edge) / (nir + edge), atol=1e-5)
    summed = np.cumsum(np.maximum(ndvi, 0), axis=0)
    np.testing.assert_allclose(series(found, "cumNDVI"), summed, rtol=1e-5)
    squares = np.lib.stride_tricks.sliding_window_view(ndvi, (5, 5), axis=(1, 2))
    expected = np.nanmedian(squares, axis=(3, 4))
    median = series(found, "NDVImedian5")[:, 2:-2, 2:-2]
    np.testing.assert_allclose(median, expected, rtol=0, atol=1e-5)


def test_the_map_of_the_picture(landscape):
    found = mapped(landscape, "picture", MAP_CONFIG.read_text())
    ndvi = series(found, "NDVI")
    phase, size = (found[f"Sentinel2_NDVI_harmonic_{what}"] for what in ("phase", "amplitude"))
    mean = found["Sentinel2_NDVI_harmonic_mean"]
    days = sorted(label[-8:] for label in found if label.startswith("Sentinel2_NDVI_20"))
    t = np.array([(date.fromisoformat(day) - date(int(days[0][:4]), 1, 1)).days for day in days])
    fit = mean + size * np.cos(2 * np.pi * (t[:, None, None] - phase) / 365.25)
    seen = np.isfinite(mean)
    assert seen.mean() > 0.9
    left, straight = (np.var((ndvi - other)[:, seen], axis=0) for other in (fit, ndvi.mean(axis=0)))
    assert (left <= straight + 1e-6).all()  # a wave never fits worse than none
    assert left.mean() < 0.8 * straight.mean()


def test_zarr_is_read_as_the_page_says(landscape, monkeypatch):
    section = MAP_CONFIG.read_text().replace(
        " padding : 2", ' padding : 2\n output_format : "zarr"'
    )
    monkeypatch.chdir(run(landscape, "results", section).root.parent)
    (text,) = blocks("py")
    scope: dict = {}
    exec(text, scope)
    assert scope["june"].shape == scope["features"].shape[2:]
    assert float(scope["june"].mean()) > 0.2


def test_a_network_learns_from_the_printed_index(landscape):
    ended = run(landscape, "network", SECTIONS["get_soi_s2"])
    with xr.open_dataset(ended.root / "learningSamples" / "Samples_region_1_seed0_learn.nc") as own:
        assert own["band"].values.tolist()[-4:] == ["NDVI", "NDWI", "Brightness", "soi"]
        b11, b8, soi = (own["features"].sel(band=name).values for name in ("B11", "B8", "soi"))
        expected = (b11 - b8) / (b11 + b8 + 0.01)
        np.testing.assert_allclose(soi, np.rint(1000.0 * expected), rtol=0, atol=1)
    assert share_right(ended, landscape) > 0.5


def test_a_forest_learns_from_features_without_dates(landscape):
    ended = run(landscape, "forest", SECTIONS["get_harmonic+get_cumulative_ndvi"])
    with xr.open_dataset(ended.root / "learningSamples" / "Samples_region_1_seed0_learn.nc") as own:
        assert own["features"].sizes["band"] == 0
        assert own["static"].values.tolist() == [
            "Sentinel2_NDVI_harmonic_mean",
            "Sentinel2_NDVI_harmonic_amplitude",
            "Sentinel2_NDVI_harmonic_phase",
            "Sentinel2_cumNDVI_total",
        ]
    assert share_right(ended, landscape) > 0.5


def test_a_network_reads_an_index_of_raw_days(landscape):
    config = with_keys(landscape, "days.cfg", output_path='"days"', dl_name='"LTAEClassifier"')
    text = config.read_text()
    assert text.count("arg_train :\n{\n") == 1
    text = text.replace("arg_train :\n{\n", "arg_train :\n{\n features_from_raw_dates : True\n")
    config.write_text(
        text + SECTIONS["get_clear_days"].split("builders")[0].replace("clear_days", "raw_water")
    )
    ended = run_debug(config, config.parent / "days")
    assert ended.status == 0
    with xr.open_dataset(ended.root / "learningSamples" / "Samples_region_1_seed0_learn.nc") as own:
        b3, b8, water = (own["features"].sel(band=n).values for n in ("B3", "B8", "water"))
        marked = b8 <= -10000
        assert 0 < marked.mean() < 1
        np.testing.assert_array_equal(water[marked], b8[marked])
        green, nir = b3[~marked], b8[~marked]
        expected = np.rint(1000.0 * (green - nir) / (green + nir + 0.01))
        np.testing.assert_allclose(water[~marked], expected, rtol=0, atol=1)


def share_right(ended, landscape):
    """Give the share of the mapped pixels that have their true class."""
    with (
        rasterio.open(ended.root / "final" / "Classif_Seed_0.tif") as made,
        rasterio.open(landscape.parent / "truth.tif") as truth,
    ):
        found, true = made.read(1), truth.read(1)
    known = (true > 0) & (found > 0)
    assert known.sum() > 0.9 * (true > 0).sum()
    return (found[known] == true[known]).mean()
