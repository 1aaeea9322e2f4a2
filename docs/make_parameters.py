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

from i2lc.chain import config, kinds

PAGE = Path(__file__).with_name("parameters.md")
HEAD = """\
# Parameters

Made by `docs/make_parameters.py` from the models of the code; do not edit by hand.

A configuration file has the sections below, in iota2's syntax or as YAML. Relative paths start
in the folder of the file. A key that stands in two sections (`ratio`, `split_ground_truth`,
`folds`) may be given in either, or in both with the same value. Whatever is not listed here is
an error.
"""


def page() -> str:
    """Give the text of the page."""
    models = config.fields()
    parts = [HEAD]
    for section, keys in config.SECTIONS.items():
        parts.append(_table(section, {key: models[key] for key in keys}))
        for key in keys:
            parts += _nested(f"{section}.{key}", models[key])
    return "\n".join(parts)


def _nested(name: str, info: FieldInfo) -> Iterator[str]:
    """Yield the table of a key whose value is a section of its own, and those inside it."""
    model = kinds.nested(info) or kinds.item(info)
    if model is None:
        return
    yield _table(name, {inner.alias or key: inner for key, inner in model.model_fields.items()})
    for key, inner in model.model_fields.items():
        yield from _nested(f"{name}.{key}", inner)


def _table(name: str, keys: dict[str, FieldInfo]) -> str:
    lines = [f"## {name}", "", "| key | default | expects | meaning |", "|---|---|---|---|"]
    for key, info in keys.items():
        cells = (f"`{key}`", _default(info), kinds.wanted(info), info.description or "")
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
