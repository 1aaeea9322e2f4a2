"""Whether a run may still publish."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from i2lc.errors import TaskError
from i2lc.steps.files import ownership
from i2lc.steps.files.ownership import LOCK, Claim, Holder

HOLDER = Holder("ab12", "node7", 123, 4.5, "2026-01-02T03:04:05+00:00", "pid:[1]")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "SECOND_LOOK", 0.0)


def put(root: Path, holder: Holder = HOLDER) -> None:
    (root / LOCK).write_text(json.dumps(asdict(holder)))


def test_the_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    put(tmp_path)
    assert ownership.read(tmp_path) == HOLDER
    assert str(HOLDER) == "run ab12 (pid 123 on node7 since 2026-01-02T03:04:05+00:00)"


def test_keys_of_other_versions_are_passed_over(tmp_path: Path) -> None:
    lock = {**asdict(HOLDER), "later": 1}
    del lock["boot"]
    (tmp_path / LOCK).write_text(json.dumps(lock))
    assert ownership.read(tmp_path) == HOLDER


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}", b"\xff\xfe", b"null"])
def test_what_is_no_lock_is_nobodys(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK).write_bytes(content)
    assert ownership.read(tmp_path) is None
    assert ownership.read(tmp_path / "never") is None


def test_a_run_that_holds_the_folder_may_publish(tmp_path: Path) -> None:
    put(tmp_path)
    assert ownership.claim_lost(Claim(tmp_path, "ab12")) is None
    ownership.check(Claim(tmp_path, "ab12", attempt=4))
    ownership.check(None)


def test_another_run_may_not(tmp_path: Path) -> None:
    put(tmp_path)
    with pytest.raises(ownership.LostRunError) as caught:
        ownership.check(Claim(tmp_path, "cd34"))
    assert str(caught.value) == f"run cd34 no longer holds {tmp_path}: it is held by {HOLDER}"
    assert isinstance(caught.value, TaskError)


def test_a_missing_lock_is_looked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim(tmp_path, "ab12")
    assert ownership.claim_lost(claim) == (
        f"run ab12 no longer holds {tmp_path}: its lock is missing"
    )
    monkeypatch.setattr(ownership.time, "sleep", lambda seconds: put(tmp_path))
    assert ownership.claim_lost(claim) is None


def test_a_folder_that_vanished(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert ownership.claim_lost(Claim(gone, "ab12")) == f"the output folder {gone} vanished"
