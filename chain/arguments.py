"""The parser of every command line of i2lc: options with one dash or two, errors in one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

SCHEDULERS = ("debug", "localCluster", "PBS", "Slurm")
WRONG = 2
"""Exit status for a wrong command line, configuration or input."""


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations; says what is wrong in one line, with status 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def option(self, name: str, **settings: Any) -> None:
        """Add an option, with one dash as iota2's and with two."""
        self.add_argument(f"-{name}", f"--{name}", **settings)

    def error(self, message: str) -> NoReturn:
        """End the program."""
        self.exit(WRONG, f"{self.prog}: {message}; see {self.prog} -h\n")


def positive(text: str) -> int:
    """Read a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of 1 or more")
    return int(text)
