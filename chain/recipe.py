"""The steps of a land-cover map, in order: the table of contents of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..steps import (
    augmentation,
    check_external,
    check_inputs,
    check_tiles,
    class_statistics,
    classification,
    confusion,
    envelopes,
    features_map,
    features_mosaic,
    fold_report,
    given_model,
    merge_samples,
    model_choice,
    mosaic,
    polygons,
    proof,
    region_maps,
    report,
    samples,
    scikit_training,
    selection,
    tile_index,
    tile_maps,
    training,
    validity,
)
from ..steps.artifacts import (
    CONFIDENCE,
    CONFIDENCE_STRIP,
    CROSS_VALIDATION,
    DATE_GRID,
    EXTERNAL,
    FEATURES_MAP,
    LABEL_STRIP,
    MAP,
    MERGED,
    MODEL,
    MODEL_DATES,
    MODEL_SKOPS,
    MODULE,
    PROBABILITY,
    PROBABILITY_STRIP,
    PROBABILITY_TILE,
    REFERENCE,
    REGION_MAP,
    SAMPLES,
    user_module,
)
from ..steps.contract import Artifact, Step
from ..steps.maps.features_product import Product

GROUPS = ("init", "sampling", "learning", "classification", "mosaic", "validation")

STEPS: tuple[Step, ...] = (
    check_inputs.STEP,
    check_external.STEP,
    tile_index.STEP,
    envelopes.STEP,
    region_maps.STEP,
    polygons.STEP,
    selection.STEP,
    class_statistics.STEP,
    samples.STEP,
    merge_samples.STEP,
    features_map.STEP,
    augmentation.STEP,
    training.STEP,
    model_choice.STEP,
    scikit_training.STEP,
    classification.STEP,
    tile_maps.STEP,
    mosaic.STEP,
    features_mosaic.STEP,
    validity.STEP,
    confusion.STEP,
    proof.STEP,
    report.STEP,
    fold_report.STEP,
)
"""All steps that a run may have."""

PREDICTION: tuple[Step, ...] = (
    check_tiles.STEP,
    tile_index.STEP,
    envelopes.STEP,
    given_model.STEP,
    check_external.STEP,
    classification.STEP,
    tile_maps.STEP,
    mosaic.STEP,
    validity.STEP,
)
"""The steps of a map by a given model (i2lc predict)."""

FEATURES: tuple[Step, ...] = (
    check_tiles.STEP,
    check_external.STEP,
    tile_index.STEP,
    envelopes.STEP,
    features_map.STEP,
    features_mosaic.STEP,
)
"""The steps of a features map alone: they need no ground truth."""

CALLERS = (samples.STEP, features_map.STEP, classification.STEP)
"""Steps that call the user's functions."""

READERS = (features_mosaic.STEP, training.STEP, scikit_training.STEP)
"""Steps that read what is known of them alone: for names, or for the card of a model."""


@dataclass(frozen=True)
class Asked:
    """What a run is asked for, as far as it decides which steps there are."""

    probabilities: bool = False
    """Write the probabilities of each tile (enable_probability_map)."""
    probability_mosaic: bool = False
    """Write the probabilities over all tiles too (generate_final_probability_map)."""
    regions: bool = False
    """A model a region (region_path)."""
    augmentation: bool = False
    """Synthetic samples (sample_augmentation)."""
    folds: bool = False
    """Spatial cross-validation (folds)."""
    user_networks: bool = False
    """A network of the user's own (dl_module)."""
    given_model: bool = False
    """A model that was trained elsewhere makes the map (i2lc predict)."""
    scikit: bool = False
    """An estimator of scikit-learn in place of networks (model_type)."""
    cross_validation: bool = False
    """Its keywords are chosen among some (cross_validation_parameters)."""
    maps: bool = True
    """False: no map, scores alone (folds.output)."""
    external: tuple[str, ...] | None = None
    """Names of the files of the user's functions; None without external features."""
    features_map: Product | None = None
    """Map of the features, in its form (builder I2FeaturesMap)."""
    classification: bool = True
    """False: a features map alone is made (no builder I2Classification)."""

    @property
    def any_probability(self) -> bool:
        """Probabilities are written for each tile."""
        return self.probabilities or self.probability_mosaic


def steps_of(asked: Asked) -> tuple[Step, ...]:
    """Give the steps of a run."""
    if asked.given_model:
        return prediction(asked)
    return land_cover(asked) if asked.classification else features_alone(asked)


def land_cover(asked: Asked | None = None) -> tuple[Step, ...]:
    """Give the steps of a land-cover map."""
    asked = asked or Asked()
    unasked = {
        *(() if asked.regions else (region_maps.STEP,)),
        *(() if asked.augmentation else (augmentation.STEP,)),
        *((training.STEP, model_choice.STEP) if asked.scikit else (scikit_training.STEP,)),
        *(() if asked.folds else (proof.STEP, fold_report.STEP)),
        *_unasked(asked),
        *(() if asked.maps else (tile_maps.STEP, mosaic.STEP, validity.STEP, report.STEP)),
    }
    shaped = (_shaped(step, asked) for step in STEPS if step not in unasked)
    return tuple(_of_scikit(step, asked) for step in shaped) if asked.scikit else tuple(shaped)


def _of_scikit(step: Step, asked: Asked) -> Step:
    """Give a step with the files of a run whose models are of scikit-learn."""
    if step.name == scikit_training.STEP.name and asked.cross_validation:
        return _with(step, (), (CROSS_VALIDATION,))
    other = {MODEL: MODEL_SKOPS}
    return replace(step, inputs=_instead(step.inputs, other), outputs=_instead(step.outputs, other))


def prediction(asked: Asked) -> tuple[Step, ...]:
    """Give the steps of a map by a given model."""
    unasked = {*_unasked(asked)}
    shaped = (_shaped(step, asked) for step in PREDICTION if step not in unasked)
    return tuple(_of_scikit(step, asked) for step in shaped) if asked.scikit else tuple(shaped)


def features_alone(asked: Asked) -> tuple[Step, ...]:
    """Give the steps of a features map without a land-cover map."""
    unasked = {*_unasked(asked)}
    return tuple(_shaped(step, asked) for step in FEATURES if step not in unasked)


def _unasked(asked: Asked) -> Iterator[Step]:
    """Yield the steps of external features and of a features map that a run does not have."""
    if asked.external is None:
        yield check_external.STEP
    if asked.features_map is None:
        yield from (features_map.STEP, features_mosaic.STEP)


def _shaped(step: Step, asked: Asked) -> Step:
    """Give a step with the files that it reads and writes in the run that is asked for."""
    made = _of_maps(step, asked)
    if asked.external is None:
        return made
    modules = tuple(user_module(name) for name in asked.external)
    if step is check_external.STEP:
        copies = dict.fromkeys(modules, made.unmoved_by[EXTERNAL])
        made = replace(made, unmoved_by={**made.unmoved_by, **copies})
        return _tried(_with(made, (), modules), asked)
    if step is tile_index.STEP and not asked.given_model:
        return replace(made, after=(*made.after, EXTERNAL))
    if step in READERS:
        return _with(made, (EXTERNAL,), ())
    return _with(made, (EXTERNAL, *modules), ()) if step in CALLERS else made


def _tried(step: Step, asked: Asked) -> Step:
    """Give the trial of the functions; for a given model at its dates, once they are known."""
    if not asked.given_model:
        return step
    return replace(
        _with(step, (MODEL_DATES,), ()),
        group=given_model.STEP.group,
        settings=check_external.GivenSettings,
    )


def _of_maps(step: Step, asked: Asked) -> Step:
    """Give a step with the files that it reads and writes for the maps that are asked for."""
    if step is features_mosaic.STEP and asked.features_map:
        product = asked.features_map
        outputs = _instead(step.outputs, {FEATURES_MAP: product.artifact})
        return replace(step, per=product.per, outputs=outputs)
    if step is merge_samples.STEP and asked.augmentation:
        return replace(step, outputs=_instead(step.outputs, {SAMPLES: MERGED}))
    if step is model_choice.STEP and asked.user_networks:
        return _with(step, (), (MODULE,))
    if step is classification.STEP:
        inputs = (REGION_MAP,) if asked.regions else ()
        if asked.given_model:
            step = replace(step, inputs=_instead(step.inputs, {DATE_GRID: MODEL_DATES}))
        if not asked.maps:
            step = replace(step, per=("tile", "sampled_strip"))
            inputs = (*inputs, REFERENCE)
        return _with(step, inputs, (PROBABILITY_STRIP,) if asked.any_probability else ())
    if step is tile_maps.STEP and asked.any_probability:
        return _with(step, (PROBABILITY_STRIP,), (PROBABILITY_TILE,))
    if step is mosaic.STEP and asked.probability_mosaic:
        return _with(step, (PROBABILITY_TILE,), (PROBABILITY,))
    if step is confusion.STEP and not asked.maps:
        strips = {MAP: LABEL_STRIP, CONFIDENCE: CONFIDENCE_STRIP}
        return replace(step, inputs=_instead(step.inputs, strips))
    return step


def _with(step: Step, inputs: tuple[Artifact, ...], outputs: tuple[Artifact, ...]) -> Step:
    return replace(step, inputs=step.inputs + inputs, outputs=step.outputs + outputs)


def _instead(files: tuple[Artifact, ...], other: dict[Artifact, Artifact]) -> tuple[Artifact, ...]:
    return tuple(other.get(artifact, artifact) for artifact in files)
