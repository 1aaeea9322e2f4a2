"""YAML as the syntax of a configuration file: version 1.2, plain values only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from .plain_data import REFUSED, Fault, KeyPath, Place, make_dict, make_list, plain


class _Loader(yaml.SafeLoader):
    """YAML with the scalars of version 1.2 and without tags and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise Fault(_place(event.start_mark), REFUSED.format("an alias '*'"))
        if event.tag is not None:
            raise Fault(_place(event.start_mark), REFUSED.format("a tag '!'"))
        return super().compose_node(parent, index)


def _int(text: str) -> int:
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


# The core schema of YAML 1.2: PyYAML's own resolvers, of version 1.1, read 1e-5 as text,
# yes and off as booleans, 12:30 as 750 and 2018-01-01 as a date. Infinity and nan are left out.
_TAG = "tag:yaml.org,2002:"
SCALARS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", lambda _: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _int),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _) in SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), None)


def parse(text: str, positions: dict[KeyPath, Place]) -> dict[str, Any]:
    """Parse a YAML text; fill `positions`."""
    node = _tree(text)
    if node is None:
        return {}
    data = _value(node, (), positions)
    if data is not None and not isinstance(data, dict):
        raise Fault(_place(node.start_mark), "got no mapping, expected sections such as chain")
    return data or {}


def _tree(text: str) -> yaml.Node | None:
    """Make PyYAML's tree of nodes, None of a text without any."""
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        told = f"got the character U+{ord(text[error.position]):04X}, expected printable text"
        raise Fault(place, told) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise Fault(_place(mark), f"not YAML: {' '.join(told.split())}") from None


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1


def _value(node: yaml.Node, here: KeyPath, positions: dict[KeyPath, Place]) -> Any:
    """Give the plain value of a node of PyYAML's tree."""
    if isinstance(node, yaml.MappingNode):
        entries = ((_key(key), _place(key.start_mark), value) for key, value in node.value)
        return make_dict(entries, here, positions, _value)
    if isinstance(node, yaml.SequenceNode):
        items = ((_place(item.start_mark), item) for item in node.value)
        return make_list(items, here, positions, _value)
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    place = _place(node.start_mark)
    kind = node.tag.removeprefix(_TAG)
    if kind not in SCALARS:
        return plain(node.value, place)
    try:
        return plain(SCALARS[kind][1](node.value), place)
    except ValueError:
        raise Fault(place, f"got a number of {len(node.value)} digits, expected fewer") from None


def _key(node: yaml.Node) -> str:
    if node.tag != f"{_TAG}str":
        told = f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
        raise Fault(_place(node.start_mark), f"got {told} as a key, expected text (in quotes)")
    return str(node.value)
