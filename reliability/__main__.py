"""Kill runs, break things, and write docs/reliability.md.

``python -m reliability`` from the root of the repository; exit status 1 when anything failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from i2lc._version import __version__

from . import changes, faults_inputs, faults_place, faults_work, kills, page, scene
from .kills import Entry
from .page import Told
from .runs import Run
from .scene import Scene
from .story import Fault

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
FAULTS: tuple[Fault, ...] = (
    *faults_inputs.FAULTS,
    *faults_work.FAULTS,
    *faults_place.FAULTS,
    *changes.FAULTS,
)
TILES = (2, 1)
"""Columns and rows of tiles of the landscape that runs are killed on."""


def parser() -> argparse.ArgumentParser:
    """Give the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m reliability", description=__doc__)
    made.add_argument("--kills", type=int, default=60, help="number of kills")
    made.add_argument("--seed", type=int, default=0, help="of the moments and their order")
    made.add_argument("--only", choices=("kills", "faults"), help="leave the other part out")
    made.add_argument("--page", type=Path, default=PAGE, help="page to write")
    return made


def undisturbed(made: Scene) -> tuple[Path, float]:
    """Run once with nothing in its way; give the output folder and the seconds it took."""
    config, root = made.variant("undisturbed"), made.output("undisturbed")
    start = time.monotonic()
    ended = Run(config, root, *kills.OPTIONS).end()
    if ended.status:
        raise SystemExit(f"the undisturbed run failed:\n{ended.text}")
    return root, time.monotonic() - start


def tried_kills(
    made: Scene, root: Path, length: float, options: argparse.Namespace
) -> Iterator[Entry]:
    """Kill, tell how it goes, yield."""
    count = 0
    for life in kills.campaign(made, root, length, options.kills, options.seed):
        count += len(life.entries)
        bad = sum(entry.failed for entry in life.entries)
        _say(f"life {life.entries[0].life if life.entries else ''}: {count} kills, {bad} failed")
        yield from life.entries


def tried_faults(made: Scene, root: Path) -> Iterator[Told]:
    """Break things, tell how it goes, yield."""
    for fault in FAULTS:
        start = time.monotonic()
        story = fault.tell(made, root)
        _say(f"{fault.name}: {page.verdict(story)}")
        yield fault, story, time.monotonic() - start


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def machine() -> str:
    """Name the processor, its cores and the system."""
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{models[0] if models else platform.machine()}, {cores} cores, {platform.system()}"


def text(
    entries: Sequence[Entry], told: Sequence[Told], length: float, options: argparse.Namespace
) -> str:
    """Write the page."""
    lives = len({entry.life for entry in entries})
    parts = [
        "# Reliability",
        "",
        f"Made by `python -m reliability --seed {options.seed} --kills {options.kills}` "
        f"(`make reliability`) on {datetime.now(UTC):%Y-%m-%d}, and written anew by each run.",
        "",
        f"- i2lc {__version__}, Python {platform.python_version()}",
        f"- Machine: {machine()}",
        f"- Landscape: {TILES[0] * TILES[1]} tiles; an undisturbed run takes {length:.0f} s",
        "",
    ]
    if entries:
        parts += [
            KILLS.format(count=len(entries), lives=lives, delay=kills.MOST_DELAY),
            page.kills_by_kind(entries),
            "",
        ]
        parts += [PLACES, page.kills_by_place(entries), "", page.failures(entries)]
    if told:
        parts += [BROKEN, page.faults(told), ""]
    return "\n".join(parts)


KILLS = """## Kills

{count} kills in {lives} lives. A life is a run that is killed at a random moment and restarted with
`-restart`, again and again until it ends; then its products are compared byte by byte with those
of the undisturbed run. The moment is drawn over the length of a run, or, so that short steps are
hit too, within {delay} s of the beginning of a step of a random group. Signals go to the client
alone, to the client and all its workers, or to one worker, a busy one if there is one. After a
kill of the client alone, the restart comes in half of the cases at once, while workers of the dead
run may still live, and else when they are gone.

- *tasks kept*: tasks whose every product was recorded when the run was restarted; *ran again
  though done*: those of them that the restarted run started (log, file or record changed).
- *last process gone after*: the longest time that any process of a run lived after its client.
"""
PLACES = """Where the kills hit: the group of the earliest task that ran then; *start* is before
the first task.
"""
BROKEN = """## Faults and changes

Each is made to happen to a real run. *As it should* says that the run ended with its cause in the
sentence shown, that what was done stayed done, and that a restart after the repair gave the
products of the undisturbed run, byte by byte, without doing again what was done. Of paths only
the end is shown.
"""


def main() -> int:
    """Try everything, tell, write."""
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="i2lc-reliability-") as folder:
        made = scene.make(Path(folder) / "landscape", tiles=TILES)
        root, length = undisturbed(made)
        _say(f"undisturbed run: {length:.1f} s")
        told = [] if options.only == "kills" else list(tried_faults(made, root))
        entries = [] if options.only == "faults" else list(tried_kills(made, root, length, options))
    written = text(entries, told, length, options)
    options.page.write_text(written, encoding="utf-8")
    sys.stdout.write(written)
    broken = any(entry.failed for entry in entries) or any(story.problems for _, story, _ in told)
    return int(broken or (options.only != "faults" and len(entries) < options.kills))


if __name__ == "__main__":
    sys.exit(main())
