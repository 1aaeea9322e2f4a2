"""Gap-filling of 70 dates × 10 bands to 37 dates, against numpy.

Ours runs on 2 threads over row slices; numpy's solutions run as numpy runs them, on one.
Half of the landscape has clouds as patches, half as single pixels.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from i2lc.steps.kernels import gapfill

from .measure import Result, best

DATES, BANDS, TARGETS = 70, 10, 37
SHAPE = (128, 1024)
FEW = (4, 1024)  # rows that the slow references take; their time is scaled up
REPEATS = 5


def landscape() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make values, validity (0.6 clear), days and targets."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 10000, (DATES, BANDS, *SHAPE)).astype(np.int16)
    valid = rng.random((DATES, *SHAPE)) < 0.6
    patches = rng.random((DATES, SHAPE[0], SHAPE[1] // 32)) < 0.6
    left = SHAPE[1] // 2
    valid[..., left:] = np.repeat(patches, 32, axis=2)[..., left:]
    days = np.sort(rng.choice(365, DATES, replace=False)).astype(np.int64)
    return values, valid, days, np.arange(TARGETS, dtype=np.int64) * 10


def per_pixel(
    values: np.ndarray, valid: np.ndarray, days: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Call numpy.interp for each pixel and band."""
    out = np.full((targets.size, *values.shape[1:]), -10000, np.int16)
    for y, x in np.ndindex(valid.shape[1:]):
        clear = valid[:, y, x]
        if clear.any():
            at = days[clear]
            for b in range(values.shape[1]):
                out[:, b, y, x] = np.rint(np.interp(targets, at, values[clear, b, y, x]))
    return out


def vectorised(
    values: np.ndarray, valid: np.ndarray, days: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Look up the last and the next clear date of all pixels at once, then gather and blend."""
    index = np.arange(days.size)[:, None, None]
    last = np.maximum.accumulate(np.where(valid, index, -1), axis=0)
    following = np.minimum.accumulate(np.where(valid, index, days.size)[::-1], axis=0)[::-1]
    out = np.empty((targets.size, *values.shape[1:]), np.int16)
    for j, target in enumerate(targets):
        before = np.searchsorted(days, target, "right") - 1
        after = np.searchsorted(days, target, "left")
        i0 = last[before] if before >= 0 else np.full_like(last[0], -1)
        i1 = following[after] if after < days.size else np.full_like(last[0], days.size)
        none = (i0 < 0) & (i1 == days.size)
        i0, i1 = np.where(i0 < 0, i1, i0), np.where(i1 == days.size, i0, i1)
        i0, i1 = np.where(none, 0, i0), np.where(none, 0, i1)
        span = np.maximum(days[i1] - days[i0], 1)
        share = np.where(i0 == i1, 0.0, (target - days[i0]) / span)
        v0 = np.take_along_axis(values, i0[None, None], axis=0)[0]
        v1 = np.take_along_axis(values, i1[None, None], axis=0)[0]
        out[j] = np.where(none, -10000, np.rint(v0 + (v1.astype(np.float64) - v0) * share))
    return out


def results() -> list[Result]:
    """Measure against both solutions of numpy."""
    values, valid, days, targets = landscape()
    out = np.empty((TARGETS, BANDS + 3, *SHAPE), np.int16)
    few = np.ascontiguousarray(values[:, :, : FEW[0]]), np.ascontiguousarray(valid[:, : FEW[0]])
    gapfill.linear(values, valid, days, targets, out, rows=(0, 1))  # compiles
    halves = [(0, SHAPE[0] // 2), (SHAPE[0] // 2, SHAPE[0])]
    with ThreadPoolExecutor(2) as pool:
        seconds = best(
            {
                "ours": lambda: list(
                    pool.map(
                        lambda rows: gapfill.linear(values, valid, days, targets, out, rows=rows),
                        halves,
                    )
                ),
                "numpy.interp by pixel": lambda: per_pixel(*few, days, targets),
                "vectorised numpy": lambda: vectorised(*few, days, targets),
            },
            REPEATS,
        )
    _agree(out, *few, days, targets)
    rate = f"{SHAPE[0] * SHAPE[1] / seconds['ours'] / 1e6:.2f} million pixels"
    scale = SHAPE[0] / FEW[0]
    return [
        Result(f"gap-filling, against {name}", rate, seconds["ours"], seconds[name] * scale, goal)
        for name, goal in (("numpy.interp by pixel", 40.0), ("vectorised numpy", 10.0))
    ]


def _agree(
    out: np.ndarray, values: np.ndarray, valid: np.ndarray, days: np.ndarray, targets: np.ndarray
) -> None:
    """Make sure that all three compute the same, to the last bit of their rounding."""
    ours = out[:, :BANDS, : FEW[0]].astype(np.int32)
    for reference in (per_pixel, vectorised):
        assert np.abs(ours - reference(values, valid, days, targets)).max() <= 1
