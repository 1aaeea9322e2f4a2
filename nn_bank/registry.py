"""From the name of a network and its parameters to the network."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from ..errors import ConfigError
from .base import Iota2NeuralNetwork
from .mlp import MLPClassifier

NETWORKS: Mapping[str, type[Iota2NeuralNetwork]] = MappingProxyType(
    {network.__name__: network for network in (MLPClassifier,)}
)
"""The networks that `build` knows, by class name."""

GIVEN = ("nb_dates", "nb_components", "nb_class")
"""Constructor arguments that follow from the data and are nobody's to set."""


def build(
    name: str,
    nb_dates: int,
    nb_components: int,
    nb_class: int,
    parameters: Mapping[str, Any],
    *,
    seed: int = 0,
) -> Iota2NeuralNetwork:
    """Build a network with its initial weights.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.
    nb_dates, nb_components, nb_class : int
        Shape of a sample and number of classes.
    parameters : mapping
        Further constructor arguments (`dl_parameters`).
    seed : int
        Of the initial weights: same seed, same weights. torch's own random state
        stays as it was.

    Raises
    ------
    ConfigError
        For an unknown name or parameter (the known ones are listed), or a value that
        the network refuses.
    """
    if name not in NETWORKS:
        raise ConfigError(f"unknown network {name!r}; known: {', '.join(sorted(NETWORKS))}")
    network = NETWORKS[name]
    _check_parameters(network, parameters)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(nb_dates, nb_components, nb_class, **parameters)


def _check_parameters(network: type[Iota2NeuralNetwork], parameters: Mapping[str, Any]) -> None:
    known = [name for name in inspect.signature(network).parameters if name not in GIVEN]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ConfigError(
            f"{network.__name__} has no parameter {', '.join(map(repr, unknown))}; "
            f"known: {', '.join(known) or 'none'}"
        )
