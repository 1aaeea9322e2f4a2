"""What each task may use: shares of this machine, blocks of a resource file, retries."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import tiny

from i2lc.chain.recipe import STEPS
from i2lc.chain.settings import config, resources
from i2lc.chain.tasks import placement
from i2lc.chain.tasks.orders import Orders
from i2lc.scheduler import allocation
from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.needs import GIB, Need
from i2lc.steps.contract import Unit

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
    loaded: config.Config,
    kind: str = "localCluster",
    parallel: int | None = None,
    text: str = "",
    machine: Allocation = MACHINE,
) -> placement.Placement:
    given = resources.Resources()
    if text:
        path = loaded.path.with_name("resources.cfg")
        path.write_text(text)
        given = resources.load(path)
    return placement.place(loaded, STEPS, kind, parallel, given, machine)


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


GPU_STEPS = {step.name for step in STEPS if step.resource in ("training", "classifications")}
PLAIN = Need(1, 8 * GIB)


@pytest.mark.parametrize(
    ("gpus", "parallel", "text", "computing", "others"),
    [
        (1, None, "", Need(8, 64 * GIB, gpus=1), PLAIN),
        (2, None, "", Need(4, 32 * GIB, gpus=1), PLAIN),
        (16, None, "", Need(1, 8 * GIB, gpus=1), PLAIN),
        (2, 1, "", Need(8, 64 * GIB, gpus=1), Need(8, 64 * GIB)),
        (2, None, "default : { nb_gpu : 0 }", PLAIN, PLAIN),
        (2, None, "default : { nb_gpu : 2 }", *[Need(8, 64 * GIB, gpus=2)] * 2),
        (4, None, "default : { nb_gpu : 2, nb_cpu : 3 }", *[Need(3, 32 * GIB, gpus=2)] * 2),
    ],
)
def test_tasks_that_compute_on_gpus_share_them(
    landscape: Path, gpus: int, parallel: int | None, text: str, computing: Need, others: Need
) -> None:
    machine = Allocation(8, 64 * GIB, gpus)
    made = place(limited(landscape), parallel=parallel, text=text, machine=machine)
    assert {"training", "classification"} <= GPU_STEPS
    assert {made.needs[name] for name in GPU_STEPS} == {computing}
    assert {need for name, need in made.needs.items() if name not in GPU_STEPS} == {others}
    assert made.machine == machine
    assert made.notes == ()


def test_more_gpus_than_the_machine_has_are_cut_with_a_note(landscape: Path) -> None:
    text = "training : { nb_gpu : 3 }"
    made = place(limited(landscape), text=text, machine=Allocation(8, 64 * GIB, 2))
    assert made.needs["training"] == Need(8, 64 * GIB, gpus=2)
    assert made.notes == ("training: cut to this machine: nb_gpu 3 to 2",)
    made = place(limited(landscape), text=text)
    assert made.needs["training"] == PLAIN
    assert made.notes == ("training: cut to this machine: nb_gpu 3 to 0",)


def test_gpus_of_a_queue_are_those_that_its_blocks_ask_for(landscape: Path) -> None:
    text = "training : { nb_gpu : 3 }"
    made = place(limited(landscape), "Slurm", text=text, machine=Allocation(8, 64 * GIB, 2))
    assert made.needs["training"].gpus == 3
    assert made.needs["classification"].gpus == 0


@pytest.mark.parametrize(
    ("kind", "gpus"), [("localCluster", 5), ("debug", 5), ("Slurm", 0), ("PBS", 0)]
)
def test_gpus_of_this_machine_are_those_that_torch_finds(
    monkeypatch: pytest.MonkeyPatch, kind: str, gpus: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 5)
    monkeypatch.setattr(allocation, "current", lambda: MACHINE)
    assert placement.this_machine(kind) == Allocation(8, 64 * GIB, gpus)


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


def test_a_job_has_what_its_task_may_use() -> None:
    step = SimpleNamespace(name="training", run=None)
    task = SimpleNamespace(step=step, unit=Unit(seed=0), inputs=(), outputs=())
    made = Orders(
        config=SimpleNamespace(
            run=SimpleNamespace(output_path=Path("/run")), steps={"training": None}
        ),  # type: ignore[arg-type]
        graph=SimpleNamespace(tasks={"training/seed_0": task}),  # type: ignore[arg-type]
        made={"training/seed_0": None},  # type: ignore[dict-item]
        run_id="r",
        kind="debug",
    )
    job = made.of("training/seed_0", Need(3, GIB, gpus=2), 1).job
    assert (job.cpus, job.ram, job.gpus) == (3, GIB, 2)


def test_libraries_are_kept_to_the_share() -> None:
    made = placement.environment(Need(4, GIB))
    assert made["NUMBA_NUM_THREADS"] == "4"
    single = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GDAL_NUM_THREADS")
    assert {made[name] for name in single} == {"1"}
