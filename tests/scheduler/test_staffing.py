"""When workers are asked for, given up and let go; what their ends mean. No worker is started."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from i2lc.scheduler import pools as pools_module
from i2lc.scheduler import staffing
from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.crew import NOT_RUN, Ends, GivenBack, Joined, Left, Stranded
from i2lc.scheduler.drive import Ended
from i2lc.scheduler.flights import Flight, TimeLimit
from i2lc.scheduler.local import LocalPlace
from i2lc.scheduler.needs import GIB, Need
from i2lc.scheduler.place import Cause
from i2lc.scheduler.pool import FEWEST, Member, Pool, Try
from i2lc.scheduler.pools import PoolRefused, Pools

ONE, TWO, HOUR = Need(1, GIB), Need(2, GIB), Need(1, GIB, walltime=3600)
ENDED = Cause("job 7 ended", final=False)
REFUSED = Cause("Requested node configuration is not available", final=True)


class FakePlace:
    """A queue of so many jobs a pool."""

    rest = 30.0

    def __init__(self, most: int = 2) -> None:
        self.jobs = most
        self.causes: dict[str, Cause] = {}
        self.state = ""
        self.calls: list[str] = []

    def most(self, need: Need) -> int:
        return self.jobs

    def room(self, need: Need, running: Mapping[Need, int]) -> bool:
        return running.get(need, 0) < self.jobs

    def crowded(self, workers: Mapping[Need, int]) -> bool:
        return False

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        return {}

    def scheduler(self) -> dict[str, Any]:
        return {}

    def cause(self, name: str) -> Cause | None:
        return self.causes.get(name)

    def pending(self, name: str) -> str:
        return self.state

    def end(self) -> None:
        self.calls.append("end")
        raise OSError("scancel is gone")

    def close(self) -> None:
        self.calls.append("close")


class FakeFuture:
    def done(self) -> bool:
        return False


class FakeCrew:
    """Notes what it is told."""

    dashboard = ""

    def __init__(self, *_: Any) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.asked: list[str] = []
        self.dropped: list[str] = []
        self.sent: dict[str, str] = {}
        self.asked_back: list[str] = []
        self.closed = False

    def start(self, specs: Mapping[str, dict[str, Any]]) -> None:
        self.asked += specs

    def drop(self, names: Sequence[str]) -> None:
        self.dropped += names

    def new_key(self, key: str) -> str:
        return f"{key}-{len(self.sent)}"

    def send(self, address: str, resource: str, calls: Mapping[str, Any]) -> dict[str, FakeFuture]:
        self.sent |= dict.fromkeys(calls, address)
        return {key: FakeFuture() for key in calls}

    def collect(self, futures: Mapping[str, FakeFuture]) -> None:
        pass

    def ask_back(self, address: str, keys: Sequence[str]) -> None:
        self.asked_back += keys

    def cancel(self, futures: Sequence[FakeFuture]) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


@pytest.fixture
def place() -> FakePlace:
    return FakePlace()


@pytest.fixture
def crew() -> FakeCrew:
    return FakeCrew()


@pytest.fixture
def staff(place: FakePlace, crew: FakeCrew, clock: Clock) -> staffing.Staff:
    return staffing.Staff(place, crew)


def submit(pool: Pool, *keys: str) -> None:
    for key in keys:
        pool.pending.append(Try(key, str, 1))
        pool.total += 1


# Workers that do not come.


def test_a_worker_that_ends_before_it_comes_is_asked_for_again(
    staff: staffing.Staff, place: FakePlace, crew: FakeCrew, clock: Clock
) -> None:
    pool = staff.pool(ONE)
    submit(pool, "a", "b")
    staff.ask(pool, 2)
    assert crew.asked == ["pool0-0", "pool0-1"]
    place.causes = {f"pool0-{number}": ENDED for number in range(9)}
    staff.look(clock.now)
    for pause, asked in ((5, 3), (15, 4), (15, 5)):
        assert not pool.refused
        clock.now += pause - 0.1
        staff.ask(pool, staff.granted(pool))
        assert len(crew.asked) == asked - 1
        clock.now += 0.2
        staff.ask(pool, staff.granted(pool))
        assert len(crew.asked) == asked  # one of two: the others wait for it
        staff.look(clock.now)
    assert pool.refused == "job 7 ended"
    assert crew.dropped == crew.asked


def test_workers_that_come_in_the_end_are_as_many_as_before(
    executor: Pools, place: FakePlace, crew: FakeCrew, clock: Clock
) -> None:
    executor.submit("a", ONE, str, 1)
    executor.submit("b", ONE, str, 1)
    executor.next_done(0)
    place.causes = {"pool0-0": ENDED, "pool0-1": ENDED}
    for seconds in (1, 6, 1):
        clock.now += seconds
        executor.next_done(0)
    assert crew.asked[2:] == ["pool0-2"]
    join(executor, crew, "pool0-2")
    assert crew.asked[2:] == ["pool0-2", "pool0-3"]


def test_a_lost_worker_caps_its_pool_for_a_time_only(
    staff: staffing.Staff, place: FakePlace, crew: FakeCrew, clock: Clock
) -> None:
    pool = staff.pool(ONE)
    submit(pool, "a", "b", "c")
    staff.ask(pool, 2)
    place.causes = {"pool0-1": REFUSED}
    staff.look(clock.now)
    assert list(pool.members) == ["pool0-0"]
    assert (staff.granted(pool), pool.refused) == (1, "")
    clock.now += staffing.LIFT_SECONDS + 1
    staff.look(clock.now)
    staff.ask(pool, staff.granted(pool))
    assert list(pool.members) == ["pool0-0", "pool0-2"]


def test_a_refusal_of_the_only_worker_is_final(
    staff: staffing.Staff, place: FakePlace, clock: Clock
) -> None:
    pool = staff.pool(ONE)
    submit(pool, "a")
    staff.ask(pool, 1)
    place.causes = {"pool0-0": REFUSED}
    staff.look(clock.now)
    assert pool.refused == "Requested node configuration is not available"


# How many work, and for how long they are kept.


def test_short_tasks_that_are_not_short_take_no_more_than_there_is() -> None:
    place = LocalPlace(Allocation(2, 4 * GIB), 2, lambda need: {})
    staff = staffing.Staff(place, FakeCrew())
    short, other = staff.pool(ONE), staff.pool(Need(1, GIB // 2))
    for _ in range(FEWEST):
        short.note(0.001)
    submit(short, *map(str, range(28)))
    submit(other, "x")
    for pool in (short, other):
        pool.members["w"] = Member("w", address="tls://w")
        pool.members["w"].take("x-1", pool.pending.popleft())
    assert (short.slots, staff.granted(short)) == (1, 1)
    short.note(4.0)
    assert (short.depth, short.slots) == (1, 28)
    assert (staff.granted(short), staff.granted(other)) == (1, 1)
    for pool in (short, other):  # both begin anew
        pool.members["w"].tries.clear()
    submit(other, *map(str, range(28)))
    assert (staff.granted(short), staff.granted(other)) == (1, 1)
    place.close()


def test_idle_jobs_stay_at_a_barrier_unless_others_wait(
    staff: staffing.Staff, crew: FakeCrew, clock: Clock
) -> None:
    pool, other = staff.pool(ONE), staff.pool(TWO)
    pool.expected = 5
    pool.members["w"] = Member("w", address="tls://w", heard=clock.now)
    clock.now += 31
    staff.look(clock.now)
    assert crew.dropped == []
    other.members["v"] = Member("v", heard=clock.now)
    staff.look(clock.now)
    assert crew.dropped == ["w"]
    pool.members["u"] = Member("u", address="tls://u", heard=clock.now)
    other.members["v"].address = "tls://v"
    clock.now += staffing.BARRIER_SECONDS + 1
    staff.look(clock.now)
    assert crew.dropped[1] == "u"


def test_each_state_of_a_queue_is_told_once(
    staff: staffing.Staff, place: FakePlace, clock: Clock
) -> None:
    pool = staff.pool(ONE)
    submit(pool, "a")
    staff.ask(pool, 1)
    staff.look(clock.now)
    for state in ("Priority", "Resources", "Priority", "AssocGrpCpuLimit"):
        place.state = f"job 7: PENDING ({state})"
        clock.now += staffing.PATIENCE_SECONDS
        staff.look(clock.now)
    assert [line.rpartition(" ")[2] for line in staff.news] == [
        "(Priority)",
        "(Resources)",
        "(AssocGrpCpuLimit)",
    ]


# What ends of workers mean.


@pytest.fixture
def executor(
    place: FakePlace, crew: FakeCrew, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Pools:
    monkeypatch.setattr(pools_module, "Crew", lambda *_: crew)
    return Pools(place, None)  # type: ignore[arg-type]


def hear(executor: Pools, crew: FakeCrew, *events: Any) -> Ended | None:
    for event in events:
        crew.events.put(event)
    executor._events(0)
    return executor.next_done(0)


def join(executor: Pools, crew: FakeCrew, name: str) -> None:
    assert hear(executor, crew, Joined(name, f"tls://{name}")) is None


def lose(executor: Pools, crew: FakeCrew, name: str) -> Ended | None:
    """Have a worker leave before its walltime is over."""
    keys = [key for key, flight in executor._flying.items() if flight.member.name == name]
    moved = [Stranded(key, moved=True) for key in keys]
    return hear(executor, crew, *moved, Left(f"tls://{name}", orderly=True))


def test_a_short_task_that_is_left_twice_is_not_too_long(
    executor: Pools, place: FakePlace, crew: FakeCrew, clock: Clock
) -> None:
    place.jobs = 1
    executor.submit("a", HOUR, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    hear(executor, crew, Ends({"a-0": (1.0, "1")}, {}))
    for number in range(3):
        clock.now += 3300
        if not number:
            executor.submit("b", HOUR, str, 1)
            executor.next_done(0)
        clock.now += 60
        flights = list(executor._flying.values())
        executor._flying = {
            key: Flight(f.item, f.pool, f.member, f.future, clock.now - 60)
            for key, f in zip(executor._flying, flights, strict=True)
        }  # each time it comes late to its worker
        assert lose(executor, crew, f"pool0-{number}") is None
        join(executor, crew, f"pool0-{number + 1}")
        assert list(crew.sent.values())[-1] == f"tls://pool0-{number + 1}"


def test_a_task_that_had_two_workers_for_all_their_time_is_too_long(
    executor: Pools, place: FakePlace, crew: FakeCrew, clock: Clock
) -> None:
    place.jobs = 1
    executor.submit("a", HOUR, str, 1)
    executor.next_done(0)
    for number in range(2):
        join(executor, crew, f"pool0-{number}")
        clock.now += 3300
        ended = lose(executor, crew, f"pool0-{number}")
    assert ended is not None
    assert isinstance(ended.error, TimeLimit)


def old_and_older(executor: Pools, crew: FakeCrew, clock: Clock) -> None:
    """Have one worker run a task for 55 minutes, and another, of 40 minutes, nothing."""
    for key in "ab":
        executor.submit(key, HOUR, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    clock.now += 900
    join(executor, crew, "pool0-1")
    assert crew.sent == {"a-0": "tls://pool0-0", "b-1": "tls://pool0-1"}
    hear(executor, crew, Ends({"b-1": (1.0, "1")}, {}))
    clock.now += 2400


def test_a_task_that_was_left_gets_a_worker_that_stays(
    executor: Pools, crew: FakeCrew, clock: Clock
) -> None:
    old_and_older(executor, crew, clock)
    lose(executor, crew, "pool0-0")
    assert list(crew.sent) == ["a-0", "b-1"]  # there are 20 minutes left, it had 55
    assert crew.dropped == ["pool0-0", "pool0-1"]
    assert crew.asked[2:] == ["pool0-2"]
    join(executor, crew, "pool0-2")
    assert list(crew.sent.items())[-1] == ("a-2", "tls://pool0-2")


def test_a_task_that_waits_for_a_worker_that_stays_holds_up_none(
    executor: Pools, crew: FakeCrew, clock: Clock
) -> None:
    old_and_older(executor, crew, clock)
    executor.submit("c", HOUR, str, 1)
    lose(executor, crew, "pool0-0")
    assert list(crew.sent.items())[-1] == ("c-2", "tls://pool0-1")
    assert (crew.dropped, crew.asked[2:]) == (["pool0-0"], ["pool0-2"])


def test_a_worker_that_left_as_planned_is_replaced_at_once(
    executor: Pools, crew: FakeCrew, clock: Clock
) -> None:
    executor.submit("a", HOUR, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    clock.now += 3300
    lose(executor, crew, "pool0-0")
    assert (crew.dropped, crew.asked) == (["pool0-0"], ["pool0-0", "pool0-1"])


def test_a_worker_that_died_may_come_back(executor: Pools, crew: FakeCrew, clock: Clock) -> None:
    executor.submit("a", ONE, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    ended = hear(executor, crew, Ends({}, {"a-0": MemoryError("killed")}), Left("tls://pool0-0"))
    assert ended is not None
    executor.submit("b", ONE, str, 1)
    executor.next_done(0)
    assert crew.asked == ["pool0-0"]
    clock.now += staffing.RETURN_SECONDS + 1
    executor.next_done(0)
    assert crew.asked == ["pool0-0", "pool0-1"]


# Short tasks behind a long one.


def shared(executor: Pools, crew: FakeCrew) -> None:
    """Have one worker hold three tasks."""
    for _ in range(FEWEST):
        executor._pool(ONE).note(0.001)
    executor._staff._place.jobs = 1  # type: ignore[attr-defined]
    for key in "abc":
        executor.submit(key, ONE, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    assert list(crew.sent) == ["a-0", "b-0", "c-0"]


def test_what_a_worker_gives_back_runs_again_and_nothing_else(
    executor: Pools, crew: FakeCrew, clock: Clock
) -> None:
    shared(executor, crew)
    clock.now += 2
    executor.next_done(0)
    assert crew.asked_back == ["a-0", "b-0", "c-0"]
    assert list(executor._flying) == ["a-0", "b-0", "c-0"]
    hear(executor, crew, GivenBack(["b-0", "c-0"]))
    assert list(executor._flying) == ["a-0"]
    assert [item.key for item in executor._pool(ONE).pending] == ["b", "c"]
    assert hear(executor, crew, Ends({"b-0": (0.1, "1")}, {})) is None  # no end of its own


def test_a_task_that_was_given_back_unheard_has_not_failed(executor: Pools, crew: FakeCrew) -> None:
    shared(executor, crew)
    assert hear(executor, crew, Ends({"a-0": (0.1, "1"), "b-0": NOT_RUN}, {})) == Ended("a", "1")
    assert executor.next_done(0) is None
    assert list(executor._flying)[-1].startswith("b-")


# The end.


def test_what_no_worker_has_is_withdrawn(executor: Pools, crew: FakeCrew, clock: Clock) -> None:
    for key in "abc":
        executor.submit(key, ONE, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    assert executor.withdraw() == ["b", "c"]
    assert executor._pool(ONE).total == 1
    assert crew.dropped == ["pool0-1"]
    assert executor.withdraw() == []
    assert hear(executor, crew, Ends({"a-0": (1.0, "1")}, {})) == Ended("a", "1")
    clock.now += 1
    assert executor.next_done(0) is None
    assert crew.dropped == ["pool0-1", "pool0-0"]
    assert len(crew.asked) == 2


def test_a_task_that_loses_its_worker_as_the_run_ends_takes_one_that_is_left(
    executor: Pools, crew: FakeCrew, clock: Clock
) -> None:
    for key in "ab":
        executor.submit(key, HOUR, str, 1)
    executor.next_done(0)
    for name in ("pool0-0", "pool0-1"):
        join(executor, crew, name)
    executor.withdraw()
    clock.now += 3300
    assert lose(executor, crew, "pool0-0") is None
    hear(executor, crew, Ends({"b-1": (1.0, "1")}, {}))
    executor.next_done(0)
    assert list(crew.sent.items())[-1] == ("a-2", "tls://pool0-1")
    assert crew.asked == ["pool0-0", "pool0-1"]


def test_a_task_that_loses_the_last_worker_of_an_ending_run_is_not_waited_for(
    executor: Pools, crew: FakeCrew, clock: Clock
) -> None:
    executor.submit("a", HOUR, str, 1)
    executor.next_done(0)
    join(executor, crew, "pool0-0")
    executor.withdraw()
    clock.now += 3300
    ended = lose(executor, crew, "pool0-0")
    assert ended is not None
    assert isinstance(ended.error, PoolRefused)
    assert str(ended.error) == "no worker is asked for: the run is ending"
    assert crew.asked == ["pool0-0"]


def test_all_is_closed_whatever_fails(executor: Pools, place: FakePlace, crew: FakeCrew) -> None:
    with pytest.raises(OSError, match="scancel is gone"):
        executor.close()
    assert (place.calls, crew.closed) == (["end", "close"], True)
