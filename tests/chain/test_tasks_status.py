"""The task-state file: readable, current, and never a reason for a run to end."""

from __future__ import annotations

import re
import string
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2lc.chain.records import lock
from i2lc.chain.records.decision import Verdict
from i2lc.chain.telling import task_states, tasks_status
from i2lc.chain.telling.task_states import Listed
from i2lc.chain.telling.tasks_status import NAME, Facts, StateFile
from i2lc.errors import InputError

FACTS = Facts("0.9", "1a2b3c4d", 123, "node 7", "2026-11-21T06:00:00+00:00", "/a b/run.cfg")
NAMES = ["look/T1", "cut/T1_strip_0", "cut/T1_strip_1", "train/seed_0", "tell/all"]
LOG = "logs/cut/T1_strip_1.log"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def content(root: Path) -> str:
    """Give the file with every time replaced."""
    return re.sub(TIME, "TIME", (root / NAME).read_text())


def a_run(root: Path) -> StateFile:
    file = StateFile(root, FACTS, NAMES, {"look/T1"})
    file.note("started", "cut/T1_strip_0")
    file.note("done", "cut/T1_strip_0", seconds=12.34, peak=810_400_000, attempt=1)
    file.note("started", "cut/T1_strip_1")
    file.note("failed", "cut/T1_strip_1", error="out of\nmemory", log=f"{root}/{LOG}")
    file.note("blocked", "tell/all", cause="cut/T1_strip_1")
    file.note("started", "train/seed_0")
    return file


def test_what_stands_in_it(tmp_path: Path) -> None:
    a_run(tmp_path).write()
    assert content(tmp_path) == (
        "# i2lc 0.9  run 1a2b3c4d  pid 123 on node 7  started TIME  updated TIME\n"
        "# config /a b/run.cfg\n"
        "# 1 done, 1 reused, 1 running, 1 failed, 1 blocked\n"
        "reused   look/T1\n"
        "done     cut/T1_strip_0  12.3 s  peak 810 MB  try 1\n"
        "failed   cut/T1_strip_1  out of memory (log: logs/cut/T1_strip_1.log)\n"
        "running  train/seed_0    since TIME\n"
        "blocked  tell/all        waits for cut/T1_strip_1, which failed\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_at_the_end_what_ran_is_stopped(tmp_path: Path) -> None:
    file = a_run(tmp_path)
    assert file.end("interrupted,\n1 task failed") is None
    text = content(tmp_path)
    assert "# 1 done, 1 reused, 1 failed, 1 blocked, 1 stopped\n" in text
    assert "# ended TIME: interrupted, 1 task failed\n" in text
    assert "stopped  train/seed_0\n" in text


def test_a_task_that_is_tried_again_is_to_do(tmp_path: Path) -> None:
    file = StateFile(tmp_path, FACTS, NAMES[:2])
    file.note("started", "look/T1")
    file.note("retried", "look/T1", error="a\r\nb", log="x.log")
    file.write()
    assert content(tmp_path).endswith(
        "# 2 to do\n"
        "todo     look/T1         will be tried again after: a b (log: x.log)\n"
        "todo     cut/T1_strip_0\n"
    )


def test_a_run_without_tasks(tmp_path: Path) -> None:
    StateFile(tmp_path, FACTS, []).write()
    assert content(tmp_path).endswith("# no tasks\n")
    assert task_states.read(tmp_path / NAME).tasks == {}


def test_a_very_long_cause_is_cut() -> None:
    assert tasks_status.one_line("word " * 200) == "word " * 79 + "wo..."


# Often enough, not too often.


def test_news_wait_two_seconds(tmp_path: Path) -> None:
    clock = Clock()
    file = StateFile(tmp_path, FACTS, NAMES, clock=clock)

    def written() -> bool:
        (tmp_path / NAME).unlink(missing_ok=True)
        assert file.write() is None
        return (tmp_path / NAME).exists()

    assert written()
    file.note("started", "look/T1")
    clock.now += 1.9
    assert not written()
    clock.now += 0.2
    assert written()
    clock.now += 100
    assert not written(), "there is no news"
    assert file.write(force=True) is None
    assert (tmp_path / NAME).exists()


def test_slow_writes_are_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of a second is followed by a pause of 19: 5 % of the time."""
    clock = Clock()
    file = StateFile(tmp_path, FACTS, NAMES, clock=clock)
    writes = []

    def slow() -> None:
        writes.append(clock.now)
        clock.now += 1

    monkeypatch.setattr(file, "_publish", slow)
    for _ in range(400):
        file.note("started", "look/T1")
        file.write()
        clock.now += 0.25
    assert writes == pytest.approx([100, 120, 140, 160, 180, 200], abs=1.5)


def test_a_hundred_thousand_tasks_cost_little(tmp_path: Path) -> None:
    names = [f"classification/T31TCJ_strip_{k}" for k in range(100_000)]
    start = time.perf_counter()
    file = StateFile(tmp_path, FACTS, names)
    for name in names:
        file.note("started", name)
        file.note("done", name, seconds=1.0, peak=10**9, attempt=1)
    noted = time.perf_counter()
    file.write()
    written = time.perf_counter()
    assert task_states.done_of(tmp_path / NAME) == set(names)
    read = time.perf_counter()
    assert noted - start < 6  # 0.6 s on an idle core
    assert written - noted < 2  # 0.03 s
    assert read - written < 4  # 0.3 s


# Nothing that happens to it ends a run.


def test_a_folder_that_is_gone_is_told_once(tmp_path: Path) -> None:
    root = tmp_path / "gone"
    file = a_run(root)
    told = f"{root / NAME} cannot be kept current: No such file or directory; the run goes on"
    assert file.write() == told
    assert file.write(force=True) is None
    root.mkdir()
    assert file.end("done") is None
    assert "# ended TIME: done\n" in content(root)


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_run(tmp_path)
    file.write()
    before = (tmp_path / NAME).read_bytes()

    def full(path: Path, text: str, **_: object) -> int:
        path.write_bytes(text[:10].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    told = file.write(force=True)
    assert told == f"{tmp_path / NAME} cannot be kept current: No space left on device; " + (
        "the run goes on"
    )
    assert (tmp_path / NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_run_that_lost_its_folder_leaves_the_file_to_the_other(tmp_path: Path) -> None:
    mine = a_run(tmp_path)
    other = StateFile(tmp_path, replace(FACTS, run_id="other"), NAMES)
    with lock.held(tmp_path, "other"):
        assert other.write() is None
        before = (tmp_path / NAME).read_bytes()
        assert mine.end("interrupted") is None
        assert (tmp_path / NAME).read_bytes() == before
    assert task_states.read(tmp_path / NAME).facts.run_id == "other"


def test_news_that_could_not_be_written_stay_news(tmp_path: Path) -> None:
    clock = Clock()
    root = tmp_path / "later"
    file = StateFile(root, FACTS, NAMES, clock=clock)
    assert file.write() is not None
    root.mkdir()
    clock.now += 3
    assert file.write() is None
    assert (root / NAME).exists()


# Reading.


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    a_run(tmp_path).end("1 task failed")
    found = task_states.read(tmp_path / NAME)
    assert found.facts == FACTS
    assert re.fullmatch(TIME, found.updated)
    assert re.fullmatch(f"{TIME}: 1 task failed", found.ended)
    assert found.tasks == {
        "look/T1": Listed("reused"),
        "cut/T1_strip_0": Listed("done", "12.3 s  peak 810 MB  try 1"),
        "cut/T1_strip_1": Listed("failed", "out of memory (log: logs/cut/T1_strip_1.log)"),
        "train/seed_0": Listed("stopped"),
        "tell/all": Listed("blocked", "waits for cut/T1_strip_1, which failed"),
    }
    assert task_states.done_of(tmp_path / NAME) == {"look/T1", "cut/T1_strip_0"}


NAME_PART = st.text(min_size=1, max_size=12)
TASK_NAMES = st.builds("{}/{}".format, st.text(string.ascii_letters, min_size=1), NAME_PART)


@given(tasks=st.dictionaries(TASK_NAMES, st.none() | st.text(max_size=60), max_size=6))
def test_odd_names_and_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, tasks: dict[str, str | None]
) -> None:
    root = tmp_path_factory.getbasetemp()
    file = StateFile(root, FACTS, list(tasks))
    for name, text in tasks.items():
        if text is not None:
            file.note("failed", name, error=text)
    assert file.write() is None
    found = task_states.read(root / NAME).tasks
    assert found == {
        name: Listed("todo") if text is None else Listed("failed", tasks_status.one_line(text))
        for name, text in tasks.items()
    }
    assert list(found) == list(tasks)


HEAD = "# i2lc 0.9  run 1a2b3c4d  pid 123 on host  started A  updated B\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "",
            "line 1: got '', expected '# i2lc VERSION  run ...': a task-state file is called "
            f"{NAME} and lies in the output folder of a run",
        ),
        (
            "chain : {\n}\n",
            "line 1: got 'chain : {', expected '# i2lc VERSION  run ...': a task-state file is "
            f"called {NAME} and lies in the output folder of a run",
        ),
        *(
            (
                f"{HEAD}done  look/T1\n{line}\n",
                f"line 3: got {line!r}, expected one of the states done, reused, running, failed, "
                "blocked, stopped, todo and a task name, such as 'done  polygons/all'",
            )
            for line in ("finished look/T2", "done", "done 12.3 s", "look/T1")
        ),
        (f"{HEAD}\ndone look/T1\ntodo look/T1\n", "line 4: look/T1 is listed a second time"),
    ],
)
def test_what_is_no_task_state_file(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        task_states.read(path)
    assert str(caught.value) == f"{path}, {told}"


def test_a_long_wrong_line_is_shortened(tmp_path: Path) -> None:
    path = tmp_path / "tasks.txt"
    path.write_text("x" * 1000)
    with pytest.raises(InputError, match=rf"line 1: got '{'x' * 77}\.\.\.', expected"):
        task_states.read(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    gone, binary = tmp_path / "gone.txt", tmp_path / "a.tif"
    binary.write_bytes(b"II*\0\xff\xfe")
    with pytest.raises(InputError) as caught:
        task_states.read(gone)
    assert str(caught.value) == (
        f"task-state file {gone} cannot be read: No such file or directory"
    )
    with pytest.raises(InputError) as caught:
        task_states.read(binary)
    assert str(caught.value) == f"{binary} is no task-state file: it is no text in UTF-8"


# What the file says and the records do not.


def test_the_records_decide_and_the_disagreement_is_named() -> None:
    verdicts = {
        "a/1": Verdict("reused"),
        "a/2": Verdict("redo", "ratio changed 0.5 -> 0.4"),
        "b/1": Verdict("redo", "ratio changed 0.5 -> 0.4", root="a/2"),
        "b/2": Verdict("to do"),
        "b/3": Verdict("removed"),
        "b/4": Verdict("to do", "output missing"),
    }
    listed = {"a/1", "a/2", "b/1", "b/2", "b/3", "z/1"}
    assert task_states.disagreements(listed, verdicts) == [
        "a/2 is listed as done, but ratio changed 0.5 -> 0.4",
        "b/1 is listed as done, but ratio changed 0.5 -> 0.4 (a/2)",
        "b/2 is listed as done, but it has no product",
        "z/1 is listed as done, but the chain has no such task",
    ]
    assert task_states.disagreements({"a/1", "b/3"}, verdicts) == []


def test_of_many_disagreements_twenty_are_named() -> None:
    verdicts = {f"a/{k}": Verdict("to do", "output missing") for k in range(30)}
    told = task_states.disagreements(set(verdicts) | {"gone/1"}, verdicts)
    assert len(told) == 21
    assert told[0] == "a/0 is listed as done, but output missing"
    assert told[-1] == "and 11 more"
