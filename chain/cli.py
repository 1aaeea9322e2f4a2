"""The command line: `i2lc -config run.cfg`, as iota2's, and a few verbs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .._version import __version__
from ..demo import landscape
from ..errors import ConfigError, I2lcError, TaskError
from . import plan
from . import run as runs
from .arguments import SCHEDULERS, Parser
from .settings import config as configs
from .telling import ending
from .verbs import check_database, confusion, doctor, predict, split_tiles, status

VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "check-database": check_database.main,
    "confusion": confusion.main,
    "demo": landscape.main,
    "doctor": doctor.main,
    "predict": predict.main,
    "split-tiles": split_tiles.main,
    "status": status.main,
}
EPILOG = """Verbs: i2lc demo OUT writes a small landscape to try the chain on;
i2lc status -config FILE tells what is done, what is to do and why;
i2lc doctor -config FILE -scheduler_type Slurm tries each kind of job of a queue;
i2lc check-database -in.vector IN -dataField code -epsg 2154 looks at a ground truth;
i2lc split-tiles -in.vector FILE -config FILE -out DIR writes the pairs of a leave-one-tile-out;
i2lc predict MODEL -config FILE maps other tiles or another year by a trained model;
i2lc confusion -map MAP -ref.vector FILE -ref.vector.field code compares a map with a reference.
i2lc VERB -h says more."""


def parser() -> Parser:
    """Give the parser of the main command; every option with one dash or two."""
    made = Parser(
        prog="i2lc",
        description="From a year of Sentinel-2 tiles to a land-cover map.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    made.option("config", type=Path, help="configuration file (.cfg in iota2's syntax, or .yaml)")
    made.option("config_ressources", type=Path, help="cpus, memory, walltime of each step's tasks")
    made.option("starting_step", default="0", help="first step: number or name (0: the first)")
    made.option("ending_step", default="0", help="last step: number or name (0 or -1: the last)")
    made.option("only_summary", action="store_true", help="print groups and steps, do nothing")
    made.option(
        "scheduler_type", default="localCluster", choices=SCHEDULERS, help="where tasks run"
    )
    made.option("nb_parallel_tasks", type=_positive, help="tasks at one time (default: all cores)")
    made.option("restart", action="store_true", help="reuse what is done and still holds")
    made.option("restart_from", type=Path, help="restart, reuse only what this file lists")
    made.option("fail-fast", action="store_true", help="start nothing more after the first failure")
    made.option(
        "execution_graph_files",
        type=Path,
        nargs="+",
        default=[],
        help="write the task graph as picture",
    )
    made.option("version", action="version", version=f"i2lc {__version__}")
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
        command line, configuration or input, 130 when it was stopped.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.captureWarnings(capture=True)
    try:
        if given and given[0] in VERBS:
            return VERBS[given[0]](given[1:])
        return _chain(parser().parse_args(given))
    except TaskError as error:  # no fault of what the user wrote: a full disk
        sys.stderr.write(f"i2lc: {error}\n")
        return ending.FAILED
    except I2lcError as error:
        sys.stderr.write(f"i2lc: {error}\n")
        return ending.WRONG
    except KeyboardInterrupt:
        sys.stderr.write("i2lc: interrupted\n")
        return ending.INTERRUPTED


def _chain(options: argparse.Namespace) -> int:
    if options.config is None:
        raise ConfigError("-config FILE is needed; i2lc demo OUT writes one to start from")
    config = configs.load(options.config)
    for warning in config.warnings:
        sys.stderr.write(f"i2lc: warning: {warning}\n")
    return runs.run(
        config,
        plan.Options(
            scheduler_type=options.scheduler_type,
            starting_step=options.starting_step,
            ending_step=options.ending_step,
            nb_parallel_tasks=options.nb_parallel_tasks,
            only_summary=options.only_summary,
            execution_graph_files=tuple(options.execution_graph_files),
            restart=options.restart,
            restart_from=options.restart_from,
            config_ressources=options.config_ressources,
            fail_fast=options.fail_fast,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
