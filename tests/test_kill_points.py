"""Six fixed kill points, one in each group: nothing is lost, nothing is done twice.

`python -m reliability` kills at random moments; its table is docs/reliability.md.
"""

from __future__ import annotations

import json
import random
import re
import signal
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from conftest import digests

from i2lc.chain.records import ledger
from reliability import page
from reliability import scene as scenes
from reliability.kills import GROUP_OF, OPTIONS, ORPHAN_LIMIT, Blow, Entry, blows, place_of
from reliability.runs import KINDS, MissedError, Run, here
from reliability.scene import Scene
from reliability.story import Story

pytestmark = pytest.mark.faults


@dataclass(frozen=True)
class Point:
    """Where a run is hit, and how."""

    step: str
    kind: str
    signal: signal.Signals
    status: int
    """Exit status of the client that is expected; of a killed one, minus the signal."""
    said: str
    """What the user has to read, a pattern."""


GOING_ON = r"go on with\n  i2lc -config \S+ -scheduler_type localCluster .*-restart$"
POINTS = (
    Point("tile_index", "client", signal.SIGKILL, -9, ""),
    Point("samples", "worker", signal.SIGTERM, 1, r"^step samples, .* was killed: .*$"),
    Point("training", "client", signal.SIGTERM, 130, rf"^ended by SIGTERM; .*{GOING_ON}"),
    Point(
        "classification", "worker", signal.SIGKILL, 1, r"^step classification, .* was killed: .*$"
    ),
    # no worker here: a task of milliseconds that dies with others runs again alone, and all is well
    Point("mosaic", "client with workers", signal.SIGKILL, -9, ""),
    Point("confusion", "client", signal.SIGINT, 130, rf"^interrupted; .*{GOING_ON}"),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scenes.make(tmp_path_factory.mktemp("kills") / "land")


@pytest.fixture(scope="module")
def undisturbed(scene: Scene) -> Path:
    ended = here(scene.variant("undisturbed"))
    assert ended.status == 0, ended.text
    return scene.output("undisturbed")


def test_every_group_has_a_point() -> None:
    assert [GROUP_OF[point.step] for point in POINTS] == [
        "init",
        "sampling",
        "learning",
        "classification",
        "mosaic",
        "validation",
    ]


def _struck(scene: Scene, point: Point, tries: int = 5) -> tuple[Path, Path, Run]:
    """Hit a run in the middle of a task; some take milliseconds and are over before the blow."""
    for number in range(tries):
        name = f"killed_in_{point.step}_{number}"
        config, root = scene.variant(name), scene.output(name)
        run = Run(config, root, *OPTIONS)
        try:
            run.between(point.step, partial(run.strike_in, point.step, point.kind, point.signal))
        except MissedError:
            run.end(120)
        else:
            return config, root, run
    raise AssertionError(f"{tries} runs went past {point.step} before they could be hit")


@pytest.mark.chain
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.step)
def test_kill_point(scene: Scene, undisturbed: Path, point: Point) -> None:
    config, root, run = _struck(scene, point)
    ended = run.end(120)
    assert run.gone() <= ORPHAN_LIMIT
    assert ended.status == point.status, ended.text
    assert re.search(point.said, ended.text, re.MULTILINE), ended.text

    done = scenes.recorded(root, undisturbed)
    before = scenes.marks(root, done)
    assert done != scenes.recorded(undisturbed, undisturbed), "it was hit too late"
    again = Run(config, root, *OPTIONS, "-restart")
    ended = again.end(120)
    assert ended.status == 0, ended.text
    assert f"restart: {len(done)} tasks reused" in ended.text
    assert scenes.ran_again(root, before) == []
    assert scenes.differences(root, undisturbed) == []
    assert digests(root) == digests(undisturbed)
    assert again.gone() <= ORPHAN_LIMIT


def _task(root: Path, name: str, content: str) -> Path:
    """Write what a task leaves: a product, its record, its log."""
    step, unit = name.split("/")
    product = root / f"{step}.csv"
    product.parent.mkdir(parents=True, exist_ok=True)
    product.write_text(content)
    facts = product.stat()
    record = {
        "step": step,
        "unit": unit,
        "file": product.name,
        "fingerprint": "0",
        "bytes": facts.st_size,
        "mtime_ns": facts.st_mtime_ns,
    }
    ledger.record_path(product).write_text(json.dumps(record))
    log = root / "logs" / step / f"{unit}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"2026-01-01 INFO i2lc: start {name}, try 1 of run 1234\n")
    return product


def test_the_comparison_sees_what_ran_again(tmp_path: Path) -> None:
    _task(tmp_path, "samples/a", "1\n")
    _task(tmp_path, "report/all", "1\n")
    before = scenes.marks(tmp_path, {"samples/a", "report/all"})
    assert scenes.ran_again(tmp_path, before) == []
    (tmp_path / "samples.csv").unlink()
    _task(tmp_path, "samples/a", "1\n")
    assert scenes.ran_again(tmp_path, before) == ["samples/a"]
    log = tmp_path / "logs" / "report" / "all.log"
    log.write_text(log.read_text().replace("1234", "5678"))
    assert scenes.ran_again(tmp_path, before) == ["report/all", "samples/a"]


def test_the_comparison_sees_what_is_not_whole(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for root in (whole, broken):
        for name in ("samples/a", "report/all", "mosaic/all", "training/all"):
            _task(root, name, "1\n")
    assert scenes.differences(broken, whole) == []
    (broken / "samples.csv").write_text("12\n")
    (broken / "report.csv").unlink()
    ledger.record_path(broken / "mosaic.csv").unlink()
    assert scenes.recorded(broken, whole) == {"training/all"}
    assert scenes.differences(broken, whole) == ["mosaic.csv", "report.csv", "samples.csv"]


def test_kills_of_all_kinds_come_up_equally_often() -> None:
    dealt = list(blows(60, random.Random(0)))
    counts = Counter((blow.kind, blow.signal.name) for blow in dealt)
    assert counts == {(kind, name): 10 for kind in KINDS for name in ("SIGKILL", "SIGTERM")}
    assert sum(blow.at_once for blow in dealt) == 10
    assert {blow.kind for blow in dealt if blow.at_once} == {"client"}
    assert dealt == list(blows(60, random.Random(0)))
    assert dealt != list(blows(60, random.Random(1)))


def test_a_kill_belongs_to_the_earliest_group_that_ran() -> None:
    assert place_of(["mosaic/seed_0", "samples/T31TCJ_strip_0"], begun=True) == "sampling"
    assert place_of([], begun=True) == "between tasks"
    assert place_of([], begun=False) == "start"


def _entry(**values: object) -> Entry:
    blow = Blow("client", signal.SIGKILL, at_once=False)
    given = {"life": 1, "blow": blow, "moment": 3.0, "running": ("samples/a",)}
    return Entry(**{**given, "place": "sampling", "identical": True, **values})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"again": ("samples/a",)}, "ran again though done: samples/a"),
        ({"orphans": 61.0}, "processes lived on for 61 s"),
        ({"problem": "it ended with status 1"}, "it ended with status 1"),
        ({"identical": False}, "the products of its life differ"),
        ({"identical": None}, "the products of its life differ"),
    ],
)
def test_the_page_shows_a_kill_that_failed(values: dict, told: str) -> None:
    well, badly = _entry(recorded=3, orphans=2.0), _entry(**values)
    assert page.failures([well]) == ""
    start = "- life 1, client by SIGKILL after 3.0 s in samples/a: "
    assert f"{start}{told}" in page.failures([well, badly]).split("\n")
    counted = [line.split() for line in page.kills_by_place([well, badly]).split("\n")]
    assert ["|", "sampling", "|", "2", "|", "0", "|", "0", "|", "2", "|", "1", "|"] in counted


def test_the_page_counts_kills() -> None:
    entries = [_entry(recorded=3, orphans=2.0), _entry(recorded=4, orphans=1.0, identical=False)]
    line = "| client | SIGKILL | 2 | 7 | 0 | 2.0 s | 1 of 2 |"
    assert line.split() in [row.split() for row in page.kills_by_kind(entries).split("\n")]


def test_the_page_shows_a_fault_that_failed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, tmp_path / "run.cfg")
    story = Story(scene, tmp_path / "undisturbed", "one")
    assert page.verdict(story) == "as it should"
    story.notes.append("3 tasks kept")
    assert page.verdict(story) == "as it should; 3 tasks kept"
    story.expect(fact=False, text=f"differ: {tmp_path}/one/a.tif")
    assert page.verdict(story) == "**failed**: differ: one/a.tif"
    story.skipped = "no root"
    assert page.verdict(story) == "not tried: no root"
    assert page.cell("a\n| b") == "a \\| b"
