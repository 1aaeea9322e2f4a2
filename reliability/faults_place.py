"""Faults of the place: full and vanished disks, broken products, two runs in one folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from i2lc.chain.records import output

from . import scene as scenes
from .runs import Run, here, status_of
from .story import Fault, Story

SHARE = 0.5
"""Size of the small disk, as a share of what a whole run takes."""


def full_disk(story: Story) -> None:
    """Put the output folder on a disk that is too small; later make the disk larger."""
    story.root.mkdir()
    config = story.scene.variant(story.name)
    size = int(SHARE * _size(story.undisturbed))
    try:
        with _small_disk(story.root, size):
            ended = Run(config, story.root, "-nb_parallel_tasks", "2").end()
            story.expect_status(ended, 1)
            story.hear(ended, r"^step \S+, unit \S+: no space left on .*$")
            story.expect("Traceback" not in ended.text, f"a traceback: {ended.text[-1500:]}")
            subprocess.run(["mount", "-o", "remount,size=64m", story.root], check=True)
            story.finish(config)
    except _CannotMountError as error:
        story.skipped = str(error)


class _CannotMountError(Exception):
    """A small disk cannot be made here."""


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[None]:
    """Have a disk in memory at a folder while the block runs."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        raise _CannotMountError(f"mount cannot be run: {error.strerror}") from error
    if made.returncode:
        raise _CannotMountError(f"a small disk cannot be mounted: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _size(root: Path) -> int:
    """Give the bytes of a folder on a disk of pages of 4 KB."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in files)


def truncated_output(story: Story) -> None:
    """Truncate a strip of a finished run."""
    root = story.whole_copy()
    tile = story.scene.tiles[0]
    strip = next((root / "classif").glob(f"Classif_{tile}*SUBREGION_1.tif"))
    _broken_output(
        story, f"classification/{tile}_strip_1", lambda: os.truncate(strip, _half(strip))
    )


def garbled_output(story: Story) -> None:
    """Overwrite bytes in the middle of a finished run's samples; the file still opens."""
    root = story.whole_copy()
    samples = next((root / "learningSamples").glob("*.nc"))

    def garble() -> None:
        with samples.open("r+b") as file:
            file.seek(_half(samples))
            file.write(b"\xa5" * 1000)

    _broken_output(story, "merge_samples/seed_0", garble)


def _half(path: Path) -> int:
    return path.stat().st_size // 2


def _broken_output(story: Story, task: str, damage: Callable[[], None]) -> None:
    """Damage a product of a task and expect that this task alone runs again."""
    config = story.scene.variant(story.name)
    before = story.done()
    damage()
    why = status_of(config, "--why")
    story.hear(why, rf"^.*{task.split('/')[1]}.*$")
    ended = here(config, "-restart")
    story.hear(ended, r"^restart: \d+ tasks reused, 1 to do.*$")
    story.expect_redone(before, {task})
    story.expect_finished(ended, {})


def vanished_folder(story: Story) -> None:
    """Move the output folder away in the middle, as a shared disk that is lost."""
    config = story.scene.variant(story.name)
    away = story.root.with_name(f"{story.name}-away")
    run = Run(config, story.root, "-nb_parallel_tasks", "2")
    run.between("samples", lambda: story.root.rename(away))
    try:
        ended = run.end()
        story.expect(run.gone(60) < 60, "processes of the run were left")
        story.expect(not story.root.exists(), f"something was made at {story.root}")
    finally:
        if not story.root.exists():
            away.rename(story.root)
    story.expect_status(ended, 1)
    story.hear(ended, r"^step \S+, unit \S+: the output folder \S+ vanished.*$")
    story.finish(config)


def two_runs(story: Story) -> None:
    """Start a second run on the output folder of one that goes on."""
    config = story.scene.variant(story.name)
    run = Run(config, story.root, "-scheduler_type", "debug")
    run.wait_for("tile_index")
    run.pause()
    before = _tree(story.root)
    ended = here(config)
    story.expect_status(ended, 2)
    story.hear(ended, rf"^i2lc: output_path \S+ is in use by another run: pid {run.pid} on .*$")
    story.expect(re.search(r"since \d{4}-\d\d-\d\dT", story.said), "nobody said since when")
    changed = sorted(path for path, _ in _tree(story.root).items() ^ before.items())
    story.expect(not changed, f"the second run changed {', '.join(changed)}")
    run.go_on()
    story.expect_status(run.end(), 0)
    other = scenes.differences(story.root, story.undisturbed)
    story.expect(not other, f"the first run was disturbed: {', '.join(other)}")


def stale_lock(story: Story) -> None:
    """Kill a run, which cannot give its lock back."""
    config = story.scene.variant(story.name)
    run = Run(config, story.root, "-scheduler_type", "debug")
    run.between("samples", lambda: run.strike("client", signal.SIGKILL))
    run.wait(10)
    story.expect((story.root / ".i2lc.lock").is_file(), "the killed run left no lock")
    ended = story.finish(config)
    story.hear(ended, r"^the lock of run \w+ \(pid \d+ on \S+ since \S+\) is stale: .*$")
    story.expect("its process is gone; taken over" in story.said, f"said: {story.said}")


def _tree(root: Path) -> dict[str, int]:
    """Give the files of a folder with their times, but for the mark, which says the same again."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != output.MARK]
    return {str(path): path.stat().st_mtime_ns for path in files}


FAULTS = (
    Fault("the disk is full", full_disk, slow=True),
    Fault("a product of a finished run is truncated", truncated_output),
    Fault("a product is overwritten in the middle, its size as before", garbled_output),
    Fault("the output folder vanishes in the middle of a run", vanished_folder, slow=True),
    Fault("a second run on the output folder", two_runs),
    Fault("the lock of a killed run", stale_lock),
)
