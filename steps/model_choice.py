"""Step: of the networks of all hyperparameter pairs, keep the best on the validation set."""

from __future__ import annotations

import logging
import shutil

from . import model_file, store
from .artifacts import MODEL, MODEL_HYP
from .contract import Job, Settings, Step

log = logging.getLogger(__name__)

LESS_IS_BETTER = {"loss", "train_loss"}


def choose(job: Job) -> None:
    """Copy the best pair's model; log the table of all pairs."""
    cards = [(path, model_file.read_card(path).training) for path in job.every(MODEL_HYP).values()]
    best, record = min(cards, key=lambda item: rank(item[1]))
    for _, pair in cards:
        log.info(
            "pair %(hyp)s: batch_size %(batch_size)s, learning_rate %(learning_rate)s, "
            "%(criterion)s %(value).4f at epoch %(epoch)s",
            pair,
        )
    log.info("chosen: pair %s", record["hyp"])
    with store.writing(job.output(MODEL)) as path:
        shutil.copyfile(best, path)


def rank(pair: dict) -> tuple[bool, float, int]:
    """Order pairs, the best first: by the criterion, ties by number.

    A pair whose epoch the training loss had to choose comes behind the others.
    """
    sign = 1 if pair["criterion"] in LESS_IS_BETTER else -1
    return pair["criterion"] == "train_loss", sign * pair["value"], pair["hyp"]


STEP = Step(
    name="model_choice",
    group="learning",
    title="choose the best hyperparameter pair",
    run=choose,
    settings=Settings,
    per=("region", "fold", "seed"),
    inputs=(MODEL_HYP,),
    outputs=(MODEL,),
    resource="model_choice",
)
