"""Samplers: which pixels of a class are picked when their number is given.

They have the meaning of OTB's SampleSelection over the flat list of a class's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Picker:
    """Picks `wanted` of `available` pixels of a class from a list given piece by piece.

    The result depends on the list, not on the pieces' lengths, for the periodic sampler; the
    random one draws piece by piece, so the pieces are fixed (bands of rows of a tile).
    """

    available: int
    wanted: int
    rng: np.random.Generator
    periodic: bool
    jitter: int
    seen: int = 0
    picked: int = 0
    _late: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    """A pick that jitter moved behind the pieces given so far."""

    def pick(self, count: int) -> np.ndarray:
        """Give the positions picked among the next `count` pixels."""
        chosen = self._every(count) if self.periodic else self._draw(count)
        self.seen += count
        self.picked += len(chosen)
        return chosen

    def _draw(self, count: int) -> np.ndarray:
        rest = self.available - self.seen
        left = self.wanted - self.picked
        if left >= rest:
            return np.arange(count)
        share = int(self.rng.hypergeometric(count, rest - count, left)) if count else 0
        return np.sort(self.rng.choice(count, share, replace=False, shuffle=False))

    def _every(self, count: int) -> np.ndarray:
        """Pick n of N by a fixed period: pick k is the pixel floor(k * N / n), plus jitter."""
        total, wanted = self.available, self.wanted
        if not wanted:
            return np.zeros(0, int)
        first = -(-self.seen * wanted // total)
        behind = -(-(self.seen + count) * wanted // total)
        numbers = range(first, behind)
        place = np.array([number * total // wanted for number in numbers], dtype=np.int64)
        if self.jitter:
            room = np.array([(k + 1) * total // wanted - k * total // wanted for k in numbers])
            moves = self.rng.integers(0, np.minimum(room - 1, self.jitter), endpoint=True)
            place = np.append(self._late, place + moves)
            here = place < self.seen + count
            self._late, place = place[~here], place[here]
        return place - self.seen
