"""`i2lc status`: what would run and why, for people and programs; nothing is changed."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import toy
from conftest import tiny

from i2lc.chain import graph
from i2lc.chain.plan import Plan
from i2lc.chain.records import decision, ledger, lock
from i2lc.chain.records.decision import Verdict
from i2lc.chain.settings import config as configs
from i2lc.chain.settings.config import Config
from i2lc.chain.settings.sections import RunSettings
from i2lc.chain.telling import standing, tasks_status
from i2lc.chain.telling.tasks_status import Facts, StateFile
from i2lc.chain.verbs import status
from i2lc.errors import ConfigError, InputError
from i2lc.steps.contract import Unit

Capture = pytest.CaptureFixture[str]
FACTS = Facts("0.9", "1a2b3c4d", 123, "node7", "2026-11-21T06:00:00+00:00", "/x/run.cfg")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
LEARNT = ("train", "choose", "paint", "tell")


class Toy:
    """A toy chain in place of the chain, with an output folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.words = dict.fromkeys((step.name for step in toy.STEPS), "a")
        self.running = toy.STEPS
        self.graph = graph.build(toy.STEPS, toy.UNITS)

    @property
    def config(self) -> Config:
        """The configuration of the toy."""
        return Config(
            path=self.root.parent / "run.cfg",
            given={},
            run=RunSettings(output_path=self.root),
            units=None,  # type: ignore[arg-type]
            steps={name: toy.ToySettings(word=word) for name, word in self.words.items()},
            warnings=(),
        )

    def make(self, *steps: str) -> None:
        """Write the products and records of steps."""
        made = ledger.fingerprints(self.graph, self.config.steps)
        for task in self.graph.order():
            if task.step.name in steps:
                for file in task.outputs:
                    path = self.root / file.path
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text("x")
                    ledger.write_record(path, made[task.name])

    def states(self) -> StateFile:
        return StateFile(self.root, FACTS, list(self.graph.tasks))


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy(tmp_path / "out")
    monkeypatch.setattr(configs, "load", lambda path: made.config)
    monkeypatch.setattr(
        standing,
        "make_plan",
        lambda config, options: Plan(made.graph, made.running, True),
    )
    return made


def told(chain: Toy, capfd: Capture, *options: str) -> list[str]:
    """Give the lines of the verb, with short paths and no times."""
    assert status.main(["-config", "run.cfg", *options]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    text = out.replace(str(chain.root), "OUT").replace(str(chain.root.parent), "DIR")
    return re.sub(TIME, "TIME", text).splitlines()


def data(chain: Toy, capfd: Capture) -> dict[str, Any]:
    del chain
    assert status.main(["-config", "run.cfg", "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    found: dict[str, Any] = json.loads(out)
    return found


def tasks_of(found: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {task["name"]: task for step in found["steps"] for task in step["tasks"]}


# For people.


def test_before_the_first_run(chain: Toy, capfd: Capture) -> None:
    lines = [
        "output folder: OUT",
        "no run is going on",
        "  1  look    2 to do",
        "  2  cut     3 to do",
        "  3  train   4 to do",
        "  4  choose  2 to do",
        "  5  paint   2 to do",
        "  6  tell    1 to do",
        "     total   14 to do of 14 tasks",
        "i2lc -config DIR/run.cfg -restart would run 14 of 14 tasks",
    ]
    assert told(chain, capfd) == lines
    assert told(chain, capfd, "--why") == lines
    assert not chain.root.exists()


def test_when_all_is_done(chain: Toy, capfd: Capture) -> None:
    chain.make(*chain.words)
    chain.states().end("14 tasks done")
    assert told(chain, capfd, "-why") == [
        "output folder: OUT",
        "no run is going on; the last one, 1a2b3c4d, ended TIME: 14 tasks done",
        "  1  look    2 reused",
        "  2  cut     3 reused",
        "  3  train   4 reused",
        "  4  choose  2 reused",
        "  5  paint   2 reused",
        "  6  tell    1 reused",
        "     total   14 reused of 14 tasks",
        "nothing to do",
    ]


def test_a_changed_key_is_named_once_for_all_that_follows(chain: Toy, capfd: Capture) -> None:
    chain.make(*chain.words)
    chain.words["train"] = "b"
    (chain.root / "parts" / "T1_1.txt").unlink()
    first = next(name for name in chain.graph.tasks if name.startswith("train/"))
    assert told(chain, capfd, "--why")[2:] == [
        "  1  look    2 reused",
        "  2  cut     2 reused, 1 to do",
        "       output missing: parts/T1_1.txt: T1_strip_1",
        "  3  train   4 redo",
        "       word changed a -> b: 4 tasks",
        "  4  choose  2 redo",
        f"       word changed a -> b ({first}): seed_0",
        "       word changed a -> b (train/seed_1_hyp_0): seed_1",
        "  5  paint   2 redo",
        f"       word changed a -> b ({first}): 2 tasks",
        "  6  tell    1 redo",
        f"       word changed a -> b ({first})",
        "     total   4 reused, 1 to do, 9 redo of 14 tasks",
        "i2lc -config DIR/run.cfg -restart would run 10 of 14 tasks",
    ]


def test_failures_name_cause_place_and_log(chain: Toy, capfd: Capture) -> None:
    chain.make("look")
    file = chain.states()
    log = "logs/cut/T2_strip_2.log"
    memory = "out of memory: raise maximum_ram"
    for name, error in (("cut/T2_strip_2", memory), ("cut/T1_strip_1", "OSError: no\nspace")):
        file.note("started", name)
        file.note("failed", name, error=error, log=log)
    file.note("blocked", "train/seed_0_hyp_0", cause="cut/T2_strip_2")
    file.note("failed", "tell/all", error="KeyError: 'a'")
    file.end("3 tasks failed")
    lines = told(chain, capfd, "--why")
    assert lines[1:9] == [
        "no run is going on; the last one, 1a2b3c4d, ended TIME: 3 tasks failed",
        "  1  look    2 reused",
        "  2  cut     1 to do, 2 failed",
        "       failed in T1 strip 1: OSError: no space, see OUT/logs/cut/T1_strip_1.log",
        "       failed: out of memory in T2 strip 2: raise maximum_ram, "
        "see OUT/logs/cut/T2_strip_2.log",
        "  3  train   4 to do",
        "       waits for cut/T2_strip_2, which failed: seed_0_hyp_0",
        "  4  choose  2 to do",
    ]
    assert lines[-3:] == [
        "       failed: KeyError: 'a', see OUT/logs/tell/all.log",
        "     total   2 reused, 9 to do, 3 failed of 14 tasks",
        "i2lc -config DIR/run.cfg -restart would run 12 of 14 tasks",
    ]
    assert not [line for line in told(chain, capfd) if "failed:" in line]


def test_failures_of_one_cause_share_a_line(chain: Toy, capfd: Capture) -> None:
    file = chain.states()
    chain.root.mkdir()
    for name in ("cut/T2_strip_0", "cut/T2_strip_2"):
        file.note("failed", name, error="the disk is full")
    file.end("2 tasks failed")
    lines = told(chain, capfd, "--why")
    assert lines[3:5] == [
        "  2  cut     1 to do, 2 failed",
        "       failed in T2 strip 0: the disk is full, see OUT/logs/cut/T2_strip_0.log; so did 1 "
        "more",
    ]


def test_a_failed_task_that_is_done_by_now_is_reused(chain: Toy, capfd: Capture) -> None:
    chain.make("look")
    file = chain.states()
    file.note("failed", "look/T1", error="x")
    file.end("failed")
    assert "  1  look    2 reused" in told(chain, capfd)


def test_a_run_that_goes_on(chain: Toy, capfd: Capture) -> None:
    chain.make("look")
    with lock.held(chain.root, FACTS.run_id):
        file = chain.states()
        file.note("started", "cut/T1_strip_1")
        file.write()
        lines = told(chain, capfd, "--why")
        found = data(chain, capfd)
    assert lines[1].startswith(f"run 1a2b3c4d (pid {os.getpid()} on ")
    assert "is running; its last heartbeat is" in lines[1]
    assert lines[3] == "  2  cut     2 to do, 1 running"
    assert lines[-1] == "the run has 12 of 14 tasks before it"
    assert sorted(found["running"]) == ["host", "pid", "run_id", "start"]
    assert found["running"]["run_id"] == "1a2b3c4d"
    assert found["running"]["pid"] == os.getpid()
    assert tasks_of(found)["cut/T1_strip_1"]["state"] == "running"
    assert tasks_of(found)["cut/T1_strip_1"]["reason"].startswith("since 20")


def test_a_run_that_was_killed(chain: Toy, capfd: Capture) -> None:
    """Its lock is stale, and what its file tells as running is to do."""
    chain.make("look")
    file = chain.states()
    file.note("started", "cut/T1_strip_1")
    file.write()
    dead = {**vars(lock.this_process(FACTS.run_id)), "pid": 2**22 + 1}
    (chain.root / lock.LOCK).write_text(json.dumps(dead))
    lines = told(chain, capfd)
    assert lines[1].startswith(
        "no run is going on; the last one, 1a2b3c4d, was broken off after TIME; the lock of run "
        "1a2b3c4d (pid 4194305 on "
    )
    assert lines[1].endswith(" is stale: its process is gone")
    assert lines[3] == "  2  cut     3 to do"
    assert data(chain, capfd)["running"] is None


def test_steps_that_the_configuration_leaves_out(chain: Toy, capfd: Capture) -> None:
    chain.running = toy.STEPS[:2]
    chain.make("look", "cut")
    lines = told(chain, capfd)
    assert lines[4] == "  3  train   4 to do (left out by first_step and last_step)"
    assert lines[-2:] == ["     total   5 reused of 5 tasks", "nothing to do"]
    found = data(chain, capfd)
    assert [step["asked"] for step in found["steps"]] == [True, True, False, False, False, False]
    assert found["totals"]["tasks"] == 5


def test_of_many_reasons_twenty_are_named() -> None:
    tasks = tuple(
        standing.TaskStatus(f"cut/T1_strip_{k}", Unit("T1", k), "redo", f"file {k} does not open")
        for k in range(30)
    )
    step = standing.StepStatus(1, toy.CUT, True, tasks)
    found = standing.Standing(Path("run.cfg"), Path("out"), None, None, (step,))
    lines = list(status.lines(found, why=True))
    assert lines[3] == "       file 0 does not open: T1_strip_0"
    assert lines[22:24] == [
        "       file 19 does not open: T1_strip_19",
        "       and 10 more (--json has them all)",
    ]


def test_a_task_state_file_that_is_none_is_told_and_left(chain: Toy, capfd: Capture) -> None:
    chain.make("look")
    path = chain.root / tasks_status.NAME
    path.write_text("scribble\n")
    assert status.main(["-config", "run.cfg"]) == 0
    out, err = capfd.readouterr()
    assert err.startswith(f"i2lc: warning: {path}, line 1: got 'scribble', expected ")
    assert "  1  look    2 reused" in out
    assert path.read_text() == "scribble\n"


# For programs.


def test_the_json_document(chain: Toy, capfd: Capture) -> None:
    chain.make(*chain.words)
    chain.words["paint"] = "b"
    found = data(chain, capfd)
    assert sorted(found) == ["output_path", "running", "steps", "totals"]
    assert found["output_path"] == str(chain.root)
    assert found["running"] is None
    counts = {"failed": 0, "redo": 0, "removed": 0, "reused": 0, "running": 0, "to do": 0}
    assert found["totals"] == {**counts, "redo": 3, "reused": 11, "tasks": 14, "to_run": 3}
    assert found["steps"][0] == {
        "number": 1,
        "name": "look",
        "group": "init",
        "asked": True,
        "counts": {**counts, "reused": 2, "tasks": 2},
        "tasks": [
            {
                "name": f"look/{tile}",
                "state": "reused",
                "reason": "",
                "root": "",
                "log": f"logs/look/{tile}.log",
            }
            for tile in ("T1", "T2")
        ],
    }
    assert tasks_of(found)["tell/all"] == {
        "name": "tell/all",
        "state": "redo",
        "reason": "word changed a -> b",
        "root": "paint/T1",
        "log": "logs/tell/all.log",
    }


def test_the_json_document_is_stable(chain: Toy, capfd: Capture) -> None:
    chain.make("look", "cut")
    assert list(data(chain, capfd)) == ["output_path", "running", "steps", "totals"]
    assert data(chain, capfd) == data(chain, capfd)


# The command line.


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "the following arguments are required: -config/--config"),
        (["-config", "a", "extra"], "unrecognized arguments: extra"),
        (
            ["-config", "a", "-config_ressources", "b"],
            "unrecognized arguments: -config_ressources b",
        ),
        (["--config"], "argument -config/--config: expected one argument"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], wanted: str, capfd: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        status.main(arguments)
    assert caught.value.code == 2
    assert capfd.readouterr() == ("", f"i2lc status: {wanted}; see i2lc status -h\n")


def test_a_configuration_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "gone.cfg"))):
        status.main(["--config", str(tmp_path / "gone.cfg")])


# Nothing is written, with real inputs.


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("status") / "land", dates=4)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Give size and time of all that lies in a folder, itself too."""
    paths = [folder, *folder.rglob("*")]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in paths}


def test_without_an_output_folder_nothing_is_made(landscape: Path, capfd: Capture) -> None:
    before = tree(landscape.parent)
    assert status.main(["-config", str(landscape), "--why"]) == 0
    out, _ = capfd.readouterr()
    assert "total             20 to do of 20 tasks" in out
    assert tree(landscape.parent) == before


def test_inputs_that_cannot_be_used(landscape: Path, capfd: Capture) -> None:
    truth = landscape.parent / "ground_truth.shp"
    truth.rename(truth.with_suffix(".away"))
    try:
        with pytest.raises(InputError, match=re.escape(str(truth))):
            status.main(["-config", str(landscape)])
    finally:
        truth.with_suffix(".away").rename(truth)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("holder", [None, "live", "dead"])
def test_nothing_in_the_output_folder_changes(
    chain: Toy, holder: str | None, capfd: Capture
) -> None:
    chain.make("look", "cut")
    chain.words["cut"] = "b"
    (chain.root / "parts" / ".tmp-x-1-T1_1.txt").write_text("left")
    file = chain.states()
    file.note("failed", "cut/T1_strip_1", error="x")
    file.write()
    if holder:
        me = vars(lock.this_process("1a2b3c4d"))
        pid = os.getpid() if holder == "live" else 2**22 + 1
        (chain.root / lock.LOCK).write_text(json.dumps({**me, "pid": pid}))
    before = tree(chain.root)
    told(chain, capfd, "--why")
    data(chain, capfd)
    assert tree(chain.root) == before


# Scale.


def test_it_is_linear_in_tasks(chain: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts of 60,000 tasks that all failed or have reasons."""
    steps = toy.STEPS[:1]
    tasks = {
        task.name: task
        for k in range(60_000)
        for task in [graph.Task(toy.LOOK, Unit(f"T{k}"), (), ())]
    }
    edges = nx.DiGraph()
    edges.add_nodes_from(tasks)
    chain.graph, chain.running = graph.Graph(steps, tasks, edges), steps
    chain.root.mkdir()
    file = chain.states()
    for name in list(tasks)[:20_000]:
        file.note("failed", name, error=f"bad {name}", log="x.log")
    file.write()
    verdicts = {name: Verdict("redo", f"input changed: {name}") for name in tasks}
    monkeypatch.setattr(ledger, "fingerprints", lambda *_: {})
    monkeypatch.setattr(decision, "decide", lambda *_, **__: verdicts)
    start = time.perf_counter()
    found = standing.gather(chain.config)
    lines = list(status.lines(found, why=True))
    json.dumps(status.as_data(found))
    assert time.perf_counter() - start < 8  # 1 s on an idle core
    assert lines[2] == "  1  look  40000 redo, 20000 failed"
    assert lines[-3] == "       and 59980 more (--json has them all)"
