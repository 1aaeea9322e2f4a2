"""Planning and a restart decision at scale, against their limits.

A chain on 1,000 tiles of 50 strips, half of them with samples, one seed and two hyperparameter
pairs: about 80,000 tasks, no pixels. Each runs in a process of its own. The reference is the
promised limit: 20 s for the plan (tasks, edges, fingerprints), 1.5 GB of memory for it, and 20 s
for the restart decision when all tasks are done, their records and small products on disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from i2lc.chain import graph, recipe
from i2lc.chain.records import decision, ledger
from i2lc.chain.settings import config
from i2lc.chain.tasks import usage
from i2lc.chain.units import Units

from .measure import Result

TILES, STRIPS, SEEDS, PAIRS = 1000, 50, 1, 2
LIMIT = 20.0
"""Seconds that a plan, and a decision, may take."""
MOST_MEMORY = 1.5
"""GB that a plan may take."""
CONFIG = """chain : {{
   output_path : 'out'
   s2_path : 's2'
   list_tile : '{tiles}'
   ground_truth : 'gt.shp'
   data_field : 'code'
   nomenclature_path : 'names.txt'
   color_table : 'colors.txt'
}}
python_data_managing : {{ number_of_chunks : {strips} }}
arg_train : {{
   deep_learning_parameters : {{
      hyperparameters_solver : {{
         batch_size : [1000]
         learning_rate : [0.001, 0.0001]
      }}
   }}
}}
"""


def tile(number: int) -> str:
    """Give the name of a tile."""
    return f"T{number // 100 + 10}A{number // 10 % 10}{chr(ord('A') + number % 10)}"


def settings_in(folder: Path) -> config.Config:
    """Write and load a configuration whose files are empty, or missing."""
    names = [tile(number) for number in range(TILES)]
    for name in names:
        (folder / "s2" / name).mkdir(parents=True, exist_ok=True)
    path = folder / "run.cfg"
    path.write_text(CONFIG.format(tiles=" ".join(names), strips=STRIPS))
    return config.load(path)


def units() -> Units:
    """Give the units of work; every second strip has samples."""
    names = [tile(number) for number in range(TILES)]
    return Units(
        strips=dict.fromkeys(names, STRIPS),
        sampled=dict.fromkeys(names, range(0, STRIPS, 2)),
        seeds=SEEDS,
        pairs=PAIRS,
    )


T = TypeVar("T")
Planned = tuple[graph.Graph, dict[str, ledger.Fingerprint]]


def plan(loaded: config.Config) -> Planned:
    """Derive tasks, edges and fingerprints."""
    made = graph.build(recipe.land_cover(), units())
    return made, ledger.fingerprints(made, loaded.steps)


def write_products(planned: Planned, root: Path) -> None:
    """Write a small product and its record for each file of the chain."""
    for task in planned[0].tasks.values():
        made = planned[1][task.name]
        for number, file in enumerate(task.outputs):
            product = root / file.path
            product.parent.mkdir(parents=True, exist_ok=True)
            product.write_bytes(b"1")
            few = number == 0 or len(made.inputs) <= ledger.FEW
            record = ledger.record_of(product, made, with_inputs=few)
            ledger.record_path(product).write_text(json.dumps(record))


def measure(what: str, folder: Path) -> dict[str, float]:
    """Measure in this process; give seconds, GB and tasks."""
    loaded = settings_in(folder)
    if what == "plan":
        seconds, planned = _timed(lambda: plan(loaded))
    else:
        planned = plan(loaded)
        if not (folder / "out").exists():
            write_products(planned, folder / "out")
        seconds, verdicts = _timed(lambda: decision.decide(*planned, folder / "out"))
        assert {verdict.kind for verdict in verdicts.values()} == {"reused"}
    return {"seconds": seconds, "peak": usage.peak() / 1e9, "tasks": len(planned[0].tasks)}


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _apart(what: str, folder: str) -> dict[str, float]:
    """Measure in a process of its own, so that its peak of memory is the plan's."""
    command = [sys.executable, "-m", __name__, what, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def results() -> list[Result]:
    """Measure plan and decision against their limits."""
    with tempfile.TemporaryDirectory(prefix="i2lc-plan-") as folder:
        planned, decided = _apart("plan", folder), _apart("decide", folder)
    tasks = f"{planned['tasks']:.0f} tasks"
    title = f"{TILES} tiles x {STRIPS} strips"
    if planned["peak"] > MOST_MEMORY:
        raise RuntimeError(f"the plan took {planned['peak']:.2f} GB, its limit is {MOST_MEMORY}")
    return [
        Result(
            f"plan of {title} in {planned['peak']:.2f} GB, against its limit",
            f"{planned['tasks'] / planned['seconds']:.0f} tasks",
            planned["seconds"],
            LIMIT,
            1.0,
        ),
        Result(
            f"restart decision over {tasks}, all done, against its limit",
            f"{decided['tasks'] / decided['seconds']:.0f} tasks",
            decided["seconds"],
            LIMIT,
            1.0,
        ),
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
