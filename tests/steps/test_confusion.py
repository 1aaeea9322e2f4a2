"""What was predicted of the polygons of a tile: pixels and confidence of each, and the matrix."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.steps import confusion
from i2lc.steps.artifacts import (
    CONFIDENCE,
    CONFIDENCE_STRIP,
    CONFUSION_TILE,
    LABEL_STRIP,
    LABELS,
    MAP,
    POLYGON_SCORES,
    POLYGONS,
    REFERENCE,
)
from i2lc.steps.confusion import Pieces
from i2lc.steps.contract import File, Job, Settings, Unit
from i2lc.steps.files import rasters, store
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.scoring.matrix import Matrix

CODES = (3, 7, 300)
COLUMNS = ["polygon", "side", "label", "said", "pixels", "confidence"]


def box(row, col, height, width):
    return GeoBox((height, width), Affine(10, 0, 10 * col, 0, -10, -10 * row), "EPSG:2154")


def raster(path, gbox, pixels, dtype="uint16"):
    pixels = np.asarray(pixels).astype(dtype).reshape(-1, *gbox.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasters.create(path, gbox, dtype, len(pixels)) as file:
        file.write(pixels)
    return path


def pieces(tmp_path, gboxes, seed=0):
    """Rasters of random numbers, and a picture of all of them from row and column -10 on."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((120, 120), np.int64)
    paths = []
    for number, gbox in enumerate(gboxes):
        values = rng.integers(1, 60000, gbox.shape)
        paths.append(raster(tmp_path / f"piece_{number}.tif", gbox, values))
        row, col = round(gbox.transform.f / -10) + 10, round(gbox.transform.c / 10) + 10
        canvas[row : row + gbox.height, col : col + gbox.width] = values
    return paths, canvas


STRIPS = [box(0, 0, 20, 40), box(20, 0, 25, 40), box(45, 0, 15, 40)]
SHIFTED = [box(-5, -8, 70, 30)]


@pytest.mark.parametrize("gboxes", [STRIPS, STRIPS[::2], SHIFTED, []])
@pytest.mark.parametrize(
    ("rows", "cols"),
    [((0, 60), (0, 40)), ((10, 50), (5, 9)), ((19, 21), (39, 40)), ((20, 45), (0, 40))],
)
def test_pieces_are_read_as_one(tmp_path, gboxes, rows, cols):
    """Windows across strips, beyond them, and where a strip is missing."""
    paths, canvas = pieces(tmp_path, gboxes)
    origin = raster(tmp_path / "origin.tif", box(0, 0, 60, 40), np.zeros((60, 40)), "uint8")
    files = [rasterio.open(path) for path in paths]
    with rasterio.open(origin) as first:
        found = Pieces(files, first).read(slice(*rows), slice(*cols))
    for file in files:
        file.close()
    expected = canvas[rows[0] + 10 : rows[1] + 10, cols[0] + 10 : cols[1] + 10]
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)


def test_pieces_show_nothing_beyond_themselves(tmp_path):
    paths, canvas = pieces(tmp_path, [box(3, 2, 4, 5)])
    origin = raster(tmp_path / "origin.tif", box(0, 0, 4, 4), np.zeros((4, 4)), "uint8")
    with rasterio.open(origin) as first, rasterio.open(paths[0]) as piece:
        found = Pieces([piece], first).read(slice(0, 12), slice(0, 12))
        beside = Pieces([piece], first).read(slice(7, 9), slice(0, 12))
    np.testing.assert_array_equal(found, canvas[10:22, 10:22])
    assert (found != 0).sum() == 20
    assert not beside.any()


def scene(tmp_path, gbox, bands=3, seed=0):
    """A tile of random polygon numbers, a map and a confidence larger than a window."""
    rng = np.random.default_rng(seed)
    side = rng.integers(0, 4, gbox.shape)
    numbers = np.stack(
        [np.where(side == band, rng.integers(1, 6, gbox.shape), 0) for band in (1, 2, 3)]
    )
    said = rng.choice([0, *CODES], gbox.shape)
    sure = np.where(said == 0, 0, rng.integers(1, 101, gbox.shape))
    paths = (
        raster(tmp_path / "map.tif", gbox, said),
        raster(tmp_path / "sure.tif", gbox, sure, "uint8"),
        raster(tmp_path / "reference.tif", gbox, numbers[:bands], "uint32"),
    )
    return paths, numbers, said, sure


LABEL_OF = np.array([0, 7, 3, 300, 3, 7])


def plain_count(numbers, said, sure, side, band):
    """The same by hand."""
    rows = []
    for polygon in range(1, 6):
        for code in (0, *CODES):
            there = (numbers[band] == polygon) & (said == code)
            row = (polygon, side, LABEL_OF[polygon], code, there.sum(), sure[there].sum())
            rows += [row] if there.any() else []
    return rows


def test_pixels_of_each_polygon_by_side_and_prediction(tmp_path):
    paths, numbers, said, sure = scene(tmp_path, box(0, 0, 300, 530))
    found = confusion.count(paths[:1], paths[1:2], paths[2], LABEL_OF)
    assert found.columns.tolist() == COLUMNS
    rows = plain_count(numbers, said, sure, "validation", 1)
    rows += plain_count(numbers, said, sure, "test", 2)
    expected = pd.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:4], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["pixels"].sum() == (numbers[1:] != 0).sum()


def test_without_a_fold_there_is_no_test_side(tmp_path):
    paths, numbers, said, sure = scene(tmp_path, box(0, 0, 30, 40), bands=2)
    found = confusion.count(paths[:1], paths[1:2], paths[2], LABEL_OF)
    expected = plain_count(numbers, said, sure, "validation", 1)
    assert list(found.itertuples(index=False, name=None)) == expected


def test_the_cut_of_the_strips_changes_nothing(tmp_path):
    paths, _, said, sure = scene(tmp_path, box(0, 0, 50, 40))
    cuts = [(0, 13), (13, 30), (30, 50)]
    parts = [
        [
            raster(tmp_path / f"{name}_{a}.tif", box(a, 0, b - a, 40), values[a:b], dtype)
            for a, b in cuts
        ]
        for name, values, dtype in (("said", said, "uint16"), ("sure", sure, "uint8"))
    ]
    whole = confusion.count(paths[:1], paths[1:2], paths[2], LABEL_OF)
    pd.testing.assert_frame_equal(confusion.count(*parts, paths[2], LABEL_OF), whole)


def test_a_strip_that_was_not_predicted_has_no_class(tmp_path):
    paths, numbers, said, sure = scene(tmp_path, box(0, 0, 50, 40))
    north = [
        raster(tmp_path / f"{name}.tif", box(0, 0, 20, 40), values[:20])
        for name, values in (("said", said), ("certain", sure))
    ]
    found = confusion.count(north[:1], north[1:], paths[2], LABEL_OF)
    said[20:], sure[20:] = 0, 0
    rows = plain_count(numbers, said, sure, "validation", 1)
    rows += plain_count(numbers, said, sure, "test", 2)
    expected = sorted(rows)
    assert sorted(found.itertuples(index=False, name=None)) == expected


def test_no_polygon_gives_a_table_without_a_line(tmp_path):
    gbox = box(0, 0, 5, 4)
    reference = raster(tmp_path / "none.tif", gbox, np.zeros((3, 5, 4)), "uint32")
    one = raster(tmp_path / "one.tif", gbox, np.ones((5, 4)))
    found = confusion.count([one], [one], reference, LABEL_OF)
    assert (found.columns.tolist(), len(found)) == (COLUMNS, 0)
    matrix = confusion.matrix_of(found, CODES)
    assert matrix.counts.tolist() == [[0] * 3] * 3


def test_polygons_sum_to_a_matrix_of_classes():
    rows = [
        (1, "test", 3, 3, 10, 0),
        (2, "test", 3, 3, 5, 0),  # the same cell
        (2, "test", 3, 300, 2, 0),
        (3, "test", 300, 7, 4, 0),
        (3, "test", 300, 0, 6, 0),
    ]
    matrix = confusion.matrix_of(pd.DataFrame(rows, columns=COLUMNS), CODES)
    assert matrix.codes == CODES
    assert matrix.counts.tolist() == [[15, 0, 2], [0, 0, 0], [0, 4, 0]]
    assert matrix.unclassified.tolist() == [0, 0, 6]


@pytest.mark.parametrize("kinds", [(MAP, CONFIDENCE), (LABEL_STRIP, CONFIDENCE_STRIP)])
def test_the_step_scores_the_map_or_the_strips(tmp_path, kinds):
    """The matrix is that of the validation side; test polygons stand in the table alone."""
    unit, gbox = Unit("T31TCJ", fold=2, seed=1), box(0, 0, 2, 4)
    full = Unit("T31TCJ", strip=0, fold=2, seed=1)
    files = [File(kind, full.only(kind.level)) for kind in kinds]
    raster(tmp_path / files[0].path, gbox, [[3, 3, 7, 0], [7, 7, 3, 300]])
    raster(tmp_path / files[1].path, gbox, [[50, 60, 70, 0], [80, 90, 20, 30]], "uint8")
    numbers = np.array([np.zeros((2, 4)), [[1, 1, 1, 1], [0] * 4], [[0] * 4, [2] * 4]])
    raster(tmp_path / REFERENCE.path(unit), gbox, numbers, "uint32")
    store.write_text(tmp_path / POLYGONS.path(unit), "number,polygon,label\n1,a,3\n2,b,7\n")
    labels = tuple(Label(code, str(code), f"c{code}", (0, 0, 0)) for code in CODES)
    Labels(labels).save(tmp_path / LABELS.path(Unit()))
    inputs = (*files, File(REFERENCE, unit), File(POLYGONS, unit), File(LABELS, Unit()))
    outputs = (File(CONFUSION_TILE, unit), File(POLYGON_SCORES, unit))
    confusion.compare(Job(unit, Settings(), tmp_path, inputs, outputs))
    assert (tmp_path / POLYGON_SCORES.path(unit)).read_text() == (
        "polygon,side,label,said,pixels,confidence\n"
        "1,validation,3,0,1,0\n"
        "1,validation,3,3,2,110\n"
        "1,validation,3,7,1,70\n"
        "2,test,7,3,1,20\n"
        "2,test,7,7,2,170\n"
        "2,test,7,300,1,30\n"
    )
    matrix = Matrix.from_csv((tmp_path / CONFUSION_TILE.path(unit)).read_text())
    assert matrix.counts.tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert matrix.unclassified.tolist() == [1, 0, 0]
