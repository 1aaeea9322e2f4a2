"""What the tasks of each step need: the resource file, iota2's `-config_ressources`.

A key is looked for in the block of the step, then in `default`, then in `site`; what none of
them says is a default of a queue, or a share of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...scheduler.allocation import Allocation
from ...scheduler.needs import GIB, Need, Site
from . import resource_file
from .resource_file import DEFAULT
from .resource_keys import LOOPBACK, SiteBlock, StepBlock, ram_bytes, walltime_seconds

QUEUE_CPUS = 1
QUEUE_RAM = 5 * GIB
QUEUE_WALLTIME = 3600
"""Seconds; iota2's 10 minutes would have longer tasks killed by the queue."""
SITE_FIELDS = {
    "account": "account",
    "constraint": "constraint",
    "interface": "interface",
    "job_extra_directives": "directives",
    "job_directives_skip": "skipped_directives",
    "job_script_prologue": "prologue",
    "scratch_directory": "scratch",
}
"""Key -> field of :class:`Site` of the same value."""


@dataclass(frozen=True)
class Resources:
    """A checked resource file; without one, nothing is said about any step."""

    warnings: tuple[str, ...] = ()
    site: SiteBlock = field(default_factory=SiteBlock)
    blocks: Mapping[str, StepBlock] = field(default_factory=dict)
    """Blocks of the file that size a step, and `default`."""

    @property
    def dashboard(self) -> str:
        """Address and port for the dashboard; empty for loopback."""
        asked = self.site.dashboard or LOOPBACK
        return "" if asked == LOOPBACK else asked

    def need(self, block: str) -> Need | None:
        """Give the need of tasks of a block; None when nothing is said about it."""
        return queue_need(self, block) if self._sized(block) else None

    def said(self, block: str) -> dict[str, Any]:
        """Give the keys that hold for a block, with their values as written."""
        said: dict[str, Any] = {}
        for part in (self.site, *self._sized(block)):
            said |= part.model_dump(exclude_none=True)
        return said

    def _sized(self, block: str) -> list[StepBlock]:
        """Give the blocks that say something about a block, the nearest one last."""
        found = [self.blocks.get(DEFAULT), self.blocks.get(block)]
        return [part for part in found if part and part.model_dump(exclude_none=True)]


def load(path: Path | None) -> Resources:
    """Read and check a resource file.

    Parameters
    ----------
    path : Path or None
        In iota2's syntax, or YAML; None for no file.

    Raises
    ------
    ConfigError
        All that is wrong with it, a line each, with file and line.
    """
    return Resources(*resource_file.read(path)) if path else Resources()


def queue_need(resources: Resources, block: str) -> Need:
    """Give what a job for tasks of a block asks a queue for, defaults filled in."""
    said = resources.said(block)
    return Need(
        cpus=said.get("nb_cpu", QUEUE_CPUS),
        ram=ram_bytes(said["ram"]) if "ram" in said else QUEUE_RAM,
        gpus=said.get("nb_gpu", 0),
        walltime=walltime_seconds(said["walltime"]) if "walltime" in said else QUEUE_WALLTIME,
        queue=said.get("queue", ""),
        site=_site(said),
        **({"most_workers": said["max_workers"]} if "max_workers" in said else {}),
    )


def local_need(
    resources: Resources, block: str, share: Need, machine: Allocation
) -> tuple[Need, str]:
    """Give what tasks of a block get on this machine.

    Parameters
    ----------
    resources : Resources
    block : str
    share : Need
        What a task gets about which nothing is said.
    machine : Allocation
        What all tasks together may use.

    Returns
    -------
    need : Need
        Without walltime, queue and site, so that blocks of one size share a pool.
    note : str
        What was cut to the machine; empty when nothing was.
    """
    said = resources.said(block)
    asked = replace(
        share,
        cpus=said.get("nb_cpu", share.cpus),
        ram=ram_bytes(said["ram"]) if "ram" in said else share.ram,
        gpus=said.get("nb_gpu", share.gpus),
        walltime=None,
        queue="",
        site=Site(),
    )
    given = replace(
        asked,
        cpus=min(asked.cpus, machine.cpus),
        ram=min(asked.ram, machine.ram),
        gpus=min(asked.gpus, machine.gpus),
    )
    return given, _cut(block, asked, given)


def grown(need: Need, most_ram: int | None) -> Need:
    """Give the need of another try: twice the memory.

    Parameters
    ----------
    need : Need
    most_ram : int or None
        Bytes that it may not pass; None for no limit.

    Returns
    -------
    Need
        The very same when it has reached the limit.
    """
    ram = 2 * need.ram if most_ram is None else min(2 * need.ram, most_ram)
    return need.with_ram(ram) if ram > need.ram else need


def _site(said: Mapping[str, Any]) -> Site:
    values = {place: said[key] for key, place in SITE_FIELDS.items() if key in said}
    return Site(**values, logs=str(said.get("log_directory", "")))


def _cut(block: str, asked: Need, given: Need) -> str:
    amounts = (
        (asked.cpus, given.cpus, "nb_cpu {}"),
        (asked.ram / GIB, given.ram / GIB, "ram {:.3g} GB"),
        (asked.gpus, given.gpus, "nb_gpu {}"),
    )
    told = [f"{text.format(a)} to {b:.3g}" for a, b, text in amounts if a > b]
    return f"{block}: cut to this machine: {', '.join(told)}" if told else ""
