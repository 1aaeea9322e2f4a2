"""`i2lc check-database`: every finding with its words, the cleaned file, and wrong use."""

import csv
import shutil
import sqlite3

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i2lc.chain import cli
from i2lc.chain.verbs import check_database
from i2lc.steps.shapes import database

X, Y = 600_000, 6_300_000
BOWTIE = shapely.from_wkt("POLYGON((0 0, 100 100, 100 0, 0 100, 0 0))")
ENDINGS = (".shp", ".gpkg", ".geojson", ".sqlite")


def at(shape, x=0, y=0):
    """Move a shape into the middle of Lambert-93."""
    return None if shape is None else shapely.transform(shape, lambda p: p + (X + x, Y + y))


def box(x, y, width, height):
    return shapely.box(X + x, Y + y, X + x + width, Y + y + height)


def table(shapes, codes=None, crs="EPSG:2154", **fields):
    codes = [1] * len(shapes) if codes is None else codes
    return gpd.GeoDataFrame({"code": codes, **fields}, geometry=list(shapes), crs=crs)


def write(path, frame):
    options = {}
    if path.suffix == ".sqlite":
        options = {"dataset_options": {"SPATIALITE": "YES"}, "layer_options": {"LAUNDER": "NO"}}
    pyogrio.write_dataframe(frame, path, driver=database.FORMATS[path.suffix], **options)
    return path


def check(source, out=None, *options, field="code", epsg="2154"):
    """Run the verb as a user does; give the exit status."""
    given_out = [] if out is None else ["-out.vector", str(out)]
    return cli.main(
        ["check-database", "-in.vector", str(source), *given_out]
        + ["-dataField", field, "-epsg", epsg, *options]
    )


CORRECT = ("-doCorrections", "True")


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def found(capsys):
    """Give the sentences of the findings that were printed."""
    return [line for line in lines(capsys) if line.startswith("  ")]


def state(folder):
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
        if path.is_file()
    }


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def wkts(path):
    frame = pyogrio.read_dataframe(path)
    return [shape.normalize().wkt for shape in frame.geometry]


def wanted(*shapes):
    return [shape.normalize().wkt for shape in shapes]


# Findings, each with its words.


def test_nothing_is_found_in_good_polygons(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 100, 100), box(100, 0, 100, 100)]))
    assert check(source, tmp_path / "out.gpkg") == 0
    assert lines(capsys) == [
        f"{source}: 2 features, EPSG:2154",
        "nothing found",
        f"table of findings: {tmp_path / 'out_findings.csv'}",
    ]
    assert rows(tmp_path / "out_findings.csv") == [list(check_database.HEAD)]
    assert not (tmp_path / "out.gpkg").exists()


CASES = {
    "empty": (
        [box(0, 0, 50, 50), shapely.Polygon(), None],
        None,
        ["  a run copes: empty geometry, left out: features 2, 3"],
        [["empty", "2", "", "", "copes", "dropped"], ["empty", "3", "", "", "copes", "dropped"]],
        [box(0, 0, 50, 50)],
    ),
    "no polygon": (
        [shapely.Point(X, Y), box(0, 0, 50, 50)],
        None,
        ["  stops a run: no polygon but another geometry: feature 1 (Point)"],
        [["no polygon", "1", "", "Point", "stops", "dropped, unless it holds polygons"]],
        [box(0, 0, 50, 50)],
    ),
    "invalid": (
        [at(BOWTIE)],
        None,
        [f"  stops a run: invalid geometry: feature 1 (Self-intersection[{X + 50} {Y + 50}])"],
        [
            ["invalid", "1", "", f"Self-intersection[{X + 50} {Y + 50}]", "stops"]
            + ["repaired, its polygons kept"]
        ],
        [
            at(shapely.Polygon([(0, 0), (50, 50), (0, 100)])),
            at(shapely.Polygon([(100, 0), (50, 50), (100, 100)])),
        ],
    ),
    "multi-part": (
        [shapely.MultiPolygon([box(0, 0, 50, 50), box(90, 0, 50, 50)])],
        None,
        ["  a run copes: several parts, used as one polygon: feature 1 (2 parts)"],
        [["multi-part", "1", "", "2 parts", "copes", "split, a feature a part"]],
        [box(0, 0, 50, 50), box(90, 0, 50, 50)],
    ),
    "sliver": (
        [box(0, 0, 9, 11), box(50, 0, 10, 10)],
        None,
        ["  a run copes: area under 100 m², it may have no pixel: feature 1 (99.00 m²)"],
        [["sliver", "1", "", "99.00 m²", "copes", "dropped"]],
        [box(50, 0, 10, 10)],
    ),
    "duplicate": (
        [box(0, 0, 50, 50), box(90, 0, 50, 50), box(0, 0, 50, 50)],
        None,
        ["  a run copes: same shape and class as another, used once: features 3 (as 1)"],
        [["duplicate", "3", "1", "", "copes", "kept once"]],
        [box(0, 0, 50, 50), box(90, 0, 50, 50)],
    ),
    "contradiction": (
        [box(0, 0, 50, 50), box(90, 0, 50, 50), box(0, 0, 50, 50)],
        [1, 1, 2],
        [
            "  a run copes: same shape as another but another class, the pixels of both are left "
            "out: features 3 (as 1)"
        ],
        [["contradiction", "3", "1", "", "copes", "all dropped"]],
        [box(90, 0, 50, 50)],
    ),
    "overlap": (
        [box(0, 0, 50, 50), box(30, 0, 90, 50)],
        None,
        [
            "  a run copes: overlapping polygons of one class, a common pixel is used at most "
            "once: features 1 with 2"
        ],
        [["overlap", "1", "2", "1000.00 m²", "copes", "common area left to the largest"]],
        [box(0, 0, 30, 50), box(30, 0, 90, 50)],
    ),
    "overlap of classes": (
        [box(0, 0, 50, 50), box(30, 0, 90, 50)],
        [1, 2],
        [
            "  a run copes: overlapping polygons of two classes, their common pixels are left "
            "out: features 1 with 2"
        ],
        [["overlap of classes", "1", "2", "1000.00 m²", "copes", "common area cut from both"]],
        [box(0, 0, 30, 50), box(50, 0, 70, 50)],
    ),
    "unclassed": (
        [box(0, 0, 50, 50), box(90, 0, 50, 50)],
        pd.array([1, None], "Int32"),
        ["  stops a run: no class: feature 2"],
        [["unclassed", "2", "", "", "stops", "dropped"]],
        [box(0, 0, 50, 50)],
    ),
    "code": (
        [box(0, 0, 50, 50), box(90, 0, 50, 50), box(180, 0, 50, 50), box(270, 0, 50, 50)],
        [0, 65535, 65536, -1],
        [
            "  stops a run: code outside 1-65535 (0 means no data): features 1 (0), 3 (65536), "
            "4 (-1)"
        ],
        [
            ["code", "1", "", "0", "stops", "dropped"],
            ["code", "3", "", "65536", "stops", "dropped"],
            ["code", "4", "", "-1", "stops", "dropped"],
        ],
        [box(90, 0, 50, 50)],
    ),
    "real codes": (
        [box(0, 0, 50, 50), box(90, 0, 50, 50)],
        [3.0, np.nan],
        [
            "  stops a run: field 'code' is of type Real; a class is an integer or a string; all "
            "its numbers are whole",
            "  stops a run: no class: feature 2",
        ],
        [
            ["real codes", "", ""]
            + ["field 'code' is of type Real; a class is an integer or a string; all its numbers "]
            + ["stops", "made integers"],
            ["unclassed", "2", "", "", "stops", "dropped"],
        ],
        [box(0, 0, 50, 50)],
    ),
}
CASES["real codes"][3][0][3] += "are whole"


@pytest.mark.parametrize("kind", CASES)
def test_each_finding_is_told_tabled_and_corrected(tmp_path, capsys, kind):
    shapes, codes, said, tabled, left = CASES[kind]
    source = write(tmp_path / "in.gpkg", table(shapes, codes))
    out = tmp_path / "out.gpkg"
    assert check(source, out) == 1
    printed = lines(capsys)
    # fids of a GeoPackage start at 1
    assert [line for line in printed if line.startswith("  ")] == said
    assert printed[-1] == "not corrected: -doCorrections True writes a cleaned file as -out.vector"
    assert not out.exists()
    assert rows(tmp_path / "out_findings.csv")[1:] == [[*row, ""] for row in tabled]

    assert check(source, out, *CORRECT) == 0
    assert found(capsys) == said
    assert wkts(out) == wanted(*left)
    assert [row[:6] for row in rows(tmp_path / "out_findings.csv")[1:]] == tabled
    assert check(out, tmp_path / "again.gpkg") == 0
    assert "nothing found" in lines(capsys)


def test_wrong_crs_is_told_and_corrected(tmp_path, capsys):
    shape = box(0, 0, 100, 100)
    source = write(tmp_path / "in.gpkg", table([shape]).to_crs(4326))
    out = tmp_path / "out.gpkg"
    assert check(source, out) == 1
    assert found(capsys) == ["  a run copes: the CRS is EPSG:4326, wanted is EPSG:2154"]
    assert check(source, out, *CORRECT) == 0
    assert pyogrio.read_info(out)["crs"] == "EPSG:2154"
    (cleaned,) = pyogrio.read_dataframe(out).geometry
    assert shapely.hausdorff_distance(cleaned, shape) < 1e-3
    assert rows(tmp_path / "out_findings.csv")[1] == [
        "CRS", "", "", "the CRS is EPSG:4326, wanted is EPSG:2154", "copes",
        "brought to the CRS asked for", "",
    ]  # fmt: skip
    capsys.readouterr()
    assert check(out) == 0


@pytest.mark.parametrize(
    ("change", "sentence", "kind"),
    [
        (
            lambda frame: frame.rename(columns={"code": "crop"}),
            "there is no field 'code'; the fields: crop",
            "missing field",
        ),
        (
            lambda frame: frame.assign(code=[1.5, 2.0]),
            "field 'code' is of type Real; a class is an integer or a string; no whole number: "
            "feature 1 (1.5)",
            "field type",
        ),
        (
            lambda frame: frame.assign(code=pd.to_datetime(["2018-01-01", "2018-01-02"])),
            "field 'code' is of type DateTime; a class is an integer or a string",
            "field type",
        ),
        (
            lambda frame: frame.set_crs(None, allow_override=True),
            "the file states no CRS: give it one (a .prj file beside a shapefile) for EPSG:2154",
            "no CRS",
        ),
    ],
    ids=["missing", "fractions", "dates", "no CRS"],
)
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_what_cannot_be_corrected_is_said_and_nothing_written(
    tmp_path, capsys, change, sentence, kind
):
    source = write(tmp_path / "in.gpkg", change(table([box(0, 0, 50, 50), box(90, 0, 50, 50)])))
    out = tmp_path / "out.gpkg"
    assert check(source, out) == 1
    assert lines(capsys)[-1] == f"cannot be corrected: {kind}"
    assert check(source, out, *CORRECT) == 1
    printed = lines(capsys)
    assert printed[1] == f"  stops a run: {sentence}"
    assert printed[-1] == f"cannot be corrected: {kind}; {out} is not written"
    assert not out.exists()
    line = rows(tmp_path / "out_findings.csv")[1]
    assert (line[0], line[4:]) == (kind, ["stops", "none", ""])


def test_geometries_are_looked_at_without_a_field(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([at(BOWTIE), box(0, 0, 9, 9)]))
    assert check(source, field="crop") == 1
    assert [line.split(":")[1] for line in found(capsys)] == [
        " there is no field 'crop'; the fields",
        " invalid geometry",
        " area under 100 m², it may have no pixel",
    ]


def test_geometries_without_crs_are_not_looked_at(tmp_path, capsys):
    source = write(tmp_path / "in.shp", table([at(BOWTIE)]))
    source.with_suffix(".prj").unlink()
    assert check(source) == 1
    assert found(capsys)[1:] == ["  the geometries are not looked at: their units are not known"]


def test_reserved_field(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)], polygon=[1]))
    assert check(source, field="polygon") == 1
    assert found(capsys) == [
        "  stops a run: 'polygon' is a name that i2lc gives a field of its own: rename the field"
    ]


def test_nothing_left_is_said_and_nothing_written(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 1, 1), box(9, 9, 1, 1)]))
    out = tmp_path / "out.gpkg"
    assert check(source, out, *CORRECT) == 1
    assert lines(capsys)[2:] == [
        f"no polygon is left: {out} is not written",
        f"table of findings: {tmp_path / 'out_findings.csv'}",
    ]
    assert not out.exists()


def test_area_of_slivers_follows_pixels_and_resolution(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 20, 20)]))
    assert check(source) == 0
    assert check(source, None, "-area.pixels", "4") == 0
    assert check(source, None, "-area.pixels", "4.1") == 1
    assert check(source, None, "-spatial_resolution", "20") == 0
    assert check(source, None, "-spatial_resolution", "30") == 1
    assert check(source, None, "-spatial_resolution", "30", "--area.pixels", "0") == 0
    capsys.readouterr()


# Files.


@pytest.mark.parametrize("ending", ENDINGS)
def test_formats_round_trip(tmp_path, capsys, ending):
    """All fields and coordinates come back, a second look finds nothing, the input stays."""
    parts = box(90, 0, 50, 50), box(190, 0, 20, 20)
    shapes = [box(0, 0, 50.1, 50.3), shapely.MultiPolygon(parts)]
    frame = table(
        [*shapes, None],
        [7, 12, 3],
        Crop=["blé", None, "x"],
        count=pd.array([5, None, 1], "Int32"),
        ratio=[0.1, 2.5, 3.0],
        fid=[11, 12, 13],
    )
    (tmp_path / "in").mkdir()
    source = write(tmp_path / "in" / ("in" + ending), frame.rename(columns={"fid": "number"}))
    before = state(tmp_path / "in")
    for out in (tmp_path / f"my file{other}" for other in ENDINGS):
        assert check(source, out, *CORRECT) == 0
        assert state(tmp_path / "in") == before
        got = pyogrio.read_dataframe(out)
        assert got.columns.tolist() == ["code", "Crop", "count", "ratio", "number", "geometry"]
        assert got["code"].tolist() == [7, 12, 12]
        assert got["Crop"].fillna("-").tolist() == ["blé", "-", "-"]
        assert got["count"].fillna(-1).tolist() == [5, -1, -1]
        assert got["ratio"].tolist() == [0.1, 2.5, 2.5]
        assert got["number"].tolist() == [11, 12, 12]
        info = pyogrio.read_info(out)
        kinds = dict(zip(info["fields"], info["ogr_types"], strict=True))
        assert kinds["code"] in ("OFTInteger", "OFTInteger64")
        assert kinds["count"] in ("OFTInteger", "OFTInteger64")
        assert wkts(out) == wanted(shapes[0], *parts)
        assert pyogrio.list_layers(out)[:, 0].tolist() == ["my file"]
        capsys.readouterr()
        assert check(out) == 0
        assert lines(capsys)[1:] == ["nothing found"]


def test_fields_named_like_those_of_a_format_are_kept(tmp_path, capsys):
    source = write(tmp_path / "in.shp", table([box(0, 0, 50, 50)], [4], fid=[9], geom=["a"]))
    for ending in (".gpkg", ".sqlite"):
        out = tmp_path / f"out{ending}"
        assert check(source, out, *CORRECT) == 0
        got = pyogrio.read_dataframe(out)
        assert (got["fid"].tolist(), got["geom"].tolist()) == ([9], ["a"])
        assert check(out) == 0
    capsys.readouterr()


def test_dates_stay_dates(tmp_path, capsys):
    source = tmp_path / "in.geojson"
    source.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": '
        '{"code": 3, "day": "2018-05-01", "tags": [1, 2]}, "geometry": {"type": "Polygon", '
        '"coordinates": [[[1.0, 43.0], [1.01, 43.0], [1.01, 43.01], [1.0, 43.0]]]}}]}'
    )
    out = tmp_path / "out.gpkg"
    assert check(source, out, *CORRECT) == 0
    assert "  field tags (IntegerList) is of a type that is not kept" in lines(capsys)
    info = pyogrio.read_info(out)
    assert dict(zip(info["fields"], info["ogr_types"], strict=True)) == {
        "code": "OFTInteger",
        "day": "OFTDate",
    }


def test_whole_real_codes_become_integers(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50), box(90, 0, 50, 50)], [3.0, 4.0]))
    assert check(source, tmp_path / "out.gpkg", *CORRECT) == 0
    assert pyogrio.read_info(tmp_path / "out.gpkg")["ogr_types"] == ["OFTInteger"]
    assert pyogrio.read_dataframe(tmp_path / "out.gpkg")["code"].tolist() == [3, 4]
    capsys.readouterr()


def test_classes_may_be_strings(tmp_path, capsys):
    shapes = [box(0, 0, 50, 50), box(90, 0, 50, 50), box(30, 0, 90, 50)]
    source = write(tmp_path / "in.gpkg", table(shapes, ["wheat", " ", "maize"]))
    out = tmp_path / "out.gpkg"
    assert check(source, out, *CORRECT) == 0
    assert "  stops a run: no class: feature 2" in lines(capsys)
    assert pyogrio.read_dataframe(out)["code"].tolist() == ["wheat", "maize"]
    assert wkts(out) == wanted(box(0, 0, 30, 50), box(50, 0, 70, 50))


def test_polygon_with_too_few_points_is_told_and_dropped(tmp_path, capsys):
    source = tmp_path / "in.geojson"
    ring = [[1.0, 43.0], [1.01, 43.0], [1.0, 43.0]]
    good = [[1.0, 43.0], [1.01, 43.0], [1.01, 43.01], [1.0, 43.0]]
    source.write_text(
        '{"type": "FeatureCollection", "features": ['
        + ", ".join(
            '{"type": "Feature", "properties": {"code": 3}, "geometry": {"type": "Polygon", '
            f'"coordinates": [{points}]}}}}'
            for points in (ring, good)
        )
        + "]}"
    )
    out = tmp_path / "out.gpkg"
    assert check(source, out, *CORRECT) == 0
    printed = lines(capsys)
    assert printed[1].startswith("  stops a run: invalid geometry: feature 0 (Too few points")
    assert f"{out}: 1 polygons; nothing is left of 0" in printed


def test_a_file_that_keeps_a_log_is_read_with_it_and_not_touched(tmp_path, capsys):
    """The readers of an SQLite file in this mode write beside it."""
    (tmp_path / "in").mkdir()
    written = tmp_path / "live.gpkg"
    plain = {"SPATIAL_INDEX": "NO"}  # the triggers of an index need functions of GDAL
    pyogrio.write_dataframe(table([box(0, 0, 50, 50)], [4]), written, layer_options=plain)
    connection = sqlite3.connect(written)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma wal_autocheckpoint = 0")
    connection.execute("update live set code = 5")
    connection.commit()
    source = tmp_path / "in" / "live.gpkg"
    for ending in ("", "-wal"):  # as a copy of a file that is open somewhere
        shutil.copy(f"{written}{ending}", f"{source}{ending}")
    connection.close()
    before = state(tmp_path / "in")
    assert sorted(before) == ["live.gpkg", "live.gpkg-wal"]
    assert check(source, tmp_path / "out.gpkg", *CORRECT) == 0
    assert state(tmp_path / "in") == before
    assert pyogrio.read_dataframe(tmp_path / "out.gpkg")["code"].tolist() == [5]
    assert lines(capsys)[0] == f"{source}: 1 features, EPSG:2154"


def test_errors_name_the_file_that_keeps_a_log_and_not_its_copy(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)]))
    pyogrio.write_dataframe(table([box(0, 0, 50, 50)]), source, layer="other", append=True)
    connection = sqlite3.connect(source)
    connection.execute("pragma journal_mode = wal")
    connection.close()
    error = refused(capsys, "-in.vector", source, *NEEDED)
    text = f"i2lc: {source} has 2 layers with geometries (in, other), want one\n"
    assert error == text


def test_an_earlier_file_is_replaced_with_all_that_lay_beside_it(tmp_path, capsys):
    one = write(tmp_path / "one.gpkg", table([box(0, 0, 50, 50), box(90, 0, 50, 50)]))
    two = write(tmp_path / "two.gpkg", table([box(200, 0, 50, 50)]))
    out = tmp_path / "out.shp"
    assert check(one, out, *CORRECT) == 0
    out.with_suffix(".qix").write_bytes(b"an index of other polygons")
    assert check(two, out, *CORRECT) == 0
    assert wkts(out) == wanted(box(200, 0, 50, 50))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.gpkg", "out.cpg", "out.dbf", "out.prj", "out.shp", "out.shx", "out_findings.csv",
        "two.gpkg",
    ]  # fmt: skip
    capsys.readouterr()


def test_a_write_that_fails_leaves_nothing(tmp_path, capsys, monkeypatch):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)]))
    out = tmp_path / "out.shp"
    monkeypatch.setattr(database.vectors, "describe", lambda path, what: {"features": 0})
    layer = database.Database(np.array([1]), np.array([box(0, 0, 50, 50)], object), (), "EPSG:2154")
    with pytest.raises(database.disk.NotWholeError, match="it has 0 of 1 polygons"):
        database.write(out, layer)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_folder_of_the_output_is_made(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)]))
    out = tmp_path / "new" / "folder" / "out.gpkg"
    assert check(source, out, *CORRECT) == 0
    assert wkts(out) == wanted(box(0, 0, 50, 50))
    capsys.readouterr()


def test_long_field_names_are_cut_in_a_shapefile_and_told(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)], a_very_long_name=[1]))
    out = tmp_path / "out.shp"
    assert check(source, out, *CORRECT) == 0
    told = [line for line in lines(capsys) if "a_very_long_name" in line]
    assert len(told) == 1
    assert told[0].startswith(f"  {out}: ")
    assert "a_very_lon'" in told[0]
    assert pyogrio.read_info(out)["fields"].tolist() == ["code", "a_very_lon"]


def test_fields_that_differ_in_case_only(tmp_path, capsys):
    source = write(tmp_path / "in.geojson", table([box(0, 0, 50, 50)], CODE=[1]))
    out = tmp_path / "out.gpkg"
    assert check(source, out, *CORRECT) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"i2lc: {out} cannot hold the fields code, CODE: ")
    assert error.endswith("; choose another format\n")
    assert not out.exists()


# Wrong use.


def refused(capsys, *arguments):
    """Give the line of an error; the status is 2."""
    try:
        status = cli.main(["check-database", *map(str, arguments)])
    except SystemExit as end:
        status = end.code
    assert status == 2
    return capsys.readouterr().err


NEEDED = ("-dataField", "code", "-epsg", "2154")


def test_help_tells_the_exit_status(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["check-database", "-h"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "Exit status: 0 nothing was found, or all was corrected; 1 something was found" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "the following arguments are required: -in.vector/--in.vector, -dataField"),
        (("-epsg", "Lambert"), "want the code of a CRS such as 2154, got 'Lambert'"),
        (("-epsg", "999999"), "want the code of a CRS such as 2154, got '999999'"),
        (("-epsg", "4326"), "EPSG:4326 (WGS 84) is not projected in metres: take the proj of"),
        (("-doCorrections", "perhaps"), "want True or False, got 'perhaps'"),
        (("-area.pixels", "-1"), "want a number of 0 or more, got '-1'"),
        (("-area.pixels", "few"), "want a number of 0 or more, got 'few'"),
        (("-spatial_resolution", "inf"), "want a number of 0 or more, got 'inf'"),
        (("-fix",), "the following arguments are required"),
    ],
)
def test_wrong_options(capsys, arguments, text):
    error = refused(capsys, *arguments)
    assert error.startswith("i2lc check-database: ")
    assert text in error
    assert error.endswith("; see i2lc check-database -h\n")
    assert error.count("\n") == 1


def test_epsg_may_bear_its_name(tmp_path, capsys):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)]))
    assert check(source, epsg="EPSG:2154") == 0
    capsys.readouterr()


def test_corrections_need_a_file_to_write(tmp_path, capsys):
    error = refused(capsys, "-in.vector", tmp_path / "in.shp", *NEEDED, *CORRECT)
    assert error == "i2lc: -doCorrections True needs -out.vector FILE, where to write\n"
    error = refused(capsys, "-in.vector", tmp_path / "in.shp", *NEEDED, "-doCorrections")
    assert "needs -out.vector" in error


def test_input_that_is_not_there(tmp_path, capsys):
    error = refused(capsys, "-in.vector", tmp_path / "in.shp", *NEEDED)
    assert error == f"i2lc: there is no vector file {tmp_path / 'in.shp'}\n"


def test_input_that_does_not_open(tmp_path, capsys):
    (tmp_path / "in.gpkg").write_text("no database")
    error = refused(capsys, "-in.vector", tmp_path / "in.gpkg", *NEEDED)
    assert error.startswith(f"i2lc: {tmp_path / 'in.gpkg'} does not open as a vector file: ")


def test_input_is_never_the_output(tmp_path, capsys):
    source = write(tmp_path / "in.shp", table([at(BOWTIE)]))
    before = state(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.shp").symlink_to(source)
    for out in (source, tmp_path / "sub" / ".." / "in.shp", tmp_path / "link.shp"):
        error = refused(capsys, "-in.vector", source, "-out.vector", out, *NEEDED, *CORRECT)
        assert error == (
            f"i2lc: -out.vector {out} would replace {source} of the input: name another file\n"
        )
    (tmp_path / "link.shp").unlink()
    assert state(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "field", "text"),
    [
        (
            "out.kml",
            "code",
            "the ending '.kml' names no format that is written; choose one of .shp, .gpkg, "
            ".geojson, .json, .sqlite",
        ),
        (
            "out.shp",
            "landcover_2018",
            "a shapefile has no room for the field name 'landcover_2018' (10 characters at most): "
            "write a .gpkg",
        ),
    ],
)
def test_output_that_cannot_be_written(tmp_path, capsys, name, field, text):
    source = write(tmp_path / "in.gpkg", table([box(0, 0, 50, 50)]))
    out = tmp_path / name
    error = refused(
        capsys, "-in.vector", source, "-out.vector", out, "-dataField", field, "-epsg", "2154"
    )
    assert error == f"i2lc: -out.vector {out}: {text}\n"


def test_output_that_is_a_folder(tmp_path, capsys):
    (tmp_path / "out.gpkg").mkdir()
    error = refused(
        capsys, "-in.vector", tmp_path / "in.shp", "-out.vector", tmp_path / "out.gpkg", *NEEDED
    )
    assert error == f"i2lc: -out.vector {tmp_path / 'out.gpkg'} is a folder: name a file\n"


# The law.

points = st.tuples(st.floats(0, 400), st.floats(0, 400))
rings = st.lists(points, min_size=3, max_size=6).map(shapely.Polygon)
boxes = st.tuples(*[st.integers(0, 20)] * 4).map(
    lambda b: shapely.box(20 * b[0], 20 * b[1], 20 * (b[0] + b[2]), 20 * (b[1] + b[3]))
)
multi = st.lists(st.one_of(rings, boxes), min_size=1, max_size=3).map(shapely.MultiPolygon)
shapes = st.one_of(rings, boxes, multi, st.sampled_from([None, shapely.Polygon(), BOWTIE]))
codes = st.one_of(st.none(), st.sampled_from([0, 1, 2, 3, 65536]))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(shapes, codes), min_size=1, max_size=10),
    st.sampled_from(ENDINGS),
    st.sampled_from([4326, 2154]),
)
def test_a_second_look_at_a_cleaned_file_finds_nothing(tmp_path, capsys, soup, ending, crs):
    drawn = [at(shape) for shape, _ in soup]
    frame = table(drawn, pd.array([code for _, code in soup], "Int32")).to_crs(crs)
    for old in tmp_path.iterdir():
        old.unlink()
    source = write(tmp_path / "in.gpkg", frame)
    out = tmp_path / f"out{ending}"
    status = check(source, out, *CORRECT)
    printed = lines(capsys)
    assert (status == 0) == out.exists()
    if status == 0:
        assert check(out) == 0
        assert lines(capsys)[1:] == ["nothing found"]
    else:
        assert f"no polygon is left: {out} is not written" in printed
