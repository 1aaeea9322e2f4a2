"""What is wrong with regions and folds, told before anything runs."""

import geopandas as gpd
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from i2lc.steps.checks import place_checks
from i2lc.steps.checks.place_checks import PlaceSettings
from i2lc.steps.checks.tile_checks import Report

LAMBERT = "EPSG:2154"
X, Y = 500_000, 6_300_000


def tile(x):
    return GeoBox((100, 100), Affine(10, 0, X + x, 0, -10, Y + 1000), LAMBERT)


GRIDS = {"T1": tile(0), "T2": tile(1000)}


def square(x, y, size=20):
    return shapely.box(X + x, Y + y, X + x + size, Y + y + size)


SHAPES = [square(x, y) for x in (10, 300, 1300, 1600) for y in (10, 500)]
"""Four on each tile; the classes of `VALUES` lie side by side."""
VALUES = [1, 2] * 4
NOT_WHERE = "; repair the file (i2lc check-database tells)"


def write(path, shapes, **columns):
    pyogrio.write_dataframe(gpd.GeoDataFrame(columns, geometry=list(shapes), crs=LAMBERT), path)
    return path


@pytest.fixture
def looked(tmp_path):
    """Give a function that writes a ground truth and a file of regions and checks them."""

    def look(shapes=SHAPES, values=VALUES, areas=None, grids=GRIDS, complete=True, **keys):
        columns = keys.pop("columns", {})
        path = write(tmp_path / "truth.gpkg", shapes, code=values, **columns)
        given = {"ground_truth": path, "data_field": "code"} | keys
        if areas is not None:
            given["region_path"] = write(
                tmp_path / "regions.gpkg", areas.values(), region=list(areas)
            )
        return place_checks.problems(PlaceSettings(**given), LAMBERT, grids, complete)

    return look


def one_error(report):
    assert len(report.errors) == 1, report.errors
    return report.errors[0]


LEFT, RIGHT = square(0, 0, 1000), square(1000, 0, 1000)


def test_nothing_to_tell(looked):
    assert looked() == Report()


def test_regions_and_folds_are_counted(looked):
    report = looked(areas={"west": LEFT, "east": RIGHT}, folds={"by": "polygon", "k": 2})
    assert report.errors == ()
    assert report.counts[:2] == (
        "region 'east': polygons 4, models 1",
        "region 'west': polygons 4, models 1",
    )
    assert [text.split(",")[0] for text in report.counts[2:]] == [
        "fold 1: test polygons 4",
        "fold 2: test polygons 4",
    ]
    assert all(
        text.endswith("training polygons 4, too near to test polygons 0")
        for text in report.counts[2:]
    )


def test_a_divided_region_counts_its_models(looked):
    keys = {"classif_mode": "fusion", "mode_outside_regionsplit": 0.002}
    areas = {"a": square(0, 0, 2000)}
    report = looked(areas=areas, split_ground_truth=False, **keys)
    assert report == Report(counts=("region 'a': polygons 8, models 2",))
    assert one_error(looked(areas=areas, ratio=0.5, **keys)) == (  # of 4, 2 learn and 1 trains
        "region 'a' would have 2 models, its polygons suffice for 1: choose a larger "
        "mode_outside_regionsplit"
    )


def test_a_region_divided_too_often(looked):
    report = looked(
        areas={"a": square(0, 0, 2000)}, classif_mode="fusion", mode_outside_regionsplit=0.0006
    )
    assert one_error(report) == (
        "region 'a' would have 6 models, its polygons suffice for 1: choose a larger "
        "mode_outside_regionsplit"
    )


def test_one_class(looked):
    assert one_error(looked(values=[3] * 8)) == (
        "the model would learn class 3 alone, a model needs two classes or more: add polygons"
    )


def test_one_class_inside_the_tiles(looked):
    assert one_error(looked(grids={"T1": tile(0)}, values=[1] * 4 + [2] * 4)) == (
        "the model would learn class 1 alone, a model needs two classes or more: add polygons"
    )


def test_one_class_in_a_region(looked):
    report = looked(values=[1, 2, 1, 2, 5, 5, 5, 5], areas={"west": LEFT, "east": RIGHT})
    assert one_error(report) == (
        "the model of region 'east' would learn class 5 alone, a model needs two classes or more: "
        "add polygons, or join the region to another"
    )
    assert report.warnings == (
        "region 'east' has no polygon of classes 1, 2: its map never has it",
        "region 'west' has no polygon of class 5: its map never has it",
    )


def test_bad_regions_are_told_alone(looked):
    report = looked(areas={"west": LEFT, "east": square(900, 0, 1100)}, values=[1] * 8)
    assert "regions 'east' and 'west' overlap by 100000 m2" in one_error(report)


def test_a_missing_file_of_regions(looked, tmp_path):
    path = tmp_path / "none.shp"
    assert one_error(looked(region_path=path)) == f"there is no file of regions {path}"


def test_no_polygon_in_a_region(looked, tmp_path):
    assert one_error(looked(areas={"far": square(50_000, 0)})) == (
        f"no polygon of {tmp_path / 'truth.gpkg'} lies in a region of "
        f"{tmp_path / 'regions.gpkg'} inside the tiles: give polygons of the same area"
    )


def test_polygons_without_region_and_regions_without_polygon(looked):
    areas = {"a": square(0, 0, 1250), "bare": square(1400, 700, 90), "far": square(50_000, 0)}
    report = looked(areas=areas)
    assert report.errors == ()
    assert report.warnings == (
        "region 'bare' has no polygon inside the tiles: it is not mapped",
        "4 polygons lie in no region and neither teach nor test",
    )
    report = looked(areas={"a": square(0, 0, 1550)}, shapes=SHAPES[:7], values=VALUES[:7])
    assert report.warnings == ("1 polygon lies in no region and neither teach nor test",)


def test_a_field_that_is_missing_or_no_group(looked, tmp_path):
    path = tmp_path / "truth.gpkg"
    assert one_error(looked(folds={"by": "field", "field": "zone"})) == (
        f"folds: {path} has no field 'zone'; its fields: code"
    )
    columns = {"zone": [0.5] * 8}
    assert one_error(looked(folds={"by": "field", "field": "zone"}, columns=columns)) == (
        f"folds: {path}: field 'zone' is of type Real; a group is an integer or a string"
    )


def test_the_class_is_no_group(looked):
    assert one_error(looked(folds={"by": "field", "field": "code"})) == (
        "folds: field 'code' is the class (data_field), so that each fold would hold out whole "
        "classes: choose another field"
    )


def test_polygons_without_a_group(looked):
    columns = {"zone": ["a", "a", "b", "b", "a", "a", None, None]}
    report = looked(folds={"by": "field", "field": "zone"}, columns=columns)
    assert report.errors == ()
    assert report.warnings == (
        "folds: 2 polygons have no value in the field: all folds learn, none tests them",
    )
    assert report.counts == (
        "fold 1 (a): test polygons 4, training polygons 4, too near to test polygons 0",
        "fold 2 (b): test polygons 2, training polygons 6, too near to test polygons 0",
    )


def test_a_fold_without_polygons(looked):
    report = looked(folds={"by": "tile"}, shapes=SHAPES[:4], values=VALUES[:4])
    assert report.errors == (
        "fold 1 (T1) has no training polygon: all polygons are test polygons, hold out less",
        "fold 2 (T2) has no test polygon: no polygon lies mostly in it: take the tile out of "
        "list_tile, or choose another by",
    )


def test_a_buffer_that_is_too_wide_for_one_fold(looked):
    report = looked(folds={"by": "tile", "buffer": 5000})
    assert report.errors == tuple(
        f"fold {name} has no training polygon: the buffer of 5000 m leaves none, choose a smaller "
        "one or hold out larger areas"
        for name in ("1 (T1)", "2 (T2)")
    )
    assert report.counts[0] == (
        "fold 1 (T1): test polygons 4, training polygons 0, too near to test polygons 4"
    )


def test_polygons_outside_the_tiles_help_no_fold(looked):
    shapes = [*SHAPES, square(50_000, 0), square(51_000, 0)]
    report = looked(folds={"by": "tile", "buffer": 5000}, shapes=shapes, values=[*VALUES, 1, 2])
    assert len(report.errors) == 2
    assert "the buffer of 5000 m leaves none" in report.errors[0]


def test_one_class_in_a_fold(looked):
    report = looked(folds={"by": "tile"}, values=[1, 2, 1, 2, 1, 1, 1, 1])
    assert one_error(report) == (
        "fold 1 (T1): the model would learn class 1 alone, a model needs two classes or more: "
        "add polygons"
    )


def test_a_region_that_a_fold_holds_out_as_a_whole(looked):
    report = looked(areas={"west": LEFT, "east": RIGHT}, folds={"by": "tile"})
    assert report.errors == (
        "fold 1 (T1): the model of region 'west' would learn no class, a model needs two classes "
        "or more: add polygons, or join the region to another",
        "fold 2 (T2): the model of region 'east' would learn no class, a model needs two classes "
        "or more: add polygons, or join the region to another",
    )


def test_files_of_test_polygons(looked, tmp_path):
    good = write(tmp_path / "good.gpkg", SHAPES[:2], code=VALUES[:2])
    report = looked(folds={"test_vectors": [good]})
    assert report.errors == ()
    assert report.counts == (
        "fold 1 (good.gpkg): test polygons 2, training polygons 6, too near to test polygons 0",
    )


def test_test_polygons_in_a_region_without_a_model(looked, tmp_path):
    """Regions are learnt from the polygons of the ground truth alone."""
    areas = {"west": LEFT, "east": RIGHT}
    one = write(tmp_path / "one.gpkg", [SHAPES[0], SHAPES[4]], code=[1, 1])
    two = write(tmp_path / "two.gpkg", [*SHAPES[4:6], square(650, 600)], code=[1, 2, 2])
    shapes = [*SHAPES[:4], square(600, 10)]
    report = looked(
        areas=areas, shapes=shapes, values=[*VALUES[:4], 1], folds={"test_vectors": [one, two]}
    )
    assert report.errors == ()
    assert report.warnings == (
        "region 'east' has no polygon inside the tiles: it is not mapped",
        "1 test polygon of fold 1 (one.gpkg) lies in regions without a model: it is not scored",
        "2 test polygons of fold 2 (two.gpkg) lie in regions without a model: they are not scored",
    )
    assert report.counts[0] == "region 'west': polygons 5, models 1"


def test_more_folds_than_can_be_are_told(looked):
    shapes = [square(10 + 12 * k, 10, 5) for k in range(101)]
    report = looked(
        shapes=shapes,
        values=[1 + k % 2 for k in range(101)],
        columns={"id": list(range(101))},
        folds={"by": "field", "field": "id"},
    )
    assert report == Report(
        ("folds: field 'id' has 101 values, 100 folds at most: give k, which groups them",)
    )


def test_files_of_test_polygons_that_cannot_be_used(looked, tmp_path):
    bowtie = shapely.from_wkt("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))")
    none, wrong = tmp_path / "none.gpkg", write(tmp_path / "wrong.gpkg", SHAPES[:1], name=["a"])
    crossed = write(tmp_path / "crossed.gpkg", [bowtie], code=[1])
    report = looked(folds={"test_vectors": [none, wrong, crossed]})
    assert report.errors == (
        f"folds: there is no file of test polygons {none}",
        f"folds: {wrong} has no field 'code'; its fields: name",
        f"folds: {crossed}: invalid geometry: feature 1 (Self-intersection[5 5])",
    )


def test_files_of_test_polygons_of_other_places_classes_and_types(looked, tmp_path):
    new = write(tmp_path / "new.gpkg", SHAPES[:2], code=[10, 9])
    assert one_error(looked(folds={"test_vectors": [new]})) == (
        f"folds: {new}: class 9, 10 is not in the ground truth, so that no model can say it: add "
        "it there, or drop it here"
    )
    far = write(tmp_path / "far.gpkg", [square(50_000, 0)], code=[1])
    assert one_error(looked(folds={"test_vectors": [far]})) == (
        "fold 1 (far.gpkg) has no test polygon: no polygon of the file lies inside the tiles: drop "
        "the file"
    )
    text = write(tmp_path / "text.gpkg", SHAPES[:2], code=["a", "b"])
    assert one_error(looked(folds={"test_vectors": [text]})) == (
        f"{text}: its classes are text, those of the ground truth are integers: give the field one "
        "type in all files"
    )


def test_a_class_that_no_fold_learns_or_tests(looked):
    shapes = [*SHAPES, square(600, 600)]
    report = looked(folds={"by": "tile"}, shapes=shapes, values=[*VALUES, 7])
    assert report.errors == ()
    assert report.warnings == (
        "fold 1 (T1): no training polygon of class 7: its models never say it",
    )


def test_a_ground_truth_that_cannot_be_read_is_told_elsewhere(looked, tmp_path):
    assert looked(ground_truth=tmp_path / "none.shp", folds={"by": "tile"}) == Report()
    found = looked(ground_truth=tmp_path / "none.shp", folds={"by": "field", "field": "zone"})
    assert found == Report()
    assert looked(data_field="name") == Report()


def test_without_all_tiles_no_polygon_is_placed(looked):
    assert looked(grids={"T1": tile(0)}, complete=False, values=[1] * 8) == Report()
    assert looked(grids={}, values=[1] * 8) == Report()


def test_polygons_beside_the_tiles_are_told_elsewhere(looked):
    assert looked(grids={"T9": tile(90_000)}) == Report()
