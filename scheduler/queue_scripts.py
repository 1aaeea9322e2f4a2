"""What the job of a worker is made of: its command line, its variables, the time it leaves."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .needs import Need, clock
from .worker_setup import JOB_START

MIB = 1024**2
DEATH_TIMEOUT = 60
"""Seconds after which a worker without a scheduler ends."""
LEAST_MARGIN, MARGIN_SHARE, MOST_MARGIN_SHARE = 60, 0.05, 0.25
"""A worker leaves this long before its walltime: seconds, and shares of the walltime."""
SCRATCH = "${TMPDIR:-/tmp}"
LOOPBACK = "127.0.0.1:0"
"""A free port that only this machine reaches."""
CLOCK = f"export {JOB_START}=$(date +%s)"
"""First line of a job: its walltime runs from here, whatever comes before the worker."""
DASK = {
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",  # its pages would be open to all
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",  # the guard of a task says why
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
"""Variables of every worker's job, whatever a configuration on the node says."""
ENCRYPTED = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}


@dataclass(frozen=True)
class Request:
    """What a job is asked for."""

    need: Need
    pool: str
    """Name of the pool, which is the dask resource of its workers."""
    environment: Mapping[str, str]
    """Variables exported before the worker starts."""
    tls: Mapping[str, str]
    """Paths of the run's certificates by dask's names: ca_file, cert, key."""
    logs: Path
    """Folder of the job's output."""


@dataclass(frozen=True)
class Leave:
    """When a worker leaves its job; seconds since its start."""

    lifetime: int
    stagger: int
    """The true time lies this much before or after, so that workers do not leave together."""


def leave(walltime: int) -> Leave:
    """Give the time at which a worker leaves, so that the queue never kills it.

    The margin is one minute or 5 % of the walltime, whichever is longer, but never more than
    a quarter of the walltime; a quarter of the margin is stagger.

    Parameters
    ----------
    walltime : int
        Seconds, 60 or more: no queue counts less.
    """
    margin = min(max(LEAST_MARGIN, walltime * MARGIN_SHARE), walltime * MOST_MARGIN_SHARE)
    return Leave(int(walltime - margin), int(margin / 4))


def worker_arguments(request: Request) -> list[str]:
    """Give the arguments of the worker, each safe in a shell."""
    need = request.need
    given = ["--resources", f"{request.pool}=1"]
    if need.walltime is not None:
        times = leave(need.walltime)
        given += ["--lifetime", f"{times.lifetime}s", "--lifetime-stagger", f"{times.stagger}s"]
    given += ["--no-dashboard", "--dashboard-address", LOOPBACK]
    given += ["--preload", "i2lc.scheduler.worker_setup"]
    for name, path in sorted(request.tls.items()):
        given += [f"--tls-{name.replace('_', '-')}", path]
    return [shlex.quote(word) for word in given]


def prologue(request: Request) -> list[str]:
    """Give the lines before the worker: the job's clock, those of the site, our variables."""
    variables = {**DASK, **(ENCRYPTED if request.tls else {}), **request.environment}
    exports = [f"export {name}={shlex.quote(text)}" for name, text in sorted(variables.items())]
    return [CLOCK, *request.need.site.prologue, *exports]


def common(request: Request) -> dict[str, Any]:
    """Give the options of dask-jobqueue that both kinds of job share."""
    need, site = request.need, request.need.site
    return {
        "cores": need.cpus,
        "memory": f"{need.ram}B",
        "processes": 1,
        "nanny": True,
        "protocol": "tls://" if request.tls else "tcp://",
        "interface": shlex.quote(site.interface) if site.interface else "",
        "death_timeout": DEATH_TIMEOUT,
        "local_directory": f'"{site.scratch or SCRATCH}"',
        "worker_command": "distributed.cli.dask_worker",
        "worker_extra_args": worker_arguments(request),
        "job_script_prologue": prologue(request),
        "job_directives_skip": site.skipped_directives,
        "log_directory": str(request.logs),
        "shebang": "#!/usr/bin/env bash",
        "python": shlex.quote(sys.executable),
        "job_name": f"i2lc-{request.pool}",
        "queue": need.queue or None,
        "account": site.account or None,
        "walltime": None if need.walltime is None else clock(need.walltime),
    }


def kept(lines: list[str], skipped: tuple[str, ...]) -> list[str]:
    """Give the lines of a head that hold none of the texts to be skipped."""
    return [line for line in lines if not any(text in line for text in skipped)]
