"""Workers in jobs of a queue, Slurm or PBS: what is submitted, what the queue answered."""

from __future__ import annotations

import getpass
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from distributed import Security

from ..errors import ConfigError
from . import security
from .needs import Need
from .queue_answers import State, ask, read_qstat, read_squeue, way_out
from .queue_jobs import PBSJob, Request, SlurmJob

PATIENCE = 15.0
"""Seconds for which an answer of the queue is taken as true, and a new job not missed."""
CANCEL_SECONDS = 60.0
LOG_LINES = 3
CAUSE = re.compile(
    r"error|exception|not found|no module|no such|denied|killed|cancelled|cannot", re.I
)
PREFIX = ".i2lc-tls-"
LOOPBACK = "127.0.0.1:0"


@dataclass(frozen=True)
class Kind:
    """What differs between two kinds of queue."""

    job: type
    submit: str
    cancel: str
    commands: tuple[str, ...]
    """Commands that must be on PATH."""
    ask: Callable[[list[str]], list[str]]
    """Gives the command that lists jobs, from their numbers."""
    read: Callable[[str], dict[str, State]]
    """Reads its answer: number -> state."""
    log: str
    """Name of the error log of a job: pool, name and job are known."""


KINDS = {
    "Slurm": Kind(
        job=SlurmJob,
        submit="sbatch",
        cancel="scancel",
        commands=("sbatch", "squeue", "scancel"),
        ask=lambda jobs: ["squeue", "-h", "-u", getpass.getuser(), "-o", "%i|%T|%r"],  # noqa: ARG005
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


@dataclass
class _Asked:
    """A worker that was asked for."""

    request: Request
    job: str = ""
    refusal: str = ""
    since: float = field(default_factory=time.monotonic)


class QueuePlace:
    """Gives the workers of pools as jobs of a queue.

    Parameters
    ----------
    kind : {"Slurm", "PBS"}
    keys : Security or None
        Certificates of the run; for the jobs they are written into the folder, until `close`.
    folder : Path
        Folder of the run on a disk that the jobs see; their output goes to its `jobs` where
        the site names no folder, or a relative one for it.
    environment : callable
        Gives the variables of a worker from its need.
    interface : str
        Network interface of the scheduler; empty for that of the default route.
    most : int
        Most jobs of a pool, 0 for what its need says.
    dashboard : str
        Address of the dashboard, empty for a free port on loopback.

    Raises
    ------
    ConfigError
        When a command of the queue or the interface is missing on this machine.
    """

    rest = 30.0
    """An idle job keeps nodes from others, the run's own pools among them."""

    def __init__(
        self,
        kind: str,
        keys: Security | None,
        folder: Path,
        environment: Callable[[Need], Mapping[str, str]],
        interface: str = "",
        most: int = 0,
        dashboard: str = "",
    ) -> None:
        self.kind = KINDS[kind]
        _check_commands(kind, self.kind.commands)
        _check_interface(interface)
        self._exit = ExitStack()
        self._tls = self._written(keys, folder) if keys else {}
        self._folder = folder
        self._environment = environment
        self._interface = interface
        self._most = most
        self._dashboard = dashboard or LOOPBACK
        self._asked: dict[str, _Asked] = {}
        self._cancelled: set[str] = set()
        self._states: dict[str, State] | None = None
        self._states_at = float("-inf")

    def most(self, need: Need) -> int:
        """Give the most workers of the pool of a need."""
        return self._most or need.most_workers

    def room(self, need: Need, running: Mapping[Need, int]) -> bool:
        """Tell whether a pool may have one more task running."""
        return running.get(need, 0) < self.most(need)

    def crowded(self, workers: Mapping[Need, int]) -> bool:  # noqa: ARG002
        """Tell whether there are too many workers; a queue has its own limits."""
        return False

    def end(self) -> None:
        """Cancel all jobs, by one command: asked one by one, a busy queue takes too long."""
        jobs = [asked.job for asked in self._asked.values() if asked.job]
        if not jobs:
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                [self.kind.cancel, *jobs], check=False, capture_output=True, timeout=CANCEL_SECONDS
            )
            self._cancelled |= set(jobs) if done.returncode == 0 else set()

    def close(self) -> None:
        """Remove the certificates."""
        self._exit.close()

    def _written(self, keys: Security, folder: Path) -> dict[str, str]:
        """Write the certificates; remove those of a run that was killed here."""
        for left in folder.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        own = folder / f"{PREFIX}{secrets.token_hex(4)}"
        known = self._exit.enter_context(security.written(keys, own))
        paths = known.get_tls_config_for_role("worker")
        return {name: paths[name] for name in ("ca_file", "cert", "key")}

    def scheduler(self) -> dict[str, Any]:
        """Give the options of the scheduler: jobs reach it through its interface."""
        return {
            "protocol": "tls://" if self._tls else "tcp://",
            "dashboard_address": self._dashboard,
            **({"interface": self._interface} if self._interface else {}),
        }

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        """Give the specification of a worker for `SpecCluster`."""
        request = self._request(need, pool)
        self._asked[name] = _Asked(request)
        return {"cls": self.kind.job, "options": {"request": request, "report": self}}

    def script(self, need: Need, pool: str) -> str:
        """Give the job script of a pool, with ADDRESS for that of the scheduler."""
        request = self._request(need, pool)
        job = self.kind.job("ADDRESS", f"{pool}-0", request=request, report=self)
        return str(job.job_script())

    def _request(self, need: Need, pool: str) -> Request:
        logs = self._folder / (need.site.logs or "jobs")
        return Request(need, pool, dict(self._environment(need)), self._tls, logs)

    def accepted(self, name: str, request: Request, job: str) -> None:
        """Note the number of a job."""
        self._asked[name] = _Asked(request, job=job)

    def refused(self, name: str, request: Request, text: str) -> None:
        """Note what the queue said."""
        self._asked[name] = _Asked(request, refusal=text)

    def cancelled(self, name: str, job: str) -> bool:
        """Forget a worker; tell whether its job was cancelled already."""
        self._asked.pop(name, None)
        return job in self._cancelled

    def cause(self, name: str) -> str | None:
        """Say why a worker that was asked for will not come.

        Returns
        -------
        str or None
            The queue's own words when it refused the job, the end of the job's log when the
            job ended; None while there is hope.
        """
        asked = self._asked.get(name)
        if asked is None:
            return None
        if asked.refusal:
            return self._refusal(asked)
        if not asked.job or time.monotonic() - asked.since < PATIENCE:
            return None
        states = self._ask()
        return None if states is None or asked.job in states else self._ended(name, asked)

    def _refusal(self, asked: _Asked) -> str:
        return (
            f"{self.kind.submit} refused the job of pool {asked.request.pool} "
            f"({asked.request.need}): {asked.refusal}; "
            f"{way_out(asked.refusal)} in its block of the resource file"
        )

    def _ended(self, name: str, asked: _Asked) -> str:
        pool = asked.request.pool
        log = asked.request.logs / self.kind.log.format(pool=pool, name=name, job=asked.job)
        told = _last_words(log)
        return f"job {asked.job} of pool {pool} ended{f': {told}' if told else ''} (log: {log})"

    def pending(self, name: str) -> str:
        """Say where the job of a worker stands: state and reason, as the queue says them."""
        asked = self._asked.get(name)
        if asked is None or not asked.job:
            return "not submitted"
        self._states_at = float("-inf")
        states = self._ask()
        if states is None:
            return f"job {asked.job}: the queue does not answer"
        return f"job {asked.job}: {states.get(asked.job, State('ended', ''))}"

    def _ask(self) -> dict[str, State] | None:
        """Ask where the jobs stand, not too often; None when the queue gives no answer."""
        if time.monotonic() - self._states_at >= PATIENCE:
            jobs = [asked.job for asked in self._asked.values() if asked.job]
            self._states = ask(self.kind.ask(jobs), self.kind.read)
            self._states_at = time.monotonic()
        return self._states


def _check_commands(kind: str, commands: tuple[str, ...]) -> None:
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        raise ConfigError(
            f"-scheduler_type {kind} needs {', '.join(missing)}, not found on PATH; start i2lc "
            "where jobs can be submitted, or with -scheduler_type localCluster"
        )


def _check_interface(name: str) -> None:
    known = sorted(psutil.net_if_addrs())
    if name and name not in known:
        raise ConfigError(
            f"this machine has no network interface {name}; it has {', '.join(known)}: "
            "correct interface in the resource file"
        )


def _last_words(log: Path) -> str:
    """Give the lines of a job's output that sound like a cause, or its last ones."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(" ")]
    causes = [line for line in lines if CAUSE.search(line) and " - INFO - " not in line]
    return " / ".join((causes or lines)[-LOG_LINES:])
