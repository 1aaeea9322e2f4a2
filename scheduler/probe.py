"""What a worker finds where it runs: versions, imports, network, disks, cores, memory, GPUs.

`probe` runs in a probe job, and in the client to compare with.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
from distributed import get_worker

from . import allocation

JOB_VARIABLES = ("SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "PBS_JOBID", "NCPUS")

IMPORTS = """
import importlib, json, sys
broken = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        broken[name] = f"{type(error).__name__}: {error}"
print()
print(json.dumps(broken))
"""
GPUS = """
import json, torch
print()
print(json.dumps([torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]))
"""


@dataclass(frozen=True)
class Question:
    """What a probe looks at."""

    packages: tuple[str, ...]
    """Distributions whose versions are compared."""
    modules: tuple[str, ...]
    """Modules that are imported."""
    folder: str
    """Folder that both sides see."""
    reads: str
    """Name of a file in it that the other side wrote."""
    writes: str
    """Name of a file in it to write; it gets the name of the host."""
    gpus: bool = False
    """Look for GPUs."""


@dataclass(frozen=True)
class Answer:
    """What a probe found."""

    host: str
    python: str
    versions: dict[str, str]
    """Version of each distribution, empty for one that is not there."""
    broken: dict[str, str]
    """Module -> why it cannot be imported."""
    interfaces: tuple[str, ...]
    read: str
    """Text of the other side's file; empty when it could not be read."""
    disk_problem: str
    """Why the folder cannot be read or written, empty when it can."""
    scratch: str
    """Folder for files of the worker."""
    scratch_free: int
    """Bytes."""
    scratch_problem: str
    cpus: int
    ram: int
    """Bytes."""
    job: dict[str, str]
    """Variables of the queue."""
    gpus: tuple[str, ...] = ()
    """Names of the GPUs that torch sees."""


def probe(question: Question) -> Answer:
    """Look at the place where this runs; raises nothing that a place can cause."""
    read, disk_problem = _exchange(Path(question.folder), question.reads, question.writes)
    scratch = _scratch()
    granted = allocation.current()
    return Answer(
        host=socket.gethostname(),
        python=platform.python_version(),
        versions={name: version(name) for name in question.packages},
        broken=_broken(question.modules),
        interfaces=tuple(sorted(psutil.net_if_addrs())),
        read=read,
        disk_problem=disk_problem,
        scratch=str(scratch),
        scratch_free=_free(scratch),
        scratch_problem=_unwritable(scratch),
        cpus=granted.cpus,
        ram=granted.ram,
        job={name: os.environ[name] for name in JOB_VARIABLES if name in os.environ},
        gpus=_gpus() if question.gpus else (),
    )


def version(package: str) -> str:
    """Give the version of a distribution, empty when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _broken(modules: tuple[str, ...]) -> dict[str, str]:
    """Import modules in a process of its own: some can be imported in its main thread only."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *modules], check=False, capture_output=True, text=True
    )
    if done.returncode == 0:
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found
    told = done.stderr.strip().split("\n")[-1]
    return {sys.executable: told or f"ended with {done.returncode}"}


def _exchange(folder: Path, reads: str, writes: str) -> tuple[str, str]:
    """Read the other side's file, write our own; give the text and what stood in the way."""
    try:
        text = (folder / reads).read_text(encoding="utf-8")
        with (folder / writes).open("w", encoding="utf-8") as file:
            file.write(socket.gethostname())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return "", f"{error.strerror or error}: {error.filename or folder}"
    return text, ""


def _scratch() -> Path:
    """Give the worker's folder, or where it would be outside of one."""
    try:
        return Path(get_worker().local_directory)
    except ValueError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


def _unwritable(folder: Path) -> str:
    test = folder / f".i2lc-probe-{os.getpid()}"
    try:
        test.write_bytes(b"x")
        test.unlink()
    except OSError as error:
        return str(error.strerror or error)
    return ""


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _gpus() -> tuple[str, ...]:
    done = subprocess.run([sys.executable, "-c", GPUS], check=False, capture_output=True, text=True)
    return tuple(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else ()
