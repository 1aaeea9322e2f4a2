"""The resource file: what it gives, every way in which it can be wrong, and its templates."""

from __future__ import annotations

import importlib.util
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i2lc.chain.recipe import STEPS
from i2lc.chain.settings import resource_file, resource_keys, resources
from i2lc.chain.settings.resources import Resources
from i2lc.errors import ConfigError
from i2lc.scheduler.allocation import Allocation
from i2lc.scheduler.needs import GIB, Need, Site

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "config_templates").glob("resources_*.cfg"))
MIB = 1024**2
FULL = """\
# A site's file.
site :
{
 account : "landcover"   # who pays
 queue : "normal"
 constraint : "skylake"
 interface : "ib0"
 job_extra_directives : ["--qos=long"]
 job_directives_skip : ["--mem"]
 job_script_prologue : ["module load conda", "conda activate i2lc"]
 scratch_directory : "$TMPDIR"
 log_directory : "job_logs"
 max_workers : 8
 dashboard : "0.0.0.0:8787"
}
default : { nb_cpu : 2, ram : "4gb", walltime : "02:00:00" }
training :
{
 nb_cpu : 10
 ram : "92gb"
 walltime : "1-12:00:00"
 nb_gpu : 1
 partition : "gpu"
 constraint : ""
 max_workers : 2
}
"""


def load(folder: Path, text: str, name: str = "r.cfg") -> Resources:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return resources.load(path)


def refusal(folder: Path, text: str, name: str = "r.cfg") -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, name)
    return str(caught.value).replace(f"{folder}/", "")


# What is read.


def test_a_block_counts_before_default_and_default_before_site(tmp_path: Path) -> None:
    made = load(tmp_path, FULL)
    assert made.warnings == ()
    assert made.dashboard == "0.0.0.0:8787"
    site = Site(
        account="landcover",
        constraint="skylake",
        interface="ib0",
        directives=("--qos=long",),
        skipped_directives=("--mem",),
        prologue=("module load conda", "conda activate i2lc"),
        scratch="$TMPDIR",
        logs=str(tmp_path / "job_logs"),
    )
    assert made.need("classifications") == Need(2, 4 * GIB, 0, 7200, "normal", site, 8)
    without = Site(**{**vars(site), "constraint": ""})
    assert made.need("training") == Need(10, 92 * GIB, 1, 36 * 3600, "gpu", without, 2)


def test_yaml_says_the_same(tmp_path: Path) -> None:
    text = """\
site: {account: landcover, queue: normal}
default: {nb_cpu: 2, ram: 4 GB, walltime: 02:00:00}
training: {ram: 92gb, partition: gpu}
"""
    made = load(tmp_path, text, "r.yaml")
    site = Site(account="landcover")
    assert made.need("training") == Need(2, 92 * GIB, 0, 7200, "gpu", site)
    assert made.need("envelope") == Need(2, 4 * GIB, 0, 7200, "normal", site)


def test_without_a_file_nothing_is_said() -> None:
    made = resources.load(None)
    assert made == Resources()
    assert (made.warnings, made.dashboard, made.need("training")) == ((), "", None)
    assert resources.queue_need(made, "training") == Need(1, 5 * GIB, 0, 3600)


def test_a_site_alone_says_nothing_about_sizes(tmp_path: Path) -> None:
    made = load(tmp_path, 'site : { account : "a", queue : "q" }\ntraining : { }\n')
    assert made.need("training") is None
    wanted = Need(1, 5 * GIB, 0, 3600, "q", Site(account="a"))
    assert resources.queue_need(made, "training") == wanted


def test_what_a_block_leaves_out_has_the_defaults_of_a_queue(tmp_path: Path) -> None:
    made = load(tmp_path, "training : { nb_cpu : 3 }\n")
    assert made.need("training") == Need(3, 5 * GIB, 0, 3600)
    assert made.need("envelope") is None


def test_an_empty_queue_takes_back_that_of_the_site(tmp_path: Path) -> None:
    made = load(tmp_path, 'site : { queue : "q" }\ntraining : { queue : "" }\n')
    assert resources.queue_need(made, "training").queue == ""
    assert resources.queue_need(made, "envelope").queue == "q"


def test_queue_and_partition_may_say_the_same(tmp_path: Path) -> None:
    made = load(tmp_path, 'training : { queue : "q", partition : "q" }\n')
    assert resources.queue_need(made, "training").queue == "q"


def test_a_partition_of_a_block_counts_before_a_queue_of_the_site(tmp_path: Path) -> None:
    made = load(tmp_path, 'site : { queue : "q" }\ntraining : { partition : "p" }\n')
    assert resources.queue_need(made, "training").queue == "p"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10gb", 10 * GIB),
        ("5000mb", 5000 * MIB),
        ("5 GB", 5 * GIB),
        ("1.5g", 1536 * MIB),
        ("2GiB", 2 * GIB),
        ("512M", 512 * MIB),
        ("1tb", 1024 * GIB),
        ("0.0001mb", MIB),
    ],
)
def test_memory_is_read_with_its_unit(text: str, size: int) -> None:
    assert resource_keys.ram_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:01:00", 60), ("12:00:00", 43200), ("1-00:00:30", 86430), ("100:00:00", 360000)],
)
def test_walltime_is_read(text: str, seconds: int) -> None:
    assert resource_keys.walltime_seconds(text) == seconds


@pytest.mark.parametrize(
    ("written", "dashboard"),
    [
        ('"loopback"', ""),
        ("None", ""),
        ('"10.0.0.5:8787"', "10.0.0.5:8787"),
        ('"[::1]:0"', "[::1]:0"),
        ('"login-2.site:80"', "login-2.site:80"),
    ],
)
def test_the_dashboard(tmp_path: Path, written: str, dashboard: str) -> None:
    assert load(tmp_path, f"site : {{ dashboard : {written} }}\n").dashboard == dashboard


def test_resources_travel_to_another_process(tmp_path: Path) -> None:
    made = load(tmp_path, FULL)
    assert pickle.loads(pickle.dumps(made)) == made


# What is warned about.


def test_older_keys_and_other_blocks_are_told_once(tmp_path: Path) -> None:
    text = """\
iota2_chain : { name : "IOTA2", walltime : "80:00:00", nonsense : 1 }
preprocess_data : { nb_cpu : 1 }
training : { name : "train", process_min : 1, ram : "4gb" }
envelope :
{
 name : "envelope"
 nb_chunk : 3
}
"""
    made = load(tmp_path, text)
    assert made.warnings == (
        f"{tmp_path}/r.cfg: blocks of iota2 that no step of i2lc uses: iota2_chain (line 1), "
        "preprocess_data (line 2)",
        f"{tmp_path}/r.cfg: older keys of iota2, without meaning here: name (lines 3, 6), "
        "nb_chunk (line 7), process_min (line 3)",
    )
    assert made.need("training") == Need(1, 4 * GIB, 0, 3600)
    assert made.need("envelope") is None


# What is refused.

RAM = 'memory is written with its unit, in quotes: "10gb" or "5000mb"'
TIME = 'a duration, of a minute or more, is written in quotes: "12:00:00" or "1-12:00:00"'
IN_TRAINING = {
    "nb_cpu : 0": "got 0, expected a whole number 1 or more or None",
    "nb_cpu : 2.5": "got 2.5, expected a whole number 1 or more or None",
    "nb_cpu : True": "got True, expected a whole number 1 or more or None",
    'nb_cpu : "4"': "got '4', expected a whole number 1 or more or None (without quotes)",
    "nb_gpu : -1": "got -1, expected a whole number 0 or more or None",
    "nb_gpu : False": "got False, expected a whole number 0 or more or None",
    "max_workers : 0": "got 0, expected a whole number 1 or more or None",
    'ram : "10"': f"got '10': {RAM}",
    "ram : 10": f"got 10: {RAM}",
    'ram : "0gb"': f"got '0gb': {RAM}",
    'ram : "-1gb"': f"got '-1gb': {RAM}",
    'ram : "ten gb"': f"got 'ten gb': {RAM}",
    'ram : "10kb"': f"got '10kb': {RAM}",
    'walltime : "10"': f"got '10': {TIME}",
    "walltime : 10": f"got 10: {TIME}",
    'walltime : "10:00"': f"got '10:00': {TIME}",
    'walltime : "00:00:59"': f"got '00:00:59': {TIME}",
    'walltime : "01:60:00"': f"got '01:60:00': {TIME}",
    'walltime : "1-24:00:00"': f"got '1-24:00:00': {TIME}",
    "queue : 3": "got 3, expected text in quotes or None",
    'queue : "a b"': "got 'a b': expected one word: it becomes part of a line of the job script",
    'job_script_prologue : "module load x"': (
        "got 'module load x', expected a list of texts or None"
    ),
    "job_script_prologue : [1]": "got 1, expected a list of texts or None",
    'job_extra_directives : ["#SBATCH --x"]': (
        "got '#SBATCH --x': expected the directive alone, without #SBATCH or #PBS before it"
    ),
    'job_directives_skip : [""]': "got '': expected one line of text",
    'scratch_directory : "tmp"': (
        "got 'tmp': a folder of the node starts with / or with a variable such as $TMPDIR"
    ),
}


@pytest.mark.parametrize("line", IN_TRAINING)
def test_a_bad_value(tmp_path: Path, line: str) -> None:
    key = line.split(" :")[0]
    told = refusal(tmp_path, f"training :\n{{\n {line}\n}}\n")
    assert told == f"r.cfg, line 3: training.{key}: {IN_TRAINING[line]}"


@pytest.mark.parametrize("value", ['":8787"', '"host"', '"host:70000"', '"0.0.0.0:"', '"a b:1"'])
def test_a_bad_dashboard(tmp_path: Path, value: str) -> None:
    got = value.strip('"')
    assert refusal(tmp_path, f"site : {{ dashboard : {value} }}\n") == (
        f"r.cfg, line 1: site.dashboard: got '{got}': expected \"loopback\" or an address with "
        'its port: "10.0.0.5:8787"'
    )


NAMES = {
    "trainin : { nb_cpu : 1 }": "unknown block trainin; did you mean training?",
    "training : { nb_cpus : 1 }": "unknown key training.nb_cpus; did you mean nb_cpu?",
    'training : { wall_time : "1" }': "unknown key training.wall_time; did you mean walltime?",
    'site : { acount : "a" }': "unknown key site.acount; did you mean account?",
    "site : { nb_cpu : 1 }": "unknown key site.nb_cpu; it belongs in block default",
    'training : { dashboard : "loopback" }': (
        "unknown key training.dashboard; it belongs in block site"
    ),
    'site : { name : "x" }': (
        "unknown key site.name; the keys of site are account, constraint, dashboard, interface, "
        "job_directives_skip, job_extra_directives, job_script_prologue, log_directory, "
        "max_workers, partition, queue, scratch_directory"
    ),
    "training : 3": "block training: got 3, expected keys in braces { }",
    'chain : { output_path : "x" }': (
        "chain is a section of a configuration file (-config); a resource file has blocks of "
        f"steps: site, default, {', '.join(resource_file.BLOCKS)}"
    ),
    'training : { queue : "a", partition : "b" }': (
        "training.partition is 'b', but training.queue is 'a' (line 1): they mean the same; "
        "keep one"
    ),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_bad_name(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text) == f"r.cfg, line 1: {NAMES[text]}"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = """\
sites : { account : "a" }
site : { quue : "q" }
training :
{
 nb_cpu : 0
 ram : "10"
 job_script_prologue : ["module load x", 3]
}
default : { walltime : "10" }
"""
    assert refusal(tmp_path, text).splitlines() == [
        "r.cfg, line 1: unknown block sites; did you mean site?",
        "r.cfg, line 2: unknown key site.quue; did you mean queue?",
        "r.cfg, line 5: training.nb_cpu: got 0, expected a whole number 1 or more or None",
        f"r.cfg, line 6: training.ram: got '10': {RAM}",
        "r.cfg, line 7: training.job_script_prologue: got 3, expected a list of texts or None",
        f"r.cfg, line 9: default.walltime: got '10': {TIME}",
    ]


@given(
    block=st.sampled_from(["site", "default", "training"]),
    key=st.sampled_from([*resource_keys.StepBlock.model_fields, "dashboard", "name"]),
    value=st.sampled_from(
        ["None", "[]", "[1, [2]]", '["a", "#b"]', '"?"', '"1 gb"', "-3", "{ a : 1 }", "1e9", "True"]
    ),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_is_read_or_refused_in_words(
    tmp_path: Path, block: str, key: str, value: str
) -> None:
    try:
        made = load(tmp_path, f"{block} : {{ {key} : {value} }}\n")
    except ConfigError as error:
        for line in str(error).splitlines():
            assert line.startswith(f"{tmp_path}/r.cfg, line 1: ")
            assert f"{block}.{key}" in line
            assert "Input should" not in line
    else:
        assert hash(resources.queue_need(made, "training"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.cfg: no such file"):
        resources.load(tmp_path / "none.cfg")


# On this machine.

MACHINE = Allocation(4, 8 * GIB)
SHARE = Need(1, 2 * GIB)


def test_locally_a_block_without_words_gets_the_share(tmp_path: Path) -> None:
    made = load(tmp_path, 'site : { queue : "q", account : "a", max_workers : 2 }\n')
    assert resources.local_need(made, "training", SHARE, MACHINE) == (SHARE, "")


def test_locally_more_than_the_machine_is_cut_and_said(tmp_path: Path) -> None:
    made = load(tmp_path, FULL)
    need, note = resources.local_need(made, "training", SHARE, MACHINE)
    assert need == Need(4, 8 * GIB)
    assert note == "training: cut to this machine: nb_cpu 10 to 4, ram 92 GB to 8, nb_gpu 1 to 0"


def test_locally_what_a_block_leaves_out_is_the_share(tmp_path: Path) -> None:
    made = load(tmp_path, "training : { nb_cpu : 2, nb_gpu : 1 }\n")
    share, machine = Need(1, 3 * GIB), Allocation(4, 8 * GIB, gpus=1)
    assert resources.local_need(made, "training", share, machine) == (Need(2, 3 * GIB, 1), "")


def test_locally_a_share_of_a_gpu_is_not_asked_for(tmp_path: Path) -> None:
    share = Need(1, 3 * GIB, gpus=1)
    machine = Allocation(4, 8 * GIB, gpus=1)
    made = load(tmp_path, "training : { nb_gpu : 0 }\n")
    assert resources.local_need(made, "training", share, machine)[0].gpus == 0
    assert resources.local_need(made, "classifications", share, machine)[0].gpus == 1


def test_locally_equal_sizes_share_a_pool_whatever_the_queue(tmp_path: Path) -> None:
    text = """\
training : { nb_cpu : 2, ram : "2gb", queue : "gpu", account : "a", max_workers : 3 }
classifications : { nb_cpu : 2, ram : "2048mb", constraint : "x" }
"""
    made = load(tmp_path, text)
    first, second = (
        resources.local_need(made, block, SHARE, MACHINE)[0]
        for block in ("training", "classifications")
    )
    assert first == second
    assert len({first, second}) == 1


# Laws.


@given(size=st.integers(1, 2**24))
def test_memory_goes_round_as_text(size: int) -> None:
    text = resource_keys.ram_text(size * MIB)
    assert re.fullmatch(r"\d+[mg]b", text)
    assert resource_keys.ram_bytes(text) == size * MIB


@given(ram=st.integers(1, 2**44))
def test_memory_in_bytes_is_written_without_loss(ram: int) -> None:
    assert 0 <= resource_keys.ram_bytes(resource_keys.ram_text(ram)) - ram < MIB


@given(
    number=st.integers(1, 99999).map(lambda cents: cents / 100),
    unit=st.sampled_from(["m", "mb", "MB", "Mib", "g", "gb", "GB", "GiB", "T", "tb"]),
    gap=st.sampled_from(["", " "]),
)
def test_any_spelling_of_memory_goes_round(number: float, unit: str, gap: str) -> None:
    size = resource_keys.ram_bytes(f"{number}{gap}{unit}")
    assert size > 0
    assert size % MIB == 0
    assert resource_keys.ram_bytes(resource_keys.ram_text(size)) == size


@given(text=st.text(max_size=12))
def test_any_text_is_a_size_and_a_time_or_refused_in_words(text: str) -> None:
    assert read_or_told(resource_keys.ram_bytes, text) in (True, RAM)
    assert read_or_told(resource_keys.walltime_seconds, text) in (True, TIME)


def read_or_told(read: Callable[[str], int], text: str) -> bool | str:
    try:
        return read(text) > 0
    except ValueError as error:
        return str(error)


SIZES = st.integers(1, 2**42)


@given(ram=SIZES, most=st.none() | SIZES)
def test_a_grown_need_keeps_its_limit_and_never_shrinks(ram: int, most: int | None) -> None:
    need = Need(2, ram, 1, 60, "q", Site("a"))
    after = resources.grown(need, most)
    assert after.ram >= ram
    assert after.ram <= max(ram, 2 * ram if most is None else min(most, 2 * ram))
    assert after.with_ram(ram) == need
    assert (after is need) == (most is not None and most <= ram)


def test_growing_ends_at_the_limit() -> None:
    need = Need(1, 3 * GIB)
    sizes = [(need := resources.grown(need, 16 * GIB)).ram // GIB for _ in range(4)]
    assert sizes == [6, 12, 16, 16]


@given(
    cpus=st.none() | st.integers(1, 64),
    ram=st.none() | st.sampled_from(["512mb", "4gb", "1.5 GB"]),
    walltime=st.none() | st.sampled_from(["01:00:00", "1-00:00:00"]),
    lines=st.none() | st.lists(st.sampled_from(["module load a", "conda activate b"]), max_size=2),
)
def test_equal_blocks_give_equal_needs(
    cpus: int | None, ram: str | None, walltime: str | None, lines: list[str] | None
) -> None:
    given = {"nb_cpu": cpus, "ram": ram, "walltime": walltime, "job_script_prologue": lines}
    one, other = (resource_keys.StepBlock.model_validate(dict(given)) for _ in range(2))
    made = Resources(blocks={"training": one, "classifications": other})
    needs = {resources.queue_need(made, block) for block in made.blocks}
    locally = {resources.local_need(made, block, SHARE, MACHINE)[0] for block in made.blocks}
    assert (len(needs), len(locally)) == (1, 1)


# The tables, the templates and the page.


def test_every_step_has_a_block_that_is_known() -> None:
    assert {step.resource for step in STEPS} == set(resource_file.BLOCKS)
    assert resource_file.OTHER_BLOCKS.isdisjoint(resource_file.BLOCKS)
    assert {"iota2_chain", "preprocess_data", "join"} <= resource_file.OTHER_BLOCKS


def test_every_key_reaches_the_need_or_is_named_otherwise() -> None:
    sizes = {"nb_cpu", "ram", "walltime", "nb_gpu", "queue", "partition", "max_workers"}
    found = sizes | set(resources.SITE_FIELDS) | {"log_directory"}
    assert found == set(resource_keys.StepBlock.model_fields)
    for model in (resource_keys.StepBlock, resource_keys.SiteBlock):
        assert all(info.description for info in model.model_fields.values())


def test_the_templates() -> None:
    names = ["resources_laptop.cfg", "resources_pbs.cfg", "resources_slurm.cfg"]
    assert [path.name for path in TEMPLATES] == names


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_sizes_every_step_without_a_warning(path: Path) -> None:
    made = resources.load(path)
    assert made.warnings == ()
    assert made.dashboard == ""
    assert set(made.blocks) == {"default", *resource_file.BLOCKS}
    needs = {block: resources.queue_need(made, block) for block in resource_file.BLOCKS}
    assert len(set(needs.values())) <= 5
    for need in needs.values():
        assert 1 <= need.cpus <= 4
        assert 2 * GIB <= need.ram <= 32 * GIB
        assert need.gpus == 0
    assert needs["training"].ram == max(need.ram for need in needs.values())


def test_the_template_of_a_laptop_is_cut_on_no_laptop() -> None:
    made = resources.load(TEMPLATES[0])
    for block in resource_file.BLOCKS:
        need, note = resources.local_need(made, block, SHARE, Allocation(2, 8 * GIB))
        assert note == ""
        assert need.walltime is None


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_says_why_above_every_block(path: Path) -> None:
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\w+ :", line):
            assert re.match(r"# [A-Z]|# \w.*\.$", lines[number - 1]), line
        assert len(line) <= 100


@pytest.mark.parametrize("path", TEMPLATES[1:], ids=lambda path: path.name)
def test_the_values_behind_a_hash_load_too(tmp_path: Path, path: Path) -> None:
    text = path.read_text()
    text = re.sub(r"^training : .*\n# (training : .*)", r"\1", text, flags=re.M)
    text = re.sub(r"^ # (\w+ : .*)", r" \1", text, flags=re.M)
    made = load(tmp_path, text)
    training = resources.queue_need(made, "training")
    assert training.gpus == 1
    assert training.queue.startswith("gpu")
    assert training.site.account == "my_project"
    assert training.site.prologue == ("module load conda", "conda activate i2lc")
    assert training.site.logs == str(tmp_path / "job_logs")
    assert all(vars(training.site).values())
    assert resources.queue_need(made, "classifications").queue in ("normal", "workq")


def test_the_page_of_resources_is_that_of_the_code() -> None:
    spec = importlib.util.spec_from_file_location("made", ROOT / "docs" / "make_resources.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(script.EFFECTS) == {
        *resource_keys.StepBlock.model_fields,
        *resource_keys.SiteBlock.model_fields,
    }
    text = (ROOT / "docs" / "resources.md").read_text()
    assert text == script.page(), "run: python docs/make_resources.py"
    assert "| `nb_cpu` | a whole number 1 or more | Cores of a task. | `--cpus-per-task`" in text
    assert TEMPLATES[2].read_text() in text
