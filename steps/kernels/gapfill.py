"""Fill the gaps of a time series: from the dates observed to a regular grid of dates.

Nothing here looks at a neighbouring pixel, so no result depends on how a window was cut.

How it is fast: pixels go through in runs of ``RUN`` along x. What the clear dates of a run mean for
each target (two weights and a divisor) is worked out once for all bands. Then, band by band, the
last clear value is carried forward over the dates and the next clear value backward, as whole
vectors: no pixel ever looks up an index of its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit

RUN = 1024  # pixels a pass: the scratch of 37 targets stays in the second-level cache
LOWEST = -9999  # a result is never the nodata value
EVEN = 1.5 * 2.0**52  # a float64 that gains and loses this is rounded to nearest even (vectorises)
LONGEST = 32767  # days; keeps every product of a value and a span exact


def linear(
    values: np.ndarray,
    valid: np.ndarray,
    days: np.ndarray,
    targets: np.ndarray,
    out: np.ndarray,
    nodata: int = -10000,
    rows: tuple[int, int] | None = None,
) -> None:
    """Interpolate linearly in time between the nearest valid observations.

    A valid observation on the target day itself is kept as it is. Before the first and after the
    last valid observation the series is constant. The result is the exact rational
    ``(v0 * (t1 - t) + v1 * (t - t0)) / (t1 - t0)``, rounded to nearest even, within [-9999, 32767].

    Parameters
    ----------
    values : (date, band, y, x) int16
        Observations; what stands where `valid` is False is never used.
    valid : (date, y, x) bool
        True = valid, for all bands of the date.
    days : (date,) int64
        Whole days, strictly increasing.
    targets : (target,) int64
        Whole days to fill, strictly increasing.
    out : (target, band_total, y, x) int16
        Receives the result in its first `band` bands; the others are not touched.
    nodata : int
        Written where a pixel has no valid date at all.
    rows : (start, stop), optional
        Fill these rows only, so that threads may share the arrays; all rows if not given.

    Raises
    ------
    ValueError
        Shapes or types that do not fit together, an array that is not C-contiguous, days that are
        not increasing or that span more than 32767 days.

    Notes
    -----
    Releases the GIL. The rule is that of iota2's (OTB's) gap-filling ``linear``.
    """
    _check_series(values, valid, days)
    _check_out(values, out, targets)
    _check_days(days, targets)
    start, stop = rows if rows is not None else (0, values.shape[2])
    if not 0 <= start <= stop <= values.shape[2]:
        raise ValueError(f"rows: {rows} is not inside the {values.shape[2]} rows of the cube")
    width = values.shape[3]
    _fill(
        _flat(values),
        _flat(valid.view(np.uint8)),
        days,
        targets,
        _flat(out),
        np.int16(nodata),
        start * width,
        stop * width,
    )


def merge_days(
    values: np.ndarray, valid: np.ndarray, days: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge the products of one day per pixel, in place: the first valid one wins.

    Parameters
    ----------
    values : (product, band, y, x) int16
        Observations, overwritten.
    valid : (product, y, x) bool
        True = valid, overwritten.
    days : (product,) int64
        Day of each product, never decreasing; among equal days the given order decides.

    Returns
    -------
    values : (date, band, y, x) int16
        View of the argument's head.
    valid : (date, y, x) bool
        View of the argument's head: True where any product of the day is valid.
    days : (date,) int64
        The different days, strictly increasing.

    Raises
    ------
    ValueError
        Shapes or types that do not fit together, or days that decrease.
    """
    _check_series(values, valid, days)
    if np.any(np.diff(days) < 0):
        raise ValueError("days: products must be sorted by day")
    unique, first = np.unique(days, return_index=True)
    if unique.size < days.size:
        _merge(values, valid, np.append(first, days.size))
    return values[: unique.size], valid[: unique.size], unique


def _check_series(values: np.ndarray, valid: np.ndarray, days: np.ndarray) -> None:
    """Refuse observations that do not fit together."""
    if values.ndim != 4 or values.dtype != np.int16 or not values.flags.c_contiguous:
        raise ValueError("values: want a C-contiguous int16 array (date, band, y, x)")
    date, _, y, x = values.shape
    if valid.shape != (date, y, x) or valid.dtype != np.bool_ or not valid.flags.c_contiguous:
        raise ValueError(f"valid: want a C-contiguous bool array {(date, y, x)}, got {valid.shape}")
    if days.shape != (date,) or days.dtype != np.int64:
        raise ValueError(f"days: want int64 {(date,)}, got {days.dtype} {days.shape}")


def _check_out(values: np.ndarray, out: np.ndarray, targets: np.ndarray) -> None:
    """Refuse an output that cannot hold the result."""
    if out.ndim != 4 or out.dtype != np.int16 or not out.flags.c_contiguous:
        raise ValueError("out: want a C-contiguous int16 array (target, band_total, y, x)")
    same = out.shape[0] == targets.size and out.shape[2:] == values.shape[2:]
    if not same or out.shape[1] < values.shape[1]:
        raise ValueError(f"out: {out.shape} cannot hold {targets.size} targets of {values.shape}")


def _check_days(days: np.ndarray, targets: np.ndarray) -> None:
    """Refuse days that are not increasing, or so far apart that products would not be exact."""
    if targets.ndim != 1 or targets.dtype != np.int64:
        raise ValueError("targets: want a one-dimensional int64 array")
    if np.any(np.diff(days) <= 0) or np.any(np.diff(targets) <= 0):
        raise ValueError("days and targets: must be strictly increasing")
    if days.size and days[-1] - days[0] > LONGEST:
        raise ValueError(f"days: span {days[-1] - days[0]} days, at most {LONGEST} are possible")


def _flat(array: np.ndarray) -> np.ndarray:
    """Join y and x to one axis of pixels; a view, the array being contiguous."""
    return array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(
    values: np.ndarray,
    valid: np.ndarray,
    days: np.ndarray,
    targets: np.ndarray,
    out: np.ndarray,
    nodata: np.int16,
    start: int,
    stop: int,
) -> None:
    """Take the pixels `start` to `stop` through in runs of ``RUN``."""
    date, band, _ = values.shape
    masks = np.empty((date, RUN), np.int16)
    before = np.empty((targets.size, RUN), np.float32)
    after = np.empty((targets.size, RUN), np.float32)
    carried = np.empty((targets.size, RUN), np.int16)
    for left in range(start, stop, RUN):
        right = min(left + RUN, stop)
        for d in range(date):
            _widen(valid[d, left:right], masks[d])
        _weigh(masks, days, targets, before, after, right - left)
        for b in range(band):
            _carry(values, masks, days, targets, carried, nodata, b, left, right)
            _blend(
                values, masks, days, targets, carried, before, after, out, nodata, b, left, right
            )


@njit(nogil=True, cache=True, error_model="numpy")
def _widen(valid: np.ndarray, mask: np.ndarray) -> None:
    """Give the validity the width of the values, so that both lie in the same vector lanes."""
    for i in range(valid.size):
        mask[i] = valid[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh(
    masks: np.ndarray,
    days: np.ndarray,
    targets: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    n: int,
) -> None:
    """Days from the last clear date to each target and from there to the next one.

    These are the weights ``after`` (of the next value) and ``before`` (of the last value) times
    their sum. Where one of the two dates is missing or both are the target itself, the weights are
    0 and 1: that value alone counts. Without any clear date the last value is nodata.
    """
    state = np.full(n, -1.0, np.float32)
    d = 0
    for j in range(targets.size):
        while d < days.size and days[d] <= targets[j]:
            _keep_day(state, masks[d], np.float32(days[d] - days[0]), n)
            d += 1
        after[j, :n] = state
    state[:] = -1.0
    d = days.size - 1
    for j in range(targets.size - 1, -1, -1):
        while d >= 0 and days[d] >= targets[j]:
            _keep_day(state, masks[d], np.float32(days[d] - days[0]), n)
            d -= 1
        _distances(after[j], state, before[j], np.float32(targets[j] - days[0]), n)


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_day(state: np.ndarray, mask: np.ndarray, day: np.float32, n: int) -> None:
    """Note the day for the pixels that are clear on it."""
    for i in range(n):
        state[i] = day if mask[i] != 0 else state[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _distances(
    last: np.ndarray, following: np.ndarray, before: np.ndarray, day: np.float32, n: int
) -> None:
    """Turn the days of the last and the next clear date into weights; `last` becomes `after`."""
    for i in range(n):
        has_last, has_next = last[i] >= 0, following[i] >= 0
        between = has_last and has_next and following[i] > last[i]
        only_next = has_next and not has_last
        single = np.float32(0.0) if only_next else np.float32(1.0)
        before[i] = following[i] - day if between else single
        last[i] = day - last[i] if between else np.float32(1.0) - single


@njit(nogil=True, cache=True, error_model="numpy")
def _carry(
    values: np.ndarray,
    masks: np.ndarray,
    days: np.ndarray,
    targets: np.ndarray,
    carried: np.ndarray,
    nodata: np.int16,
    b: int,
    left: int,
    right: int,
) -> None:
    """Carry the last clear value forward to every target."""
    state = np.full(right - left, nodata, np.int16)
    d = 0
    for j in range(targets.size):
        while d < days.size and days[d] <= targets[j]:
            _keep_value(state, masks[d], values[d, b, left:right])
            d += 1
        carried[j, : right - left] = state


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_value(state: np.ndarray, mask: np.ndarray, values: np.ndarray) -> None:
    """Note the value of the pixels that are clear."""
    for i in range(state.size):
        value = max(values[i], np.int16(LOWEST))
        state[i] = value if mask[i] != 0 else state[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _blend(
    values: np.ndarray,
    masks: np.ndarray,
    days: np.ndarray,
    targets: np.ndarray,
    carried: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    out: np.ndarray,
    nodata: np.int16,
    b: int,
    left: int,
    right: int,
) -> None:
    """Carry the next clear value backward and blend it with the last one at every target."""
    state = np.full(right - left, nodata, np.int16)
    d = days.size - 1
    for j in range(targets.size - 1, -1, -1):
        while d >= 0 and days[d] >= targets[j]:
            _keep_value(state, masks[d], values[d, b, left:right])
            d -= 1
        _mean(carried[j], state, before[j], after[j], out[j, b, left:right])


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(
    last: np.ndarray, following: np.ndarray, before: np.ndarray, after: np.ndarray, out: np.ndarray
) -> None:
    """Weighted mean of two values: all terms are whole numbers, so only the division rounds."""
    for i in range(out.size):
        w0, w1 = np.float64(before[i]), np.float64(after[i])
        out[i] = np.int16((last[i] * w0 + following[i] * w1) / (w0 + w1) + EVEN - EVEN)


@njit(nogil=True, cache=True, error_model="numpy")
def _merge(values: np.ndarray, valid: np.ndarray, bounds: np.ndarray) -> None:
    """Move the products ``bounds[k]`` to ``bounds[k + 1]`` into place `k`."""
    for k in range(bounds.size - 1):
        if bounds[k] != k:
            values[k] = values[bounds[k]]
            valid[k] = valid[bounds[k]]
        for p in range(bounds[k] + 1, bounds[k + 1]):
            _supplement(values[k], valid[k], values[p], valid[p])


@njit(nogil=True, cache=True, error_model="numpy")
def _supplement(
    values: np.ndarray, valid: np.ndarray, more: np.ndarray, more_valid: np.ndarray
) -> None:
    """Fill the pixels that are not valid yet from another product."""
    for b in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                take = more_valid[y, x] and not valid[y, x]
                values[b, y, x] = more[b, y, x] if take else values[b, y, x]
    for y in range(valid.shape[0]):
        for x in range(valid.shape[1]):
            valid[y, x] = valid[y, x] or more_valid[y, x]
