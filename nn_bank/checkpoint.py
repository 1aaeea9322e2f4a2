"""What continues a training after an epoch, as plain tensors and plain data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from . import devices
from .base import Iota2NeuralNetwork
from .choice import Best, Choice, copied
from .early_stop import EarlyStop, stop_reason
from .history import Epoch
from .options import FitOptions
from .schedules import Schedule

log = logging.getLogger(__name__)

NETWORK, OPTIMIZER, RANDOM, BEST = "network", "optimizer", "random", "best"
"""First parts of the tensors' names."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a training needs to go on after an epoch.

    The order of samples is not in it: it follows from seed and epoch.
    """

    tensors: Mapping[str, Tensor]
    """`network/<name>`, `optimizer/<parameter>/<name>`, `random/<device>` and
    `best/<epoch>/<name>`; contiguous, on the CPU, each in memory of its own."""
    meta: Mapping[str, Any]
    """What JSON can hold: history, groups of the optimizer, schedule, best epochs."""

    @property
    def epoch(self) -> int:
        """Number of the last epoch that was trained."""
        return len(self.meta["history"])


@dataclass(frozen=True, eq=False)
class State:
    """The moving parts of a training."""

    network: Iota2NeuralNetwork
    optimizer: Optimizer
    schedule: Schedule
    device: str


def capture(state: State, choice: Choice, history: tuple[Epoch, ...]) -> Checkpoint:
    """Take a checkpoint; nothing in it changes when the training goes on."""
    kept = state.optimizer.state_dict()
    tensors = _under(NETWORK, copied(state.network))
    tensors |= _under(RANDOM, devices.random_states(state.device))
    plain: dict[str, dict[str, Any]] = {}
    for index, values in kept["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                own = value.detach().to("cpu", copy=True).contiguous()
                tensors[f"{OPTIMIZER}/{index}/{name}"] = own
            else:
                plain.setdefault(str(index), {})[name] = value
    for best in choice.best.values():
        tensors |= _under(f"{BEST}/{best.epoch}", best.state)
    meta = {
        "history": [asdict(epoch) for epoch in history],
        "groups": kept["param_groups"],
        "plain": plain,
        "schedule": state.schedule.state(),
        "best": {name: {"epoch": b.epoch, "value": b.value} for name, b in choice.best.items()},
    }
    return Checkpoint(tensors, meta)


def restore(checkpoint: Checkpoint, state: State) -> tuple[Choice, tuple[Epoch, ...]]:
    """Bring the parts of a training to where a checkpoint was taken; give choice and history."""
    tensors, meta = checkpoint.tensors, checkpoint.meta
    state.network.load_state_dict(_below(NETWORK, tensors))
    state.optimizer.load_state_dict(
        {"state": _optimizer_state(checkpoint), "param_groups": _groups(meta["groups"])}
    )
    state.schedule.load(dict(meta["schedule"]))
    devices.set_random_states(_below(RANDOM, tensors))
    return Choice(_best(checkpoint)), _history(checkpoint)


def misfit(checkpoint: Checkpoint, state: State, options: FitOptions) -> str:
    """Say why a checkpoint cannot continue a training; empty when it can."""
    if checkpoint.epoch > options.epochs:
        return f"it holds {checkpoint.epoch} epochs, {options.epochs} are asked for"
    if past := _past_the_stop(_history(checkpoint), options.early_stop):
        return f"it holds {checkpoint.epoch} epochs, the early stop ends after epoch {past}"
    shapes = {name: tensor.shape for name, tensor in state.network.state_dict().items()}
    if {n: t.shape for n, t in _below(NETWORK, checkpoint.tensors).items()} != shapes:
        return "its weights are those of another network"
    if checkpoint.meta["schedule"].keys() != state.schedule.state().keys():
        return "its learning rate follows another schedule"
    steps = "total_steps"
    if checkpoint.meta["schedule"].get(steps) != state.schedule.state().get(steps):
        return "its one_cycle has another number of steps"
    if set(_below(RANDOM, checkpoint.tensors)) != set(devices.random_states(state.device)):
        return "it was taken on another device"
    return ""


def _under(first: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{first}/{name}": tensor for name, tensor in tensors.items()}


def _below(first: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{first}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def _history(checkpoint: Checkpoint) -> tuple[Epoch, ...]:
    return tuple(Epoch(**epoch) for epoch in checkpoint.meta["history"])


def _past_the_stop(history: tuple[Epoch, ...], rule: EarlyStop | None) -> int:
    """Give the epoch before the last one at which a rule would have stopped; 0: none."""
    return next((n for n in range(1, len(history)) if stop_reason(history[:n], rule)), 0)


def _best(checkpoint: Checkpoint) -> dict[str, Best]:
    kept = checkpoint.meta["best"]
    epochs = {best["epoch"] for best in kept.values()}
    states = {epoch: _below(f"{BEST}/{epoch}", checkpoint.tensors) for epoch in epochs}
    return {n: Best(b["epoch"], b["value"], states[b["epoch"]]) for n, b in kept.items()}


def _optimizer_state(checkpoint: Checkpoint) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for name, tensor in _below(OPTIMIZER, checkpoint.tensors).items():
        index, _, key = name.partition("/")
        # a copy: the optimizer works in place, the checkpoint may be used again
        found.setdefault(int(index), {})[key] = tensor.clone()
    for index, values in checkpoint.meta["plain"].items():
        found.setdefault(int(index), {}).update(values)
    return found


def _groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the optimizer's groups as torch writes them; JSON has no tuples."""
    return [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in groups]
