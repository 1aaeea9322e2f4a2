"""Tasks in this process and on workers; a worker that is killed takes only its task with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import dask
import networkx as nx
import psutil
import pytest

from i2lc.scheduler.drive import Progress, drive
from i2lc.scheduler.executors import InProcess, LocalWorkers

MEMORY = 1024**3


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"{number} is wrong")


def leave(number: int) -> int:
    os._exit(number)


def be_killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def nothing(number: int) -> None:
    return None


def circumstances(number: int) -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "pause": dask.config.get("distributed.worker.memory.pause"),
        "spill": dask.config.get("distributed.worker.memory.spill"),
        "daemon": threading.current_thread().daemon,
    }


def stay(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def one_of(argument: tuple[str, int]) -> int:
    """Do what the name says."""
    functions = {"double": double, "leave": leave, "be_killed": be_killed, "fail": fail}
    return functions[argument[0]](argument[1])


def gather(executor: InProcess | LocalWorkers, count: int) -> dict[str, tuple[Any, Any]]:
    ended = (executor.next_done() for _ in range(count))
    return {key: (result, error) for key, result, error in ended}


# In this process.


def test_in_process_runs_in_order_when_waited_for() -> None:
    executor = InProcess()
    seen: list[str] = []
    for key in "abc":
        executor.submit(key, seen.append, key)
    assert seen == []
    assert [executor.next_done()[0] for _ in range(2)] == ["a", "b"]
    assert seen == ["a", "b"]
    assert executor.slots == 1
    assert executor.dashboard == ""
    executor.close()
    with pytest.raises(IndexError):
        executor.next_done()


def test_in_process_gives_the_exception_that_ended_a_task() -> None:
    executor = InProcess()
    executor.submit("a", fail, 3)
    key, result, error = executor.next_done()
    executor.close()
    assert (key, result) == ("a", None)
    assert isinstance(error, ValueError)
    assert str(error) == "3 is wrong"


def test_in_process_puts_the_environment_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2LC_OLD", "before")
    monkeypatch.delenv("I2LC_NEW", raising=False)
    executor = InProcess({"I2LC_OLD": "now", "I2LC_NEW": "now"})
    assert (os.environ["I2LC_OLD"], os.environ["I2LC_NEW"]) == ("now", "now")
    executor.close()
    assert os.environ["I2LC_OLD"] == "before"
    assert "I2LC_NEW" not in os.environ


# On workers.


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalWorkers]:
    executor = LocalWorkers(2, MEMORY, {"OMP_NUM_THREADS": "1"})
    yield executor
    executor.close()


def test_workers_give_results_and_exceptions_by_key(workers: LocalWorkers) -> None:
    workers.submit("well/1", double, 21)
    workers.submit("badly/1", fail, 3)
    ended = gather(workers, 2)
    assert ended["well/1"] == (42, None)
    result, error = ended["badly/1"]
    assert result is None
    assert isinstance(error, ValueError)
    assert str(error) == "3 is wrong"


def test_a_key_may_run_again(workers: LocalWorkers) -> None:
    for number in (1, 2):
        workers.submit("again/1", double, number)
        assert workers.next_done() == ("again/1", 2 * number, None)


def test_a_second_try_is_not_the_end_of_the_first(workers: LocalWorkers) -> None:
    for _ in range(3):
        workers.submit("try/1", double, "a")
        assert workers.next_done() == ("try/1", "aa", None)
        workers.submit("try/1", fail, 3)
        assert str(workers.next_done()[2]) == "3 is wrong"


def test_a_task_without_a_result_is_a_failure(workers: LocalWorkers) -> None:
    workers.submit("empty/1", nothing, 1)
    key, result, error = workers.next_done()
    assert (key, result) == ("empty/1", None)
    assert isinstance(error, RuntimeError)


def test_workers_are_other_processes_with_their_settings(workers: LocalWorkers) -> None:
    workers.submit("where/1", circumstances, 1)
    _, found, error = workers.next_done()
    assert error is None
    assert found["process"] in {child.pid for child in psutil.Process().children(recursive=True)}
    assert found["threads"] == "1"
    assert found["pause"] is False
    assert found["spill"] is False


def test_all_sockets_are_on_loopback(workers: LocalWorkers) -> None:
    assert workers.slots == 2
    assert workers.dashboard.startswith("http://127.0.0.1:")
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [
        socket.laddr.ip
        for process in processes
        for socket in process.net_connections(kind="inet")
        if socket.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4  # scheduler, dashboard, two workers
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_tasks_that_run_together_have_workers_of_their_own(workers: LocalWorkers) -> None:
    for round_ in range(4):
        for k in range(2):
            workers.submit(f"stay/{round_}_{k}", stay, 0.05)
        processes = {result for result, _ in gather(workers, 2).values()}
        assert len(processes) == 2


@pytest.mark.parametrize("death", ["leave", "be_killed"])
def test_a_killed_worker_takes_only_its_task_with_it(workers: LocalWorkers, death: str) -> None:
    arguments = {f"{death}/{k}": (death if k == 1 else "double", k) for k in range(6)}
    edges: nx.DiGraph = nx.DiGraph()
    edges.add_nodes_from(arguments)
    edges.add_edge(f"{death}/1", f"{death}/5")
    told: list[str] = []

    def watch(what: str, key: str, state: Progress) -> None:
        told.append(f"{what} {key}")

    progress = drive(edges, workers, one_of, arguments, lambda _: True, watch)
    assert progress.done == {f"{death}/{k}": 2 * k for k in (0, 2, 3, 4)}
    assert list(progress.failed) == [f"{death}/1"]
    assert type(progress.failed[f"{death}/1"]).__name__ == "KilledWorker"
    assert f"started {death}/5" not in told


def test_after_a_death_the_next_task_does_not_wait_behind_another(workers: LocalWorkers) -> None:
    workers.submit("death/1", be_killed, 1)
    assert type(workers.next_done()[2]).__name__ == "KilledWorker"
    for k in (2, 3):  # one worker is there, the other one is coming back
        workers.submit(f"death/{k}", stay, 0.1)
    ended = gather(workers, 2)
    assert [error for _, error in ended.values()] == [None, None]
    assert len({result for result, _ in ended.values()}) == 2
