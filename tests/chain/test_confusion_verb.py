"""`i2lc confusion`: the same matrix as OTB's, its scores, its errors."""

from __future__ import annotations

import json
import shutil
import subprocess

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from i2lc.chain import cli
from i2lc.chain.verbs import confusion
from i2lc.errors import InputError
from i2lc.nn_bank import metrics
from i2lc.steps.files import rasters
from i2lc.steps.scoring import compare, compare_table
from i2lc.steps.scoring.compare_table import Table
from i2lc.steps.scoring.compare_vector import Asked

LEFT, TOP = 600000, 6350000
SIZE = 20


def box(col, row, width, height):
    """Give the rectangle of whole pixels."""
    return shapely.box(
        LEFT + col * 10, TOP - (row + height) * 10, LEFT + (col + width) * 10, TOP - row * 10
    )


def write_map(path, values, crs="EPSG:2154", transform=None, **options):
    values = np.atleast_3d(values.T).T
    profile = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": crs,
        "transform": transform or from_origin(LEFT, TOP, 10, 10),
    }
    with rasterio.open(path, "w", **{**profile, **options}) as raster:
        raster.write(values)
    return path


def write_vector(path, shapes, crs="EPSG:2154", layer=None, **columns):
    frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=2154)
    frame.to_crs(crs).to_file(path, layer=layer or path.stem, engine="pyogrio")
    return path


@pytest.fixture
def stripes(tmp_path):
    """Give a map whose columns say 0 1 2 3 0 1 2 3 and so on."""
    values = np.tile(np.arange(SIZE, dtype=np.uint8) % 4, (SIZE, 1))
    return write_map(tmp_path / "map.tif", values)


def counted(path, *files, field="code", layer=None):
    return compare.with_vector(path, Asked(files, field, layer))


def test_pixels_are_counted_by_reference_and_map(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(2, 2, 4, 4), box(8, 8, 2, 2)], code=[1, 2])
    table = counted(stripes, truth)
    assert table.pixels == {
        (1, 0): 4, (1, 1): 4, (1, 2): 4, (1, 3): 4, (2, 0): 2, (2, 1): 2,
    }  # fmt: skip
    assert table.as_csv() == (
        "#Reference labels (rows):1,2\n#Produced labels (columns):0,1,2,3\n4,4,4,4\n2,2,0,0\n"
    )


def test_the_last_of_overlapping_polygons_has_the_pixel(stripes, tmp_path):
    shapes = [box(0, 0, 2, 2), box(1, 0, 2, 2)]
    first = counted(stripes, write_vector(tmp_path / "a.gpkg", shapes, code=[1, 2]))
    assert first.pixels == {(1, 0): 2, (2, 1): 2, (2, 2): 2}
    second = counted(stripes, write_vector(tmp_path / "b.gpkg", shapes[::-1], code=[2, 1]))
    assert second.pixels == {(1, 0): 2, (1, 1): 2, (2, 2): 2}


def test_a_polygon_of_code_0_or_none_takes_pixels_out(stripes, tmp_path):
    shapes = [box(0, 0, 4, 1), box(0, 0, 1, 1), box(2, 0, 1, 1)]
    codes = pd.array([3, 0, None], dtype="Int64")
    truth = write_vector(tmp_path / "t.gpkg", shapes, code=codes)
    assert counted(stripes, truth).pixels == {(3, 1): 1, (3, 3): 1}


def test_layers_and_files_are_taken_together_in_their_order(stripes, tmp_path):
    one = write_vector(tmp_path / "one.gpkg", [box(0, 0, 1, 4)], code=[1], layer="first")
    write_vector(one, [box(0, 0, 1, 2)], code=[2], layer="second")
    two = write_vector(tmp_path / "two.shp", [box(0, 0, 1, 1)], code=[3])
    assert counted(stripes, one, two).pixels == {(1, 0): 2, (2, 0): 1, (3, 0): 1}
    assert counted(stripes, two, one).pixels == {(1, 0): 2, (2, 0): 2}
    assert counted(stripes, one, layer="first").pixels == {(1, 0): 4}


def test_digits_in_a_field_of_strings_are_codes(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.shp", [box(0, 0, 2, 1)], code=["12"])
    assert counted(stripes, truth).pixels == {(12, 0): 1, (12, 1): 1}


@pytest.mark.parametrize("stored", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_windows_do_not_change_the_matrix(tmp_path, monkeypatch, stored):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 4, (70, 90), dtype=np.uint8)
    path = write_map(tmp_path / "map.tif", values, **stored)
    shapes = [
        shapely.Point(LEFT + x, TOP - y).buffer(r)
        for x, y, r in rng.uniform((0, 0, 5), (900, 700, 120), (40, 3))
    ]
    truth = write_vector(tmp_path / "t.gpkg", shapes, code=rng.integers(1, 4, 40))
    whole = counted(path, truth)
    seen = []
    read = rasters.read
    monkeypatch.setattr(rasters, "read", lambda *a: seen.append(a[1:]) or read(*a))
    monkeypatch.setattr(compare, "PIXELS", 900)
    squares = rasters.windows
    monkeypatch.setattr(rasters, "windows", lambda shape: squares(shape, 16))
    assert counted(path, truth) == whole
    sizes = [(r.stop - r.start) * (c.stop - c.start) for r, c in seen]
    assert len(sizes) > 5
    assert max(sizes) <= 900


def test_a_window_without_polygons_is_not_read(tmp_path, monkeypatch):
    options = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    path = write_map(tmp_path / "map.tif", np.ones((1030, 520), np.uint8), **options)
    truth = write_vector(tmp_path / "t.gpkg", [box(5, 1026, 2, 2)], code=[1])
    seen = []
    read = rasters.read
    monkeypatch.setattr(rasters, "read", lambda *a: seen.append(a[1:]) or read(*a))
    assert counted(path, truth).pixels == {(1, 1): 4}
    assert seen == [(slice(1024, 1030), slice(0, 512))]


def test_a_raster_on_the_same_grid_is_a_reference(stripes, tmp_path):
    labels = np.zeros((SIZE, SIZE), np.int16)
    labels[2:6, 2:6] = 2
    labels[8:10, 8:10] = 255
    path = write_map(tmp_path / "ref.tif", labels)
    expected = {(2, k): 4 for k in range(4)}
    assert compare.with_raster(stripes, path).pixels == {**expected, (255, 0): 2, (255, 1): 2}
    path = write_map(tmp_path / "marked.tif", labels, nodata=255)
    assert compare.with_raster(stripes, path).pixels == expected


def test_scores_leave_out_what_the_map_leaves_unclassified(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 4, 4), box(9, 0, 1, 4)], code=[1, 2])
    found = compare_table.record(counted(stripes, truth).matrix())
    counts = [[4, 4, 4], [4, 0, 0], [0, 0, 0]]
    scores = metrics.scores(counts)
    assert found == {
        "labels": [1, 2, 3],
        "confusion_matrix": counts,
        "unclassified": [4, 0, 0],
        "reference_pixels": [16, 4, 0],
        "oa": 4 / 16,
        "kappa": scores.kappa,
        "mean_fscore": pytest.approx((2 * 4 / (12 + 8)) / 2),
        "precision": [0.5, 0.0, 0.0],
        "recall": [pytest.approx(1 / 3), 0.0, None],
        "fscore": [pytest.approx(0.4), 0.0, None],
    }


def test_the_maps_own_nodata_value_is_no_class(tmp_path):
    path = write_map(tmp_path / "map.tif", np.full((4, 4), 9, np.uint8), nodata=9)
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 4, 1)], code=[1])
    table = counted(path, truth)
    assert table.as_csv().splitlines()[1:] == ["#Produced labels (columns):9", "4"]
    assert table.matrix().unclassified.tolist() == [4]


def test_out_gets_both_files_and_the_screen_the_scores(stripes, tmp_path, capsys):
    truth = write_vector(tmp_path / "t.gpkg", [box(1, 0, 4, 2)], code=[1])
    out = tmp_path / "new" / "scores"
    call = ["confusion", "-map", str(stripes), "-ref.vector", str(truth)]
    assert cli.main([*call, "--ref.vector.field", "code", "-out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Confusion matrix of 8 pixels: rows reference, columns map",
        "                 1        2        3 no class",
        "        1        2        2        2        2",
        "        2        0        0        0        0",
        "        3        0        0        0        0",
        "",
        "     class precision    recall   F-score    pixels",
        "         1     1.000     0.333     0.500         8",
        "         2     0.000 undefined undefined         0",
        "         3     0.000 undefined undefined         0",
        "",
        "OA 0.333, kappa 0.000, mean F 0.500; 2 pixels without a class in the map are left out",
        f"written: {out}/confusion.csv, {out}/confusion.json",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["confusion.csv", "confusion.json"]
    assert (out / "confusion.csv").read_text() == (
        "#Reference labels (rows):1\n#Produced labels (columns):0,1,2,3\n2,2,2,2\n"
    )
    data = json.loads((out / "confusion.json").read_text())
    assert (data["map"], data["reference"]) == (str(stripes), [str(truth)])
    assert data["confusion_matrix"][0] == [2, 2, 2]
    assert data["kappa"] == 0.0


def test_without_out_nothing_is_written(stripes, tmp_path, capsys):
    truth = write_vector(tmp_path / "t.geojson", [box(1, 0, 4, 2)], code=[1])
    before = sorted(tmp_path.iterdir())
    call = ["-map", str(stripes), "-ref.vector", str(truth), "-ref.vector.field", "code"]
    assert confusion.main(call) == 0
    assert sorted(tmp_path.iterdir()) == before
    assert capsys.readouterr().out.endswith("are left out\n")


def stored(folder, pixels):
    found = compare_table.record(Table(pixels).matrix())
    path = folder / "confusion.json"
    folder.mkdir()
    path.write_text(json.dumps(found))
    return path


def test_compare_gives_mean_deviation_and_all_pixels(tmp_path, capsys):
    one = stored(tmp_path / "one", {(1, 1): 9, (1, 2): 1, (2, 2): 10, (2, 0): 7})
    two = stored(tmp_path / "two", {(1, 1): 5, (3, 3): 2, (3, 1): 3})
    assert cli.main(["confusion", "-compare", str(one), str(two)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["OA", "kappa", "mean", "F", "pixels"]
    assert rows[0].split() == [str(one), "0.950", "0.900", "0.950", "27"]
    assert rows[1].split() == [str(two), "0.700", "0.400", "0.670", "10"]
    assert rows[2].split() == [
        "mean", "+-", "sd", "0.825", "+-", "0.177", "0.650", "+-", "0.354", "0.810", "+-", "0.198",
    ]  # fmt: skip
    # all: 14 + 10 + 2 of 30 right; F of 1, 2, 3: 28/32, 20/21, 4/7
    assert rows[3].split()[:4] == ["all", "pixels", "together", "0.867"]
    assert rows[3].split()[5:] == [f"{(28 / 32 + 20 / 21 + 4 / 7) / 3:.3f}", "37"]


def test_a_table_comes_back_from_its_json(tmp_path):
    pixels = {(1, 1): 9, (1, 2): 1, (2, 2): 10, (2, 0): 7}
    assert compare_table.load(stored(tmp_path / "one", pixels)).pixels == pixels


# -- errors ------------------------------------------------------------------------------------


def refused(*arguments):
    with pytest.raises(InputError) as caught:
        compare.with_vector(*arguments)
    return str(caught.value)


def test_a_field_that_is_not_there_is_told_with_those_that_are(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 1, 1)], code=[1], name=["a"])
    assert refused(stripes, Asked((truth,), "CODE")) == (
        f"{truth}, layer t has no field 'CODE'; its fields: code, name. Name one with "
        "-ref.vector.field, or the layer that has it with -ref.vector.layer"
    )


def test_a_layer_without_the_field_is_not_passed_over(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 1, 1)], code=[1])
    write_vector(truth, [box(0, 0, 1, 1)], other=[1], layer="second")
    assert "layer second has no field 'code'; its fields: other." in refused(
        stripes, Asked((truth,), "code")
    )
    assert counted(stripes, truth, layer="t").total() == 1
    assert refused(stripes, Asked((truth,), "code", "third")) == (
        f"{truth} has no layer 'third'; its layers: t, second"
    )


def test_fields_without_codes_are_refused(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 1, 1)], share=[1.5], name=["wheat"])
    assert refused(stripes, Asked((truth,), "share")) == (
        f"{truth}, layer t: field 'share' is of type Real, the map has integer codes: name a "
        "field of integers with -ref.vector.field"
    )
    assert refused(stripes, Asked((truth,), "name")) == (
        f"{truth}, layer t: field 'name' holds text such as 'wheat', the map has codes. In layers "
        "of dataAppVal the field i2label has them; for other files add a field of integers: "
        "strings in sorted order are 1 to N, final/Classif_table.csv lists them"
    )


def test_a_reference_of_another_area_is_refused(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(1000, 0, 1, 1)], code=[1])
    assert refused(stripes, Asked((truth,), "code")) == (
        f"no pixel of {stripes} lies in a shape of {truth} with a code other than 0: the map "
        "covers 600000 6349800 600200 6350000, the shapes 610000 6349990 610010 6350000 (left, "
        "bottom, right, top in EPSG:2154); name the reference of this area"
    )


def test_files_that_do_not_open_are_named(stripes, tmp_path):
    missing = tmp_path / "none.shp"
    assert refused(stripes, Asked((missing,), "code")) == (
        f"there is no vector file {missing}: -ref.vector names existing files"
    )
    text = tmp_path / "text.gpkg"
    text.write_text("no geopackage")
    assert refused(stripes, Asked((text,), "code")).startswith(
        f"{text} does not open as a vector file: "
    )
    assert refused(missing, Asked((text,), "code")) == f"there is no raster {missing}"
    assert refused(text, Asked((text,), "code")).startswith(f"{text} does not open as a raster: ")


def test_a_truncated_shapefile_is_refused(stripes, tmp_path):
    truth = write_vector(tmp_path / "t.shp", [box(k, 0, 1, 1) for k in range(9)], code=[1] * 9)
    size = truth.stat().st_size
    with truth.open("r+b") as file:
        file.truncate(size - 300)
    assert refused(stripes, Asked((truth,), "code")) == (
        f"{truth} is truncated: it has {size - 300} of {size} bytes, copy it again"
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_maps_that_are_no_maps_are_refused(tmp_path):
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 1, 1)], code=[1])
    asked = Asked((truth,), "code")
    path = write_map(tmp_path / "two.tif", np.ones((2, 4, 4), np.uint8))
    assert refused(path, asked) == (
        f"{path} has 2 bands, a map of labels has one: name the map, such as "
        "final/Classif_Seed_0.tif, or take a band out (gdal_translate -b 1)"
    )
    path = write_map(tmp_path / "real.tif", np.ones((4, 4), np.float32))
    assert refused(path, asked) == f"{path} holds float32 values, labels are integers"
    path = write_map(tmp_path / "nowhere.tif", np.ones((4, 4), np.uint8), crs=None)
    assert refused(path, asked) == f"{path} states no CRS: give it one (gdal_edit.py -a_srs)"


@pytest.mark.parametrize(
    ("shape", "corner", "crs"),
    [
        ((SIZE, SIZE), (LEFT + 10, TOP), "EPSG:2154"),
        ((SIZE, SIZE - 1), (LEFT, TOP), "EPSG:2154"),
        ((SIZE, SIZE), (LEFT, TOP), "EPSG:32631"),
    ],
)
def test_a_raster_on_another_grid_is_refused(stripes, tmp_path, shape, corner, crs):
    path = tmp_path / "ref.tif"
    write_map(path, np.ones(shape, np.uint8), crs, from_origin(*corner, 10, 10))
    with pytest.raises(InputError) as caught:
        compare.with_raster(stripes, path)
    assert str(caught.value) == (
        f"{path} lies on another grid than {stripes}; put it on the map's: gdalwarp -r near "
        f"-t_srs EPSG:2154 -te 600000 6349800 600200 6350000 -tr 10 10 {path} reference.tif"
    )


def test_a_raster_without_labels_is_refused(stripes, tmp_path):
    path = write_map(tmp_path / "ref.tif", np.zeros((SIZE, SIZE), np.uint8))
    with pytest.raises(InputError, match=r"ref.tif holds no label other than 0 and its nodata"):
        compare.with_raster(stripes, path)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ([], "-map MAP is needed, or -compare JSON..."),
        (
            ["-map", "m.tif"],
            "one reference is needed: -ref.vector FILE... or -ref.raster FILE",
        ),
        (
            ["-map", "m.tif", "-ref.vector", "a", "-ref.raster", "b"],
            "one reference is needed: -ref.vector FILE... or -ref.raster FILE",
        ),
        (
            ["-map", "m.tif", "-ref.vector", "a"],
            "-ref.vector needs -ref.vector.field FIELD, the field of the code",
        ),
        (
            ["-map", "m.tif", "-ref.raster", "a", "-ref.vector.field", "code"],
            "-ref.raster has no fields and no layers",
        ),
        (["-compare", "a.json", "-out", "b"], "-compare stands alone"),
    ],
)
def test_a_wrong_command_line_is_told(call, told, capsys):
    with pytest.raises(SystemExit) as caught:
        confusion.main(call)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"i2lc confusion: {told}; see i2lc confusion -h\n"


def test_compare_refuses_other_files(tmp_path):
    made = "i2lc confusion -map MAP -ref.vector FILE -ref.vector.field FIELD -out DIR writes one"
    missing, other = tmp_path / "none.json", tmp_path / "other.json"
    with pytest.raises(InputError) as caught:
        confusion.main(["-compare", str(missing)])
    assert str(caught.value) == f"there is no {missing}; {made}"
    other.write_text('{"labels": [1]}')
    with pytest.raises(InputError) as caught:
        confusion.main(["-compare", str(other)])
    assert str(caught.value) == (
        f"{other} is no matrix in JSON (KeyError: 'confusion_matrix'); {made}"
    )


def test_a_file_in_place_of_the_folder_is_refused(stripes, tmp_path, capsys):
    truth = write_vector(tmp_path / "t.gpkg", [box(0, 0, 1, 1)], code=[1])
    call = ["confusion", "-map", str(stripes), "-ref.vector", str(truth)]
    assert cli.main([*call, "-ref.vector.field", "code", "-out", str(truth)]) == 2
    assert capsys.readouterr().err == f"i2lc: -out {truth} is a file; name a folder\n"


# -- OTB ---------------------------------------------------------------------------------------


def otb(path, kind, file, tmp_path, *more):
    program = shutil.which("otbcli_ComputeConfusionMatrix")
    if program is None:
        pytest.skip("otbcli_ComputeConfusionMatrix is not installed (Debian package otb-bin)")
    out = tmp_path / "otb.csv"
    command = [
        program, "-in", path, "-out", out, "-format", "confusionmatrix",
        "-ref", kind, f"-ref.{kind}.in", file, *more,
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out.read_text()


def stars(rng, count, size):
    """Give polygons with corners at any place, some beyond the map, many overlapping."""
    for _ in range(count):
        corners = rng.integers(3, 12)
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(5, 300) * rng.uniform(0.4, 1, corners)
        x, y = rng.uniform(-100, size * 10 + 100, 2)
        yield shapely.Polygon(
            np.c_[LEFT + x + radius * np.cos(angle), TOP - y + radius * np.sin(angle)]
        )


@pytest.mark.parametrize(
    ("name", "crs"),
    [("t.shp", "EPSG:2154"), ("t.gpkg", "EPSG:32631"), ("t.geojson", "EPSG:4326")],
)
def test_otb_counts_the_same_pixels(tmp_path, name, crs):
    rng = np.random.default_rng(len(name))
    size = 700
    values = rng.integers(0, 6, (size, size), dtype=np.uint8)
    path = write_map(tmp_path / "map.tif", values, nodata=0, tiled=True, blockysize=256)
    shapes = list(stars(rng, 300, size))
    truth = write_vector(tmp_path / name, shapes, crs, code=rng.integers(0, 8, len(shapes)))
    text = otb(path, "vector", truth, tmp_path, "-ref.vector.field", "code", "-ram", "1")
    assert counted(path, truth).as_csv() == text


def test_otb_takes_codes_0_and_none_layers_and_edges_on_centres_alike(stripes, tmp_path):
    centred = shapely.box(LEFT + 25, TOP - 65, LEFT + 65, TOP - 25)
    shapes = [centred, box(8, 8, 6, 6), box(9, 9, 2, 2), box(12, 9, 1, 1)]
    codes = pd.array([1, 300, 0, None], dtype="Int64")
    truth = write_vector(tmp_path / "t.gpkg", shapes, code=codes)
    corners = [(600100, 6349900), (600180, 6349820), (600180, 6349900), (600100, 6349820)]
    bow = shapely.Polygon(corners)
    parts = shapely.MultiPolygon([box(0, 10, 4, 4), box(2, 13, 4, 4)])
    line = shapely.LineString([(600020, 6349990), (600150, 6349930)])
    write_vector(truth, [bow, parts, line], code=[4, 5, 6], layer="second")
    text = otb(stripes, "vector", truth, tmp_path, "-ref.vector.field", "code")
    assert text.startswith("#Reference labels (rows):1,4,5,6,300\n")
    assert counted(stripes, truth).as_csv() == text


def test_otb_takes_a_raster_alike(stripes, tmp_path):
    labels = np.random.default_rng(5).integers(-1, 4, (SIZE, SIZE)).astype(np.int16)
    path = write_map(tmp_path / "ref.tif", labels)
    text = otb(stripes, "raster", path, tmp_path, "-ref.raster.nodata", "0")
    assert text.startswith("#Reference labels (rows):-1,1,2,3\n")
    assert compare.with_raster(stripes, path).as_csv() == text
