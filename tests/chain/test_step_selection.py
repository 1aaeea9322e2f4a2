"""Which steps run: groups by the configuration, numbers or names by the command line."""

from __future__ import annotations

import re

import pytest
import toy

from i2lc.chain import recipe, selection
from i2lc.errors import ConfigError


def names(
    first: str = "init", last: str = "validation", start: str = "0", end: str = "0"
) -> list[str]:
    return [step.name for step in selection.chosen(toy.STEPS, first, last, start, end)]


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        ("0", "0", "look cut train choose paint tell"),
        ("0", "-1", "look cut train choose paint tell"),
        ("1", "6", "look cut train choose paint tell"),
        ("2", "3", "cut train"),
        ("cut", "train", "cut train"),
        ("3", "choose", "train choose"),
        ("paint", "0", "paint tell"),
        ("6", "-1", "tell"),
        ("0", "1", "look"),
    ],
)
def test_numbers_and_names(start: str, end: str, wanted: str) -> None:
    assert names(start=start, end=end) == wanted.split()


@pytest.mark.parametrize(
    ("first", "last", "start", "end", "wanted"),
    [
        ("sampling", "learning", "0", "0", "cut train choose"),
        ("sampling", "learning", "3", "0", "train choose"),
        ("learning", "validation", "1", "paint", "train choose paint"),
        ("init", "init", "0", "-1", "look"),
        ("mosaic", "validation", "0", "0", "tell"),
    ],
)
def test_groups_and_numbers_both_count(
    first: str, last: str, start: str, end: str, wanted: str
) -> None:
    assert names(first, last, start, end) == wanted.split()


@pytest.mark.parametrize(
    ("first", "last", "start", "end", "told"),
    [
        ("init", "init", "2", "0", "steps 2 to 6 by the command line, groups init to init"),
        ("mosaic", "mosaic", "0", "0", "steps 1 to 6 by the command line, groups mosaic to mosaic"),
        ("init", "validation", "4", "2", "steps 4 to 2 by the command line, groups init to valid"),
    ],
)
def test_nothing_left_is_an_error(first: str, last: str, start: str, end: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"^no step is left to run: {told}"):
        names(first, last, start, end)


@pytest.mark.parametrize("option", ["-starting_step", "-ending_step"])
@pytest.mark.parametrize("text", ["7", "Look", "", "2.0", "-2", "²"])
def test_an_unknown_step_is_an_error(option: str, text: str) -> None:
    told = f"{option} {text}: want a number from 1 to 6 or one of look, cut, train, choose, paint"
    with pytest.raises(ConfigError, match=f"^{re.escape(told)}, tell$"):
        names(**{"start" if option == "-starting_step" else "end": text})


def test_the_start_is_not_counted_from_the_end() -> None:
    with pytest.raises(ConfigError, match="-starting_step -1: want a number"):
        names(start="-1")


def test_the_summary_marks_what_runs() -> None:
    text = selection.summary(toy.STEPS, toy.STEPS[1:3])
    assert text.splitlines() == [
        "Group init:",
        "  [ ] Step  1: look              title of look",
        "Group sampling:",
        "  [x] Step  2: cut               title of cut",
        "Group learning:",
        "  [x] Step  3: train             title of train",
        "  [ ] Step  4: choose            title of choose",
        "Group classification:",
        "  [ ] Step  5: paint             title of paint",
        "Group mosaic:",
        "Group validation:",
        "  [ ] Step  6: tell              title of tell",
    ]


def test_the_summary_of_the_chain_numbers_every_step_once() -> None:
    text = selection.summary(recipe.STEPS, recipe.STEPS)
    numbers = [int(n) for n in re.findall(r"\[x\] Step +(\d+): ", text)]
    assert numbers == list(range(1, len(recipe.STEPS) + 1))
    assert all(len(line) <= 100 for line in text.splitlines())
