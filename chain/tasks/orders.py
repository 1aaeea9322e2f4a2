"""What is sent to a worker for each task."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...scheduler.needs import Need
from ...steps.contract import Job
from .. import graph as graphs
from ..records import ledger
from ..settings.config import Config
from .guard import Limits
from .placement import QUEUES
from .task import Order

MINUTE = 60
BESIDE = 300 * 1024**2
"""Bytes of a job that are not the worker's: its caretaker and the shell. The queue would kill the
whole job for them, without a word."""


def new_run_id() -> str:
    """Give an identifier that no other run has."""
    return uuid.uuid4().hex[:8]


@dataclass(frozen=True)
class Orders:
    """Makes the order of a task when it is started."""

    config: Config
    graph: graphs.Graph
    made: Mapping[str, ledger.Fingerprint]
    run_id: str
    kind: str
    """Scheduler type."""

    def log(self, name: str) -> Path:
        """Give the path of the log of a task."""
        task = self.graph.tasks[name]
        return self.config.run.output_path / "logs" / task.step.name / f"{task.unit}.log"

    def of(self, name: str, need: Need, attempt: int) -> Order:
        """Make the order of a try of a task.

        Parameters
        ----------
        name : str
        need : Need
            What the task may use.
        attempt : int
            Number of the try, from 1.
        """
        task = self.graph.tasks[name]
        return Order(
            name=name,
            run=task.step.run,
            job=Job(
                unit=task.unit,
                settings=self.config.steps[task.step.name],
                root=self.config.run.output_path,
                inputs=task.inputs,
                outputs=task.outputs,
                cpus=need.cpus,
                ram=need.ram,
                gpus=need.gpus,
            ),
            made=self.made[name],
            log=self.log(name),
            run_id=self.run_id,
            attempt=attempt,
            limits=self._limits(need),
        )

    def _limits(self, need: Need) -> Limits | None:
        if self.kind == "debug":
            return None  # the guard would end the client
        minutes = self.config.run.stalled_after
        stalled_after = None if minutes is None else minutes * MINUTE
        beside = BESIDE if self.kind in QUEUES else 0
        return Limits(ram=max(need.ram - beside, need.ram // 2), stalled_after=stalled_after)
