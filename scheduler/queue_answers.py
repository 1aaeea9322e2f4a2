"""What Slurm and PBS answer, read: refusals, and where jobs stand."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 30.0
"""Seconds that a question to the queue may take."""
UNKNOWN_JOB = (35, 153)
"""Exit states of qstat for jobs that ended or are unknown."""
NOISE = re.compile(r"^[\s']*((sbatch|qsub): *)?(error: *)?(Batch job submission failed: *)?", re.I)
WRAPPER = re.compile(r"^(There was an error running|The command was:|and the output was:|'/)|^'?$")
"""What the qsub that Slurm ships writes around an answer."""
WAYS_OUT = (
    (
        r"configuration source|contact.*controller|cannot connect to server|no default server",
        "start i2lc where jobs can be submitted (for Slurm with its slurm.conf, or SLURM_CONF set),"
        " then look at the sizes",
    ),
    (r"polic|qos", "ask for less cpus, ram or walltime, or for fewer jobs with max_workers,"),
    (r"account|permi", "correct the account, or ask the site for its use,"),
    (r"memory|\bmem\b", "ask for less ram, or for a queue with larger nodes,"),
    (r"partition|queue", "name another queue"),
    (r"time", "ask for a shorter walltime"),
    (r"gres|gpu", "correct nb_gpu or the queue"),
    (r"feature|constraint", "correct the constraint"),
    (r"cpu|node|configuration", "ask for fewer cpus, or name another queue,"),
)
"""Words of a refusal, and what mends it; the first that fit."""
LOG_LINES = 3
CAUSE = re.compile(
    r"error|exception|not found|no module|no such|denied|killed|cancelled|cannot", re.I
)
"""Words of a line that tells why a job ended."""


@dataclass(frozen=True)
class State:
    """Where a job stands."""

    name: str
    """As the queue names it: PENDING, RUNNING, Q, R."""
    reason: str
    """Why it waits, as the queue says; may be empty."""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


def said(output: str) -> str:
    """Give what a queue answered, in one line, without the names of its commands."""
    lines = [line.strip() for line in output.splitlines() if not WRAPPER.match(line.strip())]
    told = [NOISE.sub("", line).strip(" '") for line in lines]
    return "; ".join(dict.fromkeys(line for line in told if line)) or "no reason given"


def way_out(refusal: str) -> str:
    """Say what mends a refusal."""
    ways = (way for words, way in WAYS_OUT if re.search(words, refusal, re.I))
    return next(ways, "correct what it names")


def read_squeue(text: str) -> dict[str, State]:
    """Read lines `number|state|reason`; give the state of each job by its number."""
    rows = (line.split("|", 2) for line in text.splitlines() if line.count("|") >= 2)
    return {job.strip(): State(state, reason.strip()) for job, state, reason in rows}


def read_qstat(text: str) -> dict[str, State]:
    """Read the blocks of `qstat -f`; ended jobs are left out."""
    states = {}
    for block in re.split(r"^Job Id:", text, flags=re.M)[1:]:
        job = re.search(r"\d+", block)
        state = re.search(r"^\s*job_state = (\w)", block, re.M)
        comment = re.search(r"^\s*comment = (.*)", block, re.M)
        if job and state and state.group(1) not in "CFX":
            states[job.group()] = State(state.group(1), comment.group(1) if comment else "")
    return states


def ask(command: Sequence[str], read: Callable[[str], dict[str, State]]) -> dict[str, State] | None:
    """Ask a queue where jobs stand; None when it gives no answer."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    known = done.returncode == 0 or (command[0] == "qstat" and done.returncode in UNKNOWN_JOB)
    return read(done.stdout) if known else None


@dataclass(frozen=True)
class Answer:
    """Where the jobs of a user stand."""

    asked: float
    """When the queue was asked, by the monotonic clock: later jobs are not in the answer."""
    states: Mapping[str, State]
    """Number -> state; jobs that ended are not there."""


class Questions:
    """Asks a queue where jobs stand, in a thread of its own: a busy one takes long to answer.

    Parameters
    ----------
    read : callable
        Reads the queue's answer.
    patience : float
        Seconds for which an answer is taken as true.
    """

    def __init__(self, read: Callable[[str], dict[str, State]], patience: float) -> None:
        self._read = read
        self._patience = patience
        self._asked = float("-inf")
        self._answer: Answer | None = None
        self._asking: threading.Thread | None = None

    def latest(self, command: Sequence[str], wait: float, anew: bool = False) -> Answer | None:
        """Give the last answer; None when the queue gave none.

        Parameters
        ----------
        command : sequence of str
            Lists jobs.
        wait : float
            Seconds to wait for an answer that is asked for now.
        anew : bool
            Ask now, however old the last answer is.
        """
        pending = self._asking is not None and self._asking.is_alive()
        if not pending and (anew or time.monotonic() - self._asked >= self._patience):
            self._asked = time.monotonic()
            self._asking = threading.Thread(target=self._ask, args=(command,), daemon=True)
            self._asking.start()
            self._asking.join(wait)
        return self._answer

    def _ask(self, command: Sequence[str]) -> None:
        asked = self._asked
        states = ask(command, self._read)
        self._answer = None if states is None else Answer(asked, states)


def last_words(log: Path) -> str:
    """Give the lines of a job's output that sound like a cause, or its last ones."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(" ")]
    causes = [line for line in lines if CAUSE.search(line) and " - INFO - " not in line]
    return " / ".join((causes or lines)[-LOG_LINES:])
