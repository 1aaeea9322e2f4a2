"""The steps of a land-cover map, in order: the table of contents of the chain."""

from __future__ import annotations

from dataclasses import replace

from ..steps import (
    check_inputs,
    class_statistics,
    classification,
    confusion,
    envelopes,
    merge_samples,
    model_choice,
    mosaic,
    polygons,
    report,
    samples,
    selection,
    tile_index,
    tile_maps,
    training,
    validity,
)
from ..steps.artifacts import PROBABILITY, PROBABILITY_STRIP, PROBABILITY_TILE
from ..steps.contract import Artifact, Step

GROUPS = ("init", "sampling", "learning", "classification", "mosaic", "validation")

STEPS: tuple[Step, ...] = (
    check_inputs.STEP,
    tile_index.STEP,
    envelopes.STEP,
    polygons.STEP,
    selection.STEP,
    class_statistics.STEP,
    samples.STEP,
    merge_samples.STEP,
    training.STEP,
    model_choice.STEP,
    classification.STEP,
    tile_maps.STEP,
    mosaic.STEP,
    validity.STEP,
    confusion.STEP,
    report.STEP,
)


def land_cover(probabilities: bool, probability_mosaic: bool) -> tuple[Step, ...]:
    """Give the steps of a land-cover map.

    Parameters
    ----------
    probabilities : bool
        Write the probabilities of each tile (enable_probability_map).
    probability_mosaic : bool
        Write the probabilities over all tiles too (generate_final_probability_map).
    """
    extra: dict[str, tuple[tuple[Artifact, ...], tuple[Artifact, ...]]] = {}
    if probabilities or probability_mosaic:
        extra[classification.STEP.name] = ((), (PROBABILITY_STRIP,))
        extra[tile_maps.STEP.name] = ((PROBABILITY_STRIP,), (PROBABILITY_TILE,))
    if probability_mosaic:
        extra[mosaic.STEP.name] = ((PROBABILITY_TILE,), (PROBABILITY,))
    return tuple(_with(step, *extra.get(step.name, ((), ()))) for step in STEPS)


def _with(step: Step, inputs: tuple[Artifact, ...], outputs: tuple[Artifact, ...]) -> Step:
    return replace(step, inputs=step.inputs + inputs, outputs=step.outputs + outputs)
