"""Step 8: train one network for one region, fold, seed and combination of hyperparameters.

The training runs in a process of its own (`learning.process`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import TaskError
from .artifacts import (
    EXTERNAL,
    HISTORY,
    HISTORY_TABLE,
    LOSS_FIGURE,
    METRICS_FIGURE,
    MODEL_BEST,
    MODEL_HYP,
    SAMPLES,
)
from .contract import Artifact, Job, Step, Unit
from .files import store
from .learning import apart, process, sample_source
from .learning.settings import TrainingSettings

log = logging.getLogger(__name__)

GB = 1e9
OUTPUTS: dict[str, Artifact] = {
    "model": MODEL_HYP,
    "best": MODEL_BEST,
    "history": HISTORY,
    "table": HISTORY_TABLE,
    "losses": LOSS_FIGURE,
    "metrics": METRICS_FIGURE,
}
"""What the process calls its products."""


def used(settings: TrainingSettings, unit: Unit) -> dict[str, Any]:
    """Give the settings that decide a model: its own combination, and no number of processes."""
    found = settings.model_dump(mode="json")
    deep = found["deep_learning_parameters"]
    for name in ("num_workers", "hyperparameters_solver", "restart_from_checkpoint", "dl_module"):
        del deep[name]
    pairs = settings.deep_learning_parameters.hyperparameters_solver.pairs
    deep["pair"] = pairs[int(unit.hyp or 0)].as_dict()
    return found


def sources(settings: TrainingSettings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the file of the user's networks, where there is one."""
    return () if settings.module is None else (settings.module,)


def train(job: Job) -> None:
    """Train the combination of the job in a process of its own."""
    settings: TrainingSettings = job.settings
    deep = settings.deep_learning_parameters
    if deep.dataloader_mode == "full":
        refuse_too_large(job.input(SAMPLES), job.ram)
    workers = min(deep.num_workers, job.cpus)
    if workers < deep.num_workers:
        log.info("num_workers cut to the %d cpus of the task", workers)
    with ExitStack() as stack:
        outputs = {
            name: str(stack.enter_context(store.writing(job.output(artifact))))
            for name, artifact in OUTPUTS.items()
        }
        order = process.Order(
            samples=str(job.input(SAMPLES)),
            external=str(job.input(EXTERNAL)) if job.every(EXTERNAL) else None,
            outputs=outputs,
            checkpoint=str(checkpoint_of(job.output(MODEL_HYP))),
            region=str(job.unit.region),
            fold=int(job.unit.fold or 0),
            seed=int(job.unit.seed or 0),
            hyp=int(job.unit.hyp or 0),
            num_workers=workers,
            gpus=job.gpus,
            settings=settings.model_dump(mode="json"),
        )
        apart.run(process.MODULE, asdict(order), deep.torch_threads)


def checkpoint_of(model: Path) -> Path:
    """Give the path of the checkpoint beside a model."""
    return model.with_name(f"{model.stem}_checkpoint{model.suffix}")


def refuse_too_large(samples: Path, ram: int) -> None:
    """Refuse samples that the task's memory cannot hold, before any is read."""
    size = sample_source.size(samples)
    if size > ram:
        raise TaskError(
            f"the samples take {size / GB:.1f} GB, the task has {ram / GB:.1f} GB: choose "
            "dataloader_mode stream, raise maximum_ram, lower -nb_parallel_tasks, or take fewer "
            "samples (sample_selection)"
        )


STEP = Step(
    name="training",
    group="learning",
    title="train a network for each combination of hyperparameters",
    run=train,
    settings=TrainingSettings,
    per=("region", "fold", "seed", "hyp"),
    inputs=(SAMPLES,),
    outputs=tuple(OUTPUTS.values()),
    resource="training",
    sources=sources,
    uses=used,
)
