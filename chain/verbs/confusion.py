"""`i2lc confusion`: the confusion matrix of a map against any reference, and a table of several."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...steps.files import store
from ...steps.scoring import compare, compare_table, scores
from ...steps.scoring.compare_table import Table
from ...steps.scoring.compare_vector import Asked
from ..arguments import Parser

OK = 0
TITLES = {"oa": "OA", "kappa": "kappa", "mean_fscore": "mean F"}
CSV, JSON = "confusion.csv", "confusion.json"
MEAN, ALL = "mean +- sd", "all pixels together"


def parser() -> Parser:
    """Give the parser of the verb; every option with one dash or two."""
    made = Parser(
        prog="i2lc confusion",
        description="Compare a map with a reference, or put several comparisons into one table.",
    )
    made.option("map", type=Path, metavar="MAP", help="raster of class codes, one band")
    made.option(
        "ref.vector",
        dest="vectors",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="vector files of the reference, any CRS; all their layers",
    )
    made.option("ref.vector.field", dest="field", metavar="FIELD", help="field of the code")
    made.option("ref.vector.layer", dest="layer", metavar="LAYER", help="the only layer to take")
    made.option(
        "ref.raster", dest="raster", type=Path, metavar="FILE", help="raster on the map's grid"
    )
    made.option("out", type=Path, metavar="DIR", help=f"folder for {CSV} and {JSON}")
    made.option(
        "compare",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help=f"{JSON} files to put into one table, with mean and standard deviation",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; give the exit status, 0.

    Raises
    ------
    InputError
        When map or reference cannot be used.
    """
    made = parser()
    given = made.parse_args(arguments)
    if problem := _problem(given):
        made.error(problem)
    if given.compare:
        _say(comparison({str(path): compare_table.load(path) for path in given.compare}))
        return OK
    if given.raster:
        table = compare.with_raster(given.map, given.raster)
    else:
        asked = Asked(tuple(given.vectors), given.field, given.layer)
        table = compare.with_vector(given.map, asked)
    found = compare_table.record(table.matrix())
    _say(lines(found))
    if given.out:
        _write(given, table, found)
    return OK


def _problem(given: argparse.Namespace) -> str:
    """Say what is wrong with the command line, or nothing."""
    of_map = (given.map, given.raster, given.field, given.layer, given.out)
    if given.compare:
        return "-compare stands alone" if given.vectors or any(of_map) else ""
    if given.map is None:
        return "-map MAP is needed, or -compare JSON..."
    if bool(given.vectors) == bool(given.raster):
        return "one reference is needed: -ref.vector FILE... or -ref.raster FILE"
    if given.vectors and not given.field:
        return "-ref.vector needs -ref.vector.field FIELD, the field of the code"
    if given.raster and (given.field or given.layer):
        return "-ref.raster has no fields and no layers"
    return ""


def _write(given: argparse.Namespace, table: Table, found: Mapping[str, Any]) -> None:
    if given.out.exists() and not given.out.is_dir():
        raise InputError(f"-out {given.out} is a file; name a folder")
    references = [given.raster] if given.raster else given.vectors
    named = {"map": str(given.map), "reference": [str(path) for path in references]}
    store.write_text(given.out / CSV, table.as_csv())
    store.write_json(given.out / JSON, {**named, "field": given.field, **found})
    _say([f"written: {given.out / CSV}, {given.out / JSON}"])


def _say(text: Iterator[str] | Sequence[str]) -> None:
    sys.stdout.write("\n".join(text) + "\n")


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Give a matrix and its scores for reading; `found` as `compare_table.record` gives it."""
    labels, pixels = found["labels"], found["reference_pixels"]
    wide = max(9, *(len(str(number)) + 1 for number in (*labels, sum(pixels))))
    yield f"Confusion matrix of {sum(pixels)} pixels: rows reference, columns map"
    yield "".join(f"{head!s:>{wide}}" for head in ("", *labels, "no class"))
    table = zip(labels, found["confusion_matrix"], found["unclassified"], strict=True)
    for label, row, lost in table:
        yield "".join(f"{cell:>{wide}}" for cell in (label, *row, lost))
    yield ""
    yield "".join(f"{head:>10}" for head in ("class", "precision", "recall", "F-score", "pixels"))
    values = (found[name] for name in compare_table.PER_CLASS)
    for label, *three, number in zip(labels, *values, pixels, strict=True):
        yield f"{label:>10}" + "".join(f"{shown(v):>10}" for v in three) + f"{number:>10}"
    yield ""
    overall = ", ".join(f"{title} {shown(found[name])}" for name, title in TITLES.items())
    lost = sum(found["unclassified"])
    yield overall + (f"; {lost} pixels without a class in the map are left out" if lost else "")


def comparison(tables: Mapping[str, Table]) -> Iterator[str]:
    """Give a line of scores a table, their mean and standard deviation, and those of all pixels.

    Parameters
    ----------
    tables : mapping
        Name -> table, at least one.
    """
    records = {name: compare_table.record(table.matrix()) for name, table in tables.items()}
    together = compare_table.record(reduce(add, tables.values()).matrix())
    wide = max(map(len, (*records, MEAN, ALL)))
    yield f"{'':<{wide}}" + "".join(f"{title:>16}" for title in (*TITLES.values(), "pixels"))
    for name, found in records.items():
        yield _score_line(f"{name:<{wide}}", [shown(found[key]) for key in TITLES], found)
    means = [spread([found[key] for found in records.values()]) for key in TITLES]
    yield f"{MEAN:<{wide}}" + "".join(f"{mean:>16}" for mean in means)
    name = f"{ALL:<{wide}}"
    yield _score_line(name, [shown(together[key]) for key in TITLES], together)


def _score_line(name: str, values: Sequence[str], found: Mapping[str, Any]) -> str:
    cells = (*values, str(sum(found["reference_pixels"])))
    return name + "".join(f"{cell:>16}" for cell in cells)


def spread(values: Sequence[float | None]) -> str:
    """Give mean and standard deviation (n - 1) of the scores that are defined."""
    found = scores.spread([math.nan if value is None else value for value in values])
    if not math.isfinite(found.mean):
        return "undefined"
    deviation = "" if found.deviation is None else f" +- {found.deviation:.3f}"
    return f"{found.mean:.3f}{deviation}"


def shown(value: float | None) -> str:
    """Give a score with three digits."""
    return "undefined" if value is None else f"{value:.3f}"
