"""What the process may use: the least of machine, control group and queue."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from i2lc.scheduler import allocation
from i2lc.scheduler.allocation import Allocation

GIB = 1024**3


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 cores and 64 GiB."""
    memory = psutil.virtual_memory()._replace(total=64 * GIB)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def group(folder: Path, cpu: str | None = None, memory: str | None = None) -> Path:
    for name, text in (("cpu.max", cpu), ("memory.max", memory)):
        if text is not None:
            (folder / name).write_text(f"{text}\n")
    return folder


def test_without_limits_it_is_the_machine(tmp_path: Path) -> None:
    assert allocation.current({}, tmp_path / "none") == Allocation(16, 64 * GIB)


@pytest.mark.parametrize(
    ("cpu", "memory", "found"),
    [
        ("max 100000", "max", Allocation(16, 64 * GIB)),
        ("400000 100000", str(8 * GIB), Allocation(4, 8 * GIB)),
        ("150000 100000", "max", Allocation(1, 64 * GIB)),
        ("50000 100000", "max", Allocation(1, 64 * GIB)),
        ("6400000 100000", str(900 * GIB), Allocation(16, 64 * GIB)),
        ("", "", Allocation(16, 64 * GIB)),
        (None, str(GIB), Allocation(16, GIB)),
    ],
)
def test_limits_of_the_control_group(
    tmp_path: Path, cpu: str | None, memory: str | None, found: Allocation
) -> None:
    assert allocation.current({}, group(tmp_path, cpu, memory)) == found


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"SLURM_CPUS_PER_TASK": "6"}, Allocation(6, 64 * GIB)),
        ({"SLURM_MEM_PER_NODE": "4096"}, Allocation(16, 4 * GIB)),
        ({"SLURM_CPUS_PER_TASK": "32", "SLURM_MEM_PER_NODE": "999999"}, Allocation(16, 64 * GIB)),
        ({"SLURM_CPUS_PER_TASK": "", "SLURM_MEM_PER_NODE": "all"}, Allocation(16, 64 * GIB)),
        ({"SLURM_CPUS_PER_TASK": "0"}, Allocation(1, 64 * GIB)),
        ({"SLURM_CPUS_ON_NODE": "3"}, Allocation(3, 64 * GIB)),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "1"}, Allocation(8, 64 * GIB)),
        (
            {"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "2", "SLURM_STEP_ID": "0"},
            Allocation(2, 64 * GIB),
        ),
        ({"SLURM_MEM_PER_NODE": "0"}, Allocation(16, 64 * GIB)),
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "2048"}, Allocation(4, 8 * GIB)),
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_MEM_PER_CPU": "1024"}, Allocation(4, 4 * GIB)),
        (
            {"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "2", "SLURM_MEM_PER_CPU": "1024"},
            Allocation(8, 8 * GIB),
        ),
        ({"SLURM_MEM_PER_CPU": "99999"}, Allocation(16, 64 * GIB)),
    ],
)
def test_limits_of_slurm(tmp_path: Path, environment: dict[str, str], found: Allocation) -> None:
    assert allocation.current(environment, tmp_path) == found


@pytest.mark.parametrize(
    ("environment", "cpus"),
    [({"NCPUS": "4"}, 4), ({"PBS_NP": "6"}, 6), ({"NCPUS": "4", "PBS_NP": "2"}, 2), ({}, 16)],
)
def test_limits_of_pbs(tmp_path: Path, environment: dict[str, str], cpus: int) -> None:
    assert allocation.current(environment, tmp_path) == Allocation(cpus, 64 * GIB)


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("0::/job/step\n", Allocation(3, 2 * GIB)),
        ("0::/job\n", Allocation(6, 2 * GIB)),
        ("0::/\n", Allocation(12, 32 * GIB)),
        ("0::/gone/job\n", Allocation(12, 32 * GIB)),
        ("0::/../job\n", Allocation(6, 2 * GIB)),
        ("12:memory:/job\n1:name=systemd:/x\n0::/job/step\n", Allocation(3, 2 * GIB)),
        ("12:memory:/job\n", Allocation(12, 32 * GIB)),
        (None, Allocation(12, 32 * GIB)),
    ],
)
def test_groups_above_count_too(tmp_path: Path, named: str | None, found: Allocation) -> None:
    root, names = tmp_path / "cgroup", tmp_path / "names"
    (root / "job" / "step").mkdir(parents=True)
    group(tmp_path, "100000 100000", str(GIB))  # not a group: above their root
    group(root, "1200000 100000", str(32 * GIB))
    group(root / "job", "600000 100000", str(2 * GIB))
    group(root / "job" / "step", "300000 100000", str(4 * GIB))
    if named is not None:
        names.write_text(named)
    assert allocation.current({}, root, names) == found


@pytest.mark.parametrize(
    ("quota", "limit", "found"),
    [
        ("300000", str(2 * GIB), Allocation(3, 2 * GIB)),
        ("-1", "9223372036854771712", Allocation(6, 4 * GIB)),
    ],
)
def test_control_groups_of_version_1(
    tmp_path: Path, quota: str, limit: str, found: Allocation
) -> None:
    names = tmp_path / "names"
    names.write_text("7:cpu,cpuacct:/job/step\n3:memory:/job/step\n1:name=systemd:/x\n")
    for step, cpu, memory in (("job", "600000", str(4 * GIB)), ("job/step", quota, limit)):
        for controller in ("cpu", "memory"):
            (tmp_path / controller / step).mkdir(parents=True)
        (tmp_path / "cpu" / step / "cpu.cfs_quota_us").write_text(f"{cpu}\n")
        (tmp_path / "cpu" / step / "cpu.cfs_period_us").write_text("100000\n")
        (tmp_path / "memory" / step / "memory.limit_in_bytes").write_text(f"{memory}\n")
    assert allocation.current({}, tmp_path, names) == found


def test_the_least_counts(tmp_path: Path) -> None:
    folder = group(tmp_path, "800000 100000", str(2 * GIB))
    environment = {"SLURM_CPUS_PER_TASK": "3", "SLURM_MEM_PER_NODE": "8192"}
    assert allocation.current(environment, folder) == Allocation(3, 2 * GIB)


def test_the_environment_of_the_process_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "5")
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    assert allocation.current(cgroup=tmp_path) == Allocation(5, 64 * GIB)
