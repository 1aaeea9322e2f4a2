"""What changed since a record was written, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ledger import MISSING, Fingerprint, look


@dataclass(frozen=True)
class Problem:
    """Why a product of an earlier run cannot be built on."""

    text: str
    """A sentence."""
    inherited: bool = False
    """The product is whole, but what it was made from changed."""


def problem_of(product: Path, made: Fingerprint) -> Problem | None:
    """Say why a product of an earlier run cannot be built on, or None when it can.

    Parameters
    ----------
    product : Path
    made : Fingerprint
        What the task that writes the product depends on today.
    """
    seen = look(str(product.parent), product.name)
    if seen.defect or seen.record is None:
        return Problem(f"{product}: {seen.defect}")
    if seen.record["fingerprint"] == made.digest:
        return None
    task = f"{made.step}/{made.unit}"
    if own := changes(seen.record, made):
        return Problem(f"{task}: {told(own)}")
    return Problem(f"{task}: what it was made from changed", inherited=True)


def told(facts: list[str]) -> str:
    """Name the first of several facts and say how many more there are."""
    more = f" (and {len(facts) - 1} more)" if len(facts) > 1 else ""
    return facts[0] + more


def changes(before: Mapping[str, Any], today: Fingerprint) -> list[str]:
    """Tell what changed since a record was written, but for what other tasks made.

    Parameters
    ----------
    before : mapping
        A record.
    today : Fingerprint

    Returns
    -------
    list of str
        A clause for each fact; another version of i2lc stands for all.
    """
    if before["version"] != today.version:
        return [f"made by i2lc {before['version']}, this is {today.version}"]
    settings = _differing(dict(_flat(before["settings"])), dict(_flat(today.settings)))
    files = _differing(before["sources"], today.sources)
    code = _differing(before["code"], today.code)
    return [
        *(f"{key} changed {shown(old)} -> {shown(new)}" for key, old, new in settings),
        *(f"{_event(old, new)}: {key}" for key, old, new in files),
        *(f"code of {name} changed" for name in _modules(key for key, _, _ in code)),
    ]


def _modules(names: Iterable[str]) -> list[str]:
    """Give the short names of modules."""
    return list(dict.fromkeys(name.rpartition(".")[2] for name in names))


def changed_inputs(before: Mapping[str, Any], today: Fingerprint) -> list[tuple[str, str]]:
    """Give the artifacts that are not those of a record, each with what happened to it."""
    found = _differing(before["inputs"], today.inputs)
    return [(path, f"{_event(old, new)}: {path}") for path, old, new in found]


def _event(old: object, new: object) -> str:
    if new in {None, MISSING}:
        return "no longer made from"
    return "new input" if old in {None, MISSING} else "input changed"


def _differing(
    before: Mapping[str, Any], today: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield key, old and new value where two mappings differ; None where a key is missing."""
    for key in sorted({*before, *today}):
        old, new = before.get(key), today.get(key)
        if old != new:
            yield key, old, new


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings, each under its own key."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value)
        else:
            yield key, value


def shown(value: object) -> str:
    """Write a value as a configuration file would."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {shown(one)}' for key, one in value.items())}}}"
    if isinstance(value, float):
        return _number(value)
    return str(value)


def _number(value: float) -> str:
    """Write a number: 1e-3 where that is shorter than 0.001."""
    digits, _, power = f"{value:e}".partition("e")
    scientific = f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    plain = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return scientific if int(power) < -2 and float(scientific) == value else plain
