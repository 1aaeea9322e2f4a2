"""A run of the command line as a process that can be watched, stopped and killed."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i2lc.chain import cli

TOKEN = "I2LC_RELIABILITY_RUN"
"""Variable that every process of a run inherits, whatever becomes of its parents."""
POLL = 0.002
"""Seconds between two looks at a run that is to be hit at a moment."""
LOOK = 0.5
"""Seconds between two looks at which processes it has."""
WORKER = b"multiprocessing.spawn"
"""Stands in the command line of a worker."""
KINDS = ("client", "client with workers", "worker")


class MissedError(AssertionError):
    """The run had ended before it could be hit."""


@dataclass(frozen=True)
class Ended:
    """A run of the command line that ended."""

    status: int
    text: str


def here(config: Path, *options: str) -> Ended:
    """Run the command line in this process by the debug scheduler."""
    return _main("-config", str(config), "-scheduler_type", "debug", *options)


def status_of(config: Path, *options: str) -> Ended:
    """Run `i2lc status` in this process."""
    return _main("status", "-config", str(config), *options)


def _main(*arguments: str) -> Ended:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        status = cli.main(arguments)
    return Ended(status, text.getvalue())


class Run:
    """A run in processes of its own.

    Parameters
    ----------
    config : Path
    root : Path
        Its output folder.
    *options : str
        Of the command line.
    """

    def __init__(self, config: Path, root: Path, *options: str) -> None:
        self.root = root
        self._token = uuid.uuid4().hex
        self._said = config.parent / f"{root.name}-{self._token[:8]}.txt"
        self.started = time.time()
        self._known: list[int] = []
        self._looked = 0.0
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "i2lc.chain.cli", "-config", str(config), *options],
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, TOKEN: self._token},
                cwd=config.parent,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process of the client."""
        return self._process.pid

    @property
    def text(self) -> str:
        """What the user has seen so far."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    @property
    def status(self) -> int | None:
        """Exit status; None while the client lives."""
        return self._process.poll()

    @property
    def ended(self) -> Ended:
        """How the client ended."""
        assert self.status is not None, "the run goes on"
        return Ended(self.status, self.text)

    def processes(self) -> list[int]:
        """Give the processes of the run that live."""
        self._process.poll()  # a dead client is no zombie
        mark = f"{TOKEN}={self._token}".encode()
        return [pid for pid in _pids() if mark in _bytes(pid, "environ")]

    def workers(self) -> list[int]:
        """Give the workers that live."""
        return [pid for pid in self.processes() if WORKER in _bytes(pid, "cmdline")]

    def running(self) -> dict[str, int]:
        """Give the tasks whose log is open, each with the process that has it open."""
        logs = f"{self.root}/logs/"
        return {
            target.removeprefix(logs).removesuffix(".log"): pid
            for pid in self.processes()
            for target in _open_files(pid)
            if target.startswith(logs)
        }

    def wait(self, seconds: float) -> bool:
        """Wait; tell whether the client has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, seconds: float = 240) -> Ended:
        """Wait for the client to end; it is killed when it does not."""
        if not self.wait(seconds):
            self.strike("client with workers", signal.SIGKILL)
            raise AssertionError(f"the run did not end in {seconds:.0f} s:\n{self.text}")
        return self.ended

    def wait_for(self, step: str, seconds: float = 120) -> None:
        """Wait until a task of a step begins its log.

        Raises
        ------
        MissedError
            The run ended before.
        """
        folder = self.root / "logs" / step
        until = time.monotonic() + seconds
        while not self._begun(folder):
            self._remember()
            if self.status is not None:
                raise MissedError(f"the run ended before {step} was seen:\n{self.text}")
            if time.monotonic() > until:
                self.strike("client with workers", signal.SIGKILL)
                raise MissedError(f"no task of {step} in {seconds:.0f} s:\n{self.text}")
            time.sleep(POLL)

    def _begun(self, folder: Path) -> bool:
        try:
            with os.scandir(folder) as entries:
                return any(entry.stat().st_mtime >= self.started for entry in entries)
        except OSError:
            return False

    def _remember(self) -> None:
        """Look for processes now and then: to look takes longer than a short task."""
        if time.monotonic() - self._looked > LOOK:
            self._known = self.processes()
            self._looked = time.monotonic()

    def pause(self) -> None:
        """Halt all processes, so that what is done now happens at one moment of the run."""
        for pids in (self._known, self.processes()):
            for pid in pids:
                _send(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let halted processes run."""
        for pid in self.processes():
            _send(pid, signal.SIGCONT)

    def between(self, step: str, act: Callable[[], object]) -> None:
        """Do something at the moment when a task of a step begins."""
        self.wait_for(step)
        self.pause()
        try:
            if self.status is not None:
                raise MissedError(f"the run ended in {step}:\n{self.text}")
            act()
        finally:
            self.go_on()

    def strike_in(self, step: str, kind: str, number: int) -> None:
        """Send a signal as `strike` does, if a task of a step still runs.

        Raises
        ------
        MissedError
            None runs any more.
        """
        if not any(name.startswith(f"{step}/") for name in self.running()):
            raise MissedError(f"no task of {step} runs any more:\n{self.text}")
        self.strike(kind, number)

    def strike(self, kind: str, number: int) -> None:
        """Send a signal to processes of the run.

        Parameters
        ----------
        kind : {"client", "client with workers", "worker"}
            Of the workers, one that runs a task is taken before others.
        number : int
        """
        for pid in self._targets(kind):
            _send(pid, number)

    def _targets(self, kind: str) -> list[int]:
        if kind == "client":
            return [self.pid] if self.status is None else []
        if kind == "client with workers":
            return self.processes()
        workers = self.workers()
        busy = [pid for pid in self.running().values() if pid in workers]
        return (busy or workers)[:1]

    def gone(self, seconds: float = 90) -> float:
        """Wait until no process of the run lives; give the seconds that it took.

        What lives longer is killed.
        """
        start = time.monotonic()
        while self.processes():
            if time.monotonic() - start > seconds:
                self.strike("client with workers", signal.SIGKILL)
            time.sleep(0.05)
        return time.monotonic() - start


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def _bytes(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _open_files(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(str(link.readlink()))
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
