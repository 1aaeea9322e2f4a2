"""Products of steps that a run leaves out: it builds on them, or says why it cannot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import networkx as nx

from ...errors import InputError
from ..plan import Plan
from . import ledger
from .differences import Problem, problem_of

MOST_CAUSES = 20
"""Causes that a message names."""


def check(
    root: Path, plan: Plan, made: Mapping[str, ledger.Fingerprint], todo: Collection[str]
) -> None:
    """Refuse to build on products of earlier steps that are missing, broken or out of date.

    Parameters
    ----------
    root : Path
        Output folder.
    plan : Plan
    made : mapping of task name to Fingerprint
    todo : collection of str
        Tasks that run; their own products need not be there.

    Raises
    ------
    InputError
        Names what changed and the step to start at.
    """
    needed = {
        file.path
        for name in todo
        for file in plan.graph.tasks[name].inputs
        if plan.graph.producers[file.path] not in todo
    }
    broken = {
        path: problem
        for path in needed
        if (problem := problem_of(root / path, made[plan.graph.producers[path]]))
    }
    if broken:
        causes, first = _causes(root, plan, made, broken)
        shown = "\n- ".join(causes[:MOST_CAUSES])
        raise InputError(
            f"products of earlier steps cannot be used; start at step {first} or before:\n- {shown}"
        )


def _causes(
    root: Path,
    plan: Plan,
    made: Mapping[str, ledger.Fingerprint],
    broken: Mapping[str, Problem],
) -> tuple[list[str], str]:
    """Trace unusable products back to what changed, and to the first step to do again."""
    writers = {plan.graph.producers[path] for path in broken}
    upstream = writers.union(*(nx.ancestors(plan.graph.edges, name) for name in writers))
    told: dict[str, None] = {}
    first = ""
    for task in (task for task in plan.graph.order() if task.name in upstream):
        paths = [f.path for f in task.outputs if f.path in broken or (root / f.path).exists()]
        for path in paths:
            if problem := problem_of(root / path, made[task.name]):
                first = first or task.step.name
                if not problem.inherited:
                    told[problem.text] = None
    return list(told), first
