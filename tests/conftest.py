"""What several tests share: tiny landscapes, runs of the whole chain, comparisons."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pytest

from i2lc.chain import cli
from i2lc.demo import landscape

matplotlib.use("agg")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data" / "flanders_2018"


@dataclass(frozen=True)
class Ended:
    """A run of the command line that ended."""

    status: int
    text: str
    root: Path
    """Output folder."""


def with_keys(config: Path, name: str, **keys: str) -> Path:
    """Write a copy of a configuration beside it with other values of keys that it has."""
    text = config.read_text()
    for key, value in keys.items():
        text, count = re.subn(rf'("?\b{re.escape(key)}"?\s*:\s*).*', rf"\g<1>{value}", text)
        assert count == 1, f"{key} stands {count} times in {config}"
    copy = config.with_name(name)
    copy.write_text(text)
    return copy


def run_apart(config: Path, root: Path, *options: str) -> Ended:
    """Run the command line in a process of its own, as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "i2lc.chain.cli", "-config", str(config), *options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        cwd=config.parent,
        timeout=280,
    )
    return Ended(done.returncode, done.stdout + done.stderr, root)


@pytest.fixture
def run_here(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Give a function that runs the command line in this process by the debug scheduler."""

    def run(config: Path, root: Path, *options: str) -> Ended:
        status = cli.main(["-config", str(config), "-scheduler_type", "debug", *options])
        out, err = capfd.readouterr()
        return Ended(status, out + err, root)

    return run


def run_debug(config: Path, root: Path, *options: str) -> Ended:
    """Run the command line in this process by the debug scheduler; its text is not kept."""
    status = cli.main(["-config", str(config), "-scheduler_type", "debug", *options])
    return Ended(status, "", root)


def tiny(folder: Path, **options: object) -> Path:
    """Write a tiny landscape whose network trains for a moment; give its configuration."""
    settings = {"tiles": (1, 1), "size": 64, "dates": 8, **options}
    config = landscape.write(folder, landscape.Landscape(**settings))  # type: ignore[arg-type]
    return with_keys(config, "run.cfg", epochs="4")


COMPARED = ("final", "model", "learningSamples", "features", "envelope", "samplesSelection")


def digests(root: Path) -> dict[str, str]:
    """Hash the products that do not name a strip."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in COMPARED
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "SUBREGION" not in path.name and not path.name.startswith(".")
    }


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the folder of real pixels, or skip."""
    folder = Path(os.environ.get("I2LC_REAL_DATA", REAL_DATA))
    if not (folder / "gt.shp").is_file():
        pytest.skip(f"no real pixels: neither {REAL_DATA} nor I2LC_REAL_DATA has them")
    return folder
