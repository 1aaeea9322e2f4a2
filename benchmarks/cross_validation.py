"""Spatial cross-validation both ways: a loop of runs in a shell, and folds in the configuration.

``python -m benchmarks.cross_validation`` writes a landscape of 2 x 2 tiles, makes its plain map,
runs docs/examples/spatial_cv.sh on it, then the same folds from the configuration, with maps and
with scores alone. It prints what each way took and scored, and writes both tables into
docs/spatial-cross-validation.md. Tasks run one after another, so that their times add up.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from i2lc.demo import landscape
from i2lc.demo.options import Landscape

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "spatial-cross-validation.md"
SCRIPT = ROOT / "docs" / "examples" / "spatial_cv.sh"
FOLDS = '{ by : "tile" }'
SCORES = '{ by : "tile", output : "scores" }'
ENDED = re.compile(r"end (\w+)/\S+ after ([\d.]+) s")
COUNTED = re.compile(r"(\d+) bytes of pixels read, (\d+) pixels gap-filled")
LEARNING = {"training", "model_choice"}


@dataclass(frozen=True)
class Way:
    """What a way to the scores took."""

    name: str
    seconds: float
    steps: dict[str, float]
    """Step -> seconds of its tasks."""
    read: int
    """Bytes of pixels that the classification read."""
    filled: int
    """Pixels that the classification gap-filled."""

    @property
    def beside(self) -> float:
        """Seconds of all tasks outside of the training."""
        return sum(value for step, value in self.steps.items() if step not in LEARNING)


def run(config: Path, name: str, folds: str | None) -> Way:
    """Run the chain in a process of its own, one task after another."""
    text = config.read_text()
    more = "" if folds is None else f"\n folds : {folds}"
    made = config.with_name(f"{name}.cfg")
    made.write_text(re.sub(r'output_path : "\w+"', f'output_path : "{name}"{more}', text))
    start = time.perf_counter()
    command = [sys.executable, "-m", "i2lc.chain.cli", "-config", str(made)]
    subprocess.run([*command, "-scheduler_type", "debug"], check=True, stdout=subprocess.DEVNULL)
    return way(name, time.perf_counter() - start, [config.parent / name])


def way(name: str, seconds: float, roots: Sequence[Path]) -> Way:
    """Sum the logs of the tasks of runs."""
    steps: dict[str, float] = defaultdict(float)
    read = filled = 0
    for root in roots:
        for log in sorted((root / "logs").rglob("*.log")):
            text = log.read_text(errors="replace")
            for step, took in ENDED.findall(text):
                steps[step] += float(took)
            if log.parent.name == "classification":
                for pixels, count in COUNTED.findall(text):
                    read, filled = read + int(pixels), filled + int(count)
    return Way(name, seconds, dict(steps), read, filled)


def loop(config: Path, tiles: int) -> Way:
    """Run the documented loop of a shell, on the landscape."""
    folder = config.parent
    (folder / "data").mkdir()
    text = config.read_text()
    text = re.sub(r'output_path : "\w+"', 'output_path : "loop/outputs_0"', text)
    text = text.replace('"ground_truth.shp"', '"data/gt_0.shp"')
    made = config.with_name("loop.cfg")
    made.write_text(text.replace("last_step : 'validation'", "last_step : 'mosaic'"))
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    subprocess.run(
        ["bash", str(SCRIPT), str(made), "ground_truth.shp", "code", "data", "loop"],
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SCHEDULER": "debug", "PATH": tools},
    )
    took = time.perf_counter() - start
    return way("shell loop", took, [folder / "loop" / f"outputs_{k}" for k in range(tiles)])


def times(ways: Sequence[Way]) -> str:
    """Lay out what each way took; ratios are to the plain map, the first one."""
    plain = ways[0]
    rows = [("way", "wall clock", "outside training", "ratio", "read", "gap-filled")]
    rows += [
        (
            one.name,
            f"{one.seconds:.0f} s",
            f"{one.beside:.1f} s",
            f"{one.beside / plain.beside:.2f}",
            f"{one.read / 1e6:.0f} MB",
            f"{one.filled}",
        )
        for one in ways
    ]
    return laid_out(rows)


def laid_out(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows as a Markdown table, the first one as its head."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def scores(folder: Path, tiles: Sequence[str]) -> str:
    """Lay out the mean F of both ways, fold by fold; the loop's are in the order of names."""
    told = json.loads((folder / "folds" / "final" / "folds.json").read_text())
    rows = [("left out", "another area: loop", "folds", "same area: loop", "folds")]
    for one in told["folds"]:
        number = sorted(tiles).index(one["name"])
        paths = [
            folder / "loop" / "scores" / f"{kind}_{number}" / "confusion.json"
            for kind in ("left_out", "same_area")
        ]
        rows.append((one["name"], *_cells([json.loads(path.read_text()) for path in paths], one)))
    return laid_out(rows)


def _cells(shell: Sequence[dict], fold: dict) -> tuple[str, ...]:
    """Give the mean F of left-out and same-area polygons, of the loop and of the folds."""
    run = fold["runs"][0]
    mine = (run["test"], run["validation"])
    return tuple(
        f"{one['mean_fscore']:.4f}" for pair in zip(shell, mine, strict=True) for one in pair
    )


def write(text: str) -> None:
    """Put the tables between their marks into the page."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- measured -->", "<!-- /measured -->"
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    PAGE.write_text(f"{head}{begin}\n\n{text}\n{end}{tail}", encoding="utf-8")


def main() -> int:
    """Measure, tell, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="pixels of a side of a tile")
    parser.add_argument("--dates", type=int, default=70, help="products of a tile in the year")
    parser.add_argument("--folder", type=Path, help="where to work; kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="i2lc-folds-"))
    config = landscape.write(
        folder / "land", Landscape(tiles=(2, 2), size=options.size, dates=options.dates)
    )
    found = re.search(r'list_tile : "([^"]+)"', config.read_text())
    assert found is not None
    tiles = found[1].split()
    run(config, "warm", None)  # fills the caches of the disk
    ways = [
        run(config, "plain", None),
        loop(config, len(tiles)),
        run(config, "folds", FOLDS),
        run(config, "scores", SCORES),
    ]
    text = f"{times(ways)}\n\n{scores(config.parent, tiles)}\n"
    print(text)
    print((config.parent / "folds" / "final" / "FOLDS.txt").read_text())
    write(text)
    if options.folder is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
