"""`i2lc predict`: a trained model makes the map of other tiles, or of another year."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...steps.prediction import models
from .. import run as runs
from ..arguments import SCHEDULERS, Parser, positive
from ..plan import Options
from ..settings import predict_config
from ..settings.predict_config import Prediction

KEYS: dict[str, tuple[str, dict[str, Any]]] = {
    "s2_path": ("folder with one folder of products a tile", {"type": Path}),
    "list_tile": ('tiles to map: "T31TCJ T31TDJ"', {}),
    "spatial_resolution": ("metres of an output pixel (default: native)", {"type": float}),
    "proj": ("CRS of the outputs (default EPSG:2154)", {}),
    "number_of_chunks": ("strips a tile is cut into", {"type": positive}),
    "temporal_resolution": ("days between the dates (default: as the model)", {"type": positive}),
    "start_date": ("first date of the features, YYYYMMDD", {}),
    "end_date": ("last possible date, YYYYMMDD", {}),
    "nomenclature_path": ("class names, one `name:label` a line", {"type": Path}),
    "color_table": ("class colors, one `label R G B` a line", {"type": Path}),
    "dl_module": ("file of the user's networks, where the model is one", {"type": Path}),
    "external_features": (
        "files of the user's functions, where the model has features of such",
        {"type": Path, "nargs": "+", "metavar": "FILE"},
    ),
    "exogeneous_data": ("raster of the user's for those functions", {"type": Path}),
    "inference_precision": ("float32 or bfloat16", {}),
    "calibrate": ("calibrated confidence and probabilities", {"action": "store_true"}),
    "enable_probability_map": ("probabilities of each tile", {"action": "store_true"}),
    "generate_final_probability_map": ("and over all tiles", {"action": "store_true"}),
}
"""Option -> what it says, and how it is read; keys of the configuration file."""
HOW = ("scheduler_type", "nb_parallel_tasks", "config_ressources", "restart", "fail_fast")
"""Options that say how the run goes, not what it makes."""


def parser() -> Parser:
    """Give the parser of the verb; every option with one dash or two."""
    made = Parser(
        prog="i2lc predict",
        description="Make the map of other tiles, or of another year, by a trained model.",
    )
    made.add_argument("model", type=Path, metavar="MODEL", help="file: .safetensors, .skops")
    made.option("config", type=Path, metavar="FILE", help="configuration; options come first")
    made.option("out", dest="output_path", type=Path, metavar="DIR", help="folder of all outputs")
    for name, (text, how) in KEYS.items():
        made.option(name, default=None, help=text, **how)
    made.option("config_ressources", type=Path, help="cpus, memory, walltime of each step's tasks")
    made.option(
        "scheduler_type", default="localCluster", choices=SCHEDULERS, help="where tasks run"
    )
    made.option("nb_parallel_tasks", type=positive, help="tasks at one time (default: all cores)")
    made.option("restart", action="store_true", help="reuse what is done and still holds")
    made.option("fail-fast", action="store_true", help="start nothing more after the first failure")
    made.option("only_summary", action="store_true", help="print groups and steps, do nothing")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; give the exit status, as of a run of the chain.

    Raises
    ------
    ConfigError, InputError
        The settings, the model or the tiles cannot be used.
    """
    made = parser()
    options = made.parse_args(arguments)
    given = keys_of(options)
    if options.config is None and not {"s2_path", "list_tile", "output_path"} <= given.keys():
        made.error("-config FILE is needed, or -s2_path DIR, -list_tile TILES and -out DIR")
    config = predict_config.load(options.model, options.config, given, [*words_of(options)])
    for warning in config.warnings:
        sys.stderr.write(f"i2lc: warning: {warning}\n")
    sys.stdout.write("".join(f"{line}\n" for line in told(config)))
    return runs.run(
        config,
        Options(
            only_summary=options.only_summary, **{name: getattr(options, name) for name in HOW}
        ),
    )


def keys_of(options: argparse.Namespace) -> dict[str, Any]:
    """Give the keys that the command line sets; a relative path starts in the current folder."""
    found = {key: getattr(options, key) for key in ("output_path", *KEYS)}
    return {key: _absolute(value) for key, value in found.items() if value is not None}


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    return str(value.absolute()) if isinstance(value, Path) else value


def words_of(options: argparse.Namespace) -> Iterator[str]:
    """Yield the command line without what says how the run goes."""
    yield from ("i2lc", "predict", str(options.model))
    if options.config is not None:
        yield from ("-config", str(options.config))
    for key, value in keys_of(options).items():
        yield "-out" if key == "output_path" else f"-{key}"
        if value is not True:
            yield from map(str, value if isinstance(value, list) else [value])


def told(config: Prediction) -> Iterator[str]:
    """Say in lines what the model is and at which dates it sees this series."""
    card = models.read_card(config.model)
    yield f"{config.model}: {card.network}, {len(card.labels)} classes, {len(card.dates)} dates"
    if region := card.training.get("region"):
        yield f"it is the model of region {region}: here it is applied everywhere"
    if record := card.record:
        files = f" (functions of {', '.join(record.modules)})" if record.modules else ""
        yield f"external features: {', '.join((*record.series, *record.statics))}{files}"
    dates = predict_config.dates(config)
    if dates and dates != card.dates:
        first, last = card.dates[0], card.dates[-1]
        yield f"its dates, {first} to {last}, are shifted to {dates[0]} to {dates[-1]}"
