"""The guard of a worker: real processes that break a limit, and honest ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from i2lc.chain.records import lock
from i2lc.chain.tasks import guard, usage
from i2lc.chain.tasks.guard import Limits
from i2lc.chain.tasks.usage import Work
from i2lc.chain.telling.last_words import last_words
from i2lc.steps.files.ownership import LOCK, Claim

WORKER = """
import ctypes, logging, multiprocessing, os, subprocess, sys, threading, time
from pathlib import Path
from i2lc.chain.tasks import guard, usage
from i2lc.chain.tasks.guard import Limits
from i2lc.steps.files import store
from i2lc.steps.files.ownership import CLAIM, Claim
MB = 1024**2
own = usage.memory([], 1 << 60)
log = Path("task.log")
def busy():
    while True:
        time.sleep(0.01)
        sum(range(3000))
threading.Thread(target=busy, daemon=True).start()  # as the loop of a worker: never at rest
def write(text):
    with log.open("a") as file:
        file.write(text + "\\n")
"""


def run(
    folder: Path, limits: str, body: str, claim: str = "None", before: str = ""
) -> tuple[int, str | None, float]:
    """Run a task in a process; give its status, last words and seconds."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = (
        f"{WORKER}\n{before}\nwrite('2026 INFO i2lc: start a/b, try 1 of run r')\n"
        f"with guard.watching({limits}, {claim}, log):\n{lines}\nsys.exit(0)"
    )
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, timeout=60, check=False
    )
    assert b"Traceback" not in ended.stderr, ended.stderr.decode()
    return ended.returncode, last_words(folder / "task.log"), time.monotonic() - start


def test_a_task_over_its_memory(tmp_path: Path) -> None:
    body = (
        "kept = []\nfor i in range(100):\n    kept.append(b'x' * (20 * MB))\n    time.sleep(0.05)"
    )
    status, words, _ = run(tmp_path, "Limits(ram=own + 300 * MB)", body)
    assert status == 137
    assert words is not None
    used, given = words.removeprefix("out of memory: ").split(" GB given")[0].split(" GB used, ")
    assert float(given) <= float(used) < float(given) + 0.3
    assert words.endswith(
        " GB given: raise ram of its block in the resource file (or maximum_ram), or lower "
        "-nb_parallel_tasks"
    )
    line = (tmp_path / "task.log").read_text().splitlines()[-1]
    assert line[:10].count("-") == 2
    assert line.endswith(f" ERROR i2lc.guard: {words}")


CHILD = (
    "child = subprocess.Popen([sys.executable, '-c', 'kept = []\\nimport time\\n"
    'for i in range(100): kept.append(bytearray(20_000_000)); kept[-1][::4096] = b"x" * 4883; '
    "time.sleep(0.05)\\ntime.sleep(60)'])\nPath('child').write_text(str(child.pid))\nchild.wait()"
)


def gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while lock.process_start(pid) is not None and time.monotonic() < end:
        time.sleep(0.05)
    return lock.process_start(pid) is None


def test_a_child_over_the_memory_of_the_task_ends_with_it(tmp_path: Path) -> None:
    status, words, _ = run(tmp_path, "Limits(ram=own + 300 * MB)", CHILD)
    assert status == 137
    assert words is not None
    assert words.startswith("out of memory: ")
    assert gone(int((tmp_path / "child").read_text()))


def test_forked_children_share_their_pages(tmp_path: Path) -> None:
    body = (
        "code = (\n'import os, time\\nkept = b\"x\" * 200_000_000\\n'\n"
        "'pids = [os.fork() for i in range(2)]\\ntime.sleep(2)\\n'\n"
        "'0 in pids or [os.wait() for i in range(2)]')\n"
        "subprocess.run([sys.executable, '-c', code], check=True)"
    )
    status, words, _ = run(tmp_path, "Limits(ram=own + 400 * MB)", body)
    assert (status, words) == (0, None)
    status, words, _ = run(tmp_path, "Limits(ram=own + 150 * MB)", body)
    assert status == 137


def test_a_task_that_hangs(tmp_path: Path) -> None:
    status, words, seconds = run(tmp_path, "Limits(stalled_after=2)", "time.sleep(50)")
    assert status == 137
    assert words == (
        "it made no progress for 2 s: no cpu time, no bytes read or written; look at the disk "
        "and its log"
    )
    assert seconds < 20


def test_a_task_whose_child_hangs(tmp_path: Path) -> None:
    body = "child = subprocess.Popen(['sleep', '50'])\nPath('child').write_text(str(child.pid))"
    status, words, _ = run(tmp_path, "Limits(stalled_after=2)", f"{body}\nchild.wait()")
    assert status == 137
    assert words is not None
    assert words.startswith("it made no progress for 2 s")
    assert gone(int((tmp_path / "child").read_text()))


def test_a_task_that_hangs_and_holds_the_interpreter(tmp_path: Path) -> None:
    body = "ctypes.PyDLL(None).sleep(50)"
    status, words, seconds = run(tmp_path, "Limits(stalled_after=1.2)", f"time.sleep(0.8)\n{body}")
    assert status == 1
    assert words == "it made no progress for 5 s: it held the interpreter; its log shows where"
    assert "most recent call first" in (tmp_path / "task.log").read_text()
    assert seconds < 30


HONEST = {
    "works": "end = time.time() + 2.5\nwhile time.time() < end: sum(range(10000))",
    "works now and then": (
        "for i in range(4):\n    time.sleep(0.6)\n    end = time.process_time() + 0.1\n"
        "    while time.process_time() < end: pass"
    ),
    "reads slowly": (
        "file = open('/dev/zero', 'rb', 0)\n"
        "for i in range(4):\n    time.sleep(0.6)\n    file.read(100)"
    ),
    "writes its log": "for i in range(4):\n    time.sleep(0.6)\n    write('line')",
    "works in a child": (
        "subprocess.run([sys.executable, '-c', 'import time; end = time.time() + 2.5\\n"
        "while time.time() < end: pass'])"
    ),
    "works in a thread": (
        "def work():\n    end = time.time() + 2.5\n    while time.time() < end: sum(range(1000))\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    ),
}


@pytest.mark.parametrize("kind", list(HONEST))
def test_an_honest_task_is_left_alone(tmp_path: Path, kind: str) -> None:
    limits = "Limits(ram=own + 300 * MB, stalled_after=1.5)"
    ended = run(tmp_path, limits, HONEST[kind], before="guard.POLL = 0.1")
    assert ended[:2] == (0, None)


def test_a_suspended_task_goes_on(tmp_path: Path) -> None:
    """The time between two looks counts a little only, and the watchdog is patient."""
    before = (
        "guard.POLL = 0.1\nguard.MOST_CREDIT = 0.5\nown = os.getpid()\n"
        "acts = f'(sleep 1; kill -STOP {own}; sleep 5; kill -CONT {own}) &'\n"
        "subprocess.run(['sh', '-c', acts])  # no child of ours, whose work would count"
    )
    body = "end = time.time() + 6.5\nwhile time.time() < end: time.sleep(0.01)"
    ended = run(tmp_path, "Limits(stalled_after=3)", body, before=before)
    assert ended[:2] == (0, None)


def held(root: Path, run_id: str) -> None:
    (root / LOCK).write_text(json.dumps(asdict(lock.this_process(run_id))))


def test_a_task_whose_run_lost_the_folder_ends_and_leaves_nothing(tmp_path: Path) -> None:
    held(tmp_path, "ab12")
    body = (
        "CLAIM.set(Claim(Path.cwd(), 'ab12', 2))\n"
        "with store.writing(Path.cwd() / 'x.txt') as temporary:\n"
        "    temporary.write_text('half')\n"
        "    Path(str(temporary) + '-journal').write_text('')\n"
        "    os.unlink('.i2lc.lock')\n"
        "    while True: time.sleep(0.1)"
    )
    claim = "Claim(Path.cwd(), 'ab12', 2)"
    status, words, _ = run(tmp_path, "Limits()", body, claim, before="guard.CLAIM_EVERY = 1")
    assert (status, words) == (137, f"run ab12 no longer holds {tmp_path}: its lock is missing")
    assert [path.name for path in tmp_path.iterdir()] == ["task.log"]


def test_a_task_of_a_run_that_holds_the_folder_goes_on(tmp_path: Path) -> None:
    held(tmp_path, "ab12")
    claim = "Claim(Path.cwd(), 'ab12')"
    ended = run(tmp_path, "Limits()", "time.sleep(2)", claim, before="guard.CLAIM_EVERY = 0.1")
    assert ended[:2] == (0, None)


def test_the_process_ends_when_the_disk_of_the_log_hangs(tmp_path: Path) -> None:
    before = "guard.LAST_ACTS = 0.5\nguard._last_acts = lambda *_: time.sleep(60)"
    status, words, seconds = run(
        tmp_path, "Limits(stalled_after=1)", "time.sleep(50)", before=before
    )
    assert (status, words) == (137, None)
    assert seconds < 20


def test_a_task_that_ended_is_watched_no_more(tmp_path: Path) -> None:
    text = (
        f"{WORKER}\nwrite('x')\nwith guard.watching(Limits(stalled_after=1), None, log):\n"
        "    pass\nfor i in range(3):\n"
        "    with guard.watching(Limits(stalled_after=2), None, log):\n"
        "        time.sleep(1)"
    )
    ended = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, timeout=60, check=False)
    assert ended.returncode == 0
    assert (tmp_path / "task.log").read_text() == "x\n"


def test_without_limits_nothing_is_watched(tmp_path: Path) -> None:
    before = guard._guard
    with guard.watching(None, Claim(tmp_path, "a"), tmp_path / "log"):
        assert guard._guard is before


def test_watching_costs_little(tmp_path: Path) -> None:
    limits = Limits(ram=1 << 60, stalled_after=1e6)
    with guard.watching(limits, None, tmp_path / "log"):
        pass
    batches = []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(200):
            with guard.watching(limits, None, tmp_path / "log"):
                pass
        batches.append((time.perf_counter() - start) / 200)
    assert min(batches) < 100e-6


def test_last_words_are_those_of_the_last_try(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_words(log) is None
    first = "1 INFO i2lc: start a/b, try 1 of run r\n1 ERROR i2lc.guard: it hung\nmore\n"
    log.write_text(first)
    assert last_words(log) == "it hung"
    log.write_text(f"{first}2 INFO i2lc: start a/b, try 2 of run r\nINFO x\n")
    assert last_words(log) is None
    log.write_text("start\nTimeout (1:00:00)!\nThread 0x7 (most recent call first):\n")
    assert last_words(log) == (
        "it made no progress for 60 min: it held the interpreter; its log shows where"
    )


def test_a_thread_that_ended_takes_no_work_back() -> None:
    before = {1: Work(5.0, 100), 2: Work(9.0, 900)}
    assert usage.gained(before, {1: Work(5.5, 100), 3: Work(0.25, 7)}) == Work(0.75, 7)


def test_memory_of_a_process_that_is_gone_is_none() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    own = usage.memory([], 1 << 60)
    assert abs(usage.memory([child.pid], 0) - own) < 5e6
    assert own > 10e6
    assert os.getpid() not in usage.children()
