"""The job of one worker, for Slurm and for PBS: its submission, its end.

Nothing of a user's dask-jobqueue configuration enters: every option is set here.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import time
from contextlib import suppress
from typing import Any, Protocol

import dask
from distributed.deploy.spec import ProcessInterface

from .dask_jobs import PBSJob as DaskPBSJob
from .dask_jobs import SLURMJob as DaskSLURMJob
from .queue_answers import said
from .queue_scripts import MIB, Request, common, kept

SECTION = "i2lc"
"""Section of dask's configuration that the jobs read; it is ours alone, and holds nothing."""
UNSET = """
    account cores death-timeout env-extra extra header-skip interface job-cpu job-extra job-mem
    local-directory log-directory memory name processes project python queue resource-spec walltime
"""
TRANSIENT = re.compile(
    r"timed out|unable to contact|cannot connect|connection refused|temporarily|try again", re.I
)
"""Words of a queue that is busy, not unwilling."""
PASSING = re.compile(rf"{TRANSIENT.pattern}|submit limit|would exceed|no answer within", re.I)
"""Words of a refusal that may be another one later."""
PAUSES = (5.0, 20.0)
"""Seconds before a submission is tried again."""
CALL_SECONDS = 60.0
"""Seconds that a command of the queue may take."""
STEP = 0.1
"""Seconds between two looks at whether the run ends."""


class Report(Protocol):
    """Learns what became of a submission."""

    ending: bool
    """Whether nothing is to be submitted any more."""
    submitting: set[str]
    """Names of the workers whose job is being submitted."""

    def accepted(self, name: str, request: Request, job: str) -> None:
        """Note the number of a job."""

    def refused(self, name: str, request: Request, text: str, final: bool) -> None:
        """Note what the queue said, and whether it would say so again."""

    def impossible(self, name: str, request: Request, text: str) -> None:
        """Note why there is no job to submit."""

    def cancelled(self, name: str, job: str | None) -> bool:
        """Forget a worker; tell whether its job needs no cancelling."""


class RefusedError(RuntimeError):
    """The queue took no job; the text is its own.

    Parameters
    ----------
    text : str
    final : bool
        Whether it would say so again.
    """

    def __init__(self, text: str, final: bool = True) -> None:
        super().__init__(text)
        self.final = final


class _QueueJob(ProcessInterface):
    """What both kinds of job do differently from dask-jobqueue's.

    None of it raises: dask starts the jobs of all pools together, and one error would keep all
    of them from coming.
    """

    config_name = SECTION
    name: str
    job_id: str | None
    job_header: str
    submit_command: str
    cancel_command: str

    def __init__(self, scheduler: Any, name: str, *, request: Request, report: Report) -> None:
        self.request, self.report = request, report
        self.failure = ""
        """Why there is no job to submit."""
        try:
            request.logs.mkdir(parents=True, exist_ok=True)
            options = {"config_name": SECTION, **self._options(), **common(request)}
            with dask.config.set({f"jobqueue.{SECTION}": dict.fromkeys(UNSET.split())}):
                super().__init__(scheduler=scheduler, name=name, **options)
            self._name_logs()
        except OSError as error:
            self._give_up(
                scheduler,
                name,
                f"no folder {request.logs} for its output: {error.strerror or error}; name "
                "another with log_directory in the resource file",
            )
        except Exception as error:
            self._give_up(scheduler, name, f"{type(error).__name__}: {error}")

    def _give_up(self, scheduler: Any, name: str, failure: str) -> None:
        ProcessInterface.__init__(self, scheduler, name)
        self.name, self.job_id, self.failure = name, None, failure

    def _options(self) -> dict[str, Any]:
        """Give the options of this kind of job."""
        raise NotImplementedError

    def _name_logs(self) -> None:
        """Complete the paths of the logs in the head."""

    @property
    def worker_process_threads(self) -> int:
        """Tasks at one time; their threads are their own business."""
        return 1

    @property
    def worker_process_memory(self) -> str:
        """Limit at which the worker is ended."""
        return f"{self.request.need.ram // MIB}MiB"

    async def start(self) -> None:
        """Submit the job; what is in the way is reported."""
        self.report.submitting.add(self.name)
        try:
            if await self._submitted() and self.report.ending:
                await self._cancel()
        finally:
            self.report.submitting.discard(self.name)

    async def _submitted(self) -> bool:
        try:
            if not self.failure:
                await super().start()
                assert self.job_id is not None
                self.report.accepted(self.name, self.request, self.job_id)
                return True
            self.report.impossible(self.name, self.request, self.failure)
        except RefusedError as error:
            self.report.refused(self.name, self.request, str(error), error.final)
        except OSError as error:  # such as a machine that has no room for one more process
            self.report.refused(self.name, self.request, str(error), final=False)
        await ProcessInterface.start(self)
        return False

    async def close(self) -> None:
        """Cancel the job, pending or running."""
        await self._cancel()
        await ProcessInterface.close(self)

    async def _cancel(self) -> None:
        job, self.job_id = self.job_id, None
        if not self.report.cancelled(self.name, job) and job:
            with suppress(OSError):
                await _call([self.cancel_command, job])

    async def _submit_job(self, script: str) -> str:
        pauses = list(PAUSES)
        while not self.report.ending:
            status, text = await _call([*shlex.split(self.submit_command), script])
            if status == 0:
                return text
            if not pauses or not TRANSIENT.search(text):
                raise RefusedError(said(text), final=not PASSING.search(text))
            await self._pause(pauses.pop(0))
        raise RefusedError("the run ends", final=False)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the run ends."""
        end = time.monotonic() + seconds
        while not self.report.ending and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, STEP))

    def _job_id_from_submit_output(self, text: str) -> str:
        """Find the job's number in the last line; sites write greetings above it."""
        found = re.search(r"\d+", text.strip().split("\n")[-1])
        if found is None:
            raise RefusedError(f"no job number in its answer: {said(text)}")
        return found.group()


async def _call(command: list[str]) -> tuple[int, str]:
    """Run a command of the queue; give its status and what it said.

    One that hangs is ended, with all that it started, and counts as failed. It has a session of
    its own: a Ctrl-C in the terminal would leave a job that nobody knows.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), CALL_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 1.0)
        return 1, f"no answer within {CALL_SECONDS:.0f} s"
    text = out.decode(errors="replace")
    status = process.returncode or 0
    return status, text if status == 0 else f"{text}\n{err.decode(errors='replace')}"


class SlurmJob(_QueueJob, DaskSLURMJob):  # type: ignore[misc]
    """A worker in a job of Slurm."""

    submit_command = "sbatch --parsable"
    cancel_command = "scancel"

    def _options(self) -> dict[str, Any]:
        need, site = self.request.need, self.request.need.site
        extra = [f"-C {site.constraint}"] if site.constraint else []
        extra += [f"--gres=gpu:{need.gpus}"] if need.gpus else []
        return {
            "job_cpu": need.cpus,
            "job_mem": f"{-(-need.ram // MIB)}M",
            "job_extra_directives": [*kept(extra, site.skipped_directives), *site.directives],
        }

    def _name_logs(self) -> None:
        """Quote the paths of the logs."""
        for option, ending in (("-e", "err"), ("-o", "out")):
            path = f"{self.request.logs}/{self.job_name}-%J.{ending}"
            quoted = f"#SBATCH {option} {shlex.quote(path)}"
            self.job_header = self.job_header.replace(f"#SBATCH {option} {path}", quoted)


class PBSJob(_QueueJob, DaskPBSJob):  # type: ignore[misc]
    """A worker in a job of PBS."""

    submit_command = "qsub"
    cancel_command = "qdel"

    def _options(self) -> dict[str, Any]:
        need, site = self.request.need, self.request.need.site
        select = f"select=1:ncpus={need.cpus}:mem={-(-need.ram // MIB)}MB"
        select += f":ngpus={need.gpus}" if need.gpus else ""
        select += f":{site.constraint}" if site.constraint else ""
        return {"resource_spec": select, "job_extra_directives": list(site.directives)}

    def _name_logs(self) -> None:
        """Give the logs names of their own, in the head and, for a qsub that needs it, outside.

        The qsub that needs it, Slurm's, takes no path there that a shell would split.
        """
        self.submit_command = "qsub"
        for option, ending in (("-e", "err"), ("-o", "out")):
            folder = f"#PBS {option} {self.request.logs}/"
            path = f"{self.request.logs}/{self.job_name}-{self.name}.{ending}"
            if folder in self.job_header.split("\n"):
                named = f"#PBS {option} {shlex.quote(path)}"
                self.job_header = self.job_header.replace(folder, named)
                self.submit_command += f" {option} {path}" if path == shlex.quote(path) else ""
