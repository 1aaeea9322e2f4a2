"""Six fixed kill points, one in each group: nothing is lost, nothing is done twice.

`python -m reliability` kills at random moments; its table is docs/reliability.md.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import digests
from reliability import scene as scenes
from reliability.kills import GROUP_OF, OPTIONS, ORPHAN_LIMIT
from reliability.runs import Run, here
from reliability.scene import Scene

pytestmark = pytest.mark.chain


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


GOING_ON = r"To go on:\n  i2lc -config \S+ -scheduler_type localCluster .*-restart$"
POINTS = (
    Point("tile_index", "client", signal.SIGKILL, -9, ""),
    Point("samples", "client with workers", signal.SIGKILL, -9, ""),
    Point("training", "client", signal.SIGTERM, 130, rf"^ended by SIGTERM; .*{GOING_ON}"),
    Point(
        "classification", "worker", signal.SIGKILL, 1, r"^step classification, .* was killed: .*$"
    ),
    Point("mosaic", "worker", signal.SIGTERM, 1, r"^step mosaic, .* was killed: .*$"),
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


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.step)
def test_kill_point(scene: Scene, undisturbed: Path, point: Point) -> None:
    name = f"killed_in_{point.step}"
    config, root = scene.variant(name), scene.output(name)
    run = Run(config, root, *OPTIONS)
    run.between(point.step, lambda: run.strike(point.kind, point.signal))
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
