"""Which of our modules decide the result of a step: those that it imports, and so on."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PLUMBING = {"contract", "artifacts", "store", "errors", "_version"}
"""Modules that carry data about and decide no value of it."""

SHORT = 16
"""Digits of the hash of a module that are kept: records and messages hold one for each."""


def code_of(module: str) -> dict[str, str]:
    """Give the hash of the source of a module and of all of our modules it leads to.

    Parameters
    ----------
    module : str
        Full name of the module.

    Returns
    -------
    dict of module name to hash
        Sorted by name; modules of ``PLUMBING`` are left out.
    """
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name.rpartition(".")[2] in PLUMBING:
            continue
        path = _path(name)
        found[name] = _hash(path)
        waiting += _imported(name, path)
    return dict(sorted(found.items()))


@cache
def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:SHORT]


def _path(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


@cache
def _imported(name: str, path: Path) -> tuple[str, ...]:
    """Give our modules that a module imports by relative imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return tuple(_targets(ast.parse(path.read_bytes()), package))


def _targets(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        modules = [f"{base}.{alias.name}" for alias in node.names]
        inner = [module for module in modules if _is_module(module)]
        yield from inner
        if len(inner) < len(modules):
            yield base


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent is a module, not a package
        return False
