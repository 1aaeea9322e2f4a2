"""A ground truth looked at and corrected at scale, against its limit.

100,000 polygons in a GeoPackage, cells of a Voronoi diagram with one class of nine each, in
longitude and latitude; 1 % of them each: empty, there twice, there twice with two classes,
of two parts, crossing themselves, smaller than a pixel, without a class, over a neighbour of
the same class, over one of another class. `i2lc check-database -doCorrections True` reads them,
finds all that, corrects it and writes another GeoPackage, in a process of its own on two cores;
its start counts. Then the cleaned file must have no finding. The reference is the promised limit
of 60 s.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from .measure import Result

POLYGONS = 100_000
SHARE = 0.01
"""Share of the polygons that each kind of defect gets."""
SIDE = 400_000.0
"""Metres along a side of the square with the polygons."""
CORNER = (300_000.0, 6_300_000.0)
LIMIT = 60.0
"""Seconds that looking and correcting may take."""
CORES = 2


def cells(number: int, rng: np.random.Generator) -> np.ndarray:
    """Give polygons that cover a square without overlap, with tens of points each, (number,)."""
    points = rng.uniform(0, SIDE, (number, 2)) + CORNER
    return shapely.segmentize(
        shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points))), SIDE / 2000
    )


def defects(shapes: np.ndarray, codes: np.ndarray, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Spoil some polygons, each in one way; give all, in Lambert-93."""
    count = int(len(shapes) * SHARE)
    picked = rng.permutation(len(shapes)).reshape(-1)[: 9 * count].reshape(9, count)
    spoilt = shapes.copy()
    blank = np.zeros(len(shapes), bool)
    twins, others, alike, unlike = picked[:4]
    spoilt[picked[4]] = None
    spoilt[picked[5]] = [_two_parts(shape) for shape in shapes[picked[5]]]
    spoilt[picked[6]] = [_crossing(shape) for shape in shapes[picked[6]]]
    spoilt[picked[7]] = shapely.buffer(shapely.centroid(shapes[picked[7]]), 4.0)
    blank[picked[8]] = True
    grown = [shapely.buffer(shapes[rows], 30.0) for rows in (alike, unlike)]
    more = [*shapes[twins], *shapes[others], *grown[0], *grown[1]]
    classes = [codes[twins], codes[others] % 9 + 1, codes[alike], codes[unlike] % 9 + 1]
    values = pd.array(np.concatenate([codes, *classes]), "Int32")
    values[: len(shapes)][blank] = pd.NA
    return gpd.GeoDataFrame({"code": values}, geometry=[*spoilt, *more], crs=2154)


def _two_parts(shape: shapely.Geometry) -> shapely.Geometry:
    left, bottom, right, top = shape.bounds
    middle = (left + right) / 2
    halves = shapely.box(left, bottom, middle - 5, top), shapely.box(middle + 5, bottom, right, top)
    return shapely.union_all([shapely.intersection(shape, half) for half in halves])


def _crossing(shape: shapely.Geometry) -> shapely.Geometry:
    left, bottom, right, top = shape.bounds
    return shapely.Polygon([(left, bottom), (right, top), (right, bottom), (left, top)])


def command(source: Path, out: Path, *options: str) -> list[str]:
    """Give the command line of the verb."""
    verb = [sys.executable, "-m", "i2lc.chain.cli", "check-database"]
    files = ["-in.vector", str(source), "-out.vector", str(out)]
    return [*verb, *files, "-dataField", "code", "-epsg", "2154", *options]


def results() -> list[Result]:
    """Measure a look with corrections against its limit."""
    rng = np.random.default_rng(0)
    shapes = cells(POLYGONS, rng)
    frame = defects(shapes, rng.integers(1, 10, len(shapes)), rng).to_crs(4326)
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    with tempfile.TemporaryDirectory(prefix="i2lc-truth-") as folder:
        source, out = Path(folder) / "in.gpkg", Path(folder) / "out.gpkg"
        pyogrio.write_dataframe(frame, source)
        start = time.perf_counter()
        subprocess.run(
            command(source, out, "-doCorrections", "True"),
            check=True,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command(out, Path(folder) / "again.gpkg"), check=True, capture_output=True)
        left = pyogrio.read_info(out)["features"]
    name = f"{len(frame)} polygons looked at, {left} left by corrections, against the limit"
    rate = f"{len(frame) / seconds:.0f} polygons ({used.ru_utime + used.ru_stime:.0f} s of CPU)"
    return [Result(name, rate, seconds, LIMIT, 1.0)]


if __name__ == "__main__":
    for result in results():
        sys.stdout.write(f"{result.name}: {result.ours:.1f} s; a second: {result.rate}\n")
