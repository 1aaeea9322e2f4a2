"""What a probe finds, here and in a worker."""

from __future__ import annotations

import platform
import socket
from dataclasses import dataclass
from importlib import metadata

import psutil
from distributed import Nanny, Security
from distributed.deploy.spec import ProcessInterface

from i2lc.scheduler import probe as probes
from i2lc.scheduler.needs import GIB, Need
from i2lc.scheduler.place import Cause
from i2lc.scheduler.probe import Question, probe
from i2lc.scheduler.trial import Trial

NEED = Need(1, GIB)


def question(folder, **fields):
    given = {
        "packages": ("dask", "no-such-package"),
        "modules": ("json", "no_such_module"),
        "folder": str(folder),
        "reads": "from-here",
        "writes": "from-there",
        **fields,
    }
    return Question(**given)


def test_what_is_found_here(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "PBS_JOBID", "NCPUS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "from-here").write_text("token")
    found = probe(question(tmp_path))
    assert (found.host, found.python) == (socket.gethostname(), platform.python_version())
    assert found.versions == {"dask": metadata.version("dask"), "no-such-package": ""}
    assert found.broken == {
        "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'"
    }
    assert found.interfaces == tuple(sorted(psutil.net_if_addrs()))
    assert (found.read, found.disk_problem) == ("token", "")
    assert (tmp_path / "from-there").read_text() == socket.gethostname()
    assert (found.scratch, found.scratch_problem) == (str(tmp_path), "")
    assert found.scratch_free > 0
    assert found.job == {"SLURM_JOB_ID": "12"}
    assert found.gpus == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from-here", "from-there"]


def test_a_folder_that_is_not_shared(tmp_path):
    found = probe(question(tmp_path / "elsewhere"))
    missing = tmp_path / "elsewhere" / "from-here"
    assert (found.read, found.disk_problem) == ("", f"No such file or directory: {missing}")


def test_scratch_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    (tmp_path / "from-here").write_text("token")
    found = probe(question(tmp_path))
    assert (found.scratch_free, found.scratch_problem) == (0, "No such file or directory")


def test_python_that_cannot_start(tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "IMPORTS", "raise SystemExit('broken installation')")
    (tmp_path / "from-here").write_text("token")
    found = probe(question(tmp_path))
    assert list(found.broken.values()) == ["broken installation"]


@dataclass
class OnePlace:
    """Workers on this machine, or none with a cause."""

    refusal: str = ""
    waits: bool = False
    closed: bool = False

    def spec(self, name, need, pool):
        limit = {"nthreads": 1, "resources": {pool: 1}, "memory_limit": need.ram}
        if self.waits:
            return {"cls": Never, "options": {}}
        return {"cls": Nanny, "options": limit}

    def scheduler(self):
        return {"protocol": "tls://", "host": "127.0.0.1"}

    def cause(self, name):
        return Cause(self.refusal, final=True) if self.refusal else None

    def pending(self, name):
        return "job 3: PENDING (Resources)"

    def end(self):
        pass

    def close(self):
        self.closed = True


class Never(ProcessInterface):
    """A worker that was asked for and does not come."""

    def __init__(self, scheduler, name):
        super().__init__(scheduler, name)


SECURITY = Security.temporary()


def test_trial_answers_from_a_worker(tmp_path):
    (tmp_path / "from-here").write_text("token")
    place = OnePlace()
    with Trial(place, SECURITY, tell=lambda text: None) as trial:
        reply = trial.ask("pool0", NEED, probe, question(tmp_path), timeout=60)
        failed = trial.ask("pool1", NEED, _fail, None, timeout=60)
    assert reply.problem == ""
    assert 0 < reply.seconds < 60
    assert reply.value.read == "token"
    assert "dask-scratch-space" in reply.value.scratch
    assert failed.problem == "ZeroDivisionError: division by zero"
    assert place.closed


def _fail(_):
    return 1 / 0


def test_trial_tells_why_no_worker_comes(tmp_path):
    with Trial(
        OnePlace("sbatch refused it", waits=True), SECURITY, tell=lambda text: None
    ) as trial:
        reply = trial.ask("pool0", NEED, _fail, None, timeout=60)
    assert reply.problem == "sbatch refused it"


def test_trial_tells_what_it_waits_for(monkeypatch):
    told = []
    monkeypatch.setattr("i2lc.scheduler.trial.SHOWN_AFTER", 0.3)
    with Trial(OnePlace(waits=True), SECURITY, tell=told.append) as trial:
        reply = trial.ask("pool0", NEED, _fail, None, timeout=1.2)
    assert reply.problem == "no worker after 1 s; job 3: PENDING (Resources)"
    assert told[0] == "waiting for 0 s; job 3: PENDING (Resources)"
