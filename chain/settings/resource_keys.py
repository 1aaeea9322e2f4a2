"""The keys of a resource file: what each accepts and what it means."""

from __future__ import annotations

import re
from math import ceil
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ...steps.contract import Settings, UserPath

MIB = 1024**2
UNITS = {"m": 1, "g": 1024, "t": 1024**2}
"""First letter of a unit -> mebibytes."""
RAM = re.compile(r"(\d+(?:\.\d+)?) ?([mgt])(?:i?b)?", re.IGNORECASE)
WALLTIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):([0-5]\d):([0-5]\d)")
DASHBOARD = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", re.ASCII)
LEAST_WALLTIME = 60
"""Seconds."""
LOOPBACK = "loopback"


def ram_bytes(text: str) -> int:
    """Read memory with its unit.

    Parameters
    ----------
    text : str
        Such as `10gb`, `5000mb`, `1.5 GB`; a gb is 1024³ bytes, as queues count.

    Returns
    -------
    int
        Bytes, whole megabytes (1024² bytes), rounded up.

    Raises
    ------
    ValueError
        No unit, an unknown one, or no memory at all.
    """
    found = RAM.fullmatch(text)
    size = ceil(float(found[1]) * UNITS[found[2].lower()]) if found else 0
    if not size:
        raise ValueError('memory is written with its unit, in quotes: "10gb" or "5000mb"')
    return size * MIB


def ram_text(ram: int) -> str:
    """Write memory, in bytes, as a resource file has it; rounded up to whole megabytes."""
    size = ceil(ram / MIB)
    return f"{size}mb" if size % UNITS["g"] else f"{size // UNITS['g']}gb"


def walltime_seconds(text: str) -> int:
    """Read a duration, `HH:MM:SS` or `D-HH:MM:SS`, in seconds.

    Raises
    ------
    ValueError
        Another form, or less than a minute: no queue counts less.
    """
    found = WALLTIME.fullmatch(text)
    days, hours, minutes, seconds = (
        (int(part or 0) for part in found.groups()) if found else [0] * 4
    )
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total < LEAST_WALLTIME or (days and hours > 23):
        raise ValueError(
            'a duration, of a minute or more, is written in quotes: "12:00:00" or "1-12:00:00"'
        )
    return total


def _ram(value: Any) -> Any:
    ram_bytes(value if isinstance(value, str) else "")
    return value


def _walltime(value: Any) -> Any:
    walltime_seconds(value if isinstance(value, str) else "")
    return value


def _word(text: str) -> str:
    if re.search(r"\s", text):
        raise ValueError("expected one word: it becomes part of a line of the job script")
    return text


def _line(text: str) -> str:
    if "\n" in text or not text.strip():
        raise ValueError("expected one line of text")
    return text


def _directive(text: str) -> str:
    if text.startswith("#"):
        raise ValueError("expected the directive alone, without #SBATCH or #PBS before it")
    return _line(text)


def _node_folder(text: str) -> str:
    if not text.startswith(("/", "$")):
        raise ValueError("a folder of the node starts with / or with a variable such as $TMPDIR")
    return _line(text)


def _dashboard(text: str) -> str:
    if text == LOOPBACK:
        return text
    found = DASHBOARD.fullmatch(text)
    if not found or int(found[1]) > 65535:
        raise ValueError(f'expected "{LOOPBACK}" or an address with its port: "10.0.0.5:8787"')
    return text


Ram = Annotated[str, BeforeValidator(_ram)]
Walltime = Annotated[str, BeforeValidator(_walltime)]
Word = Annotated[str, AfterValidator(_word)]
Line = Annotated[str, AfterValidator(_line)]
Directive = Annotated[str, AfterValidator(_directive)]
NodeFolder = Annotated[str, AfterValidator(_node_folder)]
Dashboard = Annotated[str, AfterValidator(_dashboard)]


class SiteKeys(Settings):
    """How jobs are written; a key that is None leaves it to what stands behind the block."""

    queue: Word | None = Field(None, description="Queue (PBS) or partition (Slurm) of the jobs.")
    partition: Word | None = Field(None, description="Another name of queue.")
    account: Word | None = Field(None, description="Account or project that pays for the jobs.")
    constraint: Word | None = Field(
        None, description="Kind of node, such as `skylake` or `gpu&a100`, in the site's words."
    )
    interface: Word | None = Field(
        None, description="Network interface over which scheduler and workers talk, such as ib0."
    )
    job_extra_directives: tuple[Directive, ...] | None = Field(
        None, description="Lines added to the head of the job script, without #SBATCH or #PBS."
    )
    job_directives_skip: tuple[Line, ...] | None = Field(
        None, description="Lines of the head that hold one of these texts are left out."
    )
    job_script_prologue: tuple[Line, ...] | None = Field(
        None, description="Shell lines before the worker starts: module load, conda activate."
    )
    scratch_directory: NodeFolder | None = Field(
        None, description="Folder on the node for the worker's own files, such as $TMPDIR."
    )
    log_directory: UserPath | None = Field(
        None,
        description="Folder of the jobs' output, seen by login node and nodes; a relative one "
        "starts in the folder of this file.",
    )
    max_workers: int | None = Field(
        None, ge=1, description="Jobs that a pool may hold at one time; 20 by default."
    )


class SiteBlock(SiteKeys):
    """Block `site`: what holds for all jobs, and the dashboard."""

    dashboard: Dashboard | None = Field(
        None,
        description="Where the dashboard listens: loopback (the default), or address:port.",
    )


class StepBlock(SiteKeys):
    """Block of a step, or `default`."""

    nb_cpu: int | None = Field(None, ge=1, description="Cores of a task.")
    ram: Ram | None = Field(
        None, description="Memory of a task with its unit, 10gb or 5000mb; 1 gb is 1024³ bytes."
    )
    walltime: Walltime | None = Field(
        None, description="Longest time of a job, HH:MM:SS or D-HH:MM:SS."
    )
    nb_gpu: int | None = Field(None, ge=0, description="GPUs of a task.")
