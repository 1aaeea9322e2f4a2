"""The fit of one estimator, in the process that `learning.apart` starts: samples in, model out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sklearn
from sklearn.pipeline import Pipeline

from ...errors import TaskError
from ..learning import apart
from ..learning import model_file as network_file
from ..sampling import samples_file
from ..sensors.sentinel2 import SENTINEL2
from . import estimators, keywords, learnt, model_file, search
from .learnt import Learnt
from .search import Tried
from .settings import SECTION, Settings

log = logging.getLogger(__name__)

MODULE = "i2lc.steps.scikit.process"


@dataclass(frozen=True)
class Order:
    """What to fit, as JSON can hold it."""

    samples: str
    """File of the samples."""
    model: str
    """File to write."""
    table: str | None
    """File of the cross-validation to write; None where none is asked for."""
    region: str
    fold: int
    seed: int
    threads: int
    """Of forests; never changes a result."""
    settings: dict[str, Any]
    external: str | None = None
    """Record of the user's functions; None without external features."""


def fit(order: Order) -> None:
    """Fit the estimator; write the model, and what the cross-validation found."""
    settings = Settings(**order.settings)
    axes = samples_file.read_axes(Path(order.samples))
    samples = learnt.read(Path(order.samples), axes)
    if axes.gaps:
        apart.log_missing(learnt.missing(samples.x, axes))
    with _refusals_told(settings):
        tried = _tried(settings, samples, order) if settings.cross_validation_parameters else []
        made = _fitted(settings, samples, order, tried)
    if order.table:
        Path(order.table).write_text(search.table(tried), encoding="utf-8")
    card = network_file.Card(
        network=str(settings.model_type),
        parameters={**settings.estimator_keywords, **_chosen(tried)},
        labels=tuple(samples.codes),
        dates=axes.dates,
        bands=axes.bands,
        scales=axes.scales,
        sensor=SENTINEL2.name,
        statistics={},
        training=_record(settings, samples, order, tried),
        external=network_file.external_of(order.external),
        statics=axes.statics,
        static_scales=axes.static_scales,
    )
    model_file.save(Path(order.model), made, card)
    model_file.load(Path(order.model))  # what cannot be loaded is found here, not by the map


@contextmanager
def _refusals_told(settings: Settings) -> Iterator[None]:
    """Turn what scikit-learn refuses into a failure of the task that names the keys."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise TaskError(
            f"{settings.model_type} refuses its keywords or these samples: {error}; see {SECTION}"
        ) from error


def _tried(settings: Settings, samples: Learnt, order: Order) -> list[Tried]:
    """Score the grid of the settings, the best first."""
    cuts = search.splits(
        samples,
        settings.cross_validation_folds,
        grouped=settings.cross_validation_grouped,
        seed=_seed(settings, order),
    )
    grid = {
        estimators.path_of(str(settings.model_type), key): values
        for key, values in settings.cross_validation_parameters.items()
    }
    fewest = min(learnt.fewest(samples.labels[learns]) for learns, _ in cuts)
    found = search.tried(_built(settings, samples, order, fewest), grid, samples, cuts)
    search.log_table(found)
    return found


def _fitted(settings: Settings, samples: Learnt, order: Order, tried: list[Tried]) -> Pipeline:
    """Fit the estimator to all samples."""
    made = _built(settings, samples, order, learnt.fewest(samples.labels))
    if tried:
        made.set_params(**tried[0].values)
    log.info("%s learns from %d samples", settings.model_type, len(samples.labels))
    made.fit(samples.x, samples.labels)
    estimators.settle(made)
    return made


def _built(settings: Settings, samples: Learnt, order: Order, fewest: int) -> Pipeline:
    """Build the estimator; `fewest` is the least number of samples that a class has."""
    folds = min(estimators.FOLDS, fewest)
    if folds < 2 and learnt.calibrates(settings):
        raise TaskError(
            f"a class has {fewest} sample to learn from, {estimators.SVM} needs two of each class "
            "for its probabilities: let sample_selection take more, or lower cloud_threshold"
        )
    given = keywords.of_model(settings.estimator_keywords, samples.codes, order.seed)
    made = estimators.build(
        str(settings.model_type),
        given,
        _seed(settings, order),
        standardization=settings.standardization,
        folds=folds,
        gaps=samples.gaps,
    )
    estimators.use_threads(made, order.threads)
    return made


def _seed(settings: Settings, order: Order) -> int:
    return (settings.random_seed or 0) + order.seed


def _chosen(tried: list[Tried]) -> dict[str, Any]:
    """Give the values that the cross-validation chose, by keyword."""
    return {name.rpartition("__")[2]: v for name, v in tried[0].values.items()} if tried else {}


def _record(
    settings: Settings, samples: Learnt, order: Order, tried: list[Tried]
) -> dict[str, Any]:
    """Give the record of the training, as of a network's model."""
    notes = search.notes(tried, len(samples.codes))
    for note in notes:
        log.warning("%s", note)
    return {
        "region": order.region,
        "fold": order.fold,
        "seed": order.seed,
        "samples": {"training": len(samples.labels), "validation": 0},
        "standardization": settings.standardization,
        "cross_validation": {"oa": tried[0].mean, **_chosen(tried)} if tried else None,
        model_file.VERSION: sklearn.__version__,
        "notes": notes,
    }


def main() -> int:
    """Fit as the order on standard input says; the entry of the process."""
    logging.captureWarnings(True)
    return apart.serve(lambda given: fit(Order(**given)))


if __name__ == "__main__":
    sys.exit(main())
