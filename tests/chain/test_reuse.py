"""What remove_tmp_files removed is known to have been made, whatever the key says today."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ended, tiny, with_keys

from i2lc.chain import plan
from i2lc.chain.records import ledger, reuse
from i2lc.chain.records.decision import Verdict
from i2lc.chain.settings import config

REMOVED = "envelope/T31TCJ.tif"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("reuse") / "land", dates=4)


def keyed(path: Path, removes: bool, output: str = "results") -> Path:
    """Write a copy of a configuration with remove_tmp_files."""
    text = with_keys(path, f"{removes}.cfg", output_path=f'"{output}"').read_text()
    copy = path.with_name(f"{removes}-{output}.cfg")
    copy.write_text(text.replace("{", f"{{\n   remove_tmp_files : {removes}", 1))
    return copy


def judged(path: Path, ending_step: str) -> dict[str, Verdict]:
    loaded = config.load(path)
    made = plan.make_plan(loaded, plan.Options(ending_step=ending_step))
    return reuse.judge(loaded, made, ledger.fingerprints(made.graph, loaded.steps))


@pytest.mark.parametrize("removes", [True, False])
def test_where_nothing_ran_nothing_was_removed(path: Path, removes: bool) -> None:
    assert set(judged(keyed(path, removes, "never"), "0").values()) == {Verdict("to do")}


def test_what_was_removed_stays_so_until_it_is_needed(
    path: Path, run_here: Callable[..., Ended]
) -> None:
    root = path.parent / "results"
    removing, keeping = keyed(path, True), keyed(path, False)
    assert run_here(removing, root, "-ending_step", "polygons").status == 0
    assert not (root / REMOVED).exists()
    assert (root / "features" / "T31TCJ" / "nbView.tif").is_file()
    assert sorted(path.name for path in root.glob("samplesSelection/*.csv"))
    for today in (removing, keeping):
        found = judged(today, "polygons")
        assert found["envelopes/all"] == Verdict("removed", "removed by remove_tmp_files")
        assert found["polygons/all"] == Verdict("reused")
        again = run_here(today, root, "-ending_step", "polygons", "-restart")
        assert again.status == 0
        assert "0 to do" in again.text
    asked = judged(keeping, "envelopes")["envelopes/all"]
    assert asked.kind == "redo"
    assert asked.reason == f"output missing: {REMOVED}"
    assert run_here(keeping, root, "-ending_step", "envelopes", "-restart").status == 0
    assert (root / REMOVED).is_file()
    assert judged(keeping, "polygons")["envelopes/all"] == Verdict("reused")
