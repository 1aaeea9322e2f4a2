"""The command line: `i2lc -config run.cfg`, as iota2's, and a few verbs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from .._version import __version__
from ..demo import landscape
from ..errors import ConfigError, I2lcError
from . import config as configs
from . import run as runs

LATER = {
    "restart": "-restart",
    "restart_from": "-restart_from",
    "config_ressources": "-config_ressources",
}
"""Options of iota2 that this version refuses."""
SCHEDULERS = ("debug", "localCluster", "PBS", "Slurm")
VERBS: dict[str, Callable[[Sequence[str]], int]] = {"demo": landscape.main}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(runs.WRONG, f"i2lc: {message}; see i2lc -h\n")


def parser() -> argparse.ArgumentParser:
    """Give the parser of the main command; every option with one dash or two."""
    made = _Parser(
        prog="i2lc",
        allow_abbrev=False,
        description="From a year of Sentinel-2 tiles to a land-cover map.",
        epilog="Verbs: i2lc demo OUT writes a small landscape to try the chain on.",
    )

    def option(name: str, **settings: object) -> None:
        made.add_argument(f"-{name}", f"--{name}", **settings)  # type: ignore[arg-type]

    option("config", type=Path, help="configuration file (.cfg in iota2's syntax, or .yaml)")
    option("config_ressources", type=Path, help="resource file; not in this version")
    option("starting_step", default="0", help="first step: number or name (0: the first)")
    option("ending_step", default="0", help="last step: number or name (0 or -1: the last)")
    option("only_summary", action="store_true", help="print groups and steps, do nothing")
    option("scheduler_type", default="localCluster", choices=SCHEDULERS, help="where tasks run")
    option("nb_parallel_tasks", type=_positive, help="tasks at one time (default: all cores)")
    option("restart", action="store_true", help="go on with a run; not in this version")
    option("restart_from", type=Path, help="a task-state file; not in this version")
    option(
        "execution_graph_files",
        type=Path,
        nargs="+",
        default=[],
        help="write the task graph as picture",
    )
    option("version", action="version", version=f"i2lc {__version__}")
    return made


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of tasks (1 or more)")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status.

    Returns
    -------
    int
        0 when every requested product exists and opens, 1 when a task failed, 2 for a wrong
        command line, configuration or input.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.captureWarnings(capture=True)
    try:
        if given and given[0] in VERBS:
            return VERBS[given[0]](given[1:])
        return _chain(parser().parse_args(given))
    except I2lcError as error:
        sys.stderr.write(f"i2lc: {error}\n")
        return runs.WRONG
    except KeyboardInterrupt:
        sys.stderr.write("i2lc: interrupted\n")
        return 130


def _chain(options: argparse.Namespace) -> int:
    if options.config is None:
        raise ConfigError("-config FILE is needed; i2lc demo OUT writes one to start from")
    for name, option in LATER.items():
        if getattr(options, name):
            raise ConfigError(f"{option} is not in this version")
    if options.scheduler_type in {"PBS", "Slurm"}:
        raise ConfigError(f"-scheduler_type {options.scheduler_type} is not in this version")
    config = configs.load(options.config)
    for warning in config.warnings:
        sys.stderr.write(f"i2lc: warning: {warning}\n")
    return runs.run(
        config,
        runs.Options(
            scheduler_type=options.scheduler_type,
            starting_step=options.starting_step,
            ending_step=options.ending_step,
            nb_parallel_tasks=options.nb_parallel_tasks,
            only_summary=options.only_summary,
            execution_graph_files=tuple(options.execution_graph_files),
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
