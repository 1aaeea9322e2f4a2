"""The job of one worker, for Slurm and for PBS: its script, its submission, its end.

Nothing of a user's dask-jobqueue configuration enters: every option is set here.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dask
from distributed.deploy.spec import ProcessInterface

from .dask_jobs import PBSJob as DaskPBSJob
from .dask_jobs import SLURMJob as DaskSLURMJob
from .needs import Need, clock
from .queue_answers import said

MIB = 1024**2
SECTION = "i2lc"
"""Section of dask's configuration that the jobs read; it is ours alone, and holds nothing."""
UNSET = """
    account cores death-timeout env-extra extra header-skip interface job-cpu job-extra job-mem
    local-directory log-directory memory name processes project python queue resource-spec walltime
"""
DEATH_TIMEOUT = 60
"""Seconds after which a worker without a scheduler ends."""
LEAST_MARGIN, MARGIN_SHARE, MOST_MARGIN_SHARE = 60, 0.05, 0.25
"""A worker leaves this long before its walltime: seconds, and shares of the walltime."""
SCRATCH = "${TMPDIR:-/tmp}"
TRANSIENT = re.compile(
    r"timed out|unable to contact|cannot connect|connection refused|temporarily|try again", re.I
)
"""Words of a queue that is busy, not unwilling."""
PAUSES = (5.0, 20.0)
"""Seconds before a submission is tried again."""
DASK = {
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


class Report(Protocol):
    """Learns what became of a submission."""

    def accepted(self, name: str, request: Request, job: str) -> None:
        """Note the number of a job."""

    def refused(self, name: str, request: Request, text: str) -> None:
        """Note what the queue said."""

    def cancelled(self, name: str, job: str) -> bool:
        """Forget a worker; tell whether its job was cancelled already."""


class RefusedError(RuntimeError):
    """The queue took no job; the text is its own."""


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
    given += ["--no-dashboard", "--preload", "i2lc.scheduler.worker_setup"]
    for name, path in sorted(request.tls.items()):
        given += [f"--tls-{name.replace('_', '-')}", path]
    return [shlex.quote(word) for word in given]


def prologue(request: Request) -> list[str]:
    """Give the lines before the worker: those of the site, then our variables."""
    variables = {**DASK, **(ENCRYPTED if request.tls else {}), **request.environment}
    exports = [f"export {name}={shlex.quote(text)}" for name, text in sorted(variables.items())]
    return [*request.need.site.prologue, *exports]


def _common(request: Request) -> dict[str, Any]:
    """Give the options that both kinds of job share."""
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


def _kept(lines: list[str], skipped: tuple[str, ...]) -> list[str]:
    return [line for line in lines if not any(text in line for text in skipped)]


class _QueueJob(ProcessInterface):
    """What both kinds of job do differently from dask-jobqueue's."""

    config_name = SECTION
    request: Request
    report: Report
    name: str
    job_id: str | None
    submit_command: str

    @property
    def worker_process_threads(self) -> int:
        """Tasks at one time; their threads are their own business."""
        return 1

    @property
    def worker_process_memory(self) -> str:
        """Limit at which the worker is ended."""
        return f"{self.request.need.ram // MIB}MiB"

    async def start(self) -> None:
        """Submit the job; a refusal is reported, not raised, so that other workers still start."""
        try:
            await super().start()
        except (RuntimeError, ValueError, OSError) as error:
            self.report.refused(self.name, self.request, str(error))
            await ProcessInterface.start(self)
        else:
            assert self.job_id is not None
            self.report.accepted(self.name, self.request, self.job_id)

    async def close(self) -> None:
        """Cancel the job, pending or running."""
        if self.job_id and not self.report.cancelled(self.name, self.job_id):
            await super().close()
        await ProcessInterface.close(self)

    async def _submit_job(self, script: str) -> str:
        for pause in (*PAUSES, None):
            status, text = await _call([*shlex.split(self.submit_command), script])
            if status == 0:
                return text
            if pause is None or not TRANSIENT.search(text):
                break
            await asyncio.sleep(pause)
        raise RefusedError(said(text))

    def _job_id_from_submit_output(self, text: str) -> str:
        """Find the job's number in the last line; sites write greetings above it."""
        found = re.search(r"\d+", text.strip().split("\n")[-1])
        if found is None:
            raise RefusedError(f"no job number in its answer: {said(text)}")
        return found.group()


async def _call(command: list[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    text = out.decode(errors="replace")
    status = process.returncode or 0
    return status, text if status == 0 else f"{text}\n{err.decode(errors='replace')}"


class SlurmJob(_QueueJob, DaskSLURMJob):  # type: ignore[misc]
    """A worker in a job of Slurm."""

    submit_command = "sbatch --parsable"
    cancel_command = "scancel"

    def __init__(self, scheduler: Any, name: str, *, request: Request, report: Report) -> None:
        self.request, self.report = request, report
        need, site = request.need, request.need.site
        extra = [f"-C {site.constraint}"] if site.constraint else []
        extra += [f"--gres=gpu:{need.gpus}"] if need.gpus else []
        with dask.config.set({f"jobqueue.{SECTION}": dict.fromkeys(UNSET.split())}):
            super().__init__(
                scheduler=scheduler,
                name=name,
                config_name=SECTION,
                job_cpu=need.cpus,
                job_mem=f"{-(-need.ram // MIB)}M",
                job_extra_directives=[*_kept(extra, site.skipped_directives), *site.directives],
                **_common(request),
            )


class PBSJob(_QueueJob, DaskPBSJob):  # type: ignore[misc]
    """A worker in a job of PBS."""

    submit_command = "qsub"
    cancel_command = "qdel"

    def __init__(self, scheduler: Any, name: str, *, request: Request, report: Report) -> None:
        self.request, self.report = request, report
        need, site = request.need, request.need.site
        select = f"select=1:ncpus={need.cpus}:mem={-(-need.ram // MIB)}MB"
        select += f":ngpus={need.gpus}" if need.gpus else ""
        select += f":{site.constraint}" if site.constraint else ""
        with dask.config.set({f"jobqueue.{SECTION}": dict.fromkeys(UNSET.split())}):
            super().__init__(
                scheduler=scheduler,
                name=name,
                config_name=SECTION,
                resource_spec=select,
                job_extra_directives=list(site.directives),
                **_common(request),
            )
        self._name_logs()

    def _name_logs(self) -> None:
        """Give the logs names of their own, in the head and, for a qsub that needs it, outside."""
        self.submit_command = "qsub"
        for option, ending in (("-e", "err"), ("-o", "out")):
            folder = f"#PBS {option} {self.request.logs}/"
            path = f"{self.request.logs}/{self.job_name}-{self.name}.{ending}"
            if folder in self.job_header.split("\n"):
                self.job_header = self.job_header.replace(folder, f"#PBS {option} {path}")
                self.submit_command += f" {option} {shlex.quote(path)}"
