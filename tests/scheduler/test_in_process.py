"""Tasks in this process, one after another."""

from __future__ import annotations

import os

import pytest

from i2lc.scheduler.drive import Ended
from i2lc.scheduler.in_process import InProcess
from i2lc.scheduler.needs import GIB, Need

NEED = Need(1, GIB)


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"{number} is wrong")


def test_a_task_runs_when_it_is_waited_for() -> None:
    executor = InProcess()
    seen: list[str] = []
    assert executor.room(NEED)
    executor.submit("a", NEED, seen.append, "a")
    assert seen == []
    assert not executor.room(NEED)
    assert executor.next_done(0) == Ended("a")
    assert seen == ["a"]
    executor.submit("b", NEED, double, 21)
    assert executor.next_done(0) == Ended("b", 42)
    assert executor.next_done(0) is None
    assert executor.dashboard == ""
    executor.expect(NEED, 0)
    executor.close()


def test_it_gives_the_exception_that_ended_a_task() -> None:
    executor = InProcess()
    executor.submit("a", NEED, fail, 3)
    ended = executor.next_done(0)
    executor.close()
    assert ended is not None
    assert (ended.key, ended.result) == ("a", None)
    assert isinstance(ended.error, ValueError)
    assert str(ended.error) == "3 is wrong"


def test_a_task_that_did_not_run_is_withdrawn() -> None:
    executor = InProcess()
    executor.submit("a", NEED, double, 1)
    assert executor.withdraw() == ["a"]
    assert executor.withdraw() == []
    assert executor.next_done(0) is None
    executor.close()


def test_close_forgets_what_did_not_run() -> None:
    executor = InProcess()
    executor.submit("a", NEED, double, 1)
    executor.close()
    assert executor.next_done(0) is None


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2LC_OLD", "before")
    monkeypatch.delenv("I2LC_NEW", raising=False)
    executor = InProcess({"I2LC_OLD": "now", "I2LC_NEW": "now"})
    assert (os.environ["I2LC_OLD"], os.environ["I2LC_NEW"]) == ("now", "now")
    executor.close()
    assert os.environ["I2LC_OLD"] == "before"
    assert "I2LC_NEW" not in os.environ
