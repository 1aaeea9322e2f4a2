"""Step 8 with scikit-learn: fit one estimator for one region, fold and seed.

It learns from all samples of the model: the sets in which a network trains and is watched are
one here. The fit runs in a process of its own, as a network's training does.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict

from .artifacts import CROSS_VALIDATION, EXTERNAL, MODEL_SKOPS, SAMPLES
from .contract import Job, Step
from .files import store
from .learning import apart
from .scikit import learnt, process
from .scikit.settings import Settings

THREADS = 1
"""Of the numeric libraries: more of them add up in another order. Forests have theirs beside."""


def train(job: Job) -> None:
    """Fit the estimator of the settings in a process of its own."""
    settings: Settings = job.settings
    learnt.refuse_too_large(job.input(SAMPLES), settings, job.ram)
    with ExitStack() as stack:
        model = stack.enter_context(store.writing(job.output(MODEL_SKOPS)))
        table = None
        if job.writes(CROSS_VALIDATION):
            table = stack.enter_context(store.writing(job.output(CROSS_VALIDATION)))
        order = process.Order(
            samples=str(job.input(SAMPLES)),
            external=str(job.input(EXTERNAL)) if job.every(EXTERNAL) else None,
            model=str(model),
            table=None if table is None else str(table),
            region=str(job.unit.region),
            fold=int(job.unit.fold or 0),
            seed=int(job.unit.seed or 0),
            threads=job.cpus,
            settings=settings.model_dump(mode="json"),
        )
        apart.run(process.MODULE, asdict(order), THREADS)


STEP = Step(
    name="scikit_training",
    group="learning",
    title="train an estimator of scikit-learn",
    run=train,
    settings=Settings,
    per=("region", "fold", "seed"),
    inputs=(SAMPLES,),
    outputs=(MODEL_SKOPS,),
    resource="training",
)
