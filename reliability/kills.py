"""The random campaign: runs are killed at random moments and restarted until they end."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from i2lc.chain.recipe import GROUPS, STEPS

from . import scene as scenes
from .runs import KINDS, MissedError, Run
from .scene import Scene

OPTIONS = ("-nb_parallel_tasks", "2")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
ORPHAN_LIMIT = 60.0
"""Seconds after which no process of a run may live whose client is dead."""
MOST_TIME = 240.0
"""Seconds that a client may take after a worker was killed."""
AIMED = 0.6
"""Share of the kills that are aimed at a step of a random group: most groups are so short here
that moments of the whole run would seldom hit them."""
MOST_DELAY = 0.1
"""Seconds after the beginning of the step, at most."""
GROUP_OF = {step.name: step.group for step in STEPS}
START, BETWEEN = "start", "between tasks"
PLACES = (START, *GROUPS, BETWEEN)
"""Where in the chain a kill may hit."""


@dataclass(frozen=True)
class Blow:
    """What is done to a run."""

    kind: str
    """One of KINDS."""
    signal: signal.Signals
    at_once: bool
    """Restart while what is left of the killed run may still live."""


@dataclass
class Entry:
    """A kill and what came of it."""

    life: int
    blow: Blow
    moment: float
    """Seconds after the start of the run."""
    running: tuple[str, ...]
    """Tasks that ran then."""
    place: str
    """One of PLACES."""
    orphans: float = 0.0
    """Seconds that processes of the run lived after its client."""
    recorded: int = 0
    """Tasks that were recorded as done when the run was restarted."""
    again: tuple[str, ...] = ()
    """Those of them that ran again."""
    problem: str = ""
    """What else was wrong."""
    identical: bool | None = None
    """Products at the end of this life equal those of the undisturbed run."""

    @property
    def failed(self) -> bool:
        """Something was not as it should be."""
        late = self.orphans > ORPHAN_LIMIT
        return bool(late or self.again or self.problem or not self.identical)


def blows(count: int, rng: random.Random) -> Iterator[Blow]:
    """Yield kills of all kinds in turns, so that each comes up equally often."""
    kinds = [
        Blow(kind, number, at_once=kind == "client" and late)
        for kind in KINDS
        for number in SIGNALS
        for late in (False, True)
    ]
    dealt = itertools.chain.from_iterable(_shuffled(kinds, rng) for _ in itertools.count())
    return itertools.islice(dealt, count)


def _shuffled(kinds: list[Blow], rng: random.Random) -> list[Blow]:
    return rng.sample(kinds, len(kinds))


def place_of(running: Iterable[str], begun: bool) -> str:
    """Say where in the chain a run is: the earliest group of its running tasks."""
    groups = {GROUP_OF[task.split("/")[0]] for task in running}
    if groups:
        return min(groups, key=GROUPS.index)
    return BETWEEN if begun else START


class _Vigil(threading.Thread):
    """Watches what is left of a dead run."""

    def __init__(self, run: Run) -> None:
        super().__init__(daemon=True)
        self._run = run
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        self.seconds = self._run.gone(1.5 * ORPHAN_LIMIT)


class Life:
    """A run that is killed and restarted until it ends.

    Parameters
    ----------
    number : int
    scene : Scene
    undisturbed : Path
        Output folder of a run that nothing happened to.
    length : float
        Seconds that a run takes.
    rng : Random
        Draws the moments.
    """

    def __init__(
        self, number: int, scene: Scene, undisturbed: Path, length: float, rng: random.Random
    ) -> None:
        self._number = number
        self._undisturbed = undisturbed
        self._length = length
        self._rng = rng
        name = f"life-{number}"
        self._config, self._root = scene.variant(name), scene.output(name)
        self._vigils: list[tuple[Entry, _Vigil]] = []
        self.entries: list[Entry] = []

    def live(self, dealt: Iterator[Blow]) -> bool:
        """Live to the end, or until no kills are left; the last run goes undisturbed.

        Returns
        -------
        bool
            The products at the end equal those of the undisturbed run.
        """
        shutil.rmtree(self._root, ignore_errors=True)
        run = Run(self._config, self._root, *OPTIONS)
        before: dict[str, object] = {}
        while True:
            entry = self._next(run, dealt)
            self._note_repeated(before)
            if run.status == 0:
                break
            if entry is None:
                return self._end(f"it ended with status {run.status}: {run.text[-1500:]}")
            if not entry.blow.at_once:
                self._vigils[-1][1].join()
            done = scenes.recorded(self._root, self._undisturbed)
            before, entry.recorded = scenes.marks(self._root, done), len(done)
            run = Run(self._config, self._root, *OPTIONS, "-restart")
        return self._end("")

    def _next(self, run: Run, dealt: Iterator[Blow]) -> Entry | None:
        """Kill a run at a random moment; None when it ended before, or no kill is left."""
        if not self._reached(run):
            return None
        blow = next(dealt, None)
        if blow is None or not self._ready(run, blow):
            run.end(MOST_TIME)
            return None
        entry = self._strike(run, blow)
        self.entries.append(entry)
        return entry

    def _reached(self, run: Run) -> bool:
        """Wait for a random moment, of the run or of a step; tell whether the run came so far."""
        if self._rng.random() > AIMED:
            return not run.wait(self._rng.uniform(0, self._length))
        group = self._rng.choice(GROUPS)
        step = self._rng.choice([step for step, home in GROUP_OF.items() if home == group])
        try:
            run.wait_for(step)
        except MissedError:
            return False
        return not run.wait(self._rng.uniform(0, MOST_DELAY))

    def _ready(self, run: Run, blow: Blow) -> bool:
        """Wait for a worker when one is to be killed; tell whether the run can be hit."""
        while blow.kind == "worker" and not run.workers():
            if run.wait(0.05):
                return False
        return run.status is None

    def _strike(self, run: Run, blow: Blow) -> Entry:
        run.pause()
        running = tuple(sorted(run.running()))
        begun = any((self._root / "logs").glob("*/*.log"))
        moment = time.time() - run.started
        entry = Entry(self._number, blow, moment, running, place_of(running, begun))
        run.strike(blow.kind, blow.signal)
        run.go_on()
        limit = MOST_TIME if blow.kind == "worker" else ORPHAN_LIMIT
        if not run.wait(limit):
            entry.problem = f"the client lived on for {limit:.0f} s"
            run.strike("client with workers", signal.SIGKILL)
            run.wait(10)
        self._vigils.append((entry, _Vigil(run)))
        return entry

    def _note_repeated(self, before: dict[str, object]) -> None:
        """Charge the kill before the last run with the tasks that ran again in it."""
        if before:
            culprit = next(entry for entry in reversed(self.entries) if entry.recorded)
            culprit.again = tuple(scenes.ran_again(self._root, before))

    def _end(self, problem: str) -> bool:
        for entry, vigil in self._vigils:
            vigil.join()
            entry.orphans = vigil.seconds
        other = [] if problem else scenes.differences(self._root, self._undisturbed)
        for entry in self.entries:
            entry.identical = not problem and not other
            entry.problem = entry.problem or problem or ", ".join(other[:5])
        return not problem and not other


def campaign(
    scene: Scene, undisturbed: Path, length: float, count: int, seed: int
) -> Iterator[Life]:
    """Let runs live until a number of kills is reached; yield each life at its end."""
    rng = random.Random(seed)
    dealt = blows(count, rng)
    told = 0
    for number in itertools.count(1):
        life = Life(number, scene, undisturbed, length, rng)
        life.live(dealt)
        told += len(life.entries)
        yield life
        if told >= count:
            return
