"""A Python file of the user's, run as a module of its own."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType

from ..errors import ConfigError

_LOADING = RLock()
"""No thread sees a module that another one is still running."""


def load(path: Path, what: str) -> ModuleType:
    """Run a Python file and give its module.

    The file runs once in a process, under a name of its own, so that files of the same
    name do not meet; after a change of its text it runs anew. Nothing is written beside
    it, and it cannot import its neighbours unless they are on Python's path. It runs with
    the rights of the user.

    Parameters
    ----------
    path : Path
    what : str
        Key that names the file, the first word of an error.

    Returns
    -------
    ModuleType
        In `sys.modules`, where `inspect` and pickle look for it.

    Raises
    ------
    ConfigError
        When the file is missing, is no Python, or fails when it runs.
    """
    source = _read(path, what)
    identity = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()
    name = f"_i2lc_user_code_{identity[:32]}"
    with _LOADING:
        if name not in sys.modules:
            _run(source, name, path, what)
        return sys.modules[name]


def digest(path: Path, what: str = "file") -> str:
    """Give the SHA-256 of a file, in hex.

    Raises
    ------
    ConfigError
        When it cannot be read; `what` is the first word.
    """
    return hashlib.sha256(_read(path, what)).hexdigest()


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror}") from error


def _run(source: bytes, name: str, path: Path, what: str) -> None:
    """Add the module to `sys.modules`; a failure leaves nothing behind."""
    module = ModuleType(name)
    module.__file__ = str(path)
    code = _compiled(source, path, what)
    sys.modules[name] = module
    ran = False
    try:
        exec(code, vars(module))
        ran = True
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise ConfigError(
            f"{what} {path} fails when imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        if not ran:
            sys.modules.pop(name, None)


def _compiled(source: bytes, path: Path, what: str) -> CodeType:
    # Compiled here and not by importlib, which would write __pycache__ beside the file.
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ConfigError(
            f"{what} {path} is not Python: line {error.lineno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{what} {path} is not Python: {error}") from error
