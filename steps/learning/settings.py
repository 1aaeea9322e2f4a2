"""The keys of `deep_learning_parameters`: the network, its training, and what is tried."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ...errors import ConfigError
from ...nn_bank import registry
from ...nn_bank.early_stop import EarlyStop
from ...nn_bank.options import FitOptions
from ..contract import Settings as BaseSettings
from ..contract import UserPath, placed_in_file
from ..reference import split
from ..tiles import layout

OPTIONS = ("batch_size", "learning_rate", "weight_decay")
"""Keys of `hyperparameters_solver` that are none of the network's own parameters."""


@dataclass(frozen=True)
class Pair:
    """One combination of hyperparameters: a network to train."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    parameters: Mapping[str, Any]
    """Constructor arguments of the network that are tried, by name."""

    def as_dict(self) -> dict[str, Any]:
        """Give all values by name."""
        return {**{name: getattr(self, name) for name in OPTIONS}, **self.parameters}


class Hyperparameters(BaseSettings):
    """The keys of `hyperparameters_solver`: the product of all lists is trained."""

    model_config = ConfigDict(extra="allow")

    batch_size: tuple[int, ...] = Field((1000,), min_length=1, description="Samples a step.")
    learning_rate: tuple[float, ...] = Field(
        (1e-5,), min_length=1, description="Rates of the optimizer; with one_cycle the highest."
    )
    weight_decay: tuple[float, ...] = Field(
        (0.0,), min_length=1, description="Weight decays of the optimizer."
    )

    @field_validator("batch_size", "learning_rate")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not (value > 0 and math.isfinite(value)) for value in values):
            raise ValueError("values are above 0")
        return values

    @field_validator("weight_decay")
    @classmethod
    def _not_negative(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not (value >= 0 and math.isfinite(value)) for value in values):
            raise ValueError("values are 0 or more")
        return values

    @model_validator(mode="after")
    def _lists(self) -> Hyperparameters:
        for name, values in self.tried.items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"hyperparameters_solver.{name}: a list of values is needed")
        return self

    @property
    def tried(self) -> dict[str, Any]:
        """Parameters of the network's constructor -> values to try."""
        return dict(self.model_extra or {})

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All combinations, in the order of their numbers; the last list varies fastest."""
        lists = [self.batch_size, self.learning_rate, self.weight_decay, *self.tried.values()]
        return tuple(
            Pair(size, rate, decay, dict(zip(self.tried, others, strict=True)))
            for size, rate, decay, *others in itertools.product(*lists)
        )


class DeepLearning(BaseSettings):
    """The keys of `deep_learning_parameters`."""

    dl_module: UserPath | None = Field(
        None, description="Python file with networks of your own, classes of Iota2NeuralNetwork."
    )
    dl_name: str = Field(
        "MLPClassifier",
        description="Network: MLPClassifier, ANN, LTAEClassifier, SimpleSelfAttentionClassifier, "
        "TempCNNClassifier, or a class of dl_module.",
    )
    dl_parameters: dict[str, Any] = Field(
        default_factory=dict, description="Constructor arguments of the network."
    )
    model_selection_criterion: Literal["loss", "fscore", "oa", "kappa"] = Field(
        "loss", description="What chooses the epoch and the pair, on the validation set."
    )
    epochs: int = Field(100, ge=1, description="Passes over the training set.")
    weighted_labels: bool = Field(
        False, description="Weigh samples by 1 / (share of their class in the samples)."
    )
    num_workers: int = Field(
        1, ge=0, description="Most processes that fetch batches; cut to the task's cpus."
    )
    hyperparameters_solver: Hyperparameters = Field(
        Hyperparameters(),
        description="Lists of batch_size, learning_rate, weight_decay and constructor arguments "
        "to try.",
    )
    restart_from_checkpoint: bool = Field(
        True, description="Go on from the last epoch of a training that was cut off."
    )
    dataloader_mode: Literal["stream", "full", "auto"] = Field(
        "stream",
        description="stream reads the samples in blocks; full holds all in memory; auto is full "
        "up to 2 GB of samples, else stream.",
    )
    enable_early_stop: bool = Field(False, description="Stop when nothing improves any more.")
    epoch_to_trigger: int = Field(
        5, ge=0, description="Epoch after which the early stop begins to look."
    )
    early_stop_patience: int = Field(
        10, ge=1, description="Epochs in a row without improvement after which it stops."
    )
    early_stop_tol: float = Field(
        0.01,
        ge=0,
        description="Least improvement from one epoch to the next; of a loss "
        "log10(previous / this).",
    )
    early_stop_metric: Literal["val_loss", "valid_loss", "train_loss", "fscore", "oa", "kappa"] = (
        Field("val_loss", description="What the early stop looks at.")
    )
    additional_statistics_percentage: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the training samples from which the quantiles 0.1, 0.5 and 0.95 are "
        "taken.",
    )
    adaptive_lr: dict[str, Any] = Field(
        default_factory=dict,
        description="Keys of torch's ReduceLROnPlateau on the validation loss; {} for none.",
    )
    optimizer: Literal["Adam", "AdamW", "SGD"] = Field("Adam", description="Optimizer.")
    one_cycle: bool = Field(
        False, description="Raise the rate to learning_rate and lower it again over all epochs."
    )
    loss: Literal["cross_entropy", "focal"] = Field(
        "cross_entropy", description="Loss that is minimised."
    )
    focal_gamma: float = Field(2.0, ge=0, description="Exponent of the focal loss.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each label spread over all classes."
    )
    mixed_precision: bool = Field(
        False, description="Train with bfloat16 where torch finds it safe."
    )
    torch_threads: int = Field(
        1, ge=1, description="Threads of torch in a training. Another number, other last bits."
    )

    @field_validator("dl_name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        if "dl_module" in info.data:
            with placed_in_file():
                registry.network_class(name, info.data["dl_module"])
        return name

    @field_validator("dl_parameters")
    @classmethod
    def _accepted(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "dl_name" in info.data and "dl_module" in info.data:
            with placed_in_file():
                registry.build(
                    info.data["dl_name"], 2, 2, 2, parameters, module=info.data["dl_module"]
                )
        return parameters

    @model_validator(mode="after")
    def _possible(self) -> DeepLearning:
        for pair in self.hyperparameters_solver.pairs:
            with placed_in_file():
                self.options(pair)
                parameters = self.parameters(pair)
                if pair.parameters:
                    registry.build(self.dl_name, 2, 2, 2, parameters, module=self.dl_module)
        return self

    def parameters(self, pair: Pair) -> dict[str, Any]:
        """Give the constructor arguments of the network of a pair.

        Raises
        ------
        ConfigError
            A parameter stands in both places.
        """
        if twice := sorted(set(self.dl_parameters) & set(pair.parameters)):
            raise ConfigError(
                f"{', '.join(twice)}: in dl_parameters and in hyperparameters_solver; keep one"
            )
        return {**self.dl_parameters, **pair.parameters}

    def options(
        self, pair: Pair, *, seed: int = 0, num_workers: int = 0, device: str = "cpu"
    ) -> FitOptions:
        """Give the options of the training of a pair."""
        early = EarlyStop(
            metric=self.early_stop_metric,
            trigger=self.epoch_to_trigger,
            patience=self.early_stop_patience,
            tol=self.early_stop_tol,
        )
        return FitOptions(
            epochs=self.epochs,
            batch_size=pair.batch_size,
            learning_rate=pair.learning_rate,
            weight_decay=pair.weight_decay,
            optimizer=self.optimizer,
            one_cycle=self.one_cycle,
            label_smoothing=self.label_smoothing,
            loss=self.loss,
            focal_gamma=self.focal_gamma,
            criterion=self.model_selection_criterion,
            weighted_labels=self.weighted_labels,
            num_workers=num_workers,
            seed=seed,
            threads=self.torch_threads,
            device=device,
            mixed_precision=self.mixed_precision,
            early_stop=early if self.enable_early_stop else None,
            adaptive_lr=self.adaptive_lr or None,
        )


class ModuleSettings(BaseSettings):
    """The key that names the network and the file of the user's networks."""

    deep_learning_parameters: DeepLearning = Field(
        DeepLearning(), description="The network and its training."
    )

    @property
    def module(self) -> Path | None:
        """File of the user's networks."""
        return self.deep_learning_parameters.dl_module


class TrainingSettings(split.SeedSettings, layout.RawSettings, ModuleSettings):
    """Keys that decide a training."""

    @model_validator(mode="after")
    def _reads_its_dates(self, info: ValidationInfo) -> TrainingSettings:
        if (info.context or {}).get("model_type") is not None:
            return self  # no network learns: its own settings tell what it cannot read
        deep = self.deep_learning_parameters
        with placed_in_file():
            network = registry.network_class(deep.dl_name, deep.dl_module)
        if self.features_from_raw_dates and not network.reads_raw_dates:
            known = [name for name, kind in registry.NETWORKS.items() if kind.reads_raw_dates]
            raise ValueError(
                f"features_from_raw_dates: {deep.dl_name} cannot read raw dates, of which some "
                f"are not valid; {', '.join(known)} can, and networks of dl_module whose _forward "
                "takes `validity`"
            )
        return self
