"""What differs between the kinds of queue."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .queue_answers import State, read_qstat, read_squeue
from .queue_jobs import PBSJob, SlurmJob


@dataclass(frozen=True)
class Kind:
    """A kind of queue."""

    job: Any
    """Class of its jobs."""
    submit: str
    cancel: str
    commands: tuple[str, ...]
    """Commands that must be on PATH."""
    ask: Callable[[Sequence[str]], list[str]]
    """Gives the command that lists jobs, from their numbers."""
    read: Callable[[str], dict[str, State]]
    """Reads its answer: number -> state."""
    log: str
    """Name of the error log of a job: pool, name and job are known."""


def _of_user(jobs: Sequence[str]) -> list[str]:  # noqa: ARG001
    """List all jobs of the user: squeue fails when one of those named is gone."""
    return ["squeue", "-h", "-u", getpass.getuser(), "-o", "%i|%T|%r"]


KINDS = {
    "Slurm": Kind(
        job=SlurmJob,
        submit="sbatch",
        cancel="scancel",
        commands=("sbatch", "squeue", "scancel"),
        ask=_of_user,
        read=read_squeue,
        log="i2lc-{pool}-{job}.err",
    ),
    "PBS": Kind(
        job=PBSJob,
        submit="qsub",
        cancel="qdel",
        commands=("qsub", "qstat", "qdel"),
        ask=lambda jobs: ["qstat", "-f", *jobs],
        read=read_qstat,
        log="i2lc-{pool}-{name}.err",
    ),
}


def kind_of(name: str) -> Kind:
    """Give a kind of queue by the name that -scheduler_type has for it.

    Raises
    ------
    ConfigError
        When its commands are missing on this machine.
    """
    kind = KINDS[name]
    missing = [command for command in kind.commands if shutil.which(command) is None]
    if missing:
        raise ConfigError(
            f"-scheduler_type {name} needs {', '.join(missing)}, not found on PATH; start i2lc "
            "where jobs can be submitted, or with -scheduler_type localCluster"
        )
    return kind
