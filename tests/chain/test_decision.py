"""A restart reuses what is recorded, present and readable, and says why it does the rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy
from conftest import tiny

from i2lc.chain import graph, recipe, units
from i2lc.chain.graph import Graph
from i2lc.chain.records import decision, ledger, output, sources
from i2lc.chain.records.decision import REMOVED, Verdict
from i2lc.chain.records.ledger import Fingerprint
from i2lc.chain.settings import config
from i2lc.chain.settings.config import Config
from i2lc.chain.units import Units
from i2lc.steps.contract import Settings

SETTINGS = {step.name: toy.ToySettings() for step in toy.STEPS}
GRAPH = graph.build(toy.STEPS, toy.UNITS)
MADE = ledger.fingerprints(GRAPH, SETTINGS)


def write(root: Path, made_graph: Graph = GRAPH, made: dict[str, Fingerprint] = MADE) -> None:
    """Write products and records of all tasks."""
    for task in made_graph.tasks.values():
        for file in task.outputs:
            product = root / file.path
            product.parent.mkdir(parents=True, exist_ok=True)
            product.write_text("{}")
        ledger.write_records([root / file.path for file in task.outputs], made[task.name])


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """Give the folder of a run of the toy that ended."""
    write(tmp_path)
    return tmp_path


def others(found: dict[str, Verdict]) -> dict[str, Verdict]:
    """Leave out what is reused."""
    return {name: verdict for name, verdict in found.items() if verdict.kind != "reused"}


def decided(root: Path, **options: Any) -> dict[str, Verdict]:
    return others(decision.decide(GRAPH, MADE, root, **options))


def with_word(*steps: str) -> dict[str, Fingerprint]:
    """Give the fingerprints where steps have another setting."""
    settings = {**SETTINGS, **{name: toy.ToySettings(word="b") for name in steps}}
    return ledger.fingerprints(GRAPH, settings)


def test_nothing_there_is_to_do(tmp_path: Path) -> None:
    assert decided(tmp_path) == {name: Verdict("to do") for name in GRAPH.tasks}


def test_all_done_is_reused(done: Path) -> None:
    found = decision.decide(GRAPH, MADE, done)
    assert list(found) == list(GRAPH.tasks)
    assert set(found.values()) == {Verdict("reused")}
    assert not Verdict("reused").runs


def test_a_vanished_product_is_done_again_alone(done: Path) -> None:
    (done / "parts" / "T1_1.txt").unlink()
    (done / "final" / "T2_0.txt").unlink()
    (done / "final" / "T2_1.txt").unlink()
    ledger.record_path(done / "final" / "T2_0.txt").unlink()
    ledger.record_path(done / "final" / "T2_1.txt").unlink()
    assert decided(done) == {
        "cut/T1_strip_1": Verdict("to do", "output missing: parts/T1_1.txt"),
        "paint/T2": Verdict("to do"),
    }


def test_one_of_two_products_vanished(done: Path) -> None:
    (done / "final" / "T1_1.txt").unlink()
    reason = "output missing: final/T1_1.txt"
    assert decided(done) == {"paint/T1": Verdict("redo", reason)}


def test_a_truncated_product_says_by_how_much(done: Path) -> None:
    (done / "final" / "T1_0.txt").write_text("{")
    (done / "final" / "T1_1.txt").write_text("")
    reason = "final/T1_0.txt has 1 bytes, its record says 2 (and 1 more)"
    assert decided(done) == {"paint/T1": Verdict("redo", reason)}


def test_a_product_without_record_was_not_ended(done: Path) -> None:
    ledger.record_path(done / "final" / "T1_0.txt").unlink()
    reason = "final/T1_0.txt has no record: its task did not end"
    assert decided(done) == {"paint/T1": Verdict("redo", reason)}


def test_a_changed_key_tells_all_that_follow(done: Path) -> None:
    found = others(decision.decide(GRAPH, with_word("train"), done))
    reason = "word changed a -> b"
    trained = [f"train/seed_{s}_hyp_{h}" for s in (0, 1) for h in (0, 1)]
    assert found == {
        **{name: Verdict("redo", reason) for name in trained},
        "choose/seed_0": Verdict("redo", reason, "train/seed_0_hyp_0"),
        "choose/seed_1": Verdict("redo", reason, "train/seed_1_hyp_0"),
        "paint/T1": Verdict("redo", reason, "train/seed_0_hyp_0"),
        "paint/T2": Verdict("redo", reason, "train/seed_0_hyp_0"),
        "tell/all": Verdict("redo", reason, "train/seed_0_hyp_0"),
    }


def test_what_was_made_anew_in_a_run_that_was_killed(done: Path) -> None:
    """The reason lies in a task that is done already: its reader names the file."""
    made = with_word("train")
    for seed, pair in ((0, 0), (0, 1), (1, 0), (1, 1)):
        ledger.write_record(
            done / f"model/{seed}_{pair}.txt", made[f"train/seed_{seed}_hyp_{pair}"]
        )
    found = others(decision.decide(GRAPH, made, done))
    reason = "input changed: model/0_0.txt (and 1 more)"
    assert found["choose/seed_0"] == Verdict("redo", reason, "train/seed_0_hyp_0")
    assert found["tell/all"] == Verdict("redo", reason, "train/seed_0_hyp_0")
    assert "train/seed_0_hyp_0" not in found


def test_a_new_tile_is_told_as_a_new_input(done: Path) -> None:
    more = Units({**toy.UNITS.strips, "T3": 1}, {**toy.UNITS.sampled, "T3": [0]}, 2, 2)
    made_graph = graph.build(toy.STEPS, more)
    made = ledger.fingerprints(made_graph, SETTINGS)
    found = others(decision.decide(made_graph, made, done))
    reason, root = "new input: parts/T3_0.txt", "cut/T3_strip_0"
    assert found["train/seed_0_hyp_0"] == Verdict("redo", reason, root)
    assert found["paint/T1"] == Verdict("redo", reason, root)
    assert found["look/T3"] == found["cut/T3_strip_0"] == found["paint/T3"] == Verdict("to do")
    assert not {"look/T1", "cut/T1_strip_1"} & set(found)


def test_a_tile_that_went_is_told_as_a_gone_input(done: Path) -> None:
    made_graph = graph.build(toy.STEPS, Units({"T1": 2}, {"T1": [1]}, 2, 2))
    made = ledger.fingerprints(made_graph, SETTINGS)
    found = others(decision.decide(made_graph, made, done))
    reason = "no longer made from: parts/T2_0.txt (and 1 more)"
    assert found["train/seed_1_hyp_1"] == Verdict("redo", reason)
    assert found["choose/seed_1"] == Verdict("redo", reason, "train/seed_1_hyp_0")
    assert not {"look/T1", "cut/T1_strip_1"} & set(found)


def test_code_and_version(done: Path) -> None:
    name = "tell/all"
    newer = {"i2lc.steps.kernels.gapfill": "new", **MADE[name].code}
    for today, reason in (
        (replace(MADE[name], code=newer), "code of gapfill changed"),
        (replace(MADE[name], version="9.1"), f"made by i2lc {MADE[name].version}, this is 9.1"),
        (
            replace(MADE[name], settings={"word": "b"}, code=newer, sources={"/in/gt.shp": "0"}),
            "word changed a -> b (and 2 more)",
        ),
        (replace(MADE[name], sources={"/in/gt.shp": "0"}), "new input: /in/gt.shp"),
    ):
        found = others(decision.decide(GRAPH, {**MADE, name: today}, done))
        assert found == {name: Verdict("redo", reason)}


# Which tasks may be reused.


def test_a_task_that_the_state_file_does_not_list_is_done_again(done: Path) -> None:
    allowed = set(GRAPH.tasks) - {"look/T1", "tell/all"}
    reason = "the task-state file does not list it as done"
    assert decided(done, allowed=allowed) == {
        "look/T1": Verdict("redo", reason),
        "tell/all": Verdict("redo", reason),
    }


def test_the_state_file_frees_nothing_from_the_ledger(done: Path) -> None:
    (done / "parts" / "T1_1.txt").unlink()
    assert set(decided(done, allowed=set(GRAPH.tasks))) == {"cut/T1_strip_1"}


# Products that remove_tmp_files removed.


def remove(root: Path, *folders: str) -> None:
    paths = [file.path for task in GRAPH.tasks.values() for file in task.outputs]
    output.remove_temporary(root, [path for path in paths if path.startswith(folders)])


EARLY = [name for name in GRAPH.tasks if name.startswith(("look", "cut"))]


def test_removed_products_that_nobody_needs_stay_removed(done: Path) -> None:
    remove(done, "index", "parts")
    assert decided(done) == {name: Verdict("removed", REMOVED) for name in EARLY}
    assert not Verdict("removed").runs
    assert ledger.unfinished(done / "index" / "T1.txt") is None


def test_a_removed_product_that_is_asked_for_now_is_made(done: Path) -> None:
    remove(done, "index", "parts")
    found = decided(done, wanted={"index/T2.txt"})
    assert found.pop("look/T2") == Verdict("to do", "output missing: index/T2.txt")
    assert {verdict.kind for verdict in found.values()} == {"removed"}


def test_a_removed_product_that_vanished_before_is_missing(done: Path) -> None:
    (done / "parts" / "T1_1.txt").unlink()
    remove(done, "index", "parts")
    missing = Verdict("to do", "output missing: parts/T1_1.txt")
    assert decided(done)["cut/T1_strip_1"] == missing


def test_a_removed_product_made_from_something_else_is_to_do(done: Path) -> None:
    remove(done, "index", "parts")
    found = others(decision.decide(GRAPH, with_word("look"), done))
    assert found["look/T1"] == Verdict("to do", "word changed a -> b")
    assert found["cut/T1_strip_1"] == Verdict("to do", "word changed a -> b", "look/T1")
    assert found["train/seed_0_hyp_0"] == Verdict("redo", "word changed a -> b", "look/T1")


def test_a_task_that_runs_brings_its_inputs_back(done: Path) -> None:
    remove(done, "index", "parts")
    (done / "final" / "T1_0.txt").unlink()
    found = decided(done)
    needed = f"{REMOVED}, and paint/T1 needs it"
    assert found["look/T1"] == Verdict("to do", needed)
    assert {name for name, verdict in found.items() if verdict.runs} == {"look/T1", "paint/T1"}


def test_a_task_of_a_step_that_is_not_asked_for_needs_nothing(done: Path) -> None:
    remove(done, "index", "parts")
    (done / "final" / "T1_0.txt").unlink()
    early = {name for name in GRAPH.tasks if not name.startswith(("paint", "tell"))}
    found = decided(done, running=early)
    assert found["look/T1"] == Verdict("removed", REMOVED)


def test_and_the_inputs_of_its_inputs(done: Path) -> None:
    remove(done, "index", "parts")
    found = others(decision.decide(GRAPH, with_word("train"), done))
    assert {found[name].kind for name in EARLY} == {"to do"}
    assert found["look/T2"].reason.startswith(f"{REMOVED}, and ")
    assert found["train/seed_0_hyp_0"] == Verdict("redo", "word changed a -> b")


def test_a_change_before_removed_products_is_found(done: Path) -> None:
    remove(done, "parts")
    found = others(decision.decide(GRAPH, with_word("look"), done))
    assert found["look/T1"] == Verdict("redo", "word changed a -> b")
    assert found["train/seed_0_hyp_0"] == Verdict("redo", "word changed a -> b", "look/T1")
    assert found["cut/T1_strip_1"].kind == "to do"


def test_nothing_is_removed_before_it_was_done(tmp_path: Path) -> None:
    remove(tmp_path, "index", "parts")
    assert set(decided(tmp_path).values()) == {Verdict("to do")}


# Readable, cheaply.


def test_a_product_as_recorded_is_not_opened_another_one_is(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def defect(path: Path) -> str | None:
        opened.append(path.name)
        return "it does not open (no header)"

    monkeypatch.setattr(ledger, "SMALL_FILE", 1)
    write(done)
    monkeypatch.setattr(ledger.store, "defect", defect)
    assert decided(done) == {}
    assert opened == []
    os.utime(done / "model" / "0_0.txt", (1, 1))
    reason = "model/0_0.txt does not open (no header)"
    assert decided(done) == {"train/seed_0_hyp_0": Verdict("redo", reason)}
    assert opened == ["0_0.txt"]


def test_a_small_product_of_another_time_counts_by_content(done: Path) -> None:
    product = done / "model" / "0_0.txt"
    os.utime(product, (1, 1))
    assert decided(done) == {}
    product.write_text("[]")  # as many bytes, and it opens
    reason = "model/0_0.txt has another content than the recorded one"
    assert decided(done) == {"train/seed_0_hyp_0": Verdict("redo", reason)}


# The chain itself.


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("decision") / "land", dates=4)


def planned(path: Path) -> tuple[Graph, dict[str, Fingerprint], Config]:
    loaded = config.load(path)
    made = graph.build(recipe.land_cover(), units.plan(loaded.units))
    return made, ledger.fingerprints(made, loaded.steps), loaded


def test_a_learning_rate_redoes_training_and_what_follows(landscape: Path, tmp_path: Path) -> None:
    made_graph, made, _ = planned(landscape)
    write(tmp_path, made_graph, made)
    copy = landscape.with_name("rate.cfg")
    copy.write_text(landscape.read_text().replace('rate" : [0.001]', 'rate" : [1e-4]'))
    found = others(decision.decide(*planned(copy)[:2], tmp_path))
    root = "training/seed_0_hyp_0"
    reason = "learning_rate changed 1e-3 -> 1e-4"
    assert found.pop(root) == Verdict("redo", reason)
    assert set(found.values()) == {Verdict("redo", reason, root)}
    assert {name.split("/")[0] for name in found} == {
        "model_choice",
        "classification",
        "tile_maps",
        "mosaic",
        "confusion",
        "report",
    }


def test_one_rate_more_leaves_the_other_pair(landscape: Path, tmp_path: Path) -> None:
    made_graph, made, _ = planned(landscape)
    write(tmp_path, made_graph, made)
    copy = landscape.with_name("rates.cfg")
    copy.write_text(landscape.read_text().replace('rate" : [0.001]', 'rate" : [0.001, 0.01]'))
    found = others(decision.decide(*planned(copy)[:2], tmp_path))
    assert "training/seed_0_hyp_0" not in found
    assert found["training/seed_0_hyp_1"] == Verdict("to do")
    reason = "new input: model/model_1_seed_0_hyp_1.safetensors"
    assert found["model_choice/seed_0"] == Verdict("redo", reason, "training/seed_0_hyp_1")


def changed_setting(key: str, value: object) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        known = key in type(settings).model_fields
        return settings.model_copy(update={key: value}) if known else settings

    return change


def test_a_new_period_spares_polygons_and_says_so(landscape: Path, tmp_path: Path) -> None:
    made_graph, made, loaded = planned(landscape)
    write(tmp_path, made_graph, made)
    change = changed_setting("start_date", "20180101")
    steps = {name: change(settings) for name, settings in loaded.steps.items()}
    found = others(decision.decide(made_graph, ledger.fingerprints(made_graph, steps), tmp_path))
    [reason] = {verdict.reason for verdict in found.values()}
    assert reason == "start_date changed nothing -> 20180101"
    assert not {"polygons/all", "selection/seed_0", "validity/all"} & set(found)
    assert found["training/seed_0_hyp_0"].root == "envelopes/all"


def test_a_kernel_is_told_by_its_name(
    landscape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_graph, made, loaded = planned(landscape)
    write(tmp_path, made_graph, made)
    known = sources._hash
    monkeypatch.setattr(
        sources, "_hash", lambda path: "new" if path.stem == "gapfill" else known(path)
    )
    found = others(
        decision.decide(made_graph, ledger.fingerprints(made_graph, loaded.steps), tmp_path)
    )
    assert {verdict.reason for verdict in found.values()} == {"code of gapfill changed"}
    assert {name.split("/")[0] for name in found} >= {"tile_index", "samples", "classification"}
    assert "check_inputs/all" not in found
