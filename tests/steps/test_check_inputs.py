"""Each bad input has its message; several at once are all told."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from pydantic import ValidationError
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from i2lc.demo import landscape
from i2lc.errors import InputError
from i2lc.steps import check_inputs
from i2lc.steps.artifacts import INPUT_REPORT
from i2lc.steps.check_inputs import Report, Settings
from i2lc.steps.contract import File, Job, Unit

TILE = "T31TCJ"


class Inputs:
    """A copy of the demo landscape, to be broken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.truth = root / "ground_truth.shp"
        self.tile = root / "s2" / TILE
        self.options: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        values = {
            "list_tile": TILE,
            "s2_path": self.root / "s2",
            "ground_truth": self.truth,
            "data_field": "code",
            "nomenclature_path": self.root / "nomenclature.txt",
            "color_table": self.root / "colors.txt",
        }
        return Settings.model_validate(values | self.options)

    def report(self) -> Report:
        return check_inputs.problems(self.settings, cpus=2)

    def product(self, number: int = 0) -> Path:
        """Give a product, the first day first."""
        return sorted(self.tile.iterdir(), key=lambda path: path.name[11:])[number]

    def band(self, name: str, number: int = 0) -> Path:
        product = self.product(number)
        return product / f"{product.name}_FRE_{name}.tif"

    def mask(self, name: str, number: int = 0) -> Path:
        product = self.product(number)
        return product / "MASKS" / f"{product.name}_{name}_R1.tif"

    def rewrite(self, path: Path, **changes: Any) -> None:
        """Write a raster again with another profile."""
        with rasterio.open(path) as raster:
            profile, pixels = raster.profile, raster.read()
        profile.update(changes)
        shape = profile["count"], profile["height"], profile["width"]
        pixels = np.resize(pixels, shape).astype(profile["dtype"])
        with rasterio.open(path, "w", **profile) as raster:
            raster.write(pixels)

    def polygons(self, change: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]) -> None:
        """Put a changed GeoPackage in the place of the shapefile."""
        frame = change(pyogrio.read_dataframe(self.truth))
        self.truth = self.root / "changed.gpkg"
        pyogrio.write_dataframe(frame, self.truth)

    def job(self, out: Path) -> Job:
        outputs = (File(INPUT_REPORT, Unit()),)
        return Job(Unit(), self.settings, out, inputs=(), outputs=outputs, cpus=2)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("inputs") / "landscape"
    landscape.write(out, landscape.Landscape(tiles=(1, 1), size=64, dates=6))
    return out


@pytest.fixture
def inputs(whole: Path, tmp_path: Path) -> Inputs:
    shutil.copytree(whole, tmp_path / "in")
    return Inputs(tmp_path / "in")


def only_error(inputs: Inputs) -> str:
    report = inputs.report()
    assert len(report.errors) == 1, report.errors
    return report.errors[0]


# What is right.


def test_good_inputs_give_a_report(inputs: Inputs, tmp_path: Path) -> None:
    check_inputs.check(inputs.job(tmp_path / "out"))
    text = (tmp_path / "out" / INPUT_REPORT.pattern).read_text()
    assert text.startswith("The inputs were checked.\n\nfound:\n")
    assert f"- tile {TILE}: products 6, dates " in text
    frame = pyogrio.read_dataframe(inputs.truth)
    for value, count in frame["code"].value_counts().items():
        assert f"- class {value}: polygons {count}, inside the tiles {count}\n" in text


def test_the_report_of_an_earlier_check_goes_when_the_check_fails(
    inputs: Inputs, tmp_path: Path
) -> None:
    job = inputs.job(tmp_path / "out")
    check_inputs.check(job)
    inputs.truth.unlink()
    with pytest.raises(InputError, match="there is no ground truth"):
        check_inputs.check(job)
    assert not (tmp_path / "out" / INPUT_REPORT.pattern).exists()


def test_r2_masks_are_not_needed_and_names_may_vary(inputs: Inputs) -> None:
    for path in inputs.tile.rglob("*_R2.tif"):
        path.unlink()
    for path in sorted(inputs.product().rglob("*"), reverse=True):
        path.rename(path.with_name(_other_name(path.name)))
    inputs.product().rename(inputs.tile / _other_name(inputs.product().name))
    assert inputs.report().errors == ()


def _other_name(name: str) -> str:
    for satellite in "AB":
        name = name.replace(f"SENTINEL2{satellite}", "SENTINEL2D")
    return name.replace("_D_V1-7", "_C_V12-34")


def test_unchecked_inputs_are_not_read(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "nowhere")
    inputs.options["check_inputs"] = False
    check_inputs.check(inputs.job(tmp_path))
    assert "not checked" in (tmp_path / INPUT_REPORT.pattern).read_text()
    assert list(check_inputs.STEP.sources(inputs.settings, Unit())) == []


def test_sources_are_all_files_that_exist(inputs: Inputs) -> None:
    inputs.options["color_table"] = inputs.root / "none.txt"
    inputs.options["list_tile"] = [TILE, "T31TDJ"]
    names = [path.name for path in check_inputs.STEP.sources(inputs.settings, Unit())]
    assert len([name for name in names if name.endswith(".tif")]) == 6 * 13
    assert {"ground_truth.shp", "ground_truth.dbf", "nomenclature.txt"} < set(names)
    assert "none.txt" not in names


# Tiles.


def test_missing_s2_path(inputs: Inputs) -> None:
    inputs.options["s2_path"] = inputs.root / "elsewhere"
    assert only_error(inputs) == f"there is no folder {inputs.root / 'elsewhere'} (s2_path)"


def test_missing_tile_folder(inputs: Inputs) -> None:
    inputs.options["list_tile"] = f"{TILE} T31TDJ"
    folder = inputs.root / "s2" / "T31TDJ"
    assert only_error(inputs) == (f"tile T31TDJ: there is no folder {folder}; s2_path has {TILE}")


@pytest.mark.parametrize(
    ("tiles", "text"),
    [(f"{TILE} {TILE}", f"names {TILE} twice: name each tile once"), ("", "names no tile")],
)
def test_list_of_tiles_refused_by_the_settings(inputs: Inputs, tiles: str, text: str) -> None:
    inputs.options["list_tile"] = tiles
    with pytest.raises(ValidationError, match=text):
        _ = inputs.settings


@pytest.mark.parametrize("kind", ["band", "mask"])
def test_missing_file(inputs: Inputs, kind: str) -> None:
    path = inputs.band("B11") if kind == "band" else inputs.mask("EDG")
    path.unlink()
    assert only_error(inputs) == f"tile {TILE}: missing file {path}"


def test_zipped_product(inputs: Inputs) -> None:
    archive = inputs.tile / "SENTINEL2A_20180601-105804-037_L2A_T31TCJ_D_V1-7.zip"
    archive.write_bytes(b"PK")
    assert f"tile {TILE}: {archive} is an archive" in only_error(inputs)


def test_stray_entry(inputs: Inputs) -> None:
    (inputs.tile / "notes").mkdir()
    assert f"tile {TILE}: {inputs.tile / 'notes'} is no product folder" in only_error(inputs)


def test_product_of_another_tile(inputs: Inputs) -> None:
    stray = inputs.tile / inputs.product().name.replace(TILE, "T30UVU")
    stray.mkdir()
    assert f"{stray} is a product of T30UVU" in only_error(inputs)


def test_too_few_dates(inputs: Inputs) -> None:
    inputs.options["minimum_required_dates"] = 7
    days = len({product.name[11:19] for product in inputs.tile.iterdir()})
    assert only_error(inputs) == (
        f"tile {TILE}: its complete products have {days} dates, minimum_required_dates is 7"
    )


def test_two_products_of_one_day_are_one_date(inputs: Inputs) -> None:
    first, *others = sorted(inputs.tile.iterdir())
    for other in others:
        shutil.rmtree(other)
    twin = first.name.replace("_V1-7", "_V1-8")
    shutil.copytree(first, inputs.tile / twin)
    for path in sorted((inputs.tile / twin).rglob("*.tif")):
        path.rename(path.with_name(path.name.replace("_V1-7", "_V1-8")))
    assert only_error(inputs).endswith("have 1 date, minimum_required_dates is 2")


def test_unreadable_raster(inputs: Inputs) -> None:
    inputs.band("B3").write_bytes(b"no raster at all")
    assert f"tile {TILE}: {inputs.band('B3')} does not open as a raster (" in only_error(inputs)


@pytest.mark.parametrize("kind", ["band", "mask"])
def test_truncated_raster(inputs: Inputs, kind: str) -> None:
    path = inputs.band("B8", 2) if kind == "band" else inputs.mask("CLM", 2)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    size = len(content)
    assert only_error(inputs) == (
        f"tile {TILE}: {path} is truncated: it has {size - 100} of {size} bytes"
    )


def test_truncated_raster_whose_last_block_is_not_the_last_in_the_file(inputs: Inputs) -> None:
    path = inputs.band("B8")
    with rasterio.open(path) as raster:
        profile, pixels = raster.profile, raster.read()
    with rasterio.open(path, "w", **profile | {"blockysize": 32, "sparse_ok": True}) as raster:
        raster.write(pixels[:, 32:], window=Window(0, 32, 64, 32))
    with rasterio.open(path, "r+") as raster:
        raster.write(pixels[:, :32], window=Window(0, 0, 64, 32))
    path.write_bytes(path.read_bytes()[:-10])
    with rasterio.open(path) as raster:
        assert raster.read(1, window=Window(63, 63, 1, 1)) == pixels[0, -1, -1]
    assert f"{path} is truncated: it has " in only_error(inputs)


def test_damaged_raster(inputs: Inputs) -> None:
    path = inputs.band("B8")
    with rasterio.open(path) as raster:
        start = int(raster.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"?" * (len(content) - start))
    assert only_error(inputs) == f"tile {TILE}: {path} is damaged: its last pixel cannot be read"


def test_wrong_types(inputs: Inputs) -> None:
    inputs.rewrite(inputs.band("B4", 1), dtype="float32", predictor=1)
    inputs.rewrite(inputs.mask("SAT", 1), dtype="uint16")
    name = inputs.product(1).name
    assert inputs.report().errors == (
        f"tile {TILE}: {name}: type int16 expected of B4 (float32)",
        f"tile {TILE}: {name}: type uint8 expected of SAT (uint16)",
    )


def test_band_without_crs(inputs: Inputs) -> None:
    inputs.rewrite(inputs.band("B2"), crs=None)
    name = inputs.product().name
    assert only_error(inputs) == f"tile {TILE}: {name}: no CRS in B2"


def test_file_without_any_place(inputs: Inputs) -> None:
    with pytest.warns(NotGeoreferencedWarning):
        inputs.rewrite(inputs.band("B2"), crs=None, transform=None)
    assert only_error(inputs).endswith("no CRS in B2")


def test_another_grid(inputs: Inputs) -> None:
    with rasterio.open(inputs.band("B5")) as raster:
        moved = raster.transform * rasterio.Affine.translation(1, 0)
    inputs.rewrite(inputs.band("B5", 1), transform=moved)
    inputs.rewrite(inputs.mask("CLM", 1), height=65)
    first, second = inputs.product(0).name, inputs.product(1).name
    assert only_error(inputs) == (
        f"tile {TILE}: {second}: B5, CLM on another grid than those of {first}"
    )


def test_finer_resolution(inputs: Inputs) -> None:
    inputs.options["spatial_resolution"] = 5
    assert "spatial_resolution 5 m is finer than the native 10 m" in only_error(inputs)


def test_no_date_left(inputs: Inputs) -> None:
    inputs.options["start_date"] = "20300101"
    assert only_error(inputs).startswith(
        "no product lies between start_date 20300101 and end_date 2018"
    )


# Ground truth.


def test_missing_ground_truth(inputs: Inputs) -> None:
    inputs.truth = inputs.root / "none.shp"
    assert only_error(inputs) == f"there is no ground truth {inputs.truth}"


def test_unreadable_ground_truth(inputs: Inputs) -> None:
    inputs.truth = inputs.root / "bad.gpkg"
    inputs.truth.write_bytes(b"no vector at all")
    assert f"{inputs.truth} does not open as a vector file" in only_error(inputs)


def test_truncated_ground_truth(inputs: Inputs) -> None:
    content = inputs.truth.read_bytes()
    inputs.truth.write_bytes(content[: len(content) // 2])
    assert f"{inputs.truth} is truncated: it has " in only_error(inputs)


def test_truncated_table(inputs: Inputs) -> None:
    table = inputs.truth.with_suffix(".dbf")
    table.write_bytes(table.read_bytes()[:200])
    assert f"{inputs.truth}: a feature cannot be read" in only_error(inputs)


def test_two_layers(inputs: Inputs) -> None:
    inputs.polygons(lambda frame: frame)
    frame = pyogrio.read_dataframe(inputs.truth)
    pyogrio.write_dataframe(frame, inputs.truth, layer="other", append=True)
    assert "has 2 layers with geometries (changed, other), want one" in only_error(inputs)


def test_no_crs_and_no_field_are_both_told(inputs: Inputs) -> None:
    inputs.truth.with_suffix(".prj").unlink()
    inputs.options["data_field"] = "crop"
    assert inputs.report().errors == (
        f"{inputs.truth} states no CRS: give it one (a .prj file beside a shapefile)",
        f"{inputs.truth} has no field 'crop'; its fields: code",
    )


def test_field_of_wrong_type(inputs: Inputs) -> None:
    inputs.polygons(lambda frame: frame.assign(code=frame["code"] / 2))
    assert "field 'code' is of type Real; a class is an integer or" in only_error(inputs)


def test_geometry_that_hurts(inputs: Inputs) -> None:
    def spoil(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        left, bottom, right, top = frame.geometry[0].bounds
        frame.loc[0, "geometry"] = shapely.Polygon(
            [(left, bottom), (right, top), (right, bottom), (left, top)]
        )
        frame.loc[1, "geometry"] = shapely.Point(left, bottom)
        frame["code"] = frame["code"].astype(object)
        frame.loc[2, "code"] = None
        frame["code"] = frame["code"].astype("Int32")
        return frame

    inputs.polygons(spoil)
    errors = inputs.report().errors
    assert len(errors) == 3, errors
    assert errors[0] == f"{inputs.truth}: no class: feature 3"
    assert errors[1] == f"{inputs.truth}: no polygon but another geometry: feature 2 (Point)"
    assert errors[2].startswith(f"{inputs.truth}: invalid geometry: feature 1 (Self-intersection[")


def test_geometry_that_the_chain_copes_with(
    inputs: Inputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        copy, twin, empty = frame.iloc[[0]], frame.iloc[[1]].copy(), frame.iloc[[2]].copy()
        twin["code"] = 1 if twin["code"].iloc[0] != 1 else 2
        empty["geometry"] = [shapely.Polygon()]
        large = frame.iloc[[3]].copy()
        large["geometry"] = [large.geometry.iloc[0].buffer(1e-5)]
        parts = [frame, copy, twin, empty, large]
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=frame.crs)

    count = len(pyogrio.read_dataframe(inputs.truth))
    inputs.polygons(spoil)
    with caplog.at_level(logging.WARNING, "i2lc"):
        check_inputs.check(inputs.job(tmp_path / "out"))
    text = (tmp_path / "out" / INPUT_REPORT.pattern).read_text()
    sentences = [
        f"empty geometry, left out: feature {count + 3}",
        f"used once: features {count + 1} (as 1)",
        f"the pixels of both are left out: features {count + 2} (as 2)",
        f"a common pixel is used at most once: features 4 with {count + 4}",
    ]
    for sentence in sentences:
        assert sentence in text
        assert sentence in caplog.text


def test_parts_and_slivers_are_warnings(inputs: Inputs) -> None:
    def spoil(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        parts = shapely.MultiPolygon([frame.geometry[0], frame.geometry[1]])
        kept = frame.drop(index=1).reset_index(drop=True)
        small = kept.iloc[[5]].copy()
        small["geometry"] = [kept.geometry[5].centroid.buffer(5e-5)]
        kept.loc[0, "geometry"] = parts
        kept.loc[5, "geometry"] = small.geometry.iloc[0]
        return kept

    inputs.polygons(spoil)
    report = inputs.report()
    assert report.errors == ()
    several = f"{inputs.truth}: several parts, used as one polygon: feature 1 (2 parts)"
    assert several in report.warnings
    (sliver,) = [text for text in report.warnings if "it may have no pixel" in text]
    assert sliver.startswith(
        f"{inputs.truth}: area under 100 m², it may have no pixel: feature 6 ("
    )
    inputs.options["spatial_resolution"] = 20
    assert any("area under 400 m²" in text for text in inputs.report().warnings)


def test_no_polygon_inside_the_tiles(inputs: Inputs) -> None:
    inputs.polygons(lambda frame: frame.set_geometry(frame.translate(1.0, 0.0)))
    assert only_error(inputs) == (f"no polygon of {inputs.truth} lies inside the tiles {TILE}")


def test_no_polygon_at_all(inputs: Inputs) -> None:
    inputs.polygons(lambda frame: frame.iloc[:0])
    assert only_error(inputs) == f"{inputs.truth} has no polygon with a class"


def test_tile_without_polygon_is_a_warning(inputs: Inputs) -> None:
    other = inputs.root / "s2" / "T31TDJ"
    shutil.copytree(inputs.tile, other)
    for path in sorted(other.rglob("*"), reverse=True):
        if path.suffix == ".tif":
            with rasterio.open(path, "r+") as raster:
                raster.transform = rasterio.Affine.translation(1e4, 0) * raster.transform
        path.rename(path.with_name(path.name.replace(TILE, "T31TDJ")))
    inputs.options["list_tile"] = (TILE, "T31TDJ")
    report = inputs.report()
    assert report.errors == ()
    assert report.warnings == ("tile T31TDJ has no polygon: it is mapped only",)


def test_class_with_one_polygon_or_none_inside_is_a_warning(inputs: Inputs) -> None:
    def spoil(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        rest = frame[~frame["code"].isin([1, 2])]
        one, two = (frame[frame["code"] == code].iloc[[0]].copy() for code in (1, 2))
        two["geometry"] = two.translate(1.0, 0.0)
        return gpd.GeoDataFrame(pd.concat([rest, one, two], ignore_index=True), crs=frame.crs)

    inputs.polygons(spoil)
    report = inputs.report()
    assert report.errors == ()
    assert report.warnings == (
        "class 1 has one polygon inside the tiles: it is learnt, but not validated "
        "(unless split_ground_truth is False)",
        "class 2 has no polygon inside the tiles: it cannot be mapped",
    )


# Classes.


def test_class_without_name_or_color(inputs: Inputs) -> None:
    for file, line in (("nomenclature.txt", "Maize:5\n"), ("colors.txt", "7 255 225 40\n")):
        path = inputs.root / file
        assert line in path.read_text()
        path.write_text(path.read_text().replace(line, ""))
    assert inputs.report().errors == (
        f"class 5 has no line in {inputs.root / 'nomenclature.txt'}",
        f"class 7 has no line in {inputs.root / 'colors.txt'}",
    )


def test_files_of_names_and_colors_that_cannot_be_read(inputs: Inputs) -> None:
    (inputs.root / "nomenclature.txt").unlink()
    (inputs.root / "colors.txt").write_text("1 2\n")
    errors = inputs.report().errors
    assert errors[0].startswith(f"{inputs.root / 'nomenclature.txt'} cannot be read")
    assert errors[1] == f"{inputs.root / 'colors.txt'}, line 1: want 'label R G B', got '1 2'"
    assert len(errors) == 2


@pytest.mark.parametrize("code", [0, -3, 65536])
def test_class_code_out_of_range(inputs: Inputs, code: int) -> None:
    inputs.polygons(lambda frame: frame.assign(code=frame["code"].replace(1, code)))
    assert only_error(inputs) == (
        f"class {code}: codes lie between 1 and 65535 (0 means no data); i2lc check-database names "
        "its polygons"
    )


def test_classes_may_be_strings(inputs: Inputs) -> None:
    inputs.polygons(lambda frame: frame.assign(code="c" + frame["code"].astype(str)))
    (inputs.root / "nomenclature.txt").write_text(
        "".join(f"name {code}:c{code}\n" for code in (1, 2, 5, 7, 11, 31))
    )
    (inputs.root / "colors.txt").write_text(
        "".join(f"c{code} 1 2 3\n" for code in (1, 2, 5, 7, 11, 31))
    )
    report = inputs.report()
    assert report.errors == ()
    assert any(line.startswith("class c31: polygons ") for line in report.counts)


def test_counts_of_byclass_are_read_beforehand(inputs: Inputs) -> None:
    path = inputs.root / "counts.csv"
    inputs.options["sample_selection"] = {"strategy": "byclass", "strategy.byclass.in": path}
    assert only_error(inputs).startswith(f"strategy.byclass.in: {path} cannot be read")
    path.write_text("1,50\n77,20\n")
    assert only_error(inputs) == (
        f"{path}, line 2: want 'label,count' with a label of the ground truth, got '77,20'"
    )
    path.write_bytes(b"1,50\n\xff,20\n")
    assert "cannot be read" in only_error(inputs)
    path.write_text("1,50\n")
    assert inputs.report().errors == ()


def test_copies_from_a_region_and_a_part_of_it_are_told_beforehand(inputs: Inputs) -> None:
    truth = pyogrio.read_dataframe(inputs.truth).to_crs("EPSG:2154")
    west, south, east, north = truth.total_bounds
    middle = (west + east) / 2
    halves = [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]
    regions = gpd.GeoDataFrame({"region": ["a", "b"]}, geometry=halves, crs="EPSG:2154")
    regions.to_file(inputs.root / "regions.gpkg")
    path = inputs.root / "copies.csv"
    code = truth["code"].iloc[0]
    path.write_text(f"a,b,{code},5\naf1,b,{code},5\n")
    inputs.options |= {
        "region_path": inputs.root / "regions.gpkg",
        "classif_mode": "fusion",
        "mode_outside_regionsplit": truth.area.sum() / 4e6,
        "sample_management": path,
    }
    assert (
        f"{path}, line 2: line 1 copies class {code} from a to b already, and a region stands for "
        "all its models: keep one"
    ) in inputs.report().errors


# All at once.


def test_all_problems_are_told_at_once(inputs: Inputs, tmp_path: Path) -> None:
    missing = inputs.band("B12", 0)
    missing.unlink()
    unreadable = inputs.mask("SAT", 1)
    unreadable.write_bytes(b"no raster")
    (inputs.tile / "readme.txt").write_text("")
    inputs.options |= {"list_tile": (TILE, "T31TDJ"), "spatial_resolution": 2}
    inputs.truth.with_suffix(".prj").unlink()
    (inputs.root / "colors.txt").unlink()
    with pytest.raises(InputError) as caught:
        check_inputs.check(inputs.job(tmp_path / "out"))
    title, *lines = str(caught.value).split("\n")
    assert title == "7 problems in the inputs:"
    said = [
        "tile T31TDJ: there is no folder",
        "readme.txt is no product folder",
        f"missing file {missing}",
        f"{unreadable} does not open as a raster",
        "spatial_resolution 2 m is finer",
        "states no CRS",
        "colors.txt cannot be read",
    ]
    for line, part in zip(lines, said, strict=True):
        assert line.startswith("- ")
        assert part in line
    assert not (tmp_path / "out").exists()


def test_one_problem_is_told_in_the_singular(inputs: Inputs, tmp_path: Path) -> None:
    inputs.mask("CLM").unlink()
    with pytest.raises(InputError, match=r"^1 problem in the inputs:\n- tile T31TCJ: missing file"):
        check_inputs.check(inputs.job(tmp_path / "out"))
