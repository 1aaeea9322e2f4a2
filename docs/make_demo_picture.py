"""Draw docs/images/demo_map.png from a finished demo: python docs/make_demo_picture.py demo-run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

PICTURE = Path(__file__).parent / "images" / "demo_map.png"


def read(path: Path) -> np.ndarray:
    """Read the first band of a raster."""
    with rasterio.open(path) as raster:
        return raster.read(1)


def palette(demo: Path) -> np.ndarray:
    """Give the color of each value, float (256, 3); 0 is white."""
    colors = np.ones((256, 3))
    for line in (demo / "colors.txt").read_text().splitlines():
        code, *rgb = (int(part) for part in line.split())
        if code:
            colors[code] = np.array(rgb) / 255
    return colors


def draw(demo: Path) -> None:
    """Draw map, true map, confidence and valid views of the demo in folder `demo`."""
    final = demo / "results" / "final"
    colors = palette(demo)
    figure = Figure(figsize=(10.5, 6.6), layout="constrained")
    axes = figure.subplots(2, 2)
    for place, path, title in (
        (axes[0, 0], final / "Classif_Seed_0.tif", "map"),
        (axes[0, 1], demo / "truth.tif", "truth"),
    ):
        place.imshow(
            read(path), cmap=ListedColormap(colors), vmin=0, vmax=255, interpolation="nearest"
        )
        place.set_title(title, fontsize=10)
    for place, path, title in (
        (axes[1, 0], final / "Confidence_Seed_0.tif", "confidence (percent)"),
        (axes[1, 1], final / "PixelsValidity.tif", "valid views"),
    ):
        shown = place.imshow(np.ma.masked_equal(read(path), 0), cmap="viridis")
        figure.colorbar(shown, ax=place, orientation="horizontal", shrink=0.6, aspect=40)
        place.set_title(title, fontsize=10)
    for place in axes.flat:
        place.set_axis_off()
    names = [line.rsplit(":", 1) for line in (demo / "nomenclature.txt").read_text().splitlines()]
    legend = [Patch(color=colors[int(code)], label=name) for name, code in names]
    figure.legend(handles=legend, loc="outside upper center", ncols=len(legend), fontsize=9)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=100)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
