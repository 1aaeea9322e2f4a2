"""Order, containment of failures, second tries and slots, on an executor that a test steers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.scheduler.drive import Ended, Progress, Rules, Stop, drive
from i2lc.scheduler.needs import Need

ONE, TWO = Need(cpus=1, ram=1), Need(cpus=1, ram=2)


class Fake:
    """Runs tasks when they are waited for; `pick` chooses which of the running ends next."""

    dashboard = ""

    def __init__(self, slots: int = 1, pick: Callable[[int], int] = lambda _: 0) -> None:
        self.slots = slots
        self.running: list[tuple[str, Callable[[Any], Any], Any]] = []
        self.needs: list[tuple[str, Need]] = []
        self.left: dict[Need, int] = {}
        self.most = 0
        self._pick = pick

    def room(self, need: Need) -> bool:
        return len(self.running) < self.slots

    def submit(self, key: str, need: Need, function: Callable[[Any], Any], argument: Any) -> None:
        self.running.append((key, function, argument))
        self.needs.append((key, need))
        self.most = max(self.most, len(self.running))

    def next_done(self, timeout: float) -> Ended | None:
        key, function, argument = self.running.pop(self._pick(len(self.running)))
        try:
            return Ended(key, function(argument))
        except Exception as error:
            return Ended(key, error=error)

    def news(self) -> list[str]:
        return []

    def expect(self, need: Need, tasks: int) -> None:
        assert tasks >= 0
        self.left[need] = tasks

    def withdraw(self) -> list[str]:
        return []

    def close(self) -> None:
        self.running.clear()


class Told:
    """What a drive tells while it goes on."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, what: str, key: str, state: Progress) -> None:
        if what == "tick":
            return
        self.events.append(f"{what} {key}")
        assert (key in state.running) == (what == "started")
        assert (key in state.done) == (what == "done")
        assert (key in state.failed) == (what == "failed")


def echo(argument: str) -> str:
    return f"{argument}!"


def run(
    edges: Iterable[tuple[str, str]],
    keys: str = "abcdef",
    function: Callable[[Any], Any] = echo,
    executor: Fake | None = None,
    retries: int = 0,
    needs: Mapping[str, Need] | None = None,
    grow: Callable[[str, Need], Need] = lambda key, need: need,
    fail_fast: bool = False,
    rules: Mapping[str, Any] | None = None,
    stop: Stop | None = None,
) -> tuple[Progress, list[str]]:
    made: nx.DiGraph = nx.DiGraph()
    made.add_nodes_from(keys)
    made.add_edges_from(edges)
    told = Told()
    executor = executor or Fake()
    progress = drive(
        edges=made,
        executor=executor,
        function=function,
        argument_of=lambda key, need, attempt: key,
        needs=needs or dict.fromkeys(keys, ONE),
        rules=Rules(lambda result: result != "bad", retries, grow, fail_fast, **(rules or {})),
        watch=told,
        stop=stop,
    )
    if stop is None and not fail_fast:
        assert not progress.running
        assert set(executor.left.values()) <= {0}
    return progress, told.events


def test_no_task_is_no_work() -> None:
    progress, told = run([], keys="")
    assert (progress.done, progress.failed, told) == ({}, {}, [])


def test_results_by_key_and_events_in_order() -> None:
    progress, told = run([("a", "b")], keys="ab")
    assert progress.done == {"a": "a!", "b": "b!"}
    assert told == ["started a", "done a", "started b", "done b"]


def test_ready_tasks_start_in_the_order_of_the_arguments() -> None:
    _, told = run([("a", "e")], keys="cadeb")
    started = [event[-1] for event in told if event.startswith("started")]
    assert started == ["c", "a", "d", "e", "b"]


def test_a_task_waits_for_all_before_it() -> None:
    _, told = run([("a", "c"), ("b", "c")], keys="cab", executor=Fake(3))
    assert told == ["started a", "started b", "done a", "done b", "started c", "done c"]


def fail_b(argument: str) -> str:
    if argument == "b":
        raise ValueError("b is wrong")
    return argument


def test_a_failure_blocks_what_waits_for_it_and_nothing_else() -> None:
    # a -> b -> c -> d ; a -> e ; f alone
    progress, told = run(
        [("a", "b"), ("b", "c"), ("c", "d"), ("a", "e"), ("e", "d")], function=fail_b
    )
    assert set(progress.done) == {"a", "e", "f"}
    assert list(progress.failed) == ["b"]
    assert str(progress.failed["b"]) == "b is wrong"
    assert "failed b" in told
    assert not {"started c", "started d"} & set(told)


def test_a_result_that_is_no_success_is_a_failure() -> None:
    progress, _ = run([("a", "b")], keys="ab", function=lambda _: "bad")
    assert (progress.done, progress.failed) == ({}, {"a": "bad"})


def test_the_first_failure_stands_first() -> None:
    progress, _ = run([], keys="abc", function=lambda _: "bad")
    assert list(progress.failed) == ["a", "b", "c"]


class Flaky:
    """Fails a number of times, each time for another cause."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.causes = 0

    def __call__(self, argument: str) -> str:
        if argument == "b" and self.left:
            self.left -= 1
            self.causes += 1
            raise OSError(f"cause {self.causes}")
        return argument


def test_a_second_try_may_succeed() -> None:
    progress, told = run([("b", "c")], keys="abc", function=Flaky(2), retries=2)
    assert progress.done == {"a": "a", "b": "b", "c": "c"}
    assert progress.failed == {}
    assert [event for event in told if event.endswith(" b")] == [
        "started b",
        "retried b",
        "started b",
        "retried b",
        "started b",
        "done b",
    ]


def test_the_first_cause_is_kept() -> None:
    flaky = Flaky(9)
    progress, told = run([("b", "c")], keys="abc", function=flaky, retries=2)
    assert flaky.causes == 3
    assert str(progress.failed["b"]) == "cause 1"
    assert told.count("retried b") == 2
    assert told.count("failed b") == 1
    assert set(progress.done) == {"a"}


def test_without_retries_a_task_runs_once() -> None:
    flaky = Flaky(9)
    run([], keys="ab", function=flaky)
    assert flaky.causes == 1


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_no_more_tasks_than_slots(slots: int) -> None:
    executor = Fake(slots)
    progress, _ = run([], keys="abcdefghi", executor=executor)
    assert len(progress.done) == 9
    assert executor.most == slots


def test_what_runs_never_waits_for_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, told = run([("a", "b")], keys="abc", executor=Fake(2, lambda count: count - 1))
    assert told[:4] == ["started a", "started c", "done c", "done a"]
    assert set(progress.done) == {"a", "b", "c"}


def test_what_waits_for_a_failure_is_told_with_it() -> None:
    progress, _ = run([("a", "b"), ("b", "c"), ("c", "d"), ("e", "d")], function=fail_b)
    assert progress.blocked == {"c": "b", "d": "b"}


def test_a_second_try_asks_for_more_and_bears_its_number() -> None:
    executor = Fake()
    tries: list[tuple[str, Need, int]] = []

    def argument_of(key: str, need: Need, attempt: int) -> str:
        tries.append((key, need, attempt))
        return key

    drive(
        edges=nx.DiGraph([("a", "b")]),
        executor=executor,
        function=Flaky(1),
        argument_of=argument_of,
        needs={"a": ONE, "b": ONE},
        rules=Rules(lambda result: True, retries=1, grow=lambda key, need: TWO),
        watch=Told(),
    )
    assert tries == [("a", ONE, 1), ("b", ONE, 1), ("b", TWO, 2)]
    assert executor.needs == [("a", ONE), ("b", ONE), ("b", TWO)]
    assert executor.left == {ONE: 0, TWO: 0}


class TwoPools(Fake):
    """Has no room for a second task with the need TWO."""

    def room(self, need: Need) -> bool:
        return super().room(need) and (need == ONE or "b" not in {key for key, *_ in self.running})


def test_a_task_without_room_holds_back_no_other() -> None:
    _, told = run([], keys="bcd", executor=TwoPools(2), needs={"b": TWO, "c": TWO, "d": ONE})
    assert told[:3] == ["started b", "started d", "done b"]


def test_fail_fast_starts_nothing_more() -> None:
    progress, told = run([], keys="abcd", function=fail_b, fail_fast=True)
    assert set(progress.done) == {"a"}
    assert [event for event in told if event.startswith("started")] == ["started a", "started b"]


def test_fail_fast_lets_a_task_that_runs_end() -> None:
    progress, _ = run([], keys="bacd", function=fail_b, executor=Fake(2), fail_fast=True)
    assert set(progress.done) == {"a"}


def test_a_request_to_stop_lets_end_what_runs() -> None:
    stop = Stop()

    def ask(argument: str) -> str:
        stop.asked = stop.asked or argument == "a"
        return argument

    progress, told = run([], keys="abcd", function=ask, executor=Fake(2), stop=stop)
    assert set(progress.done) == {"a", "b"}
    assert "started c" not in told


def test_what_waits_for_a_worker_is_taken_back() -> None:
    class Waiting(Fake):
        """The last task that was submitted has no worker yet."""

        def withdraw(self) -> list[str]:
            return [self.running.pop()[0]]

    stop = Stop()

    def ask(argument: str) -> str:
        stop.asked = True
        return argument

    progress, told = run([], keys="abc", function=ask, executor=Waiting(3), stop=stop)
    assert told == ["started a", "started b", "started c", "done a", "withdrawn c", "done b"]
    assert progress.running == set()


def test_an_innocent_task_is_tried_again_once_and_it_does_not_count() -> None:
    flaky = Flaky(1)
    progress, told = run(
        [], keys="ab", function=flaky, rules={"innocent": lambda key, failure: True}
    )
    assert set(progress.done) == {"a", "b"}
    assert (progress.tries["b"], progress.forgiven) == (0, {"b"})
    assert told.count("retried b") == 1
    again, _ = run([], keys="ab", function=Flaky(2), rules={"innocent": lambda key, failure: True})
    assert list(again.failed) == ["b"]


def test_a_hopeless_failure_is_not_tried_again() -> None:
    _, told = run(
        [], keys="ab", function=Flaky(9), retries=3, rules={"hopeless": lambda failure: True}
    )
    assert told.count("started b") == 1


def test_a_retry_with_the_same_need_does_not_let_its_worker_go() -> None:
    class Recording(Fake):
        def __init__(self) -> None:
            super().__init__()
            self.counts: list[int] = []

        def expect(self, need: Need, tasks: int) -> None:
            super().expect(need, tasks)
            self.counts.append(tasks)

    executor = Recording()
    run([], keys="b", function=Flaky(1), retries=1, executor=executor)
    assert executor.counts == [1, 0]


def test_an_interrupt_ends_the_drive_with_what_is_known() -> None:
    stop = Stop()

    class Interrupted(Fake):
        def next_done(self, timeout: float) -> Ended | None:
            if len(self.running) == 1:
                raise KeyboardInterrupt
            return super().next_done(timeout)

    progress, _ = run([], keys="ab", executor=Interrupted(2), stop=stop)
    assert set(progress.done) == {"a"}
    assert progress.running == {"b"}
    assert stop.now


def test_a_stopped_drive_does_not_try_again() -> None:
    stop = Stop()

    def fail(argument: str) -> str:
        stop.asked = True
        raise ValueError(argument)

    progress, told = run([], keys="ab", function=fail, retries=3, stop=stop)
    assert list(progress.failed) == ["a"]
    assert told == ["started a", "failed a"]


@given(
    data=st.data(),
    count=st.integers(1, 12),
    slots=st.integers(1, 4),
    retries=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_any_graph(data: st.DataObject, count: int, slots: int, retries: int) -> None:
    keys = "abcdefghijkl"[:count]
    pairs = [(a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    bad = set(data.draw(st.lists(st.sampled_from(keys), unique=True)))
    picks = data.draw(st.randoms(use_true_random=False))
    executor = Fake(slots, lambda running: picks.randrange(running))
    progress, told = run(
        edges,
        keys,
        lambda argument: "bad" if argument in bad else argument,
        executor,
        retries,
    )
    made = nx.DiGraph(edges)
    made.add_nodes_from(keys)
    behind = set().union(*(nx.descendants(made, key) for key in bad))
    assert set(progress.done) == set(keys) - bad - behind
    assert set(progress.failed) == bad - behind
    assert executor.most <= slots
    for a, b in edges:
        if f"started {b}" in told:
            assert told.index(f"done {a}") < told.index(f"started {b}")
    for key in progress.failed:
        assert told.count(f"started {key}") == retries + 1
