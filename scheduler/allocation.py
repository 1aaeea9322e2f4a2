"""What this process may use of the machine: cores and memory of its allocation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
GROUPS = Path("/proc/self/cgroup")
MIB = 1024**2
CPU_VARIABLES = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "PBS_NP", "NCPUS")
"""Variables of a job with its cores; each is only trusted to be an upper bound."""


@dataclass(frozen=True)
class Allocation:
    """Cores and memory."""

    cpus: int
    ram: int
    """Bytes."""


def current(
    environment: Mapping[str, str] | None = None, cgroup: Path = CGROUP, groups: Path = GROUPS
) -> Allocation:
    """Find the allocation: the least of machine, control groups and queue.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables; those of the process by default.
    cgroup : Path
        Root of the control groups (version 2).
    groups : Path
        File that names the control group of this process.
    """
    env = os.environ if environment is None else environment
    cpus = [len(os.sched_getaffinity(0))]
    ram = [psutil.virtual_memory().total]
    for folder in _folders(cgroup, _first_group(groups)):
        cpus += _quota(folder)
        ram += _numbers([_first_line(folder / "memory.max")])
    cpus += _numbers(env.get(name, "") for name in CPU_VARIABLES)
    cores = max(min(cpus), 1)
    ram += [size * MIB for size in _job_memory(env, cores)]
    return Allocation(cores, min(ram))


def _folders(root: Path, group: str) -> Iterator[Path]:
    """Give the folders of a control group and of all above it; each may set limits."""
    folder = root.joinpath(*(part for part in Path(group).parts if part not in ("/", "..")))
    yield folder
    yield from (parent for parent in folder.parents if parent.is_relative_to(root))


def _first_group(path: Path) -> str:
    """Give the group of version 2, whose line begins with `0::`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "/"
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")


def _quota(folder: Path) -> list[int]:
    """Give the whole cores that a group may use, at least one; nothing if it sets no limit."""
    quota = _first_line(folder / "cpu.max").split()
    if len(quota) != 2 or not quota[0].isdigit():
        return []
    return [max(int(quota[0]) // int(quota[1]), 1)]


def _job_memory(env: Mapping[str, str], cores: int) -> list[int]:
    """Give the memory of a Slurm job on this node, in MiB; Slurm knows 0 as all of it."""
    whole = _numbers([env.get("SLURM_MEM_PER_NODE", "")])
    each = _numbers([env.get("SLURM_MEM_PER_CPU", "")])
    granted = _numbers([env.get("SLURM_CPUS_ON_NODE", "")]) or [cores]
    return [size for size in (*whole, *(size * granted[0] for size in each)) if size]


def _numbers(texts: Iterator[str] | list[str]) -> list[int]:
    return [int(text) for text in texts if text.isdigit()]


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
