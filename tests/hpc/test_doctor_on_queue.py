"""`i2lc doctor` on a real queue: a good site, and bad ones."""

from __future__ import annotations

import socket

import pytest
from conftest import with_keys
from on_queue import TRAINING, _no_job_left, i2lc, queue, resource_file, shared  # noqa: F401

from i2lc._version import __version__
from i2lc.demo import landscape

pytestmark = [pytest.mark.hpc, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor") / "demo"
    return landscape.write(folder, landscape.Landscape(tiles=(1, 1), size=64, dates=8))


def files(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def findings(text):
    return [line for line in text.splitlines() if line.startswith(("  ok ", "  FAIL ", "pool"))]


@pytest.mark.parametrize("kind", ["Slurm", "PBS"])
def test_a_good_site(queue, config, kind):
    resources = resource_file(config.with_name("good.cfg"))
    before = files(config.parent)
    status, text = i2lc(
        "doctor", "-config", config, "-config_ressources", resources, "-scheduler_type", kind
    )
    assert status == 0, text
    assert "#SBATCH -p train" in text if kind == "Slurm" else "#PBS -q train" in text
    found = findings(text)
    assert [line for line in found if "FAIL" in line] == []
    assert sum(line.startswith("  ok   job ") for line in found) == 2
    for told in (
        f"  ok   i2lc {__version__} and all it needs, as here",
        "  ok   all modules are imported",
        "  ok   output folder: each side reads what the other wrote",
        "  ok   interface lo",
    ):
        assert found.count(told) == 2, text
    assert any(line.endswith(f"s on {socket.gethostname()}") for line in found)
    assert text.splitlines()[-1] == "2 pools: all is well"
    assert files(config.parent) == before


def test_interface_that_does_not_exist(queue, config):
    site = '{ interface : "ib9" }'
    resources = resource_file(config.with_name("interface.cfg"), site=site)
    status, text = i2lc(
        "doctor", "-config", config, "-config_ressources", resources, "-scheduler_type", "Slurm"
    )
    assert status == 1
    assert "  FAIL this machine has no network interface ib9; it has " in text
    assert "correct interface in the resource file" in text


def test_interface_that_the_node_does_not_have(queue, config):
    training = TRAINING.replace("}", ', interface : "ib9" }')
    resources = resource_file(config.with_name("node.cfg"), training=training)
    status, text = i2lc(
        "doctor", "-config", config, "-config_ressources", resources, "-scheduler_type", "Slurm"
    )
    assert status == 1
    (failure,) = [line for line in text.splitlines() if "FAIL" in line]
    assert " of pool pool1 ended: " in failure
    assert "'ib9' is not a valid network interface" in text


def test_wrong_partition(queue, config):
    training = TRAINING.replace('"train"', '"gpu9"')
    resources = resource_file(config.with_name("partition.cfg"), training=training)
    status, text = i2lc(
        "doctor", "-config", config, "-config_ressources", resources, "-scheduler_type", "Slurm"
    )
    assert status == 1
    assert (
        "  FAIL sbatch refused the job of pool pool1 (2 cpu, 3 GB, walltime 00:20:00, queue gpu9): "
        "invalid partition specified: gpu9; Invalid partition name specified; name another queue "
        "in its block of the resource file"
    ) in text
    assert text.splitlines()[-1] == "2 pools: 1 of the checks failed"


def test_output_folder_that_cannot_be_written(queue, config):
    copy = with_keys(config, "unwritable.cfg", output_path='"/proc/i2lc-results"')
    status, text = i2lc(
        "doctor",
        "-config",
        copy,
        "-config_ressources",
        resource_file(config.with_name("r.cfg")),
        "-scheduler_type",
        "Slurm",
    )
    assert status == 1
    assert (
        "  FAIL output folder /proc/i2lc-results cannot be written: No such file or directory; "
        "change output_path"
    ) in text


def test_a_job_that_waits_too_long_tells_why(queue, config):
    default = (
        '{ nb_cpu : 1, ram : "3gb", walltime : "00:20:00", job_extra_directives : ["--hold"] }'
    )
    resources = resource_file(config.with_name("hold.cfg"), default=default, training=default)
    status, text = i2lc(
        "doctor",
        "-config",
        config,
        "-config_ressources",
        resources,
        "-scheduler_type",
        "Slurm",
        "-timeout",
        "3",
    )
    assert status == 1
    assert "  FAIL no worker after 3 s; job " in text
    assert ": PENDING (JobHeldUser)" in text
