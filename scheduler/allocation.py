"""What this process may use of the machine: cores and memory of its allocation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
GROUPS = Path("/proc/self/cgroup")
MIB = 1024**2
CPU_VARIABLES = ("SLURM_CPUS_ON_NODE", "PBS_NP", "NCPUS")
"""Variables of a job with its cores; each is only trusted to be an upper bound."""


@dataclass(frozen=True)
class Allocation:
    """Cores, memory and GPUs."""

    cpus: int
    ram: int
    """Bytes."""
    gpus: int = 0
    """GPUs; `current` looks for none, because only what computes on them can tell."""


def current(
    environment: Mapping[str, str] | None = None, cgroup: Path = CGROUP, groups: Path = GROUPS
) -> Allocation:
    """Find the allocation: the least of machine, control groups and queue.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables; those of the process by default.
    cgroup : Path
        Root of the control groups, version 2 or 1.
    groups : Path
        File that names the control groups of this process.
    """
    env = os.environ if environment is None else environment
    cpus = [len(os.sched_getaffinity(0))]
    ram = [psutil.virtual_memory().total]
    named = _groups(groups)
    for folder in _folders(cgroup, named.get("", "/")):
        cpus += _cores(*_first_line(folder / "cpu.max").split())
        ram += _numbers([_first_line(folder / "memory.max")])
    for folder in _folders(cgroup / "cpu", named.get("cpu", "/")):
        quota, period = (_first_line(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        cpus += _cores(quota, period)
    for folder in _folders(cgroup / "memory", named.get("memory", "/")):
        ram += _numbers([_first_line(folder / "memory.limit_in_bytes")])
    cpus += _numbers(env.get(name, "") for name in _cpu_variables(env))
    cores = max(min(cpus), 1)
    ram += [size * MIB for size in _job_memory(env, cores)]
    return Allocation(cores, min(ram))


def _folders(root: Path, group: str) -> Iterator[Path]:
    """Give the folders of a control group and of all above it; each may set limits."""
    folder = root.joinpath(*(part for part in Path(group).parts if part not in ("/", "..")))
    yield folder
    yield from (parent for parent in folder.parents if parent.is_relative_to(root))


def _groups(path: Path) -> dict[str, str]:
    """Give the group of this process by controller; that of version 2 by an empty name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    rows = (line.split(":", 2) for line in lines if line.count(":") >= 2)
    return {name: group for _, names, group in rows for name in names.split(",")}


def _cores(*quota_and_period: str) -> list[int]:
    """Give the whole cores that a group may use, at least one; nothing if it sets no limit."""
    quota = _numbers(quota_and_period)
    return [max(quota[0] // quota[1], 1)] if len(quota) == 2 and quota[1] else []


def _cpu_variables(env: Mapping[str, str]) -> tuple[str, ...]:
    """Name the variables that bound the cores of this process.

    Slurm counts the cores of one task. A job script has those of all tasks on its node; only what
    `srun` started is one of the tasks.
    """
    one_task = "SLURM_STEP_ID" in env or "SLURM_CPUS_ON_NODE" not in env
    return (*CPU_VARIABLES, "SLURM_CPUS_PER_TASK") if one_task else CPU_VARIABLES


def _job_memory(env: Mapping[str, str], cores: int) -> list[int]:
    """Give the memory of a Slurm job on this node, in MiB; Slurm knows 0 as all of it."""
    whole = _numbers([env.get("SLURM_MEM_PER_NODE", "")])
    each = _numbers([env.get("SLURM_MEM_PER_CPU", "")])
    granted = _numbers([env.get("SLURM_CPUS_ON_NODE", "")]) or [cores]
    return [size for size in (*whole, *(size * granted[0] for size in each)) if size]


def _numbers(texts: Iterable[str]) -> list[int]:
    return [int(text) for text in texts if text.isdigit()]


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
