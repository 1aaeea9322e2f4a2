"""Text of a configuration file to plain data, with the place of every key.

Two syntaxes, one result: iota2's (`iota2_syntax`) and, in `.yaml` and `.yml` files, YAML
(`yaml_syntax`). Only plain values pass: whatever would be evaluated, looked up or
included is refused with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from . import iota2_syntax, yaml_syntax
from .plain_data import Fault, KeyPath, Place

YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Document:
    """What a configuration file says, as plain data.

    Attributes
    ----------
    path : Path
        The file read, as it was given.
    data : dict
        Nested dict, list, str, int, float, bool and None.
    positions : mapping of key path to (line, column)
        Place of each key, both counted from 1; an item of a list has its index as
        text in its path, `("arg_train", "features", "0")`.
    """

    path: Path
    data: dict[str, Any]
    positions: Mapping[KeyPath, Place]

    def where(self, path: Iterable[str | int]) -> str:
        """Name the place of a key for a message.

        Parameters
        ----------
        path : iterable of str or int
            Key path, a pydantic `loc` for example; where it has no place of its
            own, the nearest key around it is named.

        Returns
        -------
        str
            `FILE, line L`, or `FILE` alone when no part of the path is in it.
        """
        here = tuple(str(part) for part in path)
        while here and here not in self.positions:
            here = here[:-1]
        return f"{self.path}, line {self.positions[here][0]}" if here else str(self.path)


def read(path: Path) -> Document:
    """Read a configuration file.

    Parameters
    ----------
    path : Path
        `.yaml` and `.yml` are read as YAML, all else in iota2's syntax.

    Returns
    -------
    Document
        Its plain data and the place of each key.

    Raises
    ------
    ConfigError
        No readable UTF-8 file, an empty one, a mistake of syntax, a key set twice,
        or anything that would have to be evaluated. The message is one line,
        `FILE, line L, column C: what was got, what is expected`.
    """
    text = _text(path)
    syntax = yaml_syntax if path.suffix.lower() in YAML_SUFFIXES else iota2_syntax
    positions: dict[KeyPath, Place] = {}
    try:
        data = syntax.parse(text, positions)
    except Fault as fault:
        line, column = fault.place
        raise ConfigError(f"{path}, line {line}, column {column}: {fault.text}") from None
    except RecursionError:
        raise ConfigError(f"{path}: got brackets nested too deeply to be read") from None
    if not data:
        raise ConfigError(f"{path}: got an empty file, expected sections such as chain")
    return Document(path, data, positions)


def _text(path: Path) -> str:
    """Read a file as text, its line ends made plain."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: got a folder, expected a configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise ConfigError(
            f"{path}, line {line}: got the byte 0x{byte:02x}, expected text in UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
