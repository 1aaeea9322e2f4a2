"""The budget of this machine, and where its workers live."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.local import LocalPlace
from i2lc.scheduler.needs import GIB, Need
from i2lc.scheduler.place import Cause

MACHINE = Allocation(cpus=8, ram=32 * GIB)
ONE, FOUR, LARGE = Need(1, GIB), Need(4, 2 * GIB), Need(1, 20 * GIB)


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(MACHINE, 6, lambda need: {"OMP_NUM_THREADS": str(need.cpus)}, tmp_path)


@pytest.mark.parametrize(
    ("need", "most"),
    [(ONE, 6), (FOUR, 2), (LARGE, 1), (Need(3, GIB), 2), (Need(16, 64 * GIB), 1)],
)
def test_most_workers_of_a_pool(place: LocalPlace, need: Need, most: int) -> None:
    assert place.most(need) == most


@pytest.mark.parametrize(
    ("need", "running", "room"),
    [
        (ONE, {}, True),
        (ONE, {ONE: 5}, True),
        (ONE, {ONE: 6}, False),  # most_tasks
        (ONE, {FOUR: 2}, False),  # cores
        (FOUR, {FOUR: 1, ONE: 0}, True),
        (FOUR, {FOUR: 1, ONE: 1}, False),
        (LARGE, {LARGE: 1}, False),  # memory
        (LARGE, {ONE: 5}, True),
        (Need(16, 64 * GIB), {}, True),  # alone, whatever it needs
        (Need(16, 64 * GIB), {ONE: 1}, False),
    ],
)
def test_room(place: LocalPlace, need: Need, running: dict[Need, int], room: bool) -> None:
    assert place.room(need, running) is room


ON_GPU, ON_TWO = Need(1, GIB, gpus=1), Need(1, GIB, gpus=2)


@pytest.mark.parametrize(
    ("need", "running", "room"),
    [
        (ON_GPU, {ONE: 5}, True),
        (ON_GPU, {ON_GPU: 2, ONE: 1}, True),
        (ON_GPU, {ON_GPU: 3}, False),
        (ON_GPU, {ON_TWO: 1}, True),
        (ON_TWO, {ON_TWO: 1}, False),
        (ON_TWO, {ON_GPU: 1}, True),
        (ONE, {ON_GPU: 3}, True),  # no GPU is left, and it needs none
    ],
)
def test_tasks_on_gpus_have_one_each(
    tmp_path: Path, need: Need, running: dict[Need, int], room: bool
) -> None:
    place = LocalPlace(Allocation(8, 32 * GIB, gpus=3), 6, lambda need: {}, tmp_path)
    assert place.room(need, running) is room
    assert [place.most(each) for each in (ONE, ON_GPU, ON_TWO)] == [6, 3, 1]


def test_idle_workers_do_not_pile_up(place: LocalPlace) -> None:
    assert not place.crowded({ONE: 6, FOUR: 2})
    assert not place.crowded({ONE: 38})
    assert place.crowded({ONE: 37, FOUR: 2})
    small = LocalPlace(Allocation(2, 2 * GIB), 2, lambda need: {}, Path("scratch"))
    assert not small.crowded({ONE: 2, FOUR: 2})
    assert small.crowded({ONE: 2, FOUR: 3})


def test_the_specification_of_a_worker(place: LocalPlace, tmp_path: Path) -> None:
    options = place.spec("pool3-7", FOUR, "pool3")["options"]
    assert options["memory_limit"] == 2 * GIB
    assert options["resources"] == {"pool3": 1}
    assert options["nthreads"] == 1
    assert options["host"] == "127.0.0.1"
    assert options["env"] == {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "4"}
    assert options["preload"] == ["i2lc.scheduler.worker_setup"]
    assert options["local_directory"] == str(tmp_path)
    assert options["death_timeout"] == 120


def test_the_scheduler_is_on_loopback_and_encrypted(place: LocalPlace) -> None:
    assert place.scheduler() == {
        "host": "127.0.0.1",
        "protocol": "tls://",
        "dashboard_address": "127.0.0.1:0",
    }


def test_a_given_folder_stays_a_temporary_one_goes(
    place: LocalPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.close()
    assert tmp_path.is_dir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = LocalPlace(MACHINE, 6, lambda need: {})
    assert [path.name.startswith("i2lc-workers-") for path in tmp_path.iterdir()] == [True]
    own.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_clients_go_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living = LocalPlace(MACHINE, 6, lambda need: {})
    (held,) = tmp_path.iterdir()
    for name, age in (("i2lc-workers-dead", 100), ("i2lc-workers-new", 0), ("other", 100)):
        folder = tmp_path / name
        (folder / "dask-scratch-space").mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    os.utime(held, (time.time() - 100,) * 2)
    LocalPlace(MACHINE, 6, lambda need: {}).close()
    assert set(tmp_path.iterdir()) == {held, tmp_path / "i2lc-workers-new", tmp_path / "other"}
    living.close()
    assert not held.exists()


class Named:
    """A worker as its place knows it."""

    name = "pool0-0"


def test_a_worker_that_starts_is_told_until_it_has_ended(place: LocalPlace) -> None:
    worker: Any = Named()
    assert place.pending("pool0-0") == ""
    place.came(worker)
    assert place.pending("pool0-0") == "its process does not answer yet; it may take 120 s"
    place.gone(worker)
    assert place.pending("pool0-0") == ""


def test_a_worker_that_was_only_slow_may_be_asked_for_again(place: LocalPlace) -> None:
    worker: Any = Named()
    place.failed(worker, TimeoutError("its process did not answer within 120 s"))
    assert place.cause("pool0-0") == Cause(
        "a worker could not start on this machine: its process did not answer within 120 s",
        final=False,
    )
    error = RuntimeError("LocalWorker failed to start.")
    error.__cause__ = ModuleNotFoundError("No module named 'i2lc'")
    place.failed(worker, error)
    assert place.cause("pool0-0") == Cause(
        "a worker could not start on this machine: No module named 'i2lc'", final=True
    )
