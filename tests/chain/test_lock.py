"""One run at a time in an output folder; a dead run's lock is taken over by exactly one."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from i2lc.chain.records import lock, output
from i2lc.errors import InputError
from i2lc.steps.files import disk, ownership
from i2lc.steps.files.ownership import LOCK, Holder

HOST = socket.gethostname()


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def put(root: Path, **changes: object) -> Holder:
    holder = replace(lock.this_process("old"), start="2026-01-02T03:04:05+00:00")
    holder = replace(holder, **changes)  # type: ignore[arg-type]
    (root / LOCK).write_text(json.dumps(asdict(holder)))
    return holder


def grow_old(root: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(root / LOCK, (then, then))


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught, lock.held(root, "new"):
        pass
    return str(caught.value)


def test_the_lock_says_who_holds_the_folder_and_goes(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("x")
    with lock.held(tmp_path, "ab12") as notes:
        assert notes == ()
        holder = ownership.read(tmp_path)
        assert holder is not None
        assert (holder.run_id, holder.host, holder.pid) == ("ab12", HOST, os.getpid())
        assert holder.process_start == lock.process_start(os.getpid())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", holder.start)
        assert names(tmp_path) == [LOCK, "kept.txt"]
    assert names(tmp_path) == ["kept.txt"]
    assert lock.describe(tmp_path) is None


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    root = tmp_path / "never"
    assert refusal(root) == f"{root} cannot be written: No such file or directory"
    assert not root.exists()
    assert lock.describe(root) is None


def test_the_lock_is_no_content_and_survives_emptying(tmp_path: Path) -> None:
    with lock.held(tmp_path, "ab12"):
        (tmp_path / f"{LOCK}.temporary").write_text("")
        output.check(tmp_path, from_first_step=True, remove=False)
        (tmp_path / output.MARK).write_text("")
        (tmp_path / "x").write_text("")
        output.prepare(tmp_path, from_first_step=True, remove=True)
        assert names(tmp_path) == [output.MARK, LOCK, f"{LOCK}.temporary"]


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    put(tmp_path)
    before = (tmp_path / LOCK).read_bytes()
    assert refusal(tmp_path) == (
        f"output_path {tmp_path} is in use by another run: pid {os.getpid()} on {HOST} since "
        "2026-01-02T03:04:05+00:00; wait for it, end it, or take another output_path"
    )
    assert (tmp_path / LOCK).read_bytes() == before
    assert names(tmp_path) == [LOCK]


def test_a_run_on_this_host_lives_as_long_as_its_process(tmp_path: Path) -> None:
    put(tmp_path)
    grow_old(tmp_path, 3600)  # a suspended machine
    assert "is in use by another run" in refusal(tmp_path)


@pytest.mark.parametrize("age", [0, 110])
def test_another_host_is_believed_for_two_minutes(tmp_path: Path, age: float) -> None:
    put(tmp_path, host="node7", pid=4)
    grow_old(tmp_path, age)
    assert "pid 4 on node7 since 2026-01-02T03:04:05+00:00; wait" in refusal(tmp_path)


def test_another_container_of_the_same_name_is_another_host(tmp_path: Path) -> None:
    put(tmp_path, pid=dead_process(), namespace="pid:[1]")
    assert "is in use by another run" in refusal(tmp_path)


def test_another_machine_of_the_same_name_is_another_host(tmp_path: Path) -> None:
    put(tmp_path, pid=dead_process(), boot="of another machine")
    assert "is in use by another run" in refusal(tmp_path)
    grow_old(tmp_path, 121)
    assert take(tmp_path).endswith("is stale: its last heartbeat is 121 s old; taken over")


def test_a_machine_without_identifier_is_judged_by_its_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BOOT", tmp_path / "none" / "boot_id")
    put(tmp_path, pid=dead_process())
    assert "is in use by another run" in refusal(tmp_path)


def take(root: Path) -> str:
    with lock.held(root, "new") as notes:
        holder = ownership.read(root)
        assert holder is not None
        assert holder.run_id == "new"
        assert names(root) == [LOCK]
    assert names(root) == []
    return "\n".join(notes)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    pid = dead_process()
    put(tmp_path, pid=pid)
    assert take(tmp_path) == (
        f"the lock of run old (pid {pid} on {HOST} since 2026-01-02T03:04:05+00:00) is stale: "
        "its process is gone; taken over"
    )


def test_a_number_used_again_is_another_process(tmp_path: Path) -> None:
    start = lock.process_start(os.getpid())
    assert start is not None
    put(tmp_path, process_start=start - 2)
    assert take(tmp_path).endswith("is stale: another process has its number; taken over")


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    end = time.monotonic() + 20
    while lock.process_start(child.pid) is not None and time.monotonic() < end:
        time.sleep(0.05)
    put(tmp_path, pid=child.pid)
    assert "its process is gone" in take(tmp_path)
    child.wait()


def test_another_host_without_heartbeat_is_stale(tmp_path: Path) -> None:
    put(tmp_path, host="node7", pid=4)
    grow_old(tmp_path, 130)
    assert take(tmp_path) == (
        "the lock of run old (pid 4 on node7 since 2026-01-02T03:04:05+00:00) is stale: its last "
        "heartbeat is 130 s old; taken over"
    )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run_id": "a"}', "\0\0"])
def test_a_lock_that_cannot_be_read_is_judged_by_its_age(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK).write_text(content)
    assert refusal(tmp_path) == (
        f"output_path {tmp_path} is in use by another run: its lock cannot be read; wait for it, "
        "end it, or take another output_path"
    )
    grow_old(tmp_path, 121)
    assert take(tmp_path) == (
        "the lock of a run that cannot be read is stale: its last heartbeat is 121 s old; "
        "taken over"
    )


def test_the_age_is_measured_by_the_clock_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, host="node7")
    monkeypatch.setattr(time, "time", lambda: 4e9)
    monkeypatch.setattr(time, "time_ns", lambda: 4 * 10**18)
    state = lock.describe(tmp_path)
    assert state is not None
    assert -1 < state.age < 5
    assert state.stale == ""


def test_describe_tells_of_a_running_and_of_a_dead_run(tmp_path: Path) -> None:
    put(tmp_path)
    grow_old(tmp_path, 7)
    assert str(lock.describe(tmp_path)) == (
        f"run old (pid {os.getpid()} on {HOST} since 2026-01-02T03:04:05+00:00) is running; its "
        "last heartbeat is 7 s old"
    )
    put(tmp_path, pid=dead_process())
    assert str(lock.describe(tmp_path)).endswith("is stale: its process is gone")
    assert names(tmp_path) == [LOCK]


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def no_link(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", no_link)
    put(tmp_path)
    assert "is in use by another run" in refusal(tmp_path)
    put(tmp_path, pid=dead_process())
    assert "taken over" in take(tmp_path)
    assert take(tmp_path) == ""


def test_a_link_whose_answer_was_lost_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def twice(*paths: str) -> None:
        link(*paths)
        raise FileExistsError

    monkeypatch.setattr(os, "link", twice)
    assert take(tmp_path) == ""


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "link", refuse)
    assert refusal(tmp_path) == f"{tmp_path} cannot be written: Permission denied"
    assert names(tmp_path) == []


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(disk, "free", lambda folder: 1000)
    assert refusal(tmp_path) == (
        f"no space left on the disk of {tmp_path} (0.0 GB free): free some, then -restart"
    )
    assert names(tmp_path) == []


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    with lock.held(tmp_path, "ab12"):
        grow_old(tmp_path, 1000)
        time.sleep(0.5)
        state = lock.describe(tmp_path)
        assert state is not None
        assert state.age < 10


def hear_of_loss(root: Path, harm: object) -> str:
    told: list[str] = []
    heard = threading.Event()

    def lost(sentence: str) -> None:
        told.append(sentence)
        heard.set()

    with lock.held(root, "ab12", lost):
        harm()  # type: ignore[operator]
        assert heard.wait(10)
    assert len(told) == 1
    return told[0]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(ownership, "SECOND_LOOK", 0.05)


@pytest.mark.usefixtures("quick")
def test_a_lost_lock_is_told_once(tmp_path: Path) -> None:
    assert hear_of_loss(tmp_path, (tmp_path / LOCK).unlink) == (
        f"run ab12 no longer holds {tmp_path}: its lock is missing"
    )


@pytest.mark.usefixtures("quick")
def test_a_lock_taken_over_is_told_and_left_to_its_new_owner(tmp_path: Path) -> None:
    told = hear_of_loss(tmp_path, lambda: put(tmp_path, run_id="cd34", host="node7", pid=12))
    assert told == (
        f"run ab12 no longer holds {tmp_path}: it is held by run cd34 (pid 12 on node7 since "
        "2026-01-02T03:04:05+00:00)"
    )
    assert names(tmp_path) == [LOCK]


@pytest.mark.usefixtures("quick")
def test_a_vanished_folder_is_told_and_not_made_again(tmp_path: Path) -> None:
    root = tmp_path / "out"
    root.mkdir()
    told = hear_of_loss(root, lambda: root.rename(tmp_path / "elsewhere"))
    assert told == f"the output folder {root} vanished"
    assert not root.exists()


TAKER = """
import sys, time
from pathlib import Path
from i2lc.chain.records import lock
from i2lc.errors import InputError
root, number, start = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
time.sleep(max(start - time.time(), 0))
try:
    with lock.held(root, "run" + number) as notes:
        sys.stdout.write(f"won {len(notes)}")
        sys.stdout.flush()
        sys.stdin.read()
except InputError as error:
    sys.stdout.write(f"lost {error}")
"""


@pytest.mark.parametrize("lying", ["nothing", "a stale lock", "a stale lock, half taken over"])
def test_of_many_takers_exactly_one_wins(tmp_path: Path, lying: str) -> None:
    pid = dead_process()
    if lying != "nothing":
        put(tmp_path, pid=pid)
    if "half" in lying:
        (tmp_path / f"{LOCK}.over-old").write_bytes((tmp_path / LOCK).read_bytes())
    start = time.time() + 3
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, str(tmp_path), str(number), str(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    said = []
    for taker in takers:
        assert taker.stdout is not None
        said.append(taker.stdout.read(5))
    assert sorted(said) == ["lost "] * 5 + ["won 0" if lying == "nothing" else "won 1"]
    winner = next(i for i, text in enumerate(said) if text.startswith("won"))
    holder = ownership.read(tmp_path)
    assert holder is not None
    assert (holder.run_id, holder.pid) == (f"run{winner}", takers[winner].pid)
    for taker in takers:
        rest, _ = taker.communicate("", timeout=30)
        assert "in use by another run" in rest or "being taken" in rest or not rest
    assert names(tmp_path) == []


def test_who_only_looks_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)

    def write(*_: object, **__: object) -> None:
        raise AssertionError("a file was written")

    monkeypatch.setattr(Path, "touch", write)
    state = lock.describe(tmp_path, writes=False)
    assert state is not None
    assert state.holder == ownership.read(tmp_path)
    assert -1 < state.age < 5


def test_who_only_looks_allows_for_a_clock_that_differs(tmp_path: Path) -> None:
    put(tmp_path, host="node7")
    grow_old(tmp_path, 290)
    state = lock.describe(tmp_path, writes=False)
    assert state is not None
    assert state.stale == ""
    assert (lock.describe(tmp_path) or state).stale == "its last heartbeat is 290 s old"
    grow_old(tmp_path, 500)
    assert str(lock.describe(tmp_path, writes=False)).endswith(
        "is stale: its last heartbeat is 500 s old by the clock of this host, which may differ "
        "from that of the disk"
    )
