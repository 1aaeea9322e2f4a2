"""All functions judged together: their names, what reads them, their scales; and what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ..checks.input_report import Report
from . import cost, naming, scales
from .place import Wanted
from .record import Function, Record
from .scales import Sample
from .trial import Tried


@dataclass(frozen=True)
class Run:
    """What of a run decides whether it can use the functions."""

    wanted: Wanted
    concat: bool
    """The chain's own features stand before them."""
    scale: Mapping[str, float]
    """As the settings give it."""
    networks: bool
    """Networks read the features."""
    tile_days: Sequence[Sequence[date]]
    """Days of the products of each tile, first those of the tile that was tried."""
    digests: Mapping[str, str]
    """Name of each file of the user's -> its sha256."""
    stored: bool = True
    """Values are stored as int16: all are but those of a features map alone in float32."""
    raster_bands: tuple[str, ...] = ()
    """Labels of the bands of the user's raster; empty without one."""
    expected: Record | None = None
    """What a model that was trained elsewhere knows of them."""


def judge(tried: Sequence[Tried], run: Run) -> tuple[Report, Record]:
    """Bring together what was found of each function.

    Returns
    -------
    report : Report
        All that is wrong, of each function and of all together.
    record : Record
        What is known of the functions; of use where the report has no error.
    """
    known = [(one.who, one.function) for one in tried if one.function is not None]
    own = run.wanted.layout.names if run.concat else ()
    errors = [*naming.clashes(known, own, run.wanted.dates)]
    errors += [f"{who} {text}" for who, one in known if (text := _of_statics(one, run))]
    samples = {name: sample for one in tried for name, sample in one.samples.items()}
    if len(known) == len(tried):
        errors += scales.unknown(run.scale, samples)
    errors += [f"{one.who}{text}" for one in tried for text in _unknown(one, samples, run)]
    found, judged = scales.of(samples, run.scale)
    if run.expected:
        found, judged = scales.given(samples, run.expected.scales)
    record = Record(
        functions=tuple(function for _, function in known),
        modules=dict(run.digests),
        concat=run.concat,
        padding=run.wanted.padding,
        scales=found,
        exogenous=run.wanted.exogenous,
        raw_days=run.wanted.raw_days,
        pixel_bytes=cost.pixel_bytes(one.cost for one in tried if one.cost is not None),
        bands=run.wanted.layout.names,
        raster_bands=run.raster_bands,
    )
    if run.expected:
        errors += _other_raster(record, run.expected)
    if run.expected and len(known) == len(tried):
        errors += _differences(record, run.expected)
    found_alone = sum((one.report for one in tried), Report())
    return found_alone + Report(tuple(errors)) + judged, record


def _of_statics(function: Function, run: Run) -> str:
    """Say what is wrong with labels that are no series; nothing where they can be used."""
    if not function.statics:
        return ""
    if run.networks:
        return naming.refused(function.statics, run.wanted.dates)
    if run.wanted.raw_days is None:
        return naming.of_one_tile(function.statics, run.wanted.dates, run.tile_days)
    return ""


def _unknown(one: Tried, samples: Mapping[str, Sample], run: Run) -> Iterator[str]:
    """Tell what a function gives too little of for a scale, unless the scale is known."""
    known = run.expected.scales if run.expected else run.scale
    unscaled = [name for name in one.empty if name not in known]
    if unscaled and len(one.empty) == len(one.samples):
        yield (
            " gives no number for any pixel that was seen: all is NaN or infinite; mend it, or "
            "where that is right, as with a raster that has no value there, give scales: "
            f"{scales.way_out(unscaled)}"
        )
    elif run.stored:
        yield from (f": {text}" for text in scales.unfounded(one.samples, known, samples))


def _other_raster(record: Record, expected: Record) -> Iterator[str]:
    """Tell of a raster with other bands: functions ask for them by their place."""
    own, other = record.raster_bands, expected.raster_bands
    if other and own != other:
        yield (
            f"the bands of exogeneous_data are {', '.join(own) or 'none'}, those of the raster "
            f"that the model was trained with {', '.join(other)}: give a raster with the same "
            "bands in the same order, each with the same description"
        )


def _differences(record: Record, expected: Record) -> Iterator[str]:
    """Tell what a model that was trained elsewhere knows otherwise."""
    for name, known in expected.modules.items():
        if record.modules.get(name) != known:
            yield (
                f"{name} is another file than the one with which the model's features were "
                "computed: give the copy that lies with the model"
            )
    for what, own, other in (
        ("indices", record.series, expected.series),
        ("labels", record.statics, expected.statics),
    ):
        if own != other:
            yield f"{what} of the model: {_words(other)}; its functions give {_words(own)} here"


def _words(names: Sequence[str]) -> str:
    return naming.named(names) or "none"
