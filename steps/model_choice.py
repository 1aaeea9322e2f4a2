"""Step: of the networks of all combinations of hyperparameters, keep the best on the validation."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import TaskError
from ..nn_bank import user_networks
from .artifacts import MODEL, MODEL_HYP, MODULE
from .contract import Job, Step, Unit
from .files import store
from .learning import model_file
from .learning.settings import ModuleSettings

log = logging.getLogger(__name__)

LESS_IS_BETTER = {"loss", "train_loss"}
COLUMNS = ("hyp", "criterion", "value", "epoch")


def used(settings: ModuleSettings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give no setting: the cards of the models say it all."""
    return {}


def sources(settings: ModuleSettings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the file of the user's networks, where there is one."""
    return () if settings.module is None else (settings.module,)


def choose(job: Job) -> None:
    """Copy the best model; log the table of all; put the user's networks beside it."""
    cards = [(path, model_file.read_card(path)) for path in job.every(MODEL_HYP).values()]
    best, card = min(cards, key=lambda item: rank(item[1].training))
    for line in table([one.training for _, one in cards]):
        log.info("%s", line)
    log.info("chosen: pair %s", card.training["hyp"])
    if job.writes(MODULE):
        _copy_module(job, card)
    with store.writing(job.output(MODEL)) as path:
        shutil.copyfile(best, path)


def _copy_module(job: Job, card: model_file.Card) -> None:
    source = job.settings.module
    with store.writing(job.output(MODULE)) as path:
        shutil.copyfile(source, path)
        if card.module is None or user_networks.digest(path) != card.module["sha256"]:
            raise TaskError(f"{source} changed since the training: restart the run")


def rank(pair: dict[str, Any]) -> tuple[bool, float, int]:
    """Order pairs, the best first: by the criterion, ties by number.

    A pair whose epoch the training loss had to choose comes behind the others.
    """
    sign = 1 if pair["criterion"] in LESS_IS_BETTER else -1
    return pair["criterion"] == "train_loss", sign * pair["value"], pair["hyp"]


def table(pairs: Sequence[dict[str, Any]]) -> list[str]:
    """Give the table of all pairs, the best first, as lines of aligned columns."""
    names = [*COLUMNS, *pairs[0]["hyperparameters"]]
    rows = [names]
    for pair in sorted(pairs, key=rank):
        said = {**pair, "value": f"{pair['value']:.4f}", **pair["hyperparameters"]}
        rows.append([str(said[name]) for name in names])
    widths = [max(len(row[place]) for row in rows) for place in range(len(names))]
    return [
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    ]


STEP = Step(
    name="model_choice",
    group="learning",
    title="choose the best hyperparameter pair",
    run=choose,
    settings=ModuleSettings,
    per=("region", "fold", "seed"),
    inputs=(MODEL_HYP,),
    outputs=(MODEL,),
    resource="model_choice",
    sources=sources,
    uses=used,
)
