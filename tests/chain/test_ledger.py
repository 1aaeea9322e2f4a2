"""Fingerprints change with what a result depends on, and with nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import toy
from conftest import tiny, with_keys

from i2lc import __version__
from i2lc.chain import graph, recipe, units
from i2lc.chain.records import differences, ledger, sources
from i2lc.chain.records.ledger import Fingerprint
from i2lc.chain.settings import config
from i2lc.steps.contract import Settings, Step, Unit

ORDER = [step.name for step in recipe.land_cover()]
PIXEL_STEPS = {"check_inputs", "tile_index", "envelopes", "polygons"}
SAMPLING = {*PIXEL_STEPS, "selection", "class_statistics"}


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("ledger") / "land", dates=4)


@pytest.fixture(scope="module")
def base(landscape: Path) -> dict[str, str]:
    return digests(landscape)


def digests(path: Path) -> dict[str, str]:
    loaded = config.load(path)
    made = graph.build(recipe.land_cover(), units.plan(loaded.units))
    return {name: found.digest for name, found in ledger.fingerprints(made, loaded.steps).items()}


def unchanged(base: dict[str, str], other: dict[str, str]) -> set[str]:
    """Names of the steps of which no task has another fingerprint."""
    changed = {name.split("/")[0] for name in base if other.get(name) != base[name]}
    return set(ORDER) - changed


def with_learning_rate(path: Path) -> Path:
    text = path.read_text()
    assert '"learning_rate" : [0.001]' in text
    copy = path.with_name("rate.cfg")
    copy.write_text(text.replace('"learning_rate" : [0.001]', '"learning_rate" : [0.002]'))
    return copy


def test_the_same_run_has_the_same_fingerprints(landscape: Path, base: dict[str, str]) -> None:
    assert digests(landscape) == base
    assert len(set(base.values())) == len(base)
    assert all(len(digest) == 64 for digest in base.values())


def test_they_do_not_depend_on_the_output_folder(landscape: Path, base: dict[str, str]) -> None:
    assert digests(with_keys(landscape, "out.cfg", output_path='"elsewhere"')) == base


def test_nor_on_settings_of_the_run(landscape: Path, base: dict[str, str]) -> None:
    other = with_keys(landscape, "run_only.cfg", remove_output_path="False", last_step="'mosaic'")
    other.write_text(other.read_text() + "task_retry_limits : { maximum_cpu : 1 }\n")
    assert digests(other) == base


def test_a_learning_rate_changes_training_and_what_follows(
    landscape: Path, base: dict[str, str]
) -> None:
    kept = unchanged(base, digests(with_learning_rate(landscape)))
    assert kept == {*SAMPLING, "samples", "merge_samples", "validity"}


def test_the_number_of_strips_leaves_selection_and_polygons(
    landscape: Path, base: dict[str, str]
) -> None:
    other = digests(with_keys(landscape, "chunks.cfg", number_of_chunks="4"))
    assert unchanged(base, other) == {*SAMPLING, "validity"}


def test_the_ratio_changes_the_split_and_what_follows(
    landscape: Path, base: dict[str, str]
) -> None:
    kept = unchanged(base, digests(with_keys(landscape, "ratio.cfg", ratio="0.4")))
    assert {"check_inputs", "tile_index", "envelopes"} <= kept
    assert not kept & {"polygons", "selection", "samples", "training", "confusion", "report"}


def test_a_band_file_changes_all_that_comes_after_it(landscape: Path, base: dict[str, str]) -> None:
    band = sorted(landscape.parent.glob("s2/*/*/*_FRE_B4.tif"))[0]
    before = band.read_bytes(), band.stat()
    with rasterio.open(band, "r+") as raster:
        raster.write(raster.read() + np.int16(1))
    try:
        kept = unchanged(base, digests(landscape))
    finally:
        band.write_bytes(before[0])
        os.utime(band, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    assert kept == set()
    assert digests(landscape) == base


def test_the_nomenclature_counts_by_content(landscape: Path, base: dict[str, str]) -> None:
    names = landscape.parent / "nomenclature.txt"
    text = names.read_text()
    os.utime(names, (1, 1))
    assert digests(landscape) == base
    names.write_text(text.replace(":", "x:", 1))
    try:
        assert "polygons" not in unchanged(base, digests(landscape))
    finally:
        names.write_text(text)


def test_what_a_task_reads_is_in_its_fingerprint(landscape: Path) -> None:
    loaded = config.load(landscape)
    made = graph.build(recipe.land_cover(), units.plan(loaded.units))
    found = ledger.fingerprints(made, loaded.steps)
    training = found["training/seed_0_hyp_0"]
    merged = found["merge_samples/seed_0"].digest[: ledger.SHORT]
    assert training.inputs == {"learningSamples/Samples_region_1_seed0_learn.nc": merged}
    assert training.version == __version__
    assert training.settings["deep_learning_parameters"]["epochs"] == 4
    assert {"i2lc.steps.training", "i2lc.nn_bank.mlp"} <= set(training.code)
    files = found["polygons/all"].sources
    assert {Path(path).suffix for path in files} == {
        ".shp",
        ".shx",
        ".dbf",
        ".prj",
        ".cpg",
        ".txt",
    }
    assert "output_path" not in json.dumps(training.facts())


# The parts, on a toy.


def forget_sources() -> None:
    sources._hash.cache_clear()
    sources._imported.cache_clear()


def of_toy(step: Step, settings: Settings, unit: Unit | None = None) -> Fingerprint:
    task = graph.Task(step, unit or Unit("T1"), (), ())
    ledger._file.cache_clear()
    forget_sources()
    return ledger.fingerprint(task, settings, {})


def test_the_text_of_the_code_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step's module leads to, a kernel behind a kernel too, and nothing else."""
    package = tmp_path / "toys"
    (package / "kernels").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "kernels" / "__init__.py").write_text("")
    (package / "step.py").write_text("from .kernels import fill\nfrom .shared import B\n")
    (package / "shared.py").write_text("B = 1\n")
    (package / "other.py").write_text("C = 1\n")
    (package / "kernels" / "fill.py").write_text("from .deep import A\n")
    (package / "kernels" / "deep.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget_sources()
    before = sources.code_of("toys.step")
    assert list(before) == ["toys.kernels.deep", "toys.kernels.fill", "toys.shared", "toys.step"]
    (package / "other.py").write_text("C = 2\n")
    (package / "kernels" / "deep.py").write_text("A = 2\n")
    forget_sources()
    after = sources.code_of("toys.step")
    assert {name for name in after if after[name] != before[name]} == {"toys.kernels.deep"}


def test_a_step_is_followed_to_its_kernels_and_networks() -> None:
    classification = sources.code_of("i2lc.steps.classification")
    assert {
        "i2lc.steps.series.blocks",
        "i2lc.steps.series.features",
        "i2lc.steps.kernels.gapfill",
        "i2lc.steps.series.warp",
        "i2lc.nn_bank.inference",
        "i2lc.nn_bank.mlp",
    } <= set(classification)
    assert not {"i2lc.steps.contract", "i2lc.steps.files.store"} & set(classification)
    assert not [name for name in classification if name.startswith("i2lc.chain")]


def test_step_unit_settings_and_inputs_count() -> None:
    made = of_toy(toy.LOOK, toy.ToySettings())
    others = [
        of_toy(toy.LOOK, toy.ToySettings(word="b")),
        of_toy(toy.LOOK, toy.ToySettings(), Unit("T2")),
        of_toy(toy.CUT, toy.ToySettings()),
        replace(made, inputs={"a.txt": "0"}),
        replace(made, inputs={"a.txt": "1"}),
        replace(made, version="0.0.0"),
        replace(made, sources={"b.txt": "missing"}),
    ]
    assert len({other.digest for other in [made, *others]}) == len(others) + 1


def test_sources_small_files_by_content_rasters_by_size_time_and_header(tmp_path: Path) -> None:
    text, raster, gone = tmp_path / "a.txt", tmp_path / "a.tif", tmp_path / "gone"
    text.write_text("one")
    raster.write_bytes(bytes(ledger.HEADER_BYTES + 10))
    step = replace(toy.LOOK, sources=lambda *_: [text, raster, gone])

    def hashes() -> dict[str, str]:
        found = of_toy(step, toy.ToySettings()).sources
        return {Path(path).name: digest for path, digest in found.items()}

    first = hashes()
    assert first["gone"] == "missing"
    os.utime(text, (1, 1))
    assert hashes() == first
    os.utime(raster, (1, 1))
    touched = hashes()
    assert touched["a.txt"] == first["a.txt"]
    assert touched["a.tif"] != first["a.tif"]
    text.write_text("two")
    gone.write_text("here")
    changed = hashes()
    assert changed["gone"] != "missing"
    assert changed["a.txt"] != first["a.txt"]
    assert changed["a.tif"] == touched["a.tif"]


# Records.


def test_a_record_lies_beside_the_product_and_says_all(tmp_path: Path) -> None:
    made = of_toy(toy.LOOK, toy.ToySettings())
    product = tmp_path / "index" / "T1.txt"
    product.parent.mkdir()
    product.write_text("four")
    ledger.write_record(product, made)
    assert ledger.record_path(product) == tmp_path / "index" / ".T1.txt.record.json"
    record = ledger.read_record(product)
    assert record == {
        "step": "look",
        "unit": "T1",
        "version": __version__,
        "code": dict(made.code),
        "settings": {"word": "a"},
        "sources": {},
        "inputs": {},
        "fingerprint": made.digest,
        "file": "T1.txt",
        "bytes": 4,
        "mtime_ns": product.stat().st_mtime_ns,
        "sha256": hashlib.sha256(b"four").hexdigest(),
    }
    assert ledger.unfinished(product) is None


def test_unfinished_says_why(tmp_path: Path) -> None:
    product = tmp_path / "a.json"
    assert ledger.unfinished(product) == "the file is missing"
    product.write_text("{")
    assert str(ledger.unfinished(product)).startswith("it does not open (Expecting property name")
    product.write_text("{}")
    assert ledger.unfinished(product) == "it has no record: its task did not end"
    ledger.record_path(product).write_text('{"fingerprint": ')
    assert ledger.read_record(product) is None
    ledger.record_path(product).write_text("[]")
    assert ledger.read_record(product) is None
    assert ledger.unfinished(product) == "it has no record: its task did not end"
    ledger.write_record(product, of_toy(toy.LOOK, toy.ToySettings()))
    assert ledger.unfinished(product) is None


@pytest.mark.parametrize(
    ("then", "told", "inherited"),
    [
        ({}, None, False),
        ({"settings": {"word": "b"}}, "look/T1: word changed b -> a", False),
        ({"version": "0.0.1"}, f"look/T1: made by i2lc 0.0.1, this is {__version__}", False),
        ({"sources": {"/in/gt.shp": "1"}}, "look/T1: no longer made from: /in/gt.shp", False),
        ({"code": {"toy": "1"}}, "look/T1: code of toy changed", False),
        ({"inputs": {"a.txt": "1"}}, "look/T1: what it was made from changed", True),
    ],
)
def test_a_product_that_is_out_of_date_says_why(
    tmp_path: Path, then: dict[str, object], told: str | None, inherited: bool
) -> None:
    product = tmp_path / "T1.txt"
    product.write_text("four")
    today = of_toy(toy.LOOK, toy.ToySettings())
    ledger.write_record(product, replace(today, **then))  # type: ignore[arg-type]
    problem = differences.problem_of(product, today)
    assert (problem and problem.text) == told
    assert (problem.inherited if problem else False) == inherited


def test_a_record_without_time_is_of_an_earlier_version(tmp_path: Path) -> None:
    product = tmp_path / "T1.json"
    product.write_text("{}")
    today = of_toy(toy.LOOK, toy.ToySettings())
    ledger.write_record(product, today)
    record = ledger.read_record(product) or {}
    del record["mtime_ns"], record["sha256"]
    ledger.record_path(product).write_text(json.dumps(record))
    assert ledger.unfinished(product) is None
    product.write_text("}{")  # as many bytes
    assert str(ledger.unfinished(product)).startswith("it does not open (Expecting value")


def test_a_figure_changed_in_a_product_of_the_same_size_is_found(tmp_path: Path) -> None:
    product = tmp_path / "scores.csv"
    product.write_text("a,0.81\n")
    ledger.write_record(product, of_toy(toy.LOOK, toy.ToySettings()))
    os.utime(product, (1, 1))
    assert ledger.unfinished(product) is None
    product.write_text("a,0.91\n")
    assert ledger.unfinished(product) == "it has another content than the recorded one"


def test_a_large_product_of_another_time_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "SMALL_FILE", 1)
    product = tmp_path / "a.json"
    product.write_text("{}")
    ledger.write_record(product, of_toy(toy.LOOK, toy.ToySettings()))
    assert "sha256" not in (ledger.read_record(product) or {})
    product.write_text("[]")
    os.utime(product, (1, 1))
    assert ledger.unfinished(product) is None
    product.write_text("}{")
    assert str(ledger.unfinished(product)).startswith("it does not open (Expecting value")


def test_a_sidecar_that_a_viewer_rewrote_is_good_as_long_as_it_is_one(tmp_path: Path) -> None:
    product = tmp_path / "Classif_Seed_0.tif.aux.xml"
    product.write_text("<PAMDataset/>")
    assert ledger.unfinished(product) == "it has no record: its task did not end"
    ledger.write_record(product, of_toy(toy.LOOK, toy.ToySettings()))
    product.write_text("<PAMDataset><Metadata/></PAMDataset>")
    assert ledger.unfinished(product) is None
    product.write_text("<PAMDataset><Metadata/>")
    assert str(ledger.unfinished(product)).startswith("it does not open (no element found")


def test_many_inputs_stand_in_the_first_record_only(tmp_path: Path) -> None:
    products = [tmp_path / f"{name}.txt" for name in "abc"]
    for product in products:
        product.write_text("four")
    for count, wanted in ((ledger.FEW, [True, True, True]), (ledger.FEW + 1, [True, False, False])):
        inputs = {f"{number}.txt": "0" for number in range(count)}
        made = replace(of_toy(toy.LOOK, toy.ToySettings()), inputs=inputs)
        ledger.write_records(products, made)
        records = [ledger.read_record(product) or {} for product in products]
        assert ["inputs" in record for record in records] == wanted
        assert {record["fingerprint"] for record in records} == {made.digest}
        assert records[0]["inputs"] == inputs


def test_a_fingerprint_is_small_to_send(landscape: Path) -> None:
    loaded = config.load(landscape)
    made = graph.build(recipe.land_cover(), units.plan(loaded.units))
    found = ledger.fingerprints(made, loaded.steps)
    name = next(name for name in found if name.startswith("classification"))
    assert len(pickle.dumps(found[name])) < 5_000
    assert pickle.loads(pickle.dumps(found[name])).digest == found[name].digest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "1e-4"),
        (0.001, "1e-3"),
        (0.0015, "1.5e-3"),
        (0.01, "0.01"),
        (0.123456789, "0.123456789"),
        (0.0, "0"),
        (2.0, "2"),
        (1234567.0, "1234567.0"),
        (20, "20"),
        (True, "True"),
        (None, "nothing"),
        ("", "nothing"),
        (["B2", "B3"], "[B2, B3]"),
        ((0.001, 0.01), "[1e-3, 0.01]"),
        ({"hidden": [16], "dropout": 0.5}, "{hidden: [16], dropout: 0.5}"),
        ({}, "{}"),
    ],
)
def test_values_read_as_in_a_configuration(value: object, text: str) -> None:
    assert differences.shown(value) == text


def test_what_does_not_touch_an_artifact_is_not_in_its_fingerprint() -> None:
    """Of what LOOK reads, its readers do not see the word, nor TELL what PAINT read of it."""
    look = replace(toy.LOOK, unmoved_by={toy.INDEX: ("word",)})
    paint = replace(toy.PAINT, unmoved_by={toy.MAP: (toy.INDEX,)})
    steps = (look, toy.CUT, toy.TRAIN, toy.CHOOSE, paint, toy.TELL)
    made = graph.build(steps, toy.UNITS)

    def found(**words: str) -> dict[str, str]:
        settings = {step.name: toy.ToySettings(word=words.get(step.name, "a")) for step in steps}
        return {k: made.digest for k, made in ledger.fingerprints(made, settings).items()}

    base = found()

    def changed(**words: str) -> set[str]:
        after = found(**words)
        return {name.split("/")[0] for name in base if after[name] != base[name]}

    assert changed(look="b") == {"look"}
    assert changed(cut="b") == {"cut", "train", "choose", "paint", "tell"}
    assert changed(paint="b") == {"paint", "tell"}


def test_a_product_that_is_not_whole_is_no_base_either(tmp_path: Path) -> None:
    today = of_toy(toy.LOOK, toy.ToySettings())
    problem = differences.problem_of(tmp_path / "T1.txt", today)
    assert problem == differences.Problem(f"{tmp_path}/T1.txt: the file is missing")
