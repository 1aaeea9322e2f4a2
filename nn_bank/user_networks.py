"""Networks of a user's Python file (`dl_module`)."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

from ..errors import ConfigError
from .base import Iota2NeuralNetwork

GIVEN = ("nb_dates", "nb_components", "nb_class")
"""Constructor arguments that follow from the data and are nobody's to set."""


def load(path: Path) -> dict[str, type[Iota2NeuralNetwork]]:
    """Give the networks that a Python file defines.

    The file runs once in a process, under a name of its own, so that files of the same
    name do not meet; after a change of its text it runs anew. Nothing is written beside
    it, and it cannot import its neighbours unless they are on Python's path.

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
    module = _module(path)
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
        other = getattr(_module(path), name, None)
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
    return hashlib.sha256(_read(path)).hexdigest()


def _is_network(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Iota2NeuralNetwork)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"dl_module {path} cannot be read: {error.strerror}") from error


def _module(path: Path) -> ModuleType:
    """Give the file as a module; in sys.modules, where `inspect` and pickle look for it."""
    source = _read(path)
    identity = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()
    name = f"_i2lc_user_network_{identity[:32]}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module
        try:
            _run(source, module, path)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _run(source: bytes, module: ModuleType, path: Path) -> None:
    # Compiled here and not by importlib, which would write __pycache__ beside the file.
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ConfigError(
            f"dl_module {path} is not Python: line {error.lineno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"dl_module {path} is not Python: {error}") from error
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise ConfigError(
            f"dl_module {path} fails when imported: {type(error).__name__}: {error}"
        ) from error
