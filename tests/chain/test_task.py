"""What a worker does with one task: products, records, log and the sentence of a failure."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import toy

from i2lc.chain import graph
from i2lc.chain.records import ledger, lock
from i2lc.chain.tasks.task import MORE_MEMORY, Order, Outcome, execute
from i2lc.errors import InputError
from i2lc.steps.contract import Job
from i2lc.steps.files import store
from i2lc.steps.files.ownership import LOCK

SETTINGS = toy.ToySettings(word="hello")
GRAPH = graph.build(toy.STEPS, toy.UNITS)
FINGERPRINTS = ledger.fingerprints(GRAPH, {step.name: SETTINGS for step in toy.STEPS})
NAME = "paint/T1"


def order(root: Path, run: Callable[[Job], None] = toy.write, attempt: int = 1) -> Order:
    task = GRAPH.tasks[NAME]
    root.mkdir(exist_ok=True)
    (root / LOCK).write_text(json.dumps(asdict(lock.this_process("run1"))))
    return Order(
        name=NAME,
        run=run,
        job=Job(task.unit, SETTINGS, root, task.inputs, task.outputs),
        made=FINGERPRINTS[NAME],
        log=root / "logs" / "paint" / "T1.log",
        run_id="run1",
        attempt=attempt,
    )


def log_of(root: Path) -> str:
    return (root / "logs" / "paint" / "T1.log").read_text()


def records(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob(".*.record.json"))


def raise_input_error(job: Job) -> None:
    toy.write(job)
    raise InputError("the field `code` is missing; name another one")


def raise_value_error(job: Job) -> None:
    raise ValueError("shapes differ")


def raise_silently(job: Job) -> None:
    raise KeyError


def raise_memory_error(job: Job) -> None:
    raise MemoryError


def write_half(job: Job) -> None:
    store.write_text(job.root / job.outputs[0].path, "one")


def talk(job: Job) -> None:
    toy.write(job)
    logging.getLogger("i2lc.steps.paint").info("a line of %s", "the step")
    logging.getLogger("other").warning("a line of another library")


def test_all_is_well(tmp_path: Path) -> None:
    outcome = execute(order(tmp_path))
    assert (outcome.name, outcome.error, outcome.kind) == (NAME, None, "")
    assert outcome.worker == os.getpid()
    assert 0 <= outcome.seconds < 10
    assert outcome.peak > 10e6
    assert (tmp_path / "final" / "T1_0.txt").read_text() == "hello final/T1_0.txt\n"
    assert records(tmp_path) == [".T1_0.txt.record.json", ".T1_1.txt.record.json"]
    record = ledger.read_record(tmp_path / "final" / "T1_1.txt")
    assert record is not None
    assert record["fingerprint"] == FINGERPRINTS[NAME].digest
    told = record["inputs"]["index/T1.txt"]
    assert len(told) >= 16
    assert FINGERPRINTS["look/T1"].digest.startswith(told)
    lines = log_of(tmp_path).splitlines()
    assert lines[0].endswith("INFO i2lc: start paint/T1, try 1 of run run1")
    assert re.search(r"INFO i2lc: end paint/T1 after \d+\.\d s, peak memory", lines[-1])


def test_lines_of_the_step_are_in_its_log(tmp_path: Path) -> None:
    execute(order(tmp_path, talk))
    assert "INFO i2lc.steps.paint: a line of the step" in log_of(tmp_path)
    assert "another library" not in log_of(tmp_path)
    logging.getLogger("i2lc").warning("after the task")
    assert "after the task" not in log_of(tmp_path)


@pytest.mark.parametrize(
    ("run", "error", "kind"),
    [
        (raise_input_error, "the field `code` is missing; name another one", "InputError"),
        (raise_value_error, "ValueError: shapes differ", "ValueError"),
        (raise_silently, "KeyError: KeyError", "KeyError"),
        (
            raise_memory_error,
            f"out of memory: {MORE_MEMORY}",
            "MemoryError",
        ),
    ],
)
def test_a_step_that_raises(
    tmp_path: Path, run: Callable[[Job], None], error: str, kind: str
) -> None:
    outcome = execute(order(tmp_path, run))
    assert (outcome.error, outcome.kind) == (error, kind)
    assert records(tmp_path) == []
    text = log_of(tmp_path)
    assert "ERROR i2lc: Traceback (most recent call last):" in text
    assert f"in {run.__name__}" in text
    assert kind in text
    assert "end paint/T1" in text


def test_a_missing_product_is_a_failure(tmp_path: Path) -> None:
    outcome = execute(order(tmp_path, write_half))
    assert outcome.kind == "RuntimeError"
    assert outcome.error == (
        f"RuntimeError: the task ended without its product {tmp_path}/final/T1_1.txt: "
        "the file is missing"
    )
    assert records(tmp_path) == []


def test_a_failure_takes_the_records_of_an_earlier_run_away(tmp_path: Path) -> None:
    execute(order(tmp_path))
    assert len(records(tmp_path)) == 2
    execute(order(tmp_path, raise_value_error))
    assert records(tmp_path) == []
    assert ledger.unfinished(tmp_path / "final" / "T1_0.txt") == (
        "it has no record: its task did not end"
    )
    assert "shapes differ" in log_of(tmp_path)
    assert execute(order(tmp_path, attempt=2)).error is None
    told = log_of(tmp_path)
    assert told.index("shapes differ") < told.rindex("end ")  # a retry keeps the first failure
    assert execute(order(tmp_path)).error is None
    assert "shapes differ" not in log_of(tmp_path)  # another run begins anew


def test_nothing_is_published_without_the_lock(tmp_path: Path) -> None:
    sent = order(tmp_path / "out")
    (tmp_path / "out" / LOCK).write_text(json.dumps(asdict(lock.this_process("run2"))))
    outcome = execute(sent)
    assert outcome.kind == "LostRunError"
    assert str(outcome.error).startswith(
        f"run run1 no longer holds {tmp_path}/out: it is held by run run2 (pid {os.getpid()} on "
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK]


def test_a_vanished_folder_is_not_made_again(tmp_path: Path) -> None:
    sent = order(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert execute(sent).error == f"the output folder {tmp_path}/out vanished"
    assert not (tmp_path / "out").exists()


def test_temporary_names_bear_the_number_of_the_run(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(job: Job) -> None:
        with store.writing(job.root / job.outputs[0].path) as temporary:
            seen.append(temporary.name)
            temporary.write_text("one")
        write_half(job)

    execute(order(tmp_path, look))
    assert len(seen) == 1
    assert re.fullmatch(rf"\.tmp-run1-1-{os.getpid()}-[0-9a-f]{{8}}-T1_0\.txt", seen[0])
    assert not list(tmp_path.rglob(".tmp-*"))


def test_order_and_outcome_travel(tmp_path: Path) -> None:
    sent = order(tmp_path)
    assert pickle.loads(pickle.dumps(sent)) == sent
    outcome = Outcome("a/b", "why", "ValueError", 1.0, 2, 3)
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    assert len(pickle.dumps(sent)) < 5000
