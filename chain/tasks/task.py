"""What a worker does: run one task, check what it wrote, write the records, log it all."""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import I2lcError
from ...steps.contract import Job
from ...steps.files import disk, ownership, store
from ...steps.files.ownership import Claim, LostRunError
from ..records import ledger
from . import guard, usage

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
    attempt: int = 1
    """Number of the try, from 1."""
    limits: guard.Limits | None = None
    """What the guard of the worker holds the task to; None where no guard may act."""

    @property
    def claim(self) -> Claim:
        """What the task publishes under."""
        return Claim(self.job.root, self.run_id, self.attempt)


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
    error: Exception | None = None
    token = ownership.CLAIM.set(order.claim)
    try:
        ownership.check(order.claim)  # before the log, which must not make a lost folder again
        with (
            disk.said_clearly(order.job.root),
            _logging_to(order),
            guard.watching(order.limits, order.claim, order.log),
        ):
            _logged(order, start)
    except Exception as caught:  # every failure of a task becomes its outcome
        lost = ownership.claim_lost(order.claim)  # then that is the cause, whatever it led to
        error = LostRunError(lost) if lost else caught
    finally:
        ownership.CLAIM.reset(token)
    kind = type(error).__name__ if error else ""
    seconds = time.monotonic() - start
    return Outcome(order.name, _sentence(error), kind, seconds, usage.peak(), os.getpid())


def _logged(order: Order, start: float) -> None:
    """Run a task between two lines of its log; what it raises is written there."""
    log = logging.getLogger(LOGGER)
    log.info("start %s, try %d of run %s", order.name, order.attempt, order.run_id)
    try:
        _run(order)
    except Exception:
        log.error("%s", traceback.format_exc())
        raise
    finally:
        seconds = time.monotonic() - start
        text = "end %s after %.1f s, peak memory of the worker %.0f MB"
        log.info(text, order.name, seconds, usage.peak() / 1e6)


def _run(order: Order) -> None:
    products = [order.job.root / file.path for file in order.job.outputs]
    for product in products:
        ledger.record_path(product).unlink(missing_ok=True)
    order.run(order.job)
    for product in products:
        if problem := store.defect(product):
            raise RuntimeError(f"the task ended without its product {product}: {problem}")
    ledger.write_records(products, order.made)


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
def _logging_to(order: Order) -> Iterator[None]:
    """Send the package's log lines to a file while a task runs."""
    order.log.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(LOGGER)
    mode = "w" if order.attempt == 1 else "a"  # a retry keeps the first try
    handler = logging.FileHandler(order.log, mode=mode, encoding="utf-8")
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
