"""Workers in jobs of a queue, Slurm or PBS: what is submitted, what the queue answered."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from distributed import Security

from ..errors import ConfigError
from . import security
from .needs import Need
from .place import Cause
from .queue_answers import Questions, State, last_words, way_out
from .queue_kinds import kind_of
from .queue_scripts import LOOPBACK, Request

PATIENCE = 15.0
"""Seconds for which an answer of the queue is taken as true, and a new job not missed."""
CAUSE_WAIT, PENDING_WAIT, END_WAIT = 1.0, 5.0, 10.0
"""Seconds to wait for an answer of the queue, by how much hangs on it."""
SUBMIT_SECONDS = 600.0
"""Seconds after which a worker whose job was not submitted is given up."""
LATE_SECONDS = 5.0
"""Seconds that the end waits for submissions that have begun."""
CANCEL_SECONDS = 60.0
PREFIX = ".i2lc-tls-"


def interface_of(needs: Iterable[Need]) -> str:
    """Give the network interface of the scheduler: the first that a need names."""
    return next((need.site.interface for need in needs if need.site.interface), "")


@dataclass
class _Asked:
    """A worker that was asked for."""

    request: Request
    job: str = ""
    cause: Cause | None = None
    """Why it will not come."""
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
        self.kind = kind_of(kind)
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
        self._questions = Questions(self.kind.read, PATIENCE)
        self.ending = False
        """Whether nothing is to be submitted any more."""
        self.submitting: set[str] = set()
        """Names of the workers whose job is being submitted."""

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
        self.ending = True
        late = time.monotonic() + LATE_SECONDS
        while self.submitting and time.monotonic() < late:
            time.sleep(0.02)
        jobs = self._jobs()
        if not jobs:
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                [self.kind.cancel, *jobs], check=False, capture_output=True, timeout=CANCEL_SECONDS
            )
            self._cancelled |= set(jobs) if done.returncode == 0 else self._gone(jobs)

    def _jobs(self) -> list[str]:
        return [asked.job for asked in list(self._asked.values()) if asked.job]

    def _gone(self, jobs: list[str]) -> set[str]:
        """Give the jobs that ended: cancelling them fails."""
        now = time.monotonic()
        answer = self._questions.latest(self.kind.ask(jobs), END_WAIT, anew=True)
        return set() if answer is None or answer.asked < now else set(jobs) - answer.states.keys()

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
        """Give the job script of a pool, with ADDRESS for that of the scheduler.

        It is empty when there can be no job; `cause` says why for the first worker.
        """
        request = self._request(need, pool)
        job = self.kind.job("ADDRESS", f"{pool}-0", request=request, report=self)
        return "" if job.failure else str(job.job_script())

    def _request(self, need: Need, pool: str) -> Request:
        logs = self._folder / (need.site.logs or "jobs")
        return Request(need, pool, dict(self._environment(need)), self._tls, logs)

    # What jobs call, in the thread of dask's loop.

    def accepted(self, name: str, request: Request, job: str) -> None:
        """Note the number of a job."""
        self._asked[name] = _Asked(request, job=job)

    def refused(self, name: str, request: Request, text: str, final: bool) -> None:
        """Note what the queue said, and whether it would say so again."""
        told = (
            f"{self.kind.submit} refused the job of pool {request.pool} ({request.need}): {text}; "
            f"{way_out(text)} in its block of the resource file"
        )
        self._asked[name] = _Asked(request, cause=Cause(told, final))

    def impossible(self, name: str, request: Request, text: str) -> None:
        """Note why there is no job to submit."""
        told = f"there can be no job of pool {request.pool} ({request.need}): {text}"
        self._asked[name] = _Asked(request, cause=Cause(told, final=True))

    def cancelled(self, name: str, job: str | None) -> bool:
        """Forget a worker; tell whether its job needs no cancelling."""
        self._asked.pop(name, None)
        return job in self._cancelled

    # What became of a job.

    def cause(self, name: str) -> Cause | None:
        """Say why a worker that was asked for will not come.

        Returns
        -------
        Cause or None
            The queue's own words when it refused the job, the end of the job's log when the
            job ended; None while there is hope.
        """
        asked = self._asked.get(name)
        if asked is None:
            return None
        age = time.monotonic() - asked.since
        if asked.cause or not asked.job:
            return asked.cause or (_unsubmitted(asked.request) if age > SUBMIT_SECONDS else None)
        if age < PATIENCE:
            return None
        answer = self._questions.latest(self.kind.ask(self._jobs()), CAUSE_WAIT)
        if answer is None or answer.asked < asked.since + PATIENCE or asked.job in answer.states:
            return None
        return Cause(self._ended(name, asked), final=False)

    def _ended(self, name: str, asked: _Asked) -> str:
        pool = asked.request.pool
        log = asked.request.logs / self.kind.log.format(pool=pool, name=name, job=asked.job)
        told = last_words(log)
        return f"job {asked.job} of pool {pool} ended{f': {told}' if told else ''} (log: {log})"

    def pending(self, name: str) -> str:
        """Say where the job of a worker stands: state and reason, as the queue says them."""
        asked = self._asked.get(name)
        if asked is None or not asked.job:
            return "not submitted"
        answer = self._questions.latest(self.kind.ask(self._jobs()), PENDING_WAIT, anew=True)
        if answer is None:
            return f"job {asked.job}: the queue does not answer"
        return f"job {asked.job}: {answer.states.get(asked.job, State('ended', ''))}"


def _unsubmitted(request: Request) -> Cause:
    return Cause(
        f"the job of pool {request.pool} ({request.need}) could not be submitted within "
        f"{SUBMIT_SECONDS / 60:.0f} min: the queue does not answer",
        final=False,
    )


def _check_interface(name: str) -> None:
    known = sorted(psutil.net_if_addrs())
    if name and name not in known:
        raise ConfigError(
            f"this machine has no network interface {name}; it has {', '.join(known)}: "
            "correct interface in the resource file"
        )
