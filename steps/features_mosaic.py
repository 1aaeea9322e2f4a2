"""Step 10d: the features of all strips become the features map: a raster or a Zarr store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import model_validator

from .artifacts import DATE_GRID, FEATURES_MAP, FEATURES_STRIP, TILE_INDEX
from .contract import Job, Step, Unit
from .maps import cog, features_product, zarr_store
from .maps.features_product import MapSettings, Product
from .maps.parts import Parts
from .pixels import labels_of
from .sampling.samples_file import Axes
from .tiles import grid
from .tiles.tile import TileIndex


class Settings(MapSettings, grid.StripSettings, cog.CogSettings):
    """Keys that the step uses."""

    @model_validator(mode="after")
    def _compression_known(self) -> Settings:
        known = zarr_store.CODECS
        if self.product.output_format == "zarr" and self.compression_algorithm not in known:
            raise ValueError(
                f"compression_algorithm {self.compression_algorithm} is none of Zarr's: "
                f"choose one of {', '.join(known)}, or output_format geotiff"
            )
        return self


def used(settings: Settings, unit: Unit) -> dict[str, Any]:  # noqa: ARG001
    """Give the settings that decide the product; its name and format are those of the file."""
    return settings.decisive()


def assemble(job: Job) -> None:
    """Write the features map of a tile, or of all tiles."""
    product: Product = job.settings.product
    axes = features_product.axes(job)
    boxes = {
        str(unit.tile): TileIndex.load(path).grid for unit, path in job.every(TILE_INDEX).items()
    }
    gbox = grid.union(boxes.values())
    parts = _strips(job, boxes)
    target = job.output(product.artifact)
    if product.output_format == "zarr":
        _write_zarr(target.parent, gbox, product, axes, parts, job)
    else:
        fill = cog.mosaic(gbox, parts, product.nodata, job.ram)
        cog.write(target, gbox, look(product, axes), job.settings.compression_algorithm, fill)


def _strips(job: Job, boxes: dict[str, grid.GeoBox]) -> list[tuple[grid.GeoBox, Path]]:
    """Give grid and file of each strip."""
    found = []
    for unit, path in job.every(FEATURES_STRIP).items():
        box = boxes[str(unit.tile)]
        cut = grid.strips(box.height, job.settings.number_of_chunks)[int(unit.strip or 0)]
        found.append((grid.crop(box, slice(*cut), slice(0, box.width)), path))
    return found


def _write_zarr(
    folder: Path,
    gbox: grid.GeoBox,
    product: Product,
    axes: Axes,
    parts: list[tuple[grid.GeoBox, Path]],
    job: Job,
) -> None:
    content = zarr_store.Content(gbox, axes, product.dtype, product.nodata)
    compression = job.settings.compression_algorithm
    with Parts(parts, product.nodata) as whole:
        zarr_store.write(
            *(folder, content, compression),
            lambda window, bands: whole.read(window, bands, product.dtype),
            job.ram,
        )


def look(product: Product, axes: Axes) -> cog.Look:
    """Say what the raster states of its bands.

    Overviews are means of the values that there are: features change slowly, and the nearest of
    many pixels would speckle.
    """
    scales = axes.scales * len(axes.dates) + axes.static_scales
    return cog.Look(
        product.dtype,
        product.nodata,
        "average",
        labels_of(axes),
        scales=tuple(1 / scale for scale in scales) if product.dtype == "int16" else (),
        predictor=True,
    )


STEP = Step(
    name="features_mosaic",
    group="mosaic",
    title="assemble the features map",
    run=assemble,
    settings=Settings,
    per=(),
    inputs=(TILE_INDEX, DATE_GRID, FEATURES_STRIP),
    outputs=(FEATURES_MAP,),
    resource="classifShaping",
    uses=used,
)
"""Another name, format or unit: `per` and `artifact` of `features_product.Product`. With external
features it reads EXTERNAL too."""
