"""Faults and changes of real runs: the cause in a sentence, nothing lost, the same bytes.

The stories themselves are those of `python -m reliability`, which tells them in
docs/reliability.md; here each has to go as it should.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability import scene as scenes
from reliability.__main__ import FAULTS
from reliability.runs import here
from reliability.scene import Scene
from reliability.story import Fault

pytestmark = [pytest.mark.chain, pytest.mark.faults]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scenes.make(tmp_path_factory.mktemp("faults") / "land", tiles=(2, 1))


@pytest.fixture(scope="module")
def undisturbed(scene: Scene) -> Path:
    ended = here(scene.variant("undisturbed"))
    assert ended.status == 0, ended.text
    return scene.output("undisturbed")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.key)
def test_fault(scene: Scene, undisturbed: Path, fault: Fault) -> None:
    story = fault.tell(scene, undisturbed)
    if story.skipped:
        pytest.skip(story.skipped)
    assert story.problems == []
    assert story.said
