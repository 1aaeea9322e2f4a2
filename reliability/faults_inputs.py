"""Faults of the inputs: files that break, vanish or hang while a run goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio

from .runs import Run, here
from .story import Fault, Story

STALLED = 0.1
"""Minutes without progress after which a task is taken for hanging."""


@contextmanager
def _restored(path: Path) -> Iterator[None]:
    """Put a file back as it was, time included, when the block ends."""
    kept = path.with_name(f"kept-{path.name}")
    shutil.copy2(path, kept)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        kept.rename(path)


def _garble(path: Path) -> None:
    """Overwrite what lies between the head of a file and its end."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * (size // 4))


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def garbled_input(story: Story) -> None:
    """Garble a band of the last tile after the check, before samples are read."""
    _broken_band(story, _garble)


def truncated_input(story: Story) -> None:
    """Truncate a band of the last tile after the check, before samples are read."""
    _broken_band(story, _truncate)


def _broken_band(story: Story, damage: Callable[[Path], None]) -> None:
    tile = story.scene.tiles[-1]
    band = story.scene.bands(tile)[5]
    config = story.scene.variant(story.name)
    with _restored(band):
        run = Run(config, story.root, "-scheduler_type", "debug")
        run.between("selection", lambda: damage(band))
        ended = run.end()
    story.expect_status(ended, 1)
    story.hear(ended, rf"^step samples, unit {tile}_strip_\d: .*{band.name} cannot be read: .*$")
    story.expect("See previous" not in story.said, "the cause itself was not said")
    done = story.done()
    others = {name for name in done if name.startswith("samples/") and tile not in name}
    story.expect(others, "samples of the other tile were not taken, which do not depend on it")
    story.expect("-restart" in ended.text, "nobody said how to go on")
    story.finish(config)


def vanished_truth(story: Story) -> None:
    """Move the ground truth away while the tiles are indexed: a task raises."""
    truth = story.scene.folder / "ground_truth.shp"
    hidden = truth.with_name("hidden.shp")
    config = story.scene.variant(story.name)
    run = Run(config, story.root, "-scheduler_type", "debug")
    try:
        run.between("tile_index", lambda: truth.rename(hidden))
        ended = run.end()
    finally:
        hidden.rename(truth)
    story.expect_status(ended, 1)
    story.hear(ended, r"^step polygons, unit all: .*ground_truth.shp.*$")
    story.expect("envelopes/all" in story.done(), "envelopes did not run, which need no polygons")
    story.finish(config)


def hanging_input(story: Story) -> None:
    """Replace a band by a pipe that nobody writes to: opening it takes for ever."""
    tile = story.scene.tiles[-1]
    band = story.scene.bands(tile)[5]
    config = story.scene.variant(story.name, {"stalled_after": STALLED})
    with _restored(band):
        run = Run(config, story.root, "-nb_parallel_tasks", "2")
        run.between("selection", lambda: _replace_by_pipe(band))
        ended = run.end()
    story.expect_status(ended, 1)
    story.hear(ended, rf"^step samples, unit {tile}_strip_\d: it made no progress for \d+ s:? .*$")
    others = [name for name in story.done() if name.startswith("samples/") and tile not in name]
    story.expect(others, "samples of the other tile were not taken, which do not depend on it")
    story.expect(run.gone(60) < 60, "processes of the run were left")
    story.finish(config)


@contextmanager
def _half_broken(path: Path) -> Iterator[None]:
    """Break a block in the middle of a raster, which the check of the inputs does not read."""
    with rasterio.open(path) as raster:
        profile, values = raster.profile, raster.read()
    profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    with _restored(path):
        with rasterio.open(path, "w", **profile) as raster:
            raster.write(values)
        with rasterio.open(path) as raster:
            place = int(raster.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
            length = int(raster.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1))
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\xa5" * length)
        yield


def independent_tasks(story: Story) -> None:
    """Break a task at the beginning: those beside it run; with --fail-fast none starts."""
    first, other = story.scene.tiles[:2]
    config = story.scene.variant(story.name)
    with _half_broken(story.scene.bands(first)[5]):
        ended = here(config)
        story.expect_status(ended, 1)
        story.hear(ended, rf"^step tile_index, unit {first}: .*$")
        done = set(story.done())
        story.expect(f"tile_index/{other}" in done, f"{other} was not indexed beside {first}")
        story.expect(f"tile_index/{first}" not in done, f"{first} was indexed though broken")
        ended = here(config, "--fail-fast")
        story.expect_status(ended, 1)
        done = set(story.done())
        story.expect(done == {"check_inputs/all"}, f"with --fail-fast there ran {sorted(done)}")
    story.notes.append("beside the broken task one ran, with --fail-fast none")
    story.expect_finished(here(config, "-restart"), {})


FAULTS = (
    Fault("an input raster is garbled in the middle of a run", garbled_input),
    Fault("an input raster is truncated in the middle of a run", truncated_input),
    Fault("a task raises: the ground truth is moved away in the middle", vanished_truth),
    Fault("a task hangs: an input raster becomes a pipe", hanging_input, slow=True),
    Fault("a task fails while others could run; the same with --fail-fast", independent_tasks),
)
