"""Half files of those who were killed go; those of who lives stay."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from i2lc.chain.records import leftovers, lock
from i2lc.steps.files.ownership import LOCK


def hold(root: Path, run_id: str) -> None:
    (root / LOCK).write_text(json.dumps(asdict(lock.this_process(run_id))))


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_leftovers_of_dead_runs_go(tmp_path: Path) -> None:
    for name in ("a/.tmp-old-1-7-x.tif", "a/.tmp-new-1-7-x.tif", "a/x.tif", "b/.tmp-old-2-3-y"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".tmp-old-1-7-versions.json").write_text("")
    old = tmp_path / f"{LOCK}.abcd"
    old.write_text("")
    os.utime(old, (1, 1))
    (tmp_path / f"{LOCK}.young").write_text("")
    assert leftovers.remove(tmp_path, ["a", "b", "never", ""], "new") == 3
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == [f"{LOCK}.young", "a/.tmp-new-1-7-x.tif", "a/x.tif"]
    assert leftovers.remove(tmp_path, ["a"], "newer") == 1


def test_a_run_removes_its_own_leftovers_while_it_holds_the_folder(tmp_path: Path) -> None:
    own, other = tmp_path / "a" / ".tmp-ab12-1-x.tif", tmp_path / "a" / ".tmp-cd34-1-x.tif"
    (tmp_path / "a").mkdir()
    for path in (own, other):
        path.write_text("")
    with lock.held(tmp_path, "ab12"):
        assert leftovers.remove_own(tmp_path, ["a", "never", ""], "ab12") == 1
        assert names(tmp_path / "a") == [other.name]
    hold(tmp_path, "cd34")
    own.write_text("")
    assert leftovers.remove_own(tmp_path, ["a"], "ab12") == 0
    assert names(tmp_path / "a") == [own.name, other.name]


def test_a_leftover_that_cannot_be_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    hold(tmp_path, "ab12")
    (tmp_path / ".tmp-ab12-1-x.tif").write_text("")
    monkeypatch.setattr(Path, "unlink", refuse)
    assert leftovers.remove_own(tmp_path, [""], "ab12") == 1
    assert leftovers.remove(tmp_path, [""], "cd34") == 1
