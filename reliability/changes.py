"""What a restart does after the user changed something, or asks for less to be reused."""

from __future__ import annotations

from pathlib import Path

from i2lc.chain.recipe import STEPS
from i2lc.chain.telling import tasks_status

from . import scene as scenes
from .runs import here, status_of
from .story import Fault, Story

NAMES = [step.name for step in STEPS]


def _steps(before: dict[str, object], first: str) -> set[str]:
    """Give the tasks of a step and of those that come after it."""
    later = set(NAMES[NAMES.index(first) :])
    return {name for name in before if name.split("/")[0] in later}


def changed_rate(story: Story) -> None:
    """Change the learning rate: training and what follows run, not the samples."""
    story.whole_copy()
    before = story.done()
    config = story.scene.variant(story.name, learning_rate="[0.002]")
    ended = here(config, "-restart")
    story.expect_status(ended, 0)
    story.hear(ended, r"^restart: \d+ tasks reused, \d+ to do.*$")
    story.expect_redone(before, _steps(before, "training") - {"validity/all"})
    other = scenes.differences(story.root, story.undisturbed)
    kept = [path for path in other if path.startswith(("learningSamples", "features"))]
    story.expect(not kept, f"samples or features changed: {', '.join(kept)}")
    story.expect("final/Classif_Seed_0.tif" in other, "the map is that of the other rate")


def new_tile(story: Story) -> None:
    """Run on one tile, then on two: the first one is not indexed again."""
    first, second = story.scene.tiles
    config = story.scene.variant(story.name, list_tile=f'"{first}"')
    story.expect_status(here(config), 0)
    before = scenes.marks(story.root, {f"tile_index/{first}", "polygons/all"})
    config = story.scene.variant(story.name)
    ended = here(config, "-restart")
    story.hear(ended, r"^restart: \d+ tasks reused, \d+ to do.*$")
    story.expect_redone(before, {"polygons/all"})
    story.expect(f"tile_index/{second}" in scenes.tasks(story.root), f"{second} was not indexed")
    story.expect_finished(ended, {})


def narrowed(story: Story) -> None:
    """List fewer tasks for -restart_from than are done, and one that is not."""
    root = story.whole_copy()
    config = story.scene.variant(story.name)
    before = story.done()
    tile = story.scene.tiles[0]
    lost = f"confusion/{tile}_seed_0"
    (root / "final" / "TMP" / f"{tile}_seed_0.csv").unlink()
    listed = root.with_name(f"{story.name}.txt")
    text = (root / tasks_status.NAME).read_text(encoding="utf-8")
    lines = ["todo  report/all" if " report/all" in line else line for line in text.split("\n")]
    listed.write_text("\n".join(lines), encoding="utf-8")
    ended = here(config, "-restart_from", str(listed))
    story.hear(ended, rf"^{lost} is listed as done, but .*missing.*$")
    story.expect_redone(before, {lost, "report/all"})
    story.expect_finished(ended, {})


def refused(story: Story) -> None:
    """Start anew with remove_output_path False: an error that names -restart."""
    root = story.whole_copy()
    before = _snapshot(root)
    config = story.scene.variant(story.name, remove_output_path="False")
    ended = here(config)
    story.expect_status(ended, 2)
    story.hear(ended, r"^i2lc: output_path \S+ holds products of an earlier run: -restart .*$")
    story.expect(_snapshot(root) == before, "the refused run changed the folder")
    story.finish(config)


def looked_at(story: Story) -> None:
    """Ask i2lc status what is to do: it changes nothing."""
    root = story.whole_copy()
    lost = root / "final" / "RESULTS.txt"
    lost.unlink()
    before = _snapshot(root)
    config = story.scene.variant(story.name)
    for options in ((), ("--why",), ("--json",)):
        ended = status_of(config, *options)
        story.expect_status(ended, 0)
        if options == ("--why",):
            story.hear(ended, r"^ *output missing: final/RESULTS.txt$")
    story.expect(_snapshot(root) == before, "status changed the folder")
    story.finish(config)


def _snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Give the size and the time of all that lies in a folder."""
    facts = [(path, path.stat()) for path in root.rglob("*")]
    return {str(path): (fact.st_size, fact.st_mtime_ns) for path, fact in facts}


FAULTS = (
    Fault("another learning rate", changed_rate),
    Fault("a new tile", new_tile),
    Fault("-restart_from with a file that lists other tasks", narrowed),
    Fault("remove_output_path False with products there", refused),
    Fault("i2lc status of a run that lacks a product", looked_at),
)
