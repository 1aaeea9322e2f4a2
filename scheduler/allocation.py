"""What this process may use of the machine: cores and memory of its allocation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Allocation:
    """Cores and memory."""

    cpus: int
    ram: int
    """Bytes."""


def current(environment: Mapping[str, str] | None = None, cgroup: Path = CGROUP) -> Allocation:
    """Find the allocation: the least of machine, cgroup and queue.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables; those of the process by default.
    cgroup : Path
        Folder of the control group (version 2).
    """
    env = os.environ if environment is None else environment
    cpus = [len(os.sched_getaffinity(0))]
    ram = [psutil.virtual_memory().total]
    quota = _first_line(cgroup / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        cpus.append(max(int(quota[0]) // int(quota[1]), 1))
    limit = _first_line(cgroup / "memory.max")
    if limit.isdigit():
        ram.append(int(limit))
    if env.get("SLURM_CPUS_PER_TASK", "").isdigit():
        cpus.append(int(env["SLURM_CPUS_PER_TASK"]))
    if env.get("SLURM_MEM_PER_NODE", "").isdigit():
        ram.append(int(env["SLURM_MEM_PER_NODE"]) * 1024**2)
    return Allocation(max(min(cpus), 1), min(ram))


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
