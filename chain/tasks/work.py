"""All that is known of a run before anything is written."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...steps.contract import Step
from ..plan import Options, Plan
from ..records import ledger
from ..settings.config import Config
from ..settings.resources import Resources


@dataclass(frozen=True)
class Work:
    """What a run is asked to do."""

    config: Config
    options: Options
    given: Resources
    steps: tuple[Step, ...]
    """All steps of the chain."""
    plan: Plan
    made: Mapping[str, ledger.Fingerprint]
    """Task -> what it is made from today."""

    @property
    def root(self) -> Path:
        """Output folder."""
        return self.config.run.output_path

    @property
    def anew(self) -> bool:
        """The run replaces what an earlier one left."""
        return self.plan.from_first_step and not self.options.reuses

    @property
    def folders(self) -> set[str]:
        """Folders in which tasks write, relative to the output folder, those that hold them too."""
        tasks = self.plan.graph.tasks.values()
        own = {posixpath.dirname(file.path) for task in tasks for file in task.outputs}
        return own | {str(place) for path in own for place in PurePosixPath(path).parents} | {""}
