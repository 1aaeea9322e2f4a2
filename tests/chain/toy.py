"""A chain of four steps that write small text files, for tests of graph, task and run."""

from __future__ import annotations

from pydantic import Field

from i2lc.chain.units import Units
from i2lc.steps.contract import Artifact, Job, Settings, Step
from i2lc.steps.files import store

INDEX = Artifact("index", "index/{tile}.txt", "one a tile")
PART = Artifact("part", "parts/{tile}_{strip}.txt", "one a strip")
MODEL = Artifact("model", "model/{seed}_{hyp}.txt", "one a seed and pair")
CHOSEN = Artifact("chosen", "model/{seed}.txt", "one a seed")
MAP = Artifact("map", "final/{tile}_{seed}.txt", "one a tile and seed")
RESULTS = Artifact("results", "final/results.txt", "one")


class ToySettings(Settings):
    """Nothing that matters."""

    word: str = Field("a", description="A word.")


def write(job: Job) -> None:
    """Write all outputs."""
    for file in job.outputs:
        store.write_text(job.root / file.path, f"{job.settings.word} {file.path}\n")


def step(
    name: str,
    group: str,
    per: tuple[str, ...],
    inputs: tuple[Artifact, ...],
    outputs: tuple[Artifact, ...],
) -> Step:
    """Make a toy step."""
    return Step(name, group, f"title of {name}", write, ToySettings, per, inputs, outputs, name)


LOOK = step("look", "init", ("tile",), (), (INDEX,))
CUT = step("cut", "sampling", ("tile", "sampled_strip"), (INDEX,), (PART,))
TRAIN = step("train", "learning", ("seed", "hyp"), (PART,), (MODEL,))
CHOOSE = step("choose", "learning", ("seed",), (MODEL,), (CHOSEN,))
PAINT = step("paint", "classification", ("tile",), (INDEX, CHOSEN), (MAP,))
TELL = step("tell", "validation", (), (MAP,), (RESULTS,))
STEPS = (LOOK, CUT, TRAIN, CHOOSE, PAINT, TELL)

UNITS = Units(strips={"T2": 3, "T1": 2}, sampled={"T2": [0, 2], "T1": [1]}, seeds=2, pairs=2)
