"""Which steps and tasks a run is about; from configuration, vectors and headers alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..steps import (
    augmentation,
    check_external,
    check_inputs,
    check_tiles,
    features_map,
    given_model,
    scikit_training,
)
from ..steps.checks import input_report
from ..steps.contract import Step
from ..steps.external.settings import ExternalSettings
from ..steps.maps.features_product import MapSettings, Product
from ..steps.prediction import models
from . import graph as graphs
from . import recipe, selection, units
from .settings.config import Config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    scheduler_type: str = "localCluster"
    starting_step: str = "0"
    ending_step: str = "0"
    nb_parallel_tasks: int | None = None
    only_summary: bool = False
    execution_graph_files: tuple[Path, ...] = ()
    restart: bool = False
    restart_from: Path | None = None
    config_ressources: Path | None = None
    fail_fast: bool = False

    @property
    def reuses(self) -> bool:
        """Products of an earlier run are reused."""
        return self.restart or self.restart_from is not None


@dataclass(frozen=True)
class Plan:
    """All tasks of the chain and those that this run is asked to see to."""

    graph: graphs.Graph
    running: tuple[Step, ...]
    from_first_step: bool

    @property
    def tasks(self) -> list[graphs.Task]:
        """Tasks of the steps that run, in the order of steps."""
        return [task for step in self.running for task in self.graph.of(step)]


def steps_of(config: Config, options: Options) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Give all steps of the chain and those that run."""
    run = config.run
    wanted = asked(config)
    steps = recipe.steps_of(wanted)
    running = selection.chosen(
        steps, run.first_step, run.last_step, options.starting_step, options.ending_step
    )
    return steps, running


def asked(config: Config) -> recipe.Asked:
    """Say which steps a configuration asks for."""
    run, units_ = config.run, config.units
    common = recipe.Asked(
        probabilities=run.enable_probability_map,
        probability_mosaic=run.generate_final_probability_map,
        external=_external(config),
    )
    if given_model.STEP.name in config.steps:
        return replace(common, given_model=True, scikit=_given_estimator(config))
    common = replace(common, features_map=_features_map(config))
    if not isinstance(units_, units.UnitSettings):
        return recipe.Asked(
            external=common.external, features_map=common.features_map, classification=False
        )
    return replace(
        common,
        regions=units_.region_path is not None,
        augmentation=_augments(config),
        user_networks=units_.module is not None,
        scikit=_scikit(config).model_type is not None,
        cross_validation=bool(_scikit(config).cross_validation_parameters),
        folds=units_.folds is not None,
        maps=units_.folds is None or units_.folds.output == "maps",
    )


def _given_estimator(config: Config) -> bool:
    """Tell whether the given model is one of scikit-learn."""
    settings = config.steps[given_model.STEP.name]
    assert isinstance(settings, given_model.Settings)
    return settings.model.suffix == models.SCIKIT


def _external(config: Config) -> tuple[str, ...] | None:
    """Name the files of the user's functions; None where no function is called."""
    settings = config.steps.get(check_external.STEP.name)
    external = settings.external_features if isinstance(settings, ExternalSettings) else None
    if external is None or not external.calls:
        return None
    return tuple(path.name for path in external.module)


def _features_map(config: Config) -> Product | None:
    """Give the map of the features, in the form that is asked for; None without its builder."""
    if not config.run.maps_features:
        return None
    settings = config.steps[features_map.STEP.name]
    assert isinstance(settings, MapSettings)
    return settings.product


def _augments(config: Config) -> bool:
    settings = config.steps[augmentation.STEP.name]
    assert isinstance(settings, augmentation.Settings)
    return settings.sample_augmentation.activate


def _scikit(config: Config) -> scikit_training.Settings:
    settings = config.steps[scikit_training.STEP.name]
    assert isinstance(settings, scikit_training.Settings)
    return settings


def make_plan(config: Config, options: Options) -> Plan:
    """Plan a run: units and tasks, from vectors and headers alone.

    Raises
    ------
    InputError
        With all that is wrong with the inputs, not only what planning met first.
    """
    steps, running = steps_of(config, options)
    try:
        found = units.plan(config.units)
    except InputError as error:
        log.debug("planning met %s", error)
        refuse_problems(config)
        raise
    return Plan(graphs.build(steps, found), running, running[0] is steps[0])


def refuse_problems(config: Config) -> None:
    """Tell all that is wrong with the inputs, unless they are not to be checked."""
    settings = config.steps[check_inputs.STEP.name]
    if isinstance(settings, check_tiles.Settings):
        if settings.check_inputs:
            input_report.refuse(check_tiles.problems(settings))
        return
    assert isinstance(settings, check_inputs.Settings)
    if settings.check_inputs:
        input_report.refuse(check_inputs.problems(settings))


def refuse_functions(config: Config) -> None:
    """Tell what is wrong with the user's functions, where the run has some."""
    settings = config.steps.get(check_external.STEP.name)
    if not isinstance(settings, check_external.Settings) or not settings.external_features:
        return
    if settings.asked.calls:
        check_external.attempt(settings, config.model_dates())
