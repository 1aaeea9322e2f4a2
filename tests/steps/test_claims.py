"""Which polygon has which pixel, on one tile and over two: the rules of samples and reference."""

import csv
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from i2lc.errors import InputError
from i2lc.steps import envelopes, polygons
from i2lc.steps.artifacts import (
    DATE_GRID,
    ENVELOPE,
    LABELS,
    LEARN_VECTOR,
    POLYGONS,
    REFERENCE,
    REGIONS,
    SPLIT_REPORT,
    TILE_INDEX,
    VAL_VECTOR,
    VIEWS,
)
from i2lc.steps.contract import MAIN, File, Job, Unit
from i2lc.steps.files import rasters, store
from i2lc.steps.reference import claims
from i2lc.steps.reference import split as split_step
from i2lc.steps.reference.folds import Folds
from i2lc.steps.reference.labels import Labels
from i2lc.steps.sensors.base import Product
from i2lc.steps.tiles import grid
from i2lc.steps.tiles.tile import TileIndex

LAMBERT = "EPSG:2154"


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    """To wait for the disk is no part of these rules, and would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_flush", lambda _: None)
        patch.setenv("OGR_SQLITE_SYNCHRONOUS", "OFF")
        yield


def square(row, col, height, width):
    """A rectangle of whole pixels of the lattice."""
    return shapely.box(10 * col, -10 * (row + height), 10 * (col + width), -10 * row)


def box(row, col, height, width):
    return GeoBox((height, width), Affine(10, 0, 10 * col, 0, -10, -10 * row), LAMBERT)


def raster_of(path, gbox, pixels, dtype):
    with rasters.create(path, gbox, dtype) as raster:
        raster.write(np.asarray(pixels).astype(dtype), 1)
    return path


def walked(tmp_path, shapes, codes, *, owned=None, views=None, least=1, shape=(6, 8)):
    gbox = box(0, 0, *shape)
    frame = gpd.GeoDataFrame(geometry=shapes, crs=LAMBERT)
    owned = np.ones(shape) if owned is None else owned
    views = np.ones(shape) if views is None else views
    with (
        rasterio.open(raster_of(tmp_path / "own.tif", gbox, owned, "uint8")) as envelope,
        rasterio.open(raster_of(tmp_path / "see.tif", gbox, views, "uint16")) as seen,
    ):
        return list(claims.walk(frame, codes, gbox, envelope, seen, least))


def one(*args, **keys):
    (band,) = walked(*args, **keys)
    return band


def everyone(band):
    return np.ones(len(band.codes), bool)


def used(band, member=None):
    """Give the pixels of the band that some polygon uses."""
    member = everyone(band) if member is None else np.asarray(member, bool)
    found = np.zeros(band.owned.shape, bool)
    for number, place, mask in band.claims:
        if member[number - 1]:
            found[place] |= mask & band.free(member)[place]
    return found


def test_a_polygon_that_takes_no_part_takes_no_pixel_away(tmp_path):
    shapes = [square(0, 0, 1, 4), square(0, 2, 1, 4), square(0, 5, 1, 2)]
    views = np.ones((6, 8))
    views[0, 0] = 0
    band = one(tmp_path, shapes, [7, 9, 7], views=views)
    assert claims.pixels_of(band, everyone(band)).tolist() == [1, 1, 1]
    assert band.losses(everyone(band)) == (3, 1)
    without = np.array([True, False, True])
    assert claims.pixels_of(band, without).tolist() == [3, 0, 2]
    assert band.losses(without) == (0, 1)
    assert used(band, without)[0].tolist() == [False, True, True, True, False, True, True, False]


def test_a_pixel_of_one_polygon_is_usable(tmp_path):
    band = one(tmp_path, [square(1, 2, 2, 3)], [7])
    expected = np.zeros((6, 8), bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(used(band), expected)
    assert claims.pixels_of(band, everyone(band)).tolist() == [6]
    assert band.losses(everyone(band)) == (0, 0)


def test_a_pixel_of_two_classes_is_used_by_neither_and_counted(tmp_path):
    shapes = [square(0, 0, 2, 4), square(1, 2, 3, 4)]  # share row 1, columns 2 and 3
    band = one(tmp_path, shapes, [7, 9])
    assert band.losses(everyone(band))[0] == 2
    assert not used(band)[1, 2:4].any()
    assert claims.pixels_of(band, everyone(band)).tolist() == [6, 10]
    same = one(tmp_path, shapes, [7, 7])
    assert same.losses(everyone(same))[0] == 0
    assert used(same)[1, 2:4].all()
    assert claims.pixels_of(same, everyone(same)).tolist() == [8, 12]


@pytest.mark.parametrize("codes", [[7, 9, 7], [7, 7, 9], [9, 7, 7]])
def test_of_three_claims_any_other_class_takes_the_pixel_away(tmp_path, codes):
    band = one(tmp_path, [square(0, 0, 2, 2)] * 3, codes)
    assert band.losses(everyone(band))[0] == 4
    assert not used(band).any()


def test_a_contested_pixel_stays_so_even_where_clouds_hide_it(tmp_path):
    """Each lost pixel is counted once, the classes first."""
    views = np.ones((6, 8))
    views[0] = 0
    shapes = [square(0, 0, 2, 2), square(0, 1, 2, 2)]
    band = one(tmp_path, shapes, [7, 9], views=views)
    assert band.losses(everyone(band))[0] == 2  # column 1
    assert band.losses(everyone(band))[1] == 2  # row 0, columns 0 and 2
    assert int(used(band).sum()) == 2


@pytest.mark.parametrize(("least", "usable"), [(1, 5), (2, 3), (3, 2)])
def test_few_views(tmp_path, least, usable):
    views = np.zeros((6, 8))
    views[0, :6] = [0, 1, 1, 2, 3, 9]
    band = one(tmp_path, [square(0, 0, 1, 6)], [7], views=views, least=least)
    assert int(used(band).sum()) == usable
    assert band.losses(everyone(band))[1] == 6 - usable


def test_pixels_of_another_tile_are_neither_used_nor_counted(tmp_path):
    owned = np.ones((6, 8))
    owned[:, 4:] = 0
    views = np.ones((6, 8))
    views[:, 6:] = 0
    shapes = [square(0, 2, 2, 6), square(0, 5, 1, 1)]
    band = one(tmp_path, shapes, [7, 9], owned=owned, views=views)
    assert int(used(band).sum()) == 4
    assert band.losses(everyone(band)) == (0, 0)
    assert claims.pixels_of(band, everyone(band)).tolist() == [4, 0]


def test_bands_of_rows_give_each_pixel_once(tmp_path):
    """A polygon over three bands, one beside the tile, one that ends on a band's edge."""
    shapes = [
        square(250, 1, 300, 2),
        square(-20, -20, 10, 10),
        square(100, 4, 156, 2),
        square(590, 0, 50, 8),
        square(0, 30, 600, 5),
    ]
    bands = walked(tmp_path, shapes, [1, 1, 1, 1, 1], shape=(600, 8))
    assert [(band.rows.start, band.rows.stop) for band in bands] == [
        (0, 256),
        (256, 512),
        (512, 600),
    ]
    total = sum(claims.pixels_of(band, everyone(band)) for band in bands)
    assert total.tolist() == [600, 0, 312, 80, 0]
    usable = np.concatenate([used(band) for band in bands])
    expected = rasterize(shapes, usable.shape, transform=box(0, 0, 1, 1).transform).astype(bool)
    np.testing.assert_array_equal(usable, expected)


def sides(band, learns, validates, split=True):
    members = [np.array(learns), np.array(validates)]
    return claims.take_sides(band, used(band), members, [(0, 1)] if split else [])


def test_sides_that_hold_out_share_no_pixel_with_any_other(tmp_path):
    """Three sides: what two of them claim that may not share it, none has."""
    shapes = [square(0, 0, 1, 3), square(0, 2, 1, 3), square(0, 4, 1, 3)]
    band = one(tmp_path, shapes, [7, 7, 7])
    members = [np.array(member) for member in ([1, 0, 0], [1, 1, 0], [0, 0, 1])]
    members = [member.astype(bool) for member in members]
    numbers, lost = claims.take_sides(band, used(band), members, [(0, 2), (1, 2)])
    assert lost == 1  # column 4, of polygons 2 and 3
    assert numbers[:, 0].tolist() == [
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 2, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 3, 3, 0],
    ]
    numbers, lost = claims.take_sides(band, used(band), members, [(0, 1), (0, 2), (1, 2)])
    assert lost == 4
    assert numbers[:, 0].tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 2, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 3, 3, 0],
    ]


def test_a_pixel_of_both_sides_is_used_by_neither_and_counted(tmp_path):
    band = one(tmp_path, [square(0, 0, 1, 4), square(0, 2, 1, 4)], [7, 7])
    numbers, lost = sides(band, [True, False], [False, True])
    assert lost == 2
    assert numbers.dtype == np.uint32
    assert numbers[0, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert numbers[1, 0].tolist() == [0, 0, 0, 0, 2, 2, 0, 0]


def test_of_two_polygons_of_one_side_the_first_has_the_pixel(tmp_path):
    band = one(tmp_path, [square(0, 0, 1, 4), square(0, 2, 1, 4)], [7, 7])
    numbers, lost = sides(band, [True, True], [False, False])
    assert lost == 0
    assert numbers[0, 0].tolist() == [1, 1, 1, 1, 2, 2, 0, 0]
    assert not numbers[1].any()


def test_a_polygon_on_no_side_gives_nothing(tmp_path):
    band = one(tmp_path, [square(0, 0, 1, 4)], [7])
    numbers, lost = sides(band, [False], [False])
    assert not numbers.any()
    assert lost == 0


def test_without_a_split_both_sides_keep_the_pixel(tmp_path):
    band = one(tmp_path, [square(0, 0, 1, 2), square(0, 1, 1, 2)], [7, 7])
    numbers, lost = sides(band, [True, True], [True, True], split=False)
    assert lost == 0
    assert numbers[:, 0].tolist() == [[1, 1, 2, 0, 0, 0, 0, 0]] * 2


def test_no_pixel_of_two_classes_is_on_a_side(tmp_path):
    band = one(tmp_path, [square(0, 0, 1, 2), square(0, 1, 1, 2)], [7, 9])
    numbers, lost = sides(band, [True, False], [False, True])
    assert lost == 0  # lost to classes, which is counted elsewhere
    assert numbers[0, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert numbers[1, 0].tolist() == [0, 0, 2, 0, 0, 0, 0, 0]


# --- the step on two overlapping tiles ------------------------------------------------------

TILES = {"T31TCJ": box(0, 0, 60, 60), "T31TDJ": box(4, 50, 60, 60)}
WHOLE = grid.union(TILES.values())


def random_polygons(seed, count=60):
    """Irregular polygons that overlap each other, the tiles' borders and the overlap."""
    rng = np.random.default_rng(seed)
    shapes = []
    while len(shapes) < count:
        x, y = rng.uniform(-50, 1150), rng.uniform(-700, 50)
        corners = int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radii = rng.uniform(10, 90, corners)
        shape = shapely.Polygon(np.c_[x + radii * np.cos(angles), y + radii * np.sin(angles)])
        if shape.is_valid and shape.area > 0:
            shapes.append(shape)
    return shapes


@pytest.fixture
def ground(tmp_path):
    """Two tiles with random views, their envelopes, and a function that runs the step."""
    rng = np.random.default_rng(5)
    units = [Unit(tile=tile) for tile in TILES]
    for unit in units:
        gbox = TILES[unit.tile]
        product = Product("p", date(2018, 1, 1), {}, {})
        record = TileIndex(unit.tile, gbox, {"mask": gbox}, (1, 60), (product,))
        record.save(tmp_path / TILE_INDEX.path(unit))
        raster_of(tmp_path / VIEWS.path(unit), gbox, rng.choice([0, 1, 2, 5], (60, 60)), "uint16")
    inputs = tuple(File(kind, unit) for unit in units for kind in (TILE_INDEX, VIEWS))
    envelopes.draw(
        Job(
            unit=Unit(),
            settings=envelopes.Settings(),
            root=tmp_path,
            inputs=inputs,
            outputs=(*(File(ENVELOPE, unit) for unit in units), File(DATE_GRID, Unit())),
        )
    )
    names, colors = tmp_path / "names.txt", tmp_path / "colors.txt"
    names.write_text("".join(f"class {k}:{k}\n" for k in (3, 5, 9)))
    colors.write_text("".join(f"{k} {k} 0 0\n" for k in (3, 5, 9)))

    def run(table, runs=1, folds=(MAIN,), fold_settings=None, **keys):
        path = tmp_path / "truth.gpkg"
        path.unlink(missing_ok=True)
        pyogrio.write_dataframe(table, path, driver="GPKG")
        splits = [Unit(fold=fold, seed=seed) for fold in folds for seed in range(runs)]
        per = [replace(split, tile=unit.tile) for unit in units for split in splits]
        polygons.take_sides(
            Job(
                unit=Unit(),
                settings=polygons.Settings(
                    ground_truth=path,
                    data_field="Code",
                    nomenclature_path=names,
                    color_table=colors,
                    folds=fold_settings,
                    **keys,
                ),
                root=tmp_path,
                inputs=inputs + tuple(File(ENVELOPE, unit) for unit in units),
                outputs=(
                    File(LABELS, Unit()),
                    File(SPLIT_REPORT, Unit()),
                    File(REGIONS, Unit()),
                    *(File(POLYGONS, unit) for unit in splits),
                    *(
                        File(kind, unit)
                        for unit in per
                        for kind in (REFERENCE, LEARN_VECTOR, VAL_VECTOR)
                    ),
                ),
            )
        )
        return SimpleNamespace(root=tmp_path, seeds=range(runs))

    return run


def truth_of(seed, count=60):
    shapes = random_polygons(seed, count)
    return gpd.GeoDataFrame(
        {"Code": [(3, 5, 9)[k % 3] for k in range(count)]}, geometry=shapes, crs=LAMBERT
    )


def on_whole(gbox, pixels):
    canvas = np.zeros((*pixels.shape[:-2], *WHOLE.shape), pixels.dtype)
    place = grid.overlap(WHOLE, gbox)
    canvas[(..., *place)] = pixels
    return canvas


def reference_of(found, seed, fold=MAIN):
    """Numbers of the polygons over both tiles, (side, y, x); asserts that tiles are disjoint."""
    names = ("learning", "validation", "test") if fold else ("learning", "validation")
    total = np.zeros((len(names), *WHOLE.shape), np.int64)
    for tile, gbox in TILES.items():
        with rasterio.open(
            found.root / REFERENCE.path(Unit(tile=tile, fold=fold, seed=seed))
        ) as raster:
            assert raster.dtypes == ("uint32",) * len(names)
            assert raster.descriptions == names
            own = on_whole(gbox, raster.read().astype(np.int64))
        assert not ((total != 0) & (own != 0)).any()
        total += own
    return total


def layers_of(found, seed, kind, fold=MAIN):
    frames = []
    for tile in TILES:
        path = found.root / kind.path(Unit(tile=tile, fold=fold, seed=seed))
        assert [kind for _, kind in pyogrio.list_layers(path)] == ["Polygon"]
        frame = pyogrio.read_dataframe(path)
        assert (frame["tile_o"] == tile).all()
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def table_of(found, seed, fold=MAIN):
    path = found.root / POLYGONS.path(Unit(fold=fold, seed=seed))
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_of_both_tiles_hold_exactly_the_used_pixels_once(ground, seed):
    found = ground(truth_of(seed), random_seed=seed)
    reference = reference_of(found, 0)
    assert not ((reference[0] != 0) & (reference[1] != 0)).any()
    number_of = {row["polygon"]: int(row["number"]) for row in table_of(found, 0)}
    for side, kind in enumerate((LEARN_VECTOR, VAL_VECTOR)):
        parts = layers_of(found, 0, kind)
        assert parts.geometry.is_valid.all()
        claimed = np.zeros(WHOLE.shape, np.int64)
        says = np.zeros(WHOLE.shape, np.int64)
        for part in parts.itertuples():
            mask = rasterize([part.geometry], WHOLE.shape, transform=WHOLE.transform)
            claimed += mask
            says[mask == 1] = number_of[part.polygon]
        assert claimed.max() == 1
        np.testing.assert_array_equal(says, reference[side])
        assert (says != 0).sum() > 300


def test_the_used_pixels_are_those_of_a_plain_computation(ground):
    table = truth_of(3)
    found = ground(table, cloud_threshold=2)
    views = np.zeros(WHOLE.shape, np.int64)
    covered = np.zeros(WHOLE.shape, bool)
    for tile, gbox in TILES.items():
        unit = Unit(tile=tile)
        with (
            rasterio.open(found.root / VIEWS.path(unit)) as seen,
            rasterio.open(found.root / ENVELOPE.path(unit)) as envelope,
        ):
            own = envelope.read(1) == 1
            views += on_whole(gbox, np.where(own, seen.read(1), 0).astype(np.int64))
            covered |= on_whole(gbox, own)
    masks = np.stack(
        [
            rasterize([shape], WHOLE.shape, transform=WHOLE.transform).astype(bool)
            for shape in table.geometry
        ]
    )
    claimants = np.stack([masks[table["Code"] == code].any(axis=0) for code in (3, 5, 9)])
    claimed, contested = claimants.any(axis=0) & covered, (claimants.sum(axis=0) > 1) & covered
    usable = claimed & ~contested & (views >= 2)
    report = store.read_json(found.root / SPLIT_REPORT.path(Unit()))
    assert report["pixels_claimed_by_two_classes"] == contested.sum() > 0
    assert report["pixels_with_too_few_views"] == (claimed & ~contested & (views < 2)).sum() > 0
    assert report["polygons"] == 60
    assert report["polygons_without_pixels"] == sum(not (mask & usable).any() for mask in masks)
    # the sides of the polygons, as the table says
    rows = table_of(found, 0)
    side_of = {int(row["originfid"]): row["side"] for row in rows}
    fids = pyogrio.read_dataframe(found.root / "truth.gpkg", fid_as_index=True).index
    learns = np.array([side_of[fid] == "learning" for fid in fids])
    validates = np.array([side_of[fid] == "validation" for fid in fids])
    learning, validation = masks[learns].any(axis=0), masks[validates].any(axis=0)
    both = usable & learning & validation
    assert report["pixels_claimed_by_both_sides"] == {"0": int(both.sum())}
    assert both.any()
    reference = reference_of(found, 0)
    np.testing.assert_array_equal(reference[0] != 0, usable & learning & ~both)
    np.testing.assert_array_equal(reference[1] != 0, usable & validation & ~both)
    counts = np.bincount(reference.ravel(), minlength=61)[1:]
    assert [int(row["pixels"]) for row in rows] == counts.tolist()


@pytest.mark.parametrize(("threshold", "least"), [(0, 1), (1, 1), (3, 3)])
def test_a_used_pixel_was_seen_as_often_as_asked_and_once_at_least(ground, threshold, least):
    found = ground(truth_of(3), cloud_threshold=threshold)
    for tile in TILES:
        with (
            rasterio.open(found.root / VIEWS.path(Unit(tile=tile))) as views,
            rasterio.open(
                found.root / REFERENCE.path(Unit(tile=tile, fold=MAIN, seed=0))
            ) as reference,
        ):
            seen = views.read(1)[(reference.read() != 0).any(axis=0)]
        assert seen.min() >= least
        assert seen.size > 50


def test_a_polygon_whose_pixels_are_all_used_keeps_its_shape(ground):
    inside = shapely.Polygon([(203, -103), (271, -110), (230, -161)])
    table = gpd.GeoDataFrame({"Code": [3, 3]}, geometry=[inside, square(30, 10, 4, 4)], crs=LAMBERT)
    found = ground(table)
    views = np.concatenate(
        [layers_of(found, 0, kind).geometry.to_numpy() for kind in (LEARN_VECTOR, VAL_VECTOR)]
    )
    reference = reference_of(found, 0)
    mask = rasterize([inside], WHOLE.shape, transform=WHOLE.transform).astype(bool)
    whole = (reference.sum(axis=0)[mask] != 0).all()
    assert any(shape.equals_exact(inside, normalize=True) for shape in views) == whole


def test_layers_have_the_fields_of_iota2(ground):
    table = truth_of(1, 12)
    found = ground(table)
    rows = {row["polygon"]: row for row in table_of(found, 0)}
    for kind, side in ((LEARN_VECTOR, "learning"), (VAL_VECTOR, "validation")):
        parts = layers_of(found, 0, kind)
        assert parts.crs == LAMBERT
        assert set(parts.columns) == {
            "code",
            "i2label",
            "polygon",
            "originfid",
            "tile_o",
            "geometry",
        }
        assert len(parts) > 0
        for part in parts.itertuples():
            row = rows[part.polygon]
            assert row["side"] == side
            assert part.code == part.i2label == int(row["class"]) == int(row["label"])
            assert part.originfid == int(row["originfid"])


def test_polygons_take_the_sides_of_the_draw_whatever_the_order_of_the_file(ground):
    table = truth_of(2)
    found = ground(table, runs=2, random_seed=10, ratio=0.75)
    first = [table_of(found, seed) for seed in (0, 1)]
    before = reference_of(found, 1)
    again = ground(table.iloc[::-1], runs=2, random_seed=10, ratio=0.75)
    for seed in (0, 1):
        rows = table_of(again, seed)
        for old, new in zip(first[seed], rows, strict=True):
            assert {k: old[k] for k in old if k != "originfid"} == {
                k: new[k] for k in new if k != "originfid"
            }
        used = [(row["class"], row["polygon"]) for row in rows if row["side"]]
        draw = split_step.sides(used, 0.75, 10 + seed, True)
        assert {row["polygon"]: (row["side"], row["set"]) for row in rows if row["side"]} == draw
    assert [row["side"] for row in first[0]] != [row["side"] for row in first[1]]
    np.testing.assert_array_equal(reference_of(again, 1), before)


def test_random_seed_none_is_zero(ground):
    drawn = [
        [row["side"] for row in table_of(ground(truth_of(2), **keys), 0)]
        for keys in ({"random_seed": None}, {"random_seed": 0}, {"random_seed": 1})
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_polygon_without_a_usable_pixel_is_not_drawn(ground):
    table = truth_of(0, 6)
    far = gpd.GeoDataFrame({"Code": [3]}, geometry=[square(500, 500, 5, 5)], crs=LAMBERT)
    found = ground(pd.concat([table, far], ignore_index=True))
    rows = table_of(found, 0)
    undrawn = [row for row in rows if not row["side"]]
    assert [row["pixels"] for row in undrawn] == ["0"] * len(undrawn)
    assert (
        len(undrawn)
        == store.read_json(found.root / SPLIT_REPORT.path(Unit()))["polygons_without_pixels"]
    )
    assert str(undrawn[0]["set"]) == ""


def test_duplicates_are_one_polygon_on_one_side(ground):
    table = truth_of(4, 9)
    found = ground(pd.concat([table, table.iloc[:3]], ignore_index=True))
    doubled = (table_of(found, 0), reference_of(found, 0))
    found = ground(table)
    assert len(doubled[0]) == 9
    assert doubled[0] == table_of(found, 0)
    np.testing.assert_array_equal(doubled[1], reference_of(found, 0))


def test_without_a_split_both_layers_hold_all(ground):
    found = ground(truth_of(1), split_ground_truth=False)
    learn, val = (layers_of(found, 0, kind) for kind in (LEARN_VECTOR, VAL_VECTOR))
    assert len(learn) > 0
    assert learn.drop(columns="geometry").equals(val.drop(columns="geometry"))
    assert learn.geometry.geom_equals_exact(val.geometry, 0).all()
    reference = reference_of(found, 0)
    np.testing.assert_array_equal(reference[0], reference[1])
    assert {row["side"] for row in table_of(found, 0)} <= {"both", ""}
    report = store.read_json(found.root / SPLIT_REPORT.path(Unit()))
    assert report["split"] is False
    assert report["pixels_claimed_by_both_sides"] == {"0": 0}
    counts = np.bincount(reference[0].ravel(), minlength=61)[1:]
    assert [int(row["pixels"]) for row in table_of(found, 0)] == counts.tolist()


def test_a_class_of_one_polygon_learns_and_is_named(ground, caplog):
    shapes = [square(5, 5, 6, 6), square(20, 5, 6, 6), square(40, 5, 6, 6)]
    table = gpd.GeoDataFrame({"Code": [3, 5, 5]}, geometry=shapes, crs=LAMBERT)
    found = ground(table)
    sides_ = {row["class"]: row["side"] for row in table_of(found, 0) if row["class"] == "3"}
    assert sides_ == {"3": "learning"}
    assert {row["side"] for row in table_of(found, 0) if row["class"] == "5"} == {
        "learning",
        "validation",
    }
    report = store.read_json(found.root / SPLIT_REPORT.path(Unit()))
    assert report["single_polygon_classes"] == ["3"]
    assert "class 3 has one polygon" in caplog.text


def test_classes_of_the_run_are_written(ground):
    found = ground(truth_of(0, 12))
    assert [(c.code, c.name) for c in Labels.load(found.root / LABELS.path(Unit())).classes] == [
        (3, "class 3"),
        (5, "class 5"),
        (9, "class 9"),
    ]


def test_polygons_elsewhere_are_an_error(ground):
    table = gpd.GeoDataFrame({"Code": [3]}, geometry=[square(500, 500, 5, 5)], crs=LAMBERT)
    with pytest.raises(
        InputError, match=r"no polygon of .* has a usable pixel in the tiles T31TCJ"
    ):
        ground(table)


# --- folds and regions ----------------------------------------------------------------------

FOLDS = Folds(by="polygon", k=2, buffer=30)
HEADER = "number,polygon,originfid,class,label,region,model,fold,side,set,pixels"


def test_the_table_of_polygons_has_the_columns_of_the_contract(ground):
    found = ground(truth_of(1, 12))
    text = (found.root / POLYGONS.path(Unit(fold=MAIN, seed=0))).read_text()
    assert text.splitlines()[0] == HEADER
    rows = table_of(found, 0)
    assert [int(row["number"]) for row in rows] == list(range(1, 13))
    assert {(row["region"], row["model"], row["fold"]) for row in rows} == {("", "", "0")}
    regions = (found.root / REGIONS.path(Unit())).read_text()
    assert regions == "number,region,model\n1,,\n"


def test_pixels_of_a_fold_are_those_of_its_test_polygons_and_of_no_other_side(ground):
    table = truth_of(2)
    plain = ground(table)
    kept = (table_of(plain, 0), reference_of(plain, 0))
    found = ground(table, folds=(MAIN, 1, 2), fold_settings=FOLDS)
    main = table_of(found, 0)
    assert [{**row, "fold": "0"} for row in main] == kept[0]
    np.testing.assert_array_equal(reference_of(found, 0), kept[1])
    fold_of = np.array([0] + [int(row["fold"]) for row in main])
    assert set(fold_of[1:]) == {0, 1, 2}  # those outside of the tiles are in none
    for fold in (1, 2):
        rows, reference = table_of(found, 0, fold), reference_of(found, 0, fold)
        assert [row["fold"] for row in rows] == [row["fold"] for row in main]
        side_of = np.array(["", *(row["side"] for row in rows)])
        for band, side in enumerate(("learning", "validation", "test")):
            numbers = np.unique(reference[band])
            assert set(side_of[numbers[numbers > 0]]) == {side}
        assert set(fold_of[side_of == "test"]) == {fold}
        assert ((reference != 0).sum(axis=0) <= 1).all()
        counts = np.bincount(reference.ravel(), minlength=len(side_of))[1:]
        assert [int(row["pixels"]) for row in rows] == counts.tolist()
        learns = table.geometry[[int(r["originfid"]) - 1 for r in rows if r["side"] == "learning"]]
        tests = table.geometry[[int(r["originfid"]) - 1 for r in rows if r["side"] == "test"]]
        assert shapely.distance(shapely.union_all(learns), shapely.union_all(tests)) > 30
        assert len(layers_of(found, 0, LEARN_VECTOR, fold)) > 0


def test_regions_and_their_models_are_numbered(ground, tmp_path):
    halves = [shapely.box(400, -700, 1200, 100), shapely.box(-100, -700, 400, 100)]
    frame = gpd.GeoDataFrame({"region": ["west", "east"]}, geometry=halves[::-1], crs=LAMBERT)
    table = truth_of(0)
    path = tmp_path / "regions.gpkg"
    pyogrio.write_dataframe(frame, path, driver="GPKG")
    found = ground(table, region_path=path)
    rows = table_of(found, 0)
    centres = {k + 1: shape.centroid.x for k, shape in enumerate(table.geometry)}
    assert all(row["model"] == row["region"] for row in rows)
    used = [row for row in rows if row["side"]]
    assert {row["region"] for row in used} == {"east", "west"}
    sure = [row for row in used if abs(centres[int(row["originfid"])] - 400) > 90]
    assert all(
        row["region"] == ("west" if centres[int(row["originfid"])] < 400 else "east")
        for row in sure
    )
    regions = (found.root / REGIONS.path(Unit())).read_text()
    assert regions == "number,region,model\n1,east,east\n2,west,west\n"
