"""`i2lc doctor`: what a run on a queue would meet, found out by one short job a pool."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distributed import Security

from ...errors import ConfigError, I2lcError
from ...scheduler import allocation, security
from ...scheduler.local import LocalPlace
from ...scheduler.needs import Need
from ...scheduler.probe import Answer, Question, probe
from ...scheduler.queues import QueuePlace, interface_of
from ...scheduler.trial import Reply, Trial
from .. import plan
from ..arguments import Parser
from ..records import distributions
from ..settings import config as configs
from ..settings import resources
from ..settings.config import Config
from ..tasks import placement
from ..telling.display import say
from .diagnosis import Check, judge

KINDS = ("localCluster", "PBS", "Slurm")
START_SECONDS = 300.0
SEEN_SECONDS = 30.0
"""Time that a shared disk may take to show a new file."""
LOG_LINES = 15
PREFIX = ".i2lc-doctor-"
MODULES = {"odc-geo": "odc.geo", "PyYAML": "yaml", "scikit-learn": "sklearn"}
"""Distribution -> module, where they differ by more than a dash."""
WELL, UNWELL = 0, 1


def packages() -> tuple[str, ...]:
    """Name i2lc and the distributions that it needs."""
    return ("i2lc", *distributions.required())


def modules() -> tuple[str, ...]:
    """Name the modules that i2lc imports, its own command line included."""
    others = packages()[1:]
    return ("i2lc.chain.cli", *(MODULES.get(name, name.replace("-", "_")) for name in others))


@dataclass(frozen=True)
class Visit:
    """What the doctor is asked to look at."""

    kind: str
    root: Path
    """Output folder."""
    pools: Mapping[Need, tuple[str, ...]]
    """Need -> steps whose tasks have it."""
    interface: str
    timeout: float
    """Seconds that a worker may take to start."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `i2lc doctor`.

    Returns
    -------
    int
        0 when all is well, 1 when something failed; 2 for a wrong command line.

    Raises
    ------
    ConfigError
        When a configuration cannot be used.
    """
    given = parser().parse_args(arguments)
    config = configs.load(given.config)
    said = resources.load(given.config_ressources)
    for warning in (*config.warnings, *said.warnings):
        sys.stderr.write(f"i2lc: warning: {warning}\n")
    pools = pools_of(config, said, given.scheduler_type)
    root = config.run.output_path
    return examine(Visit(given.scheduler_type, root, pools, interface_of(pools), given.timeout))


def parser() -> Parser:
    """Give the parser of the verb; every option with one dash or two."""
    made = Parser(
        prog="i2lc doctor",
        description="Try each pool of the resource file with one short job; deletes nothing.",
    )
    made.option("config", type=Path, required=True, help="configuration file")
    made.option("config_ressources", type=Path, help="resource file")
    made.option(
        "scheduler_type", default="localCluster", choices=KINDS, help="where tasks would go"
    )
    made.option("timeout", type=float, default=START_SECONDS, help="seconds for a job to start")
    return made


def pools_of(config: Config, said: resources.Resources, kind: str) -> dict[Need, tuple[str, ...]]:
    """Give the pools of a run: need -> names of the steps that share it."""
    _, running = plan.steps_of(config, plan.Options(scheduler_type=kind))
    machine = placement.this_machine(kind)
    placed = placement.place(config, running, kind, None, said, machine)
    pools: dict[Need, tuple[str, ...]] = {}
    for step, need in placed.needs.items():
        pools[need] = (*pools.get(need, ()), step)
    return pools


def examine(visit: Visit) -> int:
    """Look at everything, say what was found; give the exit status."""
    findings: list[Check] = []

    def tell(check: Check) -> None:
        findings.append(check)
        say(f"  {check}")

    try:
        with _workshop(visit.root) as folder:
            _examine(visit, folder, tell)
    except I2lcError as error:
        tell(Check(False, str(error)))
    failures = sum(not check.good for check in findings)
    count = f"{len(visit.pools)} pool{'s' if len(visit.pools) > 1 else ''}"
    say(f"{count}: {'all is well' if not failures else f'{failures} of the checks failed'}")
    return UNWELL if failures else WELL


def _examine(visit: Visit, folder: Path, tell: Callable[[Check], None]) -> None:
    keys = security.security()
    place = _place(visit, folder, keys)
    token = secrets.token_hex(8)
    (folder / "from-here").write_text(token, encoding="utf-8")
    here = probe(_question(folder, "here", gpus=False, imports=False))
    with _trial(place, keys) as trial:
        for number, (need, steps) in enumerate(visit.pools.items()):
            pool = f"pool{number}"
            say(f"{pool}: {need}, for {', '.join(steps)}")
            if isinstance(place, QueuePlace) and (script := place.script(need, pool)):
                say(_indented(script))
            question = _question(folder, pool, gpus=need.gpus > 0)
            reply = trial.ask(pool, need, probe, question, visit.timeout)
            for check in _checks(need, here, reply, token, folder / f"from-{pool}"):
                tell(check)
            if reply.problem:
                _show_logs(folder)


def _checks(need: Need, here: Answer, reply: Reply, token: str, returned: Path) -> list[Check]:
    """Judge a trial; a worker that did not come is the only finding then."""
    if reply.problem:
        problem = re.sub(rf" \(log: [^)]*{PREFIX}[^)]*\)$", "", reply.problem)
        return [Check(False, problem)]
    there: Answer = reply.value
    number = there.job.get("SLURM_JOB_ID") or there.job.get("PBS_JOBID")
    what = f"job {number}" if number else "worker"
    started = Check(True, f"{what} started after {reply.seconds:.1f} s on {there.host}")
    return [started, *judge(need, here, there, token, _seen(returned))]


def _question(folder: Path, side: str, gpus: bool, imports: bool = True) -> Question:
    return Question(
        packages=packages(),
        modules=modules() if imports else (),
        folder=str(folder),
        reads="from-here",
        writes=f"from-{side}" if imports else "seen-here",
        gpus=gpus,
    )


def _seen(path: Path) -> str:
    """Read a file that the other side wrote; a shared disk may show it late."""
    end = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < end:
        try:
            return path.read_text(encoding="utf-8")
        except OSError:
            time.sleep(0.5)
    return ""


@contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """Give a folder of our own in the output folder, or above it, and remove it."""
    parents = [path for path in (root, *root.parents) if path.is_dir()]
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parents[0]))
    except OSError as error:
        raise ConfigError(
            f"output folder {root} cannot be written: {error.strerror}; change output_path"
        ) from error
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder that a job may still write its last lines into."""
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.5)


def _place(visit: Visit, folder: Path, keys: Security) -> QueuePlace | LocalPlace:
    environment = placement.environment
    if visit.kind == "localCluster":
        return LocalPlace(allocation.current(), 1, environment)
    return QueuePlace(visit.kind, keys, folder, environment, interface=visit.interface)


def _trial(place: QueuePlace | LocalPlace, keys: Security) -> Trial:
    try:
        return Trial(place, keys, tell=lambda text: say(f"       {text}"))
    except (RuntimeError, OSError) as error:
        place.close()
        raise ConfigError(f"the scheduler does not start here: {error}") from error


def _indented(script: str) -> str:
    return "\n".join(f"  | {line}" for line in script.splitlines())


def _show_logs(folder: Path) -> None:
    for log in sorted((folder / "jobs").glob("*.err")):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        say(_indented("\n".join(["end of the job's output:", *lines[-LOG_LINES:]])))
        log.unlink()
