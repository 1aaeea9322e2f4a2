"""From the name of a network and its parameters to the network."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from ..errors import ConfigError
from . import user_networks
from .ann import ANN
from .base import Iota2NeuralNetwork
from .ltae import LTAEClassifier
from .mlp import MLPClassifier
from .self_attention import SimpleSelfAttentionClassifier
from .tempcnn import TempCNNClassifier
from .user_networks import GIVEN

NETWORKS: Mapping[str, type[Iota2NeuralNetwork]] = MappingProxyType(
    {
        network.__name__: network
        for network in (
            ANN,
            LTAEClassifier,
            MLPClassifier,
            SimpleSelfAttentionClassifier,
            TempCNNClassifier,
        )
    }
)
"""The networks of the package, by class name."""


def network_class(name: str, module: Path | None = None) -> type[Iota2NeuralNetwork]:
    """Give the class of a network.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`, or with `module` a class of that file.
    module : Path, optional
        The user's Python file.

    Raises
    ------
    ConfigError
        When there is no such network; the known ones are listed.
    """
    if module is not None:
        return user_networks.find(module, name)
    if name not in NETWORKS:
        raise ConfigError(f"unknown network {name!r}; known: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


def parameters_of(network: type[Iota2NeuralNetwork]) -> list[str]:
    """Give the constructor arguments that a user may set, in the constructor's order."""
    named = inspect.signature(network).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [one.name for one in named if one.kind in kinds and one.name not in GIVEN]


def build(
    name: str,
    nb_dates: int,
    nb_components: int,
    nb_class: int,
    parameters: Mapping[str, Any],
    *,
    seed: int = 0,
    module: Path | None = None,
) -> Iota2NeuralNetwork:
    """Build a network with its initial weights.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`, or with `module` a class of that file.
    nb_dates, nb_components, nb_class : int
        Shape of a sample and number of classes.
    parameters : mapping
        Further constructor arguments (`dl_parameters`).
    seed : int
        Of the initial weights: same seed, same weights. torch's own random state
        stays as it was.
    module : Path, optional
        The user's Python file (`dl_module`).

    Raises
    ------
    ConfigError
        For an unknown name or parameter (the known ones are listed), or a value that
        the network refuses.
    """
    network = network_class(name, module)
    _check_parameters(network, parameters)
    sizes = dict(zip(GIVEN, (nb_dates, nb_components, nb_class), strict=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = _constructed(network, sizes, parameters)
    if "nb_class" not in vars(built):
        raise ConfigError(
            f"{name}.__init__ must call super().__init__(nb_dates, nb_components, nb_class)"
        )
    return built


def _constructed(
    network: type[Iota2NeuralNetwork], sizes: Mapping[str, int], parameters: Mapping[str, Any]
) -> Iota2NeuralNetwork:
    try:
        return network(**sizes, **parameters)
    except ConfigError:
        raise
    except Exception as error:  # a user's constructor may raise anything
        raise ConfigError(
            f"{network.__name__} cannot be built with dl_parameters {dict(parameters)} for "
            f"{', '.join(f'{key} {value}' for key, value in sizes.items())}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_parameters(network: type[Iota2NeuralNetwork], parameters: Mapping[str, Any]) -> None:
    known = parameters_of(network)
    unknown = sorted(set(parameters) - set(known))
    if user_networks.takes_any(network):
        unknown = sorted(set(parameters) & set(GIVEN))
    if unknown:
        raise ConfigError(
            f"{network.__name__} has no parameter {', '.join(map(repr, unknown))}; "
            f"known: {', '.join(known) or 'none'}"
        )
