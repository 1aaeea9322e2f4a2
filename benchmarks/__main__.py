"""Run all benchmarks, print their table and write docs/benchmarks.md.

``python -m benchmarks`` from the root of the repository; exit status 1 when a goal is missed.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import rasterio

from . import (
    bench_external,
    bench_features,
    bench_gapfill,
    bench_ground_truth,
    bench_learning,
    bench_plan,
    bench_resample,
    bench_tasks,
)
from .measure import Result

COMMAND = "python -m benchmarks"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
MODULES = (
    bench_gapfill,
    bench_resample,
    bench_features,
    bench_external,
    bench_ground_truth,
    bench_plan,
    bench_tasks,
    bench_learning,
)
LIBRARIES = (
    *("i2lc", "numpy", "numba", "torch", "netCDF4", "rasterio", "pyproj", "odc-geo"),
    *("dask", "distributed"),
)
HEAD = ("what", "ours", "reference", "ratio", "goal", "", "ours a second")


def cells(result: Result) -> tuple[str, ...]:
    """Give the cells of a row of the table."""
    verdict = "" if result.goal is None else "**missed**" if result.missed else "met"
    return (
        result.name,
        f"{result.ours:.4g} s",
        f"{result.reference:.4g} s",
        f"{result.ratio:.3g}",
        "none" if result.goal is None else f"{result.goal:g}",
        verdict,
        result.rate,
    )


def table(results: Iterable[Result]) -> str:
    """Lay out the results as a Markdown table that reads well as plain text too."""
    lines = [HEAD, *map(cells, results)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEAD))]
    rows = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Name the processor, its cores and the system."""
    facts = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (facts.read_text().splitlines() if facts.exists() else [])
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()}"


def versions() -> str:
    """Name the versions that count."""
    found = [f"{name} {version(name)}" for name in LIBRARIES]
    gdal = f"GDAL {rasterio.__gdal_version__}"
    return ", ".join([f"Python {platform.python_version()}", *found, gdal])


def verdict(results: Iterable[Result]) -> str:
    """Say which goals are missed."""
    missed = [result for result in results if result.missed]
    if not missed:
        return "All goals are met."
    named = "; ".join(f"{r.name}: {r.ratio:.3g} of {r.goal:g}" for r in missed)
    return f"Goals missed: {named}."


def page(results: list[Result]) -> str:
    """Write the page of the documentation."""
    now = datetime.now(UTC)
    return f"""# Benchmarks

Made by `{COMMAND}` (`make bench`) on {now:%Y-%m-%d}, and written anew by each run.

- Machine: {machine()}
- Versions: {versions()}

A ratio says how many times ours is as fast as the reference. Both run alternately in one process,
and the least time of each counts. A run on a busy machine gives other ratios.

{table(results)}

{verdict(results)}

## What is measured

{chr(10).join(_explained(module) for module in MODULES)}"""


def _explained(module: ModuleType) -> str:
    title, _, text = (module.__doc__ or "").strip().partition("\n\n")
    return f"**{title}** {text}\n"


def main() -> int:
    """Measure, tell, write."""
    results: list[Result] = []
    for module in MODULES:
        print(f"{module.__name__} ...", file=sys.stderr, flush=True)
        results += module.results()
    print(f"{machine()}\n{versions()}\n\n{table(results)}\n\n{verdict(results)}")
    PAGE.write_text(page(results), encoding="utf-8")
    return int(any(result.missed for result in results))


if __name__ == "__main__":
    sys.exit(main())
