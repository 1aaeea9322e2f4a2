"""A trained network on disk: one safetensors file; loading it runs no code.

All that is needed to use it again is one metadata key, ``i2lc``: sorted JSON with the
network, its parameters, labels, dates, bands and their scale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import InputError
from ..nn_bank.base import Iota2NeuralNetwork
from ..nn_bank.registry import build

KEY = "i2lc"
FORMAT = 1


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
    statistics: dict[str, list[float]]
    """min, max, mean, var of the training set, flat, date-major, in physical units."""
    training: dict[str, Any]
    """Seed, pair, options, chosen epoch, scores and notes of the training."""

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
        )


def save(path: Path, state: dict[str, torch.Tensor], card: Card) -> None:
    """Write weights and card to `path`."""
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(tensors, path, metadata={KEY: card.as_json()})


def read_card(path: Path) -> Card:
    """Read the card alone."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} does not open as a model: {error}") from error
    if KEY not in metadata:
        raise InputError(f"{path} is no model of i2lc: its metadata have no key '{KEY}'")
    return Card.from_json(metadata[KEY])


@dataclass(frozen=True)
class Model:
    """A network ready to predict."""

    card: Card
    network: Iota2NeuralNetwork

    @property
    def scale(self) -> np.ndarray:
        """Stored value of one unit, float32 (band,)."""
        return np.array(self.card.scales, np.float32)


def load(path: Path) -> Model:
    """Load a model for inference."""
    card = read_card(path)
    network = build(
        card.network, len(card.dates), len(card.bands), len(card.labels), card.parameters
    )
    with safe_open(path, framework="pt") as file:
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    network.eval()
    return Model(card, network)
