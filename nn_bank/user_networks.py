"""Networks of a user's Python file (`dl_module`)."""

from __future__ import annotations

import inspect
from pathlib import Path

from ..errors import ConfigError
from . import user_code
from .base import Iota2NeuralNetwork

GIVEN = ("nb_dates", "nb_components", "nb_class")
"""Constructor arguments that follow from the data and are nobody's to set."""
KEY = "dl_module"


def load(path: Path) -> dict[str, type[Iota2NeuralNetwork]]:
    """Give the networks that a Python file defines; it runs as `user_code.load` says.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to class
        The classes derived from `Iota2NeuralNetwork` that are defined there, by name.

    Raises
    ------
    ConfigError
        When the file is missing, is no Python, or fails when it runs.
    """
    module = user_code.load(path, KEY)
    return {
        name: value
        for name, value in vars(module).items()
        if _is_network(value) and value.__module__ == module.__name__
    }


def find(path: Path, name: str) -> type[Iota2NeuralNetwork]:
    """Give the network of that name.

    Raises
    ------
    ConfigError
        As `load`; and when the file defines no such network (those there are listed), or
        its constructor lacks one of nb_dates, nb_components, nb_class.
    """
    found = load(path)
    if name not in found:
        other = getattr(user_code.load(path, KEY), name, None)
        reason = f"dl_module {path} defines no network {name!r}"
        if inspect.isclass(other) and not _is_network(other):
            reason = f"class {name} of dl_module {path} does not derive from Iota2NeuralNetwork"
        raise ConfigError(f"{reason}; networks there: {', '.join(sorted(found)) or 'none'}")
    network = found[name]
    missing = [one for one in GIVEN if one not in inspect.signature(network).parameters]
    if missing and not takes_any(network):
        raise ConfigError(
            f"{name}.__init__ of dl_module {path} has no argument {', '.join(missing)}; "
            f"it must take {', '.join(GIVEN)}"
        )
    return network


def takes_any(network: type[Iota2NeuralNetwork]) -> bool:
    """Tell whether the constructor takes keywords of any name (**kwargs)."""
    named = inspect.signature(network).parameters.values()
    return any(one.kind is inspect.Parameter.VAR_KEYWORD for one in named)


def digest(path: Path) -> str:
    """Give the SHA-256 of the file, in hex."""
    return user_code.digest(path, KEY)


def _is_network(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Iota2NeuralNetwork)
