"""What each task may use: shares of this machine, blocks of a resource file, retries."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import tiny

from i2lc.chain import config, placement, resources
from i2lc.chain.recipe import STEPS
from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.needs import GIB, Need

MACHINE = Allocation(cpus=8, ram=64 * GIB)


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("placement") / "land", dates=4)


def limited(landscape: Path, **limits: object) -> config.Config:
    path = landscape.with_name("limits.cfg")
    lines = "".join(f" {key} : {value}\n" for key, value in limits.items())
    path.write_text(landscape.read_text() + f"task_retry_limits :\n{{\n{lines}}}\n")
    return config.load(path)


def place(
    loaded: config.Config, kind: str = "localCluster", parallel: int | None = None, text: str = ""
) -> placement.Placement:
    given = resources.Resources()
    if text:
        path = loaded.path.with_name("resources.cfg")
        path.write_text(text)
        given = resources.load(path)
    return placement.place(loaded, STEPS, kind, parallel, given, MACHINE)


@pytest.mark.parametrize(
    ("limits", "kind", "parallel", "share"),
    [
        ({}, "localCluster", None, (8, 1)),
        ({}, "localCluster", 2, (2, 4)),
        ({"maximum_cpu": 4}, "localCluster", 2, (2, 2)),
        ({"maximum_cpu": 8}, "localCluster", None, (8, 1)),
        ({"maximum_cpu": 8}, "localCluster", 2, (2, 4)),
        ({"maximum_cpu": 8}, "localCluster", 16, (16, 1)),
        ({"maximum_cpu": 8}, "debug", 3, (1, 8)),
    ],
)
def test_tasks_share_the_machine(
    landscape: Path,
    limits: dict[str, int],
    kind: str,
    parallel: int | None,
    share: tuple[int, int],
) -> None:
    made = place(limited(landscape, **limits), kind, parallel)
    tasks, cpus = share
    assert made.most_tasks == tasks
    assert set(made.needs.values()) == {Need(cpus, 64 * GIB // tasks)}
    assert set(made.needs) == {step.name for step in STEPS}
    assert made.notes == ()


def test_ceilings_of_the_seed_are_cut_with_a_note(landscape: Path) -> None:
    made = place(limited(landscape, maximum_ram=180.0, maximum_cpu=40))
    assert set(made.needs.values()) == {Need(1, 8 * GIB)}
    assert made.notes == (
        "maximum_cpu 40 is cut to the 8 cores of this machine",
        "maximum_ram 180 GB is cut to the 64.0 GB of this machine",
    )


BLOCKS = """training : { nb_cpu : 4, ram : "20gb", walltime : "12:00:00", queue : "long" }
classifications : { nb_cpu : 2, ram : "6gb" }
"""


def test_blocks_of_the_resource_file_size_local_tasks(landscape: Path) -> None:
    made = place(limited(landscape), text=BLOCKS)
    assert made.needs["training"] == Need(4, 20 * GIB)
    assert made.needs["classification"] == Need(2, 6 * GIB)
    assert made.needs["mosaic"] == Need(1, 8 * GIB)


def test_a_block_beyond_the_machine_is_cut_with_a_note(landscape: Path) -> None:
    made = place(limited(landscape), text='training : { nb_cpu : 10, ram : "92gb" }')
    assert made.needs["training"] == Need(8, 64 * GIB)
    assert made.notes == ("training: cut to this machine: nb_cpu 10 to 8, ram 92 GB to 64",)


def test_a_queue_gets_what_the_blocks_say(landscape: Path) -> None:
    made = place(limited(landscape), "Slurm", text=BLOCKS)
    assert made.needs["training"] == Need(4, 20 * GIB, walltime=43200, queue="long")
    assert made.needs["mosaic"] == Need(1, 5 * GIB, walltime=3600)
    assert made.most_tasks == 0


def test_the_jobs_of_a_pool_can_be_limited(landscape: Path) -> None:
    assert place(limited(landscape), "PBS", parallel=3).most_tasks == 3


@pytest.mark.parametrize(
    ("kind", "limits", "ram"),
    [
        ("localCluster", {}, [16, 32, 64, 64]),
        ("localCluster", {"maximum_ram": 24}, [6, 12, 24, 24]),
        ("Slurm", {}, [10, 16, 16]),
        ("Slurm", {"maximum_ram": 12}, [10, 12, 12]),
        ("Slurm", {"maximum_ram": 64}, [10, 20, 40]),
    ],
)
def test_a_retry_gets_twice_the_memory_up_to_maximum_ram(
    landscape: Path, kind: str, limits: dict[str, int], ram: list[int]
) -> None:
    made = place(limited(landscape, **limits), kind)
    need = made.needs["training"]
    seen = []
    for _ in ram:
        need = made.grown("training/seed_0_hyp_0", need)
        seen.append(need.ram // GIB)
    assert seen == ram


def test_libraries_are_kept_to_the_share() -> None:
    made = placement.environment(Need(4, GIB))
    assert made["NUMBA_NUM_THREADS"] == "4"
    single = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GDAL_NUM_THREADS")
    assert {made[name] for name in single} == {"1"}
