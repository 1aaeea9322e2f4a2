"""The command line: options, exit states, and no traceback for what is the user's to mend."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ended, tiny, with_keys

from i2lc import __version__
from i2lc.chain import cli, execution, recipe
from i2lc.chain import run as runs
from i2lc.chain.tasks.task import Order, Outcome, execute
from i2lc.chain.telling import ending
from i2lc.steps.checks.tile_checks import Report

Capture = pytest.CaptureFixture[str]
STEPS = [step.name for step in recipe.land_cover()]


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("cli") / "land", dates=4)


def results_of(path: Path) -> Path:
    return path.parent / "results"


def stops(arguments: list[str], capfd: Capture) -> tuple[int, str, str]:
    """Status and streams of a command line that argparse ends."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    out, err = capfd.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


# What is refused, with status 2.


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-nonsense"], "unrecognized arguments: -nonsense"),
        (["run.cfg"], "unrecognized arguments: run.cfg"),
        (["-conf", "run.cfg"], "ambiguous option: -conf could match -config, -config_ressources"),
        (["-config"], "argument -config/--config: expected one argument"),
        (
            ["-config", "a", "-scheduler_type", "Cloud"],
            "argument -scheduler_type/--scheduler_type: invalid choice: 'Cloud' (choose from "
            "'debug', 'localCluster', 'PBS', 'Slurm')",
        ),
        *(
            (
                ["-config", "a", "-nb_parallel_tasks", number],
                "argument -nb_parallel_tasks/--nb_parallel_tasks: "
                f"{number} is no number of tasks (1 or more)",
            )
            for number in ("0", "two", "1.5", "²")
        ),
    ],
)
def test_a_wrong_command_line(arguments: list[str], told: str, capfd: Capture) -> None:
    assert stops(arguments, capfd) == (2, "", f"i2lc: {told}; see i2lc -h\n")


@pytest.mark.parametrize("dash", ["-", "--"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["restart_from", "nowhere.txt"],
            "task-state file nowhere.txt cannot be read: No such file or directory",
        ),
        (["config_ressources", "nowhere.cfg"], "nowhere.cfg: no such file"),
    ],
)
def test_files_that_are_not_there(
    landscape: Path, run_here: Callable[..., Ended], dash: str, arguments: list[str], told: str
) -> None:
    option, *values = arguments
    ended = run_here(landscape, results_of(landscape), f"{dash}{option}", *values)
    assert ended.status == 2
    assert ended.text.splitlines()[-1] == f"i2lc: {told}"
    assert not results_of(landscape).exists()


def test_without_a_configuration(capfd: Capture) -> None:
    assert cli.main([]) == 2
    told = "i2lc: -config FILE is needed; i2lc demo OUT writes one to start from\n"
    assert capfd.readouterr() == ("", told)


def test_a_missing_configuration(tmp_path: Path, capfd: Capture) -> None:
    assert cli.main(["-config", str(tmp_path / "run.cfg")]) == 2
    assert capfd.readouterr() == ("", f"i2lc: {tmp_path}/run.cfg: no such file\n")


def test_a_wrong_configuration(landscape: Path, run_here: Callable[..., Ended]) -> None:
    ended = run_here(with_keys(landscape, "wrong.cfg", ratio="1.5"), results_of(landscape))
    told = "chain.ratio: got 1.5, expected a number above 0 and below 1"
    assert ended.status == 2
    assert ended.text.startswith(f"i2lc: {landscape.parent}/wrong.cfg, line ")
    assert ended.text.endswith(f": {told}\n")
    assert ended.text.count("\n") == 1


@pytest.mark.parametrize("option", ["-starting_step", "-ending_step"])
def test_an_unknown_step(landscape: Path, run_here: Callable[..., Ended], option: str) -> None:
    ended = run_here(landscape, results_of(landscape), option, "99")
    names = ", ".join(STEPS)
    told = f"i2lc: {option} 99: want a number from 1 to {len(STEPS)} or one of {names}\n"
    assert (ended.status, ended.text) == (2, told)
    assert not results_of(landscape).exists()


def test_a_wrong_input(tmp_path: Path, run_here: Callable[..., Ended]) -> None:
    path = tiny(tmp_path / "land", dates=4)
    band = sorted(path.parent.glob("s2/*/*/*_FRE_B4.tif"))[1]
    band.write_bytes(band.read_bytes()[:2000])
    ended = run_here(path, results_of(path))
    assert ended.status == 2
    assert str(band) in ended.text
    assert "step check_inputs, unit all: 1 problem in the inputs" in ended.text
    assert "Traceback" not in ended.text
    assert not (results_of(path) / "features").exists()


def test_an_input_that_planning_misses_is_told_with_all_others(
    tmp_path: Path, run_here: Callable[..., Ended]
) -> None:
    path = tiny(tmp_path / "land", dates=4)
    (path.parent / "nomenclature.txt").unlink()
    broken = with_keys(path, "broken.cfg", list_tile='"T31TCJ T99XXX"')
    ended = run_here(broken, results_of(path))
    assert ended.status == 2
    assert "tile T99XXX: there is no folder" in ended.text
    assert "nomenclature.txt" in ended.text
    assert "Traceback" not in ended.text
    assert not results_of(path).exists()


def test_a_picture_of_an_unknown_kind(landscape: Path, run_here: Callable[..., Ended]) -> None:
    ended = run_here(landscape, results_of(landscape), "-execution_graph_files", "graph.dot")
    assert ended.status == 2
    assert "-execution_graph_files graph.dot: the ending must be one of" in ended.text
    assert not results_of(landscape).exists()


def test_an_interrupt(
    landscape: Path, run_here: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run", interrupted)
    ended = run_here(landscape, results_of(landscape))
    assert (ended.status, ended.text) == (130, "i2lc: interrupted\n")


# What is said and done.


def test_help_names_every_option_with_one_dash_and_two(capfd: Capture) -> None:
    status, out, err = stops(["-h"], capfd)
    assert (status, err) == (0, "")
    options = (
        *("config", "config_ressources", "starting_step", "ending_step", "only_summary"),
        *("scheduler_type", "nb_parallel_tasks", "restart", "restart_from"),
        "execution_graph_files",
    )
    for option in options:
        assert f"-{option}" in out
        assert f"--{option}" in out


@pytest.mark.parametrize("option", ["-version", "--version"])
def test_version(option: str, capfd: Capture) -> None:
    assert stops([option], capfd) == (0, f"i2lc {__version__}\n", "")


@pytest.mark.parametrize("dash", ["-", "--"])
@pytest.mark.parametrize(
    ("start", "end", "running"),
    [
        ("0", "0", STEPS),
        ("1", "-1", STEPS),
        ("3", "training", STEPS[2 : STEPS.index("training") + 1]),
        ("report", "0", ["report"]),
    ],
)
def test_the_summary_marks_the_steps_that_run(
    landscape: Path, capfd: Capture, dash: str, start: str, end: str, running: list[str]
) -> None:
    arguments = [
        *(f"{dash}config", str(landscape), f"{dash}only_summary"),
        *(f"{dash}starting_step", start, f"{dash}ending_step", end),
    ]
    assert cli.main(arguments) == 0
    out, err = capfd.readouterr()
    marked = [line.split()[3] for line in out.splitlines() if line.startswith("  [x] Step")]
    assert marked == running
    assert out.count("  [ ] Step") == len(STEPS) - len(running)
    groups = [line for line in out.splitlines() if line.startswith("Group ")]
    assert groups == [f"Group {group}:" for group in recipe.GROUPS]
    assert err == ""
    assert not results_of(landscape).exists()


def test_groups_of_the_configuration_count(landscape: Path, capfd: Capture) -> None:
    path = with_keys(landscape, "groups.cfg", first_step="'learning'", last_step="'learning'")
    assert cli.main(["-config", str(path), "-only_summary"]) == 0
    assert capfd.readouterr().out.count("[x]") == 2


def test_old_names_are_warned_of(landscape: Path, capfd: Capture) -> None:
    path = landscape.with_name("old.cfg")
    path.write_text(landscape.read_text().replace("output_path :", "outputPath :", 1))
    assert cli.main(["-config", str(path), "-only_summary"]) == 0
    told = f"i2lc: warning: {path}, line 3: 'outputPath' is called 'output_path' now\n"
    assert capfd.readouterr().err == told


def test_arguments_come_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setattr(sys, "argv", ["i2lc", "-config", "nowhere.cfg"])
    assert cli.main() == 2
    assert capfd.readouterr().err == "i2lc: nowhere.cfg: no such file\n"


def test_the_demo_is_a_verb(tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "land"
    assert cli.main(["demo", str(out), "--size", "64", "--dates", "4", "--tiles", "1x1"]) == 0
    assert (out / "run.cfg").is_file()
    capfd.readouterr()
    assert cli.main(["demo", str(out)]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_run_that_ends_well(landscape: Path, run_here: Callable[..., Ended]) -> None:
    root = results_of(landscape)
    ended = run_here(landscape, root, "-ending_step", "tile_index")
    assert ended.status == 0
    assert re.search(
        rf"^2 tasks done in \d+ s; products in {re.escape(str(root))}$", ended.text, re.M
    )
    assert "check_inputs: 1 of 1 tasks done\n" in ended.text
    assert "The inputs were checked." in (root / "input_check.txt").read_text()
    assert (root / "logs" / "tile_index" / "T31TCJ.log").is_file()


def test_the_end_counts_the_warnings_about_the_inputs(tmp_path: Path) -> None:
    """They stand in a file that nobody opens unasked."""
    assert ending._warnings(tmp_path / "input_check.txt") == 0
    report = Report(warnings=("a is odd", "b is odd"), counts=("c: 1",))
    (tmp_path / "input_check.txt").write_text(report.text())
    assert ending._warnings(tmp_path / "input_check.txt") == 2
    (tmp_path / "input_check.txt").write_text(Report(counts=("c: 1",)).text())
    assert ending._warnings(tmp_path / "input_check.txt") == 0


def run_with(
    monkeypatch: pytest.MonkeyPatch, step: str, instead: Callable[[Order], Outcome]
) -> None:
    """Replace what runs the tasks of one step."""

    def chosen(order: Order) -> Outcome:
        return instead(order) if order.name.startswith(f"{step}/") else execute(order)

    monkeypatch.setattr(execution, "do", chosen)


def test_a_failed_task_is_told_last(
    landscape: Path, run_here: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def fail(order: Order) -> Outcome:
        tries.append(order.name)
        return Outcome(order.name, f"cause {len(tries)}", "ValueError", 0.0, 0, 0)

    run_with(monkeypatch, "tile_index", fail)
    path = landscape.with_name("retry.cfg")
    path.write_text(landscape.read_text() + "task_retry_limits : { allowed_retry : 1 }\n")
    root = results_of(landscape)
    ended = run_here(path, root, "-ending_step", "polygons")
    assert ended.status == 1
    assert tries == ["tile_index/T31TCJ"] * 2
    log = root / "logs" / "tile_index" / "T31TCJ.log"
    assert ended.text.splitlines()[-7:] == [
        f"failed, tried again: tile_index/T31TCJ: cause 1 (log: {log})",
        f"FAILED tile_index/T31TCJ: cause 1; the last try: cause 2 (log: {log})",
        "1 tasks done, 1 failed, 2 not done",
        "step tile_index, unit T31TCJ: cause 1; the last try: cause 2",
        f"log: {log}",
        "what is done stays done; when the cause is mended, go on with",
        f"  i2lc -config {path} -scheduler_type debug -ending_step polygons -restart",
    ]


def test_a_resource_file_in_the_folder_that_is_emptied_is_refused(
    landscape: Path, run_here: Callable[..., Ended]
) -> None:
    root = landscape.parent / "emptied"
    path = with_keys(landscape, "emptied.cfg", output_path='"emptied"')
    assert run_here(path, root, "-ending_step", "1").status == 0
    given = root / "res.cfg"
    given.write_text("training : { nb_cpu : 1 }")
    ended = run_here(path, root, "-config_ressources", str(given), "-ending_step", "1")
    assert ended.status == 2
    assert "lies in output_path" in ended.text
    assert given.is_file()
    again = run_here(path, root, "-config_ressources", str(given), "-ending_step", "1", "-restart")
    assert again.status == 0


def test_a_restart_with_a_wrong_input_runs_nothing(
    tmp_path: Path, run_here: Callable[..., Ended]
) -> None:
    path = tiny(tmp_path / "land", dates=4)
    root = results_of(path)
    assert run_here(path, root, "-ending_step", "tile_index").status == 0
    (path.parent / "nomenclature.txt").write_text("no such form")
    ended = run_here(path, root, "-ending_step", "envelopes", "-restart")
    assert ended.status == 2
    assert "nomenclature.txt" in ended.text
    assert not (root / "envelope").exists()


def test_a_picture_in_the_output_folder_is_no_hindrance(
    landscape: Path, run_here: Callable[..., Ended]
) -> None:
    path = with_keys(landscape, "pictured.cfg", output_path='"pictured"')
    picture = landscape.parent / "pictured" / "graph.svg"
    option = ("-execution_graph_files", str(picture), "-ending_step", "1")
    for _ in range(2):
        assert run_here(path, picture.parent, *option).status == 0
        assert picture.read_text().count("<svg") == 1


def test_a_product_that_vanished_is_a_failure(
    landscape: Path, run_here: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(order: Order) -> Outcome:
        done = execute(order)
        (order.job.root / "features" / "T31TCJ" / "index.json").write_text("{")
        return done

    run_with(monkeypatch, "tile_index", lose)
    root = results_of(landscape)
    ended = run_here(landscape, root, "-ending_step", "tile_index")
    assert ended.status == 1
    told = ended.text.splitlines()[-3:]
    assert told[0].startswith(f"{root}/features/T31TCJ/index.json: it has 1 bytes, its record")
    assert told[1] == "what is done stays done; when the cause is mended, go on with"
    assert told[2].endswith("-scheduler_type debug -ending_step tile_index -restart")
