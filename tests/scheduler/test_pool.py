"""The law of how many tasks a worker is handed, without any worker."""

from __future__ import annotations

import pytest

from i2lc.scheduler.needs import GIB, Need
from i2lc.scheduler.pool import DEEPEST, FEWEST, Member, Pool, Try


def pool(*seconds: float) -> Pool:
    made = Pool(Need(1, GIB), "pool0")
    for each in seconds:
        made.note(each)
    return made


def item(key: str = "a", alone: bool = False) -> Try:
    return Try(key, str, 1, alone=alone)


@pytest.mark.parametrize(
    ("seconds", "depth"),
    [
        ([], 1),
        ([0.001] * (FEWEST - 1), 1),
        ([0.001] * FEWEST, DEEPEST),
        ([0.03] * FEWEST, 6),
        ([0.048] * FEWEST, 4),
        ([0.051] * FEWEST, 1),
        ([3600.0] * FEWEST, 1),
        ([0.001] * 100 + [0.3], 6),  # a pause of the machine
        ([0.001] * 100 + [1.0], 1),  # a long task
        ([0.001] * 100 + [1.0] + [0.001] * 50, DEEPEST),  # is forgotten
        ([0.1] + [0.001] * 3, 7),  # the first pays for imports
        ([0.01, 0.2] * 5, 1),
    ],
)
def test_only_short_tasks_share_a_worker(seconds: list[float], depth: int) -> None:
    assert pool(*seconds).depth == depth


def test_a_worker_that_runs_nothing_takes_any_task() -> None:
    assert Member("w").takes(item(), 1)
    assert Member("w").takes(item(alone=True), 32)


def test_a_worker_takes_as_many_as_the_depth_says() -> None:
    member = Member("w")
    member.take("a-1", item("a"))
    assert not member.takes(item("b"), 1)
    assert member.takes(item("b"), 2)
    member.take("b-1", item("b"))
    assert not member.takes(item("c"), 2)
    assert [each.shared for each in member.tries.values()] == [True, True]


def test_a_task_alone_shares_with_none() -> None:
    member = Member("w")
    member.take("a-1", item("a", alone=True))
    assert not member.takes(item("b"), 32)
    assert not member.tries["a-1"].shared
    other = Member("v")
    other.take("b-1", item("b"))
    assert not other.takes(item("a", alone=True), 32)


def test_the_worker_with_the_least_to_do_is_chosen() -> None:
    made = pool(*[0.001] * FEWEST)
    for name, count in (("u", 3), ("v", 1), ("w", 0), ("x", 0)):
        made.members[name] = Member(name, address="" if name == "x" else f"tls://{name}")
        for number in range(count):
            made.members[name].take(str(number), item())
    names = {most: made.choose(made.ready(), item(), most) for most in (2, 3)}
    assert {most: each.name for most, each in names.items() if each} == {2: "v", 3: "w"}


@pytest.mark.parametrize(
    ("age", "longest", "outlasts"),
    [
        (360, 3500, True),  # has just come
        (361, 3500, False),
        (1000, 1299, True),
        (1000, 1300, False),
        (3000, 60, True),
    ],
)
def test_a_worker_outlasts_a_task_that_was_left(age: float, longest: float, outlasts: bool) -> None:
    left = Try("a", str, 1, longest=longest)
    assert Member("w", joined=5.0).outlasts(left, 3600, 5.0 + age) is outlasts
    assert Member("w", joined=5.0).outlasts(left, None, 5.0 + age)
    assert Member("w").outlasts(left, 3600, 5.0 + age)  # is to come


def test_the_youngest_of_equals_is_chosen() -> None:
    made = pool()
    for name, joined in (("u", 2.0), ("v", 9.0), ("w", 3.0)):
        made.members[name] = Member(name, address=f"tls://{name}", joined=joined)
    chosen = made.choose(made.ready(), item(), 3)
    assert chosen is made.members["v"]


def test_a_worker_is_handed_more_when_half_is_done() -> None:
    made = pool(*[0.001] * FEWEST)
    made.members["w"] = Member("w", address="tls://w")
    for number in range(DEEPEST // 2 + 1):
        made.members["w"].take(str(number), item())
    assert made.ready() == []
    del made.members["w"].tries["0"]
    assert made.ready() == [made.members["w"]]


def test_workers_in_excess_of_the_tasks_go_those_that_did_not_come_first() -> None:
    made = pool()
    for name, address in (("u", "tls://u"), ("v", ""), ("w", "tls://w"), ("x", "tls://x")):
        made.members[name] = Member(name, address=address)
    made.members["u"].take("a-1", item())
    made.total = 1
    assert made.surplus() == []  # nobody said how many are to come
    for expected, names in ((4, ""), (3, "v"), (2, "vw"), (1, "vwx"), (0, "vwx")):
        made.expected = expected
        assert "".join(member.name for member in made.surplus()) == names
