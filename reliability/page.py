"""Lays out what was tried and what came of it as docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .kills import ORPHAN_LIMIT, PLACES, Entry
from .runs import KINDS
from .story import Fault, Story

Told = tuple[Fault, Story, float]
"""A fault, what came of it, and the seconds it took."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table that reads well as plain text too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    ]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def kills_by_kind(entries: Sequence[Entry]) -> str:
    """Tell for each kind of kill how often it was tried and what came of it."""
    head = (
        "killed",
        "by",
        "times",
        "tasks kept",
        "ran again though done",
        "last process gone after",
        "products identical",
    )
    rows = []
    for kind in KINDS:
        for signal in sorted({entry.blow.signal for entry in entries}):
            mine = [e for e in entries if (e.blow.kind, e.blow.signal) == (kind, signal)]
            if mine:
                rows.append((kind, signal.name, *_facts(mine)))
    if entries:
        rows.append(("all", "", *_facts(entries)))
    return table(head, rows)


def _facts(entries: Sequence[Entry]) -> tuple[str, ...]:
    alike = sum(entry.identical is True for entry in entries)
    return (
        str(len(entries)),
        str(sum(entry.recorded for entry in entries)),
        str(sum(len(entry.again) for entry in entries)),
        f"{max(entry.orphans for entry in entries):.1f} s",
        f"{alike} of {len(entries)}",
    )


def kills_by_place(entries: Sequence[Entry]) -> str:
    """Tell how often each kind of kill hit each group of steps."""
    rows = []
    for place in PLACES:
        here = [entry for entry in entries if entry.place == place]
        counts = [sum(entry.blow.kind == kind for entry in here) for kind in KINDS]
        bad = sum(entry.failed for entry in here)
        rows.append((place, *map(str, counts), str(len(here)), str(bad)))
    return table(("group that ran", *KINDS, "all", "failed"), rows)


def failures(entries: Sequence[Entry]) -> str:
    """Tell of each kill that failed what was wrong; empty when none did."""
    lines = [
        f"- life {e.life}, {e.blow.kind} by {e.blow.signal.name} after {e.moment:.1f} s in "
        f"{', '.join(e.running) or e.place}: {_wrong(e)}"
        for e in entries
        if e.failed
    ]
    return "\n".join(["Kills that failed:", "", *lines, ""]) if lines else ""


def _wrong(entry: Entry) -> str:
    told = [f"ran again though done: {', '.join(entry.again)}"] if entry.again else []
    told += [entry.problem] if entry.problem else []
    if entry.orphans > ORPHAN_LIMIT:
        told.append(f"processes lived on for {entry.orphans:.0f} s")
    return cell("; ".join(told) or "the products of its life differ")


def faults(told: Sequence[Told]) -> str:
    """Tell for each fault what the user saw and whether all was as it should be."""
    head = ("what happened", "what i2lc said", "result", "seconds")
    rows = [
        (fault.name, cell(story.said), cell(verdict(story)), f"{seconds:.0f}")
        for fault, story, seconds in told
    ]
    return table(head, rows)


def verdict(story: Story) -> str:
    """Say in a few words how a fault went."""
    if story.skipped:
        return f"not tried: {story.skipped}"
    if story.problems:
        return f"**failed**: {'; '.join(map(story.shortened, story.problems))}"
    return "; ".join(["as it should", *story.notes])


def cell(text: str) -> str:
    """Give a text that does not break a table."""
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 400 else text[:397] + "..."
