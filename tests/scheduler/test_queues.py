"""Job scripts as text, times of leaving, what a queue answers; no queue is needed."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace

import dask
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2lc.errors import ConfigError
from i2lc.scheduler import queue_answers, queue_jobs, queues, security
from i2lc.scheduler.needs import GIB, Need, Site
from i2lc.scheduler.place import Cause
from i2lc.scheduler.pool import Member, Pool, Try
from i2lc.scheduler.queue_answers import said
from i2lc.scheduler.queue_scripts import Leave, leave

PYTHON = sys.executable
SITE = Site(
    account="land",
    constraint="rome",
    interface="ib0",
    directives=("--mail-type=FAIL",),
    prologue=("module load conda", "conda activate i2lc"),
    scratch="$SCRATCH/my jobs",
    logs="/shared/logs",
)
CPU = Need(2, 5 * GIB // 2, walltime=3600)
GPU = Need(8, 92 * GIB, gpus=1, walltime=12 * 3600, queue="qgpgpu", site=SITE)
SECURITY = security.security()
CLOCK = "export I2LC_JOB_START=$(date +%s)\n"
EXPORTS = """\
export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'
export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False
export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False
export DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False
export DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE=False
export MALLOC_TRIM_THRESHOLD_=65536
export NAME='two words'
export NUMBA_NUM_THREADS={cpus}
"""
TLS = " ".join(
    f"--tls-{name} FOLDER/TLS/{file}.pem"
    for name, file in (("ca-file", "ca"), ("cert", "certificate"), ("key", "key"))
)
WORKER_CPU = (
    f"{PYTHON} -m distributed.cli.dask_worker ADDRESS --name cpu-0 --nthreads 1 "
    '--memory-limit 2560MiB --nanny --death-timeout 60 --local-directory "${TMPDIR:-/tmp}" '
    "--resources cpu=1 --lifetime 3420s --lifetime-stagger 45s --no-dashboard "
    f"--dashboard-address 127.0.0.1:0 --preload i2lc.scheduler.worker_setup {TLS} --protocol tls://\n"
)
WORKER_GPU = (
    f"{PYTHON} -m distributed.cli.dask_worker ADDRESS --name gpu-0 --nthreads 1 "
    '--memory-limit 94208MiB --nanny --death-timeout 60 --local-directory "$SCRATCH/my jobs" '
    "--resources gpu=1 --lifetime 41040s --lifetime-stagger 540s --no-dashboard "
    f"--dashboard-address 127.0.0.1:0 --preload i2lc.scheduler.worker_setup {TLS} "
    "--interface ib0 --protocol tls://\n"
)
SLURM_CPU = f"""\
#!/usr/bin/env bash

#SBATCH -J i2lc-cpu
#SBATCH -e FOLDER/jobs/i2lc-cpu-%J.err
#SBATCH -o FOLDER/jobs/i2lc-cpu-%J.out
#SBATCH -n 1
#SBATCH --cpus-per-task=2
#SBATCH --mem=2560M
#SBATCH -t 01:00:00
{CLOCK}{EXPORTS.format(cpus=2)}{WORKER_CPU}"""
SLURM_GPU = f"""\
#!/usr/bin/env bash

#SBATCH -J i2lc-gpu
#SBATCH -e FOLDER/logs/i2lc-gpu-%J.err
#SBATCH -o FOLDER/logs/i2lc-gpu-%J.out
#SBATCH -p qgpgpu
#SBATCH -A land
#SBATCH -n 1
#SBATCH --cpus-per-task=8
#SBATCH --mem=94208M
#SBATCH -t 12:00:00
#SBATCH -C rome
#SBATCH --gres=gpu:1
#SBATCH --mail-type=FAIL
{CLOCK}module load conda
conda activate i2lc
{EXPORTS.format(cpus=8)}{WORKER_GPU}"""
PBS_CPU = f"""\
#!/usr/bin/env bash

#PBS -N i2lc-cpu
#PBS -l select=1:ncpus=2:mem=2560MB
#PBS -l walltime=01:00:00
#PBS -e FOLDER/jobs/i2lc-cpu-cpu-0.err
#PBS -o FOLDER/jobs/i2lc-cpu-cpu-0.out
{CLOCK}{EXPORTS.format(cpus=2)}{WORKER_CPU}"""
PBS_GPU = f"""\
#!/usr/bin/env bash

#PBS -N i2lc-gpu
#PBS -q qgpgpu
#PBS -A land
#PBS -l select=1:ncpus=8:mem=94208MB:ngpus=1:rome
#PBS -l walltime=12:00:00
#PBS -e FOLDER/logs/i2lc-gpu-gpu-0.err
#PBS -o FOLDER/logs/i2lc-gpu-gpu-0.out
#PBS --mail-type=FAIL
{CLOCK}module load conda
conda activate i2lc
{EXPORTS.format(cpus=8)}{WORKER_GPU}"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Give a folder on PATH with commands of queues that do nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel", "qsub", "qstat", "qdel"):
        write_command(folder, name, "exit 0")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("PBS_ACCOUNT", raising=False)
    monkeypatch.setattr(queue_jobs, "PAUSES", (0.01, 0.01))
    return folder


def write_command(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def place_of(kind, folder):
    def environment(need):
        return {"NAME": "two words", "NUMBA_NUM_THREADS": str(need.cpus)}

    return queues.QueuePlace(kind, SECURITY, folder, environment)


def in_folder(need, folder):
    return replace(need, site=replace(need.site, logs=str(folder / "logs")))


def script_of(kind, need, pool, folder):
    need = in_folder(need, folder) if need.site.logs else need
    script = place_of(kind, folder).script(need, pool).replace(str(folder), "FOLDER")
    return re.sub(r"FOLDER/\.i2lc-tls-[0-9a-f]{8}/", "FOLDER/TLS/", script)


@pytest.mark.parametrize(
    ("kind", "need", "pool", "expected"),
    [
        ("Slurm", CPU, "cpu", SLURM_CPU),
        ("Slurm", GPU, "gpu", SLURM_GPU),
        ("PBS", CPU, "cpu", PBS_CPU),
        ("PBS", GPU, "gpu", PBS_GPU),
    ],
)
def test_job_script(commands, tmp_path, kind, need, pool, expected):
    assert script_of(kind, need, pool, tmp_path) == expected


@pytest.mark.parametrize(("kind", "expected"), [("Slurm", SLURM_CPU), ("PBS", PBS_CPU)])
def test_no_jobqueue_configuration_of_a_user_enters(commands, tmp_path, kind, expected):
    texts = (
        "account name queue walltime shebang worker-command python interface local-directory "
        "log-directory project resource-spec"
    )
    lists = "extra env-extra header-skip job-extra job-script-prologue worker-extra-args"
    left = {
        **dict.fromkeys(texts.split(), "LEFT-OVER"),
        **{name: ["LEFT-OVER"] for name in lists.split()},
        "job-directives-skip": ["-"],
        "job-extra-directives": ["LEFT-OVER"],
        "cores": 99,
        "processes": 9,
        "memory": "1 TB",
        "death-timeout": 9,
        "job-cpu": 99,
        "job-mem": "99G",
    }
    with dask.config.set({"jobqueue.slurm": left, "jobqueue.pbs": left, "jobqueue.i2lc": left}):
        assert script_of(kind, CPU, "cpu", tmp_path) == expected


@pytest.mark.parametrize("kind", ["Slurm", "PBS"])
def test_skipped_directives_take_out_ours_and_keep_the_users(commands, tmp_path, kind):
    site = Site(
        constraint="rome", directives=("--gres=gpu:a100:1",), skipped_directives=("gres", "select")
    )
    lines = script_of(kind, Need(1, GIB, gpus=1, site=site), "gpu", tmp_path).splitlines()
    head = [line for line in lines if line.startswith(("#SBATCH", "#PBS"))]
    assert [line for line in head if "gres" in line or "select" in line] == [
        f"#{'SBATCH' if kind == 'Slurm' else 'PBS'} --gres=gpu:a100:1"
    ]


def test_job_without_walltime_sets_no_lifetime(commands, tmp_path):
    script = script_of("Slurm", Need(1, GIB), "cpu", tmp_path)
    assert "--lifetime" not in script
    assert "#SBATCH -t" not in script


def test_jobs_without_certificates_are_not_told_to_encrypt(commands, tmp_path):
    place = queues.QueuePlace("Slurm", None, tmp_path, lambda need: {})
    script = place.script(Need(1, GIB), "cpu")
    assert "--protocol tcp://" in script
    assert "ENCRYPTION" not in script
    assert place.scheduler() == {"protocol": "tcp://", "dashboard_address": "127.0.0.1:0"}


def test_a_worker_of_an_hour_leaves_three_minutes_early():
    assert leave(3600) == Leave(3420, 45)
    assert leave(600) == Leave(540, 15)
    assert leave(120) == Leave(90, 7)


@given(st.integers(min_value=60, max_value=60 * 24 * 3600))
def test_a_worker_is_gone_before_the_walltime(walltime):
    times = leave(walltime)
    assert times.lifetime + times.stagger < walltime
    assert times.lifetime - times.stagger >= walltime // 2
    if walltime >= 240:
        assert walltime - times.lifetime >= max(60, 0.05 * walltime)


SBATCH = """\
sbatch: error: Memory specification can not be satisfied
sbatch: error: Batch job submission failed: Requested node configuration is not available
"""
QSUB_OF_SLURM = f"""\
There was an error running the Slurm sbatch command.
The command was:
'/usr/bin/sbatch -e big.sh.e%A -o big.sh.o%A big.sh 2>&1'
and the output was:
'{SBATCH.rstrip()}
'
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SBATCH,
            "Memory specification can not be satisfied; "
            "Requested node configuration is not available",
        ),
        (
            QSUB_OF_SLURM,
            "Memory specification can not be satisfied; "
            "Requested node configuration is not available",
        ),
        ("qsub: Unknown queue\n", "Unknown queue"),
        ("qsub: Job exceeds queue resource limits", "Job exceeds queue resource limits"),
        ("", "no reason given"),
    ],
)
def test_answer_of_a_queue_in_one_line(text, expected):
    assert said(text) == expected


def submitted(place, name, need, pool):
    """Submit a job as a SpecCluster does; give the job."""
    spec = place.spec(name, need, pool)
    job = spec["cls"]("tls://127.0.0.1:1", name=name, **spec["options"])

    async def go():
        await job

    asyncio.run(go())
    return job


@pytest.mark.parametrize(
    ("kind", "command", "answer", "expected"),
    [
        (
            "Slurm",
            "sbatch",
            "Memory specification can not be satisfied",
            "sbatch refused the job of pool cpu (2 cpu, 2.5 GB, walltime 01:00:00): Memory "
            "specification can not be satisfied; ask for less ram, or for a queue with larger "
            "nodes, in its block of the resource file",
        ),
        (
            "PBS",
            "qsub",
            "Unknown queue",
            "qsub refused the job of pool cpu (2 cpu, 2.5 GB, walltime 01:00:00): Unknown queue; "
            "name another queue in its block of the resource file",
        ),
        (
            "Slurm",
            "sbatch",
            "Something new",
            "sbatch refused the job of pool cpu (2 cpu, 2.5 GB, walltime 01:00:00): Something "
            "new; correct what it names in its block of the resource file",
        ),
    ],
)
def test_cause_of_a_refused_job_is_the_queues_own(
    commands, tmp_path, kind, command, answer, expected
):
    write_command(commands, command, f"echo '{command}: error: {answer}' >&2; exit 1")
    place = place_of(kind, tmp_path)
    job = submitted(place, "cpu-0", CPU, "cpu")
    assert place.cause("cpu-0") == Cause(expected, final=True)
    assert place.pending("cpu-0") == "not submitted"
    asyncio.run(job.close())  # cancels nothing
    assert job.status.name == "closed"


def test_a_busy_queue_is_asked_again(commands, tmp_path):
    count = tmp_path / "count"
    write_command(
        commands,
        "sbatch",
        f"echo x >> {count}\n"
        f"[ $(wc -l < {count}) -ge 3 ] && echo 'Welcome 2024' && echo 77 && exit 0\n"
        "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1",
    )
    place = place_of("Slurm", tmp_path)
    job = submitted(place, "cpu-0", CPU, "cpu")
    assert job.job_id == "77"
    assert place.cause("cpu-0") is None


def test_a_queue_that_stays_busy_refuses_for_now_only(commands, tmp_path):
    answer = "sbatch: error: Socket timed out on send/recv operation"
    write_command(commands, "sbatch", f"echo '{answer}' >&2; exit 1")
    place = place_of("Slurm", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    cause = place.cause("cpu-0")
    assert "Socket timed out on send/recv operation" in cause.text
    assert not cause.final


def test_a_submission_that_hangs_is_broken_off(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_jobs, "CALL_SECONDS", 0.3)
    write_command(commands, "sbatch", f"echo $$ > {tmp_path}/pid; sleep 60; echo 41")
    place = place_of("Slurm", tmp_path)
    start = time.monotonic()
    submitted(place, "cpu-0", CPU, "cpu")
    assert time.monotonic() - start < 10
    assert place.cause("cpu-0") == Cause(
        "sbatch refused the job of pool cpu (2 cpu, 2.5 GB, walltime 01:00:00): no answer within "
        "0 s; correct what it names in its block of the resource file",
        final=False,
    )
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_folder_that_cannot_be_made_keeps_no_other_job_from_coming(commands, tmp_path):
    (tmp_path / "file").touch()
    logs = tmp_path / "file" / "logs"
    place = place_of("Slurm", tmp_path)
    write_command(commands, "sbatch", "echo 41")
    job = submitted(place, "bad-0", replace(CPU, site=Site(logs=str(logs))), "bad")
    assert place.cause("bad-0") == Cause(
        "there can be no job of pool bad (2 cpu, 2.5 GB, walltime 01:00:00): no folder "
        f"{logs} for its output: Not a directory; name another with log_directory in the "
        "resource file",
        final=True,
    )
    assert place.script(replace(CPU, site=Site(logs=str(logs))), "bad") == ""
    assert submitted(place, "cpu-0", CPU, "cpu").job_id == "41"
    asyncio.run(job.close())


def test_whatever_keeps_a_job_from_being_made_is_told(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_jobs, "common", lambda request: 1 / 0)
    place = place_of("PBS", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    assert place.cause("cpu-0") == Cause(
        "there can be no job of pool cpu (2 cpu, 2.5 GB, walltime 01:00:00): ZeroDivisionError: "
        "division by zero",
        final=True,
    )


def test_a_job_that_is_never_submitted_is_given_up(commands, tmp_path, monkeypatch):
    place = place_of("Slurm", tmp_path)
    place.spec("cpu-0", CPU, "cpu")
    assert place.cause("cpu-0") is None
    monkeypatch.setattr(queues, "SUBMIT_SECONDS", -60.0)
    assert place.cause("cpu-0") == Cause(
        "the job of pool cpu (2 cpu, 2.5 GB, walltime 01:00:00) could not be submitted within "
        "-1 min: the queue does not answer",
        final=False,
    )


def test_closed_jobs_are_forgotten(commands, tmp_path):
    place = place_of("Slurm", tmp_path)
    write_command(commands, "sbatch", "echo 'sbatch: error: no' >&2; exit 1")
    jobs = [submitted(place, "cpu-0", CPU, "cpu")]
    write_command(commands, "sbatch", "echo 41")
    jobs.append(submitted(place, "cpu-1", CPU, "cpu"))
    for job in jobs:
        asyncio.run(job.close())
    assert place._asked == {}


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (
            "Invalid account or account/partition combination specified",
            "correct the account, or ask the site for its use,",
        ),
        (
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "ask for less cpus, ram or walltime, or for fewer jobs with max_workers,",
        ),
        ("Requested time limit is invalid (missing or exceeds some limit)", "ask for a shorter "),
        ("invalid partition specified: gpu9", "name another queue"),
        (
            "resolve_ctls_from_dns_srv: res_nsearch error; fatal: Could not establish "
            "a configuration source",
            "start i2lc where jobs can be submitted (for Slurm with its slurm.conf, or SLURM_CONF ",
        ),
        ("Invalid generic resource (gres) specification", "correct nb_gpu or the queue"),
    ],
)
def test_what_mends_a_refusal(refusal, expected):
    assert queue_answers.way_out(refusal).startswith(expected)


@pytest.mark.parametrize(("kind", "name"), [("Slurm", "cpu-%J"), ("PBS", "cpu-cpu-0")])
def test_paths_with_spaces_are_quoted_in_the_head(commands, tmp_path, kind, name):
    folder = tmp_path / "shared disk"
    folder.mkdir()
    script = place_of(kind, folder).script(CPU, "cpu")
    word = "SBATCH" if kind == "Slurm" else "PBS"
    assert f"#{word} -e '{folder}/jobs/i2lc-{name}.err'\n" in script
    assert f"#{word} -o '{folder}/jobs/i2lc-{name}.out'\n" in script


def test_closing_cancels_the_job(commands, tmp_path):
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "scancel", f"echo $@ > {tmp_path}/cancelled")
    job = submitted(place_of("Slurm", tmp_path), "cpu-0", CPU, "cpu")
    asyncio.run(job.close())
    assert (tmp_path / "cancelled").read_text() == "41\n"
    assert job.status.name == "closed"


def test_pbs_job_names_its_logs_for_every_kind_of_qsub(commands, tmp_path):
    write_command(commands, "qsub", f"echo $@ > {tmp_path}/given; echo 12.server01")
    job = submitted(place_of("PBS", tmp_path), "cpu-0", CPU, "cpu")
    assert job.job_id == "12"
    given_words = (tmp_path / "given").read_text().split()[:4]
    folder = tmp_path / "jobs"
    assert given_words == [
        "-e",
        f"{folder}/i2lc-cpu-cpu-0.err",
        "-o",
        f"{folder}/i2lc-cpu-cpu-0.out",
    ]


def test_a_job_that_ended_without_its_worker_is_told_with_its_log(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "PATIENCE", 0.0)
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "squeue", "echo '40|RUNNING|None'")
    place = place_of("Slurm", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    log = tmp_path / "jobs" / "i2lc-cpu-41.err"
    log.write_text(
        "Welcome to node 7\nmodule: command not found\nTraceback:\n  File error.py\n\n"
        "ModuleNotFoundError: No module named distributed\nbye\n"
    )
    assert place.cause("cpu-0") == Cause(
        "job 41 of pool cpu ended: module: command not found / "
        "ModuleNotFoundError: No module named distributed "
        f"(log: {log})",
        final=False,
    )
    assert place.pending("cpu-0") == "job 41: ended"


def test_a_job_that_came_after_the_question_has_not_ended(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "PATIENCE", 0.4)
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "squeue", f"echo x >> {tmp_path}/asked; sleep 0.3")
    place = place_of("Slurm", tmp_path)
    place._questions.latest(["squeue"], wait=0.0)  # asked now, answered when the job is there
    submitted(place, "cpu-0", CPU, "cpu")
    until = time.monotonic() + 20
    while (cause := place.cause("cpu-0")) is None and time.monotonic() < until:
        time.sleep(0.02)
    assert cause is not None
    assert len((tmp_path / "asked").read_text().split()) >= 2  # the first answer told nothing


def test_a_slow_queue_holds_nobody_up(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "PATIENCE", 0.0)
    monkeypatch.setattr(queues, "CAUSE_WAIT", 0.1)
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "squeue", "sleep 2")
    place = place_of("Slurm", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    start = time.monotonic()
    assert [place.cause("cpu-0") for _ in range(20)] == [None] * 20
    assert time.monotonic() - start < 1.5


def test_a_queue_that_does_not_answer_says_nothing_about_jobs(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "PATIENCE", 0.0)
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "squeue", "exit 1")
    place = place_of("Slurm", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    assert place.cause("cpu-0") is None
    assert place.pending("cpu-0") == "job 41: the queue does not answer"


def test_a_waiting_job_tells_why(commands, tmp_path):
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "squeue", "echo '41|PENDING|Resources'")
    place = place_of("Slurm", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    assert place.pending("cpu-0") == "job 41: PENDING (Resources)"
    assert place.cause("cpu-0") is None
    assert place.cause("never asked for") is None


QSTAT = """\
Job Id: 41.server01
    Job_Name = i2lc-cpu
    job_state = Q
    comment = Not Running: Insufficient amount of resource: ncpus
Job Id:\t42
\tjob_state = C
Job Id:\t43
\tjob_state = R
"""


def test_answer_of_qstat():
    assert queue_answers.read_qstat(QSTAT) == {
        "41": queue_answers.State("Q", "Not Running: Insufficient amount of resource: ncpus"),
        "43": queue_answers.State("R", ""),
    }


def test_unknown_job_of_pbs_has_ended(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "PATIENCE", 0.0)
    write_command(commands, "qsub", "echo 41.server01")
    write_command(commands, "qstat", "echo 'qstat: Unknown Job Id 41' >&2; exit 153")
    place = place_of("PBS", tmp_path)
    submitted(place, "cpu-0", CPU, "cpu")
    log = tmp_path / "jobs" / "i2lc-cpu-cpu-0.err"
    assert place.cause("cpu-0") == Cause(f"job 41 of pool cpu ended (log: {log})", final=False)


@pytest.mark.parametrize(
    ("kind", "names"), [("Slurm", "sbatch, squeue, scancel"), ("PBS", "qsub, qstat, qdel")]
)
def test_missing_commands(tmp_path, monkeypatch, kind, names):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as error:
        place_of(kind, tmp_path)
    assert str(error.value) == (
        f"-scheduler_type {kind} needs {names}, not found on PATH; start i2lc where jobs can be "
        "submitted, or with -scheduler_type localCluster"
    )


def test_unknown_interface_of_this_machine(commands, tmp_path):
    with pytest.raises(ConfigError, match=r"^this machine has no network interface ib9; it has "):
        queues.QueuePlace("Slurm", SECURITY, tmp_path, lambda need: {}, interface="ib9")


def test_scheduler_and_room(commands, tmp_path):
    place = queues.QueuePlace("Slurm", SECURITY, tmp_path, lambda need: {}, interface="lo")
    assert place.scheduler() == {
        "protocol": "tls://",
        "interface": "lo",
        "dashboard_address": "127.0.0.1:0",
    }
    assert place.most(CPU) == 20
    assert place.room(CPU, {CPU: 19})
    assert not place.room(CPU, {CPU: 20})
    fewer = queues.QueuePlace("Slurm", SECURITY, tmp_path, lambda need: {}, most=3)
    assert fewer.most(CPU) == 3


def test_interface_of_the_scheduler_is_the_first_that_is_named():
    assert queues.interface_of([CPU, GPU]) == "ib0"
    assert queues.interface_of([CPU]) == ""


def test_certificates_of_the_run_lie_in_files_of_the_users_own(commands, tmp_path):
    left = tmp_path / ".i2lc-tls-killed"
    left.mkdir()
    (left / "key.pem").write_text("old")
    place = queues.QueuePlace("Slurm", security.security(), tmp_path, lambda need: {})
    assert not left.exists()
    (folder,) = tmp_path.glob(".i2lc-tls-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {path.name: path for path in folder.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert {name: path.read_text().split("\n")[0] for name, path in files.items()} == {
        "ca.pem": "-----BEGIN CERTIFICATE-----",
        "certificate.pem": "-----BEGIN CERTIFICATE-----",
        "key.pem": "-----BEGIN PRIVATE KEY-----",
    }
    assert f"--tls-key {files['key.pem']} " in place.script(CPU, "cpu")
    place.end()
    place.close()
    assert not folder.exists()


def test_the_end_cancels_all_jobs_by_one_command(commands, tmp_path):
    write_command(commands, "sbatch", f"echo x >> {tmp_path}/n; expr 40 + $(wc -l < {tmp_path}/n)")
    write_command(commands, "scancel", f"echo $@ >> {tmp_path}/cancelled")
    place = place_of("Slurm", tmp_path)
    jobs = [submitted(place, f"cpu-{number}", CPU, "cpu") for number in range(3)]
    asyncio.run(jobs[0].close())
    place.end()
    asyncio.run(jobs[1].close())
    assert (tmp_path / "cancelled").read_text() == "41\n42 43\n"


def test_jobs_are_cancelled_one_by_one_when_the_queue_did_not_take_them_all(commands, tmp_path):
    write_command(commands, "sbatch", "echo 41")
    write_command(commands, "scancel", f"echo $@ >> {tmp_path}/cancelled; exit 1")
    write_command(commands, "squeue", "echo '41|RUNNING|None'")
    place = place_of("Slurm", tmp_path)
    job = submitted(place, "cpu-0", CPU, "cpu")
    place.end()
    asyncio.run(job.close())
    assert (tmp_path / "cancelled").read_text() == "41\n41\n"


def test_jobs_that_ended_are_not_cancelled_again(commands, tmp_path):
    write_command(commands, "sbatch", f"echo x >> {tmp_path}/n; expr 40 + $(wc -l < {tmp_path}/n)")
    write_command(commands, "scancel", f"echo $@ >> {tmp_path}/cancelled; exit 1")
    write_command(commands, "squeue", "echo '42|COMPLETING|None'")
    place = place_of("Slurm", tmp_path)
    jobs = [submitted(place, f"cpu-{number}", CPU, "cpu") for number in range(3)]
    place.end()
    for job in jobs:
        asyncio.run(job.close())
    assert (tmp_path / "cancelled").read_text() == "41 42 43\n42\n"


def in_background(place):
    """Submit a job in a thread, as dask's loop does; give the thread."""
    thread = threading.Thread(target=submitted, args=(place, "cpu-0", CPU, "cpu"))
    thread.start()
    return thread


def awaited(path):
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


def test_nothing_is_submitted_any_more_at_the_end(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_jobs, "PAUSES", (60.0, 60.0))
    answer = "sbatch: error: Socket timed out on send/recv operation"
    write_command(commands, "sbatch", f"echo x >> {tmp_path}/tries; echo '{answer}' >&2; exit 1")
    place = place_of("Slurm", tmp_path)
    thread = in_background(place)
    awaited(tmp_path / "tries")
    place.end()
    thread.join(5)
    assert not thread.is_alive()
    submitted(place, "cpu-1", CPU, "cpu")
    assert (tmp_path / "tries").read_text() == "x\n"


def test_a_submission_that_has_begun_is_waited_for_and_cancelled(commands, tmp_path):
    write_command(commands, "sbatch", f"touch {tmp_path}/begun; sleep 0.5; echo 41")
    write_command(commands, "scancel", f"echo $@ >> {tmp_path}/cancelled")
    place = place_of("Slurm", tmp_path)
    thread = in_background(place)
    awaited(tmp_path / "begun")
    place.end()
    thread.join()
    assert (tmp_path / "cancelled").read_text() == "41\n"


def test_a_job_number_that_comes_late_is_cancelled(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "LATE_SECONDS", 0.0)
    write_command(commands, "sbatch", f"touch {tmp_path}/begun; sleep 0.5; echo 41")
    write_command(commands, "scancel", f"echo $@ >> {tmp_path}/cancelled")
    place = place_of("Slurm", tmp_path)
    thread = in_background(place)
    awaited(tmp_path / "begun")
    place.end()
    assert not (tmp_path / "cancelled").exists()
    thread.join()
    assert (tmp_path / "cancelled").read_text() == "41\n"


def test_importing_leaves_ctrl_c_alone():
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # not so in the background
        "import i2lc.scheduler.queues\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
    )
    done = subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_idle_jobs_are_given_back_so_that_other_pools_get_nodes(commands, tmp_path):
    idle, busy, coming = Member("a", "tls://1", heard=50.0), Member("b", "tls://2"), Member("c")
    busy.tries = {"key": Try("key", print, None)}
    pool = Pool(CPU, "cpu", members={"a": idle, "b": busy, "c": coming}, total=1)
    rest = place_of("Slurm", tmp_path).rest
    assert rest == 30.0
    assert pool.resting(79.0, rest) == [coming]
    assert pool.resting(80.0, rest) == [idle, coming]
    pool.pending.append(Try("next", print, None))
    assert pool.resting(90.0, rest) == []
    pool.pending.clear()
    assert pool.resting(119.0, rest) == []
    assert pool.resting(120.0, rest) == [idle, coming]
