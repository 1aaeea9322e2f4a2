"""What a restart reuses, what it does and why; pure but for reading records.

A task whose product vanished is done again alone: what was made from it stays, because the task
writes the same bytes again. A task that runs needs its inputs, so one whose products were removed
to save space is done again for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..graph import Graph, Task
from . import differences, ledger
from .ledger import Fingerprint, Look

NOT_ALLOWED = "the task-state file does not list it as done"
REMOVED = "removed by remove_tmp_files"
CHANGED = "what it was made from changed"

Kind = Literal["reused", "to do", "redo", "removed"]


@dataclass(frozen=True)
class Verdict:
    """What a restart makes of a task.

    `reused`: recorded, present, readable, made from what is there today. `to do`: no product of
    it is there. `redo`: there is one that cannot be used. `removed`: it was done as today, then
    its products were removed by remove_tmp_files, and nothing that runs needs them.
    """

    kind: Kind
    reason: str = ""
    """Why it is not reused, in a sentence; for an inherited reason, that of its root."""
    root: str = ""
    """Name of the task where the reason lies, when that is not the task itself."""

    @property
    def runs(self) -> bool:
        """The task has to run."""
        return self.kind in {"to do", "redo"}


REUSED = Verdict("reused")
UNKNOWN = Verdict("to do")


def decide(
    graph: Graph,
    made: Mapping[str, Fingerprint],
    root: Path,
    *,
    allowed: Collection[str] | None = None,
    wanted: Collection[str] = (),
    running: Collection[str] | None = None,
) -> dict[str, Verdict]:
    """Decide for every task what a restart makes of it.

    Parameters
    ----------
    graph : Graph
        All tasks of the chain.
    made : mapping of task name to Fingerprint
        What the tasks depend on today.
    root : Path
        Output folder.
    allowed : collection of str, optional
        Names of the tasks that may be reused; None is all.
    wanted : collection of str
        Products, relative to `root`, that have to be there even if they were removed once.
    running : collection of str, optional
        Names of the tasks of the steps that are asked for; only they need their inputs. None is
        all.

    Returns
    -------
    dict of task name to Verdict
        In the order of the graph's tasks.
    """
    judge = _Judge(graph, made, str(root), set(wanted))
    found = {task.name: judge.of(task) for task in graph.order()}
    if allowed is not None:
        for name in found.keys() - set(allowed):
            if found[name].kind == "reused":
                found[name] = Verdict("redo", NOT_ALLOWED)
    _bring_back(graph, found, graph.tasks.keys() if running is None else set(running))
    return {name: found[name] for name in graph.tasks}


def _bring_back(graph: Graph, found: dict[str, Verdict], running: AbstractSet[str]) -> None:
    """Do tasks again whose removed products a task that runs reads."""
    for task in reversed(graph.order()):
        if task.name in running and found[task.name].runs:
            for file in task.inputs:
                name = graph.producers[file.path]
                if found[name].kind == "removed":
                    found[name] = Verdict("to do", f"{REMOVED}, and {task.name} needs it")


class _Judge:
    """Judges tasks, producers before their readers, and remembers why they are not reused."""

    def __init__(
        self,
        graph: Graph,
        made: Mapping[str, Fingerprint],
        root: str,
        wanted: set[str],
    ) -> None:
        self._graph = graph
        self._made = made
        self._root = root
        self._wanted = wanted
        self._roots: dict[str, Verdict] = {}
        """Task -> the verdict, with its root, that says what changed for those behind it."""

    def of(self, task: Task) -> Verdict:
        """Give the verdict on a task, all other tasks aside but for the reason."""
        looks = {file.path: ledger.look(self._root, file.path) for file in task.outputs}
        stale = self._stale(task, looks)
        if stale is not None:
            self._roots[task.name] = replace(stale, root=stale.root or task.name)
            return stale
        known = self._before(task)
        if known is not None and not any(seen.there for seen in looks.values()):
            self._roots[task.name] = known
        return self._of_files(looks)

    def _of_files(self, looks: Mapping[str, Look]) -> Verdict:
        """Give the verdict on a task of which no product is out of date."""
        defects = {path: seen for path, seen in looks.items() if seen.defect}
        if not defects:
            return REUSED
        if all(seen.removed for seen in defects.values()) and not self._wanted & defects.keys():
            return Verdict("removed", REMOVED)
        if not any(seen.there or seen.record for seen in looks.values()):
            return UNKNOWN
        kind: Kind = "redo" if any(seen.there for seen in looks.values()) else "to do"
        told = [_defect(path, seen) for path, seen in defects.items()]
        return Verdict(kind, differences.told(told))

    def _stale(self, task: Task, looks: Mapping[str, Look]) -> Verdict | None:
        """Say why a product, there or removed, was made from something else; None if none was."""
        today = self._made[task.name]
        recorded = [seen for seen in looks.values() if seen.there or seen.removed]
        records = [seen.record for seen in recorded if seen.record]
        old = [record for record in records if record["fingerprint"] != today.digest]
        if not old:
            return None
        kind: Kind = "redo" if any(seen.there for seen in recorded) else "to do"
        if own := differences.changes(old[0], today):
            return Verdict(kind, differences.told(own))
        whole = [record for record in old if "inputs" in record]
        inputs = differences.changed_inputs(whole[0], today) if whole else []
        return replace(self._inherited(inputs), kind=kind)

    def _inherited(self, inputs: Sequence[tuple[str, str]]) -> Verdict:
        """Trace changed inputs back to the first task where something changed."""
        if not inputs:
            return Verdict("redo", CHANGED)
        for path, _ in inputs:
            root = self._roots.get(self._graph.producers.get(path, ""))
            if root is not None:
                return Verdict("redo", root.reason, root.root)
        events = [event for _, event in inputs]
        root_task = self._graph.producers.get(inputs[0][0], "")
        return Verdict("redo", differences.told(events), root_task)

    def _before(self, task: Task) -> Verdict | None:
        """Give what changed for the first of a task's producers for which something did."""
        if not self._roots:
            return None
        names = (self._graph.producers[file.path] for file in task.inputs)
        return next((self._roots[name] for name in names if name in self._roots), None)


def _defect(path: str, seen: Look) -> str:
    """Say what is wrong with a product."""
    return f"{path} {seen.defect.removeprefix('it ')}" if seen.there else f"output missing: {path}"
