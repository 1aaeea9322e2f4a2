"""The packages that i2lc needs, as it was installed."""

from __future__ import annotations

import re
from importlib import metadata

NAME = "i2lc"


def required() -> tuple[str, ...]:
    """Name the distributions that i2lc needs, without its extras; none if not installed."""
    try:
        needs = metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(re.split(r"[^\w.-]", need)[0] for need in needs if "extra ==" not in need)


def version(name: str) -> str:
    """Give the version of a distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
