"""A trained network on disk: one safetensors file; loading it runs no code.

All that is needed to use it again is one metadata key, ``i2lc``: sorted JSON with the
network, its parameters, labels, dates, bands and their scale, and the user's functions that
some of the bands come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes

from ...errors import InputError
from ...nn_bank.base import Iota2NeuralNetwork
from ...nn_bank.choice import Best
from ...nn_bank.registry import build
from ...nn_bank.user_networks import digest
from ..external.record import Record

KEY = "i2lc"
KEY_BEST = "i2lc-best"
"""Key of the card in a file with the weights of several epochs."""
FORMAT = 3


@dataclass(frozen=True)
class Card:
    """What a model file says of its network."""

    network: str
    """Name in the bank."""
    parameters: dict[str, Any]
    """Constructor arguments beyond the shape (dl_parameters)."""
    labels: tuple[int, ...]
    """Class code of each output."""
    dates: tuple[date, ...]
    bands: tuple[str, ...]
    scales: tuple[float, ...]
    """Stored value of one unit, along band."""
    sensor: str
    statistics: dict[str, list[float | None]]
    """min, max, mean, var of the training set, flat, date-major, in physical units."""
    training: dict[str, Any]
    """Seed, pair, options, chosen epoch, scores and notes of the training."""
    raw: bool = False
    """The dates are those of the acquisitions, not interpolated (features_from_raw_dates)."""
    module: dict[str, str] | None = None
    """Of a user's network: name of its file and its sha256 (dl_module)."""
    calibration: dict[str, Any] | None = None
    """temperature, ece_before, ece_after, samples: fitted on the validation polygons."""
    precision: dict[str, Any] | None = None
    """Type of number -> share of the validation samples whose class it changes, against float32."""
    external: dict[str, Any] | None = None
    """The user's functions that give features, as `external_of` states them; None without."""
    statics: tuple[str, ...] = ()
    """Features without a date, behind the series; of models of scikit-learn alone."""
    static_scales: tuple[float, ...] = ()
    """Stored value of one unit of each of them."""

    @property
    def gaps(self) -> bool:
        """Single values may be missing (`nn_bank.stored`)."""
        return self.external is not None

    @property
    def record(self) -> Record | None:
        """The user's functions that give features."""
        return None if self.external is None else Record.from_dict(self.external)

    @property
    def features(self) -> int:
        """Features of a pixel: all dates of all bands, and those without a date."""
        return len(self.dates) * len(self.bands) + len(self.statics)

    def as_json(self) -> str:
        """Give the card as sorted JSON."""
        return json.dumps(
            {
                "format": FORMAT,
                "network": self.network,
                "parameters": self.parameters,
                "labels": list(self.labels),
                "dates": [day.isoformat() for day in self.dates],
                "bands": list(self.bands),
                "scale": list(self.scales),
                "sensor": self.sensor,
                "statistics": self.statistics,
                "training": self.training,
                "raw": self.raw,
                "module": self.module,
                "calibration": self.calibration,
                "precision": self.precision,
                "external": self.external,
                "statics": list(self.statics),
                "static_scale": list(self.static_scales),
            },
            sort_keys=True,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read the card."""
        data = json.loads(text)
        return cls(
            network=data["network"],
            parameters=data["parameters"],
            labels=tuple(data["labels"]),
            dates=tuple(date.fromisoformat(day) for day in data["dates"]),
            bands=tuple(data["bands"]),
            scales=tuple(data["scale"]),
            sensor=data["sensor"],
            statistics=data["statistics"],
            training=data["training"],
            raw=data["raw"],
            module=data["module"],
            calibration=data["calibration"],
            precision=data["precision"],
            external=data["external"],
            statics=tuple(data["statics"]),
            static_scales=tuple(data["static_scale"]),
        )


def external_of(path: str | None) -> dict[str, Any] | None:
    """Read what a card says of the user's functions, from their record.

    What was measured of them is left out: it differs from run to run, and decides nothing.
    """
    if path is None:
        return None
    record = replace(Record.load(Path(path)), pixel_bytes=0)
    found: dict[str, Any] = json.loads(json.dumps(record.as_dict()))
    return found


def save(path: Path, state: dict[str, torch.Tensor], card: Card) -> None:
    """Write weights and card to `path`."""
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    path.write_bytes(as_bytes(tensors, metadata={KEY: card.as_json()}))


def save_best(path: Path, best: Mapping[str, Best], card: Card) -> None:
    """Write the weights of the best epoch of each criterion, as `epoch_<number>/<name>`.

    Parameters
    ----------
    path : Path
    best : mapping of criterion to Best
    card : Card
        Of the chosen epoch; the epochs and values of all criteria are added to its training.
    """
    tensors = {
        f"epoch_{one.epoch}/{name}": tensor.contiguous()
        for one in {one.epoch: one for one in best.values()}.values()
        for name, tensor in one.state.items()
    }
    told = {name: {"epoch": one.epoch, "value": one.value} for name, one in best.items()}
    every = replace(card, training={**card.training, "best": told})
    path.write_bytes(as_bytes(tensors, metadata={KEY_BEST: every.as_json()}))


def read_card(path: Path) -> Card:
    """Read the card alone."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} does not open as a model: {error}") from error
    if KEY_BEST in metadata:
        raise InputError(
            f"{path} holds the best epochs of all criteria, not one model: name the file without "
            "_best"
        )
    if KEY not in metadata:
        raise InputError(f"{path} is no model of i2lc: its metadata have no key '{KEY}'")
    return card_of(path, metadata[KEY])


def card_of(path: Path, text: str) -> Card:
    """Read the card of a file from its JSON; InputError for one of another format."""
    found = json.loads(text).get("format")
    if found != FORMAT:
        raise InputError(
            f"{path} has format {found} of model files, this version reads {FORMAT}: train it again"
        )
    return Card.from_json(text)


@dataclass(frozen=True)
class Model:
    """A network ready to predict."""

    card: Card
    network: Iota2NeuralNetwork

    @property
    def scale(self) -> np.ndarray:
        """Stored value of one unit, float32 (band,)."""
        return np.array(self.card.scales, np.float32)


def load(path: Path, module: Path | None = None) -> Model:
    """Load a model for inference.

    Parameters
    ----------
    path : Path
    module : Path, optional
        The user's networks (dl_module): code runs only when the configuration names it, and only
        the very file that the model was trained with.

    Raises
    ------
    InputError
        No model, or `module` is missing or another file than in training.
    """
    card = read_card(path)
    _check_module(path, card, module)
    shape = (len(card.dates), len(card.bands), len(card.labels))
    network = build(card.network, *shape, card.parameters, module=module if card.module else None)
    with safe_open(path, framework="pt") as file:
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    network.eval()
    return Model(card, network)


def _check_module(path: Path, card: Card, module: Path | None) -> None:
    """Refuse another code for a user's network than that of its training."""
    if card.module is None:
        return
    name, wanted = card.module["file"], card.module["sha256"]
    if module is None:
        raise InputError(
            f"{path} holds {card.network} of a file {name}: name that file as dl_module in the "
            "configuration"
        )
    if (got := digest(module)) != wanted:
        raise InputError(
            f"{path} was trained with {name} of sha256 {wanted[:12]}..., but {module} has "
            f"{got[:12]}...: give the file of the training (a copy lies beside the model)"
        )
