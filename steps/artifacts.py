"""Every kind of file of the chain on one page: name, path, content. This page is the data flow.

The level of an artifact (one file a tile, a strip, a seed...) stands in the braces of its
pattern. Names are iota2's wherever users' scripts rely on them.
"""

from __future__ import annotations

from .contract import Artifact

# init
INPUT_REPORT = Artifact("input report", "input_check.txt", "problems found in the inputs")
TILE_INDEX = Artifact("tile index", "features/{tile}/index.json", "grid and products of a tile")
VIEWS = Artifact("valid views", "features/{tile}/nbView.tif", "number of valid views, uint16")
ENVELOPE = Artifact("envelope", "envelope/{tile}.tif", "1 where the tile owns the pixel, uint8")
DATE_GRID = Artifact("date grid", "features/interpolation_dates.json", "dates of the features")
MODEL_DATES = Artifact(
    "dates of the model", "features/model_dates.json", "those of a given model, in the run's year"
)

EXTERNAL = Artifact(
    "external features",
    "features/external_features.json",
    "functions of the user, their labels and scales",
)
EXTERNAL_REPORT = Artifact(
    "report of the external features",
    "external_check.txt",
    "warnings about the functions of the user, and what they cost",
)

REGION_MAP = Artifact(
    "regions of a tile", "shapeRegion/{tile}_regions.tif", "number of the region, 0 outside, uint16"
)
REGIONS = Artifact("regions", "shapeRegion/regions.csv", "number, region, model")

# sampling
LABELS = Artifact("labels", "samplesSelection/labels.json", "class codes, names and colors")
POLYGONS = Artifact(
    "polygons",
    "samplesSelection/polygons_seed_{seed}{fold}.csv",
    "one line a polygon: identifier, class, region, model, side, set, usable pixels",
)
REFERENCE = Artifact(
    "reference",
    "samplesSelection/{tile}_seed_{seed}{fold}_reference.tif",
    "polygon numbers of usable pixels: band 1 learning, 2 validation, in folds 3 test, uint32",
)
LEARN_VECTOR = Artifact(
    "learning polygons", "dataAppVal/{tile}_seed_{seed}{fold}_learn.sqlite", "SpatiaLite layer"
)
VAL_VECTOR = Artifact(
    "validation polygons", "dataAppVal/{tile}_seed_{seed}{fold}_val.sqlite", "SpatiaLite layer"
)
SPLIT_REPORT = Artifact(
    "split report", "samplesSelection/split_report.json", "pixels and classes left out, and why"
)
SELECTION = Artifact(
    "selection",
    "samplesSelection/{tile}_seed_{seed}{fold}_selection.tif",
    "0 not selected, 1 training, 2 validation of the network, uint8",
)
SEED_STATISTICS = Artifact(
    "class statistics of a seed",
    "samplesSelection/class_statistics_seed_{seed}{fold}.csv",
    "class, available, asked, taken",
)
CLASS_STATISTICS = Artifact(
    "class statistics", "class_statistics.csv", "class, available, asked, taken per model and seed"
)
SAMPLES_PART = Artifact(
    "samples of a strip",
    "learningSamples/parts/{tile}_SUBREGION_{strip}_samples.nc",
    "features of the pixels that any seed or fold selects",
)
SAMPLES = Artifact(
    "samples",
    "learningSamples/Samples_region_{region}_seed{seed}{fold}_learn.nc",
    "features (sample, date, band) int16 with label, polygon, x, y, tile, set",
)
MERGED = Artifact(
    "samples before augmentation",
    "learningSamples/Samples_region_{region}_seed{seed}{fold}_merged.nc",
    "as the samples",
)

# learning
MODEL_HYP = Artifact(
    "model of a pair",
    "model/model_{region}_seed_{seed}{fold}_hyp_{hyp}.safetensors",
    "weights and metadata",
)
HISTORY = Artifact(
    "history of a pair",
    "model/model_{region}_seed_{seed}{fold}_hyp_{hyp}_history.json",
    "scores per epoch",
)
MODEL_BEST = Artifact(
    "best weights of a pair",
    "model/model_{region}_seed_{seed}{fold}_hyp_{hyp}_best.safetensors",
    "weights of the best epoch of each criterion",
)
HISTORY_TABLE = Artifact(
    "history of a pair as CSV",
    "model/model_{region}_seed_{seed}{fold}_hyp_{hyp}_history.csv",
    "a line an epoch",
)
LOSS_FIGURE = Artifact(
    "figure of the losses",
    "model/model_{region}_seed_{seed}{fold}_hyp_{hyp}_loss.png",
    "training and validation loss by epoch, dB",
)
METRICS_FIGURE = Artifact(
    "figure of the scores",
    "model/model_{region}_seed_{seed}{fold}_hyp_{hyp}_confusion_metrics.png",
    "kappa, OA, precision and recall by epoch",
)
MODEL = Artifact(
    "model", "model/model_{region}_seed_{seed}{fold}.safetensors", "the chosen pair's model"
)
MODEL_SKOPS = Artifact(
    "model of scikit-learn",
    "model/model_{region}_seed_{seed}{fold}.skops",
    "a fitted estimator and its card",
)
CROSS_VALIDATION = Artifact(
    "cross-validation of keywords",
    "model/model_{region}_seed_{seed}{fold}_cross_val_param.cv",
    "CSV: a line a combination of keywords, the best first",
)
MODULE = Artifact(
    "networks of the user",
    "model/model_{region}_seed_{seed}{fold}_module.py",
    "copy of dl_module, as the model was trained with it",
)

# classification
LABEL_STRIP = Artifact(
    "labels of a strip",
    "classif/Classif_{tile}_seed_{seed}{fold}_SUBREGION_{strip}.tif",
    "class codes",
)
CONFIDENCE_STRIP = Artifact(
    "confidence of a strip",
    "classif/{tile}_confidence_seed_{seed}{fold}_SUBREGION_{strip}.tif",
    "percent",
)
PROBABILITY_STRIP = Artifact(
    "probabilities of a strip",
    "classif/PROBAMAP_{tile}_seed_{seed}{fold}_SUBREGION_{strip}.tif",
    "one band a class, x 1000",
)

# features map
FEATURES_STRIP = Artifact(
    "features of a strip",
    "customF/{tile}_features_SUBREGION_{strip}.tif",
    "a band a feature, in the type of the features map",
)

# mosaic
LABEL_TILE = Artifact(
    "labels of a tile", "classif/Classif_{tile}_seed_{seed}{fold}.tif", "class codes"
)
CONFIDENCE_TILE = Artifact(
    "confidence of a tile", "classif/{tile}_confidence_seed_{seed}{fold}.tif", "percent"
)
PROBABILITY_TILE = Artifact(
    "probabilities of a tile",
    "classif/PROBAMAP_{tile}_seed_{seed}{fold}.tif",
    "one band a class, x 1000",
)
MAP = Artifact("map", "final/Classif_Seed_{seed}{fold}.tif", "class codes, nodata 0")
MAP_NAMES = Artifact(
    "category names", "final/Classif_Seed_{seed}{fold}.tif.aux.xml", "class names for GDAL"
)
COLOR_MAP = Artifact(
    "colored map", "final/Classif_Seed_{seed}{fold}_ColorIndexed.tif", "with palette"
)
COLOR_NAMES = Artifact(
    "category names of the colored map",
    "final/Classif_Seed_{seed}{fold}_ColorIndexed.tif.aux.xml",
    "class names for GDAL",
)
CONFIDENCE = Artifact("confidence", "final/Confidence_Seed_{seed}{fold}.tif", "percent, nodata 0")
PROBABILITY = Artifact(
    "probability map", "final/ProbabilityMap_seed_{seed}{fold}.tif", "x 1000, nodata 65535"
)
VALIDITY = Artifact("validity", "final/PixelsValidity.tif", "number of valid views, uint16")
LABEL_TABLE = Artifact("label table", "final/Classif_table.csv", "name, id, R, G, B")

# validation
CONFUSION_TILE = Artifact(
    "confusion of a tile", "final/TMP/{tile}_seed_{seed}{fold}.csv", "matrix of validation pixels"
)
CONFUSION_FIGURE = Artifact(
    "confusion figure", "final/Confusion_Matrix_Classif_Seed_{seed}.png", "matrix and scores"
)
CONFUSION = Artifact("confusion", "final/TMP/Classif_Seed_{seed}.csv", "matrix over all tiles")
RESULTS_TEXT = Artifact("results", "final/RESULTS.txt", "scores for reading")
RESULTS_JSON = Artifact("results as JSON", "final/results.json", "scores for programs")
RESULTS_CSV = Artifact("results as CSV", "final/results.csv", "scores as a table")
POLYGON_SCORES = Artifact(
    "predictions of the polygons of a tile",
    "final/TMP/{tile}_seed_{seed}{fold}_polygons.csv",
    "pixels and confidence of each polygon, side and predicted class",
)

# spatial cross-validation
PROOF = Artifact(
    "proof of a fold",
    "final/TMP/proof_seed_{seed}{fold}.json",
    "how far the samples lie from the test polygons",
)
FOLDS_TEXT = Artifact("scores of the folds", "final/FOLDS.txt", "scores for reading")
FOLDS_JSON = Artifact("scores of the folds as JSON", "final/folds.json", "scores for programs")
FOLDS_CSV = Artifact("scores of the folds as CSV", "final/folds.csv", "scores as a table")
DISTANCE_CSV = Artifact(
    "accuracy by distance", "final/accuracy_by_distance.csv", "to the nearest training polygon"
)
DISTANCE_FIGURE = Artifact(
    "figure of the accuracy by distance", "final/accuracy_by_distance.png", "the table as a figure"
)
SUSPICIOUS = Artifact(
    "suspicious polygons",
    "final/suspicious_polygons.gpkg",
    "polygons ranked by how little their out-of-fold map agrees",
)
SUSPICIOUS_STYLE = Artifact(
    "style of the suspicious polygons", "final/suspicious_polygons.qml", "for QGIS"
)


def user_module(name: str) -> Artifact:
    """Give the artifact of the copy of a file of the user's functions."""
    return Artifact(
        f"functions of {name}",
        f"model/external_features/{name}",
        "copy of the file, as the features were computed with it",
    )


def features_map(
    name: str = "features_map", output_format: str = "geotiff", *, per_tile: bool = False
) -> Artifact:
    """Give the artifact of the features map.

    Parameters
    ----------
    name : str
        Name of the product without its ending (output_name).
    output_format : str
        "geotiff", or "zarr": then the file is the metadata of the store, whose folder is whole
        when that file is there.
    per_tile : bool
        One product a tile (output_per_tile), `<name>_<tile>`.
    """
    stem = f"final/{name}_{{tile}}" if per_tile else f"final/{name}"
    about = "a band a feature; as the external features say float32, or int16 with a scale"
    if output_format == "zarr":
        return Artifact("features map as Zarr", f"{stem}.zarr/.zmetadata", about)
    return Artifact("features map", f"{stem}.tif", about)


FEATURES_MAP = features_map()
