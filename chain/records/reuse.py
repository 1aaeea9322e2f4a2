"""What a restart reuses of a run, given its configuration."""

from __future__ import annotations

from collections.abc import Mapping

from ...steps.artifacts import PROBABILITY_TILE
from ..plan import Plan
from ..settings.config import Config
from . import decision, ledger, output
from .decision import Verdict


def judge(
    config: Config,
    plan: Plan,
    made: Mapping[str, ledger.Fingerprint],
    listed: set[str] | None = None,
) -> dict[str, Verdict]:
    """Say for each task what a restart makes of it.

    Parameters
    ----------
    config : Config
    plan : Plan
    made : mapping of task name to Fingerprint
    listed : set of str, optional
        The only tasks that may be reused (-restart_from).
    """
    root = config.run.output_path
    running = {task.name for task in plan.tasks}
    return decision.decide(
        plan.graph, made, root, allowed=listed, wanted=asked(plan), running=running
    )


def removable(plan: Plan) -> list[str]:
    """Give the products that remove_tmp_files removes, relative to the output folder."""
    kept = asked(plan)
    paths = (file.path for task in plan.graph.tasks.values() for file in task.outputs)
    return [path for path in paths if path not in kept and output.is_temporary(path)]


def asked(plan: Plan) -> set[str]:
    """Give the products that a user asked for: those of the last step, and probabilities."""
    last = plan.running[-1]
    return {
        file.path
        for task in plan.tasks
        for file in task.outputs
        if task.step is last or file.artifact == PROBABILITY_TILE
    }
