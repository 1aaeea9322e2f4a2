"""`i2lc doctor`: what is judged, what is said; jobs come from commands that play a queue."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from i2lc.chain import cli
from i2lc.chain.verbs import doctor
from i2lc.chain.verbs.diagnosis import Check, judge
from i2lc.demo import landscape
from i2lc.scheduler.needs import GIB, Need, Site
from i2lc.scheduler.probe import Answer

HERE = Answer(
    host="login",
    python="3.11.7",
    versions={"i2lc": "0.2.0", "torch": "2.4.0"},
    broken={},
    interfaces=("eth0", "lo"),
    read="token",
    disk_problem="",
    scratch="/scratch/worker",
    scratch_free=50 * GIB,
    scratch_problem="",
    cpus=2,
    ram=4 * GIB,
    job={},
)
THERE = replace(HERE, host="node7")
NEED = Need(2, 4 * GIB, site=Site(interface="eth0"))
GPU = replace(NEED, gpus=1)


def said(there=THERE, need=NEED, returned="node7"):
    return [str(check) for check in judge(need, HERE, there, "token", returned)]


def test_all_is_well():
    assert said() == [
        "ok   python 3.11.7, as here",
        "ok   i2lc 0.2.0 and all it needs, as here",
        "ok   all modules are imported",
        "ok   output folder: each side reads what the other wrote",
        "ok   scratch /scratch/worker, 50.0 GB free",
        "ok   2 cpus granted, 2 asked for",
        "ok   4.0 GB of memory granted, 4.0 GB asked for",
        "ok   interface eth0",
    ]


ACTIVATE = "have job_script_prologue of the resource file activate the environment of this side"
SHARED = "choose an output_path on a disk that all nodes share and may write"


@pytest.mark.parametrize(
    ("there", "need", "returned", "expected"),
    [
        ({"python": "3.12.1"}, NEED, "node7", f"python 3.12.1 there, 3.11.7 here: {ACTIVATE}"),
        (
            {"versions": {"i2lc": "0.1.0", "torch": "2.4.0"}},
            NEED,
            "node7",
            f"i2lc 0.1.0 there, 0.2.0 here: {ACTIVATE}",
        ),
        (
            {"versions": {"i2lc": "0.2.0", "torch": ""}},
            NEED,
            "node7",
            f"torch missing there, 2.4.0 here: {ACTIVATE}",
        ),
        (
            {"broken": {"torch": "ImportError: libcudart.so.12"}},
            NEED,
            "node7",
            "modules that cannot be imported: torch: ImportError: libcudart.so.12: " + ACTIVATE,
        ),
        (
            {"disk_problem": "No such file or directory: /elsewhere/from-here"},
            NEED,
            "node7",
            f"output folder on node7: No such file or directory: /elsewhere/from-here: {SHARED}",
        ),
        (
            {"read": "other"},
            NEED,
            "node7",
            f"node7 reads another output folder than this machine: {SHARED}",
        ),
        ({}, NEED, "", f"what node7 writes into the output folder is not here: {SHARED}"),
        (
            {"scratch_problem": "Permission denied"},
            NEED,
            "node7",
            "scratch /scratch/worker cannot be written: Permission denied: set "
            "scratch_directory in the resource file",
        ),
        (
            {"scratch_free": GIB // 2},
            NEED,
            "node7",
            "scratch /scratch/worker, 0.5 GB free: set scratch_directory in the resource file",
        ),
        (
            {"cpus": 1},
            NEED,
            "node7",
            "1 cpus granted, 2 asked for: ask for fewer with nb_cpu, or for the rest with "
            "job_extra_directives",
        ),
        (
            {"ram": 2 * GIB},
            NEED,
            "node7",
            "2.0 GB of memory granted, 4.0 GB asked for: ask for less ram, or name another queue",
        ),
        (
            {"interfaces": ("ib0", "lo")},
            NEED,
            "node7",
            "no interface eth0 there, but ib0, lo: correct interface",
        ),
        (
            {},
            GPU,
            "node7",
            "torch sees 0 GPUs, 1 asked for: name a queue with GPUs; check the driver there and "
            "that torch is built for CUDA",
        ),
    ],
)
def test_each_failure_says_what_to_change(there, need, returned, expected):
    found = said(replace(THERE, **there), need, returned)
    assert [line for line in found if line.startswith("FAIL")] == [f"FAIL {expected}"]


def test_gpus_that_torch_sees():
    assert said(replace(THERE, gpus=("H100",)), GPU)[-1] == (
        "ok   torch sees 1 GPUs: H100, 1 asked for"
    )


def test_every_requirement_is_imported_and_compared():
    text = (Path(__file__).parents[2] / "setup.cfg").read_text()
    block = re.search(r"^install_requires =\n((?:    .*\n)+)", text, re.M).group(1)
    names = [re.split(r"[<>=]", line.strip())[0] for line in block.splitlines()]
    assert set(names) <= set(doctor.packages())
    assert {"i2lc.chain.cli", "odc.geo", "yaml", "sklearn", "dask_jobqueue"} <= set(
        doctor.modules()
    )
    assert len(doctor.modules()) == len(doctor.packages())


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor") / "demo"
    return landscape.write(folder, landscape.Landscape(tiles=(1, 1), size=64, dates=8))


@pytest.fixture
def site(tmp_path, monkeypatch, config):
    """Give options of a Slurm whose sbatch a test writes."""
    for name in ("sbatch", "squeue", "scancel"):
        command(tmp_path, name, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    resources = tmp_path / "r.cfg"
    resources.write_text(
        'site : { interface : "lo" }\n'
        'default : { nb_cpu : 1, ram : "2gb", walltime : "01:00:00" }\n'
        'training : { nb_cpu : 2, ram : "3gb", walltime : "02:00:00", queue : "gpu" }\n'
    )
    options = ("doctor", "-config", config, "-config_ressources", resources)
    return [*map(str, options), "-scheduler_type", "Slurm"]


def command(folder, name, body):
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def names(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_refused_jobs_are_failures_and_nothing_is_left(site, tmp_path, config, capsys):
    command(tmp_path, "sbatch", "echo 'sbatch: error: Invalid account' >&2; exit 1")
    before = names(config.parent)
    assert cli.main(site) == 1
    text = capsys.readouterr().out
    assert "pool1: 2 cpu, 3 GB, walltime 02:00:00, queue gpu, for training\n" in text
    assert "  | #SBATCH -p gpu\n" in text
    assert (
        "  FAIL sbatch refused the job of pool pool1 (2 cpu, 3 GB, walltime 02:00:00, queue "
        "gpu): Invalid account; correct the account, or ask the site for its use, in its block "
        "of the resource file\n"
    ) in text
    assert text.endswith("2 pools: 2 of the checks failed\n")
    assert names(config.parent) == before


def test_a_log_directory_that_cannot_be_made_fails_its_pool_only(site, tmp_path, capsys):
    command(tmp_path, "sbatch", "echo 'sbatch: error: Unknown thing' >&2; exit 1")
    resources = tmp_path / "r.cfg"
    (tmp_path / "file").touch()
    logs = tmp_path / "file" / "logs"
    resources.write_text(
        resources.read_text().replace('queue : "gpu"', f'log_directory : "{logs}"')
    )
    assert cli.main(site) == 1
    text = capsys.readouterr().out
    assert (
        "  FAIL there can be no job of pool pool1 (2 cpu, 3 GB, walltime 02:00:00): no folder "
        f"{logs} for its output: Not a directory; name another with log_directory in the "
        "resource file\n"
    ) in text
    assert "  FAIL sbatch refused the job of pool pool0 " in text
    assert text.count("#!/usr/bin/env bash") == 1


def test_a_job_that_waits(site, tmp_path, capsys):
    command(tmp_path, "sbatch", "echo 7")
    command(tmp_path, "squeue", "echo '7|PENDING|Priority'")
    assert cli.main([*site, "-timeout", "1"]) == 1
    assert "  FAIL no worker after 1 s; job 7: PENDING (Priority)\n" in capsys.readouterr().out


def test_no_queue_on_this_machine(site, tmp_path, monkeypatch, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    assert cli.main(site) == 1
    assert capsys.readouterr().out == (
        "  FAIL -scheduler_type Slurm needs sbatch, squeue, scancel, not found on PATH; start "
        "i2lc where jobs can be submitted, or with -scheduler_type localCluster\n"
        "2 pools: 1 of the checks failed\n"
    )


def test_wrong_command_line(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "-scheduler_type", "Slurm"])
    assert ended.value.code == 2
    assert "the following arguments are required: -config" in capsys.readouterr().err


def test_configuration_that_is_not_there(tmp_path, capsys):
    assert cli.main(["doctor", "-config", str(tmp_path / "none.cfg")]) == 2
    assert "none.cfg" in capsys.readouterr().err


def test_this_machine(config, capsys):
    before = names(config.parent)
    assert cli.main(["doctor", "-config", str(config)]) == 0
    text = capsys.readouterr().out
    assert "  ok   worker started after " in text
    assert "  ok   all modules are imported\n" in text
    assert text.endswith("1 pool: all is well\n")
    assert names(config.parent) == before


def test_check_says_the_cure_of_failures_only():
    assert str(Check(True, "a", "b")) == "ok   a"
    assert str(Check(False, "a")) == "FAIL a"
