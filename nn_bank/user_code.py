"""A Python file of the user's, run as a module of its own."""

from __future__ import annotations

import hashlib
import itertools
import sys
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType

from ..errors import ConfigError

_LOADING = RLock()
"""No thread sees a module that another one is still running."""
_NUMBERS = itertools.count(1)
"""One for each file that is run anew."""


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
        When the file is missing, is no Python in UTF-8, or fails when it runs.
    """
    source = _read(path, what)
    name = _name(source, path)
    with _LOADING:
        if name not in sys.modules:
            _run(source, name, path, what)
        return sys.modules[name]


def fresh(path: Path, what: str) -> ModuleType:
    """Run a Python file anew, whether or not it has run, and give that module.

    It is as another process would have it: what the module of `load` keeps since it was run
    is not in it, nor is what this one keeps in that one.

    Parameters
    ----------
    path : Path
    what : str
        Key that names the file, the first word of an error.

    Raises
    ------
    ConfigError
        As `load`.
    """
    source = _read(path, what)
    with _LOADING:
        name = f"{_name(source, path)}_{next(_NUMBERS)}"
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


def _name(source: bytes, path: Path) -> str:
    """Give the name of a module, one for each place and text."""
    identity = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()
    return f"_i2lc_user_code_{identity[:32]}"


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
    _check_encoding(source, path, what)
    # Compiled here and not by importlib, which would write __pycache__ beside the file.
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ConfigError(
            f"{what} {path} is not Python: line {error.lineno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{what} {path} is not Python: {error}") from error


def _check_encoding(source: bytes, path: Path, what: str) -> None:
    """See that a file is UTF-8, as all text is read, whatever its first lines declare."""
    try:
        source.decode()
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{what} {path} is not in UTF-8: line {line} has the byte 0x{source[error.start]:02x}; "
            "save it in UTF-8, which needs no coding line"
        ) from error
