"""Peak memory of a worker against number of chunks and size of a tile; writes docs/memory.md.

``python -m benchmarks.memory`` from the root of the repository, some minutes; exit status 1 when
a promise is broken. The chain runs by localCluster with one worker on demo landscapes of one
tile, 8 dates a year; the peak is the resident memory that the system reports for the worker.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from i2lc.demo import landscape

from .__main__ import machine, versions

COMMAND = "python -m benchmarks.memory"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "memory.md"
CASES = ((512, 1), (512, 3), (512, 17), (2048, 3))
SPREAD = 0.15
"""Most by which the peaks may differ."""


@dataclass(frozen=True)
class Peak:
    """One run."""

    size: int
    """Pixels along a side of the tile."""
    chunks: int
    megabytes: float


def measure(folder: Path, size: int, chunks: int) -> Peak:
    """Run the chain; give the largest peak that any task's log names."""
    land = folder / f"land_{size}"
    if not land.exists():
        landscape.write(land, landscape.Landscape(tiles=(1, 1), size=size, dates=8))
    text = (land / "run.cfg").read_text()
    text = re.sub(r"number_of_chunks : \d+", f"number_of_chunks : {chunks}", text)
    text = re.sub(r"epochs : \d+", "epochs : 3", text)
    text = text.replace('"results"', f'"results_{chunks}"')
    config = land / f"run_{chunks}.cfg"
    config.write_text(text)
    command = [sys.executable, "-m", "i2lc.chain.cli", "-config", str(config)]
    subprocess.run([*command, "-nb_parallel_tasks", "1"], check=True, stdout=subprocess.DEVNULL)
    logs = (land / f"results_{chunks}" / "logs").rglob("*.log")
    found = [re.findall(r"peak memory of the worker (\d+) MB", log.read_text()) for log in logs]
    return Peak(size, chunks, max(float(peak) for peaks in found for peak in peaks))


def page(peaks: list[Peak]) -> str:
    """Write the page of the documentation."""
    rows = "\n".join(f"| {p.size} × {p.size} | {p.chunks} | {p.megabytes:.0f} |" for p in peaks)
    return f"""# Memory

Made by `{COMMAND}`, part of `make bench`.

- Machine: {machine()}
- Versions: {versions()}

Peak resident memory of the worker over a whole run (one worker, one tile of the demo landscape,
8 dates, EPSG:2154). A worker that has done nothing yet has about 540 MB of libraries loaded.

| tile | chunks | peak, MB |
|---|---|---|
{rows}

{verdict(peaks)}

Blocks take 64 MB unless the storage of the input files makes a larger block worth its memory, at
most an eighth of the task's ram (`steps/series/blocks.py`).
"""


def verdict(peaks: list[Peak]) -> str:
    """Say whether the promises hold."""
    small = [p.megabytes for p in peaks if p.size == min(CASES)[0]]
    large = max(p.megabytes for p in peaks if p.size == max(CASES)[0])
    spread = max(small) / min(small) - 1
    growth = large / max(small) - 1
    words = (
        f"{spread:.0%} between numbers of chunks, {growth:+.0%} from the small to the large tile"
    )
    return f"{'Kept' if kept(peaks) else 'BROKEN'}: {words} (promised: at most {SPREAD:.0%})."


def kept(peaks: list[Peak]) -> bool:
    """Tell whether chunks and tile size leave the peak as it is, within the spread."""
    small = [p.megabytes for p in peaks if p.size == min(CASES)[0]]
    large = max(p.megabytes for p in peaks if p.size == max(CASES)[0])
    return max(small) <= (1 + SPREAD) * min(small) and large <= (1 + SPREAD) * max(small)


def main() -> int:
    """Measure, tell, write."""
    with tempfile.TemporaryDirectory(prefix="i2lc-memory-") as folder:
        peaks = [measure(Path(folder), size, chunks) for size, chunks in CASES]
    text = page(peaks)
    print(text)
    PAGE.write_text(text, encoding="utf-8")
    return 0 if kept(peaks) else 1


if __name__ == "__main__":
    sys.exit(main())
