"""`i2lc check-database`: what is wrong with a ground truth, and a cleaned file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pyproj import CRS
from pyproj.exceptions import CRSError

from ...errors import InputError
from ...steps.files import store, vectors
from ...steps.reference import inspection
from ...steps.reference.inspection import Cleaned, Inspection
from ...steps.shapes import database, geometry, repair
from ...steps.shapes.geometry import Finding
from ..arguments import Parser
from ..telling.display import say

PIXELS = 1.0
"""Pixels below whose area a polygon is a sliver."""
RESOLUTION = 10.0
"""Metres of a pixel of Sentinel-2."""
WELL, UNWELL = 0, 1
HEAD = ("finding", "feature", "other", "detail", "chain", "correction", "polygons_left")
EPILOG = """The input is read only. With -out.vector OUT a table of all findings is written beside
OUT, as OUT's name with _findings.csv; with -doCorrections True the cleaned polygons are OUT itself.
An earlier OUT is replaced. Formats by ending: .shp, .gpkg, .geojson, .sqlite.

Exit status: 0 nothing was found, or all was corrected; 1 something was found and is not
corrected; 2 wrong use, or an input that cannot be read."""


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    source: Path
    out: Path | None
    field: str
    epsg: int
    smallest: float
    """Area below which a polygon is a sliver, in square metres."""
    correct: bool

    @property
    def table(self) -> Path | None:
        """Place of the table of findings."""
        return self.out and self.out.with_name(f"{self.out.stem}_findings.csv")


def parser() -> Parser:
    """Give the parser of the verb; every option with one dash or two."""
    made = Parser(
        prog="i2lc check-database",
        description="Tell what is wrong with a ground truth; write a cleaned one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.option("in.vector", dest="source", type=Path, required=True, help="polygons with a class")
    made.option("out.vector", dest="out", type=Path, help="the cleaned file; names the table too")
    made.option("dataField", dest="field", required=True, help="field of the class")
    made.option("epsg", type=_epsg, required=True, help="CRS that the polygons are to have: 2154")
    made.option(
        "doCorrections",
        dest="correct",
        type=_truth,
        nargs="?",
        const=True,
        default=False,
        metavar="True|False",
        help="write the cleaned file (default: False, only look)",
    )
    made.option(
        "area.pixels",
        dest="pixels",
        type=_at_least_zero,
        default=PIXELS,
        help=f"a polygon with less area than so many pixels is a sliver (default: {PIXELS:g})",
    )
    made.option(
        "spatial_resolution",
        dest="resolution",
        type=_at_least_zero,
        default=RESOLUTION,
        help=f"metres of a pixel (default: {RESOLUTION:g})",
    )
    return made


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"want True or False, got '{text}'")
    return text.lower() == "true"


def _at_least_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"want a number of 0 or more, got '{text}'")
    return number


def _epsg(text: str) -> int:
    try:
        crs = CRS.from_epsg(int(text.upper().removeprefix("EPSG:")))
    except (ValueError, CRSError) as error:
        raise argparse.ArgumentTypeError(
            f"want the code of a CRS such as 2154, got '{text}'"
        ) from error
    if not crs.is_projected or any(axis.unit_conversion_factor != 1 for axis in crs.axis_info[:2]):
        raise argparse.ArgumentTypeError(
            f"EPSG:{crs.to_epsg()} ({crs.name}) is not projected in metres: take the proj of the "
            "run, such as 2154"
        )
    return int(text.upper().removeprefix("EPSG:"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `i2lc check-database`.

    Returns
    -------
    int
        0 when nothing was found or all was corrected, 1 when something is left; 2 for a wrong
        command line.

    Raises
    ------
    InputError
        When the files cannot be used.
    """
    given = parser().parse_args(arguments)
    smallest = given.pixels * given.resolution**2
    request = Request(given.source, given.out, given.field, given.epsg, smallest, given.correct)
    refuse(request)
    return run(request)


def refuse(request: Request) -> None:
    """Raise InputError for a request that cannot be done, or would touch the input."""
    if request.out is None or request.table is None:
        if request.correct:
            raise InputError("-doCorrections True needs -out.vector FILE, where to write")
        return
    if problem := database.problem_of(request.out, request.field):
        raise InputError(f"-out.vector {problem}")
    written = [request.out, request.table, *database.beside(request.out)]
    for source in vectors.files_of(request.source):
        if any(_same(source, path) for path in written):
            raise InputError(
                f"-out.vector {request.out} would replace {source} of the input: name another file"
            )


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def run(request: Request) -> int:
    """Look, tell, correct; give the exit status."""
    layer = database.read(request.source, "vector file")
    found = inspection.inspect(layer, request.field, request.epsg, request.smallest)
    _tell(request, found)
    cleaned = None
    if request.correct and not found.hopeless:
        cleaned = _written(request, found, inspection.clean(found))
    if request.table is not None:
        table = pd.DataFrame(rows(found, cleaned), columns=HEAD)
        store.write_text(request.table, table.to_csv(index=False, lineterminator="\n"))
        say(f"table of findings: {request.table}")
    if found.hopeless:
        kinds = ", ".join(finding.kind for finding in found.hopeless)
        absent = f"; {request.out} is not written" if request.correct else ""
        say(f"cannot be corrected: {kinds}{absent}")
    elif found.findings and not request.correct:
        say("not corrected: -doCorrections True writes a cleaned file as -out.vector")
    return WELL if cleaned is not None or (not request.correct and not found.findings) else UNWELL


def _tell(request: Request, found: Inspection) -> None:
    """Print what was found."""
    crs = found.layer.crs or "no CRS"
    count = len(found.layer.fids)
    say(f"{request.source}: {count} features, {crs if len(crs) < 20 else CRS(crs).name}")
    for field in found.layer.unread:
        say(f"  field {field} is of a type that is not kept")
    if not found.findings:
        say("nothing found")
    for finding in found.findings:
        say(f"  {'stops a run' if finding.hurts else 'a run copes'}: {finding.text}")
    if found.layer.crs is None:
        say("  the geometries are not looked at: their units are not known")


def _written(request: Request, found: Inspection, cleaned: Cleaned) -> Cleaned | None:
    """Write the cleaned layer, unless nothing is left."""
    assert request.out is not None
    if not len(cleaned.layer.shapes):
        say(f"no polygon is left: {request.out} is not written")
        return None
    for sentence in database.write(request.out, cleaned.layer):
        say(f"  {sentence}")
    gone = found.layer.fids[cleaned.left == 0].astype(str).tolist()
    none = f"; nothing is left of {geometry.naming(gone)}" if gone else ""
    say(f"{request.out}: {len(cleaned.layer.shapes)} polygons{none}")
    return cleaned


def rows(found: Inspection, cleaned: Cleaned | None) -> Iterator[tuple[object, ...]]:
    """Give the lines of the table, as `HEAD` names them."""
    left: dict[int | str, int] = {}
    if cleaned is not None:
        left = dict(zip(found.layer.fids.tolist(), cleaned.left.tolist(), strict=True))
    for finding in found.findings:
        chain = "stops" if finding.hurts else "copes"
        correction = repair.CORRECTIONS.get(finding.kind, "none")
        for fid, other, detail in _cases(finding):
            yield finding.kind, fid, other, detail, chain, correction, left.get(fid, "")


def _cases(finding: Finding) -> Iterator[tuple[int | str, int | str, str]]:
    """Give feature, other feature and detail; the file as a whole has no feature."""
    if not finding.cases:
        yield "", "", finding.text
    for case in finding.cases:
        yield case.fid, "" if case.other is None else case.other, case.detail
