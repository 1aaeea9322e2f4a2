"""Writes docs/parameters.md from the models of the configuration: `python docs/make_parameters.py`.

A test compares the page with what this script gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from i2lc.chain.settings import kinds, sections

PAGE = Path(__file__).with_name("parameters.md")
HEAD = """\
# Parameters

Made by `docs/make_parameters.py` from the models of the code; do not edit by hand.

A configuration file has the sections below, in iota2's syntax or as YAML. Relative paths start
in the folder of the file. A key that stands in two sections (`ratio`, `split_ground_truth`,
`folds`) may be given in either, or in both with the same value. Whatever is not listed here is
an error.
"""
OTHERS = "any other key"
"""Stands for the keys that a section leaves to a library."""


def page() -> str:
    """Give the text of the page."""
    models, free = sections.fields(), sections.free()
    parts = [HEAD]
    for section, keys in sections.SECTIONS.items():
        if section in sections.WHOLE:
            parts += _nested(section, models[section])
            continue
        rows = {f"`{key}`": models[key] for key in keys}
        parts.append(_table(section, rows | ({OTHERS: free[section]} if section in free else {})))
        for key in keys:
            parts += _nested(f"{section}.{key}", models[key])
    return "\n".join(parts)


def _nested(name: str, info: FieldInfo) -> Iterator[str]:
    """Yield the table of a key whose value is a section of its own, and those inside it."""
    model = kinds.nested(info) or kinds.item(info)
    if model is None:
        return
    rows = {f"`{inner.alias or key}`": inner for key, inner in model.model_fields.items()}
    yield _table(name, rows)
    for key, inner in model.model_fields.items():
        yield from _nested(f"{name}.{key}", inner)


def _table(name: str, keys: dict[str, FieldInfo]) -> str:
    lines = [f"## {name}", "", "| key | default | expects | meaning |", "|---|---|---|---|"]
    for key, info in keys.items():
        others = key == OTHERS
        default, expects = ("", "") if others else (_default(info), kinds.wanted(info))
        cells = (key, default, expects, info.description or "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, BaseModel) or value == {}:
        return "see below" if value else "{ }"
    return f"`{written(value)}`"


def written(value: Any) -> str:
    """Give a value as it is written in a configuration file."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(written(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
