"""Samples appended to a file in blocks of one size, so that its bytes do not follow the cuts.

A library of storage places what is written when it is written. Samples come in pieces of any
length (strips, tiles); they are collected here and go out in blocks of a fixed number.
"""

from __future__ import annotations

from collections.abc import Mapping

import netCDF4
import numpy as np

from . import samples_file

BLOCK = 8 * samples_file.CHUNK
"""Samples written at one time."""


class Appender:
    """Writes samples behind one another; `close` writes the rest."""

    def __init__(self, file: netCDF4.Dataset) -> None:
        self._file = file
        self._held: list[Mapping[str, np.ndarray]] = []
        self._count = 0
        self._place = 0

    @property
    def total(self) -> int:
        """Samples appended so far."""
        return self._place + self._count

    def add(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append samples.

        Parameters
        ----------
        columns : mapping of name to ndarray, (sample, ...)
            All variables along `sample`, each of the same length; not changed afterwards.
        """
        count = len(next(iter(columns.values())))
        if count:
            self._held.append(columns)
            self._count += count
        if self._count >= BLOCK:
            self._flush(self._count // BLOCK * BLOCK)

    def close(self) -> None:
        """Write what is left."""
        if self._count:
            self._flush(self._count)

    def _flush(self, count: int) -> None:
        """Write the first `count` of the samples held, block by block."""
        joined = {
            name: np.concatenate([part[name] for part in self._held]) for name in self._held[0]
        }
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            goal = slice(self._place, self._place + stop - start)
            for name, values in joined.items():
                self._file[name][goal] = values[start:stop]
            self._place = goal.stop
        self._held = [{name: values[count:] for name, values in joined.items()}]
        self._count -= count
