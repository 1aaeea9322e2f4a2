"""Where the tasks of a run go and what each may use: machine, resource file, scheduler."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...scheduler import allocation, security
from ...scheduler.drive import Executor
from ...scheduler.in_process import InProcess
from ...scheduler.local import LocalPlace
from ...scheduler.needs import GIB, Need
from ...scheduler.pools import Pools
from ...scheduler.queue_scripts import LOOPBACK
from ...scheduler.queues import QueuePlace, interface_of
from ...steps.contract import Step
from ..settings import resources
from ..settings.config import Config
from ..settings.resources import Resources

QUEUES = ("Slurm", "PBS")
GPU_BLOCKS = ("training", "classifications")
"""Blocks of the resource file whose tasks compute on a GPU where this machine has one."""
QUEUE_RAM = 16 * GIB
"""Most memory that a retry asks a queue for when maximum_ram is not given (iota2's default)."""


@dataclass(frozen=True)
class Placement:
    """What each step's tasks need, and the bounds of it."""

    kind: str
    """Scheduler type: debug, localCluster, Slurm or PBS."""
    machine: allocation.Allocation
    """What tasks on this machine may use together."""
    most_tasks: int
    """Tasks at one time; on a queue, workers of a pool, 0 for what the resource file says."""
    needs: Mapping[str, Need]
    """Name of the step -> need of each of its tasks."""
    most_ram: int
    """Bytes up to which a retry may grow."""
    notes: tuple[str, ...]
    """What was cut, for the user."""

    def grown(self, key: str, need: Need) -> Need:  # noqa: ARG002
        """Give the need of the next try of a task."""
        return resources.grown(need, self.most_ram)


def this_machine(kind: str) -> allocation.Allocation:
    """Find what this process may use; GPUs only where its own tasks may use them."""
    found = allocation.current()
    return found if kind in QUEUES else replace(found, gpus=torch.cuda.device_count())


def place(
    config: Config,
    steps: tuple[Step, ...],
    kind: str,
    parallel: int | None,
    given: Resources,
    machine: allocation.Allocation,
) -> Placement:
    """Find what the tasks of each step need.

    Parameters
    ----------
    config : Config
    steps : tuple of Step
    kind : {"debug", "localCluster", "Slurm", "PBS"}
    parallel : int, optional
        -nb_parallel_tasks.
    given : Resources
        The resource file.
    machine : Allocation
        What this process may use.
    """
    if kind in QUEUES:
        needs = {step.name: resources.queue_need(given, step.resource) for step in steps}
        most = int(config.run.maximum_ram * GIB) if config.run.maximum_ram else QUEUE_RAM
        return Placement(kind, machine, parallel or 0, needs, most, ())
    limits, notes = _limits(config, machine)
    workers = 1 if kind == "debug" else parallel or limits.cpus
    needs = {}
    for step in steps:
        share = _share(limits, workers, _gpus(given, step.resource, limits))
        needs[step.name], note = resources.local_need(given, step.resource, share, limits)
        notes += [note] if note and note not in notes else []
    return Placement(kind, limits, workers, needs, limits.ram, tuple(notes))


def _gpus(given: Resources, block: str, machine: allocation.Allocation) -> int:
    """Give the GPUs of a task: what is said, else one where its step computes on them."""
    asked = given.said(block).get("nb_gpu", int(block in GPU_BLOCKS))
    return min(int(asked), machine.gpus)


def _share(machine: allocation.Allocation, workers: int, gpus: int) -> Need:
    """Give an equal share of the machine.

    Parameters
    ----------
    machine : Allocation
    workers : int
        Most tasks at one time.
    gpus : int
        GPUs of a task. Where it has some, fewer tasks run at one time: what the others would have
        taken is theirs, as one core would leave a GPU waiting.
    """
    tasks = min(workers, machine.gpus // gpus) if gpus else workers
    return Need(max(machine.cpus // tasks, 1), machine.ram // tasks, gpus)


def _limits(
    config: Config, machine: allocation.Allocation
) -> tuple[allocation.Allocation, list[str]]:
    """Cut maximum_cpu and maximum_ram to the machine."""
    notes = []
    cpus = config.run.maximum_cpu or machine.cpus
    if cpus > machine.cpus:
        notes.append(f"maximum_cpu {cpus} is cut to the {machine.cpus} cores of this machine")
        cpus = machine.cpus
    ram = int((config.run.maximum_ram or machine.ram / GIB) * GIB)
    if ram > machine.ram:
        notes.append(
            f"maximum_ram {config.run.maximum_ram:g} GB is cut to the "
            f"{machine.ram / GIB:.1f} GB of this machine"
        )
        ram = machine.ram
    return replace(machine, cpus=cpus, ram=ram), notes


@contextmanager
def executor(placement: Placement, root: Path, dashboard: str) -> Iterator[Executor]:
    """Open the executor; everything of it ends with the block.

    Parameters
    ----------
    placement : Placement
    root : Path
        Output folder; certificates for jobs of a queue lie in it while the run goes on.
    dashboard : str
        Address of the dashboard, empty for a free port on loopback.
    """
    made = _executor(placement, root, dashboard)
    try:
        yield made
    finally:
        made.close()


def _executor(placement: Placement, root: Path, dashboard: str) -> Executor:
    if placement.kind == "debug":
        return InProcess(environment(next(iter(placement.needs.values()))))
    keys = security.security()
    if placement.kind in QUEUES:
        queue = QueuePlace(
            placement.kind,
            keys,
            root / "logs",
            environment,
            interface=interface_of(placement.needs.values()),
            most=placement.most_tasks,
            dashboard=dashboard,
        )
        return Pools(queue, keys)
    local = LocalPlace(
        placement.machine, placement.most_tasks, environment, dashboard=dashboard or LOOPBACK
    )
    return Pools(local, keys)


def environment(need: Need) -> dict[str, str]:
    """Give the variables that keep libraries to the task's share of the machine.

    A task runs as many threads of its own as it has cpus (reading, resampling, predicting), so
    the libraries below them stay at one each; kernels of numba may use them all.
    """
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": str(need.cpus),
        "GDAL_NUM_THREADS": "1",
        "GDAL_CACHEMAX": "32",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
    }
