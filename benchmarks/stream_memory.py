"""Peak memory of a training that streams 2 million samples, against one of a few samples.

The training process of the chain trains the seed's MLP (37 x 13 x 23) for one epoch in
dataloader_mode stream, on 2 million samples (1.9 GB, written for it) and on 4096: what the second
takes is the network's own, with all libraries. Memory is that of the process and its workers, by
share of pages (PSS), looked at every 50 ms.

``python -m benchmarks.stream_memory`` from the root of the repository, some minutes and 2 GB of
disk; exit status 1 when the bound is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from i2lc.steps.learning import process

from . import sample_files
from .sample_files import SEED_AXES, SEED_CLASSES

SAMPLES, FEW = 2_000_000, 4096
BOUND = 1.5e9
"""Bytes above the network's own."""
DEEP = {
    "dl_name": "MLPClassifier",
    "epochs": 1,
    "dataloader_mode": "stream",
    "hyperparameters_solver": {"batch_size": [4096], "learning_rate": [0.001]},
}
EVERY = 0.05
"""Seconds between two looks."""


def resident(parent: psutil.Process) -> int:
    """Add up the memory of a process and its children, bytes."""
    total = 0
    for one in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += one.memory_full_info().pss
    return total


def peak(samples: Path, folder: Path, num_workers: int) -> tuple[int, float]:
    """Train on a file; give the most memory in bytes, and the seconds."""
    folder.mkdir()
    order = asdict(sample_files.order(samples, folder, DEEP, num_workers))
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", process.MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        assert child.stdin is not None
        with child.stdin:
            child.stdin.write(json.dumps({"parent": os.getpid(), "order": order}))
        most = 0
        with suppress(psutil.NoSuchProcess):
            watched = psutil.Process(child.pid)
            while child.poll() is None:
                most = max(most, resident(watched))
                time.sleep(EVERY)
    if child.returncode:
        raise SystemExit(f"the training on {samples} ended with status {child.returncode}")
    return most, time.perf_counter() - start


def measure(folder: Path, samples: int, num_workers: int) -> tuple[int, int]:
    """Give the peaks on a few and on all samples; bytes."""
    peaks = []
    for count in (FEW, samples):
        path = folder / f"samples_{count}.nc"
        if not path.exists():
            blocks = sample_files.random_blocks(SEED_AXES, SEED_CLASSES, count)
            sample_files.write(path, SEED_AXES, count, blocks, held=count // 100)
        most, seconds = peak(path, folder / f"run_{count}_{num_workers}", num_workers)
        print(f"{count:,} samples, {num_workers} workers: {most / 1e9:.2f} GB, {seconds:.0f} s")
        peaks.append(most)
    return peaks[0], peaks[1]


def main() -> int:
    """Measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1], help="num_workers")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="i2lc-stream-"))
    broken = False
    try:
        for workers in options.workers:
            few, many = measure(folder, options.samples, workers)
            kept = many - few <= BOUND
            broken |= not kept
            print(
                f"{'Kept' if kept else 'BROKEN'}: {(many - few) / 1e9:.2f} GB above the network's "
                f"own {few / 1e9:.2f} GB (promised: at most {BOUND / 1e9} GB)"
            )
    finally:
        shutil.rmtree(folder)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
