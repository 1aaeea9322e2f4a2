"""Draw docs/images/features_map.png: python docs/make_features_picture.py demo-run/features."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.figure import Figure

PICTURE = Path(__file__).parent / "images" / "features_map.png"
DAY = "20180603"
"""A date of the features in late spring."""
PANELS = {
    f"Sentinel2_NDVI_{DAY}": ("NDVI, 3 June", "viridis"),
    f"Sentinel2_NDVImedian5_{DAY}": ("its median over 5 × 5 pixels", "viridis"),
    f"Sentinel2_soi_{DAY}": ("soil composition index, 3 June", "cividis"),
    "Sentinel2_NDVI_harmonic_mean": ("harmonic fit of NDVI: mean", "viridis"),
    "Sentinel2_NDVI_harmonic_amplitude": ("amplitude", "magma"),
    "Sentinel2_NDVI_harmonic_phase": ("phase: day of the peak", "twilight"),
}
"""Label of a band -> title and colors."""


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the bands of the panels from a features map, not a number where they have no value."""
    with rasterio.open(path) as raster:
        places = {text: number for number, text in enumerate(raster.descriptions, 1)}
        bands = {label: raster.read(places[label], masked=True) for label in PANELS}
    return {label: band.filled(np.nan) for label, band in bands.items()}


def draw(output: Path) -> None:
    """Draw features of the run in folder `output`."""
    bands = read(output / "final" / "features_map.tif")
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    for place, (label, (title, colors)) in zip(
        figure.subplots(2, 3).flat, PANELS.items(), strict=True
    ):
        low, high = (0, 365) if "phase" in label else np.nanpercentile(bands[label], [1, 99])
        shown = place.imshow(
            bands[label], cmap=colors, vmin=low, vmax=high, interpolation="nearest"
        )
        figure.colorbar(shown, ax=place, orientation="horizontal", shrink=0.7, aspect=35)
        place.set_title(title, fontsize=10)
        place.set_axis_off()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=80)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
