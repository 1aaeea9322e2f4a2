"""A tiny landscape, what a run on it leaves, and the comparison of two runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i2lc.chain.records import ledger
from i2lc.demo import landscape

NOT_COMPARED = (".sqlite",)
"""Endings of products whose content is the same, but not their bytes (SpatiaLite)."""


@dataclass(frozen=True)
class Scene:
    """A landscape on disk, on which all runs of a comparison are made."""

    folder: Path
    config: Path
    """Configuration of a short run on all tiles."""

    def variant(self, output: str, limits: Mapping[str, object] | None = None, **keys: str) -> Path:
        """Write a configuration with an output folder of its own.

        Parameters
        ----------
        output : str
            Name of the output folder, in the folder of the landscape.
        limits : mapping, optional
            Keys of task_retry_limits.
        **keys : str
            Values of keys that the configuration has.

        Returns
        -------
        Path
            The configuration, named as the folder; an earlier one is replaced.
        """
        text = self.config.read_text(encoding="utf-8")
        for key, value in {"output_path": f'"{output}"', **keys}.items():
            pattern, kept = rf'("?\b{re.escape(key)}"?\s*:\s*).*', value.replace("\\", r"\\")
            text, count = re.subn(pattern, rf"\g<1>{kept}", text)
            assert count == 1, f"{key} stands {count} times in {self.config}"
        if limits:
            lines = "".join(f" {key} : {value}\n" for key, value in limits.items())
            text += f"task_retry_limits :\n{{\n{lines}}}\n"
        path = self.folder / f"{output}.cfg"
        path.write_text(text, encoding="utf-8")
        return path

    def output(self, name: str) -> Path:
        """Give the path of an output folder."""
        return self.folder / name

    def bands(self, tile: str) -> list[Path]:
        """Give the band files of a tile, in the order of their names."""
        return sorted((self.folder / "s2" / tile).glob("*/*_FRE_*.tif"))

    @property
    def tiles(self) -> list[str]:
        """Names of the tiles."""
        return sorted(path.name for path in (self.folder / "s2").iterdir())


def make(
    folder: Path, tiles: tuple[int, int] = (1, 1), epochs: int = 4, strips: int = 3, size: int = 64
) -> Scene:
    """Write a landscape; size in pixels of 10 m."""
    config = landscape.write(folder, landscape.Landscape(tiles=tiles, size=size, dates=8))
    text = config.read_text(encoding="utf-8")
    for key, value in (("epochs", epochs), ("number_of_chunks", strips)):
        text, count = re.subn(rf"(\b{key} : )\d+", rf"\g<1>{value}", text)
        assert count == 1, key
    config.write_text(text, encoding="utf-8")
    return Scene(folder, config)


def products(root: Path) -> dict[str, str]:
    """Hash all recorded products of a run whose bytes are compared, by path in the folder."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for paths in tasks(root).values()
        for path in paths
        if path.is_file() and path.suffix not in NOT_COMPARED
    }


def tasks(root: Path) -> dict[str, list[Path]]:
    """Give the recorded products of each task, by its name."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob(".*.record.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        product = path.with_name(record["file"])
        found.setdefault(f"{record['step']}/{record['unit']}", []).append(product)
    return found


def recorded(root: Path, undisturbed: Path) -> set[str]:
    """Give the tasks whose every product lies in a folder, whole and with its record.

    Parameters
    ----------
    root : Path
        Output folder of a run that was broken off.
    undisturbed : Path
        Output folder of a run that was not; it tells which products each task has.
    """
    return {
        name
        for name, paths in tasks(undisturbed).items()
        if all(ledger.unfinished(root / path.relative_to(undisturbed)) is None for path in paths)
    }


def marks(root: Path, names: set[str]) -> dict[str, object]:
    """Tell what changes when a task runs again: the run in its log, its files and records.

    A file that is written again is another file (inode) with another time.
    """
    known = tasks(root)
    return {name: (run_of(root, name), _files(known.get(name, []))) for name in sorted(names)}


def _files(paths: list[Path]) -> list[tuple[str, int, int]]:
    both = [path for product in paths for path in (product, ledger.record_path(product))]
    facts = [(path.name, path.stat()) for path in both if path.is_file()]
    return [(name, fact.st_ino, fact.st_mtime_ns) for name, fact in facts]


def run_of(root: Path, name: str) -> str:
    """Give the id of the run that did a task last, from its log; empty without one."""
    try:
        text = (root / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"start \S+, try \d+ of run (\S+)", text)
    return found[1] if found else ""


def ran_again(root: Path, before: Mapping[str, object]) -> list[str]:
    """Give the tasks that ran after their marks were taken."""
    after = marks(root, set(before))
    return [name for name, mark in before.items() if after[name] != mark]


def differences(root: Path, undisturbed: Path) -> list[str]:
    """Give the products that differ from those of an undisturbed run, or are missing."""
    mine, theirs = products(root), products(undisturbed)
    return sorted(path for path in {*mine, *theirs} if mine.get(path) != theirs.get(path))
