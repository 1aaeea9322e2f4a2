"""`FitOptions`: the settings of a training, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import ConfigError
from .choice import CRITERIA
from .early_stop import EarlyStop

OPTIMIZERS = ("Adam", "AdamW", "SGD")
LOSSES = ("cross_entropy", "focal")
DEVICES = ("cpu", "cuda")
FORCED = ("mode", "optimizer")
"""Parameters of ReduceLROnPlateau that are nobody's to set."""


@dataclass(frozen=True)
class FitOptions:
    """Settings of a training; a value that cannot be is a ConfigError that names its key."""

    epochs: int = 100
    """Passes over the training set."""
    batch_size: int = 1000
    """Samples a step."""
    learning_rate: float = 1e-5
    """Of the optimizer; with `one_cycle` the highest."""
    weight_decay: float = 0.0
    """Of the optimizer: for Adam and SGD a penalty of the gradient, for AdamW decoupled."""
    optimizer: str = "Adam"
    """Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) or SGD of momentum 0.9."""
    one_cycle: bool = False
    """The rate rises and falls once over all steps (Smith and Topin, 2019)."""
    label_smoothing: float = 0.0
    """Share of the target that goes to all classes alike, 0 to below 1 (Szegedy et al., 2016)."""
    loss: str = "cross_entropy"
    """cross_entropy or focal (Lin et al., 2017)."""
    focal_gamma: float = 2.0
    """Exponent of the focal loss; 0 makes it the cross-entropy."""
    criterion: str = "loss"
    """What the best epoch is chosen by, on the validation set: loss, fscore, oa or kappa."""
    weighted_labels: bool = False
    """Weigh each sample by the inverse of its class's share, see `class_weights`."""
    num_workers: int = 0
    """Processes that fetch batches; 0 fetches in this one."""
    seed: int = 0
    """Of the order of samples, and of what a network draws while training."""
    threads: int = 1
    """Of torch; another number gives other last bits."""
    device: str = "cpu"
    """Where the network is trained: cpu or cuda, see `devices.choose`."""
    mixed_precision: bool = False
    """Train in bfloat16 where torch holds that to be safe; validation stays in float32."""
    early_stop: EarlyStop | None = None
    """When to end before the last epoch; None: never."""
    adaptive_lr: Mapping[str, Any] | None = None
    """Parameters of torch's ReduceLROnPlateau, and `verbose`; None or empty: the rate stays."""

    def __post_init__(self) -> None:
        least = (
            ("epochs", 1),
            ("batch_size", 1),
            ("num_workers", 0),
            ("threads", 1),
            ("weight_decay", 0),
            ("focal_gamma", 0),
            ("seed", 0),
        )
        for name, bound in least:
            self._at_least(name, bound)
        self._check_rate()
        self._check_names()
        self._check_loss()
        check_adaptive(self.adaptive_lr or {})

    def _at_least(self, name: str, bound: float) -> None:
        value = getattr(self, name)
        if not (value >= bound and math.isfinite(value)):
            raise ConfigError(f"{name} is {value}: at least {bound} is needed")

    def _check_rate(self) -> None:
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ConfigError(f"learning_rate is {self.learning_rate}: it must be above 0")
        if self.one_cycle and self.adaptive_lr:
            raise ConfigError(
                "one_cycle and adaptive_lr both set the learning rate: remove one of them"
            )

    def _check_names(self) -> None:
        _one_of("model_selection_criterion", self.criterion, CRITERIA)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("loss", self.loss, LOSSES)
        _one_of("device", self.device, DEVICES)

    def _check_loss(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"label_smoothing is {self.label_smoothing}: it must be from 0 to below 1"
            )
        if self.label_smoothing and self.loss == "focal":
            raise ConfigError(
                "label_smoothing belongs to the loss cross_entropy: remove it, or loss 'focal'"
            )


def _one_of(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"unknown {key} {value!r}; known: {', '.join(known)}")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _from_zero(value: Any) -> bool:
    return _number(value) and value >= 0


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


ADAPTIVE: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "patience": (_count, "an integer of at least 0"),
        "factor": (lambda value: _number(value) and 0 < value < 1, "a number above 0 and below 1"),
        "threshold": (_from_zero, "a number of at least 0"),
        "threshold_mode": (lambda value: value in ("rel", "abs"), "rel or abs"),
        "cooldown": (_count, "an integer of at least 0"),
        "min_lr": (_from_zero, "a number of at least 0"),
        "eps": (_from_zero, "a number of at least 0"),
        "verbose": (lambda value: type(value) is bool, "True or False"),
    }
)
"""Keys of `adaptive_lr`: what each may be, in code and in words."""


def check_adaptive(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that ReduceLROnPlateau does not have or cannot use.

    Raises
    ------
    ConfigError
        Names the key and, for an unknown one, lists the known.
    """
    for name, value in parameters.items():
        if name in FORCED:
            raise ConfigError(
                f"adaptive_lr cannot set {name}: the mode is min, the optimizer the training's"
            )
        if name not in ADAPTIVE:
            raise ConfigError(f"adaptive_lr has no key {name!r}; known: {', '.join(ADAPTIVE)}")
        accepts, words = ADAPTIVE[name]
        if not accepts(value):
            raise ConfigError(f"adaptive_lr: {name} is {value!r}: {words} is needed")
