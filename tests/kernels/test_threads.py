"""Kernels called from four threads at once give what one thread gives."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from resampling import NODATA, landscape, part

from i2lc.steps.kernels import coarsen, cubic, gapfill, indices, nearest, planning

THREADS, ROUNDS = 4, 5


def sources(seed):
    array = landscape((120, 110), seed=seed)
    return array, (array > 9000).astype(np.uint8)


def coordinates():
    at = np.arange(150) * 0.7 - 2
    rows, cols = np.meshgrid(at, at, indexing="ij")
    return rows + 0.01 * cols, cols - 0.01 * rows


def separable(seed):
    array, mask = sources(seed)
    at = np.arange(200) * 0.5 + 0.25
    plan = planning.plan(at, at, array.shape)
    return cubic.cubic(part(array, plan), plan, NODATA), nearest.nearest(part(mask, plan), plan, 1)


def scattered(seed):
    array, mask = sources(seed)
    plan = planning.plan(*coordinates(), array.shape)
    return cubic.cubic(part(array, plan), plan, NODATA), nearest.nearest(part(mask, plan), plan, 1)


def coarser(seed):
    array, mask = sources(seed)
    samples = planning.plan(*coordinates(), array.shape)
    area = planning.area_plan(np.arange(30) * 2.5, np.arange(30) * 2.5, array.shape)
    return tuple(
        result
        for plan, factor in ((samples, 3), (area, 1))
        for result in (
            coarsen.mean(part(array, plan), plan, NODATA, factor),
            coarsen.flagged(part(mask, plan), plan, outside=True, factor=factor),
        )
    )


def filled(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-9999, 32767, (9, 3, 20, 300)).astype(np.int16)
    valid = rng.random((9, 20, 300)) < 0.5
    days = np.sort(rng.choice(60, 9)).astype(np.int64)
    values, valid, days = gapfill.merge_days(values, valid, days)
    out = np.empty((7, 5, 20, 300), np.int16)
    gapfill.linear(values, valid, days, np.arange(7) * 9, out)
    indices.normalized_difference(out, 0, 1, 3)
    indices.brightness(out, (0, 1, 2), 4)
    return (out,)


@pytest.mark.parametrize("work", [separable, scattered, coarser, filled])
def test_threads_do_not_matter(work):
    alone = [work(seed) for seed in range(THREADS)]
    together = Barrier(THREADS)

    def start(seed):
        together.wait(timeout=60)
        return [work(seed) for _ in range(ROUNDS)]

    with ThreadPoolExecutor(THREADS) as pool:
        for want, rounds in zip(alone, pool.map(start, range(THREADS)), strict=True):
            for found in rounds:
                for a, b in zip(want, found, strict=True):
                    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("work", ["cubic", "nearest"])
def test_threads_may_share_a_plan_and_a_source(work):
    array, _ = sources(0)
    plan = planning.plan(*coordinates(), array.shape)
    source = part(array, plan)

    def call(_=None):
        if work == "cubic":
            return cubic.cubic(source, plan, NODATA)
        return nearest.nearest(source, plan, NODATA)

    alone = call()
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(call, range(THREADS * ROUNDS)):
            np.testing.assert_array_equal(found, alone)
