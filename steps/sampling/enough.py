"""What a model learns from has to tell classes apart: training samples of two or more."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..contract import WHOLE, Unit

CLASSES = 2
"""Classes that a model tells apart at least."""
WAYS = ("lower cloud_threshold", "raise ratio", "let sample_selection take more")


def told(unit: Unit, model: str, region: str) -> str:
    """Name a model by its region, with the fold and the seed, as far as there is a choice."""
    words = [_named(model, region)]
    words += [f"fold {unit.fold}"] if unit.fold else []
    return ", ".join([*words, f"seed {unit.seed}"])


def _named(model: str, region: str) -> str:
    if model == WHOLE:
        return "the model"
    return f"region {region}" if model == region else f"model {model} of region {region}"


def shortage(unit: Unit, model: str, region: str, taught: Collection[str]) -> str | None:
    """Say that a model would learn fewer than two classes; None where it would not.

    Parameters
    ----------
    unit : Unit
        Fold and seed.
    model, region : str
        Name of the model and of its region; WHOLE without regions.
    taught : collection of str
        Classes with a training sample, as the ground truth writes them.
    """
    classes = sorted(set(taught))
    if len(classes) >= CLASSES:
        return None
    there = f"class {classes[0]} alone has training samples" if classes else "no training sample"
    ways = [*WAYS, *(["join the region to another"] if model != WHOLE else [])]
    ways += ["let the fold hold out less"] if unit.fold else []
    return (
        f"{told(unit, model, region)}: {there}, a model needs two classes or more: {either(ways)}"
    )


def either(ways: Sequence[str]) -> str:
    """Name the ways out, one of which is enough."""
    return f"{', '.join(ways[:-1])}, or {ways[-1]}"
