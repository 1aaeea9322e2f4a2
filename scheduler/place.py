"""Where workers come from: this machine, or the jobs of a queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .needs import Need


@dataclass(frozen=True)
class Cause:
    """Why a worker that was asked for will not come."""

    text: str
    """A sentence, in the words of the queue where there is one."""
    final: bool
    """Whether it is so for ever: the next worker would not come either."""


class Place(Protocol):
    """Where workers come from."""

    rest: float
    """Seconds for which a worker is kept while its pool has nothing for it."""

    def most(self, need: Need) -> int:
        """Give the most workers of a pool."""

    def room(self, need: Need, running: Mapping[Need, int]) -> bool:
        """Tell whether one more task with a need may run beside so many others."""

    def crowded(self, workers: Mapping[Need, int]) -> bool:
        """Tell whether these are too many workers to hold; idle ones are closed then."""

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        """Give the class and the options of a worker, for `distributed.SpecCluster`."""

    def scheduler(self) -> dict[str, Any]:
        """Give the options of the scheduler: its addresses."""

    def cause(self, name: str) -> Cause | None:
        """Say why a worker that was asked for will not come; None while all is well."""

    def pending(self, name: str) -> str:
        """Say where a worker stands that was asked for and is not there; empty if not known."""

    def end(self) -> None:
        """End at once what runs on this machine; nothing will be asked for any more."""

    def close(self) -> None:
        """Remove what the place has written; all workers have ended."""
