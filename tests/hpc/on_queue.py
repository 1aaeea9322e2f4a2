"""One real queue for all tests of this folder, and what they share."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cluster as clusters
import pytest

SITE = '{ interface : "lo" }'
SMALL = '{ nb_cpu : 1, ram : "3gb", walltime : "00:20:00" }'
TRAINING = '{ nb_cpu : 2, ram : "3gb", walltime : "00:20:00", queue : "train" }'


@pytest.fixture(scope="session")
def queue(tmp_path_factory):
    """Give the running cluster, or skip where none can run."""
    if problem := clusters.why_not():
        pytest.skip(problem)
    with clusters.Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_job_left(request):
    """See to it that a test leaves no job in the queue."""
    yield
    if "queue" in request.fixturenames:
        assert request.getfixturevalue("queue").await_empty(40) == []


@pytest.fixture
def shared():
    """Give a folder that stands for the shared disk: user's own, and writable by jobs."""
    with tempfile.TemporaryDirectory(prefix="i2lc-hpc-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def resource_file(path, site=SITE, default=SMALL, training=TRAINING):
    """Write a resource file; give its path."""
    path.write_text(f"site : {site}\ndefault : {default}\ntraining : {training}\n")
    return path


def i2lc(*arguments, timeout=600):
    """Start the command line in a process of its own; give status and text."""
    done = subprocess.run(
        [sys.executable, "-m", "i2lc.chain.cli", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    return done.returncode, done.stdout + done.stderr
