"""The output folder: adopted when empty, emptied only with its mark, otherwise never touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from conftest import Ended, tiny, with_keys

from i2lc import __version__
from i2lc.chain.records import ledger, output
from i2lc.chain.settings import config
from i2lc.errors import InputError

MARK = f"output folder of i2lc {__version__}\n"


def tree(root: Path) -> dict[str, str]:
    """Every file with its text."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def earlier(root: Path) -> dict[str, str]:
    """A folder that an earlier run left."""
    output.prepare(root, from_first_step=True, remove=True)
    for name in ("final/map.txt", "model/m.txt", "features/T/v.txt", "logs/a/b.log", "parts/p.txt"):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    (root / "class_statistics.csv").write_text("class")
    return tree(root)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("remove", [False, True])
def test_a_missing_or_empty_folder_is_adopted(
    tmp_path: Path, there: bool, first: bool, remove: bool
) -> None:
    root = tmp_path / "deep" / "out"
    if there:
        root.mkdir(parents=True)
    output.prepare(root, first, remove)
    assert tree(root) == {".i2lc": MARK}


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("remove", [False, True])
def test_a_foreign_folder_is_refused_and_left(tmp_path: Path, first: bool, remove: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError) as caught:
        output.prepare(tmp_path, first, remove)
    assert str(caught.value) == (
        f"output_path {tmp_path} is not empty and bears no mark of i2lc: it was left as it is; "
        "name an empty or a new folder"
    )
    assert tree(tmp_path) == {"thesis.txt": "years of work"}


def test_a_folder_that_holds_only_a_folder_is_foreign_too(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="bears no mark of i2lc"):
        output.check(tmp_path, from_first_step=True, remove=True)


def test_a_folder_named_like_the_mark_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / ".i2lc").mkdir()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="bears no mark"):
        output.prepare(tmp_path, from_first_step=True, remove=True)
    output.empty(tmp_path)
    assert tree(tmp_path) == {"thesis.txt": "years of work"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "out"
    root.write_text("text")
    with pytest.raises(InputError, match=r"^output_path .*/out is a file; name a folder$"):
        output.prepare(root, from_first_step=True, remove=True)
    assert root.read_text() == "text"


def test_a_marked_folder_is_emptied_from_the_first_step(tmp_path: Path) -> None:
    earlier(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path.parent)
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("kept")
    output.prepare(tmp_path, from_first_step=True, remove=True)
    assert tree(tmp_path) == {".i2lc": MARK}
    assert list(tmp_path.iterdir()) == [tmp_path / ".i2lc"]
    assert outside.read_text() == "kept"


def test_without_remove_output_path_products_are_an_error(tmp_path: Path) -> None:
    before = earlier(tmp_path)
    with pytest.raises(InputError) as caught:
        output.prepare(tmp_path, from_first_step=True, remove=False)
    assert str(caught.value) == (
        f"output_path {tmp_path} holds products of an earlier run: -restart goes on with them, "
        "remove_output_path : True replaces them, another output_path keeps them, "
        "-starting_step builds on them"
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("remove", [False, True])
def test_a_later_start_keeps_all(tmp_path: Path, remove: bool) -> None:
    before = earlier(tmp_path)
    output.prepare(tmp_path, from_first_step=False, remove=remove)
    assert tree(tmp_path) == before


def made(root: Path, *names: str) -> None:
    """Products with a record."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        ledger.record_path(root / name).write_text('{"fingerprint": "ab", "bytes": 3}')


def test_remove_temporary_removes_what_is_named_and_notes_it(tmp_path: Path) -> None:
    made(tmp_path, "parts/a.txt", "parts/b.txt", "parts/asked.txt")
    (tmp_path / "parts" / "foreign.txt").write_text("x")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("x")
    names = ["parts/a.txt", "parts/b.txt", "parts/foreign.txt", "parts/never.txt"]
    output.remove_temporary(tmp_path, names)
    assert set(tree(tmp_path)) == {
        "notes/mine.txt",
        "parts/.a.txt.record.json",
        "parts/.asked.txt.record.json",
        "parts/.b.txt.record.json",
        "parts/asked.txt",
        "parts/foreign.txt",
    }
    assert ledger.look(str(tmp_path), "parts/a.txt").removed
    assert not ledger.look(str(tmp_path), "parts/asked.txt").removed
    record = ledger.read_record(tmp_path / "parts" / "b.txt")
    assert record == {"fingerprint": "ab", "bytes": 3, "removed": True}


def test_remove_temporary_goes_through_no_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    root = tmp_path / "link-to-out"
    (tmp_path / "out").mkdir()
    root.symlink_to(tmp_path / "out")
    made(elsewhere, "a.txt", "deep/b.txt")
    made(root, "kept/x.txt")
    (root / "parts").symlink_to(elsewhere)
    before = tree(elsewhere)
    output.remove_temporary(root, ["parts/a.txt", "parts/deep/b.txt", "kept/x.txt"])
    assert tree(elsewhere) == before
    assert not (root / "kept" / "x.txt").exists()


def test_versions_name_all_that_i2lc_needs() -> None:
    found = output.versions()
    assert found["i2lc"] == __version__
    for name in ("torch", "numpy", "rasterio", "affine", "config", "dask-jobqueue", "netCDF4"):
        assert found[name] == metadata.version(name)
    assert "pytest" not in found
    assert not [name for name, version in found.items() if version == "not installed"]


def test_the_resolved_configuration_lies_beside_the_products(tmp_path: Path) -> None:
    path = tmp_path / "run.cfg"
    path.write_text(Path(__file__).parents[2].joinpath("config_templates/minimal.cfg").read_text())
    loaded = config.load(path)
    output.describe(tmp_path, loaded)
    read = json.loads((tmp_path / "config_resolved.json").read_text())
    assert read == loaded.resolved()
    assert read["chain"]["ratio"] == 0.5
    assert '"torch": ' in (tmp_path / "versions.json").read_text()


# Through the command line.


def test_only_summary_deletes_nothing(tmp_path: Path, run_here: Callable[..., Ended]) -> None:
    path = tiny(tmp_path / "land", dates=4)
    root = path.parent / "results"
    before = earlier(root)
    ended = run_here(path, root, "-only_summary")
    assert ended.status == 0
    assert tree(root) == before
    picture = run_here(
        path, root, "-only_summary", "-execution_graph_files", str(tmp_path / "graph.png")
    )
    assert picture.status == 0
    assert (tmp_path / "graph.png").stat().st_size > 1000
    assert tree(root) == before


def test_a_run_replaces_refuses_and_builds_on_products(
    tmp_path: Path, run_here: Callable[..., Ended]
) -> None:
    path = tiny(tmp_path / "land", dates=4)
    root = path.parent / "results"
    earlier(root)
    assert run_here(path, root, "-ending_step", "tile_index").status == 0
    made = set(map(str, Path(root).rglob("*.tif")))
    assert made == {str(root / "features" / "T31TCJ" / "nbView.tif")}
    assert not (root / "final").exists()

    kept = with_keys(path, "kept.cfg", remove_output_path="False")
    refused = run_here(kept, root, "-ending_step", "1")
    assert refused.status == 2
    assert f"output_path {root} holds products of an earlier run" in refused.text
    assert set(map(str, Path(root).rglob("*.tif"))) == made

    later = run_here(kept, root, "-starting_step", "envelopes", "-ending_step", "envelopes")
    assert later.status == 0
    assert (root / "envelope" / "T31TCJ.tif").is_file()
    assert made <= set(map(str, Path(root).rglob("*.tif")))

    (root / "features" / "T31TCJ" / ".nbView.tif.record.json").unlink()
    (root / "envelope" / "T31TCJ.tif").write_bytes(b"II*")
    broken = run_here(path, root, "-starting_step", "polygons", "-ending_step", "polygons")
    assert broken.status == 2
    assert broken.text.rstrip().split("i2lc: ")[-1].splitlines()[:2] == [
        "products of earlier steps cannot be used; start at step tile_index or before:",
        f"- {root}/features/T31TCJ/nbView.tif: it has no record: its task did not end",
    ]
    assert f"- {root}/envelope/T31TCJ.tif: it has 3 bytes, its record says" in broken.text
