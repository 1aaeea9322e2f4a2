"""The settings of a map by a given model: from a run's configuration, the command line, the model.

Of a configuration file the keys that apply to such a run count; those of ground truth, samples
and training may stand there and are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...steps import check_external, classification, given_model
from ...steps.checks import tile_checks
from ...steps.contract import Settings, Step
from ...steps.files import store
from ...steps.learning.model_file import Card
from ...steps.prediction import models, other_year
from ...steps.tiles.layout import ROLES, date_grid
from .. import recipe
from ..units import TileUnits
from . import names, predict_external, sections, syntax
from .config import Config, parts
from .plain_data import Place
from .syntax import Document

SECTION = {
    "output_path": "chain",
    "s2_path": "chain",
    "list_tile": "chain",
    "spatial_resolution": "chain",
    "proj": "chain",
    "nomenclature_path": "chain",
    "color_table": "chain",
    "deep_learning_parameters": "arg_train",
    "features": "arg_train",
    "calibrate": "arg_classification",
    "inference_precision": "arg_classification",
    "enable_probability_map": "arg_classification",
    "generate_final_probability_map": "arg_classification",
    "number_of_chunks": "python_data_managing",
    "temporal_resolution": "sentinel_2",
    "start_date": "sentinel_2",
    "end_date": "sentinel_2",
    "keep_bands": "sentinel_2",
    "padding_size_x": predict_external.MANAGING,
    "padding_size_y": predict_external.MANAGING,
    "fill_missing_dates": predict_external.MANAGING,
}
"""Key -> section in which the command line puts it."""
NO_FILE = Path("command line")
RESOLVED = "config_resolved.json"
PREDICT = "predict"
"""Section of the resolved configuration that only these runs have."""


@dataclass(frozen=True)
class Prediction(Config):
    """A checked configuration of a map by a given model."""

    model: Path
    words: tuple[str, ...]
    """Command line that starts the run."""

    def command(self) -> list[str]:
        """Give the words of the command line that starts this run."""
        return list(self.words)

    def model_dates(self) -> tuple[date, ...]:
        """Give the dates at which the model sees the series of this run."""
        return dates(self)

    def resolved(self) -> dict[str, Any]:
        """Give every key with its value, and the model."""
        return {**super().resolved(), PREDICT: {"model": str(self.model)}}


def load(
    model: Path, file: Path | None, given: Mapping[str, Any], words: Sequence[str]
) -> Prediction:
    """Read and check the settings of a map.

    Parameters
    ----------
    model : Path
        The model file.
    file : Path, optional
        A run's configuration.
    given : mapping
        Key -> value of the command line, which comes first; paths are absolute.
    words : sequence of str
        The command line.

    Raises
    ------
    ConfigError, InputError
        All that is wrong with the settings, or with the model for them.
    """
    card = models.read_card(model)
    document, warnings = _document(model, card, file, given)
    kinds: list[type[Settings]] = [
        TileUnits,
        *(_settings_of(step, card) for step in recipe.PREDICTION),
    ]
    run, made, values = parts(
        document,
        kinds,
        {"model": model.absolute(), "expected": card.external, **_estimator_of(model, card)},
    )
    units, *steps = made
    config = Prediction(
        path=file or model,
        given=values,
        run=run.model_copy(update={"first_step": "init", "last_step": "mosaic"}),
        units=units,
        steps={step.name: made for step, made in zip(recipe.PREDICTION, steps, strict=True)},
        warnings=tuple(warnings),
        model=model,
        words=tuple(words),
    )
    _check_output(config.run.output_path, model)
    predict_external.refuse_missing_rasters(model, values, config.units.list_tile)
    given_model.check(model, card, config.steps[given_model.STEP.name])  # type: ignore[arg-type]
    _check_model(model, config.steps[classification.STEP.name])  # type: ignore[arg-type]
    return config


def _estimator_of(model: Path, card: Card) -> dict[str, Any]:
    """Say that an estimator of scikit-learn makes the map, where one does."""
    return {"model_type": card.network if model.suffix == models.SCIKIT else None}


def _check_model(model: Path, settings: classification.Settings) -> None:
    """Refuse a model that does not load, or cannot do what is asked."""
    use = models.Use(settings.inference_precision, calibrate=settings.calibrate)
    models.check(models.load(model, settings.module), use)


def _settings_of(step: Step, card: Card) -> type[Settings]:
    """Give the model of a step's settings, with what a card says of the functions."""
    if step is check_external.STEP and card.external is not None:
        return check_external.GivenSettings
    return step.settings


def _document(
    model: Path, card: Card, file: Path | None, given: Mapping[str, Any]
) -> tuple[Document, list[str]]:
    """Join the file with the command line; without a file the model says what its features are."""
    if file is None:
        document = Document(NO_FILE, {}, {})
        warnings: list[str] = []
        given = {**_features_of(card), **given}
    else:
        document, warnings = names.modernise(syntax.read(file))
    named = predict_external.keys_of(model, card.record, document, given)
    plain = {key: value for key, value in given.items() if key not in predict_external.NAMED}
    network = _network_of(card, document, given)
    every = {**plain, **named, "deep_learning_parameters": network}
    return _overlaid(document, every), warnings


def _features_of(card: Card) -> dict[str, Any]:
    bands = given_model.own_bands(card)
    indices = [name for name in bands if name in ROLES or name == "Brightness"]
    step = other_year.step_of(card)
    return {
        "keep_bands": [name for name in bands if name not in indices],
        "features": indices,
        **({"temporal_resolution": step} if step else {}),
    }


def _network_of(card: Card, document: Document, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the section of the network: the model's own, and the user's file of networks."""
    sections = (s for s in document.data.values() if isinstance(s, dict))
    deep: Any = next(
        (s[key] for s in sections for key in s if key == "deep_learning_parameters"), {}
    )
    module = given.get("dl_module") or (deep.get("dl_module") if isinstance(deep, dict) else None)
    if card.module is None or module is None:
        return {}
    return {"dl_name": card.network, "dl_parameters": card.parameters, "dl_module": module}


def _overlaid(document: Document, given: Mapping[str, Any]) -> Document:
    """Put values of the command line in the place of those of the file, in all its sections."""
    gone = {*given, *predict_external.DECIDED}
    data: dict[str, Any] = {
        name: {key: value for key, value in content.items() if key not in gone}
        if isinstance(content, dict)
        else content
        for name, content in document.data.items()
        if name not in gone
    }
    for key, value in given.items():
        if key in SECTION:
            data.setdefault(SECTION[key], {})[key] = value
        elif key in sections.WHOLE:
            data[key] = value
    positions: dict[tuple[str, ...], Place] = {
        place: found for place, found in document.positions.items() if not gone & set(place[:2])
    }
    return Document(document.path, data, positions)


def _check_output(root: Path, model: Path) -> None:
    """Refuse an output folder in which a model was trained: it would be emptied."""
    resolved = root / RESOLVED
    if not resolved.is_file():
        return
    try:
        ours = PREDICT in store.read_json(resolved)
    except ValueError:
        ours = False
    if not ours:
        raise ConfigError(
            f"output_path {root} holds a run that trains, not a map by a given model: {model} "
            "needs a folder of its own, -out DIR"
        )


def dates(config: Prediction) -> tuple[date, ...]:
    """Give the dates at which the model sees the series of this run.

    Empty where tiles or products are missing, which the check of the inputs tells.

    Raises
    ------
    InputError
        They are not those of the model.
    """
    settings = config.steps[given_model.STEP.name]
    assert isinstance(settings, given_model.Settings)
    folder = config.units.s2_path
    there = [name for name in config.units.list_tile if (folder / name).is_dir()]
    scans = [tile_checks.scan_of(folder / name, name) for name in there]
    days = [product.day for scan in scans for product in scan.products]
    if not days or len(there) < len(config.units.list_tile):
        return ()
    card = models.read_card(config.model)
    return other_year.dates_of(card, date_grid(days, settings), settings.temporal_resolution)
