"""Polygons that their out-of-fold map contradicts: rank, layer, style."""

import time
from xml.etree import ElementTree as ET

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from i2lc.steps.files import store
from i2lc.steps.reference.labels import Label, Labels
from i2lc.steps.scoring import suspicious

CLASSES = Labels(
    (
        Label(3, "3", "corn", (1, 0, 0)),
        Label(7, "7", "water", (2, 0, 0)),
        Label(300, "300", "dense forest", (3, 0, 0)),
    )
)
NAMES = {1: "T31TCJ", 2: "T31TDJ"}
POLYGONS = pd.DataFrame(
    {
        "number": range(1, 7),
        "polygon": [f"id{number}" for number in range(1, 7)],
        "originfid": [10 * number for number in range(1, 7)],
    }
)
CRS = "EPSG:2154"


def rows(*found):
    """Predictions from (fold, polygon, label, said, pixels, mean confidence)."""
    columns = ["fold", "polygon", "label", "said", "pixels", "confidence"]
    table = pd.DataFrame(found, columns=columns)
    return table.assign(confidence=table["confidence"] * table["pixels"].astype(float))


def rank(*found):
    return suspicious.rank(rows(*found), POLYGONS, NAMES, CLASSES)


def test_a_polygon_by_hand():
    (found,) = rank((2, 4, 3, 3, 6, 50), (2, 4, 3, 7, 12, 80), (2, 4, 3, 300, 2, 40)).to_dict(
        "records"
    )
    assert found == {
        "rank": 1,
        "polygon": "id4",
        "originfid": 40,
        "fold": 2,
        "fold_name": "T31TDJ",
        "class": 3,
        "class_name": "corn",
        "pixels": 20,
        "agreement": 0.3,
        "majority": 7,
        "majority_name": "water",
        "confidence": pytest.approx((6 * 50 + 12 * 80 + 2 * 40) / 20),
        "suspicion": pytest.approx((12 * 80 + 2 * 40) / 20),
        "number": 4,
    }


def test_sure_contradiction_comes_first():
    found = rank(
        (1, 1, 3, 3, 10, 99),  # confirmed
        (1, 2, 3, 7, 10, 40),  # contradicted, hardly sure
        (1, 3, 3, 7, 10, 90),  # contradicted and sure
        (1, 4, 3, 3, 5, 90),  # half
        (1, 4, 3, 7, 5, 90),
        (1, 5, 3, 3, 10, 30),  # confirmed, not sure
    )
    assert found["number"].tolist() == [3, 4, 2, 1, 5]
    assert found["rank"].tolist() == [1, 2, 3, 4, 5]
    assert found["suspicion"].tolist() == [90, 45, 40, 0, 0]


def test_ties_go_by_agreement_then_pixels_then_number():
    found = rank(
        (1, 6, 3, 7, 10, 50),
        (1, 5, 3, 7, 20, 50),
        (1, 2, 3, 7, 10, 50),
        (1, 1, 3, 3, 5, 50),
        (1, 1, 3, 7, 5, 100),  # as suspicious, half agrees
    )
    assert found["suspicion"].tolist() == [50] * 4
    assert found["number"].tolist() == [5, 2, 6, 1]


def test_seeds_and_tiles_are_pooled():
    said = [(2, 3, 2), (2, 7, 3), (2, 3, 2), (1, 7, 3)]
    found = rank(*((fold, 1, 3, code, pixels, 60) for fold, code, pixels in said))
    columns = ["pixels", "agreement", "majority", "fold"]
    assert found[columns].to_numpy().tolist() == [[10, 0.4, 7, 1]]


def test_majority_of_equals_is_its_own_class_then_the_lowest_code():
    said = [(1, 3), (1, 7), (2, 300), (2, 3)]
    found = rank(*((1, polygon, 7, code, 4, 50) for polygon, code in said))
    assert found.set_index("number")["majority"].to_dict() == {1: 7, 2: 3}


def test_unclassified_pixels_say_nothing():
    found = rank((1, 1, 3, 0, 90, 0), (1, 1, 3, 3, 10, 50), (1, 2, 3, 0, 5, 0), (1, 3, 3, 7, 0, 0))
    assert found["number"].tolist() == [1]
    assert found[["pixels", "agreement", "confidence"]].to_numpy().tolist() == [[10, 1.0, 50.0]]


def test_contradicted_by_most_pixels():
    found = rank((1, 1, 3, 3, 4, 50), (1, 1, 3, 7, 5, 50), (1, 2, 3, 3, 1, 50), (1, 3, 7, 3, 1, 1))
    assert suspicious.contradicted(found) == 2


def shapes():
    """Outlines by number: polygon 4 has two parts."""
    squares = [shapely.box(x, 0, x + 10, 10) for x in range(0, 120, 20)]
    squares[3] = shapely.MultiPolygon([squares[3], shapely.box(60, 50, 70, 60)])
    return squares


MANY = [(1, 2, 3, 7, 10, 90), (2, 4, 300, 300, 10, 80), (1, 6, 7, 7, 10, 70)]


def test_layer_has_the_polygons_by_rank(tmp_path):
    path = tmp_path / "suspicious_polygons.gpkg"
    suspicious.write(path, rank(*MANY), shapes(), CRS)
    assert store.defect(path) is None
    assert pyogrio.list_layers(path).tolist() == [["suspicious_polygons", "MultiPolygon"]]
    assert path.read_bytes()[60:64] == (10200).to_bytes(4)  # a version that older programs read
    found = gpd.read_file(path)  # no warning: one layer
    assert found.crs == CRS
    assert list(found.columns) == [*suspicious.COLUMNS, "geometry"]
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["polygon"].tolist() == ["id2", "id4", "id6"]
    assert found["class_name"].tolist() == ["corn", "dense forest", "water"]
    assert found["agreement"].tolist() == [0.0, 1.0, 1.0]
    wanted = shapes()
    for geometry, number in zip(found.geometry, (2, 4, 6), strict=True):
        assert geometry.equals(wanted[number - 1])


def test_equal_polygons_give_equal_bytes(tmp_path):
    suspicious.write(tmp_path / "a.gpkg", rank(*MANY), shapes(), CRS)
    time.sleep(0.01)
    suspicious.write(tmp_path / "b.gpkg", rank(*MANY), shapes(), CRS)
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()
    assert suspicious.DATE.encode() in (tmp_path / "a.gpkg").read_bytes()
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_no_polygon_is_an_empty_layer(tmp_path):
    nothing = suspicious.rank(rows((1, 1, 3, 0, 4, 0)), POLYGONS, NAMES, CLASSES)
    suspicious.write(tmp_path / "a.gpkg", nothing, shapes(), CRS)
    found = gpd.read_file(tmp_path / "a.gpkg")
    assert len(found) == 0
    assert list(found.columns) == [*suspicious.COLUMNS, "geometry"]
    assert suspicious.contradicted(nothing) == 0


def test_style_colors_by_agreement():
    text = suspicious.style()
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis ")
    root = ET.fromstring(text)
    renderer = root.find("renderer-v2")
    assert renderer.attrib["attr"] == "agreement"
    assert renderer.attrib["type"] == "graduatedSymbol"
    ranges = renderer.findall("ranges/range")
    edges = [(float(one.get("lower")), float(one.get("upper"))) for one in ranges]
    assert edges == [(0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1)]
    assert ranges[0].get("label") == "0 - 20 % agree"
    symbols = {one.get("name"): one for one in renderer.findall("symbols/symbol")}
    assert [one.get("symbol") for one in ranges] == list(symbols) == ["0", "1", "2", "3", "4"]
    for number, color in enumerate(suspicious.COLORS):
        layer = symbols[str(number)].find("layer")
        assert layer.get("class") == "SimpleFill"
        option = layer.find("Option/Option[@name='color']")
        assert option.get("value") == layer.find("prop[@k='color']").get("v") == f"{color},160"
    assert root.find("layerGeometryType").text == "2"


def test_style_is_a_product_that_is_checked(tmp_path):
    store.write_text(tmp_path / "a.qml", suspicious.style())
    assert store.defect(tmp_path / "a.qml") is None
    (tmp_path / "b.qml").write_text(suspicious.style()[:-20])
    assert store.defect(tmp_path / "b.qml").startswith("it does not open")
