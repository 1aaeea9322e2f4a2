"""Versions of earlier runs are kept beside those of today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from i2lc.chain.records import output, provenance

OLD = {"i2lc": "0.1.0", "python": "3.11.1", "torch": "2.12.0"}
NEW = {"i2lc": "0.1.0", "python": "3.11.1", "torch": "2.13.0"}


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "versions", lambda: NEW)


def test_a_change_is_told_and_the_former_versions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text(json.dumps(OLD))
    assert provenance.keep_earlier(tmp_path) == [
        "warning: versions changed since the last run here: torch 2.12.0 -> 2.13.0; what is reused "
        f"was made with the former ({tmp_path}/versions_earlier.json), and last bits may differ"
    ]
    assert json.loads((tmp_path / "versions_earlier.json").read_text()) == [OLD]
    provenance.keep_earlier(tmp_path)
    assert json.loads((tmp_path / "versions_earlier.json").read_text()) == [OLD]


@pytest.mark.parametrize("text", [json.dumps(NEW), "{", "[1]"])
def test_no_change_is_no_word(tmp_path: Path, text: str) -> None:
    (tmp_path / "versions.json").write_text(text)
    assert provenance.keep_earlier(tmp_path) == []
    assert not (tmp_path / "versions_earlier.json").exists()


def test_a_new_folder_has_no_earlier_versions(tmp_path: Path) -> None:
    assert provenance.keep_earlier(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
