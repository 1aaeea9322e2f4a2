"""Text of a configuration file to plain data, with the place of every key.

Two syntaxes, one result: iota2's, read by the PyPI package `config`, and YAML
(`.yaml`, `.yml`). Only plain values pass: whatever would be evaluated, looked
up or included is refused with its line.

The package's own parser is lenient where a mistake would go unseen (it stops in
silence at a stray brace, joins strings that stand side by side, lets a quote run
over lines, reads 010 as 8), so its tokens are checked before it sees them.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from config import parser as grammar
from config import tokens as lex

from ..errors import ConfigError

KeyPath = tuple[str, ...]
Place = tuple[int, int]

YAML_SUFFIXES = (".yaml", ".yml")

REFUSED = "got {}, which i2lc refuses, expected a plain value"


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


class _Fault(Exception):  # noqa: N818 - never leaves this module
    """A mistake at a place of a text whose file name is not known here."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(place, text)
        self.place = place
        self.text = text


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
    parse = _parse_yaml if path.suffix.lower() in YAML_SUFFIXES else _parse_cfg
    positions: dict[KeyPath, Place] = {}
    try:
        data = parse(text, positions)
    except _Fault as fault:
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


# What both syntaxes share: a tree of nodes becomes plain data.

_Convert = Callable[[Any, KeyPath, dict[KeyPath, Place]], Any]


def _mapping(
    entries: Iterable[tuple[str, Place, Any]],
    here: KeyPath,
    positions: dict[KeyPath, Place],
    convert: _Convert,
) -> dict[str, Any]:
    """Make a dict of (key, place, node) entries; a key set twice is a fault."""
    result: dict[str, Any] = {}
    for key, place, node in entries:
        path = (*here, _plain(key, place))
        if key in result:
            first = positions[path][0]
            raise _Fault(place, f"got the key {key!r} again, expected it once: line {first} has it")
        positions[path] = place
        result[key] = convert(node, path, positions)
    return result


def _items(
    entries: Iterable[tuple[Place, Any]],
    here: KeyPath,
    positions: dict[KeyPath, Place],
    convert: _Convert,
) -> list[Any]:
    """Make a list of (place, node) entries."""
    result = []
    for index, (place, node) in enumerate(entries):
        path = (*here, str(index))
        positions[path] = place
        result.append(convert(node, path, positions))
    return result


def _plain(value: Any, place: Place) -> Any:
    """Pass on a text with nothing to be filled in, a number that is finite."""
    if isinstance(value, str) and "${" in value:
        raise _Fault(place, REFUSED.format("'${' (string interpolation)"))
    if isinstance(value, float) and math.isinf(value):
        raise _Fault(place, "got a number too large to be held, expected a smaller one")
    return value


def _short(text: str) -> str:
    """Cut a text to what a message of one line can hold."""
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:36]} ..."


# iota2's syntax.

OPENERS = {lex.LCURLY: lex.RCURLY, lex.LBRACK: lex.RBRACK}
SETTERS = {lex.COLON, lex.ASSIGN}
NUMBERS = {lex.INTEGER, lex.FLOAT}
SCALARS = NUMBERS | {lex.WORD, lex.STRING, lex.TRUE, lex.FALSE, lex.NONE}
PLAIN = SCALARS | SETTERS | set(OPENERS) | set(OPENERS.values())
PLAIN |= {lex.COMMA, lex.NEWLINE, lex.EOF}

EVALUATED = {
    lex.BACKTICK: "a backtick expression",
    lex.AT: "'@' (an include)",
    lex.DOLLAR: "'$' (a reference)",
    lex.COMPLEX: "a complex number",
}

LEADING_ZERO = re.compile(r"-?0[0-9_]")

# What the package's tokenizer says, and what it means for the user.
LEXICAL = (
    (r".*`-string", REFUSED.format(EVALUATED[lex.BACKTICK])),
    (r"Unterminated quoted string", "got a string without an end, expected its closing quote"),
    (r"Invalid escape sequence", "got an unknown escape in a string, expected '\\\\' or '/'"),
    (r"Badly-formed number: (.*)", "got the number {}, expected one such as 10, 0.5, 1e5 or 1e-5"),
    (r"Invalid '_'", "got '_' in a wrong place of a number, expected a digit"),
    (
        r"Invalid character in number: (.)",
        "got '{}' in a number, expected digits (text stands in quotes)",
    ),
    (r"Unexpected character: (.*)", "got {}, expected a key or a value (text stands in quotes)"),
)


def _parse_cfg(text: str, positions: dict[KeyPath, Place]) -> dict[str, Any]:
    """Parse a text in iota2's syntax; fill `positions`."""
    tokens = _tokens(text)
    _check_layout(tokens)
    root = _tree(tokens)
    if not isinstance(root, grammar.MappingBody):
        raise _Fault((1, 1), "got a list, expected sections such as chain")
    data: dict[str, Any] = _cfg_value(root, (), positions)
    return data


def _cfg_value(node: Any, here: KeyPath, positions: dict[KeyPath, Place]) -> Any:
    """Give the plain value of a node of the package's tree."""
    if isinstance(node, grammar.MappingBody):
        entries = ((key.value, key.start, value) for key, value in node)
        return _mapping(entries, here, positions, _cfg_value)
    if isinstance(node, grammar.ListBody):
        return _items(((item.start, item) for item in node), here, positions, _cfg_value)
    return _plain(node.value, node.start)


def _tokens(text: str) -> list[lex.Token]:
    """Cut a text into tokens, none of them to be evaluated."""
    tokenizer = lex.Tokenizer(io.StringIO(text))
    result: list[lex.Token] = []
    while not result or result[-1].kind != lex.EOF:
        try:
            token = tokenizer.get_token()
        except lex.TokenizerError as error:
            raise _lexical_fault(error) from None
        if token.kind in EVALUATED:
            raise _Fault(token.start, REFUSED.format(EVALUATED[token.kind]))
        if token.kind == lex.STRING and _runs_over_lines(token.text):
            raise _Fault(token.start, "got a string open at the end of its line, expected a quote")
        result.append(token)
    return result


def _runs_over_lines(text: str) -> bool:
    return "\n" in text and not text.startswith(('"""', "'''"))


def _lexical_fault(error: lex.TokenizerError) -> _Fault:
    """Say in our words what the package's tokenizer refuses."""
    message = str(error)
    for pattern, text in LEXICAL:
        if found := re.match(pattern, message, re.DOTALL):
            return _Fault(error.location, text.format(*map(_short, found.groups())))
    return _Fault(error.location, f"got {_short(message)}, expected a key, a value or a bracket")


def _check_layout(tokens: Sequence[lex.Token]) -> None:
    """Check that brackets pair, values stand apart, and nothing is to be evaluated."""
    opened: list[lex.Token] = []
    for index, token in enumerate(tokens):
        if token.kind in OPENERS or token.kind in OPENERS.values() or token.kind == lex.EOF:
            _check_bracket(token, opened)
        _check_neighbours(tokens, index, opened)
        if token.kind in NUMBERS and LEADING_ZERO.match(token.text):
            raise _Fault(token.start, f"got {_told(token)}, expected a number without leading zero")


def _check_bracket(token: lex.Token, opened: list[lex.Token]) -> None:
    """Follow one bracket, or the end of the text; `opened` holds those still open."""
    if token.kind in OPENERS:
        opened.append(token)
    elif opened and OPENERS[opened[-1].kind] == token.kind:
        opened.pop()
    elif opened:
        opener = opened[-1]
        wanted = f"'{OPENERS[opener.kind]}' for the '{opener.kind}' of line {opener.start[0]}"
        raise _Fault(token.start, f"got {_told(token)}, expected {wanted}")
    elif token.kind != lex.EOF:
        raise _Fault(token.start, f"got {_told(token)}, expected no bracket here: none is open")


def _check_neighbours(tokens: Sequence[lex.Token], index: int, opened: Sequence[lex.Token]) -> None:
    """Check that the token at `index` may follow those before it."""
    token, last = tokens[index], tokens[index - 1] if index else None
    got = f"got {_told(token)}, expected "
    if token.kind not in PLAIN:
        hint = " (expressions are refused; text, and a key with other signs, stands in quotes)"
        raise _Fault(token.start, got + _expected(tokens, index) + hint)
    ends = SCALARS | set(OPENERS.values())
    if last and last.kind in ends and token.kind in SCALARS | set(OPENERS):
        raise _Fault(token.start, got + _expected(tokens, index))
    if token.kind == lex.WORD and _stands_for_value(tokens, index, opened):
        hint = "'{' or a value" if tokens[index + 1].kind in SETTERS else "a value"
        raise _Fault(token.start, f"{got}{hint} (text stands in quotes; True, False, None do not)")


def _stands_for_value(tokens: Sequence[lex.Token], index: int, opened: Sequence[lex.Token]) -> bool:
    """Tell whether a value is due at `index`: after a colon, or in a list."""
    before = index - 1
    while before > 0 and tokens[before].kind == lex.NEWLINE:
        before -= 1
    after_setter = before >= 0 and tokens[before].kind in SETTERS
    return after_setter or bool(opened and opened[-1].kind == lex.LBRACK)


def _innermost(kinds: Iterable[str]) -> str:
    """Give the bracket that is open after these tokens, empty at the top."""
    opened = [""]
    for kind in kinds:
        if kind in OPENERS:
            opened.append(kind)
        elif kind in OPENERS.values():
            opened.pop()
    return opened[-1]


def _expected(tokens: Sequence[lex.Token], index: int) -> str:
    """Name what may stand at `index`, for a message."""
    before = [token.kind for token in tokens[:index] if token.kind != lex.NEWLINE]
    last = before[-1] if before else ""
    if last in SETTERS:
        return "a value"
    inside = _innermost(before)
    fresh = last in ("", lex.COMMA, *OPENERS) or tokens[index - 1].kind == lex.NEWLINE
    if inside == lex.LBRACK:
        return "a value or ']'" if fresh else "',', a new line or ']'"
    if fresh:
        return "a key or '}'" if inside else "a key"
    is_key = last in (lex.WORD, lex.STRING) and (len(before) < 2 or before[-2] not in SETTERS)
    return "':' after the key" if is_key else "',' or a new line"


def _told(token: lex.Token) -> str:
    """Name a token for a message."""
    if token.kind in (lex.EOF, lex.NEWLINE):
        return "the end of the file" if token.kind == lex.EOF else "the end of the line"
    text = _short(token.text)
    return text if token.kind == lex.STRING else f"'{text}'"


class _Replay:
    """Checked tokens in the place of the package's tokenizer."""

    def __init__(self, tokens: Sequence[lex.Token]) -> None:
        self.tokens = tokens
        self.index = -1

    def get_token(self) -> lex.Token:
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return self.tokens[self.index]


def _tree(tokens: Sequence[lex.Token]) -> Any:
    """Make the package's tree of nodes from all tokens."""
    parser = grammar.Parser()
    replay = parser.tokenizer = _Replay(tokens)
    try:
        root = parser.container()
        done = parser.at_end
    except grammar.ParserError:
        done = False
    if not done:
        got, expected = _told(tokens[replay.index]), _expected(tokens, replay.index)
        raise _Fault(tokens[replay.index].start, f"got {got}, expected {expected}")
    return root


# YAML.


class _YamlLoader(yaml.SafeLoader):
    """YAML with the scalars of version 1.2 and without tags and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _Fault(_place(event.start_mark), REFUSED.format("an alias '*'"))
        if event.tag is not None:
            raise _Fault(_place(event.start_mark), REFUSED.format("a tag '!'"))
        return super().compose_node(parent, index)


def _yaml_int(text: str) -> int:
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


# The core schema of YAML 1.2: PyYAML's own resolvers, of version 1.1, read 1e-5 as text,
# yes and off as booleans, 12:30 as 750 and 2018-01-01 as a date. Infinity and nan are left out.
_TAG = "tag:yaml.org,2002:"
YAML_SCALARS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", lambda _: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _yaml_int),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
}
_YamlLoader.yaml_implicit_resolvers = {}
for _name, (_pattern, _) in YAML_SCALARS.items():
    _YamlLoader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), None)


def _parse_yaml(text: str, positions: dict[KeyPath, Place]) -> dict[str, Any]:
    """Parse a YAML text; fill `positions`."""
    node = _yaml_tree(text)
    if node is None:
        return {}
    data = _yaml_value(node, (), positions)
    if data is not None and not isinstance(data, dict):
        raise _Fault(_place(node.start_mark), "got no mapping, expected sections such as chain")
    return data or {}


def _yaml_tree(text: str) -> yaml.Node | None:
    """Make PyYAML's tree of nodes, None of a text without any."""
    try:
        loader = _YamlLoader(text)
        return loader.get_single_node()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        told = f"got the character U+{ord(text[error.position]):04X}, expected printable text"
        raise _Fault(place, told) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise _Fault(_place(mark), f"not YAML: {' '.join(told.split())}") from None


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1


def _yaml_value(node: yaml.Node, here: KeyPath, positions: dict[KeyPath, Place]) -> Any:
    """Give the plain value of a node of PyYAML's tree."""
    if isinstance(node, yaml.MappingNode):
        entries = ((_yaml_key(key), _place(key.start_mark), value) for key, value in node.value)
        return _mapping(entries, here, positions, _yaml_value)
    if isinstance(node, yaml.SequenceNode):
        items = ((_place(item.start_mark), item) for item in node.value)
        return _items(items, here, positions, _yaml_value)
    return _yaml_scalar(node)


def _yaml_scalar(node: yaml.Node) -> Any:
    place = _place(node.start_mark)
    kind = node.tag.removeprefix(_TAG)
    if kind not in YAML_SCALARS:
        return _plain(node.value, place)
    try:
        return _plain(YAML_SCALARS[kind][1](node.value), place)
    except ValueError:
        raise _Fault(place, f"got a number of {len(node.value)} digits, expected fewer") from None


def _yaml_key(node: yaml.Node) -> str:
    if node.tag != f"{_TAG}str":
        told = f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
        raise _Fault(_place(node.start_mark), f"got {told} as a key, expected text (in quotes)")
    return str(node.value)
