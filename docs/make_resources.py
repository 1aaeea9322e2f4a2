"""Writes docs/resources.md from the keys, the steps and the templates: run it with python.

A test compares the page with what this script gives.
"""

from __future__ import annotations

from pathlib import Path

from i2lc.chain.recipe import STEPS
from i2lc.chain.settings import kinds
from i2lc.chain.settings.resource_file import BLOCKS, OLDER_KEYS
from i2lc.chain.settings.resource_keys import SiteBlock, SiteKeys, StepBlock
from i2lc.scheduler.needs import Need

PAGE = Path(__file__).with_name("resources.md")
TEMPLATES = PAGE.parents[1] / "config_templates"
HEAD = """\
# Resource file

Made by `docs/make_resources.py` from the code and the templates; do not edit by hand.

`i2lc -config run.cfg -config_ressources resources.cfg` tells what the tasks of each step may use.
The file has one block a step, under iota2's names, in iota2's syntax or as YAML:

```
training : {{ nb_cpu : 4, ram : "32gb", walltime : "24:00:00", nb_gpu : 0, queue : "long" }}
```

- `default` has the keys for steps without a block, and for keys that a block leaves out.
- `site` has what holds for all jobs (account, queue, prologue), and the dashboard.
- A key counts in the block of the step; where it has none, in `default`; then in `site`. Lists
  are replaced, not joined. An empty text, `queue : ""`, takes back what stands behind it.
- Whatever is unknown is an error with file and line, and all errors are told at once. Blocks of
  iota2 for steps that i2lc does not have are read with a warning and change nothing, and so are
  the keys {older}.
- `${{NAME}}` is refused as everywhere in a configuration; in a folder of the node write `$TMPDIR`.

## Where nothing is said

| | Slurm, PBS | localCluster, debug |
|---|---|---|
| `nb_cpu`, `ram` | 1 core, 5 GB | an equal share of the machine's allocation |
| `walltime` | 01:00:00 | none |
| `nb_gpu` | 0 | 1 for `training` and `classifications` where torch finds a GPU, else 0 |
| `max_workers` | {most} | as many as fit into the allocation |

iota2 has a walltime of 00:10:00. The queue kills a job at its walltime, and the task in it is
lost; strips of a full tile take longer than ten minutes on many sites. An hour still lets a
queue fill its gaps with such jobs.

## Memory

`"10gb"`, `"5000mb"`, `"1.5 GB"`, `"10g"`: a gb is 1024³ bytes and an mb 1024², as Slurm and PBS
count; `GiB` means the same. The unit is required. Jobs ask for whole mb, rounded up. A worker
takes about 0.6 GB before it does anything. With `allowed_retry` a task that failed is tried
again with twice its ram, up to `maximum_ram` (16 GB on a queue where it is not given).

## Pools

Steps whose tasks need the same share a pool of workers, on a queue as well as locally, so few
sizes mean few pools. A worker does one task at a time and leaves its job before the walltime
ends: a walltime must hold the longest task, not all of them.

On this machine, what a block asks beyond the allocation is cut to it and said; queue and site keys
have no effect. As many tasks as there are GPUs for run on GPUs at one time; such a task has the
share of cores and memory of those that wait for it. `nb_gpu : 0` keeps a step to the cores.
"""
EFFECTS = {
    "nb_cpu": ("`--cpus-per-task`", "`select=1:ncpus=`", "cores of the task"),
    "ram": ("`--mem`", "`select=...:mem=`", "memory of the worker, which ends above it"),
    "walltime": ("`-t`", "`-l walltime=`", "no meaning: `stalled_after` ends tasks that hang"),
    "nb_gpu": ("`--gres=gpu:N`", "`select=...:ngpus=N`", "cut to those that torch finds"),
    "queue": ("`-p`", "`-q`", "none"),
    "partition": ("`-p`", "`-q`", "none"),
    "account": ("`-A`", "`-A`", "none"),
    "constraint": ("`-C`", "`select=...:CONSTRAINT`", "none"),
    "interface": ("address of worker and scheduler", "the same", "none: loopback"),
    "job_extra_directives": ("lines `#SBATCH ...`", "lines `#PBS ...`", "none"),
    "job_directives_skip": ("lines of the head left out", "the same", "none"),
    "job_script_prologue": ("lines before the worker", "the same", "none"),
    "scratch_directory": ("folder of the worker; `$TMPDIR` or `/tmp`", "the same", "none"),
    "log_directory": ("`-e`, `-o`; in the run's folder", "the same", "none"),
    "max_workers": ("jobs of a pool at one time", "the same", "none"),
    "dashboard": ("where it listens", "the same", "the same"),
}
"""Key -> effect on Slurm, on PBS, on this machine."""


def page() -> str:
    """Give the text of the page."""
    older = ", ".join(f"`{key}`" for key in OLDER_KEYS)
    head = HEAD.format(older=older, most=Need(1, 1).most_workers)
    return "\n".join((head, _keys(), _blocks(), _templates()))


def _keys() -> str:
    own = [key for key in StepBlock.model_fields if key not in SiteKeys.model_fields]
    tables = (
        ("Keys of a step's block and of default", StepBlock, own),
        ("Keys of a step's block, of default and of site", SiteKeys, list(SiteKeys.model_fields)),
        ("Key of site alone", SiteBlock, ["dashboard"]),
    )
    return "\n".join(_table(*table) for table in tables)


def _table(title: str, model: type[SiteKeys], keys: list[str]) -> str:
    lines = [f"## {title}", "", "| key | expects | meaning | Slurm | PBS | localCluster |"]
    lines.append("|---" * 6 + "|")
    for key in keys:
        info = model.model_fields[key]
        wanted = kinds.wanted(info).removesuffix(kinds.OR_NONE)
        cells = (f"`{key}`", wanted, info.description or "", *EFFECTS[key])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _blocks() -> str:
    lines = ["## Blocks", "", "| block | steps | tasks |", "|---|---|---|"]
    for block in BLOCKS:
        steps = [step for step in STEPS if step.resource == block]
        titles = "; ".join(step.title for step in steps)
        tasks = "; ".join(f"one a {', '.join(step.per)}" if step.per else "one" for step in steps)
        lines.append(f"| `{block}` | {titles} | {tasks} |")
    return "\n".join(lines) + "\n"


def _templates() -> str:
    parts = ["## Templates\n"]
    for path in sorted(TEMPLATES.glob("resources_*.cfg")):
        text = path.read_text(encoding="utf-8")
        parts.append(f"### {path.name}\n\n```\n{text}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
