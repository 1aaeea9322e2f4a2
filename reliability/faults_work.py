"""Faults of the work: a worker that takes more memory than it was given."""

from __future__ import annotations

import re

from .runs import Run
from .story import Fault, Story

SMALL = 'training : { nb_cpu : 1, ram : "500mb" }\n'
"""Less than a worker takes with the process in which it trains."""
RETRIES = 4


def out_of_memory(story: Story) -> None:
    """Training gets less memory than it takes; then it may be tried again with more."""
    resources = story.scene.folder / f"{story.name}-resources.cfg"
    resources.write_text(SMALL, encoding="utf-8")
    options = ("-nb_parallel_tasks", "2", "-config_ressources", str(resources))
    config = story.scene.variant(story.name)
    ended = Run(config, story.root, *options).end()
    story.expect_status(ended, 1)
    story.hear(ended, r"^step training, unit seed_0_hyp_0: out of memory: [\d.]+ GB used, .*$")
    before = story.done()
    story.expect("merge_samples/seed_0" in before, "the samples were lost")
    config = story.scene.variant(story.name, {"allowed_retry": RETRIES})
    run = Run(config, story.root, *options, "-restart")
    ended = run.end()
    story.expect_finished(ended, before)
    tries = len(re.findall("failed, tried again: training", ended.text))
    story.expect(0 < tries <= RETRIES, f"{tries} retries: {ended.text[-1500:]}")
    story.notes.append(f"went through with twice the memory at each of {tries} retries")
    story.expect(run.gone(60) < 60, "processes of the run were left")


FAULTS = (Fault("a worker over its memory limit", out_of_memory, slow=True),)
