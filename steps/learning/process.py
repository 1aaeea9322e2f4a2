"""The training of one network, in the process that `apart` starts: samples in, model out."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ...nn_bank import calibration, devices, inference, registry, user_networks
from ...nn_bank import training as loop
from ...nn_bank.base import Iota2NeuralNetwork
from ...nn_bank.choice import Fit
from ...nn_bank.history import Epoch, Progress
from ...nn_bank.sources import Source
from ..sensors.sentinel2 import SENTINEL2
from . import apart, checkpoint_file, figures, model_file
from .sets import Sets, read
from .settings import DeepLearning, Pair, TrainingSettings

log = logging.getLogger(__name__)

MODULE = __name__ if __name__ != "__main__" else "i2lc.steps.learning.process"


@dataclass(frozen=True)
class Order:
    """What to train, as JSON can hold it."""

    samples: str
    """File of the samples."""
    outputs: Mapping[str, str]
    """model, best, history, table, losses, metrics -> path to write."""
    checkpoint: str
    """Side file of the last epoch."""
    region: str
    fold: int
    seed: int
    hyp: int
    num_workers: int
    gpus: int
    settings: Mapping[str, Any]
    external: str | None = None
    """Record of the user's functions; None without external features."""


def train(order: Order) -> None:
    """Train on a file of samples; write model, history and figures."""
    settings = TrainingSettings(**order.settings)
    deep = settings.deep_learning_parameters
    pair = deep.hyperparameters_solver.pairs[order.hyp]
    seed = (settings.random_seed or 0) + order.seed
    sets = read(Path(order.samples), deep, seed)
    network = _network(deep, pair, sets, seed)
    device = devices.choose(order.gpus)
    log.info("trains on %s, %d parameters", device, sum(p.numel() for p in network.parameters()))
    options = deep.options(pair, seed=seed, num_workers=order.num_workers, device=device)
    key = _key(order, settings, pair, sets, device)
    checkpoint = Path(order.checkpoint)
    fitted = loop.fit(
        network,
        sets.training,
        sets.validation,
        options,
        log=_log_epoch,
        resume=checkpoint_file.load(checkpoint, key) if deep.restart_from_checkpoint else None,
        keep=lambda state: checkpoint_file.save(checkpoint, state, key),
    )
    _publish(order, deep, pair, sets, network, fitted)


def _network(deep: DeepLearning, pair: Pair, sets: Sets, seed: int) -> Iota2NeuralNetwork:
    shape = (len(sets.axes.dates), len(sets.axes.bands), len(sets.codes))
    parameters = deep.parameters(pair)
    network = registry.build(deep.dl_name, *shape, parameters, seed=seed, module=deep.dl_module)
    network.set_statistics(sets.summary)
    network.set_dates(sets.axes.dates)
    return network


def _key(order: Order, settings: TrainingSettings, pair: Pair, sets: Sets, device: str) -> str:
    """Name all that decides a training but the number of its epochs, where that can grow.

    Another version of torch may round otherwise: what it began is not gone on with.

    The samples are named by their labels and exact statistics: no pass of its own is needed.
    """
    deep = settings.deep_learning_parameters
    said = deep.model_dump(mode="json", exclude={"hyperparameters_solver", "num_workers"})
    if not deep.one_cycle:
        del said["epochs"]
    # The criterion and the choice among the best epochs leave the weights of an epoch as they are.
    del said["model_selection_criterion"], said["restart_from_checkpoint"]
    for name in ("enable_early_stop", "epoch_to_trigger", "early_stop_patience"):
        del said[name]
    del said["early_stop_tol"], said["early_stop_metric"]
    parts = {
        "torch": str(torch.__version__),
        "settings": said,
        "module": None if deep.dl_module is None else user_networks.digest(deep.dl_module),
        "pair": pair.as_dict(),
        "seed": [settings.random_seed, order.seed],
        "device": device,
        "statistics": sets.summary.as_dict(),
        "codes": sets.codes,
        "labels": [
            hashlib.sha256(source.labels.tobytes()).hexdigest()
            for source in (sets.training, sets.validation)
        ],
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _publish(
    order: Order,
    deep: DeepLearning,
    pair: Pair,
    sets: Sets,
    network: Iota2NeuralNetwork,
    fitted: Fit,
) -> None:
    """Write all products of the training."""
    record = _record(order, deep, pair, sets, fitted)
    for note in record["notes"]:
        log.warning("%s", note)
    card = model_file.Card(
        network=deep.dl_name,
        parameters=deep.parameters(pair),
        labels=tuple(sets.codes),
        dates=sets.axes.dates,
        bands=sets.axes.bands,
        scales=sets.axes.scales,
        sensor=SENTINEL2.name,
        statistics=sets.summary.as_dict(),
        training=record,
        raw=sets.axes.raw,
        module=_module(deep),
        external=model_file.external_of(order.external),
        **_measured(network, sets.validation),
    )
    paths = {name: Path(path) for name, path in order.outputs.items()}
    model_file.save(paths["model"], dict(fitted.chosen.state), card)
    model_file.save_best(paths["best"], fitted.best, card)
    history = {**record, "epochs": [_plain(epoch) for epoch in fitted.history]}
    paths["history"].write_text(json.dumps(history, indent=1, sort_keys=True) + "\n")
    figures.table(paths["table"], fitted.history)
    figures.losses(paths["losses"], fitted.history, fitted.chosen.epoch)
    figures.metrics(paths["metrics"], fitted.history, fitted.chosen.epoch)


def _module(deep: DeepLearning) -> dict[str, str] | None:
    if deep.dl_module is None:
        return None
    return {"file": deep.dl_module.name, "sha256": user_networks.digest(deep.dl_module)}


def _record(
    order: Order, deep: DeepLearning, pair: Pair, sets: Sets, fitted: Fit
) -> dict[str, Any]:
    return {
        "region": order.region,
        "fold": order.fold,
        "seed": order.seed,
        "hyp": order.hyp,
        **pair.as_dict(),
        "hyperparameters": pair.as_dict(),
        "samples": {"training": len(sets.training), "validation": len(sets.validation)},
        "threads": deep.torch_threads,
        "criterion": fitted.criterion,
        "epoch": fitted.chosen.epoch,
        "value": fitted.chosen.value,
        "notes": notes_of(fitted, deep.epochs, len(sets.codes)),
    }


def _measured(network: Iota2NeuralNetwork, validation: Source) -> dict[str, Any]:
    """Measure on the validation set what a use of the model will ask for.

    Returns
    -------
    dict
        calibration and precision, as in the card; None for both without validation samples.
    """
    if not len(validation):
        return {"calibration": None, "precision": None}
    labels = validation.labels
    logits = inference.logits(network, validation)
    rounded = inference.logits(network, validation, precision="bfloat16")
    changed = float((logits.argmax(axis=1) != rounded.argmax(axis=1)).mean())
    temperature = calibration.fit_temperature(logits, labels)
    before, after = (
        calibration.expected_calibration_error(calibration.softmax(logits, t), labels)
        for t in (1.0, temperature)
    )
    log.info(
        "calibration: temperature %.3f, ECE %.4f before, %.4f after; bfloat16 changes %.2f %% of "
        "the validation labels",
        *(temperature, before, after, 100 * changed),
    )
    return {
        "calibration": {
            "temperature": temperature,
            "ece_before": before,
            "ece_after": after,
            "samples": len(labels),
        },
        "precision": {"bfloat16": changed},
    }


def notes_of(fitted: Fit, epochs: int, classes: int) -> list[str]:
    """Say what makes the result doubtful, and which keys to turn."""
    notes = [fitted.note] if fitted.note else []
    if fitted.chosen.epoch == epochs:
        notes.append(
            f"the best epoch is the last one ({epochs}): the network was still learning; "
            "more epochs or a higher learning_rate may give a better map"
        )
    chance = 1 / classes
    oa = fitted.history[fitted.chosen.epoch - 1].oa
    if oa < min(2 * chance, (1 + chance) / 2):
        notes.append(
            f"the overall accuracy on the validation set is {oa:.2f}, hardly better than chance "
            f"with {classes} classes: look at learning_rate, epochs and batch_size"
        )
    return notes


def _log_epoch(epoch: Epoch, progress: Progress) -> None:
    log.info(
        "epoch %d: train loss %.4f, validation loss %.4f, OA %.3f, kappa %.3f, F %.3f; "
        "%.0f samples a second, %s left at most",
        *(epoch.number, epoch.train_loss, epoch.validation_loss, epoch.oa, epoch.kappa),
        *(epoch.fscore, progress.samples_per_second, _clock(progress.seconds_left)),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _plain(epoch: Epoch) -> dict[str, float | None]:
    """Give an epoch as JSON can hold it: null where a score is undefined."""
    return {k: v if math.isfinite(v) else None for k, v in asdict(epoch).items()}


def main() -> int:
    """Train as the order on standard input says."""
    return apart.serve(lambda order: train(Order(**order)))


if __name__ == "__main__":
    sys.exit(main())
