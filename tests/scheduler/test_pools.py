"""Tasks on workers: where they run, what a worker's end means, what is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import Scheduler

from i2lc.scheduler import crew, local, staffing
from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.drive import Ended
from i2lc.scheduler.flights import TimeLimit
from i2lc.scheduler.local import LocalPlace
from i2lc.scheduler.needs import GIB, Need
from i2lc.scheduler.place import Cause
from i2lc.scheduler.pools import PoolRefused, Pools
from i2lc.scheduler.security import security

MACHINE = Allocation(cpus=2, ram=4 * GIB)
ONE, TWO = Need(1, GIB), Need(2, GIB)
PATIENCE = 60.0
"""Seconds after which a test gives up."""


def environment(need: Need) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(need.cpus)}


def opened(machine: Allocation = MACHINE, most_tasks: int = 2) -> Pools:
    return Pools(LocalPlace(machine, most_tasks, environment), security())


@pytest.fixture(scope="module")
def workers() -> Iterator[Pools]:
    executor = opened()
    yield executor
    executor.close()


def run(
    executor: Pools, calls: Mapping[str, tuple[Callable[[Any], Any], Any]], need: Need = ONE
) -> dict[str, Ended]:
    """Run calls by key; give how they ended."""
    left = list(calls)
    ended: dict[str, Ended] = {}
    limit = time.monotonic() + PATIENCE
    while len(ended) < len(calls):
        while left and executor.room(need):
            key = left.pop(0)
            executor.submit(key, need, *calls[key])
        done = executor.next_done(0.5)
        if done is not None:
            assert done.key not in ended
            ended[done.key] = done
        assert time.monotonic() < limit, f"{len(ended)} of {len(calls)} ended"
    return ended


# What runs.


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"{number} is wrong")


def leave(number: int) -> int:
    os._exit(int(number) + 1)


def be_killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def nothing(number: int) -> None:
    return None


def stay(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def times(seconds: float) -> tuple[float, float]:
    start = time.time()
    time.sleep(seconds)
    return start, time.time()


def circumstances(number: int) -> dict[str, Any]:
    before = Path("/proc/self/environ").read_bytes().decode().split("\0")
    names = ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")
    memory = "distributed.worker.memory"
    return {
        "process": os.getpid(),
        "group": os.getpgid(0),
        "now": {name: os.environ[name] for name in names},
        "at the start": dict(pair.split("=", 1) for pair in before if pair.startswith(names)),
        "dask": {name: dask.config.get(f"{memory}.{name}") for name in ("pause", "spill")},
        "SIGINT": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "blocked": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []),
    }


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


# Tasks.


def test_results_and_exceptions_come_by_key(workers: Pools) -> None:
    ended = run(workers, {"well/1": (double, 21), "badly/1": (fail, 3)})
    assert ended["well/1"] == Ended("well/1", 42)
    assert ended["badly/1"].result is None
    assert isinstance(ended["badly/1"].error, ValueError)
    assert str(ended["badly/1"].error) == "3 is wrong"


def test_a_second_try_is_not_the_end_of_the_first(workers: Pools) -> None:
    for number in (1, 2):
        assert run(workers, {"try/1": (double, number)})["try/1"] == Ended("try/1", 2 * number)
        assert str(run(workers, {"try/1": (fail, 3)})["try/1"].error) == "3 is wrong"


def test_a_task_without_a_result_is_a_failure(workers: Pools) -> None:
    error = run(workers, {"empty/1": (nothing, 1)})["empty/1"].error
    assert isinstance(error, RuntimeError)
    assert str(error) == "the task gave no result"


def test_without_tasks_nothing_ends(workers: Pools) -> None:
    start = time.monotonic()
    assert workers.next_done(0.1) is None
    assert workers.next_done(0) is None
    assert 0.1 <= time.monotonic() - start < 1


def test_workers_have_their_settings_from_the_start(workers: Pools) -> None:
    run(workers, {"first/1": (double, 1)})  # dask sets a variable of its own, once
    before = dict(os.environ)
    for need in (ONE, TWO):
        found = run(workers, {"where/1": (circumstances, 1)}, need)["where/1"].result
        assert found["process"] in children()
        assert found["group"] == found["process"]
        variables = {"OMP_NUM_THREADS": str(need.cpus), "MALLOC_TRIM_THRESHOLD_": "65536"}
        assert found["now"] == variables
        assert found["at the start"] == variables
        assert found["dask"] == {"pause": False, "spill": False}
        assert found["SIGINT"] is True
        assert found["blocked"] is True
    assert dict(os.environ) == before


def test_all_sockets_are_on_loopback(workers: Pools) -> None:
    assert workers.dashboard.startswith("http://127.0.0.1:")
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [
        socket.laddr.ip
        for process in processes
        for socket in process.net_connections(kind="inet")
        if socket.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4  # scheduler, dashboard, nanny, worker
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_tasks_that_run_together_have_workers_of_their_own() -> None:
    executor = opened()
    try:
        for round_ in range(3):
            ended = run(executor, {f"stay/{round_}_{k}": (stay, 0.3) for k in range(2)})
            assert len({each.result for each in ended.values()}) == 2
    finally:
        executor.close()


# The budget.


def test_nothing_is_over_subscribed() -> None:
    executor = opened()
    left = [(f"{need.cpus}/{k}", need) for k in range(6) for need in (ONE, TWO)]
    spans: list[tuple[float, float, int]] = []
    submitted: dict[str, Need] = {}
    try:
        while len(spans) < 12:
            for key, need in list(left):
                if executor.room(need):
                    executor.submit(key, need, times, 0.1)
                    submitted[key] = need
                    left.remove((key, need))
            if done := executor.next_done(0.5):
                spans.append((*done.result, submitted[done.key].cpus))
    finally:
        executor.close()
    for moment, _, _ in spans:
        running = [cpus for start, end, cpus in spans if start <= moment < end]
        assert sum(running) <= MACHINE.cpus
    both = [start for start, _, cpus in spans if cpus == 1]
    assert max(sum(s <= at < e for s, e, _ in spans) for at in both) == 2


def test_workers_go_when_their_work_is_over(capfd: pytest.CaptureFixture[str]) -> None:
    executor = opened()
    try:
        executor.expect(ONE, 2)
        before = children()
        run(executor, {"a/1": (stay, 0.3), "a/2": (stay, 0.3)})
        assert len(children() - before) == 2
        executor.expect(ONE, 1)
        wait_for(lambda: len(children() - before) == 1, executor)
        executor.expect(ONE, 0)
        wait_for(lambda: children() == before, executor)
        assert run(executor, {"a/3": (double, 3)})["a/3"].result == 6
    finally:
        executor.close()
    assert capfd.readouterr() == ("", "")


def wait_for(true: Callable[[], bool], executor: Pools, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        assert executor.next_done(0.1) is None


# Deaths.


@pytest.mark.parametrize("death", [leave, be_killed])
def test_a_killed_worker_takes_only_its_task_with_it(
    workers: Pools, death: Callable[[int], int]
) -> None:
    name = death.__name__
    calls = {f"{name}/{k}": (death if k == 1 else stay, 0.1) for k in range(5)}
    ended = run(workers, calls)
    failed = [key for key, each in ended.items() if each.error]
    assert failed == [f"{name}/1"]
    assert type(ended[f"{name}/1"].error).__name__ == "KilledWorker"


def hoard(size: int) -> int:
    hoarded = bytearray(size)
    time.sleep(30)
    return len(hoarded)


def test_a_task_over_its_memory_is_ended() -> None:
    executor = opened()
    try:
        ended = run(executor, {"large/1": (hoard, GIB)}, Need(1, GIB // 2))
        assert run(executor, {"small/1": (double, 2)}, Need(1, GIB // 2))["small/1"].result == 4
    finally:
        executor.close()
    assert type(ended["large/1"].error).__name__ == "KilledWorker"


@pytest.mark.parametrize("killer", [3, 250])
def test_among_short_tasks_only_the_one_that_kills_is_to_blame(killer: int) -> None:
    executor = opened()
    try:
        calls = {f"s/{k}": (be_killed if k == killer else double, k) for k in range(300)}
        ended = run(executor, calls)
        assert executor._pool(ONE).depth > 1
    finally:
        executor.close()
    assert [key for key, each in ended.items() if each.error] == [f"s/{killer}"]
    assert type(ended[f"s/{killer}"].error).__name__ == "KilledWorker"
    assert all(ended[f"s/{k}"].result == 2 * k for k in range(300) if k != killer)


def test_a_long_task_among_short_ones_holds_up_none() -> None:
    executor = opened()
    try:
        run(executor, {f"warm/{k}": (double, k) for k in range(200)})
        assert executor._pool(ONE).depth > 1
        calls = {f"s/{k}": (stay, 4) if k == 5 else (double, k) for k in range(60)}
        order = list(run(executor, calls))
        assert order[-1] == "s/5"
        assert executor._pool(ONE).depth == 1
    finally:
        executor.close()


class Unreadable:
    """A result that the client cannot read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def perhaps_unreadable(number: int) -> Any:
    return Unreadable() if number == 7 else number


def test_a_result_that_cannot_be_read_spoils_no_other() -> None:
    executor = opened()
    try:
        run(executor, {f"warm/{k}": (double, k) for k in range(50)})
        ended = run(executor, {f"s/{k}": (perhaps_unreadable, k) for k in range(40)})
    finally:
        executor.close()
    assert [key for key, each in ended.items() if each.error] == ["s/7"]
    assert isinstance(ended["s/7"].error, ValueError)


def test_a_worker_gives_back_only_what_has_not_begun() -> None:
    calls = [crew.Call(double, number, f"give-back/{number}") for number in range(3)]
    keys = [call.key for call in calls]
    assert crew.timed(calls[0])[1] == 0
    assert crew.give_back(keys) == keys[1:]
    assert crew.give_back(keys) == keys[1:]
    assert [crew.timed(call) for call in calls[1:]] == [crew.NOT_RUN] * 2


def test_workers_are_asked_for_and_dropped_in_the_thread_that_reads_it(workers: Pools) -> None:
    run(workers, {"there/1": (double, 1)})
    threads = set()

    class Watched(dict[str, Any]):
        def update(self, *given: Any, **named: Any) -> None:
            threads.add(threading.current_thread())
            super().update(*given, **named)

        def pop(self, *given: Any) -> Any:
            threads.add(threading.current_thread())
            return super().pop(*given)

    cluster = workers._crew._cluster
    cluster.worker_spec = Watched(cluster.worker_spec)
    name = next(iter(workers._pool(ONE).members))
    workers._staff.drop(workers._pool(ONE), [workers._pool(ONE).members[name]])
    assert run(workers, {"there/2": (double, 2)})["there/2"].result == 4
    wait_for(lambda: name not in cluster.worker_spec, workers)
    assert threads
    assert threading.main_thread() not in threads


def test_a_silent_worker_is_ended_but_not_after_a_stop_of_the_scheduler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[str] = []

    async def sleep(seconds: float) -> None:
        steps.append(f"sleep {seconds}")

    async def judge(_: Any) -> None:
        steps.append("judge")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(Scheduler, "check_worker_ttl", judge)
    made = crew._Scheduler.__new__(crew._Scheduler)
    with pytest.raises(StopIteration):
        made.check_worker_ttl().send(None)
    assert steps == ["sleep 1"] * crew.HEARING_SECONDS + ["judge"]
    assert crew.SETTINGS["distributed.scheduler.worker-ttl"] == "15 minutes"


# Places that give no workers, and workers that leave.


LATE = [str(Path(__file__).with_name("late_worker.py"))]


class Refusing(LocalPlace):
    """A queue that takes no job of two cores."""

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        spec = super().spec(name, need, pool)
        if need == TWO:
            spec["options"]["preload"] = LATE  # a refused job has no worker
        return spec

    def cause(self, name: str) -> Cause | None:
        text = "Requested node configuration is not available"
        return Cause(text, final=True) if "pool1" in name else None


def test_a_refused_pool_fails_its_tasks_and_no_other() -> None:
    executor = Pools(Refusing(MACHINE, 2, environment), security())
    try:
        assert run(executor, {"a/1": (double, 1)})["a/1"].result == 2
        for key in ("b/1", "b/2"):
            error = run(executor, {key: (stay, 5)}, TWO)[key].error
            assert isinstance(error, PoolRefused)
            assert str(error) == "Requested node configuration is not available"
        assert run(executor, {"a/2": (double, 2)})["a/2"].result == 4
    finally:
        executor.close()


class Slow(LocalPlace):
    """A queue in which jobs wait."""

    def pending(self, name: str) -> str:
        return f"job 7 of {name}: PENDING (Priority)"

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        spec = super().spec(name, need, pool)
        spec["options"]["preload"] = LATE
        return spec


def test_a_pool_that_waits_for_its_worker_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staffing, "PATIENCE_SECONDS", 0.2)
    executor = Pools(Slow(MACHINE, 2, environment), security())
    said = []
    try:
        executor.submit("a/1", ONE, double, 1)
        ended = None
        while ended is None:
            ended = executor.next_done(0.5)
            said += executor.news()
    finally:
        executor.close()
    assert ended.result == 2
    assert said == [f"waiting for a worker with {ONE}: job 7 of pool0-0: PENDING (Priority)"]


def test_a_worker_that_hangs_as_it_starts_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "START_SECONDS", 1.0)
    monkeypatch.setattr(staffing, "PAUSES", (0.1,))
    place = Slow(MACHINE, 2, environment)
    executor = Pools(place, security())
    try:
        error = run(executor, {"a/1": (double, 1)})["a/1"].error
        assert executor._staff._started == 2
        assert place._workers == {}
    finally:
        executor.close()
    assert isinstance(error, PoolRefused)
    assert str(error) == (
        "a worker could not start on this machine: its process did not answer within 1 s"
    )


def test_a_worker_that_cannot_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(LocalPlace):
        def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
            spec = super().spec(name, need, pool)
            spec["options"]["preload"] = ["i2lc_no_such_module"]
            return spec

    executor = Pools(Broken(MACHINE, 2, environment), security())
    try:
        error = run(executor, {"a/1": (double, 1)})["a/1"].error
    finally:
        executor.close()
    assert isinstance(error, PoolRefused)
    assert str(error).startswith("a worker could not start on this machine: ")
    assert "i2lc_no_such_module" in str(error)


class Leaving(LocalPlace):
    """Its workers leave after some seconds, as jobs do before their walltime is over."""

    def spec(self, name: str, need: Need, pool: str) -> dict[str, Any]:
        spec = super().spec(name, need, pool)
        spec["options"] |= {"lifetime": "2s", "lifetime_restart": False}
        return spec


def test_a_task_longer_than_its_walltime_moves_once() -> None:
    need = Need(1, GIB, walltime=90)
    executor = Pools(Leaving(MACHINE, 2, environment), security())
    try:
        ended = run(executor, {"long/1": (stay, 30)}, need)
        assert run(executor, {"short/1": (double, 2)}, need)["short/1"].result == 4
    finally:
        executor.close()
    assert isinstance(ended["long/1"].error, TimeLimit)
    assert str(ended["long/1"].error) == (
        "the task is longer than the walltime 00:01:30 of its pool (1 cpu, 1 GB, walltime "
        "00:01:30); raise walltime in its block of the resource file"
    )


# The end.


def with_a_child(folder: str) -> int:
    """Start a process, as a training is, and wait for it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    (Path(folder) / f"{os.getpid()}").write_text(str(child.pid))
    return child.wait()


def test_close_ends_all_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = children()
    place = LocalPlace(MACHINE, 2, environment)
    executor = Pools(place, security())
    for key in "ab":
        executor.submit(key, ONE, with_a_child, str(tmp_path))
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2, executor)
    assert len(children() - before) == 4
    folder = Path(place.spec("a", ONE, "b")["options"]["local_directory"])
    assert folder.is_dir()
    start = time.monotonic()
    executor.close()
    assert time.monotonic() - start < 5
    assert children() - before == set()
    pids = [int(path.read_text()) for path in tmp_path.iterdir()]
    assert not [pid for pid in pids if alive(pid)]
    assert not folder.exists()
    executor.close()
    assert capfd.readouterr() == ("", "")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_close_while_workers_start(capfd: pytest.CaptureFixture[str]) -> None:
    before = children()
    executor = opened()
    executor.submit("a", ONE, double, 1)
    executor.next_done(0.2)
    executor.close()
    assert children() - before == set()
    assert capfd.readouterr() == ("", "")


CLIENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
sys.path.insert(0, {here!r})
import test_pools

if __name__ == "__main__":
    executor = test_pools.opened()
    for key in "ab":
        executor.submit(key, test_pools.ONE, test_pools.tell_and_stay, {folder!r})
    while True:
        executor.next_done(1)
"""


def tell_and_stay(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(300)


def client(tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start a client whose two workers run; give it and the numbers of the workers."""
    folder = tmp_path / "workers"
    folder.mkdir()
    script = tmp_path / "client.py"
    script.write_text(CLIENT.format(here=str(Path(__file__).parent), folder=str(folder)))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    end = time.monotonic() + PATIENCE
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    return process, [int(path.name) for path in folder.iterdir()]


def test_workers_of_a_client_that_was_killed_end(tmp_path: Path) -> None:
    process, pids = client(tmp_path)
    process.kill()
    process.wait()
    start = time.monotonic()
    while any(map(alive, pids)):
        assert time.monotonic() - start < 10
        time.sleep(0.1)


def test_control_c_in_a_terminal_reaches_the_client_alone(tmp_path: Path) -> None:
    process, pids = client(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) != 0
    end = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, pids))
