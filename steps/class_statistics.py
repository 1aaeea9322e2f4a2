"""Step: one table of the samples of all models, folds and seeds, `class_statistics.csv`."""

from __future__ import annotations

import pandas as pd

from .artifacts import CLASS_STATISTICS, SEED_STATISTICS
from .contract import Job, Settings, Step
from .files import store


def gather(job: Job) -> None:
    """Join the statistics of the folds and seeds."""
    tables = [
        pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in job.every(SEED_STATISTICS).values()
    ]
    with store.writing(job.output(CLASS_STATISTICS)) as path:
        pd.concat(tables).to_csv(path, index=False)


STEP = Step(
    name="class_statistics",
    group="sampling",
    title="table of available, asked and taken samples",
    run=gather,
    settings=Settings,
    per=(),
    inputs=(SEED_STATISTICS,),
    outputs=(CLASS_STATISTICS,),
    resource="samplesStatistics",
)
