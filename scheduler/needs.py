"""What a task needs of a machine, and how a site wants its jobs; plain records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

GIB = 1024**3


@dataclass(frozen=True)
class Site:
    """How jobs of a queue are written; empty fields leave the choice to the queue."""

    account: str = ""
    constraint: str = ""
    interface: str = ""
    """Network interface that scheduler and workers talk over."""
    directives: tuple[str, ...] = ()
    """Lines added to the head of the job script, without `#SBATCH` or `#PBS`."""
    skipped_directives: tuple[str, ...] = ()
    """Head lines that contain one of these texts are left out."""
    prologue: tuple[str, ...] = ()
    """Shell lines before the worker starts, such as `module load` and `conda activate`."""
    scratch: str = ""
    """Folder on the node for files of the worker; may name variables of the job."""
    logs: str = ""
    """Folder of the job's output."""


@dataclass(frozen=True)
class Need:
    """What a task needs; tasks with equal needs share a pool of workers."""

    cpus: int
    ram: int
    """Bytes."""
    gpus: int = 0
    walltime: int | None = None
    """Seconds that a job may last; None where nothing ends it."""
    queue: str = ""
    """Queue or partition."""
    site: Site = field(default_factory=Site)
    most_workers: int = 20
    """Jobs of a queue that the pool may hold at one time."""

    def __str__(self) -> str:
        parts = [f"{self.cpus} cpu", f"{self.ram / GIB:.3g} GB"]
        parts += [f"{self.gpus} gpu"] if self.gpus else []
        parts += [f"walltime {clock(self.walltime)}"] if self.walltime else []
        parts += [f"queue {self.queue}"] if self.queue else []
        return ", ".join(parts)

    def with_ram(self, ram: int) -> Need:
        """Give the same need with other memory, in bytes."""
        return replace(self, ram=ram)


def clock(seconds: int) -> str:
    """Give a duration as HH:MM:SS."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"
