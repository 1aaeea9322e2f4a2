"""What a worker does: run one task, check what it wrote, write the records, log it all."""

from __future__ import annotations

import logging
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import I2lcError
from ..steps import store
from ..steps.contract import Job
from . import ledger

LOGGER = "i2lc"
MORE_MEMORY = "raise maximum_ram, or lower -nb_parallel_tasks so that each task has more"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True)
class Order:
    """All that a worker needs for one task; paths, no data."""

    name: str
    run: Callable[[Job], None]
    job: Job
    made: ledger.Fingerprint
    log: Path
    run_id: str


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    name: str
    error: str | None
    """The cause in a sentence, None when all is well."""
    kind: str
    """Class of the error, empty when all is well."""
    seconds: float
    peak: int
    """Largest memory of the worker so far, in bytes."""
    worker: int
    """Process number of the worker."""


def execute(order: Order) -> Outcome:
    """Run a task; never raises, so that a failure travels as a sentence."""
    start = time.monotonic()
    error: BaseException | None = None
    with _logging_to(order.log):
        log = logging.getLogger(LOGGER)
        log.info("start %s", order.name)
        try:
            _run(order)
        except Exception as caught:  # every failure of a task becomes its outcome
            error = caught
            log.error("%s", traceback.format_exc())
        seconds = time.monotonic() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        log.info(
            "end %s after %.1f s, peak memory of the worker %.0f MB",
            order.name,
            seconds,
            peak / 1e6,
        )
    kind = type(error).__name__ if error else ""
    return Outcome(order.name, _sentence(error), kind, seconds, peak, os.getpid())


def _run(order: Order) -> None:
    store.RUN_ID.set(order.run_id)
    products = [order.job.root / file.path for file in order.job.outputs]
    for product in products:
        ledger.record_path(product).unlink(missing_ok=True)
    order.run(order.job)
    for product in products:
        if problem := store.defect(product):
            raise RuntimeError(f"the task ended without its product {product}: {problem}")
    for product in products:
        ledger.write_record(product, order.made)


def _sentence(error: BaseException | None) -> str | None:
    if error is None:
        return None
    text = str(error) or type(error).__name__
    if isinstance(error, I2lcError):
        return text
    if isinstance(error, MemoryError):
        return f"out of memory: {MORE_MEMORY}"
    return f"{type(error).__name__}: {text}"


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send the package's log lines to a file while a task runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(LOGGER)
    handler = logging.FileHandler(path, mode="a", encoding="utf-8")  # a retry keeps the first try
    handler.setFormatter(logging.Formatter(FORMAT))
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
