"""The whole chain through sbatch and through qsub: the same bits as on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import digests, with_keys
from on_queue import _no_job_left, i2lc, queue, resource_file, shared  # noqa: F401

from i2lc.demo import landscape

pytestmark = [pytest.mark.hpc, pytest.mark.timeout(900)]

OPTIONS = {"tiles": (1, 1), "size": 64, "dates": 8}
FUNCTIONS = Path(__file__).parents[2] / "docs" / "examples" / "external" / "contrast.py"
EXTERNAL = """
external_features :
{
 module : "contrast.py"
 functions : ["get_ndvi_contrast", "get_soi_s2"]
 padding : 1
}
builders :
{
 builders_class_name : ["I2Classification", "I2FeaturesMap"]
}
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Give the configuration of a tiny landscape, with functions of a user's and both maps."""
    folder = tmp_path_factory.mktemp("chain") / "demo"
    config = landscape.write(folder, landscape.Landscape(**OPTIONS))
    config = with_keys(config, "run.cfg", epochs="4")
    config.write_text(config.read_text() + EXTERNAL)
    shutil.copy(FUNCTIONS, folder)
    return config


@pytest.fixture(scope="module")
def local(demo):
    """Give the digests of the products of a run on this machine."""
    status, text = i2lc("-config", demo, "-scheduler_type", "localCluster")
    assert status == 0, text
    found = digests(demo.parent / "results")
    assert {"final/Classif_Seed_0.tif", "final/features_map.tif"} <= set(found)
    return found


def anew(demo, kind):
    """Write a configuration of the same landscape with an output folder of its own."""
    root = demo.parent / f"results-{kind}"
    copy = with_keys(demo, f"{kind}.cfg", output_path=f'"{root}"')
    return copy, root


def command(config, kind):
    resources = resource_file(config.with_name(f"resources-{kind}.cfg"))
    return ("-config", config, "-config_ressources", resources, "-scheduler_type", kind)


@pytest.mark.parametrize("kind", ["Slurm", "PBS"])
def test_products_are_those_of_this_machine_bit_for_bit(queue, demo, local, kind):
    config, root = anew(demo, kind)
    seen = set()
    with watched(queue, seen):
        status, text = i2lc(*command(config, kind))
    assert status == 0, text
    assert {job.rsplit(" ", 1)[1] for job in seen} == {"cpu", "train"}
    assert digests(root) == local
    assert list(root.rglob(".i2lc-tls-*")) == []


class watched:  # noqa: N801 - reads as a phrase
    """Collects what stands in the queue while a block runs."""

    def __init__(self, queue, seen):
        self._queue, self._seen = queue, seen
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self._end.wait(0.3):
            self._seen.update(job for job in self._queue.jobs() if " RUNNING " in job)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def running_job(queue, partition, seconds=120):
    """Wait for a running job in a partition; give its number."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        shown = subprocess.run(
            ["squeue", "-h", "-p", partition, "-t", "R", "-o", "%i"],
            check=True,
            capture_output=True,
            text=True,
        )
        if jobs := shown.stdout.split():
            return jobs[0]
        time.sleep(0.2)
    raise AssertionError(f"no job ran in partition {partition}")


def test_a_cancelled_job_costs_no_product(queue, demo, local):
    config, root = anew(demo, "cancelled")
    process = subprocess.Popen(
        [sys.executable, "-m", "i2lc.chain.cli", *map(str, command(config, "Slurm"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        job = running_job(queue, "train")
        time.sleep(3)  # the worker is there and trains
        subprocess.run(["scancel", job], check=True)
        text, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, text  # its task ran again, in another job
    assert digests(root) == local


def test_a_refused_job_ends_the_run_with_the_queues_reason(queue, demo):
    config, root = anew(demo, "refused")
    resources = resource_file(
        config.with_name("refused-resources.cfg"),
        training='{ nb_cpu : 1, ram : "900gb", walltime : "00:20:00", queue : "train" }',
    )
    status, text = i2lc(
        "-config", config, "-config_ressources", resources, "-scheduler_type", "Slurm"
    )
    assert status == 1
    assert "sbatch refused the job of pool " in text
    assert (
        "(1 cpu, 900 GB, walltime 00:20:00, queue train): Memory specification can not be "
        "satisfied; Requested node configuration is not available; ask for less ram, or for a "
        "queue with larger nodes, in its block of the resource file"
    ) in text
    assert not (root / "final" / "Classif_Seed_0.tif").exists()
