"""The budget of this machine, and where its workers live."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.local import LocalPlace
from i2lc.scheduler.needs import GIB, Need

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
