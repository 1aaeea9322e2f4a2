"""What is told of a fault: what the user saw, and what was not as it should be."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import scene as scenes
from .runs import Ended, here
from .scene import Scene


@dataclass
class Story:
    """A fault, from the damage to the repaired run."""

    scene: Scene
    undisturbed: Path
    """Output folder of a finished run that nothing happened to."""
    name: str
    """Of the output folder of this story."""
    said: str = ""
    """The sentence that the user saw."""
    problems: list[str] = field(default_factory=list)
    """What was not as it should be."""
    notes: list[str] = field(default_factory=list)
    """What else is worth telling."""
    skipped: str = ""
    """Why it could not be tried here."""

    @property
    def root(self) -> Path:
        """Output folder."""
        return self.scene.output(self.name)

    def expect(self, fact: object, text: str) -> None:
        """Note a problem unless something holds."""
        if not fact:
            self.problems.append(text)

    def expect_status(self, ended: Ended, status: int) -> None:
        """Note a problem unless a run ended with a status."""
        told = f"status {ended.status} in place of {status}: {ended.text[-1500:]}"
        self.expect(ended.status == status, told)

    def hear(self, ended: Ended, pattern: str) -> None:
        """Keep the line of what a run said that matches; a problem when there is none."""
        found = re.search(pattern, ended.text, re.MULTILINE)
        self.expect(found, f"nobody said {pattern!r}: {ended.text[-1500:]}")
        if found and not self.said:
            self.said = self.shortened(found[0]).strip()

    def shortened(self, text: str) -> str:
        """Give a sentence without the folder of the landscape and the name of this machine."""
        host = rf"\bon {re.escape(socket.gethostname())}\b"
        return re.sub(host, "on HOST", text.replace(f"{self.scene.folder}/", ""))

    def whole_copy(self) -> Path:
        """Begin with a copy of the undisturbed run, times included; give its folder."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.undisturbed, self.root)
        return self.root

    def done(self) -> dict[str, object]:
        """Give the marks of the tasks that are done."""
        return scenes.marks(self.root, scenes.recorded(self.root, self.undisturbed))

    def finish(self, config: Path, *options: str) -> Ended:
        """Restart after the repair and expect the undisturbed run's products.

        Nothing that was done may run again.
        """
        before = self.done()
        self.expect(before, "nothing was done before the restart")
        ended = here(config, "-restart", *options)
        self.expect_finished(ended, before)
        return ended

    def expect_finished(self, ended: Ended, before: dict[str, object]) -> None:
        """Expect a restart to have ended well, and to have done again nothing that was done."""
        self.expect_status(ended, 0)
        again = scenes.ran_again(self.root, before)
        self.expect(not again, f"ran again though done: {', '.join(again)}")
        other = scenes.differences(self.root, self.undisturbed)
        self.expect(not other, f"differ from the undisturbed run: {', '.join(other)}")
        if before:
            self.notes.append(f"{len(before)} tasks kept")

    def expect_redone(self, before: dict[str, object], expected: set[str]) -> None:
        """Expect exactly some of the tasks to have run since their marks were taken."""
        again = set(scenes.ran_again(self.root, before))
        self.notes.append(f"{len(before) - len(again)} tasks kept, ran again: {len(again)}")
        more, less = sorted(again - expected), sorted(expected - again)
        self.expect(not more, f"ran without need: {', '.join(more)}")
        self.expect(not less, f"did not run: {', '.join(less)}")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, or changes, and what has to come of it."""

    name: str
    """For people."""
    happen: Callable[[Story], None]
    slow: bool = False
    """Needs workers."""

    @property
    def key(self) -> str:
        """For folders and tests."""
        return self.happen.__name__

    def tell(self, scene: Scene, undisturbed: Path) -> Story:
        """Let it happen."""
        story = Story(scene, undisturbed, self.key)
        shutil.rmtree(story.root, ignore_errors=True)
        try:
            self.happen(story)
        except Exception as error:  # a story that breaks off is one that failed
            story.problems.append(f"{type(error).__name__}: {error}")
        return story
