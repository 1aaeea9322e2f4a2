"""The functions of `external_features` by name: the user's, and those that come with i2lc."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import ConfigError
from ...nn_bank import user_code
from . import ready
from .record import SHIPPED

KEY = "external_features.module"
"""First words of what is wrong with a file."""
NEAR, LIKE = 3, 0.75
"""Near names that are told, and how near they are, of 1."""
GIVABLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def function_of(name: str, files: Sequence[Path]) -> tuple[Callable, str]:
    """Find a function.

    Parameters
    ----------
    name : str
    files : sequence of Path
        The user's Python files; they come before the functions that come with i2lc.

    Returns
    -------
    function : callable
    file : str
        Name of its file, SHIPPED for one of ours.

    Raises
    ------
    ConfigError
        No function of that name (near names are told), two files that define it, or a file that
        does not run.
    """
    places = {path: vars(user_code.load(path, KEY)) for path in files}
    found = {path: content[name] for path, content in places.items() if name in content}
    if len({id(value) for value in found.values()}) > 1:
        told = " and ".join(map(str, found))
        raise ConfigError(f"function {name} is defined in {told}: rename it in one of them")
    for path, value in found.items():
        return _function(value, name, path), path.name
    if (ours := shipped().get(name)) is not None:
        return ours, SHIPPED
    raise ConfigError(_missing(name, files))


def shipped() -> dict[str, Callable]:
    """Give the functions that come with i2lc, by name."""
    return dict(_defined(ready))


def digest(path: Path) -> str:
    """Give the SHA-256 of a file of the user's, in hex; ConfigError where it cannot be read."""
    return user_code.digest(path, KEY)


def check_parameters(function: Callable, name: str, parameters: Mapping[str, Any]) -> None:
    """See whether a function takes the parameters that it is to get.

    Parameters
    ----------
    function : callable
        ``def f(self, **parameters)``.
    name : str
        Its name in messages.
    parameters : mapping
        Name -> value, as the configuration gives them.

    Raises
    ------
    ConfigError
        A parameter that it does not have (near names are told), one that it needs and does not
        get, or no argument for `self`.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function of a C library tells none
        return
    own, *others = signature.parameters.values() or (None,)
    if own is None or own.kind is inspect.Parameter.KEYWORD_ONLY:
        raise ConfigError(f"function {name}{signature} takes no argument: write def {name}(self)")
    _check_names(name, signature, [one.name for one in others if one.kind in GIVABLE], parameters)
    needed = [
        one.name
        for one in others
        if one.default is inspect.Parameter.empty
        and one.kind in (*GIVABLE, inspect.Parameter.POSITIONAL_ONLY)
        and one.name not in parameters
    ]
    if needed:
        raise ConfigError(
            f"function {name}{signature} needs {', '.join(needed)}: give functions : "
            f'[["{name}", {{"{needed[0]}" : ...}}]]'
        )


def _check_names(
    name: str, signature: inspect.Signature, known: Sequence[str], parameters: Mapping[str, Any]
) -> None:
    kinds = {one.kind for one in signature.parameters.values()}
    unknown = [one for one in parameters if one not in known]
    first = next(iter(signature.parameters.values())).name
    if not unknown or (inspect.Parameter.VAR_KEYWORD in kinds and first not in unknown):
        return
    near = get_close_matches(unknown[0], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"function {name} has no parameter {', '.join(map(repr, unknown))}; "
        f"known: {', '.join(known) or 'none'}{hint}"
    )


def _function(value: Any, name: str, path: Path) -> Callable:
    if callable(value) and not inspect.isclass(value):
        return value
    kind = "a class" if inspect.isclass(value) else f"a value of type {type(value).__name__}"
    raise ConfigError(f"{KEY} {path}: {name} is {kind}, not a function def {name}(self)")


def _defined(module: ModuleType) -> Iterator[tuple[str, Callable]]:
    """Yield the functions that a module defines for others, by name."""
    for name, value in vars(module).items():
        mine = inspect.isfunction(value) and value.__module__ == module.__name__
        if mine and not name.startswith("_"):
            yield name, value


def _missing(name: str, files: Sequence[Path]) -> str:
    """Say what there is in place of a function that is not there."""
    by_place = {str(path): [n for n, _ in _defined(user_code.load(path, KEY))] for path in files}
    by_place["i2lc"] = list(shipped())
    near = get_close_matches(
        name, [n for names in by_place.values() for n in names], n=NEAR, cutoff=LIKE
    )
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    told = "; ".join(
        f"functions of {place}: {', '.join(sorted(names)) or 'none'}"
        for place, names in by_place.items()
    )
    return f"no function {name!r}{hint} ({told})"
