"""Step: put a model that was trained elsewhere in the place of one of the run's own."""

from __future__ import annotations

import colorsys
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from ..errors import InputError
from .artifacts import DATE_GRID, LABELS, MODEL, MODEL_DATES, MODEL_SKOPS, REGIONS
from .contract import WHOLE, Job, Step, Unit, UserPath
from .files import store
from .learning.model_file import Card
from .prediction import models, other_year
from .reference import labels
from .reference.labels import Color, Label, Labels
from .tiles.layout import CubeSettings, DateSettings, Layout, load_dates, save_dates

log = logging.getLogger(__name__)

TURN = 0.618034
"""Share of the color circle between the colors of two codes: neighbours never look alike."""


class Settings(CubeSettings, DateSettings, models.UseSettings):
    """Keys that the step uses."""

    model: Path = Field(description="The model file.")
    nomenclature_path: UserPath | None = Field(None, description="Class names; codes by default.")
    color_table: UserPath | None = Field(None, description="Class colors; our own by default.")


def sources(settings: Settings, unit: Unit) -> Iterable[Path]:  # noqa: ARG001
    """Give the model, and the files that name and color its classes."""
    named = (settings.model, settings.nomenclature_path, settings.color_table)
    return tuple(path for path in named if path is not None)


def place(job: Job) -> None:
    """Copy the model; write its classes, its dates in this year, and the one region."""
    settings: Settings = job.settings
    card = models.read_card(settings.model)
    check(settings.model, card, settings)
    own = load_dates(job.input(DATE_GRID))
    dates = other_year.dates_of(card, own, settings.temporal_resolution)
    log.info("%s, dates %s to %s", settings.model, dates[0], dates[-1])
    kind = MODEL_SKOPS if job.writes(MODEL_SKOPS) else MODEL
    with store.writing(job.output(kind)) as path:
        shutil.copyfile(settings.model, path)
    classes_of(card, settings).save(job.output(LABELS))
    save_dates(job.output(MODEL_DATES), dates)
    store.write_text(job.output(REGIONS), f"number,region,model\n1,{WHOLE},{WHOLE}\n")


def check(path: Path, card: Card, settings: Settings) -> None:
    """Refuse a model that reads other features than the run's, or cannot do what is asked.

    Raises
    ------
    InputError
        With every difference.
    """
    if card.raw:
        raise InputError(
            f"{path} reads raw dates (features_from_raw_dates): they are the days of its own "
            "products, which no other tile or year has; this version cannot apply it elsewhere"
        )
    if settings.features_from_raw_dates:
        raise InputError(
            f"features_from_raw_dates : True, but {path} reads interpolated dates: set False"
        )
    if path.suffix == models.NETWORK and settings.calibrate and card.calibration is None:
        raise InputError(
            f"calibrate : True, but {path} has no temperature: its validation set was empty; "
            "set False"
        )
    layout = Layout.of(settings)
    if differences := list(_differences(card, layout)):
        raise InputError(f"{path} cannot read these features: {'; '.join(differences)}")


def own_bands(card: Card) -> tuple[str, ...]:
    """Give the bands and indices of the chain's own that a model, or its functions, read."""
    return card.bands if card.record is None else card.record.bands


def _differences(card: Card, layout: Layout) -> Iterable[str]:
    if card.sensor != layout.sensor.name:
        yield f"it was trained on {card.sensor}, this is {layout.sensor.name}"
    bands = own_bands(card)
    if bands != layout.names:
        yield (
            f"its bands are {' '.join(bands)}, those of the run (keep_bands and features) "
            f"{' '.join(layout.names)}"
        )
        return
    if card.record is not None and not card.record.concat:
        return
    for name, own, other in zip(bands, card.scales, layout.scales, strict=False):
        if own != other:
            yield f"{name} is stored x {own:g} in its samples, x {other:g} in this version"


def classes_of(card: Card, settings: Settings) -> Labels:
    """Give the classes of a model, named and colored as far as files do; else by their codes."""
    names = (
        labels.read_nomenclature(settings.nomenclature_path) if settings.nomenclature_path else {}
    )
    colors = labels.read_colors(settings.color_table) if settings.color_table else {}
    return Labels(tuple(_label(code, names, colors) for code in card.labels))


def _label(code: int, names: Mapping[str, str], colors: Mapping[str, Color]) -> Label:
    text = str(code)
    if names and text not in names:
        log.warning("class %s has no line in the nomenclature: its name is its code", text)
    if colors and text not in colors:
        log.warning("class %s has no line in the table of colors: it gets one of ours", text)
    return Label(code, text, names.get(text, text), colors.get(text) or _color(code))


def _color(code: int) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(code * TURN % 1, 0.65, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


STEP = Step(
    name="given_model",
    group="learning",
    title="take the given model and shift its dates to this year",
    run=place,
    settings=Settings,
    per=(),
    inputs=(DATE_GRID,),
    outputs=(MODEL, LABELS, MODEL_DATES, REGIONS),
    resource="model_choice",
    sources=sources,
    unmoved_by={
        LABELS: (DATE_GRID,),
        MODEL: (DATE_GRID, *labels.LOOKS),
        MODEL_SKOPS: (DATE_GRID, *labels.LOOKS),
    },
)
